#ifndef SKIMWATCH_PROTO_VALIDATION_TEXT_H_
#define SKIMWATCH_PROTO_VALIDATION_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace skimwatch::validation {

// Well-formed UTF-8 (RFC 3629: shortest forms, no surrogates). Protocol Buffers write a `string`
// that is not and then refuse to read it, so one bad byte would make a whole batch unreadable.
bool IsUtf8(std::string_view text);

// C0 and C1 controls and DEL, which could steer an operator's terminal. With `lines`, line feed,
// carriage return and tab are allowed.
bool HasControlCharacter(std::string_view text, bool lines);

// Replaces every byte that is not part of well-formed UTF-8, and every control character, by `?`.
void ReplaceUnprintable(std::string& text, bool lines);

// Cuts a UTF-8 text to at most `bytes_max` bytes without cutting a character.
void CutUtf8(std::string& text, size_t bytes_max);

}  // namespace skimwatch::validation

#endif  // SKIMWATCH_PROTO_VALIDATION_TEXT_H_
