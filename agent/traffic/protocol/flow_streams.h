#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_STREAMS_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_STREAMS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/traffic/byte_flow.h"
#include "agent/traffic/ip_address.h"
#include "agent/traffic/protocol/chunk_reading.h"
#include "agent/traffic/protocol/client_hello.h"
#include "agent/traffic/protocol/flow_context.h"
#include "agent/traffic/protocol/protocol_detector.h"
#include "agent/traffic/protocol/stream_parser.h"
#include "agent/traffic/protocol/tls_records.h"

namespace skimwatch::traffic {

// Follows the two ordered streams of one flow: finds out by content what each is, has its
// protocol's parser take it, passes on what no parser knows as a stream, and counts TLS.
//
// Ends of the flow are called 0 and 1 here, for which is the client may show only in the content:
// it is who sent the SYN, else who sends what only a client of the protocol does (SenderOf), else
// not the service, else the one with the higher port.
class FlowStreams {
 public:
  FlowStreams(DecoderContext& context, const Endpoint& end0, const Endpoint& end1,
              const FlowDraw& draw);
  // Of a flow that is known to its source: end 0 is `flow.client`.
  FlowStreams(DecoderContext& context, const ByteFlow& flow, const FlowDraw& draw);
  ~FlowStreams();
  FlowStreams(const FlowStreams&) = delete;
  FlowStreams& operator=(const FlowStreams&) = delete;

  // End `end` opened the connection. No effect once the client is known.
  void SetClient(int end);
  std::optional<int> client() const { return client_; }

  // The next bytes, or the lack of some, from `end`, in a packet of time `now`.
  void Data(int end, std::string_view bytes, absl::Time now);
  // Bytes that were on the wire and not captured; they are counted. Like a gap to what follows.
  void Cut(int end, uint64_t bytes, absl::Time now);
  void Gap(int end, uint64_t bytes, absl::Time now);
  // Bytes for which WantsBytes was false.
  void Counted(int end, uint64_t bytes);
  // Nothing more comes from `end`.
  void End(int end, absl::Time now);

  // False when the number of bytes from `end` will do for Counted.
  bool WantsBytes(int end) const;
  // Whether data from the server must not be delivered before what it acknowledges.
  bool AnswersNeedRequests() const;

  // Whether the flow, which was seen from its beginning, is between the messages of a protocol that
  // keeps nothing from one to the next: new streams go on as these after Resume.
  bool IsAtRest() const;
  // Goes on with a flow that was at rest and whose client is `client`. On new streams only.
  void Resume(int client);

 private:
  enum class Mode : uint8_t { kDetect, kParser, kStream, kEncrypted };

  struct Side {
    Mode mode = Mode::kDetect;
    // A parser gave it back: only TLS is looked for, and all else is a stream.
    bool tls_only = false;
    // Something is missing before the next byte.
    bool after_gap = false;
    // The stream was not seen from its beginning, or its parser lost it: a segment may yet begin an
    // HTTP message.
    bool may_resume = true;
    // It looked like TLS and was not.
    bool no_tls = false;
    TlsRecords tls;
    // Until the ClientHello is there.
    std::unique_ptr<ClientHelloReader> hello;
    // What waits for detection.
    std::string prefix;
    // Of the window that the stream is in.
    uint64_t window_bytes = 0;
    // The open part of a stream.
    PartConsumer* consumer = nullptr;
    // A part of it began before.
    bool has_begun = false;
    // Of the bytes that `consumer` is given.
    ChunkReading chunks;
  };

  Sender SenderOf(int end) const { return end == *client_ ? Sender::kClient : Sender::kServer; }
  void TakeClient(int end);
  // Decides by service and port.
  void GuessClient();
  void Feed(int end, std::string_view bytes);
  void FeedDetection(int end, std::string_view bytes);
  void FeedParser(int end, std::string_view bytes);
  void FeedStream(int end, std::string_view bytes);
  void FeedEncrypted(int end, std::string_view bytes);
  // Sets the mode for bytes that begin as `detection` says.
  void Decide(int end, Detection detection);
  // The parser of the flow's protocol if that is `protocol`, which it is from here on where it was
  // not known; else null.
  StreamParser* ParserOf(Protocol protocol);
  // Looks again at what `end` began with, since the other side has shown what it speaks.
  void Reconsider(int end);
  void BecomeStream(int end);
  void TakeBack(int end);
  // What waits for detection is a stream.
  void EndDetection(int end);
  void CloseConsumer(Side& side);

  FlowContext flow_;
  const std::array<Endpoint, 2> ends_;
  // The end on the watched host, where the source knows.
  std::optional<int> local_end_;
  std::optional<int> client_;
  std::array<Side, 2> sides_;
  std::unique_ptr<StreamParser> parser_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_STREAMS_H_
