// QUIC's first packets, sealed here with the keys that RFC 9001 and RFC 9369 publish.

#include "agent/traffic/protocol/quic_initial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "agent/traffic/destination.h"
#include "tests/agent/traffic/protocol/client_hello_builder.h"
#include "tests/agent/traffic/protocol/decoder_harness.h"
#include "tests/agent/traffic/support/udp_builder.h"

namespace skimwatch::traffic::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Hex(std::string_view hex) {
  return absl::HexStringToBytes(absl::string_view(hex.data(), hex.size()));
}

// A client's keys for the connection 8394c8f03e515708.
struct Version {
  std::string number;
  // Of a first byte.
  uint8_t initial_bits;
  std::string key;
  std::string iv;
  std::string header_protection;
};

// RFC 9001 A.1.
Version Version1() {
  return {Hex("00000001"), 0x00, Hex("1f369613dd76d5467730efcbe3b1a22d"),
          Hex("fa044b2f42a3fd3b46fb255c"), Hex("9f50449e04a0e810283a1e9933adedd2")};
}

// RFC 9369 A.1.
Version Version2() {
  return {Hex("6b3343cf"), 0x10, Hex("8b1a0bc121284290a29e0971b5cd045d"),
          Hex("91f73e2351d8fa91660e909f"), Hex("45b95e15235d6f45a6b19cbcb0294ba9")};
}

const unsigned char* Unsigned(const std::string& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// An Initial packet with `frames`, padded as a client must.
std::string Seal(const Version& version, uint32_t number, std::string frames,
                 size_t frames_bytes = 1162, std::string_view connection = {}) {
  frames.resize(std::max(frames.size(), frames_bytes), '\0');
  const std::string id = connection.empty() ? Hex("8394c8f03e515708") : std::string(connection);
  std::string header(1, static_cast<char>(0xc3 | version.initial_bits));
  header += version.number + static_cast<char>(id.size()) + id + std::string(2, '\0');
  const size_t length = 4 + frames.size() + 16;
  header += BigEndian16(static_cast<uint32_t>(0x4000 | length));
  const size_t number_at = header.size();
  header += BigEndian32(number);
  std::string nonce = version.iv;
  for (size_t i = 0; i < 4; ++i) nonce[8 + i] ^= header[number_at + i];
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  std::string sealed(frames.size() + 16, '\0');
  auto* out = reinterpret_cast<unsigned char*>(sealed.data());
  int bytes = 0;
  EVP_EncryptInit_ex(context.get(), EVP_aes_128_gcm(), nullptr, Unsigned(version.key),
                     Unsigned(nonce));
  EVP_EncryptUpdate(context.get(), nullptr, &bytes, Unsigned(header),
                    static_cast<int>(header.size()));
  EVP_EncryptUpdate(context.get(), out, &bytes, Unsigned(frames), static_cast<int>(frames.size()));
  EVP_EncryptFinal_ex(context.get(), out + bytes, &bytes);
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, 16, out + frames.size());
  unsigned char mask[32];
  EVP_EncryptInit_ex(context.get(), EVP_aes_128_ecb(), nullptr, Unsigned(version.header_protection),
                     nullptr);
  EVP_EncryptUpdate(context.get(), mask, &bytes, out, 16);
  header[0] = static_cast<char>(header[0] ^ (mask[0] & 0x0f));
  for (size_t i = 0; i < 4; ++i) {
    header[number_at + i] = static_cast<char>(header[number_at + i] ^ mask[1 + i]);
  }
  return header + sealed;
}

std::string Crypto(size_t offset, std::string_view bytes) {
  return "\x06" + BigEndian32(static_cast<uint32_t>(0x80000000 | offset)) +
         BigEndian16(static_cast<uint32_t>(0x4000 | bytes.size())) + std::string(bytes);
}

// The ClientHello of RFC 9001 A.2.
std::string RfcHello() {
  return Hex(
      "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302"
      "010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007"
      "000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa"
      "71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d000201"
      "01001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff080110010480007530090110"
      "0f088394c8f03e51570806048000ffff");
}

TEST(QuicInitial, ReadsTheExampleOfItsStandard) {
  const std::string datagram = Seal(Version1(), 2, "\x06" + Hex("0040f1") + RfcHello());
  // As published, A.2, but for the source connection of no length that both have.
  ASSERT_EQ(datagram.size(), 1200U + 0U);
  EXPECT_TRUE(BeginsAsQuic(datagram));
  QuicInitialReader reader;
  EXPECT_TRUE(reader.Take(datagram));
  EXPECT_EQ(reader.message(), RfcHello());
}

TEST(QuicInitial, ReadsVersion2) {
  QuicInitialReader reader;
  EXPECT_TRUE(reader.Take(Seal(Version2(), 0, Crypto(0, RfcHello()))));
  EXPECT_EQ(reader.message(), RfcHello());
}

TEST(QuicInitial, PutsPiecesOfManyDatagramsInOrder) {
  std::mt19937 random(3);
  ClientHello large{.legacy_version = 0x0303, .cipher_suites = std::vector<uint16_t>(1500, 0x1301)};
  const std::string message = ClientHelloMessage(large);
  std::vector<std::string> frames;
  for (size_t at = 0; at < message.size(); at += 100) {
    frames.push_back(Crypto(at, std::string_view(message).substr(at, 120)));
  }
  std::shuffle(frames.begin(), frames.end(), random);
  std::vector<std::string> datagrams;
  for (size_t i = 0; i < frames.size(); i += 8) {
    std::string all = "\1";
    for (size_t j = i; j < std::min(frames.size(), i + 8); ++j) all += frames[j] + '\0';
    datagrams.push_back(Seal(Version1(), static_cast<uint32_t>(i), all));
  }
  QuicInitialReader reader;
  for (size_t i = 0; i < datagrams.size(); ++i) {
    EXPECT_EQ(reader.Take(datagrams[i]), i + 1 == datagrams.size()) << i;
  }
  EXPECT_EQ(reader.message(), message);
}

TEST(QuicInitial, GivesUpOnWhatItCannotRead) {
  std::string broken = Seal(Version1(), 2, Crypto(0, RfcHello()));
  broken[500] ^= 1;
  QuicInitialReader reader;
  int datagrams = 1;
  while (!reader.Take(broken)) ++datagrams;
  EXPECT_EQ(datagrams, 16);
  EXPECT_EQ(reader.message(), "");
}

TEST(QuicInitial, SurvivesEveryCut) {
  const std::string datagram = Seal(Version1(), 2, Crypto(0, RfcHello()));
  for (size_t size = 0; size < datagram.size(); ++size) {
    const std::string cut = datagram.substr(0, size);
    BeginsAsQuic(cut);
    QuicInitialReader reader;
    EXPECT_FALSE(reader.Take(cut));
    EXPECT_EQ(reader.message(), "");
  }
}

class Recorder final : public DestinationSink {
 public:
  void OnDestination(const DestinationObservation& observation) override {
    seen.push_back(observation);
  }
  std::vector<DestinationObservation> seen;
};

TEST(QuicFlow, IsCountedAsEncryptedAndItsDestinationTold) {
  DecoderHarness harness;
  Recorder recorder;
  TrafficDecoder decoder(DecoderHarness::OutboundOnly(), TestSites(), harness.coverage,
                         harness.sink, &recorder);
  const Endpoint client = At("192.0.2.10:50000");
  const Endpoint server = At("198.51.100.1:443");
  const std::string hello = RfcHello();
  const std::vector<Packet> packets = {
      UdpPacket(client, server, Seal(Version1(), 0, Crypto(100, hello.substr(100)))),
      UdpPacket(client, server, Seal(Version1(), 1, Crypto(0, hello.substr(0, 100)))),
      UdpPacket(server, client, "\x41" + std::string(60, '\x9b')),
      UdpPacket(client, server, "\x41 more")};
  for (const Packet& packet : packets) decoder.OnPacket(packet.view());
  ASSERT_EQ(recorder.seen.size(), 1U);
  EXPECT_EQ(recorder.seen[0].provenance.host, "example.com");
  EXPECT_EQ(recorder.seen[0].provenance.server.ip, "198.51.100.1");
  EXPECT_EQ(recorder.seen[0].provenance.protocol, Protocol::kQuic);
  EXPECT_THAT(recorder.seen[0].alpn, ElementsAre("alpn"));
  EXPECT_EQ(recorder.seen[0].ja4.substr(0, 10), "q13d0211an");
  EXPECT_EQ(harness.covered(Reason::kUndecodableEncrypted), harness.coverage.seen_bytes());
  EXPECT_EQ(harness.coverage.seen_bytes(), decoder.stats().datagram_bytes);
}

TEST(QuicFlow, DoesNotHideTextThatOnlyBeginsLikeIt) {
  DecoderHarness harness;
  const Endpoint client = At("192.0.2.10:50000");
  const Endpoint server = At("198.51.100.1:443");
  const std::string text = "card=4111 1111 1111 and whatever comes with it";
  const std::string header = Hex("c00000000100000a");
  harness.Run({UdpPacket(client, server, Seal(Version1(), 0, Crypto(0, RfcHello()))),
               UdpPacket(client, server, text), UdpPacket(client, server, header + text)});
  const std::vector<RecordedPart> parts = harness.sink.parts(Part::kStream);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].bytes, text);
  EXPECT_EQ(parts[1].bytes, header + text);
  EXPECT_EQ(harness.covered(Reason::kScanned), 2 * text.size() + header.size());
}

}  // namespace
}  // namespace skimwatch::traffic::testing
