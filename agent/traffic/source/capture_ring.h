#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_CAPTURE_RING_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_CAPTURE_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/traffic/packet.h"
#include "agent/traffic/source/packet_filter.h"

namespace skimwatch::traffic {

// A packet socket and the ring that the kernel fills for it (packet(7), TPACKET_V3). Only Open
// needs CAP_NET_RAW. Errors do not name the interface; the caller does.
//
// Deliver is for one thread; all else is thread-safe, but that Map comes before it.
class CaptureRing {
 public:
  // After this long the kernel hands over a block that is not full.
  static constexpr absl::Duration kBlockTimeout = absl::Milliseconds(20);

  struct Statistics {
    uint64_t kernel_drops = 0;
    uint64_t freezes = 0;
  };

  // A socket that no packet reaches. PERMISSION_DENIED without CAP_NET_RAW.
  static absl::StatusOr<std::unique_ptr<CaptureRing>> Open();
  ~CaptureRing();
  CaptureRing(const CaptureRing&) = delete;
  CaptureRing& operator=(const CaptureRing&) = delete;

  // Takes `ring_bytes` of memory, in blocks that each have room for a packet of `packet_bytes`.
  absl::Status Map(size_t ring_bytes, size_t packet_bytes);
  // Holds for packets that arrive from then on.
  absl::Status SetFilter(const PacketFilter& filter);
  // Lets packets of an interface in. May be called again, for another, unless it joined a fanout.
  // On loopback every packet passes twice; `ignore_outgoing` takes it once.
  absl::Status Bind(int interface_index, bool ignore_outgoing);
  // Shares packets with other rings that are bound to the same interface, by flow; fragments are
  // put together first. Makes a group where `group` is 0, and sets it. The interface must be up.
  absl::Status JoinFanout(uint16_t& group, bool ignore_outgoing);

  // Passes the packets of the next full block to `handler`, and the block back to the kernel.
  // Returns false when there is none. Adds to `packets` as they are passed.
  bool Deliver(PacketHandler& handler, uint64_t& packets);

  // Readable when there is a block; an error when the interface goes down.
  int fd() const { return fd_; }
  // Takes the error that poll(2) told of.
  void ClearError();

  // Since Open.
  Statistics ReadStatistics();

 private:
  explicit CaptureRing(int fd) : fd_(fd) {}

  const int fd_;
  unsigned char* ring_ = nullptr;
  size_t block_bytes_ = 0;
  size_t blocks_ = 0;
  size_t next_block_ = 0;
  std::atomic<bool> ignore_outgoing_ = false;

  absl::Mutex mutex_;
  Statistics statistics_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_CAPTURE_RING_H_
