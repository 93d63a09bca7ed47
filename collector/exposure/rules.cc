#include "collector/exposure/rules.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "collector/store/timestamp.h"

namespace skimwatch::exposure {
namespace {

uint64_t AddSaturated(uint64_t a, uint64_t b) {
  return a > std::numeric_limits<uint64_t>::max() - b ? std::numeric_limits<uint64_t>::max()
                                                      : a + b;
}

void AddToList(const std::string& value, google::protobuf::RepeatedPtrField<std::string>& list) {
  if (value.empty() || list.size() >= kListEntriesMax) return;
  if (std::find(list.begin(), list.end(), value) == list.end()) *list.Add() = value;
}

const google::protobuf::RepeatedPtrField<std::string>* EncodingsOf(const v1::Finding& finding) {
  switch (finding.detail_case()) {
    case v1::Finding::kCardNumber:
      return &finding.card_number().encodings();
    case v1::Finding::kTrackData:
      return &finding.track_data().encodings();
    case v1::Finding::kCanary:
      return &finding.canary().encodings();
    default:
      return nullptr;
  }
}

// The least that a finding calls for, whatever its agent says of it.
v1::Severity LeastSeverity(const v1::Finding& finding, v1::FindingKind kind) {
  const v1::Card* card = CardOf(finding);
  if (card != nullptr && card->test_card()) return v1::SEVERITY_UNSPECIFIED;
  // That something went out is less than that the canary did.
  const bool undecoded = finding.has_canary() && finding.canary().undecoded();
  if (kind == v1::FINDING_KIND_TRACK_DATA || (kind == v1::FINDING_KIND_CANARY && !undecoded)) {
    return v1::SEVERITY_CRITICAL;
  }
  return kind == v1::FINDING_KIND_CARD_NUMBER ? v1::SEVERITY_HIGH : v1::SEVERITY_UNSPECIFIED;
}

std::string ChannelOf(const v1::Finding& finding, v1::FindingKind kind) {
  const v1::Provenance& provenance = finding.provenance();
  switch (kind) {
    case v1::FINDING_KIND_SCRIPT_CHANGE:
      return finding.script_change().script();
    case v1::FINDING_KIND_HEADER_CHANGE:
      return absl::StrCat(finding.header_change().page(), " ", finding.header_change().header());
    case v1::FINDING_KIND_BROWSER_REPORT:
      return finding.browser_report().page();
    case v1::FINDING_KIND_DESTINATION_CHANGE:
      return finding.destination_change().name();
    default:
      break;
  }
  if (!provenance.method().empty() || !provenance.path_template().empty()) {
    return provenance.method().empty()
               ? provenance.path_template()
               : absl::StrCat(provenance.method(), " ", provenance.path_template());
  }
  if (!provenance.file().empty()) return provenance.file();
  // A flow that is no HTTP: its part (`stream`) says at least what was looked at.
  return provenance.part();
}

}  // namespace

absl::StatusOr<Rules> Rules::FromConfig(const config::v1::ExposureRules& config) {
  Rules rules = {.test_cards = config.test_cards()};
  if (config.open_confidence() == "low") {
    rules.open_confidence = v1::CONFIDENCE_LOW;
  } else if (config.open_confidence() == "medium" || config.open_confidence().empty()) {
    rules.open_confidence = v1::CONFIDENCE_MEDIUM;
  } else if (config.open_confidence() == "high") {
    rules.open_confidence = v1::CONFIDENCE_HIGH;
  } else {
    return absl::InvalidArgumentError(absl::StrCat("exposures.open_confidence: '",
                                                   config.open_confidence(),
                                                   "' is not `low`, `medium` or `high`"));
  }
  return rules;
}

const v1::Card* CardOf(const v1::Finding& finding) {
  if (finding.has_card_number()) return &finding.card_number().card();
  if (finding.has_track_data()) return &finding.track_data().card();
  return nullptr;
}

store::ExposureKey KeyOf(const v1::Finding& finding, v1::FindingKind kind) {
  store::ExposureKey key = {.site = finding.site(),
                            .kind = kind,
                            .channel = ChannelOf(finding, kind),
                            .destination = finding.destination()};
  // A script keeps its key whatever the finding says, so that an approval finds what it closes.
  if (kind == v1::FINDING_KIND_SCRIPT_CHANGE) key.destination = finding.script_change().page();
  // One destination is one exposure, whatever processes send there.
  if (kind == v1::FINDING_KIND_DESTINATION_CHANGE) key.destination = key.channel;
  return key;
}

Fold Decide(const v1::Finding& finding, v1::FindingKind kind, const Rules& rules) {
  if (finding.expected()) return Fold::kNone;
  // What comes in leaves nobody's hands: a shopper's own submission.
  const v1::Direction direction = finding.provenance().direction();
  if (direction == v1::DIRECTION_INBOUND_REQUEST || direction == v1::DIRECTION_INBOUND_RESPONSE) {
    return Fold::kNone;
  }
  if (finding.confidence() < rules.open_confidence) return Fold::kNone;
  if (kind == v1::FINDING_KIND_UNSPECIFIED || kind == v1::FINDING_KIND_SCRIPT_CHANGE ||
      kind == v1::FINDING_KIND_DESTINATION_CHANGE) {
    return Fold::kNone;
  }
  const v1::Card* card = CardOf(finding);
  if (card != nullptr) return card->test_card() && !rules.test_cards ? Fold::kJoin : Fold::kOpen;
  if (kind == v1::FINDING_KIND_CANARY) return Fold::kOpen;
  return finding.severity() >= v1::SEVERITY_MEDIUM ? Fold::kOpen : Fold::kNone;
}

v1::Severity SeverityOf(const v1::Finding& finding, v1::FindingKind kind) {
  return std::max(finding.severity(), LeastSeverity(finding, kind));
}

std::string SeverityReasonOf(const v1::Finding& finding, v1::FindingKind kind) {
  const v1::Severity least = LeastSeverity(finding, kind);
  if (least == v1::SEVERITY_UNSPECIFIED || finding.severity() > least) {
    return absl::StrCat("the agent's rule ",
                        finding.rule().empty() ? "(without a name)" : finding.rule());
  }
  switch (kind) {
    case v1::FINDING_KIND_TRACK_DATA:
      return "sensitive authentication data leaves (PCI DSS 4.0.1, 3.3.1)";
    case v1::FINDING_KIND_CANARY:
      return "a number that only the agent's own look at a page typed has left";
    default:
      return "full card numbers leave (PCI DSS 4.0.1, 3.4.1)";
  }
}

void AddSeverityReason(v1::Severity severity, const std::string& reason, const std::string& agent,
                       absl::Time at, v1::Exposure& exposure) {
  if (exposure.severity_reasons_size() >= kSeverityReasonsMax) return;
  for (const v1::SeverityReason& known : exposure.severity_reasons()) {
    if (known.severity() == severity && known.reason() == reason) return;
  }
  v1::SeverityReason& added = *exposure.add_severity_reasons();
  added.set_severity(severity);
  added.set_reason(reason);
  added.set_agent(agent);
  *added.mutable_at() = store::ToTimestamp(at);
}

double SamplingWeight(const v1::Finding& finding) {
  const double probability = finding.sampling_probability();
  return probability > 0 && probability < 1 ? 1 / probability : 1;
}

void AddFinding(const v1::Finding& finding, v1::FindingKind kind, const std::string& agent,
                v1::Exposure& exposure) {
  const absl::Time first_seen = store::FromTimestamp(finding.first_seen());
  const absl::Time last_seen = store::FromTimestamp(finding.last_seen());
  if (!exposure.has_first_seen() || first_seen < store::FromTimestamp(exposure.first_seen())) {
    *exposure.mutable_first_seen() = store::ToTimestamp(first_seen);
  }
  if (!exposure.has_last_seen() || last_seen > store::FromTimestamp(exposure.last_seen())) {
    *exposure.mutable_last_seen() = store::ToTimestamp(last_seen);
  }
  const v1::Severity severity = SeverityOf(finding, kind);
  exposure.set_severity(std::max(exposure.severity(), severity));
  AddSeverityReason(severity, SeverityReasonOf(finding, kind), agent, first_seen, exposure);
  exposure.set_confidence(std::max(exposure.confidence(), finding.confidence()));
  const uint64_t count = std::max<uint64_t>(finding.count(), 1);
  exposure.set_findings(AddSaturated(exposure.findings(), 1));
  exposure.set_occurrences(AddSaturated(exposure.occurrences(), count));
  const double probability = finding.sampling_probability();
  const bool sampled = probability > 0 && probability < 1;
  exposure.set_estimated_occurrences(exposure.estimated_occurrences() +
                                     static_cast<double>(count) * SamplingWeight(finding));
  if (sampled) {
    exposure.set_sampled(true);
    exposure.set_estimated_occurrences_variance(
        exposure.estimated_occurrences_variance() +
        (finding.sampling_variance() > 0
             ? finding.sampling_variance()
             : static_cast<double>(count) * (1 - probability) / (probability * probability)));
  }
  AddToList(agent, *exposure.mutable_agents());
  AddToList(finding.rule(), *exposure.mutable_rules());
  if (const auto* encodings = EncodingsOf(finding); encodings != nullptr) {
    for (const std::string& encoding : *encodings) {
      AddToList(encoding, *exposure.mutable_encodings());
    }
  }
  if (const v1::Card* card = CardOf(finding); card != nullptr) {
    AddToList(card->brand(), *exposure.mutable_brands());
    if (card->fingerprint().empty()) {
      exposure.set_occurrences_without_fingerprint(
          AddSaturated(exposure.occurrences_without_fingerprint(), count));
    } else {
      AddToList(card->fingerprint_key_id(), *exposure.mutable_fingerprint_key_ids());
    }
  }
}

v1::Exposure NewExposure(const store::ExposureKey& key) {
  v1::Exposure exposure;
  exposure.set_site(key.site);
  exposure.set_kind(key.kind);
  exposure.set_channel(key.channel);
  exposure.set_destination(key.destination);
  exposure.set_state(v1::Exposure::STATE_OPEN);
  return exposure;
}

bool IsToldOnce(v1::FindingKind kind) {
  return kind == v1::FINDING_KIND_SCRIPT_CHANGE || kind == v1::FINDING_KIND_HEADER_CHANGE ||
         kind == v1::FINDING_KIND_DESTINATION_CHANGE;
}

}  // namespace skimwatch::exposure
