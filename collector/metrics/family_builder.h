#ifndef SKIMWATCH_COLLECTOR_METRICS_FAMILY_BUILDER_H_
#define SKIMWATCH_COLLECTOR_METRICS_FAMILY_BUILDER_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "collector/ingest/ingest_stats.h"
#include "prometheus/metric_family.h"

namespace skimwatch::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

// One family of a scrape. Values of equal labels are folded, as capped labels make them.
class FamilyBuilder {
 public:
  FamilyBuilder(std::string name, std::string help, prometheus::MetricType type) {
    family_.name = std::move(name);
    family_.help = std::move(help);
    family_.type = type;
  }

  void Add(const Labels& labels, double value) { values_[labels] += value; }
  void Min(const Labels& labels, double value) {
    const auto [it, inserted] = values_.try_emplace(labels, value);
    if (!inserted) it->second = std::min(it->second, value);
  }

  template <size_t N>
  void AddHistogram(const Labels& labels, const ingest::SecondsHistogram<N>& histogram) {
    prometheus::ClientMetric metric = Metric(labels);
    uint64_t count = 0;
    for (size_t i = 0; i <= N; ++i) {
      count += histogram.count(i);
      metric.histogram.bucket.push_back(
          {.cumulative_count = count,
           .upper_bound = i < N ? histogram.bounds()[i] : std::numeric_limits<double>::infinity()});
    }
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum = histogram.sum();
    family_.metric.push_back(std::move(metric));
  }

  prometheus::MetricFamily Build() && {
    for (const auto& [labels, value] : values_) {
      prometheus::ClientMetric metric = Metric(labels);
      if (family_.type == prometheus::MetricType::Counter) {
        metric.counter.value = value;
      } else {
        metric.gauge.value = value;
      }
      family_.metric.push_back(std::move(metric));
    }
    return std::move(family_);
  }

 private:
  static prometheus::ClientMetric Metric(const Labels& labels) {
    prometheus::ClientMetric metric;
    for (const auto& [name, value] : labels) metric.label.push_back({name, value});
    return metric;
  }

  prometheus::MetricFamily family_;
  std::map<Labels, double> values_;
};

}  // namespace skimwatch::metrics

#endif  // SKIMWATCH_COLLECTOR_METRICS_FAMILY_BUILDER_H_
