#include "agent/pipeline/canary_list.h"

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/card/secret_digits.h"
#include "gtest/gtest.h"
#include "tests/agent/pipeline/sightings.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::pipeline {
namespace {

// A number that is nobody's.
std::string Digits(uint64_t n) {
  std::string text;
  const card::SecretDigits number = testing::NumberOf(n);
  for (const uint8_t digit : number.Reveal()) text += static_cast<char>('0' + digit);
  return text;
}

bool Knows(const CanaryList& list, uint64_t n) {
  return list.Find(testing::NumberOf(n).Reveal()).has_value();
}

TEST(CanaryList, TellsPageAndLookOfANumber) {
  const auto list = *CanaryList::Open("");
  ASSERT_TRUE(list->Add(Digits(1), "shop", "https://shop.example/pay", "first").ok());
  const std::optional<v1::Canary> found = list->Find(testing::NumberOf(1).Reveal());
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->page(), "https://shop.example/pay");
  EXPECT_EQ(found->run_id(), "first");
  EXPECT_FALSE(Knows(*list, 2));
}

TEST(CanaryList, TellsTheLastLookOfANumberThatIsTypedAgain) {
  const auto list = *CanaryList::Open("");
  ASSERT_TRUE(list->Add(Digits(1), "shop", "a", "first").ok());
  ASSERT_TRUE(list->Add(Digits(1), "shop", "b", "second").ok());
  EXPECT_EQ(list->Find(testing::NumberOf(1).Reveal())->run_id(), "second");
}

TEST(CanaryList, RefusesWhatIsNoNumber) {
  const auto list = *CanaryList::Open("");
  EXPECT_TRUE(absl::IsInvalidArgument(list->Add("4111", "shop", "a", "first")));
  EXPECT_EQ(list->size(), 0);
}

TEST(CanaryList, IsThereAfterARestartAndHoldsNoNumber) {
  const skimwatch::testing::TempFolder folder;
  const std::string path = folder.File("canaries");
  ASSERT_TRUE((*CanaryList::Open(path))->Add(Digits(1), "shop", "a", "first").ok());
  const auto list = *CanaryList::Open(path);
  EXPECT_TRUE(Knows(*list, 1));
  EXPECT_FALSE(Knows(*list, 2));
}

TEST(CanaryList, BeginsAnewWhereItsFileIsDamaged) {
  const skimwatch::testing::TempFolder folder;
  const std::string path = folder.File("canaries");
  std::ofstream(path) << "SKWC nonsense";
  const auto list = CanaryList::Open(path);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_TRUE((*list)->Add(Digits(1), "shop", "a", "first").ok());
  EXPECT_TRUE(Knows(**CanaryList::Open(path), 1));
}

TEST(CanaryList, ForgetsTheOldest) {
  const auto list = *CanaryList::Open("");
  for (uint64_t i = 0; i <= CanaryList::kCanariesMax; ++i) {
    ASSERT_TRUE(list->Add(Digits(i), "shop", "a", absl::StrCat("run", i)).ok());
  }
  EXPECT_EQ(list->size(), CanaryList::kCanariesMax);
  EXPECT_FALSE(Knows(*list, 0));
  EXPECT_TRUE(Knows(*list, 1));
  EXPECT_TRUE(Knows(*list, CanaryList::kCanariesMax));
}

}  // namespace
}  // namespace skimwatch::pipeline
