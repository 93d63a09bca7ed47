#include "agent/traffic/source/mirror/copy_server.h"

#include <utility>

#include "agent/traffic/source/mirror/copy_queue.h"
#include "agent/traffic/source/mirror/http_session.h"
#include "agent/traffic/source/mirror/icap_session.h"

namespace skimwatch::traffic {
namespace {

class CopyServerImpl final : public CopyServer {
 public:
  CopyServerImpl(const Options& options, Coverage& coverage,
                 std::unique_ptr<ByteFlowHandler> handler)
      : options_(options),
        handler_(std::move(handler)),
        queue_(options.queue_bytes_max, coverage, *handler_) {}
  ~CopyServerImpl() override { Stop(); }

  absl::Status Bind() {
    const bool is_http = options_.protocol == Protocol::kHttp;
    absl::StatusOr<std::unique_ptr<serving::SocketServer>> server =
        serving::SocketServer::Listen({.listen = options_.listen,
                                       .allows_remote = options_.allows_remote,
                                       .connections_max = options_.connections_max,
                                       .idle_max = options_.idle_max,
                                       .protocol = is_http ? "HTTP or SPOE" : "ICAP",
                                       .what = "copies"},
                                      [this, is_http](const serving::Peer&) {
                                        ByteFlow info{.is_outbound = options_.is_outbound};
                                        return is_http ? CreateHttpSession(queue_, std::move(info))
                                                       : CreateIcapSession(queue_, std::move(info));
                                      });
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return absl::OkStatus();
  }

  void Start() override { server_->Start(); }
  void Stop() override {
    if (server_ != nullptr) server_->Stop();
    queue_.Stop();
  }
  int port() const override { return server_->port(); }
  Stats GetStats() const override { return server_->GetStats(); }

 private:
  const Options options_;
  const std::unique_ptr<ByteFlowHandler> handler_;
  CopyQueue queue_;
  std::unique_ptr<serving::SocketServer> server_;
};

}  // namespace

CopyServer::Options CopyServer::Options::FromConfig(const config::v1::HttpMirror& config) {
  return {.protocol = Protocol::kHttp,
          .listen = config.listen(),
          .allows_remote = config.allow_remote(),
          .is_outbound = config.direction() == "outbound",
          .connections_max = config.connections_max(),
          .queue_bytes_max = size_t{config.queue_mib()} << 20};
}

CopyServer::Options CopyServer::Options::FromConfig(const config::v1::IcapServer& config) {
  return {.protocol = Protocol::kIcap,
          .listen = config.listen(),
          .allows_remote = config.allow_remote(),
          .is_outbound = true,
          .connections_max = config.connections_max(),
          .queue_bytes_max = size_t{config.queue_mib()} << 20};
}

absl::StatusOr<std::unique_ptr<CopyServer>> CopyServer::Listen(
    const Options& options, Coverage& coverage, std::unique_ptr<ByteFlowHandler> handler) {
  auto server = std::make_unique<CopyServerImpl>(options, coverage, std::move(handler));
  if (absl::Status s = server->Bind(); !s.ok()) return s;
  return server;
}

}  // namespace skimwatch::traffic
