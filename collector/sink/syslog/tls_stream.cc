#include "collector/sink/syslog/tls_stream.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "openssl/err.h"
#include "openssl/ssl.h"
#include "openssl/x509v3.h"

namespace skimwatch::sink {
namespace {

// A wait looks this often whether it is to end.
constexpr absl::Duration kPoll = absl::Milliseconds(200);
// What was written is with the other side's kernel; nothing tells when, so it is asked.
constexpr absl::Duration kDrainPoll = absl::Milliseconds(2);
constexpr unsigned kUserTimeoutMs = 20'000;

struct Address {
  std::string host;
  std::string port;
};

Address Split(const std::string& address) {
  const size_t colon = address.rfind(':');
  Address split = {.host = address.substr(0, colon), .port = address.substr(colon + 1)};
  if (split.host.starts_with('[')) split.host = split.host.substr(1, split.host.size() - 2);
  return split;
}

// The oldest error of this thread's queue, which is emptied.
std::string TlsError() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the other side closed the connection";
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

bool IsIpAddress(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  return inet_pton(AF_INET, host.c_str(), ignored.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), ignored.data()) == 1;
}

}  // namespace

struct TlsStream::Tls {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()),
                                                            &SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, &SSL_free};
};

TlsStream::TlsStream(Options options) : options_(std::move(options)) {}

TlsStream::~TlsStream() {
  if (tls_ != nullptr && tls_->ssl != nullptr && SSL_is_init_finished(tls_->ssl.get()) == 1) {
    SSL_shutdown(tls_->ssl.get());
  }
  if (socket_ >= 0) close(socket_);
}

Failure TlsStream::Fail(Reason reason, std::string_view what) const {
  return {
      .reason = reason,
      .text = absl::StrCat(options_.address, ": ", absl::string_view(what.data(), what.size()))};
}

std::optional<Failure> TlsStream::Await(short events, absl::Time deadline) {
  while (true) {
    if (options_.interrupted->load()) return Fail(Reason::kUnreachable, "interrupted");
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return Fail(Reason::kTimeout, "no progress in time");
    pollfd wait = {.fd = socket_, .events = events, .revents = 0};
    const int ready =
        poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(std::min(left, kPoll))) + 1);
    if (ready < 0 && errno != EINTR) return Fail(Reason::kUnreachable, strerror(errno));
    if (ready > 0) return std::nullopt;
  }
}

std::optional<Failure> TlsStream::Connect(absl::Time deadline) {
  const Address address = Split(options_.address);
  if (auto failure = OpenSocket(address.host, address.port, deadline)) return failure;
  if (options_.tls.plaintext()) return std::nullopt;
  const std::string& name = options_.tls.server_name();
  return Handshake(name.empty() ? address.host : name, deadline);
}

std::optional<Failure> TlsStream::OpenSocket(const std::string& host, const std::string& port,
                                             absl::Time deadline) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return Fail(Reason::kUnreachable, gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  Failure failure = Fail(Reason::kUnreachable, "has no address");
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    if (socket_ >= 0) close(socket_);
    socket_ = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_ < 0) {
      failure = Fail(Reason::kUnreachable, strerror(errno));
      continue;
    }
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(socket_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(socket_, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs, sizeof kUserTimeoutMs);
    if (connect(socket_, address->ai_addr, address->ai_addrlen) == 0) return std::nullopt;
    int error = errno;
    if (error == EINPROGRESS) {
      if (auto late = Await(POLLOUT, deadline)) return late;
      socklen_t size = sizeof error;
      getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error == 0) return std::nullopt;
    }
    failure = Fail(Reason::kUnreachable, strerror(error));
  }
  return failure;
}

std::optional<Failure> TlsStream::Handshake(const std::string& host, absl::Time deadline) {
  const config::v1::SinkTls& files = options_.tls;
  tls_ = std::make_unique<Tls>();
  SSL_CTX* const context = tls_->context.get();
  if (context == nullptr) return Fail(Reason::kTls, TlsError());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (files.ca_file().empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_locations(context, files.ca_file().c_str(), nullptr) != 1) {
    return Fail(Reason::kConfiguration,
                absl::StrCat("tls.ca_file: ", files.ca_file(), ": ", TlsError()));
  }
  if (!files.certificate_file().empty() &&
      (SSL_CTX_use_certificate_chain_file(context, files.certificate_file().c_str()) != 1 ||
       SSL_CTX_use_PrivateKey_file(context, files.key_file().c_str(), SSL_FILETYPE_PEM) != 1 ||
       SSL_CTX_check_private_key(context) != 1)) {
    return Fail(Reason::kConfiguration, absl::StrCat("tls.certificate_file and key_file: ",
                                                     files.certificate_file(), ": ", TlsError()));
  }
  tls_->ssl.reset(SSL_new(context));
  SSL* const ssl = tls_->ssl.get();
  if (ssl == nullptr) return Fail(Reason::kTls, TlsError());
  if (IsIpAddress(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl, host.c_str());
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, host.c_str()) != 1) return Fail(Reason::kTls, TlsError());
  }
  SSL_set_fd(ssl, socket_);
  while (true) {
    ERR_clear_error();
    const int result = SSL_connect(ssl);
    if (result == 1) return std::nullopt;
    auto failure = AwaitTls(result, deadline);
    if (!failure.has_value()) continue;
    const long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK) {
      return Fail(Reason::kTls, absl::StrCat("its certificate is not good for ", host, ": ",
                                             X509_verify_cert_error_string(verified)));
    }
    return failure;
  }
}

std::optional<Failure> TlsStream::AwaitTls(int result, absl::Time deadline) {
  switch (SSL_get_error(tls_->ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Await(POLLIN, deadline);
    case SSL_ERROR_WANT_WRITE:
      return Await(POLLOUT, deadline);
    case SSL_ERROR_SYSCALL:
      if (ERR_peek_error() == 0 && errno != 0) return Fail(Reason::kUnreachable, strerror(errno));
      return Fail(Reason::kUnreachable, TlsError());
    case SSL_ERROR_ZERO_RETURN:
      return Fail(Reason::kUnreachable, "the other side closed the connection");
    default:
      return Fail(Reason::kTls, TlsError());
  }
}

std::optional<Failure> TlsStream::Write(std::string_view bytes, absl::Time deadline) {
  while (!bytes.empty()) {
    if (tls_ == nullptr) {
      const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<size_t>(sent));
      } else if (errno != EAGAIN && errno != EINTR) {
        return Fail(Reason::kUnreachable, strerror(errno));
      } else if (auto failure = Await(POLLOUT, deadline)) {
        return failure;
      }
      continue;
    }
    ERR_clear_error();
    errno = 0;
    size_t sent = 0;
    const int result = SSL_write_ex(tls_->ssl.get(), bytes.data(), bytes.size(), &sent);
    if (result == 1) {
      bytes.remove_prefix(sent);
    } else if (auto failure = AwaitTls(result, deadline)) {
      return failure;
    }
  }
  return std::nullopt;
}

std::optional<Failure> TlsStream::Drain(absl::Time deadline) {
  while (true) {
    int unsent = 0;
    if (ioctl(socket_, SIOCOUTQ, &unsent) != 0) return Fail(Reason::kUnreachable, strerror(errno));
    if (IsBroken()) return Fail(Reason::kUnreachable, "the connection broke");
    if (unsent == 0) return std::nullopt;
    if (options_.interrupted->load()) return Fail(Reason::kUnreachable, "interrupted");
    if (absl::Now() >= deadline) return Fail(Reason::kTimeout, "takes nothing in");
    absl::SleepFor(kDrainPoll);
  }
}

bool TlsStream::IsBroken() {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return true;
  if (tls_ == nullptr) {
    char byte = 0;
    const ssize_t got = recv(socket_, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
  }
  // Takes in what the other side says below the messages: new sessions, keys, its goodbye.
  std::array<char, 256> ignored{};
  ERR_clear_error();
  const int got = SSL_read(tls_->ssl.get(), ignored.data(), static_cast<int>(ignored.size()));
  if (got > 0) return false;
  const int status = SSL_get_error(tls_->ssl.get(), got);
  ERR_clear_error();
  return status != SSL_ERROR_WANT_READ && status != SSL_ERROR_WANT_WRITE;
}

}  // namespace skimwatch::sink
