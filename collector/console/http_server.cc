#include "collector/console/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "proto/text/utf8.h"
#include "proto/tls/certificate_files.h"
#include "spdlog/spdlog.h"

namespace skimwatch::console {
namespace {

constexpr unsigned kThreads = 4;
constexpr unsigned kConnectionsPerAddressMax = 64;
// TLS 1.2 with forward secrecy and authenticated encryption, or 1.3.
constexpr char kPriorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-RSA:+ECDHE-ECDSA:-CIPHER-ALL"
    ":+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:%SERVER_PRECEDENCE";
constexpr const char* kHeaders[] = {"host", "origin", "sec-fetch-site"};

struct CloseDescriptor {
  int fd = -1;
  CloseDescriptor() = default;
  explicit CloseDescriptor(int descriptor) : fd(descriptor) {}
  CloseDescriptor(const CloseDescriptor&) = delete;
  CloseDescriptor& operator=(const CloseDescriptor&) = delete;
  ~CloseDescriptor() {
    if (fd >= 0) close(fd);
  }
};

struct StopDaemon {
  void operator()(MHD_Daemon* daemon) const { MHD_stop_daemon(daemon); }
};
using Daemon = std::unique_ptr<MHD_Daemon, StopDaemon>;

// The files' contents, which a daemon points at as long as it runs.
struct Certificates {
  std::string chain;
  std::string key;
  std::string authorities;
  bool operator==(const Certificates&) const = default;
};

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || content.empty()) return absl::NotFoundError(absl::StrCat("can't read ", path));
  return content;
}

absl::StatusOr<Certificates> ReadCertificates(const config::v1::Tls& tls) {
  if (absl::Status s = tls::CheckCertificateFiles(tls, absl::Now()); !s.ok()) return s;
  Certificates read;
  for (const auto& [file, content] :
       {std::pair(&tls.certificate_file(), &read.chain), std::pair(&tls.key_file(), &read.key),
        std::pair(&tls.ca_file(), &read.authorities)}) {
    absl::StatusOr<std::string> text = ReadWhole(*file);
    if (!text.ok()) return text.status();
    *content = *std::move(text);
  }
  return read;
}

absl::StatusOr<int> Listen(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("'", address, "' is not address:port"));
  }
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = address.substr(colon + 1);
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("'", address, "' is not address:port"));
  }
  const int fd =
      socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, found->ai_protocol);
  const int one = 1;
  bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
            bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 128) == 0;
  const int error = errno;
  freeaddrinfo(found);
  if (ok) return fd;
  if (fd >= 0) close(fd);
  return absl::UnavailableError(
      absl::StrCat("can't listen on ", address, ": ", std::strerror(error)));
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

// The client certificate, when one of the daemon's authorities signed it for a client and it is
// valid; else empty.
std::string VerifiedCertificate(gnutls_session_t session) {
  unsigned count = 0;
  const gnutls_datum_t* const chain = gnutls_certificate_get_peers(session, &count);
  if (chain == nullptr || count == 0) return "";
  gnutls_typed_vdata_st purpose{};
  purpose.type = GNUTLS_DT_KEY_PURPOSE_OID;
  purpose.data = reinterpret_cast<unsigned char*>(const_cast<char*>(GNUTLS_KP_TLS_WWW_CLIENT));
  unsigned status = ~0U;
  if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) != GNUTLS_E_SUCCESS ||
      status != 0) {
    return "";
  }
  return absl::StrCat("-----BEGIN CERTIFICATE-----\n",
                      absl::Base64Escape(absl::string_view(
                          reinterpret_cast<const char*>(chain[0].data), chain[0].size)),
                      "\n-----END CERTIFICATE-----\n");
}

// What of one request came so far.
struct Incoming {
  Request request;
  std::string body;
  bool too_large = false;
  bool bad = false;
};

class ServerImpl : public HttpServer {
 public:
  explicit ServerImpl(Options options) : options_(std::move(options)) {}

  ~ServerImpl() override {
    {
      absl::MutexLock lock(&mutex_);
      ending_ = true;
    }
    if (reloader_.joinable()) reloader_.join();
  }

  absl::Status Start();
  int port() const override { return port_; }
  uint64_t refused() const override { return refused_; }

 private:
  absl::StatusOr<Daemon> StartDaemon(const Certificates& certificates);
  void ReloadForEver();

  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char* version, const char* upload_data,
                              size_t* upload_data_size, void** state);
  static void OnEnd(void* self, MHD_Connection* connection, void** state,
                    MHD_RequestTerminationCode code);
  MHD_Result Begin(MHD_Connection* connection, const char* url, const char* method, void** state);
  MHD_Result Finish(MHD_Connection* connection, Incoming& incoming);
  MHD_Result Refuse(MHD_Connection* connection, int status, std::string_view text);
  static MHD_Result Send(MHD_Connection* connection, const Response& response);

  const Options options_;
  CloseDescriptor socket_;
  int port_ = 0;
  std::atomic<uint64_t> refused_ = 0;
  absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  // Before the daemons, which point at it; used by Start and then by the reloader alone.
  std::vector<std::unique_ptr<Certificates>> certificates_;
  Daemon daemon_;
  // Takes no new connections, and ends when the next one retires.
  Daemon retired_;
  std::thread reloader_;
};

absl::StatusOr<Daemon> ServerImpl::StartDaemon(const Certificates& certificates) {
  const bool plaintext = options_.tls.plaintext();
  // The daemon closes its own.
  const int fd = fcntl(socket_.fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return absl::UnavailableError("too many open files");
  std::vector<MHD_OptionItem> items = {
      {MHD_OPTION_LISTEN_SOCKET, fd, nullptr},
      {MHD_OPTION_THREAD_POOL_SIZE, kThreads, nullptr},
      {MHD_OPTION_CONNECTION_LIMIT, static_cast<intptr_t>(options_.connections_max), nullptr},
      {MHD_OPTION_PER_IP_CONNECTION_LIMIT, kConnectionsPerAddressMax, nullptr},
      {MHD_OPTION_CONNECTION_MEMORY_LIMIT, kHeaderBytesMax, nullptr},
      {MHD_OPTION_CONNECTION_TIMEOUT,
       static_cast<intptr_t>(absl::ToInt64Seconds(options_.idle_max)), nullptr},
      {MHD_OPTION_STRICT_FOR_CLIENT, 1, nullptr},
      {MHD_OPTION_NOTIFY_COMPLETED, reinterpret_cast<intptr_t>(&ServerImpl::OnEnd), this},
  };
  if (!plaintext) {
    const auto text = [](const std::string& pem) { return const_cast<char*>(pem.c_str()); };
    items.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, text(certificates.key)});
    items.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, text(certificates.chain)});
    items.push_back({MHD_OPTION_HTTPS_MEM_TRUST, 0, text(certificates.authorities)});
    items.push_back({MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>(kPriorities)});
  }
  items.push_back({MHD_OPTION_END, 0, nullptr});
  const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ITC |
                         (plaintext ? 0U : static_cast<unsigned>(MHD_USE_TLS));
  Daemon daemon(MHD_start_daemon(flags, 0, nullptr, nullptr, &ServerImpl::OnRequest, this,
                                 MHD_OPTION_ARRAY, items.data(), MHD_OPTION_END));
  if (daemon == nullptr) {
    // It has closed the socket that it was given.
    return absl::InvalidArgumentError(
        "the HTTP server does not start; are certificate_file and key_file what GnuTLS can use?");
  }
  return daemon;
}

absl::Status ServerImpl::Start() {
  Certificates certificates;
  if (!options_.tls.plaintext()) {
    absl::StatusOr<Certificates> read = ReadCertificates(options_.tls);
    if (!read.ok()) return read.status();
    certificates = *std::move(read);
  }
  absl::StatusOr<int> fd = Listen(options_.listen);
  if (!fd.ok()) return fd.status();
  socket_.fd = *fd;
  port_ = PortOf(*fd);
  certificates_.push_back(std::make_unique<Certificates>(std::move(certificates)));
  absl::StatusOr<Daemon> daemon = StartDaemon(*certificates_.back());
  if (!daemon.ok()) return daemon.status();
  daemon_ = *std::move(daemon);
  if (!options_.tls.plaintext()) reloader_ = std::thread([this] { ReloadForEver(); });
  return absl::OkStatus();
}

// A new daemon takes over the socket; the old one ends what it has.
void ServerImpl::ReloadForEver() {
  const absl::Duration interval =
      absl::Seconds(std::max<uint32_t>(options_.tls.reload_interval_seconds(), 1));
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&ending_), interval)) return;
    }
    // The one that retired an interval ago has had its time.
    if (retired_ != nullptr) {
      retired_.reset();
      certificates_.erase(certificates_.begin());
    }
    absl::StatusOr<Certificates> read = ReadCertificates(options_.tls);
    if (!read.ok()) {
      spdlog::error("console.tls: {}; the certificates in use stay",
                    std::string(read.status().message()));
      continue;
    }
    if (*read == *certificates_.back()) continue;
    auto next = std::make_unique<Certificates>(*std::move(read));
    absl::StatusOr<Daemon> daemon = StartDaemon(*next);
    if (!daemon.ok()) {
      spdlog::error("console.tls: {}; the certificates in use stay",
                    std::string(daemon.status().message()));
      continue;
    }
    const MHD_socket old = MHD_quiesce_daemon(daemon_.get());
    if (old != MHD_INVALID_SOCKET) close(old);
    retired_ = std::exchange(daemon_, *std::move(daemon));
    certificates_.push_back(std::move(next));
    spdlog::info("console.tls: took new certificates");
  }
}

struct Pairs {
  std::map<std::string, std::string> values;
  size_t count = 0;
};

MHD_Result TakePair(void* into, MHD_ValueKind /*kind*/, const char* name, size_t name_size,
                    const char* value, size_t value_size) {
  auto& pairs = *static_cast<Pairs*>(into);
  ++pairs.count;
  if (pairs.count > HttpServer::kPairsMax) return MHD_NO;
  pairs.values.emplace(std::string(name, name_size),
                       value == nullptr ? std::string() : std::string(value, value_size));
  return MHD_YES;
}

bool IsText(const std::map<std::string, std::string>& values) {
  for (const auto& [name, value] : values) {
    if (text::Utf8ValidBytes(name) != name.size() || text::Utf8ValidBytes(value) != value.size()) {
      return false;
    }
    if (value.find('\0') != std::string::npos) return false;
  }
  return true;
}

MHD_Result ServerImpl::Begin(MHD_Connection* connection, const char* url, const char* method,
                             void** state) {
  auto incoming = std::make_unique<Incoming>();
  Request& request = incoming->request;
  request.method = std::string_view(method) == "HEAD" ? "GET" : method;
  request.path = url;
  Pairs query;
  MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, &TakePair, &query);
  request.query = std::move(query.values);
  incoming->bad = query.count > kPairsMax || !IsText(request.query) ||
                  text::Utf8ValidBytes(request.path) != request.path.size();
  for (const char* const name : kHeaders) {
    const char* const value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    if (value != nullptr) request.headers[name] = value;
  }
  const char* const length =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
  uint64_t bytes = 0;
  if (length != nullptr && (!absl::SimpleAtoi(length, &bytes) || bytes > kBodyBytesMax)) {
    incoming->too_large = true;
  }
  *state = incoming.release();
  return MHD_YES;
}

MHD_Result ServerImpl::OnRequest(void* self, MHD_Connection* connection, const char* url,
                                 const char* method, const char* /*version*/,
                                 const char* upload_data, size_t* upload_data_size, void** state) {
  auto& server = *static_cast<ServerImpl*>(self);
  if (*state == nullptr) return server.Begin(connection, url, method, state);
  auto& incoming = *static_cast<Incoming*>(*state);
  if (*upload_data_size > 0) {
    if (incoming.body.size() + *upload_data_size > kBodyBytesMax) incoming.too_large = true;
    // What is too large is read to its end and kept nowhere.
    if (!incoming.too_large) incoming.body.append(upload_data, *upload_data_size);
    *upload_data_size = 0;
    return MHD_YES;
  }
  return server.Finish(connection, incoming);
}

void ServerImpl::OnEnd(void* /*self*/, MHD_Connection* /*connection*/, void** state,
                       MHD_RequestTerminationCode /*code*/) {
  delete static_cast<Incoming*>(*state);
  *state = nullptr;
}

MHD_Result ServerImpl::Finish(MHD_Connection* connection, Incoming& incoming) {
  Request& request = incoming.request;
  if (incoming.bad) return Refuse(connection, 400, "The address is not one that could be read.\n");
  if (request.method != "GET" && request.method != "POST") {
    return Refuse(connection, 405, "Only GET, HEAD and POST are served.\n");
  }
  if (incoming.too_large) return Refuse(connection, 413, "The request is too large.\n");
  if (request.method == "POST") {
    const char* const type =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    const std::string media = type == nullptr ? "" : absl::AsciiStrToLower(type);
    if (media.substr(0, media.find(';')) != "application/x-www-form-urlencoded") {
      return Refuse(connection, 415, "Only forms are taken.\n");
    }
    if (!ParseForm(incoming.body, kPairsMax, request.form) || !IsText(request.form)) {
      return Refuse(connection, 400, "The form is not one that could be read.\n");
    }
  }
  if (!options_.tls.plaintext()) {
    request.peer.tls = true;
    const MHD_ConnectionInfo* const info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info != nullptr) {
      request.peer.certificate_pem =
          VerifiedCertificate(static_cast<gnutls_session_t>(info->tls_session));
    }
  }
  return Send(connection, options_.handle(request));
}

MHD_Result ServerImpl::Refuse(MHD_Connection* connection, int status, std::string_view text) {
  ++refused_;
  return Send(connection, {.status = status,
                           .content_type = "text/plain; charset=utf-8",
                           .body = std::string(text),
                           .headers = {{"Cache-Control", "no-store"},
                                       {"X-Content-Type-Options", "nosniff"},
                                       {"Content-Security-Policy", "default-src 'none'"}}});
}

MHD_Result ServerImpl::Send(MHD_Connection* connection, const Response& response) {
  MHD_Response* const message = MHD_create_response_from_buffer(
      response.body.size(), const_cast<char*>(response.body.data()), MHD_RESPMEM_MUST_COPY);
  if (message == nullptr) return MHD_NO;
  bool ok = MHD_add_response_header(message, MHD_HTTP_HEADER_CONTENT_TYPE,
                                    response.content_type.c_str()) == MHD_YES;
  for (const auto& [name, value] : response.headers) {
    ok = ok && MHD_add_response_header(message, name.c_str(), value.c_str()) == MHD_YES;
  }
  const MHD_Result sent =
      ok ? MHD_queue_response(connection, static_cast<unsigned>(response.status), message) : MHD_NO;
  MHD_destroy_response(message);
  return sent;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(Options options) {
  auto server = std::make_unique<ServerImpl>(std::move(options));
  if (absl::Status s = server->Start(); !s.ok()) return s;
  return server;
}

}  // namespace skimwatch::console
