#include "tests/agent/traffic/support/tcp_conversation.h"

#include <string>

namespace skimwatch::traffic::testing {

TcpConversation::TcpConversation(const Endpoint& client, const Endpoint& server,
                                 uint32_t client_isn, uint32_t server_isn)
    : client_{client, client_isn}, server_{server, server_isn} {}

void TcpConversation::Add(const Segment& segment) {
  packets_.push_back(MakePacket(segment, time_));
  time_ += absl::Milliseconds(1);
}

Segment TcpConversation::Next(bool by_client) const {
  const End& from = by_client ? client_ : server_;
  const End& to = by_client ? server_ : client_;
  return {
      .from = from.endpoint, .to = to.endpoint, .sequence = from.next, .acknowledgment = to.next};
}

void TcpConversation::Open() {
  Segment syn = Next(true);
  syn.flags = kSyn;
  syn.acknowledgment = 0;
  Add(syn);
  ++client_.next;
  Segment syn_ack = Next(false);
  syn_ack.flags = kSyn | kAck;
  Add(syn_ack);
  ++server_.next;
  Add(Next(true));
}

void TcpConversation::Send(bool by_client, std::string_view bytes) {
  while (!bytes.empty()) {
    Segment segment = Next(by_client);
    segment.payload = bytes.substr(0, segment_bytes_);
    bytes.remove_prefix(segment.payload.size());
    Add(segment);
    (by_client ? client_ : server_).next += static_cast<uint32_t>(segment.payload.size());
    payload_bytes_ += segment.payload.size();
  }
}

void TcpConversation::Lose(bool by_client, size_t bytes) {
  (by_client ? client_ : server_).next += static_cast<uint32_t>(bytes);
}

void TcpConversation::Close() {
  for (bool by_client : {true, false}) {
    Segment fin = Next(by_client);
    fin.flags = kFin | kAck;
    Add(fin);
    ++(by_client ? client_ : server_).next;
  }
  Add(Next(true));
}

void TcpConversation::Reset(bool by_client) {
  Segment segment = Next(by_client);
  segment.flags = kRst | kAck;
  Add(segment);
}

}  // namespace skimwatch::traffic::testing
