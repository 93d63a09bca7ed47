#ifndef SKIMWATCH_PROTO_TEXT_PRINTABLE_H_
#define SKIMWATCH_PROTO_TEXT_PRINTABLE_H_

#include <string>
#include <string_view>

namespace skimwatch::text {

// Text from outside (a path, a header, a peer's message) made fit for a line of a log or a
// terminal: control characters, C1 controls (U+0080 to U+009F), characters that turn the reading
// direction (U+202A to U+202E, U+2066 to U+2069) or begin a line (U+2028, U+2029), and bytes that
// are not UTF-8 become `\n`, `\t`, `\xNN` or `\u{NNNN}`. It can neither forge a second line nor
// steer the terminal.
std::string Printable(std::string_view text);

// The same for the inside of a JSON string (RFC 8259, section 7); bytes that are not UTF-8 become
// U+FFFD.
std::string JsonEscaped(std::string_view text);

}  // namespace skimwatch::text

#endif  // SKIMWATCH_PROTO_TEXT_PRINTABLE_H_
