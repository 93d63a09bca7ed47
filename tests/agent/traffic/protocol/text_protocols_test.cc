// SMTP, FTP and syslog over TCP.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/agent/traffic/protocol/decoder_harness.h"

namespace skimwatch::traffic::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Texts(const DecoderHarness& harness, Part part, Protocol protocol) {
  std::vector<std::string> texts;
  for (const RecordedPart& one : harness.sink.parts(part)) {
    EXPECT_EQ(one.provenance.protocol, protocol);
    EXPECT_TRUE(one.ended);
    texts.push_back(one.bytes);
  }
  return texts;
}

void ExpectAllScanned(const DecoderHarness& harness, const TcpConversation& tcp) {
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes()) << harness.CoverageText();
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(Smtp, PassesCommandsRepliesAndMailsWithTheirDotsUndone) {
  for (size_t segment : {1, 3, 1448}) {
    TcpConversation tcp = OpenOutbound();
    tcp.set_segment_bytes(segment);
    tcp.Server("220 mx.example ESMTP\r\n");
    tcp.Client("EHLO web\r\n");
    tcp.Server("250-mx.example\r\n250 PIPELINING\r\n");
    tcp.Client("MAIL FROM:<a@shop.example>\r\nRCPT TO:<b@evil.example>\r\nDATA\r\n");
    tcp.Server("250 ok\r\n250 ok\r\n354 go on\r\n");
    tcp.Client("Subject: x\r\n\r\n..4111\r\n.dot\r\n.\rx\r\n.\r\nQUIT\r\n");
    tcp.Server("250 queued\r\n221 bye\r\n");
    tcp.Close();
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_EQ(harness.sink.only(Part::kRequestBody), "Subject: x\r\n\r\n.4111\r\ndot\r\n\rx\r\n");
    EXPECT_EQ(harness.sink.parts(Part::kRequestBody)[0].provenance.content_type, "message/rfc822");
    const std::vector<std::string> commands = Texts(harness, Part::kCommand, Protocol::kSmtp);
    EXPECT_THAT(commands, Contains("220 mx.example ESMTP\r\n"));
    EXPECT_THAT(commands, Contains("RCPT TO:<b@evil.example>\r\n"));
    EXPECT_THAT(commands, Contains("QUIT\r\n"));
    ExpectAllScanned(harness, tcp);
  }
}

TEST(Smtp, IsKnownByTheClientWhereTheGreetingDoesNotSay) {
  TcpConversation tcp = OpenOutbound();
  tcp.Server("220 welcome\r\n");
  tcp.Client("HELO web\r\n");
  tcp.Server("250 hello\r\n");
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_THAT(Texts(harness, Part::kCommand, Protocol::kSmtp),
              ElementsAre("220 welcome\r\n", "HELO web\r\n", "250 hello\r\n"));
  ExpectAllScanned(harness, tcp);
}

TEST(Smtp, DoesNotTakeCommandsForMailWhenDataIsRefused) {
  TcpConversation tcp = OpenOutbound();
  tcp.Server("220 mx ESMTP\r\n");
  tcp.Client("EHLO web\r\nDATA\r\n");
  tcp.Server("250 mx\r\n503 no recipients\r\n");
  tcp.Client("RSET\r\n");
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_THAT(harness.sink.parts(Part::kRequestBody), IsEmpty());
  EXPECT_THAT(Texts(harness, Part::kCommand, Protocol::kSmtp), Contains("RSET\r\n"));
}

TEST(Smtp, FollowsTheClientAlone) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("EHLO web\r\n");
  tcp.Client("MAIL FROM:<a@b>\r\n");
  tcp.Client("DATA\r\n");
  tcp.Client("mail\r\n.\r\n");
  tcp.Client("BDAT 4\r\nab");
  tcp.Client("cdBDAT 3 LAST\r\nefgQUIT\r\n");
  DecoderHarness harness;
  harness.Run(tcp);
  const std::vector<RecordedPart> mails = harness.sink.parts(Part::kRequestBody);
  ASSERT_EQ(mails.size(), 2U);
  EXPECT_EQ(mails[0].bytes, "mail\r\n");
  EXPECT_EQ(mails[1].bytes, "abcdefg");
  EXPECT_THAT(Texts(harness, Part::kCommand, Protocol::kSmtp), Contains("QUIT\r\n"));
  ExpectAllScanned(harness, tcp);
}

TEST(Smtp, CountsWhatFollowsStartTlsAsEncrypted) {
  const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, '\x9b');
  TcpConversation tcp = OpenOutbound();
  tcp.Server("220 mx ESMTP\r\n");
  tcp.Client("EHLO web\r\n");
  tcp.Server("250 STARTTLS\r\n");
  tcp.Client("STARTTLS\r\n");
  tcp.Server("220 go\r\n");
  tcp.Client(record);
  tcp.Server(record);
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.covered(Reason::kUndecodableEncrypted), 2 * record.size());
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(Smtp, GoesOnInAMailAfterAGap) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("EHLO web\r\n");
  tcp.Client("DATA\r\n");
  tcp.Client("first ");
  tcp.Lose(true, 20);
  tcp.Client("last\r\n.\r\nQUIT\r\n");
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestBody), "first <gap>last\r\n");
  EXPECT_THAT(Texts(harness, Part::kCommand, Protocol::kSmtp), Contains("QUIT\r\n"));
  ExpectAllScanned(harness, tcp);
}

TEST(Ftp, PassesCommandsAndRepliesOfTheControlConnection) {
  for (const std::string greeting : {"220 ready\r\n", "220 An FTP server\r\n"}) {
    for (const std::string command : {"USER cards\r\n", "FEAT\r\n", "HOST shop.example\r\n"}) {
      TcpConversation tcp = OpenOutbound();
      tcp.Server("220-Welcome\r\n" + greeting);
      tcp.Client(command);
      tcp.Server("331 password\r\n");
      tcp.Client("STOR 4111.csv\r\n");
      DecoderHarness harness;
      harness.Run(tcp);
      EXPECT_THAT(Texts(harness, Part::kCommand, Protocol::kFtp),
                  ::testing::UnorderedElementsAre("220-Welcome\r\n", greeting, command,
                                                  "331 password\r\n", "STOR 4111.csv\r\n"));
      EXPECT_EQ(harness.decoder.stats().raw_streams, 0U) << greeting << command;
      ExpectAllScanned(harness, tcp);
    }
  }
}

TEST(Ftp, CountsWhatFollowsAuthTlsAsEncrypted) {
  const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, '\x9b');
  TcpConversation tcp = OpenOutbound();
  tcp.Server("220 FTP server\r\n");
  tcp.Client("AUTH TLS\r\n");
  tcp.Server("234 go\r\n");
  tcp.Client(record);
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.covered(Reason::kUndecodableEncrypted), record.size());
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
  EXPECT_THAT(Texts(harness, Part::kCommand, Protocol::kFtp), Contains("AUTH TLS\r\n"));
}

TEST(Syslog, PassesMessagesByLengthAndByLine) {
  for (size_t segment : {1, 4, 1448}) {
    TcpConversation tcp = OpenOutbound();
    tcp.set_segment_bytes(segment);
    tcp.Client("30 <34>1 - - - - - - card\n4111 xx13 <13>short one<14>by line\nand another\n");
    tcp.Close();
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_THAT(Texts(harness, Part::kMessage, Protocol::kSyslog),
                ElementsAre("30 <34>1 - - - - - - card\n4111 xx", "13 <13>short one",
                            "<14>by line\n", "and another\n"));
    ExpectAllScanned(harness, tcp);
  }
}

TEST(Syslog, BelievesAnyLength) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("<34>1 x\n999999999 <34>1 endless");
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_THAT(Texts(harness, Part::kMessage, Protocol::kSyslog),
              ElementsAre("<34>1 x\n", "999999999 <34>1 endless"));
  ExpectAllScanned(harness, tcp);
}

// HTTP smuggling: what one reader takes for a body another takes for a request, and each reading's
// bytes are scanned.
TEST(HttpSmuggling, ScansBothReadings) {
  struct Case {
    std::string what;
    std::string head;
    std::string body;
  };
  const std::vector<Case> cases = {
      {"length says more than chunks", "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n",
       "0\r\n\r\nGET /smuggled?c=4111 HTTP/1.1\r\nHost: inner.example\r\n\r\n"},
      {"length says less than chunks", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
       "1f\r\nPOST /smuggled?c=4111 HTTP/1.1\r\n\r\n0\r\n\r\n"},
      {"two lengths", "Content-Length: 5\r\nContent-Length: 40\r\n",
       "aaaaaGET /smuggled?c=4111 HTTP/1.1\r\n\r\n"},
      {"an obscured coding", "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
       "0\r\n\r\nGET /smuggled?c=4111 HTTP/1.1\r\n\r\n"},
      {"two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\nContent-Length: 5\r\n",
       "0\r\n\r\nGET /smuggled?c=4111 HTTP/1.1\r\n\r\n"},
      {"an extension of a chunk", "Transfer-Encoding: chunked\r\n",
       "2;x=GET /smuggled?c=4111 HTTP/1.1\r\nxy\r\n0\r\n\r\n"},
  };
  for (const Case& one : cases) {
    TcpConversation tcp = OpenOutbound();
    tcp.Client("POST /outer HTTP/1.1\r\nHost: outer.example\r\n" + one.head + "\r\n" + one.body);
    tcp.Close();
    DecoderHarness harness;
    harness.Run(tcp);
    std::string scanned;
    for (const RecordedPart& part : harness.sink.parts()) scanned += part.bytes;
    EXPECT_NE(scanned.find("c=4111"), std::string::npos) << one.what;
    ExpectAllScanned(harness, tcp);
  }
}

// The number is whole in one reading alone: it is cut by chunks that only some readers know to be
// chunks.
TEST(HttpSmuggling, ScansANumberThatOnlyOneReadingHoldsInOnePiece) {
  const std::string body = "4\r\n4111\r\n4\r\n1111\r\n0\r\n\r\n";
  for (const std::string coding :
       {"Transfer-Encoding: chunked", "Transfer-Encoding : chunked", "Transfer-Encoding: CHUNKED",
        "Transfer-Encoding:\tchunked", "Transfer-Encoding: x, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: \x0b"
        "chunked",
        "Transfer-Encoding: xchunked", " Transfer-Encoding: chunked"}) {
    for (const bool length_first : {true, false}) {
      const std::string length = "Content-Length: " + std::to_string(body.size());
      TcpConversation tcp = OpenOutbound();
      tcp.Client("POST /outer HTTP/1.1\r\nHost: outer.example\r\n" +
                 (length_first ? length + "\r\n" + coding : coding + "\r\n" + length) + "\r\n\r\n" +
                 body);
      tcp.Close();
      DecoderHarness harness;
      harness.Run(tcp);
      EXPECT_THAT(harness.sink.descriptions(), Contains(::testing::HasSubstr("41111111")))
          << coding << (length_first ? ", after the length" : ", before the length");
      EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes()) << coding;
      // The other reading is marked as one, for what counts bytes that are sent.
      size_t read_once = 0;
      for (const RecordedPart& part : harness.sink.parts()) {
        if (!part.provenance.repeats) read_once += part.bytes.size();
      }
      EXPECT_LE(read_once, tcp.payload_bytes()) << coding;
    }
  }
}

TEST(HalfOpenFlood, OfSynsAndOfDataIsBounded) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.flows_max = 100;
  DecoderHarness harness(options);
  // A conversation with data that must not be pushed out by connections that have none.
  TcpConversation real(At("192.0.2.1:999"), At(kProcessor));
  real.Open();
  real.Client("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n4111");
  harness.Feed(real.packets());
  const size_t sent = real.packets().size();
  for (uint16_t port = 1000; port < 21'000; ++port) {
    TcpConversation flood(At("203.0.113.1:" + std::to_string(port)), At(kProcessor));
    Segment syn = flood.Next(true);
    syn.flags = kSyn;
    flood.Add(syn);
    harness.Feed(flood.packets());
  }
  EXPECT_LE(harness.decoder.stats().flows_active, 100U);
  real.Client("1111");
  harness.Feed({real.packets().begin() + static_cast<ptrdiff_t>(sent), real.packets().end()});
  EXPECT_THAT(harness.sink.descriptions(), Contains("request_body POST h/a: 41111111"));
  uint64_t bytes = real.payload_bytes();
  for (uint16_t port = 1000; port < 21'000; ++port) {
    TcpConversation flood(At("203.0.113.2:" + std::to_string(port)), At(kProcessor));
    flood.Client("x");
    bytes += 1;
    harness.Feed(flood.packets());
  }
  EXPECT_LE(harness.decoder.stats().flows_active, 100U);
  harness.decoder.Flush();
  EXPECT_EQ(harness.coverage.seen_bytes(), bytes);
}

}  // namespace
}  // namespace skimwatch::traffic::testing
