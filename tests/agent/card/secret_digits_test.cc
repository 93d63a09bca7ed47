#include "agent/card/secret_digits.h"

#include <gtest/gtest.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <memory>
#include <new>
#include <ostream>
#include <type_traits>
#include <utility>

#include "agent/card/card_match.h"
#include "tests/agent/card/support/numbers.h"

namespace skimwatch::card {
namespace {

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};
template <typename T>
concept Comparable = requires(const T& a, const T& b) {
  a == b;
};

static_assert(!std::is_copy_constructible_v<SecretDigits>);
static_assert(!std::is_copy_assignable_v<SecretDigits>);
static_assert(!std::is_copy_constructible_v<CardMatch>);
static_assert(!Streamable<SecretDigits>);
static_assert(!Comparable<SecretDigits>);
static_assert(!std::convertible_to<SecretDigits, std::string>);

const std::vector<uint8_t> kNumber = testing::DigitsOf("4111111111111111");

// Whether four of the number's digits in a row are in the object's memory.
bool HoldsDigits(const void* memory, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(memory);
  return std::search(bytes, bytes + size, kNumber.begin(), kNumber.begin() + 4) != bytes + size;
}

TEST(SecretDigits, HoldsWhatItWasGiven) {
  const SecretDigits digits(kNumber);
  EXPECT_EQ(digits.size(), kNumber.size());
  EXPECT_TRUE(std::equal(kNumber.begin(), kNumber.end(), digits.Reveal().begin()));
}

TEST(SecretDigits, TakesNoMoreThanAPanHas) {
  const std::vector<uint8_t> long_run(40, 7);
  EXPECT_EQ(SecretDigits(long_run).size(), SecretDigits::kMax);
}

TEST(SecretDigits, LeavesNothingWhereItMovedFrom) {
  SecretDigits first(kNumber);
  ASSERT_TRUE(HoldsDigits(&first, sizeof(first)));
  SecretDigits second(std::move(first));
  // What a moved-from object holds is the point here.
  EXPECT_FALSE(HoldsDigits(&first, sizeof(first)));  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(first.empty());
  SecretDigits third;
  third = std::move(second);
  EXPECT_FALSE(HoldsDigits(&second, sizeof(second)));  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(third.size(), kNumber.size());
}

TEST(SecretDigits, LeavesNothingWhereItDied) {
  alignas(SecretDigits) std::array<unsigned char, sizeof(SecretDigits)> memory{};
  auto* digits = new (memory.data()) SecretDigits(kNumber);
  ASSERT_TRUE(HoldsDigits(memory.data(), memory.size()));
  std::destroy_at(digits);
  EXPECT_FALSE(HoldsDigits(memory.data(), memory.size()));
}

TEST(SecretDigits, WipesOnDemand) {
  SecretDigits digits(kNumber);
  digits.Wipe();
  EXPECT_TRUE(digits.empty());
  EXPECT_FALSE(HoldsDigits(&digits, sizeof(digits)));
}

}  // namespace
}  // namespace skimwatch::card
