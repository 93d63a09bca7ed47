#ifndef SKIMWATCH_COLLECTOR_CONSOLE_VIEW_H_
#define SKIMWATCH_COLLECTOR_CONSOLE_VIEW_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "ctemplate/template_cache.h"
#include "ctemplate/template_dictionary.h"
#include "google/protobuf/timestamp.pb.h"
#include "skimwatch/v1/exposure.pb.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::console {

using Dictionary = ctemplate::TemplateDictionary;

// What a page shows: a template and the values for it.
struct View {
  // `overview` for templates/overview.html.
  explicit View(std::string template_name)
      : name(std::move(template_name)), values(std::make_unique<Dictionary>(name)) {}

  std::string name;
  std::string title;
  // The entry of the navigation that the page is under; the path.
  std::string section;
  std::unique_ptr<Dictionary> values;
};

// The templates that were compiled in. Every value is escaped for the place that it stands in
// (text, attribute, address), by ctemplate's auto-escaping; a template that it can't follow is not
// loaded. Thread-safe.
class Templates {
 public:
  // Ends the program when a template is not one: they are part of it.
  Templates();
  std::string Render(const std::string& name, const Dictionary& values) const;

 private:
  mutable ctemplate::TemplateCache cache_;
};

// Sets a text from outside: control characters are shown, not obeyed, and digits of what could be a
// card number are masked, whoever let it come this far.
void Put(Dictionary& values, const char* name, std::string_view text);
// Sets a number with separators between thousands.
void PutNumber(Dictionary& values, const char* name, uint64_t number);
// Sets what is made here: an address (see Url), a hash, a token.
void PutOwn(Dictionary& values, const char* name, const std::string& text);
// Sets `NAME` to a time in UTC to the minute and `NAME_ISO` to RFC 3339; shows the section
// `HAS_NAME` when there is one.
void PutTime(Dictionary& values, const std::string& name, const google::protobuf::Timestamp& time);
// Shows the section when `shown`.
void Show(Dictionary& values, const char* section, bool shown);

// `2026-03-01 12:00`, in UTC.
std::string ShortTime(absl::Time time);
// `3 minutes ago`, `in 2 days`.
std::string Age(absl::Time time, absl::Time now);
// `1234567` as `1,234,567`.
std::string Grouped(uint64_t number);
// `card number`, for any kind.
std::string KindText(v1::FindingKind kind);
// `critical`: a word that is a class of the style sheet too.
std::string SeverityWord(v1::Severity severity);
// `4 cards`, with what is known of the count's exactness.
std::string CardsText(const v1::Exposure& exposure);

}  // namespace skimwatch::console

#endif  // SKIMWATCH_COLLECTOR_CONSOLE_VIEW_H_
