#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/json.h"
#include "collector/ctl/script_words.h"
#include "collector/ctl/session.h"
#include "proto/text/printable.h"

namespace skimwatch::ctl {
namespace {

using Row = std::vector<std::pair<std::string_view, std::string>>;

// Names of the columns stay: what assessors and their programs read is built on them.
Row RowOf(const v1::Script& script, absl::Time now) {
  const v1::ScriptRecord& record = script.current_record();
  const v1::ScriptApproval& approval = record.approval();
  std::vector<std::string> agents;
  for (const v1::ScriptServed& served : script.served()) {
    if (!served.sha256().empty()) agents.push_back(served.agent());
  }
  std::vector<std::string> headers;
  for (const v1::ScriptFact& fact : record.facts()) {
    if (fact.name() == "header") headers.push_back(fact.excerpt());
  }
  const bool is_approved = script.state() == v1::Script::STATE_APPROVED;
  return {
      {"site", script.site()},
      {"page", script.page()},
      {"script", script.name()},
      {"state", Word(*v1::Script::State_descriptor(), script.state())},
      {"owner", script.owner()},
      {"justification", script.justification()},
      {"sha256", Hex(script.current().sha256(), /*is_short=*/false)},
      {"size_bytes",
       script.current().sha256().empty() ? "" : absl::StrCat(script.current().size_bytes())},
      {"first_seen", Describe(script.first_seen())},
      {"last_seen", Describe(LastSeen(script))},
      {"versions", absl::StrCat(script.versions())},
      {"seen_by", Sensors(record)},
      {"seen_as", record.seen_as()},
      {"browsers", record.browsers() == 0 ? "" : absl::StrCat(record.browsers())},
      {"initiator", record.initiator()},
      {"integrity_method", IntegrityMethod(record)},
      {"approval", ApprovalKind(record, now)},
      {"approved_by", is_approved ? approval.approved_by() : ""},
      {"approved_at", is_approved ? Describe(approval.approved_at()) : ""},
      {"approved_until", is_approved ? Describe(approval.expires_at()) : ""},
      {"approval_justification", is_approved ? approval.justification() : ""},
      {"profile", script.has_profile() ? absl::StrCat(script.profile().id()) : ""},
      {"served_by", absl::StrJoin(agents, ", ")},
      {"headers", absl::StrJoin(headers, "\n")},
  };
}

// RFC 4180. A value that a spreadsheet would take for a formula gets a quote in front.
std::string CsvField(const std::string& value) {
  std::string text = value;
  if (!text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos) {
    text.insert(text.begin(), '\'');
  }
  if (text.find_first_of("\",\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string CsvLine(const std::vector<std::string>& fields) {
  return absl::StrCat(absl::StrJoin(fields, ",",
                                    [](std::string* out, const std::string& field) {
                                      out->append(CsvField(field));
                                    }),
                      "\r\n");
}

// Text of others within a table of Markdown.
std::string MarkdownCell(const std::string& value) {
  return absl::StrReplaceAll(text::Printable(value), {{"\\", "\\\\"},
                                                      {"|", "\\|"},
                                                      {"`", "\\`"},
                                                      {"*", "\\*"},
                                                      {"_", "\\_"},
                                                      {"[", "\\["},
                                                      {"<", "&lt;"}});
}

std::string Csv(const std::vector<Row>& rows) {
  std::string text;
  std::vector<std::string> names;
  // Also of an empty inventory.
  for (const auto& [name, value] : RowOf({}, absl::InfinitePast())) names.emplace_back(name);
  absl::StrAppend(&text, CsvLine(names));
  for (const Row& row : rows) {
    std::vector<std::string> values;
    for (const auto& [name, value] : row) values.push_back(value);
    absl::StrAppend(&text, CsvLine(values));
  }
  return text;
}

std::string Markdown(const std::vector<Row>& rows, absl::Time now) {
  std::string text = absl::StrCat(
      "# Scripts and headers of payment pages\n\nPCI DSS 4.0.1, 6.4.3 and 11.6.1. Written ",
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now, absl::UTCTimeZone()), ". ", rows.size(),
      " entries.\n");
  for (const Row& row : rows) {
    absl::StrAppend(&text, "\n## ", MarkdownCell(row[2].second), "\n\n| | |\n| --- | --- |\n");
    for (const auto& [name, value] : row) {
      if (value.empty() || name == "script") continue;
      std::string cell = MarkdownCell(value);
      // Printable() wrote line feeds so.
      cell = absl::StrReplaceAll(cell, {{"\\\\n", "<br>"}});
      absl::StrAppend(&text, "| ", absl::StrReplaceAll(std::string(name), {{"_", " "}}), " | ",
                      cell, " |\n");
    }
  }
  return text;
}

std::string Json(const std::vector<Row>& rows) {
  std::string text = "[";
  for (const Row& row : rows) {
    absl::StrAppend(&text, text.size() > 1 ? ",\n{" : "\n{");
    bool first = true;
    for (const auto& [name, value] : row) {
      absl::StrAppend(&text, first ? "" : ", ", "\"", std::string(name), "\": \"",
                      text::JsonEscaped(value), "\"");
      first = false;
    }
    absl::StrAppend(&text, "}");
  }
  return absl::StrCat(text, "\n]\n");
}

}  // namespace

absl::StatusOr<int> ExportScripts(const Options& options, Session& session) {
  v1::ListScriptsRequest request;
  request.set_site(options.site);
  request.set_page(options.page);
  request.set_details(true);
  const auto answer = ListAll(session, &v1::QueryService::Stub::ListScripts, request,
                              &v1::ListScriptsResponse::mutable_scripts, /*limit=*/0);
  if (!answer.ok()) return answer.status();
  const absl::Time now = absl::Now();
  std::vector<Row> rows;
  for (const v1::Script& script : answer->scripts()) rows.push_back(RowOf(script, now));
  session.output.Raw(options.format == "csv"    ? Csv(rows)
                     : options.format == "json" ? Json(rows)
                                                : Markdown(rows, now));
  return 0;
}

}  // namespace skimwatch::ctl
