#include "agent/traffic/protocol/flow_key.h"

#include <cstring>

namespace skimwatch::traffic {
namespace {

// Part of what agents agree on: a change of the key or of the function changes which flows are
// chosen.
constexpr uint64_t kSamplingKey = 0x5343'414e'464c'4f57;

// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Big-endian, so that machines of either byte order agree.
uint64_t Load64(const uint8_t* bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return value;
}

uint64_t MixEndpoint(uint64_t hash, const Endpoint& endpoint) {
  const uint8_t* bytes = endpoint.ip.bytes().data();
  hash = Mix(hash ^ Load64(bytes));
  hash = Mix(hash ^ Load64(bytes + 8));
  return Mix(hash ^ endpoint.port);
}

}  // namespace

bool FlowSampler::Chooses(const FlowKey& key) const {
  if (ratio_ >= 1) return true;
  const uint64_t hash = MixEndpoint(MixEndpoint(kSamplingKey, key.low), key.high);
  // The upper 53 bits as a number in [0, 1).
  return static_cast<double>(hash >> 11) * 0x1p-53 < ratio_;
}

}  // namespace skimwatch::traffic
