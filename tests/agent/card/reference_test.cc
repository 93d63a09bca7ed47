// The scanner against an implementation that is slow and plain to see, on random text that is
// mostly digits.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/card/brand_table.h"
#include "agent/card/luhn.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::testing {
namespace {

struct Run {
  size_t begin = 0;
  std::string digits;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::vector<Run> RunsOf(std::string_view text) {
  std::vector<Run> runs;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!IsDigit(text[i])) continue;
    if (i == 0 || !IsDigit(text[i - 1])) runs.push_back({.begin = i});
    runs.back().digits += text[i];
  }
  return runs;
}

bool IsNumber(std::string_view digits) {
  if (digits.size() < 12 || digits.size() > 19) return false;
  const std::vector<uint8_t> values = DigitsOf(digits);
  const card::BrandMatch brand = card::BrandTable::Default().Find(values);
  return brand.found() && brand.luhn != card::LuhnRule::kNone && card::LuhnValid(values);
}

// Offset and length of every number, groups by the rules of docs/detection.md.
std::map<size_t, size_t> ReferenceScan(std::string_view text) {
  const std::vector<std::vector<size_t>> groupings = {
      {4, 4, 4, 4, 3}, {6, 13},      {4, 4, 4, 4, 2}, {4, 4, 4, 4, 1}, {4, 4, 4, 4},
      {4, 6, 5},       {4, 5, 6},    {4, 4, 4, 3},    {4, 6, 4},       {4, 4, 4, 2},
      {4, 4, 4, 1},    {4, 3, 3, 3}, {4, 4, 5},       {4, 4, 4}};
  const std::vector<Run> runs = RunsOf(text);
  std::map<size_t, size_t> found;
  for (size_t i = 0; i < runs.size();) {
    size_t taken = 0;
    for (const std::vector<size_t>& sizes : groupings) {
      if (i + sizes.size() > runs.size()) continue;
      std::string digits;
      bool fits = true;
      char separator = 0;
      for (size_t k = 0; k < sizes.size() && fits; ++k) {
        const Run& run = runs[i + k];
        fits = run.digits.size() == sizes[k];
        digits += run.digits;
        if (k == 0 || !fits) continue;
        const size_t end_before = runs[i + k - 1].begin + runs[i + k - 1].digits.size();
        fits = run.begin == end_before + 1 &&
               (text[end_before] == ' ' || text[end_before] == '+') &&
               (separator == 0 || separator == text[end_before]);
        separator = text[end_before];
      }
      if (!fits || !IsNumber(digits)) continue;
      const Run& last = runs[i + sizes.size() - 1];
      found[runs[i].begin] = last.begin + last.digits.size() - runs[i].begin;
      taken = sizes.size();
      break;
    }
    if (taken == 0 && IsNumber(runs[i].digits)) {
      found[runs[i].begin] = runs[i].digits.size();
      taken = 1;
    }
    i += std::max<size_t>(taken, 1);
  }
  return found;
}

// What one has and the other has not, with the digits around as `9`.
std::string Differences(std::string_view text, const std::map<size_t, size_t>& found,
                        const std::map<size_t, size_t>& expected) {
  std::string differences;
  const auto add = [&](std::string_view name, const std::map<size_t, size_t>& some,
                       const std::map<size_t, size_t>& others) {
    for (const auto& [offset, length] : some) {
      if (const auto other = others.find(offset);
          other != others.end() && other->second == length) {
        continue;
      }
      std::string around(text.substr(offset - std::min<size_t>(offset, 30), length + 60));
      std::replace_if(around.begin(), around.end(), IsDigit, '9');
      absl::StrAppend(&differences, std::string(name), " ", offset, "+", length, " in '", around,
                      "'\n");
    }
  };
  add("only found:", found, expected);
  add("only expected:", expected, found);
  return differences;
}

TEST(Reference, FindsTheSamePlainNumbers) {
  Random random(20);
  // Mostly digits; nothing that would make a number a fraction, a word or a UUID.
  constexpr std::string_view kOthers = "  \n,+:;|";
  ScanSetup plain;
  plain.options.decode_depth = 0;
  size_t numbers = 0;
  for (int round = 0; round < 400; ++round) {
    std::string text;
    while (text.size() < 3000) {
      switch (Below(random, 4)) {
        case 0:
          text += RandomDigits(random, 1 + Below(random, 24));
          break;
        case 1:
          text += RandomDigits(random, 4);
          break;
        case 2:
          text += NumberWith(random, "4", 16);
          break;
        default:
          text += Grouped(NumberWith(random, "5", 16), {4}, " ");
          break;
      }
      text += kOthers[Below(random, kOthers.size())];
    }
    std::map<size_t, size_t> found;
    for (const Found& match : Scan(text, plain)) found[match.offset] = match.length;
    const std::map<size_t, size_t> expected = ReferenceScan(text);
    numbers += expected.size();
    ASSERT_EQ(Differences(text, found, expected), "") << "round " << round;
  }
  EXPECT_GT(numbers, 10'000u);
}

}  // namespace
}  // namespace skimwatch::testing
