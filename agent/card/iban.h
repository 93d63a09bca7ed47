#ifndef SKIMWATCH_AGENT_CARD_IBAN_H_
#define SKIMWATCH_AGENT_CARD_IBAN_H_

#include <cstddef>
#include <string_view>

namespace skimwatch::card {

// Whether the digits at [begin, end) of `text` lie in an International Bank Account Number (ISO
// 13616: country code, two check digits, up to 30 letters and digits), compact or in groups with
// single spaces, hyphens or dots:
//   a country code and check digits somewhere before that are right for what follows (modulo 97);
//   or a country code and two digits as the group directly before, and a group of one to four
//   digits after, whatever the check digits say.
// Looks at most 64 bytes to either side.
bool IsInIban(std::string_view text, size_t begin, size_t end);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_IBAN_H_
