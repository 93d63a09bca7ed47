#ifndef SKIMWATCH_COLLECTOR_METRICS_LABEL_CAP_H_
#define SKIMWATCH_COLLECTOR_METRICS_LABEL_CAP_H_

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

namespace skimwatch::metrics {

// Bounds the values of a label. The first `values_max` values that come keep their names for good,
// so that series do not come and go; every other one is `other`. Not thread-safe.
class LabelCap {
 public:
  explicit LabelCap(size_t values_max) : values_max_(values_max) {}

  std::string Map(const std::string& value) {
    if (values_.contains(value)) return value;
    if (values_.size() < values_max_) {
      values_.insert(value);
      return value;
    }
    ++dropped_;
    return "other";
  }

  // Times that a value became `other`.
  uint64_t dropped() const { return dropped_; }

 private:
  const size_t values_max_;
  std::set<std::string> values_;
  uint64_t dropped_ = 0;
};

}  // namespace skimwatch::metrics

#endif  // SKIMWATCH_COLLECTOR_METRICS_LABEL_CAP_H_
