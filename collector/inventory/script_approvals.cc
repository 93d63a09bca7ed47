#include "collector/inventory/script_approvals.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "collector/inventory/script_recorder.h"
#include "collector/store/timestamp.h"
#include "proto/approval/behaviour_profile.h"
#include "proto/approval/script_pattern.h"

namespace skimwatch::inventory {
namespace {

using exposure::kCollectorName;

// A person's word stands against what lists and profiles say.
bool WasTakenBack(const v1::ScriptRecord& record) {
  return record.approval().has_revoked_at() && record.approval().revoked_by() != kCollectorName;
}

absl::StatusOr<bool> AcceptByPublisher(store::Transaction& transaction, const std::string& site,
                                       const std::string& name, const std::string& sha256,
                                       absl::Time now, v1::ScriptApproval& approval) {
  absl::StatusOr<std::vector<store::PublishedEntry>> entries =
      transaction.PublishedFor(site, sha256);
  if (!entries.ok()) return entries.status();
  for (const store::PublishedEntry& entry : *entries) {
    const bool is_over =
        entry.script.has_expires_at() && store::FromTimestamp(entry.script.expires_at()) <= now;
    if (is_over || !approval::PatternCovers(entry.script.script(), name)) continue;
    absl::StatusOr<std::vector<store::StoredPublisher>> publishers = transaction.Publishers();
    if (!publishers.ok()) return publishers.status();
    for (const store::StoredPublisher& publisher : *publishers) {
      if (publisher.info.id() == entry.publisher) {
        approval.set_approved_by(publisher.info.imported_by());
      }
    }
    approval.set_kind(v1::ScriptApproval::KIND_PUBLISHER);
    approval.set_publisher(entry.publisher);
    approval.set_list_serial(entry.serial);
    *approval.mutable_approved_at() = store::ToTimestamp(now);
    *approval.mutable_accepted_at() = approval.approved_at();
    if (entry.script.has_expires_at()) {
      *approval.mutable_expires_at() = entry.script.expires_at();
    }
    approval.set_justification(
        absl::StrCat("named by list ", entry.serial, " of ", entry.publisher));
    return true;
  }
  return false;
}

absl::StatusOr<bool> AcceptByProfile(store::Transaction& transaction, const std::string& site,
                                     const std::string& name, v1::ScriptRecord& record,
                                     absl::Time now, v1::ScriptApproval& approval) {
  record.clear_not_covered();
  absl::StatusOr<std::optional<v1::ScriptProfile>> found =
      transaction.FindScriptProfile(site, name);
  if (!found.ok()) return found.status();
  if (!found->has_value() || EndOf((*found)->approval()) <= now) return false;
  v1::ScriptProfile profile = **std::move(found);
  if (!record.has_behaviour()) {
    record.add_not_covered("nobody told what the version does");
    return false;
  }
  for (std::string& why :
       approval::WhyNotCovered(profile.behaviour().facts(), record.behaviour())) {
    record.add_not_covered(std::move(why));
  }
  if (record.not_covered_size() > 0) return false;
  profile.set_versions(profile.versions() + 1);
  if (absl::Status s = transaction.PutScriptProfile(profile); !s.ok()) return s;
  approval = profile.approval();
  approval.set_kind(v1::ScriptApproval::KIND_PROFILE);
  approval.set_profile_id(profile.id());
  *approval.mutable_accepted_at() = store::ToTimestamp(now);
  return true;
}

}  // namespace

absl::Time EndOf(const v1::ScriptApproval& approval) {
  return approval.has_expires_at() ? store::FromTimestamp(approval.expires_at())
                                   : absl::InfiniteFuture();
}

std::string SubjectOf(const std::string& site, const std::string& name, const std::string& sha256) {
  return absl::StrCat(site, "/", name, "@", absl::BytesToHexString(sha256));
}

absl::StatusOr<std::optional<store::StoredScriptApproval>> FindApproval(
    store::Transaction& transaction, const std::string& site, const std::string& name,
    const std::string& sha256, absl::Time now) {
  absl::StatusOr<std::vector<store::StoredScriptApproval>> approvals =
      transaction.ScriptApprovals(site, name);
  if (!approvals.ok()) return approvals.status();
  for (store::StoredScriptApproval& stored : *approvals) {
    if (stored.sha256 == sha256 && EndOf(stored.approval) > now) return std::move(stored);
  }
  return std::nullopt;
}

absl::StatusOr<bool> AcceptVersion(store::Transaction& transaction, const std::string& site,
                                   const std::string& name, v1::ScriptRecord& record,
                                   absl::Time now) {
  if (WasTakenBack(record)) return false;
  const std::string& sha256 = record.version().sha256();
  v1::ScriptApproval approval;
  absl::StatusOr<bool> accepted = AcceptByPublisher(transaction, site, name, sha256, now, approval);
  if (accepted.ok() && !*accepted) {
    accepted = AcceptByProfile(transaction, site, name, record, now, approval);
  }
  if (!accepted.ok() || !*accepted) return accepted;
  absl::Status s = transaction.InsertApproval(site, name, sha256, approval);
  if (!s.ok()) return s;
  *record.mutable_approval() = approval;
  if (s = transaction.AdvancePolicyVersion().status(); !s.ok()) return s;
  s = transaction.RecordDecision(
      {.at = now,
       .who = std::string(kCollectorName),
       .action = "script.accept",
       .subject = SubjectOf(site, name, sha256),
       .reason = approval.kind() == v1::ScriptApproval::KIND_PROFILE
                     ? absl::StrCat("covered by profile ", approval.profile_id(), " of ",
                                    approval.approved_by(), ": ", approval.justification())
                     : approval.justification()});
  if (!s.ok()) return s;
  return true;
}

absl::Status WithdrawApproval(store::Transaction& transaction, store::StoredScriptApproval stored,
                              const std::string& reason, absl::Time now) {
  stored.approval.set_revoked_by(std::string(kCollectorName));
  *stored.approval.mutable_revoked_at() = store::ToTimestamp(now);
  stored.approval.set_revocation_reason(reason);
  absl::Status s = transaction.EndApproval(stored, store::ApprovalEnd::kRevoked);
  if (!s.ok()) return s;
  if (s = transaction.AdvancePolicyVersion().status(); !s.ok()) return s;
  return transaction.RecordDecision({.at = now,
                                     .who = std::string(kCollectorName),
                                     .action = "script.revoke",
                                     .subject = SubjectOf(stored.site, stored.name, stored.sha256),
                                     .reason = reason});
}

absl::StatusOr<v1::Script> DrawConsequences(store::Transaction& transaction,
                                            exposure::ExposureFolder& folder,
                                            const std::string& site, const std::string& name,
                                            const Consequences& consequences, absl::Time now) {
  absl::StatusOr<std::optional<v1::Script>> found = transaction.FindScript(site, name);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return absl::NotFoundError("no such script");
  v1::Script script = **std::move(found);
  if (absl::Status s = RefreshState(transaction, script, now); !s.ok()) return s;
  if (absl::Status s = transaction.PutScript(script); !s.ok()) return s;
  if (script.state() == v1::Script::STATE_APPROVED) {
    absl::Status s = folder.CloseChannel(site, v1::FINDING_KIND_SCRIPT_CHANGE, name,
                                         consequences.who, consequences.close_reason);
    if (!s.ok()) return s;
  } else if (script.state() != v1::Script::STATE_MISSING && !consequences.rule.empty()) {
    absl::Status s = folder
                         .OpenWithoutFinding({.site = site,
                                              .kind = v1::FINDING_KIND_SCRIPT_CHANGE,
                                              .channel = name,
                                              .destination = script.page()},
                                             consequences.severity, consequences.rule)
                         .status();
    if (!s.ok()) return s;
  }
  return script;
}

}  // namespace skimwatch::inventory
