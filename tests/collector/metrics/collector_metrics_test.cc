#include "collector/metrics/collector_metrics.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/exposure/exposure_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::metrics {
namespace {

using testing::CardFinding;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'100);

class CollectorMetricsTest : public ::testing::Test {
 protected:
  CollectorMetrics::Options Options() {
    return {.store = store_.get(),
            .stats = &stats_,
            .health = &health_,
            .certificates = {{"collector", [] { return kNow; }}},
            .version = "1.2.3",
            .revision = "abc"};
  }

  static std::string Text(const CollectorMetrics& metrics) {
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, metrics.Collect());
    return text.str();
  }

  void AddFinding(uint64_t sequence, const testing::CardFindingOptions& options) {
    const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
      exposure::ExposureFolder folder({}, &tx, kNow);
      const v1::Finding finding = CardFinding(sequence, options);
      auto id = folder.Add(finding, v1::FINDING_KIND_CARD_NUMBER, "web-1");
      if (!id.ok()) return id.status();
      absl::Status s = tx.InsertFinding(testing::Stored(finding, "web-1", 1, kNow, *id),
                                        v1::FINDING_KIND_CARD_NUMBER);
      return s.ok() ? folder.Flush() : s;
    });
    ASSERT_TRUE(status.ok()) << status;
  }

  void AddAgent(const std::string& identity, const std::string& site,
                const std::vector<v1::PageLook>& pages = {}) {
    ASSERT_TRUE(store_
                    ->Write([&](store::Transaction& tx) {
                      v1::Agent agent;
                      agent.set_identity(identity);
                      agent.set_version("0.1.0");
                      agent.add_sites(site);
                      agent.set_state(v1::Agent::STATE_CONNECTED);
                      *agent.mutable_last_seen() = store::ToTimestamp(kNow);
                      *agent.mutable_certificate_expiry() = store::ToTimestamp(kNow);
                      agent.mutable_coverage()->set_scanned_bytes(1234);
                      agent.mutable_spool()->set_bytes(77);
                      agent.set_sample_ratio(0.5);
                      for (const v1::PageLook& page : pages) *agent.add_pages() = page;
                      return tx.PutAgent(agent);
                    })
                    .ok());
  }

  testing::TempStore store_{store::Options{.now = [] { return kNow; }}};
  ingest::IngestStats stats_;
  ingest::StoreHealth health_;
};

TEST_F(CollectorMetricsTest, SeriesThatAlertsReadStandAtZeroFromTheStart) {
  const CollectorMetrics metrics(Options());
  const std::string text = Text(metrics);
  for (const char* line : {
           "skimwatch_agents{state=\"connected\"} 0\n",
           "skimwatch_agents{state=\"silent\"} 0\n",
           "skimwatch_agents{state=\"rejected\"} 0\n",
           "skimwatch_ingest_batches_total{result=\"committed\"} 0\n",
           "skimwatch_ingest_batches_total{result=\"error\"} 0\n",
           "skimwatch_store_errors_total{operation=\"write\"} 0\n",
           "skimwatch_findings_lost_total 0\n",
           "skimwatch_store_writable 1\n",
           "skimwatch_ingest_commit_seconds_count 0\n",
           "skimwatch_detection_delay_seconds_count{kind=\"card_number\"} 0\n",
           "skimwatch_metric_series_dropped_total{label=\"site\"} 0\n",
           "skimwatch_metric_series_dropped_total{label=\"page\"} 0\n",
           "skimwatch_page_looks_total{outcome=\"ok\"} 0\n",
           "skimwatch_build_info{version=\"1.2.3\",revision=\"abc\"} 1\n",
           "skimwatch_certificate_expiry_timestamp_seconds{certificate=\"collector\"} 1700000100\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  AddAgent("web-1", "shop");
  EXPECT_THAT(
      Text(metrics),
      HasSubstr(
          "skimwatch_exposures_open{site=\"shop\",kind=\"track_data\",severity=\"critical\"} 0\n"));
  EXPECT_THAT(Text(metrics), HasSubstr("skimwatch_scripts{site=\"shop\",state=\"changed\"} 0\n"));
}

TEST_F(CollectorMetricsTest, CountsWhatTheStoreHoldsAlsoAfterARestart) {
  AddFinding(1, {.card = 1});
  AddFinding(2, {.card = 2});
  AddFinding(3, {.card = 2, .expected = true});
  store_.Reopen();
  const std::string text = Text(CollectorMetrics(Options()));
  EXPECT_THAT(text, HasSubstr("skimwatch_findings_total{site=\"shop\",kind=\"card_number\","
                              "severity=\"high\",confidence=\"high\"} 3\n"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "skimwatch_exposures_open{site=\"shop\",kind=\"card_number\",severity=\"high\"} 1\n"));
  EXPECT_THAT(
      text, HasSubstr("skimwatch_exposure_distinct_cards{site=\"shop\",kind=\"card_number\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("skimwatch_exposure_first_seen_timestamp_seconds{site=\"shop\","
                              "kind=\"card_number\"} 1700000000\n"));
}

TEST_F(CollectorMetricsTest, ShowsAgents) {
  AddAgent("web-1", "shop");
  const std::string text = Text(CollectorMetrics(Options()));
  EXPECT_THAT(text, HasSubstr("skimwatch_agents{state=\"connected\"} 1\n"));
  EXPECT_THAT(
      text, HasSubstr("skimwatch_agent_last_seen_timestamp_seconds{agent=\"web-1\"} 1700000100\n"));
  EXPECT_THAT(text, HasSubstr("skimwatch_agent_coverage_bytes_total{agent=\"web-1\","
                              "outcome=\"scanned\"} 1234\n"));
  EXPECT_THAT(text, HasSubstr("skimwatch_agent_sample_ratio{agent=\"web-1\"} 0.5\n"));
  EXPECT_THAT(text, HasSubstr("skimwatch_agent_spool_bytes{agent=\"web-1\"} 77\n"));
  EXPECT_THAT(text, HasSubstr("skimwatch_agent_spool_dropped_total{agent=\"web-1\","
                              "severity=\"critical\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("{certificate=\"agent:web-1\"} 1700000100\n"));
}

v1::PageLook PageLook(const std::string& name, int64_t whole, uint64_t ok, uint64_t crashed) {
  v1::PageLook look;
  look.set_name(name);
  look.set_site("shop");
  if (whole > 0) look.mutable_last_whole_look()->set_seconds(whole);
  look.set_interval_seconds(3600);
  look.mutable_looks()->Resize(v1::PageLook::Outcome_MAX, 0);
  look.set_looks(v1::PageLook::OUTCOME_OK - 1, ok);
  look.set_looks(v1::PageLook::OUTCOME_CRASHED - 1, crashed);
  return look;
}

TEST_F(CollectorMetricsTest, ShowsWhenPagesWereSeenWhole) {
  AddAgent("web-1", "shop", {PageLook("checkout", 1'700'000'000, 3, 1), PageLook("cart", 0, 0, 2)});
  v1::PageLook later = PageLook("checkout", 1'700'000'500, 5, 0);
  later.set_looks_without_browser(4);
  // Of a newer agent.
  later.add_looks(7);
  AddAgent("web-2", "shop", {later});
  const std::string text = Text(CollectorMetrics(Options()));
  const std::string family = "skimwatch_page_last_look_timestamp_seconds{site=\"shop\",page=";
  EXPECT_THAT(text, HasSubstr(family + "\"checkout\"} 1700000500\n"));
  EXPECT_THAT(text, HasSubstr(family + "\"cart\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("skimwatch_page_look_interval_seconds{site=\"shop\","
                              "page=\"checkout\"} 3600\n"));
  for (const char* const sample :
       {"ok\"} 4", "static\"} 4", "crashed\"} 3", "timeout\"} 0", "other\"} 7"}) {
    EXPECT_THAT(text,
                HasSubstr(absl::StrCat("skimwatch_page_looks_total{outcome=\"", sample, "\n")));
  }
}

TEST_F(CollectorMetricsTest, OfPagesBeyondTheLimitTheOneThatWasLookedAtLongestAgoShows) {
  CollectorMetrics::Options options = Options();
  options.pages_max = 1;
  AddAgent("web-1", "shop",
           {PageLook("a", 300, 1, 0), PageLook("b", 100, 1, 0), PageLook("c", 200, 1, 0)});
  const std::string text = Text(CollectorMetrics(options));
  EXPECT_THAT(text, HasSubstr("skimwatch_page_last_look_timestamp_seconds{site=\"shop\","
                              "page=\"other\"} 100\n"));
  EXPECT_THAT(text, HasSubstr("skimwatch_metric_series_dropped_total{label=\"page\"} 2\n"));
}

TEST_F(CollectorMetricsTest, LabelsBeyondTheirLimitAreOtherAndCounted) {
  CollectorMetrics::Options options = Options();
  options.sites_max = 2;
  options.agents_max = 1;
  const CollectorMetrics metrics(options);
  for (int i = 0; i < 5; ++i) {
    const std::string n = std::to_string(i);
    AddAgent("web-" + n, "site-" + n);
    AddFinding(static_cast<uint64_t>(i) + 1, {.site = "site-" + n});
  }
  const std::string text = Text(metrics);
  EXPECT_THAT(text, HasSubstr("skimwatch_findings_total{site=\"site-1\","));
  EXPECT_THAT(text, Not(HasSubstr("site-2")));
  EXPECT_THAT(text, HasSubstr("skimwatch_findings_total{site=\"other\",kind=\"card_number\","
                              "severity=\"high\",confidence=\"high\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("skimwatch_agent_spool_bytes{agent=\"other\"} 308\n"));
  EXPECT_THAT(text, Not(HasSubstr("skimwatch_metric_series_dropped_total{label=\"site\"} 0\n")));
  EXPECT_THAT(text, HasSubstr("skimwatch_metric_series_dropped_total{label=\"agent\"} 4\n"));
}

TEST_F(CollectorMetricsTest, HistogramsAreCumulative) {
  stats_.commit_seconds.Observe(0.0007);
  stats_.commit_seconds.Observe(0.02);
  stats_.commit_seconds.Observe(100);
  const std::string text = Text(CollectorMetrics(Options()));
  EXPECT_THAT(text, HasSubstr("skimwatch_ingest_commit_seconds_bucket{le=\"0.001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("skimwatch_ingest_commit_seconds_bucket{le=\"0.025\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("skimwatch_ingest_commit_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("skimwatch_ingest_commit_seconds_count 3\n"));
}

TEST_F(CollectorMetricsTest, PromtoolFindsNothingToCriticise) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) GTEST_SKIP() << "no promtool";
  AddAgent("web-1", "shop");
  AddFinding(1, {});
  const std::string path = store_.folder().File("metrics.txt");
  std::ofstream(path) << Text(CollectorMetrics(Options()));
  EXPECT_EQ(std::system(("promtool check metrics < " + path).c_str()), 0);
}

}  // namespace
}  // namespace skimwatch::metrics
