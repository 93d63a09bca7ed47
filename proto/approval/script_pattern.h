#ifndef SKIMWATCH_PROTO_APPROVAL_SCRIPT_PATTERN_H_
#define SKIMWATCH_PROTO_APPROVAL_SCRIPT_PATTERN_H_

#include <string>
#include <string_view>

namespace skimwatch::approval {

// A pattern names scripts as publishers and whoever trusts them do: exactly, or with one `*` at the
// end all that begin so. It is held against a script's name in the inventory (`js/app.js`) and, of
// a script that is fetched, against its address (what stands behind `#src=` in its name:
// `https://chat.example/x.js`), which is one whatever page fetches it.

// Why a text is no pattern; empty when it is one. An address with a `*` names its host whole, so
// that `https://chat.example*` does not stand for chat.example.evil.test.
std::string PatternFault(std::string_view pattern);

// Whether the pattern stands for the script. A name's `~N` (other bytes from one address in one
// look) is no part of the address.
bool PatternCovers(std::string_view pattern, std::string_view script);

// Whether every script that `inner` stands for, `outer` stands for, too.
bool PatternIsWithin(std::string_view inner, std::string_view outer);

}  // namespace skimwatch::approval

#endif  // SKIMWATCH_PROTO_APPROVAL_SCRIPT_PATTERN_H_
