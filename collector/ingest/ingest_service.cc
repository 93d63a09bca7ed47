#include "collector/ingest/ingest_service.h"

#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "collector/ingest/agent_stream.h"
#include "collector/ingest/committer.h"
#include "skimwatch/v1/ingest_service.grpc.pb.h"
#include "spdlog/spdlog.h"

namespace skimwatch::ingest {

class IngestService::Impl : public v1::IngestService::CallbackService, public StreamHost {
 public:
  explicit Impl(Options options)
      : options_(std::move(options)),
        committer_({.store = options_.store,
                    .feed = options_.feed,
                    .stats = options_.stats,
                    .health = options_.health,
                    .rules = options_.rules,
                    .delay = absl::Milliseconds(options_.config->ingest().commit_delay_ms()),
                    .now = options_.now,
                    .on_policy_change = [this] { PushPolicies(); }}) {}

  grpc::ServerBidiReactor<v1::StreamRequest, v1::StreamResponse>* Stream(
      grpc::CallbackServerContext* context) override {
    auto stream = std::make_shared<AgentStream>(this, context);
    absl::Status refusal;
    {
      absl::MutexLock lock(&mutex_);
      if (draining_) {
        refusal = absl::UnavailableError("the collector is shutting down");
      } else if (streams_.size() >= options_.config->ingest().streams_max()) {
        refusal = absl::ResourceExhaustedError(
            absl::StrCat("the collector has ", streams_.size(),
                         " streams, its limit (ingest.streams_max); try again later"));
      }
      streams_.emplace(stream.get(), stream);
      options_.stats->streams_open = static_cast<int64_t>(streams_.size());
    }
    stream->Start(refusal);
    return stream.get();
  }

  const Options& options() const override { return options_; }
  Committer& committer() override { return committer_; }

  absl::Status Register(const std::shared_ptr<AgentStream>& stream) override {
    std::shared_ptr<AgentStream> older;
    {
      absl::MutexLock lock(&mutex_);
      if (draining_) return absl::UnavailableError("the collector is shutting down");
      older = std::exchange(by_identity_[stream->identity()], stream);
    }
    if (older != nullptr) {
      ++options_.stats->streams_replaced;
      spdlog::warn(
          "agent '{}' connected anew: its older stream is ended; if this repeats, two agents use "
          "one certificate: give each agent a certificate of its own (docs/certificates.md)",
          stream->identity());
      older->Close(absl::AbortedError("a newer stream of this agent took over"),
                   /*after_acks=*/false);
    }
    return absl::OkStatus();
  }

  void Remove(AgentStream* stream) override {
    const std::string identity = stream->identity();
    // Let go after the lock is: it may be the last reference.
    std::shared_ptr<AgentStream> removed;
    absl::MutexLock lock(&mutex_);
    const auto it = streams_.find(stream);
    if (it == streams_.end()) return;
    removed = std::move(it->second);
    streams_.erase(it);
    options_.stats->streams_open = static_cast<int64_t>(streams_.size());
    const auto current = by_identity_.find(identity);
    if (current != by_identity_.end() && current->second.get() == stream) {
      by_identity_.erase(current);
      options_.agents->Disconnected(identity, options_.now());
      spdlog::info("agent '{}' disconnected", identity);
    }
  }

  void PushPolicies() {
    for (const std::shared_ptr<AgentStream>& stream : Streams()) stream->PushPolicy();
  }

  void Drain(absl::Duration timeout) {
    {
      absl::MutexLock lock(&mutex_);
      draining_ = true;
    }
    for (const std::shared_ptr<AgentStream>& stream : Streams()) {
      stream->Close(absl::UnavailableError("the collector is shutting down"),
                    /*after_acks=*/true);
    }
    const auto empty = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return streams_.empty(); };
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&empty), timeout);
  }

 private:
  std::vector<std::shared_ptr<AgentStream>> Streams() {
    absl::MutexLock lock(&mutex_);
    std::vector<std::shared_ptr<AgentStream>> streams;
    streams.reserve(streams_.size());
    for (const auto& [key, stream] : streams_) streams.push_back(stream);
    return streams;
  }

  const Options options_;
  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<AgentStream*, std::shared_ptr<AgentStream>> streams_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::shared_ptr<AgentStream>> by_identity_
      ABSL_GUARDED_BY(mutex_);
  // Last, so that it stops first: its callbacks use the streams.
  Committer committer_;
};

IngestService::IngestService(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
IngestService::~IngestService() = default;

grpc::Service* IngestService::service() { return impl_.get(); }
void IngestService::PushPolicies() { impl_->PushPolicies(); }
void IngestService::Drain(absl::Duration timeout) { impl_->Drain(timeout); }

}  // namespace skimwatch::ingest
