#include "collector/console/view.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "collector/console/assets.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/exposure_counts.h"
#include "collector/store/timestamp.h"
#include "proto/text/printable.h"
#include "proto/validation/card_digits.h"
#include "spdlog/spdlog.h"

namespace skimwatch::console {

Templates::Templates() {
  for (const Asset& asset : TemplateAssets()) {
    // Every template is a piece of HTML.
    const std::string text =
        absl::StrCat("{{%AUTOESCAPE context=\"HTML\"}}", std::string(asset.content));
    const std::string name(asset.name);
    if (!cache_.StringToTemplateCache(name, text, ctemplate::STRIP_WHITESPACE)) {
      spdlog::critical("the template {} is broken", name);
      abort();
    }
  }
}

std::string Templates::Render(const std::string& name, const Dictionary& values) const {
  std::string text;
  if (!cache_.ExpandWithData(name + ".html", ctemplate::STRIP_WHITESPACE, &values, nullptr,
                             &text)) {
    spdlog::critical("the template {} is broken", name);
    return "";
  }
  return text;
}

void Put(Dictionary& values, const char* name, std::string_view text) {
  std::string shown = text::Printable(text);
  validation::MaskCardNumbers(shown);
  values.SetValue(name, shown);
}

void PutNumber(Dictionary& values, const char* name, uint64_t number) {
  values.SetValue(name, Grouped(number));
}

void PutOwn(Dictionary& values, const char* name, const std::string& text) {
  values.SetValue(name, text);
}

void PutTime(Dictionary& values, const std::string& name, const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return;
  const absl::Time at = store::FromTimestamp(time);
  values.SetValue(name, ShortTime(at));
  values.SetValue(name + "_ISO", ctl::Describe(time));
  values.ShowSection("HAS_" + name);
}

void Show(Dictionary& values, const char* section, bool shown) {
  if (shown) values.ShowSection(section);
}

std::string ShortTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M", time, absl::UTCTimeZone());
}

std::string Age(absl::Time time, absl::Time now) {
  const absl::Duration age = absl::AbsDuration(now - time);
  const auto count = [](int64_t number, const char* unit) {
    return absl::StrCat(number, " ", unit, number == 1 ? "" : "s");
  };
  std::string text;
  if (age < absl::Minutes(1)) {
    text = count(absl::ToInt64Seconds(age), "second");
  } else if (age < absl::Hours(2)) {
    text = count(absl::ToInt64Minutes(age), "minute");
  } else if (age < absl::Hours(48)) {
    text = count(absl::ToInt64Hours(age), "hour");
  } else {
    text = count(absl::ToInt64Hours(age) / 24, "day");
  }
  return time > now ? absl::StrCat("in ", text) : absl::StrCat(text, " ago");
}

std::string Grouped(uint64_t number) {
  std::string digits = absl::StrCat(number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string KindText(v1::FindingKind kind) {
  return absl::StrReplaceAll(ctl::Word(*v1::FindingKind_descriptor(), kind), {{"_", " "}});
}

std::string SeverityWord(v1::Severity severity) {
  const std::string word = ctl::Word(*v1::Severity_descriptor(), severity);
  return word.empty() ? "info" : word;
}

std::string CardsText(const v1::Exposure& exposure) {
  if (exposure.kind() != v1::FINDING_KIND_CARD_NUMBER &&
      exposure.kind() != v1::FINDING_KIND_TRACK_DATA) {
    return "";
  }
  return ctl::Cards(exposure);
}

}  // namespace skimwatch::console
