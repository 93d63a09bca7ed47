#include "collector/ctl/describe.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace skimwatch::ctl {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::Timestamp;

// The first value is always PREFIX_UNSPECIFIED.
std::string Prefix(const EnumDescriptor& type) {
  return std::string(absl::StripSuffix(type.value(0)->name(), "UNSPECIFIED"));
}

std::string CardText(const v1::Card& card) {
  return absl::StrCat(card.brand(), card.brand().empty() ? "" : " ", card.masked(),
                      card.test_card() ? " (test card)" : "");
}

Timestamp ToTimestamp(absl::Time time) {
  Timestamp timestamp;
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

}  // namespace

std::string Word(const EnumDescriptor& type, int value) {
  const auto* const descriptor = type.FindValueByNumber(value);
  if (descriptor == nullptr) return absl::StrCat(value);
  if (value == 0) return "";
  return absl::AsciiStrToLower(absl::StripPrefix(descriptor->name(), Prefix(type)));
}

std::vector<std::string> Words(const EnumDescriptor& type) {
  std::vector<std::string> words;
  for (int i = 1; i < type.value_count(); ++i) words.push_back(Word(type, type.value(i)->number()));
  return words;
}

int FromWord(const EnumDescriptor& type, std::string_view word) {
  for (int i = 1; i < type.value_count(); ++i) {
    if (Word(type, type.value(i)->number()) == word) return type.value(i)->number();
  }
  return 0;
}

std::string Describe(const Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

absl::StatusOr<Timestamp> ParseTime(std::string_view text, absl::Time now) {
  const std::string value(text);
  absl::Time time;
  std::string error;
  for (const char* const format : {absl::RFC3339_full, "%Y-%m-%d"}) {
    if (absl::ParseTime(format, value, &time, &error)) return ToTimestamp(time);
  }
  absl::Duration age;
  int64_t days = 0;
  if (absl::EndsWith(value, "d") && absl::SimpleAtoi(value.substr(0, value.size() - 1), &days) &&
      days >= 0 && days < 100'000) {
    return ToTimestamp(now - absl::Hours(24) * days);
  }
  if (absl::ParseDuration(value, &age) && age >= absl::ZeroDuration() &&
      age < absl::Hours(24) * 100'000) {
    return ToTimestamp(now - age);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "found `", value, "`, expected a time such as 2026-03-01T12:00:00Z or 2026-03-01, or an age ",
      "such as 90m, 24h or 7d"));
}

absl::StatusOr<google::protobuf::Timestamp> ParseEnd(std::string_view text, absl::Time now) {
  absl::StatusOr<google::protobuf::Timestamp> time = ParseTime(text, now);
  if (!time.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--until: ", std::string(time.status().message())));
  }
  const int64_t now_seconds = absl::ToUnixSeconds(now);
  const bool is_age = text.find('-') == std::string_view::npos;
  if (is_age) time->set_seconds(2 * now_seconds - time->seconds());
  if (time->seconds() <= now_seconds) {
    return absl::InvalidArgumentError(
        absl::StrCat("--until: ", std::string(text), " is not in the future"));
  }
  return time;
}

std::string Hex(std::string_view bytes, bool is_short) {
  constexpr size_t kShort = 12;
  const std::string hex = absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
  return is_short ? hex.substr(0, kShort) : hex;
}

std::string What(const v1::Finding& finding) {
  switch (finding.detail_case()) {
    case v1::Finding::kCardNumber:
      return CardText(finding.card_number().card());
    case v1::Finding::kTrackData:
      return absl::StrCat(Word(*v1::TrackData::Format_descriptor(), finding.track_data().format()),
                          " ", CardText(finding.track_data().card()));
    case v1::Finding::kScriptChange:
      return absl::StrCat(
          Word(*v1::ScriptChange::Change_descriptor(), finding.script_change().change()), " ",
          finding.script_change().script());
    case v1::Finding::kHeaderChange:
      return absl::StrCat(finding.header_change().header(), " of ", finding.header_change().page());
    case v1::Finding::kBrowserReport:
      return absl::StrCat(finding.browser_report().type(), " ",
                          finding.browser_report().blocked_url());
    case v1::Finding::kCanary:
      return absl::StrCat("canary of ", finding.canary().page());
    case v1::Finding::kDestinationChange:
      return absl::StrCat(
          Word(*v1::DestinationChange::Change_descriptor(), finding.destination_change().change()),
          " ", finding.destination_change().name(),
          finding.destination_change().process().empty() ? "" : " from ",
          finding.destination_change().process());
    case v1::Finding::DETAIL_NOT_SET:
      break;
  }
  return finding.rule();
}

std::string Channel(const v1::Finding& finding) {
  const v1::Provenance& from = finding.provenance();
  if (!from.method().empty() || !from.path_template().empty()) {
    return absl::StrCat(from.method(), from.method().empty() ? "" : " ", from.path_template());
  }
  if (!from.file().empty()) return from.file();
  return from.part();
}

}  // namespace skimwatch::ctl
