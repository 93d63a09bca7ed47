#include "agent/script/approvals.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/script/script_name.h"

namespace skimwatch::script {
namespace {

std::string InlineKey(const std::string& page, const std::string& sha256) {
  return absl::StrCat(page, "\n", sha256);
}

}  // namespace

Approvals::Approvals(const google::protobuf::RepeatedPtrField<v1::ApprovedScript>& approved) {
  for (const v1::ApprovedScript& script : approved) {
    by_script_[Script(script.site(), script.script())].insert(script.sha256());
    bytes_[script.site()].insert(script.sha256());
    const std::optional<InlineName> name = ParseInlineName(script.script());
    if (!name) continue;
    int& number = inline_numbers_[Script(script.site(), InlineKey(name->page, script.sha256()))];
    // The lowest, so that every agent takes the same.
    number = number == 0 ? name->number : std::min(number, name->number);
  }
}

bool Approvals::Contains(const std::string& site, const std::string& script,
                         const std::string& sha256) const {
  const auto entry = by_script_.find(Script(site, script));
  return entry != by_script_.end() && entry->second.contains(sha256);
}

bool Approvals::ContainsBytes(const std::string& site, const std::string& sha256) const {
  const auto entry = bytes_.find(site);
  return entry != bytes_.end() && entry->second.contains(sha256);
}

bool Approvals::Knows(const std::string& site, const std::string& script) const {
  return by_script_.contains(Script(site, script));
}

int Approvals::NumberOf(const std::string& site, const std::string& page,
                        const std::string& sha256) const {
  const auto entry = inline_numbers_.find(Script(site, InlineKey(page, sha256)));
  return entry == inline_numbers_.end() ? 0 : entry->second;
}

}  // namespace skimwatch::script
