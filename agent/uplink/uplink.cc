#include "agent/uplink/uplink.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/uplink/backoff.h"
#include "agent/uplink/connection_hint.h"
#include "agent/uplink/file_system.h"
#include "agent/uplink/policy_file.h"
#include "agent/uplink/session.h"
#include "agent/uplink/spool.h"
#include "agent/uplink/transport.h"
#include "google/protobuf/util/time_util.h"
#include "proto/tls/certificate_files.h"
#include "proto/validation/finding.h"
#include "spdlog/spdlog.h"

namespace skimwatch::uplink {
namespace {

constexpr uint32_t kReconnectMaxDefaultSeconds = 60;
constexpr uint32_t kRebalanceDefaultMinutes = 30;
constexpr uint32_t kSpoolMibDefault = 256;
constexpr uint32_t kSegmentMibDefault = 8;
// A stream that lived this long was good, and the next attempt begins anew.
constexpr absl::Duration kGoodStream = absl::Seconds(10);
// What the collector may take to answer the end of the stream.
constexpr absl::Duration kCloseTimeout = absl::Seconds(2);
// Messages of the collector that wait for this thread.
constexpr size_t kInboxMax = 4096;
// Mended and invalid findings are all counted; the first are logged, and then one in many.
constexpr uint64_t kLoggedFirst = 10;
constexpr uint64_t kLoggedEvery = 1000;

uint64_t HostRandom() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

// Time that no one can set back, for everything that waits. Its zero means nothing.
absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

bool IsRefusal(const absl::Status& status) {
  return absl::IsPermissionDenied(status) || absl::IsUnauthenticated(status) ||
         absl::IsFailedPrecondition(status) || absl::IsUnimplemented(status) ||
         absl::IsInvalidArgument(status);
}

bool ShallLog(uint64_t count) { return count <= kLoggedFirst || count % kLoggedEvery == 0; }

// What wakes the uplink's thread, and what it finds then.
class Inbox : public StreamEvents {
 public:
  struct Contents {
    std::vector<v1::StreamResponse> messages;
    bool is_written = false;
    bool is_closed = false;
  };

  void OnMessage(v1::StreamResponse response) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    // A collector that floods its agent is cut off; nothing is lost but the stream.
    if (contents_.messages.size() >= kInboxMax) {
      contents_.is_closed = true;
    } else {
      contents_.messages.push_back(std::move(response));
    }
    WakeLocked();
  }
  void OnWritten() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    contents_.is_written = true;
    WakeLocked();
  }
  void OnClosed() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    contents_.is_closed = true;
    WakeLocked();
  }

  void Wake() {
    const std::lock_guard<std::mutex> lock(mutex_);
    WakeLocked();
  }

  // Returns what came, once something did, Wake was called or `deadline` has passed.
  Contents Wait(absl::Time deadline) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!awake_) {
      const absl::Duration left = deadline - SteadyNow();
      if (left <= absl::ZeroDuration()) break;
      // Never so long that the sum overflows.
      condition_.wait_for(lock, absl::ToChronoMicroseconds(std::min(left, absl::Hours(1))));
    }
    awake_ = false;
    return std::exchange(contents_, Contents());
  }

  void Clear() {
    const std::lock_guard<std::mutex> lock(mutex_);
    contents_ = Contents();
  }

 private:
  void WakeLocked() {
    awake_ = true;
    condition_.notify_one();
  }

  // Not absl's: its timed waits follow the host's clock, which can be set back.
  std::mutex mutex_;
  std::condition_variable condition_;
  bool awake_ = false;
  Contents contents_;
};

class UplinkImpl : public Uplink {
 public:
  UplinkImpl(Options options, std::unique_ptr<FileSystem> own_files,
             std::unique_ptr<Transport> own_transport, std::unique_ptr<Spool> spool)
      : options_(std::move(options)),
        own_files_(std::move(own_files)),
        own_transport_(std::move(own_transport)),
        spool_(std::move(spool)),
        backoff_(absl::Seconds(options_.collector.reconnect_max_seconds()), options_.random) {}

  ~UplinkImpl() override { Stop(absl::ZeroDuration()); }

  void LoadKeptPolicy();

  void Start() override {
    if (thread_.joinable() || stopped_) return;
    thread_ = std::thread([this] { Run(); });
  }

  absl::Status Append(std::vector<v1::Finding> findings) override;
  State GetState() const override;
  void Stop(absl::Duration timeout) override;

 private:
  void Run();
  // One stream from its attempt to its end; how it ended.
  absl::Status RunStream();
  absl::Status TalkUntilClosed(Stream& stream, Session& session);
  void TakePolicy(const v1::Policy& policy);
  void FillHeartbeat(v1::Heartbeat& heartbeat) const;
  // Counts of a session go into the state as they grow.
  void Publish(const Session& session);
  void NoteError(const absl::Status& status, std::string_view hint);
  // Waits before the next attempt; Stop cuts it short.
  void Pause(absl::Duration duration);
  bool IsDrained() const { return spool_->GetStats().pending == 0 && in_flight_.empty(); }
  bool ShallEnd() const;
  absl::Time StopBy() const {
    absl::MutexLock lock(&mutex_);
    return stop_by_;
  }

  // How long a stream may last, so that agents spread over their collectors anew.
  absl::Duration StreamAgeMax() const;
  // Where the last stream went to.
  std::string Peer() const {
    const std::string peer = options_.transport->Peer();
    return peer.empty() ? options_.collector.address() : peer;
  }

  const Options options_;
  const std::unique_ptr<FileSystem> own_files_;
  const std::unique_ptr<Transport> own_transport_;
  const std::unique_ptr<Spool> spool_;
  Inbox inbox_;
  std::thread thread_;
  bool stopped_ = false;

  // The thread's own.
  Backoff backoff_;
  InFlight in_flight_;
  uint64_t sent_before_ = 0;
  uint64_t acknowledged_before_ = 0;

  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time stop_by_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
};

void UplinkImpl::LoadKeptPolicy() {
  absl::StatusOr<v1::Policy> policy = LoadPolicy(*options_.files, options_.state_directory);
  if (!policy.ok()) {
    if (!absl::IsNotFound(policy.status())) {
      spdlog::error("policy not taken over from the last run: {}", policy.status().ToString());
    }
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    state_.policy_version = policy->version();
  }
  if (options_.on_policy) options_.on_policy(*policy);
}

absl::Status UplinkImpl::Append(std::vector<v1::Finding> findings) {
  std::vector<Spool::Record> records;
  records.reserve(findings.size());
  absl::Status invalid;
  uint64_t mended_count = 0;
  uint64_t invalid_count = 0;
  for (v1::Finding& finding : findings) {
    finding.clear_sequence();
    absl::StatusOr<std::vector<std::string>> mended = validation::MendFinding(finding);
    std::string payload;
    if (mended.ok()) {
      payload = finding.SerializeAsString();
      if (payload.size() > kPayloadBytesMax) {
        mended = absl::InvalidArgumentError(
            absl::StrCat("has ", payload.size(), " bytes, at most ", kPayloadBytesMax));
      }
    }
    absl::MutexLock lock(&mutex_);
    ++state_.received_findings;
    if (!mended.ok()) {
      ++invalid_count;
      invalid = mended.status();
      if (ShallLog(++state_.invalid_findings)) {
        spdlog::error("a finding can't be kept: {}", mended.status().ToString());
      }
      continue;
    }
    if (!mended->empty()) {
      ++mended_count;
      if (ShallLog(++state_.mended_findings)) {
        spdlog::warn("a finding of rule '{}' was mended before it was kept: {}", finding.rule(),
                     absl::StrJoin(*mended, ", "));
      }
    }
    records.push_back(
        {.severity = static_cast<uint32_t>(finding.severity()), .payload = std::move(payload)});
  }
  absl::Status status = spool_->Append(std::move(records));
  if (!status.ok()) NoteError(status, "");
  inbox_.Wake();
  if (!status.ok()) return status;
  if (invalid_count > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(invalid_count, " of ", findings.size(),
                     " findings can't be kept: ", std::string(invalid.message())));
  }
  return absl::OkStatus();
}

Uplink::State UplinkImpl::GetState() const {
  const Spool::Stats stats = spool_->GetStats();
  absl::MutexLock lock(&mutex_);
  State state = state_;
  state.appended_findings = stats.appended;
  state.pending_findings = stats.pending;
  state.evicted_segments = stats.evicted_segments;
  state.torn_tails = stats.torn_tails;
  state.spool_write_errors = stats.write_errors;
  state.spool.set_bytes(stats.bytes);
  state.spool.set_bytes_max(stats.bytes_max);
  state.spool.set_quarantined_segments(stats.quarantined_segments);
  for (uint32_t severity = 0; severity < kSeverities; ++severity) {
    // All severities from the start: an alert compares with what was there before.
    (*state.spool.mutable_dropped_findings())[static_cast<int32_t>(severity)] =
        stats.dropped[severity];
  }
  return state;
}

void UplinkImpl::NoteError(const absl::Status& status, std::string_view hint) {
  std::string text = status.ToString();
  if (!hint.empty()) absl::StrAppend(&text, "; ", std::string(hint));
  absl::MutexLock lock(&mutex_);
  if (text != state_.last_error) spdlog::warn("uplink: {}", text);
  state_.last_error = std::move(text);
  state_.last_error_at = absl::Now();
}

void UplinkImpl::Stop(absl::Duration timeout) {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    stop_by_ = SteadyNow() + timeout;
  }
  inbox_.Wake();
  if (thread_.joinable()) thread_.join();
  if (std::exchange(stopped_, true)) return;
  if (absl::Status status = spool_->Close(); !status.ok()) {
    spdlog::error("spool: {}", status.ToString());
  }
}

bool UplinkImpl::ShallEnd() const {
  absl::MutexLock lock(&mutex_);
  if (!stopping_) return false;
  return SteadyNow() >= stop_by_ || IsDrained();
}

void UplinkImpl::Pause(absl::Duration duration) {
  const absl::Time until = SteadyNow() + duration;
  bool was_stopping = false;
  {
    absl::MutexLock lock(&mutex_);
    was_stopping = stopping_;
  }
  while (SteadyNow() < until && !ShallEnd()) {
    absl::Time deadline = until;
    {
      absl::MutexLock lock(&mutex_);
      // One attempt at once when Stop is called, however long the wait was to be.
      if (stopping_ && !was_stopping) return;
      deadline = std::min(deadline, stop_by_);
    }
    inbox_.Wait(deadline);
  }
}

void UplinkImpl::Run() {
  while (!ShallEnd()) {
    const absl::Time started = SteadyNow();
    absl::Status status = RunStream();
    bool was_connected = false;
    {
      absl::MutexLock lock(&mutex_);
      was_connected = std::exchange(state_.connected, false);
      if (!was_connected && !stopping_) ++state_.connection_failures;
    }
    if (was_connected && SteadyNow() - started >= kGoodStream) backoff_.Reset();
    // The stream did all it could: the next epoch needs one of its own.
    if (status.ok()) continue;
    const bool refused = IsRefusal(status);
    const absl::Status own_fault =
        own_transport_ != nullptr ? own_transport_->Diagnose() : options_.transport->Diagnose();
    NoteError(status, ConnectionHint(status, own_fault, options_.collector, was_connected));
    Pause(refused ? backoff_.NextAfterRefusal() : backoff_.Next());
  }
}

absl::Status UplinkImpl::RunStream() {
  Transport& transport = *options_.transport;
  v1::Hello hello;
  hello.set_identity(transport.Identity());
  hello.set_version(options_.version);
  for (const std::string& site : options_.sites) hello.add_sites(site);
  for (const std::string& capability : options_.capabilities) hello.add_capabilities(capability);
  *hello.mutable_sent_at() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(absl::Now()));
  Session session(spool_.get(), &in_flight_, std::move(hello), SteadyNow());
  inbox_.Clear();
  sent_before_ = acknowledged_before_ = 0;
  absl::StatusOr<std::unique_ptr<Stream>> stream = transport.Connect(&inbox_);
  if (!stream.ok()) return stream.status();
  absl::Status status = TalkUntilClosed(**stream, session);
  Publish(session);
  const absl::Status end = (*stream)->Finish();
  // A broken protocol and a time-out are this side's to tell; otherwise the collector said why.
  if (absl::IsAborted(status)) {
    return end.ok() ? absl::UnavailableError("the collector closed the stream") : end;
  }
  return status;
}

absl::Duration UplinkImpl::StreamAgeMax() const {
  const absl::Duration mean =
      options_.rebalance.value_or(absl::Minutes(options_.collector.rebalance_minutes()));
  if (mean == absl::ZeroDuration() || !HasSeveralCollectors(options_.collector)) {
    return absl::InfiniteDuration();
  }
  // Not all agents at once.
  const double unit = static_cast<double>(options_.random() >> 11) * 0x1.0p-53;
  return mean * (0.75 + 0.5 * unit);
}

// ABORTED: closed by the other side. OK: there is nothing more to do on this stream.
absl::Status UplinkImpl::TalkUntilClosed(Stream& stream, Session& session) {
  bool may_write = true;
  bool closing = false;
  absl::Time close_by = absl::InfiniteFuture();
  const absl::Time leave_at = SteadyNow() + StreamAgeMax();
  while (true) {
    absl::Time now = SteadyNow();
    if (session.TimedOut(now)) {
      return absl::DeadlineExceededError(absl::StrCat(
          Peer(), ": no answer within ", absl::FormatDuration(Session::kWelcomeTimeout),
          "; is it a Skimwatch collector?"));
    }
    const bool end = ShallEnd();
    if (now >= close_by || now >= StopBy() || (end && !session.welcomed())) {
      return absl::OkStatus();
    }
    if (!closing && may_write) {
      if (end || session.IsOver() || (now >= leave_at && session.welcomed())) {
        closing = true;
        close_by = now + kCloseTimeout;
        stream.CloseWrites();
      } else if (std::optional<v1::StreamRequest> request = session.Next(now);
                 request.has_value()) {
        if (request->has_heartbeat()) FillHeartbeat(*request->mutable_heartbeat());
        may_write = false;
        stream.Write(*request);
        Publish(session);
      }
    }
    // The end of a write is an event; what is due meanwhile waits for it.
    absl::Time wake_at = may_write ? session.NextAt() : now + absl::Seconds(1);
    if (closing) wake_at = close_by;
    wake_at = std::min(wake_at, StopBy());
    Inbox::Contents contents = inbox_.Wait(wake_at);
    now = SteadyNow();
    if (contents.is_written) may_write = true;
    for (const v1::StreamResponse& response : contents.messages) {
      const bool was_welcomed = session.welcomed();
      if (absl::Status status = session.Take(response, now); !status.ok()) return status;
      if (response.has_policy()) TakePolicy(response.policy());
      if (session.has_progress()) backoff_.Reset();
      absl::MutexLock lock(&mutex_);
      if (response.has_ack()) state_.last_acknowledged_at = absl::Now();
      if (was_welcomed || !session.welcomed()) continue;
      state_.connected = true;
      state_.connected_since = absl::Now();
      state_.collector_version = response.welcome().collector_version();
      ++state_.connections;
      spdlog::info("uplink: connected to {}, version {}", Peer(), state_.collector_version);
    }
    Publish(session);
    if (contents.is_closed) return closing ? absl::OkStatus() : absl::AbortedError("closed");
  }
}

void UplinkImpl::Publish(const Session& session) {
  absl::MutexLock lock(&mutex_);
  state_.sent_findings += session.sent_findings() - sent_before_;
  state_.acknowledged_findings += session.acknowledged_findings() - acknowledged_before_;
  sent_before_ = session.sent_findings();
  acknowledged_before_ = session.acknowledged_findings();
}

void UplinkImpl::TakePolicy(const v1::Policy& policy) {
  absl::Status kept = SavePolicy(*options_.files, options_.state_directory, policy);
  // It holds for this run in any case.
  if (!kept.ok()) NoteError(kept, "the policy is in force but would not survive a restart");
  {
    absl::MutexLock lock(&mutex_);
    state_.policy_version = policy.version();
  }
  spdlog::info("uplink: policy version {} received", policy.version());
  if (options_.on_policy) options_.on_policy(policy);
}

void UplinkImpl::FillHeartbeat(v1::Heartbeat& heartbeat) const {
  if (options_.heartbeat) heartbeat = options_.heartbeat();
  const State state = GetState();
  *heartbeat.mutable_spool() = state.spool;
  heartbeat.set_policy_version(state.policy_version);
  *heartbeat.mutable_sent_at() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(absl::Now()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Uplink>> Uplink::Open(Options options) {
  for (const std::string& address : CollectorAddresses(options.collector)) {
    if (address.empty()) return absl::InvalidArgumentError("collector.address: required");
    absl::Status status = tls::CheckTransport(options.collector.tls(), address);
    if (!status.ok()) {
      return absl::Status(status.code(), absl::StrCat("collector.", std::string(status.message())));
    }
  }
  if (!options.collector.has_rebalance_minutes()) {
    options.collector.set_rebalance_minutes(kRebalanceDefaultMinutes);
  }
  if (options.collector.reconnect_max_seconds() == 0) {
    options.collector.set_reconnect_max_seconds(kReconnectMaxDefaultSeconds);
  }
  if (options.random == nullptr) options.random = HostRandom;
  std::unique_ptr<FileSystem> own_files;
  if (options.files == nullptr) {
    own_files = MakePosixFileSystem();
    options.files = own_files.get();
  }
  std::unique_ptr<Transport> own_transport;
  if (options.transport == nullptr) {
    own_transport = MakeGrpcTransport(options.collector, options.random);
    options.transport = own_transport.get();
  }

  const config::v1::Spool& config = options.spool;
  Spool::Options spool_options;
  spool_options.directory = config.directory().empty()
                                ? absl::StrCat(options.state_directory, "/spool")
                                : config.directory();
  const auto mib = [](uint32_t value, uint32_t standard) {
    return uint64_t{value == 0 ? standard : value} << 20;
  };
  spool_options.bytes_max = mib(config.size_mib(), kSpoolMibDefault);
  spool_options.segment_bytes = mib(config.segment_mib(), kSegmentMibDefault);
  spool_options.files = options.files;
  spool_options.random = options.random;
  absl::StatusOr<std::unique_ptr<Spool>> spool = Spool::Open(std::move(spool_options));
  if (!spool.ok()) return spool.status();
  auto uplink = std::make_unique<UplinkImpl>(std::move(options), std::move(own_files),
                                             std::move(own_transport), *std::move(spool));
  uplink->LoadKeptPolicy();
  return uplink;
}

}  // namespace skimwatch::uplink
