#include "collector/sink/ocsf.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/store/timestamp.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/validation/card_digits.h"
#include "tests/collector/support/findings.h"
#include "tests/support/daemon.h"

namespace skimwatch::sink {
namespace {

using Json = nlohmann::json;
using testing::CardFinding;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Stored;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'100);
constexpr char kStoreId[] = "00112233aabbccdd";

// The facts of the published schema: see "source" in the file.
const Json& Schema() {
  static const Json* const schema = new Json(Json::parse(testing::ReadFile(
      std::string(SKIMWATCH_SOURCE_DIR) + "/tests/data/ocsf-1.7.0-detection-finding.json")));
  return *schema;
}

bool HasType(const Json& value, const std::string& type) {
  if (type == "integer_t" || type == "long_t" || type == "timestamp_t" || type == "port_t") {
    return value.is_number_integer();
  }
  if (type == "boolean_t") return value.is_boolean();
  if (type == "float_t") return value.is_number();
  if (type == "json_t") return true;
  if (type.starts_with("object:")) return value.is_object();
  return value.is_string();
}

// What is wrong with an object by the attributes that the schema gives it.
void Check(const Json& object, const Json& attributes, const std::string& path,
           std::vector<std::string>& faults) {
  for (const auto& [name, attribute] : attributes.items()) {
    if (attribute["requirement"] == "required" && !object.contains(name)) {
      faults.push_back(path + "." + name + " is required");
    }
  }
  for (const auto& [name, value] : object.items()) {
    const std::string at = path + "." + name;
    if (!attributes.contains(name)) {
      faults.push_back(at + " is not in the schema");
      continue;
    }
    const Json& attribute = attributes[name];
    const std::string type = attribute["type"];
    if (attribute.value("array", false) != value.is_array() && type != "json_t") {
      faults.push_back(at + " is a list, or should be");
      continue;
    }
    const Json values = value.is_array() && type != "json_t" ? value : Json::array({value});
    for (const Json& element : values) {
      if (!HasType(element, type)) faults.push_back(at + " is no " + type);
      if (attribute.contains("enum") &&
          std::find(attribute["enum"].begin(), attribute["enum"].end(), element) ==
              attribute["enum"].end()) {
        faults.push_back(at + " has a value that is not in its enumeration");
      }
      if (!type.starts_with("object:") || type == "object:object") continue;
      const std::string of = type.substr(7);
      if (!Schema()["objects"].contains(of)) {
        faults.push_back(at + " is an object that the test has no facts of");
        continue;
      }
      const Json& facts = Schema()["objects"][of];
      Check(element, facts["attributes"], at, faults);
      bool any = facts["at_least_one"].empty();
      for (const Json& one : facts["at_least_one"]) any = any || element.contains(one);
      if (!any) faults.push_back(at + " has none of what it must have one of");
    }
  }
}

std::vector<std::string> Faults(const Event& event) {
  std::vector<std::string> faults;
  const Json json = Json::parse(event.body, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return {"not JSON"};
  Check(json, Schema()["class"], "", faults);
  if (json["type_uid"] != json["class_uid"].get<int>() * 100 + json["activity_id"].get<int>()) {
    faults.emplace_back("type_uid is not of class and activity");
  }
  return faults;
}

OcsfWriter Writer(bool fingerprints = false) {
  return OcsfWriter({.version = "1.2.3", .store_id = kStoreId, .fingerprints = fingerprints});
}

// A finding of each kind.
std::vector<v1::Finding> AllKinds() {
  std::vector<v1::Finding> findings;
  findings.push_back(CardFinding(1));
  findings.back().mutable_provenance()->mutable_process()->set_pid(7);
  findings.back().mutable_provenance()->mutable_process()->set_executable("/usr/bin/php");
  findings.push_back(CardFinding(2));
  v1::TrackData track;
  track.set_format(v1::TrackData::FORMAT_TRACK2);
  *track.mutable_card() = findings[0].card_number().card();
  track.set_score(99);
  *findings.back().mutable_track_data() = track;
  findings.push_back(testing::ScriptFinding(3, v1::ScriptChange::CHANGE_CHANGED, 5));
  findings.back().mutable_script_change()->add_reasons("gained: fetch to a.example");
  for (uint64_t sequence = 4; sequence <= 7; ++sequence) {
    findings.push_back(CardFinding(sequence));
    findings.back().clear_detail();
  }
  findings[3].mutable_header_change()->set_header("content-security-policy");
  findings[4].mutable_browser_report()->set_type("csp-violation");
  findings[5].mutable_canary()->set_page("https://shop.example/checkout");
  findings[6].mutable_destination_change()->set_name("evil.example");
  findings[6].mutable_destination_change()->set_change(v1::DestinationChange::CHANGE_NEW);
  return findings;
}

TEST(Ocsf, WritesEveryKindOfFindingByTheSchema) {
  for (const v1::Finding& finding : AllKinds()) {
    const Event event = Writer(/*fingerprints=*/true).Write(Stored(finding, "web-1", 9, kNow, 4));
    EXPECT_THAT(Faults(event), IsEmpty()) << event.body;
    EXPECT_THAT(Faults({.body = WithoutEvidence(event.body)}), IsEmpty());
  }
}

TEST(Ocsf, CheckOfTheTestFindsWhatIsWrong) {
  const Event event = Writer().Write(Stored(CardFinding(1), "web-1", 9, kNow));
  const Json good = Json::parse(event.body);
  const auto faults = [](const Json& json) { return Faults({.body = json.dump()}); };
  Json json = good;
  json.erase("time");
  EXPECT_THAT(faults(json), Not(IsEmpty()));
  json = good;
  json["finding_info"].erase("uid");
  EXPECT_THAT(faults(json), Not(IsEmpty()));
  json = good;
  json["severity_id"] = 17;
  EXPECT_THAT(faults(json), Not(IsEmpty()));
  json = good;
  json["card"] = "x";
  EXPECT_THAT(faults(json), Not(IsEmpty()));
}

TEST(Ocsf, SaysWhatWasFoundAndWhere) {
  const Event event = Writer().Write(Stored(CardFinding(1), "web-1", 9, kNow, 4));
  EXPECT_EQ(event.kind, v1::FINDING_KIND_CARD_NUMBER);
  EXPECT_EQ(event.site, "shop");
  const Json json = Json::parse(event.body);
  EXPECT_EQ(json["class_uid"], 2004);
  EXPECT_EQ(json["activity_id"], 1);
  EXPECT_EQ(json["severity_id"], 4);
  EXPECT_EQ(json["confidence_id"], 3);
  EXPECT_EQ(json["confidence_score"], 90);
  EXPECT_EQ(json["time"], 1'700'000'100'000);
  EXPECT_EQ(json["metadata"]["uid"], event.id);
  EXPECT_EQ(json["metadata"]["version"], "1.7.0");
  EXPECT_EQ(json["metadata"]["correlation_uid"], absl::StrCat(kStoreId, "-4"));
  EXPECT_EQ(json["finding_info"]["types"], Json::array({"card_number"}));
  EXPECT_EQ(json["finding_info"]["analytic"]["name"], "card.outbound");
  EXPECT_EQ(json["is_alert"], true);
  const Json& evidence = json["evidences"][0];
  EXPECT_EQ(evidence["dst_endpoint"]["ip"], "198.51.100.7");
  EXPECT_EQ(evidence["dst_endpoint"]["hostname"], "cdn.example");
  EXPECT_EQ(evidence["http_request"]["url"]["path"], "/collect");
  EXPECT_EQ(evidence["data"]["masked"], "411111******1111");
  EXPECT_EQ(evidence["data"]["encodings"], Json::array({"base64"}));
  EXPECT_EQ(json["unmapped"]["agent"], "web-1");
  EXPECT_EQ(json["unmapped"]["sequence"], 1);
}

TEST(Ocsf, HasFingerprintsOnlyWhereTheyAreAskedFor) {
  const v1::StoredFinding stored = Stored(CardFinding(1), "web-1", 9, kNow);
  EXPECT_THAT(Writer(false).Write(stored).body, Not(HasSubstr("fingerprint")));
  const Json json = Json::parse(Writer(true).Write(stored).body);
  EXPECT_EQ(json["evidences"][0]["data"]["fingerprint"].get<std::string>().size(), 64u);
  EXPECT_EQ(json["evidences"][0]["data"]["fingerprint_key_id"], "k1");
}

TEST(Ocsf, LetsNoCardNumberThroughInAnyText) {
  // A published test number, where an agent that fails its duty might leave it.
  constexpr char kNumber[] = "4111 1111 1111 1111";
  v1::Finding finding = CardFinding(1);
  finding.set_destination(kNumber);
  finding.mutable_provenance()->set_host(kNumber);
  finding.mutable_provenance()->set_path_template(kNumber);
  finding.mutable_provenance()->set_file(kNumber);
  finding.mutable_card_number()->add_evidence(kNumber);
  const Event event = Writer(true).Write(Stored(finding, kNumber, 9, kNow));
  EXPECT_TRUE(validation::FindCardNumber(event.body).empty());
  store::ExposureRevision revision;
  revision.exposure.set_channel(kNumber);
  revision.exposure.set_close_reason(kNumber);
  revision.exposure.set_state(v1::Exposure::STATE_CLOSED);
  revision.exposure.add_agents(kNumber);
  EXPECT_TRUE(validation::FindCardNumber(Writer().Write(revision).body).empty());
}

TEST(Ocsf, GivesAFindingItsIdForEver) {
  const v1::StoredFinding stored = Stored(CardFinding(1), "web-1", 9, kNow);
  const std::string id = Writer().Write(stored).id;
  EXPECT_EQ(Writer(true).Write(stored).id, id);
  EXPECT_NE(Writer().Write(Stored(CardFinding(2), "web-1", 9, kNow)).id, id);
  EXPECT_NE(Writer().Write(Stored(CardFinding(1), "web-2", 9, kNow)).id, id);
  EXPECT_NE(Writer().Write(Stored(CardFinding(1), "web-1", 8, kNow)).id, id);
}

TEST(Ocsf, CreatesUpdatesAndClosesAnExposureUnderOneUid) {
  store::ExposureRevision revision;
  v1::Exposure& exposure = revision.exposure;
  exposure.set_id(12);
  exposure.set_site("shop");
  exposure.set_kind(v1::FINDING_KIND_CARD_NUMBER);
  exposure.set_severity(v1::SEVERITY_CRITICAL);
  exposure.set_confidence(v1::CONFIDENCE_HIGH);
  exposure.set_state(v1::Exposure::STATE_OPEN);
  exposure.set_channel("POST /collect");
  exposure.set_destination("cdn.example");
  exposure.set_distinct_cards(3);
  *exposure.mutable_first_seen() = store::ToTimestamp(kNow);
  *exposure.mutable_last_seen() = store::ToTimestamp(kNow + absl::Seconds(5));
  exposure.add_agents("web-1");
  revision.revision = "0123456789abcdef";
  const Event created = Writer().Write(revision);
  EXPECT_THAT(Faults(created), IsEmpty()) << created.body;
  EXPECT_EQ(created.id, absl::StrCat("e-", kStoreId, "-12-0123456789abcdef"));
  EXPECT_EQ(Json::parse(created.body)["activity_id"], 1);
  EXPECT_EQ(Json::parse(created.body)["finding_info"]["uid"], absl::StrCat(kStoreId, "-12"));

  revision.sent.revision = revision.revision;
  revision.revision = "fedcba9876543210";
  const Json updated = Json::parse(Writer().Write(revision).body);
  EXPECT_EQ(updated["activity_id"], 2);
  EXPECT_EQ(updated["finding_info"]["uid"], absl::StrCat(kStoreId, "-12"));
  EXPECT_EQ(updated["evidences"][0]["data"]["distinct_cards"], 3);

  exposure.set_state(v1::Exposure::STATE_CLOSED);
  exposure.set_close_reason("script removed");
  *exposure.mutable_closed_at() = store::ToTimestamp(kNow + absl::Hours(1));
  const Event closed = Writer().Write(revision);
  EXPECT_THAT(Faults(closed), IsEmpty()) << closed.body;
  const Json json = Json::parse(closed.body);
  EXPECT_EQ(json["activity_id"], 3);
  EXPECT_EQ(json["status_id"], 4);
  EXPECT_EQ(json["status_detail"], "script removed");
  EXPECT_EQ(json["time"], absl::ToUnixMillis(kNow + absl::Hours(1)));
}

}  // namespace
}  // namespace skimwatch::sink
