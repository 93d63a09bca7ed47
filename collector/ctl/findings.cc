#include "collector/ctl/findings.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/known.h"
#include "collector/ctl/session.h"
#include "collector/ctl/terminal.h"

namespace skimwatch::ctl {
namespace {

absl::Status SetTime(std::string_view option, const std::string& text,
                     google::protobuf::Timestamp* (v1::ListFindingsRequest::*field)(),
                     v1::ListFindingsRequest& request) {
  if (text.empty()) return absl::OkStatus();
  const absl::StatusOr<google::protobuf::Timestamp> time = ParseTime(text, absl::Now());
  if (!time.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(option), ": ", time.status().message()));
  }
  *(request.*field)() = *time;
  return absl::OkStatus();
}

v1::FindingKind Kind(const Options& options) {
  return static_cast<v1::FindingKind>(FromWord(*v1::FindingKind_descriptor(), options.kind));
}

v1::Confidence ConfidenceMin(const Options& options) {
  return static_cast<v1::Confidence>(
      FromWord(*v1::Confidence_descriptor(), options.confidence_min));
}

}  // namespace

std::vector<text::Table::Column> FindingColumns(bool streaming) {
  const auto wide = [&](size_t columns) { return streaming ? columns : 0; };
  return {{.name = "STORED", .columns_min = wide(20)},
          {.name = "SITE", .shrinks = true, .columns_min = wide(12)},
          {.name = "SEVERITY", .columns_min = wide(8)},
          {.name = "CONFIDENCE", .columns_min = wide(10)},
          {.name = "WHAT", .shrinks = true, .columns_min = wide(32)},
          {.name = "CHANNEL", .shrinks = true, .columns_min = wide(24)},
          {.name = "DESTINATION", .shrinks = true, .columns_min = wide(24)},
          {.name = "TIMES", .right = true, .columns_min = wide(5)},
          {.name = "EXPOSURE", .right = true, .columns_min = wide(8)},
          {.name = "AGENT", .shrinks = true}};
}

std::vector<std::string> FindingRow(const v1::StoredFinding& stored) {
  const v1::Finding& finding = stored.finding();
  const std::string exposure = finding.expected()          ? "expected"
                               : stored.exposure_id() == 0 ? ""
                                                           : absl::StrCat(stored.exposure_id());
  return {Describe(stored.stored_at()),
          finding.site(),
          Word(*v1::Severity_descriptor(), finding.severity()),
          Word(*v1::Confidence_descriptor(), finding.confidence()),
          What(finding),
          Channel(finding),
          finding.destination(),
          absl::StrCat(finding.count()),
          exposure,
          stored.agent()};
}

absl::StatusOr<int> ListFindings(const Options& options, Session& session) {
  v1::ListFindingsRequest request;
  request.set_site(options.site);
  request.set_kind(Kind(options));
  request.set_agent(options.agent);
  request.set_exposure_id(options.exposure_id);
  request.set_confidence_min(ConfidenceMin(options));
  absl::Status status =
      SetTime("--since", options.since, &v1::ListFindingsRequest::mutable_since, request);
  if (!status.ok()) return status;
  status = SetTime("--until", options.until, &v1::ListFindingsRequest::mutable_until, request);
  if (!status.ok()) return status;
  const auto answer = ListAll(session, &v1::QueryService::Stub::ListFindings, request,
                              &v1::ListFindingsResponse::mutable_findings, options.limit);
  if (!answer.ok()) return answer.status();
  if (answer->findings().empty()) NoteUnknown(options, session);
  if (session.output.json()) {
    session.output.Json(*answer);
    return 0;
  }
  text::Table table(FindingColumns(/*streaming=*/false));
  for (const v1::StoredFinding& finding : answer->findings()) table.AddRow(FindingRow(finding));
  session.output.Rows(table);
  return 0;
}

absl::StatusOr<int> WatchFindings(const Options& options, Session& session) {
  v1::WatchFindingsRequest request;
  request.set_site(options.site);
  request.set_kind(Kind(options));
  request.set_confidence_min(ConfidenceMin(options));
  NoteUnknown(options, session);
  // No deadline: a watch lasts until it is ended.
  grpc::ClientContext context;
  const std::unique_ptr<grpc::ClientReader<v1::WatchFindingsResponse>> reader =
      session.connection.query().WatchFindings(&context, request);
  v1::WatchFindingsResponse response;
  bool stands = false;
  uint64_t seen = 0;
  while (reader->Read(&response)) {
    if (!stands) {
      stands = true;
      if (IsInteractive()) Output::Note("Watching for findings; Ctrl-C ends it.");
      if (!session.output.json())
        session.output.Rows(text::Table(FindingColumns(/*streaming=*/true)));
      continue;
    }
    if (session.output.json()) {
      session.output.Json(response);
    } else if (response.skipped() > 0) {
      Output::Note(absl::StrCat("Missed ", response.skipped(),
                                " findings that came faster than they were read; `findings list` "
                                "has them."));
    }
    if (!response.has_finding()) continue;
    if (!session.output.json()) {
      text::Table row(FindingColumns(/*streaming=*/true));
      row.AddRow(FindingRow(response.finding()));
      session.output.Raw(row.Render(OutputColumns(), /*headers=*/false));
    }
    if (const absl::Status status = Output::Flush(); !status.ok()) return status;
    if (++seen == options.count) {
      context.TryCancel();
      reader->Finish();
      return 0;
    }
  }
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return Connection::FromGrpc(status, context);
  return absl::UnavailableError("the collector ended the watch");
}

}  // namespace skimwatch::ctl
