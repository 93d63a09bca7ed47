// WebSockets, from packets to messages.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tests/agent/traffic/protocol/decoder_harness.h"
#include "tests/agent/traffic/support/http2_builder.h"

namespace skimwatch::traffic::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint8_t kFinal = 0x80;
constexpr uint8_t kCompressed = 0x40;
constexpr uint8_t kText = 1;
constexpr uint8_t kPing = 9;

// A frame as a client sends it where `mask` is not empty.
std::string Frame(uint8_t first, std::string_view payload, std::string_view mask = {}) {
  std::string frame(1, static_cast<char>(first));
  const uint8_t masked = mask.empty() ? 0 : 0x80;
  if (payload.size() < 126) {
    frame += static_cast<char>(masked | payload.size());
  } else if (payload.size() < 65536) {
    frame += static_cast<char>(masked | 126);
    frame += BigEndian16(static_cast<uint32_t>(payload.size()));
  } else {
    frame += static_cast<char>(masked | 127);
    frame += BigEndian32(0) + BigEndian32(static_cast<uint32_t>(payload.size()));
  }
  frame += mask;
  for (size_t i = 0; i < payload.size(); ++i) {
    frame += static_cast<char>(payload[i] ^ (mask.empty() ? 0 : mask[i % 4]));
  }
  return frame;
}

std::string Masked(uint8_t first, std::string_view payload) {
  return Frame(first, payload, "\x37\xfa\x21\x3d");
}

// permessage-deflate with context takeover.
class Deflater {
 public:
  Deflater() {
    if (deflateInit2(&stream_, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) std::abort();
  }
  ~Deflater() { deflateEnd(&stream_); }
  std::string Message(std::string_view text) {
    std::string out(text.size() + 1000, '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    deflate(&stream_, Z_SYNC_FLUSH);
    out.resize(out.size() - stream_.avail_out - 4);
    return out;
  }

 private:
  z_stream stream_ = {};
};

TcpConversation OpenWebSocket(std::string_view extensions = {}) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client(
      "GET /chat?room=1 HTTP/1.1\r\nHost: ws.example\r\nConnection: Upgrade\r\nUpgrade: "
      "websocket\r\nOrigin: https://shop.example\r\nSec-WebSocket-Version: 13\r\n\r\n");
  tcp.Server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
             (extensions.empty()
                  ? std::string()
                  : "Sec-WebSocket-Extensions: " + std::string(extensions) + "\r\n") +
             "\r\n");
  return tcp;
}

std::vector<std::string> MessagesOf(const DecoderHarness& harness) {
  std::vector<std::string> texts;
  for (const RecordedPart& part : harness.sink.parts(Part::kMessage)) {
    EXPECT_EQ(part.provenance.protocol, Protocol::kWebSocket);
    texts.push_back(part.bytes);
  }
  return texts;
}

void ExpectAllScanned(const DecoderHarness& harness, const TcpConversation& tcp) {
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes()) << harness.CoverageText();
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(WebSocket, TakesTheMaskOffAndKeepsTheRequestsContext) {
  TcpConversation tcp = OpenWebSocket();
  tcp.Client(Masked(kFinal | kText, "card=4111"));
  tcp.Server(Frame(kFinal | kText, "thanks"));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_THAT(harness.sink.descriptions(), Contains("message GET ws.example/chat: card=4111"));
  EXPECT_THAT(harness.sink.descriptions(), Contains("message GET ws.example/chat: thanks"));
  EXPECT_EQ(harness.sink.parts(Part::kMessage)[0].provenance.referrer, "https://shop.example");
  EXPECT_EQ(harness.sink.parts(Part::kMessage)[0].provenance.direction,
            Direction::kOutboundRequest);
  ExpectAllScanned(harness, tcp);
}

TEST(WebSocket, JoinsFragmentsWithControlFramesBetween) {
  for (size_t segment : {1, 5, 1448}) {
    TcpConversation tcp = OpenWebSocket();
    tcp.set_segment_bytes(segment);
    tcp.Client(Masked(kText, "4111 1111 ") + Masked(kFinal | kPing, "are you there") +
               Masked(0, "1111 ") + Masked(kFinal | 0, "1111") + Masked(kFinal | kPing, "") +
               Masked(kFinal | kText, std::string(70'000, 'l')));
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_THAT(MessagesOf(harness),
                ElementsAre("4111 1111 1111 1111", "are you there", std::string(70'000, 'l')));
    ExpectAllScanned(harness, tcp);
  }
}

TEST(WebSocket, UndoesPerMessageDeflateWithContextTakeover) {
  TcpConversation tcp = OpenWebSocket("permessage-deflate; client_max_window_bits=15");
  Deflater client;
  Deflater server;
  const std::string first = client.Message("the same words again and again");
  const std::string second = client.Message("the same words again and again");
  ASSERT_LT(second.size(), first.size());
  tcp.Client(Masked(kFinal | kCompressed | kText, first));
  tcp.Client(Masked(kCompressed | kText, second.substr(0, 2)) +
             Masked(kFinal | 0, second.substr(2)));
  tcp.Client(Masked(kFinal | kText, "plain"));
  tcp.Server(Frame(kFinal | kCompressed | kText, server.Message("from the server")));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_THAT(MessagesOf(harness),
              ElementsAre("the same words again and again", "the same words again and again",
                          "plain", "from the server"));
  ExpectAllScanned(harness, tcp);
}

TEST(WebSocket, UndoesPerMessageDeflateWithoutContextTakeover) {
  TcpConversation tcp =
      OpenWebSocket("permessage-deflate; client_no_context_takeover; server_no_context_takeover");
  for (int i = 0; i < 3; ++i) {
    tcp.Client(Masked(kFinal | kCompressed | kText, Deflater().Message("message, message")));
  }
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_THAT(MessagesOf(harness),
              ElementsAre("message, message", "message, message", "message, message"));
}

TEST(WebSocket, DecodesWhatItCanBehindAGapInCompressedData) {
  TcpConversation tcp = OpenWebSocket("permessage-deflate");
  Deflater client;
  const std::string lost = Masked(kFinal | kCompressed | kText, client.Message("alpha beta gamma"));
  tcp.Client(lost.substr(0, 10));
  tcp.Lose(true, 2);
  tcp.Client(lost.substr(12));
  tcp.Client(Masked(kFinal | kCompressed | kText, client.Message("delta epsilon zeta")));
  tcp.Client(Masked(kFinal | kText, "plain"));
  DecoderHarness harness;
  harness.Run(tcp);
  const std::vector<std::string> messages = MessagesOf(harness);
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_THAT(messages[1], HasSubstr("psilon"));
  EXPECT_EQ(messages[2], "plain");
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(WebSocket, KeepsTheMaskInStepOverAGap) {
  TcpConversation tcp = OpenWebSocket();
  const std::string frame = Masked(kFinal | kText, "0123456789abcdefghij");
  tcp.Client(frame.substr(0, 10));
  tcp.Lose(true, 5);
  tcp.Client(frame.substr(15));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_THAT(MessagesOf(harness), ElementsAre("0123<gap>9abcdefghij"));
  ExpectAllScanned(harness, tcp);
}

TEST(WebSocket, FollowsFramesOfAnyLengthWithoutKeepingThem) {
  TcpConversation tcp = OpenWebSocket();
  tcp.Client("\x81\x7f" + std::string("\x7f\xff\xff\xff\xff\xff\xff\xff", 8) + "endless");
  DecoderHarness harness;
  harness.Feed(tcp.packets());
  EXPECT_THAT(MessagesOf(harness), ElementsAre("endless"));
  harness.decoder.Flush();
  ExpectAllScanned(harness, tcp);
}

TEST(WebSocket, ScansFromABrokenFrameOnAsAStream) {
  struct Case {
    std::string what;
    std::string frame;
  };
  const std::vector<Case> cases = {
      {"2^63 bytes", "\x81\x7f" + std::string("\x80\0\0\0\0\0\0\0", 8)},
      {"a reserved flag", std::string("\x91\1x")},
      {"compression that was not agreed on", Frame(kFinal | kCompressed | kText, "x")},
      {"an unknown opcode", Frame(kFinal | 3, "x")},
      {"a long control frame", Frame(kFinal | kPing, std::string(200, 'x'))},
      {"a control frame in fragments", Frame(kPing, "x")},
      {"a continuation of nothing", Frame(kFinal, "x")},
      {"a message within another", Frame(kText, "x") + Frame(kFinal | kText, "y")},
      {"no WebSocket at all", "GET / HTTP/1.1\r\nHost: evil\r\n\r\n"},
  };
  for (const Case& one : cases) {
    TcpConversation tcp = OpenWebSocket();
    tcp.Client(one.frame + "card 4111");
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_THAT(harness.sink.only(Part::kStream), HasSubstr("card 4111")) << one.what;
    EXPECT_EQ(harness.decoder.stats().protocols[static_cast<size_t>(Protocol::kWebSocket)].errors,
              1U)
        << one.what;
    ExpectAllScanned(harness, tcp);
  }
}

TEST(WebSocket, HoldsTheLimitOfBodiesForEachMessage) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.body_bytes_max = 100;
  TcpConversation tcp = OpenWebSocket("permessage-deflate");
  Deflater client;
  tcp.Client(Masked(kFinal | kText, std::string(150, 'a')));
  tcp.Client(Masked(kFinal | kText, std::string(100, 'b')));
  tcp.Client(Masked(kFinal | kCompressed | kText, client.Message(std::string(5000, 'c'))));
  tcp.Client(Masked(kFinal | kText, "still here"));
  DecoderHarness harness(options);
  harness.Run(tcp);
  EXPECT_THAT(MessagesOf(harness), ElementsAre(std::string(100, 'a'), std::string(100, 'b'),
                                               std::string(100, 'c'), "still here"));
  EXPECT_GE(harness.covered(Reason::kTruncatedBodyLimit), 50U);
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(WebSocket, CutsABomb) {
  TcpConversation tcp = OpenWebSocket("permessage-deflate");
  Deflater client;
  std::string bomb(32 << 20, '\0');
  tcp.Client(Masked(kFinal | kCompressed | kText, client.Message(bomb)));
  tcp.Client(Masked(kFinal | kText, "still here"));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.decoder.stats().bodies_cut_as_bomb, 1U);
  EXPECT_THAT(MessagesOf(harness), Contains("still here"));
  EXPECT_LE(MessagesOf(harness)[0].size(), (1U << 20) + 1448 * 201 + 65536);
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(WebSocket, IsFollowedWhenItWasOpenBefore) {
  TcpConversation tcp(At(kShopOut), At(kProcessor));
  tcp.Client(Masked(kFinal | kText, "{\"card\":\"4111\"}"));
  tcp.Client(Masked(kFinal | kText, "next"));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_THAT(MessagesOf(harness), ElementsAre("{\"card\":\"4111\"}", "next"));
  ExpectAllScanned(harness, tcp);
}

TEST(WebSocket, IsFollowedOverHttp2) {
  TcpConversation tcp = OpenOutbound();
  Http2Sender client;
  Http2Sender server;
  Deflater deflater;
  tcp.Client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Http2Sender::Settings());
  tcp.Client(client.Headers(1, {{":method", "CONNECT"},
                                {":protocol", "websocket"},
                                {":scheme", "https"},
                                {":path", "/chat"},
                                {":authority", "ws.example"}}));
  tcp.Server(Http2Sender::Settings());
  tcp.Server(server.Headers(
      1, ResponseFields("200", {{"sec-websocket-extensions", "permessage-deflate"}})));
  const std::string frame = Masked(kFinal | kCompressed | kText, deflater.Message("over http2"));
  tcp.Client(Http2Sender::Data(1, frame.substr(0, 4)) + Http2Sender::Data(1, frame.substr(4)));
  tcp.Server(Http2Sender::Data(1, Frame(kFinal | kText, "answer"), true));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_THAT(MessagesOf(harness), ElementsAre("over http2", "answer"));
  EXPECT_EQ(harness.sink.parts(Part::kMessage)[0].provenance.host, "ws.example");
  ExpectAllScanned(harness, tcp);
}

TEST(WebSocketProperty, CountsEveryByteOnce) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    TcpConversation tcp = OpenWebSocket("permessage-deflate");
    Deflater client;
    for (int i = 0; i < 20; ++i) {
      std::string frame = below(2) == 0
                              ? Masked(kFinal | kText, std::string(below(400), 'x'))
                              : Masked(kFinal | kCompressed | kText,
                                       client.Message("text " + std::to_string(below(100))));
      if (below(15) == 0) frame[below(static_cast<uint32_t>(frame.size()))] ^= 0x11;
      tcp.set_segment_bytes(1 + below(500));
      if (below(10) == 0) tcp.Lose(true, 1 + below(60));
      tcp.Client(frame);
    }
    DecoderHarness harness;
    harness.Run(tcp);
    ASSERT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes())
        << seed << ' ' << harness.CoverageText();
  }
}

// Server-sent events

std::string EventStream(std::string_view headers) {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n" +
         std::string(headers) + "\r\n";
}

std::vector<std::string> Bodies(const DecoderHarness& harness) {
  std::vector<std::string> texts;
  for (const RecordedPart& part : harness.sink.parts(Part::kResponseBody)) {
    EXPECT_EQ(part.provenance.content_type, "text/event-stream");
    texts.push_back(part.bytes + (part.ended ? "" : "<open>"));
  }
  return texts;
}

TEST(ServerSentEvents, EndWithTheirEventAndNotWithTheResponse) {
  for (size_t segment : {1, 3, 1448}) {
    TcpConversation tcp = OpenOutbound();
    tcp.set_segment_bytes(segment);
    tcp.Client("GET /events HTTP/1.1\r\nHost: e.example\r\n\r\n");
    tcp.Server(EventStream("") + "id: 1\ndata: one\n\ndata: two\r\ndata: zwei\r\n\r\n: half");
    DecoderHarness harness;
    harness.Feed(tcp.packets());
    EXPECT_THAT(Bodies(harness), ElementsAre("id: 1\ndata: one\n\n",
                                             "data: two\r\ndata: zwei\r\n\r\n", ": half<open>"))
        << segment;
    harness.decoder.Flush();
    ExpectAllScanned(harness, tcp);
  }
}

TEST(ServerSentEvents, AreBoundEachByTheLimitOfBodies) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.body_bytes_max = 64;
  TcpConversation tcp = OpenOutbound();
  tcp.Client("GET /events HTTP/1.1\r\nHost: e.example\r\n\r\n");
  tcp.Server(EventStream(""));
  for (int i = 0; i < 20; ++i) tcp.Server("data: " + std::string(30, 'x') + "\n\n");
  DecoderHarness harness(options);
  harness.Run(tcp);
  EXPECT_EQ(Bodies(harness).size(), 20U);
  ExpectAllScanned(harness, tcp);
}

TEST(ServerSentEvents, AreCutOverHttp2) {
  TcpConversation tcp = OpenOutbound();
  Http2Sender client;
  Http2Sender server;
  tcp.Client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Http2Sender::Settings() +
             client.Headers(1, RequestFields("GET", "/events"), true));
  tcp.Server(Http2Sender::Settings() +
             server.Headers(1, ResponseFields("200", {{"content-type", "text/event-stream"}})) +
             Http2Sender::Data(1, "data: a\n\nda") + Http2Sender::Data(1, "ta: b\n\n"));
  DecoderHarness harness;
  harness.Feed(tcp.packets());
  EXPECT_THAT(Bodies(harness), ElementsAre("data: a\n\n", "data: b\n\n"));
  harness.decoder.Flush();
  ExpectAllScanned(harness, tcp);
}

}  // namespace
}  // namespace skimwatch::traffic::testing
