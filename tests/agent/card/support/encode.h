#ifndef SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_ENCODE_H_
#define SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_ENCODE_H_

#include <string>
#include <string_view>
#include <vector>

#include "agent/card/card_match.h"

namespace skimwatch::testing {

std::string PercentAll(std::string_view text);
std::string JsonEscapeAll(std::string_view text);
std::string HexEscapeAll(std::string_view text);
std::string OctalEscapeAll(std::string_view text);
std::string EntityAll(std::string_view text);
std::string HexLower(std::string_view text);
std::string HexUpper(std::string_view text);
std::string Base64(std::string_view text);
std::string Base64Unpadded(std::string_view text);
std::string Base64Url(std::string_view text);
// Lines of `width` characters.
std::string Base64Wrapped(std::string_view text, size_t width, std::string_view line_break);
std::string Utf16Le(std::string_view ascii);
std::string Utf16Be(std::string_view ascii);
// ASCII digits as their full-width forms in UTF-8.
std::string FullWidth(std::string_view ascii);

// An encoding under its name, for tests that go through all of them.
struct NamedEncoding {
  std::string_view name;
  card::Encoding encoding;
  std::string (*encode)(std::string_view text);
};
const std::vector<NamedEncoding>& EveryEncoding();

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_ENCODE_H_
