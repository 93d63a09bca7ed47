#include "proto/approval/behaviour_profile.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "proto/validation/text.h"

namespace skimwatch::approval {
namespace {

constexpr size_t kReasonsMax = 16;
constexpr size_t kReasonBytesMax = 240;
// Facts that a behaviour has whenever a change shows them.
constexpr std::array<std::string_view, 6> kTelling = {
    "card_field_read", "destination", "hidden_destination", "input_listener", "sink", "yara_rule"};

using Key = std::pair<std::string_view, std::string_view>;

absl::flat_hash_map<Key, uint32_t> CountsOf(const Facts& facts) {
  absl::flat_hash_map<Key, uint32_t> counts;
  counts.reserve(facts.size());
  for (const v1::ScriptFact& fact : facts) {
    counts[{fact.name(), fact.excerpt()}] += std::max(fact.count(), 1U);
  }
  return counts;
}

// Ways out by their name, each with how often it is taken to an address that can't be told: a
// destination is told as `host by way`.
std::map<std::string_view, uint32_t> UntoldWays(const Facts& facts) {
  constexpr std::string_view kBy = " by ";
  std::map<std::string_view, uint32_t> taken;
  std::map<std::string_view, uint32_t> told;
  for (const v1::ScriptFact& fact : facts) {
    const std::string_view excerpt = fact.excerpt();
    const uint32_t count = std::max(fact.count(), 1U);
    if (fact.name() == "sink") taken[excerpt] += count;
    if (fact.name() == "destination" || fact.name() == "hidden_destination") {
      const size_t by = excerpt.rfind(kBy);
      if (by != std::string_view::npos) told[excerpt.substr(by + kBy.size())] += count;
    }
  }
  for (auto& [way, count] : taken) count -= std::min(count, told[way]);
  return taken;
}

std::string Words(const v1::ScriptFact& fact) {
  return absl::StrCat(fact.name(), fact.excerpt().empty() ? "" : " ", fact.excerpt());
}

}  // namespace

std::vector<v1::ScriptFact> GainedOver(const Facts& profile, const Facts& current) {
  const absl::flat_hash_map<Key, uint32_t> known = CountsOf(profile);
  std::vector<v1::ScriptFact> gained;
  for (const v1::ScriptFact& fact : current) {
    const auto entry = known.find({fact.name(), fact.excerpt()});
    const uint32_t before = entry == known.end() ? 0 : entry->second;
    if (std::max(fact.count(), 1U) > before) gained.push_back(fact);
  }
  return gained;
}

std::vector<std::string> WhyNotCovered(const Facts& profile, const v1::ScriptBehaviour& current) {
  if (std::string fault = WhyNoProfile(current); !fault.empty()) return {fault};
  const absl::flat_hash_map<Key, uint32_t> known = CountsOf(profile);
  std::vector<std::string> reasons;
  for (const v1::ScriptFact& fact : GainedOver(profile, current.facts())) {
    if (reasons.size() == kReasonsMax) break;
    const auto entry = known.find({fact.name(), fact.excerpt()});
    std::string reason = entry == known.end()
                             ? absl::StrCat("not in the profile: ", Words(fact))
                             : absl::StrCat("more often than in the profile: ", Words(fact), " (",
                                            fact.count(), " times, not ", entry->second, ")");
    validation::CutUtf8(reason, kReasonBytesMax);
    reasons.push_back(std::move(reason));
  }
  for (std::string& reason : DestinationsHidden(profile, current.facts())) {
    if (reasons.size() < kReasonsMax) reasons.push_back(std::move(reason));
  }
  return reasons;
}

std::vector<std::string> DestinationsHidden(const Facts& profile, const Facts& current) {
  std::map<std::string_view, uint32_t> known = UntoldWays(profile);
  std::vector<std::string> hidden;
  for (const auto& [way, count] : UntoldWays(current)) {
    if (count <= known[way]) continue;
    std::string reason = absl::StrCat("where ", std::string(way), " leads can't be told ", count,
                                      " times, not ", known[way]);
    validation::CutUtf8(reason, kReasonBytesMax);
    hidden.push_back(std::move(reason));
  }
  return hidden;
}

std::string WhyNoProfile(const v1::ScriptBehaviour& behaviour) {
  if (!behaviour.incomplete().empty()) {
    return absl::StrCat("not judged whole: ", behaviour.incomplete());
  }
  if (behaviour.facts_size() > kBehaviourFactsMax) {
    return absl::StrCat("not judged whole: more than ", kBehaviourFactsMax, " facts");
  }
  return "";
}

std::string Contradiction(const v1::ScriptChange& change) {
  const absl::flat_hash_map<Key, uint32_t> known = CountsOf(change.behaviour().facts());
  for (const Facts* facts : {&change.facts(), &change.gained_facts()}) {
    for (const v1::ScriptFact& fact : *facts) {
      const bool is_telling =
          std::find(kTelling.begin(), kTelling.end(), fact.name()) != kTelling.end();
      if (is_telling && !known.contains({fact.name(), fact.excerpt()})) return Words(fact);
    }
  }
  return "";
}

}  // namespace skimwatch::approval
