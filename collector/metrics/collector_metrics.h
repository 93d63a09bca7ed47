#ifndef SKIMWATCH_COLLECTOR_METRICS_COLLECTOR_METRICS_H_
#define SKIMWATCH_COLLECTOR_METRICS_COLLECTOR_METRICS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "collector/ingest/ingest_stats.h"
#include "collector/ingest/store_health.h"
#include "collector/metrics/label_cap.h"
#include "collector/store/store.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace skimwatch::metrics {

// The collector's /metrics: a snapshot of the store and of the ingest's counters, taken anew for
// every scrape. What the store counts goes on where it was after a restart.
//
// A scrape costs two reads of the store and no lock that a commit takes. When the store can't be
// read, its families are left out, and skimwatch_store_errors_total says so. Thread-safe.
class CollectorMetrics : public prometheus::Collectable {
 public:
  struct Options {
    store::Store* store = nullptr;
    const ingest::IngestStats* stats = nullptr;
    const ingest::StoreHealth* health = nullptr;
    uint32_t sites_max = 100;
    uint32_t agents_max = 10'000;
    uint32_t pages_max = 1000;
    // When each of the collector's own certificates stops being valid, by name.
    std::map<std::string, std::function<absl::StatusOr<absl::Time>()>> certificates;
    std::string version;
    std::string revision;
  };

  explicit CollectorMetrics(Options options);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  using Families = std::vector<prometheus::MetricFamily>;

  absl::StatusOr<std::vector<v1::Agent>> ReadAgents() const;
  void AddFindings(const store::Summary& summary, const std::vector<v1::Agent>& agents,
                   Families& families) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddAgents(const std::vector<v1::Agent>& agents, Families& families) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of the payment pages that agents look at.
  void AddPages(const std::vector<v1::Agent>& agents, Families& families) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddIngest(Families& families) const;
  void AddStore(Families& families) const;

  const Options options_;
  mutable absl::Mutex mutex_;
  mutable LabelCap sites_ ABSL_GUARDED_BY(mutex_);
  mutable LabelCap agents_ ABSL_GUARDED_BY(mutex_);
  mutable LabelCap pages_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::metrics

#endif  // SKIMWATCH_COLLECTOR_METRICS_COLLECTOR_METRICS_H_
