#include "proto/validation/finding.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/time_util.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"
#include "proto/validation/text_limits.h"

namespace skimwatch::validation {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::Timestamp;
using google::protobuf::util::TimeUtil;

constexpr size_t kDigestBytes = 32;
constexpr uint32_t kCardDigitsMin = 12;
constexpr uint32_t kCardDigitsMax = 19;
constexpr uint32_t kScoreMax = 100;
constexpr uint32_t kPortMax = 65535;

absl::Status Bad(std::string_view field, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(field), ": ", std::string(why)));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// PCI DSS 4.0.1, 3.4.1: at most the BIN (six digits, eight where the number has sixteen or more)
// and the last four.
bool MaskHidesEnough(const v1::Card& card) {
  const std::string& mask = card.masked();
  if (mask.size() != card.length()) return false;
  const size_t first = std::find(mask.begin(), mask.end(), '*') - mask.begin();
  const size_t last = std::find(mask.rbegin(), mask.rend(), '*') - mask.rbegin();
  if (first == mask.size()) return false;
  if (first > (mask.size() >= 16 ? 8u : 6u) || last > 4) return false;
  for (size_t i = 0; i < mask.size(); ++i) {
    const bool shown = i < first || i >= mask.size() - last;
    if (shown ? !IsDigit(mask[i]) : mask[i] != '*') return false;
  }
  return true;
}

const v1::Card* CardOf(const v1::Finding& finding) {
  switch (KindOf(finding)) {
    case v1::FINDING_KIND_CARD_NUMBER:
      return &finding.card_number().card();
    case v1::FINDING_KIND_TRACK_DATA:
      return &finding.track_data().card();
    default:
      return nullptr;
  }
}

bool OnlyDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return IsDigit(c) || c == '-'; });
}

// Why a text may not stand in its field; empty when it may.
std::string_view TextFault(const TextLimit& limit, const std::string& text) {
  if (limit.content == Content::kSha256) {
    return text.empty() || text.size() == kDigestBytes ? "" : "must be empty or 32 bytes";
  }
  if (text.size() > limit.bytes_max) return "too long";
  const bool is_string = limit.field->type() == FieldDescriptor::TYPE_STRING;
  if (is_string && !IsUtf8(text)) return "not UTF-8";
  if (HasControlCharacter(text, limit.content == Content::kLines)) return "control character";
  if (limit.content == Content::kMask) return "";
  if (limit.content == Content::kIdentifier && !OnlyDigits(text)) return "";
  if (!FindCardNumber(text).empty()) return "card number";
  return "";
}

void MendText(const TextLimit& limit, std::string& text) {
  if (limit.content == Content::kSha256) {
    text.clear();
    return;
  }
  const bool lines = limit.content == Content::kLines;
  ReplaceUnprintable(text, lines);
  // Before the cut: what is cut off a card number would leave most of its digits.
  if (limit.content != Content::kMask) MaskCardNumbers(text);
  CutUtf8(text, limit.bytes_max);
}

std::string NameOf(std::string_view prefix, const FieldDescriptor& field) {
  if (prefix.empty()) return field.name();
  return absl::StrCat(std::string(prefix), ".", field.name());
}

// Checks every text of `message` and what is in it. The name of a field is made only for a fault:
// this runs once a finding on a collector's busiest path.
absl::Status CheckTexts(const Message& message, const std::vector<TextLimit>& limits,
                        std::string_view prefix) {
  const Reflection& reflection = *message.GetReflection();
  std::string scratch;
  for (const TextLimit& limit : limits) {
    const FieldDescriptor* field = limit.field;
    if (!field->is_repeated()) {
      if (limit.nested != nullptr) {
        if (!reflection.HasField(message, field)) continue;
        absl::Status status = CheckTexts(reflection.GetMessage(message, field), *limit.nested,
                                         prefix.empty() ? field->name() : NameOf(prefix, *field));
        if (!status.ok()) return status;
        continue;
      }
      if (field->containing_oneof() != nullptr && !reflection.HasField(message, field)) continue;
      const std::string& text = reflection.GetStringReference(message, field, &scratch);
      if (text.empty()) continue;
      if (std::string_view fault = TextFault(limit, text); !fault.empty()) {
        return Bad(NameOf(prefix, *field), fault);
      }
      continue;
    }
    const int items = reflection.FieldSize(message, field);
    if (items > limit.items_max) return Bad(NameOf(prefix, *field), "too many");
    for (int i = 0; i < items; ++i) {
      if (limit.nested != nullptr) {
        absl::Status status = CheckTexts(reflection.GetRepeatedMessage(message, field, i),
                                         *limit.nested, NameOf(prefix, *field));
        if (!status.ok()) return status;
        continue;
      }
      const std::string& text = reflection.GetRepeatedStringReference(message, field, i, &scratch);
      if (std::string_view fault = TextFault(limit, text); !fault.empty()) {
        return Bad(NameOf(prefix, *field), fault);
      }
    }
  }
  return absl::OkStatus();
}

void MendTexts(Message& message, const std::vector<TextLimit>& limits, std::string_view prefix,
               std::vector<std::string>& mended) {
  const Reflection& reflection = *message.GetReflection();
  const auto note = [&](const FieldDescriptor& field, std::string_view why) {
    mended.push_back(absl::StrCat(NameOf(prefix, field), ": ", std::string(why)));
  };
  for (const TextLimit& limit : limits) {
    const FieldDescriptor* field = limit.field;
    if (!field->is_repeated()) {
      if (!reflection.HasField(message, field)) continue;
      if (limit.nested != nullptr) {
        MendTexts(*reflection.MutableMessage(&message, field), *limit.nested,
                  NameOf(prefix, *field), mended);
        continue;
      }
      std::string text = reflection.GetString(message, field);
      if (std::string_view fault = TextFault(limit, text); !fault.empty()) {
        MendText(limit, text);
        reflection.SetString(&message, field, std::move(text));
        note(*field, fault);
      }
      continue;
    }
    int items = reflection.FieldSize(message, field);
    if (items > limit.items_max) note(*field, "too many");
    for (; items > limit.items_max; --items) reflection.RemoveLast(&message, field);
    for (int i = 0; i < items; ++i) {
      if (limit.nested != nullptr) {
        MendTexts(*reflection.MutableRepeatedMessage(&message, field, i), *limit.nested,
                  NameOf(prefix, *field), mended);
        continue;
      }
      std::string text = reflection.GetRepeatedString(message, field, i);
      if (std::string_view fault = TextFault(limit, text); !fault.empty()) {
        MendText(limit, text);
        reflection.SetRepeatedString(&message, field, i, std::move(text));
        note(*field, fault);
      }
    }
  }
}

// A site is a label of metrics and a word of commands, so it has a narrow alphabet.
bool SiteIsValid(std::string_view site) {
  return !site.empty() && std::all_of(site.begin(), site.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || IsDigit(c) || c == '-' || c == '_' || c == '.';
  });
}

// 0001-01-01 to 9999-12-31, as google/protobuf/timestamp.proto says.
bool TimeIsValid(const Timestamp& time) {
  return time.seconds() >= TimeUtil::kTimestampMinSeconds &&
         time.seconds() <= TimeUtil::kTimestampMaxSeconds && time.nanos() >= 0 &&
         time.nanos() < 1'000'000'000;
}

bool SeverityIsValid(v1::Severity severity) {
  return severity >= v1::SEVERITY_INFO && severity <= v1::SEVERITY_CRITICAL;
}

bool ConfidenceIsValid(v1::Confidence confidence) {
  return confidence >= v1::CONFIDENCE_UNSPECIFIED && confidence <= v1::CONFIDENCE_HIGH;
}

bool VarianceIsValid(double variance) { return variance >= 0 && std::isfinite(variance); }

bool ProbabilityIsValid(double probability) {
  return probability > 0 && probability <= 1;  // false for NaN
}

uint32_t ScoreOf(const v1::Finding& finding) {
  return std::max(finding.card_number().score(), finding.track_data().score());
}

absl::Status CheckCard(const v1::Card& card, std::string_view prefix) {
  const auto field = [&](std::string_view name) {
    return absl::StrCat(std::string(prefix), ".card.", std::string(name));
  };
  if (card.length() < kCardDigitsMin || card.length() > kCardDigitsMax) {
    return Bad(field("length"), "must be 12 to 19");
  }
  if (!MaskHidesEnough(card)) {
    return Bad(field("masked"),
               "must be as long as the card, with `*` for all but the first six and last four");
  }
  if (!card.fingerprint().empty() && card.fingerprint_key_id().empty()) {
    return Bad(field("fingerprint_key_id"), "required with a fingerprint");
  }
  return absl::OkStatus();
}

}  // namespace

v1::FindingKind KindOf(const v1::Finding& finding) {
  switch (finding.detail_case()) {
    case v1::Finding::kCardNumber:
      return v1::FINDING_KIND_CARD_NUMBER;
    case v1::Finding::kTrackData:
      return v1::FINDING_KIND_TRACK_DATA;
    case v1::Finding::kScriptChange:
      return v1::FINDING_KIND_SCRIPT_CHANGE;
    case v1::Finding::kHeaderChange:
      return v1::FINDING_KIND_HEADER_CHANGE;
    case v1::Finding::kBrowserReport:
      return v1::FINDING_KIND_BROWSER_REPORT;
    case v1::Finding::kCanary:
      return v1::FINDING_KIND_CANARY;
    case v1::Finding::kDestinationChange:
      return v1::FINDING_KIND_DESTINATION_CHANGE;
    case v1::Finding::DETAIL_NOT_SET:
      break;
  }
  return v1::FINDING_KIND_UNSPECIFIED;
}

absl::Status ValidateFinding(const v1::Finding& finding) {
  if (KindOf(finding) == v1::FINDING_KIND_UNSPECIFIED) return Bad("detail", "no known kind");
  if (!SiteIsValid(finding.site())) {
    return Bad("site", "must be lower-case letters, digits, `-`, `_`, `.`, and not empty");
  }
  if (!SeverityIsValid(finding.severity())) return Bad("severity", "not known");
  if (!ConfidenceIsValid(finding.confidence())) return Bad("confidence", "not known");
  if (finding.rule().empty()) return Bad("rule", "must not be empty");
  if (!finding.has_first_seen() || !TimeIsValid(finding.first_seen())) {
    return Bad("first_seen", "missing or out of range");
  }
  if (!finding.has_last_seen() || !TimeIsValid(finding.last_seen())) {
    return Bad("last_seen", "missing or out of range");
  }
  if (finding.last_seen() < finding.first_seen()) {
    return Bad("last_seen", "must not be before first_seen");
  }
  if (finding.count() == 0) return Bad("count", "must be at least 1");
  if (!ProbabilityIsValid(finding.sampling_probability())) {
    return Bad("sampling_probability", "must be above 0 and at most 1");
  }
  if (!VarianceIsValid(finding.sampling_variance())) {
    return Bad("sampling_variance", "must be a number from 0");
  }
  if (finding.provenance().client().port() > kPortMax) {
    return Bad("provenance.client.port", "must be at most 65535");
  }
  if (finding.provenance().server().port() > kPortMax) {
    return Bad("provenance.server.port", "must be at most 65535");
  }
  if (ScoreOf(finding) > kScoreMax) return Bad("score", "must be at most 100");
  if (const v1::Card* card = CardOf(finding); card != nullptr) {
    const std::string_view prefix = finding.has_card_number() ? "card_number" : "track_data";
    if (absl::Status status = CheckCard(*card, prefix); !status.ok()) return status;
  }
  return CheckTexts(finding, FindingTextLimits(), "");
}

absl::StatusOr<std::vector<std::string>> MendFinding(v1::Finding& finding) {
  if (KindOf(finding) == v1::FINDING_KIND_UNSPECIFIED) return Bad("detail", "no known kind");
  std::vector<std::string> mended;
  if (ValidateFinding(finding).ok()) return mended;
  MendTexts(finding, FindingTextLimits(), "", mended);
  if (!SiteIsValid(finding.site())) {
    return Bad("site", "must be lower-case letters, digits, `-`, `_`, `.`, and not empty");
  }
  const auto note = [&](std::string_view field) {
    mended.push_back(absl::StrCat(std::string(field), ": out of range"));
  };
  if (!SeverityIsValid(finding.severity())) {
    finding.set_severity(v1::SEVERITY_MEDIUM);
    note("severity");
  }
  if (!ConfidenceIsValid(finding.confidence())) {
    finding.set_confidence(v1::CONFIDENCE_LOW);
    note("confidence");
  }
  if (finding.rule().empty()) {
    finding.set_rule("unnamed");
    note("rule");
  }
  if (!finding.has_last_seen() || !TimeIsValid(finding.last_seen())) {
    *finding.mutable_last_seen() = TimeUtil::GetCurrentTime();
    note("last_seen");
  }
  // A clock that was set back while repeats were folded makes the last look like the first.
  if (!finding.has_first_seen() || !TimeIsValid(finding.first_seen()) ||
      finding.last_seen() < finding.first_seen()) {
    *finding.mutable_first_seen() = finding.last_seen();
    note("first_seen");
  }
  if (finding.count() == 0) {
    finding.set_count(1);
    note("count");
  }
  if (!ProbabilityIsValid(finding.sampling_probability())) {
    finding.set_sampling_probability(1);
    note("sampling_probability");
  }
  if (!VarianceIsValid(finding.sampling_variance())) {
    finding.set_sampling_variance(0);
    note("sampling_variance");
  }
  if (finding.provenance().client().port() > kPortMax) {
    finding.mutable_provenance()->mutable_client()->clear_port();
    note("provenance.client.port");
  }
  if (finding.provenance().server().port() > kPortMax) {
    finding.mutable_provenance()->mutable_server()->clear_port();
    note("provenance.server.port");
  }
  if (ScoreOf(finding) > kScoreMax) {
    if (finding.has_card_number()) finding.mutable_card_number()->set_score(kScoreMax);
    if (finding.has_track_data()) finding.mutable_track_data()->set_score(kScoreMax);
    note("score");
  }
  if (CardOf(finding) != nullptr) {
    v1::Card& card = finding.has_card_number() ? *finding.mutable_card_number()->mutable_card()
                                               : *finding.mutable_track_data()->mutable_card();
    if (card.length() < kCardDigitsMin || card.length() > kCardDigitsMax) {
      card.set_length(std::clamp(card.length(), kCardDigitsMin, kCardDigitsMax));
      note("card.length");
    }
    if (!MaskHidesEnough(card)) {
      card.set_masked(std::string(card.length(), '*'));
      note("card.masked");
    }
    if (!card.fingerprint().empty() && card.fingerprint_key_id().empty()) {
      card.clear_fingerprint();
      note("card.fingerprint_key_id");
    }
  }
  if (absl::Status status = ValidateFinding(finding); !status.ok()) return status;
  return mended;
}

}  // namespace skimwatch::validation
