// What bytes are taken for, and what they are not.

#include "agent/traffic/protocol/protocol_detector.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/agent/traffic/support/http2_builder.h"
#include "tests/agent/traffic/support/udp_builder.h"

namespace skimwatch::traffic::testing {
namespace {

struct Case {
  std::string what;
  std::string bytes;
  Detection detection;
};

std::string Framed(std::string_view message) {
  return BigEndian16(static_cast<uint32_t>(message.size())) + std::string(message);
}

std::vector<Case> Beginnings() {
  const std::string query = DnsQueryBytes(DnsNameBytes("www.shop.example"));
  const std::string answer = DnsResponseBytes(DnsNameBytes("www.shop.example"), 1, {});
  std::string multicast = answer;
  multicast[5] = '\4';
  const std::string settings = Http2Sender::Settings();
  return {
      {"a request", "GET / HTTP/1.1\r\n", Detection::kHttpRequest},
      {"a request of an unknown method", "BREW /pot HTTP/1.1\r\n", Detection::kHttpRequest},
      {"a response", "HTTP/1.1 200 OK\r\n", Detection::kHttpResponse},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Detection::kHttp2Client},
      {"half a preface", "PRI * HTT", Detection::kMore},
      {"a method that begins like the preface", "PRINT /x HTTP/1.1\r\n", Detection::kHttpRequest},
      {"settings", settings, Detection::kHttp2Server},
      {"settings of no length", std::string("\0\0\0\4\0\0\0\0\0", 9), Detection::kHttp2Server},
      {"an acknowledgment of settings", std::string("\0\0\0\4\1\0\0\0\0", 9), Detection::kUnknown},
      {"settings of a stream", std::string("\0\0\0\4\0\0\0\0\1", 9), Detection::kUnknown},
      {"settings of 5 bytes", std::string("\0\0\5\4\0\0\0\0\0", 9), Detection::kUnknown},
      {"zeros", std::string(100, '\0'), Detection::kUnknown},
      {"a TLS client", std::string("\x16\3\1\0\x40\1", 6), Detection::kTlsClient},
      {"a TLS server", std::string("\x16\3\3\0\x40\2", 6), Detection::kTlsServer},
      {"a record of no TLS", std::string("\x16\5\1\0\x40\1", 6), Detection::kUnknown},
      {"a DNS query", Framed(query), Detection::kDnsQuery},
      {"a DNS answer", Framed(answer), Detection::kDnsResponse},
      {"a part of a DNS query", Framed(query).substr(0, 9), Detection::kMore},
      {"a query with a length of its own", BigEndian16(5) + query, Detection::kUnknown},
      {"a query with bytes left over", Framed(query + "x"), Detection::kUnknown},
      {"several questions", Framed(multicast), Detection::kUnknown},
      {"a greeting of SMTP", "220 mx.example ESMTP Postfix\r\n", Detection::kSmtpServer},
      {"a greeting of FTP", "220 (vsFTPd 3.0.3)\r\n", Detection::kFtpServer},
      {"a greeting of somebody", "220 welcome\r\n", Detection::kGreeting},
      {"half a greeting", "220 welc", Detection::kMore},
      {"a number that is no greeting", "2200 apples\r\n", Detection::kUnknown},
      {"a greeting with other bytes", "220 \1\2\3\r\n", Detection::kUnknown},
      {"EHLO", "ehlo web.example\r\n", Detection::kSmtpClient},
      {"HELO without a name", "HELO \r\n", Detection::kUnknown},
      {"a word like EHLO", "EHLOX web\r\n", Detection::kUnknown},
      {"a line that never ends", "EHLO " + std::string(9000, 'x'), Detection::kUnknown},
      {"USER of POP3 or FTP", "USER cards\r\n", Detection::kUnknown},
      {"syslog", "<134>1 2026-11-25T03:00:00Z web - - - x", Detection::kSyslog},
      {"syslog of BSD", "<13>Nov 25 03:00:00 web x", Detection::kSyslog},
      {"syslog with a length", "120 <134>1 x", Detection::kSyslog},
      {"half a priority", "<13", Detection::kMore},
      {"a priority that is too high", "<192>1 x", Detection::kUnknown},
      {"a priority with a zero", "<013>1 x", Detection::kUnknown},
      {"XML", "<?xml version=\"1.0\"?>", Detection::kUnknown},
      {"HTML", "<1>", Detection::kMore},
      {"a card number", "4111111111111111", Detection::kUnknown},
      {"numbers", "4111 1111 1111 1111", Detection::kUnknown},
      {"SSH", "SSH-2.0-OpenSSH_9.2\r\n", Detection::kUnknown},
      {"MySQL",
       std::string("\x4a\0\0\0\x0a"
                   "8.0.36\0",
                   12),
       Detection::kUnknown},
      {"PostgreSQL", std::string("\0\0\0\x08\4\xd2\x16\x2f", 8), Detection::kUnknown},
      {"Redis", "*1\r\n$4\r\nPING\r\n", Detection::kUnknown},
      {"JSON", "{\"card\":1}", Detection::kUnknown},
  };
}

TEST(ProtocolDetector, TellsWhatBytesBeginAs) {
  for (const Case& one : Beginnings()) {
    EXPECT_EQ(Detect(one.bytes), one.detection) << one.what;
  }
}

TEST(ProtocolDetector, NeverChangesItsMindAboutAPrefix) {
  for (const Case& one : Beginnings()) {
    if (one.detection == Detection::kMore) continue;
    for (size_t size = 0; size < one.bytes.size(); ++size) {
      const Detection detection = Detect(std::string_view(one.bytes).substr(0, size));
      // What is known of less is what is known of all.
      const bool agrees = detection == Detection::kMore || detection == one.detection ||
                          // A whole TLS record's header says less than the message in it.
                          ProtocolOf(detection) == ProtocolOf(one.detection);
      EXPECT_TRUE(agrees) << one.what << ", " << size << " bytes";
    }
  }
}

TEST(ProtocolDetector, TakesAUserForFtpOnlyAfterAGreeting) {
  EXPECT_EQ(Detect("USER cards\r\n", /*greeted=*/true), Detection::kFtpClient);
  EXPECT_EQ(Detect("AUTH TLS\r\n", /*greeted=*/true), Detection::kFtpClient);
  EXPECT_EQ(Detect("FEAT\r\n", /*greeted=*/true), Detection::kFtpClient);
  EXPECT_EQ(Detect("FEATURE\r\n", /*greeted=*/false), Detection::kUnknown);
  EXPECT_EQ(Detect("USER cards\r\n", /*greeted=*/false), Detection::kUnknown);
  EXPECT_EQ(Detect("GET / HTTP/1.1\r\n", /*greeted=*/true), Detection::kHttpRequest);
}

TEST(ProtocolDetector, FindsMessagesInTheMidstOfAStream) {
  Http2Sender sender;
  const std::string head = sender.Headers(3, RequestFields("GET", "/x"));
  const std::string masked(
      "\x81\x85\1\2\3\4"
      "igomn",
      11);
  const std::vector<Case> cases = {
      {"a request", "GET / HTTP/1.1\r\n", Detection::kHttpRequest},
      {"a request whose line is cut", "GET / HTT", Detection::kUnknown},
      {"a response", "HTTP/1.1 200 OK\r\n", Detection::kHttpResponse},
      {"two frames", head + Http2Sender::Data(3, "x"), Detection::kHttp2},
      {"data that goes on", Http2Sender::Data(3, std::string(5000, 'x')).substr(0, 1448),
       Detection::kHttp2},
      {"data of a stream that servers open",
       Http2Sender::Data(2, std::string(5000, 'x')).substr(0, 1448), Detection::kUnknown},
      {"one frame and other bytes", head + "some other bytes", Detection::kUnknown},
      {"an extension of HTTP/2",
       Http2FrameBytes(0x20, 0, 1, "x") + Http2FrameBytes(0x20, 0, 1, "x"), Detection::kUnknown},
      {"text behind a mask", masked, Detection::kWebSocketClient},
      {"text behind a mask and more", masked + "x", Detection::kUnknown},
      {"an address of a mail", "MAIL FROM:<a@b>\r\n", Detection::kSmtpClient},
      {"zeros", std::string(1448, '\0'), Detection::kUnknown},
      {"nothing", "", Detection::kUnknown},
  };
  for (const Case& one : cases) EXPECT_EQ(DetectInStream(one.bytes), one.detection) << one.what;
}

TEST(ProtocolDetector, SeldomTakesRandomBytesForAProtocol) {
  std::mt19937 random(5);
  int taken = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes(64, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    const Detection detection = Detect(bytes);
    taken += detection != Detection::kUnknown && detection != Detection::kMore ? 1 : 0;
    EXPECT_EQ(DetectInStream(bytes), Detection::kUnknown);
  }
  // A record's header of TLS is 5 bytes.
  EXPECT_LE(taken, 5);
}

}  // namespace
}  // namespace skimwatch::traffic::testing
