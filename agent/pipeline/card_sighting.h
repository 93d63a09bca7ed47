#ifndef SKIMWATCH_AGENT_PIPELINE_CARD_SIGHTING_H_
#define SKIMWATCH_AGENT_PIPELINE_CARD_SIGHTING_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "agent/card/card_match.h"
#include "agent/card/secret_digits.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::pipeline {

// Where the bytes of a sighting were seen. One for all sightings of a message part.
struct SightingOrigin {
  std::string site;
  // Complete but for the offset; what it shows is fit to leave the process.
  v1::Provenance provenance;
  // The request's path as sent, for expected flows. Never shown: it may hold a card number.
  std::string path;
  // How a person names where the data went: `host:port`, `clients`, a file.
  std::string destination;
  // Nobody but a stranger says so, and anybody can: at most of medium severity.
  bool unconfirmed = false;
  // As in traffic::Provenance.
  double sampling_probability = 1.0;
  uint64_t sampling_unit = 0;
};

// A card number as the scan met it, on its way from a source's thread to the FindingWriter. Holds
// the full number, in memory only.
struct CardSighting {
  std::shared_ptr<const SightingOrigin> origin;
  card::MatchKind kind = card::MatchKind::kPan;
  std::string brand;
  uint8_t iin_digits = 6;
  card::SecretDigits digits;
  card::Confidence confidence = card::Confidence::kLow;
  int score = 0;
  absl::InlinedVector<card::Encoding, 4> encodings;
  bool test_card = false;
  absl::InlinedVector<std::string, 4> evidence;
  // In bytes, from the start of what `origin.provenance.part` names.
  uint64_t offset = 0;
  absl::Time seen_at;
};

// The sighting that a match makes: the one place where a number is taken out of the scanner. `base`
// is added to the match's offset.
CardSighting MakeSighting(const card::CardMatch& match,
                          std::shared_ptr<const SightingOrigin> origin, uint64_t base,
                          absl::Time seen_at);

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_CARD_SIGHTING_H_
