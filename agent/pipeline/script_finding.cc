#include "agent/pipeline/script_finding.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/util/time_util.h"

namespace skimwatch::pipeline {
namespace {

using google::protobuf::util::TimeUtil;

const char* RuleOf(const v1::ScriptChange& script) {
  if (script.profile_id() != 0) return "script.in_profile";
  const bool is_same = script.current().sha256() == script.previous().sha256();
  switch (script.change()) {
    case v1::ScriptChange::CHANGE_PROPOSED:
      return "script.proposed";
    case v1::ScriptChange::CHANGE_ADDED:
      return "script.added";
    case v1::ScriptChange::CHANGE_TAKEN_APART:
      return "script.taken_apart";
    case v1::ScriptChange::CHANGE_CHANGED:
      return is_same ? "script.approval_expired" : "script.changed";
    case v1::ScriptChange::CHANGE_REMOVED:
      return "script.removed";
    case v1::ScriptChange::CHANGE_RESTORED:
      return "script.restored";
    default:
      return "script.unknown";
  }
}

}  // namespace

v1::Finding MakeScriptFinding(std::string_view site, const v1::ScriptChange& change,
                              v1::Severity severity, v1::Confidence confidence) {
  v1::Finding finding;
  finding.set_site(site.data(), site.size());
  finding.set_severity(severity);
  finding.set_confidence(confidence);
  finding.set_rule(RuleOf(change));
  *finding.mutable_first_seen() =
      TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(absl::Now()));
  *finding.mutable_last_seen() = finding.first_seen();
  finding.set_count(1);
  finding.set_sampling_probability(1);
  finding.set_destination(change.page().empty() ? change.script() : change.page());
  *finding.mutable_script_change() = change;
  return finding;
}

}  // namespace skimwatch::pipeline
