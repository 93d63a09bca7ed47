#ifndef SKIMWATCH_AGENT_CARD_FIRST_PASS_H_
#define SKIMWATCH_AGENT_CARD_FIRST_PASS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/card/byte_classes.h"
#include "agent/card/number_filter.h"

// The first pass over every byte with vector instructions, the best that the processor has (SSE4,
// AVX2, AVX-512 with or without VBMI, NEON), chosen at run time. Nearly all bytes end here: it
// leads to the few places that could hold a number, by conditions that each form of a number
// cannot do without. All of them are computed on masks of a bit a byte, for eight blocks at once.
namespace skimwatch::card {

// The shortest runs that can hold a number: twelve digits, in base64 and in hex.
inline constexpr int kBase64RunMin = 16;
inline constexpr int kHexRunMin = 24;
// What the first pass sees behind a place before it leads to it: it ends this far beyond a text.
inline constexpr size_t kFirstPassReach = 10;

// Where in a batch of blocks something could be that is worth a look. Bit n of a mask: byte n of
// the block. Places are marked where the thing has been seen, which may be in the next batch.
struct Places {
  static constexpr size_t kBlocks = 8;
  static constexpr size_t kBytes = kBlocks * kBlockBytes;
  using Masks = std::array<uint64_t, kBlocks>;

  // Where the batch begins in the text.
  size_t at = 0;

  // The byte after a run of digits, or the second byte after a part of a chain of groups, that
  // NumberFilter does not refuse.
  alignas(64) Masks digits;
  // The first byte of what may be a digit beyond ASCII, or a separator beyond it after a digit.
  alignas(64) Masks wide;
  // Two bytes after % \ or & that lead an escape.
  alignas(64) Masks escapes;
  // Nine bytes after a backslash of `\n`, `\r` or `\/` beside a run in the alphabet of base64.
  alignas(64) Masks breaks;
  // Two signs with a NUL after each, or four that with 0xFF may be full-width digits.
  alignas(64) Masks utf16;
  // Groups of base64 end here that stand for ASCII: four, or three that each begin with a digit or
  // a separator.
  alignas(64) Masks base64;
  // In a run in the alphabet of base64, of kBase64RunMin characters so far at least: groups that
  // may begin with digits of which not all bytes are ASCII; or the line break after it.
  alignas(64) Masks base64_runs;
  // A run of hexadecimal digits that can hold a number goes on or ends here.
  alignas(64) Masks hex;
  // The byte after a run of 4 to 12 digits that is neither a character of base64 nor a separator:
  // the end of a value, and perhaps of a part of a number (split_fields.h).
  alignas(64) Masks values;
  // The first byte after a run of exactly four digits that is below 0x20, or the second after such
  // a run and a separator that is below 0x20 or a separator: a gap between groups (loose_groups.h).
  alignas(64) Masks gaps;
  // Eight pairs of hexadecimal digits in a row end here, all with one other sign before them or all
  // with two, that are no escapes (code_list.h).
  alignas(64) Masks pairs;
  // The second byte of a tag and a length, or of an integer of 64 bits (emv_field.h): below 0x20 or
  // 0x81, after one of 0x57 0x5A 0xCF.
  alignas(64) Masks tags;
  // A run of 14 digits beside a character of base64, as a letter of hexadecimal is: its 14th after
  // such a one, or that which is after it. As hexadecimal text, the tags are before such runs.
  alignas(64) Masks tag_text;
  // All bytes of the two alphabets, whether in a run or not.
  alignas(64) Masks base64_bytes;
  alignas(64) Masks hex_bytes;
  // Bit n: block n has any of these.
  uint64_t blocks = 0;
};

// Masks of a batch by class, block after block.
struct ClassMasks {
  using Masks = Places::Masks;

  alignas(64) Masks digit;
  alignas(64) Masks separator;
  alignas(64) Masks hex;
  alignas(64) Masks percent;
  alignas(64) Masks mark;
  alignas(64) Masks code_lead;
  alignas(64) Masks control;
  alignas(64) Masks break_or_slash;
  alignas(64) Masks ascii_first;
  alignas(64) Masks ascii_second;
  alignas(64) Masks ascii_third;
  alignas(64) Masks base64;
  alignas(64) Masks tag;
  alignas(64) Masks number_first;
  alignas(64) Masks digit_first;
  alignas(64) Masks wide_first;
};

// Looks at a text, one batch after another. Thread-compatible.
class FirstPass {
 public:
  struct Wanted {
    // Otherwise only digits, wide and utf16, and of escapes those that separate digits.
    bool encodings = false;
    // values, tags and tag_text.
    bool fields = false;
  };

  // Begins at `begin` of `text` and ends with the block of `end` at least. `text` and `filter` must
  // outlive the pass.
  FirstPass(std::string_view text, size_t begin, size_t end, Wanted wanted,
            const NumberFilter& filter);

  // Fills `places` with the next batch that has any place; false when there is none.
  bool Next(Places& places);

  struct State {
    std::string_view text;
    // Where the next batch begins, and where the last may.
    size_t at = 0;
    size_t end = 0;
    Wanted wanted;
    const NumberFilter* filter = nullptr;
    // Of this batch and the one before, in turn.
    std::array<ClassMasks, 2> masks;
    size_t turn = 0;
  };

 private:
  State state_;
};

// What ClassifySextets gives.
SextetClasses ClassifySextetsByVector(const char* block);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_FIRST_PASS_H_
