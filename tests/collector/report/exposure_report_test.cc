#include "collector/report/exposure_report.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/exposure/close.h"
#include "collector/exposure/note.h"
#include "collector/inventory/inventory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/operator_server.h"

namespace skimwatch::report {
namespace {

using testing::CardFinding;
using testing::DestinationFinding;
using testing::HashOf;
using testing::OperatorServer;
using testing::ScriptFinding;

constexpr absl::Time kSeen = absl::FromUnixSeconds(1'700'000'000);
constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'007'200);

class ExposureReport : public ::testing::Test {
 protected:
  v1::ExposureReport Make(uint64_t id, absl::Time now = kNow) {
    auto report = MakeExposureReport(server_.store(), id, "1.2.3", now);
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

  void Close(uint64_t id, absl::Time now) {
    v1::CloseExposureRequest close;
    close.set_id(id);
    close.set_reason("it is over");
    const auto closed = exposure::Close(server_.store(), close, "alice", now);
    ASSERT_TRUE(closed.ok()) << closed.status();
  }

  OperatorServer server_;
};

TEST_F(ExposureReport, HoldsTheExposureItsFindingsAndItsDecisions) {
  const uint64_t id = server_.Add(CardFinding(1, {.card = 1, .seen = kSeen}));
  server_.Add(CardFinding(2, {.card = 2, .seen = kSeen + absl::Minutes(5)}));
  Close(id, kNow);
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

TEST_F(ExposureReport, NamesAScriptThatWasAddedDaysBeforeAndIsServedStill) {
  server_.Add(ScriptFinding(1, v1::ScriptChange::CHANGE_ADDED, 1));
  const uint64_t id = server_.Add(CardFinding(2, {.seen = kSeen + absl::Hours(72)}));
  const v1::ExposureReport report = Make(id);
  EXPECT_EQ(report.related_size(), 1);
  ASSERT_EQ(report.scripts_size(), 1);
  EXPECT_EQ(report.scripts(0).name(), "js/chat.js");
}

TEST_F(ExposureReport, LeavesOutAScriptThatWasGoneADayBefore) {
  const uint64_t script = server_.Add(ScriptFinding(1, v1::ScriptChange::CHANGE_ADDED, 1));
  const auto cards_at = [&](uint64_t sequence, absl::Duration after) {
    return server_.Add(
        CardFinding(sequence, {.path = absl::StrCat("/", sequence), .seen = kSeen + after}));
  };
  // It was served until then.
  Close(script, kSeen + absl::Hours(10));
  EXPECT_EQ(Make(cards_at(2, absl::Hours(30))).scripts_size(), 1);
  EXPECT_EQ(Make(cards_at(3, absl::Hours(40))).scripts_size(), 0);
}

TEST_F(ExposureReport, CountsScriptsBeyondItsLimit) {
  for (uint64_t i = 1; i <= 103; ++i) {
    server_.Add(ScriptFinding(i, v1::ScriptChange::CHANGE_ADDED, i, absl::StrCat("js/", i, ".js")));
  }
  const uint64_t id = server_.Add(CardFinding(200, {.seen = kSeen + absl::Hours(1)}));
  const v1::ExposureReport report = Make(id);
  EXPECT_EQ(report.related_size(), 100);
  EXPECT_EQ(report.related_left_out(), 3u);
  EXPECT_EQ(report.scripts_size(), 20);
  EXPECT_EQ(report.scripts_left_out(), 83u);

  // Of the oldest of them, its own comes first.
  v1::ListExposuresRequest of_scripts;
  of_scripts.set_kind(v1::FINDING_KIND_SCRIPT_CHANGE);
  of_scripts.set_page_size(1000);
  const auto exposures = server_.store().ListExposures(of_scripts);
  ASSERT_TRUE(exposures.ok() && exposures->exposures_size() == 103);
  const v1::ExposureReport of_oldest = Make(exposures->exposures(102).id());
  ASSERT_EQ(of_oldest.scripts_size(), 20);
  EXPECT_EQ(of_oldest.scripts(0).name(), exposures->exposures(102).channel());
}

TEST_F(ExposureReport, HoldsWhatWasDecidedAboutItsScript) {
  const uint64_t id = server_.Add(ScriptFinding(1, v1::ScriptChange::CHANGE_ADDED, 1));
  server_.Add(ScriptFinding(2, v1::ScriptChange::CHANGE_ADDED, 2, "js/other.js"));
  inventory::Inventory inventory(
      &server_.store(), [] {}, [] { return kNow; });
  for (const auto& [name, version] : {std::pair("js/chat.js", 1), std::pair("js/other.js", 2)}) {
    v1::ApproveScriptRequest approve;
    approve.set_site("shop");
    approve.set_name(name);
    approve.set_sha256(HashOf(static_cast<uint64_t>(version)));
    approve.set_justification("the chat");
    ASSERT_TRUE(inventory.Approve(approve, "alice").ok());
  }
  const v1::ExposureReport report = Make(id);
  ASSERT_EQ(report.decisions_size(), 2);
  EXPECT_EQ(report.decisions(0).action(), "script.approve");
  EXPECT_THAT(report.decisions(0).subject(), ::testing::StartsWith("shop/js/chat.js@"));
  EXPECT_EQ(report.decisions(1).action(), "exposure.close");
  EXPECT_EQ(report.decisions(1).subject(), absl::StrCat(id));
  EXPECT_EQ(report.decisions(1).who(), "alice");
}

TEST_F(ExposureReport, HoldsWhatWasDecidedAboutItsDestination) {
  const uint64_t id =
      server_.Add(DestinationFinding(1, v1::DestinationChange::CHANGE_NEW, "cdn.example.com"));
  inventory::Inventory inventory(
      &server_.store(), [] {}, [] { return kNow; });
  v1::ApproveDestinationRequest approve;
  approve.set_site("shop");
  approve.set_justification("the new partner");
  for (const auto pattern : {"partner.example.net", "*.example.com"}) {
    approve.set_pattern(pattern);
    ASSERT_TRUE(inventory.ApproveDestination(approve, "alice").ok());
  }
  v1::RevokeDestinationRequest revoke;
  revoke.set_site("shop");
  revoke.set_pattern("*.example.com");
  revoke.set_reason("no partner any more");
  ASSERT_TRUE(inventory.RevokeDestination(revoke, "bob").ok());
  const v1::ExposureReport report = Make(id);
  std::vector<std::string> actions;
  for (const v1::Decision& decision : report.decisions()) actions.push_back(decision.action());
  EXPECT_THAT(actions, ::testing::ElementsAre("destination.approve", "exposure.close",
                                              "destination.revoke"));
}

TEST_F(ExposureReport, LeavesOutWhatEndedBeforeOrIsOfAnotherSite) {
  const uint64_t old =
      server_.Add(CardFinding(1, {.path = "/old", .seen = kSeen - absl::Hours(50)}));
  server_.Add(CardFinding(2, {.site = "other", .seen = kSeen}));
  const uint64_t id = server_.Add(CardFinding(3, {.seen = kSeen}));
  // Nobody said that it is over.
  EXPECT_EQ(Make(id).related_size(), 1);
  // With its last finding, whenever that was seen to be so.
  Close(old, kSeen + absl::Hours(1));
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
  // It is open: what left since its last finding is asked for, too.
  EXPECT_EQ(store::FromTimestamp(report.coverage_until()), kNow);

  Close(id, kNow);
  EXPECT_EQ(store::FromTimestamp(Make(id).coverage_until()), absl::FromUnixSeconds(1'700'002'800));
}

TEST_F(ExposureReport, IsRefusedForAnExposureThatIsNotThere) {
  EXPECT_EQ(MakeExposureReport(server_.store(), 99, "", kNow).status().code(),
            absl::StatusCode::kNotFound);
}

std::vector<std::string> Kinds(const v1::ExposureTimeline& timeline) {
  std::vector<std::string> kinds;
  for (const v1::TimelineEvent& event : timeline.events()) {
    kinds.push_back(v1::TimelineEvent::Kind_Name(event.kind()).substr(5));
  }
  return kinds;
}

// The beginning of an hour.
absl::Time HoursAgo(int hours) {
  const absl::Duration now = absl::Now() - absl::UnixEpoch();
  return absl::UnixEpoch() + absl::Floor(now, absl::Hours(1)) - absl::Hours(hours);
}

v1::Finding At(v1::Finding finding, absl::Time seen) {
  *finding.mutable_first_seen() = store::ToTimestamp(seen);
  *finding.mutable_last_seen() = store::ToTimestamp(seen);
  return finding;
}

TEST_F(ExposureReport, TellsHowItWentInTheOrderOfTime) {
  // Hours are kept for 400 days only.
  const absl::Time seen = HoursAgo(3);
  server_.Add(At(ScriptFinding(1, v1::ScriptChange::CHANGE_PROPOSED, 1), seen));
  server_.Add(At(ScriptFinding(2, v1::ScriptChange::CHANGE_CHANGED, 2), seen));
  const uint64_t id = server_.Add(CardFinding(3, {.card = 1, .seen = seen + absl::Minutes(20)}));
  server_.Add(CardFinding(4, {.card = 2, .count = 4, .seen = seen + absl::Minutes(70)}));
  v1::AddExposureNoteRequest note;
  note.set_id(id);
  note.set_text("the vendor was called");
  ASSERT_TRUE(exposure::AddNote(server_.store(), note, "bob", seen + absl::Minutes(80)).ok());
  Close(id, seen + absl::Minutes(90));
  const v1::ExposureTimeline timeline = Make(id, absl::Now()).timeline();
  EXPECT_THAT(Kinds(timeline),
              ::testing::ElementsAre("SCRIPT_VERSION", "SCRIPT_VERSION", "FIRST_SEEN", "SEVERITY",
                                     "LAST_SEEN", "NOTE", "CLOSED"));
  EXPECT_EQ(timeline.events(5).who(), "bob");
  EXPECT_EQ(timeline.events(5).text(), "the vendor was called");
  ASSERT_EQ(timeline.notes_size(), 1);
  EXPECT_EQ(timeline.notes(0).decision_id(), 1u);
  EXPECT_EQ(timeline.growth_bucket_seconds(), 3600u);
  ASSERT_EQ(timeline.growth_size(), 2);
  EXPECT_EQ(timeline.growth(0).new_cards(), 1u);
  EXPECT_EQ(timeline.growth(1).occurrences(), 4u);
  EXPECT_EQ(timeline.findings_without_bucket(), 0u);
}

TEST_F(ExposureReport, NamesTheExposuresBeforeAndAfterIt) {
  const uint64_t first = server_.Add(CardFinding(1, {.seen = kSeen}));
  Close(first, kSeen + absl::Minutes(10));
  const uint64_t second = server_.Add(CardFinding(2, {.seen = kSeen + absl::Hours(2)}));
  ASSERT_NE(first, second);
  const v1::ExposureTimeline before = Make(first).timeline();
  EXPECT_EQ(Kinds(before).back(), "OPENED_AGAIN");
  EXPECT_EQ(before.events().rbegin()->exposure_id(), second);
  const v1::ExposureTimeline after = Make(second).timeline();
  EXPECT_EQ(Kinds(after).front(), "OPENED_BEFORE");
  EXPECT_EQ(after.events(0).exposure_id(), first);
}

TEST_F(ExposureReport, FoldsAGrowthOfManyHoursIntoDays) {
  const absl::Time seen = HoursAgo(400);
  uint64_t id = 0;
  for (uint64_t hour = 0; hour < 340; ++hour) {
    id = server_.Add(CardFinding(hour + 1, {.card = hour % 7, .seen = seen + absl::Hours(hour)}));
  }
  const v1::ExposureTimeline timeline = Make(id, absl::Now()).timeline();
  EXPECT_EQ(timeline.growth_bucket_seconds(), 86400u);
  uint64_t findings = 0;
  for (const v1::ExposureGrowth& day : timeline.growth()) findings += day.findings();
  EXPECT_EQ(findings, 340u);
  EXPECT_LE(timeline.growth_size(), 16);
}

TEST_F(ExposureReport, NamesTheHoursThatAgentsDidNotSee) {
  // Of the hours from kSeen on, web-1 was heard in the first, and lost bytes in it.
  AddAgent("web-1", "shop", 100);
  v1::AgentCoverage more;
  more.set_agent("web-1");
  more.set_heard_seconds(3590);
  more.mutable_coverage()->set_shed_bytes(77);
  ASSERT_TRUE(server_.store()
                  .Write([&](store::Transaction& tx) { return tx.AddCoverage(more, kSeen); })
                  .ok());
  const uint64_t id = server_.Add(CardFinding(1, {.seen = kSeen}));
  const v1::ExposureTimeline timeline = Make(id).timeline();
  ASSERT_EQ(timeline.gaps_size(), 2);
  // The longest first: silent until the report was made.
  EXPECT_EQ(timeline.gaps(0).agent(), "web-1");
  EXPECT_GT(timeline.gaps(0).unheard_seconds(), 3600);
  EXPECT_EQ(store::FromTimestamp(timeline.gaps(0).until()), kNow);
  EXPECT_EQ(timeline.gaps(1).shed_bytes(), 77u);
  EXPECT_EQ(timeline.gaps(1).unheard_seconds(), 0);
}

}  // namespace
}  // namespace skimwatch::report
