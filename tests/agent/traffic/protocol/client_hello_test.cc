// ClientHellos over TCP: names, protocols and JA4.

#include "agent/traffic/protocol/client_hello.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/traffic/destination.h"
#include "tests/agent/traffic/protocol/client_hello_builder.h"
#include "tests/agent/traffic/protocol/decoder_harness.h"

namespace skimwatch::traffic::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The example of JA4's description.
ClientHello Example() {
  return {.legacy_version = 0x0303,
          .cipher_suites = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
                            0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
          .extensions = {0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005,
                         0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015},
          .supported_versions = {0x0304, 0x0303},
          .signature_algorithms = {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601},
          .alpn = {"h2", "http/1.1"},
          .server_name = "example.com",
          .has_server_name = true};
}

TEST(Ja4, IsThatOfItsDescriptionsExample) {
  EXPECT_EQ(Ja4(Example(), Ja4Transport::kTcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
  ClientHello without_algorithms = Example();
  without_algorithms.signature_algorithms.clear();
  EXPECT_EQ(Ja4(without_algorithms, Ja4Transport::kTcp), "t13d1516h2_8daaf6152771_6d807ffa2a79");
}

TEST(Ja4, IgnoresGreaseWhereverItStands) {
  ClientHello hello = Example();
  hello.cipher_suites.insert(hello.cipher_suites.begin(), 0xdada);
  hello.extensions.insert(hello.extensions.begin(), 0x2a2a);
  hello.extensions.push_back(0xfafa);
  hello.supported_versions.insert(hello.supported_versions.begin(), 0xeaea);
  hello.signature_algorithms.push_back(0x0a0a);
  EXPECT_EQ(Ja4(hello, Ja4Transport::kTcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST(Ja4, DoesNotDependOnTheOrderOfCiphersAndExtensions) {
  ClientHello hello = Example();
  std::reverse(hello.cipher_suites.begin(), hello.cipher_suites.end());
  std::reverse(hello.extensions.begin(), hello.extensions.end());
  EXPECT_EQ(Ja4(hello, Ja4Transport::kTcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST(Ja4, DescribesTheClientInItsFirstPart) {
  struct Case {
    std::string what;
    void (*change)(ClientHello&);
    std::string first_part;
  };
  const std::vector<Case> cases = {
      {"QUIC is asked for by the transport", [](ClientHello&) {}, "t13d1516h2"},
      {"no name", [](ClientHello& h) { h.has_server_name = false; }, "t13i1516h2"},
      {"TLS 1.2", [](ClientHello& h) { h.supported_versions.clear(); }, "t12d1516h2"},
      {"TLS 1.0",
       [](ClientHello& h) {
         h.supported_versions.clear();
         h.legacy_version = 0x0301;
       },
       "t10d1516h2"},
      {"SSL 3.0",
       [](ClientHello& h) {
         h.supported_versions.clear();
         h.legacy_version = 0x0300;
       },
       "ts3d1516h2"},
      {"an unknown version", [](ClientHello& h) { h.supported_versions = {0x7f1c}; }, "t00d1516h2"},
      {"no ALPN", [](ClientHello& h) { h.alpn.clear(); }, "t13d151600"},
      {"an empty ALPN", [](ClientHello& h) { h.alpn = {""}; }, "t13d151600"},
      {"HTTP/1.1 first", [](ClientHello& h) { h.alpn = {"http/1.1"}; }, "t13d1516h1"},
      {"one character", [](ClientHello& h) { h.alpn = {"x"}; }, "t13d1516xx"},
      {"no letters: AB", [](ClientHello& h) { h.alpn = {"\xab"}; }, "t13d1516ab"},
      {"no letters: 20 61", [](ClientHello& h) { h.alpn = {"\x20\x61"}; }, "t13d151621"},
      {"no letters: 30 31 AB CD", [](ClientHello& h) { h.alpn = {"\x30\x31\xab\xcd"}; },
       "t13d15163d"},
      {"letters at both ends only", [](ClientHello& h) { h.alpn = {"\x30\xab\xcd\x31"}; },
       "t13d151601"},
      {"more than 99", [](ClientHello& h) { h.cipher_suites.assign(120, 0x1301); }, "t13d9916h2"},
  };
  for (const Case& one : cases) {
    ClientHello hello = Example();
    one.change(hello);
    EXPECT_EQ(Ja4(hello, Ja4Transport::kTcp).substr(0, 10), one.first_part) << one.what;
  }
  EXPECT_EQ(Ja4(Example(), Ja4Transport::kQuic).front(), 'q');
}

TEST(Ja4, MarksWhatIsMissing) {
  ClientHello hello = Example();
  hello.cipher_suites.clear();
  hello.extensions.clear();
  EXPECT_EQ(Ja4(hello, Ja4Transport::kTcp), "t13d0000h2_000000000000_000000000000");
}

TEST(ClientHello, IsReadAsItWasWritten) {
  const std::optional<ClientHello> hello = ParseClientHello(ClientHelloMessage(Example()));
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->server_name, "example.com");
  EXPECT_THAT(hello->alpn, ElementsAre("h2", "http/1.1"));
  EXPECT_EQ(hello->cipher_suites, Example().cipher_suites);
  EXPECT_EQ(hello->extensions, Example().extensions);
  EXPECT_EQ(hello->signature_algorithms, Example().signature_algorithms);
  EXPECT_EQ(hello->supported_versions, Example().supported_versions);
}

TEST(ClientHello, ThatIsCutOrHasWrongLengthsIsNone) {
  const std::string message = ClientHelloMessage(Example());
  for (size_t size = 0; size < message.size(); ++size) {
    std::string cut = message.substr(0, size);
    EXPECT_FALSE(ParseClientHello(cut).has_value()) << size;
    // The same with a length that says so.
    if (size < 4) continue;
    cut[2] = static_cast<char>((size - 4) >> 8);
    cut[3] = static_cast<char>(size - 4);
    const std::optional<ClientHello> parsed = ParseClientHello(cut);
    // A hello may end before its extensions.
    if (parsed.has_value()) {
      EXPECT_TRUE(parsed->extensions.empty()) << size;
    }
  }
  for (size_t at = 4; at < message.size(); ++at) {
    std::string changed = message;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    ParseClientHello(changed);
  }
}

class Recorder final : public DestinationSink {
 public:
  void OnDestination(const DestinationObservation& observation) override {
    seen.push_back(observation);
  }
  void OnUnreadable(const Provenance& provenance, uint64_t bytes, uint64_t flow_bytes) override {
    unreadable.push_back(provenance);
    unreadable_bytes += bytes;
    EXPECT_EQ(flow_bytes, unreadable_bytes);
  }
  std::vector<DestinationObservation> seen;
  std::vector<Provenance> unreadable;
  uint64_t unreadable_bytes = 0;
};

// What a stock OpenSSL client sends first.
std::string OpenSslHello(const char* name, std::string_view alpn) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  SSL_CTX_free);
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
  SSL_set_tlsext_host_name(ssl.get(), name);
  SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const uint8_t*>(alpn.data()),
                      static_cast<unsigned>(alpn.size()));
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), in, out);
  SSL_connect(ssl.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  return {data, static_cast<size_t>(size)};
}

TEST(Destinations, AreToldOfTlsClients) {
  const std::string hello = OpenSslHello("Pay.Example", std::string_view("\2h2\x8http/1.1", 12));
  for (size_t segment : {1, 100, 60'000}) {
    TcpConversation tcp = OpenOutbound();
    tcp.set_segment_bytes(segment);
    tcp.Client(hello);
    DecoderHarness harness;
    Recorder recorder;
    TrafficDecoder decoder(DecoderHarness::OutboundOnly(), TestSites(), harness.coverage,
                           harness.sink, &recorder);
    for (const Packet& packet : tcp.packets()) decoder.OnPacket(packet.view());
    ASSERT_EQ(recorder.seen.size(), 1U) << segment;
    const DestinationObservation& seen = recorder.seen[0];
    EXPECT_EQ(seen.provenance.host, "pay.example");
    EXPECT_EQ(seen.provenance.protocol, Protocol::kTls);
    EXPECT_EQ(seen.provenance.server.ip, "198.51.100.20");
    EXPECT_EQ(seen.provenance.direction, Direction::kOutboundRequest);
    EXPECT_EQ(seen.provenance.site, "fallback");
    EXPECT_THAT(seen.alpn, ElementsAre("h2", "http/1.1"));
    EXPECT_EQ(seen.ja4.substr(0, 4), "t13d");
    EXPECT_EQ(seen.ja4.substr(8, 2), "h2");
    EXPECT_EQ(harness.sink.only(Part::kName), "Pay.Example");
    EXPECT_EQ(harness.covered(Reason::kUndecodableEncrypted), tcp.payload_bytes());
    EXPECT_EQ(harness.coverage.seen_bytes(), tcp.payload_bytes());
  }
}

TEST(Destinations, AreToldHowMuchIsSentThatCantBeRead) {
  const std::string hello = OpenSslHello("Pay.Example", std::string_view("\2h2", 3));
  const std::string record = std::string("\x17\x03\x03\x40\x00", 5) + std::string(0x4000, '\xe5');
  TcpConversation tcp = OpenOutbound();
  tcp.Client(hello);
  for (int i = 0; i < 5; ++i) tcp.Client(record);
  // What comes in is nobody's destination.
  tcp.Server(record);
  DecoderHarness harness;
  Recorder recorder;
  {
    TrafficDecoder decoder(DecoderHarness::OutboundOnly(), TestSites(), harness.coverage,
                           harness.sink, &recorder);
    for (const Packet& packet : tcp.packets()) decoder.OnPacket(packet.view());
    // Told on the way, not only at the end.
    EXPECT_GE(recorder.unreadable.size(), 4U);
    decoder.Flush();
  }
  EXPECT_EQ(recorder.unreadable_bytes, hello.size() + 5 * record.size());
  for (const Provenance& provenance : recorder.unreadable) {
    EXPECT_EQ(provenance.host, "pay.example");
    EXPECT_EQ(provenance.protocol, Protocol::kTls);
    EXPECT_EQ(provenance.direction, Direction::kOutboundRequest);
  }
}

TEST(Destinations, AreToldOfHellosInManyRecords) {
  const std::string message = ClientHelloMessage(Example());
  std::string records;
  for (size_t at = 0; at < message.size(); at += 50) {
    const std::string piece = message.substr(at, 50);
    records +=
        std::string("\x16\x03\x01", 3) + BigEndian16(static_cast<uint32_t>(piece.size())) + piece;
  }
  TcpConversation tcp = OpenOutbound();
  tcp.Client(records);
  DecoderHarness harness;
  Recorder recorder;
  TrafficDecoder decoder(DecoderHarness::AllTraffic(), TestSites(), harness.coverage, harness.sink,
                         &recorder);
  for (const Packet& packet : tcp.packets()) decoder.OnPacket(packet.view());
  ASSERT_EQ(recorder.seen.size(), 1U);
  EXPECT_EQ(recorder.seen[0].ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST(Destinations, AreNotToldOfHellosThatAreTooLongOrBroken) {
  ClientHello large = Example();
  large.alpn.assign(1, std::string(255, 'x'));
  large.cipher_suites.assign(20'000, 0x1301);
  std::string message = ClientHelloMessage(large);
  std::string records;
  for (size_t at = 0; at < message.size(); at += 10'000) {
    const std::string piece = message.substr(at, 10'000);
    records +=
        std::string("\x16\x03\x01", 3) + BigEndian16(static_cast<uint32_t>(piece.size())) + piece;
  }
  std::string broken = ClientHelloMessage(Example());
  // The length of the session's name.
  broken[38] = '\x7f';
  broken =
      std::string("\x16\x03\x01", 3) + BigEndian16(static_cast<uint32_t>(broken.size())) + broken;
  for (const std::string& bytes : {records, broken}) {
    TcpConversation tcp = OpenOutbound();
    tcp.Client(bytes);
    DecoderHarness harness;
    Recorder recorder;
    TrafficDecoder decoder(DecoderHarness::AllTraffic(), TestSites(), harness.coverage,
                           harness.sink, &recorder);
    for (const Packet& packet : tcp.packets()) decoder.OnPacket(packet.view());
    EXPECT_THAT(recorder.seen, IsEmpty());
    EXPECT_EQ(harness.covered(Reason::kUndecodableEncrypted), tcp.payload_bytes());
  }
}

TEST(Destinations, AreToldOfTlsInATunnel) {
  TcpConversation tcp = OpenOutbound();
  tcp.Client("CONNECT pay.example:443 HTTP/1.1\r\nHost: pay.example:443\r\n\r\n");
  tcp.Server("HTTP/1.1 200 OK\r\n\r\n");
  tcp.Client(OpenSslHello("pay.example", std::string_view("\2h2", 3)));
  DecoderHarness harness;
  Recorder recorder;
  TrafficDecoder decoder(DecoderHarness::AllTraffic(), TestSites(), harness.coverage, harness.sink,
                         &recorder);
  for (const Packet& packet : tcp.packets()) decoder.OnPacket(packet.view());
  ASSERT_EQ(recorder.seen.size(), 1U);
  EXPECT_EQ(recorder.seen[0].provenance.host, "pay.example");
}

}  // namespace
}  // namespace skimwatch::traffic::testing
