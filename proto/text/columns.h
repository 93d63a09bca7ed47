#ifndef SKIMWATCH_PROTO_TEXT_COLUMNS_H_
#define SKIMWATCH_PROTO_TEXT_COLUMNS_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace skimwatch::text {

// Columns that printable UTF-8 text takes on a terminal, by the LC_CTYPE of the process.
size_t Columns(std::string_view text);
// The longest beginning of `text` that fits in `columns`, with an ellipsis when that is not all.
std::string Cut(std::string_view text, size_t columns);

// Columns of the terminal that file descriptor `fd` goes to; 0, which means no limit, for a file or
// pipe.
size_t TerminalColumns(int fd);

}  // namespace skimwatch::text

#endif  // SKIMWATCH_PROTO_TEXT_COLUMNS_H_
