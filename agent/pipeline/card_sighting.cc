#include "agent/pipeline/card_sighting.h"

#include <utility>

namespace skimwatch::pipeline {

CardSighting MakeSighting(const card::CardMatch& match,
                          std::shared_ptr<const SightingOrigin> origin, uint64_t base,
                          absl::Time seen_at) {
  CardSighting sighting;
  sighting.origin = std::move(origin);
  sighting.kind = match.kind;
  sighting.brand.assign(match.brand);
  sighting.iin_digits = match.iin_digits;
  sighting.digits = card::SecretDigits(match.digits.Reveal());
  sighting.confidence = match.confidence;
  sighting.score = match.score;
  sighting.encodings = match.encodings;
  sighting.test_card = match.test_card;
  sighting.evidence = match.evidence;
  sighting.offset = base + match.offset;
  sighting.seen_at = seen_at;
  return sighting;
}

}  // namespace skimwatch::pipeline
