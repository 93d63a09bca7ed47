#include "collector/inventory/inventory.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/inventory/script_recorder.h"
#include "collector/store/timestamp.h"

namespace skimwatch::inventory {
namespace {

constexpr size_t kHashBytes = 32;
constexpr size_t kReasonBytesMax = 4096;

absl::Status CheckText(std::string_view field, const std::string& text) {
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

// The script, when it has the version.
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

absl::StatusOr<bool> IsServed(store::Transaction& transaction, const v1::Script& script,
                              const std::string& sha256) {
  absl::StatusOr<std::vector<store::ServedVersion>> served =
      transaction.ServedVersions(script.site(), script.name());
  if (!served.ok()) return served.status();
  return std::any_of(served->begin(), served->end(),
                     [&](const store::ServedVersion& v) { return v.sha256 == sha256; });
}

// What every decision ends with: the new state, the new policy and the record of who decided.
absl::Status Conclude(store::Transaction& transaction, v1::Script& script,
                      const store::Decision& decision) {
  if (absl::Status s = RefreshState(transaction, script); !s.ok()) return s;
  if (absl::Status s = transaction.PutScript(script); !s.ok()) return s;
  if (absl::Status s = transaction.AdvancePolicyVersion().status(); !s.ok()) return s;
  return transaction.RecordDecision(decision);
}

std::string Subject(const v1::Script& script, const std::string& sha256) {
  return absl::StrCat(script.site(), "/", script.name(), "@", absl::BytesToHexString(sha256));
}

}  // namespace

Inventory::Inventory(store::Store* store, std::function<void()> on_policy_change,
                     std::function<absl::Time()> now)
    : store_(store), on_policy_change_(std::move(on_policy_change)), now_(std::move(now)) {}

absl::StatusOr<v1::Script> Inventory::Approve(const v1::ApproveScriptRequest& request,
                                              std::string_view who) {
  if (absl::Status s = CheckText("justification", request.justification()); !s.ok()) return s;
  if (absl::Status s = CheckHash(request.sha256()); !s.ok()) return s;
  const absl::Time now = now_();
  absl::Status status = store_->Write([&](store::Transaction& transaction) {
    absl::StatusOr<v1::Script> script =
        FindVersion(transaction, request.site(), request.name(), request.sha256());
    if (!script.ok()) return script.status();
    absl::StatusOr<bool> served = IsServed(transaction, *script, request.sha256());
    if (!served.ok()) return served.status();
    if (!*served) {
      return absl::FailedPreconditionError(absl::StrCat(
          "'", request.name(), "' has changed since: this version is no longer served; look at ",
          "`skimwatchctl scripts diff` and approve what is"));
    }
    v1::ScriptApproval approval;
    approval.set_approved_by(std::string(who));
    *approval.mutable_approved_at() = store::ToTimestamp(now);
    approval.set_justification(request.justification());
    absl::Status s =
        transaction.InsertApproval(script->site(), script->name(), request.sha256(), approval);
    if (!s.ok()) return s;
    s = Conclude(transaction, *script,
                 {.at = now,
                  .who = std::string(who),
                  .action = "script.approve",
                  .subject = Subject(*script, request.sha256()),
                  .reason = request.justification()});
    if (!s.ok() || script->state() != v1::Script::STATE_APPROVED) return s;
    exposure::ExposureFolder folder({}, &transaction, now);
    s = folder.CloseChannel(script->site(), v1::FINDING_KIND_SCRIPT_CHANGE, script->name(),
                            std::string(who), "approved: " + request.justification());
    if (!s.ok()) return s;
    return folder.Flush();
  });
  if (!status.ok()) return status;
  if (on_policy_change_) on_policy_change_();
  return store_->GetScript(request.site(), request.name());
}

absl::StatusOr<v1::Script> Inventory::Revoke(const v1::RevokeScriptRequest& request,
                                             std::string_view who) {
  if (absl::Status s = CheckText("reason", request.reason()); !s.ok()) return s;
  if (absl::Status s = CheckHash(request.sha256()); !s.ok()) return s;
  const absl::Time now = now_();
  absl::Status status = store_->Write([&](store::Transaction& transaction) {
    absl::StatusOr<v1::Script> script =
        FindVersion(transaction, request.site(), request.name(), request.sha256());
    if (!script.ok()) return script.status();
    absl::StatusOr<std::vector<std::string>> approved =
        transaction.ApprovedVersions(script->site(), script->name());
    if (!approved.ok()) return approved.status();
    if (std::find(approved->begin(), approved->end(), request.sha256()) == approved->end()) {
      return absl::FailedPreconditionError(
          absl::StrCat("this version of '", request.name(), "' is not approved"));
    }
    v1::ScriptApproval revocation;
    revocation.set_revoked_by(std::string(who));
    *revocation.mutable_revoked_at() = store::ToTimestamp(now);
    revocation.set_revocation_reason(request.reason());
    absl::Status s =
        transaction.RevokeApproval(script->site(), script->name(), request.sha256(), revocation);
    if (!s.ok()) return s;
    s = Conclude(transaction, *script,
                 {.at = now,
                  .who = std::string(who),
                  .action = "script.revoke",
                  .subject = Subject(*script, request.sha256()),
                  .reason = request.reason()});
    if (!s.ok()) return s;
    absl::StatusOr<bool> served = IsServed(transaction, *script, request.sha256());
    if (!served.ok()) return served.status();
    if (!*served) return absl::OkStatus();
    exposure::ExposureFolder folder({}, &transaction, now);
    s = folder
            .OpenWithoutFinding({.site = script->site(),
                                 .kind = v1::FINDING_KIND_SCRIPT_CHANGE,
                                 .channel = script->name(),
                                 .destination = script->page()},
                                v1::SEVERITY_HIGH, "script.revoked")
            .status();
    if (!s.ok()) return s;
    return folder.Flush();
  });
  if (!status.ok()) return status;
  if (on_policy_change_) on_policy_change_();
  return store_->GetScript(request.site(), request.name());
}

}  // namespace skimwatch::inventory
