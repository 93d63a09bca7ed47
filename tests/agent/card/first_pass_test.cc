// Every instruction set that this processor has gives what the tables give, and with each the
// scanner finds the same.

#include "agent/card/first_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "agent/card/brand_table.h"
#include "agent/card/byte_classes.h"
#include "agent/card/luhn.h"
#include "agent/card/number_filter.h"
#include "agent/card/symbols.h"
#include "hwy/highway.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using testing::Below;
using testing::Random;

// Calls `check` with each instruction set in use in turn.
void WithEveryTarget(const std::function<void(int64_t target)>& check) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();
    check(target);
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// All places of one kind, as offsets in the text.
using Offsets = std::set<size_t>;

struct AllPlaces {
  Offsets digits;
  Offsets wide;
  Offsets escapes;
  Offsets breaks;
  Offsets utf16;
  Offsets base64;
  Offsets base64_runs;
  Offsets hex;
  Offsets values;
  Offsets tags;
  Offsets tag_text;
  Offsets gaps;
  Offsets pairs;

  friend bool operator==(const AllPlaces&, const AllPlaces&) = default;
  friend std::ostream& operator<<(std::ostream& out, const AllPlaces& all) {
    const auto print = [&](const char* name, const Offsets& offsets) {
      out << name << " {";
      for (const size_t offset : offsets) out << ' ' << offset;
      out << " } ";
    };
    print("digits", all.digits);
    print("wide", all.wide);
    print("escapes", all.escapes);
    print("breaks", all.breaks);
    print("utf16", all.utf16);
    print("base64", all.base64);
    print("base64_runs", all.base64_runs);
    print("hex", all.hex);
    print("values", all.values);
    print("tags", all.tags);
    print("tag_text", all.tag_text);
    print("gaps", all.gaps);
    print("pairs", all.pairs);
    return out;
  }
};

const NumberFilter& Filter() {
  static const auto& filter = *new NumberFilter(BrandTable::Default());
  return filter;
}

AllPlaces ByVector(std::string_view text, size_t begin, bool with_encodings) {
  AllPlaces all;
  FirstPass pass(text, begin, text.size(), {.encodings = with_encodings, .fields = true}, Filter());
  Places places;
  while (pass.Next(places)) {
    uint64_t blocks = 0;
    const auto add = [&](const Places::Masks& masks, Offsets& offsets) {
      for (size_t i = 0; i < Places::kBlocks; ++i) {
        if (masks[i] != 0) blocks |= uint64_t{1} << i;
        for (uint64_t left = masks[i]; left != 0; left &= left - 1) {
          offsets.insert(places.at + i * kBlockBytes + std::countr_zero(left));
        }
      }
    };
    add(places.digits, all.digits);
    add(places.wide, all.wide);
    add(places.escapes, all.escapes);
    add(places.breaks, all.breaks);
    add(places.utf16, all.utf16);
    add(places.base64, all.base64);
    add(places.base64_runs, all.base64_runs);
    add(places.hex, all.hex);
    add(places.values, all.values);
    add(places.tags, all.tags);
    add(places.tag_text, all.tag_text);
    add(places.gaps, all.gaps);
    add(places.pairs, all.pairs);
    EXPECT_EQ(places.blocks, blocks) << "batch at " << places.at;
  }
  return all;
}

// The rules of first_pass.h, byte by byte. Signs before `begin` are of no class, but for a digit
// directly before.
class Rules {
 public:
  Rules(std::string_view text, size_t begin)
      : text_(text),
        begin_(static_cast<ptrdiff_t>(begin)),
        size_(static_cast<ptrdiff_t>(text.size())) {}

  bool Is(ptrdiff_t at, uint8_t text_class_bit) const {
    return Seen(at, text_class_bit == text_class::kDigit) &&
           (ClassesOf(kTextClasses, text_[at]) & text_class_bit) != 0;
  }
  bool Sextet(ptrdiff_t at, uint8_t sextet_class_bit) const {
    return Seen(at, false) && (ClassesOf(kSextetClassTable, text_[at]) & sextet_class_bit) != 0;
  }
  bool Digit(ptrdiff_t at) const { return Is(at, text_class::kDigit); }

  // Whether `is` holds for the `count` bytes up to `last`.
  template <typename Test>
  static bool Run(ptrdiff_t last, int count, Test is) {
    for (int i = 0; i < count; ++i) {
      if (!is(last - i)) return false;
    }
    return true;
  }
  bool Base64Run(ptrdiff_t last, int count) const {
    return Run(last, count, [&](ptrdiff_t at) { return Sextet(at, sextet_class::kBase64); });
  }

  bool Escape(ptrdiff_t at) const {
    if (Is(at - 2, text_class::kPercent)) {
      return Is(at - 1, text_class::kHex) && Is(at, text_class::kHex);
    }
    if (!Is(at - 2, text_class::kMark)) return false;
    return Is(at - 1, text_class::kCodeLead) || (Digit(at - 1) && Digit(at)) ||
           (Is(at - 1, text_class::kBreakOrSlash) && Digit(at - 3));
  }
  bool SeparatingEscape(ptrdiff_t at) const {
    if (!Digit(at - 3)) return false;
    if (Is(at - 2, text_class::kPercent)) return Digit(at - 1) && Digit(at);
    return Is(at - 2, text_class::kMark) && Is(at - 1, text_class::kBreakOrSlash);
  }
  bool Break(ptrdiff_t at) const {
    return Is(at - 9, text_class::kMark) && Is(at - 8, text_class::kBreakOrSlash) &&
           (Base64Run(at, 8) || Base64Run(at - 10, 8));
  }
  bool Group(ptrdiff_t last, uint8_t first_class) const {
    return Sextet(last - 3, first_class) && Sextet(last - 2, sextet_class::kAsciiSecond) &&
           Sextet(last - 1, sextet_class::kAsciiThird) && Sextet(last, sextet_class::kBase64);
  }
  bool Base64(ptrdiff_t at) const {
    int ascii = 0;
    while (ascii < 4 && Group(at - 4 * ascii, sextet_class::kAsciiFirst)) ++ascii;
    int number = 0;
    while (number < 3 && Group(at - 4 * number, sextet_class::kNumberFirst)) ++number;
    return ascii == 4 || number == 3;
  }
  bool Base64Runs(ptrdiff_t at) const {
    if (Is(at, text_class::kControl)) return Base64Run(at - 1, 16);
    if (!Base64Run(at, 16)) return false;
    const auto digit = [&](ptrdiff_t place) { return Sextet(place, sextet_class::kDigitFirst); };
    bool digits = false;
    for (const int second : {4, 8, 12}) {
      for (const int third : {4, 8, 12}) {
        digits = digits || (digit(at) && digit(at - second) && digit(at - second - third));
      }
    }
    const auto wide = [&](ptrdiff_t place) { return Sextet(place, sextet_class::kWideFirst); };
    return digits || (wide(at) && wide(at - 4) && wide(at - 8));
  }
  bool HexRun(ptrdiff_t at, int count) const {
    return Run(at, count, [&](ptrdiff_t place) { return Is(place, text_class::kHex); });
  }
  // Twelve digits in hexadecimal, or five that are full-width, in the 64 bytes up to `at`.
  bool DigitPairs(ptrdiff_t at) const {
    for (const int parity : {0, 1}) {
      int digits = 0;
      int wide = 0;
      for (ptrdiff_t place = at - 63 + parity; place < at; place += 2) {
        if (!Is(place, text_class::kHex) || !Is(place + 1, text_class::kHex)) continue;
        digits += text_[place] == '3' && Digit(place + 1) ? 1 : 0;
        wide += (text_[place] | 0x20) == 'e' && (text_[place + 1] | 0x20) == 'f' ? 1 : 0;
      }
      if (digits >= 12 || wide >= 5) return true;
    }
    return false;
  }
  bool AsciiPairs(ptrdiff_t at) const {
    for (int i = 0; i < 12; ++i) {
      if (text_[at - 1 - 2 * i] >= '8') return false;
    }
    return true;
  }
  bool Wide(ptrdiff_t at) const {
    if (at >= size_) return false;
    return kWideDigitLeads.find(text_[at]) != std::string_view::npos ||
           (kWideSeparatorLeads.find(text_[at]) != std::string_view::npos && Digit(at - 1));
  }

  bool Value(ptrdiff_t at) const {
    const auto digit = [&](ptrdiff_t place) { return Digit(place); };
    return Run(at - 1, 4, digit) && !Run(at - 1, 13, digit) && !Sextet(at, sextet_class::kBase64) &&
           !Is(at, text_class::kSeparator) && !Digit(at);
  }
  bool Tag(ptrdiff_t at) const {
    const auto byte = [&](ptrdiff_t place) { return static_cast<uint8_t>(text_[place]); };
    if (at >= size_ || at - 1 < begin_ || (byte(at) >= 0x20 && byte(at) != 0x81)) return false;
    return byte(at - 1) == 0x57 || byte(at - 1) == 0x5A || byte(at - 1) == 0xCF;
  }
  bool TagText(ptrdiff_t at) const {
    const auto digit = [&](ptrdiff_t place) { return Digit(place); };
    const auto letter = [&](ptrdiff_t place) {
      return Sextet(place, sextet_class::kBase64) && !Digit(place);
    };
    return (Run(at, 14, digit) && letter(at - 14)) || (letter(at) && Run(at - 1, 14, digit));
  }

  // Four digits alone end before `at`.
  bool FourBefore(ptrdiff_t at) const {
    return Run(at - 1, 4, [&](ptrdiff_t place) { return Digit(place); }) && !Digit(at - 5);
  }
  bool Gap(ptrdiff_t at) const {
    const bool control = Is(at, text_class::kControl);
    if (control && FourBefore(at)) return true;
    return (control || Is(at, text_class::kSeparator)) && Is(at - 1, text_class::kSeparator) &&
           FourBefore(at - 1);
  }
  // Eight pairs with `signs` signs before each.
  bool Pairs(ptrdiff_t at, ptrdiff_t signs) const {
    const auto hex = [&](ptrdiff_t place) { return Is(place, text_class::kHex); };
    for (int i = 0; i < 8; ++i, at -= 2 + signs) {
      if (!hex(at) || !hex(at - 1) || hex(at - 2) || (signs == 2 && hex(at - 3))) return false;
      const ptrdiff_t sign = at - 1 - signs;
      if (Is(sign, text_class::kMark)) return false;
      if (signs == 1 && Is(sign, text_class::kPercent)) return false;
    }
    return true;
  }

  bool Chained(ptrdiff_t at) const {
    const bool before = Digit(at - 1);
    const bool after = Digit(at + 1);
    return (Digit(at) && (before || after)) || (Is(at, text_class::kSeparator) && before && after);
  }
  // A chain that could hold groups was seen up to the byte before `at`.
  bool ChainSeen(ptrdiff_t at) const {
    return Run(at - 1, 14, [&](ptrdiff_t place) { return Chained(place); }) &&
           !Run(at - 1, 14, [&](ptrdiff_t place) { return Digit(place); });
  }
  // A run of digits that could be a number ended before `at`, or goes on after 24 digits.
  bool RunMayBeNumber(ptrdiff_t at) const {
    const auto digit = [&](ptrdiff_t place) { return Digit(place); };
    if (!Run(at - 1, 12, digit)) return false;
    const bool is_long = Run(at - 1, 24, digit);
    if (is_long ? Digit(at - 25) : Digit(at)) return false;
    ptrdiff_t first = at;
    while (Digit(first - 1)) --first;
    const auto length = static_cast<size_t>(at - first);
    if (at < 32) return true;
    const auto before = static_cast<uint8_t>(text_[first - 1]);
    if ((before >= 12 && before <= 19) || (before >= 0xAC && before <= 0xB3)) return true;
    if (NumberFilter::MayDivideRun(text_[first - 1]) &&
        SkipEscapeTail(text_, static_cast<size_t>(first)) > static_cast<size_t>(first)) {
      return true;
    }
    if (length == 13 && IsDigit(text_[first - 2]) && IsDigit(text_[first - 7])) return true;
    if (length > 19) return false;
    std::vector<uint8_t> values;
    for (size_t i = 0; i < length; ++i) values.push_back(text_[first + i] - '0');
    const uint32_t wanted = 1u << (length - 12);
    return (Filter().LengthsWithoutCheckDigit(&text_[first]) & wanted) != 0 ||
           ((Filter().Lengths(&text_[first]) & wanted) != 0 && LuhnValid(values));
  }

 private:
  bool Seen(ptrdiff_t at, bool digit) const {
    return at >= begin_ - (digit ? 1 : 0) && at >= 0 && at < size_;
  }

  const std::string_view text_;
  const ptrdiff_t begin_;
  const ptrdiff_t size_;
};

// All that is said of a text byte by byte; of what may be more or less, `hex_least` is the least.
// Chains are not in it.
AllPlaces ByRules(std::string_view text, size_t begin, bool with_encodings, Offsets& hex_least) {
  AllPlaces all;
  const Rules rules(text, begin);
  for (size_t at = begin; at < text.size() + kFirstPassReach; ++at) {
    const auto add = [&](bool holds, Offsets& offsets) {
      if (holds) offsets.insert(at);
    };
    const auto place = static_cast<ptrdiff_t>(at);
    add(rules.RunMayBeNumber(place), all.digits);
    add(rules.Wide(place), all.wide);
    add(rules.Value(place), all.values);
    add(rules.Tag(place), all.tags);
    add(rules.TagText(place), all.tag_text);
    add(rules.Gap(place), all.gaps);
    if (!with_encodings) {
      add(rules.SeparatingEscape(place), all.escapes);
      continue;
    }
    add(rules.Escape(place), all.escapes);
    add(rules.Break(place), all.breaks);
    add(rules.Pairs(place, 1) || rules.Pairs(place, 2), all.pairs);
    add(rules.Base64(place), all.base64);
    add(rules.Base64Runs(place), all.base64_runs);
    add(rules.HexRun(place, 24), all.hex);
    add((rules.HexRun(place, 32) && rules.DigitPairs(place)) ||
            (rules.HexRun(place, 24) && rules.AsciiPairs(place)),
        hex_least);
  }
  return all;
}

bool Contains(const Offsets& all, const Offsets& some) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

// Compares what the vectors give with the rules; returns how many places there are of each kind.
std::array<size_t, 12> CheckAgainstRules(std::string_view text, size_t begin, bool with_encodings) {
  Offsets hex_least;
  AllPlaces expected = ByRules(text, begin, with_encodings, hex_least);
  AllPlaces found = ByVector(text, begin, with_encodings);
  EXPECT_TRUE(Contains(found.hex, hex_least)) << found << "\nexpected " << expected;
  EXPECT_TRUE(Contains(expected.hex, found.hex)) << found << "\nexpected " << expected;
  EXPECT_TRUE(Contains(found.digits, expected.digits)) << found << "\nexpected " << expected;
  // What else there is of digits belongs to chains.
  const Rules rules(text, begin);
  for (const size_t at : found.digits) {
    EXPECT_TRUE(expected.digits.contains(at) || rules.ChainSeen(static_cast<ptrdiff_t>(at))) << at;
  }
  const std::array<size_t, 12> counts = {
      found.digits.size(), found.wide.size(),        found.escapes.size(), found.breaks.size(),
      found.base64.size(), found.base64_runs.size(), found.hex.size(),     found.values.size(),
      found.tags.size(),   found.tag_text.size(),    found.gaps.size(),    found.pairs.size()};
  expected.hex = found.hex;
  expected.digits = found.digits;
  // Where it is looked for is told below.
  expected.utf16 = found.utf16;
  EXPECT_EQ(found, expected);
  for (const size_t at : found.utf16) {
    const auto are_pairs = [&](size_t count, char high) {
      for (size_t i = at; i < at + 2 * count; i += 2) {
        if (i + 1 >= text.size() || text[i + 1] != high) return false;
      }
      return true;
    };
    EXPECT_TRUE(are_pairs(2, '\0') || are_pairs(4, '\xFF')) << at;
  }
  return counts;
}

std::string RandomBytes(Random& random, std::string_view alphabet, size_t count) {
  std::string text;
  while (text.size() < count) {
    text += alphabet.empty() ? static_cast<char>(Below(random, 256))
                             : alphabet[Below(random, alphabet.size())];
  }
  return text;
}

// Text rich in what the pass looks for, made of stretches of random length.
std::string RandomText(Random& random, size_t count) {
  static constexpr std::array<std::string_view, 18> kAlphabets = {
      "",
      "0123456789",
      "0123456789 -",
      "0123456789abcdefABCDEF",
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_",
      "%\\&#;u0034x",
      "333333345",
      std::string_view("1\0002\0003\0A\0", 8),
      "\xC2\xA0\xE2\x80\xE3\xEF\xBC\x91\xD9\xF0 0",
      " \n\t<>=\"'(){};:,.",
      "0123456789.-_/+%20",
      "0123456789;,W\x08",
      "\xCF\x81\x57\x5A\x13",
      "0123456789012345678901234567a",
      "01234567890123456789012345678\x10\xB0",
      "1234\t\n  5",
      "34 31,3 ",
      "\x14\xFF",
  };
  std::string text;
  while (text.size() < count) {
    text += RandomBytes(random, kAlphabets[Below(random, kAlphabets.size())], Below(random, 60));
    // Pairs with the same signs before each; a sign of an escape now and then.
    const size_t signs = Below(random, 8);
    if (signs > 5) text += "\\n";
    for (size_t i = Below(random, 14); i > 0 && signs < 3; --i) {
      text += RandomBytes(random, ",;: =", signs) + RandomBytes(random, "0123456789abcdefAF", 2);
      if (Below(random, 60) == 0) text += RandomBytes(random, "%\\&", 1);
    }
  }
  text.resize(count);
  return text;
}

// The sources of this repository.
std::vector<std::string> RealTexts() {
  std::vector<std::string> texts;
  for (const char* name : {"/agent/card/text_scan.cc", "/docs/detection.md", "/CMakeLists.txt",
                           "/tests/agent/card/recall_test.cc"}) {
    const std::ifstream file(std::string(SKIMWATCH_SOURCE_DIR) + name, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    texts.push_back(bytes.str());
  }
  return texts;
}

TEST(FirstPass, RunsWithSeveralInstructionSets) {
  const std::vector<int64_t> targets = hwy::SupportedAndGeneratedTargets();
  EXPECT_GE(targets.size(), 2u);
  EXPECT_NE(std::find(targets.begin(), targets.end(), HWY_SCALAR), targets.end());
}

TEST(FirstPass, KeepsItsRulesForEveryByteAtEveryPlace) {
  WithEveryTarget([](int64_t /*target*/) {
    for (int value = 0; value < 256; ++value) {
      for (size_t place = 0; place < kBlockBytes; ++place) {
        std::array<char, kBlockBytes> block;
        block.fill('1');
        block[place] = static_cast<char>(value);
        const std::string_view text(block.data(), block.size());
        CheckAgainstRules(text, 0, place % 2 == 0);
        ASSERT_FALSE(::testing::Test::HasFailure()) << value << " at " << place;
      }
    }
  });
}

// Millions of bytes with SKIMWATCH_TEST_ROUNDS=1000000.
int Rounds() {
  const char* asked = std::getenv("SKIMWATCH_TEST_ROUNDS");
  return asked != nullptr ? std::atoi(asked) : 1500;
}

TEST(FirstPass, KeepsItsRulesForRandomText) {
  WithEveryTarget([](int64_t target) {
    Random random(static_cast<uint64_t>(target));
    std::array<size_t, 12> seen{};
    for (int round = 0; round < Rounds(); ++round) {
      const std::string text = RandomText(random, 1 + Below(random, 3 * Places::kBytes));
      const size_t begin = Below(random, std::min<size_t>(text.size(), 100));
      const auto counts = CheckAgainstRules(text, begin, Below(random, 4) != 0);
      ASSERT_FALSE(::testing::Test::HasFailure()) << "round " << round;
      for (size_t i = 0; i < counts.size(); ++i) seen[i] += counts[i];
    }
    for (size_t i = 0; i < seen.size(); ++i) EXPECT_GT(seen[i], 0u) << "kind " << i;
  });
}

TEST(FirstPass, GivesTheSameWithEveryInstructionSet) {
  Random random(3);
  std::vector<std::string> texts = RealTexts();
  for (int round = 0; round < Rounds(); ++round) {
    texts.push_back(RandomText(random, 1 + Below(random, 3 * Places::kBytes)));
  }
  for (const bool with_encodings : {false, true}) {
    std::vector<AllPlaces> first;
    WithEveryTarget([&](int64_t /*target*/) {
      std::vector<AllPlaces> all;
      for (const std::string& text : texts) all.push_back(ByVector(text, 0, with_encodings));
      if (first.empty()) first = all;
      for (size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], first[i]) << "text " << i;
    });
  }
}

TEST(FirstPass, LeadsToEveryChainThatMayHoldGroups) {
  WithEveryTarget([](int64_t target) {
    Random random(static_cast<uint64_t>(target) + 1);
    size_t led = 0;
    for (int round = 0; round < Rounds(); ++round) {
      // A grouped number anywhere around the borders of blocks and batches.
      const std::string number = testing::NumberWith(random, "5", 16);
      const std::string grouped = testing::Grouped(number, {4}, " ");
      const size_t before = Below(random, 2 * Places::kBytes);
      std::string text(before, 'x');
      text += grouped;
      text.append(Below(random, 100), 'y');
      const Offsets digits = ByVector(text, 0, true).digits;
      const auto place = digits.upper_bound(before);
      ASSERT_TRUE(place != digits.end() && *place <= before + grouped.size()) << round;
      ++led;
    }
    EXPECT_GT(led, 0u);
  });
}

TEST(FirstPass, KeepsItsRulesForRealText) {
  for (const std::string& text : RealTexts()) {
    ASSERT_GT(text.size(), 1000u);
    WithEveryTarget([&](int64_t /*target*/) { CheckAgainstRules(text, 0, true); });
  }
}

TEST(FirstPass, TellsSextetsAsTheTablesDo) {
  WithEveryTarget([](int64_t target) {
    Random random(static_cast<uint64_t>(target));
    const auto check = [](const std::string& block) {
      const SextetClasses expected = ClassifySextets(block.data());
      const SextetClasses classes = ClassifySextetsByVector(block.data());
      ASSERT_EQ(classes.ascii_first, expected.ascii_first);
      ASSERT_EQ(classes.ascii_second, expected.ascii_second);
      ASSERT_EQ(classes.ascii_third, expected.ascii_third);
      ASSERT_EQ(classes.digit_first, expected.digit_first);
      ASSERT_EQ(classes.wide_first, expected.wide_first);
    };
    for (int value = 0; value < 256; ++value) check(std::string(kBlockBytes, value));
    for (int round = 0; round < 3000; ++round) check(RandomText(random, kBlockBytes));
  });
}

TEST(FirstPass, LeadsToTheSameFindingsWithEveryInstructionSet) {
  Random random(7);
  std::vector<std::string> texts = RealTexts();
  for (const testing::NamedEncoding& outer : testing::EveryEncoding()) {
    std::string text;
    for (int i = 0; i < 200; ++i) {
      text += RandomText(random, Below(random, 300));
      const std::string field = "card=" + testing::NumberWith(random, "4", 16);
      const auto& inner = testing::EveryEncoding()[Below(random, testing::EveryEncoding().size())];
      switch (Below(random, 3)) {
        case 0:
          text += " " + field + " ";
          break;
        case 1:
          text += " " + outer.encode(field) + " ";
          break;
        default:
          text += " " + outer.encode(inner.encode(field)) + " ";
      }
    }
    texts.push_back(text);
  }
  size_t found = 0;
  for (const std::string& text : texts) {
    std::vector<std::vector<testing::Found>> results;
    WithEveryTarget([&](int64_t /*target*/) { results.push_back(testing::Scan(text)); });
    for (const auto& result : results) EXPECT_EQ(result, results[0]);
    found += results[0].size();
  }
  EXPECT_GT(found, 1000u);
}

}  // namespace
}  // namespace skimwatch::card
