#include "collector/ingest/agent_registry.h"

#include <chrono>
#include <utility>

#include "absl/strings/escaping.h"
#include "collector/ingest/store_health.h"
#include "collector/store/timestamp.h"
#include "spdlog/spdlog.h"

namespace skimwatch::ingest {
namespace {

// Identities that are turned away are bounded only by the certificates that were issued; what waits
// to be written is bounded here.
constexpr size_t kChangesMax = 100'000;

// Time that no one can set back.
absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

uint64_t More(uint64_t now, uint64_t before) { return now > before ? now - before : 0; }

// Whether an agent that counted `before` counts from its start again: a figure went down. What it
// shed is left out, and with it what it saw, for a part of that is an estimate of what the kernel
// dropped.
bool IsRestarted(const v1::Coverage& before, const v1::Coverage& now) {
  return now.scanned_bytes() < before.scanned_bytes() ||
         now.sampled_out_bytes() < before.sampled_out_bytes() ||
         now.truncated_bytes() < before.truncated_bytes() ||
         now.undecodable_bytes() < before.undecodable_bytes() ||
         now.inbound_bytes() < before.inbound_bytes();
}

// What came since `before`, both counted from the agent's start: all of `now` where the agent was
// started meanwhile.
v1::Coverage Since(const v1::Coverage& before, const v1::Coverage& now) {
  if (IsRestarted(before, now)) return now;
  v1::Coverage since;
  since.set_seen_bytes(More(now.seen_bytes(), before.seen_bytes()));
  since.set_scanned_bytes(now.scanned_bytes() - before.scanned_bytes());
  since.set_sampled_out_bytes(now.sampled_out_bytes() - before.sampled_out_bytes());
  since.set_truncated_bytes(now.truncated_bytes() - before.truncated_bytes());
  since.set_shed_bytes(More(now.shed_bytes(), before.shed_bytes()));
  since.set_undecodable_bytes(now.undecodable_bytes() - before.undecodable_bytes());
  since.set_inbound_bytes(now.inbound_bytes() - before.inbound_bytes());
  for (const auto& [reason, bytes] : now.by_reason_bytes()) {
    const auto old = before.by_reason_bytes().find(reason);
    const uint64_t known = old == before.by_reason_bytes().end() ? 0 : old->second;
    if (bytes > known) (*since.mutable_by_reason_bytes())[reason] = bytes - known;
  }
  return since;
}

}  // namespace

AgentRegistry::Change& AgentRegistry::ChangeOf(std::string_view identity, absl::Time now) {
  Change& change =
      changes_.try_emplace(std::string(identity), Change{.begun = SteadyNow()}).first->second;
  change.seen = now;
  return change;
}

void AgentRegistry::Connected(std::string_view identity, const v1::Hello& hello,
                              std::optional<absl::Time> certificate_expiry, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  Change& change = ChangeOf(identity, now);
  change.state = v1::Agent::STATE_CONNECTED;
  change.rejection_reason.clear();
  change.hello = hello;
  change.certificate_expiry = certificate_expiry;
}

void AgentRegistry::Heartbeat(std::string_view identity, const v1::Heartbeat& heartbeat,
                              absl::Time now) {
  absl::MutexLock lock(&mutex_);
  Change& change = ChangeOf(identity, now);
  // Again, because a collector that the agent left may have written the contrary since.
  change.state = v1::Agent::STATE_CONNECTED;
  change.rejection_reason.clear();
  change.heartbeat = heartbeat;
  change.heard = now;
}

void AgentRegistry::Disconnected(std::string_view identity, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  Change& change = ChangeOf(identity, now);
  change.state = v1::Agent::STATE_SILENT;
}

void AgentRegistry::Rejected(std::string_view identity, std::string_view reason, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (changes_.size() >= kChangesMax) return;
  Change& change = ChangeOf(identity, now);
  change.state = v1::Agent::STATE_REJECTED;
  change.rejection_reason = std::string(reason);
}

bool AgentRegistry::HasChanges() const {
  absl::MutexLock lock(&mutex_);
  return !changes_.empty();
}

void AgentRegistry::Apply(const Change& change, v1::Agent& agent) {
  *agent.mutable_last_seen() = store::ToTimestamp(change.seen);
  if (!agent.has_first_seen()) *agent.mutable_first_seen() = agent.last_seen();
  if (change.state.has_value()) {
    agent.set_state(*change.state);
    agent.set_rejection_reason(change.rejection_reason);
  }
  if (change.hello.has_value()) {
    agent.set_version(change.hello->version());
    *agent.mutable_sites() = change.hello->sites();
    agent.clear_certificate_expiry();
    if (change.certificate_expiry.has_value()) {
      *agent.mutable_certificate_expiry() = store::ToTimestamp(*change.certificate_expiry);
    }
  }
  if (change.heartbeat.has_value()) {
    *agent.mutable_coverage() = change.heartbeat->coverage();
    *agent.mutable_spool() = change.heartbeat->spool();
    agent.set_policy_version(change.heartbeat->policy_version());
    agent.set_sample_ratio(change.heartbeat->sample_ratio());
    *agent.mutable_pages() = change.heartbeat->pages();
  }
}

absl::Status AgentRegistry::AddCoverage(const Change& change, const v1::Agent& agent,
                                        store::Transaction& transaction) const {
  if (!change.heartbeat.has_value()) return absl::OkStatus();
  v1::AgentCoverage more;
  more.set_agent(agent.identity());
  *more.mutable_coverage() = Since(agent.coverage(), change.heartbeat->coverage());
  // A longer silence is not heard time. Neither is the time before a connection, unless the agent
  // went on counting over it: it was not away then, only not connected.
  const bool went_on =
      !change.hello.has_value() || (agent.coverage().seen_bytes() > 0 &&
                                    !IsRestarted(agent.coverage(), change.heartbeat->coverage()));
  const absl::Duration gap = change.seen - store::FromTimestamp(agent.last_seen());
  if (went_on && agent.has_last_seen() && gap > absl::ZeroDuration() && gap <= silent_after_) {
    more.set_heard_seconds(absl::ToDoubleSeconds(gap));
  }
  return transaction.AddCoverage(more, change.seen);
}

AgentRegistry::Change AgentRegistry::WithoutWhatIsOld(const Change& change,
                                                      const v1::Agent& agent) const {
  Change current = change;
  if (!agent.has_last_seen()) return current;
  const absl::Time last_seen = store::FromTimestamp(agent.last_seen());
  // Another collector can have written the agent only while the change was kept here; what is
  // further behind comes of a clock that was set back. Two collectors' clocks may differ by as much
  // as tells a silent agent.
  const absl::Duration behind_max = SteadyNow() - change.begun + silent_after_;
  const auto is_old = [&](absl::Time time) {
    return time < last_seen && last_seen - time <= behind_max;
  };
  if (change.heartbeat.has_value() && is_old(change.heard)) current.heartbeat.reset();
  if (is_old(change.seen)) current.seen = last_seen;
  return current;
}

absl::Status AgentRegistry::Write(const Changes& changes, store::Store& store) const {
  return store.Write([&](store::Transaction& transaction) {
    for (const auto& [identity, kept] : changes) {
      absl::StatusOr<std::optional<v1::Agent>> found = transaction.FindAgent(identity);
      if (!found.ok()) return found.status();
      const bool is_new = !found->has_value();
      v1::Agent agent = is_new ? v1::Agent() : **std::move(found);
      agent.set_identity(identity);
      if (is_new) {
        if (absl::Status s = transaction.PutAgent(agent); !s.ok()) return s;
      }
      const Change change = WithoutWhatIsOld(kept, agent);
      if (absl::Status s = AddCoverage(change, agent, transaction); !s.ok()) return s;
      Apply(change, agent);
      if (absl::Status s = transaction.PutAgent(agent); !s.ok()) return s;
    }
    return absl::OkStatus();
  });
}

absl::Status AgentRegistry::WriteEach(Changes& changes, store::Store& store) const {
  while (!changes.empty()) {
    Changes one;
    one.insert(changes.extract(changes.begin()));
    absl::Status status = Write(one, store);
    if (status.ok()) continue;
    if (StoreHealth::IsStoreFailure(status)) {
      changes.merge(one);
      return status;
    }
    spdlog::error("what changed about agent '{}' can't be stored, and is dropped: {}",
                  absl::CHexEscape(one.begin()->first), status.ToString());
  }
  return absl::OkStatus();
}

absl::Status AgentRegistry::Flush(store::Store& store) {
  Changes changes;
  {
    absl::MutexLock lock(&mutex_);
    changes.swap(changes_);
  }
  if (changes.empty()) return absl::OkStatus();
  absl::Status status = Write(changes, store);
  // One of them is at fault: it must not keep the others from being written.
  if (!status.ok() && !StoreHealth::IsStoreFailure(status)) status = WriteEach(changes, store);
  if (status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  for (auto& [identity, change] : changes) {
    // What came meanwhile is newer; it lacks only what is sent once.
    const auto [it, inserted] = changes_.try_emplace(identity, change);
    if (inserted) continue;
    Change& newer = it->second;
    newer.begun = change.begun;
    if (!newer.state.has_value()) {
      newer.state = change.state;
      newer.rejection_reason = change.rejection_reason;
    }
    if (!newer.hello.has_value()) {
      newer.hello = change.hello;
      newer.certificate_expiry = change.certificate_expiry;
    }
    if (!newer.heartbeat.has_value()) {
      newer.heartbeat = change.heartbeat;
      newer.heard = change.heard;
    }
  }
  return status;
}

}  // namespace skimwatch::ingest
