#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DATAGRAM_FLOWS_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DATAGRAM_FLOWS_H_

#include <cstdint>
#include <list>
#include <memory>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/flow_key.h"
#include "agent/traffic/protocol/packet_decode.h"
#include "agent/traffic/protocol/quic_initial.h"

namespace skimwatch::traffic {

// Follows UDP: finds out by content what each datagram is, and passes on DNS (dns_names.h), syslog
// messages, and what it does not know, a part a datagram. QUIC and DTLS are counted as encrypted;
// of a QUIC connection the ClientHello is read for the DestinationSink.
//
// A flow is what goes between two endpoints. Of at most `flows_max` the one that was silent longest
// is forgotten, with nothing lost but who is the client. Counts every byte of payload once.
// Thread-compatible.
class DatagramFlows {
 public:
  explicit DatagramFlows(DecoderContext& context) : context_(context) {}
  DatagramFlows(const DatagramFlows&) = delete;
  DatagramFlows& operator=(const DatagramFlows&) = delete;

  void Take(const UdpDatagram& datagram, absl::Time now);
  // Forgets flows that were last seen before `before`.
  void Expire(absl::Time before);
  void Clear() { Expire(absl::InfiniteFuture()); }

 private:
  struct Flow {
    explicit Flow(DecoderContext& decoder) : context(decoder) {}

    FlowKey key;
    FlowContext context;
    bool has_client = false;
    Endpoint client;
    // QUIC: whatever comes is encrypted.
    bool is_quic = false;
    // Until the ClientHello is there.
    std::unique_ptr<QuicInitialReader> hello;
    absl::Time last_seen;
  };

  Flow& FlowOf(const UdpDatagram& datagram);
  void SetClient(Flow& flow, const Endpoint& client, const Endpoint& server);
  void GuessClient(Flow& flow, const UdpDatagram& datagram);
  void TakePayload(Flow& flow, const UdpDatagram& datagram);
  void TakeQuic(Flow& flow, const UdpDatagram& datagram);
  Sender SenderOf(const Flow& flow, const UdpDatagram& datagram) const;

  DecoderContext& context_;
  // The one that was silent longest first.
  std::list<Flow> by_age_;
  absl::flat_hash_map<FlowKey, std::list<Flow>::iterator> by_key_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DATAGRAM_FLOWS_H_
