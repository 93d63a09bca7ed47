#ifndef SKIMWATCH_AGENT_CARD_EMV_FIELD_H_
#define SKIMWATCH_AGENT_CARD_EMV_FIELD_H_

#include <cstddef>
#include <string_view>

#include "agent/card/brand_table.h"
#include "agent/card/number_finder.h"

namespace skimwatch::card {

// Numbers as chips and terminals write them, in BER-TLV (EMV 4.3 Book 3, annexes A and B):
//
//   tag 5A   application PAN: two digits a byte, an odd one padded with F
//   tag 57   track 2 equivalent data: PAN, D, expiry date YYMM, service code, discretionary data, F
//            where that makes whole bytes
//
// and numbers that MessagePack holds as integers (0xCF and eight bytes).
//
// The length is one byte, or 81 and one byte. It must be right for the value: digits that fill it,
// a prefix and a length of a common brand, and a Luhn digit. Tag and length say where a number is,
// and nothing more is asked for; bytes that are digits by chance are so rarely preceded by them
// that random data has about one such number in a gigabyte. Thread-compatible; no state between
// calls.
class EmvFieldFinder {
 public:
  using Sink = NumberFinder::Sink;

  // `brands` must outlive the finder.
  explicit EmvFieldFinder(const BrandTable& brands) : brands_(brands) {}

  // Hands over the number of a field in binary, whose tag is the byte before `length_at` of `text`.
  void FindBinary(std::string_view text, size_t length_at, Sink sink) const;

  // Hands over the numbers of fields in hexadecimal, either case, that are within the run of at
  // least 14 digits that `at` of `text` is in, or directly follows.
  void FindInHex(std::string_view text, size_t at, Sink sink) const;

 private:
  // Sets brand and check digit; false when no card of a common range has such a number.
  bool Verify(Candidate& candidate) const;
  void FindInteger(std::string_view text, size_t at, Sink sink) const;

  const BrandTable& brands_;
};

// Whether other fields of a chip's data are beside the field whose value ends at `end` of `text`: a
// known tag with a length of its own follows.
bool FollowedByEmvField(std::string_view text, size_t end);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_EMV_FIELD_H_
