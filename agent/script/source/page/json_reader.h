#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_JSON_READER_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_JSON_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "nlohmann/json.hpp"

namespace skimwatch::script {

using Json = nlohmann::json;

// JSON that somebody else wrote: what is not there, or of another type than is asked for, reads as
// nothing. None of these throws.

// Discarded (`is_discarded()`) when it is no JSON, or nested deeper than `depth_max`.
// Halves of surrogate pairs become U+FFFD.
Json ParseJson(std::string_view text, int depth_max = 200);
// For sending: bytes that are not UTF-8 become U+FFFD.
std::string WriteJson(const Json& json);

// The member `key` of an object; null when there is none.
const Json& MemberOf(const Json& json, std::string_view key);
// A text; empty when it is none.
const std::string& TextOf(const Json& json, std::string_view key);
// A whole number of 0 or more; `otherwise` when it is none. Fractions are cut.
uint64_t NumberOf(const Json& json, std::string_view key, uint64_t otherwise = 0);
bool FlagOf(const Json& json, std::string_view key);
// The list, or an empty one.
const Json& ListOf(const Json& json, std::string_view key);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_JSON_READER_H_
