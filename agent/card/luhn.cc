#include "agent/card/luhn.h"

#include <array>
#include <cstddef>

namespace skimwatch::card {
namespace {

constexpr std::array<uint8_t, 10> kDoubled = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9};

// Sum over `digits` from the right; the first is doubled when `doubled`.
uint32_t LuhnSum(absl::Span<const uint8_t> digits, bool doubled) {
  uint32_t sum = 0;
  for (size_t i = digits.size(); i > 0; --i) {
    const uint8_t digit = digits[i - 1];
    sum += doubled ? kDoubled[digit] : digit;
    doubled = !doubled;
  }
  return sum;
}

}  // namespace

bool LuhnValid(absl::Span<const uint8_t> digits) {
  return digits.size() >= 2 && LuhnSum(digits, /*doubled=*/false) % 10 == 0;
}

uint8_t LuhnCheckDigit(absl::Span<const uint8_t> digits) {
  return static_cast<uint8_t>((10 - LuhnSum(digits, /*doubled=*/true) % 10) % 10);
}

bool GtinValid(absl::Span<const uint8_t> digits) {
  if (digits.size() != 13 && digits.size() != 14) return false;
  uint32_t sum = 0;
  uint32_t weight = 1;
  for (size_t i = digits.size(); i > 0; --i) {
    sum += weight * digits[i - 1];
    weight = 4 - weight;
  }
  return sum % 10 == 0;
}

}  // namespace skimwatch::card
