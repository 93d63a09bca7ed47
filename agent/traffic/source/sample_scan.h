#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_SCAN_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/message.h"
#include "agent/traffic/site_map.h"
#include "skimwatch/v1/sample.pb.h"

namespace skimwatch::traffic {

// Where samples go. Called on the thread of the source.
class SampleTarget {
 public:
  virtual ~SampleTarget() = default;
  // Flows, to be decoded by the protocol that they turn out to have.
  virtual ByteFlowHandler& flows() = 0;
  // Messages and lines, as they stand.
  virtual MessageSink& messages() = 0;
  // The clock stands at `now`.
  virtual void Advance(absl::Time now) = 0;
};

// Turns samples of one source into flows, messages and lines. Thread-compatible; the source hands
// over the figures.
//
// Coverage: the `data` of a sample is what was seen, and is counted where it is scanned. What is no
// sample is counted as kUndecodableSample with all its bytes.
class SampleScan {
 public:
  struct Options {
    // How findings call what is at rest and names no file.
    std::string name;
    // Of samples that no site's hosts or services match.
    std::string site;
    std::shared_ptr<const SiteMap> sites;
    bool scan_inbound = false;
    // Flows open at once; the one that was silent longest makes room. At most what the target's
    // decoder keeps.
    size_t flows_max = 65536;
    absl::Duration flow_idle = absl::Seconds(300);
  };

  struct Stats {
    uint64_t samples = 0;
    // Of `data`.
    uint64_t bytes = 0;
    // What was no Sample, or made no sense.
    uint64_t invalid = 0;
    // Left out, since they were longer than the limit. The source counts these.
    uint64_t too_long = 0;
    uint64_t flows = 0;
    // Gauge.
    uint64_t flows_open = 0;
  };

  // `coverage` and `target` must outlive it.
  SampleScan(Options options, Coverage& coverage, SampleTarget& target);
  ~SampleScan();
  SampleScan(const SampleScan&) = delete;
  SampleScan& operator=(const SampleScan&) = delete;

  // Takes a sample that `writer` (a connection, a file) sent. INVALID_ARGUMENT says what is wrong
  // with it, without a value; then it is counted and left out.
  absl::Status Take(uint64_t writer, std::string_view encoded, absl::Time now);
  // Counts bytes of a sample that is longer than the source takes, and what is none.
  void Skipped(uint64_t bytes) { coverage_.Add(Reason::kTruncatedSampleLimit, bytes); }
  void Broken(uint64_t bytes) { coverage_.Add(Reason::kUndecodableSample, bytes); }
  void CountTooLong() { ++stats_.too_long; }
  // Ends the flows of a writer that is gone.
  void EndWriter(uint64_t writer, absl::Time now);
  // Ends flows that were silent for too long.
  void OnIdle(absl::Time now);
  // Ends all flows.
  void Flush(absl::Time now);

  const Stats& stats() const { return stats_; }

 private:
  using Key = std::pair<uint64_t, uint64_t>;
  struct Flow {
    uint64_t number = 0;
    // Of a stream at rest; others are the flow handler's.
    PartConsumer* part = nullptr;
    absl::Time last_seen;
    std::list<Key>::iterator place;
  };

  void TakeStream(uint64_t writer, const v1::Sample& sample, Direction direction,
                  absl::Time seen_at, absl::Time now);
  void TakeMessage(const v1::Sample& sample, Direction direction, absl::Time seen_at);
  void Begin(Flow& flow, const v1::Sample& sample, Direction direction, absl::Time seen_at);
  void Pass(Flow& flow, const v1::Sample& sample, Direction direction, absl::Time seen_at);
  void End(Flow& flow, absl::Time now);
  void EndOldest(absl::Time now);
  // `number` is of the flow or message, the unit that whoever sent it drew for.
  Provenance ProvenanceOf(const v1::Sample& sample, Direction direction, uint64_t number,
                          absl::Time seen_at) const;
  bool Scans(Direction direction) const;

  const Options options_;
  Coverage& coverage_;
  SampleTarget& target_;
  // Used again, so that small samples allocate little.
  v1::Sample sample_;
  // Begins anywhere, so that two sources do not number alike: a number says what was drawn for.
  uint64_t next_number_;
  // The one that was silent longest first.
  std::list<Key> by_age_;
  absl::flat_hash_map<Key, Flow> flows_;
  Stats stats_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_SCAN_H_
