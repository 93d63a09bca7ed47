#ifndef SKIMWATCH_AGENT_CARD_FIELD_PASS_H_
#define SKIMWATCH_AGENT_CARD_FIELD_PASS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/card/byte_classes.h"

namespace skimwatch::card {

// Where in a batch of blocks a number could be that is no chain of digits of its own: parts of one
// in several fields, and what chips and terminals write. Bit n of a mask: byte n of the block.
// Every condition looks back only, so that nothing is known of what follows a block.
struct FieldPlaces {
  static constexpr size_t kBlocks = 8;
  static constexpr size_t kBytes = kBlocks * kBlockBytes;
  using Masks = std::array<uint64_t, kBlocks>;

  // The byte after a run of 4 to 12 digits that is neither a character of base64 nor a separator
  // (byte_classes.h): the end of a value, and perhaps of a part of a number (split_fields.h).
  //   ~base64 & ~separator & runs_of_4(digit) << 1 & ~(runs_of_13(digit) << 1)
  alignas(64) Masks values;
  // The second byte of a tag and a length, or of an integer of 64 bits (emv_field.h): below 0x20 or
  // 0x81, after one of 0x57 0x5A 0xCF.
  alignas(64) Masks tags;
  // A run of 14 digits beside a letter of hexadecimal: its 14th after a letter, or the letter after
  // it. As hexadecimal text, the tags are in front of such runs.
  //   runs_of_14(digit) & (first_of_run(digit) & (hex & ~digit) << 1) << 13
  //   hex & ~digit & runs_of_14(digit) << 1
  alignas(64) Masks tag_text;
  // Bit n: block n has any of these.
  uint64_t blocks = 0;
};

// Looks at a text, one batch after another, with the vector instructions that the processor has.
// Thread-compatible.
class FieldPass {
 public:
  // Begins at `begin` of `text`, which must outlive the pass.
  FieldPass(std::string_view text, size_t begin) : text_(text), at_(begin) {}

  // Looks at the next `blocks` blocks, 1 to FieldPlaces::kBlocks, all but the last of a text full;
  // a text ends as if a byte after it ended a value. Masks of blocks beyond these are undefined.
  void Next(size_t blocks, FieldPlaces& places);

  // What a batch takes over from the one before: masks of its last block.
  struct Carry {
    uint64_t digit = 0;
    uint64_t first_after_letter = 0;
    uint64_t hex = 0;
    uint64_t tag = 0;
  };

 private:
  const std::string_view text_;
  size_t at_;
  Carry carry_;
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_FIELD_PASS_H_
