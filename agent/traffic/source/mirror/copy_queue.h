#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_COPY_QUEUE_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_COPY_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/coverage.h"

namespace skimwatch::traffic {

// Takes copied bytes off a server's thread, so that an answer never waits for a scan, and hands
// them to a ByteFlowHandler on a thread of its own, in order.
//
// Bounded: bytes for which there is no room are counted as kShedQueueFull, and handed over as their
// number, in their place; a flow that opens while as many events wait as may is let go as a whole.
// What was handed over is wiped. Open, Data, Missing and End are for one thread, the server's.
class CopyQueue {
 public:
  static constexpr size_t kEventsMax = 65536;

  // `coverage` and `handler` must outlive the queue.
  CopyQueue(size_t bytes_max, Coverage& coverage, ByteFlowHandler& handler);
  ~CopyQueue();
  CopyQueue(const CopyQueue&) = delete;
  CopyQueue& operator=(const CopyQueue&) = delete;

  uint64_t Open(ByteFlow info);
  void Data(uint64_t flow, bool from_client, std::string_view bytes);
  // Bytes that the flow is said to have had in this place and that never came, so are not counted.
  void Missing(uint64_t flow, bool from_client, uint64_t bytes);
  void End(uint64_t flow);

  // Hands over what is there, flushes the handler, and ends the thread. Idempotent.
  void Stop();

 private:
  enum class Kind : uint8_t { kOpen, kData, kShed, kEnd };
  struct Event {
    Kind kind = Kind::kEnd;
    bool from_client = false;
    uint64_t flow = 0;
    // Bytes of `data`, or of what was let go.
    uint64_t size = 0;
    std::unique_ptr<char[]> data;
    std::unique_ptr<ByteFlow> info;
  };

  void Run();
  // Hands over a number of bytes in their place.
  void PushShed(uint64_t flow, bool from_client, uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HandOver(Event& event, absl::Time now);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !events_.empty();
  }

  // What Open gives for a flow that is let go.
  static constexpr uint64_t kNoFlow = 0;

  const size_t bytes_max_;
  Coverage& coverage_;
  ByteFlowHandler& handler_;
  uint64_t next_flow_ = 1;

  absl::Mutex mutex_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  // Data of all events, those being handed over included.
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_COPY_QUEUE_H_
