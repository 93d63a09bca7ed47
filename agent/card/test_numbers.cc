#include "agent/card/test_numbers.h"

#include <string.h>

#include <algorithm>
#include <bitset>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "agent/card/built_in_data.h"

namespace skimwatch::card {
namespace {

struct TestNumber {
  uint64_t value = 0;
  uint8_t digits = 0;

  friend constexpr bool operator<(const TestNumber& a, const TestNumber& b) {
    return std::tie(a.digits, a.value) < std::tie(b.digits, b.value);
  }
};

// In order of length and value.
std::vector<TestNumber> ReadNumbers(std::string_view lines) {
  std::vector<TestNumber> numbers;
  for (const auto line : absl::StrSplit(absl::string_view(lines.data(), lines.size()), '\n')) {
    if (line.empty() || line.front() == '#') continue;
    const absl::string_view digits = line.substr(0, line.find('\t'));
    TestNumber number = {.digits = static_cast<uint8_t>(digits.size())};
    if (absl::SimpleAtoi(digits, &number.value)) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

class TestNumbers {
 public:
  TestNumbers() : numbers_(ReadNumbers(TestNumbersTsv())) {
    for (const TestNumber& number : numbers_) endings_.set(number.value % kEndings);
  }

  bool Contain(absl::Span<const uint8_t> digits) const {
    // Most numbers end otherwise.
    if (digits.size() < kEndingDigits) return false;
    size_t ending = 0;
    for (const uint8_t digit : digits.last(kEndingDigits)) ending = ending * 10 + digit;
    if (!endings_.test(ending)) return false;
    TestNumber number = {.digits = static_cast<uint8_t>(digits.size())};
    for (const uint8_t digit : digits) number.value = number.value * 10 + digit;
    const bool found = std::binary_search(numbers_.begin(), numbers_.end(), number);
    explicit_bzero(&number, sizeof(number));
    return found;
  }

 private:
  static constexpr size_t kEndingDigits = 4;
  static constexpr size_t kEndings = 10'000;

  const std::vector<TestNumber> numbers_;
  // Of their last digits.
  std::bitset<kEndings> endings_;
};

}  // namespace

bool IsTestNumber(absl::Span<const uint8_t> digits) {
  static const TestNumbers& numbers = *new TestNumbers;
  return numbers.Contain(digits);
}

}  // namespace skimwatch::card
