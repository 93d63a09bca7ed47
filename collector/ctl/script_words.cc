#include "collector/ctl/script_words.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "collector/ctl/describe.h"

namespace skimwatch::ctl {
namespace {

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

bool IsOver(const v1::ScriptApproval& approval, absl::Time now) {
  return approval.has_expires_at() && TimeOf(approval.expires_at()) <= now;
}

std::string By(const v1::ScriptApproval& approval) {
  switch (approval.kind()) {
    case v1::ScriptApproval::KIND_PUBLISHER:
      return absl::StrCat("publisher ", approval.publisher(), " list ", approval.list_serial());
    case v1::ScriptApproval::KIND_PROFILE:
      return approval.profile_id() == 0 ? "profile"
                                        : absl::StrCat("profile ", approval.profile_id());
    default:
      return "hash";
  }
}

}  // namespace

std::string ApprovalKind(const v1::ScriptRecord& record, absl::Time now) {
  if (!record.has_approval()) return "none";
  if (record.approval().has_revoked_at()) return "revoked";
  if (IsOver(record.approval(), now)) return "expired";
  return By(record.approval());
}

bool IsApproved(const v1::ScriptRecord& record, absl::Time now) {
  return record.has_approval() && !record.approval().has_revoked_at() &&
         !IsOver(record.approval(), now);
}

std::string ApprovalLine(const v1::ScriptApproval& approval, absl::Time now) {
  std::string line = absl::StrCat("by ", By(approval), "; ", Describe(approval.approved_at()),
                                  " by ", approval.approved_by());
  if (approval.has_accepted_at() && approval.kind() == v1::ScriptApproval::KIND_PROFILE) {
    absl::StrAppend(&line, ", this version ", Describe(approval.accepted_at()));
  }
  if (approval.has_expires_at()) {
    absl::StrAppend(
        &line,
        IsOver(approval, now) && !approval.has_revoked_at() ? ", approval expired on " : ", until ",
        Describe(approval.expires_at()));
  }
  absl::StrAppend(&line, ": ", approval.justification(), Revocation(approval));
  return line;
}

std::string ApprovalEnd(const v1::ScriptRecord& record, absl::Time now, absl::Duration warning) {
  const v1::ScriptApproval& approval = record.approval();
  if (!approval.has_expires_at() || approval.has_revoked_at()) return "";
  const absl::Time end = TimeOf(approval.expires_at());
  if (end <= now) return "";
  return absl::StrCat(Describe(approval.expires_at()), end <= now + warning ? " !" : "");
}

std::string IntegrityMethod(const v1::ScriptRecord& record) {
  std::vector<std::string> methods;
  for (const std::string& method : record.integrity_methods()) {
    if (method != "none") methods.push_back(method);
  }
  std::sort(methods.begin(), methods.end());
  return methods.empty() ? "none" : absl::StrJoin(methods, ", ");
}

std::string Sensors(const v1::ScriptRecord& record) {
  std::vector<std::string> sensors;
  for (const int source : record.sources()) {
    sensors.push_back(Word(*v1::SourceKind_descriptor(), source));
    if (source == v1::SOURCE_KIND_BROWSER_REPORT && record.browsers() > 0) {
      absl::StrAppend(&sensors.back(), " (", record.browsers(), " browsers)");
    }
  }
  return absl::StrJoin(sensors, ", ");
}

google::protobuf::Timestamp LastSeen(const v1::Script& script) {
  google::protobuf::Timestamp last = script.last_seen();
  for (const v1::ScriptServed& served : script.served()) {
    if (served.sha256().empty() || served.seen_at().seconds() <= last.seconds()) continue;
    last = served.seen_at();
  }
  return last;
}

std::vector<std::string> BehaviourLines(const v1::ScriptBehaviour& behaviour) {
  std::vector<std::string> lines;
  for (const v1::ScriptFact& fact : behaviour.facts()) {
    lines.push_back(absl::StrCat(
        fact.name(), fact.excerpt().empty() ? "" : " ", fact.excerpt(),
        fact.count() > 1 ? absl::StrCat(" (", fact.count(), " times)") : std::string()));
  }
  return lines;
}

}  // namespace skimwatch::ctl
