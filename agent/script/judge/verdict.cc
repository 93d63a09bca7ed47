#include "agent/script/judge/verdict.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace skimwatch::script {
namespace {

using Facts = google::protobuf::RepeatedPtrField<v1::ScriptFact>;

bool HasAny(const Facts& facts, std::initializer_list<std::string_view> names) {
  return std::any_of(facts.begin(), facts.end(), [&](const v1::ScriptFact& fact) {
    return std::find(names.begin(), names.end(), fact.name()) != names.end();
  });
}

bool Recognises(const Facts& facts) {
  return HasAny(facts, {"card_number_pattern", "luhn_routine", "card_field_name", "card_number"});
}

bool Sends(const Facts& facts) { return HasAny(facts, {"network_sink"}); }

v1::Severity OfChanged(const v1::ScriptChange& change) {
  const Facts& gained = change.gained_facts();
  if (Recognises(gained) && (Sends(gained) || Sends(change.facts()))) return v1::SEVERITY_CRITICAL;
  if (Recognises(change.facts()) && Sends(gained) &&
      HasAny(gained, {"external_host", "exfil_encoding", "obfuscation"})) {
    return v1::SEVERITY_CRITICAL;
  }
  return v1::SEVERITY_HIGH;
}

v1::Severity OfAdded(const v1::ScriptChange& change) {
  const Facts& facts = change.facts();
  if (Recognises(facts) && Sends(facts)) return v1::SEVERITY_CRITICAL;
  if (Recognises(facts) || HasAny(facts, {"obfuscation", "unknown_host"})) return v1::SEVERITY_HIGH;
  return v1::SEVERITY_MEDIUM;
}

}  // namespace

v1::Severity Verdict(const v1::ScriptChange& change) {
  switch (change.change()) {
    case v1::ScriptChange::CHANGE_PROPOSED:
    case v1::ScriptChange::CHANGE_RESTORED:
    case v1::ScriptChange::CHANGE_TAKEN_APART:
      return v1::SEVERITY_INFO;
    case v1::ScriptChange::CHANGE_REMOVED:
      return v1::SEVERITY_LOW;
    case v1::ScriptChange::CHANGE_ADDED:
      return OfAdded(change);
    case v1::ScriptChange::CHANGE_CHANGED:
      return OfChanged(change);
    default:
      break;
  }
  // A kind of change that this version does not know is not to be overlooked.
  return v1::SEVERITY_HIGH;
}

}  // namespace skimwatch::script
