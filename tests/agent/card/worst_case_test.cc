// Hostile input costs time in proportion to its length, and never more than some multiple of what
// ordinary text costs. tests/bench/card measures the rates; here a quadratic scan would fail.

#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "tests/agent/card/support/numbers.h"

namespace skimwatch::card {
namespace {

class Ignore : public MatchSink {
 public:
  void OnMatch(const CardMatch& /*match*/) override {}
};

// Processor time of this thread, so that other programs do not count.
double Seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The best of some runs, in seconds a byte.
double CostOf(std::string_view text) {
  ScanStream stream({.decode_depth = 4}, BrandTable::Default());
  Ignore ignore;
  double best = 1e9;
  for (int run = 0; run < 3; ++run) {
    const double start = Seconds();
    stream.Begin({});
    stream.Feed(text, ignore);
    stream.Finish(ignore);
    best = std::min(best, Seconds() - start);
  }
  return best / static_cast<double>(text.size());
}

std::string Repeated(std::string_view unit, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

std::string RandomOf(std::string_view alphabet, size_t bytes) {
  testing::Random random(1);
  std::string text;
  while (text.size() < bytes) text += alphabet[testing::Below(random, alphabet.size())];
  return text;
}

TEST(WorstCase, CostGrowsWithLengthAndNoFaster) {
  const std::vector<std::pair<std::string, std::function<std::string(size_t)>>> inputs = {
      {"all digits", [](size_t n) { return RandomOf("0123456789", n); }},
      {"all nines", [](size_t n) { return Repeated("9", n); }},
      {"all base64",
       [](size_t n) {
         return RandomOf(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
             "qrstuvwxyz0123456789+/",
             n);
       }},
      {"base64 of text", [](size_t n) { return Repeated("TWFu", n); }},
      {"all hex", [](size_t n) { return RandomOf("0123456789abcdef", n); }},
      {"digits and separators in turn", [](size_t n) { return Repeated("1 ", n); }},
      {"valid numbers in a row", [](size_t n) { return Repeated("4111111111111111 ", n); }},
      {"valid groups in a row", [](size_t n) { return Repeated("4111 1111 1111 1111 ", n); }},
      {"escapes only", [](size_t n) { return Repeated("%31", n); }},
      {"open escapes", [](size_t n) { return Repeated("%", n); }},
      {"backslashes", [](size_t n) { return Repeated("\\", n); }},
      {"ampersands", [](size_t n) { return Repeated("&#", n); }},
      {"NUL bytes", [](size_t n) { return std::string(n, '\0'); }},
      {"UTF-16", [](size_t n) { return Repeated(std::string("1\0", 2), n); }},
      {"full-width digits", [](size_t n) { return Repeated("\xEF\xBC\x91", n); }},
      {"lines of base64", [](size_t n) { return Repeated("QUFBQUFBQUFBQUFB\n", n); }},
      {"rows of a table", [](size_t n) { return Repeated("a,4111111111111111,b\n", n); }},
      {"tuples", [](size_t n) { return "values " + Repeated("('',4111111111111111),", n); }},
      {"open lists", [](size_t n) { return Repeated("[{\"a\":4111111111111111,", n); }},
      {"list of members",
       [](size_t n) { return "{\"a\":[" + Repeated("\"4111111111111111\",", n); }},
      {"open tags", [](size_t n) { return Repeated("<a b='' value='4111111111111111' ", n); }},
      {"nested elements", [](size_t n) { return Repeated("<value><string>4111111111111111", n); }},
      {"indented items", [](size_t n) { return Repeated("  - 4111111111111111\n", n); }},
      {"parts of numbers", [](size_t n) { return Repeated("n1=4111&n2=1111&", n); }},
      {"lists of parts", [](size_t n) { return Repeated("\"4111\",", n); }},
      {"parts far apart", [](size_t n) { return Repeated("\"4111\"" + std::string(150, ' '), n); }},
      {"lists of codes", [](size_t n) { return Repeated("52,49,", n); }},
      {"short lists of codes", [](size_t n) { return Repeated("34:31:34:31:34:31:34:31;", n); }},
      {"groups in columns", [](size_t n) { return Repeated("4111\t", n); }},
      {"lines of groups", [](size_t n) { return Repeated("4111\n1111\n1111\n1111\n1111 x", n); }},
      {"full-width digits in UTF-16",
       [](size_t n) { return Repeated(std::string("\x14\xFF", 2), n); }},
      {"tags", [](size_t n) { return Repeated("Z\x08\x41\x11", n); }},
      {"tags in hexadecimal", [](size_t n) { return Repeated("5A0841111111111111125A", n); }},
      {"keys of integers", [](size_t n) { return Repeated("\xA3pan\xCF\x01", n); }},
      {"every escape nested", [](size_t n) { return Repeated("\\u0041\\x41%41&#65;%2541", n); }},
  };
  constexpr size_t kShort = 100'000;
  constexpr size_t kLong = 1'600'000;
  // A byte of the worst costs well under a microsecond in an optimised build; sanitizers take
  // twenty times as long.
  constexpr double kSecondsPerByteMax = 1e-5;
  for (const auto& [name, make] : inputs) {
    const double cost_short = CostOf(make(kShort));
    const double cost_long = CostOf(make(kLong));
    EXPECT_LT(cost_long, 3 * cost_short + 1e-9) << name;
    EXPECT_LT(cost_long, kSecondsPerByteMax) << name;
  }
}

}  // namespace
}  // namespace skimwatch::card
