#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/script/script_monitor.h"
#include "agent/script/script_name.h"
#include "agent/script/script_state.pb.h"
#include "agent/storage/checked_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/validation/finding.h"
#include "spdlog/spdlog.h"
#include "tests/agent/script/support/monitor_fixture.h"

namespace skimwatch::script {
namespace {

using ::skimwatch::testing::MonitorFixture;
using ::skimwatch::v1::ScriptChange;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

const char* const kName = "pay.html#src=https://cdn.example/x.js";
const char* const kTag = "<script src='https://cdn.example/x.js?v=1' integrity=sha384-a></script>";

// References of pages, from the page on the disk to what is said of them.
class ReferenceMonitorTest : public MonitorFixture {
 protected:
  ReferenceMonitorTest() { spdlog::set_level(spdlog::level::off); }

  static std::vector<std::string> Names(
      const google::protobuf::RepeatedPtrField<v1::ScriptFact>& facts) {
    std::vector<std::string> names;
    for (const v1::ScriptFact& fact : facts) names.push_back(fact.name());
    return names;
  }
};

TEST_F(ReferenceMonitorTest, FirstLookProposesReferencesOfOtherOrigins) {
  root_.Write("pay.html", absl::StrCat(kTag,
                                       "<script src=/js/a.js></script><script src=b.mjs?1>"
                                       "</script><iframe src=//pay.example/f></iframe>"));
  Start();
  EXPECT_THAT(sink_.Said(), ElementsAre(absl::StrCat("PROPOSED ", kName),
                                        "PROPOSED pay.html#frame=//pay.example/f"));
  EXPECT_EQ(sink_.Last(kName).change.page(), "pay.html");
  EXPECT_EQ(sink_.Last(kName).severity, v1::SEVERITY_INFO);
  Await([](const Stats& stats) { return stats.scripts == 2 && stats.unapproved_scripts == 2; });
}

TEST_F(ReferenceMonitorTest, OneAddedTagIsOneAdditionAndHighForAnUnknownHost) {
  root_.Write("pay.html", absl::StrCat("<script>a()</script>", kTag));
  Start();
  ApproveAll();
  root_.Replace("pay.html", absl::StrCat("<script>a()</script>", kTag,
                                         "<script src='https://evil.example/s.js'></script>"));
  ASSERT_TRUE(sink_.WaitForSize(3));
  AwaitQuiet();
  EXPECT_THAT(sink_.Said(2), ElementsAre("ADDED pay.html#src=https://evil.example/s.js"));
  const auto added = sink_.Last("pay.html#src=https://evil.example/s.js");
  EXPECT_EQ(added.severity, v1::SEVERITY_HIGH);
  EXPECT_THAT(Names(added.change.facts()),
              UnorderedElementsAre("external_host", "no_integrity", "unknown_host"));
  EXPECT_EQ(added.change.facts(0).excerpt(), "evil.example");
  // The same host elsewhere is no better known for it, until somebody approves it.
  root_.Write("b.html", "<script src='https://evil.example/t.js'></script>");
  ASSERT_TRUE(sink_.WaitForSize(4));
  EXPECT_EQ(sink_.Last("b.html#src=https://evil.example/t.js").severity, v1::SEVERITY_HIGH);
  ApproveAll();
  root_.Write("c.html", "<script src='https://evil.example/u.js'></script>");
  ASSERT_TRUE(sink_.WaitForSize(5));
  EXPECT_EQ(sink_.Last("c.html#src=https://evil.example/u.js").severity, v1::SEVERITY_MEDIUM);
}

TEST_F(ReferenceMonitorTest, HostThatAScriptOfTheFirstLookNamesIsKnown) {
  root_.Write("a.js", "load('https://CDN.example:8443/lib.js')");
  root_.Write("pay.html", "");
  Start();
  root_.Replace("pay.html", kTag);
  ASSERT_TRUE(sink_.WaitForSize(2));
  EXPECT_EQ(sink_.Last(kName).change.change(), ScriptChange::CHANGE_ADDED);
  EXPECT_EQ(sink_.Last(kName).severity, v1::SEVERITY_MEDIUM);
  // It is forgotten with the script.
  root_.Remove("a.js");
  root_.Replace("pay.html", "");
  ASSERT_TRUE(sink_.WaitForSize(4));
  root_.Replace("pay.html", kTag);
  ASSERT_TRUE(sink_.WaitForSize(5));
  EXPECT_EQ(sink_.Last(kName).severity, v1::SEVERITY_HIGH);
}

TEST_F(ReferenceMonitorTest, LostIntegrityAndAnotherQueryAreChanges) {
  root_.Write("pay.html", kTag);
  Start();
  ApproveAll();
  root_.Replace("pay.html", "<script src='https://cdn.example/x.js?v=1'></script>");
  ASSERT_TRUE(sink_.WaitForSize(2));
  auto changed = sink_.Last(kName);
  EXPECT_EQ(changed.change.change(), ScriptChange::CHANGE_CHANGED);
  EXPECT_EQ(changed.severity, v1::SEVERITY_HIGH);
  EXPECT_THAT(Names(changed.change.gained_facts()), ElementsAre("no_integrity"));
  EXPECT_THAT(changed.change.diff(), HasSubstr("-  integrity=\"sha384-a\"\n"));
  Await([](const Stats& stats) { return stats.unapproved_scripts == 1; });
  root_.Replace("pay.html",
                "<script src='https://cdn.example/x.js?v=2' integrity=sha384-a></script>");
  ASSERT_TRUE(sink_.WaitForSize(3));
  EXPECT_THAT(sink_.Last(kName).change.diff(), HasSubstr("+  src=\"https://cdn.example/x.js?v=2"));
  root_.Replace("pay.html", absl::StrCat("<p>moved</p>", kTag));
  ASSERT_TRUE(sink_.WaitForSize(4));
  root_.Replace("pay.html", "<p>moved</p>");
  ASSERT_TRUE(sink_.WaitForSize(5));
  EXPECT_THAT(sink_.Said(3),
              ElementsAre(absl::StrCat("RESTORED ", kName), absl::StrCat("REMOVED ", kName)));
  // Back with the approved bytes, over a restart.
  monitor_.reset();
  root_.Replace("pay.html", kTag);
  Start();
  ApproveAll();
  EXPECT_THAT(sink_.Said(5), ElementsAre(absl::StrCat("ADDED ", kName)))
      << "nothing is approved before the policy comes";
}

TEST_F(ReferenceMonitorTest, RevokedReferenceIsUnapprovedAndItsReturnAChange) {
  root_.Write("pay.html", kTag);
  Start();
  ApproveAll();
  Approve({});
  Await([](const Stats& stats) { return stats.unapproved_scripts == 1; });
  EXPECT_EQ(sink_.size(), 1u);
  root_.Replace("pay.html", "<script src='https://cdn.example/x.js?v=2'></script>");
  ASSERT_TRUE(sink_.WaitForSize(2));
  root_.Replace("pay.html", kTag);
  ASSERT_TRUE(sink_.WaitForSize(3));
  EXPECT_THAT(sink_.Said(1),
              ElementsAre(absl::StrCat("CHANGED ", kName), absl::StrCat("CHANGED ", kName)));
}

TEST_F(ReferenceMonitorTest, PathThatTheRootDoesNotWatchIsAnEntry) {
  root().add_exclude("vendor");
  root_.Write("shop/pay.html",
              "<script src='../media/logo.jpg'></script><script src='js/a.js'></script>"
              "<script src='/vendor/v.js'></script><script src='../../js/b.js'></script>");
  Start();
  EXPECT_THAT(sink_.Said(), UnorderedElementsAre("PROPOSED shop/pay.html#src=../media/logo.jpg",
                                                 "PROPOSED shop/pay.html#src=/vendor/v.js"));
}

TEST_F(ReferenceMonitorTest, PagesTakeTheirReferencesAlong) {
  root_.Write("pay.html", kTag);
  Start();
  root_.Move("pay.html", "p.html");
  ASSERT_TRUE(sink_.WaitForSize(3));
  EXPECT_THAT(sink_.Said(1), UnorderedElementsAre(absl::StrCat("REMOVED ", kName),
                                                  "ADDED p.html#src=https://cdn.example/x.js"));
}

TEST_F(ReferenceMonitorTest, RestartSaysNothingAndAnOlderStateProposesWhatItDidNotKnow) {
  root_.Write("pay.html", absl::StrCat("<script>a()</script>", kTag));
  Start();
  monitor_.reset();
  Start();
  EXPECT_EQ(sink_.size(), 2u);
  monitor_.reset();
  // As a program left it that took inline scripts only.
  for (const auto& entry : std::filesystem::directory_iterator(state_.path())) {
    if (entry.path().extension() != ".root") continue;
    RootState state;
    ASSERT_TRUE(state.ParseFromString(*storage::ReadChecked(entry.path(), 1 << 20)));
    for (FileState& file : *state.mutable_files()) {
      file.clear_reading();
      file.mutable_scripts()->RemoveLast();
    }
    ASSERT_TRUE(storage::WriteChecked(entry.path(), state.SerializeAsString(), true).ok());
  }
  Start();
  EXPECT_THAT(sink_.Said(2), ElementsAre(absl::StrCat("PROPOSED ", kName)));
}

TEST_F(ReferenceMonitorTest, NoCardNumberStandsInANameOrADifference) {
  root_.Write("pay.html", "");
  Start();
  root_.Replace("pay.html",
                "<script src='https://e.example/4111111111111111/x.js?n=4111111111111111'>"
                "</script><script src='//e.example/5555555555554444/x.js'></script>");
  ASSERT_TRUE(sink_.WaitForSize(2));
  root_.Replace("pay.html", "<script src='https://e.example/4111111111111111/x.js?m'></script>");
  ASSERT_TRUE(sink_.WaitForSize(4));
  for (const auto& change : sink_.changes()) {
    v1::Finding finding;
    finding.set_site(change.site);
    finding.set_severity(change.severity);
    finding.set_rule("script.added");
    finding.mutable_first_seen()->set_seconds(1);
    finding.mutable_last_seen()->set_seconds(1);
    finding.set_count(1);
    finding.set_sampling_probability(1);
    *finding.mutable_script_change() = change.change;
    // It refuses card numbers in every text.
    EXPECT_TRUE(validation::ValidateFinding(finding).ok()) << validation::ValidateFinding(finding);
    EXPECT_THAT(change.change.script(), HasSubstr("~"));
    EXPECT_EQ(change.change.script().find("41111111"), std::string::npos);
  }
}

TEST(ReferenceName, IsStableBoundedAndPrintable) {
  ScriptReference reference;
  reference.address = "https://a.example/x y#\n\xff.js";
  EXPECT_EQ(ReferenceKey(reference), "src=https://a.example/x%20y%23%0A%FF.js");
  reference.address = absl::StrCat("https://a.example/", std::string(9000, 'x'));
  const std::string page(4096, 'p');
  const std::string name = NameOfReference(page, ReferenceKey(reference));
  EXPECT_LE(name.size(), 4160u);
  EXPECT_THAT(name, HasSubstr("#src="));
  reference.address.back() = 'y';
  EXPECT_NE(NameOfReference(page, ReferenceKey(reference)), name);
  EXPECT_NE(NameOfReference("p", ReferenceKey(reference)).find('~'), std::string::npos);
  reference.is_opaque = true;
  reference.address = "data:text/javascript,alert(1)";
  EXPECT_THAT(ReferenceKey(reference), ::testing::StartsWith("src=data:text/javascript~"));
}

}  // namespace
}  // namespace skimwatch::script
