#include "collector/inventory/destination_recorder.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "collector/exposure/rules.h"
#include "collector/store/timestamp.h"

namespace skimwatch::inventory {
namespace {

using store::FromTimestamp;
using Change = v1::DestinationChange;
using Texts = google::protobuf::RepeatedPtrField<std::string>;

constexpr int kDestinationAgentsMax = 64;
constexpr int kListMax = 64;

void AddToList(const Texts& values, Texts& list) {
  for (const std::string& value : values) {
    if (list.size() >= kListMax) return;
    if (std::find(list.begin(), list.end(), value) == list.end()) *list.Add() = value;
  }
}

// Agents count as they like.
uint64_t AddSaturated(uint64_t a, uint64_t b) {
  return a > std::numeric_limits<uint64_t>::max() - b ? std::numeric_limits<uint64_t>::max()
                                                      : a + b;
}

void SetCounts(const std::string& agent, const Change& change, v1::Destination& destination) {
  auto* const agents = destination.mutable_agents();
  auto entry = std::find_if(agents->begin(), agents->end(), [&](const v1::DestinationAgent& known) {
    return known.identity() == agent;
  });
  v1::DestinationAgent* counts = entry != agents->end() ? &*entry : nullptr;
  if (counts == nullptr && agents->size() < kDestinationAgentsMax) {
    counts = agents->Add();
    counts->set_identity(agent);
  }
  if (counts != nullptr) {
    counts->set_flows(change.flows());
    counts->set_bytes_out(change.bytes_out());
  }
  uint64_t flows = 0;
  uint64_t bytes = 0;
  for (const v1::DestinationAgent& known : *agents) {
    flows = AddSaturated(flows, known.flows());
    bytes = AddSaturated(bytes, known.bytes_out());
  }
  destination.set_flows(flows);
  destination.set_bytes_out(bytes);
}

void Merge(const v1::Finding& finding, const std::string& agent, v1::Destination& destination) {
  const Change& change = finding.destination_change();
  if (!destination.has_first_seen() ||
      FromTimestamp(finding.first_seen()) < FromTimestamp(destination.first_seen())) {
    *destination.mutable_first_seen() = finding.first_seen();
  }
  if (!destination.has_last_seen() ||
      FromTimestamp(finding.last_seen()) > FromTimestamp(destination.last_seen())) {
    *destination.mutable_last_seen() = finding.last_seen();
  }
  if (change.scope() != Change::SCOPE_UNSPECIFIED &&
      (destination.scope() == Change::SCOPE_UNSPECIFIED || change.scope() < destination.scope())) {
    destination.set_scope(change.scope());
  }
  if (change.checkout()) destination.set_checkout(true);
  for (const uint32_t port : change.ports()) {
    auto* const ports = destination.mutable_ports();
    if (ports->size() < kListMax && std::find(ports->begin(), ports->end(), port) == ports->end()) {
      ports->Add(port);
    }
  }
  AddToList(change.addresses(), *destination.mutable_addresses());
  AddToList(change.hosts(), *destination.mutable_hosts());
  AddToList(change.alpn(), *destination.mutable_alpn());
  AddToList(change.ja4(), *destination.mutable_ja4());
  if (change.has_opaque()) *destination.mutable_opaque() = change.opaque();
  SetCounts(agent, change, destination);
}

}  // namespace

absl::StatusOr<store::DestinationStates> StatesOf(store::Transaction& transaction,
                                                  const std::string& site, absl::Time now) {
  absl::StatusOr<std::vector<store::StoredDestinationApproval>> approvals =
      transaction.DestinationApprovals(site);
  if (!approvals.ok()) return approvals.status();
  store::DestinationStates states(now);
  for (const store::StoredDestinationApproval& stored : *approvals) {
    if (absl::Status s = states.Add(stored.approval); !s.ok()) return s;
  }
  return states;
}

absl::StatusOr<const store::DestinationStates*> ApprovalsOfSites::Of(const std::string& site) {
  auto known = sites_.find(site);
  if (known == sites_.end()) {
    absl::StatusOr<store::DestinationStates> states = StatesOf(transaction_, site, now_);
    if (!states.ok()) return states.status();
    known = sites_.emplace(site, *std::move(states)).first;
  }
  return &known->second;
}

absl::StatusOr<uint64_t> RecordDestinationChange(store::Transaction& transaction,
                                                 exposure::ExposureFolder& folder,
                                                 ApprovalsOfSites& approvals,
                                                 const v1::Finding& finding,
                                                 const std::string& agent) {
  const Change& change = finding.destination_change();
  absl::StatusOr<std::optional<v1::Destination>> found =
      transaction.FindDestination(finding.site(), change.name(), change.process());
  if (!found.ok()) return found.status();
  v1::Destination destination = found->has_value() ? **std::move(found) : v1::Destination();
  destination.set_site(finding.site());
  destination.set_name(change.name());
  destination.set_process(change.process());
  Merge(finding, agent, destination);

  absl::StatusOr<const store::DestinationStates*> states = approvals.Of(finding.site());
  if (!states.ok()) return states.status();
  const bool is_approved = (*states)->Find(destination) != nullptr;
  const bool is_alarm =
      change.change() == Change::CHANGE_NEW || change.change() == Change::CHANGE_OPAQUE_PAYLOAD;
  if (is_approved) destination.set_was_approved(true);
  if (is_alarm) destination.set_reported_new(true);
  if (absl::Status s = transaction.PutDestination(destination); !s.ok()) return s;
  if (!is_alarm || is_approved) return 0;
  return folder.AddTo(exposure::KeyOf(finding, v1::FINDING_KIND_DESTINATION_CHANGE), finding,
                      v1::FINDING_KIND_DESTINATION_CHANGE, agent);
}

}  // namespace skimwatch::inventory
