#include "collector/report/exposure_report.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "collector/exposure/close.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/operator_server.h"

namespace skimwatch::report {
namespace {

using testing::CardFinding;
using testing::HashOf;
using testing::OperatorServer;
using testing::ScriptFinding;

constexpr absl::Time kSeen = absl::FromUnixSeconds(1'700'000'000);
constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'007'200);

class ExposureReport : public ::testing::Test {
 protected:
  v1::ExposureReport Make(uint64_t id) {
    auto report = MakeExposureReport(server_.store(), id, "1.2.3", kNow);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(v1::ExposureReport());
  }
  void AddAgent(const std::string& name, const std::string& site, uint64_t scanned) {
    v1::Agent agent;
    agent.set_identity(name);
    agent.add_sites(site);
    *agent.mutable_first_seen() = store::ToTimestamp(kSeen - absl::Hours(100));
    server_.AddAgent(agent);
    v1::AgentCoverage more;
    more.set_agent(name);
    more.mutable_coverage()->set_scanned_bytes(scanned);
    ASSERT_TRUE(server_.store()
                    .Write([&](store::Transaction& tx) { return tx.AddCoverage(more, kSeen); })
                    .ok());
  }

  OperatorServer server_;
};

TEST_F(ExposureReport, HoldsTheExposureItsFindingsAndItsDecisions) {
  const uint64_t id = server_.Add(CardFinding(1, {.card = 1, .seen = kSeen}));
  server_.Add(CardFinding(2, {.card = 2, .seen = kSeen + absl::Minutes(5)}));
  v1::CloseExposureRequest close;
  close.set_id(id);
  close.set_reason("the script was taken out");
  ASSERT_TRUE(exposure::Close(server_.store(), close, "alice", kNow).ok());
  const v1::ExposureReport report = Make(id);
  EXPECT_EQ(report.version(), "1.2.3");
  EXPECT_EQ(report.exposure().distinct_cards(), 2u);
  EXPECT_EQ(report.findings_size(), 2);
  ASSERT_EQ(report.decisions_size(), 1);
  EXPECT_EQ(report.decisions(0).who(), "alice");
  EXPECT_EQ(report.decisions(0).seal().size(), 32u);
}

TEST_F(ExposureReport, NamesTheScriptsThatWereServedWithoutApproval) {
  server_.Add(ScriptFinding(1, v1::ScriptChange::CHANGE_PROPOSED, 1));
  server_.Add(ScriptFinding(2, v1::ScriptChange::CHANGE_CHANGED, 2));
  const uint64_t id = server_.Add(CardFinding(3, {.seen = kSeen + absl::Hours(1)}));
  const v1::ExposureReport report = Make(id);
  ASSERT_EQ(report.related_size(), 1);
  EXPECT_EQ(report.related(0).kind(), v1::FINDING_KIND_SCRIPT_CHANGE);
  ASSERT_EQ(report.scripts_size(), 1);
  EXPECT_EQ(report.scripts(0).name(), "js/chat.js");
  EXPECT_EQ(report.scripts(0).history_size(), 2);

  const v1::ExposureReport of_script = Make(report.related(0).id());
  EXPECT_EQ(of_script.scripts_size(), 1);
}

TEST_F(ExposureReport, LeavesOutWhatWasLongBeforeOrOfAnotherSite) {
  server_.Add(CardFinding(1, {.path = "/old", .seen = kSeen - absl::Hours(50)}));
  server_.Add(CardFinding(2, {.site = "other", .seen = kSeen}));
  const uint64_t id = server_.Add(CardFinding(3, {.seen = kSeen}));
  EXPECT_EQ(Make(id).related_size(), 0);
}

TEST_F(ExposureReport, SaysWhatTheAgentsOfTheSiteLookedAt) {
  AddAgent("web-1", "shop", 1000);
  AddAgent("web-9", "other", 5);
  const uint64_t id = server_.Add(CardFinding(1, {.seen = kSeen}));
  const v1::ExposureReport report = Make(id);
  ASSERT_EQ(report.coverage_size(), 1);
  EXPECT_EQ(report.coverage(0).agent(), "web-1");
  EXPECT_EQ(report.coverage(0).coverage().scanned_bytes(), 1000u);
  EXPECT_EQ(store::FromTimestamp(report.coverage_since()), absl::FromUnixSeconds(1'699'999'200));
  EXPECT_EQ(store::FromTimestamp(report.coverage_until()), absl::FromUnixSeconds(1'700'002'800));
}

TEST_F(ExposureReport, IsRefusedForAnExposureThatIsNotThere) {
  EXPECT_EQ(MakeExposureReport(server_.store(), 99, "", kNow).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace skimwatch::report
