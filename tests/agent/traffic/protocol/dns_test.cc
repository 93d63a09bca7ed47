// DNS over UDP and TCP, and UDP as such.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "agent/traffic/protocol/dns_message.h"
#include "tests/agent/traffic/protocol/decoder_harness.h"
#include "tests/agent/traffic/support/udp_builder.h"

namespace skimwatch::traffic::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint16_t kCname = 5;
constexpr uint16_t kTxt = 16;
const Endpoint kClient = At("192.0.2.10:53124");
const Endpoint kResolver = At("198.51.100.53:53");

// A length before a message.
std::string Framed(std::string_view message) {
  return BigEndian16(static_cast<uint32_t>(message.size())) + std::string(message);
}

std::vector<std::string> Texts(const DecoderHarness& harness, Part part) {
  std::vector<std::string> texts;
  for (const RecordedPart& one : harness.sink.parts(part)) {
    EXPECT_EQ(one.provenance.protocol, Protocol::kDns);
    EXPECT_TRUE(one.ended);
    texts.push_back(one.bytes);
  }
  return texts;
}

TEST(Dns, PassesNamesWithAndWithoutTheirDots) {
  DecoderHarness harness;
  const std::string query = DnsQueryBytes(DnsNameBytes("4111.1111.1111.1111.Evil.co.uk"));
  harness.Run({UdpPacket(kClient, kResolver, query)});
  EXPECT_THAT(Texts(harness, Part::kName),
              ElementsAre("4111.1111.1111.1111.Evil.co.uk", "4111111111111111"));
  const Provenance provenance = harness.sink.parts()[0].provenance;
  EXPECT_EQ(provenance.host, "evil.co.uk");
  EXPECT_EQ(provenance.server.ip, "198.51.100.53");
  EXPECT_EQ(provenance.direction, Direction::kOutboundRequest);
  EXPECT_EQ(harness.covered(Reason::kScanned), query.size());
  EXPECT_EQ(harness.coverage.seen_bytes(), query.size());
  EXPECT_EQ(harness.decoder.stats().datagrams, 1U);
}

TEST(Dns, JoinsWhatIsAskedOneNameAfterAnother) {
  DecoderHarness harness;
  std::vector<Packet> packets;
  uint64_t bytes = 0;
  uint16_t port = 40000;
  const auto ask = [&](std::string_view name, uint16_t type = 1) {
    const std::string query = DnsQueryBytes(DnsNameBytes(name), type);
    bytes += query.size();
    // Each from another port, and another name between.
    packets.push_back(UdpPacket({kClient.ip, port++}, kResolver, query));
  };
  ask("c1.41111111.evil.example");
  ask("www.shop.example");
  ask("c1.41111111.evil.example", kTxt);
  ask("c2.1111.evil.example");
  ask("c3.1111.evil.example");
  harness.Run(packets);
  const std::vector<std::string> names = Texts(harness, Part::kName);
  EXPECT_THAT(names, Contains("c141111111c21111c31111"));
  EXPECT_THAT(names, Contains("4111111111111111"));
  EXPECT_EQ(harness.covered(Reason::kScanned), bytes);
  EXPECT_EQ(harness.coverage.seen_bytes(), bytes);
}

TEST(Dns, JoinsForEachClientAndDomainApart) {
  DecoderHarness harness;
  std::vector<Packet> packets;
  for (const std::string_view client : {"192.0.2.10:1000", "192.0.2.11:1000"}) {
    for (const std::string_view name :
         {"a1.evil.example", "b1.evil.example", "a2.other.example", "b2.other.example"}) {
      packets.push_back(UdpPacket(At(client), kResolver, DnsQueryBytes(DnsNameBytes(name))));
    }
  }
  harness.Run(packets);
  const std::vector<std::string> names = Texts(harness, Part::kName);
  EXPECT_EQ(std::count(names.begin(), names.end(), "a1b1"), 2);
  EXPECT_EQ(std::count(names.begin(), names.end(), "a2b2"), 2);
}

TEST(Dns, FollowsABoundedNumberOfDomains) {
  DecoderHarness harness;
  std::vector<Packet> packets;
  for (int i = 0; i < 5000; ++i) {
    for (const char* label : {"x.", "y."}) {
      packets.push_back(UdpPacket(
          kClient, kResolver,
          DnsQueryBytes(DnsNameBytes(label + std::string("d") + std::to_string(i) + ".example"))));
    }
  }
  harness.Feed(packets);
  const std::vector<RecordedPart> parts = harness.sink.parts(Part::kName);
  EXPECT_EQ(std::count_if(parts.begin(), parts.end(),
                          [](const RecordedPart& part) { return !part.ended; }),
            4096);
  harness.decoder.Flush();
  for (const RecordedPart& part : harness.sink.parts(Part::kName)) EXPECT_TRUE(part.ended);
}

TEST(Dns, EndsWhatItJoinedAfterSomeTime) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.flow_idle = absl::Seconds(10);
  DecoderHarness harness(options);
  const absl::Time start = absl::FromUnixSeconds(1'700'000'000);
  harness.Feed(
      {UdpPacket(kClient, kResolver, DnsQueryBytes(DnsNameBytes("a.evil.example")), start),
       UdpPacket(kClient, kResolver, DnsQueryBytes(DnsNameBytes("b.evil.example")), start)});
  EXPECT_FALSE(harness.sink.parts().back().ended);
  harness.decoder.OnIdle(start + absl::Seconds(11));
  EXPECT_TRUE(harness.sink.parts().back().ended);
  EXPECT_EQ(harness.sink.parts().back().bytes, "ab");
}

TEST(Dns, PassesTextsAndOtherDataOfAnswers) {
  DecoderHarness harness;
  const std::string name = DnsNameBytes("c.evil.example");
  const std::string pointer("\xc0\x0c", 2);
  const std::string response =
      DnsResponseBytes(name, kTxt,
                       {DnsRecordBytes(pointer, kTxt,
                                       "\x08"
                                       "41111111"
                                       "\x08"
                                       "11111111"),
                        DnsRecordBytes(pointer, kCname, "\6hidden" + pointer),
                        DnsRecordBytes(pointer, 1, "\1\2\3\4"),
                        DnsRecordBytes(DnsNameBytes("other.example"), 1, "\1\2\3\4"),
                        DnsRecordBytes(std::string(1, '\0'), 41, "opaque-edns-option")});
  harness.Run({UdpPacket(kResolver, kClient, response)});
  EXPECT_THAT(Texts(harness, Part::kRecord),
              ElementsAre("4111111111111111", "hidden.c.evil.example", "other.example",
                          "opaque-edns-option"));
  EXPECT_EQ(harness.sink.parts()[0].provenance.direction, Direction::kInboundResponse);
  EXPECT_EQ(harness.sink.parts()[0].provenance.host, "evil.example");
  EXPECT_EQ(harness.coverage.seen_bytes(), response.size());
}

TEST(Dns, IsFollowedOverTcp) {
  for (size_t segment : {1, 2, 7, 1448}) {
    TcpConversation tcp = OpenOutbound();
    tcp.set_segment_bytes(segment);
    tcp.Client(Framed(DnsQueryBytes(DnsNameBytes("a1.evil.example"), kTxt)) +
               Framed(DnsQueryBytes(DnsNameBytes("b2.evil.example"), kTxt)));
    tcp.Server(Framed(DnsResponseBytes(DnsNameBytes("a1.evil.example"), kTxt,
                                       {DnsRecordBytes("\xc0\x0c", kTxt, "\6secret")})));
    tcp.Close();
    DecoderHarness harness;
    harness.Run(tcp);
    EXPECT_THAT(Texts(harness, Part::kName),
                ElementsAre("a1.evil.example", "b2.evil.example", "a1b2"));
    EXPECT_THAT(Texts(harness, Part::kRecord), ElementsAre("secret"));
    EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
    EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
  }
}

TEST(Dns, ScansAStreamThatCeasesToBeDns) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client(Framed(DnsQueryBytes(DnsNameBytes("www.shop.example"))));
  tcp.Client("card 4111 and so on, which is no message of DNS at all" + std::string(30'000, 'x'));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kStream).substr(0, 9), "card 4111");
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(DnsMessage, RefusesWhatIsMalformed) {
  const std::string head("\x12\x34\1\0\0\1\0\0\0\0\0\0", 12);
  const std::string tail("\0\1\0\1", 4);
  struct Case {
    std::string what;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"a pointer to itself", head + "\xc0\x0c" + tail},
      {"a pointer forward", head + "\xc0\x20" + tail + std::string(40, '\0')},
      {"pointers in a circle", head + "\1a\xc0\x10\1b\xc0\x0c" + tail},
      {"a label that points back to its own name", head + "\1a\xc0\x0c" + tail},
      {"a label of 64 bytes", head + "\x40" + std::string(64, 'x') + '\0' + tail},
      {"a name of 257 bytes",
       head + DnsNameBytes(std::vector<std::string>(16, std::string(15, 'x'))) + tail},
      {"a name without an end", head + "\3abc"},
      {"an unknown class", head + DnsNameBytes("a.example") + std::string("\0\1\0\7", 4)},
      {"bytes left over", head + DnsNameBytes("a.example") + tail + "x"},
      {"a record that is missing",
       "\x12\x34\1\0\0\1\0\1" + std::string(4, '\0') + DnsNameBytes("a.example") + tail},
  };
  for (const Case& one : cases) {
    EXPECT_FALSE(ParseDnsMessage(one.message).has_value()) << one.what;
    // And is scanned as it is.
    DecoderHarness harness;
    harness.Run({UdpPacket(kClient, kResolver, one.message)});
    EXPECT_EQ(harness.sink.only(Part::kStream), one.message) << one.what;
    EXPECT_EQ(harness.coverage.seen_bytes(), one.message.size());
  }
}

TEST(DnsMessage, CostsNoMoreThanItIsLong) {
  // 5,000 records, each with a name of 250 bytes for two.
  std::string message("\x12\x34\x81\x80\0\1\3\xe8\0\0\0\0", 12);
  message +=
      DnsNameBytes(std::vector<std::string>(4, std::string(60, 'x'))) + std::string("\0\1\0\1", 4);
  for (int i = 0; i < 1000; ++i) {
    message += "\xc0\x0c" + std::string("\0\5\0\1\0\0\0\0\0\2\xc0\x0c", 12);
  }
  EXPECT_FALSE(ParseDnsMessage(message).has_value());
}

TEST(Udp, PassesWhatItDoesNotKnowDatagramByDatagram) {
  DecoderHarness harness;
  harness.Run({UdpPacket(At("192.0.2.10:5000"), At("198.51.100.1:9000"), "card=4111"),
               UdpPacket(At("[2001:db8::1]:5000"), At("[2001:db8::2]:9000"), "1111"),
               UdpPacket(At("192.0.2.10:5000"), At("198.51.100.1:9000"), "")});
  const std::vector<RecordedPart> parts = harness.sink.parts(Part::kStream);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].bytes, "card=4111");
  EXPECT_EQ(parts[0].provenance.client.port, 9000);
  EXPECT_EQ(parts[1].bytes, "1111");
  EXPECT_EQ(harness.covered(Reason::kScanned), 13U);
}

TEST(Udp, CountsWhatIsInboundSampledOutAndCut) {
  TrafficDecoderOptions options = DecoderHarness::OutboundOnly();
  DecoderHarness harness(options);
  Packet cut = UdpPacket(At("192.0.2.10:50000"), At("198.51.100.1:900"), "0123456789");
  cut.wire_bytes = static_cast<uint32_t>(cut.bytes.size());
  cut.bytes.resize(cut.bytes.size() - 4);
  harness.Run({UdpPacket(At("198.51.100.1:900"), At("192.0.2.10:50000"), "in"), cut});
  EXPECT_EQ(harness.CoverageText(), "scanned 6, truncated.snapshot 4, inbound.not_asked 2");
  options.sampler = FlowSampler::WithShare(1e-9);
  DecoderHarness none(options);
  none.Run({cut});
  EXPECT_EQ(none.CoverageText(), "sampled_out.flow_hash 10");
}

TEST(Udp, PassesSyslogMessages) {
  DecoderHarness harness;
  harness.Run({UdpPacket(At("192.0.2.10:514"), At("198.51.100.1:514"),
                         "<134>Nov 25 03:00:00 web pay: card 4111")});
  const std::vector<RecordedPart> parts = harness.sink.parts(Part::kMessage);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].provenance.protocol, Protocol::kSyslog);
  EXPECT_EQ(parts[0].provenance.client.ip, "192.0.2.10");
}

TEST(Udp, CountsDtlsAsEncrypted) {
  DecoderHarness harness;
  const std::string record =
      std::string("\x17\xfe\xfd\0\1\0\0\0\0\0\5\0\x10", 13) + std::string(16, 'e');
  harness.Run({UdpPacket(kClient, At("198.51.100.1:4433"), record)});
  EXPECT_EQ(harness.covered(Reason::kUndecodableEncrypted), record.size());
  EXPECT_THAT(harness.sink.parts(), IsEmpty());
}

TEST(UdpProperty, CountsEveryByteOnce) {
  std::mt19937 random(11);
  const auto below = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  DecoderHarness harness;
  uint64_t bytes = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string payload =
        DnsQueryBytes(DnsNameBytes("a" + std::to_string(below(50)) + ".evil.example"));
    if (below(2) == 0)
      payload[below(static_cast<uint32_t>(payload.size()))] ^= static_cast<char>(below(256));
    if (below(4) == 0) payload.resize(below(static_cast<uint32_t>(payload.size())) + 1);
    bytes += payload.size();
    harness.Feed(
        {UdpPacket({kClient.ip, static_cast<uint16_t>(1000 + below(100))}, kResolver, payload)});
  }
  harness.decoder.Flush();
  EXPECT_EQ(harness.coverage.seen_bytes(), bytes);
  for (const RecordedPart& part : harness.sink.parts()) ASSERT_TRUE(part.ended);
}

}  // namespace
}  // namespace skimwatch::traffic::testing
