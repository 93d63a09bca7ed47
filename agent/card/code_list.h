#ifndef SKIMWATCH_AGENT_CARD_CODE_LIST_H_
#define SKIMWATCH_AGENT_CARD_CODE_LIST_H_

#include <cstddef>
#include <string_view>

#include "agent/card/decoded_text.h"
#include "agent/card/decoders.h"

// Lists of the codes of characters, as scripts hold strings that are not to be read, and as dumps
// and quoted-printable write bytes: the same one or two signs between all of them.
//
//   kHexPairs       34 31 31  34:31:31  34-31-31
//   kQuotedPairs    =34=31=31 (RFC 2045, 6.7, of every byte)
//   kDecimalCodes   52,49,49  [52, 49]  String.fromCharCode(52,49)
//
// The first pass leads to eight pairs of hexadecimal digits in a row (Places::pairs), which the
// codes of digits are in either notation.
namespace skimwatch::card {

struct CodeList {
  // From the first code to the end of the last.
  size_t begin = 0;
  size_t end = 0;
  // Codes that stand for digits.
  size_t digits = 0;
};

// Whether the eight pairs that end with the byte at `last` of `text`, as the first pass saw them,
// may be among the codes of a number in `form`: most of them stand for digits. Most lists of
// numbers end here.
bool MayBeCodesOfNumber(Form form, std::string_view text, size_t last);

// The list of `form` that the pair of digits that ends with the byte at `last` of `text` is in,
// read from `floor` to `ceiling`; empty when it is in none. Linear in the list.
CodeList CodeListAround(Form form, std::string_view text, size_t last, size_t floor,
                        size_t ceiling);

// Decode (decoders.h) for the three forms.
size_t DecodeCodeList(Form form, std::string_view text, size_t begin, size_t end, DecodedText& out);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_CODE_LIST_H_
