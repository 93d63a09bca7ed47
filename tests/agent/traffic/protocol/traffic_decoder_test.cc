// Flows and their limits, and the count of every byte.

#include "agent/traffic/protocol/traffic_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/agent/traffic/protocol/decoder_harness.h"

namespace skimwatch::traffic::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n";
constexpr std::string_view kReply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

std::vector<Packet> From(const TcpConversation& tcp, size_t first) {
  return {tcp.packets().begin() + static_cast<ptrdiff_t>(first), tcp.packets().end()};
}

TEST(TrafficDecoder, CountsWhatIsNoTcpWithItsWholeLength) {
  DecoderHarness harness;
  harness.Run(
      {Packet{.bytes = "no packet", .wire_bytes = 100}, Packet{.bytes = std::string(60, 0)}});
  EXPECT_EQ(harness.covered(Reason::kUndecodablePacket), 160U);
  EXPECT_EQ(harness.decoder.stats().packets, 2U);
  EXPECT_EQ(harness.decoder.stats().packet_bytes, 160U);
  EXPECT_EQ(harness.decoder.stats().packets_undecodable, 2U);
}

TEST(TrafficDecoder, FollowsConnectionsFromOpenToClose) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client(kGet);
  tcp.Server(kReply);
  DecoderHarness harness;
  harness.Feed(tcp.packets());
  EXPECT_EQ(harness.decoder.stats().flows_active, 1U);
  const size_t sent = tcp.packets().size();
  tcp.Close();
  harness.Feed(From(tcp, sent));
  EXPECT_EQ(harness.decoder.stats().flows, 1U);
  EXPECT_EQ(harness.decoder.stats().flows_active, 0U);
  for (const RecordedPart& part : harness.sink.parts()) EXPECT_TRUE(part.ended) << part;
}

TEST(TrafficDecoder, EndsWhatAResetCutsOff) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client(std::string("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf"));
  tcp.Reset(true);
  DecoderHarness harness;
  harness.Feed(tcp.packets());
  EXPECT_TRUE(harness.sink.parts(Part::kRequestBody).at(0).ended);
  EXPECT_EQ(harness.decoder.stats().flows_active, 0U);
}

TEST(TrafficDecoder, IgnoresAResetOfAnotherTime) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("GET /a HTTP/1.1\r\n");
  Segment reset = tcp.Next(true);
  reset.flags = kRst;
  reset.sequence += 1U << 30;
  tcp.Add(reset);
  tcp.Client("Host: a.example\r\n\r\n");
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestTarget), "/a");
}

TEST(TrafficDecoder, KnowsRetransmissionsAfterTheEnd) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client(kGet);
  const Packet last = tcp.packets().back();
  tcp.Close();
  tcp.packets().push_back(last);
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
  EXPECT_EQ(harness.decoder.stats().retransmitted_bytes, tcp.payload_bytes());
  EXPECT_EQ(harness.decoder.stats().flows, 1U);
}

TEST(TrafficDecoder, CountsAllPacketsTwiceOnLoopbackOnce) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client(kGet);
  tcp.Server(kReply);
  tcp.Close();
  std::vector<Packet> twice;
  for (const Packet& packet : tcp.packets()) twice.insert(twice.end(), {packet, packet});
  DecoderHarness harness;
  harness.Run(twice);
  EXPECT_EQ(harness.decoder.stats().flows, 1U);
  EXPECT_EQ(harness.decoder.stats().requests, 1U);
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(TrafficDecoder, FollowsANewConnectionBetweenTheSamePorts) {
  for (const bool closed : {true, false}) {
    TcpConversation first = OpenOutbound();
    first.Client("POST /1 HTTP/1.1\r\nContent-Length: 99\r\n\r\nhalf");
    if (closed) first.Close();
    TcpConversation second(At(kShopOut), At(kProcessor), 900'000'000, 3'000'000'000);
    second.set_time(first.time());
    second.Open();
    second.Client("GET /2 HTTP/1.1\r\n\r\n");
    second.Server(kReply);
    DecoderHarness harness;
    harness.Feed(first.packets());
    harness.Run(second);
    EXPECT_EQ(harness.decoder.stats().flows, 2U);
    EXPECT_EQ(harness.sink.parts(Part::kRequestTarget).at(1).bytes, "/2");
    EXPECT_EQ(harness.sink.only(Part::kRequestBody), "half");
    EXPECT_EQ(harness.sink.parts(Part::kResponseBody).at(0).provenance.path, "/2");
    EXPECT_EQ(harness.coverage.seen_bytes(), first.payload_bytes() + second.payload_bytes());
  }
}

TEST(TrafficDecoder, IsNotBlindedByAForgedSyn) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("GET /a HTTP/1.1\r\n");
  Segment forged = tcp.Next(true);
  forged.flags = kSyn;
  forged.sequence += 777'777;
  tcp.Add(forged);
  tcp.Client("Host: a.example\r\n\r\n");
  tcp.Server(kReply);
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.decoder.stats().flows, 1U);
  EXPECT_EQ(harness.sink.parts(Part::kResponseBody).at(0).provenance.host, "a.example");
}

TEST(TrafficDecoder, PicksUpConnectionsThatWereOpenBefore) {
  // No SYN; the request tells which end is the client, also on a low port.
  TcpConversation tcp(At("192.0.2.10:25"), At("198.51.100.20:8080"), 0xfffffff0);
  tcp.Client(kGet);
  tcp.Server(kReply);
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestTarget), "/a");
  EXPECT_EQ(harness.sink.only(Part::kResponseBody), "ok");
  EXPECT_EQ(harness.sink.parts().at(0).provenance.client.port, 25);
}

TEST(TrafficDecoder, FindsHttpAfterTheMiddleOfABody) {
  TcpConversation tcp(At(kShopOut), At(kProcessor));
  tcp.Server("the rest of a page");
  tcp.Client(kGet);
  tcp.Server(kReply);
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kStream), "the rest of a page");
  EXPECT_EQ(harness.sink.only(Part::kResponseBody), "ok");
  EXPECT_EQ(harness.sink.parts(Part::kResponseBody).at(0).provenance.path, "/a");
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
}

TEST(TrafficDecoder, ReadsDataInASyn) {
  TcpConversation tcp(At(kShopOut), At(kProcessor), 999);
  Segment syn = tcp.Next(true);
  syn.flags = kSyn;
  syn.payload = "GET /fast ";
  tcp.Add(syn);
  tcp.Lose(true, 11);
  tcp.Client("HTTP/1.1\r\n\r\n");
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestTarget), "/fast");
  EXPECT_EQ(harness.coverage.seen_bytes(), 10 + tcp.payload_bytes());
}

TEST(TrafficDecoder, IgnoresWindowProbesAndPureAcknowledgments) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("GET /a HTTP/1.1\r\n");
  Segment keep_alive = tcp.Next(true);
  --keep_alive.sequence;
  tcp.Add(keep_alive);
  keep_alive.payload = "\n";
  tcp.Add(keep_alive);
  tcp.Add(tcp.Next(false));
  // A probe of a closed window carries the next byte, which comes again.
  Segment probe = tcp.Next(true);
  probe.payload = "\r";
  tcp.Add(probe);
  tcp.Client("\r\n");
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kRequestTarget), "/a");
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(TrafficDecoder, TakesAServiceForTheServerOfAStream) {
  // Neither SYN nor content tells, and the service has the higher port.
  TcpConversation tcp(At("203.0.113.7:22"), At(kShop));
  tcp.Client("\x01from the shopper");
  tcp.Server("\x02to the shopper");
  DecoderHarness harness;
  harness.Run(tcp);
  const std::vector<RecordedPart> streams = harness.sink.parts(Part::kStream);
  ASSERT_EQ(streams.size(), 2U);
  EXPECT_EQ(streams[0].provenance.direction, Direction::kInboundRequest);
  EXPECT_EQ(streams[1].provenance.direction, Direction::kOutboundResponse);
  EXPECT_EQ(streams[1].provenance.site, "shop");
}

TEST(TrafficDecoder, TakesTheLowerPortForTheServerOtherwise) {
  TcpConversation tcp(At("198.51.100.1:7000"), At("192.0.2.10:51000"));
  tcp.Client("\x01reply");
  DecoderHarness harness;
  harness.Run(tcp);
  const RecordedPart part = harness.sink.parts().at(0);
  EXPECT_EQ(part.provenance.direction, Direction::kInboundResponse);
  EXPECT_EQ(part.provenance.server.ip, "198.51.100.1");
  EXPECT_EQ(part.provenance.site, "fallback");
}

TEST(TrafficDecoder, CountsStreamsThatAreInbound) {
  TcpConversation tcp = OpenOutbound();
  tcp.Server("+OK mail.example POP3\r\n");
  const uint64_t inbound = tcp.payload_bytes();
  tcp.Client("CAPA\r\n");
  DecoderHarness harness(DecoderHarness::OutboundOnly());
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kStream), "CAPA\r\n");
  EXPECT_EQ(harness.covered(Reason::kInbound), inbound);
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

std::string TlsRecord(char type, const std::string& content) {
  return std::string(1, type) + "\x03\x03" + BigEndian16(static_cast<uint32_t>(content.size())) +
         content;
}

TEST(TrafficDecoder, CountsTlsByContent) {
  TcpConversation tcp(At(kShopOut), At("198.51.100.20:80"));
  tcp.Open();
  tcp.Client(TlsRecord(22, std::string("\x01\0\0\x10\x03\x03", 6) + std::string(30, 'r')));
  tcp.Server(TlsRecord(22, std::string("\x02\0\0\x10\x03\x03", 6) + std::string(30, 'r')));
  for (int i = 0; i < 5; ++i) tcp.Client(TlsRecord(23, std::string(900, '\xe5')));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_THAT(harness.sink.parts(), IsEmpty());
  EXPECT_EQ(harness.covered(Reason::kUndecodableEncrypted), tcp.payload_bytes());
  EXPECT_EQ(harness.decoder.stats().tls_streams, 2U);
}

TEST(TrafficDecoder, CountsTlsThatBeganBeforeOrLater) {
  TcpConversation midstream(At(kShopOut), At("198.51.100.20:443"));
  midstream.Client("e of a record whose beginning was not seen");
  const uint64_t unknown = midstream.payload_bytes();
  midstream.Client(TlsRecord(23, std::string(900, '\xe5')));
  midstream.Client("\x17");
  DecoderHarness harness;
  harness.Run(midstream);
  EXPECT_EQ(harness.covered(Reason::kScanned), unknown);
  EXPECT_EQ(harness.covered(Reason::kUndecodableEncrypted), midstream.payload_bytes() - unknown);

  TcpConversation starttls = OpenOutbound();
  starttls.Client("STARTTLS\r\n");
  starttls.Client(TlsRecord(22, std::string("\x01\0\0\x10\x03\x03", 6) + std::string(30, 'r')));
  DecoderHarness other;
  other.Run(starttls);
  EXPECT_EQ(other.sink.only(Part::kStream), "STARTTLS\r\n");
  EXPECT_EQ(other.covered(Reason::kUndecodableEncrypted), 41U);
}

TEST(TrafficDecoder, IsNotDeceivedByStreamsThatLookLikeTls) {
  const std::string hello =
      TlsRecord(22, std::string("\x01\0\0\x10\x03\x03", 6) + std::string(30, 'r'));
  const std::string text = "plain text that is longer than chance would have it";
  for (size_t segment_bytes : {1U, 10U, 1448U}) {
    for (const std::string& stream : {hello + text, hello + TlsRecord(23, text)}) {
      TcpConversation tcp = OpenOutbound();
      tcp.set_segment_bytes(segment_bytes);
      tcp.Client(stream);
      DecoderHarness harness;
      harness.Run(tcp);
      // What was seen before it was clear is not scanned.
      EXPECT_TRUE(text.ends_with(harness.sink.only(Part::kStream)));
      EXPECT_GE(harness.covered(Reason::kScanned), text.size() - 24);
      EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
    }
  }
}

TEST(TrafficDecoder, FollowsTlsAcrossGaps) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client(TlsRecord(22, std::string("\x01\0\0\x10\x03\x03", 6) + std::string(30, 'r')));
  tcp.Client(TlsRecord(23, std::string(5000, '\xe5')).substr(0, 2000));
  tcp.Lose(true, 1000);
  tcp.Client(std::string(2005, '\xe5') + TlsRecord(23, std::string(100, '\xe5')));
  tcp.Lose(true, 7);
  tcp.Client(std::string(50, '\xe5'));
  tcp.Client(TlsRecord(23, std::string(100, '\xe5')));
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.covered(Reason::kUndecodableEncrypted), tcp.payload_bytes());
}

TEST(TrafficDecoder, WaitsForAMissingSegmentAsLongAsConfigured) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.gap_wait = absl::Seconds(2);
  TcpConversation tcp = OpenOutbound();
  tcp.Client("first ");
  tcp.Lose(true, 10);
  tcp.Client("third");
  DecoderHarness harness(options);
  harness.Feed(tcp.packets());
  harness.decoder.OnIdle(tcp.time() + absl::Seconds(1));
  EXPECT_EQ(harness.decoder.stats().gaps, 0U);
  EXPECT_GT(harness.decoder.stats().reassembly_bytes, 0U);
  harness.decoder.OnIdle(tcp.time() + absl::Seconds(3));
  EXPECT_EQ(harness.sink.only(Part::kStream), "first <gap>third");
  EXPECT_EQ(harness.decoder.stats().gaps, 1U);
  EXPECT_EQ(harness.decoder.stats().gap_bytes, 10U);
  EXPECT_EQ(harness.decoder.stats().reassembly_bytes, 0U);
  EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
}

TEST(TrafficDecoder, WaitsAnewForTheNextHole) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("a");
  Segment hole = tcp.Next(true);
  hole.payload = "b";
  tcp.Lose(true, 1);
  tcp.Client("c");
  tcp.set_time(tcp.time() + absl::Milliseconds(1900));
  tcp.Add(hole);
  Segment second = tcp.Next(true);
  second.payload = "d";
  tcp.Lose(true, 1);
  tcp.Client("e");
  tcp.set_time(tcp.time() + absl::Milliseconds(1900));
  tcp.Add(second);
  DecoderHarness harness;
  harness.Run(tcp);
  EXPECT_EQ(harness.sink.only(Part::kStream), "abcde");
}

TEST(TrafficDecoder, GoesOnWhenTheMemoryOfAFlowIsUsedUp) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.flow_reassembly_bytes_max = 64 << 10;
  TcpConversation tcp = OpenOutbound();
  tcp.Client("begin ");
  Segment missing = tcp.Next(true);
  missing.payload = "missing";
  tcp.Lose(true, missing.payload.size());
  DecoderHarness harness(options);
  for (int i = 0; i < 200; ++i) tcp.Client(std::string(1000, 'x'));
  harness.Feed(tcp.packets());
  EXPECT_EQ(harness.decoder.stats().gaps, 1U);
  EXPECT_LE(harness.decoder.stats().reassembly_bytes, options.flow_reassembly_bytes_max);
  const size_t sent = tcp.packets().size();
  tcp.Add(missing);
  harness.Run(From(tcp, sent));
  EXPECT_EQ(harness.covered(Reason::kShedReassemblyMemory), missing.payload.size());
  EXPECT_EQ(harness.decoder.stats().late_bytes, missing.payload.size());
  EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes());
  EXPECT_EQ(harness.sink.only(Part::kStream), "begin <gap>" + std::string(200'000, 'x'));
}

TEST(TrafficDecoder, HoldsTheMemoryOfAllFlows) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.reassembly_bytes_max = 256 << 10;
  DecoderHarness harness(options);
  uint64_t sent = 0;
  for (int flow = 0; flow < 300; ++flow) {
    TcpConversation tcp(At("192.0.2.10:" + std::to_string(10'000 + flow)), At(kProcessor));
    tcp.Open();
    tcp.Lose(true, 100);
    for (int i = 0; i < 5; ++i) tcp.Client(std::string(1000, 'x'));
    sent += tcp.payload_bytes();
    harness.Feed(tcp.packets());
    ASSERT_LE(harness.decoder.stats().reassembly_bytes, options.reassembly_bytes_max);
  }
  EXPECT_GT(harness.decoder.stats().gaps, 100U);
  harness.decoder.Flush();
  EXPECT_EQ(harness.covered(Reason::kScanned), sent);
  EXPECT_EQ(harness.decoder.stats().reassembly_bytes, 0U);
}

TEST(TrafficDecoder, CountsWhatTheCaptureCutOff) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n");
  tcp.Client(std::string(1000, 'b'));
  Packet& last = tcp.packets().back();
  last.wire_bytes = static_cast<uint32_t>(last.bytes.size());
  last.bytes.resize(last.bytes.size() - 700);
  tcp.Client(kGet);
  for (const bool reordered : {false, true}) {
    std::vector<Packet> packets = tcp.packets();
    if (reordered) std::swap(packets[packets.size() - 1], packets[packets.size() - 2]);
    DecoderHarness harness;
    harness.Run(packets);
    EXPECT_EQ(harness.sink.only(Part::kRequestBody), std::string(300, 'b') + "<gap>");
    EXPECT_EQ(harness.covered(Reason::kTruncatedSnapshot), 700U);
    EXPECT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes() - 700);
    EXPECT_EQ(harness.decoder.stats().requests, 2U);
    EXPECT_EQ(harness.decoder.stats().gaps, 0U);
  }
}

TEST(TrafficDecoder, ForgetsIdleFlows) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.flow_idle = absl::Seconds(60);
  TcpConversation tcp = OpenOutbound();
  tcp.Client("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf");
  DecoderHarness harness(options);
  harness.Feed(tcp.packets());
  harness.decoder.OnIdle(tcp.time() + absl::Seconds(59));
  EXPECT_EQ(harness.decoder.stats().flows_active, 1U);
  harness.decoder.OnIdle(tcp.time() + absl::Seconds(61));
  EXPECT_EQ(harness.decoder.stats().flows_active, 0U);
  EXPECT_TRUE(harness.sink.parts(Part::kRequestBody).at(0).ended);
}

TEST(TrafficDecoder, EvictsFlowsWithoutDataFirst) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.flows_max = 20;
  TcpConversation kept = OpenOutbound();
  kept.Client("GET /kept HTTP/1.1\r\n");
  DecoderHarness harness(options);
  harness.Feed(kept.packets());
  // A flood of SYNs.
  for (int i = 0; i < 1000; ++i) {
    TcpConversation syn(At("203.0.113.7:" + std::to_string(2000 + i)), At(kShop));
    syn.set_time(kept.time());
    syn.Open();
    harness.Feed({syn.packets().front()});
    ASSERT_LE(harness.decoder.stats().flows_active, 20U);
  }
  EXPECT_EQ(harness.decoder.stats().flows_evicted, 981U);
  const size_t sent = kept.packets().size();
  kept.Client("Host: a.example\r\n\r\n");
  harness.Run(From(kept, sent));
  EXPECT_EQ(harness.sink.parts(Part::kRequestTarget).at(0).provenance.host, "a.example");
}

TEST(TrafficDecoder, CountsWhatAnEvictionLoses) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.flows_max = 16;
  DecoderHarness harness(options);
  uint64_t sent = 0;
  for (int i = 0; i < 40; ++i) {
    TcpConversation tcp(At("192.0.2.10:" + std::to_string(10'000 + i)), At(kProcessor));
    tcp.Open();
    tcp.Client("seen");
    tcp.Lose(true, 10);
    tcp.Client(std::string(100, 'w'));
    sent += tcp.payload_bytes();
    harness.Feed(tcp.packets());
  }
  harness.decoder.Flush();
  EXPECT_EQ(harness.decoder.stats().flows_evicted, 24U);
  EXPECT_EQ(harness.covered(Reason::kShedFlowTableFull), 24 * 100U);
  EXPECT_EQ(harness.coverage.seen_bytes(), sent);
  EXPECT_EQ(harness.sink.parts(Part::kStream).size(), 40U);
}

TEST(TrafficDecoder, LeavesOutWholeFlowsAndCountsThem) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.sampler = FlowSampler::WithShare(0.5);
  DecoderHarness harness(options);
  uint64_t sent = 0;
  for (int i = 0; i < 200; ++i) {
    TcpConversation tcp(At("192.0.2.10:" + std::to_string(10'000 + i)), At(kProcessor));
    tcp.Open();
    tcp.Client(kGet);
    tcp.Server(kReply);
    // Out of order, and again.
    const size_t last = tcp.packets().size() - 1;
    tcp.set_segment_bytes(7);
    tcp.Client(kGet);
    std::swap(tcp.packets()[last + 1], tcp.packets()[last + 2]);
    tcp.packets().push_back(tcp.packets()[last]);
    sent += tcp.payload_bytes();
    harness.Feed(tcp.packets());
  }
  harness.decoder.Flush();
  const TrafficDecoder::Stats stats = harness.decoder.stats();
  EXPECT_GT(stats.flows_sampled_out, 60U);
  EXPECT_LT(stats.flows_sampled_out, 140U);
  EXPECT_EQ(stats.requests, 2 * (200 - stats.flows_sampled_out));
  EXPECT_EQ(harness.covered(Reason::kSampledOutFlow), sent / 200 * stats.flows_sampled_out);
  EXPECT_EQ(harness.coverage.seen_bytes(), sent);
  EXPECT_EQ(harness.sink.parts().at(0).provenance.sampling_probability, 0.5);
}

TEST(TrafficDecoder, MayBeUsedAfterAFlush) {
  DecoderHarness harness;
  for (int i = 0; i < 2; ++i) {
    TcpConversation tcp = OpenOutbound();
    tcp.Client(kGet);
    harness.Run(tcp);
  }
  EXPECT_EQ(harness.decoder.stats().requests, 2U);
  EXPECT_EQ(harness.decoder.stats().flows_active, 0U);
}

class NullSink final : public MessageSink, public PartConsumer {
 public:
  PartConsumer* BeginPart(const Provenance&, Part) override { return this; }
  void Data(std::string_view bytes) override { bytes_ += bytes.size(); }
  void Gap() override {}
  void End() override {}
  uint64_t bytes() const { return bytes_; }

 private:
  uint64_t bytes_ = 0;
};

int64_t PeakMemoryBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} << 10;
}

// Builds with a sanitizer are slow and keep freed memory for a while.
#ifdef __OPTIMIZE__
constexpr uint64_t kBodyBytes = uint64_t{1} << 30;
constexpr int64_t kGrowthMax = 2 << 20;
constexpr int kMessages = 100'000;
#else
constexpr uint64_t kBodyBytes = uint64_t{96} << 20;
constexpr int64_t kGrowthMax = 300 << 20;
constexpr int kMessages = 20'000;
#endif

TEST(TrafficDecoder, StreamsALargeBodyInConstantMemory) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  options.body_bytes_max = 0;
  Coverage coverage;
  NullSink sink;
  TrafficDecoder decoder(options, SiteMap::Create({}, nullptr).value(), coverage, sink);
  TcpConversation tcp = OpenOutbound();
  tcp.set_segment_bytes(60'000);
  tcp.Client("POST /big HTTP/1.1\r\nContent-Length: " + std::to_string(kBodyBytes) + "\r\n\r\n");
  const std::string block(60'000, 'x');
  uint64_t sent = 0;
  int64_t before = 0;
  while (sent < kBodyBytes) {
    const uint64_t bytes = std::min<uint64_t>(block.size(), kBodyBytes - sent);
    tcp.Client(std::string_view(block).substr(0, bytes));
    sent += bytes;
    for (const Packet& packet : tcp.packets()) decoder.OnPacket(packet.view());
    tcp.packets().clear();
    if (before == 0) before = PeakMemoryBytes();
  }
  EXPECT_LT(PeakMemoryBytes() - before, kGrowthMax);
  decoder.Flush();
  EXPECT_GE(sink.bytes(), kBodyBytes);
  EXPECT_EQ(coverage.bytes(Reason::kScanned), tcp.payload_bytes());
}

TEST(TrafficDecoder, KeepsNothingOfFinishedMessages) {
  Coverage coverage;
  NullSink sink;
  TrafficDecoder decoder(DecoderHarness::AllTraffic(), SiteMap::Create({}, nullptr).value(),
                         coverage, sink);
  TcpConversation tcp = OpenOutbound();
  int64_t before = 0;
  for (int i = 0; i < kMessages; ++i) {
    tcp.Client(kGet);
    tcp.Server(kReply);
    for (const Packet& packet : tcp.packets()) decoder.OnPacket(packet.view());
    tcp.packets().clear();
    if (i == kMessages / 10) before = PeakMemoryBytes();
  }
  EXPECT_LT(PeakMemoryBytes() - before, kGrowthMax);
  EXPECT_EQ(decoder.stats().responses, static_cast<uint64_t>(kMessages));
}

TEST(TrafficDecoderOptions, ComeFromTheConfiguration) {
  config::v1::PacketCapture capture;
  capture.set_site("shop");
  capture.set_scan_inbound(true);
  config::v1::Limits limits;
  limits.set_reassembly_mib(128);
  limits.set_flow_reassembly_kib(512);
  limits.set_flows_max(1000);
  limits.set_body_bytes_max(4096);
  limits.set_decompression_ratio_max(50);
  limits.set_flow_idle_seconds(30);
  const auto options = TrafficDecoderOptions::FromConfig(capture, limits, 4);
  EXPECT_EQ(options.default_site, "shop");
  EXPECT_TRUE(options.scan_inbound);
  EXPECT_EQ(options.reassembly_bytes_max, 32U << 20);
  EXPECT_EQ(options.flow_reassembly_bytes_max, 512U << 10);
  EXPECT_EQ(options.flows_max, 250U);
  EXPECT_EQ(options.body_bytes_max, 4096U);
  EXPECT_EQ(options.decompression_ratio_max, 50U);
  EXPECT_EQ(options.flow_idle, absl::Seconds(30));
}

}  // namespace
}  // namespace skimwatch::traffic::testing
