#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/inventory/inventory.h"
#include "collector/inventory/script_approvals.h"
#include "collector/store/timestamp.h"

namespace skimwatch::inventory {
namespace {

constexpr uint32_t kEndsPerStep = 200;

std::string Ended(const v1::ScriptApproval& approval) {
  return absl::StrCat("approval expired on ",
                      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", EndOf(approval), absl::UTCTimeZone()));
}

absl::Status RecordEnd(store::Transaction& transaction, const std::string& subject,
                       const v1::ScriptApproval& approval, absl::Time now) {
  return transaction.RecordDecision({.at = now,
                                     .who = std::string(exposure::kCollectorName),
                                     .action = "script.expire",
                                     .subject = subject,
                                     .reason = Ended(approval)});
}

// Another list or profile may cover the version.
absl::Status AcceptOtherwise(store::Transaction& transaction,
                             const store::StoredScriptApproval& ended, absl::Time now) {
  absl::StatusOr<std::optional<store::StoredScriptApproval>> approval =
      FindApproval(transaction, ended.site, ended.name, ended.sha256, now);
  if (!approval.ok() || approval->has_value()) return approval.status();
  absl::StatusOr<std::optional<v1::ScriptRecord>> found =
      transaction.FindScriptVersion(ended.site, ended.name, ended.sha256);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return absl::OkStatus();
  v1::ScriptRecord record = **std::move(found);
  absl::Status s = AcceptVersion(transaction, ended.site, ended.name, record, now).status();
  if (!s.ok()) return s;
  return transaction.PutScriptVersion(ended.site, ended.name, record);
}

}  // namespace

absl::StatusOr<uint64_t> Inventory::EndApprovals() {
  uint64_t ended = 0;
  while (true) {
    const absl::Time now = now_();
    absl::StatusOr<absl::Time> next = store_->NextApprovalEnd();
    if (!next.ok()) return next.status();
    if (*next > now) break;
    uint64_t step = 0;
    absl::Status status = store_->Write([&](store::Transaction& transaction) -> absl::Status {
      step = 0;
      absl::StatusOr<std::vector<store::StoredScriptProfile>> profiles =
          transaction.OverdueProfiles(now, kEndsPerStep);
      if (!profiles.ok()) return profiles.status();
      absl::StatusOr<std::vector<store::StoredScriptApproval>> approvals =
          transaction.OverdueApprovals(now, kEndsPerStep);
      if (!approvals.ok()) return approvals.status();
      step = profiles->size() + approvals->size();
      if (step == 0) return absl::OkStatus();
      // By site and name, in the order in which they are locked.
      std::map<std::pair<std::string, std::string>, std::vector<store::StoredScriptApproval>>
          scripts;
      for (const store::StoredScriptProfile& stored : *profiles) {
        absl::Status s = transaction.EndScriptProfile(stored.profile, store::ApprovalEnd::kExpired);
        if (!s.ok()) return s;
        s = RecordEnd(transaction,
                      absl::StrCat(SubjectOf(stored.site, stored.name, stored.profile.sha256()),
                                   " profile ", stored.profile.id()),
                      stored.profile.approval(), now);
        if (!s.ok()) return s;
        scripts[{stored.site, stored.name}];
      }
      for (store::StoredScriptApproval& stored : *approvals) {
        scripts[{stored.site, stored.name}].push_back(std::move(stored));
      }
      exposure::ExposureFolder folder({}, &transaction, now);
      for (auto& [script, of_script] : scripts) {
        bool is_served = false;
        for (const store::StoredScriptApproval& stored : of_script) {
          absl::Status s = transaction.EndApproval(stored, store::ApprovalEnd::kExpired);
          if (!s.ok()) return s;
          s = RecordEnd(transaction, SubjectOf(stored.site, stored.name, stored.sha256),
                        stored.approval, now);
          if (!s.ok()) return s;
          if (s = AcceptOtherwise(transaction, stored, now); !s.ok()) return s;
          absl::StatusOr<bool> served =
              IsServed(transaction, stored.site, stored.name, stored.sha256);
          if (!served.ok()) return served.status();
          is_served = is_served || *served;
        }
        absl::Status s =
            DrawConsequences(transaction, folder, script.first, script.second,
                             {.who = std::string(exposure::kCollectorName),
                              .close_reason = "only approved versions are served again",
                              .rule = is_served ? "script.approval_expired" : "",
                              .severity = v1::SEVERITY_MEDIUM},
                             now)
                .status();
        if (!s.ok()) return s;
      }
      if (absl::Status s = transaction.AdvancePolicyVersion().status(); !s.ok()) return s;
      return folder.Flush();
    });
    if (!status.ok()) return status;
    if (step == 0) break;
    ended += step;
  }
  if (ended > 0 && on_policy_change_) on_policy_change_();
  return ended;
}

}  // namespace skimwatch::inventory
