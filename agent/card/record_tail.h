#ifndef SKIMWATCH_AGENT_CARD_RECORD_TAIL_H_
#define SKIMWATCH_AGENT_CARD_RECORD_TAIL_H_

#include <cstddef>
#include <string_view>

namespace skimwatch::card {

// What follows a number in a record whose fields have no names.
struct RecordTail {
  bool expiry = false;
  // Only after an expiry date.
  bool security_code = false;
  // One past the last byte of it; where the number ends when there is nothing.
  size_t end = 0;
};

// Reads the fields after the number that ends at `end` of `text`, with one kind of delimiter
// between: `|` `;` `:` `,` `~` `#` `*`, tab, space, `-`, `_` or `+`, escapes undone, blanks and
// quotes around it passed over.
//   expiry          MM and YY or YYYY as fields of their own, MMYY, MMYYYY, MM/YY, MM/YYYY, MM-YY;
//                   years 2015 to 2049. As fields of their own not after `-`, and after `:` only
//                   with a security code, since times of day look the same. After the first seven
//                   delimiters also YYMM, YYYYMM, YYYY-MM and YYYY/MM.
//   security code   three or four digits, directly after the expiry date
// In MessagePack and protobuf wire format a field's length stands before it, and is the delimiter.
RecordTail ReadRecordTail(std::string_view text, size_t end);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_RECORD_TAIL_H_
