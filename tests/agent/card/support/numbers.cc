#include "tests/agent/card/support/numbers.h"

#include <algorithm>

#include "agent/card/brand_table.h"
#include "agent/card/luhn.h"

namespace skimwatch::testing {

using card::BrandRange;
using card::BrandTable;

std::vector<uint8_t> DigitsOf(std::string_view text) {
  std::vector<uint8_t> digits;
  for (const char c : text) {
    if (c >= '0' && c <= '9') digits.push_back(static_cast<uint8_t>(c - '0'));
  }
  return digits;
}

std::string RandomDigits(Random& random, size_t count) {
  std::string digits;
  for (size_t i = 0; i < count; ++i) digits += static_cast<char>('0' + Below(random, 10));
  return digits;
}

std::string NumberWith(Random& random, std::string_view prefix, size_t length) {
  std::string number(prefix);
  number += RandomDigits(random, length - 1 - prefix.size());
  return number + static_cast<char>('0' + card::LuhnCheckDigit(DigitsOf(number)));
}

std::string NumberWithWrongCheckDigit(Random& random, std::string_view prefix, size_t length) {
  std::string number = NumberWith(random, prefix, length);
  const auto wrong = static_cast<char>(1 + Below(random, 9));
  number.back() = static_cast<char>('0' + (number.back() - '0' + wrong) % 10);
  return number;
}

std::vector<Issue> EveryIssue() {
  std::vector<Issue> issues;
  for (const BrandRange& range : BrandTable::Default().ranges()) {
    if (range.luhn == card::LuhnRule::kNone) continue;
    for (size_t length = 12; length <= 19; ++length) {
      for (const std::string& prefix : {range.first, range.last}) {
        std::vector<uint8_t> digits = DigitsOf(prefix);
        digits.resize(length, 7);
        if (BrandTable::Default().Find(digits).brand != range.brand) continue;
        issues.push_back({range.brand, prefix, length});
      }
    }
  }
  return issues;
}

std::string NumberOf(Random& random, const Issue& issue) {
  while (true) {
    std::string number = NumberWith(random, issue.prefix, issue.length);
    if (BrandTable::Default().Find(DigitsOf(number)).brand == issue.brand) return number;
  }
}

std::string Grouped(std::string_view digits, const std::vector<size_t>& sizes,
                    std::string_view separator) {
  std::string text;
  size_t at = 0;
  for (size_t group = 0; at < digits.size(); ++group) {
    if (at > 0) text += separator;
    const size_t size = sizes[std::min(group, sizes.size() - 1)];
    text += digits.substr(at, size);
    at += size;
  }
  return text;
}

std::string BrandGrouped(std::string_view digits, std::string_view separator) {
  if (digits.size() == 15) return Grouped(digits, {4, 6, 5}, separator);
  if (digits.size() == 14) return Grouped(digits, {4, 6, 4}, separator);
  return Grouped(digits, {4}, separator);
}

}  // namespace skimwatch::testing
