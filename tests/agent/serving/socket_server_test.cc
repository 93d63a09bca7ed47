#include "agent/serving/socket_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/local/stream_protocol.hpp"
#include "boost/asio/read.hpp"
#include "boost/asio/write.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::serving {
namespace {

namespace asio = boost::asio;
using ::testing::HasSubstr;

// Gives back each byte; `.` ends the connection, `!` is an error.
class Echo final : public Session {
 public:
  absl::Status Receive(std::string_view bytes, std::string& answer) override {
    answer += bytes;
    ++requests_;
    done_ = bytes.find('.') != std::string_view::npos;
    if (bytes.find('!') != std::string_view::npos) return absl::InvalidArgumentError("no echo");
    return absl::OkStatus();
  }
  bool done() const override { return done_; }
  void Close() override {}
  uint64_t requests() const override { return requests_; }

 private:
  bool done_ = false;
  uint64_t requests_ = 0;
};

class SocketServerTest : public ::testing::Test {
 protected:
  absl::Status Start(SocketServer::Options options) {
    options.protocol = "echo";
    options.what = "bytes";
    absl::StatusOr<std::unique_ptr<SocketServer>> server =
        SocketServer::Listen(options, [this](const Peer& peer) {
          peer_ = peer;
          return std::make_unique<Echo>();
        });
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    if (starts_) server_->Start();
    return absl::OkStatus();
  }
  asio::ip::tcp::socket Connect() {
    asio::ip::tcp::socket socket(context_);
    socket.connect({asio::ip::address_v4::loopback(), static_cast<uint16_t>(server_->port())});
    return socket;
  }
  template <typename Socket>
  static std::string ReadAll(Socket& socket) {
    std::string answer;
    boost::system::error_code error;
    asio::read(socket, asio::dynamic_buffer(answer), error);
    return answer;
  }

  testing::TempFolder folder_;
  asio::io_context context_;
  bool starts_ = true;
  Peer peer_;
  std::unique_ptr<SocketServer> server_;
};

TEST_F(SocketServerTest, RunsASessionForEachConnection) {
  ASSERT_TRUE(Start({.listen = "127.0.0.1:0"}).ok());
  asio::ip::tcp::socket a = Connect();
  asio::ip::tcp::socket b = Connect();
  asio::write(a, asio::buffer("one.", 4));
  EXPECT_EQ(ReadAll(a), "one.");
  asio::write(b, asio::buffer("two.", 4));
  EXPECT_EQ(ReadAll(b), "two.");
  EXPECT_EQ(peer_.address, "127.0.0.1");
  EXPECT_TRUE(peer_.is_private);
  EXPECT_EQ(server_->GetStats().connections, 2);
  EXPECT_EQ(server_->GetStats().requests, 2);
}

TEST_F(SocketServerTest, LetsConnectionsWaitUntilItStarts) {
  starts_ = false;
  ASSERT_TRUE(Start({.listen = "127.0.0.1:0"}).ok());
  asio::ip::tcp::socket a = Connect();
  asio::write(a, asio::buffer("one.", 4));
  EXPECT_EQ(server_->GetStats().connections, 0);
  server_->Start();
  EXPECT_EQ(ReadAll(a), "one.");
  EXPECT_EQ(server_->GetStats().connections, 1);
}

TEST_F(SocketServerTest, LeavesNoSocketWhenItNeverStarted) {
  starts_ = false;
  const std::string path = folder_.File("socket");
  ASSERT_TRUE(Start({.listen = absl::StrCat("unix:", path)}).ok());
  struct stat info = {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  server_.reset();
  EXPECT_NE(stat(path.c_str(), &info), 0);
}

TEST_F(SocketServerTest, ReplacesTheSocketThatAKilledRunLeft) {
  const std::string path = folder_.File("socket");
  {
    // Bound, and never listened on again.
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path.c_str(), path.size());
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    close(fd);
  }
  ASSERT_TRUE(Start({.listen = absl::StrCat("unix:", path)}).ok());
  asio::local::stream_protocol::socket socket(context_);
  socket.connect(path);
  asio::write(socket, asio::buffer("x.", 2));
  EXPECT_EQ(ReadAll(socket), "x.");
  EXPECT_EQ(peer_.address, "");
  // The web server is another user.
  struct stat mode = {};
  ASSERT_EQ(stat(path.c_str(), &mode), 0);
  EXPECT_EQ(mode.st_mode & 0777, 0666);
  // One that is in use stays.
  const auto other = SocketServer::Listen({.listen = absl::StrCat("unix:", path)},
                                          [](const Peer&) { return std::make_unique<Echo>(); });
  EXPECT_EQ(other.status().code(), absl::StatusCode::kUnavailable);
  server_->Stop();
  struct stat info = {};
  EXPECT_NE(stat(path.c_str(), &info), 0);
}

TEST_F(SocketServerTest, KeepsAFileThatIsNoSocket) {
  const std::string path = folder_.File("file");
  std::ofstream(path) << "kept";
  EXPECT_EQ(Start({.listen = absl::StrCat("unix:", path)}).code(), absl::StatusCode::kUnavailable);
  std::string content;
  std::ifstream(path) >> content;
  EXPECT_EQ(content, "kept");
}

TEST_F(SocketServerTest, RefusesConnectionsBeyondItsLimit) {
  ASSERT_TRUE(Start({.listen = "127.0.0.1:0", .connections_max = 1}).ok());
  asio::ip::tcp::socket a = Connect();
  asio::write(a, asio::buffer("x", 1));
  char byte = 0;
  asio::read(a, asio::buffer(&byte, 1));
  asio::ip::tcp::socket b = Connect();
  EXPECT_EQ(ReadAll(b), "");
  EXPECT_EQ(server_->GetStats().connections_refused, 1);
  asio::write(a, asio::buffer(".", 1));
  EXPECT_EQ(ReadAll(a), ".");
}

TEST_F(SocketServerTest, EndsSilentConnections) {
  ASSERT_TRUE(Start({.listen = "127.0.0.1:0", .idle_max = absl::Milliseconds(1)}).ok());
  asio::ip::tcp::socket a = Connect();
  EXPECT_EQ(ReadAll(a), "");
}

TEST_F(SocketServerTest, SaysWhatWasWrongAndWithWhom) {
  ASSERT_TRUE(Start({.listen = "127.0.0.1:0"}).ok());
  asio::ip::tcp::socket a = Connect();
  asio::write(a, asio::buffer("!", 1));
  EXPECT_EQ(ReadAll(a), "!");
  EXPECT_EQ(server_->GetStats().errors, 1);
  EXPECT_THAT(server_->GetStats().last_error, HasSubstr("from 127.0.0.1:"));
  EXPECT_THAT(server_->GetStats().last_error, HasSubstr("no echo"));
}

TEST_F(SocketServerTest, ListensForOthersOnlyWhenToldSo) {
  const absl::Status status = Start({.listen = "0.0.0.0:0"});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("bytes are sent in the clear"));
  EXPECT_TRUE(Start({.listen = "0.0.0.0:0", .allows_remote = true}).ok());
}

TEST_F(SocketServerTest, SaysWhatIsNoAddress) {
  for (const char* const listen :
       {"localhost:1", "127.0.0.1", "127.0.0.1:70000", "unix:relative"}) {
    EXPECT_EQ(Start({.listen = listen}).code(), absl::StatusCode::kInvalidArgument) << listen;
  }
}

}  // namespace
}  // namespace skimwatch::serving
