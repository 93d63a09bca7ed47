#ifndef SKIMWATCH_AGENT_TRAFFIC_COVERAGE_H_
#define SKIMWATCH_AGENT_TRAFFIC_COVERAGE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skimwatch::traffic {

// What became of bytes that a source saw, with why. Units are bytes as they stood on the wire or in
// the file, before any decoding; retransmitted TCP bytes count once.
enum class Reason : uint8_t {
  kScanned,
  // The flow was not chosen by the sampling hash, whatever its messages might have been.
  kSampledOutFlow,
  // A message, or a window of a long flow, of a flow that is followed, left out by its priority.
  kSampledOutLow,
  kSampledOutNormal,
  kSampledOutHigh,
  // Beyond the configured bytes of one message's body.
  kTruncatedBodyLimit,
  // Cut off by the decompression limit.
  kTruncatedDecompressionLimit,
  // The packet was longer than the capture took.
  kTruncatedSnapshot,
  // Beyond the bytes of one call that TLS probes copy, or not readable at that moment.
  kTruncatedCall,
  // Beyond the configured bytes of one journal field or entry.
  kTruncatedEntryLimit,
  // Of samples longer than the configuration takes.
  kTruncatedSampleLimit,
  // The table of flows was full.
  kShedFlowTableFull,
  // The ring between the TLS probes and the agent was full.
  kShedProbeRing,
  // What was missing came after it was given up: the memory for reassembly, of one flow or in all,
  // or the time to wait was used up; or it came from before the first packet of an open flow.
  kShedReassemblyMemory,
  // Copies of requests came faster than they could be scanned, and the room for them was used up.
  kShedQueueFull,
  // TLS or another ciphertext.
  kUndecodableEncrypted,
  // The content coding was unknown or its data broken.
  kUndecodableContentCoding,
  // Compressed headers (HPACK) that refer to what was sent before the capture began, or in a gap.
  kUndecodableHeaderCompression,
  // Packets that no decoder of link or network layer understood.
  kUndecodablePacket,
  // No sample, or one whose fields make no sense.
  kUndecodableSample,
  // Not outbound, and the configuration did not ask for it.
  kInbound,
  kCount,
};

// `scanned`, `sampled_out.flow_hash`, `truncated.body_limit`, ... : outcome, dot, reason.
std::string_view ReasonName(Reason reason);
// The part before the dot.
std::string_view OutcomeName(Reason reason);

// Honest coverage, to the byte: seen is the sum of all reasons, and sources count every byte they
// saw in exactly one of them. Thread-safe; wait-free.
class Coverage {
 public:
  void Add(Reason reason, uint64_t bytes) {
    bytes_[static_cast<size_t>(reason)].fetch_add(bytes, std::memory_order_relaxed);
  }
  uint64_t bytes(Reason reason) const {
    return bytes_[static_cast<size_t>(reason)].load(std::memory_order_relaxed);
  }
  uint64_t seen_bytes() const;

 private:
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Reason::kCount)> bytes_{};
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_COVERAGE_H_
