// A head that comes in one piece may be read without libhtp, and one that comes in two is not. What
// is understood must be the same, whatever the head is.

#include "agent/traffic/protocol/http_head.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/agent/traffic/protocol/decoder_harness.h"

namespace skimwatch::traffic::testing {
namespace {

constexpr char kRequest[] =
    "POST /pay?id=7 HTTP/1.1\r\nHost: www.Shop.example:8080\r\nOrigin: https://shop.example\r\n"
    "Referer: https://shop.example/cart\r\nCookie: a=1\r\nCookie: b=2\r\n"
    "Content-Type: application/json\r\nContent-Length: 5\r\n\r\n";
constexpr char kResponse[] =
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html; charset=utf-8\r\n"
    "Content-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n";

// What comes of `request` and `response`, each in one piece or after its first byte, with bytes
// that follow.
std::string Outcome(const std::string& request, const std::string& response, bool cut) {
  TcpConversation tcp = OpenInbound();
  tcp.set_segment_bytes(60'000);
  // So that neither is looked at by the protocol detector.
  tcp.Client("GET /first HTTP/1.1\r\nHost: shop.example\r\n\r\n");
  tcp.Server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  const size_t first = cut ? 1 : 0;
  tcp.Client(request.substr(0, first));
  tcp.Client(request.substr(first) + "12345\r\n0\r\n\r\n");
  tcp.Server(response.substr(0, first));
  tcp.Server(response.substr(first) + "2\r\nhi\r\n0\r\n\r\n");
  tcp.Client("GET /last HTTP/1.1\r\nHost: shop.example\r\n\r\n");
  tcp.Server("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nbye");
  tcp.Close();
  DecoderHarness harness;
  harness.Run(tcp);
  std::string text = harness.CoverageText();
  const TrafficDecoder::Stats stats = harness.decoder.stats();
  for (const uint64_t count : {stats.requests, stats.responses, stats.http_errors,
                               stats.raw_streams, stats.bodies_undecodable}) {
    text += ' ' + std::to_string(count);
  }
  for (const RecordedPart& part : harness.sink.parts()) {
    text += '\n' + Describe(part) + ' ' + part.provenance.referrer;
  }
  return text;
}

void ExpectSame(const std::string& request, const std::string& response) {
  EXPECT_EQ(Outcome(request, response, false), Outcome(request, response, true))
      << request << response;
}

TEST(HttpHead, ReadsAPlainRequest) {
  HttpHead head;
  const std::string bytes = std::string(kRequest) + "12345";
  ASSERT_EQ(ReadPlainRequest(bytes, head), sizeof kRequest - 1);
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/pay?id=7");
  EXPECT_EQ(head.host, "www.Shop.example:8080");
  EXPECT_EQ(head.origin, "https://shop.example");
  EXPECT_EQ(head.referer, "https://shop.example/cart");
  EXPECT_EQ(head.content_type, "application/json");
  EXPECT_EQ(head.coding, HTP_CODING_IDENTITY);
  EXPECT_EQ(head.length, 5);
  EXPECT_EQ(bytes.substr(head.headers_begin, 5), "Host:");
}

TEST(HttpHead, ReadsAPlainResponse) {
  HttpHead head;
  ASSERT_EQ(ReadPlainResponse(kResponse, head), sizeof kResponse - 1);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.content_type, "text/html; charset=utf-8");
  EXPECT_EQ(head.coding, HTP_CODING_CHUNKED);
  head = HttpHead();
  ASSERT_GT(ReadPlainResponse("HTTP/1.0 503 Service Unavailable\r\n\r\n", head), 0U);
  EXPECT_EQ(head.status, 503);
  EXPECT_EQ(head.coding, HTP_CODING_IDENTITY);
  EXPECT_EQ(head.length, -1);
}

TEST(HttpHead, LeavesWhatIsNotPlainToLibhtp) {
  const std::string start = "POST /pay HTTP/1.1\r\nHost: shop.example\r\n";
  for (const std::string& request : std::vector<std::string>{
           "POST /pay HTTP/1.1\r\nHost: shop.example\r\n",
           "POST /pay HTTP/1.1\nHost: shop.example\n\n",
           "POST  /pay HTTP/1.1\r\n\r\n",
           "POST /pay HTTP/1.2\r\n\r\n",
           "POST /a b HTTP/1.1\r\n\r\n",
           "post /pay HTTP/1.1\r\n\r\n",
           "POST http://shop.example/pay HTTP/1.1\r\n\r\n",
           "CONNECT shop.example:443 HTTP/1.1\r\n\r\n",
           "\r\nPOST /pay HTTP/1.1\r\n\r\n",
           start + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
           start + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
           start + "Content-Length: +5\r\n\r\n",
           start + "Content-Length: 5, 5\r\n\r\n",
           start + "Content-Length:\r\n\r\n",
           start + "Content-Length : 5\r\n\r\n",
           start + "Content-Length: 9999999999999999999\r\n\r\n",
           start + "Transfer-Encoding: gzip, chunked\r\n\r\n",
           start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
           start + "X-Folded: 1\r\n 2\r\n\r\n",
           start + "X: 1\r\r\n\r\n",
           start + "no colon\r\n\r\n",
           start + ": no name\r\n\r\n",
           start + std::string("X: \0\r\n\r\n", 8),
           "GET / HTTP/1.1\r\nHost: user@shop.example\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: shop.example, other.example\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"}) {
    HttpHead head;
    EXPECT_EQ(ReadPlainRequest(request, head), 0U) << request;
    ExpectSame(request, kResponse);
  }
  for (const std::string& response : std::vector<std::string>{
           "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
           "HTTP/1.1 200\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
           "HTTP/1.1 600 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n",
           "HTTP/1.1 206 Part\r\nContent-Type: Multipart/ByteRanges\r\n\r\n",
           "HTTP/1.1 206 Part\r\nContent-Type: x; multipart/byteranges\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    HttpHead head;
    EXPECT_EQ(ReadPlainResponse(response, head), 0U) << response;
    ExpectSame(kRequest, response);
  }
}

TEST(HttpHead, SaysOfChangedHeadsWhatLibhtpSays) {
  static const std::vector<std::string> kLines = {"Content-Length: 0\r\n",
                                                  "Content-Length: 7\r\n",
                                                  "Transfer-Encoding: chunked\r\n",
                                                  "Host: other.example\r\n",
                                                  "Host:\r\n",
                                                  "Content-Encoding: gzip\r\n",
                                                  "Content-Type: image/png\r\n",
                                                  "Origin: null\r\n",
                                                  "Upgrade: h2c\r\n",
                                                  "X:\t tab \t\r\n",
                                                  "X: \xc3\xa9\r\n",
                                                  "Expect: 100-continue\r\n"};
  static const std::vector<std::string> kStarts = {
      "GET / HTTP/1.1\r\n",          "HEAD /pay HTTP/1.1\r\n",        "PUT //pay HTTP/1.0\r\n",
      "HTTP/1.1 204 No Content\r\n", "HTTP/1.1 304 Not Modified\r\n", "HTTP/1.0 200 OK\r\n"};
  std::mt19937 random(20);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const auto change = [&](std::string head) {
    for (size_t changes = 1 + below(3); changes > 0; --changes) {
      const size_t at = below(head.size());
      switch (below(6)) {
        case 0:
          head[at] = static_cast<char>(random());
          break;
        case 1:
          head.erase(at, 1);
          break;
        case 2:
          head.insert(at, 1, " \t\r\n:,;\0"[below(8)]);
          break;
        case 3:
          head.replace(0, head.find('\n') + 1, kStarts[below(kStarts.size())]);
          break;
        default:
          head.insert(head.find('\n') + 1, kLines[below(kLines.size())]);
      }
      if (head.empty()) return std::string("X");
    }
    return head;
  };
#ifdef __OPTIMIZE__
  constexpr int kHeads = 20'000;
#else
  constexpr int kHeads = 1'000;
#endif
  int plain = 0;
  for (int i = 0; i < kHeads && !HasFailure(); ++i) {
    const std::string request = below(3) == 0 ? kRequest : change(kRequest);
    const std::string response = below(3) == 0 ? kResponse : change(kResponse);
    HttpHead head;
    if (ReadPlainRequest(request, head) > 0) ++plain;
    ExpectSame(request, response);
  }
  // Enough of both.
  EXPECT_GT(plain, kHeads / 4);
  EXPECT_LT(plain, kHeads * 9 / 10);
}

}  // namespace
}  // namespace skimwatch::traffic::testing
