#include "agent/script/source/page/page_monitor.h"

#include <errno.h>
#include <stdio.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/script/approvals.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/judge/web_address.h"
#include "agent/script/source/page/browser_process.h"
#include "agent/script/source/page/page_inventory.h"
#include "agent/script/source/page/page_look.h"
#include "agent/script/source/page/page_state.pb.h"
#include "agent/script/version_store.h"
#include "agent/storage/checked_file.h"
#include "proto/text/printable.h"
#include "proto/validation/card_digits.h"
#include "spdlog/spdlog.h"

namespace skimwatch::script {
namespace {

constexpr size_t kStateBytesMax = size_t{256} << 20;
constexpr absl::Duration kRetry = absl::Minutes(10);

// What one look saw of a departure, as it may be told.
PageDeparture ToTell(const std::string& site, const PageInventory& inventory,
                     const std::string& run_id, const std::string& page_address,
                     const std::string& address, const std::string& method, std::string_view part) {
  PageDeparture told{.site = site,
                     .page = inventory.ShownPage(page_address),
                     .run_id = run_id,
                     .method = method,
                     .part = std::string(part)};
  const WebAddress to = ParseWebAddress(address);
  told.host = ShownHost(to.host);
  const size_t authority = to.base.find("://");
  const size_t begin = authority == std::string::npos ? 0 : authority + 3;
  const size_t slash = std::min(to.base.find('/', begin), to.base.size());
  told.destination = ShownHost(to.base.substr(begin, slash - begin));
  validation::MaskCardNumbers(told.destination);
  if (told.destination.empty()) told.destination = "unknown";
  told.path = to.base.substr(slash);
  return told;
}

void Add(const PageOmissions& one, PageOmissions& sum) {
  sum.scripts += one.scripts;
  sum.script_texts += one.script_texts;
  sum.requests += one.requests;
  sum.body_bytes += one.body_bytes;
  sum.departures += one.departures;
  sum.targets += one.targets;
  sum.messages += one.messages;
}

class Monitor final : public PageMonitor {
 public:
  Monitor(Options options, std::unique_ptr<VersionStore> versions, PageSink& sink)
      : options_(std::move(options)),
        sink_(sink),
        judge_(options_.judge),
        versions_(std::move(versions)) {}
  ~Monitor() override { Stop(); }

  absl::Status Load();

  void SetPolicy(const v1::Policy& policy) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    approvals_ = std::make_shared<const Approvals>(policy);
    changed_.notify_all();
  }

  void Start() override {
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  }

  void Stop() override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }

  Stats GetStats() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    Stats stats = stats_;
    const VersionStore::Stats versions = versions_->GetStats();
    stats.versions_bytes = versions.bytes;
    stats.write_errors += versions.write_errors;
    if (stats.last_error.empty()) stats.last_error = versions.last_error;
    return stats;
  }

 private:
  struct Check {
    config::v1::PageCheck config;
    std::string state_path;
    std::unique_ptr<PageInventory> inventory;
    uint64_t turn = 0;
    absl::Time last_success = absl::InfinitePast();
    absl::Time due = absl::InfinitePast();
  };

  void Run();
  void Look(size_t index);
  void Tell(const Check& check, const PageRun& run, CheckStats& stats);
  void Save(size_t index);
  // Gives approvals that came to the inventories, and counts anew.
  void TakeApprovals();

  const Options options_;
  PageSink& sink_;
  const ScriptJudge judge_;
  const std::unique_ptr<VersionStore> versions_;
  // The thread's own.
  std::vector<Check> checks_;
  std::atomic<bool> stopping_ = false;

  // Not absl's: its timed waits follow the host's clock, which can be set back.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::shared_ptr<const Approvals> approvals_;
  Stats stats_;
  std::thread thread_;
};

absl::Status Monitor::Load() {
  const absl::Time now = absl::Now();
  for (const config::v1::PageCheck& config : options_.pages.checks()) {
    Check check{.config = config,
                .state_path = absl::StrCat(options_.state_directory, "/", config.name(), ".page")};
    CheckStats stats{.name = config.name(),
                     .site = config.site(),
                     .next_due = now,
                     .interval = absl::Seconds(config.interval_seconds())};
    PageState state;
    absl::StatusOr<std::string> bytes = storage::ReadChecked(check.state_path, kStateBytesMax);
    const bool is_damaged =
        absl::IsDataLoss(bytes.status()) || (bytes.ok() && !state.ParseFromString(*bytes));
    if (is_damaged) {
      state.Clear();
      ++stats_.states_set_aside;
      spdlog::error("pages: {} is damaged; set aside, and what is on the page is proposed anew",
                    check.state_path);
      if (rename(check.state_path.c_str(), absl::StrCat(check.state_path, ".damaged").c_str()) !=
          0) {
        return absl::InternalError(absl::StrCat(
            check.state_path,
            ": is damaged and can't be set aside: ", std::generic_category().message(errno)));
      }
    } else if (!bytes.ok() && !absl::IsNotFound(bytes.status())) {
      return bytes.status();
    }
    check.turn = state.runs();
    if (state.last_success_seconds() > 0) {
      check.last_success = absl::FromUnixSeconds(state.last_success_seconds());
      check.due = check.last_success + absl::Seconds(config.interval_seconds());
      // Of a clock that was set back; and what was changed is to be seen at work.
      const bool is_changed = state.config_sha256() != Sha256(config.SerializeAsString());
      if (check.last_success > now || is_changed) check.due = now;
    }
    stats.last_success = check.last_success;
    stats.next_due = std::max(check.due, now);
    if (state.last_run_seconds() > 0) {
      stats.last_run = absl::FromUnixSeconds(state.last_run_seconds());
      // One that this program does not know went wrong in some way.
      stats.outcome = state.last_outcome() < static_cast<uint32_t>(PageOutcome::kCount)
                          ? static_cast<PageOutcome>(state.last_outcome())
                          : PageOutcome::kIncomplete;
    }
    stats.is_static = state.is_static();
    const size_t known = std::min(stats.looks.size(), static_cast<size_t>(state.looks_size()));
    std::copy_n(state.looks().begin(), known, stats.looks.begin());
    stats.looks_without_browser = state.looks_without_browser();
    const std::string site = config.site();
    check.inventory = std::make_unique<PageInventory>(
        PageInventory::Options{
            .site = site,
            .gone_after = config.gone_after_checks(),
            .third_party_frames = config.third_party_frames(),
            .path_template = options_.path_template,
            .is_site_host =
                [this, site](std::string_view host) { return options_.is_site_host(site, host); },
            .versions = versions_.get(),
            .judge = &judge_,
            .sink = &sink_},
        state);
    stats.scripts = check.inventory->scripts();
    stats.unapproved_scripts = check.inventory->unapproved();
    stats_.checks.push_back(std::move(stats));
    checks_.push_back(std::move(check));
  }
  versions_->DropUnheld();
  return absl::OkStatus();
}

void Monitor::TakeApprovals() {
  std::shared_ptr<const Approvals> approvals;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    approvals = std::exchange(approvals_, nullptr);
  }
  if (approvals == nullptr) return;
  for (size_t i = 0; i < checks_.size(); ++i) {
    Check& check = checks_[i];
    check.inventory->SetApprovals(approvals);
    if (check.inventory->changed()) Save(i);
    const uint64_t unapproved = check.inventory->unapproved();
    const std::lock_guard<std::mutex> lock(mutex_);
    stats_.checks[i].unapproved_scripts = unapproved;
  }
}

void Monitor::Run() {
  while (!stopping_) {
    TakeApprovals();
    const auto next =
        std::min_element(checks_.begin(), checks_.end(),
                         [](const Check& a, const Check& b) { return a.due < b.due; });
    if (next == checks_.end()) return;
    const absl::Duration wait = next->due - absl::Now();
    if (wait <= absl::ZeroDuration()) {
      Look(static_cast<size_t>(next - checks_.begin()));
      continue;
    }
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, absl::ToChronoMilliseconds(std::min(wait, absl::Minutes(1))),
                      [&] { return stopping_ || approvals_ != nullptr; });
  }
}

void Monitor::Look(size_t index) {
  Check& check = checks_[index];
  const std::string& site = check.config.site();
  const auto is_site_host = [&](std::string_view host) {
    return options_.is_site_host(site, host);
  };
  const std::string own_host = ParseWebAddress(check.config.url()).host;
  PageLookOptions look;
  look.check = check.config;
  look.browser = options_.pages.browser();
  look.turn = check.turn++;
  look.scan = options_.scan;
  look.brands = options_.brands;
  look.known_texts = check.inventory->KnownTexts();
  look.is_site_host = is_site_host;
  look.is_approved = [&](std::string_view host) {
    return host == own_host || is_site_host(host) ||
           MatchesHost(check.config.canary().destinations(), host) ||
           (options_.is_approved != nullptr && options_.is_approved(site, host));
  };
  std::string run_id;
  look.on_canary = [&](std::string_view id, std::string_view number) {
    run_id = id;
    sink_.OnCanaryTyped(site, check.inventory->ShownPage(check.config.url()), id, number);
  };
  look.on_card = [&](const DeparturePlace& place, const card::CardMatch& match) {
    sink_.OnCard(
        ToTell(site, *check.inventory, run_id, place.page, place.address, place.method, place.part),
        match);
  };
  look.stopping = [this] { return stopping_.load(); };
  const PageRun run = LookAtPage(look);
  // What was cut short by the agent's own end says nothing of the page.
  if (stopping_ && run.outcome == PageOutcome::kTimeout) return;
  TakeApprovals();
  check.inventory->Apply(run);
  CheckStats told;
  Tell(check, run, told);
  const absl::Time now = absl::Now();
  const absl::Duration interval = absl::Seconds(check.config.interval_seconds());
  if (run.outcome == PageOutcome::kOk) {
    check.last_success = now;
    check.due = run.started + interval;
  } else {
    check.due = now + std::min(interval, kRetry);
    spdlog::warn("pages: {}: {}: {}", check.config.name(), PageOutcomeName(run.outcome),
                 text::Printable(run.reason));
  }
  const uint64_t scripts = check.inventory->scripts();
  const uint64_t unapproved = check.inventory->unapproved();
  const auto outcome = static_cast<size_t>(run.outcome);
  std::unique_lock<std::mutex> lock(mutex_);
  CheckStats& stats = stats_.checks[index];
  ++stats.runs[outcome];
  ++stats.looks[outcome];
  if (run.outcome == PageOutcome::kOk && run.is_static) ++stats.looks_without_browser;
  stats.last_success = check.last_success;
  stats.last_run = now;
  stats.outcome = run.outcome;
  stats.next_due = check.due;
  stats.last_duration = run.duration;
  stats.last_load_time = run.load_time;
  stats.duration += run.duration;
  stats.memory_bytes_max = std::max(stats.memory_bytes_max, run.memory_bytes_max);
  stats.is_static = run.is_static;
  stats.last_reason = run.reason;
  stats.requests += run.requests;
  stats.stopped_requests += run.stopped_requests;
  stats.canary_departures += told.canary_departures;
  stats.undecoded_departures += told.undecoded_departures;
  Add(run.omissions, stats.omissions);
  stats.scripts = scripts;
  stats.unapproved_scripts = unapproved;
  stats.changes = check.inventory->changes();
  stats.scripts_left_out = check.inventory->left_out();
  lock.unlock();
  Save(index);
}

void Monitor::Tell(const Check& check, const PageRun& run, CheckStats& stats) {
  for (const SeenDeparture& seen : run.departures) {
    if (seen.approved) continue;
    PageDeparture told = ToTell(check.config.site(), *check.inventory, run.id, seen.page,
                                seen.address, seen.method, seen.part);
    told.has_canary = seen.has_canary;
    told.encodings = seen.encodings;
    told.script = check.inventory->NameOf(seen.page, seen.initiator);
    ++(seen.has_canary ? stats.canary_departures : stats.undecoded_departures);
    sink_.OnDeparture(told);
  }
}

void Monitor::Save(size_t index) {
  Check& check = checks_[index];
  // A crash between the two tells some changes again rather than none.
  if (options_.before_save != nullptr) options_.before_save();
  PageState state = check.inventory->State();
  state.set_check(check.config.name());
  state.set_runs(check.turn);
  state.set_config_sha256(Sha256(check.config.SerializeAsString()));
  if (check.last_success != absl::InfinitePast()) {
    state.set_last_success_seconds(absl::ToUnixSeconds(check.last_success));
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const CheckStats& stats = stats_.checks[index];
    if (stats.last_run != absl::InfinitePast()) {
      state.set_last_run_seconds(absl::ToUnixSeconds(stats.last_run));
      state.set_last_outcome(static_cast<uint32_t>(stats.outcome));
    }
    state.mutable_looks()->Assign(stats.looks.begin(), stats.looks.end());
    state.set_looks_without_browser(stats.looks_without_browser);
  }
  const absl::Status saved =
      storage::WriteChecked(check.state_path, state.SerializeAsString(), true);
  if (saved.ok()) {
    check.inventory->MarkSaved();
    return;
  }
  spdlog::error("pages: {}", saved.ToString());
  const std::lock_guard<std::mutex> lock(mutex_);
  ++stats_.write_errors;
  stats_.last_error = std::string(saved.message());
}

}  // namespace

bool MatchesHost(const google::protobuf::RepeatedPtrField<std::string>& patterns,
                 std::string_view host) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    if (!absl::StartsWith(pattern, "*.")) return pattern == host;
    return host.size() > pattern.size() - 1 && host.ends_with(std::string_view(pattern).substr(1));
  });
}

absl::StatusOr<std::unique_ptr<PageMonitor>> PageMonitor::Open(Options options, PageSink& sink) {
  absl::StatusOr<std::unique_ptr<VersionStore>> versions = VersionStore::Open(
      absl::StrCat(options.state_directory, "/versions"), options.versions_bytes_max);
  if (!versions.ok()) return versions.status();
  BrowserProcess::RemoveLeftBehind();
  auto monitor = std::make_unique<Monitor>(std::move(options), *std::move(versions), sink);
  if (absl::Status status = monitor->Load(); !status.ok()) return status;
  return monitor;
}

}  // namespace skimwatch::script
