#ifndef SKIMWATCH_AGENT_UPLINK_SESSION_H_
#define SKIMWATCH_AGENT_UPLINK_SESSION_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/uplink/spool.h"
#include "skimwatch/v1/ingest_service.pb.h"

namespace skimwatch::uplink {

inline constexpr uint32_t kProtocolMajor = 1;
inline constexpr uint32_t kProtocolMinor = 0;

// Batches that were put on a stream and not yet acknowledged. Outlives a stream, because only the
// next one's Welcome tells what became of them. Thread-compatible.
class InFlight {
 public:
  void Add(uint64_t epoch, uint64_t last_sequence, std::vector<uint64_t> sequences);
  // Returns how many findings are acknowledged by this.
  uint64_t Acknowledge(uint64_t epoch, uint64_t committed);
  void Clear() { batches_.clear(); }
  size_t size() const { return batches_.size(); }
  bool empty() const { return batches_.empty(); }

 private:
  struct Batch {
    uint64_t epoch = 0;
    uint64_t last_sequence = 0;
    std::vector<uint64_t> sequences;
    size_t acknowledged = 0;
  };
  std::deque<Batch> batches_;
};

// The protocol on one stream, without the stream: takes what the collector says, tells what to
// write next. Thread-compatible; the clock is its caller's.
class Session {
 public:
  // An attempt ends when no Welcome came by then.
  static constexpr absl::Duration kWelcomeTimeout = absl::Seconds(25);

  // `hello` lacks only the spool's position. Both pointers must outlive the session.
  Session(Spool* spool, InFlight* in_flight, v1::Hello hello, absl::Time now);

  // A Welcome or Ack. INVALID_ARGUMENT or UNIMPLEMENTED: the collector breaks the protocol, and the
  // stream must end.
  absl::Status Take(const v1::StreamResponse& response, absl::Time now);

  // What to write now, if anything. Call it until it gives nothing, once the one before is written.
  // A heartbeat is empty: its figures are the caller's.
  std::optional<v1::StreamRequest> Next(absl::Time now);
  // Next gave nothing and gives nothing before this time, unless something is appended or taken.
  absl::Time NextAt() const;

  bool welcomed() const { return welcomed_; }
  bool TimedOut(absl::Time now) const { return !welcomed_ && now >= welcome_by_; }
  // All of this stream's epoch is stored; what is left needs a new stream.
  bool IsOver() const { return welcomed_ && in_flight_->empty() && spool_->IsOver(epoch_); }

  uint64_t sent_findings() const { return sent_findings_; }
  uint64_t acknowledged_findings() const { return acknowledged_findings_; }
  // An Ack moved on: the stream is good for something.
  bool has_progress() const { return has_progress_; }

 private:
  absl::Status TakeWelcome(const v1::Welcome& welcome, absl::Time now);
  std::optional<v1::StreamRequest> NextBatch();

  Spool* const spool_;
  InFlight* const in_flight_;
  v1::Hello hello_;
  const absl::Time welcome_by_;
  bool hello_written_ = false;
  bool welcomed_ = false;
  bool has_progress_ = false;
  uint64_t epoch_ = 0;
  uint64_t last_sent_ = 0;
  absl::Duration heartbeat_interval_ = absl::Seconds(10);
  absl::Time heartbeat_at_;
  size_t batch_findings_max_ = 0;
  size_t batch_bytes_max_ = 0;
  size_t batches_in_flight_max_ = 0;
  uint64_t sent_findings_ = 0;
  uint64_t acknowledged_findings_ = 0;
};

}  // namespace skimwatch::uplink

#endif  // SKIMWATCH_AGENT_UPLINK_SESSION_H_
