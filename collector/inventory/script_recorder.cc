#include "collector/inventory/script_recorder.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "collector/exposure/rules.h"
#include "collector/inventory/script_approvals.h"
#include "collector/store/timestamp.h"
#include "proto/approval/behaviour_profile.h"

namespace skimwatch::inventory {
namespace {

using store::FromTimestamp;

// An agent that takes a version for approved says so by this; what the collector thinks of it is
// another matter.
constexpr v1::Severity kDisbelieved = v1::SEVERITY_HIGH;
constexpr int kSourcesMax = 16;
constexpr int kMethodsMax = 8;

// All that any agent found in a version: one that leaves something out can't hide it.
void MergeBehaviour(const v1::ScriptBehaviour& more, v1::ScriptRecord& record) {
  v1::ScriptBehaviour& known = *record.mutable_behaviour();
  if (!more.incomplete().empty()) {
    if (known.facts_size() == 0) known.set_incomplete(more.incomplete());
    return;
  }
  known.clear_incomplete();
  for (const v1::ScriptFact& fact : approval::GainedOver(known.facts(), more.facts())) {
    const auto same =
        std::find_if(known.mutable_facts()->begin(), known.mutable_facts()->end(),
                     [&](const v1::ScriptFact& one) {
                       return one.name() == fact.name() && one.excerpt() == fact.excerpt();
                     });
    if (same != known.mutable_facts()->end()) {
      same->set_count(fact.count());
    } else if (known.facts_size() < approval::kBehaviourFactsMax) {
      *known.add_facts() = fact;
    } else {
      known.set_incomplete("more facts than are kept");
    }
  }
}

template <typename Repeated, typename Value>
void AddOnce(const Value& value, int items_max, Repeated& items) {
  if (items.size() < items_max && std::find(items.begin(), items.end(), value) == items.end()) {
    items.Add(Value(value));
  }
}

// How many browsers reported a version, as the fact of a report says.
uint64_t BrowsersOf(const v1::ScriptChange& change) {
  uint64_t browsers = 0;
  for (const v1::ScriptFact& fact : change.facts()) {
    if (fact.name() == "browsers" && !absl::SimpleAtoi(fact.excerpt(), &browsers)) browsers = 0;
  }
  return browsers;
}

// Adds a look at a version to what is known of it.
absl::StatusOr<v1::ScriptRecord> RecordVersion(store::Transaction& transaction,
                                               const v1::Finding& finding,
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
  // A version whose approval ended stays what it was.
  const bool is_same = change.previous().sha256() == change.current().sha256();
  if (change.reasons_size() > 0 && !is_same) *record.mutable_reasons() = change.reasons();
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
  if (change.has_behaviour()) MergeBehaviour(change.behaviour(), record);
  AddOnce(static_cast<int>(finding.provenance().source()), kSourcesMax, *record.mutable_sources());
  if (const uint64_t browsers = BrowsersOf(change); browsers > 0) record.set_browsers(browsers);
  for (const std::string& method : change.integrity_methods()) {
    AddOnce(method, kMethodsMax, *record.mutable_integrity_methods());
  }
  absl::Status s = transaction.PutScriptVersion(finding.site(), change.script(), record);
  if (!s.ok()) return s;
  return record;
}

absl::Status SetCurrent(store::Transaction& transaction, const std::string& sha256,
                        v1::Script& script) {
  absl::StatusOr<std::optional<v1::ScriptRecord>> record =
      transaction.FindScriptVersion(script.site(), script.name(), sha256);
  if (!record.ok()) return record.status();
  if (record->has_value()) *script.mutable_current() = (*record)->version();
  return absl::OkStatus();
}

// What a version does that an agent was asked about; nothing of it changed.
absl::StatusOr<uint64_t> RecordTakenApart(store::Transaction& transaction,
                                          exposure::ExposureFolder& folder,
                                          const v1::Finding& finding, absl::Time now,
                                          bool& approvals_changed) {
  const v1::ScriptChange& change = finding.script_change();
  const std::string& sha256 = change.current().sha256();
  absl::StatusOr<std::optional<v1::ScriptRecord>> found =
      transaction.FindScriptVersion(finding.site(), change.script(), sha256);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return 0;
  v1::ScriptRecord record = **std::move(found);
  MergeBehaviour(change.behaviour(), record);
  absl::Status s = transaction.ForgetBehaviour(finding.site(), change.script(), sha256);
  if (!s.ok()) return s;
  absl::StatusOr<std::optional<store::StoredScriptApproval>> approval =
      FindApproval(transaction, finding.site(), change.script(), sha256, now);
  if (!approval.ok()) return approval.status();
  if (!approval->has_value()) {
    absl::StatusOr<bool> accepted =
        AcceptVersion(transaction, finding.site(), change.script(), record, now);
    if (!accepted.ok()) return accepted.status();
    approvals_changed = approvals_changed || *accepted;
  }
  s = transaction.PutScriptVersion(finding.site(), change.script(), record);
  if (!s.ok()) return s;
  s = DrawConsequences(transaction, folder, finding.site(), change.script(),
                       {.who = std::string(exposure::kCollectorName),
                        .close_reason = "only approved versions are served again",
                        .rule = ""},
                       now)
          .status();
  if (!s.ok()) return s;
  return 0;
}

// Whether the version that was just seen is approved, by whatever way.
absl::StatusOr<bool> Review(store::Transaction& transaction, const v1::Finding& finding,
                            const std::string& agent, v1::ScriptRecord& record, absl::Time now,
                            bool& approvals_changed) {
  const v1::ScriptChange& change = finding.script_change();
  const std::string& site = finding.site();
  absl::StatusOr<std::optional<store::StoredScriptApproval>> found =
      FindApproval(transaction, site, change.script(), record.version().sha256(), now);
  if (!found.ok()) return found.status();
  const std::string contradiction =
      change.has_behaviour() && change.behaviour().incomplete().empty()
          ? approval::Contradiction(change)
          : "";
  if (!contradiction.empty()) {
    record.mutable_behaviour()->set_incomplete(
        absl::StrCat(agent.substr(0, 64), " contradicts itself: ", contradiction));
  }
  if (found->has_value()) {
    const store::StoredScriptApproval& stored = **found;
    const bool is_told = change.has_behaviour() && change.behaviour().incomplete().empty();
    if (stored.approval.kind() != v1::ScriptApproval::KIND_PROFILE || !is_told) return true;
    absl::StatusOr<std::optional<v1::ScriptProfile>> profile =
        transaction.FindScriptProfile(site, change.script());
    if (!profile.ok()) return profile.status();
    if (!profile->has_value()) return true;
    const std::vector<std::string> why =
        approval::WhyNotCovered((*profile)->behaviour().facts(), record.behaviour());
    if (why.empty()) return true;
    absl::Status s = WithdrawApproval(transaction, stored,
                                      absl::StrCat(agent, " finds more in it: ", why.front()), now);
    if (!s.ok()) return s;
    record.mutable_not_covered()->Assign(why.begin(), why.end());
    approvals_changed = true;
  } else {
    absl::StatusOr<bool> accepted = AcceptVersion(transaction, site, change.script(), record, now);
    if (!accepted.ok()) return accepted;
    approvals_changed = approvals_changed || *accepted;
    if (*accepted || record.not_covered_size() > 0) {
      absl::Status s = transaction.PutScriptVersion(site, change.script(), record);
      if (!s.ok()) return s;
    }
    return accepted;
  }
  absl::Status s = transaction.PutScriptVersion(site, change.script(), record);
  if (!s.ok()) return s;
  return false;
}

}  // namespace

absl::Status RefreshState(store::Transaction& transaction, v1::Script& script, absl::Time now) {
  absl::StatusOr<std::vector<store::ServedVersion>> served =
      transaction.ServedVersions(script.site(), script.name());
  if (!served.ok()) return served.status();
  absl::StatusOr<std::vector<store::StoredScriptApproval>> approvals =
      transaction.ScriptApprovals(script.site(), script.name());
  if (!approvals.ok()) return approvals.status();
  absl::StatusOr<bool> ever_approved = transaction.EverApproved(script.site(), script.name());
  if (!ever_approved.ok()) return ever_approved.status();

  const store::ServedVersion* unapproved = nullptr;
  const store::ServedVersion* fine = nullptr;
  for (const store::ServedVersion& version : *served) {
    if (version.sha256.empty()) continue;
    const bool ok = std::any_of(
        approvals->begin(), approvals->end(), [&](const store::StoredScriptApproval& stored) {
          return stored.sha256 == version.sha256 && EndOf(stored.approval) > now;
        });
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
                                            absl::Time now, bool* approvals_changed) {
  const v1::ScriptChange& change = finding.script_change();
  bool changed = false;
  bool& policy_changed = approvals_changed == nullptr ? changed : *approvals_changed;
  if (change.change() == v1::ScriptChange::CHANGE_TAKEN_APART) {
    return RecordTakenApart(transaction, folder, finding, now, policy_changed);
  }
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
  bool is_approved = false;
  if (!gone) {
    absl::StatusOr<v1::ScriptRecord> record = RecordVersion(transaction, finding, agent);
    if (!record.ok()) return record.status();
    absl::StatusOr<bool> approved =
        Review(transaction, finding, agent, *record, now, policy_changed);
    if (!approved.ok()) return approved.status();
    is_approved = *approved;
  }
  absl::Status status = transaction.SetServedVersion(
      script.site(), script.name(),
      {.agent = agent, .sha256 = gone ? "" : change.current().sha256(), .since = now});
  if (!status.ok()) return status;
  if (status = RefreshState(transaction, script, now); !status.ok()) return status;
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
  // This agent is fine; another one keeps the exposure open.
  if (is_approved) return 0;
  const store::ExposureKey key = {.site = script.site(),
                                  .kind = v1::FINDING_KIND_SCRIPT_CHANGE,
                                  .channel = script.name(),
                                  .destination = script.page()};
  // An agent that takes for approved what is not has no severity of its own for it.
  const bool takes_for_approved =
      change.profile_id() != 0 || change.change() == v1::ScriptChange::CHANGE_RESTORED;
  if (!takes_for_approved) {
    return folder.AddTo(key, finding, v1::FINDING_KIND_SCRIPT_CHANGE, agent);
  }
  v1::Finding disbelieved = finding;
  disbelieved.set_severity(std::max(finding.severity(), kDisbelieved));
  return folder.AddTo(key, disbelieved, v1::FINDING_KIND_SCRIPT_CHANGE, agent);
}

}  // namespace skimwatch::inventory
