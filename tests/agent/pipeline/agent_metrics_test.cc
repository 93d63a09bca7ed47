#include "agent/pipeline/agent_metrics.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::pipeline {
namespace {

using ::testing::Contains;
using ::testing::Not;

// Values by `name{label=value,...}`.
std::map<std::string, double> ValuesOf(const AgentSnapshot& snapshot) {
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& family : AgentFamilies(snapshot)) {
    for (const prometheus::ClientMetric& metric : family.metric) {
      std::string series = family.name;
      for (const auto& label : metric.label) series += "," + label.name + "=" + label.value;
      const bool is_counter = family.type == prometheus::MetricType::Counter;
      values[series] = is_counter ? metric.counter.value : metric.gauge.value;
    }
  }
  return values;
}

AgentSnapshot WholeSnapshot() {
  AgentSnapshot snapshot;
  snapshot.captures.push_back({.interface = "eth0"});
  snapshot.logs.push_back({.paths = "/var/log/*.log"});
  snapshot.scans.push_back({.source = "packet_capture"});
  snapshot.web_roots.emplace();
  snapshot.browser_reports.push_back({.listen = "unix:/r"});
  snapshot.pages.emplace();
  snapshot.pages->checks.push_back({.name = "checkout", .site = "shop"});
  snapshot.process.emplace();
  snapshot.certificate_expiry = absl::FromUnixSeconds(1'800'000'000);
  return snapshot;
}

TEST(AgentMetrics, SaysOfEveryFamilyWhatItIsOnce) {
  std::set<std::string> names;
  for (const prometheus::MetricFamily& family : AgentFamilies(WholeSnapshot())) {
    EXPECT_FALSE(family.help.empty()) << family.name;
    EXPECT_TRUE(names.insert(family.name).second) << family.name << " is there twice";
    const bool is_total = family.name.ends_with("_total");
    EXPECT_EQ(family.type == prometheus::MetricType::Counter, is_total) << family.name;
  }
}

TEST(AgentMetrics, CountsEveryByteThatSourcesSaw) {
  AgentSnapshot snapshot = WholeSnapshot();
  uint64_t seen = 0;
  for (size_t i = 0; i < snapshot.coverage.size(); ++i) seen += snapshot.coverage[i] = 100 + i;
  double sum = 0;
  for (const auto& [series, value] : ValuesOf(snapshot)) {
    if (series.starts_with("skimwatch_source_bytes_total,")) sum += value;
  }
  EXPECT_EQ(sum, static_cast<double>(seen));
}

TEST(AgentMetrics, HaveTheSeriesThatAlertsReadFromTheStart) {
  const std::map<std::string, double> values = ValuesOf(WholeSnapshot());
  for (const char* series :
       {"skimwatch_uplink_connected", "skimwatch_capture_up,interface=eth0",
        "skimwatch_capture_kernel_drops_total,interface=eth0",
        "skimwatch_card_sightings_total,confidence=high,outcome=reported",
        "skimwatch_source_bytes_total,outcome=shed,reason=shed.flow_table_full",
        "skimwatch_web_root_unapproved_scripts", "process_resident_memory_bytes"}) {
    EXPECT_EQ(values.count(series), 1u) << series;
  }
}

TEST(AgentMetrics, ShowACaptureThatCouldNotBeOpened) {
  AgentSnapshot snapshot = WholeSnapshot();
  EXPECT_EQ(ValuesOf(snapshot)["skimwatch_capture_up,interface=eth0"], 1);
  snapshot.captures[0].up = false;
  EXPECT_EQ(ValuesOf(snapshot)["skimwatch_capture_up,interface=eth0"], 0);
  snapshot.captures[0].up = true;
  snapshot.captures[0].capture.interface_up = false;
  EXPECT_EQ(ValuesOf(snapshot)["skimwatch_capture_up,interface=eth0"], 0);
}

TEST(AgentMetrics, SayOfAnInterfaceThatTwoEntriesCaptureWhetherBothDo) {
  AgentSnapshot snapshot;
  snapshot.captures.push_back({.interface = "eth0", .up = true});
  snapshot.captures.push_back({.interface = "eth0", .up = true});
  EXPECT_EQ(ValuesOf(snapshot)["skimwatch_capture_up,interface=eth0"], 1);
  snapshot.captures[0].up = false;
  EXPECT_EQ(ValuesOf(snapshot)["skimwatch_capture_up,interface=eth0"], 0);
}

TEST(AgentMetrics, SayOfAJournalThatTwoEntriesFollowWhatItIs) {
  AgentSnapshot snapshot;
  for (const uint64_t entries : {3, 4}) {
    AgentSnapshot::Journal& journal = snapshot.journals.emplace_back();
    journal.directory = "local";
    journal.source.up = true;
    journal.source.entries = entries;
    journal.source.files = 5;
    journal.source.files_not_permitted = 2;
  }
  std::map<std::string, double> values = ValuesOf(snapshot);
  EXPECT_EQ(values["skimwatch_journal_up,directory=local"], 1);
  EXPECT_EQ(values["skimwatch_journal_files,directory=local"], 5);
  EXPECT_EQ(values["skimwatch_journal_files_not_permitted,directory=local"], 2);
  EXPECT_EQ(values["skimwatch_journal_entries_total,directory=local"], 7);
  // One that does not follow is not hidden by the other.
  snapshot.journals[1].source.up = false;
  EXPECT_EQ(ValuesOf(snapshot)["skimwatch_journal_up,directory=local"], 0);
}

TEST(AgentMetrics, CountBrowserReportsByWhatBecameOfThem) {
  AgentSnapshot snapshot = WholeSnapshot();
  script::ReportEndpoint::Stats& stats = snapshot.browser_reports[0].endpoint;
  stats.requests[static_cast<size_t>(script::RequestOutcome::kClientLimit)] = 7;
  stats.reports[static_cast<size_t>(script::ReportOutcome::kNoiseExtension)] = 9;
  stats.last_report = absl::FromUnixSeconds(1'800'000'000);
  std::map<std::string, double> values = ValuesOf(snapshot);
  EXPECT_EQ(values["skimwatch_browser_report_requests_total,listen=unix:/r,outcome=client_limit"],
            7);
  EXPECT_EQ(values["skimwatch_browser_report_requests_total,listen=unix:/r,outcome=accepted"], 0);
  EXPECT_EQ(values["skimwatch_browser_reports_total,listen=unix:/r,outcome=noise_extension"], 9);
  EXPECT_EQ(values["skimwatch_browser_report_last_timestamp_seconds,listen=unix:/r"],
            1'800'000'000);
}

TEST(AgentMetrics, SayWhyTheJudgeLeftScriptsOut) {
  AgentSnapshot snapshot = WholeSnapshot();
  snapshot.web_roots->too_large_to_parse = 1;
  snapshot.web_roots->too_slow_to_parse = 2;
  snapshot.web_roots->rules_too_slow = 3;
  snapshot.web_roots->rule_errors = 4;
  std::map<std::string, double> values = ValuesOf(snapshot);
  EXPECT_EQ(values["skimwatch_web_root_not_judged_total,reason=too_large"], 1);
  EXPECT_EQ(values["skimwatch_web_root_not_judged_total,reason=too_slow"], 2);
  EXPECT_EQ(values["skimwatch_web_root_not_judged_total,reason=rules_too_slow"], 3);
  EXPECT_EQ(values["skimwatch_web_root_rule_errors"], 4);
}

TEST(AgentMetrics, SayHowLooksAtPagesEndedAndWhatTheyLeftOut) {
  AgentSnapshot snapshot = WholeSnapshot();
  std::map<std::string, double> values = ValuesOf(snapshot);
  // A page that was never seen whole alerts like one that was seen long ago.
  EXPECT_EQ(values.at("skimwatch_page_last_success_timestamp_seconds,page=checkout"), 0);
  script::PageMonitor::CheckStats& stats = snapshot.pages->checks[0];
  stats.runs[static_cast<size_t>(script::PageOutcome::kCrashed)] = 3;
  stats.last_success = absl::FromUnixSeconds(1'800'000'000);
  stats.omissions.scripts = 4;
  stats.duration = absl::Seconds(5);
  values = ValuesOf(snapshot);
  EXPECT_EQ(values.at("skimwatch_page_checks_total,page=checkout,outcome=crashed"), 3);
  EXPECT_EQ(values.at("skimwatch_page_checks_total,page=checkout,outcome=ok"), 0);
  EXPECT_EQ(values.at("skimwatch_page_last_success_timestamp_seconds,page=checkout"),
            1'800'000'000);
  EXPECT_EQ(values.at("skimwatch_page_left_out_total,page=checkout,reason=scripts_max"), 4);
  EXPECT_EQ(values.at("skimwatch_page_check_seconds_total,page=checkout"), 5);
}

TEST(AgentMetrics, LeaveOutSourcesThatAreNotThere) {
  std::set<std::string> names;
  for (const prometheus::MetricFamily& family : AgentFamilies({})) names.insert(family.name);
  EXPECT_THAT(names, Not(Contains("skimwatch_capture_packets_total")));
  EXPECT_THAT(names, Not(Contains("skimwatch_log_lines_total")));
  EXPECT_THAT(names, Not(Contains("skimwatch_web_root_scripts")));
  EXPECT_THAT(names, Not(Contains("skimwatch_browser_reports_total")));
  EXPECT_THAT(names, Not(Contains("skimwatch_page_checks_total")));
  EXPECT_THAT(names, Contains("skimwatch_build_info"));
}

TEST(ProcessUsage, TellsWhatThisProcessUses) {
  const absl::StatusOr<ProcessUsage> usage = ReadProcessUsage();
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_GT(usage->resident_bytes, 1u << 20);
  EXPECT_GE(usage->cpu_seconds, 0);
  EXPECT_GE(usage->open_files, 3u);
  EXPECT_GT(usage->started_at, 1'600'000'000);
}

}  // namespace
}  // namespace skimwatch::pipeline
