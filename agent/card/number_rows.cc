#include "agent/card/number_rows.h"

#include <string.h>

#include <array>
#include <cstdint>

#include "agent/card/luhn.h"
#include "agent/card/record_tail.h"
#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

constexpr size_t kGroupDigits = 4;
constexpr size_t kDigits = 16;
constexpr size_t kRowBytes = 19;

bool IsLineBreak(uint32_t code) { return code == '\n' || code == '\r'; }

bool IsEdge(const Neighbour& neighbour) {
  return neighbour.bytes == 0 || IsLineBreak(neighbour.code);
}

struct Row {
  // 4-4-4-4 with the separator asked for.
  bool is_row = false;
  bool luhn_valid = false;
};

Row ReadRow(std::string_view row, char separator) {
  if (row.size() != kRowBytes) return {};
  std::array<uint8_t, kDigits> digits;
  size_t count = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    const bool between = i % (kGroupDigits + 1) == kGroupDigits;
    if (between ? row[i] != separator : !IsAsciiDigit(row[i])) {
      explicit_bzero(digits.data(), count);
      return {};
    }
    if (!between) digits[count++] = static_cast<uint8_t>(row[i] - '0');
  }
  const Row result = {.is_row = true, .luhn_valid = LuhnValid(digits)};
  explicit_bzero(digits.data(), digits.size());
  return result;
}

// Whether four groups fail the test among those that follow the number which ends at `end`, cut
// into fours from there on.
bool RunsOnInRows(std::string_view text, size_t end, char separator) {
  // As far as evidence is read.
  constexpr size_t kRowsMax = 6;
  if (ReadRecordTail(text, end).expiry) return false;
  size_t at = end;
  for (size_t i = 0; i < kRowsMax && at < text.size() && text[at] == separator; ++i) {
    const Row row = ReadRow(text.substr(at + 1, kRowBytes), separator);
    const size_t next = at + 1 + kRowBytes;
    if (!row.is_row || (next < text.size() && IsAsciiDigit(text[next]))) return false;
    if (!row.luhn_valid) return true;
    if (ReadRecordTail(text, next).expiry) return false;
    at = next;
  }
  return false;
}

// Steps over one line break, which may be two bytes.
size_t BreakBytesAfter(std::string_view text, size_t at) {
  const Neighbour first = NeighbourAfter(text, at);
  if (!IsLineBreak(first.code)) return 0;
  const Neighbour second = NeighbourAfter(text, at + first.bytes);
  const bool two = first.code == '\r' && second.code == '\n';
  return first.bytes + (two ? second.bytes : 0);
}

size_t BreakBytesBefore(std::string_view text, size_t at) {
  const Neighbour last = NeighbourBefore(text, at);
  if (!IsLineBreak(last.code)) return 0;
  const Neighbour first = NeighbourBefore(text, at - last.bytes);
  const bool two = last.code == '\n' && first.code == '\r';
  return last.bytes + (two ? first.bytes : 0);
}

}  // namespace

bool IsRowOfNumbers(std::string_view text, size_t begin, size_t end) {
  if (end - begin != kRowBytes) return false;
  const char separator = text[begin + kGroupDigits];
  if (!ReadRow(text.substr(begin, kRowBytes), separator).is_row) return false;
  if (RunsOnInRows(text, end, separator)) return true;
  if (!IsEdge(NeighbourBefore(text, begin)) || !IsEdge(NeighbourAfter(text, end))) return false;

  const auto is_other_row = [&](size_t row_begin) {
    const Row row = ReadRow(text.substr(row_begin, kRowBytes), separator);
    return row.is_row && !row.luhn_valid && IsEdge(NeighbourBefore(text, row_begin)) &&
           IsEdge(NeighbourAfter(text, row_begin + kRowBytes));
  };
  const size_t break_after = BreakBytesAfter(text, end);
  if (break_after > 0 && end + break_after < text.size() && is_other_row(end + break_after)) {
    return true;
  }
  const size_t break_before = BreakBytesBefore(text, begin);
  return break_before > 0 && begin >= break_before + kRowBytes &&
         is_other_row(begin - break_before - kRowBytes);
}

}  // namespace skimwatch::card
