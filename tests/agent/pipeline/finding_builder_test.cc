#include "agent/pipeline/finding_builder.h"

#include <memory>
#include <string>
#include <vector>

#include "agent/card/mask.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "proto/fingerprint/fingerprint.h"
#include "proto/validation/finding.h"
#include "tests/agent/pipeline/sightings.h"

namespace skimwatch::pipeline {
namespace {

using ::testing::ElementsAre;
using testing::SightingOf;

v1::FingerprintKey Key() {
  v1::FingerprintKey key;
  key.set_id("2026-a");
  key.set_key(std::string(32, 'k'));
  return key;
}

TEST(FindingBuilder, TellsTheCardByMaskAndFingerprintOnly) {
  CardSighting sighting = SightingOf(123456789);
  sighting.encodings = {card::Encoding::kBase64, card::Encoding::kPercent};
  sighting.evidence = {"brand_grouping"};
  sighting.offset = 42;
  const v1::FingerprintKey key = Key();
  const v1::Finding finding =
      BuildFinding(sighting, /*expected=*/false, card::MaskStyle::kFirst6Last4, &key);
  EXPECT_TRUE(validation::ValidateFinding(finding).ok());
  EXPECT_EQ(finding.site(), "shop");
  EXPECT_EQ(finding.rule(), "card.outbound");
  EXPECT_EQ(finding.destination(), "chat.example:8080");
  EXPECT_EQ(finding.severity(), v1::SEVERITY_CRITICAL);
  EXPECT_EQ(finding.count(), 1u);
  EXPECT_EQ(finding.provenance().offset(), 42u);
  const v1::CardNumber& card = finding.card_number();
  EXPECT_EQ(card.card().masked(),
            card::Mask(testing::NumberOf(123456789), card::MaskStyle::kFirst6Last4));
  EXPECT_EQ(card.card().length(), 16u);
  EXPECT_EQ(card.card().fingerprint(),
            fingerprint::Fingerprint(key, testing::NumberOf(123456789).Reveal()).value());
  EXPECT_EQ(card.card().fingerprint_key_id(), "2026-a");
  EXPECT_THAT(card.encodings(), ElementsAre("base64", "percent"));
  EXPECT_THAT(card.evidence(), ElementsAre("brand_grouping"));
  EXPECT_EQ(card.score(), 90u);

  std::string number;
  const card::SecretDigits digits = testing::NumberOf(123456789);
  for (const uint8_t digit : digits.Reveal()) number += static_cast<char>('0' + digit);
  EXPECT_EQ(finding.SerializeAsString().find(number), std::string::npos);
}

TEST(FindingBuilder, LeavesTheFingerprintEmptyWithoutAKey) {
  const v1::Finding finding =
      BuildFinding(SightingOf(1), /*expected=*/false, card::MaskStyle::kLast4, /*key=*/nullptr);
  EXPECT_TRUE(finding.card_number().card().fingerprint().empty());
  EXPECT_TRUE(finding.card_number().card().fingerprint_key_id().empty());
  EXPECT_TRUE(validation::ValidateFinding(finding).ok());
}

TEST(FindingBuilder, TrackDataAndCvvAreFindingsOfTheirOwn) {
  const struct {
    card::MatchKind kind;
    v1::TrackData::Format format;
  } cases[] = {{card::MatchKind::kTrack1, v1::TrackData::FORMAT_TRACK1},
               {card::MatchKind::kTrack2, v1::TrackData::FORMAT_TRACK2},
               {card::MatchKind::kPanWithCvv, v1::TrackData::FORMAT_PAN_WITH_CVV}};
  for (const auto& c : cases) {
    CardSighting sighting = SightingOf(1);
    sighting.kind = c.kind;
    const v1::Finding finding =
        BuildFinding(sighting, /*expected=*/false, card::MaskStyle::kFirst6Last4, nullptr);
    ASSERT_TRUE(finding.has_track_data());
    EXPECT_EQ(finding.track_data().format(), c.format);
    EXPECT_EQ(finding.track_data().card().brand(), "visa");
  }
}

TEST(FindingBuilder, SeverityFollowsWhatWasSeenAndWhere) {
  using card::Confidence;
  using card::MatchKind;
  struct Case {
    const char* what;
    MatchKind kind;
    Confidence confidence;
    v1::Direction direction;
    bool test_card;
    bool expected;
    v1::Severity severity;
  };
  const v1::Direction out = v1::DIRECTION_OUTBOUND_REQUEST;
  const Case cases[] = {
      {"a sure number", MatchKind::kPan, Confidence::kHigh, out, false, false,
       v1::SEVERITY_CRITICAL},
      {"a likely number", MatchKind::kPan, Confidence::kMedium, out, false, false,
       v1::SEVERITY_HIGH},
      {"a doubtful number", MatchKind::kPan, Confidence::kLow, out, false, false, v1::SEVERITY_LOW},
      {"a likely track", MatchKind::kTrack2, Confidence::kMedium, out, false, false,
       v1::SEVERITY_CRITICAL},
      {"a doubtful track", MatchKind::kTrack1, Confidence::kLow, out, false, false,
       v1::SEVERITY_MEDIUM},
      {"a number in a response", MatchKind::kPan, Confidence::kHigh,
       v1::DIRECTION_OUTBOUND_RESPONSE, false, false, v1::SEVERITY_CRITICAL},
      {"a number in a log", MatchKind::kPan, Confidence::kHigh, v1::DIRECTION_AT_REST, false, false,
       v1::SEVERITY_CRITICAL},
      {"a shopper's own", MatchKind::kPanWithCvv, Confidence::kHigh, v1::DIRECTION_INBOUND_REQUEST,
       false, false, v1::SEVERITY_INFO},
      {"an expected flow", MatchKind::kPanWithCvv, Confidence::kHigh, out, false, true,
       v1::SEVERITY_INFO},
      {"a test card", MatchKind::kPan, Confidence::kHigh, out, true, false, v1::SEVERITY_LOW},
  };
  for (const Case& c : cases) {
    SightingOrigin origin = testing::OutboundOrigin();
    origin.provenance.set_direction(c.direction);
    CardSighting sighting = SightingOf(1, origin);
    sighting.kind = c.kind;
    sighting.confidence = c.confidence;
    sighting.test_card = c.test_card;
    EXPECT_EQ(SeverityOf(sighting, c.expected), c.severity) << c.what;
  }
}

TEST(FindingBuilder, NamesWhereTheDataWent) {
  struct Case {
    const char* what;
    traffic::Direction direction;
    const char* host;
    const char* ip;
    uint16_t port;
    const char* destination;
  };
  using traffic::Direction;
  const Case cases[] = {
      {"a host on HTTP's port", Direction::kOutboundRequest, "chat.example", "192.0.2.1", 80,
       "chat.example"},
      {"a host on another", Direction::kOutboundRequest, "chat.example", "192.0.2.1", 8080,
       "chat.example:8080"},
      {"an address", Direction::kOutboundRequest, "", "192.0.2.1", 80, "192.0.2.1:80"},
      {"an IPv6 address", Direction::kOutboundRequest, "", "2001:db8::1", 8080,
       "[2001:db8::1]:8080"},
      {"a response", Direction::kOutboundResponse, "shop.example", "192.0.2.1", 80, "clients"},
      {"a log", Direction::kAtRest, "", "", 0, "/var/log/shop.log"},
  };
  for (const Case& c : cases) {
    traffic::Provenance provenance;
    provenance.direction = c.direction;
    provenance.host = c.host;
    provenance.server = {.ip = c.ip, .port = c.port};
    if (c.direction == Direction::kAtRest) provenance.file = "/var/log/shop.log";
    EXPECT_EQ(OriginOf(provenance, traffic::Part::kLine).destination, c.destination) << c.what;
  }
}

TEST(FindingBuilder, ShowsTheTemplateOfAPathAndNeverThePath) {
  traffic::Provenance provenance;
  provenance.path = "/pay/4111111111111111/confirm";
  const SightingOrigin origin = OriginOf(provenance, traffic::Part::kRequestTarget);
  EXPECT_EQ(origin.provenance.path_template(), "/pay/{n}/confirm");
  EXPECT_EQ(origin.provenance.SerializeAsString().find("4111111111111111"), std::string::npos);
}

TEST(FindingBuilder, ShowsNoNumberThatANameCarries) {
  for (const std::string& number : std::vector<std::string>{
           "4111111111111111", "34313131313131313131313131313131", "NDExMTExMTExMTExMTExMQ"}) {
    traffic::Provenance provenance;
    provenance.host = number + ".collect.example";
    provenance.server_name = provenance.host;
    provenance.referrer = "https://" + provenance.host;
    provenance.server = {.ip = "192.0.2.1", .port = 443};
    const SightingOrigin origin = OriginOf(provenance, traffic::Part::kRequestBody);
    EXPECT_EQ(origin.provenance.SerializeAsString().find(number), std::string::npos);
    EXPECT_EQ(origin.destination.find(number), std::string::npos);
    EXPECT_NE(origin.destination.find(".collect.example"), std::string::npos);
  }
}

TEST(FindingBuilder, ShowsNoNumberInAnyNameOfAProvenance) {
  using Names = traffic::Provenance;
  const struct {
    const char* what;
    std::string Names::*provenance;
    std::string traffic::Process::*process;
  } fields[] = {
      {"host", &Names::host, nullptr},
      {"server_name", &Names::server_name, nullptr},
      {"method", &Names::method, nullptr},
      {"path", &Names::path, nullptr},
      {"referrer", &Names::referrer, nullptr},
      {"content_type", &Names::content_type, nullptr},
      {"file", &Names::file, nullptr},
      {"executable", nullptr, &traffic::Process::executable},
      {"command", nullptr, &traffic::Process::command},
      {"container_id", nullptr, &traffic::Process::container_id},
      {"cgroup", nullptr, &traffic::Process::cgroup},
  };
  const std::string padding(48, 'a');
  const struct {
    std::string name;
    std::string number;
  } values[] = {
      {"x4111111111111111", "4111111111111111"},
      // 64 hexadecimal digits, as the id of a container has.
      {"4111111111111111" + padding, "4111111111111111"},
      {"pay --c 34313131313131313131313131313131", "34313131313131313131313131313131"},
      {"pay --c NDExMTExMTExMTExMTExMQ==", "NDExMTExMTExMTExMTExMQ"},
      {"/pay_4111-1111-1111-1111", "4111-1111-1111-1111"},
  };
  for (const auto& field : fields) {
    for (const auto& value : values) {
      for (const traffic::Direction direction :
           {traffic::Direction::kAtRest, traffic::Direction::kOutboundRequest}) {
        traffic::Process process{.pid = 7};
        traffic::Provenance provenance;
        provenance.direction = direction;
        if (field.provenance != nullptr) provenance.*field.provenance = value.name;
        if (field.process != nullptr) process.*field.process = value.name;
        provenance.process = std::make_shared<const traffic::Process>(process);
        const CardSighting sighting = SightingOf(1, OriginOf(provenance, traffic::Part::kField));
        const std::string finding =
            BuildFinding(sighting, false, card::MaskStyle::kFirst6Last4, nullptr)
                .SerializeAsString();
        EXPECT_EQ(finding.find(value.number), std::string::npos)
            << field.what << " " << value.number;
      }
    }
  }
}

TEST(FindingBuilder, ShowsTheIdOfAContainerAsItIs) {
  traffic::Provenance provenance;
  const std::string id = "9e5f3c1d8b7a46e0b2f4d6c8a0e1f3b5d7c9ab1cde3fa5bc7de9fa0b1c2d3e4f";
  provenance.process =
      std::make_shared<const traffic::Process>(traffic::Process{.container_id = id});
  EXPECT_EQ(OriginOf(provenance, traffic::Part::kField).provenance.process().container_id(), id);
}

TEST(FindingBuilder, TakesTimesThatNoClockShows) {
  for (const absl::Time time : {absl::InfinitePast(), absl::InfiniteFuture(),
                                absl::FromUnixSeconds(-1), absl::FromUnixSeconds(1)}) {
    CardSighting sighting = SightingOf(1);
    sighting.seen_at = time;
    const v1::Finding finding =
        BuildFinding(sighting, false, card::MaskStyle::kFirst6Last4, nullptr);
    EXPECT_GE(finding.first_seen().seconds(), 0);
    EXPECT_LE(finding.first_seen().seconds(),
              google::protobuf::util::TimeUtil::kTimestampMaxSeconds);
  }
}

}  // namespace
}  // namespace skimwatch::pipeline
