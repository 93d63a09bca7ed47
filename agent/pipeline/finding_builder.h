#ifndef SKIMWATCH_AGENT_PIPELINE_FINDING_BUILDER_H_
#define SKIMWATCH_AGENT_PIPELINE_FINDING_BUILDER_H_

#include <string>

#include "absl/status/statusor.h"
#include "agent/card/mask.h"
#include "agent/pipeline/card_sighting.h"
#include "agent/traffic/message.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::pipeline {

// `low`, `medium` or `high`, as `scan.min_confidence` says.
card::Confidence ConfidenceOf(const std::string& confidence);

// The origin of what a traffic source delivers. Everything in it but `path` is fit to be shown.
SightingOrigin OriginOf(const traffic::Provenance& provenance, traffic::Part part);

// How grave a card number is where it was seen. Expected flows and what came in are information;
// published test numbers are low; sensitive authentication data (PCI DSS 4.0.1, 3.3.1) is critical
// from medium confidence, and so is a number in the report of a shopper's browser and one that goes
// where data may not go (`unapproved`, see FindingWriter::Options::is_unapproved); any card number
// is of high confidence. What is unconfirmed is medium at most.
v1::Severity SeverityOf(const CardSighting& sighting, bool expected, bool unapproved = false);

// The finding that a sighting makes: mask and fingerprint in the place of the number. Without a
// `key` (null) the fingerprint is empty. An `unapproved` destination is among the evidence.
v1::Finding BuildFinding(const CardSighting& sighting, bool expected, card::MaskStyle mask,
                         const v1::FingerprintKey* key, bool unapproved = false);

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_FINDING_BUILDER_H_
