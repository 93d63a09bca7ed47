#include "collector/sink/ocsf.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "collector/sink/names.h"
#include "collector/store/timestamp.h"
#include "nlohmann/json.hpp"
#include "openssl/sha.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/finding.h"

namespace skimwatch::sink {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kCategory = 2;
constexpr int kClass = 2004;
constexpr int kCreate = 1;
constexpr int kUpdate = 2;
constexpr int kClose = 3;
constexpr int kNew = 1;
constexpr int kResolved = 4;
constexpr int kRule = 1;
constexpr int kRegularFile = 1;
constexpr int kHostname = 1;
constexpr int kIpAddress = 2;
// Elements of a list that may be long.
constexpr int kListMax = 50;

// A text that may hold anything that an agent saw.
std::string Text(const std::string& text) {
  std::string masked = text;
  validation::MaskCardNumbers(masked);
  return masked;
}

template <typename List>
Json Texts(const List& list) {
  Json texts = Json::array();
  for (const auto& text : list) {
    if (texts.size() == kListMax) break;
    texts.push_back(Text(text));
  }
  return texts;
}

std::string Hex(const std::string& bytes) {
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

int64_t Millis(absl::Time time) { return absl::ToUnixMillis(time); }
int64_t Millis(const google::protobuf::Timestamp& time) {
  return Millis(store::FromTimestamp(time));
}

void PutText(Json& object, const char* key, const std::string& text) {
  if (!text.empty()) object[key] = Text(text);
}
void PutHex(Json& object, const char* key, const std::string& bytes) {
  if (!bytes.empty()) object[key] = Hex(bytes);
}
template <typename List>
void PutTexts(Json& object, const char* key, const List& list) {
  if (!list.empty()) object[key] = Texts(list);
}

const char* TitleOf(v1::FindingKind kind) {
  switch (kind) {
    case v1::FINDING_KIND_CARD_NUMBER:
      return "Card number leaves";
    case v1::FINDING_KIND_TRACK_DATA:
      return "Sensitive authentication data leaves";
    case v1::FINDING_KIND_SCRIPT_CHANGE:
      return "Script without approval";
    case v1::FINDING_KIND_HEADER_CHANGE:
      return "Security header changed";
    case v1::FINDING_KIND_BROWSER_REPORT:
      return "Report of a browser";
    case v1::FINDING_KIND_CANARY:
      return "Canary card seen elsewhere";
    case v1::FINDING_KIND_DESTINATION_CHANGE:
      return "Data goes to a new destination";
    default:
      return "Finding";
  }
}

const char* SeverityName(v1::Severity severity) {
  static constexpr std::array kNames = {"Unknown", "Informational", "Low",
                                        "Medium",  "High",          "Critical"};
  const auto index = static_cast<size_t>(severity);
  return index < kNames.size() ? kNames[index] : kNames[0];
}

const char* ConfidenceName(v1::Confidence confidence) {
  static constexpr std::array kNames = {"Unknown", "Low", "Medium", "High"};
  const auto index = static_cast<size_t>(confidence);
  return index < kNames.size() ? kNames[index] : kNames[0];
}

const char* ActivityName(int activity) {
  return activity == kCreate ? "Create" : activity == kUpdate ? "Update" : "Close";
}

// What every event begins with.
Json Head(int activity, absl::Time time, v1::Severity severity, v1::Confidence confidence) {
  Json event;
  event["activity_id"] = activity;
  event["activity_name"] = ActivityName(activity);
  event["category_uid"] = kCategory;
  event["category_name"] = "Findings";
  event["class_uid"] = kClass;
  event["class_name"] = "Detection Finding";
  event["type_uid"] = kClass * 100 + activity;
  event["type_name"] = absl::StrCat("Detection Finding: ", ActivityName(activity));
  event["time"] = Millis(time);
  event["severity_id"] = static_cast<int>(severity);
  event["severity"] = SeverityName(severity);
  event["confidence_id"] = static_cast<int>(confidence);
  event["confidence"] = ConfidenceName(confidence);
  return event;
}

Json Metadata(const std::string& id, absl::Time logged, Content content,
              const std::string& version) {
  Json metadata;
  metadata["version"] = kOcsfVersion;
  metadata["uid"] = id;
  metadata["product"] = {{"name", "Skimwatch"}, {"vendor_name", "Skimwatch"}, {"version", version}};
  metadata["log_name"] = NameOf(content);
  metadata["logged_time"] = Millis(logged);
  return metadata;
}

Json Endpoint(const v1::Endpoint& endpoint, const std::string& host) {
  Json json = Json::object();
  PutText(json, "ip", endpoint.address());
  if (endpoint.port() != 0) json["port"] = endpoint.port();
  PutText(json, "hostname", host);
  // A port alone names nothing.
  return json.contains("ip") || json.contains("hostname") ? json : Json::object();
}

Json File(const std::string& path) {
  const size_t slash = path.rfind('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty()) name = path;
  return {{"name", Text(name)}, {"path", Text(path)}, {"type_id", kRegularFile}};
}

void PutProvenance(const v1::Provenance& provenance, Json& evidence) {
  constexpr std::string_view kJournal = "journal:";
  if (Json client = Endpoint(provenance.client(), ""); !client.empty()) {
    evidence["src_endpoint"] = std::move(client);
  }
  if (Json server = Endpoint(provenance.server(), provenance.host()); !server.empty()) {
    evidence["dst_endpoint"] = std::move(server);
  }
  if (!provenance.method().empty() && !provenance.path_template().empty()) {
    Json url = {{"path", Text(provenance.path_template())}};
    PutText(url, "hostname", provenance.host());
    evidence["http_request"] = {{"http_method", Text(provenance.method())},
                                {"url", std::move(url)}};
    PutText(evidence["http_request"], "referrer", provenance.referrer());
  }
  if (!provenance.file().empty() && !provenance.file().starts_with(kJournal)) {
    evidence["file"] = File(provenance.file());
  }
  const v1::Process& process = provenance.process();
  if (process.pid() != 0) {
    Json json = {{"pid", process.pid()}};
    PutText(json, "name", process.command());
    if (!process.executable().empty()) json["file"] = File(process.executable());
    evidence["process"] = std::move(json);
  }
}

void PutCard(const v1::Card& card, bool fingerprints, Json& data) {
  PutText(data, "masked", card.masked());
  PutText(data, "brand", card.brand());
  data["length"] = card.length();
  data["test_card"] = card.test_card();
  if (!fingerprints || card.fingerprint().empty()) return;
  data["fingerprint"] = Hex(card.fingerprint());
  PutText(data, "fingerprint_key_id", card.fingerprint_key_id());
}

void PutScript(const v1::ScriptChange& change, Json& data) {
  data["change"] = NameOf(change.change(), "CHANGE_");
  PutText(data, "script", change.script());
  PutText(data, "page", change.page());
  PutHex(data, "sha256", change.current().sha256());
  PutText(data, "integrity", change.current().integrity());
  PutHex(data, "previous_sha256", change.previous().sha256());
  PutTexts(data, "reasons", change.reasons());
  std::vector<std::string> gained;
  for (const v1::ScriptFact& fact : change.gained_facts()) gained.push_back(fact.name());
  PutTexts(data, "gained", gained);
  PutText(data, "initiator", change.initiator());
  PutText(data, "seen_as", change.seen_as());
  PutText(data, "not_judged", change.not_judged());
}

void PutDestination(const v1::DestinationChange& change, Json& data) {
  data["change"] = NameOf(change.change(), "CHANGE_");
  PutText(data, "name", change.name());
  PutText(data, "process", change.process());
  data["scope"] = NameOf(change.scope(), "SCOPE_");
  data["checkout"] = change.checkout();
  data["flows"] = change.flows();
  data["bytes_out"] = change.bytes_out();
  PutTexts(data, "addresses", change.addresses());
  PutTexts(data, "hosts", change.hosts());
  if (change.has_opaque()) PutText(data, "opaque", change.opaque().form());
}

// What only this kind of finding has; where there is a score, it goes to the event.
Json Detail(const v1::Finding& finding, bool fingerprints, Json& event) {
  Json data = Json::object();
  switch (finding.detail_case()) {
    case v1::Finding::kCardNumber: {
      const v1::CardNumber& number = finding.card_number();
      PutCard(number.card(), fingerprints, data);
      PutTexts(data, "encodings", number.encodings());
      PutTexts(data, "evidence", number.evidence());
      event["confidence_score"] = number.score();
      break;
    }
    case v1::Finding::kTrackData: {
      const v1::TrackData& track = finding.track_data();
      data["format"] = NameOf(track.format(), "FORMAT_");
      PutCard(track.card(), fingerprints, data);
      PutTexts(data, "encodings", track.encodings());
      PutTexts(data, "evidence", track.evidence());
      event["confidence_score"] = track.score();
      break;
    }
    case v1::Finding::kScriptChange:
      PutScript(finding.script_change(), data);
      break;
    case v1::Finding::kHeaderChange:
      PutText(data, "page", finding.header_change().page());
      PutText(data, "header", finding.header_change().header());
      PutText(data, "previous", finding.header_change().previous());
      PutText(data, "current", finding.header_change().current());
      break;
    case v1::Finding::kBrowserReport:
      PutText(data, "type", finding.browser_report().type());
      PutText(data, "page", finding.browser_report().page());
      PutText(data, "blocked_url", finding.browser_report().blocked_url());
      PutText(data, "effective_directive", finding.browser_report().effective_directive());
      PutHex(data, "script_sha256", finding.browser_report().script_sha256());
      data["browsers"] = finding.browser_report().browsers();
      break;
    case v1::Finding::kCanary:
      PutText(data, "page", finding.canary().page());
      PutText(data, "run_id", finding.canary().run_id());
      PutTexts(data, "encodings", finding.canary().encodings());
      PutText(data, "script", finding.canary().script());
      data["undecoded"] = finding.canary().undecoded();
      break;
    case v1::Finding::kDestinationChange:
      PutDestination(finding.destination_change(), data);
      break;
    case v1::Finding::DETAIL_NOT_SET:
      break;
  }
  PutText(data, "part", finding.provenance().part());
  if (finding.provenance().offset() != 0) data["offset"] = finding.provenance().offset();
  return data;
}

Json Observables(const Json& evidence) {
  Json observables = Json::array();
  for (const char* const side : {"src_endpoint", "dst_endpoint"}) {
    if (!evidence.contains(side)) continue;
    const Json& endpoint = evidence[side];
    if (endpoint.contains("ip")) {
      observables.push_back({{"name", absl::StrCat("evidences[].", side, ".ip")},
                             {"type", "IP Address"},
                             {"type_id", kIpAddress},
                             {"value", endpoint["ip"]}});
    }
    if (endpoint.contains("hostname")) {
      observables.push_back({{"name", absl::StrCat("evidences[].", side, ".hostname")},
                             {"type", "Hostname"},
                             {"type_id", kHostname},
                             {"value", endpoint["hostname"]}});
    }
  }
  return observables;
}

Json Resource(const std::string& name, const char* type) {
  return {{"name", Text(name)}, {"type", type}};
}

// Of one finding for ever: 32 hex digits.
std::string FindingId(const v1::StoredFinding& stored) {
  const std::string key =
      absl::StrCat(stored.epoch(), "/", stored.finding().sequence(), "/", stored.agent());
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return absl::StrCat("f-", Hex(digest.substr(0, 16)));
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace

Event OcsfWriter::Write(const v1::StoredFinding& stored) const {
  const v1::Finding& finding = stored.finding();
  Event event = {.id = FindingId(stored),
                 .content = Content::kFinding,
                 .kind = validation::KindOf(finding),
                 .severity = finding.severity(),
                 .site = finding.site(),
                 .time = store::FromTimestamp(stored.stored_at())};
  const std::string kind = NameOf(event.kind);
  const std::string title = absl::StrCat(TitleOf(event.kind), ": ", Text(finding.site()), " to ",
                                         Text(finding.destination()));
  Json json = Head(kCreate, event.time, finding.severity(), finding.confidence());
  json["start_time"] = Millis(finding.first_seen());
  json["end_time"] = Millis(finding.last_seen());
  json["count"] = finding.count();
  json["status_id"] = kNew;
  json["status"] = "New";
  json["is_alert"] = stored.exposure_id() != 0;
  json["message"] = title;
  json["metadata"] = Metadata(event.id, event.time, Content::kFinding, options_.version);
  json["metadata"]["event_code"] = Text(finding.rule());
  if (stored.exposure_id() != 0) {
    json["metadata"]["correlation_uid"] =
        absl::StrCat(options_.store_id, "-", stored.exposure_id());
  }
  json["finding_info"] = {
      {"uid", event.id},
      {"title", title},
      {"types", Json::array({kind})},
      {"analytic", {{"name", Text(finding.rule())}, {"type", "Rule"}, {"type_id", kRule}}},
      {"created_time", Millis(event.time)},
      {"first_seen_time", Millis(finding.first_seen())},
      {"last_seen_time", Millis(finding.last_seen())},
      {"data_sources", Json::array({NameOf(finding.provenance().source(), "SOURCE_KIND_")})}};
  json["resources"] =
      Json::array({Resource(finding.site(), "site"), Resource(stored.agent(), "agent")});
  Json evidence = Json::object();
  PutProvenance(finding.provenance(), evidence);
  evidence["data"] = Detail(finding, options_.fingerprints, json);
  if (Json observables = Observables(evidence); !observables.empty()) {
    json["observables"] = std::move(observables);
  }
  json["evidences"] = Json::array();
  json["evidences"].push_back(std::move(evidence));
  Json unmapped = {{"kind", kind},
                   {"site", Text(finding.site())},
                   {"destination", Text(finding.destination())},
                   {"agent", Text(stored.agent())},
                   // More than what all readers of JSON take for a number.
                   {"epoch", absl::StrCat(stored.epoch())},
                   {"sequence", finding.sequence()},
                   {"expected", finding.expected()},
                   {"sampling_probability", finding.sampling_probability()},
                   {"direction", NameOf(finding.provenance().direction(), "DIRECTION_")},
                   {"protocol", NameOf(finding.provenance().protocol(), "PROTOCOL_")}};
  if (stored.exposure_id() != 0) unmapped["exposure_id"] = stored.exposure_id();
  json["unmapped"] = std::move(unmapped);
  event.body = Dump(json);
  return event;
}

Event OcsfWriter::Write(const store::ExposureRevision& revision) const {
  const v1::Exposure& exposure = revision.exposure;
  const bool closed = exposure.state() == v1::Exposure::STATE_CLOSED;
  const int activity = closed ? kClose : revision.sent.revision.empty() ? kCreate : kUpdate;
  const std::string uid = absl::StrCat(options_.store_id, "-", exposure.id());
  Event event = {
      .id = absl::StrCat("e-", uid, "-", revision.revision),
      .content = Content::kExposure,
      .kind = exposure.kind(),
      .severity = exposure.severity(),
      .site = exposure.site(),
      .time = store::FromTimestamp(closed ? exposure.closed_at() : exposure.last_seen())};
  const std::string kind = NameOf(event.kind);
  std::string title = absl::StrCat(TitleOf(event.kind), ": ", Text(exposure.site()));
  if (!exposure.channel().empty()) absl::StrAppend(&title, " through ", Text(exposure.channel()));
  if (!exposure.destination().empty()) {
    absl::StrAppend(&title, " to ", Text(exposure.destination()));
  }
  Json json = Head(activity, event.time, exposure.severity(), exposure.confidence());
  json["start_time"] = Millis(exposure.first_seen());
  json["end_time"] = Millis(exposure.last_seen());
  json["count"] = exposure.occurrences();
  json["status_id"] = closed ? kResolved : kNew;
  json["status"] = closed ? "Resolved" : "New";
  if (closed) PutText(json, "status_detail", exposure.close_reason());
  json["is_alert"] = !closed;
  json["message"] = title;
  json["metadata"] = Metadata(event.id, event.time, Content::kExposure, options_.version);
  json["metadata"]["correlation_uid"] = uid;
  json["finding_info"] = {{"uid", uid},
                          {"title", title},
                          {"types", Json::array({kind})},
                          {"created_time", Millis(exposure.first_seen())},
                          {"modified_time", Millis(event.time)},
                          {"first_seen_time", Millis(exposure.first_seen())},
                          {"last_seen_time", Millis(exposure.last_seen())},
                          {"related_events_count", exposure.findings()}};
  Json resources = Json::array();
  resources.push_back(Resource(exposure.site(), "site"));
  for (const std::string& agent : exposure.agents()) {
    if (resources.size() > kListMax) break;
    resources.push_back(Resource(agent, "agent"));
  }
  json["resources"] = std::move(resources);
  Json data = {{"findings", exposure.findings()},
               {"occurrences", exposure.occurrences()},
               {"distinct_cards", exposure.distinct_cards()},
               {"distinct_test_cards", exposure.distinct_test_cards()},
               {"sampled", exposure.sampled()}};
  if (exposure.sampled()) {
    data["estimated_occurrences"] = exposure.estimated_occurrences();
    data["estimated_distinct_cards_max"] = exposure.estimated_distinct_cards_max();
  }
  PutTexts(data, "brands", exposure.brands());
  PutTexts(data, "encodings", exposure.encodings());
  PutTexts(data, "rules", exposure.rules());
  Json evidence = Json::object();
  evidence["data"] = std::move(data);
  json["evidences"] = Json::array();
  json["evidences"].push_back(std::move(evidence));
  Json unmapped = {{"kind", kind},
                   {"site", Text(exposure.site())},
                   {"exposure_id", exposure.id()},
                   {"revision", revision.revision},
                   {"state", NameOf(exposure.state(), "STATE_")}};
  PutText(unmapped, "channel", exposure.channel());
  PutText(unmapped, "destination", exposure.destination());
  if (closed) PutText(unmapped, "closed_by", exposure.closed_by());
  json["unmapped"] = std::move(unmapped);
  event.body = Dump(json);
  return event;
}

std::string WithoutEvidence(const std::string& body) {
  Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return body;
  for (const char* const key : {"evidences", "observables", "unmapped"}) json.erase(key);
  json["metadata"]["is_truncated"] = true;
  json["metadata"]["untruncated_size"] = body.size();
  return Dump(json);
}

}  // namespace skimwatch::sink
