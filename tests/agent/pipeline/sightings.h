#ifndef SKIMWATCH_TESTS_AGENT_PIPELINE_SIGHTINGS_H_
#define SKIMWATCH_TESTS_AGENT_PIPELINE_SIGHTINGS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/card/luhn.h"
#include "agent/pipeline/card_sighting.h"

namespace skimwatch::pipeline::testing {

// The n-th number of 16 digits under a prefix that is nobody's to issue, with a valid check digit.
inline card::SecretDigits NumberOf(uint64_t n) {
  std::vector<uint8_t> digits = {4, 0, 0, 0, 0, 1};
  std::vector<uint8_t> middle(9);
  for (size_t i = middle.size(); i > 0; --i, n /= 10) middle[i - 1] = static_cast<uint8_t>(n % 10);
  digits.insert(digits.end(), middle.begin(), middle.end());
  digits.push_back(card::LuhnCheckDigit(digits));
  return card::SecretDigits(digits);
}

inline SightingOrigin OutboundOrigin() {
  SightingOrigin origin;
  origin.site = "shop";
  origin.path = "/collect";
  origin.destination = "chat.example:8080";
  v1::Provenance& provenance = origin.provenance;
  provenance.set_source(v1::SOURCE_KIND_PACKET_CAPTURE);
  provenance.set_direction(v1::DIRECTION_OUTBOUND_REQUEST);
  provenance.mutable_server()->set_address("198.51.100.7");
  provenance.mutable_server()->set_port(8080);
  provenance.set_host("chat.example");
  provenance.set_method("POST");
  provenance.set_path_template("/collect");
  provenance.set_part("request_body");
  return origin;
}

inline CardSighting SightingOf(uint64_t card, const SightingOrigin& origin = OutboundOrigin()) {
  CardSighting sighting;
  sighting.origin = std::make_shared<const SightingOrigin>(origin);
  sighting.brand = "visa";
  sighting.digits = NumberOf(card);
  sighting.confidence = card::Confidence::kHigh;
  sighting.score = 90;
  sighting.seen_at = absl::FromUnixSeconds(1'700'000'000);
  return sighting;
}

}  // namespace skimwatch::pipeline::testing

#endif  // SKIMWATCH_TESTS_AGENT_PIPELINE_SIGHTINGS_H_
