#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_CONTEXT_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_CONTEXT_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/message.h"
#include "agent/traffic/protocol/decoder_context.h"
#include "agent/traffic/protocol/http_request.h"

namespace skimwatch::traffic {

// The end of a flow that bytes come from.
enum class Sender : uint8_t { kClient, kServer };

// What is known of a flow as a whole, for whatever follows its bytes.
struct FlowContext {
  explicit FlowContext(DecoderContext& context) : decoder(context) {}

  DecoderContext& decoder;
  Protocol protocol = Protocol::kUnknown;
  Address client;
  Address server;
  // The site whose service the server is; null where it is nobody's.
  const std::string* service_site = nullptr;
  // The server is on the watched host, whether its site is known or not.
  bool to_service = false;
  // The process on the watched host, and what the client called the server in TLS, where the source
  // knows.
  std::shared_ptr<const Process> process;
  std::string server_name;
  // ByteFlow::sampling_probability.
  double sampling_probability = 1.0;
  // The flow's own, and what holds for bytes of each sender.
  FlowDraw draw;
  std::array<SampleDecision, 2> sample;
  std::array<uint64_t, 2> windows{};
  // Of the packet that is looked at.
  absl::Time now;
  // Bytes from the client that CountEncrypted counted, and those that were told of.
  uint64_t encrypted_bytes = 0;
  uint64_t encrypted_told = 0;
  Protocol encrypted_by = Protocol::kUnknown;

  // Which way bytes from `sender` go, seen from the watched host: a service is on it, and so is the
  // client of everything that is no service.
  Direction DirectionOf(Sender sender) const;
  // Whether the configuration asks for bytes from `sender`.
  bool Wants(Sender sender) const;
  // Whether bytes from `sender` are to be scanned: they are asked for and in the sample.
  bool Scans(Sender sender) const { return sample_of(sender).chosen && Wants(sender); }
  // What to count delivered bytes from `sender` as.
  Reason ReasonOf(Sender sender) const;

  // What follows is decided by these; parsers set it where a message or a body begins.
  SampleDecision& sample_of(Sender sender) { return sample[sender == Sender::kClient ? 0 : 1]; }
  const SampleDecision& sample_of(Sender sender) const {
    return sample[sender == Sender::kClient ? 0 : 1];
  }
  // Decides on both directions as on a flow of which nothing is known.
  void DecideFlow() {
    DecideFlow(Sender::kClient);
    DecideFlow(Sender::kServer);
  }
  void DecideFlow(Sender sender);
  // Decides on what `sender` sends, a message that belongs to `request`, with the unit that is
  // drawn for already. Of a body that begins `content_type` and `body_bytes` are known, else empty
  // and 0.
  void DecideMessage(Sender sender, const HttpRequest& request, std::string_view content_type,
                     uint64_t body_bytes);
  // Decides on the next window of what `sender` sends. False when everything is scanned before and
  // after, so that there is no border.
  bool NextWindow(Sender sender);
  // The decision on a unit of the flow, which is followed.
  SampleDecision Decide(uint64_t unit, Priority priority) const;
  void Count(Reason reason, uint64_t bytes) const {
    if (bytes > 0) decoder.coverage.Add(reason, bytes);
  }
  // The counters of `protocol`.
  DecoderCounters::PerProtocol& counters(Protocol of) const { return decoder.counters.of(of); }
  // Sets all that does not depend on a message; `host` decides on the site, besides the service.
  void Fill(Sender sender, std::string_view host, Provenance& provenance) const;
  // Tells the decoder's DestinationSink of a handshake message that should be a ClientHello, and
  // remembers the server name. False when it is none.
  bool Observe(std::string_view client_hello, Protocol of);
  // Counts bytes from `sender` that are encrypted by `of`, and tells the DestinationSink of those
  // that go out: now and then, and with TellEncrypted of the rest.
  void CountEncrypted(Sender sender, uint64_t bytes, Protocol of);
  void TellEncrypted();
};

// While it lives, `decision` holds for what `sender` sends; it keeps what has become of it.
class SampleScope {
 public:
  SampleScope(FlowContext& flow, Sender sender, SampleDecision& decision)
      : now_(flow.sample_of(sender)), before_(now_), decision_(decision) {
    now_ = decision;
  }
  ~SampleScope() {
    decision_ = now_;
    now_ = before_;
  }
  SampleScope(const SampleScope&) = delete;
  SampleScope& operator=(const SampleScope&) = delete;

 private:
  SampleDecision& now_;
  const SampleDecision before_;
  SampleDecision& decision_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_CONTEXT_H_
