#include "agent/budget_keeper.h"

#include <pthread.h>

#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/pipeline/process_usage.h"
#include "spdlog/spdlog.h"

namespace skimwatch::agent {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(1);
constexpr int kLooksPerDiskLook = 30;
// The share is logged when it has changed by this factor.
constexpr double kLogFactor = 4;

absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

uint64_t BytesBelow(const std::string& directory) {
  namespace fs = std::filesystem;
  uint64_t bytes = 0;
  std::error_code error;
  // Files come and go meanwhile.
  for (auto it = fs::recursive_directory_iterator(directory, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code gone;
    if (!it->is_regular_file(gone) || gone) continue;
    const uintmax_t size = it->file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

// The spool may be below the state directory.
std::vector<std::string> DirectoriesOf(const config::v1::AgentConfig& config) {
  std::vector<std::string> directories = {config.state_directory()};
  if (!config.spool().directory().starts_with(config.state_directory() + "/")) {
    directories.push_back(config.spool().directory());
  }
  return directories;
}

}  // namespace

BudgetKeeper::BudgetKeeper(const config::v1::AgentConfig& config,
                           std::shared_ptr<traffic::FlowSampler> sampler,
                           std::function<uint64_t()> dropped_packets)
    : budget_(config.budget()),
      directories_(DirectoriesOf(config)),
      sampler_(std::move(sampler)),
      dropped_packets_(std::move(dropped_packets)),
      controller_(pipeline::BudgetController::Options::FromConfig(config)) {
  sampler_->SetShares(controller_.shares());
  logged_share_ = sampler_->share(traffic::Priority::kNormal);
  state_.shares = controller_.shares();
}

BudgetKeeper::~BudgetKeeper() { Stop(); }

void BudgetKeeper::Start() {
  if (budget_.cpu_percent() == 0 && budget_.memory_mib() == 0 && budget_.disk_mib() == 0) return;
  thread_ = std::thread([this] { Run(); });
}

void BudgetKeeper::Stop() {
  if (!stop_.HasBeenNotified()) stop_.Notify();
  if (thread_.joinable()) thread_.join();
}

pipeline::AgentSnapshot::Budget BudgetKeeper::GetState() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

void BudgetKeeper::Run() {
  pthread_setname_np(pthread_self(), "budget");
  int looks = 0;
  do {
    Look();
    if (budget_.disk_mib() > 0 && looks++ % kLooksPerDiskLook == 0) LookAtDisk();
  } while (!stop_.WaitForNotificationWithTimeout(kLookEvery));
}

void BudgetKeeper::Look() {
  const absl::StatusOr<pipeline::ProcessLoad> load = pipeline::ReadProcessLoad();
  if (!load.ok()) return;
  controller_.Update({.now = SteadyNow(),
                      .cpu_seconds = load->cpu_seconds,
                      .resident_bytes = load->resident_bytes,
                      .dropped_packets = dropped_packets_()});
  sampler_->SetShares(controller_.shares());
  const double share = sampler_->share(traffic::Priority::kNormal);
  if (share * kLogFactor <= logged_share_ || share >= logged_share_ * kLogFactor ||
      (share == 1) != (logged_share_ == 1)) {
    spdlog::info(
        "budget: {:.3g} of the flows of normal priority are scanned ({:.3g} before); CPU {:.1f} % "
        "of a core, memory {} MiB",
        share, logged_share_, 100 * controller_.cpu_cores(), load->resident_bytes >> 20);
    logged_share_ = share;
  }
  absl::MutexLock lock(&mutex_);
  state_.shares = controller_.shares();
  if (budget_.cpu_percent() > 0) {
    state_.cpu_used_ratio = 100 * controller_.cpu_cores() / budget_.cpu_percent();
  }
  if (budget_.memory_mib() > 0) {
    state_.memory_used_ratio = static_cast<double>(load->resident_bytes) /
                               static_cast<double>(uint64_t{budget_.memory_mib()} << 20);
  }
}

void BudgetKeeper::LookAtDisk() {
  uint64_t bytes = 0;
  for (const std::string& directory : directories_) bytes += BytesBelow(directory);
  const double ratio =
      static_cast<double>(bytes) / static_cast<double>(uint64_t{budget_.disk_mib()} << 20);
  if (std::exchange(over_disk_, ratio > 1) != (ratio > 1)) {
    if (ratio > 1) {
      spdlog::warn(
          "budget: {} MiB are on disk where budget.disk_mib allows {}; lower spool.size_mib or "
          "raise the budget",
          bytes >> 20, budget_.disk_mib());
    } else {
      spdlog::info("budget: {} MiB are on disk, within budget.disk_mib again", bytes >> 20);
    }
  }
  absl::MutexLock lock(&mutex_);
  state_.disk_used_ratio = ratio;
}

}  // namespace skimwatch::agent
