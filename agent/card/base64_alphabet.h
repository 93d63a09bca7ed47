#ifndef SKIMWATCH_AGENT_CARD_BASE64_ALPHABET_H_
#define SKIMWATCH_AGENT_CARD_BASE64_ALPHABET_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace skimwatch::card {

inline constexpr uint8_t kNoSextet = 0xFF;

// The six bits that each byte stands for in base64 and base64url (RFC 4648, 4 and 5; `+` and `-`
// are the same, `/` and `_` too), kNoSextet for what is in neither alphabet.
inline constexpr std::array<uint8_t, 256> kSextets = [] {
  std::array<uint8_t, 256> sextets{};
  sextets.fill(kNoSextet);
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (uint8_t i = 0; i < 64; ++i) sextets[static_cast<uint8_t>(kAlphabet[i])] = i;
  sextets['-'] = 62;
  sextets['_'] = 63;
  return sextets;
}();

inline bool IsBase64(char c) { return kSextets[static_cast<uint8_t>(c)] != kNoSextet; }
inline uint8_t SextetOf(char c) { return kSextets[static_cast<uint8_t>(c)]; }

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_BASE64_ALPHABET_H_
