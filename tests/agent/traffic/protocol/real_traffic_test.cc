// Programs that people use, over the loopback interface, captured and decoded: HTTP/2 as nghttp2's
// client and server and curl speak it, and gRPC. Needs CAP_NET_RAW.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/source/packet_capture.h"
#include "tests/agent/traffic/protocol/decoder_harness.h"

namespace skimwatch::traffic::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

// A port that nobody listens at, and that no connection is given as its own: one to it could
// otherwise meet itself.
uint16_t FreePort() {
  for (uint16_t port = 21'000; port < 30'000; ++port) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const bool is_free =
        bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    close(fd);
    if (is_free) return port;
  }
  std::abort();
}

bool Listens(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const bool ok = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return ok;
}

// Waits at most ten seconds.
template <typename Condition>
bool Await(Condition condition) {
  const absl::Time end = absl::Now() + absl::Seconds(10);
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return true;
}

// A program that runs until this is destroyed.
class Program {
 public:
  explicit Program(const std::vector<std::string>& words) : pid_(fork()) {
    if (pid_ != 0) return;
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  ~Program() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

 private:
  const pid_t pid_;
};

// Decodes what the loopback interface carries of one port.
class LoopbackCapture {
 public:
  explicit LoopbackCapture(uint16_t port) {
    PacketCapture::Options options;
    options.interface = "lo";
    options.filter = absl::StrCat("tcp port ", port);
    auto capture = PacketCapture::Open(
        options, [this](uint32_t /*thread*/) { return std::make_unique<Handler>(*this); });
    if (!capture.ok()) {
      error_ = capture.status().ToString();
      return;
    }
    capture_ = *std::move(capture);
    capture_->Start();
  }

  const std::string& error() const { return error_; }

  // What has been seen when `text` is among it.
  std::vector<std::string> AwaitPart(const std::string& text) {
    const bool seen = Await([&] {
      for (const std::string& part : Parts()) {
        if (part.find(text) != std::string::npos) return true;
      }
      return false;
    });
    EXPECT_TRUE(seen) << text << " is not among "
                      << ::testing::PrintToString(Parts()).substr(0, 4000);
    return Parts();
  }
  std::vector<std::string> Parts() {
    absl::MutexLock lock(&mutex_);
    return harness_.sink.descriptions();
  }
  TrafficDecoder::Stats stats() {
    absl::MutexLock lock(&mutex_);
    return harness_.decoder.stats();
  }
  uint64_t covered(Reason reason) {
    absl::MutexLock lock(&mutex_);
    return harness_.covered(reason);
  }

 private:
  class Handler final : public PacketHandler {
   public:
    explicit Handler(LoopbackCapture& owner) : owner_(owner) {}
    void OnPacket(const PacketView& packet) override {
      absl::MutexLock lock(&owner_.mutex_);
      owner_.harness_.decoder.OnPacket(packet);
    }
    void OnIdle(absl::Time now) override {
      absl::MutexLock lock(&owner_.mutex_);
      owner_.harness_.decoder.OnIdle(now);
    }
    void Flush() override {
      absl::MutexLock lock(&owner_.mutex_);
      owner_.harness_.decoder.Flush();
    }

   private:
    LoopbackCapture& owner_;
  };

  absl::Mutex mutex_;
  DecoderHarness harness_ ABSL_GUARDED_BY(mutex_);
  std::string error_;
  std::unique_ptr<PacketCapture> capture_;
};

class RealTraffic : public ::testing::Test {
 protected:
  RealTraffic()
      : port_(FreePort()),
        folder_(std::filesystem::temp_directory_path() /
                absl::StrCat("skimwatch-real-", getpid())) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "page.html") << "<p>a page from nghttpd " << std::string(3000, '.');
    std::ofstream(folder_ / "upload.txt") << "card=4111 uploaded by a client";
  }
  ~RealTraffic() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Program> StartServer() {
    auto server = std::make_unique<Program>(std::vector<std::string>{
        "nghttpd", "--no-tls", "-d", folder_.string(), std::to_string(port_)});
    EXPECT_TRUE(Await([this] { return Listens(port_); }));
    return server;
  }
  bool Run(const std::string& command) {
    return std::system(absl::StrCat(command, " >/dev/null 2>&1").c_str()) == 0;
  }
  std::string Url(const std::string& path) const {
    return absl::StrCat("http://127.0.0.1:", port_, path);
  }

  const uint16_t port_;
  const std::filesystem::path folder_;
};

TEST_F(RealTraffic, OfNghttp2IsReadInBothDirections) {
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  const auto server = StartServer();
  ASSERT_TRUE(
      Run(absl::StrCat("nghttp -n -m 3 --padding=32 --continuation -H'x-note: from nghttp' ",
                       Url("/page.html?x=1"))));
  ASSERT_TRUE(Run(
      absl::StrCat("nghttp -n -d ", (folder_ / "upload.txt").string(), " ", Url("/page.html"))));
  const std::vector<std::string> parts = capture.AwaitPart("card=4111 uploaded by a client");
  EXPECT_THAT(parts, Contains(HasSubstr("request_target GET 127.0.0.1/page.html: /page.html?x=1")));
  EXPECT_THAT(parts, Contains(HasSubstr("x-note: from nghttp\r\n")));
  EXPECT_THAT(parts, Contains(HasSubstr("(text/html): <p>a page from nghttpd")));
  EXPECT_EQ(capture.stats().http_errors, 0U);
  EXPECT_EQ(capture.stats().raw_streams, 0U);
  EXPECT_EQ(capture.covered(Reason::kUndecodableHeaderCompression), 0U);
}

TEST_F(RealTraffic, OfCurlIsRead) {
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  const auto server = StartServer();
  ASSERT_TRUE(Run(absl::StrCat("curl -s --http2-prior-knowledge -H 'x-card: 4111' --data 'n=curl' ",
                               Url("/page.html"))));
  const std::vector<std::string> parts = capture.AwaitPart(": n=curl");
  EXPECT_THAT(parts, Contains(HasSubstr("x-card: 4111\r\n")));
  EXPECT_EQ(capture.stats().http_errors, 0U);
}

TEST_F(RealTraffic, OfGrpcIsReadMessageByMessage) {
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials());
  // Knows no method, and reads what it is sent.
  grpc::CallbackGenericService service;
  builder.RegisterCallbackGenericService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  const auto channel =
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_), grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  for (const auto algorithm : {GRPC_COMPRESS_NONE, GRPC_COMPRESS_GZIP}) {
    grpc::ClientContext context;
    context.set_compression_algorithm(algorithm);
    context.AddMetadata("x-note", "from grpc");
    grpc::CompletionQueue queue;
    const grpc::Slice slice(
        absl::StrCat("card number 4111, compressed by ", algorithm, " ", std::string(500, 'z')));
    const grpc::ByteBuffer request(&slice, 1);
    const auto call = stub.PrepareUnaryCall(&context, "/pay.Service/Charge", request, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  }
  capture.AwaitPart(absl::StrCat("compressed by ", GRPC_COMPRESS_NONE));
  const std::vector<std::string> parts =
      capture.AwaitPart(absl::StrCat("compressed by ", GRPC_COMPRESS_GZIP));
  EXPECT_THAT(parts, Contains(HasSubstr("request_target POST 127.0.0.1/pay.Service/Charge")));
  EXPECT_THAT(parts, Contains(HasSubstr("x-note: from grpc\r\n")));
  EXPECT_EQ(capture.stats().http_errors, 0U);
  server->Shutdown();
}

}  // namespace
}  // namespace skimwatch::traffic::testing
