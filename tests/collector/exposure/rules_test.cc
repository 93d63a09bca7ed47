#include "collector/exposure/rules.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"

namespace skimwatch::exposure {
namespace {

using testing::CardFinding;
using testing::DestinationFinding;
using ::testing::ElementsAre;

TEST(Rules, DecideWhatOpens) {
  struct Case {
    const char* what;
    testing::CardFindingOptions finding;
    Rules rules;
    Fold expected;
  };
  const Case cases[] = {
      {"a sure card", {.confidence = v1::CONFIDENCE_HIGH}, {}, Fold::kOpen},
      {"a likely card", {.confidence = v1::CONFIDENCE_MEDIUM}, {}, Fold::kOpen},
      {"a doubtful card", {.confidence = v1::CONFIDENCE_LOW}, {}, Fold::kNone},
      {"a doubtful card when low opens",
       {.confidence = v1::CONFIDENCE_LOW},
       {.open_confidence = v1::CONFIDENCE_LOW},
       Fold::kOpen},
      {"a likely card when only high opens",
       {.confidence = v1::CONFIDENCE_MEDIUM},
       {.open_confidence = v1::CONFIDENCE_HIGH},
       Fold::kNone},
      {"an expected flow", {.expected = true}, {}, Fold::kNone},
      {"a test card", {.test_card = true}, {}, Fold::kJoin},
      {"a test card when those open", {.test_card = true}, {.test_cards = true}, Fold::kOpen},
      {"an expected test card", {.expected = true, .test_card = true}, {}, Fold::kNone},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Decide(CardFinding(1, c.finding), v1::FINDING_KIND_CARD_NUMBER, c.rules), c.expected)
        << c.what;
  }
}

TEST(Rules, WhatComesInOpensNothing) {
  v1::Finding finding = CardFinding(1);
  for (const v1::Direction direction :
       {v1::DIRECTION_INBOUND_REQUEST, v1::DIRECTION_INBOUND_RESPONSE}) {
    finding.mutable_provenance()->set_direction(direction);
    EXPECT_EQ(Decide(finding, v1::FINDING_KIND_CARD_NUMBER, {}), Fold::kNone);
  }
  for (const v1::Direction direction :
       {v1::DIRECTION_OUTBOUND_REQUEST, v1::DIRECTION_OUTBOUND_RESPONSE, v1::DIRECTION_AT_REST}) {
    finding.mutable_provenance()->set_direction(direction);
    EXPECT_EQ(Decide(finding, v1::FINDING_KIND_CARD_NUMBER, {}), Fold::kOpen);
  }
}

TEST(Rules, ChangesOpenByTheirSeverityAndScriptsByTheInventory) {
  v1::Finding finding = CardFinding(1);
  finding.mutable_header_change()->set_page("/checkout");
  finding.set_severity(v1::SEVERITY_MEDIUM);
  EXPECT_EQ(Decide(finding, v1::FINDING_KIND_HEADER_CHANGE, {}), Fold::kOpen);
  finding.set_severity(v1::SEVERITY_INFO);
  EXPECT_EQ(Decide(finding, v1::FINDING_KIND_HEADER_CHANGE, {}), Fold::kNone);
  finding.mutable_canary()->set_page("/checkout");
  EXPECT_EQ(Decide(finding, v1::FINDING_KIND_CANARY, {}), Fold::kOpen);
  EXPECT_EQ(SeverityOf(finding, v1::FINDING_KIND_CANARY), v1::SEVERITY_CRITICAL);
  // Something went out, and nobody knows whether the canary did.
  finding.set_severity(v1::SEVERITY_HIGH);
  finding.mutable_canary()->set_undecoded(true);
  EXPECT_EQ(SeverityOf(finding, v1::FINDING_KIND_CANARY), v1::SEVERITY_HIGH);
  EXPECT_EQ(Decide(testing::ScriptFinding(1, v1::ScriptChange::CHANGE_CHANGED, 1),
                   v1::FINDING_KIND_SCRIPT_CHANGE, {}),
            Fold::kNone);
}

TEST(Rules, KeyNamesTheWayOut) {
  EXPECT_EQ(KeyOf(CardFinding(1), v1::FINDING_KIND_CARD_NUMBER),
            (store::ExposureKey{"shop", v1::FINDING_KIND_CARD_NUMBER, "POST /collect",
                                "198.51.100.7:443"}));
  v1::Finding log = CardFinding(1, {.method = "", .path = "", .destination = "/var/log/shop.log"});
  log.mutable_provenance()->set_file("/var/log/shop.log");
  EXPECT_EQ(KeyOf(log, v1::FINDING_KIND_CARD_NUMBER).channel, "/var/log/shop.log");
  v1::Finding raw = CardFinding(1, {.method = "", .path = ""});
  raw.mutable_provenance()->set_part("stream");
  EXPECT_EQ(KeyOf(raw, v1::FINDING_KIND_CARD_NUMBER).channel, "stream");
  v1::Finding script =
      testing::ScriptFinding(1, v1::ScriptChange::CHANGE_CHANGED, 1, "a.html#inline-1");
  script.mutable_script_change()->set_page("a.html");
  EXPECT_EQ(
      KeyOf(script, v1::FINDING_KIND_SCRIPT_CHANGE),
      (store::ExposureKey{"shop", v1::FINDING_KIND_SCRIPT_CHANGE, "a.html#inline-1", "a.html"}));
}

TEST(Rules, SensitiveAuthenticationDataIsGraver) {
  v1::Finding finding = CardFinding(1, {.severity = v1::SEVERITY_LOW});
  EXPECT_EQ(SeverityOf(finding, v1::FINDING_KIND_CARD_NUMBER), v1::SEVERITY_HIGH);
  finding.mutable_track_data()->set_format(v1::TrackData::FORMAT_TRACK2);
  EXPECT_EQ(SeverityOf(finding, v1::FINDING_KIND_TRACK_DATA), v1::SEVERITY_CRITICAL);
  finding.mutable_track_data()->mutable_card()->set_test_card(true);
  EXPECT_EQ(SeverityOf(finding, v1::FINDING_KIND_TRACK_DATA), v1::SEVERITY_LOW);
}

TEST(Rules, AddingGrowsTimesCountsAndLevels) {
  v1::Exposure exposure = NewExposure(KeyOf(CardFinding(1), v1::FINDING_KIND_CARD_NUMBER));
  const absl::Time t = absl::FromUnixSeconds(1'700'000'000);
  AddFinding(CardFinding(1, {.confidence = v1::CONFIDENCE_MEDIUM, .count = 3, .seen = t}),
             v1::FINDING_KIND_CARD_NUMBER, "b", exposure);
  EXPECT_FALSE(exposure.sampled());
  AddFinding(CardFinding(2, {.count = 2, .probability = 0.1, .seen = t - absl::Seconds(5)}),
             v1::FINDING_KIND_CARD_NUMBER, "a", exposure);
  AddFinding(CardFinding(3, {.confidence = v1::CONFIDENCE_MEDIUM, .seen = t + absl::Seconds(5)}),
             v1::FINDING_KIND_CARD_NUMBER, "b", exposure);
  EXPECT_EQ(store::FromTimestamp(exposure.first_seen()), t - absl::Seconds(5));
  EXPECT_EQ(store::FromTimestamp(exposure.last_seen()), t + absl::Seconds(5));
  EXPECT_EQ(exposure.findings(), 3u);
  EXPECT_EQ(exposure.occurrences(), 6u);
  EXPECT_DOUBLE_EQ(exposure.estimated_occurrences(), 3 + 20 + 1);
  EXPECT_TRUE(exposure.sampled());
  // Two occurrences that nothing is said of are independent.
  EXPECT_DOUBLE_EQ(exposure.estimated_occurrences_variance(), 2 * 0.9 / 0.01);
  EXPECT_EQ(exposure.confidence(), v1::CONFIDENCE_HIGH);
  EXPECT_THAT(exposure.agents(), ElementsAre("b", "a"));
  EXPECT_THAT(exposure.brands(), ElementsAre("visa"));
  EXPECT_THAT(exposure.encodings(), ElementsAre("base64"));
  EXPECT_THAT(exposure.rules(), ElementsAre("card.outbound"));
}

TEST(Rules, AddsUpTheVariancesThatAgentsTell) {
  v1::Exposure exposure;
  v1::Finding finding = CardFinding(1, {.count = 3, .probability = 0.5});
  finding.set_sampling_variance(18);
  AddFinding(finding, v1::FINDING_KIND_CARD_NUMBER, "a", exposure);
  AddFinding(finding, v1::FINDING_KIND_CARD_NUMBER, "a", exposure);
  EXPECT_DOUBLE_EQ(exposure.estimated_occurrences(), 12);
  EXPECT_DOUBLE_EQ(exposure.estimated_occurrences_variance(), 36);
  // What was not sampled adds no doubt.
  AddFinding(CardFinding(2), v1::FINDING_KIND_CARD_NUMBER, "a", exposure);
  EXPECT_DOUBLE_EQ(exposure.estimated_occurrences(), 13);
  EXPECT_DOUBLE_EQ(exposure.estimated_occurrences_variance(), 36);
}

TEST(Rules, SumsSaturateAndListsAreBounded) {
  v1::Exposure exposure;
  for (int i = 0; i < 200; ++i) {
    AddFinding(CardFinding(1, {.count = std::numeric_limits<uint64_t>::max()}),
               v1::FINDING_KIND_CARD_NUMBER, "agent-" + std::to_string(i), exposure);
  }
  EXPECT_EQ(exposure.occurrences(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(exposure.agents_size(), kListEntriesMax);
  EXPECT_EQ(exposure.findings(), 200u);
}

TEST(Rules, ComeFromTheConfiguration) {
  config::v1::ExposureRules config;
  EXPECT_EQ(Rules::FromConfig(config)->open_confidence, v1::CONFIDENCE_MEDIUM);
  config.set_open_confidence("high");
  config.set_test_cards(true);
  EXPECT_EQ(Rules::FromConfig(config)->open_confidence, v1::CONFIDENCE_HIGH);
  EXPECT_TRUE(Rules::FromConfig(config)->test_cards);
  config.set_open_confidence("certain");
  EXPECT_EQ(Rules::FromConfig(config).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Rules, ADestinationIsOneExposureAndTheInventorysToOpen) {
  const v1::Finding finding =
      DestinationFinding(1, v1::DestinationChange::CHANGE_NEW, "evil.com", "/usr/bin/php");
  const v1::Finding other =
      DestinationFinding(2, v1::DestinationChange::CHANGE_NEW, "evil.com", "/usr/bin/curl");
  constexpr v1::FindingKind kKind = v1::FINDING_KIND_DESTINATION_CHANGE;
  EXPECT_EQ(KeyOf(finding, kKind), KeyOf(other, kKind));
  EXPECT_EQ(KeyOf(finding, kKind).destination, "evil.com");
  EXPECT_EQ(Decide(finding, kKind, {}), Fold::kNone);
}

}  // namespace
}  // namespace skimwatch::exposure
