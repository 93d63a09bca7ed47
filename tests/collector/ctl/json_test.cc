#include "collector/ctl/json.h"

#include <limits>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "skimwatch/v1/agent.pb.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/query_service.pb.h"

namespace skimwatch::ctl {
namespace {

using nlohmann::json;

TEST(ToJson, FollowsProtobufsMappingWithHexForBytes) {
  v1::StoredFinding stored;
  stored.set_epoch(std::numeric_limits<uint64_t>::max());
  v1::Finding& finding = *stored.mutable_finding();
  finding.set_severity(v1::SEVERITY_HIGH);
  finding.set_sampling_probability(0.1);
  finding.mutable_first_seen()->set_seconds(1'700'000'000);
  finding.mutable_first_seen()->set_nanos(500'000'000);
  finding.mutable_card_number()->mutable_card()->set_fingerprint("\x01\xff");
  finding.mutable_card_number()->add_encodings("base64");
  finding.mutable_card_number()->set_score(90);
  const json object = json::parse(ToJson(stored));
  EXPECT_EQ(object["epoch"], "18446744073709551615");
  EXPECT_EQ(object["finding"]["severity"], "SEVERITY_HIGH");
  EXPECT_EQ(object["finding"]["sampling_probability"], 0.1);
  EXPECT_EQ(object["finding"]["first_seen"], "2023-11-14T22:13:20.500Z");
  EXPECT_EQ(object["finding"]["card_number"]["card"]["fingerprint"], "01ff");
  EXPECT_EQ(object["finding"]["card_number"]["encodings"], json::array({"base64"}));
  EXPECT_EQ(object["finding"]["card_number"]["score"], 90);
}

TEST(ToJson, ShowsZerosAndLeavesOutWhatIsNotSet) {
  const json object = json::parse(ToJson(v1::StoredFinding()));
  EXPECT_EQ(object["agent"], "");
  EXPECT_EQ(object["exposure_id"], "0");
  EXPECT_FALSE(object.contains("finding"));
  EXPECT_FALSE(json::parse(ToJson(v1::Finding())).contains("card_number"));
  EXPECT_EQ(json::parse(ToJson(v1::ListAgentsResponse()))["agents"], json::array());
}

TEST(ToJson, WritesMapsInOrder) {
  v1::Coverage coverage;
  (*coverage.mutable_by_reason_bytes())["shed.full"] = 2;
  (*coverage.mutable_by_reason_bytes())["a\"b"] = 1;
  EXPECT_EQ(json::parse(ToJson(coverage))["by_reason_bytes"],
            json({{"a\"b", "1"}, {"shed.full", "2"}}));
  v1::SpoolState spool;
  (*spool.mutable_dropped_findings())[-1] = 3;
  EXPECT_EQ(json::parse(ToJson(spool))["dropped_findings"], json({{"-1", "3"}}));
}

TEST(ToJson, StaysOneLineOfJsonWhateverTheTextHolds) {
  v1::Finding finding;
  finding.set_site("\n\"\\\x1b\u2028é");
  const std::string text = ToJson(finding);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(json::parse(text)["site"], "\n\"\\\x1b\u2028é");
}

TEST(ToJson, WritesValuesThatItDoesNotKnow) {
  v1::Finding finding;
  finding.set_severity(static_cast<v1::Severity>(99));
  finding.mutable_first_seen()->set_seconds(std::numeric_limits<int64_t>::max());
  finding.set_sampling_probability(std::numeric_limits<double>::infinity());
  const json object = json::parse(ToJson(finding));
  EXPECT_EQ(object["severity"], 99);
  EXPECT_EQ(object["first_seen"], "invalid");
  EXPECT_EQ(object["sampling_probability"], "Infinity");
}

}  // namespace
}  // namespace skimwatch::ctl
