#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_BYTE_FLOW_DECODER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_BYTE_FLOW_DECODER_H_

#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/destination.h"
#include "agent/traffic/message.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/site_map.h"

namespace skimwatch::traffic {

// Turns flows that come as ordered bytes, from sources that are no packet captures, into messages:
// protocols, content codings and coverage are those of TrafficDecoder.
//
// Thread-compatible: one a source's thread; `stats()` alone may be called from anywhere.
// `coverage`, `sink` and `destinations`, which may be null, must outlive it.
class ByteFlowDecoder final : public ByteFlowHandler {
 public:
  struct Stats {
    uint64_t flows = 0;
    // Gauge.
    uint64_t flows_active = 0;
    uint64_t flows_sampled_out = 0;
    // Flows let go because the table was full of them: the oldest went.
    uint64_t flows_evicted = 0;
    // Places where the source shed bytes.
    uint64_t gaps = 0;
    uint64_t requests = 0;
    uint64_t responses = 0;
    uint64_t http_errors = 0;
    uint64_t bodies_truncated = 0;
    uint64_t bodies_cut_as_bomb = 0;
    uint64_t bodies_undecodable = 0;
    // Directions found to be TLS, such as TLS inside of TLS.
    uint64_t tls_streams = 0;
    uint64_t raw_streams = 0;
  };

  // Of the options those hold that speak of flows and bodies, not of packets.
  ByteFlowDecoder(TrafficDecoderOptions options, std::shared_ptr<const SiteMap> sites,
                  Coverage& coverage, MessageSink& sink, DestinationSink* destinations = nullptr);
  ~ByteFlowDecoder() override;

  // Flows that were not opened, or were let go, are counted as kShedFlowTableFull.
  void OnOpen(uint64_t flow, const ByteFlow& info, absl::Time now) override;
  void OnData(uint64_t flow, bool from_client, std::string_view bytes, absl::Time now) override;
  void OnShed(uint64_t flow, bool from_client, uint64_t bytes, absl::Time now) override;
  void OnEnd(uint64_t flow, absl::Time now) override;
  void OnIdle(absl::Time now) override;
  void Flush() override;

  Stats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_BYTE_FLOW_DECODER_H_
