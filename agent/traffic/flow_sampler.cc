#include "agent/traffic/flow_sampler.h"

#include <algorithm>
#include <string_view>

namespace skimwatch::traffic {
namespace {

constexpr size_t kEndpointBytes = 18;

void Put(const Endpoint& endpoint, char* at) {
  const auto& ip = endpoint.ip.bytes();
  std::copy(ip.begin(), ip.end(), at);
  at[ip.size()] = static_cast<char>(endpoint.port >> 8);
  at[ip.size() + 1] = static_cast<char>(endpoint.port);
}

}  // namespace

FlowSampler::FlowSampler(const SipKey& key, const Shares& shares) : key_(key) { SetShares(shares); }

std::shared_ptr<FlowSampler> FlowSampler::WithShare(double share) {
  constexpr SipKey kKey = {0x5343'414e'464c'4f57, 0};
  return std::make_shared<FlowSampler>(kKey, Shares{share, share, share});
}

void FlowSampler::SetShares(const Shares& shares) {
  for (size_t i = 0; i < shares.size(); ++i) {
    shares_[i].store(shares[i], std::memory_order_relaxed);
  }
  takes_all_.store(std::all_of(shares.begin(), shares.end(), [](double s) { return s >= 1; }),
                   std::memory_order_relaxed);
}

Priority FlowSampler::PriorityOf(const SampledMessage& message) const {
  const std::shared_ptr<const SamplingClasses> classes = classes_.load();
  return classes == nullptr ? Priority::kNormal : classes->PriorityOf(message);
}

uint64_t FlowSampler::UnitOf(const Endpoint& a, const Endpoint& b) const {
  char bytes[2 * kEndpointBytes];
  Put(a < b ? a : b, bytes);
  Put(a < b ? b : a, bytes + kEndpointBytes);
  return SipHash(key_, {bytes, sizeof(bytes)});
}

uint64_t FlowSampler::UnitOfWindow(uint64_t flow, int end, uint64_t window) const {
  char bytes[17];
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(flow >> (8 * i));
    bytes[8 + i] = static_cast<char>(window >> (8 * i));
  }
  bytes[16] = static_cast<char>(end);
  return SipHash(key_, {bytes, sizeof(bytes)});
}

std::optional<FlowDraw> FlowSampler::Follow(const Endpoint& a, const Endpoint& b) const {
  const SampleDecision decision = Decide(UnitOf(a, b), Priority::kHigh);
  if (!decision.chosen) return std::nullopt;
  return FlowDraw{.unit = decision.unit, .followed = decision.probability};
}

SampleDecision FlowSampler::Decide(uint64_t unit, Priority priority) const {
  const double share = this->share(priority);
  // The upper 53 bits as a number in [0, 1).
  const bool chosen = share >= 1 || static_cast<double>(unit >> 11) * 0x1p-53 < share;
  return {
      .chosen = chosen, .priority = priority, .probability = std::min(share, 1.0), .unit = unit};
}

}  // namespace skimwatch::traffic
