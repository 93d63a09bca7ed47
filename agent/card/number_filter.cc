#include "agent/card/number_filter.h"

#include <string.h>

#include <bit>

#include "agent/card/luhn.h"

namespace skimwatch::card {

struct NumberFilter::Group {
  size_t begin;
  uint32_t digits;
  // What stands before it; 0 at the beginning.
  char separator;
};

// Whether groups from `group` on can begin a number in a grouping of the number finder. All but
// 6-13 begin with four digits.
bool NumberFilter::OpensGrouping(const char* chain, const Group* group, size_t count) const {
  if (count < 2) return false;
  if (group[0].digits == 6) return group[1].digits == 13;
  if (group[0].digits != 4 || count < 3 || group[1].separator != group[2].separator) return false;
  return group[1].digits >= 3 && group[1].digits <= 6 && group[2].digits >= 3 &&
         Lengths(chain + group[0].begin) != 0;
}

// Whether groups from `group` on could be a number in groups of no brand (Shape::kOddGroups).
bool NumberFilter::OpensOddGroups(const char* chain, const Group* group, size_t count) const {
  constexpr size_t kOddGroupsMax = 5;
  if (count < 2 || group[0].separator == group[1].separator) return false;
  uint32_t size = group[0].digits;
  size_t taken = 1;
  while (taken < count && group[taken].separator == group[1].separator && size <= kDigitsMax) {
    size += group[taken++].digits;
  }
  if (taken > kOddGroupsMax || size <= kDigitsMin || size > kDigitsMax) return false;
  constexpr size_t kPrefix = 3;
  const auto has_length = [&](const char* first) {
    return (Lengths(first) >> (size - kDigitsMin) & 1) != 0;
  };
  if (group[0].digits >= kPrefix && !has_length(chain + group[0].begin)) return false;
  std::array<char, kDigitsMax> digits;
  std::array<uint8_t, kDigitsMax> values;
  size_t at = 0;
  for (size_t i = 0; i < taken; ++i) {
    memcpy(&digits[at], chain + group[i].begin, group[i].digits);
    at += group[i].digits;
  }
  for (size_t i = 0; i < size; ++i) values[i] = static_cast<uint8_t>(digits[i] - '0');
  const bool passes = has_length(digits.data()) && LuhnValid({values.data(), size});
  explicit_bzero(digits.data(), size);
  explicit_bzero(values.data(), size);
  return passes;
}

NumberFilter::NumberFilter(const BrandTable& brands) {
  for (uint32_t first = 0; first < lengths_.size(); ++first) {
    lengths_[first] =
        static_cast<uint8_t>(brands.LengthsOf(first, /*luhn_valid=*/true) >> kDigitsMin);
    lengths_unchecked_[first] =
        static_cast<uint8_t>(brands.LengthsOf(first, /*luhn_valid=*/false) >> kDigitsMin);
  }
}

bool NumberFilter::MayHoldGroups(const char* chain, size_t length, uint64_t digits) const {
  if (static_cast<size_t>(std::popcount(digits)) < kDigitsMin) return false;
  constexpr size_t kGroupsMax = 33;
  std::array<Group, kGroupsMax> groups;
  size_t count = 0;
  uint64_t left = digits;
  size_t at = 0;
  while (at < length) {
    const auto size = static_cast<uint32_t>(std::countr_one(left));
    groups[count++] = {at, size, at > 0 ? chain[at - 1] : '\0'};
    at += size + 1;
    if (at >= length) break;
    left >>= size + 1;
  }
  for (size_t i = 0; i < count; ++i) {
    if (OpensGrouping(chain, &groups[i], count - i) ||
        OpensOddGroups(chain, &groups[i], count - i)) {
      return true;
    }
  }
  return false;
}

}  // namespace skimwatch::card
