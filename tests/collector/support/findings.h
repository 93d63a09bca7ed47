#ifndef SKIMWATCH_TESTS_COLLECTOR_SUPPORT_FINDINGS_H_
#define SKIMWATCH_TESTS_COLLECTOR_SUPPORT_FINDINGS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "collector/store/timestamp.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/query_service.pb.h"

namespace skimwatch::testing {

// 32 bytes that stand for the fingerprint of the n-th card.
inline std::string FingerprintOf(uint64_t card) {
  std::string fingerprint(32, '\0');
  for (int i = 0; i < 32; ++i) {
    card = card * 6364136223846793005u + 1442695040888963407u;
    fingerprint[i] = static_cast<char>(card >> 56);
  }
  return fingerprint;
}

// 32 bytes that stand for the SHA-256 of a script's n-th version.
inline std::string HashOf(uint64_t version) { return FingerprintOf(version + 0x5c1297); }

struct CardFindingOptions {
  std::string site = "shop";
  uint64_t card = 1;
  v1::Confidence confidence = v1::CONFIDENCE_HIGH;
  v1::Severity severity = v1::SEVERITY_HIGH;
  std::string method = "POST";
  std::string path = "/collect";
  std::string destination = "198.51.100.7:443";
  bool expected = false;
  bool test_card = false;
  uint64_t count = 1;
  double probability = 1;
  absl::Time seen = absl::FromUnixSeconds(1'700'000'000);
};

// A finding that passes validation.
inline v1::Finding CardFinding(uint64_t sequence, const CardFindingOptions& options = {}) {
  v1::Finding finding;
  finding.set_sequence(sequence);
  finding.set_site(options.site);
  finding.set_severity(options.severity);
  finding.set_confidence(options.confidence);
  finding.set_rule("card.outbound");
  *finding.mutable_first_seen() = store::ToTimestamp(options.seen);
  *finding.mutable_last_seen() = store::ToTimestamp(options.seen);
  finding.set_count(options.count);
  finding.set_sampling_probability(options.probability);
  finding.set_expected(options.expected);
  finding.set_destination(options.destination);
  v1::Provenance* provenance = finding.mutable_provenance();
  provenance->set_source(v1::SOURCE_KIND_PACKET_CAPTURE);
  provenance->set_direction(v1::DIRECTION_OUTBOUND_REQUEST);
  provenance->mutable_client()->set_address("192.0.2.10");
  provenance->mutable_client()->set_port(40000);
  provenance->mutable_server()->set_address("198.51.100.7");
  provenance->mutable_server()->set_port(443);
  provenance->set_host("cdn.example");
  provenance->set_method(options.method);
  provenance->set_path_template(options.path);
  provenance->set_part("request_body");
  v1::CardNumber* number = finding.mutable_card_number();
  number->mutable_card()->set_masked("411111******1111");
  number->mutable_card()->set_brand("visa");
  number->mutable_card()->set_length(16);
  number->mutable_card()->set_fingerprint(FingerprintOf(options.card));
  number->mutable_card()->set_fingerprint_key_id("k1");
  number->mutable_card()->set_test_card(options.test_card);
  number->add_encodings("base64");
  number->add_evidence("luhn");
  number->set_score(90);
  return finding;
}

// A script change to `version`; `version` 0 has no current bytes (removed).
inline v1::Finding ScriptFinding(uint64_t sequence, v1::ScriptChange::Change change,
                                 uint64_t version, const std::string& script = "js/chat.js") {
  v1::Finding finding;
  finding.set_sequence(sequence);
  finding.set_site("shop");
  finding.set_severity(v1::SEVERITY_HIGH);
  finding.set_confidence(v1::CONFIDENCE_HIGH);
  finding.set_rule("script.changed");
  *finding.mutable_first_seen() =
      store::ToTimestamp(absl::FromUnixSeconds(1'700'000'000 + static_cast<int64_t>(sequence)));
  *finding.mutable_last_seen() = finding.first_seen();
  finding.set_count(1);
  finding.set_sampling_probability(1);
  finding.set_destination("shop");
  finding.mutable_provenance()->set_source(v1::SOURCE_KIND_WEB_ROOT);
  finding.mutable_provenance()->set_direction(v1::DIRECTION_AT_REST);
  finding.mutable_provenance()->set_file(script);
  v1::ScriptChange* detail = finding.mutable_script_change();
  detail->set_change(change);
  detail->set_script(script);
  if (version != 0) {
    detail->mutable_current()->set_sha256(HashOf(version));
    detail->mutable_current()->set_size_bytes(1000 + version);
  }
  return finding;
}

inline v1::StoredFinding Stored(v1::Finding finding, const std::string& agent, uint64_t epoch,
                                absl::Time at, uint64_t exposure_id = 0) {
  v1::StoredFinding stored;
  *stored.mutable_finding() = std::move(finding);
  stored.set_agent(agent);
  stored.set_epoch(epoch);
  *stored.mutable_stored_at() = store::ToTimestamp(at);
  stored.set_exposure_id(exposure_id);
  return stored;
}

// A destination change that passes validation.
inline v1::Finding DestinationFinding(uint64_t sequence, v1::DestinationChange::Change change,
                                      const std::string& name = "evil.com",
                                      const std::string& process = "", bool checkout = false,
                                      absl::Time seen = absl::FromUnixSeconds(1'700'000'000)) {
  v1::Finding finding;
  finding.set_sequence(sequence);
  finding.set_site("shop");
  finding.set_severity(change == v1::DestinationChange::CHANGE_PROPOSED ? v1::SEVERITY_INFO
                       : checkout                                       ? v1::SEVERITY_HIGH
                                                                        : v1::SEVERITY_MEDIUM);
  finding.set_confidence(v1::CONFIDENCE_HIGH);
  finding.set_rule("destination.new");
  *finding.mutable_first_seen() = store::ToTimestamp(seen);
  *finding.mutable_last_seen() = store::ToTimestamp(seen);
  finding.set_count(1);
  finding.set_sampling_probability(1);
  finding.set_destination(name);
  finding.mutable_provenance()->set_direction(v1::DIRECTION_OUTBOUND_REQUEST);
  v1::DestinationChange& detail = *finding.mutable_destination_change();
  detail.set_change(change);
  detail.set_name(name);
  detail.set_process(process);
  detail.set_checkout(checkout);
  detail.set_scope(v1::DestinationChange::SCOPE_PUBLIC);
  *detail.mutable_first_seen() = finding.first_seen();
  *detail.mutable_last_seen() = finding.last_seen();
  detail.set_flows(1);
  detail.set_bytes_out(100);
  detail.add_hosts("www." + name);
  detail.add_addresses("198.51.100.7");
  detail.add_ports(443);
  return finding;
}

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_SUPPORT_FINDINGS_H_
