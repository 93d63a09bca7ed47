#include "collector/inventory/script_recorder.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "collector/exposure/rules.h"
#include "collector/store/timestamp.h"

namespace skimwatch::inventory {
namespace {

using store::FromTimestamp;

// Adds a look at a version to what is known of it.
absl::Status RecordVersion(store::Transaction& transaction, const v1::Finding& finding,
                           const std::string& agent) {
  const v1::ScriptChange& change = finding.script_change();
  absl::StatusOr<std::optional<v1::ScriptRecord>> found =
      transaction.FindScriptVersion(finding.site(), change.script(), change.current().sha256());
  if (!found.ok()) return found.status();
  v1::ScriptRecord record = found->has_value() ? **std::move(found) : v1::ScriptRecord();
  *record.mutable_version() = change.current();
  if (!record.has_first_seen() ||
      FromTimestamp(finding.first_seen()) < FromTimestamp(record.first_seen())) {
    *record.mutable_first_seen() = finding.first_seen();
  }
  if (!record.has_last_seen() ||
      FromTimestamp(finding.last_seen()) > FromTimestamp(record.last_seen())) {
    *record.mutable_last_seen() = finding.last_seen();
  }
  if (record.agents_size() < kAgentsMax &&
      std::find(record.agents().begin(), record.agents().end(), agent) == record.agents().end()) {
    record.add_agents(agent);
  }
  if (change.facts_size() > 0) *record.mutable_facts() = change.facts();
  // What the version changed when it came; bytes that come back need no difference to themselves.
  if (change.gained_facts_size() > 0) *record.mutable_gained_facts() = change.gained_facts();
  if (!change.diff().empty()) record.set_diff(change.diff());
  if (change.reasons_size() > 0) *record.mutable_reasons() = change.reasons();
  if (change.has_likeness()) {
    *record.mutable_functions() = change.functions();
    record.set_functions_added(change.functions_added());
    record.set_functions_removed(change.functions_removed());
    record.set_functions_changed(change.functions_changed());
    record.set_functions_moved(change.functions_moved());
    *record.mutable_likeness() = change.likeness();
  }
  if (!change.not_judged().empty()) record.set_not_judged(change.not_judged());
  if (!change.initiator().empty()) record.set_initiator(change.initiator());
  if (!change.seen_as().empty()) record.set_seen_as(change.seen_as());
  return transaction.PutScriptVersion(finding.site(), change.script(), record);
}

absl::Status SetCurrent(store::Transaction& transaction, const std::string& sha256,
                        v1::Script& script) {
  absl::StatusOr<std::optional<v1::ScriptRecord>> record =
      transaction.FindScriptVersion(script.site(), script.name(), sha256);
  if (!record.ok()) return record.status();
  if (record->has_value()) *script.mutable_current() = (*record)->version();
  return absl::OkStatus();
}

}  // namespace

absl::Status RefreshState(store::Transaction& transaction, v1::Script& script) {
  absl::StatusOr<std::vector<store::ServedVersion>> served =
      transaction.ServedVersions(script.site(), script.name());
  if (!served.ok()) return served.status();
  absl::StatusOr<std::vector<std::string>> approved =
      transaction.ApprovedVersions(script.site(), script.name());
  if (!approved.ok()) return approved.status();
  absl::StatusOr<bool> ever_approved = transaction.EverApproved(script.site(), script.name());
  if (!ever_approved.ok()) return ever_approved.status();

  const store::ServedVersion* unapproved = nullptr;
  const store::ServedVersion* fine = nullptr;
  for (const store::ServedVersion& version : *served) {
    if (version.sha256.empty()) continue;
    const bool ok =
        std::find(approved->begin(), approved->end(), version.sha256) != approved->end();
    const store::ServedVersion*& newest = ok ? fine : unapproved;
    if (newest == nullptr) newest = &version;
  }
  if (unapproved != nullptr) {
    script.set_state(*ever_approved ? v1::Script::STATE_CHANGED : v1::Script::STATE_UNAPPROVED);
    return SetCurrent(transaction, unapproved->sha256, script);
  }
  if (fine != nullptr) {
    script.set_state(v1::Script::STATE_APPROVED);
    return SetCurrent(transaction, fine->sha256, script);
  }
  script.set_state(v1::Script::STATE_MISSING);
  script.clear_current();
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> RecordScriptChange(store::Transaction& transaction,
                                            exposure::ExposureFolder& folder,
                                            const v1::Finding& finding, const std::string& agent,
                                            absl::Time now) {
  const v1::ScriptChange& change = finding.script_change();
  const bool gone = change.change() == v1::ScriptChange::CHANGE_REMOVED;
  absl::StatusOr<std::optional<v1::Script>> found =
      transaction.FindScript(finding.site(), change.script());
  if (!found.ok()) return found.status();
  v1::Script script;
  if (found->has_value()) {
    script = **std::move(found);
  } else {
    script.set_site(finding.site());
    script.set_name(change.script());
    *script.mutable_first_seen() = finding.first_seen();
  }
  // The exposure's key holds the page, so a script keeps the first that it was found on.
  if (script.page().empty()) script.set_page(change.page());
  if (!script.has_last_seen() ||
      FromTimestamp(finding.last_seen()) > FromTimestamp(script.last_seen())) {
    *script.mutable_last_seen() = finding.last_seen();
  }
  // Versions hang on their script.
  if (absl::Status s = transaction.PutScript(script); !s.ok()) return s;
  if (!gone) {
    if (absl::Status s = RecordVersion(transaction, finding, agent); !s.ok()) return s;
  }
  absl::Status status = transaction.SetServedVersion(
      script.site(), script.name(),
      {.agent = agent, .sha256 = gone ? "" : change.current().sha256(), .since = now});
  if (!status.ok()) return status;
  if (status = RefreshState(transaction, script); !status.ok()) return status;
  if (status = transaction.PutScript(script); !status.ok()) return status;

  if (script.state() == v1::Script::STATE_APPROVED || script.state() == v1::Script::STATE_MISSING) {
    status = folder.CloseChannel(
        script.site(), v1::FINDING_KIND_SCRIPT_CHANGE, script.name(),
        std::string(exposure::kCollectorName),
        gone ? "the script is no longer served" : "only approved versions are served again");
    if (!status.ok()) return status;
    return 0;
  }
  if (gone || finding.expected() || change.change() == v1::ScriptChange::CHANGE_PROPOSED) return 0;
  absl::StatusOr<std::vector<std::string>> approved =
      transaction.ApprovedVersions(script.site(), script.name());
  if (!approved.ok()) return approved.status();
  // This agent is fine; another one keeps the exposure open.
  if (std::find(approved->begin(), approved->end(), change.current().sha256()) != approved->end()) {
    return 0;
  }
  return folder.AddTo({.site = script.site(),
                       .kind = v1::FINDING_KIND_SCRIPT_CHANGE,
                       .channel = script.name(),
                       .destination = script.page()},
                      finding, v1::FINDING_KIND_SCRIPT_CHANGE, agent);
}

}  // namespace skimwatch::inventory
