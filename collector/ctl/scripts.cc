#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/known.h"
#include "collector/ctl/script_words.h"
#include "collector/ctl/session.h"
#include "proto/text/printable.h"
#include "proto/text/table.h"
#include "proto/text/units.h"

namespace skimwatch::ctl {
namespace {

constexpr size_t kHashDigitsMin = 8;
// How long, and how often, the collector is asked whether agents said what a version does.
constexpr absl::Duration kAskedFor = absl::Seconds(30);
constexpr absl::Duration kAskedEvery = absl::Milliseconds(300);

// The script that the command line names. Without --site it is looked for in all sites, and must be
// in one only.
absl::StatusOr<v1::Script> Find(const Options& options, Session& session) {
  std::string site = options.site;
  if (site.empty()) {
    const auto scripts =
        ListAll(session, &v1::QueryService::Stub::ListScripts, v1::ListScriptsRequest(),
                &v1::ListScriptsResponse::mutable_scripts, /*limit=*/0);
    if (!scripts.ok()) return scripts.status();
    std::set<std::string> sites;
    for (const v1::Script& script : scripts->scripts()) {
      if (script.name() == options.script) sites.insert(script.site());
    }
    absl::StatusOr<std::string> only =
        OnlySite(sites, absl::StrCat("a script ", options.script), "scripts list");
    if (!only.ok()) return only.status();
    site = *std::move(only);
  }
  v1::GetScriptRequest request;
  request.set_site(site);
  request.set_name(options.script);
  absl::StatusOr<v1::GetScriptResponse> answer = session.connection.Call(
      session.connection.query(), &v1::QueryService::Stub::GetScript, request);
  if (!answer.ok()) return answer.status();
  return std::move(*answer->mutable_script());
}

// The version whose hash begins with what the command line says. A decision is about bytes that
// somebody read, so it needs enough of their hash to be sure.
absl::StatusOr<v1::ScriptRecord> FindVersion(const v1::Script& script, std::string_view prefix) {
  const std::string hash = absl::AsciiStrToLower(std::string(prefix));
  const auto is_hex = [](unsigned char c) { return absl::ascii_isxdigit(c); };
  if (hash.size() < kHashDigitsMin || hash.size() > 64 ||
      !std::all_of(hash.begin(), hash.end(), is_hex)) {
    return absl::InvalidArgumentError(
        absl::StrCat("HASH: expected the SHA-256 of the version, or its first 8 or more hex digits",
                     "\n`skimwatchctl scripts diff` shows it"));
  }
  std::vector<const v1::ScriptRecord*> found;
  for (const v1::ScriptRecord& record : script.history()) {
    if (absl::StartsWith(Hex(record.version().sha256(), /*is_short=*/false), hash)) {
      found.push_back(&record);
    }
  }
  if (found.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no version of ", script.name(), " has a SHA-256 that begins with ", hash,
                     "\n`skimwatchctl scripts diff` shows the one that is served"));
  }
  if (found.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(found.size(), " versions of ", script.name(),
                                                   " have a SHA-256 that begins with ", hash,
                                                   "\ngive more of its digits"));
  }
  return *found[0];
}

std::string Facts(const google::protobuf::RepeatedPtrField<v1::ScriptFact>& facts) {
  std::vector<std::string> shown;
  for (const v1::ScriptFact& fact : facts) {
    shown.push_back(
        absl::StrCat(fact.name(), " at ", fact.offset(),
                     fact.excerpt().empty() ? "" : absl::StrCat(" `", fact.excerpt(), "`")));
  }
  return absl::StrJoin(shown, "; ");
}

std::string Approval(const v1::ScriptRecord& record) {
  return record.has_approval() ? ApprovalLine(record.approval(), absl::Now()) : "none";
}

// Lines that a unified difference adds and removes.
std::string DiffSummary(const v1::ScriptRecord& record) {
  if (record.diff().empty()) return "";
  size_t added = 0;
  size_t removed = 0;
  for (const auto line : absl::StrSplit(record.diff(), '\n')) {
    if (absl::StartsWith(line, "+") && !absl::StartsWith(line, "+++")) ++added;
    if (absl::StartsWith(line, "-") && !absl::StartsWith(line, "---")) ++removed;
  }
  return absl::StrCat(added, " lines added, ", removed, " removed");
}

// What of a version's functions is otherwise than in the one before, and how alike the two are.
std::string Functions(const v1::ScriptRecord& record) {
  if (!record.has_likeness()) return "";
  std::string text =
      record.likeness().same_structure()
          ? "rebuilt, the same but for layout and names"
          : absl::StrCat(record.functions_added(), " added, ", record.functions_removed(),
                         " removed, ", record.functions_changed(), " changed, ",
                         record.functions_moved(), " moved; ",
                         record.likeness().functions_percent(), " % as before");
  for (const v1::FunctionChange& function : record.functions()) {
    std::string kind = v1::FunctionChange::Change_Name(function.change());
    kind = absl::AsciiStrToLower(absl::StripPrefix(kind, "CHANGE_"));
    absl::StrAppend(&text, "; ", kind, " ", function.name().empty() ? "one" : function.name(),
                    " at ", function.offset());
  }
  if (record.likeness().tlsh_distance() >= 0) {
    absl::StrAppend(&text, "; TLSH distance ", record.likeness().tlsh_distance());
  }
  if (record.likeness().ssdeep_score() >= 0) {
    absl::StrAppend(&text, "; ssdeep score ", record.likeness().ssdeep_score());
  }
  return text;
}

void ShowVersion(const v1::Script& script, const v1::ScriptRecord& record, Output& output) {
  const bool is_served = record.version().sha256() == script.current().sha256();
  output.Pairs({
      {"Script", script.name()},
      {"Site", script.site()},
      {"Page", script.page()},
      {"State", Word(*v1::Script::State_descriptor(), script.state())},
      {"SHA-256", Hex(record.version().sha256(), /*is_short=*/false)},
      {"Integrity", record.version().integrity()},
      {"Size", text::Bytes(record.version().size_bytes())},
      {"Served", is_served ? "now" : "no longer, or not everywhere"},
      {"First seen", Describe(record.first_seen())},
      {"Last seen", Describe(record.last_seen())},
      {"Agents", absl::StrJoin(record.agents(), ", ")},
      {"Approval", Approval(record)},
      {"Why", absl::StrJoin(record.reasons(), "; ")},
      {"Not judged", record.not_judged()},
      {"Uncovered", absl::StrJoin(record.not_covered(), "; ")},
      {"Seen by", Sensors(record)},
      {"Seen as", record.seen_as()},
      {"Initiator", record.initiator()},
      {"Protected", IntegrityMethod(record)},
      {"Functions", Functions(record)},
      {"New in it", Facts(record.gained_facts())},
      {"Facts", Facts(record.facts())},
      {"Difference", DiffSummary(record)},
  });
}

// The hash that the command line gives; of a profile, that of what is served, where it gives none.
std::string HashOf(const Options& options, const v1::Script& script) {
  if (!options.hash.empty() || !options.profile) return options.hash;
  return Hex(script.current().sha256(), /*is_short=*/false);
}

// Waits until the agents said what a version does. The approval that is asked for is refused as
// long as that is not known.
absl::Status AskBehaviour(const v1::ApproveScriptRequest& request, const v1::Script& script,
                          Session& session, v1::ScriptRecord& record) {
  const absl::Time until = absl::Now() + kAskedFor;
  v1::GetScriptRequest get;
  get.set_site(script.site());
  get.set_name(script.name());
  bool is_asked = false;
  while (true) {
    absl::StatusOr<v1::GetScriptResponse> answer = session.connection.Call(
        session.connection.query(), &v1::QueryService::Stub::GetScript, get);
    if (!answer.ok()) return answer.status();
    for (const v1::ScriptRecord& version : answer->script().history()) {
      if (version.version().sha256() == record.version().sha256()) record = version;
    }
    if (record.has_behaviour()) return absl::OkStatus();
    if (!is_asked) {
      const absl::Status asked = session.connection
                                     .Call(session.connection.decision(),
                                           &v1::DecisionService::Stub::ApproveScript, request)
                                     .status();
      // INVALID_ARGUMENT, for want of a justification: it is known since a moment ago.
      if (!absl::IsUnavailable(asked) && !absl::IsInvalidArgument(asked)) return asked;
      if (absl::IsUnavailable(asked)) Output::Note("Asking the agents what this version does ...");
      is_asked = true;
    }
    if (absl::Now() > until) {
      return absl::FailedPreconditionError(
          "no agent that serves this version said what it does; is one connected, and of a version "
          "that can? `skimwatchctl agents list` shows them");
    }
    absl::SleepFor(kAskedEvery);
  }
}

}  // namespace

absl::StatusOr<int> ListScripts(const Options& options, Session& session) {
  v1::ListScriptsRequest request;
  request.set_site(options.site);
  request.set_page(options.page);
  request.set_details(true);
  request.set_state(
      static_cast<v1::Script::State>(FromWord(*v1::Script::State_descriptor(), options.state)));
  const auto answer = ListAll(session, &v1::QueryService::Stub::ListScripts, request,
                              &v1::ListScriptsResponse::mutable_scripts, options.limit);
  if (!answer.ok()) return answer.status();
  if (answer->scripts().empty()) NoteUnknown(options, session);
  if (session.output.json()) {
    session.output.Json(*answer);
    return 0;
  }
  text::Table table({{.name = "STATE"},
                     {.name = "SITE", .shrinks = true},
                     {.name = "NAME", .shrinks = true},
                     {.name = "SHA-256"},
                     {.name = "SIZE", .right = true},
                     {.name = "APPROVED BY", .shrinks = true},
                     {.name = "UNTIL"},
                     {.name = "OWNER", .shrinks = true},
                     {.name = "FIRST SEEN"},
                     {.name = "LAST SEEN"}});
  const absl::Time now = absl::Now();
  for (const v1::Script& script : answer->scripts()) {
    const v1::ScriptRecord& record = script.current_record();
    table.AddRow(
        {Word(*v1::Script::State_descriptor(), script.state()), script.site(), script.name(),
         Hex(script.current().sha256(), /*is_short=*/true),
         script.current().sha256().empty() ? "" : text::Bytes(script.current().size_bytes()),
         ApprovalKind(record, now),
         ApprovalEnd(record, now, absl::Hours(24) * options.warning_days), script.owner(),
         Describe(script.first_seen()), Describe(LastSeen(script))});
  }
  session.output.Rows(table);
  return 0;
}

absl::StatusOr<int> DiffScript(const Options& options, Session& session) {
  absl::StatusOr<v1::Script> script = Find(options, session);
  if (!script.ok()) return script.status();
  if (session.output.json() && options.hash.empty()) {
    v1::GetScriptResponse answer;
    *answer.mutable_script() = *std::move(script);
    session.output.Json(answer);
    return 0;
  }
  absl::StatusOr<v1::ScriptRecord> record =
      absl::NotFoundError(absl::StrCat("no version of ", script->name(), " is known"));
  if (!options.hash.empty()) {
    record = FindVersion(*script, options.hash);
  } else {
    for (const v1::ScriptRecord& candidate : script->history()) {
      const bool is_served = candidate.version().sha256() == script->current().sha256();
      // The served one, else the newest.
      if (is_served || !record.ok()) record = candidate;
      if (is_served) break;
    }
  }
  if (!record.ok()) return record.status();
  if (session.output.json()) {
    session.output.Json(*record);
    return 0;
  }
  ShowVersion(*script, *record, session.output);
  if (!record->diff().empty()) {
    std::string diff = "\n";
    for (const auto line : absl::StrSplit(absl::StripSuffix(record->diff(), "\n"), '\n')) {
      absl::StrAppend(&diff, text::Printable(std::string_view(line.data(), line.size())), "\n");
    }
    session.output.Raw(diff);
  }
  return 0;
}

absl::StatusOr<int> ShowScript(const Options& options, Session& session) {
  absl::StatusOr<v1::Script> script = Find(options, session);
  if (!script.ok()) return script.status();
  if (session.output.json()) {
    v1::GetScriptResponse answer;
    *answer.mutable_script() = *std::move(script);
    session.output.Json(answer);
    return 0;
  }
  const absl::Time now = absl::Now();
  const v1::ScriptRecord* current = nullptr;
  for (const v1::ScriptRecord& record : script->history()) {
    if (record.version().sha256() == script->current().sha256()) current = &record;
  }
  const v1::ScriptRecord none;
  const v1::ScriptRecord& record = current == nullptr ? none : *current;
  std::vector<std::string> served;
  for (const v1::ScriptServed& one : script->served()) {
    served.push_back(absl::StrCat(
        one.agent(), one.sha256().empty() ? " (gone" : absl::StrCat(" (", Hex(one.sha256(), true)),
        " since ", Describe(one.since()), ", heard of ", Describe(one.seen_at()), ")"));
  }
  std::string profile;
  if (script->has_profile()) {
    const v1::ScriptProfile& in_force = script->profile();
    profile = absl::StrCat(in_force.id(), ", of version ", Hex(in_force.sha256(), true), ", ",
                           in_force.behaviour().facts_size(), " facts, ", in_force.versions(),
                           " versions accepted; ", ApprovalLine(in_force.approval(), now));
  }
  session.output.Pairs({
      {"Script", script->name()},
      {"Site", script->site()},
      {"Page", script->page()},
      {"State", Word(*v1::Script::State_descriptor(), script->state())},
      {"Owner", script->owner()},
      {"Justification", script->justification()},
      {"Described", script->described_by().empty() ? ""
                                                   : absl::StrCat(Describe(script->described_at()),
                                                                  " by ", script->described_by())},
      {"SHA-256", Hex(script->current().sha256(), /*is_short=*/false)},
      {"Size",
       script->current().sha256().empty() ? "" : text::Bytes(script->current().size_bytes())},
      {"First seen", Describe(script->first_seen())},
      {"Last seen", Describe(LastSeen(*script))},
      {"Served by", absl::StrJoin(served, "; ")},
      {"Seen by", Sensors(record)},
      {"Initiator", record.initiator()},
      {"Protected", IntegrityMethod(record)},
      {"Approval", Approval(record)},
      {"Profile", profile},
      {"Uncovered", absl::StrJoin(record.not_covered(), "; ")},
  });
  session.output.Line("");
  text::Table table({{.name = "VERSION"},
                     {.name = "SIZE", .right = true},
                     {.name = "FIRST SEEN"},
                     {.name = "LAST SEEN"},
                     {.name = "APPROVAL", .shrinks = true},
                     {.name = "NEW IN IT", .shrinks = true}});
  for (const v1::ScriptRecord& version : script->history()) {
    table.AddRow({Hex(version.version().sha256(), /*is_short=*/true),
                  text::Bytes(version.version().size_bytes()), Describe(version.first_seen()),
                  Describe(version.last_seen()), Approval(version),
                  absl::StrJoin(version.reasons(), "; ")});
  }
  session.output.Rows(table);
  if (script->versions() > static_cast<uint64_t>(script->history_size())) {
    Output::Note(absl::StrCat("There are ", script->versions(), " versions; these are the newest ",
                              script->history_size(), "."));
  }
  for (const std::string& line : BehaviourLines(script->profile().behaviour())) {
    session.output.Line(absl::StrCat("profile: ", text::Printable(line)));
  }
  return 0;
}

absl::StatusOr<int> DescribeScript(const Options& options, Session& session) {
  const absl::StatusOr<v1::Script> script = Find(options, session);
  if (!script.ok()) return script.status();
  v1::DescribeScriptRequest request;
  request.set_site(script->site());
  request.set_name(script->name());
  if (options.owner.has_value()) request.set_owner(*options.owner);
  if (!options.reason.empty()) {
    const absl::StatusOr<std::string> justification = Reason(options, "--justification", "");
    if (!justification.ok()) return justification.status();
    request.set_justification(*justification);
  }
  const absl::StatusOr<v1::DescribeScriptResponse> answer = session.connection.Call(
      session.connection.decision(), &v1::DecisionService::Stub::DescribeScript, request);
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(*answer);
  } else {
    session.output.Line(
        absl::StrCat("Owner: ", text::Printable(answer->script().owner()),
                     "; justification: ", text::Printable(answer->script().justification())));
  }
  return 0;
}

absl::StatusOr<int> ApproveScript(const Options& options, Session& session) {
  absl::StatusOr<v1::Script> script = Find(options, session);
  if (!script.ok()) return script.status();
  absl::StatusOr<v1::ScriptRecord> record = FindVersion(*script, HashOf(options, *script));
  if (!record.ok()) return record.status();
  if (!session.output.json()) {
    ShowVersion(*script, *record, session.output);
    session.output.Line("");
  }
  v1::ApproveScriptRequest request;
  request.set_site(script->site());
  request.set_name(script->name());
  request.set_sha256(record->version().sha256());
  request.set_profile(options.profile);
  if (!options.expires.empty()) {
    absl::StatusOr<google::protobuf::Timestamp> end = ParseEnd(options.expires, absl::Now());
    if (!end.ok()) return end.status();
    *request.mutable_expires_at() = *std::move(end);
  }
  if (options.profile && !record->has_behaviour()) {
    // Before anybody says yes to it. Without a justification nothing is approved.
    absl::Status asked = AskBehaviour(request, *script, session, *record);
    if (!asked.ok()) return asked;
  }
  if (options.profile && !session.output.json()) {
    session.output.Line("Approved is what it does; a version that does more is not covered:");
    for (const std::string& line : BehaviourLines(record->behaviour())) {
      session.output.Line(absl::StrCat("  ", text::Printable(line)));
    }
  }
  const absl::StatusOr<std::string> justification =
      Reason(options, "--justification", "Why does the page need this script? ");
  if (!justification.ok()) return justification.status();
  request.set_justification(*justification);
  const absl::StatusOr<v1::ApproveScriptResponse> answer = session.connection.Call(
      session.connection.decision(), &v1::DecisionService::Stub::ApproveScript, request);
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(*answer);
  } else {
    session.output.Line(
        absl::StrCat("Approved; the script is now ",
                     Word(*v1::Script::State_descriptor(), answer->script().state()), "."));
  }
  return 0;
}

absl::StatusOr<int> RevokeScript(const Options& options, Session& session) {
  const absl::StatusOr<v1::Script> script = Find(options, session);
  if (!script.ok()) return script.status();
  v1::RevokeScriptRequest request;
  request.set_site(script->site());
  request.set_name(script->name());
  request.set_profile(options.profile);
  if (!options.profile) {
    const absl::StatusOr<v1::ScriptRecord> record = FindVersion(*script, options.hash);
    if (!record.ok()) return record.status();
    request.set_sha256(record->version().sha256());
  }
  const absl::StatusOr<std::string> reason =
      Reason(options, "--reason", "Why is the approval taken back? ");
  if (!reason.ok()) return reason.status();
  request.set_reason(*reason);
  const absl::StatusOr<v1::RevokeScriptResponse> answer = session.connection.Call(
      session.connection.decision(), &v1::DecisionService::Stub::RevokeScript, request);
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(*answer);
  } else {
    session.output.Line(
        absl::StrCat("Revoked; the script is now ",
                     Word(*v1::Script::State_descriptor(), answer->script().state()), "."));
  }
  return 0;
}

}  // namespace skimwatch::ctl
