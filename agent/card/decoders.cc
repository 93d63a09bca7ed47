#include "agent/card/decoders.h"

#include <algorithm>
#include <array>
#include <bit>

#include "agent/card/base64_alphabet.h"
#include "agent/card/code_list.h"
#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

void AppendUtf8(uint32_t code, size_t source, DecodedText& out) {
  const auto append = [&](uint32_t byte) { out.Append(static_cast<char>(byte), source); };
  const auto tail = [&](int shift) { append(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    append(code);
  } else if (code < 0x800) {
    append(0xC0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    append(0xE0 | code >> 12);
    tail(6);
    tail(0);
  } else {
    append(0xF0 | (code >> 18 & 0x07));
    tail(12);
    tail(6);
    tail(0);
  }
}

size_t DecodeBase64(std::string_view text, size_t begin, size_t end, DecodedText& out) {
  size_t at = begin;
  // A character that is left over stands for no byte, and is of no number.
  size_t bytes_end = begin;
  while (at < end && out.HasRoom()) {
    if (end - at >= 4) {
      const uint32_t s0 = SextetOf(text[at]);
      const uint32_t s1 = SextetOf(text[at + 1]);
      const uint32_t s2 = SextetOf(text[at + 2]);
      const uint32_t s3 = SextetOf(text[at + 3]);
      if ((s0 | s1 | s2 | s3) < 64) {
        out.Append(static_cast<char>(s0 << 2 | s1 >> 4), at);
        out.Append(static_cast<char>(s1 << 4 | s2 >> 2), at);
        out.Append(static_cast<char>(s2 << 6 | s3), at);
        at += 4;
        bytes_end = at;
        continue;
      }
    }
    // Gathers a group, over a line break where there is one.
    uint32_t bits = 0;
    int count = 0;
    size_t group = at;
    while (count < 4 && at < end) {
      const uint8_t sextet = SextetOf(text[at]);
      if (sextet != kNoSextet) {
        if (count == 0) group = at;
        bits = bits << 6 | sextet;
        ++count;
      }
      ++at;
    }
    if (count == 4) {
      out.Append(static_cast<char>(bits >> 16), group);
      out.Append(static_cast<char>(bits >> 8), group);
      out.Append(static_cast<char>(bits), group);
    } else if (count == 3) {
      out.Append(static_cast<char>(bits >> 10), group);
      out.Append(static_cast<char>(bits >> 2), group);
    } else if (count == 2) {
      out.Append(static_cast<char>(bits >> 4), group);
    }
    bytes_end = count == 1 ? group : at;
  }
  out.SetEnd(bytes_end);
  return at;
}

constexpr std::array<uint8_t, 256> kNibbles = [] {
  std::array<uint8_t, 256> nibbles{};
  for (int c = 0; c < 128; ++c) {
    const int value = HexValue(static_cast<char>(c));
    nibbles[c] = static_cast<uint8_t>(value < 0 ? 0 : value);
  }
  return nibbles;
}();

size_t DecodeHex(std::string_view text, size_t begin, size_t end, DecodedText& out) {
  size_t at = begin;
  while (at + 2 <= end && out.HasRoom()) {
    const uint8_t high = kNibbles[static_cast<uint8_t>(text[at])];
    const uint8_t low = kNibbles[static_cast<uint8_t>(text[at + 1])];
    out.Append(static_cast<char>(high << 4 | low), at);
    at += 2;
  }
  out.SetEnd(at);
  return at + 1 == end ? end : at;
}

constexpr std::array<bool, 256> kEscapeMarks = [] {
  std::array<bool, 256> marks{};
  for (const char c : std::string_view("%\\&")) marks[static_cast<uint8_t>(c)] = true;
  return marks;
}();
bool IsEscapeMark(char c) { return kEscapeMarks[static_cast<uint8_t>(c)]; }

size_t DecodeEscapes(std::string_view text, size_t begin, size_t end, DecodedText& out) {
  const std::string_view whole = text.substr(0, end);
  size_t at = begin;
  while (at < end && out.HasRoom()) {
    if (!IsEscapeMark(whole[at])) {
      const size_t run_max = std::min(end, at + out.room());
      size_t run_end = at + 1;
      while (run_end < run_max && !IsEscapeMark(whole[run_end])) ++run_end;
      out.AppendRun(whole.substr(at, run_end - at), at);
      at = run_end;
      continue;
    }
    if (whole[at] == '%' && end - at >= 3) {
      const int high = kHexValues[static_cast<uint8_t>(whole[at + 1])];
      const int low = kHexValues[static_cast<uint8_t>(whole[at + 2])];
      if ((high | low) >= 0) {
        out.Append(static_cast<char>(high << 4 | low), at);
        at += 3;
        continue;
      }
    }
    const EscapeSymbol escape = EscapeAt(whole, at);
    if (escape.bytes == 0) {
      out.Append(whole[at], at);
      ++at;
      continue;
    }
    if (escape.kind == EscapeKind::kPercent || escape.code < 0x80) {
      out.Append(static_cast<char>(escape.code), at);
    } else {
      AppendUtf8(escape.code, at, out);
    }
    at += escape.bytes;
  }
  out.SetEnd(at);
  return at;
}

size_t DecodeUtf16(bool little_endian, std::string_view text, size_t begin, size_t end,
                   DecodedText& out) {
  size_t at = begin;
  while (at + 2 <= end && out.HasRoom()) {
    const auto first = static_cast<uint8_t>(text[at]);
    const auto second = static_cast<uint8_t>(text[at + 1]);
    AppendUtf8(little_endian ? second << 8 | first : first << 8 | second, at, out);
    at += 2;
  }
  out.SetEnd(at);
  return at + 1 == end ? end : at;
}

// Count of base64 characters directly before `at` and from `next` on, each counted to kEnough.
constexpr size_t kEnough = 16;
size_t Base64Before(std::string_view text, size_t at) {
  size_t count = 0;
  while (count < kEnough && count < at && IsBase64(text[at - 1 - count])) ++count;
  return count;
}
size_t Base64After(std::string_view text, size_t at) {
  size_t count = 0;
  while (count < kEnough && at + count < text.size() && IsBase64(text[at + count])) ++count;
  return count;
}

// Codes that may tell of an encoded number (IsTellingEscape), as one byte: all that do, and others.
constexpr std::array<bool, 256> kTellingCodes = [] {
  std::array<bool, 256> codes{};
  for (uint8_t c = 0; c < 128; ++c) codes[c] = IsAsciiAlnum(static_cast<char>(c));
  for (const char c : std::string_view("%\\&+/\r\n -._^=")) codes[static_cast<uint8_t>(c)] = true;
  for (int c = 0x80; c < 256; ++c) codes[c] = true;
  return codes;
}();

// Signs that are part of no number, no separator, and no form of one.
constexpr std::array<bool, 256> kStopSigns = [] {
  std::array<bool, 256> signs{};
  for (const char c : std::string_view("\"'`<>()[],:|?!*@")) signs[static_cast<uint8_t>(c)] = true;
  return signs;
}();

// Whether two hexadecimal digits at `at` could be such a code.
bool MayBeTellingCode(std::string_view text, size_t at) {
  const int64_t code = HexNumberAt(text, at, 2);
  return code >= 0 && kTellingCodes[static_cast<size_t>(code)];
}

// Whether `\uXXXX` or `\u{X}` at the beginning of `text` could be such a code: one of a byte, or of
// the blocks of wide separators (U+2000) and full-width digits (U+FF00).
bool MayBeTellingUnit(std::string_view text) {
  constexpr size_t kUpper = 2;
  constexpr size_t kLower = 4;
  if (text.substr(kUpper, 1) == "{") return true;
  const int64_t upper = HexNumberAt(text, kUpper, 2);
  return upper == 0 ? MayBeTellingCode(text, kLower) : upper == 0x20 || upper == 0xFF;
}

}  // namespace

size_t Decode(Form form, std::string_view text, size_t begin, size_t end, DecodedText& out) {
  switch (form) {
    case Form::kBase64:
      return DecodeBase64(text, begin, end, out);
    case Form::kHex:
      return DecodeHex(text, begin, end, out);
    case Form::kEscapes:
      return DecodeEscapes(text, begin, end, out);
    case Form::kUtf16Le:
      return DecodeUtf16(/*little_endian=*/true, text, begin, end, out);
    case Form::kUtf16Be:
      return DecodeUtf16(/*little_endian=*/false, text, begin, end, out);
    case Form::kHexPairs:
    case Form::kQuotedPairs:
    case Form::kDecimalCodes:
      return DecodeCodeList(form, text, begin, end, out);
  }
  return end;
}

EscapeSymbol EscapeAt(std::string_view text, size_t at) {
  switch (text[at]) {
    case '%': {
      const int64_t code = HexNumberAt(text, at + 1, 2);
      if (code < 0) return {};
      return {.bytes = 3, .kind = EscapeKind::kPercent, .code = static_cast<uint32_t>(code)};
    }
    case '\\': {
      const Neighbour symbol = NeighbourAfter(text, at);
      if (!symbol.escaped()) return {};
      return {.bytes = symbol.bytes, .kind = EscapeKind::kBackslash, .code = symbol.code};
    }
    case '&': {
      const Neighbour symbol = CharacterReferenceAt(text, at);
      return {.bytes = symbol.bytes, .kind = EscapeKind::kEntity, .code = symbol.code};
    }
    default:
      return {};
  }
}

std::array<bool, kEscapeKinds> EscapesIn(std::string_view text, size_t begin, size_t end) {
  std::array<bool, kEscapeKinds> kinds{};
  for (size_t at = begin; at < end;) {
    const EscapeSymbol escape = EscapeAt(text, at);
    if (escape.bytes > 0) kinds[static_cast<size_t>(escape.kind)] = true;
    at += std::max<size_t>(escape.bytes, 1);
  }
  return kinds;
}

bool IsPatternOfWideDigits(std::string_view units) {
  constexpr char kFullWidth = '\xFF';
  constexpr uint8_t kHyphen = 0x0D;
  constexpr int kDigitsMin = 3;
  uint32_t seen = 0;
  bool has_others = false;
  for (size_t at = 0; at + 2 <= units.size(); at += 2) {
    const auto low = static_cast<uint8_t>(units[at]);
    const bool is_wide = units[at + 1] == kFullWidth;
    // A sign of ASCII.
    if (units[at + 1] == 0 && low < 0x7F) return false;
    if (is_wide && low >= 0x10 && low <= 0x19) {
      seen |= uint32_t{1} << (low - 0x10);
    } else {
      has_others = has_others || !is_wide || low != kHyphen;
    }
  }
  return has_others || std::popcount(seen) < kDigitsMin;
}

bool MayTell(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  if (rest.size() < 2) return false;
  const char next = rest[1];
  const char third = rest.size() > 2 ? rest[2] : '\0';
  if (rest[0] == '%') return MayBeTellingCode(rest, 1);
  // `&nbsp;`
  if (rest[0] == '&') return next == '#' || next == 'n';
  switch (next) {
    case 'u':
      return MayBeTellingUnit(rest);
    case 'x':
      return MayBeTellingCode(rest, 2);
    case '\\':
      return third == 'u' || third == 'x' || (third >= '0' && third <= '3');
    case '0':
    case '1': {
      const int code = OctalNumberAt(rest, 1);
      return code >= 0 && kTellingCodes[static_cast<size_t>(code)];
    }
    case 'n':
    case 'r':
    case '/':
      return at > 0 && IsBase64(text[at - 1]);
    default:
      return false;
  }
}

bool IsTellingEscape(std::string_view text, size_t at) {
  const EscapeSymbol escape = EscapeAt(text, at);
  if (escape.bytes == 0) return false;
  // Octal escapes of text end at 0177 (MayTell).
  if (text[at] == '\\' && escape.bytes == 4 && (text[at + 1] == '2' || text[at + 1] == '3')) {
    return false;
  }
  const size_t next = at + escape.bytes;
  const uint32_t code = escape.code;
  const bool digit_before = at > 0 && IsAsciiDigit(text[at - 1]);
  const bool percent = escape.kind == EscapeKind::kPercent;
  const bool simple = escape.kind == EscapeKind::kBackslash && escape.bytes == 2;
  if (simple) {
    // `\\u0034`, `\\x34`, `\\064`; `\/` and line breaks within base64.
    if (code == '\\') {
      return next < text.size() &&
             (text[next] == 'u' || text[next] == 'x' || OctalNumberAt(text, next) >= 0);
    }
    if (code != '/' && code != '\n' && code != '\r') return false;
    const size_t before = Base64Before(text, at);
    return before > 0 && before + Base64After(text, next) >= kEnough;
  }
  if (code < 0x80 && IsAsciiAlnum(static_cast<char>(code))) return true;
  switch (code) {
    case '%':
    case '\\':
      return true;
    case '&':
      return text.substr(next, 1) == "#" || text.substr(next, 1) == "%";
    case '+':
    case '/':
    case '\r':
    case '\n': {
      constexpr size_t kOneSide = 8;
      if (Base64Before(text, at) >= kOneSide || Base64After(text, next) >= kOneSide) return true;
      break;
    }
    default:
      break;
  }
  // A separator or the sign of a track after a digit.
  if (code == ' ' || code == '-' || code == '.' || code == '_' || code == '/' || code == '+') {
    if (percent && code == ' ') return false;
    const bool goes_on = next < text.size() && (IsAsciiDigit(text[next]) || text[next] == text[at]);
    return digit_before && goes_on;
  }
  if (code == '^' || code == '=') return digit_before;
  // UTF-8 digits and separators in percent, others as code points.
  if (percent) {
    if (code == 0xC2 || code == 0xE2 || code == 0xE3) return digit_before;
    return code == 0xD9 || code == 0xDB || code == 0xEF || (code == 0xE0 && digit_before);
  }
  if (code == 0xA0 || (code >= 0x2000 && code <= 0x2060)) return digit_before;
  return code >= 0xFF10 && code <= 0xFF19;
}

Stretch EscapedStretch(std::string_view text, size_t at, size_t floor, size_t ceiling) {
  constexpr size_t kAround = 192;
  constexpr size_t kCoreAround = 128;
  constexpr size_t kRunMax = 384;
  constexpr size_t kGapMax = 2 * kAround;
  const auto before = [&](size_t place, size_t bytes) {
    return place > floor + bytes ? place - bytes : floor;
  };
  // An escaped break after base64 is near all of the run.
  size_t run = at;
  while (run > before(at, kRunMax) && IsBase64(text[run - 1])) --run;
  size_t begin = std::min(before(at, kAround), run);
  const size_t begin_min = before(begin, kAround);
  while (begin > begin_min && !kStopSigns[static_cast<uint8_t>(text[begin])]) --begin;
  // Not within an escape.
  constexpr size_t kEscapeBytesMax = 10;
  for (size_t back = kEscapeBytesMax; back > 0; --back) {
    if (begin < back || !IsEscapeMark(text[begin - back])) continue;
    if (EscapeAt(text, begin - back).bytes > back) {
      begin = begin - back + EscapeAt(text, begin - back).bytes;
      break;
    }
  }
  // Where the last escape is that may tell, each close to one before. The furthest of those close
  // is taken, so that few are looked at where they stand close together.
  size_t last = at;
  for (bool goes_on = true; goes_on;) {
    goes_on = false;
    for (size_t next = std::min(last + kGapMax, ceiling) - 1; next > last && !goes_on; --next) {
      if (!IsEscapeMark(text[next]) || !MayTell(text, next)) continue;
      last = next;
      goes_on = true;
    }
  }
  last = std::min(last + std::max<size_t>(EscapeAt(text, last).bytes, 1), ceiling);
  const size_t core_end = std::min(last + kAround, ceiling);
  const size_t end_max = std::min(core_end + kAround, ceiling);
  size_t end = core_end;
  while (end < end_max && !kStopSigns[static_cast<uint8_t>(text[end])]) ++end;
  if (end < end_max) ++end;
  return {begin, end, std::min(before(at, kCoreAround), run), core_end};
}

}  // namespace skimwatch::card
