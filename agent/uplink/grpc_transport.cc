#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "agent/uplink/transport.h"
#include "grpcpp/grpcpp.h"
#include "proto/tls/credentials.h"
#include "skimwatch/v1/ingest_service.grpc.pb.h"

namespace skimwatch::uplink {
namespace {

// A policy carries the approved scripts of whole sites.
constexpr int kMessageBytesMax = 64 << 20;
// A dead peer or path is noticed within a minute; collectors allow a ping every 10 s.
constexpr int kKeepaliveTimeMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
// One attempt to connect. The time between attempts is the uplink's own.
constexpr int kConnectMs = 20'000;

class GrpcStream : public Stream,
                   public grpc::ClientBidiReactor<v1::StreamRequest, v1::StreamResponse> {
 public:
  GrpcStream(std::shared_ptr<grpc::Channel> channel, StreamEvents* events)
      : stub_(v1::IngestService::NewStub(std::move(channel))), events_(events) {
    stub_->async()->Stream(&context_, this);
    // For writes, which begin outside of gRPC's callbacks.
    AddHold();
    StartRead(&response_);
    StartCall();
  }

  ~GrpcStream() override {
    if (!done_.HasBeenNotified()) Finish().IgnoreError();
  }

  void Write(const v1::StreamRequest& request) override {
    request_ = request;
    StartWrite(&request_);
  }

  void CloseWrites() override { StartWritesDone(); }

  absl::Status Finish() override {
    // Where the collector has ended the stream, its status stands and this changes nothing.
    if (!ended_.load()) context_.TryCancel();
    RemoveHold();
    done_.WaitForNotification();
    return absl::Status(static_cast<absl::StatusCode>(status_.error_code()),
                        status_.error_message());
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      ended_ = true;
      events_->OnClosed();
      return;
    }
    events_->OnMessage(std::move(response_));
    response_.Clear();
    StartRead(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (ok) events_->OnWritten();
  }

  void OnDone(const grpc::Status& status) override {
    status_ = status;
    done_.Notify();
  }

 private:
  const std::unique_ptr<v1::IngestService::Stub> stub_;
  StreamEvents* const events_;
  grpc::ClientContext context_;
  v1::StreamRequest request_;
  v1::StreamResponse response_;
  std::atomic<bool> ended_ = false;
  grpc::Status status_;
  absl::Notification done_;
};

class GrpcTransport : public Transport {
 public:
  explicit GrpcTransport(const config::v1::Collector& collector) : collector_(collector) {}

  absl::StatusOr<std::unique_ptr<Stream>> Connect(StreamEvents* events) override {
    if (credentials_ == nullptr) {
      absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> credentials =
          tls::ChannelCredentials(collector_.tls(), collector_.address());
      if (!credentials.ok()) return credentials.status();
      // Kept: they look at the files again by themselves.
      credentials_ = *std::move(credentials);
    }
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, kMessageBytesMax);
    // The time for one attempt, which gRPC takes from its own backoff.
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);
    // A channel an attempt, sharing nothing with the one before: the uplink's backoff is the only
    // one, and names are resolved anew.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // Findings go where the configuration says, not where a variable of the environment does.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    return std::make_unique<GrpcStream>(
        grpc::CreateCustomChannel(collector_.address(), credentials_, arguments), events);
  }

  std::string Identity() override {
    if (collector_.tls().plaintext()) return "";
    return tls::CertificateIdentity(collector_.tls().certificate_file()).value_or("");
  }

  absl::Status Diagnose() override {
    if (collector_.tls().plaintext()) return absl::OkStatus();
    absl::Status usable = tls::CheckCertificateFiles(collector_.tls(), absl::Now());
    return usable.ok() ? tls::CheckIssuer(collector_.tls()) : usable;
  }

 private:
  const config::v1::Collector collector_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
};

}  // namespace

std::unique_ptr<Transport> MakeGrpcTransport(const config::v1::Collector& collector) {
  return std::make_unique<GrpcTransport>(collector);
}

}  // namespace skimwatch::uplink
