#include "agent/card/code_list.h"

#include <algorithm>

#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

constexpr size_t kPairDigits = 2;
constexpr size_t kDecimalDigitsMax = 3;

struct Code {
  // Length of the code; 0 when there is none.
  size_t bytes = 0;
  uint32_t value = 0;
};

// The code at `at`, all of the digits that stand there.
Code CodeAt(Form form, std::string_view text, size_t at) {
  const bool decimal = form == Form::kDecimalCodes;
  const size_t most = decimal ? kDecimalDigitsMax : kPairDigits;
  Code code;
  while (at + code.bytes < text.size()) {
    const int digit = HexValue(text[at + code.bytes]);
    if (digit < 0) break;
    if ((decimal && digit > 9) || code.bytes == most) return {};
    code.value = code.value * (decimal ? 10 : 16) + static_cast<uint32_t>(digit);
    ++code.bytes;
  }
  const bool whole = decimal ? code.bytes > 0 : code.bytes == kPairDigits;
  return whole && code.value <= 0xFF ? code : Code{};
}

// The code that ends before `end`.
Code CodeBefore(Form form, std::string_view text, size_t end, size_t floor) {
  size_t begin = end;
  while (begin > floor && end - begin <= kDecimalDigitsMax && HexValue(text[begin - 1]) >= 0) {
    --begin;
  }
  const Code code = CodeAt(form, text, begin);
  return begin + code.bytes == end ? code : Code{};
}

bool IsDigitCode(const Code& code) { return code.value >= '0' && code.value <= '9'; }

// What stands between the pair that ends with the byte at `last` and the one before; empty when
// that is no sign that lists have.
std::string_view SignsBefore(std::string_view text, size_t last) {
  constexpr size_t kSignsMax = 2;
  if (last + 1 < kPairDigits + kSignsMax) return {};
  const size_t end = last + 1 - kPairDigits;
  const size_t begin = HexValue(text[end - kSignsMax]) < 0 ? end - kSignsMax : end - 1;
  const std::string_view signs = text.substr(begin, end - begin);
  const bool are_signs = std::none_of(signs.begin(), signs.end(), [](char c) {
    return IsAsciiAlnum(c) || c == '%' || c == '\\' || static_cast<uint8_t>(c) >= 0x80;
  });
  return are_signs ? signs : std::string_view();
}

}  // namespace

bool MayBeCodesOfNumber(Form form, std::string_view text, size_t last) {
  constexpr size_t kPairs = 8;
  // Groups have a separator after four digits.
  constexpr int kDigitsMin = 6;
  const size_t period = HexValue(text[last - kPairDigits - 1]) < 0 ? 4 : 3;
  const bool decimal = form == Form::kDecimalCodes;
  int digits = 0;
  for (size_t i = 0; i < kPairs; ++i) {
    const char first = text[last - 1 - i * period];
    const char second = text[last - i * period];
    // 48 to 57, and 30 to 39.
    const bool is_digit = decimal ? (first == '4' && second >= '8' && second <= '9') ||
                                        (first == '5' && second >= '0' && second <= '7')
                                  : first == '3' && IsAsciiDigit(second);
    digits += is_digit ? 1 : 0;
  }
  return digits >= kDigitsMin;
}

CodeList CodeListAround(Form form, std::string_view text, size_t last, size_t floor,
                        size_t ceiling) {
  const std::string_view whole = text.substr(0, ceiling);
  const std::string_view signs = SignsBefore(whole, last);
  if (signs.empty() || (signs == "=") != (form == Form::kQuotedPairs)) return {};
  const size_t pair = last + 1 - kPairDigits;
  const Code own = CodeAt(form, whole, pair);
  if (own.bytes == 0) return {};
  CodeList list = {.begin = pair, .end = pair + own.bytes, .digits = IsDigitCode(own) ? 1u : 0u};
  const auto is_gap = [&](size_t at) { return whole.substr(at, signs.size()) == signs; };
  while (list.begin >= floor + signs.size() && is_gap(list.begin - signs.size())) {
    const Code code = CodeBefore(form, whole, list.begin - signs.size(), floor);
    if (code.bytes == 0) break;
    list.begin -= signs.size() + code.bytes;
    list.digits += IsDigitCode(code) ? 1 : 0;
  }
  while (is_gap(list.end)) {
    const Code code = CodeAt(form, whole, list.end + signs.size());
    if (code.bytes == 0) break;
    list.end += signs.size() + code.bytes;
    list.digits += IsDigitCode(code) ? 1 : 0;
  }
  return list;
}

size_t DecodeCodeList(Form form, std::string_view text, size_t begin, size_t end,
                      DecodedText& out) {
  const std::string_view whole = text.substr(0, end);
  size_t at = begin;
  while (at < end && out.HasRoom()) {
    if (HexValue(whole[at]) < 0) {
      ++at;
      continue;
    }
    const Code code = CodeAt(form, whole, at);
    if (code.bytes == 0) {
      ++at;
      continue;
    }
    out.Append(static_cast<char>(code.value), at);
    at += code.bytes;
  }
  out.SetEnd(at);
  return at;
}

}  // namespace skimwatch::card
