#include "collector/token/key_source.h"

#include <utility>

#include "spdlog/spdlog.h"

namespace skimwatch::token {

KeySource::KeySource(Options options) : options_(std::move(options)), thread_([this] { Run(); }) {}

KeySource::~KeySource() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  thread_.join();
}

std::shared_ptr<const KeySet> KeySource::Get() const {
  absl::MutexLock lock(&mutex_);
  return options_.now() - loaded_at_ > options_.keep ? nullptr : keys_;
}

bool KeySource::Want() {
  absl::MutexLock lock(&mutex_);
  if (wanted_) return true;
  if (tried_ && options_.now() - tried_at_ < options_.wanted_min) return false;
  wanted_ = true;
  return true;
}

bool KeySource::AwaitFirstLoad(absl::Duration timeout) const {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&tried_), timeout);
}

void KeySource::Run() {
  const auto is_due = [this]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopped_ || wanted_; };
  while (true) {
    Load();
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&is_due), failed_ ? options_.retry : options_.refresh);
    if (stopped_) return;
  }
}

void KeySource::Load() {
  absl::StatusOr<std::string> text = options_.load();
  std::shared_ptr<const KeySet> keys;
  absl::Status status = text.status();
  if (status.ok()) {
    absl::StatusOr<KeySet> parsed = KeySet::Parse(*text);
    status = parsed.status();
    if (parsed.ok()) keys = std::make_shared<const KeySet>(*std::move(parsed));
  }
  bool was_failed = false;
  {
    absl::MutexLock lock(&mutex_);
    was_failed = failed_;
    tried_ = true;
    tried_at_ = options_.now();
    wanted_ = false;
    failed_ = !status.ok();
    if (keys != nullptr) {
      keys_ = keys;
      loaded_at_ = tried_at_;
    }
  }
  if (!status.ok()) {
    spdlog::warn("keys of {}: can't be loaded, those from before stay in force for {}: {}",
                 options_.name, absl::FormatDuration(options_.keep), status.ToString());
    return;
  }
  if (*text != text_ || was_failed) {
    spdlog::info("keys of {}: {} in force, {} of other kinds left out", options_.name, keys->size(),
                 keys->skipped());
  }
  text_ = *std::move(text);
}

}  // namespace skimwatch::token
