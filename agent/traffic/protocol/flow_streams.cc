#include "agent/traffic/protocol/flow_streams.h"

#include <utility>

#include "agent/traffic/protocol/command_parser.h"
#include "agent/traffic/protocol/dns_parser.h"
#include "agent/traffic/protocol/http2_parser.h"
#include "agent/traffic/protocol/http_parser.h"
#include "agent/traffic/protocol/syslog_parser.h"
#include "agent/traffic/protocol/web_socket_parser.h"

namespace skimwatch::traffic {
namespace {

std::unique_ptr<StreamParser> CreateParser(Protocol protocol, FlowContext& flow) {
  switch (protocol) {
    case Protocol::kHttp1:
      return CreateHttpParser(flow);
    case Protocol::kHttp2:
      return CreateHttp2Parser(flow);
    case Protocol::kWebSocket:
      return CreateJoinedWebSocketParser(flow);
    case Protocol::kDns:
      return CreateDnsParser(flow);
    case Protocol::kSmtp:
      return CreateSmtpParser(flow);
    case Protocol::kFtp:
      return CreateFtpParser(flow);
    case Protocol::kSyslog:
      return CreateSyslogParser(flow);
    case Protocol::kUnknown:
    case Protocol::kTls:
    case Protocol::kQuic:
    case Protocol::kCount:
      break;
  }
  return nullptr;
}

// An address that the source does not know is IpAddress() here.
Endpoint EndpointOf(const Address& address) {
  const std::optional<IpAddress> ip = IpAddress::Parse(address.ip);
  return {.ip = ip.value_or(IpAddress()), .port = address.port};
}

Address AddressOf(const Endpoint& endpoint) {
  if (endpoint.ip == IpAddress()) return {.ip = "", .port = endpoint.port};
  return {.ip = endpoint.ip.ToString(), .port = endpoint.port};
}

}  // namespace

FlowStreams::FlowStreams(DecoderContext& context, const Endpoint& end0, const Endpoint& end1,
                         const FlowDraw& draw)
    : flow_(context), ends_{end0, end1} {
  flow_.draw = draw;
  flow_.DecideFlow();
}

FlowStreams::FlowStreams(DecoderContext& context, const ByteFlow& flow, const FlowDraw& draw)
    : flow_(context),
      ends_{EndpointOf(flow.client), EndpointOf(flow.server)},
      local_end_(flow.is_outbound ? 0 : 1) {
  flow_.draw = draw;
  flow_.DecideFlow();
  flow_.process = flow.process;
  flow_.server_name = flow.server_name;
  flow_.sampling_probability = flow.sampling_probability;
  if (flow.client_is_known) SetClient(0);
}

FlowStreams::~FlowStreams() {
  for (int end : {0, 1}) End(end, flow_.now);
}

void FlowStreams::SetClient(int end) {
  if (client_.has_value()) return;
  TakeClient(end);
  for (Side& side : sides_) side.may_resume = false;
}

void FlowStreams::TakeClient(int end) {
  client_ = end;
  const Endpoint& client = ends_[static_cast<size_t>(end)];
  const Endpoint& server = ends_[static_cast<size_t>(1 - end)];
  flow_.client = AddressOf(client);
  flow_.server = AddressOf(server);
  if (local_end_.has_value()) {
    // A server elsewhere is nobody's service, also where it has the address of one in another
    // network.
    flow_.to_service = end != *local_end_;
    flow_.service_site = flow_.to_service ? flow_.decoder.sites.SiteOfService(server) : nullptr;
    return;
  }
  flow_.service_site = flow_.decoder.sites.SiteOfService(server);
  flow_.to_service = flow_.service_site != nullptr;
}

void FlowStreams::GuessClient() {
  const SiteMap& sites = flow_.decoder.sites;
  if (local_end_.has_value() && ends_[0] == Endpoint()) return TakeClient(*local_end_);
  const bool service0 = sites.SiteOfService(ends_[0]) != nullptr;
  const bool service1 = sites.SiteOfService(ends_[1]) != nullptr;
  if (service0 != service1) return TakeClient(service0 ? 1 : 0);
  TakeClient(ends_[0].port < ends_[1].port ? 1 : 0);
}

void FlowStreams::Data(int end, std::string_view bytes, absl::Time now) {
  flow_.now = now;
  Feed(end, bytes);
}

void FlowStreams::Feed(int end, std::string_view bytes) {
  switch (sides_[static_cast<size_t>(end)].mode) {
    case Mode::kDetect:
      return FeedDetection(end, bytes);
    case Mode::kParser:
      return FeedParser(end, bytes);
    case Mode::kStream:
      return FeedStream(end, bytes);
    case Mode::kEncrypted:
      return FeedEncrypted(end, bytes);
  }
}

void FlowStreams::FeedEncrypted(int end, std::string_view bytes) {
  Side& side = sides_[static_cast<size_t>(end)];
  const size_t taken = side.tls.Follow(bytes);
  flow_.CountEncrypted(SenderOf(end), taken, Protocol::kTls);
  if (side.hello != nullptr && side.hello->Take(bytes.substr(0, taken))) {
    if (const std::string_view hello = side.hello->message(); !hello.empty()) {
      flow_.Observe(hello, Protocol::kTls);
    }
    side.hello.reset();
  }
  if (taken == bytes.size()) return;
  side.no_tls = true;
  BecomeStream(end);
  Feed(end, bytes.substr(taken));
}

void FlowStreams::FeedDetection(int end, std::string_view bytes) {
  Side& side = sides_[static_cast<size_t>(end)];
  std::string all;
  if (!side.prefix.empty()) {
    all = std::exchange(side.prefix, std::string());
    all += bytes;
    bytes = all;
  }
  Side& peer = sides_[static_cast<size_t>(1 - end)];
  // By a greeting that named FTP, or one that did not say of what.
  const bool greeted = (peer.mode == Mode::kParser && flow_.protocol == Protocol::kFtp) ||
                       (peer.mode == Mode::kDetect && Detect(peer.prefix) == Detection::kGreeting);
  const Detection detection = side.tls_only ? DetectTls(bytes) : Detect(bytes, greeted);
  const bool waits = detection == Detection::kMore ||
                     // Until the client has spoken.
                     (detection == Detection::kGreeting && peer.mode == Mode::kDetect);
  if (waits && bytes.size() < kDetectionBytesMax) {
    side.prefix = bytes;
    return;
  }
  Decide(end, detection);
  Reconsider(1 - end);
  Feed(end, bytes);
}

void FlowStreams::Reconsider(int end) {
  Side& side = sides_[static_cast<size_t>(end)];
  if (side.mode != Mode::kDetect || side.prefix.empty() || side.tls_only) return;
  if (Detect(side.prefix) == Detection::kGreeting) FeedDetection(end, std::string_view());
}

StreamParser* FlowStreams::ParserOf(Protocol protocol) {
  if (parser_ != nullptr) return protocol == flow_.protocol ? parser_.get() : nullptr;
  parser_ = CreateParser(protocol, flow_);
  if (parser_ != nullptr) flow_.protocol = protocol;
  return parser_.get();
}

void FlowStreams::Decide(int end, Detection detection) {
  const std::optional<Sender> from = traffic::SenderOf(detection);
  if (!client_.has_value()) {
    if (from.has_value()) {
      TakeClient(*from == Sender::kClient ? end : 1 - end);
    } else {
      GuessClient();
    }
  }
  Side& side = sides_[static_cast<size_t>(end)];
  const Sender sender = SenderOf(end);
  Protocol protocol = ProtocolOf(detection);
  if (protocol == Protocol::kTls) {
    CloseConsumer(side);
    side.mode = Mode::kEncrypted;
    side.tls.Begin();
    if (detection == Detection::kTlsClient && sender == Sender::kClient) {
      side.hello = std::make_unique<ClientHelloReader>();
    }
    flow_.decoder.counters.tls_streams.Add();
    flow_.counters(Protocol::kTls).streams.Add();
    return;
  }
  // The client has told which of the protocols it is that greet alike.
  if (detection == Detection::kGreeting &&
      (flow_.protocol == Protocol::kSmtp || flow_.protocol == Protocol::kFtp)) {
    protocol = flow_.protocol;
  }
  StreamParser* parser = from.value_or(sender) == sender ? ParserOf(protocol) : nullptr;
  if (parser == nullptr) return BecomeStream(end);
  CloseConsumer(side);
  parser->Begin(sender);
  flow_.counters(protocol).streams.Add();
  side.mode = Mode::kParser;
  side.after_gap = false;
}

void FlowStreams::BecomeStream(int end) {
  Side& side = sides_[static_cast<size_t>(end)];
  if (side.mode == Mode::kStream) return;
  side.mode = Mode::kStream;
  flow_.decoder.counters.raw_streams.Add();
}

void FlowStreams::FeedParser(int end, std::string_view bytes) {
  const size_t taken = parser_->Data(SenderOf(end), bytes);
  if (taken == bytes.size()) return;
  Side& side = sides_[static_cast<size_t>(end)];
  side.mode = Mode::kDetect;
  side.tls_only = true;
  // Else the bytes that it gave back would go to it again.
  side.may_resume = false;
  TakeBack(end);
  Feed(end, bytes.substr(taken));
}

void FlowStreams::TakeBack(int end) {
  // A copy, for the bytes may come back to the parser.
  const std::string held(parser_->TakeHeld(SenderOf(end)));
  if (!held.empty()) Feed(end, held);
}

void FlowStreams::FeedStream(int end, std::string_view bytes) {
  Side& side = sides_[static_cast<size_t>(end)];
  Detection detection = side.no_tls ? Detection::kUnknown : DetectTlsInStream(bytes);
  if (detection == Detection::kUnknown && side.may_resume &&
      (parser_ == nullptr || parser_->follows())) {
    detection = DetectInStream(bytes);
  }
  if (detection != Detection::kUnknown) {
    Decide(end, detection);
    if (side.mode != Mode::kStream) return Feed(end, bytes);
  }
  const Sender sender = SenderOf(end);
  side.window_bytes += bytes.size();
  if (side.window_bytes > FlowSampler::kWindowBytes && flow_.Wants(sender)) {
    side.window_bytes = bytes.size();
    if (flow_.NextWindow(sender)) CloseConsumer(side);
  }
  flow_.Count(flow_.ReasonOf(sender), bytes.size());
  if (!flow_.Scans(sender)) {
    side.after_gap = true;
    return;
  }
  if (side.consumer == nullptr) {
    Provenance provenance;
    flow_.Fill(sender, std::string_view(), provenance);
    provenance.protocol = Protocol::kUnknown;
    provenance.continues = std::exchange(side.has_begun, true);
    side.consumer = flow_.decoder.sink.BeginPart(provenance, Part::kStream);
    side.chunks.Begin();
  } else if (side.after_gap) {
    side.consumer->Gap();
    side.chunks.End();
  }
  side.after_gap = false;
  side.consumer->Data(bytes);
  side.chunks.Data(bytes, [&] {
    Provenance provenance;
    flow_.Fill(sender, std::string_view(), provenance);
    provenance.protocol = Protocol::kUnknown;
    provenance.repeats = true;
    return flow_.decoder.sink.BeginPart(provenance, Part::kStream);
  });
}

void FlowStreams::Cut(int end, uint64_t bytes, absl::Time now) {
  flow_.Count(Reason::kTruncatedSnapshot, bytes);
  Gap(end, bytes, now);
}

void FlowStreams::Gap(int end, uint64_t bytes, absl::Time now) {
  flow_.now = now;
  Side& side = sides_[static_cast<size_t>(end)];
  switch (side.mode) {
    case Mode::kDetect:
      EndDetection(end);
      break;
    case Mode::kParser:
      if (parser_->Gap(SenderOf(end), bytes)) return;
      BecomeStream(end);
      TakeBack(end);
      break;
    case Mode::kStream:
      break;
    case Mode::kEncrypted:
      side.tls.Gap(bytes);
      side.hello.reset();
      return;
  }
  side.after_gap = true;
  side.may_resume = true;
}

void FlowStreams::EndDetection(int end) {
  Side& side = sides_[static_cast<size_t>(end)];
  if (side.prefix.empty()) return;
  const std::string prefix = std::exchange(side.prefix, std::string());
  Decide(end, Detection::kUnknown);
  Feed(end, prefix);
}

void FlowStreams::Counted(int end, uint64_t bytes) {
  const Side& side = sides_[static_cast<size_t>(end)];
  const Sender sender = SenderOf(end);
  if (side.mode == Mode::kEncrypted) return flow_.CountEncrypted(sender, bytes, Protocol::kTls);
  flow_.Count(flow_.ReasonOf(sender), bytes);
}

bool FlowStreams::WantsBytes(int end) const {
  const Side& side = sides_[static_cast<size_t>(end)];
  switch (side.mode) {
    case Mode::kDetect:
    case Mode::kParser:
    case Mode::kEncrypted:
      return true;
    case Mode::kStream:
      return side.may_resume || flow_.Wants(SenderOf(end));
  }
  return true;
}

bool FlowStreams::AnswersNeedRequests() const {
  if (!client_.has_value()) return false;
  for (const Side& side : sides_) {
    if (side.mode == Mode::kEncrypted) return false;
  }
  return parser_ == nullptr || parser_->follows();
}

bool FlowStreams::IsAtRest() const {
  for (const Side& side : sides_) {
    if (side.mode != Mode::kParser || side.may_resume) return false;
  }
  return flow_.protocol == Protocol::kHttp1 && parser_->IsAtRest();
}

void FlowStreams::Resume(int client) {
  SetClient(client);
  ParserOf(Protocol::kHttp1);
  for (int end : {0, 1}) {
    parser_->Begin(SenderOf(end));
    sides_[static_cast<size_t>(end)].mode = Mode::kParser;
  }
}

void FlowStreams::End(int end, absl::Time now) {
  flow_.now = now;
  Side& side = sides_[static_cast<size_t>(end)];
  if (side.mode == Mode::kDetect) EndDetection(end);
  if (side.mode == Mode::kParser) {
    parser_->End(SenderOf(end));
    // What comes yet comes out of order.
    side.mode = Mode::kStream;
  }
  flow_.TellEncrypted();
  CloseConsumer(side);
}

void FlowStreams::CloseConsumer(Side& side) {
  if (side.consumer == nullptr) return;
  side.consumer->End();
  side.consumer = nullptr;
  side.chunks.End();
}

}  // namespace skimwatch::traffic
