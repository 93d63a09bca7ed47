#include "proto/text/columns.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>
#include <cwchar>

#include "proto/text/utf8.h"

namespace skimwatch::text {
namespace {

constexpr std::string_view kEllipsis = "…";

// The first character's bytes and columns.
struct Character {
  size_t bytes = 1;
  size_t columns = 1;
};

Character First(std::string_view text) {
  const size_t bytes = Utf8SequenceBytes(text);
  if (bytes == 0) return {};
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  wchar_t code = byte(0);
  if (bytes > 1) {
    code = byte(0) & (0xff >> (bytes + 1));
    for (size_t i = 1; i < bytes; ++i) code = code << 6 | (byte(i) & 0x3f);
  }
  const int columns = wcwidth(code);
  return {bytes, columns < 0 ? 1 : static_cast<size_t>(columns)};
}

}  // namespace

size_t Columns(std::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    const Character first = First(text);
    columns += first.columns;
    text.remove_prefix(first.bytes);
  }
  return columns;
}

std::string Cut(std::string_view text, size_t columns) {
  if (Columns(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  size_t bytes = 0;
  size_t used = 0;
  while (bytes < text.size()) {
    const Character next = First(text.substr(bytes));
    if (used + next.columns > columns - 1) break;
    used += next.columns;
    bytes += next.bytes;
  }
  return std::string(text.substr(0, bytes)).append(kEllipsis);
}

size_t TerminalColumns(int fd) {
  winsize size{};
  if (isatty(fd) != 1 || ioctl(fd, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace skimwatch::text
