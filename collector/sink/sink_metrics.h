#ifndef SKIMWATCH_COLLECTOR_SINK_SINK_METRICS_H_
#define SKIMWATCH_COLLECTOR_SINK_SINK_METRICS_H_

#include <functional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "collector/sink/feeder.h"
#include "collector/store/store.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace skimwatch::sink {

// Sinks on /metrics. How far one lags is read from the store, so that every collector of the store
// says the same of it, whichever feeds it; what was sent is what this collector sent. Thread-safe.
// The feeders must outlive it.
class SinkMetrics : public prometheus::Collectable {
 public:
  SinkMetrics(store::Store* store, std::vector<const Feeder*> feeders,
              std::function<absl::Time()> now)
      : store_(store), feeders_(std::move(feeders)), now_(std::move(now)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  store::Store* const store_;
  const std::vector<const Feeder*> feeders_;
  const std::function<absl::Time()> now_;
};

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_SINK_METRICS_H_
