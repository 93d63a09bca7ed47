#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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
// A dead peer or path is noticed within a minute, or within 15 s where there is another collector
// to go to; collectors allow a ping every 5 s.
constexpr int kKeepaliveTimeMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
constexpr int kKeepaliveTimeOfSeveralMs = 10'000;
constexpr int kKeepaliveTimeoutOfSeveralMs = 5'000;
// One attempt to connect. The time between attempts is the uplink's own.
constexpr int kConnectMs = 20'000;
constexpr int kConnectOfSeveralMs = 5'000;

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
  GrpcTransport(const config::v1::Collector& collector, std::function<uint64_t()> random)
      : collector_(collector),
        has_several_(HasSeveralCollectors(collector)),
        random_(std::move(random)),
        addresses_(CollectorAddresses(collector)),
        next_(addresses_.size()) {}

  absl::StatusOr<std::unique_ptr<Stream>> Connect(StreamEvents* events) override {
    TakeNextAddress();
    // Kept: they look at the files again by themselves.
    std::shared_ptr<grpc::ChannelCredentials>& credentials = credentials_[peer_];
    if (credentials == nullptr) {
      absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> made =
          tls::ChannelCredentials(collector_.tls(), peer_);
      if (!made.ok()) return made.status();
      credentials = *std::move(made);
    }
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                     has_several_ ? kKeepaliveTimeOfSeveralMs : kKeepaliveTimeMs);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                     has_several_ ? kKeepaliveTimeoutOfSeveralMs : kKeepaliveTimeoutMs);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, kMessageBytesMax);
    // The time for one attempt, which gRPC takes from its own backoff.
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                     has_several_ ? kConnectOfSeveralMs : kConnectMs);
    // A channel an attempt, sharing nothing with the one before: the uplink's backoff is the only
    // one, and names are resolved anew.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // Findings go where the configuration says, not where a variable of the environment does.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    return std::make_unique<GrpcStream>(grpc::CreateCustomChannel(peer_, credentials, arguments),
                                        events);
  }

  std::string Peer() override { return peer_; }

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
  void TakeNextAddress() {
    if (next_ >= addresses_.size()) {
      // Fisher and Yates.
      for (size_t i = addresses_.size(); i > 1; --i) {
        std::swap(addresses_[i - 1], addresses_[random_() % i]);
      }
      // Not the one that just failed.
      if (addresses_.size() > 1 && addresses_.front() == peer_) {
        std::swap(addresses_.front(), addresses_.back());
      }
      next_ = 0;
    }
    peer_ = addresses_[next_++];
  }

  const config::v1::Collector collector_;
  const bool has_several_;
  const std::function<uint64_t()> random_;
  std::vector<std::string> addresses_;
  size_t next_;
  std::string peer_;
  std::map<std::string, std::shared_ptr<grpc::ChannelCredentials>> credentials_;
};

}  // namespace

std::unique_ptr<Transport> MakeGrpcTransport(const config::v1::Collector& collector,
                                             std::function<uint64_t()> random) {
  return std::make_unique<GrpcTransport>(collector, std::move(random));
}

std::vector<std::string> CollectorAddresses(const config::v1::Collector& collector) {
  if (collector.addresses().empty()) return {collector.address()};
  return {collector.addresses().begin(), collector.addresses().end()};
}

bool HasSeveralCollectors(const config::v1::Collector& collector) {
  const std::vector<std::string> addresses = CollectorAddresses(collector);
  return addresses.size() > 1 || addresses.front().starts_with("dns:");
}

}  // namespace skimwatch::uplink
