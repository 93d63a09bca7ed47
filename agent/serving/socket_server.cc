#include "agent/serving/socket_server.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <list>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/memory/wipe.h"
#include "agent/serving/stale_socket.h"
#include "boost/asio/basic_socket_acceptor.hpp"
#include "boost/asio/generic/stream_protocol.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/local/stream_protocol.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/write.hpp"
#include "spdlog/spdlog.h"

namespace skimwatch::serving {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Transport = asio::generic::stream_protocol;
using Socket = Transport::socket;
using Acceptor = asio::basic_socket_acceptor<Transport>;

constexpr std::string_view kUnixScheme = "unix:";
constexpr size_t kReadBytes = 64u << 10;

struct ListenAddress {
  Transport::endpoint endpoint;
  // Of a socket in the file system.
  std::string path;
  bool is_local = true;
};

absl::StatusOr<ListenAddress> ParseListen(const std::string& listen) {
  const std::string_view text = listen;
  if (text.starts_with(kUnixScheme)) {
    const std::string path(text.substr(kUnixScheme.size()));
    // The longest path that a socket's address holds.
    constexpr size_t kPathBytesMax = 107;
    if (path.size() < 2 || path.front() != '/' || path.size() > kPathBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat(listen, ": not `unix:` and an absolute path of at most 107 bytes"));
    }
    return ListenAddress{asio::local::stream_protocol::endpoint(path), path, true};
  }
  const size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  uint32_t port = 0;
  ErrorCode error;
  const asio::ip::address ip = asio::ip::make_address(std::string(host), error);
  if (colon == std::string_view::npos || error ||
      !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        listen, ": not `address:port`, `[v6]:port` or `unix:/path`, with the address in numbers"));
  }
  return ListenAddress{asio::ip::tcp::endpoint(ip, static_cast<uint16_t>(port)), "",
                       ip.is_loopback()};
}

// RFC 1918, RFC 3927, RFC 4193, RFC 4291 2.5.6.
bool IsPrivate(const asio::ip::address& address) {
  if (address.is_loopback()) return true;
  if (address.is_v6() && !address.to_v6().is_v4_mapped()) {
    const asio::ip::address_v6::bytes_type bytes = address.to_v6().to_bytes();
    return (bytes[0] & 0xfe) == 0xfc || address.to_v6().is_link_local();
  }
  const asio::ip::address_v4 v4 =
      address.is_v4() ? address.to_v4()
                      : asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  const uint32_t value = v4.to_uint();
  return v4.is_loopback() || value >> 24 == 10 || value >> 20 == 0xac1 || value >> 16 == 0xc0a8 ||
         value >> 16 == 0xa9fe;
}

Peer PeerOf(const Transport::endpoint& endpoint) {
  asio::ip::tcp::endpoint ip;
  if (endpoint.size() > ip.capacity() ||
      (endpoint.protocol().family() != AF_INET && endpoint.protocol().family() != AF_INET6)) {
    return {};
  }
  memcpy(ip.data(), endpoint.data(), endpoint.size());
  return {.address = ip.address().to_string(),
          .port = ip.port(),
          .is_private = IsPrivate(ip.address())};
}

absl::Status CheckIsLocal(const ListenAddress& address, const std::string& listen,
                          bool allows_remote, std::string_view what) {
  if (address.is_local || allows_remote) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(listen, ": others than this machine reach it, and ", std::string(what),
                   " are sent in the clear; listen on 127.0.0.1, [::1] or unix:, or say "
                   "`allow_remote: true`"));
}

class SocketServerImpl final : public SocketServer {
 public:
  SocketServerImpl(const Options& options, SessionFactory make_session)
      : options_(options),
        make_session_(std::move(make_session)),
        acceptor_(context_),
        sweep_(context_) {}
  ~SocketServerImpl() override { Stop(); }

  absl::Status Bind();
  void Start() override;
  void Stop() override;
  int port() const override { return port_; }
  Stats GetStats() const override {
    absl::MutexLock lock(&mutex_);
    return stats_;
  }

 private:
  // A peer. Lives in connections_ until it is done, and as long as something of it is under way.
  struct Connection {
    explicit Connection(Socket s) : socket(std::move(s)) {}
    ~Connection() { explicit_bzero(input.data(), input.size()); }

    Socket socket;
    std::unique_ptr<Session> session;
    std::string peer;
    std::array<char, kReadBytes> input;
    std::string answer;
    uint64_t requests = 0;
    uint64_t requests_cut = 0;
    Clock::time_point last_active = Clock::now();
    std::list<std::shared_ptr<Connection>>::iterator place;
  };

  void Accept();
  void Take(Socket socket);
  void Read(const std::shared_ptr<Connection>& connection);
  void OnRead(const std::shared_ptr<Connection>& connection, size_t count);
  void Drop(const std::shared_ptr<Connection>& connection);
  // Ends connections that are silent for too long, and says in the log what went wrong, in one line
  // however much it was.
  void Sweep();
  void LogErrors();

  const Options options_;
  const SessionFactory make_session_;
  asio::io_context context_;
  Acceptor acceptor_;
  asio::steady_timer sweep_;
  std::list<std::shared_ptr<Connection>> connections_;
  ListenAddress address_;
  int port_ = 0;
  // From Bind to Stop.
  bool listens_ = false;
  Stats logged_;
  std::thread thread_;

  mutable absl::Mutex mutex_;
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

absl::Status SocketServerImpl::Bind() {
  absl::StatusOr<ListenAddress> address = ParseListen(options_.listen);
  if (!address.ok()) return address.status();
  if (absl::Status s =
          CheckIsLocal(*address, options_.listen, options_.allows_remote, options_.what);
      !s.ok()) {
    return s;
  }
  address_ = *std::move(address);
  if (!address_.path.empty()) RemoveStaleSocket(address_.path);
  ErrorCode error;
  acceptor_.open(address_.endpoint.protocol(), error);
  if (!error && address_.path.empty()) {
    acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  }
  if (!error) acceptor_.bind(address_.endpoint, error);
  // Connecting to a socket is writing to it; who may, its folder says.
  if (!error && !address_.path.empty() && chmod(address_.path.c_str(), 0666) != 0) {
    error = ErrorCode(errno, boost::system::generic_category());
  }
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("can't listen on ", options_.listen, ": ", error.message()));
  }
  port_ = PeerOf(acceptor_.local_endpoint(error)).port;
  listens_ = true;
  return absl::OkStatus();
}

void SocketServerImpl::Start() {
  Accept();
  Sweep();
  thread_ = std::thread([this] {
    // Out of all that ran: the next wait keeps room on the stack that it does not write to, and
    // what was there before would stay for as long as nobody sends.
    while (context_.run_one() > 0) memory::WipeDeadStack();
  });
}

void SocketServerImpl::Stop() {
  if (!std::exchange(listens_, false)) return;
  if (thread_.joinable()) {
    asio::post(context_, [this] {
      ErrorCode ignored;
      acceptor_.close(ignored);
      sweep_.cancel(ignored);
      while (!connections_.empty()) Drop(connections_.front());
      context_.stop();
    });
    thread_.join();
  }
  if (!address_.path.empty()) unlink(address_.path.c_str());
}

void SocketServerImpl::Accept() {
  acceptor_.async_accept([this](ErrorCode error, Socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) Take(std::move(socket));
    Accept();
  });
}

void SocketServerImpl::Take(Socket socket) {
  {
    absl::MutexLock lock(&mutex_);
    if (connections_.size() >= options_.connections_max) {
      ++stats_.connections_refused;
      return;
    }
    ++stats_.connections;
    stats_.connections_open = connections_.size() + 1;
  }
  auto connection = std::make_shared<Connection>(std::move(socket));
  ErrorCode error;
  const Peer peer = PeerOf(connection->socket.remote_endpoint(error));
  connection->peer =
      peer.address.empty() ? "a local process" : absl::StrCat(peer.address, ":", peer.port);
  connection->session = make_session_(peer);
  connection->place = connections_.insert(connections_.end(), connection);
  Read(connection);
}

void SocketServerImpl::Read(const std::shared_ptr<Connection>& connection) {
  connection->socket.async_read_some(asio::buffer(connection->input),
                                     [this, connection](ErrorCode error, size_t count) {
                                       if (error) return Drop(connection);
                                       OnRead(connection, count);
                                     });
}

void SocketServerImpl::OnRead(const std::shared_ptr<Connection>& connection, size_t count) {
  connection->last_active = Clock::now();
  const absl::Status status =
      connection->session->Receive({connection->input.data(), count}, connection->answer);
  explicit_bzero(connection->input.data(), count);
  {
    absl::MutexLock lock(&mutex_);
    stats_.requests += connection->session->requests() - connection->requests;
    stats_.requests_cut += connection->session->requests_cut() - connection->requests_cut;
    if (!status.ok()) {
      ++stats_.errors;
      stats_.last_error = absl::StrCat("from ", connection->peer, ": ", status.message());
    }
  }
  connection->requests = connection->session->requests();
  connection->requests_cut = connection->session->requests_cut();
  const bool ends = !status.ok() || connection->session->done();
  if (connection->answer.empty()) return ends ? Drop(connection) : Read(connection);
  asio::async_write(connection->socket, asio::buffer(connection->answer),
                    [this, connection, ends](ErrorCode error, size_t) {
                      explicit_bzero(connection->answer.data(), connection->answer.size());
                      connection->answer.clear();
                      if (error || ends) return Drop(connection);
                      Read(connection);
                    });
}

void SocketServerImpl::Drop(const std::shared_ptr<Connection>& connection) {
  if (connection->session == nullptr) return;
  connection->session->Close();
  connection->session.reset();
  ErrorCode ignored;
  connection->socket.shutdown(asio::socket_base::shutdown_send, ignored);
  connection->socket.close(ignored);
  connections_.erase(connection->place);
  absl::MutexLock lock(&mutex_);
  stats_.connections_open = connections_.size();
}

void SocketServerImpl::Sweep() {
  sweep_.expires_after(std::chrono::seconds(1));
  sweep_.async_wait([this](ErrorCode error) {
    if (error) return;
    const Clock::time_point oldest = Clock::now() - absl::ToChronoMilliseconds(options_.idle_max);
    for (auto it = connections_.begin(); it != connections_.end();) {
      const std::shared_ptr<Connection> connection = *it++;
      if (connection->last_active < oldest) Drop(connection);
    }
    LogErrors();
    Sweep();
  });
}

void SocketServerImpl::LogErrors() {
  const Stats stats = GetStats();
  if (stats.errors > logged_.errors) {
    spdlog::warn("{}: ended {} connections that did not speak {}; the last one {}", options_.listen,
                 stats.errors - logged_.errors, options_.protocol, stats.last_error);
  }
  if (stats.connections_refused > logged_.connections_refused) {
    spdlog::warn("{}: refused {} connections, since {} are open; raise connections_max",
                 options_.listen, stats.connections_refused - logged_.connections_refused,
                 stats.connections_open);
  }
  logged_ = stats;
}

}  // namespace

absl::Status SocketServer::CheckListen(const std::string& listen, bool allows_remote,
                                       std::string_view what) {
  const absl::StatusOr<ListenAddress> address = ParseListen(listen);
  if (!address.ok()) return address.status();
  return CheckIsLocal(*address, listen, allows_remote, what);
}

absl::StatusOr<std::unique_ptr<SocketServer>> SocketServer::Listen(const Options& options,
                                                                   SessionFactory make_session) {
  auto server = std::make_unique<SocketServerImpl>(options, std::move(make_session));
  if (absl::Status s = server->Bind(); !s.ok()) return s;
  return server;
}

}  // namespace skimwatch::serving
