#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_TRAFFIC_DECODER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_TRAFFIC_DECODER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/destination.h"
#include "agent/traffic/flow_sampler.h"
#include "agent/traffic/message.h"
#include "agent/traffic/packet.h"
#include "agent/traffic/site_map.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::traffic {

struct TrafficDecoderOptions {
  SourceKind source = SourceKind::kPacketCapture;
  // Site of flows that neither hosts nor services of the SiteMap match.
  std::string default_site;
  // Scan what comes in as well; offline analysis does.
  bool scan_inbound = false;
  // Chooses what is scanned; null for everything.
  std::shared_ptr<const FlowSampler> sampler;
  // What the source gives has high priority, whatever its class: it has been chosen before.
  bool sampled_last = false;
  // Memory for out-of-order data: of this decoder in all, and of one flow.
  uint64_t reassembly_bytes_max = 64u << 20;
  uint64_t flow_reassembly_bytes_max = 1u << 20;
  uint32_t flows_max = 65536;
  // Decoded bytes of one body that are scanned; 0 is no limit.
  uint64_t body_bytes_max = 64u << 20;
  // A body that grows by more than this (and beyond 1 MiB) is cut as a bomb.
  uint32_t decompression_ratio_max = 200;
  // By packet time.
  absl::Duration flow_idle = absl::Seconds(300);
  // How long data waits for a segment that is missing before it is given up as lost.
  absl::Duration gap_wait = absl::Seconds(2);

  // From the configuration. Limits that hold for the agent are divided by `decoders`, the number of
  // decoders that share them. Unset fields take the defaults above.
  static TrafficDecoderOptions FromConfig(const config::v1::PacketCapture& capture,
                                          const config::v1::Limits& limits, uint32_t decoders);
  // The same for a source of flows that come as bytes.
  static TrafficDecoderOptions FromConfig(const config::v1::Limits& limits, uint32_t decoders);
};

// Turns packets into messages: reassembles TCP, follows the protocols of protocol_detector.h in
// both directions and those of datagram_flows.h over UDP, undoes transfer and content coding, and
// passes each part with its provenance to the sink. What belongs to no protocol is passed as a
// stream of bytes, or as datagrams; TLS and QUIC are counted as undecodable.
//
// Every payload byte of TCP and UDP is counted in `coverage` exactly once, retransmissions not
// again; a packet that is neither is counted with its whole length as undecodable.
//
// Thread-compatible: one a capture thread; `stats()` alone may be called from anywhere. `coverage`,
// `sink` and `destinations`, which may be null, must outlive it. Steady traffic is followed without
// allocation; memory is bounded by the options.
//
//   Coverage coverage;
//   TrafficDecoder decoder(options, *SiteMap::Create(config.sites(), local), coverage, sink);
//   auto file = PcapFile::Open("capture.pcapng");
//   absl::Status status = (*file)->Run(decoder);   // OnPacket for each, then Flush
//   decoder.stats().requests;
class TrafficDecoder final : public PacketHandler {
 public:
  // Counters from the start, and gauges.
  struct Stats {
    uint64_t packets = 0;
    uint64_t packet_bytes = 0;
    // Packets that are no TCP or UDP over IP: fragments, other protocols, malformed.
    uint64_t packets_undecodable = 0;
    uint64_t flows = 0;
    // Gauge: flows followed now.
    uint64_t flows_active = 0;
    uint64_t flows_sampled_out = 0;
    // Flows ended because the table was full of them (the oldest without data went).
    uint64_t flows_evicted = 0;
    // Pieces of streams that were given up as lost, and their bytes, which are not in coverage.
    uint64_t gaps = 0;
    uint64_t gap_bytes = 0;
    // Bytes of those that came after all, and bytes from before the first packet of a flow that was
    // open when the capture began: counted in coverage as shed.
    uint64_t late_bytes = 0;
    uint64_t retransmitted_bytes = 0;
    // Retransmitted bytes that differ from the first copy, as far as that was still at hand.
    uint64_t conflicting_bytes = 0;
    // Gauge: out-of-order data now held.
    uint64_t reassembly_bytes = 0;
    // HTTP messages whose head was complete.
    uint64_t requests = 0;
    uint64_t responses = 0;
    // Data that began as HTTP and broke its rules; it is scanned as a stream from there.
    uint64_t http_errors = 0;
    // Bodies cut by the body limit, cut by the decompression limit, and with a content coding that
    // is broken or not known.
    uint64_t bodies_truncated = 0;
    uint64_t bodies_cut_as_bomb = 0;
    uint64_t bodies_undecodable = 0;
    // Directions of flows found to be TLS.
    uint64_t tls_streams = 0;
    // Directions of flows scanned as streams of no known protocol.
    uint64_t raw_streams = 0;
    // UDP datagrams, the bytes that they carry, and a gauge of the flows that they make up.
    uint64_t datagrams = 0;
    uint64_t datagram_bytes = 0;
    uint64_t datagram_flows_active = 0;

    struct PerProtocol {
      // Directions of flows found to be of the protocol.
      uint64_t streams = 0;
      // Requests and responses, messages, commands, datagrams: what the protocol's unit is.
      uint64_t messages = 0;
      // Places where data broke the protocol's rules; what follows is scanned as a stream.
      uint64_t errors = 0;
    };
    // By Protocol.
    std::array<PerProtocol, static_cast<size_t>(Protocol::kCount)> protocols;
  };

  TrafficDecoder(TrafficDecoderOptions options, std::shared_ptr<const SiteMap> sites,
                 Coverage& coverage, MessageSink& sink, DestinationSink* destinations = nullptr);
  ~TrafficDecoder() override;
  TrafficDecoder(const TrafficDecoder&) = delete;
  TrafficDecoder& operator=(const TrafficDecoder&) = delete;

  void OnPacket(const PacketView& packet) override;
  void OnIdle(absl::Time now) override;
  // Closes all flows, delivering what waits. The decoder may be used again.
  void Flush() override;

  Stats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_TRAFFIC_DECODER_H_
