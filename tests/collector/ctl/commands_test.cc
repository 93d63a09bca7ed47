#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "collector/store/timestamp.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/collector/ctl/program.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/operator_server.h"

namespace skimwatch::ctl {
namespace {

using nlohmann::json;
using skimwatch::testing::CardFinding;
using skimwatch::testing::Ctl;
using skimwatch::testing::DestinationFinding;
using skimwatch::testing::HashOf;
using skimwatch::testing::OperatorServer;
using skimwatch::testing::Result;
using skimwatch::testing::ScriptFinding;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

std::string HexOf(uint64_t version) { return absl::BytesToHexString(HashOf(version)); }

class Commands : public ::testing::Test {
 protected:
  Commands() : ctl_(server_, "approver") {}

  std::vector<std::string> Lines(const Result& result) const {
    return absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  }

  OperatorServer server_;
  Ctl ctl_;
};

TEST_F(Commands, ExposuresListIsAlignedAndShowsOpenOnes) {
  server_.Add(CardFinding(1, {.card = 1}));
  server_.Add(CardFinding(2, {.card = 2, .path = "/other", .count = 41}));
  const Result result = ctl_.Run({"exposures", "list"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "ID  STATE  SEVERITY  KIND         SITE  CHANNEL        DESTINATION       CARDS  SEEN  "
            "FIRST SEEN            LAST SEEN\n"
            " 2  open   high      card_number  shop  POST /other    198.51.100.7:443      1    41  "
            "2023-11-14T22:13:20Z  2023-11-14T22:13:20Z\n"
            " 1  open   high      card_number  shop  POST /collect  198.51.100.7:443      1     1  "
            "2023-11-14T22:13:20Z  2023-11-14T22:13:20Z\n");
  EXPECT_EQ(Lines(ctl_.Run({"exposures", "list", "--no-headers"})).size(), 2u);
  EXPECT_EQ(Lines(ctl_.Run({"exposures", "list", "--state", "closed"})).size(), 1u);
  EXPECT_EQ(Lines(ctl_.Run({"exposures", "list", "--kind", "script_change"})).size(), 1u);
}

TEST_F(Commands, ExposuresListAnswersInJson) {
  server_.Add(CardFinding(1, {.probability = 0.5}));
  // Options of the program stand before or behind the command.
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--output", "json", "exposures", "list"},
        {"exposures", "list", "--output", "json"}}) {
    const Result result = ctl_.Run(arguments);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(Lines(result).size(), 1u);
    const json answer = json::parse(result.out);
    ASSERT_EQ(answer["exposures"].size(), 1u);
    const json& exposure = answer["exposures"][0];
    EXPECT_EQ(exposure["id"], "1");
    EXPECT_EQ(exposure["kind"], "FINDING_KIND_CARD_NUMBER");
    EXPECT_EQ(exposure["distinct_cards"], "1");
    EXPECT_EQ(exposure["distinct_test_cards"], "0");
    EXPECT_EQ(exposure["estimated_occurrences"], 2);
    EXPECT_EQ(exposure["sampled"], true);
    EXPECT_EQ(exposure["first_seen"], "2023-11-14T22:13:20Z");
    EXPECT_FALSE(exposure.contains("closed_at"));
  }
}

TEST_F(Commands, ExposuresShowAnEstimateWithItsErrorWhereSampled) {
  v1::Finding finding = CardFinding(1, {.count = 617, .probability = 0.5});
  finding.set_sampling_variance(56 * 56);
  server_.Add(finding);
  const Result result = ctl_.Run({"exposures", "show", "1"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("~1,234 \u00b1 56 (sampled)"));
  EXPECT_THAT(result.out, ContainsRegex("Times scanned: +617"));
  EXPECT_THAT(result.out, HasSubstr("at least 1; about 2 if each was sent once"));
}

TEST_F(Commands, ExposuresListPagesToItsLimit) {
  for (uint64_t i = 0; i < 7; ++i) {
    server_.Add(CardFinding(i + 1, {.path = absl::StrCat("/p", i)}));
  }
  Result result = ctl_.Run({"exposures", "list", "--limit", "3", "--no-headers"});
  EXPECT_EQ(Lines(result).size(), 3u);
  EXPECT_EQ(result.err, "There are more: these are 3; see more with --limit.\n");
  result = ctl_.Run({"exposures", "list", "--limit", "0", "--no-headers"});
  EXPECT_EQ(Lines(result).size(), 7u);
  EXPECT_EQ(result.err, "");
}

TEST_F(Commands, ExposuresShowTellsAllAndItsFindings) {
  const uint64_t id = server_.Add(CardFinding(1));
  const Result result = ctl_.Run({"exposures", "show", absl::StrCat(id)});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Destination:    198.51.100.7:443\n"));
  EXPECT_THAT(result.out, HasSubstr("Distinct cards: 1\n"));
  EXPECT_THAT(result.out, HasSubstr("Encodings:      base64\n"));
  EXPECT_THAT(result.out, HasSubstr("visa 411111******1111"));
  const Result none = ctl_.Run({"exposures", "show", "99"});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("99"));
}

TEST_F(Commands, ExposuresCloseKeepsTheReason) {
  const std::string id = absl::StrCat(server_.Add(CardFinding(1)));
  Result result = ctl_.Run({"exposures", "close", id});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("give it with --reason"));
  result = ctl_.Run({"exposures", "close", id, "--reason", "script removed"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr(" by approver: script removed\n"));
  result = ctl_.Run({"exposures", "close", id, "--reason", "again"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("closed"));
}

TEST_F(Commands, DecisionsKeepNoCardNumber) {
  const std::string id = absl::StrCat(server_.Add(CardFinding(1)));
  const Result result =
      ctl_.Run({"exposures", "close", id, "--reason", "it was 4111 1111 1111 1111"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("could be a card number"));
  EXPECT_FALSE(absl::StrContains(result.err, "1111"));
}

TEST_F(Commands, NotesWithoutCardNumbersAndShowsThemInTheTimeline) {
  const std::string id = absl::StrCat(server_.Add(CardFinding(1, {.path = "/notes"})));
  Result result = ctl_.Run({"exposures", "note", id, "--text", "it was 4111 1111 1111 1111"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("masked"));
  result = ctl_.Run({"exposures", "timeline", id});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("first seen"));
  EXPECT_THAT(result.out, HasSubstr("it was **** **** **** ****"));
  EXPECT_THAT(result.out, HasSubstr("NEW CARDS"));
  result = ctl_.Run({"exposures", "note", "99", "--text", "which?"});
  EXPECT_NE(result.code, 0);
  result = ctl_.Run({"exposures", "note", id});
  EXPECT_THAT(result.err, HasSubstr("--text"));
}

TEST_F(Commands, DecisionsAboutDestinationsKeepNoCardNumber) {
  const std::string number = "4111111111111111";
  for (const std::vector<std::string>& what :
       {std::vector<std::string>{number},
        {number + ".example.com"},
        {"example.com", "--process", "/usr/bin/" + number}}) {
    std::vector<std::string> arguments = {"destinations", "approve",         "--site",
                                          "shop",         "--justification", "x"};
    arguments.insert(arguments.end(), what.begin(), what.end());
    const Result result = ctl_.Run(arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr("expected no card number in it"));
    EXPECT_FALSE(absl::StrContains(result.err, number));
  }
  EXPECT_EQ(Lines(ctl_.Run({"audit", "list", "--no-headers"})).size(), 0u);
}

TEST_F(Commands, ErrorsShowNoCardNumberThatWasTyped) {
  server_.Add(CardFinding(1));
  // One of them mistyped, so that its check digit is wrong.
  for (const std::string& number :
       {std::string("4111111111111111"), std::string("4111111111111112")}) {
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"scripts", "diff", number},
          {"destinations", "show", number},
          {"csp", "suggest", "--site", "shop", number},
          {"exposures", "show", number},
          {"findings", "list", "--since", number},
          {"findings", "list", "--site", number},
          {"findings", "list", "--agent", number},
          {"findings", "list", "--exposure", number},
          {"agents", "list", "--collector", number},
          {"agents", "list", "--ca", "/" + number}}) {
      const Result result = ctl_.Run(arguments);
      EXPECT_NE(result.err, "") << arguments[0] << " " << arguments[1];
      EXPECT_FALSE(absl::StrContains(result.err + result.out, number))
          << arguments[0] << " " << arguments[1];
    }
  }
}

TEST_F(Commands, SayWhenAFilterNamesWhatIsNotKnown) {
  v1::Agent agent;
  agent.set_identity("web-1");
  agent.add_sites("shop");
  server_.AddAgent(agent);
  v1::Finding blog = CardFinding(1);
  blog.set_site("blog");
  server_.Add(blog);
  const std::string unknown = "no site shpo is known; known: blog, shop\n";
  for (const char* const list : {"exposures", "findings", "destinations", "scripts"}) {
    Result result = ctl_.Run({list, "list", "--site", "shpo"});
    EXPECT_EQ(result.code, 0);
    EXPECT_EQ(result.err, unknown) << list;
    // Known, and nothing there.
    result = ctl_.Run({list, "list", "--site", "shop"});
    EXPECT_EQ(result.err, "") << list;
    result = ctl_.Run({list, "list", "--site", "blog"});
    EXPECT_EQ(result.err, "") << list;
  }
  EXPECT_EQ(ctl_.Run({"findings", "list", "--agent", "wbe-1"}).err,
            "no agent wbe-1 is known; known: web-1\n");
  EXPECT_EQ(ctl_.Run({"findings", "list", "--exposure", "9"}).err, "no exposure has id 9\n");
  EXPECT_EQ(ctl_.Run({"findings", "list", "--since", "2099-01-01"}).err, "");
  const Result result = ctl_.Run(
      {"destinations", "approve", "example.com", "--site", "shpo", "--justification", "x"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, unknown);
}

TEST_F(Commands, FindingsListFilters) {
  server_.Add(CardFinding(1));
  server_.Add(CardFinding(2, {.confidence = v1::CONFIDENCE_LOW}), "web-2");
  server_.Add(ScriptFinding(3, v1::ScriptChange::CHANGE_CHANGED, 1));
  const auto count = [&](const std::vector<std::string>& filters) {
    std::vector<std::string> arguments = {"findings", "list", "--no-headers"};
    arguments.insert(arguments.end(), filters.begin(), filters.end());
    const Result result = ctl_.Run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return Lines(result).size();
  };
  EXPECT_EQ(count({}), 3u);
  EXPECT_EQ(count({"--kind", "script_change"}), 1u);
  EXPECT_EQ(count({"--agent", "web-2"}), 1u);
  EXPECT_EQ(count({"--min-confidence", "high"}), 2u);
  EXPECT_EQ(count({"--site", "blog"}), 0u);
  EXPECT_EQ(count({"--since", "1h"}), 3u);
  EXPECT_EQ(count({"--until", "1h"}), 0u);
  EXPECT_EQ(count({"--since", "2020-01-01", "--until", "2020-01-02T00:00:00Z"}), 0u);
  const Result result = ctl_.Run({"findings", "list", "--since", "yesterday"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("--since: found `yesterday`, expected a time such as"));
}

TEST_F(Commands, FindingsShowHashesAsHexInJson) {
  server_.Add(CardFinding(1, {.card = 5}));
  const json answer = json::parse(ctl_.Run({"findings", "list", "--output", "json"}).out);
  EXPECT_EQ(answer["findings"][0]["finding"]["card_number"]["card"]["fingerprint"],
            absl::BytesToHexString(skimwatch::testing::FingerprintOf(5)));
}

TEST_F(Commands, FindingsWatchShowsWhatComes) {
  const std::jthread publisher([&] {
    while (!server_.feed().HasSubscribers()) absl::SleepFor(absl::Milliseconds(2));
    server_.Add(CardFinding(1));
    server_.Add(ScriptFinding(2, v1::ScriptChange::CHANGE_CHANGED, 1));
  });
  const Result result = ctl_.Run({"findings", "watch", "--count", "2"});
  EXPECT_EQ(result.code, 0) << result.err;
  const std::vector<std::string> lines = Lines(result);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], StartsWith("STORED"));
  EXPECT_THAT(lines[1], HasSubstr("visa 411111******1111"));
  EXPECT_THAT(lines[2], HasSubstr("changed js/chat.js"));
  // Rows come one by one and stand under their headers all the same.
  EXPECT_EQ(lines[0].find("DESTINATION"), lines[1].find("198.51.100.7:443"));
}

TEST_F(Commands, FindingsWatchWritesAnObjectALineInJson) {
  const std::jthread publisher([&] {
    while (!server_.feed().HasSubscribers()) absl::SleepFor(absl::Milliseconds(2));
    server_.Add(CardFinding(1));
  });
  const Result result = ctl_.Run({"findings", "watch", "--count", "1", "--output", "json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const json answer = json::parse(result.out);
  EXPECT_EQ(answer["finding"]["agent"], "web-1");
  EXPECT_EQ(answer["skipped"], "0");
}

TEST_F(Commands, ScriptsListShowsStates) {
  server_.Add(ScriptFinding(1, v1::ScriptChange::CHANGE_PROPOSED, 1));
  server_.Add(ScriptFinding(2, v1::ScriptChange::CHANGE_PROPOSED, 2, "js/shop.js"));
  const Result result = ctl_.Run({"scripts", "list"});
  ASSERT_EQ(result.code, 0) << result.err;
  const std::vector<std::string> lines = Lines(result);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[1], StartsWith(absl::StrCat("unapproved  shop  js/chat.js  ",
                                                HexOf(1).substr(0, 12), "  1001 B")));
  EXPECT_EQ(Lines(ctl_.Run({"scripts", "list", "--state", "approved", "--no-headers"})).size(), 0u);
}

TEST_F(Commands, ScriptsAreApprovedByTheHashThatWasShown) {
  v1::Finding change = ScriptFinding(1, v1::ScriptChange::CHANGE_CHANGED, 1);
  change.mutable_script_change()->set_diff(
      "--- a\n+++ b\n@@ -1 +1,2 @@\n-old\n+new\n+\x1b[2Jevil\n");
  v1::ScriptFact* const fact = change.mutable_script_change()->add_gained_facts();
  fact->set_name("network_sink");
  fact->set_excerpt("fetch(");
  fact->set_offset(17);
  server_.Add(change);

  Result result = ctl_.Run({"scripts", "diff", "js/chat.js"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr(absl::StrCat("SHA-256:    ", HexOf(1), "\n")));
  EXPECT_THAT(result.out, HasSubstr("Approval:   none\n"));
  EXPECT_THAT(result.out, HasSubstr("New in it:  network_sink at 17 `fetch(`\n"));
  EXPECT_THAT(result.out, HasSubstr("Difference: 2 lines added, 1 removed\n"));
  EXPECT_THAT(result.out, HasSubstr("\n-old\n+new\n+\\x1b[2Jevil\n"));

  result = ctl_.Run({"scripts", "approve", "js/chat.js", HexOf(1).substr(0, 10)});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("give it with --justification"));

  result = ctl_.Run(
      {"scripts", "approve", "js/chat.js", HexOf(1).substr(0, 10), "--justification", "the chat"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Difference: 2 lines added, 1 removed\n"));
  EXPECT_THAT(result.out, HasSubstr("Approved; the script is now approved.\n"));

  result = ctl_.Run({"scripts", "diff", "js/chat.js"});
  EXPECT_THAT(result.out, HasSubstr(" by approver: the chat\n"));

  result = ctl_.Run({"scripts", "revoke", "js/chat.js", HexOf(1), "--reason", "altered"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "Revoked; the script is now changed.\n");
  result = ctl_.Run({"scripts", "diff", "js/chat.js", "--output", "json"});
  const json script = json::parse(result.out)["script"];
  EXPECT_EQ(script["state"], "STATE_CHANGED");
  EXPECT_EQ(script["current"]["sha256"], HexOf(1));
  EXPECT_EQ(script["history"][0]["approval"]["revoked_by"], "approver");
}

TEST_F(Commands, ScriptsHaveAnOwnerAndAnInventory) {
  v1::Finding finding = ScriptFinding(1, v1::ScriptChange::CHANGE_PROPOSED, 1);
  finding.mutable_script_change()->set_page("pay.html");
  finding.mutable_script_change()->add_integrity_methods("sri");
  server_.Add(finding);
  server_.Add(ScriptFinding(2, v1::ScriptChange::CHANGE_PROPOSED, 2, "js/=2+5|x.js"));
  Result result = ctl_.Run({"scripts", "describe", "js/chat.js", "--owner", "team \"support\"",
                            "--justification", "shoppers chat"});
  ASSERT_EQ(result.code, 0) << result.err;
  result = ctl_.Run(
      {"scripts", "approve", "js/chat.js", HexOf(1), "--justification", "read", "--until", "3d"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(ctl_.Run({"scripts", "describe", "js/chat.js"}).code, 2);

  result = ctl_.Run({"scripts", "list", "--page", "pay.html", "--no-headers"});
  EXPECT_THAT(Lines(result), ::testing::SizeIs(1));
  EXPECT_THAT(result.out, HasSubstr("  hash  "));
  EXPECT_THAT(result.out, HasSubstr("Z !"));
  EXPECT_THAT(ctl_.Run({"scripts", "list", "--warning-days", "1"}).out,
              ::testing::Not(HasSubstr("Z !")));

  result = ctl_.Run({"scripts", "show", "js/chat.js"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("team \"support\"\n"));
  EXPECT_THAT(result.out, HasSubstr("web-1 ("));
  EXPECT_THAT(result.out, HasSubstr("by approver, until "));

  const std::string csv = ctl_.Run({"scripts", "inventory", "--format", "csv"}).out;
  EXPECT_THAT(csv, StartsWith("site,page,script,state,owner,justification,sha256,size_bytes,"));
  EXPECT_THAT(csv, HasSubstr("shop,pay.html,js/chat.js,approved,\"team \"\"support\"\"\","
                             "shoppers chat," +
                             HexOf(1) + ",1001,"));
  EXPECT_THAT(csv, HasSubstr(",sri,hash,approver,"));
  const json rows = json::parse(ctl_.Run({"scripts", "inventory", "--format", "json"}).out);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["script"], "js/=2+5|x.js");
  EXPECT_EQ(rows[1]["owner"], "team \"support\"");
  const std::string md = ctl_.Run({"scripts", "inventory", "--format", "md"}).out;
  EXPECT_THAT(md, HasSubstr("## js/=2+5\\|x.js\n"));
  EXPECT_THAT(md, HasSubstr("| integrity method | sri |\n"));
}

TEST_F(Commands, PublishersAreOfTheConfiguration) {
  EXPECT_EQ(ctl_.Run({"scripts", "publisher", "list", "--no-headers"}).out, "");
  const Result result = ctl_.Run({"scripts", "publisher", "import", "/nowhere/list.json"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("/nowhere/list.json: can't be read: No such file"));
}

TEST_F(Commands, DestinationsAreListedShownApprovedAndRevoked) {
  server_.Add(DestinationFinding(1, v1::DestinationChange::CHANGE_PROPOSED, "stripe.com"));
  server_.Add(
      DestinationFinding(2, v1::DestinationChange::CHANGE_NEW, "evil.com", "/usr/bin/php", true));
  Result result = ctl_.Run({"destinations", "list"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "STATE       SITE  NAME        PROCESS       CHECKOUT  FLOWS   SENT  FIRST SEEN        "
            "    LAST SEEN\n"
            "unapproved  shop  evil.com    /usr/bin/php  yes           1  100 B  "
            "2023-11-14T22:13:20Z  2023-11-14T22:13:20Z\n"
            "proposed    shop  stripe.com  unknown       -             1  100 B  "
            "2023-11-14T22:13:20Z  2023-11-14T22:13:20Z\n");
  EXPECT_EQ(
      Lines(ctl_.Run({"destinations", "list", "--state", "unapproved", "--no-headers"})).size(),
      1u);

  result = ctl_.Run({"destinations", "approve", "evil.com"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("give it with --justification"));
  result = ctl_.Run({"destinations", "approve", "*.com", "--justification", "all"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("covers a whole top-level domain"));
  result = ctl_.Run(
      {"destinations", "approve", "evil.com", "--until", "2020-01-01", "--justification", "x"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("not in the future"));

  result = ctl_.Run(
      {"destinations", "approve", "evil.com", "--until", "90d", "--justification", "a trial"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "Approved; it covers 1 known destinations of shop.\n");
  result = ctl_.Run({"destinations", "show", "evil.com"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("approved"));
  EXPECT_THAT(result.out, HasSubstr("www.evil.com"));
  EXPECT_THAT(result.out, HasSubstr(" by approver, evil.com, until 20"));
  EXPECT_THAT(result.out, HasSubstr(": a trial\n"));

  result = ctl_.Run({"destinations", "revoke", "evil.com", "--reason", "over"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "Revoked; 1 known destinations of shop are without approval by it.\n");
  result = ctl_.Run({"destinations", "show", "evil.com", "--output", "json"});
  const json answer = json::parse(result.out);
  EXPECT_EQ(answer["destinations"][0]["state"], "STATE_UNAPPROVED");
  EXPECT_EQ(answer["approvals"][0]["revoked_by"], "approver");

  result = ctl_.Run({"destinations", "show", "none.com"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("no site has a destination none.com"));
}

TEST_F(Commands, ScriptsAreNotApprovedByAHashThatCouldBeAnother) {
  server_.Add(ScriptFinding(1, v1::ScriptChange::CHANGE_CHANGED, 1));
  const auto error_of = [&](const std::string& hash) {
    const Result result =
        ctl_.Run({"scripts", "approve", "js/chat.js", hash, "--justification", "x"});
    EXPECT_EQ(result.code, 2);
    return result.err;
  };
  EXPECT_THAT(error_of(HexOf(1).substr(0, 7)), HasSubstr("first 8 or more hex digits"));
  EXPECT_THAT(error_of("nothexdigits"), HasSubstr("first 8 or more hex digits"));
  EXPECT_THAT(error_of("00000000"), HasSubstr("no version of js/chat.js"));
  EXPECT_THAT(error_of(HexOf(1) + "00"), HasSubstr("first 8 or more hex digits"));
}

TEST_F(Commands, ScriptsAreNotApprovedWhenTheyChangedMeanwhile) {
  server_.Add(ScriptFinding(1, v1::ScriptChange::CHANGE_ADDED, 1));
  server_.Add(ScriptFinding(2, v1::ScriptChange::CHANGE_CHANGED, 2));
  const Result result =
      ctl_.Run({"scripts", "approve", "js/chat.js", HexOf(1), "--justification", "the chat"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("no longer served"));
}

TEST_F(Commands, ScriptsNeedASiteOnlyWhereSeveralHaveTheName) {
  server_.Add(ScriptFinding(1, v1::ScriptChange::CHANGE_ADDED, 1));
  v1::Finding other = ScriptFinding(2, v1::ScriptChange::CHANGE_ADDED, 2);
  other.set_site("blog");
  server_.Add(other);
  Result result = ctl_.Run({"scripts", "diff", "js/chat.js"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("blog, shop\n  say which with --site"));
  result = ctl_.Run({"scripts", "diff", "js/chat.js", "--site", "blog"});
  EXPECT_THAT(result.out, HasSubstr(HexOf(2)));
  result = ctl_.Run({"scripts", "diff", "js/none.js"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("no site has a script js/none.js"));
}

TEST_F(Commands, AgentsListShowsHowTheyAre) {
  v1::Agent agent;
  agent.set_identity("spiffe://example.com/agent/1");
  agent.set_state(v1::Agent::STATE_CONNECTED);
  agent.set_version("0.1.0");
  agent.add_sites("shop");
  *agent.mutable_last_seen() = store::ToTimestamp(absl::Now());
  agent.mutable_coverage()->set_seen_bytes(1100);
  agent.mutable_coverage()->set_inbound_bytes(100);
  agent.mutable_coverage()->set_scanned_bytes(990);
  agent.mutable_spool()->set_bytes(1536);
  agent.mutable_spool()->set_bytes_max(1 << 20);
  (*agent.mutable_spool()->mutable_dropped_findings())[2] = 3;
  agent.set_sample_ratio(0.25);
  server_.AddAgent(agent);
  Result result = ctl_.Run({"agents", "list", "--no-headers"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, MatchesRegex("connected  spiffe://example.com/agent/1  0.1.0  shop  "
                                       "[-0-9TZ:]+  99.0%  25%  1.5 KiB of 1.0 MiB  3  0  -  -\n"));
  result = ctl_.Run({"agents", "list", "--output", "json"});
  const json answer = json::parse(result.out);
  EXPECT_EQ(answer["agents"][0]["spool"]["dropped_findings"]["2"], "3");
}

TEST_F(Commands, AgentsShowSaysWhenPagesWereLookedAt) {
  v1::Agent agent;
  agent.set_identity("spiffe://example.com/agent/1");
  agent.set_state(v1::Agent::STATE_CONNECTED);
  agent.set_version("0.1.0");
  *agent.mutable_last_seen() = store::ToTimestamp(absl::Now());
  v1::PageLook& good = *agent.add_pages();
  good.set_name("checkout");
  good.set_site("shop");
  good.mutable_last_look()->set_seconds(1'700'000'000);
  good.mutable_last_whole_look()->set_seconds(1'700'000'000);
  good.mutable_next_due()->set_seconds(1'700'086'400);
  good.set_outcome(v1::PageLook::OUTCOME_OK);
  good.set_without_browser(true);
  good.add_looks(40);
  good.add_looks(2);
  v1::PageLook& bad = *agent.add_pages();
  bad = good;
  bad.set_name("account");
  bad.clear_last_whole_look();
  bad.set_without_browser(false);
  bad.set_outcome(v1::PageLook::OUTCOME_STEP_FAILED);
  v1::PageLook& none = *agent.add_pages();
  none.set_name("cart");
  server_.AddAgent(agent);
  Result result = ctl_.Run({"agents", "show", agent.identity(), "--no-headers"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("spiffe://example.com/agent/1\n"));
  EXPECT_THAT(result.out, HasSubstr("checkout  shop  2023-11-14T22:13:20Z  ok, without a browser  "
                                    "2023-11-14T22:13:20Z  2023-11-15T22:13:20Z  42  40\n"));
  EXPECT_THAT(result.out, HasSubstr("account   shop  2023-11-14T22:13:20Z  step_failed            "
                                    "never                 2023-11-15T22:13:20Z  42  40\n"));
  EXPECT_THAT(result.out, HasSubstr("none so far"));
  result = ctl_.Run({"agents", "show", agent.identity(), "--output", "json"});
  EXPECT_EQ(json::parse(result.out)["pages"][1]["name"], "account");
  result = ctl_.Run({"agents", "show", "nobody"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("there is no agent 'nobody'"));
}

TEST_F(Commands, EscapeWhatCouldSteerATerminal) {
  server_.Add(CardFinding(1, {.path = "/\x1b]0;owned\x07\n1 open", .destination = "a\u202eb"}));
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"exposures", "list"},
                                                    {"exposures", "show", "1"},
                                                    {"findings", "list"},
                                                    {"exposures", "list", "--output", "json"}}) {
    const Result result = ctl_.Run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    for (const char bad : {'\x1b', '\x07'}) EXPECT_FALSE(absl::StrContains(result.out, bad));
    EXPECT_THAT(result.out, Not(HasSubstr("\u202e")));
    EXPECT_THAT(result.out, HasSubstr("owned"));
  }
  EXPECT_EQ(Lines(ctl_.Run({"exposures", "list"})).size(), 2u);
}

TEST_F(Commands, TablesFitTheTerminal) {
  server_.Add(CardFinding(1, {.path = "/" + std::string(300, 'p'), .destination = "cdn.example"}));
  const auto nothing = [](const std::string&, pid_t) { return std::string(); };
  Result result = ctl_.RunOnTerminal({"exposures", "list"}, 150, nothing);
  EXPECT_EQ(result.code, 0);
  std::vector<std::string> lines = absl::StrSplit(result.out, "\r\n", absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[1], HasSubstr("ppp…"));
  // The ellipsis is three bytes in one column.
  EXPECT_EQ(lines[1].size() - 2, 150u);
  // A pipe gets everything.
  EXPECT_THAT(ctl_.Run({"exposures", "list"}).out, HasSubstr(std::string(300, 'p')));
}

TEST_F(Commands, DecisionsAskOnATerminal) {
  const std::string id = absl::StrCat(server_.Add(CardFinding(1)));
  bool answered = false;
  const Result result = ctl_.RunOnTerminal(
      {"exposures", "close", id}, 120, [&](const std::string& screen, pid_t) -> std::string {
        if (answered || !absl::StrContains(screen, "Why is this exposure closed? ")) return "";
        answered = true;
        return "script removed\r";
      });
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("by approver: script removed"));
}

}  // namespace
}  // namespace skimwatch::ctl
