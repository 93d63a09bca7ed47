#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/support/packet_builder.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/web_server.h"

namespace skimwatch::integration {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;

constexpr uint64_t kMib = uint64_t{1} << 20;

// What the agent may need beyond what it had when it was idle. AddressSanitizer keeps what was
// freed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kMemoryMax = 700 * kMib;
#else
constexpr uint64_t kMemoryMax = 100 * kMib;
#endif

constexpr char kKernelDrops[] = "skimwatch_capture_kernel_drops_total{interface=\"lo\"}";
constexpr char kGapBytes[] = "skimwatch_traffic_gap_bytes_total{interface=\"lo\"}";

class HostileTraffic : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!MayCapture()) GTEST_SKIP() << "needs the right to capture packets (CAP_NET_RAW)";
    ASSERT_NO_FATAL_FAILURE(web_.Start());
    deployment_.service_ports = {web_.shop_port()};
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
  }

  void StartAgent(const std::string& filter) {
    deployment_.agent_yaml = absl::StrCat(
        "sources: { packet_captures: [{ interface: lo, filter: ", filter, ", ring_mib: 32 }] }\n");
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
    memory_before_ = deployment_.AgentMemoryMax();
  }

  // What the sources have counted so far.
  double SeenBytes() const {
    return SumOf(deployment_.AgentGet("/metrics"), "skimwatch_source_bytes_total");
  }

  // The agent lives, in bounds, and finds what comes next.
  void ExpectSoundAgent(size_t card) {
    Exchange(web_.outside_port(), Post("collect.example", "/sound", "card=" + CardNumber(card)));
    EXPECT_TRUE(testing::WaitUntil([&] { return deployment_.Cards(card + 1).count(card) == 1; }))
        << deployment_.AgentGet("/metrics");
    EXPECT_LT(deployment_.AgentMemoryMax(), memory_before_ + kMemoryMax);
    const int status = deployment_.StopAgent(SIGTERM);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << deployment_.agent().Log();
    deployment_.ExpectNoNumberKept(card + 1);
  }

  Deployment deployment_;
  WebServer web_{deployment_.site_folder()};
  uint64_t memory_before_ = 0;
};

TEST_F(HostileTraffic, ABodyOfAGibibyteNeedsNoMoreMemoryThanASmallOne) {
  ASSERT_NO_FATAL_FAILURE(StartAgent(web_.Filter()));
  constexpr uint64_t kBody = 1024 * kMib;
  // limits.body_bytes_max
  constexpr uint64_t kScanned = 64 * kMib;
  enum Planted : size_t { kAtStart, kAfter32Mib, kBeyondLimit, kAfterwards };
  const std::map<uint64_t, size_t> card_at = {
      {0, kAtStart}, {32 * kMib, kAfter32Mib}, {kScanned + kMib, kBeyondLimit}};
  const std::string filler = [] {
    std::string text;
    while (text.size() < kMib) text += "the quick brown fox jumps over the lazy dog\n";
    text.resize(kMib);
    return text;
  }();

  Connection connection(web_.outside_port());
  std::string page;
  const auto accounted = [&] {
    page = deployment_.AgentGet("/metrics");
    return SumOf(page, "skimwatch_source_bytes_total") + MetricOf(page, kGapBytes).value_or(0);
  };
  ASSERT_TRUE(
      connection.Send(absl::StrCat("POST /upload HTTP/1.1\r\nHost: collect.example\r\n",
                                   "Connection: close\r\nContent-Length: ", kBody, "\r\n\r\n")));
  const auto is_near = [&] {
    return accounted() + 8 * kMib > static_cast<double>(connection.bytes());
  };
  for (uint64_t at = 0; at < kBody; at += kMib) {
    std::string piece = filler;
    if (const auto it = card_at.find(at); it != card_at.end()) {
      const std::string field = absl::StrCat("\ncard=", CardNumber(it->second), "\n");
      piece.replace(0, field.size(), field);
    }
    ASSERT_TRUE(connection.Send(piece));
    // As fast as the agent reads while it scans, and at the end, so that a gap has an end; between
    // them as fast as the wire is, whatever the agent misses.
    if (at <= kScanned + kMib) {
      ASSERT_TRUE(testing::WaitUntil(is_near));
    } else if (at >= kBody - 4 * kMib) {
      testing::WaitUntil(is_near, absl::Seconds(3));
    }
  }
  EXPECT_THAT(connection.ReceiveAll(), HasSubstr(" 204 "));

  ASSERT_TRUE(deployment_.WaitForCards(kBeyondLimit));
  EXPECT_TRUE(testing::WaitUntil([&] {
    return accounted() >= static_cast<double>(connection.bytes());
  })) << std::to_string(accounted())
      << " of " << connection.bytes();
  // To the byte: seen, or known to be missing.
  EXPECT_EQ(accounted(), static_cast<double>(connection.bytes()));
  const double gaps = *MetricOf(page, kGapBytes);
  const double truncated = *MetricOf(page,
                                     "skimwatch_source_bytes_total{outcome=\"truncated\",reason="
                                     "\"truncated.body_limit\"}");
  EXPECT_EQ(truncated + gaps, static_cast<double>(kBody - kScanned));
  // What is missing is missing because the ring was full, and that is counted.
  EXPECT_TRUE(gaps == 0 || *MetricOf(page, kKernelDrops) > 0);
  RecordProperty("gap_bytes", std::to_string(gaps));
  RecordProperty("memory_bytes", std::to_string(deployment_.AgentMemoryMax() - memory_before_));

  ExpectSoundAgent(kAfterwards);
  const std::map<size_t, StoredCard> cards = deployment_.Cards(kAfterwards + 1);
  EXPECT_THAT(cards, Not(Contains(Key(size_t{kBeyondLimit}))));
  EXPECT_EQ(cards.size(), 3u);
  for (const auto& [card, stored] : cards) EXPECT_EQ(stored.occurrences, 1u) << "card " << card;
}

TEST_F(HostileTraffic, AGzipBombIsCutAndCounted) {
  ASSERT_NO_FATAL_FAILURE(StartAgent(web_.Filter()));
  enum Planted : size_t { kAtStart, kAtEnd, kAfterwards };
  // A thousandth of its size on the wire.
  const std::string bomb =
      Gzip(absl::StrCat("card=", CardNumber(kAtStart), "\n", std::string(128 * kMib, ' '),
                        "card=", CardNumber(kAtEnd), "\n"));
  std::ofstream(web_.html() + "/packed/bomb", std::ios::binary) << bomb;
  uint64_t wire_bytes = 0;
  EXPECT_THAT(Exchange(web_.shop_port(), Get("shop.example", "/packed/bomb"), &wire_bytes),
              HasSubstr("Content-Encoding: gzip"));
  EXPECT_GT(wire_bytes, bomb.size());
  EXPECT_TRUE(testing::WaitUntil([&] { return SeenBytes() >= static_cast<double>(wire_bytes); }));
  const std::string page = deployment_.AgentGet("/metrics");
  EXPECT_EQ(SumOf(page, "skimwatch_source_bytes_total"), static_cast<double>(wire_bytes));
  EXPECT_EQ(MetricOf(page, "skimwatch_traffic_bodies_cut_as_bomb_total{interface=\"lo\"}"), 1);
  EXPECT_GT(MetricOf(page,
                     "skimwatch_source_bytes_total{outcome=\"truncated\",reason="
                     "\"truncated.decompression_limit\"}"),
            bomb.size() / 4);
  ExpectSoundAgent(kAfterwards);
  const std::map<size_t, StoredCard> cards = deployment_.Cards(kAfterwards + 1);
  EXPECT_THAT(cards, Not(Contains(Key(size_t{kAtEnd}))));
  EXPECT_EQ(cards.size(), 2u);
}

TEST_F(HostileTraffic, BrokenHttpIsReadAsFarAsItGoes) {
  ASSERT_NO_FATAL_FAILURE(StartAgent(web_.Filter()));
  // Each with a number that leaves in spite of it.
  const std::vector<std::string> requests = {
      "POST / HTTP/9.9\r\nHost: a\r\nContent-Length: 21\r\n\r\n@",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n@",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999999\r\n\r\n@",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 30\r\n\r\n@",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n@",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n@",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 21\r\n\r\n@",
      std::string("POST /\0 HTTP/1.1\r\nHost\0: a\r\n\r\n@", 31),
      "POST / HTTP/1.1\nHost: a\nContent-Length: 21\n\n@",
      absl::StrCat("POST / HTTP/1.1\r\nX: ", std::string(100'000, 'x'), "\r\n\r\n@"),
      absl::StrCat("GET /", std::string(100'000, 'x'), "?@ HTTP/1.1\r\n\r\n"),
      "\r\n\r\n\r\n@\r\n\r\n",
      "@",
  };
  uint64_t wire_bytes = 0;
  size_t card = 0;
  for (std::string request : requests) {
    const size_t place = request.find('@');
    request.replace(place, 1, "card=" + CardNumber(card++) + " ");
    Connection connection(web_.outside_port());
    connection.Send(request);
    shutdown(connection.fd(), SHUT_WR);
    connection.ReceiveAll();
    wire_bytes += connection.bytes();
  }
  // And noise that begins like HTTP.
  std::mt19937_64 random(20260101);
  for (int i = 0; i < 200; ++i) {
    std::string request = Post("a", "/noise", std::string(64, 'x'));
    for (int change = 0; change < 20; ++change) {
      request[random() % request.size()] = static_cast<char>(random());
    }
    Connection connection(web_.outside_port());
    connection.Send(request);
    shutdown(connection.fd(), SHUT_WR);
    connection.ReceiveAll();
    wire_bytes += connection.bytes();
  }
  EXPECT_TRUE(testing::WaitUntil([&] { return deployment_.Cards(card).size() == card; }));
  const std::map<size_t, StoredCard> cards = deployment_.Cards(card);
  for (size_t i = 0; i < card; ++i) {
    EXPECT_THAT(cards, Contains(Key(i))) << requests[i].substr(0, 100);
  }
  EXPECT_TRUE(testing::WaitUntil([&] { return SeenBytes() >= static_cast<double>(wire_bytes); }));
  EXPECT_EQ(SeenBytes(), static_cast<double>(wire_bytes));
  ExpectSoundAgent(card);
}

// Puts frames on the loopback interface as they are.
class RawSocket {
 public:
  RawSocket() : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    address_.sll_family = AF_PACKET;
    address_.sll_ifindex = static_cast<int>(if_nametoindex("lo"));
    address_.sll_halen = ETH_ALEN;
  }
  ~RawSocket() { close(fd_); }
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  bool Send(const std::string& frame) const {
    return sendto(fd_, frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&address_),
                  sizeof address_) == static_cast<ssize_t>(frame.size());
  }

 private:
  const int fd_;
  sockaddr_ll address_ = {};
};

TEST_F(HostileTraffic, MalformedPacketsAreCountedAndLeftBehind) {
  // Networks for documentation (RFC 5737, RFC 3849): no host takes such a packet for its own.
  ASSERT_NO_FATAL_FAILURE(
      StartAgent(absl::StrCat("net 198.51.100.0/24 or net 2001:db8::/32 or ", web_.Filter())));
  const RawSocket wire;
  std::mt19937_64 random(20260102);
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"198.51.100.7:40000", "198.51.100.9:80"}, {"[2001:db8::7]:40000", "[2001:db8::9]:80"}};
  uint64_t sent = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto& [from, to] = pairs[random() % pairs.size()];
    std::string frame = traffic::testing::EthernetBytes(
        {.from = traffic::testing::At(from),
         .to = traffic::testing::At(to),
         .sequence = static_cast<uint32_t>(random() % 4096),
         .flags = static_cast<uint8_t>(random()),
         .payload =
             "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n" + std::string(random() % 64, 'x')});
    // Anything behind the Ethernet type, but not the addresses, by which the filter knows it.
    for (uint64_t changes = random() % 4; changes > 0; --changes) {
      size_t at = 14 + random() % (frame.size() - 14);
      if (at >= 22 && at < 54) at = 14 + random() % 8;
      frame[at] = static_cast<char>(random());
    }
    if (random() % 4 == 0) frame.resize(60 + random() % (frame.size() - 59) - 1);
    if (wire.Send(frame)) ++sent;
  }
  EXPECT_GT(sent, 19'000u);
  EXPECT_TRUE(testing::WaitUntil([&] {
    const std::string page = deployment_.AgentGet("/metrics");
    return *MetricOf(page, "skimwatch_capture_packets_total{interface=\"lo\"}") +
               *MetricOf(page, kKernelDrops) >=
           static_cast<double>(sent);
  })) << deployment_.AgentGet("/metrics");
  EXPECT_GT(
      deployment_.AgentMetric("skimwatch_traffic_packets_undecodable_total{interface=\"lo\"}"),
      100);
  ExpectSoundAgent(0);
}

TEST(MalformedConfiguration, IsRefusedWithFileAndLine) {
  testing::TempFolder folder;
  const std::string file = folder.File("bad.yaml");
  struct Case {
    std::string yaml;
    std::string line;
  };
  const std::vector<Case> cases = {
      {"sites: [{ name: shop }\nspool: {}\n", ":"},
      {"sites:\n  - name: shop\n\tspool: x\n", ":3"},
      {"listen: 1\nunknown_key: 2\n", ":"},
      {"sites:\n  - name: shop\nspool:\n  size_mib: many\n", ":"},
      {"store: { path: [ }\n", ":1"},
      {"a: &a [*a, *a]\n", ":"},
      {std::string("\0\1\2\xff\xfe", 5), ":"},
      {std::string(200'000, '['), ":"},
      {"", ""},
  };
  for (const char* program : {"skimwatch-agent", "skimwatch-collector"}) {
    for (const Case& one : cases) {
      std::ofstream(file, std::ios::binary) << one.yaml;
      const testing::Result result =
          testing::RunProgram({.command = {std::string(SKIMWATCH_BIN_DIR) + "/" + program,
                                           "--config", file, "--check-config"},
                               .environment = testing::SanitizerEnvironment()});
      // An empty file is a whole configuration for the collector but for what it must be told.
      EXPECT_EQ(result.code, 1) << program << ": " << one.yaml.substr(0, 60) << result.err;
      EXPECT_THAT(result.err, HasSubstr("bad.yaml" + one.line)) << program;
      EXPECT_LT(result.err.size(), 10'000u);
    }
  }
}

}  // namespace
}  // namespace skimwatch::integration
