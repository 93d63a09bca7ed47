#include <signal.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/fingerprint/fingerprint.h"
#include "tests/collector/ctl/program.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/operator_server.h"

namespace skimwatch::ctl {
namespace {

using skimwatch::testing::CardFinding;
using skimwatch::testing::Ctl;
using skimwatch::testing::OperatorServer;
using skimwatch::testing::Result;
using ::testing::HasSubstr;

// Numbers published for testing.
constexpr char kCard[] = "4111111111111111";
constexpr char kOther[] = "5555555555554444";
constexpr char kMistyped[] = "4111111111111112";

std::string Fingerprint(const std::string& card, const v1::FingerprintKey& key) {
  std::vector<uint8_t> digits;
  for (const char c : card) digits.push_back(static_cast<uint8_t>(c - '0'));
  return *fingerprint::Fingerprint(key, digits);
}

// No assertion of these tests prints what the program said: a failure would then print a number.
bool Shows(const Result& result, const std::string& digits) {
  for (const std::string& text : {result.out, result.err}) {
    std::string only_digits;
    for (const char c : text) {
      if (c >= '0' && c <= '9') only_digits.push_back(c);
    }
    // Whole, or the six in the middle that a mask hides.
    if (only_digits.find(digits) != std::string::npos) return true;
    if (only_digits.find(digits.substr(6, 6)) != std::string::npos) return true;
  }
  return false;
}

class CardCheck : public ::testing::Test {
 protected:
  CardCheck() : ctl_(server_, "approver") {}

  void Leak(const std::string& card, bool expected = false,
            const v1::FingerprintKey& key = OperatorServer::TestKey()) {
    v1::Finding finding = CardFinding(1, {.expected = expected});
    finding.mutable_card_number()->mutable_card()->set_fingerprint(Fingerprint(card, key));
    server_.Add(finding);
  }

  OperatorServer server_;
  Ctl ctl_;
};

TEST_F(CardCheck, SaysWhenAndWhereACardWasSeen) {
  Leak(kOther);
  const Result result = ctl_.Run({"card", "check"}, std::string(kOther) + "\n");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("This card was seen leaving on 1 way:"));
  EXPECT_THAT(result.out, HasSubstr("2023-11-14T22:13:20Z"));
  EXPECT_THAT(result.out, HasSubstr("POST /collect"));
  EXPECT_THAT(result.out, HasSubstr("198.51.100.7:443"));
  EXPECT_FALSE(Shows(result, kOther));
}

TEST_F(CardCheck, SaysWhenACardWasNotSeen) {
  Leak(kOther);
  const Result result = ctl_.Run({"card", "check"}, kCard);
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "This card was not seen leaving.\n");
  EXPECT_TRUE(result.err.empty());
}

TEST_F(CardCheck, TellsWaysThatCardsAreMeantToTake) {
  Leak(kOther, /*expected=*/true);
  const Result result = ctl_.Run({"card", "check"}, kOther);
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("on 1 way, 1 of them expected:"));
}

TEST_F(CardCheck, AnswersInJson) {
  Leak(kOther);
  Result result = ctl_.Run({"card", "check", "--output", "json"}, kOther);
  EXPECT_EQ(result.code, 0);
  nlohmann::json answer = nlohmann::json::parse(result.out);
  EXPECT_TRUE(answer["seen"].get<bool>());
  ASSERT_EQ(answer["sightings"].size(), 1u);
  EXPECT_EQ(answer["sightings"][0]["channel"], "POST /collect");
  EXPECT_FALSE(Shows(result, kOther));
  result = ctl_.Run({"card", "check", "--output", "json"}, kCard);
  EXPECT_EQ(result.code, 1);
  answer = nlohmann::json::parse(result.out);
  EXPECT_FALSE(answer["seen"].get<bool>());
  EXPECT_TRUE(answer["sightings"].empty());
}

TEST_F(CardCheck, TakesTheGroupsThatCardsAreWrittenIn) {
  Leak(kOther);
  for (const char* const input : {"5555 5555 5555 4444\n", "5555-5555-5555-4444\r\n",
                                  "  5555555555554444  \n", "5555555555554444\n\n"}) {
    EXPECT_EQ(ctl_.Run({"card", "check"}, input).code, 0);
  }
}

TEST_F(CardCheck, RefusesWhatIsNoCardNumberWithoutShowingIt) {
  for (const char* const input :
       {"", "\n", "41111111111\n", "41111111111111111111\n", "4111x11111111111\n",
        "4111111111111111 5555555555554444\n", "4111111111111111\n5555555555554444\n"}) {
    const Result result = ctl_.Run({"card", "check"}, input);
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr("expected a card number: 12 to 19 digits in one line"));
    EXPECT_FALSE(Shows(result, kCard));
    EXPECT_FALSE(Shows(result, kOther));
  }
}

TEST_F(CardCheck, AsksTwiceAboutAWrongCheckDigitAndLooksAllTheSame) {
  Leak(kMistyped);
  const Result result = ctl_.Run({"card", "check"}, kMistyped);
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("was the number mistyped?"));
}

TEST_F(CardCheck, RefusesANumberAsAnArgument) {
  Leak(kCard);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"card", "check", kCard},
        {"card", "check", "4111 1111 1111 1111"},
        {"card", "check", std::string("--number=") + kCard},
        {"card", "check", "--", kCard},
        {"card", kCard},
        {kCard},
        {"card", "check", "--output", kCard},
        {"exposures", "list", kCard},
        {"exposures", "list", "--site", kCard, kCard}}) {
    const Result result = ctl_.Run(arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_FALSE(Shows(result, kCard));
  }
  const Result result = ctl_.Run({"card", "check", kCard}, kCard);
  EXPECT_THAT(result.err, HasSubstr("takes no card number as an argument"));
  EXPECT_THAT(result.err, HasSubstr("history"));
}

TEST_F(CardCheck, DoesNotEchoOnATerminal) {
  Leak(kCard);
  bool typed = false;
  bool in_arguments = false;
  const Result result = ctl_.RunOnTerminal(
      {"card", "check"}, 120, [&](const std::string& screen, pid_t pid) -> std::string {
        if (typed || screen.find("Card number (not shown): ") == std::string::npos) return "";
        typed = true;
        std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
        const std::string arguments(std::istreambuf_iterator<char>(file), {});
        in_arguments = arguments.find(kCard) != std::string::npos;
        // With a slip of the finger that is taken back.
        return "4111 1111-1111 19\x7f"
               "111\r";
      });
  EXPECT_TRUE(typed);
  EXPECT_EQ(result.code, 0);
  EXPECT_FALSE(in_arguments);
  EXPECT_FALSE(Shows(result, kCard));
  EXPECT_THAT(result.out, HasSubstr("This card was seen leaving on 1 way:"));
}

TEST_F(CardCheck, EndsOnCtrlCAndOnASignalAtThePrompt) {
  for (const bool by_signal : {false, true}) {
    bool done = false;
    const Result result = ctl_.RunOnTerminal(
        {"card", "check"}, 120, [&](const std::string& screen, pid_t pid) -> std::string {
          if (done || screen.find("not shown") == std::string::npos) return "";
          done = true;
          if (by_signal) kill(pid, SIGTERM);
          return by_signal ? "" : "4111\x03";
        });
    EXPECT_EQ(result.code, by_signal ? 128 + SIGTERM : 2);
  }
}

TEST_F(CardCheck, NeedsARoleThatMayLookForCards) {
  const Result result = Ctl(server_, "viewer").Run({"card", "check"}, kCard);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("'viewer' has the role viewer, and GetFingerprintKeys needs "
                                    "the role approver"));
}

TEST(CardCheckKeys, LooksForFingerprintsOfEveryKey) {
  std::vector<v1::FingerprintKey> keys;
  // More than one request takes.
  for (int i = 0; i < 20; ++i) {
    v1::FingerprintKey& key = keys.emplace_back();
    key.set_id("k" + std::to_string(i));
    key.set_key(std::string(32, static_cast<char>('a' + i)));
  }
  OperatorServer server({.keys = keys});
  v1::Finding finding = CardFinding(1);
  finding.mutable_card_number()->mutable_card()->set_fingerprint(Fingerprint(kCard, keys[19]));
  server.Add(finding);
  Ctl ctl(server, "approver");
  EXPECT_EQ(ctl.Run({"card", "check"}, kCard).code, 0);
  EXPECT_EQ(ctl.Run({"card", "check"}, kOther).code, 1);
}

// During a rotation the collector has the new key and the one before: a card is found under either,
// and how often it was seen is the sum.
TEST(CardCheckKeys, FindsACardOnBothSidesOfARotation) {
  std::vector<v1::FingerprintKey> keys(2);
  for (int i = 0; i < 2; ++i) {
    keys[i].set_id(i == 0 ? "2026-new" : "2025-old");
    keys[i].set_key(std::string(32, static_cast<char>('a' + i)));
  }
  OperatorServer server({.keys = keys});
  for (int i = 0; i < 2; ++i) {
    v1::Finding finding = CardFinding(static_cast<uint64_t>(i) + 1);
    v1::Card& card = *finding.mutable_card_number()->mutable_card();
    card.set_fingerprint(Fingerprint(kCard, keys[i]));
    card.set_fingerprint_key_id(keys[i].id());
    server.Add(finding);
  }
  Ctl ctl(server, "approver");
  const Result result = ctl.Run({"card", "check", "--output", "json"}, kCard);
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(nlohmann::json::parse(result.out)["sightings"].size(), 2u);
  EXPECT_EQ(ctl.Run({"card", "check"}, kOther).code, 1);
  // One card, but nobody can tell under two keys: the count says that it is a bound, and why.
  EXPECT_THAT(ctl.Run({"exposures", "list"}).out, HasSubstr(" <=2 "));
  const std::string shown = ctl.Run({"exposures", "show", "1"}).out;
  EXPECT_THAT(shown, HasSubstr("<=2\n"));
  EXPECT_THAT(shown, HasSubstr("at most: a card seen under several of the keys"));
  EXPECT_THAT(shown, HasSubstr("2026-new"));
  EXPECT_THAT(shown, HasSubstr("2025-old"));
}

TEST_F(CardCheck, SaysThatCardsWithoutAFingerprintCannotBeLookedUp) {
  v1::Finding finding = CardFinding(1, {.count = 3});
  finding.mutable_card_number()->mutable_card()->clear_fingerprint();
  finding.mutable_card_number()->mutable_card()->clear_fingerprint_key_id();
  server_.Add(finding);
  Result result = ctl_.Run({"card", "check"}, kCard);
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("Cards without a fingerprint were seen 3 times: this card may "
                                    "be among them."));
  result = ctl_.Run({"card", "check", "--output", "json"}, kCard);
  EXPECT_EQ(nlohmann::json::parse(result.out)["occurrences_without_fingerprint"], "3");
  EXPECT_THAT(ctl_.Run({"exposures", "list"}).out, HasSubstr(" >=0 "));
  EXPECT_THAT(ctl_.Run({"exposures", "show", "1"}).out,
              HasSubstr("without cards that have no fingerprint, seen 3 times"));
  Leak(kOther);
  EXPECT_THAT(ctl_.Run({"exposures", "list"}).out, HasSubstr(" >=1 "));
  EXPECT_EQ(ctl_.Run({"card", "check"}, kOther).code, 0);
}

TEST(CardCheckKeys, SaysWhenThereAreNone) {
  OperatorServer server({.keys = {}});
  const Result result = Ctl(server, "approver").Run({"card", "check"}, kCard);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("set `fingerprint_keys.files`"));
}

TEST_F(CardCheck, LooksForEveryCardOfAListAndTellsThemByTheirLines) {
  Leak(kOther);
  const std::string fingerprint =
      absl::BytesToHexString(Fingerprint(kOther, OperatorServer::TestKey()));
  const std::string list = server_.folder().File("cards.txt");
  std::ofstream(list) << kCard << "\n\n5555 5555 5555 4444\r\n" << fingerprint << "\n";
  Result result = ctl_.Run({"card", "check", "--file", list, "--no-headers"});
  EXPECT_EQ(result.code, 0);
  EXPECT_FALSE(Shows(result, kOther) || Shows(result, kCard));
  const std::vector<std::string> lines = absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], ::testing::MatchesRegex("1  no  [- ]*"));
  EXPECT_THAT(lines[1], HasSubstr("3  yes  2023-11-14T22:13:20Z  2023-11-14T22:13:20Z  1  1"));
  EXPECT_THAT(lines[2], HasSubstr("4  yes"));
  EXPECT_THAT(result.err, HasSubstr("2 of 3 cards were seen"));

  result =
      ctl_.Run({"card", "check", "--file", "-", "--output", "json"}, std::string(kCard) + "\n");
  EXPECT_EQ(result.code, 1);
  const nlohmann::json answer = nlohmann::json::parse(result.out);
  EXPECT_EQ(answer["line"], 1);
  EXPECT_FALSE(answer["seen"].get<bool>());
}

TEST_F(CardCheck, GoesOnBehindALineOfAListThatHoldsNoCard) {
  Leak(kOther);
  const Result result =
      ctl_.Run({"card", "check", "--file", "-"},
               "name,number\n" + std::string(300, '4') + "\n" + std::string(kOther) + "\n");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("line 1: neither a card number"));
  EXPECT_THAT(result.err, HasSubstr("line 2: neither a card number"));
  EXPECT_THAT(result.err, HasSubstr("1 of 1 cards were seen; 2 lines hold no card."));
}

TEST_F(CardCheck, DoesNotShowANumberThatIsGivenAsTheNameOfAList) {
  for (const std::string& number :
       {std::string(kCard), std::string(kMistyped), "cards/" + std::string(kCard) + ".txt"}) {
    const Result result = ctl_.Run({"card", "check", "--file", number});
    EXPECT_EQ(result.code, 2);
    EXPECT_FALSE(Shows(result, number));
    EXPECT_TRUE(result.err.find("--file: can't be opened") != std::string::npos);
  }
  EXPECT_THAT(ctl_.Run({"card", "check", "--file", "/nowhere/cards.txt"}).err,
              HasSubstr("--file: can't open /nowhere/cards.txt"));
}

TEST_F(CardCheck, TakesNoListFromATerminal) {
  const Result result = ctl_.RunOnTerminal({"card", "check", "--file", "-"}, 120,
                                           [](const std::string&, pid_t) { return ""; });
  EXPECT_EQ(result.code, 2);
  // Standard error is the terminal, too.
  EXPECT_THAT(result.out + result.err, HasSubstr("--file: - is a terminal"));
}

TEST_F(CardCheck, CanBeAskedOfOneExposureOnly) {
  Leak(kOther);
  EXPECT_EQ(ctl_.Run({"card", "check", "--exposure", "1"}, kOther).code, 0);
  EXPECT_EQ(ctl_.Run({"card", "check", "--exposure", "1"}, kCard).code, 1);
}

TEST_F(CardCheck, DoesNotSayUnseenOfAnExposureThatIsNot) {
  Leak(kOther);
  const std::string list = server_.folder().File("cards.txt");
  std::ofstream(list) << kOther << "\n";
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"card", "check", "--exposure", "999"},
        {"card", "check", "--exposure", "999", "--file", list}}) {
    const Result result = ctl_.Run(arguments, kOther);
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.err, "skimwatchctl: no exposure has id 999\n");
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(CardCheck, ShowsNoExposureWhereACardWasSeenInNone) {
  // Nobody is told of findings below the confidence of the rules, and yet a card is found there.
  v1::Finding finding = CardFinding(1, {.confidence = v1::CONFIDENCE_LOW});
  finding.mutable_card_number()->mutable_card()->set_fingerprint(
      Fingerprint(kOther, OperatorServer::TestKey()));
  ASSERT_EQ(server_.Add(finding), 0u);
  const Result result = ctl_.Run({"card", "check", "--file", "-", "--no-headers"}, kOther);
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, ::testing::MatchesRegex("1  yes  [-0-9TZ:]+  [-0-9TZ:]+  1  -\n"));
}

}  // namespace
}  // namespace skimwatch::ctl
