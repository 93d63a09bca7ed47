#ifndef SKIMWATCH_AGENT_PIPELINE_FINDING_WRITER_H_
#define SKIMWATCH_AGENT_PIPELINE_FINDING_WRITER_H_

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "agent/card/card_match.h"
#include "agent/card/mask.h"
#include "agent/pipeline/card_sighting.h"
#include "agent/pipeline/expected_flows.h"
#include "agent/pipeline/finding_folder.h"
#include "agent/pipeline/sampling_ledger.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::pipeline {

// The one way from the sensors to the spool: takes sightings and findings on any thread, and on a
// thread of its own masks and fingerprints the numbers, asks the policy whether the flow is
// expected, folds repeats and appends what remains in batches, each as one durable write.
//
// Add blocks while the queue is full, so that a disk that stalls slows the sources down, whose own
// queues count what they lose, rather than losing findings here. Until the first policy has brought
// a fingerprint key, sightings wait for it, at most `key_wait`; a card without a fingerprint can't
// be looked up afterwards.
//
// Thread-safe.
class FindingWriter {
 public:
  struct Options {
    card::MaskStyle mask = card::MaskStyle::kFirst6Last4;
    // What is below is counted, not reported.
    card::Confidence min_confidence = card::Confidence::kLow;
    bool report_test_cards = true;
    // Whether findings carry a fingerprint of the card; without, no key is waited for either.
    bool fingerprint = true;
    absl::Duration fold_window = absl::Seconds(10);
    // Of the configuration; the policy's are added.
    ExpectedFlows expected_flows;
    // Whether nobody approved the destination of what goes out; null for never. Called on the
    // writer's thread.
    std::function<bool(const SightingOrigin&)> is_unapproved;
    // Page and run of a canary card, by its digits: it is of no interest who else sends it, but
    // that it is there at all. Null for none. Called on the writer's thread.
    std::function<std::optional<v1::Canary>(absl::Span<const uint8_t>)> find_canary;
    absl::Duration key_wait = absl::Seconds(5);
    size_t queue_max = 8192;
    size_t fold_entries_max = 16384;
    size_t sampling_units_max = 65536;
    // Appends durably; Uplink::Append.
    std::function<absl::Status(std::vector<v1::Finding>)> append;
  };

  // What became of sightings.
  enum class Outcome : uint8_t {
    kReported,
    // Of a flow where cards belong: reported as such.
    kExpected,
    // Below `min_confidence`.
    kBelowConfidence,
    // A published test number, which the configuration does not want.
    kTestCard,
    kCount,
  };
  static std::string_view OutcomeName(Outcome outcome);

  struct Stats {
    // By confidence and outcome.
    std::array<std::array<uint64_t, static_cast<size_t>(Outcome::kCount)>, 3> sightings{};
    // Counted in another finding.
    uint64_t folded = 0;
    // Given to `append`, and of these in batches that it did not take whole.
    uint64_t appended = 0;
    uint64_t append_errors = 0;
    // Reported without a fingerprint for want of a key, though they should have one.
    uint64_t without_fingerprint = 0;
    // Time that sources waited because the queue was full.
    absl::Duration blocked;
    // Gauge.
    uint64_t queued = 0;
  };

  explicit FindingWriter(Options options);
  // Stops.
  ~FindingWriter();
  FindingWriter(const FindingWriter&) = delete;
  FindingWriter& operator=(const FindingWriter&) = delete;

  // A rule of the policy that can't be read is logged and left out.
  void SetPolicy(const v1::Policy& policy);

  void Add(CardSighting sighting);
  // Findings that hold no card; they are not folded.
  void Add(v1::Finding finding);

  // Returns once everything added before is appended, repeats that wait included.
  void Flush();

  // Appends what is queued and ends the thread. Idempotent. What is added afterwards is lost.
  void Stop();

  Stats GetStats() const;

 private:
  using Item = std::variant<CardSighting, v1::Finding>;

  void Push(Item item);
  void Run();
  // Whether the thread may take from the queue.
  bool MayTake() const;
  void TakePolicy();
  void Process(Item item, std::vector<v1::Finding>& out);
  void Report(CardSighting sighting, std::vector<v1::Finding>& out);

  const Options options_;
  // Tells cards apart where findings carry no fingerprint; never leaves the process.
  const v1::FingerprintKey own_key_;
  const std::chrono::steady_clock::time_point started_;

  // Not absl's: its timed waits follow the host's clock, which can be set back.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable room_;
  std::condition_variable flushed_;
  // Guarded by mutex_.
  std::deque<Item> queue_;
  // Items that ever went in and came out; a Flush is done when all that had gone in came out.
  uint64_t pushed_ = 0;
  uint64_t taken_ = 0;
  uint64_t flush_up_to_ = 0;
  uint64_t flushes_asked_ = 0;
  uint64_t flushes_done_ = 0;
  bool stopping_ = false;
  bool stopped_ = false;
  v1::FingerprintKey new_key_;
  ExpectedFlows new_flows_;
  bool policy_is_new_ = false;
  bool has_key_ = false;
  Stats stats_;

  // The thread's own.
  FindingFolder folder_;
  v1::FingerprintKey key_;
  ExpectedFlows flows_;
  SamplingLedger ledger_;
  // Of the batch at hand, to be added to stats_.
  Stats batch_;

  std::thread thread_;
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_FINDING_WRITER_H_
