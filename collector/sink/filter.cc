#include "collector/sink/filter.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "collector/sink/names.h"
#include "proto/validation/finding.h"

namespace skimwatch::sink {

Filter::Filter(const config::v1::SinkFilter& config)
    : kinds_(config.kinds().begin(), config.kinds().end()),
      sites_(config.sites().begin(), config.sites().end()),
      expected_(config.expected()) {
  v1::Severity_Parse(absl::StrCat("SEVERITY_", absl::AsciiStrToUpper(config.severity_min())),
                     &severity_min_);
  v1::Confidence_Parse(absl::StrCat("CONFIDENCE_", absl::AsciiStrToUpper(config.confidence_min())),
                       &confidence_min_);
}

bool Filter::Passes(const std::string& site, v1::FindingKind kind, v1::Severity severity,
                    v1::Confidence confidence) const {
  return (kinds_.empty() || kinds_.contains(NameOf(kind))) &&
         (sites_.empty() || sites_.contains(site)) && severity >= severity_min_ &&
         confidence >= confidence_min_;
}

bool Filter::Passes(const v1::Finding& finding) const {
  return (expected_ || !finding.expected()) && Passes(finding.site(), validation::KindOf(finding),
                                                      finding.severity(), finding.confidence());
}

bool Filter::Passes(const v1::Exposure& exposure) const {
  return Passes(exposure.site(), exposure.kind(), exposure.severity(), exposure.confidence());
}

}  // namespace skimwatch::sink
