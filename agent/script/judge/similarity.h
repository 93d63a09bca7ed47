#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_SIMILARITY_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_SIMILARITY_H_

#include <string>
#include <string_view>

namespace skimwatch::script {

// Digests of a text that are alike where texts are. The two see different things: TLSH a version
// that differs a little everywhere, ssdeep one that has something added and is as before elsewhere.
struct SimilarityDigests {
  // Empty where a text is too short or too uniform.
  std::string tlsh;
  std::string ssdeep;
};

// Thread-safe; linear, a few milliseconds a megabyte.
SimilarityDigests DigestsOf(std::string_view text);

// TLSH's distance: 0 for the same, up to about 30 for versions of one text, above 100 for others.
// -1 where one has no digest.
int TlshDistance(const SimilarityDigests& a, const SimilarityDigests& b);

// ssdeep's score from 0 to 100, 100 for the same. -1 where one has no digest.
int SsdeepScore(const SimilarityDigests& a, const SimilarityDigests& b);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_SIMILARITY_H_
