#ifndef SKIMWATCH_AGENT_CARD_NUMBER_FILTER_H_
#define SKIMWATCH_AGENT_CARD_NUMBER_FILTER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/card/brand_table.h"

namespace skimwatch::card {

// A quick refusal of digits that are no number, before the number finder reads them: by their first
// three digits and length, and the groups they are in. What it lets pass may still be none; what it
// refuses never is one. Immutable and thread-safe.
class NumberFilter {
 public:
  explicit NumberFilter(const BrandTable& brands);

  static constexpr size_t kDigitsMin = 12;
  static constexpr size_t kDigitsMax = 19;

  // Which of the lengths 12 (bit 0) to 19 a number can have that begins with the three digits at
  // `first` (ASCII), whatever its check digit, and when its check digit is right.
  uint32_t Lengths(const char* first) const { return lengths_[Index(first)]; }
  uint32_t LengthsWithoutCheckDigit(const char* first) const {
    return lengths_unchecked_[Index(first)];
  }

  // Whether a chain could hold a number in groups: digits with single separators between, none of
  // the groups of one digit. `digits` has a bit for each of its `length` bytes, at most 64, that is
  // a digit; `chain` is its first byte.
  bool MayHoldGroups(const char* chain, size_t length, uint64_t digits) const;

  // Whether what stands before digits may tell that the number begins or ends among them: the
  // beginning of an escape (`%224111...`), or the length of a string in protobuf or MessagePack.
  static bool MayDivideRun(char before) {
    const auto c = static_cast<uint8_t>(before);
    return (kDividingSigns[c >> 6] >> (c & 63) & 1) != 0;
  }

 private:
  static size_t Index(const char* first) {
    constexpr size_t kZeros = size_t{'0'} * 111;
    return static_cast<size_t>(first[0]) * 100 + static_cast<size_t>(first[1]) * 10 +
           static_cast<size_t>(first[2]) - kZeros;
  }

  // % x u backslash A-F a-f, the lengths 12 to 19, and these as MessagePack's fixstr.
  static constexpr std::array<uint64_t, 4> kDividingSigns = [] {
    std::array<uint64_t, 4> signs{};
    const auto add = [&](int c) { signs[c >> 6] |= uint64_t{1} << (c & 63); };
    for (const char c : {'%', 'x', 'u', '\\'}) add(c);
    for (int c = 'A'; c <= 'F'; ++c) {
      add(c);
      add(c | 0x20);
    }
    constexpr int kFixStr = 0xA0;
    for (int length = kDigitsMin; length <= static_cast<int>(kDigitsMax); ++length) {
      add(length);
      add(kFixStr | length);
    }
    return signs;
  }();

  struct Group;
  bool OpensGrouping(const char* chain, const Group* group, size_t count) const;
  bool OpensOddGroups(const char* chain, const Group* group, size_t count) const;

  std::array<uint8_t, 1000> lengths_{};
  std::array<uint8_t, 1000> lengths_unchecked_{};
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_NUMBER_FILTER_H_
