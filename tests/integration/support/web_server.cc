#include "tests/integration/support/web_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/support/daemon.h"

namespace skimwatch::integration {
namespace {

constexpr char kServers[] = R"(  access_log off;
  default_type application/octet-stream;
  server {
    listen 127.0.0.1:@SHOP@;
    root html;
    location = /api/checkout { return 200 "thank you\n"; }
    location /copied/ {
      mirror /copy;
      rewrite ^ /v1/charges break;
      proxy_pass http://127.0.0.1:@PROCESSOR@;
    }
    location = /copy {
      internal;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_pass http://127.0.0.1:@MIRROR@$request_uri;
    }
    location /packed/ { add_header Content-Encoding gzip; default_type text/plain; }
  }
  server {
    listen 127.0.0.1:@OUTSIDE@;
    location / { return 204; }
  }
  server {
    listen 127.0.0.1:@PROCESSOR@;
    location = /v1/charges { return 200 '{"status":"approved"}\n'; }
  }
)";

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof address;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  close(fd);
  return ntohs(address.sin_port);
}

WebServer::WebServer(std::string folder) : folder_(std::move(folder)), nginx_(folder_) {
  std::filesystem::create_directories(html() + "/packed");
}

void WebServer::Start() {
  // Between the choice of a port and its use another program may take it: then others are tried.
  for (int attempt = 0; attempt < 5; ++attempt) {
    shop_port_ = FreePort();
    outside_port_ = FreePort();
    processor_port_ = FreePort();
    if (mirror_port_ == 0) mirror_port_ = FreePort();
    const std::string servers =
        absl::StrReplaceAll(kServers, {{"@SHOP@", absl::StrCat(shop_port_)},
                                       {"@MIRROR@", absl::StrCat(mirror_port_)},
                                       {"@OUTSIDE@", absl::StrCat(outside_port_)},
                                       {"@PROCESSOR@", absl::StrCat(processor_port_)}});
    if (nginx_.Start(servers,
                     [&] { return !testing::HttpGet(processor_port_, "/v1/charges").empty(); })) {
      return;
    }
  }
  FAIL() << "nginx did not start: " << nginx_.Log();
}

std::string WebServer::Filter() const {
  return absl::StrCat("tcp port ", shop_port_, " or tcp port ", outside_port_, " or tcp port ",
                      processor_port_);
}

Connection::Connection(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = Loopback(port);
  EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

Connection::~Connection() { close(fd_); }

bool Connection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes_ += static_cast<uint64_t>(n);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

std::string Connection::ReceiveAll(size_t bytes_max) {
  std::string received;
  std::vector<char> buffer(65536);
  while (received.size() < bytes_max) {
    const ssize_t n =
        recv(fd_, buffer.data(), std::min(buffer.size(), bytes_max - received.size()), 0);
    if (n <= 0) break;
    bytes_ += static_cast<uint64_t>(n);
    received.append(buffer.data(), static_cast<size_t>(n));
  }
  return received;
}

std::string Post(std::string_view host, std::string_view path, std::string_view body,
                 std::string_view headers) {
  return absl::StrCat("POST ", std::string(path), " HTTP/1.1\r\nHost: ", std::string(host),
                      "\r\nConnection: close\r\nContent-Length: ", body.size(), "\r\n",
                      std::string(headers), "\r\n", std::string(body));
}

std::string Get(std::string_view host, std::string_view target) {
  return absl::StrCat("GET ", std::string(target), " HTTP/1.1\r\nHost: ", std::string(host),
                      "\r\nConnection: close\r\n\r\n");
}

std::string Exchange(int port, std::string_view request, uint64_t* wire_bytes) {
  Connection connection(port);
  EXPECT_TRUE(connection.Send(request));
  std::string response = connection.ReceiveAll();
  if (wire_bytes != nullptr) *wire_bytes += connection.bytes();
  return response;
}

std::string Gzip(std::string_view bytes) {
  z_stream stream = {};
  // 16: with gzip's header.
  EXPECT_EQ(
      deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY),
      Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace skimwatch::integration
