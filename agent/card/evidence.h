#ifndef SKIMWATCH_AGENT_CARD_EVIDENCE_H_
#define SKIMWATCH_AGENT_CARD_EVIDENCE_H_

#include <string_view>

#include "agent/card/card_match.h"
#include "agent/card/number_finder.h"
#include "agent/card/scanner.h"
#include "agent/card/surroundings.h"

namespace skimwatch::card {

// What a stream's ScanContext says about every number in it.
struct StreamFacts {
  // The location looks like the place where a shop takes payment.
  bool checkout = false;
  bool script = false;
  // A font, an image, a video: bytes that mean no text.
  bool binary_media = false;
};
StreamFacts FactsOf(const ScanContext& context);

inline constexpr int kScoreMax = 100;
// docs/detection.md has the table of the weights behind a score.
inline constexpr int kScoreMedium = 40;
inline constexpr int kScoreHigh = 70;
// Other numbers close by make each more likely: the whole list of a shop's customers.
inline constexpr int kScoreOtherNumbers = 10;

Confidence LevelOf(int score);

// Weighs what speaks for and against `candidate`, at its place in `text`, and sets kind, score,
// confidence, test_card and evidence of `match`. False when the evidence does not reach for a match
// of any level: a number whose check digit its brand does not promise, or in odd groups, needs a
// field that names it, and then is `low`. `quiet`, if any, is of `text`.
bool Weigh(std::string_view text, const Candidate& candidate, const StreamFacts& facts,
           CardMatch& match, QuietText* quiet = nullptr);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_EVIDENCE_H_
