#include "collector/ingest/agent_stream.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "collector/ingest/admission.h"
#include "collector/ingest/sequence_check.h"
#include "collector/store/timestamp.h"
#include "proto/tls/credentials.h"
#include "proto/validation/finding.h"
#include "spdlog/spdlog.h"

namespace skimwatch::ingest {
namespace {

// Each invalid finding is counted; of one stream's, the first few are logged and then one in many.
constexpr uint64_t kInvalidLogged = 10;
constexpr uint64_t kInvalidLoggedEvery = 1000;
// Room in a message beside its findings.
constexpr uint32_t kMessageSlackBytes = 16 << 10;

absl::Time MonotonicNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace

AgentStream::AgentStream(StreamHost* host, grpc::CallbackServerContext* context)
    : host_(host), context_(context) {}

std::string AgentStream::identity() const {
  absl::MutexLock lock(&mutex_);
  return identity_;
}

void AgentStream::Start(const absl::Status& refusal) {
  if (!refusal.ok()) {
    ++host_->options().stats->streams_refused;
    Close(refusal, /*after_acks=*/false);
    return;
  }
  StartNextRead();
}

void AgentStream::Close(const absl::Status& status, bool after_acks) {
  absl::MutexLock lock(&mutex_);
  // A graceful end may yet become a hard one, not the other way round.
  if (finished_ || (closing_ && (after_acks || !close_after_acks_))) return;
  closing_ = true;
  close_after_acks_ = after_acks;
  final_status_ = status;
  MaybeFinish();
}

void AgentStream::MaybeFinish() {
  if (!closing_ || finished_ || writing_) return;
  if (close_after_acks_ && (in_flight_ > 0 || ack_due_)) return;
  finished_ = true;
  alarm_.Cancel();
  Finish(ToGrpc(final_status_));
}

void AgentStream::OnReadDone(bool ok) {
  const std::shared_ptr<AgentStream> self = shared_from_this();
  {
    absl::MutexLock lock(&mutex_);
    reading_ = false;
  }
  if (!ok) {
    // The agent has said all it had to say, or is gone.
    Close(absl::OkStatus(), /*after_acks=*/true);
    return;
  }
  if (absl::Status status = Handle(request_); !status.ok()) {
    spdlog::warn("stream of agent '{}' ({}) ends: {}", identity(), context_->peer(),
                 status.ToString());
    Close(status, /*after_acks=*/false);
    return;
  }
  if (hold_back_ <= absl::ZeroDuration()) {
    ReadOn();
    return;
  }
  ++host_->options().stats->rate_limited;
  absl::MutexLock lock(&mutex_);
  if (closing_) return;
  const absl::Duration wait = std::exchange(hold_back_, absl::ZeroDuration());
  alarm_.Set(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                          gpr_time_from_micros(absl::ToInt64Microseconds(wait), GPR_TIMESPAN)),
             [self](bool) { self->ReadOn(); });
}

void AgentStream::ReadOn() {
  {
    absl::MutexLock lock(&mutex_);
    if (closing_) return;
    if (in_flight_ >= kBatchesInFlightMax) {
      read_paused_ = true;
      return;
    }
  }
  host_->committer().WhenRoom([self = shared_from_this()] { self->StartNextRead(); });
}

void AgentStream::StartNextRead() {
  absl::MutexLock lock(&mutex_);
  if (closing_ || reading_) return;
  reading_ = true;
  StartRead(&request_);
}

absl::Status AgentStream::Handle(v1::StreamRequest& request) {
  bool admitted = false;
  {
    absl::MutexLock lock(&mutex_);
    admitted = admitted_;
  }
  if (request.has_hello()) {
    if (admitted) return absl::InvalidArgumentError("hello: came twice");
    absl::Status status = HandleHello(request.hello());
    if (!status.ok()) ++host_->options().stats->streams_refused;
    return status;
  }
  if (!admitted) return absl::InvalidArgumentError("hello: must come first");
  if (request.has_heartbeat()) return HandleHeartbeat(request.heartbeat());
  if (request.has_batch()) {
    absl::Status status = HandleBatch(*request.mutable_batch());
    if (!status.ok()) ++host_->options().stats->batches_rejected;
    return status;
  }
  // A message of a newer minor version.
  return absl::OkStatus();
}

absl::Status AgentStream::HandleHello(const v1::Hello& hello) {
  const IngestService::Options& options = host_->options();
  absl::StatusOr<std::string> identity = tls::PeerIdentity(*context_->auth_context());
  if (!identity.ok()) return identity.status();
  absl::Status status = Admit(hello, *identity);
  if (absl::IsPermissionDenied(status) || absl::IsFailedPrecondition(status)) {
    options.agents->Rejected(*identity, std::string(status.message()), options.now());
  }
  if (!status.ok()) return status;
  if (!options.health->Get().ok()) {
    return absl::UnavailableError("the collector's store fails; try again later");
  }
  absl::StatusOr<uint64_t> committed = options.store->CommittedSequence(*identity, hello.epoch());
  if (!committed.ok()) {
    // A database that went away shows here first where no other agent streams.
    if (StoreHealth::IsStoreFailure(committed.status())) options.health->Set(committed.status());
    return absl::UnavailableError("the collector's store fails");
  }
  received_ = *committed;
  absl::StatusOr<std::shared_ptr<const v1::Policy>> policy =
      options.policies->Get({hello.sites().begin(), hello.sites().end()});
  if (!policy.ok()) return absl::UnavailableError("the collector's store fails");

  epoch_ = hello.epoch();
  bucket_.emplace(options.config->ingest().findings_per_second_per_agent(), MonotonicNow());
  const uint64_t resume_after = received_;
  {
    absl::MutexLock lock(&mutex_);
    identity_ = *identity;
    sites_.assign(hello.sites().begin(), hello.sites().end());
    committed_ = resume_after;
  }
  if (status = host_->Register(shared_from_this()); !status.ok()) return status;
  std::optional<absl::Time> expiry;
  if (absl::StatusOr<absl::Time> time = tls::PeerCertificateExpiry(*context_->auth_context());
      time.ok()) {
    expiry = *time;
  }
  options.agents->Connected(*identity, hello, expiry, options.now());
  ++options.stats->streams_opened;
  spdlog::info("agent '{}' connected from {}, version {}, {} findings stored of its epoch",
               *identity, context_->peer(), hello.version(), resume_after);

  v1::Welcome welcome;
  welcome.set_collector_version(options.version);
  welcome.set_protocol_major(kProtocolMajor);
  welcome.set_protocol_minor(kProtocolMinor);
  welcome.set_committed_sequence(resume_after);
  welcome.set_heartbeat_interval_ms(options.config->ingest().heartbeat_interval_ms());
  welcome.set_batch_findings_max(kBatchFindingsMax);
  const uint32_t message_bytes = options.config->ingest().message_kib() << 10;
  welcome.set_batch_bytes_max(message_bytes - std::min(message_bytes / 2, kMessageSlackBytes));
  welcome.set_batches_in_flight_max(kBatchesInFlightMax);
  *welcome.mutable_sent_at() = store::ToTimestamp(options.now());
  {
    absl::MutexLock lock(&mutex_);
    admitted_ = true;
    welcome_ = std::move(welcome);
    policy_ = *policy;
    WriteNext();
  }
  // A decision may have come between reading the policy and being registered.
  PushPolicy();
  if (hello.first_sequence() > received_ + 1) {
    // The store is older than the agent's memory of it: what the spool forgot will never come.
    v1::LostRange lost;
    lost.set_first_sequence(received_ + 1);
    lost.set_last_sequence(hello.first_sequence() - 1);
    lost.set_reason("not_in_spool");
    received_ = lost.last_sequence();
    Commit({.range = {lost.first_sequence(), lost.last_sequence()}, .lost = {lost}});
  }
  return absl::OkStatus();
}

absl::Status AgentStream::Admit(const v1::Hello& hello, const std::string& identity) {
  if (absl::Status s = AdmitAgent(*host_->options().config, identity); !s.ok()) return s;
  if (absl::Status s = CheckHello(hello, identity); !s.ok()) return s;
  if (hello.first_sequence() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return absl::InvalidArgumentError("hello.first_sequence: beyond 2^63 - 1");
  }
  return absl::OkStatus();
}

absl::Status AgentStream::HandleHeartbeat(const v1::Heartbeat& heartbeat) {
  if (absl::Status s = CheckHeartbeat(heartbeat); !s.ok()) return s;
  host_->options().agents->Heartbeat(identity(), heartbeat, host_->options().now());
  // In case the store failed when a new one was to be sent.
  PushPolicy();
  return absl::OkStatus();
}

absl::Status AgentStream::HandleBatch(v1::FindingBatch& batch) {
  IngestStats& stats = *host_->options().stats;
  if (batch.findings_size() > static_cast<int>(kBatchFindingsMax)) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch.findings: ", batch.findings_size(), ", at most ", kBatchFindingsMax));
  }
  absl::StatusOr<SequenceRange> range = CheckSequences(batch, received_);
  if (!range.ok()) return range.status();
  hold_back_ = bucket_->Take(batch.findings_size(), MonotonicNow());
  CommitRequest request = {.range = *range, .bytes = batch.ByteSizeLong()};
  const std::string agent = identity();
  request.findings.reserve(batch.findings_size());
  for (v1::Finding& finding : *batch.mutable_findings()) {
    if (absl::Status s = validation::ValidateFinding(finding); !s.ok()) {
      ++stats.findings_invalid;
      if (invalid_findings_++ < kInvalidLogged || invalid_findings_ % kInvalidLoggedEvery == 0) {
        spdlog::warn("agent '{}', finding {}: left out as invalid: {}", agent, finding.sequence(),
                     s.ToString());
      }
      continue;
    }
    v1::StoredFinding& stored = request.findings.emplace_back();
    stored.mutable_finding()->Swap(&finding);
    stored.set_agent(agent);
    stored.set_epoch(epoch_);
  }
  request.lost.assign(batch.lost().begin(), batch.lost().end());
  received_ = std::max(received_, range->last);
  Commit(std::move(request));
  return absl::OkStatus();
}

void AgentStream::Commit(CommitRequest request) {
  request.epoch = epoch_;
  {
    absl::MutexLock lock(&mutex_);
    request.agent = identity_;
    ++in_flight_;
  }
  request.done = [self = shared_from_this()](const absl::StatusOr<uint64_t>& committed) {
    self->OnCommitted(committed);
  };
  host_->committer().Enqueue(std::move(request));
}

void AgentStream::OnCommitted(const absl::StatusOr<uint64_t>& committed) {
  bool resume = false;
  {
    absl::MutexLock lock(&mutex_);
    --in_flight_;
    if (committed.ok()) {
      committed_ = std::max(committed_, *committed);
      ack_due_ = true;
      resume = std::exchange(read_paused_, false);
      WriteNext();
      MaybeFinish();
    }
  }
  if (!committed.ok()) Close(committed.status(), /*after_acks=*/false);
  if (resume) ReadOn();
}

void AgentStream::PushPolicy() {
  std::vector<std::string> sites;
  {
    absl::MutexLock lock(&mutex_);
    if (!admitted_ || closing_) return;
    sites = sites_;
  }
  absl::StatusOr<std::shared_ptr<const v1::Policy>> policy =
      host_->options().policies->Get(std::move(sites));
  if (!policy.ok()) {
    spdlog::warn("agent '{}' does not get its policy yet: {}", identity(),
                 policy.status().ToString());
    return;
  }
  absl::MutexLock lock(&mutex_);
  const uint64_t known = policy_ != nullptr ? policy_->version() : policy_version_sent_;
  if ((*policy)->version() <= known) return;
  policy_ = *std::move(policy);
  WriteNext();
}

void AgentStream::WriteNext() {
  if (writing_ || finished_ || !admitted_) return;
  response_.Clear();
  if (welcome_.has_value()) {
    *response_.mutable_welcome() = *std::move(welcome_);
    welcome_.reset();
  } else if (policy_ != nullptr) {
    policy_version_sent_ = policy_->version();
    *response_.mutable_policy() = *policy_;
    policy_ = nullptr;
  } else if (ack_due_) {
    ack_due_ = false;
    response_.mutable_ack()->set_committed_sequence(committed_);
  } else {
    return;
  }
  writing_ = true;
  StartWrite(&response_);
}

void AgentStream::OnWriteDone(bool ok) {
  const std::shared_ptr<AgentStream> self = shared_from_this();
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) {
    // Nothing more gets through.
    ack_due_ = false;
    closing_ = true;
    close_after_acks_ = false;
  } else if (!closing_ || close_after_acks_) {
    WriteNext();
  }
  MaybeFinish();
}

void AgentStream::OnCancel() {
  Close(absl::CancelledError("the agent hung up"), /*after_acks=*/false);
}

void AgentStream::OnDone() {
  const std::shared_ptr<AgentStream> self = shared_from_this();
  alarm_.Cancel();
  host_->Remove(this);
}

}  // namespace skimwatch::ingest
