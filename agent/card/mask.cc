#include "agent/card/mask.h"

#include <cstddef>

#include "absl/types/span.h"

namespace skimwatch::card {
namespace {

constexpr size_t kFirst = 6;
constexpr size_t kLast = 4;

}  // namespace

std::string Mask(const SecretDigits& digits, MaskStyle style) {
  const absl::Span<const uint8_t> values = digits.Reveal();
  std::string mask(values.size(), '*');
  // Fewer digits than 12 are no PAN, and showing ten of them would show nearly all.
  if (style == MaskStyle::kNone || values.size() < kFirst + kLast + 2) return mask;
  if (style == MaskStyle::kFirst6Last4) {
    for (size_t i = 0; i < kFirst; ++i) mask[i] = static_cast<char>('0' + values[i]);
  }
  for (size_t i = values.size() - kLast; i < values.size(); ++i) {
    mask[i] = static_cast<char>('0' + values[i]);
  }
  return mask;
}

}  // namespace skimwatch::card
