#ifndef SKIMWATCH_PROTO_VALIDATION_CARD_DIGITS_H_
#define SKIMWATCH_PROTO_VALIDATION_CARD_DIGITS_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace skimwatch::validation {

// The last look at a text before it leaves a process: does it hold what could be a full card
// number? The agent's scanner knows encodings, brands and evidence; this knows only digits, and
// asks for no evidence. A number is 13 to 19 digits, plain or in groups that cards are written in,
// whose first digits and length an issuer uses (ISO/IEC 7812-1) and whose Luhn digit is right.
// Groups of four, and those of American Express and Diners Club, may have anything of up to three
// bytes between them that is neither letter nor digit; others one kind of single separator. Within
// a longer run of digits (zeros before a number, a code or a date behind it), 15 and 16 digits of
// the great brands count. Times, identifiers and digests fail one of these with a probability that
// makes a false alarm rare and, since it only masks digits, harmless.
//
// Linear in the text; allocates nothing.

struct DigitRange {
  size_t begin = 0;
  // One past the last byte.
  size_t end = 0;
  bool empty() const { return begin == end; }
};

// The first card number that begins at or after `from`; empty when there is none.
DigitRange FindCardNumber(std::string_view text, size_t from = 0);

// Overwrites the digits of every card number with `*`. True when there was one.
bool MaskCardNumbers(std::string& text);

}  // namespace skimwatch::validation

#endif  // SKIMWATCH_PROTO_VALIDATION_CARD_DIGITS_H_
