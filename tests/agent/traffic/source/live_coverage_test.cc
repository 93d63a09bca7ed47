#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/flow_sampler.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/source/packet_capture.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/protocol/decoder_harness.h"

// Every byte that a generator sent, found in the coverage of a live capture.
namespace skimwatch::traffic::testing {
namespace {

// Counts, and keeps nothing: there is much of it.
class CountingSink final : public MessageSink, public PartConsumer {
 public:
  PartConsumer* BeginPart(const Provenance& /*provenance*/, Part /*part*/) override { return this; }
  void Data(std::string_view bytes) override { bytes_ += bytes.size(); }
  void Gap() override {}
  void End() override {}
  uint64_t bytes() const { return bytes_; }

 private:
  uint64_t bytes_ = 0;
};

class Decoding final : public PacketHandler {
 public:
  Decoding(const TrafficDecoderOptions& options, Coverage& coverage, MessageSink& sink,
           absl::Duration packet_time)
      : packet_time_(packet_time), decoder_(options, TestSites(), coverage, sink) {}
  void OnPacket(const PacketView& packet) override {
    // A slow reader, so that the ring overflows.
    if (packet_time_ > absl::ZeroDuration()) absl::SleepFor(packet_time_);
    decoder_.OnPacket(packet);
  }
  void OnIdle(absl::Time now) override { decoder_.OnIdle(now); }
  void Flush() override { decoder_.Flush(); }
  TrafficDecoder::Stats stats() const { return decoder_.stats(); }

 private:
  const absl::Duration packet_time_;
  TrafficDecoder decoder_;
};

// What PacketCapture owns.
class Shared final : public PacketHandler {
 public:
  explicit Shared(std::shared_ptr<Decoding> target) : target_(std::move(target)) {}
  void OnPacket(const PacketView& packet) override { target_->OnPacket(packet); }
  void OnIdle(absl::Time now) override { target_->OnIdle(now); }
  void Flush() override { target_->Flush(); }

 private:
  const std::shared_ptr<Decoding> target_;
};

constexpr std::string_view kLast = "the last that was sent";

// Each test has a network of its own, in which nothing else happens.
class LiveCoverage : public ::testing::Test {
 protected:
  void SetUp() override {
    if (unshare(CLONE_NEWNET) != 0) {
      GTEST_SKIP() << "needs CAP_SYS_ADMIN and CAP_NET_RAW, as root has: " << strerror(errno);
    }
    // Packets of the size that a wire has.
    ASSERT_EQ(std::system("ip link set lo mtu 1500 && ip link set lo up"), 0);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(listen(listener_, 64), 0);
  }
  ~LiveCoverage() override { close(listener_); }

  void Open(const TrafficDecoderOptions& options, uint32_t ring_mib,
            absl::Duration packet_time = absl::ZeroDuration()) {
    handler_ = std::make_shared<Decoding>(options, coverage_, sink_, packet_time);
    auto capture =
        PacketCapture::Open({.interface = "lo", .filter = "tcp", .ring_mib = ring_mib},
                            [this](uint32_t) { return std::make_unique<Shared>(handler_); });
    ASSERT_TRUE(capture.ok()) << capture.status();
    capture_ = *std::move(capture);
    capture_->Start();
  }

  // A connection that carries `request` one way and `answer` the other, and, where there is a
  // `pause`, some more after it. Adds to what was sent.
  void Send(std::string_view request, std::string_view answer,
            absl::Duration pause = absl::ZeroDuration()) {
    sockaddr_in address{};
    socklen_t size = sizeof(address);
    ASSERT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
    const int server = accept(listener_, nullptr, nullptr);
    Pass(client, server, request);
    Pass(server, client, answer);
    if (pause > absl::ZeroDuration()) {
      absl::SleepFor(pause);
      Pass(client, server, kLast);
      sent_ += kLast.size();
    }
    shutdown(client, SHUT_WR);
    shutdown(server, SHUT_WR);
    close(client);
    close(server);
    sent_ += request.size() + answer.size();
  }

  static void Pass(int from, int to, std::string_view bytes) {
    std::thread reader([to, size = bytes.size()] {
      std::string buffer(1 << 20, '\0');
      for (size_t got = 0; got < size;) {
        const ssize_t n = read(to, buffer.data(), buffer.size());
        ASSERT_GT(n, 0);
        got += static_cast<size_t>(n);
      }
    });
    while (!bytes.empty()) {
      const ssize_t n = write(from, bytes.data(), bytes.size());
      ASSERT_GT(n, 0);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    reader.join();
  }

  int listener_ = -1;
  uint64_t sent_ = 0;
  Coverage coverage_;
  CountingSink sink_;
  std::shared_ptr<Decoding> handler_;
  std::unique_ptr<PacketCapture> capture_;
};

TEST_F(LiveCoverage, IsWhatWasSentWhileSharesChange) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  const auto sampler = std::make_shared<FlowSampler>(SipKey{3, 4});
  sampler->SetClasses(SamplingClasses::Create({}, {}));
  options.sampler = sampler;
  ASSERT_NO_FATAL_FAILURE(Open(options, 64));
  for (int i = 0; i < 120; ++i) {
    const double share = static_cast<double>(i % 4 + 1) / 4;
    sampler->SetShares({share * share, share, share});
    const std::string body(static_cast<size_t>(i) * 9770 % 300'000, 'b');
    const std::string type = i % 3 == 0 ? "image/png" : "text/html";
    ASSERT_NO_FATAL_FAILURE(Send("GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\nContent-Type: " + type +
                                     "\r\nContent-Length: " + std::to_string(body.size()) +
                                     "\r\n\r\n" + body));
  }
  const std::string stream(5'000'000, 's');
  ASSERT_NO_FATAL_FAILURE(Send(stream, "thanks"));
  capture_->Stop();
  EXPECT_EQ(capture_->GetStats().kernel_drops, 0U);
  EXPECT_EQ(coverage_.seen_bytes(), sent_);
  for (const Reason reason : {Reason::kScanned, Reason::kSampledOutFlow, Reason::kSampledOutLow}) {
    EXPECT_GT(coverage_.bytes(reason), 0U) << ReasonName(reason);
  }
}

// Packets that the kernel drops are seen by nobody. TCP's sequence numbers say to the byte what
// they carried where the connection goes on, and the mean length of other packets says it about.
TEST_F(LiveCoverage, OfABurstThatTheKernelDropsIsWhatWasSentLessTheGaps) {
  TrafficDecoderOptions options = DecoderHarness::AllTraffic();
  ASSERT_NO_FATAL_FAILURE(Open(options, 1, absl::Microseconds(200)));
  const std::string burst(12'000'000, 'x');
  // What comes last finds room in the ring again.
  ASSERT_NO_FATAL_FAILURE(Send(burst, "", absl::Seconds(2)));
  capture_->Stop();
  const PacketCapture::Stats capture = capture_->GetStats();
  const TrafficDecoder::Stats decoder = handler_->stats();
  EXPECT_GT(capture.kernel_drops, 100U);
  EXPECT_EQ(coverage_.seen_bytes() + decoder.gap_bytes, sent_);
  const double mean =
      static_cast<double>(decoder.packet_bytes) / static_cast<double>(decoder.packets);
  const double estimate = static_cast<double>(capture.kernel_drops) * mean;
  // Small packets find room where large ones do not, so that the mean says too little rather than
  // too much; the agent takes the greater of both.
  EXPECT_LT(estimate, 2 * static_cast<double>(decoder.gap_bytes));
}

}  // namespace
}  // namespace skimwatch::traffic::testing
