#include "agent/offline/allow_list.h"

#include <array>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::offline {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::array<uint8_t, 16> kDigits = {4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
const std::string kFingerprint(64, 'a');

absl::Time Now() { return absl::FromCivil(absl::CivilDay(2026, 6, 1), absl::UTCTimeZone()); }

absl::StatusOr<std::unique_ptr<AllowList>> Parse(const std::string& text,
                                                 std::string_view key = "k1") {
  return AllowList::Parse(text, "allow.yaml", key, card::BrandTable::Default(), Now());
}

std::string Entry(const std::string& conditions) {
  return absl::StrCat("entries:\n- ", conditions, "\n  reason: fixtures\n  expires: 2026-12-31\n");
}

struct Match {
  std::string path = "src/a.txt";
  card::MatchKind kind = card::MatchKind::kPan;
  std::string brand = "visa";
  bool test_card = false;
  std::string fingerprint = kFingerprint;
};

bool Allows(const std::string& text, const Match& from) {
  const auto list = Parse(text);
  EXPECT_TRUE(list.ok()) << list.status();
  if (!list.ok()) return false;
  card::CardMatch match;
  match.kind = from.kind;
  match.brand = from.brand;
  match.test_card = from.test_card;
  match.digits = card::SecretDigits(kDigits);
  return (*list)->Allows({.path = from.path, .match = match, .fingerprint = from.fingerprint});
}

TEST(AllowList, AllowsByEachCondition) {
  EXPECT_TRUE(Allows(Entry("path: src/**"), {}));
  EXPECT_FALSE(Allows(Entry("path: tests/**"), {}));
  EXPECT_TRUE(Allows(Entry("path: src"), {}));
  EXPECT_TRUE(Allows(Entry("path: \"*.txt\""), {}));
  EXPECT_TRUE(Allows(Entry("path: a.zip!*"), {.path = "a.zip!b.txt"}));
  EXPECT_TRUE(Allows(Entry("rule: pan"), {}));
  EXPECT_FALSE(Allows(Entry("rule: pan"), {.kind = card::MatchKind::kTrack2}));
  EXPECT_TRUE(Allows(Entry("brand: visa"), {}));
  EXPECT_FALSE(Allows(Entry("brand: mastercard"), {}));
  EXPECT_TRUE(Allows(Entry("test_card: true"), {.test_card = true}));
  EXPECT_FALSE(Allows(Entry("test_card: true"), {}));
  EXPECT_TRUE(Allows(Entry("test_card: false"), {}));
  EXPECT_TRUE(Allows(Entry("fingerprint: " + kFingerprint), {}));
  EXPECT_FALSE(
      Allows(Entry("fingerprint: " + kFingerprint), {.fingerprint = std::string(64, 'b')}));
  EXPECT_FALSE(Allows("", {}));
}

TEST(AllowList, WantsAllConditionsOfAnEntry) {
  const std::string text = Entry("path: src/**\n  brand: visa\n  test_card: true");
  EXPECT_TRUE(Allows(text, {.test_card = true}));
  EXPECT_FALSE(Allows(text, {}));
  EXPECT_FALSE(Allows(text, {.brand = "amex", .test_card = true}));
  EXPECT_FALSE(Allows(text, {.path = "b.txt", .test_card = true}));
}

TEST(AllowList, CountsUntilItsLastDayIsOver) {
  const std::string last = "entries:\n- {brand: visa, reason: r, expires: 2026-06-01}\n";
  EXPECT_TRUE(Allows(last, {}));
  const std::string over =
      "entries:\n- {brand: visa, reason: migration of May, expires: 2026-05-31}\n";
  EXPECT_FALSE(Allows(over, {}));
  EXPECT_THAT((*Parse(over))->Expired(),
              ::testing::ElementsAre("allow.yaml:2: expired on 2026-05-31 and allows nothing: "
                                     "migration of May"));
  EXPECT_THAT((*Parse(last))->Expired(), IsEmpty());
}

TEST(AllowList, CountsEntriesThatAllowNothing) {
  const auto list =
      Parse(Entry("brand: visa") + "- {brand: jcb, reason: r, expires: 2027-01-01}\n");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ((*list)->unused(), 2U);
  card::CardMatch match;
  match.brand = "visa";
  EXPECT_TRUE((*list)->Allows({.path = "a", .match = match, .fingerprint = ""}));
  EXPECT_EQ((*list)->unused(), 1U);
}

TEST(AllowList, NamesFileLineAndFieldOfEveryError) {
  const std::vector<std::pair<std::string, std::string>> kCases = {
      {"entries:\n- {brand: visa, expires: 2027-01-01}",
       "allow.yaml:2:3: entries[0].reason: found nothing, expected why this may be there"},
      {"entries:\n- {brand: visa, reason: ' ', expires: 2027-01-01}",
       "allow.yaml:2:17: entries[0].reason: found nothing"},
      {"entries:\n- {brand: visa, reason: r}",
       "allow.yaml:2:3: entries[0].expires: found nothing, expected its last day"},
      {"entries:\n- {brand: visa, reason: r, expires: 2027-02-30}",
       "allow.yaml:2:28: entries[0].expires: found `2027-02-30`, expected its last day"},
      {"entries:\n- {brand: visa, reason: r, expires: tomorrow}",
       "entries[0].expires: found `tomorrow`"},
      {"entries:\n- {reason: r, expires: 2027-01-01}",
       "allow.yaml:2:3: entries[0]: found no condition"},
      {"entries:\n- {brand: vista, reason: r, expires: 2027-01-01}",
       "allow.yaml:2:4: entries[0].brand: found `vista`"},
      {"entries:\n- {rule: cvv, reason: r, expires: 2027-01-01}",
       "entries[0].rule: found `cvv`, expected pan, pan_with_cvv, track1 or track2"},
      {"entries:\n- {fingerprint: abc, reason: r, expires: 2027-01-01}",
       "entries[0].fingerprint: found something else"},
      {"entries:\n- {path: '[a', reason: r, expires: 2027-01-01}",
       "entries[0].path: found `[a`, expected a pattern that can match a path"},
      {"entries:\n- {path: '!a', reason: r, expires: 2027-01-01}",
       "entries[0].path: found a pattern that keeps"},
      {"entries:\n- {key_id: k1, brand: visa, reason: r, expires: 2027-01-01}",
       "entries[0].key_id: found it without fingerprint"},
      {absl::StrCat("entries:\n- {fingerprint: ", kFingerprint,
                    ", key_id: k2, reason: r, expires: 2027-01-01}"),
       "entries[0].key_id: found `k2`, expected the run's key `k1`"},
      {"entries:\n- {brnd: visa, reason: r, expires: 2027-01-01}",
       "allow.yaml:2:4: entries[0].brnd: found an unknown key, expected `brand` perhaps"},
      {"entries: 5", "allow.yaml:1:10: entries: found `5`, expected a list"},
  };
  for (const auto& [text, message] : kCases) {
    const auto list = Parse(text);
    EXPECT_TRUE(absl::IsInvalidArgument(list.status())) << text;
    EXPECT_THAT(std::string(list.status().message()), HasSubstr(message)) << text;
  }
}

TEST(AllowList, WantsAKeyForFingerprints) {
  const auto list = Parse(Entry("fingerprint: " + kFingerprint), "");
  EXPECT_THAT(std::string(list.status().message()), HasSubstr("expected --fingerprint-key"));
}

TEST(AllowList, RefusesCardNumbersAndDoesNotRepeatThem) {
  const auto list = Parse(Entry("fingerprint: \"4111111111111111\""));
  ASSERT_FALSE(list.ok());
  EXPECT_THAT(std::string(list.status().message()), HasSubstr("allow.yaml:2: found a card number"));
  EXPECT_THAT(std::string(list.status().message()), Not(HasSubstr("4111111111111111")));
}

TEST(AllowList, TakesNoFingerprintForACardNumber) {
  std::mt19937 random(1);
  std::string text = "entries:\n";
  for (int i = 0; i < 2000; ++i) {
    std::string fingerprint;
    while (fingerprint.size() < 64) fingerprint += "0123456789abcdef"[random() % 16];
    absl::StrAppend(&text, "- {fingerprint: ", fingerprint, ", reason: r, expires: 2027-01-01}\n");
  }
  const auto list = Parse(text);
  EXPECT_TRUE(list.ok()) << list.status();
}

}  // namespace
}  // namespace skimwatch::offline
