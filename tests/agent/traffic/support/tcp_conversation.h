#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_TCP_CONVERSATION_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_TCP_CONVERSATION_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "tests/agent/traffic/support/packet_builder.h"

namespace skimwatch::traffic::testing {

// The packets of a TCP connection as a capture sees it, a millisecond apart.
//
//   TcpConversation tcp(At("192.0.2.1:40000"), At("198.51.100.1:80"));
//   tcp.Open();
//   tcp.Client("GET / HTTP/1.1\r\n\r\n");
//   tcp.Server("HTTP/1.1 204 No Content\r\n\r\n");
//   tcp.Close();
//   for (const Packet& packet : tcp.packets()) decoder.OnPacket(packet.view());
class TcpConversation {
 public:
  TcpConversation(const Endpoint& client, const Endpoint& server, uint32_t client_isn = 1000,
                  uint32_t server_isn = 5000);

  // The largest payload of the segments that follow.
  void set_segment_bytes(size_t bytes) { segment_bytes_ = bytes; }
  void set_time(absl::Time time) { time_ = time; }
  absl::Time time() const { return time_; }

  // The three packets that open a connection.
  void Open();
  void Client(std::string_view bytes) { Send(true, bytes); }
  void Server(std::string_view bytes) { Send(false, bytes); }
  // FIN from both sides.
  void Close();
  void Reset(bool by_client);
  // Adds a packet of any kind; the connection's state does not change.
  void Add(const Segment& segment);
  // A segment as it would be sent next.
  Segment Next(bool by_client) const;
  // Bytes that `by_client` sends without a packet of them being seen.
  void Lose(bool by_client, size_t bytes);

  const std::vector<Packet>& packets() const { return packets_; }
  std::vector<Packet>& packets() { return packets_; }
  // Bytes of payload sent, each once.
  uint64_t payload_bytes() const { return payload_bytes_; }

 private:
  struct End {
    Endpoint endpoint;
    uint32_t next = 0;
  };

  void Send(bool by_client, std::string_view bytes);

  End client_;
  End server_;
  size_t segment_bytes_ = 1448;
  absl::Time time_ = absl::FromUnixSeconds(1'700'000'000);
  uint64_t payload_bytes_ = 0;
  std::vector<Packet> packets_;
};

}  // namespace skimwatch::traffic::testing

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_TCP_CONVERSATION_H_
