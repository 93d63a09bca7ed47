#include "agent/offline/finding_output.h"

#include <utility>

#include "absl/time/time.h"

namespace skimwatch::offline {
namespace {

// How soon who waits sees that the run was stopped.
constexpr absl::Duration kStopCheck = absl::Milliseconds(50);

}  // namespace

void FindingOutput::Put(std::string item) {
  std::string text;
  if (!begun_) text = writer_.Header();
  if (any_) text += writer_.Separator();
  begun_ = any_ = true;
  text += item;
  console_.Out(text);
}

void FindingOutput::PutWaiting(Waiting& waiting) {
  for (std::string& item : waiting.items) {
    waiting_bytes_ -= item.size();
    Put(std::move(item));
  }
  waiting.items.clear();
}

void FindingOutput::Write(uint64_t file, const Finding& finding) {
  std::string item = writer_.Item(finding);
  absl::MutexLock lock(&mutex_);
  if (!in_order_ || file == next_) {
    Put(std::move(item));
    return;
  }
  const auto has_room = [this, file]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return HasRoom(file); };
  const absl::Condition room(&has_room);
  while (!cancellation_.cancelled() && !mutex_.AwaitWithTimeout(room, kStopCheck)) {
  }
  if (file == next_) {
    Put(std::move(item));
    return;
  }
  waiting_bytes_ += item.size();
  waiting_[file].items.push_back(std::move(item));
}

void FindingOutput::EndFile(uint64_t file) {
  if (!in_order_) return;
  absl::MutexLock lock(&mutex_);
  if (file != next_) {
    waiting_[file].ended = true;
    return;
  }
  ++next_;
  for (auto it = waiting_.begin(); it != waiting_.end() && it->first == next_;) {
    PutWaiting(it->second);
    if (!it->second.ended) break;
    it = waiting_.erase(it);
    ++next_;
  }
}

void FindingOutput::Finish(const RunOutcome& outcome) {
  absl::MutexLock lock(&mutex_);
  for (auto& [file, waiting] : waiting_) PutWaiting(waiting);
  waiting_.clear();
  if (!writer_.is_document()) return;
  console_.Out((begun_ ? "" : writer_.Header()) + writer_.Footer(outcome));
  begun_ = true;
}

}  // namespace skimwatch::offline
