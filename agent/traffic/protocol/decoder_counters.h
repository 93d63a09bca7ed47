#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DECODER_COUNTERS_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DECODER_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "agent/traffic/message.h"

namespace skimwatch::traffic {

// A number that one thread changes and any thread reads.
class Counter {
 public:
  void Add(uint64_t n = 1) { Set(value() + n); }
  void Subtract(uint64_t n) { Set(value() - n); }
  void Set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// What TrafficDecoder::Stats reports; see there.
struct DecoderCounters {
  Counter packets;
  Counter packet_bytes;
  Counter packets_undecodable;
  Counter flows;
  Counter flows_active;
  Counter flows_sampled_out;
  Counter flows_evicted;
  Counter gaps;
  Counter gap_bytes;
  Counter retransmitted_bytes;
  Counter conflicting_bytes;
  Counter late_bytes;
  Counter reassembly_bytes;
  Counter requests;
  Counter responses;
  Counter http_errors;
  Counter bodies_truncated;
  Counter bodies_cut_as_bomb;
  Counter bodies_undecodable;
  Counter tls_streams;
  Counter raw_streams;
  Counter datagrams;
  Counter datagram_bytes;
  Counter datagram_flows_active;

  struct PerProtocol {
    Counter streams;
    Counter messages;
    Counter errors;
  };
  std::array<PerProtocol, static_cast<size_t>(Protocol::kCount)> protocols;

  PerProtocol& of(Protocol protocol) { return protocols[static_cast<size_t>(protocol)]; }
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DECODER_COUNTERS_H_
