#ifndef SKIMWATCH_COLLECTOR_SINK_FILTER_H_
#define SKIMWATCH_COLLECTOR_SINK_FILTER_H_

#include <set>
#include <string>

#include "skimwatch/config/v1/collector.pb.h"
#include "skimwatch/v1/exposure.pb.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::sink {

// Says what goes through a sink. A value; thread-safe.
class Filter {
 public:
  // From a checked configuration.
  explicit Filter(const config::v1::SinkFilter& config);

  bool Passes(const v1::Finding& finding) const;
  bool Passes(const v1::Exposure& exposure) const;

 private:
  bool Passes(const std::string& site, v1::FindingKind kind, v1::Severity severity,
              v1::Confidence confidence) const;

  // Empty for all.
  std::set<std::string> kinds_;
  std::set<std::string> sites_;
  v1::Severity severity_min_ = v1::SEVERITY_INFO;
  v1::Confidence confidence_min_ = v1::CONFIDENCE_LOW;
  bool expected_ = false;
};

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_FILTER_H_
