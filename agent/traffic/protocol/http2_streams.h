#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP2_STREAMS_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP2_STREAMS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/http_payload.h"
#include "agent/traffic/protocol/http_request.h"
#include "agent/traffic/protocol/web_socket_stream.h"

namespace skimwatch::traffic {

// One request and its answer on an HTTP/2 connection.
struct Http2Stream {
  // What one end sends.
  struct Half {
    Half(FlowContext& flow, Sender sender) : payload(flow, sender) {}

    // The head, which is not an interim one, was seen.
    bool has_head = false;
    bool ended = false;
    // On what comes next; the head's until there is a body.
    SampleDecision sample;
    HttpPayload payload;
    // Instead of `payload`, where the stream is a WebSocket.
    std::unique_ptr<WebSocketStream> web_socket;
  };

  Http2Stream(FlowContext& flow, uint32_t number)
      : id(number), halves{Half(flow, Sender::kClient), Half(flow, Sender::kServer)} {
    for (Half& half : halves) half.sample = flow.sample_of(Sender::kClient);
  }

  ~Http2Stream() { Wipe(request); }
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;

  Half& half(Sender sender) { return halves[sender == Sender::kClient ? 0 : 1]; }

  const uint32_t id;
  HttpRequest request;
  bool is_web_socket = false;
  std::array<Half, 2> halves;
};

// The streams of a connection that are not over. Of too many, the one that was used longest ago is
// forgotten: what it has open is ended. Thread-compatible.
class Http2Streams {
 public:
  explicit Http2Streams(FlowContext& flow) : flow_(flow) {}
  ~Http2Streams() { Clear(); }
  Http2Streams(const Http2Streams&) = delete;
  Http2Streams& operator=(const Http2Streams&) = delete;

  // The stream, made where it is not known; null where there is no memory for one.
  Http2Stream* Get(uint32_t id);
  // Null where it is not known.
  Http2Stream* Find(uint32_t id);
  // Makes it the first one to be forgotten.
  void Demote(uint32_t id);
  void Remove(uint32_t id);
  void Clear();

  template <typename Function>
  void ForEach(Function function) {
    for (Http2Stream& stream : by_use_) function(stream);
  }

 private:
  static constexpr size_t kStreamsMax = 256;
  // With names as long as they may be (http_request.h).
  static constexpr uint64_t kStreamBytes = 4096;

  FlowContext& flow_;
  // The one used longest ago first.
  std::list<Http2Stream> by_use_;
  absl::flat_hash_map<uint32_t, std::list<Http2Stream>::iterator> by_id_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP2_STREAMS_H_
