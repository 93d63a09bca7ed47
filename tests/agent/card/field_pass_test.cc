// Every instruction set that this processor has gives what the rule in field_pass.h says.

#include "agent/card/field_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "agent/card/base64_alphabet.h"
#include "agent/card/symbols.h"
#include "hwy/highway.h"
#include "tests/agent/card/support/numbers.h"

namespace skimwatch::card {
namespace {

using testing::Below;
using testing::Random;

constexpr char kPad = '\x7F';

// How many digits end just before `at`, at most `most`; what is before `floor` is not seen.
size_t DigitsBefore(std::string_view text, size_t floor, size_t at, size_t most) {
  size_t count = 0;
  while (count < most && at - count > floor && IsAsciiDigit(text[at - count - 1])) ++count;
  return count;
}

struct Expected {
  bool value = false;
  bool tag = false;
  bool tag_text = false;
};

Expected ByRule(std::string_view text, size_t floor, size_t at) {
  const char c = at < text.size() ? text[at] : kPad;
  const auto is_hex_letter = [](char x) { return HexValue(x) >= 0 && !IsAsciiDigit(x); };
  Expected expected;
  if (at <= text.size()) {
    const size_t digits = DigitsBefore(text, floor, at, 100);
    const bool word = IsBase64(c) || c == ' ' || c == '.';
    expected.value = !word && digits >= 4 && digits <= 12;
    expected.tag_text = is_hex_letter(c) && digits >= 14;
    if (at >= floor + 14 && IsAsciiDigit(c) && DigitsBefore(text, floor, at, 13) == 13 &&
        is_hex_letter(text[at - 14])) {
      expected.tag_text = true;
    }
  }
  const auto byte = static_cast<uint8_t>(c);
  if (at > floor && at - 1 < text.size() && (byte < 0x20 || byte == 0x81)) {
    const auto before = static_cast<uint8_t>(text[at - 1]);
    expected.tag = before == 0x57 || before == 0x5A || before == 0xCF;
  }
  return expected;
}

TEST(FieldPass, FollowsItsRuleWithEveryInstructionSet) {
  Random random(71);
  const std::vector<std::string_view> alphabets = {"",
                                                   "0123456789",
                                                   "0123456789=&\"",
                                                   "0123456789ABCDEFabcdef",
                                                   "WZ\xCF\x08\x13\x81",
                                                   "0123456789 .,;",
                                                   "A0123456789"};
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();
    for (int round = 0; round < 200; ++round) {
      std::string text;
      const size_t size = Below(random, 1500);
      while (text.size() < size) {
        const std::string_view alphabet = alphabets[Below(random, alphabets.size())];
        for (uint64_t i = Below(random, 40); i > 0; --i) {
          text += alphabet.empty() ? static_cast<char>(Below(random, 256))
                                   : alphabet[Below(random, alphabet.size())];
        }
      }
      const size_t begin = text.empty() ? 0 : Below(random, std::min<size_t>(text.size(), 300));
      FieldPass pass(text, begin);
      FieldPlaces places;
      for (size_t batch = begin; batch < text.size(); batch += FieldPlaces::kBytes) {
        const size_t blocks =
            std::min(FieldPlaces::kBlocks, (text.size() - batch + kBlockBytes - 1) / kBlockBytes);
        pass.Next(blocks, places);
        EXPECT_EQ(places.blocks >> blocks, 0u);
        for (size_t i = 0; i < blocks * kBlockBytes; ++i) {
          const Expected expected = ByRule(text, begin, batch + i);
          const size_t block = i / kBlockBytes;
          const auto bit = [&](const FieldPlaces::Masks& masks) {
            return (masks[block] >> (i % kBlockBytes) & 1) != 0;
          };
          ASSERT_EQ(bit(places.values), expected.value) << batch + i << " from " << begin;
          ASSERT_EQ(bit(places.tags), expected.tag) << batch + i;
          ASSERT_EQ(bit(places.tag_text), expected.tag_text) << batch + i;
          if (expected.value || expected.tag || expected.tag_text) {
            EXPECT_NE(places.blocks >> block & 1, 0u);
          }
        }
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

}  // namespace
}  // namespace skimwatch::card
