#include "agent/card/luhn.h"

#include <array>
#include <cstddef>

namespace skimwatch::card {
namespace {

constexpr std::array<uint8_t, 10> kDoubled = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9};

// Sum over `digits` from the right; the first is doubled when `doubled`.
uint32_t LuhnSum(absl::Span<const uint8_t> digits, bool doubled) {
  uint32_t sum = 0;
  size_t left = digits.size();
  if (doubled && left > 0) sum += kDoubled[digits[--left]];
  for (; left >= 2; left -= 2) sum += digits[left - 1] + kDoubled[digits[left - 2]];
  return left == 1 ? sum + digits[0] : sum;
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
