#include "agent/card/mask.h"

#include <cstddef>

#include "absl/types/span.h"

namespace skimwatch::card {
namespace {

constexpr size_t kFirst = 6;
constexpr size_t kFirstOfLongIin = 8;
constexpr size_t kLast = 4;
// PCI SSC FAQ 1091: eight and four digits of a number need at least four between them.
constexpr size_t kDigitsMinOfLongIin = 16;

}  // namespace

std::optional<MaskStyle> MaskStyleOf(std::string_view name) {
  if (name == "first6last4") return MaskStyle::kFirst6Last4;
  if (name == "first8last4") return MaskStyle::kFirst8Last4;
  if (name == "last4") return MaskStyle::kLast4;
  if (name == "none") return MaskStyle::kNone;
  return std::nullopt;
}

std::string Mask(const SecretDigits& digits, MaskStyle style, uint8_t iin_digits) {
  const absl::Span<const uint8_t> values = digits.Reveal();
  std::string mask(values.size(), '*');
  // Fewer digits than 12 are no PAN, and showing ten of them would show nearly all.
  if (style == MaskStyle::kNone || values.size() < kFirst + kLast + 2) return mask;
  const bool shows_long_iin = style == MaskStyle::kFirst8Last4 && iin_digits >= kFirstOfLongIin &&
                              values.size() >= kDigitsMinOfLongIin;
  const size_t first = style == MaskStyle::kLast4 ? 0 : shows_long_iin ? kFirstOfLongIin : kFirst;
  for (size_t i = 0; i < first; ++i) mask[i] = static_cast<char>('0' + values[i]);
  for (size_t i = values.size() - kLast; i < values.size(); ++i) {
    mask[i] = static_cast<char>('0' + values[i]);
  }
  return mask;
}

}  // namespace skimwatch::card
