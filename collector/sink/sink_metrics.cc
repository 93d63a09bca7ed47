#include "collector/sink/sink_metrics.h"

#include <algorithm>
#include <string>

#include "proto/admin/family_builder.h"

namespace skimwatch::sink {

using admin::FamilyBuilder;
using prometheus::MetricType;

std::vector<prometheus::MetricFamily> SinkMetrics::Collect() const {
  FamilyBuilder lag("skimwatch_sink_lag_seconds",
                    "Age of the oldest commit that a sink has not been sent; 0 when it has all. "
                    "When it grows, look at skimwatch_sink_errors_total and the log.",
                    MetricType::Gauge);
  FamilyBuilder behind("skimwatch_sink_lag_findings",
                       "Findings that a sink has not been sent yet. They wait in the store until "
                       "store.retention_days have passed.",
                       MetricType::Gauge);
  FamilyBuilder missed("skimwatch_sink_missed_findings_total",
                       "Findings that retention deleted before a sink was sent them. They are lost "
                       "to it; skimwatchctl reports still count them in their exposures.",
                       MetricType::Counter);
  FamilyBuilder set_aside("skimwatch_sink_set_aside_total",
                          "Events that a sink refused again and again and that were gone over. The "
                          "log has the id of each and the reason.",
                          MetricType::Counter);
  FamilyBuilder active("skimwatch_sink_active",
                       "1 where this collector feeds the sink. Of the collectors of one store, one "
                       "does.",
                       MetricType::Gauge);
  FamilyBuilder events("skimwatch_sink_events_total",
                       "What this collector did with findings and exposures for a sink; filtered "
                       "ones are what sinks.filter leaves out.",
                       MetricType::Counter);
  FamilyBuilder errors("skimwatch_sink_errors_total",
                       "Tries of this collector that a sink did not take, by reason. Each is tried "
                       "again; the log says more.",
                       MetricType::Counter);
  for (const Feeder* const feeder : feeders_) {
    const std::string& name = feeder->name();
    const FeederCounters& counters = feeder->counters();
    active.Add({{"sink", name}}, counters.active ? 1 : 0);
    const auto count = [&](const char* content, const char* result, uint64_t value) {
      events.Add({{"sink", name}, {"content", content}, {"result", result}},
                 static_cast<double>(value));
    };
    count("finding", "sent", counters.findings_sent);
    count("exposure", "sent", counters.exposures_sent);
    count("finding", "filtered", counters.findings_filtered);
    count("exposure", "filtered", counters.exposures_filtered);
    for (size_t i = 0; i < kReasonNames.size(); ++i) {
      errors.Add({{"sink", name}, {"reason", std::string(kReasonNames[i])}},
                 static_cast<double>(counters.failures[i]));
    }
    // Without an answer the families are left out; skimwatch_store_errors_total says so.
    const absl::StatusOr<store::SinkState> state = store_->ReadSink(name);
    if (!state.ok()) continue;
    const absl::Duration age =
        state->oldest_unsent.has_value() ? now_() - *state->oldest_unsent : absl::ZeroDuration();
    lag.Add({{"sink", name}}, std::max(0.0, absl::ToDoubleSeconds(age)));
    behind.Add({{"sink", name}}, static_cast<double>(state->behind));
    missed.Add({{"sink", name}}, static_cast<double>(state->missed));
    set_aside.Add({{"sink", name}}, static_cast<double>(state->set_aside));
  }
  std::vector<prometheus::MetricFamily> families;
  for (FamilyBuilder* const family :
       {&lag, &behind, &missed, &set_aside, &active, &events, &errors}) {
    families.push_back(std::move(*family).Build());
  }
  return families;
}

}  // namespace skimwatch::sink
