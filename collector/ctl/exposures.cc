#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/exposure_counts.h"
#include "collector/ctl/findings.h"
#include "collector/ctl/known.h"
#include "collector/ctl/report/document.h"
#include "collector/ctl/report/exposure_document.h"
#include "collector/ctl/session.h"
#include "collector/ctl/terminal.h"
#include "collector/ctl/timeline.h"
#include "proto/text/table.h"
#include "proto/validation/card_digits.h"

namespace skimwatch::ctl {
namespace {

void Show(const v1::Exposure& exposure, Output& output) {
  output.Pairs({
      {"Exposure", absl::StrCat(exposure.id())},
      {"State", Word(*v1::Exposure::State_descriptor(), exposure.state())},
      {"Closed", ClosedNote(exposure)},
      {"Site", exposure.site()},
      {"Kind", Word(*v1::FindingKind_descriptor(), exposure.kind())},
      {"Severity", Word(*v1::Severity_descriptor(), exposure.severity())},
      {"Confidence", Word(*v1::Confidence_descriptor(), exposure.confidence())},
      {"Channel", exposure.channel()},
      {"Destination", exposure.destination()},
      {"First seen", Describe(exposure.first_seen())},
      {"Last seen", Describe(exposure.last_seen())},
      {"Distinct cards", Cards(exposure)},
      {"Cards counted", CardsNote(exposure)},
      {"Cards in all", CardsInAll(exposure)},
      {"Times seen", Occurrences(exposure)},
      {"Times scanned", exposure.sampled() ? absl::StrCat(exposure.occurrences()) : ""},
      {"Findings", absl::StrCat(exposure.findings())},
      {"Agents", absl::StrJoin(exposure.agents(), ", ")},
      {"Encodings", absl::StrJoin(exposure.encodings(), ", ")},
      {"Brands", absl::StrJoin(exposure.brands(), ", ")},
      {"Rules", absl::StrJoin(exposure.rules(), ", ")},
  });
}

}  // namespace

absl::StatusOr<int> ListExposures(const Options& options, Session& session) {
  v1::ListExposuresRequest request;
  request.set_site(options.site);
  request.set_kind(
      static_cast<v1::FindingKind>(FromWord(*v1::FindingKind_descriptor(), options.kind)));
  // `all` is no word of the enum, and so no condition.
  request.set_state(
      static_cast<v1::Exposure::State>(FromWord(*v1::Exposure::State_descriptor(), options.state)));
  const auto answer = ListAll(session, &v1::QueryService::Stub::ListExposures, request,
                              &v1::ListExposuresResponse::mutable_exposures, options.limit);
  if (!answer.ok()) return answer.status();
  if (answer->exposures().empty()) NoteUnknown(options, session);
  if (session.output.json()) {
    session.output.Json(*answer);
    return 0;
  }
  text::Table table({{.name = "ID", .right = true},
                     {.name = "STATE"},
                     {.name = "SEVERITY"},
                     {.name = "KIND"},
                     {.name = "SITE", .shrinks = true},
                     {.name = "CHANNEL", .shrinks = true},
                     {.name = "DESTINATION", .shrinks = true},
                     {.name = "CARDS", .right = true},
                     {.name = "SEEN", .right = true},
                     {.name = "FIRST SEEN"},
                     {.name = "LAST SEEN"}});
  for (const v1::Exposure& exposure : answer->exposures()) {
    table.AddRow(
        {absl::StrCat(exposure.id()), Word(*v1::Exposure::State_descriptor(), exposure.state()),
         Word(*v1::Severity_descriptor(), exposure.severity()),
         Word(*v1::FindingKind_descriptor(), exposure.kind()), exposure.site(), exposure.channel(),
         exposure.destination(), Cards(exposure), Occurrences(exposure),
         Describe(exposure.first_seen()), Describe(exposure.last_seen())});
  }
  session.output.Rows(table);
  return 0;
}

absl::StatusOr<int> ShowExposure(const Options& options, Session& session) {
  v1::GetExposureRequest request;
  request.set_id(options.exposure_id);
  const absl::StatusOr<v1::GetExposureResponse> answer = session.connection.Call(
      session.connection.query(), &v1::QueryService::Stub::GetExposure, request);
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(*answer);
    return 0;
  }
  Show(answer->exposure(), session.output);
  if (answer->findings_size() > 0) {
    session.output.Line("");
    text::Table table(FindingColumns(/*streaming=*/false));
    for (const v1::StoredFinding& finding : answer->findings()) table.AddRow(FindingRow(finding));
    session.output.Rows(table);
  }
  return 0;
}

absl::StatusOr<int> ReportExposure(const Options& options, Session& session) {
  v1::GetExposureReportRequest request;
  request.set_id(options.exposure_id);
  const absl::StatusOr<v1::GetExposureReportResponse> answer = session.connection.Call(
      session.connection.query(), &v1::QueryService::Stub::GetExposureReport, request);
  if (!answer.ok()) return answer.status();
  if (options.format == "json" || session.output.json()) {
    session.output.Json(answer->report());
    return 0;
  }
  const Document document = DescribeReport(answer->report());
  session.output.Raw(options.format == "html" ? ToHtml(document) : ToMarkdown(document));
  return 0;
}

absl::StatusOr<int> CloseExposure(const Options& options, Session& session) {
  const absl::StatusOr<std::string> reason =
      Reason(options, "--reason", "Why is this exposure closed? ");
  if (!reason.ok()) return reason.status();
  v1::CloseExposureRequest request;
  request.set_id(options.exposure_id);
  request.set_reason(*reason);
  const absl::StatusOr<v1::CloseExposureResponse> answer = session.connection.Call(
      session.connection.decision(), &v1::DecisionService::Stub::CloseExposure, request);
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(*answer);
  } else {
    Show(answer->exposure(), session.output);
  }
  return 0;
}

absl::StatusOr<int> TimelineOfExposure(const Options& options, Session& session) {
  v1::GetExposureTimelineRequest request;
  request.set_id(options.exposure_id);
  const absl::StatusOr<v1::GetExposureTimelineResponse> answer = session.connection.Call(
      session.connection.query(), &v1::QueryService::Stub::GetExposureTimeline, request);
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(answer->timeline());
    return 0;
  }
  const v1::ExposureTimeline& timeline = answer->timeline();
  text::Table events({{.name = "WHEN"},
                      {.name = "WHAT"},
                      {.name = "WHO", .shrinks = true},
                      {.name = "DETAILS", .shrinks = true}});
  for (const v1::TimelineEvent& event : timeline.events()) {
    events.AddRow({Describe(event.at()), EventName(event), event.who(), EventText(event)});
  }
  session.output.Rows(events);
  if (timeline.growth_size() > 0) {
    session.output.Line("");
    text::Table growth({{.name = timeline.growth_bucket_seconds() >= 86400 ? "DAY" : "HOUR"},
                        {.name = "FINDINGS", .right = true},
                        {.name = "SEEN", .right = true},
                        {.name = "NEW CARDS", .right = true},
                        {.name = "CARDS SO FAR", .right = true}});
    uint64_t cards = 0;
    for (const v1::ExposureGrowth& bucket : timeline.growth()) {
      cards += bucket.new_cards();
      growth.AddRow({Describe(bucket.start()), absl::StrCat(bucket.findings()),
                     absl::StrCat(bucket.occurrences()), absl::StrCat(bucket.new_cards()),
                     absl::StrCat(cards)});
    }
    session.output.Rows(growth);
  }
  if (timeline.gaps_size() > 0) {
    session.output.Line("");
    text::Table gaps({{.name = "AGENT", .shrinks = true},
                      {.name = "FROM"},
                      {.name = "TO"},
                      {.name = "NOT SEEN", .shrinks = true}});
    for (const v1::CoverageGap& gap : timeline.gaps()) {
      gaps.AddRow({gap.agent(), Describe(gap.since()), Describe(gap.until()), GapText(gap)});
    }
    session.output.Rows(gaps);
  }
  const std::string left_out = LeftOutNote(timeline);
  if (!left_out.empty()) session.output.Line(left_out);
  return 0;
}

absl::StatusOr<int> AddExposureNote(const Options& options, Session& session) {
  v1::AddExposureNoteRequest request;
  request.set_id(options.exposure_id);
  request.set_text(options.text);
  if (request.text().empty() && IsInteractive()) {
    absl::StatusOr<std::string> answer = Ask("What is there to note? ");
    if (!answer.ok()) return answer.status();
    request.set_text(*std::move(answer));
  }
  if (request.text().find_first_not_of(" \t") == std::string::npos) {
    return absl::InvalidArgumentError("a note needs a text; give it with --text");
  }
  // A number does not even leave this process.
  const bool masked = validation::MaskCardNumbers(*request.mutable_text());
  const absl::StatusOr<v1::AddExposureNoteResponse> answer = session.connection.Call(
      session.connection.decision(), &v1::DecisionService::Stub::AddExposureNote, request);
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(answer->note());
    return 0;
  }
  session.output.Line(absl::StrCat("Noted as decision ", answer->note().decision_id(),
                                   masked ? ", with a card number masked." : "."));
  return 0;
}

}  // namespace skimwatch::ctl
