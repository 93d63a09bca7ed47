#ifndef SKIMWATCH_PROTO_ADMIN_FAMILY_BUILDER_H_
#define SKIMWATCH_PROTO_ADMIN_FAMILY_BUILDER_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "prometheus/metric_family.h"

namespace skimwatch::admin {

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

  void Max(const Labels& labels, double value) {
    const auto [it, inserted] = values_.try_emplace(labels, value);
    if (!inserted) it->second = std::max(it->second, value);
  }

  // `histogram` has bounds(), count(i) of what is at most bounds()[i] and above the bound before
  // it, the last of what is above all, and sum().
  template <typename Histogram>
  void AddHistogram(const Labels& labels, const Histogram& histogram) {
    prometheus::ClientMetric metric = Metric(labels);
    uint64_t count = 0;
    const size_t bounds = histogram.bounds().size();
    for (size_t i = 0; i <= bounds; ++i) {
      count += histogram.count(i);
      metric.histogram.bucket.push_back(
          {.cumulative_count = count,
           .upper_bound =
               i < bounds ? histogram.bounds()[i] : std::numeric_limits<double>::infinity()});
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

}  // namespace skimwatch::admin

#endif  // SKIMWATCH_PROTO_ADMIN_FAMILY_BUILDER_H_
