#include "agent/script/source/browser_report/report_endpoint.h"

#include <arpa/inet.h>
#include <string.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/memory/wipe.h"
#include "agent/script/approvals.h"
#include "agent/script/judge/script_version.h"
#include "agent/storage/checked_file.h"
#include "spdlog/spdlog.h"

namespace skimwatch::script {
namespace {

constexpr size_t kStateBytesMax = size_t{64} << 20;
// How long after the last time that it was saved: what was told soon, and when nothing was, only
// the times that scripts were last seen are new; more patiently after an error.
constexpr std::chrono::seconds kSaveAfterTold{1};
constexpr std::chrono::seconds kSaveEvery{300};
constexpr std::chrono::seconds kSaveAfterError{10};
constexpr std::chrono::seconds kAdvanceEvery{1};
// Of the room for what waits to be read, the part that one network may take.
constexpr size_t kNetworkShare = 4;

// Makes of a client what tells it apart and says nothing about it: the key never leaves the
// process.
class ReporterKey {
 public:
  ReporterKey() {
    std::random_device device;
    while (key_.size() < 32) key_.push_back(static_cast<char>(device() & 0xff));
  }

  Reporter Of(std::string_view address, std::string_view user_agent) const {
    const std::string network = NetworkOf(address);
    return {.network = Digest(network),
            .browser = Digest(absl::StrCat(network, "\n", std::string(user_agent)))};
  }

 private:
  uint64_t Digest(const std::string& text) const {
    const std::string digest = Sha256(absl::StrCat(key_, text));
    uint64_t value = 0;
    memcpy(&value, digest.data(), sizeof(value));
    return value;
  }

  // An IPv4 address, or the /56 of an IPv6 address: a home has more than one /64, and /56 is what
  // most have (RFC 6177, 2). What is neither is one.
  static std::string NetworkOf(std::string_view address) {
    constexpr size_t kMappedBytes = 12;
    constexpr size_t kNetworkBytes = 7;
    const std::string text(address);
    in_addr v4 = {};
    if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return text;
    in6_addr v6 = {};
    if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return "";
    const auto* const bytes = reinterpret_cast<const char*>(v6.s6_addr);
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      char mapped[INET_ADDRSTRLEN] = {};
      inet_ntop(AF_INET, bytes + kMappedBytes, mapped, sizeof(mapped));
      return mapped;
    }
    return std::string(bytes, kNetworkBytes);
  }

  std::string key_;
};

class EndpointImpl final : public ReportEndpoint, private ReportIntake {
 public:
  EndpointImpl(const Options& options, ReportSink& sink)
      : options_(options), sink_(sink), rate_(options.rate) {}
  ~EndpointImpl() override { Stop(); }

  absl::Status Open();
  void SetPolicy(const v1::Policy& policy) override;
  void Start() override { server_->Start(); }
  void Stop() override;
  int port() const override { return server_->port(); }
  Stats GetStats() const override;

 private:
  struct Submission {
    Reporter reporter;
    std::string body;
  };

  // On the server's thread.
  Reporter Identify(std::string_view address, std::string_view user_agent) override {
    return key_.Of(address, user_agent);
  }
  RequestOutcome Admit(const Reporter& reporter) override;
  RequestOutcome Submit(const Reporter& reporter, std::string& body) override;
  void Count(RequestOutcome outcome) override;

  absl::Status LoadState(BrowserState& state);
  void Run();
  void Work(std::deque<Submission>& submissions);
  void Save(bool in_any_case);

  const Options options_;
  ReportSink& sink_;
  const ReporterKey key_;
  RateLimit rate_;

  // Not absl's: its timed waits follow the host's clock, which can be set back.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<Submission> queue_;
  // Bodies that wait, and those being read; also by network.
  size_t queue_bytes_ = 0;
  absl::flat_hash_map<uint64_t, size_t> queue_bytes_of_;
  bool stopping_ = false;
  std::shared_ptr<const Approvals> approvals_;
  bool approvals_are_new_ = false;
  Stats stats_;

  // The reader's own.
  std::unique_ptr<ReportProcessor> processor_;
  // When it was tried last.
  std::optional<RateLimit::Clock::time_point> saved_;
  bool save_failed_ = false;
  uint64_t write_errors_ = 0;

  std::thread thread_;
  std::unique_ptr<serving::SocketServer> server_;
};

absl::Status EndpointImpl::LoadState(BrowserState& state) {
  absl::StatusOr<std::string> bytes = storage::ReadChecked(options_.state_path, kStateBytesMax);
  if (absl::IsNotFound(bytes.status())) return absl::OkStatus();
  if (bytes.ok() && state.ParseFromString(*bytes)) return absl::OkStatus();
  if (!bytes.ok() && !absl::IsDataLoss(bytes.status())) return bytes.status();
  state.Clear();
  const std::string aside = absl::StrCat(options_.state_path, ".damaged");
  if (rename(options_.state_path.c_str(), aside.c_str()) != 0) {
    return absl::InternalError(absl::StrCat(
        options_.state_path,
        ": is damaged and can't be set aside: ", std::generic_category().message(errno)));
  }
  spdlog::error("{}: is damaged and was set aside as {}; what browsers load is learned anew",
                options_.state_path, aside);
  stats_.states_set_aside = 1;
  return absl::OkStatus();
}

absl::Status EndpointImpl::Open() {
  BrowserState state;
  if (absl::Status s = LoadState(state); !s.ok()) return s;
  processor_ = std::make_unique<ReportProcessor>(options_.processor, state, sink_);
  thread_ = std::thread([this] { Run(); });
  absl::StatusOr<std::unique_ptr<serving::SocketServer>> server =
      serving::SocketServer::Listen({.listen = options_.listen,
                                     .allows_remote = options_.allows_remote,
                                     .connections_max = options_.connections_max,
                                     .protocol = "HTTP",
                                     .what = "reports"},
                                    [this](const serving::Peer& peer) {
                                      return CreateReportSession(*this, options_.session, peer);
                                    });
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

void EndpointImpl::SetPolicy(const v1::Policy& policy) {
  auto approvals = std::make_shared<const Approvals>(policy);
  const std::lock_guard<std::mutex> lock(mutex_);
  approvals_ = std::move(approvals);
  approvals_are_new_ = true;
  changed_.notify_one();
}

RequestOutcome EndpointImpl::Admit(const Reporter& reporter) {
  switch (rate_.Take(reporter.network, RateLimit::Clock::now())) {
    case RateLimit::Verdict::kClientLimit:
      return RequestOutcome::kClientLimit;
    case RateLimit::Verdict::kTotalLimit:
      return RequestOutcome::kTotalLimit;
    case RateLimit::Verdict::kAllowed:
      break;
  }
  return RequestOutcome::kAccepted;
}

RequestOutcome EndpointImpl::Submit(const Reporter& reporter, std::string& body) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (queue_bytes_ + body.size() > options_.queue_bytes_max) return RequestOutcome::kQueueFull;
  const auto [own, is_first] = queue_bytes_of_.try_emplace(reporter.network, 0);
  // One body always, however large.
  if (!is_first && own->second + body.size() > options_.queue_bytes_max / kNetworkShare) {
    return RequestOutcome::kClientLimit;
  }
  own->second += body.size();
  queue_bytes_ += body.size();
  stats_.bytes += body.size();
  queue_.push_back({.reporter = reporter, .body = std::exchange(body, {})});
  if (queue_.size() == 1) changed_.notify_one();
  return RequestOutcome::kAccepted;
}

void EndpointImpl::Count(RequestOutcome outcome) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++stats_.requests[static_cast<size_t>(outcome)];
}

void EndpointImpl::Work(std::deque<Submission>& submissions) {
  const absl::Time now = absl::Now();
  ReportProcessor::Counts counts{};
  absl::flat_hash_map<uint64_t, size_t> bytes_of;
  for (Submission& submission : submissions) {
    processor_->Process(submission.body, submission.reporter, now, counts);
    bytes_of[submission.reporter.network] += submission.body.size();
    memory::Wipe(submission.body);
  }
  const bool any = !submissions.empty();
  submissions.clear();
  processor_->Advance(now);
  Save(/*in_any_case=*/false);
  if (any) memory::WipeDeadStack();

  BrowserInventory& inventory = processor_->inventory();
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [network, bytes] : bytes_of) {
    queue_bytes_ -= bytes;
    const auto own = queue_bytes_of_.find(network);
    // Of bodies without bytes there may be nothing left.
    if (own == queue_bytes_of_.end()) continue;
    own->second -= bytes;
    if (own->second == 0) queue_bytes_of_.erase(own);
  }
  for (size_t i = 0; i < counts.size(); ++i) stats_.reports[i] += counts[i];
  if (any) stats_.last_report = now;
  stats_.scripts = inventory.scripts();
  stats_.pending_scripts = inventory.pending();
  stats_.learning = inventory.is_learning(now);
  stats_.changes = inventory.changes();
  stats_.write_errors = write_errors_;
}

void EndpointImpl::Save(bool in_any_case) {
  BrowserInventory& inventory = processor_->inventory();
  if (!inventory.changed()) return;
  const RateLimit::Clock::time_point now = RateLimit::Clock::now();
  const std::chrono::seconds after = save_failed_       ? kSaveAfterError
                                     : inventory.told() ? kSaveAfterTold
                                                        : kSaveEvery;
  if (!in_any_case && saved_.has_value() && now - *saved_ < after) return;
  saved_ = now;
  options_.before_save();
  const absl::Status status = storage::WriteChecked(
      options_.state_path, inventory.State().SerializeAsString(), /*durable=*/true);
  save_failed_ = !status.ok();
  if (status.ok()) return inventory.MarkSaved();
  ++write_errors_;
  spdlog::error("browser reports: {}", status.ToString());
}

void EndpointImpl::Run() {
  std::deque<Submission> submissions;
  RateLimit::Clock::time_point look_next;
  bool done = false;
  while (!done) {
    std::shared_ptr<const Approvals> approvals;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait_for(lock, kAdvanceEvery,
                        [&] { return stopping_ || !queue_.empty() || approvals_are_new_; });
      submissions.swap(queue_);
      if (std::exchange(approvals_are_new_, false)) approvals = approvals_;
      done = stopping_ && submissions.empty();
    }
    if (approvals != nullptr) processor_->inventory().SetApprovals(std::move(approvals));
    Work(submissions);
    // Walks over all scripts, so not for every report.
    if (RateLimit::Clock::now() < look_next) continue;
    look_next = RateLimit::Clock::now() + kAdvanceEvery;
    const uint64_t unapproved = processor_->inventory().unapproved();
    const std::lock_guard<std::mutex> lock(mutex_);
    stats_.unapproved_scripts = unapproved;
  }
  processor_->Flush();
  Save(/*in_any_case=*/true);
  memory::WipeDeadStack();
}

void EndpointImpl::Stop() {
  if (server_ != nullptr) server_->Stop();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

ReportEndpoint::Stats EndpointImpl::GetStats() const {
  Stats stats;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stats = stats_;
  }
  if (server_ != nullptr) stats.server = server_->GetStats();
  return stats;
}

}  // namespace

ReportEndpoint::Options ReportEndpoint::Options::FromConfig(
    const config::v1::BrowserReports& config, const std::string& state_directory) {
  Options options;
  options.listen = config.listen();
  options.allows_remote = config.allow_remote();
  options.connections_max = config.connections_max();
  options.queue_bytes_max = size_t{config.queue_mib()} << 20;
  options.session.client_header =
      config.client_header() == "none" ? "" : absl::AsciiStrToLower(config.client_header());
  options.session.body_bytes_max = config.body_bytes_max();
  const double per_minute = config.client_requests_per_minute();
  options.rate.client_rate = per_minute / 60;
  // What a page that has just been opened sends at once.
  options.rate.client_burst = std::max(10.0, per_minute / 6);
  options.rate.total_rate = config.requests_per_second();
  options.rate.total_burst = 2.0 * config.requests_per_second();
  options.processor.default_site = config.site();
  options.processor.pages.assign(config.pages().begin(), config.pages().end());
  options.processor.noise_hosts.assign(config.noise_hosts().begin(), config.noise_hosts().end());
  options.processor.browsers_min = config.browsers_min();
  options.processor.learning = absl::Hours(config.learn_hours());
  options.processor.fold_window = absl::Seconds(config.fold_window_seconds());
  options.processor.restore_after = absl::Seconds(config.restore_after_seconds());
  constexpr size_t kDigestBytes = 8;
  options.state_path =
      absl::StrCat(state_directory, "/",
                   absl::BytesToHexString(Sha256(config.site()).substr(0, kDigestBytes)), ".state");
  return options;
}

absl::StatusOr<std::unique_ptr<ReportEndpoint>> ReportEndpoint::Listen(const Options& options,
                                                                       ReportSink& sink) {
  auto endpoint = std::make_unique<EndpointImpl>(options, sink);
  if (absl::Status s = endpoint->Open(); !s.ok()) return s;
  return endpoint;
}

}  // namespace skimwatch::script
