// HTTP/2 in both directions, from packets to parts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/agent/traffic/protocol/compress.h"
#include "tests/agent/traffic/protocol/decoder_harness.h"
#include "tests/agent/traffic/support/http2_builder.h"

namespace skimwatch::traffic::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// A connection with both ends' encoders.
struct Connection {
  TcpConversation tcp = OpenOutbound();
  Http2Sender client;
  Http2Sender server;

  void Start() {
    tcp.Client(std::string(kPreface) + Http2Sender::Settings());
    tcp.Server(Http2Sender::Settings() +
               Http2FrameBytes(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, ""));
    tcp.Client(Http2FrameBytes(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, ""));
  }
};

std::string GrpcMessage(std::string_view message, bool compressed = false) {
  return std::string(1, compressed ? '\1' : '\0') +
         BigEndian32(static_cast<uint32_t>(message.size())) + std::string(message);
}

uint64_t Errors(const DecoderHarness& harness, Protocol protocol) {
  return harness.decoder.stats().protocols[static_cast<size_t>(protocol)].errors;
}

uint64_t Messages(const DecoderHarness& harness, Protocol protocol) {
  return harness.decoder.stats().protocols[static_cast<size_t>(protocol)].messages;
}

void ExpectAllScanned(const DecoderHarness& harness, const TcpConversation& tcp) {
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes()) << harness.CoverageText();
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(Http2, PassesTargetFieldsAndBodiesOfBothDirectionsAsParts) {
  Connection c;
  c.Start();
  c.tcp.Client(c.client.Headers(1, RequestFields("POST", "/pay?x=1",
                                                 {{"content-type", "application/json"},
                                                  {"origin", "https://shop.example:8443"}})) +
               Http2Sender::Data(1, "{\"n\":1}", true));
  c.tcp.Server(c.server.Headers(1, ResponseFields("200", {{"content-type", "text/html"}})) +
               Http2Sender::Data(1, "<p>thanks", true));
  c.tcp.Close();
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_THAT(harness.sink.descriptions(),
              ElementsAre("request_target POST pay.example/pay: /pay?x=1",
                          "request_headers POST pay.example/pay: :method: POST\r\n:scheme: "
                          "http\r\n:authority: pay.example\r\ncontent-type: "
                          "application/json\r\norigin: https://shop.example:8443\r\n",
                          "request_body POST pay.example/pay (application/json): {\"n\":1}",
                          "response_headers POST pay.example/pay: :status: 200\r\ncontent-type: "
                          "text/html\r\n",
                          "response_body POST pay.example/pay (text/html): <p>thanks"));
  for (const RecordedPart& part : harness.sink.parts()) {
    EXPECT_EQ(part.provenance.protocol, Protocol::kHttp2);
    EXPECT_EQ(part.provenance.referrer, "https://shop.example");
  }
  ExpectAllScanned(harness, c.tcp);
  EXPECT_EQ(harness.decoder.stats().requests, 1U);
  EXPECT_EQ(harness.decoder.stats().responses, 1U);
  EXPECT_EQ(Messages(harness, Protocol::kHttp2), 2U);
  EXPECT_EQ(Errors(harness, Protocol::kHttp2), 0U);
}

TEST(Http2, LeavesNothingOfANumberThatTheEndOfANameCutsInTwo) {
  const std::string number = "4111111111111111";
  Connection c;
  c.Start();
  Http2Fields fields = {{":method", std::string(10, 'X') + number},
                        {":scheme", "http"},
                        {":authority", std::string(240, 'a') + number},
                        {":path", "/"}};
  c.tcp.Client(c.client.Headers(1, fields, true));
  c.tcp.Close();
  DecoderHarness harness;
  harness.Run(c.tcp);
  ASSERT_FALSE(harness.sink.parts().empty());
  for (const RecordedPart& part : harness.sink.parts()) {
    EXPECT_EQ(part.provenance.method, "");
    EXPECT_EQ(part.provenance.host, std::string(127, 'a'));
  }
}

TEST(Http2, KeepsStreamsApart) {
  Connection c;
  c.Start();
  c.tcp.Client(c.client.Headers(1, RequestFields("POST", "/a")));
  c.tcp.Client(c.client.Headers(3, RequestFields("POST", "/b")) + Http2Sender::Data(1, "one-") +
               Http2Sender::Data(3, "three-") + Http2Sender::Data(1, "uno", true) +
               Http2Sender::Data(3, "tre", true));
  c.tcp.Server(c.server.Headers(3, ResponseFields("200")));
  c.tcp.Server(c.server.Headers(1, ResponseFields("200")) + Http2Sender::Data(1, "eins", true) +
               Http2Sender::Data(3, "drei", true));
  DecoderHarness harness;
  harness.Run(c.tcp);
  const std::vector<std::string> all = harness.sink.descriptions();
  EXPECT_THAT(all, Contains("request_body POST pay.example/a: one-uno"));
  EXPECT_THAT(all, Contains("request_body POST pay.example/b: three-tre"));
  EXPECT_THAT(all, Contains("response_body POST pay.example/a: eins"));
  EXPECT_THAT(all, Contains("response_body POST pay.example/b: drei"));
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2, UndoesPaddingPriorityAndContinuation) {
  Connection c;
  c.Start();
  const std::string block = c.client.Block(RequestFields("PUT", "/p", {{"x-long", "value-1234"}}));
  std::string head = std::string(1, '\3') + std::string("\0\0\0\0\x10", 5) + block.substr(0, 5) +
                     std::string(3, '\0');
  c.tcp.Client(
      Http2FrameBytes(NGHTTP2_HEADERS, NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_PRIORITY, 5, head) +
      Http2FrameBytes(NGHTTP2_CONTINUATION, 0, 5, block.substr(5, 1)) +
      Http2FrameBytes(NGHTTP2_CONTINUATION, 0, 5, "") +
      Http2FrameBytes(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 5, block.substr(6)) +
      Http2FrameBytes(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 5,
                      std::string("\4", 1) + "body" + std::string(4, '\0')) +
      Http2FrameBytes(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_END_STREAM, 5,
                      std::string("\6", 1) + "-end" + "hidden"));
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestTarget), "/p");
  EXPECT_THAT(harness.sink.only(Part::kRequestHeaders), HasSubstr("x-long: value-1234\r\n"));
  EXPECT_EQ(harness.sink.only(Part::kRequestBody), "body-end");
  // Padding is zero, or not seen by the receiver and yet sent.
  EXPECT_EQ(harness.sink.only(Part::kStream), "hidden");
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2, PassesInterimResponsesTrailersAndPushedRequestsAsFields) {
  Connection c;
  c.Start();
  c.tcp.Client(c.client.Headers(1, RequestFields("POST", "/t")) + Http2Sender::Data(1, "x"));
  c.tcp.Client(c.client.Headers(1, {{"x-trailer", "late"}}, true));
  c.tcp.Server(c.server.Headers(1, ResponseFields("103", {{"link", "</a.css>"}})));
  c.tcp.Server(Http2FrameBytes(NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1,
                               BigEndian32(2) + c.server.Block(RequestFields("GET", "/a.css"))));
  c.tcp.Server(c.server.Headers(1, ResponseFields("200")) + Http2Sender::Data(1, "ok", true));
  c.tcp.Server(c.server.Headers(2, ResponseFields("200", {{"content-type", "text/css"}})) +
               Http2Sender::Data(2, "a{}", true));
  DecoderHarness harness;
  harness.Run(c.tcp);
  const std::vector<std::string> all = harness.sink.descriptions();
  EXPECT_THAT(all, Contains("request_headers POST pay.example/t: x-trailer: late\r\n"));
  EXPECT_THAT(all, Contains("response_headers POST pay.example/t: :status: 103\r\nlink: "
                            "</a.css>\r\n"));
  EXPECT_THAT(all, Contains("response_headers GET pay.example/a.css: :method: GET\r\n:scheme: "
                            "http\r\n:authority: pay.example\r\n:path: /a.css\r\n"));
  EXPECT_THAT(all, Contains("response_body GET pay.example/a.css (text/css): a{}"));
  EXPECT_THAT(all, Contains("response_body POST pay.example/t: ok"));
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2, UndoesContentCodings) {
  for (const std::string coding : {"gzip", "deflate", "br", "zstd", ""}) {
    const std::string text = "the body, the body, the body";
    Connection c;
    c.Start();
    const std::string coded = Compress(coding.empty() ? "gzip" : coding, text);
    Http2Fields fields = RequestFields("POST", "/z");
    if (!coding.empty()) fields.emplace_back("content-encoding", coding);
    c.tcp.Client(c.client.Headers(1, fields) + Http2Sender::Data(1, coded.substr(0, 3)) +
                 Http2Sender::Data(1, coded.substr(3), true));
    DecoderHarness harness;
    harness.Run(c.tcp);
    EXPECT_EQ(harness.sink.only(Part::kRequestBody), text) << coding;
    ExpectAllScanned(harness, c.tcp);
  }
}

TEST(Http2, PassesGrpcMessagesOneByOne) {
  Connection c;
  c.Start();
  const std::string messages = GrpcMessage("first") + GrpcMessage("") +
                               GrpcMessage(Compress("gzip", "second, second"), true) +
                               GrpcMessage("third");
  c.tcp.Client(c.client.Headers(
      1, RequestFields("POST", "/pkg.Service/Call",
                       {{"content-type", "application/grpc+proto"}, {"grpc-encoding", "gzip"}})));
  for (size_t at = 0; at < messages.size(); at += 7) {
    c.tcp.Client(Http2Sender::Data(1, messages.substr(at, 7), at + 7 >= messages.size()));
  }
  DecoderHarness harness;
  harness.Run(c.tcp);
  std::vector<std::string> bodies;
  for (const RecordedPart& part : harness.sink.parts(Part::kRequestBody)) {
    EXPECT_TRUE(part.ended);
    EXPECT_EQ(part.provenance.content_type, "application/grpc+proto");
    bodies.push_back(part.bytes);
  }
  EXPECT_THAT(bodies, ElementsAre("first", "second, second", "third"));
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2, ScansWhatOnlyClaimsToBeGrpc) {
  Connection c;
  c.Start();
  c.tcp.Client(
      c.client.Headers(1, RequestFields("POST", "/g", {{"content-type", "application/grpc"}})) +
      Http2Sender::Data(1, GrpcMessage("true")) + Http2Sender::Data(1, "card=1", true));
  DecoderHarness harness;
  harness.Run(c.tcp);
  const std::vector<RecordedPart> bodies = harness.sink.parts(Part::kRequestBody);
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_EQ(bodies[1].bytes, "card=1");
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2, CountsTlsInATunnelAsEncrypted) {
  const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, '\x9b');
  Connection c;
  c.Start();
  c.tcp.Client(c.client.Headers(1, {{":method", "CONNECT"}, {":authority", "evil.example:443"}}));
  c.tcp.Server(c.server.Headers(1, ResponseFields("200")));
  c.tcp.Client(Http2Sender::Data(1, record.substr(0, 2)) + Http2Sender::Data(1, record.substr(2)));
  c.tcp.Server(Http2Sender::Data(1, "SSH-2.0-x\r\n"));
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_EQ(harness.covered(Reason::kUndecodableEncrypted), record.size());
  EXPECT_EQ(harness.sink.only(Part::kResponseBody), "SSH-2.0-x\r\n");
  EXPECT_EQ(harness.coverage.seen_bytes(), c.tcp.payload_bytes());
}

TEST(Http2, FollowsAnUpgradeFromHttp1) {
  Connection c;
  c.tcp.Client(
      "GET /old?q HTTP/1.1\r\nHost: www.shop.example\r\nConnection: Upgrade, "
      "HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n");
  c.tcp.Server("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" +
               Http2Sender::Settings() +
               c.server.Headers(1, ResponseFields("200", {{"content-type", "text/plain"}})) +
               Http2Sender::Data(1, "answer", true));
  c.tcp.Client(std::string(kPreface) + Http2Sender::Settings() +
               c.client.Headers(3, RequestFields("GET", "/new"), true));
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_THAT(harness.sink.descriptions(),
              Contains("response_body GET www.shop.example/old (text/plain): answer"));
  EXPECT_THAT(harness.sink.descriptions(), Contains("request_target GET pay.example/new: /new"));
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2, SaysTheSameHoweverItIsCut) {
  for (size_t segment : {1, 2, 3, 7, 100, 60000}) {
    Connection c;
    c.tcp.set_segment_bytes(segment);
    c.Start();
    c.tcp.Client(c.client.Headers(1, RequestFields("POST", "/cut", {{"x", "y"}})) +
                 Http2Sender::Data(1, "some body", true) +
                 Http2FrameBytes(NGHTTP2_PING, 0, 0, "ping-pay"));
    DecoderHarness harness;
    harness.Run(c.tcp);
    EXPECT_EQ(harness.sink.only(Part::kRequestTarget), "/cut") << segment;
    EXPECT_EQ(harness.sink.only(Part::kRequestBody), "some body");
    EXPECT_EQ(harness.sink.only(Part::kStream), "ping-pay");
    ExpectAllScanned(harness, c.tcp);
  }
}

TEST(Http2, CountsWhatIsInboundAndKeepsItsContext) {
  TcpConversation tcp = OpenInbound();
  Http2Sender client;
  Http2Sender server;
  tcp.Client(std::string(kPreface) + Http2Sender::Settings() +
             client.Headers(1, RequestFields("POST", "/in")) + Http2Sender::Data(1, "in", true));
  const uint64_t inbound = tcp.payload_bytes();
  tcp.Server(Http2Sender::Settings() + server.Headers(1, ResponseFields("200")) +
             Http2Sender::Data(1, "out", true));
  DecoderHarness harness(DecoderHarness::OutboundOnly());
  harness.Run(tcp);
  EXPECT_THAT(harness.sink.descriptions(),
              ElementsAre("response_headers POST pay.example/in: :status: 200\r\n",
                          "response_body POST pay.example/in: out"));
  EXPECT_EQ(harness.covered(Reason::kInbound), inbound);
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(Http2, FollowsConnectionsThatWereOpenBefore) {
  Connection c;
  // Sent before the capture began: the encoder refers to these fields later.
  c.client.Block(RequestFields("POST", "/before", {{"x-token", "secret-before"}}));
  TcpConversation tcp(At(kShopOut), At(kProcessor));
  const Http2Fields after = {{":method", "POST"},           {":scheme", "http"},
                             {":authority", "pay.example"}, {":path", "/after"},
                             {"x-token", "secret-before"},  {"x-new", "new-value"}};
  tcp.Client(c.client.Headers(7, after) + Http2Sender::Data(7, "body", true));
  tcp.Client(c.client.Headers(9, after, true));
  DecoderHarness harness;
  harness.Run(tcp);
  const std::vector<RecordedPart> heads = harness.sink.parts(Part::kRequestHeaders);
  ASSERT_EQ(heads.size(), 2U) << ::testing::PrintToString(harness.sink.descriptions());
  for (const RecordedPart& head : heads) {
    EXPECT_THAT(head.bytes, HasSubstr("x-new: new-value"));
    EXPECT_THAT(head.bytes, Not(HasSubstr("secret-before")));
  }
  EXPECT_EQ(harness.sink.parts(Part::kRequestTarget).size(), 2U);
  EXPECT_EQ(harness.sink.only(Part::kRequestBody), "body");
  // An index of one byte for each of :authority and x-token, twice.
  EXPECT_EQ(harness.covered(Reason::kUndecodableHeaderCompression), 4U) << harness.CoverageText();
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(Http2, GoesOnAfterAGapInABody) {
  Connection c;
  c.Start();
  const std::string body(3000, 'b');
  const std::string frame = Http2Sender::Data(1, body, true);
  c.tcp.Client(c.client.Headers(1, RequestFields("POST", "/gap")));
  c.tcp.Client(frame.substr(0, 1000));
  c.tcp.Lose(true, 500);
  c.tcp.Client(frame.substr(1500));
  c.tcp.Client(c.client.Headers(3, RequestFields("GET", "/next"), true));
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestBody),
            std::string(991, 'b') + std::string(kGapMark) + std::string(1509, 'b'));
  EXPECT_THAT(harness.sink.descriptions(), Contains("request_target GET pay.example/next: /next"));
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2, FindsFramesAgainAfterAGapThatHidThem) {
  Connection c;
  c.Start();
  c.tcp.Client(c.client.Headers(1, RequestFields("POST", "/one", {{"x-lost-later", "kept"}})));
  const std::string lost = c.client.Headers(3, RequestFields("POST", "/two", {{"x-lost", "v"}}));
  c.tcp.Lose(true, lost.size());
  c.tcp.Client(
      c.client.Headers(5, RequestFields("POST", "/three", {{"x-lost", "v"}, {"x-n", "w"}})) +
      Http2Sender::Data(5, "body of five", true));
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_THAT(harness.sink.descriptions(), Contains("request_body POST /three: body of five"));
  EXPECT_GT(harness.covered(Reason::kUndecodableHeaderCompression), 0U);
  EXPECT_LT(harness.covered(Reason::kUndecodableHeaderCompression), 5U);
  EXPECT_EQ(harness.coverage.seen_bytes(), c.tcp.payload_bytes());
}

TEST(Http2, PassesTheTargetOfAHeadThatNeverEnds) {
  Connection c;
  c.Start();
  c.tcp.Client(
      Http2FrameBytes(NGHTTP2_HEADERS, 0, 1, c.client.Block(RequestFields("GET", "/cut?n=1"))));
  c.tcp.Close();
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestTarget), "/cut?n=1");
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2, PassesEveryTargetOfAHeadAndOneInAResponse) {
  Connection c;
  c.Start();
  c.tcp.Client(c.client.Headers(1, RequestFields("GET", "/first", {{":path", "/second"}}), true));
  c.tcp.Server(c.server.Headers(1, ResponseFields("200", {{":path", "/answer"}}), true));
  c.tcp.Close();
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestTarget), "/first");
  EXPECT_THAT(harness.sink.only(Part::kRequestHeaders), HasSubstr(":path: /second\r\n"));
  EXPECT_THAT(harness.sink.only(Part::kResponseHeaders), HasSubstr(":path: /answer\r\n"));
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2, DoesNotDecodeTheRestOfABlockBehindAGap) {
  Connection c;
  c.Start();
  const std::string frame =
      c.client.Headers(1, RequestFields("POST", "/head", {{"x-a", std::string(300, 'a')}}));
  c.tcp.Client(frame.substr(0, 60));
  c.tcp.Lose(true, 40);
  c.tcp.Client(frame.substr(100));
  c.tcp.Client(Http2Sender::Data(1, "body", true));
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestBody), "body");
  EXPECT_GE(harness.covered(Reason::kUndecodableHeaderCompression), frame.size() - 100);
  EXPECT_EQ(harness.coverage.seen_bytes(), c.tcp.payload_bytes());
}

TEST(Http2, GoesOnAfterABlockThatBreaksTheRulesOfHpack) {
  Connection c;
  c.Start();
  // An index far beyond any table.
  const std::string bad = "\xff\xff\xff\xff\x7f";
  c.tcp.Client(Http2FrameBytes(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, bad) +
               Http2Sender::Data(1, "body", true));
  c.tcp.Client(c.client.Headers(3, RequestFields("GET", "/after"), true));
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestBody), "body");
  EXPECT_EQ(harness.covered(Reason::kUndecodableHeaderCompression), bad.size());
  EXPECT_THAT(harness.sink.descriptions(),
              Contains("request_target GET pay.example/after: /after"));
  EXPECT_EQ(harness.coverage.seen_bytes(), c.tcp.payload_bytes());
}

TEST(Http2, ScansFromABrokenFrameOnAsAStream) {
  struct Case {
    std::string what;
    std::string frame;
  };
  const std::vector<Case> cases = {
      {"data on stream 0", Http2FrameBytes(NGHTTP2_DATA, 0, 0, "x")},
      {"a ping of 7 bytes", Http2FrameBytes(NGHTTP2_PING, 0, 0, "1234567")},
      {"settings of 5 bytes", Http2FrameBytes(NGHTTP2_SETTINGS, 0, 0, "12345")},
      {"a continuation of nothing", Http2FrameBytes(NGHTTP2_CONTINUATION, 4, 1, "")},
      {"padding longer than the frame",
       Http2FrameBytes(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, "\x09zz")},
      {"no room for the padding's length",
       Http2FrameBytes(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, "")},
      {"plain text", "POST / HTTP/1.1\r\nHost: x\r\n\r\n"},
  };
  for (const Case& one : cases) {
    Connection c;
    c.Start();
    c.tcp.Client(c.client.Headers(1, RequestFields("POST", "/x")));
    c.tcp.Client(one.frame + "card 4111 1111");
    DecoderHarness harness;
    harness.Run(c.tcp);
    std::string streams;
    for (const RecordedPart& part : harness.sink.parts(Part::kStream)) streams += part.bytes;
    EXPECT_THAT(streams, HasSubstr("card 4111 1111")) << one.what;
    EXPECT_EQ(Errors(harness, Protocol::kHttp2), 1U) << one.what;
    ExpectAllScanned(harness, c.tcp);
  }
}

TEST(Http2, EndsWhatAResetCutsOff) {
  Connection c;
  c.Start();
  c.tcp.Client(
      c.client.Headers(1, RequestFields("POST", "/r")) + Http2Sender::Data(1, "half") +
      Http2FrameBytes(NGHTTP2_RST_STREAM, 0, 1, BigEndian32(8)) +
      Http2FrameBytes(NGHTTP2_GOAWAY, 0, 0, BigEndian32(1) + BigEndian32(0) + "debug text"));
  DecoderHarness harness;
  harness.Feed(c.tcp.packets());
  const std::vector<RecordedPart> bodies = harness.sink.parts(Part::kRequestBody);
  ASSERT_EQ(bodies.size(), 1U);
  EXPECT_TRUE(bodies[0].ended);
  harness.decoder.Flush();
  EXPECT_THAT(harness.sink.only(Part::kStream), HasSubstr("debug text"));
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2, KnowsTheRequestOfABodyThatTheServerDoesNotWantAnyMore) {
  Connection c;
  c.Start();
  c.tcp.Client(c.client.Headers(1, RequestFields("POST", "/early")));
  // It answered, and resets the stream with NO_ERROR; the body is on its way.
  c.tcp.Server(c.server.Headers(1, ResponseFields("200"), true) +
               Http2FrameBytes(NGHTTP2_RST_STREAM, 0, 1, BigEndian32(0)));
  c.tcp.Client(Http2Sender::Data(1, "card=4111", true));
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_THAT(harness.sink.descriptions(),
              Contains("request_body POST pay.example/early: card=4111"));
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2, IsNotMadeToForgetStreamsByAFloodOfResets) {
  Connection c;
  c.Start();
  c.tcp.Client(c.client.Headers(1, RequestFields("POST", "/slow")));
  for (uint32_t id = 3; id < 2'003; id += 2) {
    c.tcp.Client(c.client.Headers(id, RequestFields("GET", "/reset")) +
                 Http2FrameBytes(NGHTTP2_RST_STREAM, 0, id, BigEndian32(0)));
  }
  c.tcp.Client(Http2Sender::Data(1, "card=4111", true));
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_THAT(harness.sink.descriptions(),
              Contains("request_body POST pay.example/slow: card=4111"));
  EXPECT_EQ(harness.coverage.seen_bytes(), c.tcp.payload_bytes());
}

TEST(Http2Limits, CutABombOfReferencesAndGoOn) {
  Connection c;
  c.Start();
  // One field of 3 KB in the table, and then a reference to it in each byte.
  std::string block =
      c.client.Block(RequestFields("POST", "/bomb", {{"x", std::string(2900, 'z')}}));
  block += std::string(60'000, '\xbe');
  std::string frames = Http2FrameBytes(NGHTTP2_HEADERS, 0, 1, block.substr(0, 16'000));
  for (size_t at = 16'000; at < block.size(); at += 16'000) {
    frames += Http2FrameBytes(NGHTTP2_CONTINUATION, at + 16'000 >= block.size() ? 4 : 0, 1,
                              block.substr(at, 16'000));
  }
  c.tcp.Client(frames + Http2Sender::Data(1, "body", true));
  c.tcp.Client(c.client.Headers(3, RequestFields("GET", "/after"), true));
  DecoderHarness harness;
  harness.Run(c.tcp);
  size_t fields = 0;
  for (const RecordedPart& part : harness.sink.parts(Part::kRequestHeaders)) {
    fields += part.bytes.size();
  }
  EXPECT_LE(fields, (256U << 10) + 1000);
  EXPECT_GT(harness.covered(Reason::kTruncatedDecompressionLimit), 59'000U);
  EXPECT_EQ(harness.sink.only(Part::kRequestBody), "body");
  EXPECT_THAT(harness.sink.descriptions(),
              Contains("request_target GET pay.example/after: /after"));
  EXPECT_EQ(harness.coverage.seen_bytes(), c.tcp.payload_bytes());
}

TEST(Http2Limits, HoldInAFloodOfContinuations) {
  Connection c;
  c.Start();
  std::string flood = Http2FrameBytes(NGHTTP2_HEADERS, 0, 1, "");
  for (int i = 0; i < 50'000; ++i) {
    // A literal field that is not added to the table.
    flood += Http2FrameBytes(NGHTTP2_CONTINUATION, 0, 1, std::string("\0\1a\xa", 4) + "0123456789");
  }
  c.tcp.set_segment_bytes(60'000);
  c.tcp.Client(flood);
  DecoderHarness harness;
  harness.Run(c.tcp);
  size_t fields = 0;
  for (const RecordedPart& part : harness.sink.parts(Part::kRequestHeaders)) {
    fields += part.bytes.size();
  }
  EXPECT_LE(fields, 256U << 10);
  EXPECT_GT(fields, 200U << 10);
  EXPECT_GT(harness.covered(Reason::kTruncatedDecompressionLimit), 400'000U);
  EXPECT_EQ(harness.coverage.seen_bytes(), c.tcp.payload_bytes());
}

TEST(Http2Limits, ForgetTheStreamsUsedLongestAgo) {
  Connection c;
  c.Start();
  c.tcp.set_segment_bytes(60'000);
  std::string frames;
  for (uint32_t id = 1; id < 4001; id += 2) {
    frames += c.client.Headers(id, RequestFields("POST", "/many")) + Http2Sender::Data(id, "x");
  }
  c.tcp.Client(frames);
  c.tcp.Client(Http2Sender::Data(3999, "newest", true) + Http2Sender::Data(1, "oldest", true));
  DecoderHarness harness;
  harness.Feed(c.tcp.packets());
  const std::vector<RecordedPart> bodies = harness.sink.parts(Part::kRequestBody);
  EXPECT_LE(std::count_if(bodies.begin(), bodies.end(),
                          [](const RecordedPart& part) { return !part.ended; }),
            256);
  EXPECT_EQ(bodies.back().bytes, "oldest");
  EXPECT_EQ(bodies.back().provenance.path, "");
  EXPECT_EQ(bodies[bodies.size() - 2].bytes, "xnewest");
  harness.decoder.Flush();
  ExpectAllScanned(harness, c.tcp);
}

TEST(Http2Limits, AcceptLargerTablesUpToABound) {
  Connection c;
  c.Start();
  // The encoder says that it uses 32 KiB, more than the 4 KiB that a connection begins with.
  const std::string update = "\x3f\xe1\xff\1";
  c.tcp.Client(Http2FrameBytes(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
                               update + c.client.Block(RequestFields("GET", "/large"))));
  DecoderHarness harness;
  harness.Run(c.tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestTarget), "/large");
  ExpectAllScanned(harness, c.tcp);
}

// Whatever is lost, cut or damaged, every byte that was captured is counted once.
TEST(Http2Property, CountsEveryByteOnce) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    Connection c;
    if (below(3) != 0) c.Start();
    for (int i = 0; i < 20; ++i) {
      const uint32_t id = 1 + 2 * below(4);
      std::string frames;
      Http2Sender& sender = below(2) == 0 ? c.client : c.server;
      switch (below(5)) {
        case 0:
          frames = sender.Headers(id, RequestFields("POST", "/" + std::to_string(i), {{"x", "y"}}));
          break;
        case 1:
          frames = sender.Headers(id, ResponseFields("200"), below(2) == 0);
          break;
        case 2:
          frames = Http2FrameBytes(static_cast<uint8_t>(below(12)), static_cast<uint8_t>(below(64)),
                                   below(3), std::string(below(20), 'f'));
          break;
        default:
          frames = Http2Sender::Data(id, std::string(below(2000), 'd'), below(4) == 0);
      }
      if (below(20) == 0) frames[below(static_cast<uint32_t>(frames.size()))] ^= 1;
      c.tcp.set_segment_bytes(1 + below(1500));
      if (below(15) == 0) c.tcp.Lose(&sender == &c.client, 1 + below(300));
      &sender == &c.client ? c.tcp.Client(frames) : c.tcp.Server(frames);
    }
    DecoderHarness harness;
    harness.Run(c.tcp);
    ASSERT_EQ(harness.coverage.seen_bytes(), c.tcp.payload_bytes())
        << seed << ' ' << harness.CoverageText();
    for (const RecordedPart& part : harness.sink.parts()) ASSERT_TRUE(part.ended) << seed;
  }
}

}  // namespace
}  // namespace skimwatch::traffic::testing
