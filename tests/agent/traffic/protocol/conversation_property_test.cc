// Random HTTP conversations, cut, shuffled, repeated, overlapped and thinned out: what does not
// lose a byte yields the same messages as the conversation in order, and whatever happens every
// byte that was captured is counted exactly once.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/agent/traffic/protocol/compress.h"
#include "tests/agent/traffic/protocol/decoder_harness.h"

namespace skimwatch::traffic::testing {
namespace {

// Builds with a sanitizer are slow.
#ifdef __OPTIMIZE__
constexpr uint32_t kSeeds = 150;
#else
constexpr uint32_t kSeeds = 40;
#endif

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(engine_() % n); }
  bool Chance(uint32_t percent) { return Below(100) < percent; }
  std::string Text(size_t bytes) {
    std::string text(bytes, '\0');
    for (char& c : text) c = Chance(5) ? '\n' : static_cast<char>(' ' + Below(90));
    return text;
  }

 private:
  std::mt19937 engine_;
};

// One exchange: what the client sends, then what the server does.
struct Exchange {
  std::string request;
  std::string response;
};

std::string Body(Random& random, std::string& headers) {
  std::string body = random.Text(random.Chance(10) ? random.Below(30'000) : random.Below(600));
  if (random.Chance(30)) {
    static const std::vector<std::string> kCodings = {"gzip", "deflate", "br", "zstd"};
    const std::string coding = kCodings[random.Below(4)];
    body = Compress(coding, body);
    headers += "Content-Encoding: " + coding + "\r\n";
  }
  if (random.Chance(50)) {
    headers += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return body;
  }
  headers += "Transfer-Encoding: chunked\r\n";
  std::string chunked;
  for (size_t at = 0; at < body.size();) {
    const size_t size = std::min<size_t>(1 + random.Below(2000), body.size() - at);
    char line[32];
    std::snprintf(line, sizeof(line), "%zx%s\r\n", size, random.Chance(10) ? ";ext=\"1\"" : "");
    chunked += line + body.substr(at, size) + "\r\n";
    at += size;
  }
  return chunked + "0\r\n" + (random.Chance(20) ? "X-Trailer: 1\r\n" : "") + "\r\n";
}

Exchange MakeExchange(Random& random, int number) {
  Exchange exchange;
  const uint32_t kind = random.Below(10);
  const std::string method = kind == 0 ? "HEAD" : kind < 5 ? "POST" : "GET";
  std::string headers = "Host: h" + std::to_string(random.Below(3)) + ".example\r\n";
  const std::string request_body = method == "POST" ? Body(random, headers) : "";
  exchange.request =
      method + " /" + std::to_string(number) + "?q HTTP/1.1\r\n" + headers + "\r\n" + request_body;
  if (random.Chance(10)) exchange.response += "HTTP/1.1 100 Continue\r\n\r\n";
  if (random.Chance(10)) {
    exchange.response += "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n";
    return exchange;
  }
  std::string response_headers = "Content-Type: text/html\r\n";
  const std::string response_body = Body(random, response_headers);
  exchange.response += "HTTP/1.1 200 OK\r\n" + response_headers + "\r\n";
  if (method != "HEAD") exchange.response += response_body;
  return exchange;
}

// The packets of a connection without SYNs removed, with where each lies in its stream.
TcpConversation Converse(Random& random, const std::vector<Exchange>& exchanges, int port) {
  TcpConversation tcp(At("192.0.2.10:" + std::to_string(port)), At(kProcessor),
                      random.Chance(30) ? 0xffffff00 : random.Below(1U << 31),
                      random.Chance(30) ? 0xfffff000 : random.Below(1U << 31));
  tcp.Open();
  const bool pipelined = random.Chance(30);
  std::string waiting;
  for (const Exchange& exchange : exchanges) {
    tcp.set_segment_bytes(1 + random.Below(random.Chance(20) ? 20 : 3000));
    tcp.Client(exchange.request);
    waiting += exchange.response;
    if (pipelined && random.Chance(60)) continue;
    tcp.Server(waiting);
    waiting.clear();
  }
  tcp.Server(waiting);
  tcp.Close();
  return tcp;
}

// Parts of each direction in order; those of the two directions may interleave otherwise.
std::map<bool, std::vector<std::string>> Messages(const RecordingSink& sink) {
  std::map<bool, std::vector<std::string>> messages;
  for (const RecordedPart& part : sink.parts()) {
    const bool response = part.part == Part::kResponseHeaders || part.part == Part::kResponseBody;
    messages[response].push_back(Describe(part));
  }
  return messages;
}

// Payload bytes of packets, each byte of a stream once.
uint64_t UniquePayloadBytes(const std::vector<Packet>& packets) {
  // Flow and direction above, sequence number below.
  std::vector<uint64_t> seen;
  for (const Packet& packet : packets) {
    const auto byte = [&](size_t at) { return static_cast<uint8_t>(packet.bytes[at]); };
    const uint16_t source = static_cast<uint16_t>(byte(34) << 8 | byte(35));
    const uint16_t destination = static_cast<uint16_t>(byte(36) << 8 | byte(37));
    // Of the two, that of the client differs between flows.
    const bool from_server = source == 80;
    const auto flow = static_cast<uint32_t>((from_server ? destination : source) * 2 + from_server);
    const uint32_t sequence =
        static_cast<uint32_t>(byte(38)) << 24 | byte(39) << 16 | byte(40) << 8 | byte(41);
    const size_t wire = packet.wire_bytes == 0 ? packet.bytes.size() : packet.wire_bytes;
    for (size_t i = 0; i + 54 < wire; ++i) {
      seen.push_back(uint64_t{flow} << 32 | (sequence + static_cast<uint32_t>(i)));
    }
  }
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  return seen.size();
}

// Repeats some packets, some of them joined with the one before, and moves some forward by a few
// places. The first three, which open the connection, stay.
std::vector<Packet> Shuffle(Random& random, const std::vector<Packet>& packets) {
  std::vector<Packet> out(packets.begin(), packets.begin() + 3);
  for (size_t i = 3; i < packets.size(); ++i) {
    out.push_back(packets[i]);
    // One of the last 50: what was lost long ago is not remembered.
    if (random.Chance(10))
      out.push_back(
          packets[i - random.Below(std::min<uint32_t>(static_cast<uint32_t>(i) - 2, 50))]);
    if (random.Chance(15)) {
      const size_t back = std::min<size_t>(random.Below(6), out.size() - 4);
      std::swap(out[out.size() - 1], out[out.size() - 1 - back]);
    }
  }
  // A packet that holds the end of one and the beginning of the next, as a retransmission may.
  for (size_t i = 4; i < out.size(); ++i) {
    const Packet& before = out[i - 1];
    if (!random.Chance(10) || before.bytes.size() <= 60) continue;
    Packet half = before;
    half.bytes.resize(54 + (before.bytes.size() - 54) / 2);
    const uint32_t total = static_cast<uint32_t>(half.bytes.size() - 14);
    half.bytes.replace(16, 2, BigEndian16(total));
    half.bytes[47] = static_cast<char>(kAck);
    out.insert(out.begin() + static_cast<ptrdiff_t>(i - 1), half);
    ++i;
  }
  // What is captured later has the later time.
  for (size_t i = 1; i < out.size(); ++i) out[i].time = out[i - 1].time + absl::Milliseconds(1);
  return out;
}

TEST(ConversationProperty, YieldsTheSameMessagesInWhateverWayItIsCaptured) {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    Random random(seed);
    std::vector<Exchange> exchanges;
    const int count = 1 + static_cast<int>(random.Below(8));
    for (int i = 0; i < count; ++i) exchanges.push_back(MakeExchange(random, i));
    const TcpConversation tcp = Converse(random, exchanges, 50'000);
    // In order, in large segments.
    TcpConversation plain(At("192.0.2.10:50000"), At(kProcessor));
    plain.Open();
    plain.set_segment_bytes(60'000);
    for (const Exchange& exchange : exchanges) {
      plain.Client(exchange.request);
      plain.Server(exchange.response);
    }
    DecoderHarness expected;
    expected.Run(plain);
    ASSERT_EQ(expected.decoder.stats().http_errors, 0U) << seed;
    ASSERT_EQ(expected.decoder.stats().responses, exchanges.size()) << seed;

    for (int round = 0; round < 3; ++round) {
      const std::vector<Packet> packets =
          round == 0 ? tcp.packets() : Shuffle(random, tcp.packets());
      DecoderHarness harness;
      harness.Run(packets);
      ASSERT_EQ(Messages(harness.sink), Messages(expected.sink)) << seed << ' ' << round;
      ASSERT_EQ(harness.covered(Reason::kScanned), tcp.payload_bytes()) << harness.CoverageText();
      ASSERT_EQ(harness.decoder.stats().gaps, 0U);
    }
  }
}

TEST(ConversationProperty, CountsEveryCapturedByteOnce) {
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    Random random(seed * 7919);
    TrafficDecoderOptions options = DecoderHarness::AllTraffic();
    options.scan_inbound = random.Chance(50);
    if (random.Chance(50)) options.sampler = FlowSampler::WithShare(0.5);
    if (random.Chance(50)) options.flow_reassembly_bytes_max = 16 << 10;
    if (random.Chance(30)) options.reassembly_bytes_max = 32 << 10;
    if (random.Chance(30)) options.body_bytes_max = 300;
    std::vector<Packet> packets;
    for (int flow = 0; flow < 6; ++flow) {
      std::vector<Exchange> exchanges;
      for (int i = 0; i < 4; ++i) exchanges.push_back(MakeExchange(random, i));
      const std::vector<Packet> shuffled =
          Shuffle(random, Converse(random, exchanges, 50'000 + flow).packets());
      // Of one flow after another, so that none is evicted: lost, cut, or as it is.
      const uint32_t loss = random.Below(8);
      for (size_t i = 0; i < shuffled.size(); ++i) {
        if (random.Chance(loss) && i >= 3) continue;
        packets.push_back(shuffled[i]);
        Packet& packet = packets.back();
        if (i >= 3 && random.Chance(3) && packet.bytes.size() > 100) {
          packet.wire_bytes = static_cast<uint32_t>(packet.bytes.size());
          packet.bytes.resize(100);
        }
      }
    }
    DecoderHarness harness(options);
    harness.Run(packets);
    ASSERT_EQ(harness.coverage.seen_bytes(), UniquePayloadBytes(packets))
        << seed << ' ' << harness.CoverageText();
    for (const RecordedPart& part : harness.sink.parts()) ASSERT_TRUE(part.ended);
  }
}

}  // namespace
}  // namespace skimwatch::traffic::testing
