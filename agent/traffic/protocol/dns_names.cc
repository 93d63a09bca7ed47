#include "agent/traffic/protocol/dns_names.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/hash/hash.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/ip_address.h"
#include "agent/traffic/protocol/decoder_context.h"
#include "agent/traffic/protocol/flow_context.h"

namespace skimwatch::traffic {
namespace {

// Less than the shortest card number in any encoding.
constexpr size_t kDataBytesMin = 6;

void Deliver(FlowContext& flow, const Provenance& provenance, Part part, std::string_view bytes) {
  if (bytes.empty()) return;
  PartConsumer* consumer = flow.decoder.sink.BeginPart(provenance, part);
  consumer->Data(bytes);
  consumer->End();
}

bool IsAddress(uint16_t type) {
  return type == static_cast<uint16_t>(DnsType::kA) ||
         type == static_cast<uint16_t>(DnsType::kAaaa);
}

// Tells where the name that was asked for leads.
void TellAddresses(const FlowContext& flow, Sender sender, const DnsMessage& message) {
  if (flow.decoder.destinations == nullptr || !message.is_response || message.questions.empty() ||
      flow.DirectionOf(sender) != Direction::kInboundResponse) {
    return;
  }
  for (const DnsRecord& record : message.records) {
    if (!IsAddress(record.type)) continue;
    const auto* const bytes = reinterpret_cast<const uint8_t*>(record.data.data());
    if (record.type == static_cast<uint16_t>(DnsType::kA) && record.data.size() == 4) {
      flow.decoder.destinations->OnResolved(message.questions[0].text,
                                            IpAddress::V4(bytes).ToString());
    } else if (record.type == static_cast<uint16_t>(DnsType::kAaaa) && record.data.size() == 16) {
      flow.decoder.destinations->OnResolved(message.questions[0].text,
                                            IpAddress::V6(bytes).ToString());
    }
  }
}

}  // namespace

bool DnsNames::Take(FlowContext& flow, Sender sender, std::string_view message) {
  const std::optional<DnsMessage> parsed = ParseDnsMessage(message);
  if (!parsed.has_value()) return false;
  flow.Count(flow.ReasonOf(sender), message.size());
  flow.counters(Protocol::kDns).messages.Add();
  TellAddresses(flow, sender, *parsed);
  if (!flow.Scans(sender)) return true;
  if (registered_ == nullptr) registered_ = std::make_unique<RegisteredDomains>();
  std::string_view asked;
  for (const DnsName& question : parsed->questions) {
    asked = question.text;
    // An answer repeats what was asked.
    if (!parsed->is_response) TakeName(flow, sender, question);
  }
  Provenance provenance;
  for (const DnsRecord& record : parsed->records) {
    const bool has_data = !IsAddress(record.type) && record.data.size() >= kDataBytesMin;
    if (!has_data && record.owner.text.empty()) continue;
    flow.Fill(sender, registered_->Of(record.owner.text.empty() ? asked : record.owner.text),
              provenance);
    provenance.protocol = Protocol::kDns;
    if (record.owner.text != asked) {
      Deliver(flow, provenance, Part::kRecord, record.owner.text);
    }
    if (has_data) Deliver(flow, provenance, Part::kRecord, record.data);
  }
  return true;
}

void DnsNames::TakeName(FlowContext& flow, Sender sender, const DnsName& name) {
  const std::string domain = registered_->Of(name.text);
  Provenance provenance;
  flow.Fill(sender, domain, provenance);
  provenance.protocol = Protocol::kDns;
  Deliver(flow, provenance, Part::kName, name.text);

  // What stands before the domain, without dots.
  const size_t before = name.text.size() - std::min(name.text.size(), domain.size());
  std::string labels;
  std::string_view longest;
  size_t at = 0;
  size_t count = 0;
  for (const uint8_t bytes : name.label_bytes) {
    if (at + bytes > before) break;
    const std::string_view label = std::string_view(name.text).substr(at, bytes);
    labels += label;
    if (label.size() > longest.size()) longest = label;
    at += size_t{1} + bytes;
    ++count;
  }
  if (count == 0) return;
  if (count > 1) Deliver(flow, provenance, Part::kName, labels);
  Join(flow, provenance, labels, longest);
  memory::Wipe(labels);
}

void DnsNames::Join(FlowContext& flow, const Provenance& provenance, std::string_view labels,
                    std::string_view longest) {
  std::string key = flow.client.ip + ' ' + provenance.host;
  auto it = by_key_.find(key);
  if (it == by_key_.end()) {
    if (by_age_.size() >= kDomainsMax) Remove(by_age_.begin());
    DecoderMemory& memory = flow.decoder.parser_memory;
    if (!memory.Take(kDomainBytes)) {
      if (by_age_.empty()) return;
      Remove(by_age_.begin());
      if (!memory.Take(kDomainBytes)) return;
    }
    Domain& added = by_age_.emplace_back();
    added.key = key;
    added.memory = &memory;
    added.provenance = provenance;
    it = by_key_.emplace(std::move(key), std::prev(by_age_.end())).first;
  }
  by_age_.splice(by_age_.end(), by_age_, it->second);
  Domain& domain = *it->second;
  domain.last_asked = flow.now;
  const size_t hash = absl::Hash<std::string_view>()(labels);
  if (std::find(domain.recent.begin(), domain.recent.end(), hash) != domain.recent.end()) return;
  domain.recent[domain.recent_at] = hash;
  domain.recent_at = (domain.recent_at + 1) % kRecentMax;
  if (domain.labels == nullptr && domain.first_labels.empty()) {
    domain.first_labels = labels;
    domain.first_longest = longest;
    return;
  }
  if (domain.labels == nullptr) {
    domain.labels = flow.decoder.sink.BeginPart(domain.provenance, Part::kName);
    domain.labels->Data(domain.first_labels);
  }
  domain.labels->Data(labels);
  // They are the same as long as every name has one label.
  const bool differs =
      longest.size() != labels.size() || domain.first_longest.size() != domain.first_labels.size();
  if (domain.longest == nullptr && differs) {
    domain.longest = flow.decoder.sink.BeginPart(domain.provenance, Part::kName);
    domain.longest->Data(domain.first_longest);
  }
  if (domain.longest != nullptr) domain.longest->Data(longest);
}

void DnsNames::Expire(absl::Time before) {
  while (!by_age_.empty() && by_age_.front().last_asked < before) Remove(by_age_.begin());
}

void DnsNames::Remove(std::list<Domain>::iterator domain) {
  for (PartConsumer* consumer : {domain->labels, domain->longest}) {
    if (consumer != nullptr) consumer->End();
  }
  memory::Wipe(domain->first_labels);
  memory::Wipe(domain->first_longest);
  domain->memory->Return(kDomainBytes);
  by_key_.erase(domain->key);
  by_age_.erase(domain);
}

}  // namespace skimwatch::traffic
