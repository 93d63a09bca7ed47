#ifndef SKIMWATCH_COLLECTOR_SINK_FEEDER_H_
#define SKIMWATCH_COLLECTOR_SINK_FEEDER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "collector/sink/filter.h"
#include "collector/sink/ocsf.h"
#include "collector/sink/sink.h"
#include "collector/store/store.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::sink {

// What one collector did for a sink since it started.
struct FeederCounters {
  std::atomic<uint64_t> findings_sent = 0;
  std::atomic<uint64_t> exposures_sent = 0;
  std::atomic<uint64_t> findings_filtered = 0;
  std::atomic<uint64_t> exposures_filtered = 0;
  std::array<std::atomic<uint64_t>, kReasonNames.size()> failures{};
  // This collector feeds it.
  std::atomic<bool> active = false;
};

// Brings what the store commits to one sink, in the order of commits, at least once: reads behind
// the writers, sends, and writes down how far it came, at most `save_interval` after it came there.
// What was sent and not written down when the collector dies is sent again, with the same ids.
//
// Of several collectors on one store, one feeds: the one whose name is in the sink's row. It shows
// that it lives by a number that it raises every `beat`; another one takes over when the number has
// stood still for `takeover` by its own clock, so clocks need not agree. Writing is refused to who
// has lost the row meanwhile (SinkProgress::term), who then stops.
//
// Ingest waits for none of this but the commits in which it is written down, each of a few rows.
// Owns two threads. Thread-safe.
class Feeder {
 public:
  struct Options {
    store::Store* store = nullptr;
    config::v1::Sink config;
    // Tells this collector from others of the store; the same after a restart.
    std::string collector;
    std::string version;
    std::function<absl::Time()> now = absl::Now;
    // How often the store is looked at when there is nothing to send.
    absl::Duration poll = absl::Milliseconds(250);
    absl::Duration save_interval = absl::Seconds(1);
    absl::Duration beat = absl::Seconds(3);
    absl::Duration takeover = absl::Seconds(15);
    // Between tries: from one to the other, doubled each time, and as much again by chance.
    absl::Duration backoff_min = absl::Milliseconds(500);
    absl::Duration backoff_max = absl::Minutes(1);
  };

  Feeder(Options options, std::unique_ptr<Sink> sink);
  // Writes down how far it came, and lets others have the sink.
  ~Feeder();
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;

  const std::string& name() const { return options_.config.name(); }
  const FeederCounters& counters() const { return counters_; }

 private:
  void Run();
  void Beats();
  // Waits; true when it is time to stop.
  bool Pause(absl::Duration duration);
  // Whether the sink is ours, trying to take it where it is not.
  bool Hold();
  absl::Status Take(const store::SinkState& seen, bool& taken);
  // Sends what is next. False when there was nothing, or it did not work out.
  bool Step();
  // Adds what is to be sent of exposures, and notes what will have been.
  absl::Status AddExposures(const store::Changes& changes, std::vector<Event>& events,
                            std::vector<store::SentExposure>& noted);
  // Decides about one.
  void AddExposure(store::ExposureRevision revision, std::vector<Event>& events,
                   std::vector<store::SentExposure>& noted);
  // Until all are taken or set aside. False when it is time to stop, or the sink is another's.
  bool Deliver(const std::vector<Event>& events);
  // Why a try failed, for the counters and the log.
  void Report(const Failure& failure);
  void ReportStore(const absl::Status& status);
  bool Save(bool release = false);
  bool MayGoOn();

  const Options options_;
  const std::unique_ptr<Sink> sink_;
  const Filter filter_;
  bool with_findings_ = true;
  bool with_exposures_ = true;
  FeederCounters counters_;

  // Of the thread that feeds.
  std::optional<OcsfWriter> writer_;
  std::vector<store::CommitPosition> positions_;
  store::SinkProgress unsaved_;
  bool dirty_ = false;
  bool save_failed_ = false;
  // Whoever has the sink when it is another, and since when it looks so.
  store::SinkState watched_;
  absl::Time watched_since_;
  std::minstd_rand random_;
  absl::Time reported_at_ = absl::InfinitePast();

  // The term under which it is ours; 0 for not.
  std::atomic<uint64_t> term_ = 0;
  std::atomic<bool> lost_ = false;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time saved_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::thread thread_;
  std::thread beats_;
};

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_FEEDER_H_
