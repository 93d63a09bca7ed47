#ifndef SKIMWATCH_PROTO_TEXT_UTF8_H_
#define SKIMWATCH_PROTO_TEXT_UTF8_H_

#include <cstddef>
#include <string_view>

namespace skimwatch::text {

// Bytes of the valid UTF-8 sequence (RFC 3629) that `text` begins with; 0 when it begins with none
// or is empty.
size_t Utf8SequenceBytes(std::string_view text);

// Offset of the first byte that is not part of a valid sequence; the size when all are.
size_t Utf8ValidBytes(std::string_view text);

}  // namespace skimwatch::text

#endif  // SKIMWATCH_PROTO_TEXT_UTF8_H_
