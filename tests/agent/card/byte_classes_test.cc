#include "agent/card/byte_classes.h"

#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include "tests/agent/card/support/numbers.h"

namespace skimwatch::card {
namespace {

bool IsIn(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

TEST(ByteClasses, HoldForEveryByteAtEveryPlace) {
  for (int value = 0; value < 256; ++value) {
    for (size_t place = 0; place < kBlockBytes; ++place) {
      const auto c = static_cast<char>(value);
      std::array<char, kBlockBytes> block;
      block.fill('\x01');
      block[place] = c;
      const BlockClasses classes = ClassifyBlock(block.data());
      const uint64_t bit = uint64_t{1} << place;
      const bool digit = c >= '0' && c <= '9';
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      ASSERT_EQ(classes.digit, digit ? bit : 0) << value;
      ASSERT_EQ(classes.separator, IsIn(" -._/+", c) ? bit : 0) << value;
      ASSERT_EQ(classes.base64, digit || letter || IsIn("+/-_", c) ? bit : 0) << value;
      ASSERT_EQ(classes.hex, digit || IsIn("abcdefABCDEF", c) ? bit : 0) << value;
      ASSERT_EQ(classes.escape, IsIn("%\\&", c) ? bit : 0) << value;
      ASSERT_EQ(classes.nul, value == 0 ? bit : 0) << value;
      ASSERT_EQ(classes.wide_separator, IsIn("\xC2\xE2\xE3", c) ? bit : 0) << value;
      ASSERT_EQ(classes.wide_digit, IsIn("\xD9\xDB\xDF\xE0\xE1\xEA\xEF\xF0", c) ? bit : 0) << value;
    }
  }
}

TEST(RunFinder, FindsRunsOverBlocks) {
  testing::Random random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<bool> bits;
    while (bits.size() < 6 * kBlockBytes) {
      const bool set = testing::Below(random, 2) == 0;
      for (uint64_t i = 1 + testing::Below(random, 40); i > 0; --i) bits.push_back(set);
    }
    RunFinder twelve;
    RunFinder twenty_four;
    size_t run = 0;
    for (size_t block = 0; block < 6; ++block) {
      uint64_t mask = 0;
      for (size_t i = 0; i < kBlockBytes; ++i) {
        if (bits[block * kBlockBytes + i]) mask |= uint64_t{1} << i;
      }
      const uint64_t long_enough = twelve.Next<12>(mask);
      const uint64_t longer = twenty_four.Next<24>(mask);
      for (size_t i = 0; i < kBlockBytes; ++i) {
        run = bits[block * kBlockBytes + i] ? run + 1 : 0;
        ASSERT_EQ(long_enough >> i & 1, run >= 12 ? 1u : 0u);
        ASSERT_EQ(longer >> i & 1, run >= 24 ? 1u : 0u);
      }
    }
  }
}

}  // namespace
}  // namespace skimwatch::card
