#ifndef SKIMWATCH_AGENT_CARD_BYTE_CLASSES_H_
#define SKIMWATCH_AGENT_CARD_BYTE_CLASSES_H_

#include <cstddef>
#include <cstdint>

// The first pass over every byte: which kinds of byte stand where, as bit masks. Everything that
// looks at bytes later is led by these masks, so a faster classifier takes the place of this file
// alone.
namespace skimwatch::card {

inline constexpr size_t kBlockBytes = 64;

// Bit n of each mask: byte n of the block is of the class.
struct BlockClasses {
  uint64_t digit = 0;      // 0-9
  uint64_t separator = 0;  // space - . _ / +
  uint64_t base64 = 0;     // letters, digits, + / - _
  uint64_t hex = 0;        // 0-9 a-f A-F
  uint64_t escape = 0;     // % backslash &
  uint64_t nul = 0;
  uint64_t wide_separator = 0;  // lead bytes of separators in UTF-8
  uint64_t wide_digit = 0;      // lead bytes of digits in UTF-8
};

// Classifies the kBlockBytes bytes at `block`.
BlockClasses ClassifyBlock(const char* block);

// What characters of base64 say about the bytes behind them, by their place in a group of four.
struct SextetClasses {
  // Bit n: the first, second, third byte of a group is ASCII if character n is the group's first,
  // second, third.
  uint64_t ascii_first = 0;
  uint64_t ascii_second = 0;
  uint64_t ascii_third = 0;
  // The first byte is 0x30 to 0x3B, if character n opens a group: most of these are digits.
  uint64_t digit_first = 0;
  // The first byte is one of those that full-width digits are made of in UTF-8.
  uint64_t wide_first = 0;
};
SextetClasses ClassifySextets(const char* block);

// Finds runs of set bits in a sequence of masks, one block after another.
class RunFinder {
 public:
  // Bit n of the result: a run of at least `kLength` set bits ends at or goes on over bit n.
  template <int kLength>
  uint64_t Next(uint64_t mask) {
    static_assert(kLength >= 2 && kLength <= 64);
    uint64_t low = previous_;
    uint64_t high = mask;
    previous_ = mask;
    int length = 1;
    while (length < kLength) {
      const int step = length * 2 <= kLength ? length : kLength - length;
      high &= high << step | low >> (64 - step);
      low &= low << step;
      length += step;
    }
    return high;
  }

 private:
  uint64_t previous_ = 0;
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_BYTE_CLASSES_H_
