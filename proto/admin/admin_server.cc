#include "proto/admin/admin_server.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "civetweb.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"

namespace skimwatch::admin {
namespace {

constexpr int kMethodNotAllowed = 405;
constexpr int kNotFound = 404;
constexpr int kUnavailable = 503;
constexpr int kInternalError = 500;
constexpr int kOk = 200;

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case kOk:
      return "OK";
    case kNotFound:
      return "Not Found";
    case kMethodNotAllowed:
      return "Method Not Allowed";
    case kUnavailable:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

// Civetweb takes more than addresses here (`80r,443s`), none of which is meant for this endpoint.
absl::Status CheckListen(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || colon == 0 || listen.find(',') != std::string::npos ||
      !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port > UINT16_MAX) {
    return absl::InvalidArgumentError(absl::StrCat(
        "metrics.listen: '", listen, "' is not `address:port`, such as 127.0.0.1:9465"));
  }
  return absl::OkStatus();
}

// The host to reach a server that listens on `listen` from the same machine.
std::string ConnectableHost(std::string_view listen) {
  std::string_view host = listen.substr(0, listen.rfind(':'));
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (host == "0.0.0.0") return "127.0.0.1";
  if (host == "::" || host == "+") return "::1";
  return std::string(host);
}

class CivetAdminServer : public AdminServer {
 public:
  explicit CivetAdminServer(Options options) : options_(std::move(options)) {}

  // The library's accepting thread looks for the order to stop when a connection comes, else only
  // every two seconds: so give it connections until it has seen it.
  ~CivetAdminServer() override {
    if (context_ == nullptr) return;
    std::atomic<bool> stopped = false;
    std::thread stopper([&] {
      mg_stop(context_);
      stopped = true;
    });
    const std::string host = ConnectableHost(options_.listen);
    while (!stopped) {
      char error[64] = {};
      mg_connection* connection =
          mg_connect_client(host.c_str(), port_, /*use_ssl=*/0, error, sizeof error);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      if (connection != nullptr) mg_close_connection(connection);
    }
    stopper.join();
  }

  absl::Status Listen() {
    if (absl::Status status = CheckListen(options_.listen); !status.ok()) return status;
    mg_callbacks callbacks = {};
    callbacks.begin_request = &CivetAdminServer::HandleRequest;
    // The library's own messages would go to standard error past the program's log.
    callbacks.log_message = [](const mg_connection*, const char*) { return 1; };
    const char* settings[] = {
        "listening_ports", options_.listen.c_str(),    "num_threads", "2",    "request_timeout_ms",
        "10000",           "enable_directory_listing", "no",          nullptr};
    std::array<char, 256> text = {};
    unsigned code = 0;
    mg_error_data error = {&code, text.data(), text.size()};
    mg_init_data init = {&callbacks, this, settings};
    context_ = mg_start2(&init, &error);
    if (context_ == nullptr) {
      return absl::UnavailableError(absl::StrCat("metrics.listen: can't listen on ",
                                                 options_.listen, ": ", text.data(),
                                                 "; is another program using the port?"));
    }
    mg_server_port port = {};
    if (mg_get_server_ports(context_, 1, &port) < 1) {
      return absl::InternalError("metrics.listen: the port listened on is unknown");
    }
    port_ = port.port;
    return absl::OkStatus();
  }

  int port() const override { return port_; }

 private:
  struct Answer {
    int status = kOk;
    std::string_view type = "text/plain; charset=utf-8";
    std::string body;
  };

  // Everything is answered here, so that the library never looks for a file.
  static int HandleRequest(mg_connection* connection) {
    const mg_request_info* request = mg_get_request_info(connection);
    const auto* self = static_cast<const CivetAdminServer*>(request->user_data);
    const std::string_view method =
        request->request_method != nullptr ? request->request_method : "";
    const std::string_view path = request->local_uri != nullptr ? request->local_uri : "";
    Answer answer;
    if (method != "GET" && method != "HEAD") {
      answer = {kMethodNotAllowed, answer.type, "only GET and HEAD\n"};
    } else {
      try {
        answer = self->Get(path);
      } catch (const std::exception& e) {
        answer = {kInternalError, answer.type, absl::StrCat("error: ", e.what(), "\n")};
      }
    }
    const std::string head = absl::StrCat(
        "HTTP/1.1 ", answer.status, " ", std::string(ReasonPhrase(answer.status)),
        "\r\nContent-Type: ", std::string(answer.type), "\r\nContent-Length: ", answer.body.size(),
        "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
    mg_write(connection, head.data(), head.size());
    if (method != "HEAD") mg_write(connection, answer.body.data(), answer.body.size());
    return answer.status;
  }

  Answer Get(std::string_view path) const {
    if (path == "/healthz") return {.body = "ok\n"};
    if (path == "/readyz") {
      const absl::Status status = options_.ready ? options_.ready() : absl::OkStatus();
      if (status.ok()) return {.body = "ready\n"};
      return {.status = kUnavailable, .body = absl::StrCat("not ready: ", status.message(), "\n")};
    }
    if (path == "/metrics") {
      std::vector<prometheus::MetricFamily> families;
      for (const auto& collectable : options_.collectables) {
        std::vector<prometheus::MetricFamily> part = collectable->Collect();
        families.insert(families.end(), std::make_move_iterator(part.begin()),
                        std::make_move_iterator(part.end()));
      }
      std::ostringstream text;
      prometheus::TextSerializer().Serialize(text, families);
      return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = std::move(text).str()};
    }
    return {.status = kNotFound, .body = "try /metrics, /healthz or /readyz\n"};
  }

  const Options options_;
  mg_context* context_ = nullptr;
  int port_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(Options options) {
  auto server = std::make_unique<CivetAdminServer>(std::move(options));
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  return server;
}

}  // namespace skimwatch::admin
