#ifndef SKIMWATCH_COLLECTOR_EXPOSURE_RULES_H_
#define SKIMWATCH_COLLECTOR_EXPOSURE_RULES_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/transaction.h"
#include "skimwatch/config/v1/collector.pb.h"
#include "skimwatch/v1/exposure.pb.h"
#include "skimwatch/v1/finding.pb.h"

// What makes an exposure of findings. Pure functions: the same findings give the same exposures.
namespace skimwatch::exposure {

// Bound of each list of an exposure (agents, encodings, brands, rules); further ones are left out.
inline constexpr int kListEntriesMax = 64;

// Bound of the reasons of its severity.
inline constexpr int kSeverityReasonsMax = 16;

struct Rules {
  // Least confidence that opens an exposure.
  v1::Confidence open_confidence = v1::CONFIDENCE_MEDIUM;
  // Published test numbers open exposures too.
  bool test_cards = false;

  // INVALID_ARGUMENT when `open_confidence` is no level; empty is medium.
  static absl::StatusOr<Rules> FromConfig(const config::v1::ExposureRules& config);
};

// The card of a finding, where it has one.
const v1::Card* CardOf(const v1::Finding& finding);

// What a finding folds by. The channel is what the data left through: `METHOD path_template` of a
// request or response, the file of data at rest, the script of a script change, the page and header
// of a header change, the destination of a destination change.
store::ExposureKey KeyOf(const v1::Finding& finding, v1::FindingKind kind);

enum class Fold {
  // Belongs to no exposure: an expected flow, what came in, or confidence below the rules'.
  kNone,
  // Belongs to the exposure that is open, and does not open one: a published test number.
  kJoin,
  // Belongs to the exposure that is open, and opens one where there is none.
  kOpen,
};

// What becomes of a finding of any kind but SCRIPT_CHANGE and DESTINATION_CHANGE, which the
// inventory decides.
Fold Decide(const v1::Finding& finding, v1::FindingKind kind, const Rules& rules);

// How grave an exposure with this finding is: what the agent said, and at least HIGH for card
// numbers and CRITICAL for sensitive authentication data (PCI DSS 3.3.1) and canaries, unless the
// card is a published test number.
v1::Severity SeverityOf(const v1::Finding& finding, v1::FindingKind kind);

// Why `severity` is called for, in words: a rule of PCI DSS, or the rule by which the agent judged.
std::string SeverityReasonOf(const v1::Finding& finding, v1::FindingKind kind);

// Keeps why an exposure is so grave, when this is the first that says so.
void AddSeverityReason(v1::Severity severity, const std::string& reason, const std::string& agent,
                       absl::Time at, v1::Exposure& exposure);

// The inverse of the probability with which the finding was sampled, at least 1.
double SamplingWeight(const v1::Finding& finding);

// Adds a finding that `agent` reported to an exposure: times, counts, estimates, levels and lists.
// Distinct cards are counted by the sightings, not here. Sums saturate.
void AddFinding(const v1::Finding& finding, v1::FindingKind kind, const std::string& agent,
                v1::Exposure& exposure);

// A new open exposure without findings.
v1::Exposure NewExposure(const store::ExposureKey& key);

// Whether what a finding of this kind tells goes on after it was told, such as a script that is
// served from then on: its exposure lasts until it is closed, not until its last finding.
bool IsToldOnce(v1::FindingKind kind);

}  // namespace skimwatch::exposure

#endif  // SKIMWATCH_COLLECTOR_EXPOSURE_RULES_H_
