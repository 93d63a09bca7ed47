#include "tests/collector/support/agent_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "proto/tls/credentials.h"
#include "skimwatch/v1/ingest_service.grpc.pb.h"

namespace skimwatch::testing {

struct AgentClient::Impl {
  std::unique_ptr<v1::IngestService::Stub> stub;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<v1::StreamRequest, v1::StreamResponse>> stream;
  uint64_t acknowledged = 0;
  std::optional<grpc::Status> status;
};

config::v1::Tls Plaintext() {
  config::v1::Tls tls;
  tls.set_plaintext(true);
  return tls;
}

std::shared_ptr<grpc::Channel> ConnectTo(int port, const config::v1::Tls& tls) {
  return ConnectTo(absl::StrCat("127.0.0.1:", port), tls);
}

std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address, const config::v1::Tls& tls) {
  auto credentials = tls::ChannelCredentials(tls, address);
  EXPECT_TRUE(credentials.ok()) << credentials.status();
  if (!credentials.ok()) return nullptr;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, *credentials, arguments);
}

AgentClient::AgentClient(std::shared_ptr<grpc::Channel> channel, absl::Duration deadline)
    : impl_(std::make_unique<Impl>()) {
  impl_->stub = v1::IngestService::NewStub(std::move(channel));
  impl_->context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
  impl_->stream = impl_->stub->Stream(&impl_->context);
}

AgentClient::~AgentClient() {
  impl_->context.TryCancel();
  if (!impl_->status.has_value()) Finish();
}

v1::Hello AgentClient::MakeHello(uint64_t epoch) {
  v1::Hello hello;
  hello.set_version("test");
  hello.set_protocol_major(1);
  hello.set_epoch(epoch);
  hello.set_first_sequence(1);
  hello.add_sites("shop");
  return hello;
}

bool AgentClient::Send(const v1::StreamRequest& request) { return impl_->stream->Write(request); }

bool AgentClient::SendHello(uint64_t epoch) {
  v1::StreamRequest request;
  *request.mutable_hello() = MakeHello(epoch);
  return Send(request);
}

bool AgentClient::SendBatch(std::vector<v1::Finding> findings, std::vector<v1::LostRange> lost) {
  v1::StreamRequest request;
  for (v1::Finding& finding : findings) {
    *request.mutable_batch()->add_findings() = std::move(finding);
  }
  for (v1::LostRange& range : lost) *request.mutable_batch()->add_lost() = std::move(range);
  return Send(request);
}

void AgentClient::WritesDone() { impl_->stream->WritesDone(); }

std::optional<v1::StreamResponse> AgentClient::Read() {
  v1::StreamResponse response;
  if (!impl_->stream->Read(&response)) return std::nullopt;
  if (response.has_ack()) impl_->acknowledged = response.ack().committed_sequence();
  return response;
}

std::optional<v1::Welcome> AgentClient::ReadWelcome() {
  while (std::optional<v1::StreamResponse> response = Read()) {
    if (response->has_welcome()) return response->welcome();
  }
  return std::nullopt;
}

std::optional<v1::Policy> AgentClient::ReadPolicy() {
  while (std::optional<v1::StreamResponse> response = Read()) {
    if (response->has_policy()) return response->policy();
  }
  return std::nullopt;
}

bool AgentClient::ReadAckOf(uint64_t sequence) {
  while (impl_->acknowledged < sequence) {
    if (!Read().has_value()) return false;
  }
  return true;
}

uint64_t AgentClient::acknowledged() const { return impl_->acknowledged; }

int AgentClient::Finish(std::string* message) {
  while (Read().has_value()) {
  }
  if (!impl_->status.has_value()) impl_->status = impl_->stream->Finish();
  if (message != nullptr) *message = impl_->status->error_message();
  return impl_->status->error_code();
}

void AgentClient::Cancel() { impl_->context.TryCancel(); }

}  // namespace skimwatch::testing
