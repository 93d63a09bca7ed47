// HTTP/1 in both directions, from packets to parts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "tests/agent/traffic/protocol/compress.h"
#include "tests/agent/traffic/protocol/decoder_harness.h"

namespace skimwatch::traffic::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kGet = "GET /a?x=1 HTTP/1.1\r\nHost: pay.example\r\n\r\n";

std::string Post(std::string_view headers, std::string_view body) {
  return "POST /pay HTTP/1.1\r\nHost: pay.example\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string Ok(std::string_view headers, std::string_view body) {
  return "HTTP/1.1 200 OK\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

TEST(Http, PassesTargetHeadersAndBodiesOfBothDirectionsAsParts) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client(Post("Content-Type: application/json; charset=utf-8\r\n", "{\"n\":1}"));
  tcp.Server(Ok("Content-Type: TEXT/HTML\r\n", "<p>thanks"));
  tcp.Close();
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_THAT(
      harness.sink.descriptions(),
      ElementsAre("request_target POST pay.example/pay: /pay",
                  "request_headers POST pay.example/pay: Host: pay.example\r\nContent-Type: "
                  "application/json; charset=utf-8\r\nContent-Length: 7\r\n\r\n",
                  "request_body POST pay.example/pay (application/json): {\"n\":1}",
                  "response_headers POST pay.example/pay: HTTP/1.1 200 OK\r\nContent-Type: "
                  "TEXT/HTML\r\nContent-Length: 9\r\n\r\n",
                  "response_body POST pay.example/pay (text/html): <p>thanks"));
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
  EXPECT_EQ(harness.decoder.stats().requests, 1U);
  EXPECT_EQ(harness.decoder.stats().responses, 1U);
  EXPECT_EQ(harness.decoder.stats().http_errors, 0U);
}

TEST(Http, FillsInWhereBytesCameFromAndWentTo) {
  TcpConversation tcp = OpenOutbound();
  const absl::Time time = tcp.time();
  tcp.Client(
      "GET http://user@WWW.Shop.Example:8080/img?d=1#f HTTP/1.1\r\nHost: other.example\r\n"
      "Referer: https://m.shop.example:444/checkout?step=2\r\n\r\n");
  DecoderHarness harness;
  harness.Run(tcp);
  const RecordedPart target = harness.sink.parts(Part::kRequestTarget).at(0);
  EXPECT_EQ(target.bytes, "http://user@WWW.Shop.Example:8080/img?d=1#f");
  const Provenance& provenance = target.provenance;
  EXPECT_EQ(provenance.source, SourceKind::kPacketCapture);
  EXPECT_EQ(provenance.direction, Direction::kOutboundRequest);
  EXPECT_EQ(provenance.client.ip, "192.0.2.10");
  EXPECT_EQ(provenance.client.port, 51000);
  EXPECT_EQ(provenance.server.ip, "198.51.100.20");
  EXPECT_EQ(provenance.server.port, 80);
  EXPECT_EQ(provenance.host, "www.shop.example");
  EXPECT_EQ(provenance.method, "GET");
  EXPECT_EQ(provenance.path, "/img");
  EXPECT_EQ(provenance.referrer, "https://m.shop.example");
  EXPECT_EQ(provenance.site, "shop");
  EXPECT_EQ(provenance.seen_at, time);
  EXPECT_EQ(provenance.sampling_probability, 1.0);
}

TEST(Http, NamesThePageByOriginBeforeReferer) {
  for (const auto& [origin, expected] : std::vector<std::pair<std::string, std::string>>{
           {"https://a.example", "https://a.example"}, {"null", "https://b.example"}}) {
    TcpConversation tcp = OpenOutbound();
    tcp.Client("GET / HTTP/1.1\r\nReferer: https://b.example/x\r\nOrigin: " + origin + "\r\n\r\n");
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_EQ(harness.sink.parts().at(0).provenance.referrer, expected);
    EXPECT_EQ(harness.sink.parts().at(0).provenance.site, "fallback");
  }
}

struct Framing {
  std::string name;
  std::string request;
  std::string response;
  std::string body;
};

class HttpFraming : public ::testing::TestWithParam<Framing> {};

TEST_P(HttpFraming, EndsBodiesWhereTheyEnd) {
  // One byte a packet, and all in one.
  for (size_t segment_bytes : {1U, 3U, 1448U, 60000U}) {
    TcpConversation tcp = OpenOutbound();
    tcp.set_segment_bytes(segment_bytes);
    tcp.Client(GetParam().request + std::string(kGet));
    tcp.Server(GetParam().response + Ok("", "next"));
    DecoderHarness harness;
    harness.Run(tcp);
    const std::vector<RecordedPart> bodies = harness.sink.parts(Part::kResponseBody);
    ASSERT_EQ(bodies.size(), GetParam().body.empty() ? 1U : 2U) << segment_bytes;
    EXPECT_EQ(bodies.back().bytes, "next");
    EXPECT_EQ(bodies.back().provenance.path, "/a");
    if (!GetParam().body.empty()) {
      EXPECT_EQ(bodies.front().bytes, GetParam().body);
      EXPECT_EQ(bodies.front().provenance.path, "/pay");
    }
    EXPECT_EQ(harness.decoder.stats().requests, 2U);
    EXPECT_EQ(harness.decoder.stats().responses, 2U);
    EXPECT_EQ(harness.decoder.stats().http_errors, 0U);
    EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes()) << harness.CoverageText();
    for (const RecordedPart& part : harness.sink.parts()) EXPECT_TRUE(part.ended) << part;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, HttpFraming,
    ::testing::Values(
        Framing{"ContentLength", Post("", "b"), Ok("", "reply"), "reply"},
        Framing{"EmptyBody", Post("", ""), Ok("", ""), ""},
        Framing{"Chunked", Post("", "b"),
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00a\r\n"
                "0123456789\r\n0\r\n\r\n",
                "abc0123456789"},
        Framing{"ChunkedWithNewlinesInside", Post("", "b"),
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n6\r\na\r\nb\r\n\r\n0\r\n\r\n",
                "a\r\nb\r\n"},
        Framing{"Head", "HEAD /pay HTTP/1.1\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", ""},
        Framing{"NoContent", "DELETE /pay HTTP/1.1\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", ""},
        Framing{"NotModifiedWithLength", "GET /pay HTTP/1.1\r\n\r\n",
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\n\r\n", ""},
        Framing{"Continue", Post("Expect: 100-continue\r\n", "b"),
                "HTTP/1.1 100 Continue\r\n\r\n" + Ok("", "reply"), "reply"},
        Framing{"TwoInterimResponses", Post("", "b"),
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + Ok("", "reply"),
                "reply"},
        Framing{"EarlyHints", Post("", "b"),
                "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + Ok("", "reply"), "reply"},
        Framing{"Http10KeepAlive", "GET /pay HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"},
        Framing{"BareLineFeeds", "GET /pay HTTP/1.1\nHost: a\n\n",
                "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ok"},
        Framing{"EmptyLinesBetween", Post("", "b") + "\r\n", Ok("", "reply") + "\r\n", "reply"},
        Framing{"UnregisteredMethod", "FROB /pay HTTP/1.1\r\n\r\n", Ok("", "reply"), "reply"},
        Framing{"BothLengths", Post("", "b"),
                "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n"
                "2\r\nok\r\n0\r\n\r\n",
                "ok"}),
    [](const auto& param) { return param.param.name; });

TEST(Http, MatchesPipelinedRequestsAndResponsesInOrder) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client(
      "GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nPOST /3 HTTP/1.1\r\nContent-Length: "
      "3\r\n\r\nGETGET /4 HTTP/1.1\r\n\r\n");
  tcp.Server(Ok("", "one") + "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" + Ok("", "three") +
             Ok("", "four"));
  DecoderHarness harness;
  harness.Run(tcp);
  std::vector<std::string> bodies;
  for (const RecordedPart& part : harness.sink.parts(Part::kResponseBody)) {
    bodies.push_back(part.provenance.path + ' ' + part.bytes);
  }
  EXPECT_THAT(bodies, ElementsAre("/1 one", "/3 three", "/4 four"));
  EXPECT_EQ(harness.sink.only(Part::kRequestBody), "GET");
}

TEST(Http, EndsABodyWithoutLengthWithTheConnection) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("GET / HTTP/1.0\r\n\r\n");
  tcp.Server("HTTP/1.0 200 OK\r\n\r\nall ");
  tcp.Server("the rest");
  DecoderHarness harness;
  harness.Feed(tcp.packets());
  EXPECT_FALSE(harness.sink.parts(Part::kResponseBody).at(0).ended);
  const size_t sent = tcp.packets().size();
  tcp.Close();
  harness.Feed({tcp.packets().begin() + static_cast<ptrdiff_t>(sent), tcp.packets().end()});
  EXPECT_TRUE(harness.sink.parts(Part::kResponseBody).at(0).ended);
  EXPECT_EQ(harness.sink.only(Part::kResponseBody), "all the rest");
}

TEST(Http, ScansTrailersAndChunkExtensionsAsHeaders) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client(
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2;note=4111111111111111\r\nhi\r\n0\r\nX-Checksum: abc\r\n\r\n");
  DecoderHarness harness;
  harness.Run(tcp);
  const std::vector<RecordedPart> headers = harness.sink.parts(Part::kRequestHeaders);
  ASSERT_EQ(headers.size(), 2U);
  EXPECT_EQ(headers[1].bytes, "2;note=4111111111111111\r\nX-Checksum: abc\r\n\r\n");
  EXPECT_EQ(harness.sink.only(Part::kRequestBody), "hi");
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
}

TEST(Http, FollowsATunnelAsAStream) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("CONNECT inner.example:25 HTTP/1.1\r\nHost: inner.example\r\n\r\n");
  tcp.Server("HTTP/1.1 200 Connection established\r\n\r\n");
  tcp.Server("220 inner.example ESMTP\r\n");
  tcp.Client("EHLO shop\r\n");
  DecoderHarness harness;
  harness.Run(tcp);
  const std::vector<RecordedPart> streams = harness.sink.parts(Part::kStream);
  ASSERT_EQ(streams.size(), 2U);
  EXPECT_EQ(streams[0].bytes, "220 inner.example ESMTP\r\n");
  EXPECT_EQ(streams[0].provenance.direction, Direction::kInboundResponse);
  EXPECT_EQ(streams[1].bytes, "EHLO shop\r\n");
  EXPECT_EQ(streams[1].provenance.direction, Direction::kOutboundRequest);
  EXPECT_EQ(harness.decoder.stats().http_errors, 0U);
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
}

TEST(Http, GoesOnAfterATunnelIsRefused) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("CONNECT inner.example:443 HTTP/1.1\r\n\r\n");
  tcp.Server("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 4\r\n\r\nauth");
  tcp.Client("CONNECT inner.example:443 HTTP/1.1\r\nProxy-Authorization: Basic x\r\n\r\n");
  tcp.Server("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
  tcp.Client(kGet);
  tcp.Server(Ok("", "plain"));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.decoder.stats().requests, 3U);
  EXPECT_EQ(harness.sink.parts(Part::kResponseBody).back().bytes, "plain");
  EXPECT_EQ(harness.sink.parts(Part::kResponseBody).back().provenance.path, "/a");
  EXPECT_THAT(harness.sink.parts(Part::kStream), IsEmpty());
}

TEST(Http, CountsTlsInATunnelAsEncrypted) {
  TcpConversation tcp = OpenOutbound();
  tcp.set_segment_bytes(2);
  tcp.Client("CONNECT inner.example:443 HTTP/1.1\r\n\r\n");
  tcp.Server("HTTP/1.1 200 OK\r\n\r\n");
  const uint64_t clear = tcp.payload_bytes();
  tcp.Client(std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", 10));
  tcp.Server(std::string("\x16\x03\x03\x00\x05\x02\x00\x00\x01\x03", 10));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.covered(Reason::kUndecodableEncrypted), 20U);
  EXPECT_EQ(harness.covered(Reason::kScanned), clear);
  EXPECT_EQ(harness.decoder.stats().tls_streams, 2U);
}

TEST(Http, FollowsAnUpgradeAsAStream) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  tcp.Server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nframe from server");
  tcp.Client("frame from client");
  DecoderHarness harness;
  harness.Run(tcp);
  const std::vector<RecordedPart> streams = harness.sink.parts(Part::kStream);
  ASSERT_EQ(streams.size(), 2U);
  EXPECT_EQ(streams[0].bytes, "frame from server");
  EXPECT_EQ(streams[1].bytes, "frame from client");
}

TEST(Http, ScansWhatBreaksItsRulesAsAStream) {
  for (const std::string bad :
       {"GET / HTTP/1.1\r\n\r\n\x01\x02 no request\r\nmore", "GET / SIP/2.0\r\nVia: x\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: zip\r\n\r\nbody",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\nbody", "GET /\r\nbody",
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\nbody"}) {
    for (size_t segment_bytes : {1U, 7U, 1448U}) {
      TcpConversation tcp = OpenOutbound();
      tcp.set_segment_bytes(segment_bytes);
      tcp.Client(bad);
      DecoderHarness harness;
      harness.Run(tcp);
      EXPECT_EQ(harness.decoder.stats().http_errors, 1U) << bad;
      EXPECT_EQ(harness.decoder.stats().raw_streams, 1U) << bad;
      // Nothing is lost: the parts together are what was sent.
      std::string all;
      for (const RecordedPart& part : harness.sink.parts()) {
        if (part.part != Part::kRequestTarget) all += part.bytes;
      }
      EXPECT_TRUE(bad.ends_with(all.substr(all.size() - 4))) << all;
      EXPECT_EQ(harness.covered(Reason::kScanned), bad.size()) << harness.CoverageText();
    }
  }
}

TEST(Http, FollowsResponsesToAHeadThatIsTooLong) {
  TcpConversation tcp = OpenOutbound();
  tcp.set_segment_bytes(60000);
  tcp.Client("GET / HTTP/1.1\r\nX: " + std::string(400'000, 'x') + "\r\n\r\n");
  tcp.Server("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno");
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.decoder.stats().http_errors, 1U);
  EXPECT_EQ(harness.sink.only(Part::kStream).size(), 400'000U + 23U);
  EXPECT_EQ(harness.sink.only(Part::kResponseBody), "no");
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
}

TEST(Http, FollowsOneDirectionAlone) {
  for (bool client : {true, false}) {
    TcpConversation tcp = OpenOutbound();
    for (int i = 0; i < 300; ++i) {
      client ? tcp.Client(Post("", "body")) : tcp.Server(Ok("", "body"));
    }
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_EQ(harness.sink.parts(client ? Part::kRequestBody : Part::kResponseBody).size(), 300U);
    EXPECT_EQ(harness.decoder.stats().http_errors, 0U);
    EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
  }
}

TEST(Http, FollowsConnectWhenOnlyTheClientIsCaptured) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("CONNECT a:1 HTTP/1.1\r\n\r\n");
  tcp.Client("no http");
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kStream), "no http");
}

TEST(Http, DoesNotTakeTheBytesOfATunnelForHttpAgain) {
  // Picked up in the middle, where a message is looked for in every packet.
  TcpConversation tcp(At(kShopOut), At(kProcessor));
  tcp.Client("CONNECT a:443 HTTP/1.1\r\n\r\n");
  tcp.Server("HTTP/1.1 200 OK\r\n\r\n");
  tcp.Client(kGet);
  tcp.Lose(true, 10);
  tcp.Client(kGet);
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kStream), std::string(kGet) + "<gap>" + std::string(kGet));
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
}

TEST(Http, CountsWhatIsInboundAndDoesNotPassItOn) {
  TcpConversation inbound = OpenInbound();
  inbound.Client(Post("", "a shopper's own card"));
  const uint64_t request_bytes = inbound.payload_bytes();
  inbound.Server(Ok("", "page"));
  DecoderHarness harness(DecoderHarness::OutboundOnly());
  harness.Run(inbound);
  EXPECT_EQ(harness.covered(Reason::kInbound), request_bytes);
  EXPECT_EQ(harness.covered(Reason::kScanned), inbound.payload_bytes() - request_bytes);
  EXPECT_THAT(harness.sink.parts(Part::kRequestBody), IsEmpty());
  const RecordedPart body = harness.sink.parts(Part::kResponseBody).at(0);
  EXPECT_EQ(body.provenance.direction, Direction::kOutboundResponse);
  EXPECT_EQ(body.provenance.path, "/pay");
  EXPECT_EQ(body.provenance.site, "shop");

  TcpConversation outbound = OpenOutbound();
  outbound.Client(Post("", "to the processor"));
  outbound.Server(Ok("", "receipt"));
  DecoderHarness other(DecoderHarness::OutboundOnly());
  other.Run(outbound);
  EXPECT_EQ(other.sink.only(Part::kRequestBody), "to the processor");
  EXPECT_THAT(other.sink.parts(Part::kResponseBody), IsEmpty());
  EXPECT_EQ(other.coverage.seen_bytes(), outbound.payload_bytes());
}

TEST(Http, GoesOnInABodyAfterAGap) {
  for (const bool chunked : {false, true}) {
    TcpConversation tcp = OpenOutbound();
    tcp.Client(kGet);
    tcp.Server(chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f40\r\nbegin"
                       : "HTTP/1.1 200 OK\r\nContent-Length: 8000\r\n\r\nbegin");
    tcp.Lose(false, 7992);
    tcp.Server(chunked ? "end\r\n0\r\n\r\n" : "end");
    tcp.Client(kGet);
    tcp.Server(Ok("", "next"));
    DecoderHarness harness;
    harness.Run(tcp);
    const std::vector<RecordedPart> bodies = harness.sink.parts(Part::kResponseBody);
    ASSERT_EQ(bodies.size(), 2U);
    EXPECT_EQ(bodies[0].bytes, "begin<gap>end");
    EXPECT_EQ(bodies[1].bytes, "next");
    EXPECT_EQ(harness.decoder.stats().gaps, 1U);
    EXPECT_EQ(harness.decoder.stats().gap_bytes, 7992U);
    EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
  }
}

TEST(Http, FindsTheNextMessageAfterAGapThatHidBoundaries) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("GET /1 HTTP/1.1\r\nX: ");
  tcp.Lose(true, 500);
  tcp.Client("tail of something\r\n\r\n");
  tcp.Client("GET /3 HTTP/1.1\r\nHost: third.example\r\n\r\n");
  tcp.Server(Ok("", "third"));
  DecoderHarness harness;
  harness.Run(tcp);
  const std::vector<RecordedPart> streams = harness.sink.parts(Part::kStream);
  ASSERT_EQ(streams.size(), 1U);
  EXPECT_EQ(streams[0].bytes, "GET /1 HTTP/1.1\r\nX: <gap>tail of something\r\n\r\n");
  EXPECT_EQ(harness.sink.only(Part::kRequestTarget), "/3");
  EXPECT_EQ(harness.sink.parts(Part::kResponseBody).at(0).provenance.host, "third.example");
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
}

TEST(Http, PairsAnswersWithRequestsThatWereCapturedAfterThem) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("GET /1 HTTP/1.1\r\n\r\n");
  tcp.Server(Ok("", "one"));
  tcp.Client("GET /2 HTTP/1.1\r\n\r\n");
  tcp.Server(Ok("", "two"));
  // 0 to 2 open the connection.
  std::swap(tcp.packets()[3], tcp.packets()[4]);
  std::swap(tcp.packets()[5], tcp.packets()[6]);
  DecoderHarness harness;
  harness.Run(tcp);
  const std::vector<RecordedPart> bodies = harness.sink.parts(Part::kResponseBody);
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_EQ(bodies[0].provenance.path, "/1");
  EXPECT_EQ(bodies[1].provenance.path, "/2");
}

TEST(HttpContentCoding, IsUndone) {
  const std::string text = "number=1 " + std::string(5000, 'x') + " end";
  struct Case {
    std::string header;
    std::string body;
  };
  const std::vector<Case> cases = {
      {"gzip", Compress("gzip", text)},
      {"x-gzip", Compress("gzip", text)},
      {"GZip", Compress("gzip", text.substr(0, 100)) + Compress("gzip", text.substr(100))},
      {"deflate", Compress("deflate", text)},
      {"deflate", Compress("raw-deflate", text)},
      {"br", Compress("br", text)},
      {"zstd", Compress("zstd", text)},
      {"zstd", Compress("zstd", text.substr(0, 100)) + Compress("zstd", text.substr(100))},
      {"identity", text},
      {"identity, gzip", Compress("gzip", text)},
      {"gzip, br", Compress("br", Compress("gzip", text))},
      {"zstd\r\nContent-Encoding: gzip", Compress("gzip", Compress("zstd", text))},
      {"br, gzip, zstd, deflate",
       Compress("deflate", Compress("zstd", Compress("gzip", Compress("br", text))))},
  };
  for (const Case& c : cases) {
    for (size_t segment_bytes : {1U, 100U, 60000U}) {
      TcpConversation tcp = OpenOutbound();
      tcp.set_segment_bytes(segment_bytes);
      tcp.Client(Post("Content-Encoding: " + c.header + "\r\n", c.body));
      DecoderHarness harness;
      harness.Run(tcp);
      EXPECT_EQ(harness.sink.only(Part::kRequestBody), text) << c.header;
      EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
      EXPECT_EQ(harness.decoder.stats().bodies_undecodable, 0U);
    }
  }
}

TEST(HttpContentCoding, IsToldByTheFirstBytesWhereThereIsNoLabel) {
  const std::string text = "number=1 " + std::string(5000, 'x') + " end";
  struct Case {
    std::string body;
    std::string expected;
  };
  const std::vector<Case> cases = {
      {Compress("gzip", text), text},
      {Compress("gzip", text.substr(0, 100)) + Compress("gzip", text.substr(100)), text},
      {Compress("deflate", text), text},
      {Compress("zstd", text), text},
      // What has no mark, or only the beginning of one, is as it stands.
      {text, text},
      {"x", "x"},
      {"xy", "xy"},
      {"x^2", "x^2"},
      {"(", "("},
      {"(1)", "(1)"},
      {"\x1f", "\x1f"},
      {"\x1f\x8b", "\x1f\x8b"},
      {"\x1f\x8b\x07 text", "\x1f\x8b\x07 text"},
      {"\x28\xb5\x2f", "\x28\xb5\x2f"},
      {"\x28\xb5\x2f\xfc", "\x28\xb5\x2f\xfc"},
      {Compress("br", text), Compress("br", text)},
  };
  for (const std::string header : {"", "Content-Encoding: identity\r\n"}) {
    for (const Case& c : cases) {
      for (size_t segment_bytes : {1U, 2U, 3U, 100U, 60000U}) {
        TcpConversation tcp = OpenOutbound();
        tcp.set_segment_bytes(segment_bytes);
        tcp.Client(Post(header, c.body));
        tcp.Client(Post(header, c.expected));
        DecoderHarness harness;
        harness.Run(tcp);
        const std::vector<RecordedPart> bodies = harness.sink.parts(Part::kRequestBody);
        ASSERT_EQ(bodies.size(), 2U);
        EXPECT_EQ(bodies[0].bytes, c.expected) << header << segment_bytes;
        EXPECT_EQ(bodies[1].bytes, c.expected) << header << segment_bytes;
        EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
        EXPECT_EQ(harness.decoder.stats().bodies_undecodable, 0U);
      }
    }
  }
}

TEST(HttpContentCoding, ThatOnlyTheFirstBytesPromiseDoesNotHideTheBody) {
  // No gzip header has the reserved flags, no zstd frame the reserved bit, no block type 3.
  for (const std::string mark : {"\x1f\x8b\x08\xff", "\x28\xb5\x2f\xfd\x08", "x\x9c\x07"}) {
    TcpConversation tcp = OpenOutbound();
    const std::string body = mark + " plain text behind a mark";
    tcp.Client(Post("", body));
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_EQ(harness.sink.only(Part::kRequestBody), body);
    EXPECT_EQ(harness.covered(Reason::kUndecodableContentCoding), body.size());
    EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
    EXPECT_EQ(harness.decoder.stats().bodies_undecodable, 1U);
  }
}

TEST(HttpContentCoding, IsNotLookedForBehindAGap) {
  const std::string coded = Compress("gzip", "hidden");
  for (const std::string before : {"", "\x1f\x8b"}) {
    TcpConversation tcp = OpenOutbound();
    tcp.Client("POST / HTTP/1.1\r\nContent-Length: " +
               std::to_string(before.size() + 10 + coded.size()) + "\r\n\r\n" + before);
    tcp.Lose(true, 10);
    tcp.Client(coded);
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_EQ(harness.sink.only(Part::kRequestBody), before + std::string(kGapMark) + coded);
    EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
  }
}

TEST(HttpContentCoding, OfTransferIsUndoneFirst) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client(kGet);
  const std::string body = Compress("gzip", Compress("br", "hello"));
  char size[16];
  std::snprintf(size, sizeof(size), "%zx\r\n", body.size());
  tcp.Server("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" +
             std::string(size) + body + "\r\n0\r\n\r\n");
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kResponseBody), "hello");
}

TEST(HttpContentCoding, ThatIsUnknownOrFalseDoesNotHideTheBody) {
  for (const std::string coding :
       {"aes128gcm", "gzip", "br", "zstd", "gzip, compress", "br,br,br,br,br,br"}) {
    TcpConversation tcp = OpenOutbound();
    const std::string body = "~~plain text under a label~~";
    tcp.Client(Post("Content-Encoding: " + coding + "\r\n", body));
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_EQ(harness.sink.only(Part::kRequestBody), body) << coding;
    EXPECT_EQ(harness.covered(Reason::kUndecodableContentCoding), body.size()) << coding;
    EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
    EXPECT_EQ(harness.decoder.stats().bodies_undecodable, 1U);
  }
}

TEST(HttpContentCoding, ThatBreaksKeepsWhatCameBefore) {
  std::string text;
  for (int i = 0; i < 60000; ++i) text += std::to_string(i * 7919) + ' ';
  for (const std::string coding : {"gzip", "zstd", "br"}) {
    std::string body = Compress(coding, text);
    body.replace(body.size() / 2, 64, std::string(64, '\xff'));
    TcpConversation tcp = OpenOutbound();
    tcp.Client(Post("Content-Encoding: " + coding + "\r\n", body));
    DecoderHarness harness;
    harness.Run(tcp);
    const std::string got = harness.sink.only(Part::kRequestBody);
    EXPECT_EQ(got.substr(0, 1000), text.substr(0, 1000)) << coding;
    EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
    EXPECT_EQ(harness.decoder.stats().bodies_undecodable, coding == "br" ? 0U : 1U) << coding;
  }
}

TEST(HttpContentCoding, ScansWhatFollowsTheCodedData) {
  for (const std::string coding : {"gzip", "br", "deflate"}) {
    TcpConversation tcp = OpenOutbound();
    tcp.Client(Post("Content-Encoding: " + coding + "\r\n", Compress(coding, "inside") + "after"));
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_EQ(harness.sink.only(Part::kRequestBody), "inside<gap>after");
    EXPECT_EQ(harness.covered(Reason::kUndecodableContentCoding), 5U);
    EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
  }
}

TEST(HttpContentCoding, EndsWithAGap) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i * 7919) + ' ';
  const std::string body = Compress("gzip", text);
  TcpConversation tcp = OpenOutbound();
  tcp.Client("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: " +
             std::to_string(body.size()) + "\r\n\r\n" + body.substr(0, body.size() / 2));
  tcp.Lose(true, 10);
  tcp.Client(body.substr(body.size() / 2 + 10));
  tcp.Client(kGet);
  DecoderHarness harness;
  harness.Run(tcp);
  const std::string got = harness.sink.only(Part::kRequestBody);
  EXPECT_TRUE(got.ends_with(kGapMark));
  EXPECT_TRUE(text.starts_with(got.substr(0, got.size() - kGapMark.size())));
  EXPECT_EQ(harness.decoder.stats().requests, 2U);
  EXPECT_EQ(harness.covered(Reason::kUndecodableContentCoding), body.size() - body.size() / 2 - 10);
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(HttpLimits, CutABodyToTheByte) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.body_bytes_max = 1000;
  TcpConversation tcp = OpenOutbound();
  tcp.set_segment_bytes(300);
  tcp.Client(Post("", std::string(2500, 'b')));
  tcp.Client(Post("", std::string(1000, 'c')));
  DecoderHarness harness(options);
  harness.Run(tcp);
  const std::vector<RecordedPart> bodies = harness.sink.parts(Part::kRequestBody);
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_EQ(bodies[0].bytes.size(), 1000U);
  EXPECT_EQ(bodies[1].bytes.size(), 1000U);
  EXPECT_EQ(harness.covered(Reason::kTruncatedBodyLimit), 1500U);
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes() - 1500);
  EXPECT_EQ(harness.decoder.stats().bodies_truncated, 1U);
}

TEST(HttpLimits, CutABombAndCountTheRest) {
  for (const std::string coding :
       {"gzip", "br", "zstd", "gzip, gzip", "br, gzip", "zstd, br", "gzip, br, zstd"}) {
    std::string bomb = std::string(64 << 20, '\0');
    // Applied in the order in which they are listed (RFC 9110 8.4).
    for (const absl::string_view layer : absl::StrSplit(coding, ", ")) {
      bomb = Compress(std::string(layer), bomb);
    }
    TcpConversation tcp = OpenOutbound();
    tcp.Client(Post("Content-Encoding: " + coding + "\r\n", bomb));
    tcp.Client(kGet);
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_EQ(harness.decoder.stats().bodies_cut_as_bomb, 1U) << coding;
    EXPECT_LE(harness.sink.only(Part::kRequestBody).size(), (1U << 20) + 1448 * 201 + 65536);
    EXPECT_GT(harness.covered(Reason::kTruncatedDecompressionLimit), 0U);
    EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
    EXPECT_EQ(harness.decoder.stats().requests, 2U);
  }
}

TEST(HttpLimits, HoldForBodiesWithoutLabel) {
  for (const std::string coding : {"gzip", "deflate", "zstd"}) {
    const std::string bomb = Compress(coding, std::string(64 << 20, '\0'));
    TcpConversation tcp = OpenOutbound();
    tcp.Client(Post("", bomb));
    tcp.Client(kGet);
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_EQ(harness.decoder.stats().bodies_cut_as_bomb, 1U) << coding;
    EXPECT_LE(harness.sink.only(Part::kRequestBody).size(), (1U << 20) + 1448 * 201 + 65536);
    EXPECT_GT(harness.covered(Reason::kTruncatedDecompressionLimit), 0U);
    EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
    EXPECT_EQ(harness.decoder.stats().requests, 2U);
  }
}

TEST(HttpLimits, LeaveBodiesAloneThatCompressWell) {
  const std::string text(900 << 10, 'x');
  TcpConversation tcp = OpenOutbound();
  tcp.Client(Post("Content-Encoding: gzip\r\n", Compress("gzip", text)));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestBody).size(), text.size());
  EXPECT_EQ(harness.decoder.stats().bodies_cut_as_bomb, 0U);
}

}  // namespace
}  // namespace skimwatch::traffic::testing
