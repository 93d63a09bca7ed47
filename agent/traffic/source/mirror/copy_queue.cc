#include "agent/traffic/source/mirror/copy_queue.h"

#include <string.h>

#include <utility>

#include "absl/time/clock.h"
#include "agent/memory/wipe.h"

namespace skimwatch::traffic {
namespace {

// What waits for time alone is looked at this often.
constexpr absl::Duration kIdle = absl::Milliseconds(100);

}  // namespace

CopyQueue::CopyQueue(size_t bytes_max, Coverage& coverage, ByteFlowHandler& handler)
    : bytes_max_(bytes_max), coverage_(coverage), handler_(handler), thread_([this] { Run(); }) {}

CopyQueue::~CopyQueue() { Stop(); }

uint64_t CopyQueue::Open(ByteFlow info) {
  absl::MutexLock lock(&mutex_);
  if (events_.size() >= kEventsMax) return kNoFlow;
  const uint64_t flow = next_flow_++;
  events_.push_back(
      {.kind = Kind::kOpen, .flow = flow, .info = std::make_unique<ByteFlow>(std::move(info))});
  return flow;
}

void CopyQueue::Data(uint64_t flow, bool from_client, std::string_view bytes) {
  if (bytes.empty()) return;
  absl::MutexLock lock(&mutex_);
  if (flow == kNoFlow || bytes_ + bytes.size() > bytes_max_) {
    coverage_.Add(Reason::kShedQueueFull, bytes.size());
    if (flow != kNoFlow) PushShed(flow, from_client, bytes.size());
    return;
  }
  Event event{.kind = Kind::kData, .from_client = from_client, .flow = flow, .size = bytes.size()};
  event.data = std::make_unique_for_overwrite<char[]>(bytes.size());
  memcpy(event.data.get(), bytes.data(), bytes.size());
  bytes_ += bytes.size();
  events_.push_back(std::move(event));
}

void CopyQueue::Missing(uint64_t flow, bool from_client, uint64_t bytes) {
  if (bytes == 0 || flow == kNoFlow) return;
  absl::MutexLock lock(&mutex_);
  PushShed(flow, from_client, bytes);
}

void CopyQueue::PushShed(uint64_t flow, bool from_client, uint64_t bytes) {
  // One event a gap, so that a flood of what is let go takes no room either.
  if (!events_.empty() && events_.back().kind == Kind::kShed && events_.back().flow == flow &&
      events_.back().from_client == from_client) {
    events_.back().size += bytes;
    return;
  }
  events_.push_back({.kind = Kind::kShed, .from_client = from_client, .flow = flow, .size = bytes});
}

void CopyQueue::End(uint64_t flow) {
  if (flow == kNoFlow) return;
  absl::MutexLock lock(&mutex_);
  events_.push_back({.kind = Kind::kEnd, .flow = flow});
}

void CopyQueue::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void CopyQueue::Run() {
  std::deque<Event> taken;
  bool stopping = false;
  while (!stopping || !taken.empty()) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(this, &CopyQueue::HasWork), kIdle);
      taken.swap(events_);
      stopping = stopping_;
    }
    const absl::Time now = absl::Now();
    if (taken.empty()) handler_.OnIdle(now);
    for (; !taken.empty(); taken.pop_front()) {
      Event& event = taken.front();
      HandOver(event, now);
      if (event.data == nullptr) continue;
      explicit_bzero(event.data.get(), event.size);
      absl::MutexLock lock(&mutex_);
      bytes_ -= event.size;
    }
    memory::WipeDeadStack();
  }
  handler_.Flush();
}

void CopyQueue::HandOver(Event& event, absl::Time now) {
  switch (event.kind) {
    case Kind::kOpen:
      return handler_.OnOpen(event.flow, *event.info, now);
    case Kind::kData:
      return handler_.OnData(event.flow, event.from_client, {event.data.get(), event.size}, now);
    case Kind::kShed:
      return handler_.OnShed(event.flow, event.from_client, event.size, now);
    case Kind::kEnd:
      return handler_.OnEnd(event.flow, now);
  }
}

}  // namespace skimwatch::traffic
