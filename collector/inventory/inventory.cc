#include "collector/inventory/inventory.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/inventory/script_approvals.h"
#include "collector/store/timestamp.h"
#include "proto/validation/text.h"

namespace skimwatch::inventory {
namespace {

constexpr size_t kHashBytes = 32;
constexpr size_t kReasonBytesMax = 4096;
constexpr size_t kOwnerBytesMax = 256;

}  // namespace

absl::Status CheckReason(std::string_view field, const std::string& text) {
  if (text.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(field), ": empty; PCI DSS 6.4.3 wants it in writing"));
  }
  if (text.size() > kReasonBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(field), ": longer than ", kReasonBytesMax, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckHash(const std::string& sha256) {
  if (sha256.size() == kHashBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("sha256: ", sha256.size(), " bytes, expected ", kHashBytes));
}

absl::StatusOr<v1::Script> FindVersion(store::Transaction& transaction, const std::string& site,
                                       const std::string& name, const std::string& sha256) {
  absl::StatusOr<std::optional<v1::Script>> script = transaction.FindScript(site, name);
  if (!script.ok()) return script.status();
  if (!script->has_value()) {
    return absl::NotFoundError(absl::StrCat("site '", site, "' has no script '", name, "'"));
  }
  absl::StatusOr<std::optional<v1::ScriptRecord>> version =
      transaction.FindScriptVersion(site, name, sha256);
  if (!version.ok()) return version.status();
  if (!version->has_value()) {
    return absl::NotFoundError(
        absl::StrCat("no version of '", name, "' has SHA-256 ", absl::BytesToHexString(sha256)));
  }
  return **std::move(script);
}

absl::StatusOr<bool> IsServed(store::Transaction& transaction, const std::string& site,
                              const std::string& name, const std::string& sha256) {
  absl::StatusOr<std::vector<store::ServedVersion>> served = transaction.ServedVersions(site, name);
  if (!served.ok()) return served.status();
  return std::any_of(served->begin(), served->end(),
                     [&](const store::ServedVersion& v) { return v.sha256 == sha256; });
}

Inventory::Inventory(store::Store* store, std::function<void()> on_policy_change,
                     std::function<absl::Time()> now, publisher::Publishers publishers)
    : store_(store),
      on_policy_change_(std::move(on_policy_change)),
      now_(std::move(now)),
      publishers_(std::move(publishers)) {}

absl::StatusOr<v1::Script> Inventory::Approve(const v1::ApproveScriptRequest& request,
                                              std::string_view who) {
  if (absl::Status s = CheckHash(request.sha256()); !s.ok()) return s;
  const absl::Time now = now_();
  if (request.has_expires_at() && store::FromTimestamp(request.expires_at()) <= now) {
    return absl::InvalidArgumentError("expires_at: not in the future");
  }
  if (request.profile()) return ApproveProfile(request, who);
  if (absl::Status s = CheckReason("justification", request.justification()); !s.ok()) return s;
  absl::Status status = store_->Write([&](store::Transaction& transaction) {
    absl::Status s =
        FindVersion(transaction, request.site(), request.name(), request.sha256()).status();
    if (!s.ok()) return s;
    absl::StatusOr<bool> served =
        IsServed(transaction, request.site(), request.name(), request.sha256());
    if (!served.ok()) return served.status();
    if (!*served) {
      return absl::FailedPreconditionError(absl::StrCat(
          "'", request.name(), "' has changed since: this version is no longer served; read what ",
          "is with `skimwatchctl scripts diff` before you approve it, or put this one back first; ",
          "a publisher's list approves versions that are not served yet"));
    }
    v1::ScriptApproval approval;
    approval.set_kind(v1::ScriptApproval::KIND_HASH);
    approval.set_approved_by(std::string(who));
    *approval.mutable_approved_at() = store::ToTimestamp(now);
    approval.set_justification(request.justification());
    if (request.has_expires_at()) *approval.mutable_expires_at() = request.expires_at();
    s = transaction.InsertApproval(request.site(), request.name(), request.sha256(), approval);
    if (!s.ok()) return s;
    if (s = transaction.AdvancePolicyVersion().status(); !s.ok()) return s;
    s = transaction.RecordDecision(
        {.at = now,
         .who = std::string(who),
         .action = "script.approve",
         .subject = SubjectOf(request.site(), request.name(), request.sha256()),
         .reason = request.justification()});
    if (!s.ok()) return s;
    exposure::ExposureFolder folder({}, &transaction, now);
    s = DrawConsequences(transaction, folder, request.site(), request.name(),
                         {.who = std::string(who),
                          .close_reason = "approved: " + request.justification(),
                          .rule = ""},
                         now)
            .status();
    if (!s.ok()) return s;
    return folder.Flush();
  });
  if (!status.ok()) return status;
  if (on_policy_change_) on_policy_change_();
  return store_->GetScript(request.site(), request.name());
}

absl::StatusOr<v1::Script> Inventory::Revoke(const v1::RevokeScriptRequest& request,
                                             std::string_view who) {
  if (absl::Status s = CheckReason("reason", request.reason()); !s.ok()) return s;
  if (request.profile()) return RevokeProfile(request, who);
  if (absl::Status s = CheckHash(request.sha256()); !s.ok()) return s;
  const absl::Time now = now_();
  absl::Status status = store_->Write([&](store::Transaction& transaction) {
    absl::Status s =
        FindVersion(transaction, request.site(), request.name(), request.sha256()).status();
    if (!s.ok()) return s;
    absl::StatusOr<std::optional<store::StoredScriptApproval>> approval =
        FindApproval(transaction, request.site(), request.name(), request.sha256(), now);
    if (!approval.ok()) return approval.status();
    if (!approval->has_value()) {
      return absl::FailedPreconditionError(
          absl::StrCat("this version of '", request.name(), "' is not approved"));
    }
    v1::ScriptApproval revocation;
    revocation.set_revoked_by(std::string(who));
    *revocation.mutable_revoked_at() = store::ToTimestamp(now);
    revocation.set_revocation_reason(request.reason());
    s = transaction.RevokeApproval(request.site(), request.name(), request.sha256(), revocation);
    if (!s.ok()) return s;
    if (s = transaction.AdvancePolicyVersion().status(); !s.ok()) return s;
    s = transaction.RecordDecision(
        {.at = now,
         .who = std::string(who),
         .action = "script.revoke",
         .subject = SubjectOf(request.site(), request.name(), request.sha256()),
         .reason = request.reason()});
    if (!s.ok()) return s;
    absl::StatusOr<bool> served =
        IsServed(transaction, request.site(), request.name(), request.sha256());
    if (!served.ok()) return served.status();
    exposure::ExposureFolder folder({}, &transaction, now);
    s = DrawConsequences(transaction, folder, request.site(), request.name(),
                         {.who = std::string(who),
                          .close_reason = "only approved versions are served again",
                          .rule = *served ? "script.revoked" : ""},
                         now)
            .status();
    if (!s.ok()) return s;
    return folder.Flush();
  });
  if (!status.ok()) return status;
  if (on_policy_change_) on_policy_change_();
  return store_->GetScript(request.site(), request.name());
}

absl::StatusOr<v1::Script> Inventory::Describe(const v1::DescribeScriptRequest& request,
                                               std::string_view who) {
  if (!request.has_owner() && !request.has_justification()) {
    return absl::InvalidArgumentError("owner, justification: neither is given");
  }
  if (request.owner().size() > kOwnerBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("owner: longer than ", kOwnerBytesMax, " bytes"));
  }
  if (validation::HasControlCharacter(request.owner(), /*lines=*/false)) {
    return absl::InvalidArgumentError("owner: holds a control character");
  }
  if (request.has_justification()) {
    absl::Status s = CheckReason("justification", request.justification());
    if (!s.ok()) return s;
  }
  const absl::Time now = now_();
  absl::Status status = store_->Write([&](store::Transaction& transaction) {
    absl::StatusOr<std::optional<v1::Script>> found =
        transaction.FindScript(request.site(), request.name());
    if (!found.ok()) return found.status();
    if (!found->has_value()) {
      return absl::NotFoundError(
          absl::StrCat("site '", request.site(), "' has no script '", request.name(), "'"));
    }
    v1::Script script = **std::move(found);
    if (request.has_owner()) script.set_owner(request.owner());
    if (request.has_justification()) script.set_justification(request.justification());
    script.set_described_by(std::string(who));
    *script.mutable_described_at() = store::ToTimestamp(now);
    if (absl::Status s = transaction.PutScript(script); !s.ok()) return s;
    return transaction.RecordDecision(
        {.at = now,
         .who = std::string(who),
         .action = "script.describe",
         .subject = absl::StrCat(request.site(), "/", request.name()),
         .reason = absl::StrCat("owner: ", script.owner(), "; ", script.justification())});
  });
  if (!status.ok()) return status;
  return store_->GetScript(request.site(), request.name());
}

}  // namespace skimwatch::inventory
