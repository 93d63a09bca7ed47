#include "collector/ingest/housekeeper.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "collector/exposure/close.h"
#include "spdlog/spdlog.h"

namespace skimwatch::ingest {
namespace {

// Small, so that a commit waits for a deletion no longer than for another commit.
constexpr uint64_t kFindingsPerStep = 1000;
constexpr uint32_t kExposuresPerStep = 100;
constexpr absl::Duration kBetweenSteps = absl::Milliseconds(50);

// The wall clock may be set back.
absl::Time MonotonicNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

Housekeeper::Housekeeper(Options options)
    : options_(std::move(options)), thread_([this] { Run(); }) {}

Housekeeper::~Housekeeper() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

bool Housekeeper::Pause(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stopping_), duration);
}

void Housekeeper::Run() {
  absl::Time clean_at = MonotonicNow() + options_.interval;
  while (true) {
    const bool stop = Pause(options_.interval);
    TryStore();
    if (absl::Status s = options_.agents->Flush(*options_.store); !s.ok()) {
      if (StoreHealth::IsStoreFailure(s)) {
        Note(s);
      } else {
        spdlog::warn("agents can't be written: {}", s.ToString());
      }
    }
    if (stop) return;
    if (MonotonicNow() < clean_at || !options_.health->Get().ok()) continue;
    Clean();
    clean_at = MonotonicNow() + options_.cleaning_interval;
  }
}

void Housekeeper::TryStore() {
  const auto put = [&](const std::string& value) {
    return options_.store->Write(
        [&](store::Transaction& transaction) { return transaction.PutSetting("probe", value); });
  };
  absl::Status status;
  if (options_.health->Get().ok()) {
    if (MonotonicNow() < probed_at_ + options_.probe_interval) return;
    status = put("");
  } else {
    // As large as a small commit, so that a byte of room does not pass for health.
    status =
        put(std::string(64 << 10, static_cast<char>('a' + absl::ToUnixSeconds(absl::Now()) % 26)));
    if (status.ok()) status = put("");
  }
  probed_at_ = MonotonicNow();
  Note(status);
}

void Housekeeper::Note(const absl::Status& status) {
  const bool was_ok = options_.health->Get().ok();
  options_.health->Set(status);
  if (status.ok() && !was_ok) spdlog::info("the store works again");
  if (!status.ok() && was_ok) {
    spdlog::warn("the store takes no writes, and findings wait with their agents: {}",
                 status.ToString());
  }
}

void Housekeeper::Clean() {
  while (true) {
    absl::StatusOr<uint64_t> deleted =
        options_.store->DeleteFindingsBefore(options_.now() - options_.retention, kFindingsPerStep);
    if (!deleted.ok()) {
      spdlog::warn("findings past retention can't be deleted: {}", deleted.status().ToString());
      return;
    }
    if (*deleted < kFindingsPerStep) break;
    if (Pause(kBetweenSteps)) return;
  }
  if (options_.quiet == absl::ZeroDuration()) return;
  while (true) {
    absl::StatusOr<uint32_t> closed =
        exposure::CloseQuiet(*options_.store, options_.quiet, kExposuresPerStep, options_.now());
    if (!closed.ok()) {
      spdlog::warn("quiet exposures can't be closed: {}", closed.status().ToString());
      return;
    }
    if (*closed < kExposuresPerStep || Pause(kBetweenSteps)) return;
  }
}

}  // namespace skimwatch::ingest
