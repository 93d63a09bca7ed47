#include "agent/script/judge/similarity.h"

#include <fuzzy.h>
#include <tlsh.h>

#include <algorithm>
#include <array>
#include <limits>

namespace skimwatch::script {
namespace {

// Below it TLSH has no digest.
constexpr size_t kTlshBytesMin = 512;

}  // namespace

SimilarityDigests DigestsOf(std::string_view text) {
  SimilarityDigests digests;
  const auto size =
      static_cast<unsigned int>(std::min<size_t>(text.size(), std::numeric_limits<int32_t>::max()));
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  if (text.size() >= kTlshBytesMin) {
    Tlsh tlsh;
    tlsh.update(bytes, size);
    tlsh.final();
    if (const char* hash = tlsh.getHash(); hash != nullptr) digests.tlsh = hash;
  }
  std::array<char, FUZZY_MAX_RESULT> ssdeep{};
  if (!text.empty() && fuzzy_hash_buf(bytes, size, ssdeep.data()) == 0) {
    digests.ssdeep = ssdeep.data();
  }
  return digests;
}

int TlshDistance(const SimilarityDigests& a, const SimilarityDigests& b) {
  if (a.tlsh.empty() || b.tlsh.empty()) return -1;
  Tlsh first;
  Tlsh second;
  if (first.fromTlshStr(a.tlsh.c_str()) != 0 || second.fromTlshStr(b.tlsh.c_str()) != 0) return -1;
  return first.totalDiff(&second);
}

int SsdeepScore(const SimilarityDigests& a, const SimilarityDigests& b) {
  if (a.ssdeep.empty() || b.ssdeep.empty()) return -1;
  return fuzzy_compare(a.ssdeep.c_str(), b.ssdeep.c_str());
}

}  // namespace skimwatch::script
