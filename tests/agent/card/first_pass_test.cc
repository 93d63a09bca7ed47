// Every instruction set that this processor has gives what the tables give, and with each the
// scanner finds the same.

#include "agent/card/first_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "agent/card/byte_classes.h"
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

// The masks of one block.
struct BlockPlaces {
  uint64_t digits = 0;
  uint64_t wide = 0;
  uint64_t escapes = 0;
  uint64_t utf16 = 0;
  uint64_t base64 = 0;
  uint64_t hex = 0;

  bool empty() const { return (digits | wide | escapes | utf16 | base64 | hex) == 0; }
  friend bool operator==(const BlockPlaces&, const BlockPlaces&) = default;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The rule of first_pass.h, block after block from the tables.
std::vector<BlockPlaces> ByTables(std::string_view text, size_t begin, bool with_encodings) {
  std::vector<BlockPlaces> all;
  RunFinder digit_runs;
  RunFinder base64_runs;
  RunFinder hex_runs;
  for (size_t block = begin; block < text.size(); block += kBlockBytes) {
    std::string bytes(text.substr(block, kBlockBytes));
    bytes.resize(kBlockBytes, '\x01');
    const BlockClasses classes = ClassifyBlock(bytes.data());
    uint64_t after_digit = 0;
    uint64_t before_digit = 0;
    for (size_t i = 0; i < kBlockBytes; ++i) {
      const size_t at = block + i;
      if (at > 0 && at <= text.size() && IsDigit(text[at - 1])) after_digit |= uint64_t{1} << i;
      if (at + 1 < text.size() && IsDigit(text[at + 1])) before_digit |= uint64_t{1} << i;
    }
    BlockPlaces places;
    places.digits = digit_runs.Next<kDigitRunMin>(classes.digit |
                                                  (classes.separator & after_digit & before_digit));
    places.wide = classes.wide_digit | (classes.wide_separator & after_digit);
    places.escapes = classes.escape;
    places.utf16 = classes.base64 & classes.nul >> 1 & classes.base64 >> 2 & classes.nul >> 3;
    if (with_encodings) {
      places.base64 = base64_runs.Next<kBase64RunMin>(classes.base64);
      places.hex = hex_runs.Next<kHexRunMin>(classes.hex);
    }
    all.push_back(places);
  }
  return all;
}

std::vector<BlockPlaces> ByVector(std::string_view text, size_t begin, bool with_encodings) {
  std::vector<BlockPlaces> all;
  FirstPass pass(text, begin, with_encodings);
  Places places;
  for (size_t batch = begin; batch < text.size(); batch += Places::kBytes) {
    const size_t blocks =
        std::min(Places::kBlocks, (text.size() - batch + kBlockBytes - 1) / kBlockBytes);
    pass.Next(blocks, places);
    EXPECT_EQ(places.blocks >> blocks, 0u);
    for (size_t i = 0; i < blocks; ++i) {
      const BlockPlaces block = {places.digits[i], places.wide[i],   places.escapes[i],
                                 places.utf16[i],  places.base64[i], places.hex[i]};
      EXPECT_EQ((places.blocks >> i & 1) == 0, block.empty()) << "block at " << batch;
      all.push_back(block);
    }
  }
  return all;
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
  static constexpr std::array<std::string_view, 10> kAlphabets = {
      "",
      "0123456789",
      "0123456789 -",
      "0123456789abcdefABCDEF",
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_",
      "%\\&#;u0034x",
      std::string_view("1\0002\0003\0A\0", 8),
      "\xC2\xA0\xE2\x80\xE3\xEF\xBC\x91\xD9\xF0 0",
      " \n\t<>=\"'(){};:,.",
      "0123456789.-_/+%20",
  };
  std::string text;
  while (text.size() < count) {
    text += RandomBytes(random, kAlphabets[Below(random, kAlphabets.size())], Below(random, 60));
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

TEST(FirstPass, GivesWhatTheTablesGiveForEveryByteAtEveryPlace) {
  WithEveryTarget([](int64_t /*target*/) {
    for (int value = 0; value < 256; ++value) {
      for (size_t place = 0; place < kBlockBytes; ++place) {
        std::array<char, kBlockBytes> block;
        block.fill('1');
        block[place] = static_cast<char>(value);
        const std::string_view text(block.data(), block.size());
        ASSERT_EQ(ByVector(text, 0, true), ByTables(text, 0, true)) << value << " at " << place;
      }
    }
  });
}

TEST(FirstPass, GivesWhatTheTablesGiveForRandomText) {
  WithEveryTarget([](int64_t target) {
    Random random(static_cast<uint64_t>(target));
    std::array<size_t, 6> seen{};
    for (int round = 0; round < 3000; ++round) {
      const std::string text = RandomText(random, 1 + Below(random, 3 * Places::kBytes));
      const size_t begin = Below(random, std::min<size_t>(text.size(), 100));
      const bool with_encodings = Below(random, 4) != 0;
      const std::vector<BlockPlaces> expected = ByTables(text, begin, with_encodings);
      ASSERT_EQ(ByVector(text, begin, with_encodings), expected) << "round " << round;
      for (const BlockPlaces& places : expected) {
        const std::array<uint64_t, 6> kinds = {places.digits, places.wide,   places.escapes,
                                               places.utf16,  places.base64, places.hex};
        for (size_t i = 0; i < kinds.size(); ++i) seen[i] += kinds[i] != 0 ? 1 : 0;
      }
    }
    EXPECT_GT(*std::min_element(seen.begin(), seen.end()), 100u);
  });
}

TEST(FirstPass, GivesWhatTheTablesGiveForRealText) {
  for (const std::string& text : RealTexts()) {
    ASSERT_GT(text.size(), 1000u);
    const std::vector<BlockPlaces> expected = ByTables(text, 0, true);
    WithEveryTarget([&](int64_t /*target*/) { EXPECT_EQ(ByVector(text, 0, true), expected); });
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
