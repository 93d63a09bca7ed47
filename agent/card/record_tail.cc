#include "agent/card/record_tail.h"

#include <cstdint>

#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

constexpr size_t kBlanksMax = 4;

struct Delimiter {
  // 0 when there is none.
  uint32_t code = 0;
  size_t end = 0;
};

struct Field {
  size_t digits = 0;
  unsigned value = 0;
  size_t end = 0;
};

bool IsHardDelimiter(uint32_t code) {
  return code == '|' || code == ';' || code == ':' || code == ',' || code == '\t' || code == '~' ||
         code == '#' || code == '*';
}

bool IsQuote(uint32_t code) { return code == '"' || code == '\''; }

size_t SkipBlanks(std::string_view text, size_t at) {
  for (size_t i = 0; i < kBlanksMax; ++i) {
    const Neighbour blank = NeighbourAfter(text, at);
    if (blank.code != ' ') break;
    at += blank.bytes;
  }
  return at;
}

size_t SkipQuote(std::string_view text, size_t at) {
  const Neighbour quote = NeighbourAfter(text, at);
  return IsQuote(quote.code) ? at + quote.bytes : at;
}

Delimiter ReadDelimiter(std::string_view text, size_t at) {
  at = SkipQuote(text, at);
  const size_t after_blanks = SkipBlanks(text, at);
  const Neighbour sign = NeighbourAfter(text, after_blanks);
  if (IsHardDelimiter(sign.code)) {
    return {sign.code, SkipQuote(text, SkipBlanks(text, after_blanks + sign.bytes))};
  }
  if (after_blanks > at) return {' ', after_blanks};
  if (sign.code == '-' || sign.code == '_' || sign.code == '+') {
    return {sign.code, at + sign.bytes};
  }
  return {};
}

// A field of digits at `at`, at most six of them.
Field ReadField(std::string_view text, size_t at) {
  constexpr size_t kDigitsMax = 6;
  Field field = {.end = at};
  while (field.end < text.size() && IsAsciiDigit(text[field.end])) {
    if (field.digits == kDigitsMax) return {};
    field.value = field.value * 10 + static_cast<unsigned>(text[field.end] - '0');
    ++field.digits;
    ++field.end;
  }
  return field;
}

// Whether a field may end at `at`, `delimiter` being what separates fields: no letter, and no sign
// that makes a date, a time or a fraction of it.
bool EndsField(std::string_view text, size_t at, uint32_t delimiter) {
  const Neighbour sign = NeighbourAfter(text, at);
  if (sign.code < 0x80 && IsAsciiAlnum(static_cast<char>(sign.code)) && !sign.escaped()) {
    return false;
  }
  if (sign.code == delimiter) return true;
  if (sign.code != '/' && sign.code != '-' && sign.code != '.' && sign.code != ':') return true;
  return DigitAt(text, at + sign.bytes).bytes == 0;
}

bool IsMonth(unsigned value) { return value >= 1 && value <= 12; }

bool IsYear(unsigned value, size_t digits) {
  constexpr unsigned kFirst = 15;
  constexpr unsigned kLast = 49;
  constexpr unsigned kCentury = 2000;
  if (digits == 2) return value >= kFirst && value <= kLast;
  return digits == 4 && value >= kCentury + kFirst && value <= kCentury + kLast;
}

// Where the expiry date that begins at `at` ends; 0 when there is none. `in_fields` tells whether
// month and year are fields of their own.
size_t ReadExpiry(std::string_view text, size_t at, uint32_t delimiter, bool& in_fields) {
  const Field first = ReadField(text, at);
  if (first.digits == 4 || first.digits == 6) {
    const unsigned year_scale = first.digits == 4 ? 100 : 10'000;
    bool fits =
        IsMonth(first.value / year_scale) && IsYear(first.value % year_scale, first.digits - 2);
    // With the year first only where it can be no group of a row of numbers.
    if (!fits && IsHardDelimiter(delimiter)) {
      fits = IsMonth(first.value % 100) && IsYear(first.value / 100, first.digits - 2);
      const Neighbour joint = NeighbourAfter(text, first.end);
      if (IsYear(first.value, first.digits) && (joint.code == '-' || joint.code == '/')) {
        const Field month = ReadField(text, first.end + joint.bytes);
        if (month.digits == 2 && IsMonth(month.value) && EndsField(text, month.end, delimiter)) {
          return month.end;
        }
      }
    }
    return fits && EndsField(text, first.end, delimiter) ? first.end : 0;
  }
  if (first.digits < 1 || first.digits > 2 || !IsMonth(first.value)) return 0;
  const Neighbour joint = NeighbourAfter(text, first.end);
  size_t year_begin = first.end + joint.bytes;
  if (joint.code != '/' && (joint.code != '-' || delimiter == '-')) {
    const Delimiter next = ReadDelimiter(text, first.end);
    if (next.code != delimiter || delimiter == '-') return 0;
    // In running text a month has two digits.
    if (first.digits == 1 && !IsHardDelimiter(delimiter)) return 0;
    in_fields = true;
    year_begin = next.end;
  }
  const Field year = ReadField(text, year_begin);
  return IsYear(year.value, year.digits) && EndsField(text, year.end, delimiter) ? year.end : 0;
}

// A field of MessagePack or of protobuf: its length stands before it. Empty when there is none at
// `at`, which is moved past it.
std::string_view ReadPrefixedField(std::string_view text, size_t& at) {
  constexpr size_t kBytesMax = 7;
  constexpr uint8_t kFixStr = 0xA0;
  constexpr uint8_t kWireTypeLength = 2;
  if (at + 2 >= text.size()) return {};
  const auto first = static_cast<uint8_t>(text[at]);
  size_t size = 0;
  size_t begin = at;
  if ((first & 0xE0) == kFixStr) {
    size = first & 0x1F;
    begin = at + 1;
  } else if (first < 0x80 && (first & 7) == kWireTypeLength) {
    size = static_cast<uint8_t>(text[at + 1]);
    begin = at + 2;
  }
  if (size == 0 || size > kBytesMax || text.size() - begin < size) return {};
  at = begin + size;
  return text.substr(begin, size);
}

// Expiry date and code as such fields, directly after the number.
RecordTail ReadPrefixedTail(std::string_view text, size_t end) {
  RecordTail tail = {.end = end};
  size_t at = end;
  const std::string_view expiry = ReadPrefixedField(text, at);
  bool in_fields = false;
  if (expiry.size() < 4 || ReadExpiry(expiry, 0, 0, in_fields) != expiry.size()) return tail;
  tail.expiry = true;
  tail.end = at;
  const std::string_view code = ReadPrefixedField(text, at);
  tail.security_code =
      (code.size() == 3 || code.size() == 4) && ReadField(code, 0).end == code.size();
  if (tail.security_code) tail.end = at;
  return tail;
}

}  // namespace

RecordTail ReadRecordTail(std::string_view text, size_t end) {
  RecordTail tail = {.end = end};
  const Delimiter delimiter = ReadDelimiter(text, end);
  if (delimiter.code == 0) return ReadPrefixedTail(text, end);
  bool in_fields = false;
  const size_t expiry_end = ReadExpiry(text, delimiter.end, delimiter.code, in_fields);
  if (expiry_end == 0) return tail;
  const Delimiter next = ReadDelimiter(text, expiry_end);
  if (next.code == delimiter.code) {
    const Field code = ReadField(text, next.end);
    tail.security_code =
        (code.digits == 3 || code.digits == 4) && EndsField(text, code.end, delimiter.code);
    if (tail.security_code) tail.end = code.end;
  }
  tail.expiry = tail.security_code || !in_fields || delimiter.code != ':';
  if (tail.expiry && !tail.security_code) tail.end = expiry_end;
  return tail;
}

}  // namespace skimwatch::card
