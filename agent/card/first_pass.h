#ifndef SKIMWATCH_AGENT_CARD_FIRST_PASS_H_
#define SKIMWATCH_AGENT_CARD_FIRST_PASS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/card/byte_classes.h"

// The first pass with vector instructions, the best that the processor has (SSE4, AVX2, AVX-512,
// NEON), chosen at run time. It gives what the tables of byte_classes.h give.
namespace skimwatch::card {

// The shortest runs that can hold a number: twelve digits, separators between them not counted;
// twelve digits in base64 and in hex.
inline constexpr int kDigitRunMin = 12;
inline constexpr int kBase64RunMin = 16;
inline constexpr int kHexRunMin = 24;

// Where in a batch of blocks something could be that is worth a look. Bit n of a mask: byte n of
// the block.
struct Places {
  static constexpr size_t kBlocks = 8;
  static constexpr size_t kBytes = kBlocks * kBlockBytes;
  using Masks = std::array<uint64_t, kBlocks>;

  // A run of at least kDigitRunMin digits, with single separators within, ends or goes on here.
  alignas(64) Masks digits;
  // The first byte of what may be a digit beyond ASCII, or a separator beyond it after a digit.
  alignas(64) Masks wide;
  // % \ &
  alignas(64) Masks escapes;
  // Two signs with a NUL after each.
  alignas(64) Masks utf16;
  // A run of at least kBase64RunMin, kHexRunMin ends or goes on here; none where encodings are not
  // asked for.
  alignas(64) Masks base64;
  alignas(64) Masks hex;
  // All bytes of the two alphabets, whether in a run or not.
  alignas(64) Masks base64_bytes;
  alignas(64) Masks hex_bytes;
  // Bit n: block n has any of these.
  uint64_t blocks = 0;
};

// Looks at a text, one batch after another. Thread-compatible.
class FirstPass {
 public:
  // Begins at `begin` of `text`, which must outlive the pass.
  FirstPass(std::string_view text, size_t begin, bool with_encodings);

  // Looks at the next `blocks` blocks, 1 to Places::kBlocks, all but the last of a text full. Masks
  // of blocks beyond these are undefined.
  void Next(size_t blocks, Places& places);

  // What a batch takes over from the one before: masks of its last block.
  struct Carry {
    uint64_t digit = 0;
    uint64_t chained = 0;
    uint64_t base64 = 0;
    uint64_t hex = 0;
    // The byte after the batch is a digit.
    bool digit_after = false;
    bool with_encodings = false;
  };

 private:
  const std::string_view text_;
  size_t at_;
  Carry carry_;
};

// What ClassifySextets gives.
SextetClasses ClassifySextetsByVector(const char* block);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_FIRST_PASS_H_
