#include "collector/ctl/report/exposure_document.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/exposure_counts.h"
#include "collector/ctl/timeline.h"
#include "google/protobuf/util/time_util.h"
#include "proto/text/units.h"

namespace skimwatch::ctl {
namespace {

using google::protobuf::util::TimeUtil;

// Heartbeats are some seconds apart, and the window's ends fall between them.
constexpr int kUnheardMaxSeconds = 60;

std::string KindOf(const v1::Exposure& exposure) {
  // A track, or a code beside a number: the standard's word for both (PCI DSS 4.0.1, 3.3).
  if (exposure.kind() == v1::FINDING_KIND_TRACK_DATA) return "sensitive authentication data";
  return absl::StrReplaceAll(Word(*v1::FindingKind_descriptor(), exposure.kind()), {{"_", " "}});
}

bool IsOfCards(const v1::Exposure& exposure) {
  return exposure.kind() == v1::FINDING_KIND_CARD_NUMBER ||
         exposure.kind() == v1::FINDING_KIND_TRACK_DATA;
}

double WindowSeconds(const v1::ExposureReport& report) {
  return static_cast<double>(TimeUtil::TimestampToMilliseconds(report.coverage_until()) -
                             TimeUtil::TimestampToMilliseconds(report.coverage_since())) /
         1000;
}

std::string Duration(double seconds) {
  return absl::FormatDuration(absl::Trunc(absl::Seconds(seconds), absl::Seconds(1)));
}

std::string Summary(const v1::Exposure& exposure) {
  const std::string when = absl::StrCat("From ", Describe(exposure.first_seen()), " to ",
                                        Describe(exposure.last_seen()));
  const std::string state = exposure.state() == v1::Exposure::STATE_CLOSED
                                ? "It is closed."
                                : "It is open: nobody has said yet that it is over.";
  if (!IsOfCards(exposure)) {
    return absl::StrCat(when, ", ", KindOf(exposure), " at ", exposure.channel(), " of site ",
                        exposure.site(), " was reported by ", exposure.agents_size(),
                        exposure.agents_size() == 1 ? " agent. " : " agents. ", state);
  }
  // At rest, as in a log, nothing has left.
  const std::string way =
      exposure.channel() == exposure.destination()
          ? absl::StrCat(" of site ", exposure.site(), " were written to ", exposure.destination())
          : absl::StrCat(" left site ", exposure.site(), " through ", exposure.channel(), " to ",
                         exposure.destination());
  return absl::StrCat(when, ", ", Cards(exposure),
                      exposure.distinct_cards() == 1 ? " distinct card" : " distinct cards", way,
                      ", seen ", Occurrences(exposure), " times by ", exposure.agents_size(),
                      exposure.agents_size() == 1 ? " agent. " : " agents. ", state);
}

// What calls for the severity that it has.
std::string SeverityReasons(const v1::Exposure& exposure) {
  std::vector<std::string> reasons;
  for (const v1::SeverityReason& reason : exposure.severity_reasons()) {
    if (reason.severity() == exposure.severity()) reasons.push_back(reason.reason());
  }
  return absl::StrJoin(reasons, "; ");
}

void AddFacts(const v1::Exposure& exposure, Document& document) {
  document.blocks.push_back(Document::Pairs{{
      {"Exposure", absl::StrCat(exposure.id())},
      {"State", Word(*v1::Exposure::State_descriptor(), exposure.state())},
      {"Site", exposure.site()},
      {"Kind", KindOf(exposure)},
      {"Severity", Word(*v1::Severity_descriptor(), exposure.severity())},
      {"Severity because", SeverityReasons(exposure)},
      {"Confidence", Word(*v1::Confidence_descriptor(), exposure.confidence())},
      {"Left through", exposure.channel()},
      {"Destination", exposure.destination()},
      {"First seen", Describe(exposure.first_seen())},
      {"Last seen", Describe(exposure.last_seen())},
      {"Closed", ClosedNote(exposure)},
      {"Distinct cards", IsOfCards(exposure) ? Cards(exposure) : ""},
      {"Cards counted", CardsNote(exposure)},
      {"Cards in all", CardsInAll(exposure)},
      {"Times seen", Occurrences(exposure)},
      {"Brands", absl::StrJoin(exposure.brands(), ", ")},
      {"Encodings", absl::StrJoin(exposure.encodings(), ", ")},
      {"Rules", absl::StrJoin(exposure.rules(), ", ")},
      {"Agents", absl::StrJoin(exposure.agents(), ", ")},
  }});
}

std::string EvidenceOf(const v1::Finding& finding) {
  return absl::StrJoin(
      finding.has_track_data() ? finding.track_data().evidence() : finding.card_number().evidence(),
      ", ");
}

void AddFindings(const v1::ExposureReport& report, Document& document) {
  if (report.findings().empty()) return;
  document.blocks.push_back(Document::Heading{"Evidence"});
  if (report.exposure().findings() > static_cast<uint64_t>(report.findings_size())) {
    document.blocks.push_back(Document::Paragraph{
        absl::StrCat("The newest ", report.findings_size(), " of ", report.exposure().findings(),
                     " findings; `skimwatchctl findings list --exposure ", report.exposure().id(),
                     "` has those that are still kept.")});
  }
  Document::Table table{.columns = {"First seen", "Last seen", "Agent", "What", "Times", "Through",
                                    "Destination", "Process", "Confidence", "Evidence"}};
  for (const v1::StoredFinding& stored : report.findings()) {
    const v1::Finding& finding = stored.finding();
    table.rows.push_back(
        {Describe(finding.first_seen()), Describe(finding.last_seen()), stored.agent(),
         What(finding), absl::StrCat(finding.count()), Channel(finding), finding.destination(),
         finding.provenance().process().executable(),
         Word(*v1::Confidence_descriptor(), finding.confidence()), EvidenceOf(finding)});
  }
  document.blocks.push_back(std::move(table));
}

std::string Approval(const v1::ScriptApproval& approval) {
  if (approval.approved_by().empty()) return "never approved";
  std::string text = absl::StrCat("approved by ", approval.approved_by(), " at ",
                                  Describe(approval.approved_at()), ": ", approval.justification());
  if (!approval.revoked_by().empty()) {
    absl::StrAppend(&text, "; revoked by ", approval.revoked_by(), " at ",
                    Describe(approval.revoked_at()), ": ", approval.revocation_reason());
  }
  return text;
}

void AddScript(const v1::Script& script, Document& document) {
  document.blocks.push_back(Document::Heading{absl::StrCat("Script ", script.name())});
  document.blocks.push_back(Document::Paragraph{absl::StrCat(
      "State: ", Word(*v1::Script::State_descriptor(), script.state()), ". First seen ",
      Describe(script.first_seen()), ", last seen ", Describe(script.last_seen()),
      script.page().empty() ? "." : absl::StrCat(", on ", script.page(), "."))});
  Document::Table versions{
      .columns = {"SHA-256", "Bytes", "First seen", "Last seen", "Agents", "Approval"}};
  for (const v1::ScriptRecord& record : script.history()) {
    versions.rows.push_back({Hex(record.version().sha256(), /*is_short=*/false),
                             absl::StrCat(record.version().size_bytes()),
                             Describe(record.first_seen()), Describe(record.last_seen()),
                             absl::StrJoin(record.agents(), ", "), Approval(record.approval())});
  }
  document.blocks.push_back(std::move(versions));
  for (const v1::ScriptRecord& record : script.history()) {
    if (record.gained_facts().empty() && record.diff().empty()) continue;
    document.blocks.push_back(Document::Paragraph{absl::StrCat(
        "What version ", Hex(record.version().sha256(), /*is_short=*/true), " changed:")});
    Document::List gained;
    for (const v1::ScriptFact& fact : record.gained_facts()) {
      gained.items.push_back(absl::StrCat("gained ", fact.name(), ": ", fact.excerpt()));
    }
    if (!gained.items.empty()) document.blocks.push_back(std::move(gained));
    if (!record.diff().empty()) document.blocks.push_back(Document::Code{record.diff()});
  }
}

void AddRelated(const v1::ExposureReport& report, Document& document) {
  if (report.related().empty()) return;
  document.blocks.push_back(Document::Heading{"What else was open meanwhile"});
  Document::Table table{.columns = {"Exposure", "State", "Severity", "Kind", "Through",
                                    "Destination", "Cards", "First seen", "Last seen"}};
  for (const v1::Exposure& other : report.related()) {
    table.rows.push_back(
        {absl::StrCat(other.id()), Word(*v1::Exposure::State_descriptor(), other.state()),
         Word(*v1::Severity_descriptor(), other.severity()), KindOf(other), other.channel(),
         other.destination(), IsOfCards(other) ? Cards(other) : "", Describe(other.first_seen()),
         Describe(other.last_seen())});
  }
  document.blocks.push_back(std::move(table));
  if (report.related_left_out() > 0) {
    document.blocks.push_back(Document::Paragraph{
        absl::StrCat(report.related_left_out(), " older ones are left out here.")});
  }
}

void AddCoverage(const v1::ExposureReport& report, Document& document) {
  document.blocks.push_back(Document::Heading{"Can it be said that nothing else left?"});
  const std::vector<std::string> unknowns = UnknownsOf(report);
  if (unknowns.empty()) {
    document.blocks.push_back(Document::Paragraph{
        absl::StrCat("Of what the site's agents watch, yes: they were heard all the time but for ",
                     kUnheardMaxSeconds,
                     " seconds of each at most, and every outbound byte that they saw was scanned. "
                     "What no agent watches is not part of that.")});
  } else {
    document.blocks.push_back(Document::Paragraph{"No, not for certain:"});
    document.blocks.push_back(Document::List{unknowns});
  }
  document.blocks.push_back(Document::Paragraph{
      absl::StrCat("What the agents of the site looked at from ", Describe(report.coverage_since()),
                   " to ", Describe(report.coverage_until()), ":")});
  Document::Table table{.columns = {"Agent", "Heard", "Seen", "Scanned", "Sampled out", "Truncated",
                                    "Shed", "Undecodable", "Inbound", "Findings lost"}};
  for (const v1::AgentCoverage& row : report.coverage()) {
    const v1::Coverage& bytes = row.coverage();
    table.rows.push_back({row.agent(), Duration(row.heard_seconds()),
                          text::Bytes(bytes.seen_bytes()), text::Bytes(bytes.scanned_bytes()),
                          text::Bytes(bytes.sampled_out_bytes()),
                          text::Bytes(bytes.truncated_bytes()), text::Bytes(bytes.shed_bytes()),
                          text::Bytes(bytes.undecodable_bytes()),
                          text::Bytes(bytes.inbound_bytes()), absl::StrCat(row.lost_findings())});
  }
  document.blocks.push_back(std::move(table));
}

void AddTimeline(const v1::ExposureTimeline& timeline, Document& document) {
  if (timeline.events().empty()) return;
  document.blocks.push_back(Document::Heading{"How it went"});
  Document::Table events{.columns = {"When", "What", "Who", "Details"}};
  for (const v1::TimelineEvent& event : timeline.events()) {
    events.rows.push_back({Describe(event.at()), EventName(event), event.who(), EventText(event)});
  }
  document.blocks.push_back(std::move(events));
  if (!timeline.growth().empty()) {
    document.blocks.push_back(
        Document::Paragraph{timeline.growth_bucket_seconds() >= 86400 ? "By day:" : "By hour:"});
    Document::Table growth{
        .columns = {"From", "Findings", "Times seen", "New cards", "Distinct cards so far"}};
    uint64_t cards = 0;
    for (const v1::ExposureGrowth& bucket : timeline.growth()) {
      cards += bucket.new_cards();
      growth.rows.push_back({Describe(bucket.start()), absl::StrCat(bucket.findings()),
                             absl::StrCat(bucket.occurrences()), absl::StrCat(bucket.new_cards()),
                             absl::StrCat(cards)});
    }
    document.blocks.push_back(std::move(growth));
  }
  if (!timeline.gaps().empty()) {
    document.blocks.push_back(Document::Paragraph{absl::StrCat(
        "Since ", Describe(timeline.gaps_since()), " the site's agents could not see all:")});
    Document::Table gaps{.columns = {"Agent", "From", "To", "Why"}};
    for (const v1::CoverageGap& gap : timeline.gaps()) {
      gaps.rows.push_back(
          {gap.agent(), Describe(gap.since()), Describe(gap.until()), GapText(gap)});
    }
    document.blocks.push_back(std::move(gaps));
  }
  const std::string left_out = LeftOutNote(timeline);
  if (!left_out.empty()) document.blocks.push_back(Document::Paragraph{left_out});
}

void AddNotes(const v1::ExposureTimeline& timeline, Document& document) {
  if (timeline.notes().empty()) return;
  document.blocks.push_back(Document::Heading{"Notes"});
  Document::Table table{.columns = {"When", "Who", "Note"}};
  for (const v1::ExposureNote& note : timeline.notes()) {
    table.rows.push_back({Describe(note.at()), note.who(), note.text()});
  }
  document.blocks.push_back(std::move(table));
}

void AddDecisions(const v1::ExposureReport& report, Document& document) {
  if (report.decisions().empty()) return;
  document.blocks.push_back(Document::Heading{"Decisions"});
  Document::Table table{.columns = {"Number", "When", "Who", "What", "Why", "Seal"}};
  for (const v1::Decision& decision : report.decisions()) {
    table.rows.push_back({absl::StrCat(decision.id()), Describe(decision.at()), decision.who(),
                          decision.action(), decision.reason(),
                          Hex(decision.seal(), /*is_short=*/false)});
  }
  document.blocks.push_back(std::move(table));
  if (report.decisions_left_out() > 0) {
    document.blocks.push_back(Document::Paragraph{
        absl::StrCat(report.decisions_left_out(), " older ones are left out here; ",
                     "`skimwatchctl audit list` has all.")});
  }
}

}  // namespace

std::vector<std::string> UnknownsOf(const v1::ExposureReport& report) {
  std::vector<std::string> unknowns;
  if (report.coverage().empty()) {
    unknowns.push_back("No agent of the site is known that looked at anything meanwhile.");
  }
  const double window = WindowSeconds(report);
  for (const v1::AgentCoverage& row : report.coverage()) {
    const v1::Coverage& bytes = row.coverage();
    const auto add = [&](uint64_t count, std::string_view what) {
      if (count == 0) return;
      unknowns.push_back(
          absl::StrCat(row.agent(), ": ", text::Bytes(count), " ", std::string(what)));
    };
    if (window - row.heard_seconds() > kUnheardMaxSeconds) {
      unknowns.push_back(absl::StrCat(row.agent(), " was heard for ", Duration(row.heard_seconds()),
                                      " of ", Duration(window),
                                      ": what left its host in the rest is not known."));
    }
    add(bytes.sampled_out_bytes(), "were sampled out: counts that rest on samples are estimates.");
    add(bytes.truncated_bytes(), "were beyond a limit of size and not scanned.");
    add(bytes.shed_bytes(), "came faster than they could be looked at.");
    add(bytes.undecodable_bytes(), "could not be read: encrypted, or in a form that is not known.");
    if (row.lost_findings() > 0) {
      unknowns.push_back(absl::StrCat(row.agent(), ": ", row.lost_findings(),
                                      " findings were lost before they reached the collector."));
    }
  }
  if (report.exposure().occurrences_without_fingerprint() > 0) {
    unknowns.push_back(absl::StrCat("Cards without a fingerprint were seen ",
                                    report.exposure().occurrences_without_fingerprint(),
                                    " times: which cards they were can't be told."));
  }
  return unknowns;
}

Document DescribeReport(const v1::ExposureReport& report) {
  const v1::Exposure& exposure = report.exposure();
  Document document;
  document.title = absl::StrCat(
      "Exposure ", exposure.id(), ": ",
      IsOfCards(exposure)
          ? absl::StrCat(KindOf(exposure), " of ", exposure.site(), " to ", exposure.destination())
          : absl::StrCat(KindOf(exposure), " of ", exposure.site(), ", ", exposure.channel()));
  document.blocks.push_back(Document::Paragraph{Summary(exposure)});
  AddFacts(exposure, document);
  AddFindings(report, document);
  for (const v1::Script& script : report.scripts()) AddScript(script, document);
  if (report.scripts_left_out() > 0) {
    document.blocks.push_back(Document::Paragraph{absl::StrCat(
        report.scripts_left_out(),
        " more scripts were served without approval meanwhile; `skimwatchctl scripts list --site ",
        exposure.site(), "` has all of the site.")});
  }
  AddRelated(report, document);
  AddTimeline(report.timeline(), document);
  AddNotes(report.timeline(), document);
  AddCoverage(report, document);
  AddDecisions(report, document);
  document.blocks.push_back(Document::Heading{"About this report"});
  document.blocks.push_back(Document::Paragraph{absl::StrCat(
      "Made ", Describe(report.made_at()), " by skimwatch-collector ", report.version(),
      ". Card numbers are masked (PCI DSS 4.0.1, 3.4.1); cards are told apart by keyed "
      "fingerprints "
      "(3.5.1.1). Whether a given card was among them: `skimwatchctl card check --exposure ",
      exposure.id(), "`.")});
  return document;
}

}  // namespace skimwatch::ctl
