#ifndef SKIMWATCH_AGENT_PIPELINE_MESSAGE_SCANNER_H_
#define SKIMWATCH_AGENT_PIPELINE_MESSAGE_SCANNER_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/traffic/message.h"

namespace skimwatch::pipeline {

// Scans what one source's thread delivers: each part of a message is a stream of its own, and what
// is found goes to the FindingWriter with the part's provenance.
//
// Thread-compatible, one a source's thread; `stats()` may be called from anywhere. `brands` and
// `writer` must outlive it. Parts and scan streams are used again, so that steady traffic allocates
// nothing.
//
// A part that is silent for `settle_after` is decided as far as it came, so that a number in a
// stream that stays open is reported in time; the stream goes on and reports nothing twice.
class MessageScanner final : public traffic::MessageSink {
 public:
  struct Options {
    card::ScanOptions scan;
    std::chrono::milliseconds settle_after{300};
    // Scan streams kept at once. A part beyond that is scanned too: the stream of the part that was
    // silent longest is ended for it, and begins anew where that part goes on. Only a number that
    // straddles this moment is missed.
    size_t streams_max = 512;
  };

  struct Stats {
    uint64_t parts = 0;
    uint64_t bytes = 0;
    uint64_t matches = 0;
    absl::Duration scan_time;
    // Streams that were ended because `streams_max` were in use.
    uint64_t streams_ended_early = 0;
    // Whose encodings were not undone, since text around them asked for too much of it.
    uint64_t bytes_not_decoded = 0;
    // Gauge.
    uint64_t parts_open = 0;

    Stats& operator+=(const Stats& other);
  };

  MessageScanner(const Options& options, const card::BrandTable& brands, FindingWriter& writer);
  ~MessageScanner() override;

  traffic::PartConsumer* BeginPart(const traffic::Provenance& provenance,
                                   traffic::Part part) override;

  // The source's clock stands at `now`, which is when what follows was seen. Call it with the time
  // of packets, and from time to time when none come. Cheap.
  void Advance(absl::Time now);

  Stats stats() const;

 private:
  // For silence, since the source's clock can be set back.
  using Clock = std::chrono::steady_clock;
  class Consumer;
  friend class Consumer;

  std::unique_ptr<card::ScanStream> TakeStream();
  void GiveBack(std::unique_ptr<card::ScanStream> stream);
  // Moves `consumer` to the end of the list of those that hold a stream.
  void Touch(Consumer& consumer);
  void Remove(Consumer& consumer);
  void Release(Consumer& consumer);

  const Options options_;
  const card::BrandTable& brands_;
  FindingWriter& writer_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
  std::vector<Consumer*> free_consumers_;
  std::vector<std::unique_ptr<card::ScanStream>> free_streams_;
  size_t streams_made_ = 0;
  // Those with a stream, in the order of their last data.
  Consumer* oldest_ = nullptr;
  Consumer* newest_ = nullptr;
  absl::Time now_ = absl::InfinitePast();
  Clock::time_point looked_at_;

  std::atomic<uint64_t> parts_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> matches_{0};
  std::atomic<int64_t> scan_nanoseconds_{0};
  std::atomic<uint64_t> streams_ended_early_{0};
  std::atomic<uint64_t> bytes_not_decoded_{0};
  std::atomic<uint64_t> parts_open_{0};
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_MESSAGE_SCANNER_H_
