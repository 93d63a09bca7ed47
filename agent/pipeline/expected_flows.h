#ifndef SKIMWATCH_AGENT_PIPELINE_EXPECTED_FLOWS_H_
#define SKIMWATCH_AGENT_PIPELINE_EXPECTED_FLOWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/pipeline/card_sighting.h"
#include "agent/traffic/ip_address.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::pipeline {

// Tells the flows that cards are meant to take, such as the payment processor's API, from all
// others (`expected_flows` of the collector's policy and of the agent's configuration). A match
// there is counted and never alarmed.
//
// A host is what the sender says, so that a rule that names no `address` trusts the sender's
// process: someone who runs code there can send to any address under an expected host's name.
//
// Immutable and thread-safe.
class ExpectedFlows {
 public:
  using Rules = google::protobuf::RepeatedPtrField<v1::ExpectedFlow>;

  ExpectedFlows() = default;

  // INVALID_ARGUMENT names the rule and the field: an address that is none, or a rule that sets
  // none of `host`, `address` and `file`, which would match too much.
  static absl::StatusOr<ExpectedFlows> Create(const Rules& rules);

  // Adds those of `other` behind these.
  void Append(const ExpectedFlows& other);

  bool Contains(const SightingOrigin& origin) const;

  size_t size() const { return rules_.size(); }

 private:
  struct Prefix {
    traffic::IpAddress ip;
    // Of the address's 128 bits; an IPv4 address in its mapped form.
    int bits = 128;
  };
  struct Rule {
    v1::ExpectedFlow flow;
    std::optional<Prefix> prefix;
  };

  static absl::StatusOr<Prefix> ParsePrefix(const std::string& text);
  static bool Matches(const Rule& rule, const SightingOrigin& origin);

  std::vector<Rule> rules_;
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_EXPECTED_FLOWS_H_
