#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/inventory/destination_recorder.h"
#include "collector/inventory/inventory.h"
#include "collector/store/timestamp.h"
#include "proto/destination/destination_pattern.h"

namespace skimwatch::inventory {
namespace {

constexpr size_t kReasonBytesMax = 4096;
constexpr v1::FindingKind kKind = v1::FINDING_KIND_DESTINATION_CHANGE;
// A destination that was not seen for longer needs nobody when its approval is taken back.
constexpr absl::Duration kInUse = absl::Hours(24 * 7);

absl::Status CheckText(const char* field, const std::string& text) {
  if (text.empty()) return absl::InvalidArgumentError(absl::StrCat(field, ": empty"));
  if (text.size() <= kReasonBytesMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": longer than ", kReasonBytesMax, " bytes"));
}

std::string Subject(const v1::DestinationApproval& approval) {
  return absl::StrCat(approval.site(), "/", approval.pattern(),
                      approval.process().empty() ? "" : absl::StrCat("@", approval.process()));
}

// Revokes the approvals of the same pattern and process; how many there were. The last one is left
// in `approval`.
absl::StatusOr<int> RevokeSame(store::Transaction& transaction, const std::string& pattern,
                               const std::string& process,
                               const v1::DestinationApproval& revocation, absl::Time now,
                               v1::DestinationApproval& approval) {
  absl::StatusOr<std::vector<store::StoredDestinationApproval>> approvals =
      transaction.DestinationApprovals(revocation.site());
  if (!approvals.ok()) return approvals.status();
  int in_force = 0;
  for (store::StoredDestinationApproval& stored : *approvals) {
    if (stored.approval.pattern() != pattern || stored.approval.process() != process) continue;
    if (store::EndOf(stored.approval) > now) ++in_force;
    stored.approval.set_revoked_by(revocation.revoked_by());
    *stored.approval.mutable_revoked_at() = revocation.revoked_at();
    stored.approval.set_revocation_reason(revocation.revocation_reason());
    if (absl::Status s = transaction.RevokeDestinationApproval(stored); !s.ok()) return s;
    approval = stored.approval;
  }
  return in_force;
}

// What every decision ends with: the new policy and the record of who decided.
absl::Status Conclude(store::Transaction& transaction, const store::Decision& decision) {
  if (absl::Status s = transaction.AdvancePolicyVersion().status(); !s.ok()) return s;
  return transaction.RecordDecision(decision);
}

// Destinations of a site that one approval covers, by itself.
absl::StatusOr<std::vector<v1::Destination>> Covered(store::Transaction& transaction,
                                                     const v1::DestinationApproval& approval) {
  absl::StatusOr<std::vector<v1::Destination>> all = transaction.Destinations(approval.site());
  if (!all.ok()) return all.status();
  store::DestinationStates one(absl::InfinitePast());
  if (absl::Status s = one.Add(approval); !s.ok()) return s;
  std::erase_if(*all, [&](const v1::Destination& d) { return one.Find(d) == nullptr; });
  return all;
}

// Closes the exposures of those names of which every process is approved.
absl::Status CloseExposures(store::Transaction& transaction, const std::string& site,
                            std::set<std::string> names, absl::Time now, std::string_view who,
                            const std::string& reason) {
  absl::StatusOr<std::vector<v1::Destination>> all = transaction.Destinations(site);
  if (!all.ok()) return all.status();
  absl::StatusOr<store::DestinationStates> states = StatesOf(transaction, site, now);
  if (!states.ok()) return states.status();
  for (v1::Destination& destination : *all) {
    states->Fill(destination);
    if (destination.state() == v1::Destination::STATE_UNAPPROVED) names.erase(destination.name());
  }
  exposure::ExposureFolder folder({}, &transaction, now);
  for (const std::string& name : names) {
    absl::Status s = folder.CloseChannel(site, kKind, name, std::string(who), reason);
    if (!s.ok()) return s;
  }
  return folder.Flush();
}

}  // namespace

absl::StatusOr<v1::ApproveDestinationResponse> Inventory::ApproveDestination(
    const v1::ApproveDestinationRequest& request, std::string_view who) {
  if (absl::Status s = CheckText("site", request.site()); !s.ok()) return s;
  if (absl::Status s = CheckText("justification", request.justification()); !s.ok()) return s;
  absl::StatusOr<destination::DestinationPattern> pattern =
      destination::DestinationPattern::Parse(request.pattern());
  if (!pattern.ok()) return pattern.status();
  const absl::Time now = now_();
  if (request.has_expires_at() && store::FromTimestamp(request.expires_at()) <= now) {
    return absl::InvalidArgumentError("expires_at: not in the future");
  }
  v1::ApproveDestinationResponse response;
  v1::DestinationApproval& approval = *response.mutable_approval();
  approval.set_site(request.site());
  approval.set_pattern(pattern->text());
  approval.set_process(request.process());
  approval.set_approved_by(std::string(who));
  *approval.mutable_approved_at() = store::ToTimestamp(now);
  approval.set_justification(request.justification());
  if (request.has_expires_at()) *approval.mutable_expires_at() = request.expires_at();
  absl::Status status = store_->Write([&](store::Transaction& transaction) {
    v1::DestinationApproval replacement;
    replacement.set_site(request.site());
    replacement.set_revoked_by(std::string(who));
    *replacement.mutable_revoked_at() = approval.approved_at();
    replacement.set_revocation_reason("approved anew");
    v1::DestinationApproval replaced;
    absl::Status s =
        RevokeSame(transaction, pattern->text(), request.process(), replacement, now, replaced)
            .status();
    if (!s.ok()) return s;
    if (s = transaction.InsertDestinationApproval(approval); !s.ok()) return s;
    absl::StatusOr<std::vector<v1::Destination>> covered = Covered(transaction, approval);
    if (!covered.ok()) return covered.status();
    std::set<std::string> names;
    for (v1::Destination& destination : *covered) {
      names.insert(destination.name());
      destination.set_was_approved(true);
      if (s = transaction.PutDestination(destination); !s.ok()) return s;
    }
    response.set_destinations(covered->size());
    s = Conclude(transaction, {.at = now,
                               .who = std::string(who),
                               .action = "destination.approve",
                               .subject = Subject(approval),
                               .reason = request.justification()});
    if (!s.ok()) return s;
    return CloseExposures(transaction, request.site(), std::move(names), now, who,
                          "approved: " + request.justification());
  });
  if (!status.ok()) return status;
  if (on_policy_change_) on_policy_change_();
  return response;
}

absl::StatusOr<v1::RevokeDestinationResponse> Inventory::RevokeDestination(
    const v1::RevokeDestinationRequest& request, std::string_view who) {
  if (absl::Status s = CheckText("site", request.site()); !s.ok()) return s;
  if (absl::Status s = CheckText("reason", request.reason()); !s.ok()) return s;
  absl::StatusOr<destination::DestinationPattern> pattern =
      destination::DestinationPattern::Parse(request.pattern());
  if (!pattern.ok()) return pattern.status();
  const absl::Time now = now_();
  v1::RevokeDestinationResponse response;
  absl::Status status = store_->Write([&](store::Transaction& transaction) {
    v1::DestinationApproval revocation;
    revocation.set_site(request.site());
    revocation.set_revoked_by(std::string(who));
    *revocation.mutable_revoked_at() = store::ToTimestamp(now);
    revocation.set_revocation_reason(request.reason());
    v1::DestinationApproval& approval = *response.mutable_approval();
    absl::StatusOr<int> revoked =
        RevokeSame(transaction, pattern->text(), request.process(), revocation, now, approval);
    if (!revoked.ok()) return revoked.status();
    if (*revoked == 0) {
      return absl::NotFoundError(absl::StrCat(
          "site '", request.site(), "' has no approval of '", pattern->text(), "' in force",
          request.process().empty() ? "" : absl::StrCat(" for ", request.process())));
    }
    absl::StatusOr<std::vector<v1::Destination>> covered = Covered(transaction, approval);
    if (!covered.ok()) return covered.status();
    absl::StatusOr<store::DestinationStates> states = StatesOf(transaction, request.site(), now);
    if (!states.ok()) return states.status();
    exposure::ExposureFolder folder({}, &transaction, now);
    uint64_t left = 0;
    for (const v1::Destination& destination : *covered) {
      if (states->Find(destination) != nullptr) continue;
      ++left;
      if (store::FromTimestamp(destination.last_seen()) + kInUse < now) continue;
      const v1::Severity severity =
          destination.checkout() ? v1::SEVERITY_HIGH : v1::SEVERITY_MEDIUM;
      absl::Status s = folder
                           .OpenWithoutFinding({.site = destination.site(),
                                                .kind = kKind,
                                                .channel = destination.name(),
                                                .destination = destination.name()},
                                               severity, "destination.revoked")
                           .status();
      if (!s.ok()) return s;
    }
    response.set_destinations(left);
    if (absl::Status s = folder.Flush(); !s.ok()) return s;
    return Conclude(transaction, {.at = now,
                                  .who = std::string(who),
                                  .action = "destination.revoke",
                                  .subject = Subject(approval),
                                  .reason = request.reason()});
  });
  if (!status.ok()) return status;
  if (on_policy_change_) on_policy_change_();
  return response;
}

}  // namespace skimwatch::inventory
