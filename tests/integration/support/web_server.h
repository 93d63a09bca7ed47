#ifndef SKIMWATCH_TESTS_INTEGRATION_SUPPORT_WEB_SERVER_H_
#define SKIMWATCH_TESTS_INTEGRATION_SUPPORT_WEB_SERVER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/support/nginx.h"

namespace skimwatch::integration {

// A real nginx with three servers on free ports of loopback: the shop, which serves the folder
// `html` and sends copies of requests to /copied/ to `mirror_port`, where a test may listen;
// `outside`, which takes whatever it is sent; and the payment processor. Its folder is the shop's,
// so card numbers may stand there.
class WebServer {
 public:
  explicit WebServer(std::string folder);

  // Waits until it answers; a fatal failure with its log where it does not.
  void Start();

  std::string html() const { return folder_ + "/html"; }
  int shop_port() const { return shop_port_; }
  int outside_port() const { return outside_port_; }
  int processor_port() const { return processor_port_; }
  int mirror_port() const { return mirror_port_; }
  // A capture filter for its ports alone.
  std::string Filter() const;

 private:
  const std::string folder_;
  testing::Nginx nginx_;
  int shop_port_ = 0;
  int outside_port_ = 0;
  int processor_port_ = 0;
  int mirror_port_ = 0;
};

// A TCP port of loopback that nobody has at this moment.
int FreePort();

// A connection to 127.0.0.1.
class Connection {
 public:
  // A failure is added where nobody listens.
  explicit Connection(int port);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False when the other side is gone.
  bool Send(std::string_view bytes);
  // What comes until the other side closes, or `bytes_max` of it.
  std::string ReceiveAll(size_t bytes_max = SIZE_MAX);
  int fd() const { return fd_; }
  // Bytes put on and taken from the wire.
  uint64_t bytes() const { return bytes_; }

 private:
  int fd_ = -1;
  uint64_t bytes_ = 0;
};

// A request with its length, answered and closed.
std::string Post(std::string_view host, std::string_view path, std::string_view body,
                 std::string_view headers = "");
std::string Get(std::string_view host, std::string_view target);
// Sends a request on a connection of its own, adds its bytes and those of the answer to
// `wire_bytes` where that is wanted, and returns the answer.
std::string Exchange(int port, std::string_view request, uint64_t* wire_bytes = nullptr);

std::string Gzip(std::string_view bytes);

}  // namespace skimwatch::integration

#endif  // SKIMWATCH_TESTS_INTEGRATION_SUPPORT_WEB_SERVER_H_
