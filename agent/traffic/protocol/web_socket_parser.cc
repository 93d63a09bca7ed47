#include "agent/traffic/protocol/web_socket_parser.h"

#include "agent/traffic/protocol/web_socket_stream.h"

namespace skimwatch::traffic {
namespace {

class WebSocketParser final : public StreamParser {
 public:
  WebSocketParser(FlowContext& flow, const HttpRequest& request, const WebSocketCompression& client,
                  const WebSocketCompression& server)
      : client_(flow, Sender::kClient, request, client),
        server_(flow, Sender::kServer, request, server) {}

  // A gap has ended what was in progress.
  void Begin(Sender /*sender*/) override {}
  size_t Data(Sender sender, std::string_view bytes) override { return Of(sender).Data(bytes); }
  bool Gap(Sender sender, uint64_t bytes) override { return Of(sender).Gap(bytes); }
  void End(Sender sender) override { Of(sender).End(); }
  std::string_view TakeHeld(Sender sender) override { return Of(sender).TakeHeld(); }
  bool follows() const override { return true; }

 private:
  WebSocketStream& Of(Sender sender) { return sender == Sender::kClient ? client_ : server_; }

  WebSocketStream client_;
  WebSocketStream server_;
};

}  // namespace

std::unique_ptr<StreamParser> CreateWebSocketParser(FlowContext& flow, const HttpRequest& request,
                                                    std::string_view extensions) {
  return std::make_unique<WebSocketParser>(flow, request,
                                           WebSocketCompression::Of(extensions, Sender::kClient),
                                           WebSocketCompression::Of(extensions, Sender::kServer));
}

std::unique_ptr<StreamParser> CreateJoinedWebSocketParser(FlowContext& flow) {
  const WebSocketCompression compression{.deflate = true, .joined = true};
  return std::make_unique<WebSocketParser>(flow, HttpRequest(), compression, compression);
}

}  // namespace skimwatch::traffic
