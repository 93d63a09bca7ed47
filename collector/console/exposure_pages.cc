#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "collector/console/chart.h"
#include "collector/console/pages.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/exposure_counts.h"
#include "collector/ctl/json.h"
#include "collector/ctl/report/document.h"
#include "collector/ctl/report/exposure_document.h"
#include "collector/ctl/timeline.h"
#include "collector/store/timestamp.h"

namespace skimwatch::console {
namespace {

using store::FromTimestamp;

constexpr uint32_t kPageSize = 50;
// A chart of more than that has the stretches that something left in, side by side.
constexpr int kBarsMax = 2000;
// The report has all.
constexpr int kGapsMax = 8;

using Choices = std::vector<std::pair<std::string, std::string>>;

Choices ChoicesOf(const google::protobuf::EnumDescriptor& type, const char* all) {
  Choices choices = {{"", all}};
  for (const std::string& word : ctl::Words(type)) {
    std::string text = word;
    std::replace(text.begin(), text.end(), '_', ' ');
    choices.emplace_back(word, text);
  }
  return choices;
}

std::string ExposureUrl(uint64_t id) { return absl::StrCat("/exposures/", id); }

// A fact of the list at the top; none where there is nothing to say.
void AddFact(Dictionary& values, const char* name, const std::string& text) {
  if (text.empty()) return;
  Dictionary& fact = *values.AddSectionDictionary("FACT");
  PutOwn(fact, "NAME", name);
  Put(fact, "TEXT", text);
}

void AddFacts(const v1::Exposure& exposure, Dictionary& values) {
  AddFact(values, "Site", exposure.site());
  AddFact(values, "Left through", exposure.channel());
  AddFact(values, "Destination", exposure.destination());
  AddFact(values, "Confidence", ctl::Word(*v1::Confidence_descriptor(), exposure.confidence()));
  AddFact(values, "Distinct cards", CardsText(exposure));
  AddFact(values, "Cards counted", ctl::CardsNote(exposure));
  AddFact(values, "Cards in all", ctl::CardsInAll(exposure));
  AddFact(values, "Times seen", ctl::Occurrences(exposure));
  AddFact(values, "Brands", absl::StrJoin(exposure.brands(), ", "));
  AddFact(values, "Encodings", absl::StrJoin(exposure.encodings(), ", "));
  AddFact(values, "Rules", absl::StrJoin(exposure.rules(), ", "));
  AddFact(values, "Agents", absl::StrJoin(exposure.agents(), ", "));
}

// With every stretch between the first and the last, so that quiet ones show.
std::vector<v1::ExposureGrowth> WithGaps(const v1::ExposureTimeline& timeline) {
  std::vector<v1::ExposureGrowth> buckets;
  const absl::Duration step = absl::Seconds(timeline.growth_bucket_seconds());
  for (const v1::ExposureGrowth& bucket : timeline.growth()) {
    const absl::Time start = FromTimestamp(bucket.start());
    while (!buckets.empty() && buckets.size() < kBarsMax) {
      const absl::Time next = FromTimestamp(buckets.back().start()) + step;
      if (next >= start) break;
      *buckets.emplace_back().mutable_start() = store::ToTimestamp(next);
    }
    buckets.push_back(bucket);
  }
  return buckets;
}

void AddCharts(const v1::Exposure& exposure, const v1::ExposureTimeline& timeline,
               Dictionary& values) {
  if (timeline.growth().empty()) return;
  const std::string unit = timeline.growth_bucket_seconds() >= 86400 ? "day" : "hour";
  const bool of_cards = !CardsText(exposure).empty();
  BarChart cards{
      .id = "cards",
      .title = absl::StrCat("New distinct cards by ", unit),
      .description = absl::StrCat("Cards that had not left this way before, in each ", unit,
                                  " of UTC. The table below has the same figures.")};
  BarChart seen{.id = "seen",
                .title = absl::StrCat("Times seen by ", unit),
                .description = absl::StrCat("How often it was seen in each ", unit,
                                            " of UTC. The table below has the same figures.")};
  for (const v1::ExposureGrowth& bucket : WithGaps(timeline)) {
    const std::string label = ShortTime(FromTimestamp(bucket.start()));
    cards.bars.push_back({.label = label, .value = bucket.new_cards()});
    seen.bars.push_back({.label = label, .value = bucket.occurrences()});
  }
  Dictionary& growth = *values.AddSectionDictionary("GROWTH");
  PutOwn(growth, "UNIT", unit);
  const auto add = [&](const BarChart& chart) {
    Dictionary& section = *growth.AddSectionDictionary("CHART");
    PutOwn(section, "TITLE", chart.title);
    PutOwn(section, "SVG", ToSvg(chart));
  };
  if (of_cards) add(cards);
  add(seen);
  uint64_t so_far = 0;
  for (const v1::ExposureGrowth& bucket : timeline.growth()) {
    Dictionary& row = *growth.AddSectionDictionary("BUCKET");
    PutOwn(row, "START", ShortTime(FromTimestamp(bucket.start())));
    PutNumber(row, "FINDINGS", bucket.findings());
    PutNumber(row, "SEEN", bucket.occurrences());
    so_far += bucket.new_cards();
    PutNumber(row, "NEW", bucket.new_cards());
    PutNumber(row, "CARDS", so_far);
  }
}

const char* ClassOf(v1::TimelineEvent::Kind kind) {
  switch (kind) {
    case v1::TimelineEvent::KIND_NOTE:
      return "note";
    case v1::TimelineEvent::KIND_CLOSED:
      return "closed";
    case v1::TimelineEvent::KIND_DECISION:
      return "decision";
    case v1::TimelineEvent::KIND_SCRIPT_VERSION:
      return "script";
    default:
      return "seen";
  }
}

void AddTimeline(const v1::ExposureReport& report, Dictionary& values) {
  const v1::ExposureTimeline& timeline = report.timeline();
  for (const v1::TimelineEvent& event : timeline.events()) {
    Dictionary& row = *values.AddSectionDictionary("EVENT");
    PutTime(row, "AT", event.at());
    PutOwn(row, "CLASS", ClassOf(event.kind()));
    Put(row, "NAME", ctl::EventName(event));
    if (!event.who().empty()) Put(*row.AddSectionDictionary("BY"), "WHO", event.who());
    const std::string text = ctl::EventText(event);
    std::string url;
    if (event.exposure_id() != 0) url = ExposureUrl(event.exposure_id());
    if (event.kind() == v1::TimelineEvent::KIND_SCRIPT_VERSION) {
      url = Url("/script", {{"site", report.exposure().site()},
                            {"name", event.subject()},
                            {"version", ctl::Hex(event.sha256(), /*is_short=*/false)}});
    }
    Dictionary& details = *row.AddSectionDictionary(url.empty() ? "TEXT" : "LINK");
    Put(details, "DETAILS", text);
    PutOwn(details, "URL", url);
  }
  const int gaps = std::min(timeline.gaps_size(), kGapsMax);
  for (int i = 0; i < gaps; ++i) {
    const v1::CoverageGap& gap = timeline.gaps(i);
    Dictionary& row = *values.AddSectionDictionary("GAP");
    Put(row, "AGENT", gap.agent());
    PutTime(row, "SINCE", gap.since());
    PutTime(row, "UNTIL", gap.until());
    Put(row, "WHY", ctl::GapText(gap));
  }
  Show(values, "HAS_GAPS", gaps > 0);
  if (timeline.gaps_size() > gaps) {
    PutNumber(*values.AddSectionDictionary("MORE_GAPS"), "COUNT",
              static_cast<uint64_t>(timeline.gaps_size() - gaps));
  }
  const std::string left_out = ctl::LeftOutNote(timeline);
  if (!left_out.empty()) Put(*values.AddSectionDictionary("LEFT_OUT"), "TEXT", left_out);
  const std::vector<std::string> unknowns = ctl::UnknownsOf(report);
  Show(values, "ALL_KNOWN", unknowns.empty());
  Show(values, "HAS_UNKNOWNS", !unknowns.empty());
  for (const std::string& unknown : unknowns) {
    Put(*values.AddSectionDictionary("UNKNOWN"), "TEXT", unknown);
  }
}

void AddForms(const Context& context, const v1::Exposure& exposure, Dictionary& values) {
  const auto form = [&](const char* section, const char* action) {
    Dictionary& dictionary = *values.AddSectionDictionary(section);
    PutOwn(dictionary, "ACTION", absl::StrCat(ExposureUrl(exposure.id()), "/", action));
    PutOwn(dictionary, "TOKEN", context.form_token);
    Put(dictionary, "IDENTITY", context.caller.identity);
  };
  const bool may_note = context.calls.May(context.caller, "AddExposureNote");
  const bool may_close = context.calls.May(context.caller, "CloseExposure");
  if (may_note) form("NOTE_FORM", "notes");
  if (may_close && exposure.state() == v1::Exposure::STATE_OPEN) form("CLOSE_FORM", "close");
  Show(values, "MAY_NOT", !may_note && !may_close);
}

}  // namespace

void AddOptions(Dictionary& parent, const char* section, const Choices& options,
                const std::string& selected) {
  for (const auto& [value, text] : options) {
    Dictionary& option = *parent.AddSectionDictionary(section);
    PutOwn(option, "VALUE", value);
    Put(option, "TEXT", text);
    Show(option, "SELECTED", value == selected);
  }
}

void AddExposureRow(Dictionary& parent, const v1::Exposure& exposure, absl::Time now) {
  Dictionary& row = *parent.AddSectionDictionary("EXPOSURE");
  PutOwn(row, "ID", absl::StrCat(exposure.id()));
  PutOwn(row, "URL", ExposureUrl(exposure.id()));
  PutOwn(row, "SEVERITY", SeverityWord(exposure.severity()));
  PutOwn(row, "STATE", exposure.state() == v1::Exposure::STATE_CLOSED ? "closed" : "open");
  Put(row, "KIND", KindText(exposure.kind()));
  Put(row, "SITE", exposure.site());
  Put(row, "CHANNEL", exposure.channel());
  // Of a script it is the page, which may be unknown.
  if (!exposure.destination().empty()) {
    Put(*row.AddSectionDictionary("TO"), "DESTINATION", exposure.destination());
  }
  const std::string cards = CardsText(exposure);
  PutOwn(row, "CARDS", cards.empty() ? "\u2013" : cards);
  Put(row, "SEEN", ctl::Occurrences(exposure));
  PutTime(row, "FIRST_SEEN", exposure.first_seen());
  PutTime(row, "LAST_SEEN", exposure.last_seen());
  PutOwn(row, "AGE", Age(FromTimestamp(exposure.last_seen()), now));
}

absl::StatusOr<View> ExposuresPage(const Context& context) {
  const Request& from = context.request;
  v1::ListExposuresRequest request;
  request.set_site(from.Query("site"));
  request.set_state(static_cast<v1::Exposure::State>(
      ctl::FromWord(*v1::Exposure::State_descriptor(), from.Query("state"))));
  request.set_kind(static_cast<v1::FindingKind>(
      ctl::FromWord(*v1::FindingKind_descriptor(), from.Query("kind"))));
  request.set_severity_min(
      static_cast<v1::Severity>(ctl::FromWord(*v1::Severity_descriptor(), from.Query("severity"))));
  request.set_page_size(kPageSize);
  request.set_page_token(from.Query("after"));
  absl::StatusOr<v1::ListExposuresResponse> answer =
      context.calls.ListExposures(context.caller, request);
  if (!answer.ok()) return answer.status();

  View view("exposures");
  view.title = "Exposures";
  view.section = "/exposures";
  Dictionary& values = *view.values;
  Put(values, "SITE_FILTER", from.Query("site"));
  AddOptions(values, "STATE_OPTION",
             {{"", "open and closed"}, {"open", "open"}, {"closed", "closed"}},
             from.Query("state"));
  AddOptions(values, "KIND_OPTION", ChoicesOf(*v1::FindingKind_descriptor(), "all kinds"),
             from.Query("kind"));
  AddOptions(values, "SEVERITY_OPTION", ChoicesOf(*v1::Severity_descriptor(), "any severity"),
             from.Query("severity"));
  for (const v1::Exposure& exposure : answer->exposures()) {
    AddExposureRow(values, exposure, context.now);
  }
  Show(values, "HAS_EXPOSURES", !answer->exposures().empty());
  Show(values, "NO_EXPOSURES", answer->exposures().empty());
  const auto page = [&](const std::string& after) {
    return Url("/exposures", {{"site", from.Query("site")},
                              {"state", from.Query("state")},
                              {"kind", from.Query("kind")},
                              {"severity", from.Query("severity")},
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

absl::StatusOr<View> ExposurePage(const Context& context, uint64_t id) {
  v1::GetExposureReportRequest request;
  request.set_id(id);
  absl::StatusOr<v1::GetExposureReportResponse> answer =
      context.calls.GetExposureReport(context.caller, request);
  if (!answer.ok()) return answer.status();
  const v1::ExposureReport& report = answer->report();
  const v1::Exposure& exposure = report.exposure();

  View view("exposure");
  view.title = absl::StrCat("Exposure ", id);
  view.section = "/exposures";
  Dictionary& values = *view.values;
  PutOwn(values, "ID", absl::StrCat(id));
  Put(values, "KIND", KindText(exposure.kind()));
  Put(values, "SITE", exposure.site());
  Put(values, "WHERE", CardsText(exposure).empty() ? exposure.channel() : exposure.destination());
  PutOwn(values, "SEVERITY", SeverityWord(exposure.severity()));
  const bool closed = exposure.state() == v1::Exposure::STATE_CLOSED;
  PutOwn(values, "STATE", closed ? "closed" : "open");
  if (closed) Put(*values.AddSectionDictionary("CLOSED"), "NOTE", ctl::ClosedNote(exposure));
  PutTime(values, "FIRST_SEEN", exposure.first_seen());
  PutTime(values, "LAST_SEEN", exposure.last_seen());
  for (const v1::SeverityReason& reason : exposure.severity_reasons()) {
    Dictionary& row = *values.AddSectionDictionary("REASON");
    PutOwn(row, "SEVERITY", SeverityWord(reason.severity()));
    Put(row, "TEXT", reason.reason());
  }
  Show(values, "HAS_REASONS", !exposure.severity_reasons().empty());
  for (const char* const format : {"md", "html", "json"}) {
    Dictionary& link = *values.AddSectionDictionary("REPORT");
    PutOwn(link, "FORMAT", format);
    PutOwn(link, "URL", Url(absl::StrCat(ExposureUrl(id), "/report"), {{"format", format}}));
  }
  AddFacts(exposure, values);
  AddCharts(exposure, report.timeline(), values);
  AddTimeline(report, values);
  for (const v1::ExposureNote& note : report.timeline().notes()) {
    Dictionary& row = *values.AddSectionDictionary("NOTE");
    PutTime(row, "AT", note.at());
    Put(row, "WHO", note.who());
    Put(row, "TEXT", note.text());
  }
  Show(values, "NO_NOTES", report.timeline().notes().empty());
  for (const v1::Script& script : report.scripts()) {
    Dictionary& row = *values.AddSectionDictionary("SCRIPT");
    Put(row, "NAME", script.name());
    PutOwn(row, "URL", ScriptUrl(script.site(), script.name()));
    PutOwn(row, "STATE", ctl::Word(*v1::Script::State_descriptor(), script.state()));
  }
  Show(values, "HAS_SCRIPTS", !report.scripts().empty());
  for (const v1::Exposure& other : report.related()) AddExposureRow(values, other, context.now);
  Show(values, "HAS_RELATED", !report.related().empty());
  AddForms(context, exposure, values);
  return view;
}

absl::StatusOr<Response> ExposureReport(const Context& context, uint64_t id,
                                        const std::string& format) {
  v1::GetExposureReportRequest request;
  request.set_id(id);
  absl::StatusOr<v1::GetExposureReportResponse> answer =
      context.calls.GetExposureReport(context.caller, request);
  if (!answer.ok()) return answer.status();
  Response response;
  if (format == "json") {
    response.content_type = "application/json";
    response.body = ctl::ToJson(answer->report()) + "\n";
  } else if (format == "html") {
    response.body = ctl::ToHtml(ctl::DescribeReport(answer->report()));
  } else if (format == "md") {
    response.content_type = "text/markdown; charset=utf-8";
    response.body = ctl::ToMarkdown(ctl::DescribeReport(answer->report()));
  } else {
    return absl::InvalidArgumentError("A report is md, html or json.");
  }
  response.headers.emplace_back(
      "Content-Disposition",
      absl::StrCat("attachment; filename=\"exposure-", id, ".", format, "\""));
  return response;
}

absl::StatusOr<std::string> CloseExposure(const Context& context, uint64_t id) {
  v1::CloseExposureRequest request;
  request.set_id(id);
  request.set_reason(context.request.Form("reason"));
  absl::Status status = context.calls.CloseExposure(context.caller, request).status();
  if (!status.ok()) return status;
  return ExposureUrl(id);
}

absl::StatusOr<std::string> AddNote(const Context& context, uint64_t id) {
  v1::AddExposureNoteRequest request;
  request.set_id(id);
  request.set_text(context.request.Form("text"));
  absl::Status status = context.calls.AddExposureNote(context.caller, request).status();
  if (!status.ok()) return status;
  return absl::StrCat(ExposureUrl(id), "#notes");
}

}  // namespace skimwatch::console
