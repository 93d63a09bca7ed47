#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/inventory/inventory.h"
#include "collector/inventory/script_approvals.h"
#include "collector/store/timestamp.h"
#include "proto/approval/behaviour_profile.h"

namespace skimwatch::inventory {
namespace {

// A policy takes all of a site's to its agents.
constexpr uint64_t kProfilesOfSiteMax = 200;
constexpr uint32_t kAskedMax = 256;

// Ends the approvals that were given by a profile.
absl::Status WithdrawAccepted(store::Transaction& transaction, const std::string& site,
                              const std::string& name, uint64_t profile_id,
                              const std::string& reason, absl::Time now) {
  absl::StatusOr<std::vector<store::StoredScriptApproval>> approvals =
      transaction.ScriptApprovals(site, name);
  if (!approvals.ok()) return approvals.status();
  for (const store::StoredScriptApproval& stored : *approvals) {
    if (stored.approval.kind() != v1::ScriptApproval::KIND_PROFILE ||
        stored.approval.profile_id() != profile_id) {
      continue;
    }
    if (absl::Status s = WithdrawApproval(transaction, stored, reason, now); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status EndProfile(store::Transaction& transaction, const std::string& site,
                        const std::string& name, v1::ScriptProfile profile, std::string_view who,
                        const std::string& reason, absl::Time now) {
  v1::ScriptApproval& approval = *profile.mutable_approval();
  approval.set_revoked_by(std::string(who));
  *approval.mutable_revoked_at() = store::ToTimestamp(now);
  approval.set_revocation_reason(reason);
  absl::Status s = transaction.EndScriptProfile(profile, store::ApprovalEnd::kRevoked);
  if (!s.ok()) return s;
  return WithdrawAccepted(transaction, site, name, profile.id(),
                          absl::StrCat("profile ", profile.id(), ": ", reason), now);
}

// Approves what is served now and covered.
absl::Status AcceptServed(store::Transaction& transaction, const std::string& site,
                          const std::string& name, absl::Time now) {
  absl::StatusOr<std::vector<store::ServedVersion>> served = transaction.ServedVersions(site, name);
  if (!served.ok()) return served.status();
  for (const store::ServedVersion& version : *served) {
    if (version.sha256.empty()) continue;
    absl::StatusOr<std::optional<store::StoredScriptApproval>> approval =
        FindApproval(transaction, site, name, version.sha256, now);
    if (!approval.ok()) return approval.status();
    if (approval->has_value()) continue;
    absl::StatusOr<std::optional<v1::ScriptRecord>> found =
        transaction.FindScriptVersion(site, name, version.sha256);
    if (!found.ok()) return found.status();
    if (!found->has_value()) continue;
    v1::ScriptRecord record = **std::move(found);
    absl::Status s = AcceptVersion(transaction, site, name, record, now).status();
    if (s.ok()) s = transaction.PutScriptVersion(site, name, record);
    if (!s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::Script> Inventory::ApproveProfile(const v1::ApproveScriptRequest& request,
                                                     std::string_view who) {
  const absl::Time now = now_();
  const std::string& site = request.site();
  const std::string& name = request.name();
  bool is_asked = false;
  absl::Status status = store_->Write([&](store::Transaction& transaction) -> absl::Status {
    is_asked = false;
    absl::Status s = FindVersion(transaction, site, name, request.sha256()).status();
    if (!s.ok()) return s;
    absl::StatusOr<bool> served = IsServed(transaction, site, name, request.sha256());
    if (!served.ok()) return served.status();
    if (!*served) {
      return absl::FailedPreconditionError(absl::StrCat(
          "'", name, "' has changed since: this version is no longer served; read what ",
          "is with `skimwatchctl scripts diff` before you approve it"));
    }
    absl::StatusOr<std::optional<v1::ScriptRecord>> record =
        transaction.FindScriptVersion(site, name, request.sha256());
    if (!record.ok()) return record.status();
    if ((*record)->seen_as() == "headers") {
      return absl::FailedPreconditionError("headers do nothing; approve them by their hash");
    }
    if (!(*record)->has_behaviour()) {
      is_asked = true;
      s = transaction.AskBehaviour(site, name, request.sha256(), kAskedMax);
      if (!s.ok()) return s;
      return transaction.AdvancePolicyVersion().status();
    }
    // Who asks what a version does has no reason to approve it yet.
    s = CheckReason("justification", request.justification());
    if (!s.ok()) return s;
    if (const std::string fault = approval::WhyNoProfile((*record)->behaviour()); !fault.empty()) {
      return absl::FailedPreconditionError(absl::StrCat("what this version of '", name,
                                                        "' does can't be a profile: ", fault,
                                                        "; approve its hash"));
    }
    absl::StatusOr<std::optional<v1::ScriptProfile>> before =
        transaction.FindScriptProfile(site, name);
    if (!before.ok()) return before.status();
    if (before->has_value()) {
      s = EndProfile(transaction, site, name, **before, who, "approved anew", now);
      if (!s.ok()) return s;
    } else {
      absl::StatusOr<uint64_t> count = transaction.CountScriptProfiles(site);
      if (!count.ok()) return count.status();
      if (*count >= kProfilesOfSiteMax) {
        return absl::FailedPreconditionError(
            absl::StrCat("site '", site, "' has ", *count, " profiles, and ", kProfilesOfSiteMax,
                         " is the most; revoke one with `scripts revoke --profile`"));
      }
    }
    v1::ScriptProfile profile;
    profile.set_sha256(request.sha256());
    *profile.mutable_behaviour() = (*record)->behaviour();
    v1::ScriptApproval& approval = *profile.mutable_approval();
    approval.set_kind(v1::ScriptApproval::KIND_PROFILE);
    approval.set_approved_by(std::string(who));
    *approval.mutable_approved_at() = store::ToTimestamp(now);
    approval.set_justification(request.justification());
    if (request.has_expires_at()) *approval.mutable_expires_at() = request.expires_at();
    absl::StatusOr<uint64_t> id = transaction.InsertScriptProfile(site, name, profile);
    if (!id.ok()) return id.status();
    // Whose approval was taken back by hand is approved by the same hand.
    absl::StatusOr<std::optional<store::StoredScriptApproval>> standing =
        FindApproval(transaction, site, name, request.sha256(), now);
    if (!standing.ok()) return standing.status();
    if (!standing->has_value()) {
      v1::ScriptApproval accepted = approval;
      accepted.set_profile_id(*id);
      *accepted.mutable_accepted_at() = approval.approved_at();
      s = transaction.InsertApproval(site, name, request.sha256(), accepted);
      if (!s.ok()) return s;
      profile.set_id(*id);
      profile.set_versions(1);
      if (s = transaction.PutScriptProfile(profile); !s.ok()) return s;
    }
    if (s = transaction.AdvancePolicyVersion().status(); !s.ok()) return s;
    s = transaction.RecordDecision({.at = now,
                                    .who = std::string(who),
                                    .action = "script.profile",
                                    .subject = SubjectOf(site, name, request.sha256()),
                                    .reason = request.justification()});
    if (!s.ok()) return s;
    if (s = AcceptServed(transaction, site, name, now); !s.ok()) return s;
    exposure::ExposureFolder folder({}, &transaction, now);
    s = DrawConsequences(transaction, folder, site, name,
                         {.who = std::string(who),
                          .close_reason = "approved by profile: " + request.justification(),
                          .rule = before->has_value() ? "script.revoked" : ""},
                         now)
            .status();
    if (!s.ok()) return s;
    return folder.Flush();
  });
  if (!status.ok()) return status;
  if (on_policy_change_) on_policy_change_();
  if (is_asked) {
    return absl::UnavailableError(
        absl::StrCat("what this version of '", name,
                     "' does is not known yet; the agents that serve it are asked: try again in "
                     "some seconds"));
  }
  return store_->GetScript(site, name);
}

absl::StatusOr<v1::Script> Inventory::RevokeProfile(const v1::RevokeScriptRequest& request,
                                                    std::string_view who) {
  const absl::Time now = now_();
  const std::string& site = request.site();
  const std::string& name = request.name();
  absl::Status status = store_->Write([&](store::Transaction& transaction) -> absl::Status {
    absl::StatusOr<std::optional<v1::ScriptProfile>> profile =
        transaction.FindScriptProfile(site, name);
    if (!profile.ok()) return profile.status();
    if (!profile->has_value()) {
      return absl::FailedPreconditionError(
          absl::StrCat("script '", name, "' of site '", site, "' has no profile in force"));
    }
    absl::Status s = EndProfile(transaction, site, name, **profile, who, request.reason(), now);
    if (!s.ok()) return s;
    if (s = transaction.AdvancePolicyVersion().status(); !s.ok()) return s;
    s = transaction.RecordDecision({.at = now,
                                    .who = std::string(who),
                                    .action = "script.profile_revoke",
                                    .subject = SubjectOf(site, name, (*profile)->sha256()),
                                    .reason = request.reason()});
    if (!s.ok()) return s;
    exposure::ExposureFolder folder({}, &transaction, now);
    s = DrawConsequences(transaction, folder, site, name,
                         {.who = std::string(who),
                          .close_reason = "only approved versions are served again",
                          .rule = "script.revoked"},
                         now)
            .status();
    if (!s.ok()) return s;
    return folder.Flush();
  });
  if (!status.ok()) return status;
  if (on_policy_change_) on_policy_change_();
  return store_->GetScript(site, name);
}

}  // namespace skimwatch::inventory
