#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "collector/console/pages.h"
#include "collector/console/side_by_side.h"
#include "collector/ctl/describe.h"
#include "collector/store/timestamp.h"

namespace skimwatch::console {
namespace {

using store::FromTimestamp;

constexpr uint32_t kPageSize = 100;
constexpr size_t kDiffRowsMax = 2000;
// Of a version's facts.
constexpr int kFactsMax = 50;

std::string StateWord(v1::Script::State state) {
  return ctl::Word(*v1::Script::State_descriptor(), state);
}

bool IsInForce(const v1::ScriptApproval& approval, absl::Time now) {
  if (approval.approved_by().empty() || !approval.revoked_by().empty()) return false;
  return !approval.has_expires_at() || FromTimestamp(approval.expires_at()) > now;
}

void AddApproval(const v1::ScriptApproval& approval, absl::Time now, Dictionary& row) {
  if (approval.approved_by().empty()) {
    Show(row, "NEVER_APPROVED", true);
    return;
  }
  Dictionary& shown = *row.AddSectionDictionary("APPROVAL");
  Put(shown, "WHO", approval.approved_by());
  Put(shown, "WHY", approval.justification());
  PutTime(shown, "AT", approval.approved_at());
  PutTime(shown, "UNTIL", approval.expires_at());
  if (!approval.publisher().empty()) {
    Put(*shown.AddSectionDictionary("PUBLISHED"), "PUBLISHER", approval.publisher());
  }
  Show(shown, "BY_PROFILE", approval.kind() == v1::ScriptApproval::KIND_PROFILE);
  if (!approval.revoked_by().empty()) {
    Dictionary& revoked = *shown.AddSectionDictionary("REVOKED");
    Put(revoked, "WHO", approval.revoked_by());
    Put(revoked, "WHY", approval.revocation_reason());
    PutTime(revoked, "AT", approval.revoked_at());
  } else {
    Show(shown, "EXPIRED", !IsInForce(approval, now));
  }
}

std::string VersionUrl(const v1::Script& script, const std::string& sha256) {
  return Url("/script", {{"site", script.site()},
                         {"name", script.name()},
                         {"version", ctl::Hex(sha256, /*is_short=*/false)}});
}

void AddDiff(const v1::Script& script, const v1::ScriptRecord& record, Dictionary& values) {
  Dictionary& shown = *values.AddSectionDictionary("VERSION_SHOWN");
  PutOwn(shown, "SHA256", ctl::Hex(record.version().sha256(), /*is_short=*/false));
  PutNumber(shown, "SIZE", record.version().size_bytes());
  PutTime(shown, "FIRST_SEEN", record.first_seen());
  Put(shown, "NAME", script.name());
  const int facts = std::min(record.gained_facts_size(), kFactsMax);
  for (int i = 0; i < facts; ++i) {
    Dictionary& fact = *shown.AddSectionDictionary("FACT");
    Put(fact, "NAME", record.gained_facts(i).name());
    Put(fact, "EXCERPT", record.gained_facts(i).excerpt());
  }
  Show(shown, "HAS_FACTS", facts > 0);
  Show(shown, "NO_DIFF", record.diff().empty());
  if (record.diff().empty()) return;
  bool cut = false;
  Dictionary& diff = *shown.AddSectionDictionary("DIFF");
  for (const DiffRow& row : SideBySide(record.diff(), kDiffRowsMax, cut)) {
    Dictionary& line = *diff.AddSectionDictionary("ROW");
    if (row.kind == DiffRow::Kind::kGap) {
      Put(*line.AddSectionDictionary("GAP"), "TEXT", row.left);
      continue;
    }
    Dictionary& both = *line.AddSectionDictionary("LINES");
    const bool changed = row.kind == DiffRow::Kind::kChanged;
    PutOwn(both, "LEFT_CLASS", !row.has_left ? "none" : changed ? "removed" : "same");
    PutOwn(both, "RIGHT_CLASS", !row.has_right ? "none" : changed ? "added" : "same");
    PutOwn(both, "LEFT_NUMBER", row.has_left ? absl::StrCat(row.left_number) : "");
    PutOwn(both, "RIGHT_NUMBER", row.has_right ? absl::StrCat(row.right_number) : "");
    Show(both, "REMOVED", changed && row.has_left);
    Show(both, "ADDED", changed && row.has_right);
    Put(both, "LEFT", row.left);
    Put(both, "RIGHT", row.right);
  }
  Show(diff, "CUT", cut);
}

void AddForm(const Context& context, const v1::Script& script, const v1::ScriptRecord& record,
             Dictionary& row) {
  const bool in_force = IsInForce(record.approval(), context.now);
  const char* const method = in_force ? "RevokeScript" : "ApproveScript";
  if (!context.calls.May(context.caller, method)) return;
  Dictionary& form = *row.AddSectionDictionary(in_force ? "REVOKE_FORM" : "APPROVE_FORM");
  PutOwn(form, "TOKEN", context.form_token);
  Put(form, "IDENTITY", context.caller.identity);
  PutOwn(form, "SHA256", ctl::Hex(record.version().sha256(), /*is_short=*/false));
  PutOwn(form, "SHORT", ctl::Hex(record.version().sha256(), /*is_short=*/true));
  // As they are: what is sent back must be the script's name.
  form.SetValue("SITE", script.site());
  form.SetValue("SCRIPT", script.name());
}

// The hash of a form or of an address; empty when it is none.
std::string ReadHash(const std::string& hex) {
  constexpr size_t kDigits = 64;
  if (hex.size() != kDigits || hex.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return "";
  }
  return absl::HexStringToBytes(hex);
}

}  // namespace

std::string ScriptUrl(const std::string& site, const std::string& name) {
  return Url("/script", {{"site", site}, {"name", name}});
}

absl::StatusOr<View> ScriptsPage(const Context& context) {
  const Request& from = context.request;
  v1::ListScriptsRequest request;
  request.set_site(from.Query("site"));
  request.set_state(static_cast<v1::Script::State>(
      ctl::FromWord(*v1::Script::State_descriptor(), from.Query("state"))));
  request.set_page(from.Query("page"));
  request.set_page_size(kPageSize);
  request.set_page_token(from.Query("after"));
  absl::StatusOr<v1::ListScriptsResponse> answer =
      context.calls.ListScripts(context.caller, request);
  if (!answer.ok()) return answer.status();

  View view("scripts");
  view.title = "Scripts";
  view.section = "/scripts";
  Dictionary& values = *view.values;
  Put(values, "SITE_FILTER", from.Query("site"));
  Put(values, "PAGE_FILTER", from.Query("page"));
  std::vector<std::pair<std::string, std::string>> states = {{"", "all states"}};
  for (const std::string& word : ctl::Words(*v1::Script::State_descriptor())) {
    states.emplace_back(word, word);
  }
  AddOptions(values, "STATE_OPTION", states, from.Query("state"));
  // By the page that runs them; the order of the answer within.
  std::map<std::pair<std::string, std::string>, std::vector<const v1::Script*>> by_page;
  for (const v1::Script& script : answer->scripts()) {
    by_page[{script.site(), script.page()}].push_back(&script);
  }
  for (const auto& [where, scripts] : by_page) {
    Dictionary& group = *values.AddSectionDictionary("PAGE");
    Put(group, "SITE", where.first);
    Put(group, "PAGE_NAME", where.second.empty() ? "files of the web root" : where.second);
    for (const v1::Script* const script : scripts) {
      Dictionary& row = *group.AddSectionDictionary("SCRIPT");
      Put(row, "NAME", script->name());
      PutOwn(row, "URL", ScriptUrl(script->site(), script->name()));
      PutOwn(row, "STATE", StateWord(script->state()));
      PutOwn(row, "SHORT", ctl::Hex(script->current().sha256(), /*is_short=*/true));
      PutNumber(row, "SIZE", script->current().size_bytes());
      PutTime(row, "FIRST_SEEN", script->first_seen());
      PutTime(row, "LAST_SEEN", script->last_seen());
      if (!script->owner().empty()) Put(*row.AddSectionDictionary("OWNER"), "WHO", script->owner());
      if (!script->justification().empty()) {
        Put(*row.AddSectionDictionary("WHY"), "TEXT", script->justification());
      }
    }
  }
  Show(values, "NO_SCRIPTS", by_page.empty());
  const auto page = [&](const std::string& after) {
    return Url("/scripts", {{"site", from.Query("site")},
                            {"state", from.Query("state")},
                            {"page", from.Query("page")},
                            {"after", after}});
  };
  if (!answer->next_page_token().empty()) {
    PutOwn(*values.AddSectionDictionary("NEXT"), "URL", page(answer->next_page_token()));
  }
  if (!from.Query("after").empty()) {
    PutOwn(*values.AddSectionDictionary("FIRST"), "URL", page(""));
  }
  return view;
}

absl::StatusOr<View> ScriptPage(const Context& context) {
  v1::GetScriptRequest request;
  request.set_site(context.request.Query("site"));
  request.set_name(context.request.Query("name"));
  absl::StatusOr<v1::GetScriptResponse> answer = context.calls.GetScript(context.caller, request);
  if (!answer.ok()) return answer.status();
  const v1::Script& script = answer->script();

  View view("script");
  view.title = absl::StrCat("Script ", script.name());
  view.section = "/scripts";
  Dictionary& values = *view.values;
  Put(values, "NAME", script.name());
  Put(values, "SITE", script.site());
  PutOwn(values, "SITE_URL", Url("/scripts", {{"site", script.site()}}));
  PutOwn(values, "STATE", StateWord(script.state()));
  PutTime(values, "FIRST_SEEN", script.first_seen());
  PutTime(values, "LAST_SEEN", script.last_seen());
  if (!script.page().empty()) Put(*values.AddSectionDictionary("ON_PAGE"), "PAGE", script.page());
  if (!script.owner().empty()) Put(*values.AddSectionDictionary("OWNER"), "WHO", script.owner());
  if (!script.justification().empty()) {
    Put(*values.AddSectionDictionary("WHY"), "TEXT", script.justification());
  }
  // Without a wish, the difference of the newest version that has one.
  const std::string wished = ReadHash(context.request.Query("version"));
  const v1::ScriptRecord* shown = nullptr;
  for (const v1::ScriptRecord& record : script.history()) {
    const bool is_it =
        wished.empty() ? !record.diff().empty() : record.version().sha256() == wished;
    if (is_it && shown == nullptr) shown = &record;
  }
  for (const v1::ScriptRecord& record : script.history()) {
    Dictionary& row = *values.AddSectionDictionary("VERSION");
    const std::string& sha256 = record.version().sha256();
    PutOwn(row, "SHORT", ctl::Hex(sha256, /*is_short=*/true));
    PutOwn(row, "SHA256", ctl::Hex(sha256, /*is_short=*/false));
    PutOwn(row, "URL", absl::StrCat(VersionUrl(script, sha256), "#difference"));
    PutNumber(row, "SIZE", record.version().size_bytes());
    PutTime(row, "FIRST_SEEN", record.first_seen());
    PutTime(row, "LAST_SEEN", record.last_seen());
    Put(row, "AGENTS", absl::StrJoin(record.agents(), ", "));
    Show(row, "SERVED",
         script.state() != v1::Script::STATE_MISSING && sha256 == script.current().sha256());
    Show(row, "SHOWN", &record == shown);
    if (record.gained_facts_size() > 0) {
      PutNumber(*row.AddSectionDictionary("GAINED"), "COUNT",
                static_cast<uint64_t>(record.gained_facts_size()));
    }
    AddApproval(record.approval(), context.now, row);
    const bool open =
        sha256 == script.current().sha256() || IsInForce(record.approval(), context.now);
    if (open) AddForm(context, script, record, values);
  }
  if (shown != nullptr) AddDiff(script, *shown, values);
  Show(values, "MAY_NOT", !context.calls.May(context.caller, "ApproveScript"));
  return view;
}

absl::StatusOr<std::string> ApproveScript(const Context& context) {
  const Request& from = context.request;
  v1::ApproveScriptRequest request;
  request.set_site(from.Form("site"));
  request.set_name(from.Form("name"));
  request.set_sha256(ReadHash(from.Form("sha256")));
  request.set_justification(from.Form("justification"));
  if (const std::string& until = from.Form("until"); !until.empty()) {
    absl::Time end;
    std::string error;
    // To the end of the day: a day that is named is still covered.
    if (!absl::ParseTime("%Y-%m-%d", until, absl::UTCTimeZone(), &end, &error)) {
      return absl::InvalidArgumentError("until: expected a date such as 2027-03-31");
    }
    end += absl::Hours(24);
    if (end <= context.now) return absl::InvalidArgumentError("until: expected a day to come");
    *request.mutable_expires_at() = store::ToTimestamp(end);
  }
  absl::Status status = context.calls.ApproveScript(context.caller, request).status();
  if (!status.ok()) return status;
  return ScriptUrl(request.site(), request.name());
}

absl::StatusOr<std::string> RevokeScript(const Context& context) {
  const Request& from = context.request;
  v1::RevokeScriptRequest request;
  request.set_site(from.Form("site"));
  request.set_name(from.Form("name"));
  request.set_sha256(ReadHash(from.Form("sha256")));
  request.set_reason(from.Form("reason"));
  absl::Status status = context.calls.RevokeScript(context.caller, request).status();
  if (!status.ok()) return status;
  return ScriptUrl(request.site(), request.name());
}

}  // namespace skimwatch::console
