#include "collector/report/exposure_timeline.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "collector/exposure/note.h"
#include "collector/store/timestamp.h"

namespace skimwatch::report {
namespace {

using store::FromTimestamp;
using store::ToTimestamp;
using v1::TimelineEvent;

constexpr int kEventsMax = 1000;
constexpr size_t kHourBucketsMax = 336;
constexpr size_t kBucketsMax = 1000;
constexpr int kGapsMax = 200;
constexpr size_t kGapAgentsMax = 64;
constexpr absl::Duration kGapSpan = absl::Hours(31 * 24);
constexpr absl::Duration kHour = absl::Hours(1);
// Heartbeats are some seconds apart, and an hour's ends fall between them.
constexpr double kUnheardMaxSeconds = 60;
// A script that came shortly before is as likely a cause as one that came meanwhile.
constexpr absl::Duration kBefore = absl::Hours(24);

absl::Time FloorTo(absl::Time time, absl::Duration unit) {
  return absl::UnixEpoch() + absl::Floor(time - absl::UnixEpoch(), unit);
}

TimelineEvent Event(TimelineEvent::Kind kind, const google::protobuf::Timestamp& at) {
  TimelineEvent event;
  event.set_kind(kind);
  *event.mutable_at() = at;
  return event;
}

void AddSeen(const v1::Exposure& exposure, std::vector<TimelineEvent>& events) {
  TimelineEvent first = Event(TimelineEvent::KIND_FIRST_SEEN, exposure.first_seen());
  if (!exposure.agents().empty()) first.set_who(exposure.agents(0));
  first.set_subject(exposure.channel());
  first.set_text(exposure.destination());
  events.push_back(std::move(first));
  v1::Severity gravest = v1::SEVERITY_UNSPECIFIED;
  for (const v1::SeverityReason& reason : exposure.severity_reasons()) {
    if (reason.severity() <= gravest) continue;
    gravest = reason.severity();
    TimelineEvent event = Event(TimelineEvent::KIND_SEVERITY, reason.at());
    event.set_severity(reason.severity());
    event.set_text(reason.reason());
    event.set_who(reason.agent());
    events.push_back(std::move(event));
  }
  if (FromTimestamp(exposure.last_seen()) > FromTimestamp(exposure.first_seen())) {
    events.push_back(Event(TimelineEvent::KIND_LAST_SEEN, exposure.last_seen()));
  }
}

// What a version gained, or else how the agent described the change.
std::string WhatChanged(const v1::ScriptRecord& record) {
  std::vector<std::string> gained;
  for (const v1::ScriptFact& fact : record.gained_facts()) gained.push_back(fact.name());
  if (!gained.empty()) return absl::StrCat("gained ", absl::StrJoin(gained, ", "));
  return absl::StrJoin(record.reasons(), ", ");
}

void AddApproval(const v1::Script& script, const v1::ScriptRecord& record, absl::Time since,
                 absl::Time until, std::vector<TimelineEvent>& events) {
  const auto add = [&](const google::protobuf::Timestamp& at, const std::string& who,
                       const std::string& why, const char* action) {
    if (who.empty() || FromTimestamp(at) < since || FromTimestamp(at) > until) return;
    TimelineEvent event = Event(TimelineEvent::KIND_DECISION, at);
    event.set_who(who);
    event.set_subject(script.name());
    event.set_text(why);
    event.set_action(action);
    event.set_sha256(record.version().sha256());
    events.push_back(std::move(event));
  };
  const v1::ScriptApproval& approval = record.approval();
  add(approval.approved_at(), approval.approved_by(), approval.justification(), "script.approve");
  add(approval.revoked_at(), approval.revoked_by(), approval.revocation_reason(), "script.revoke");
}

void AddScripts(const v1::ExposureReport& report, absl::Time since, absl::Time until,
                std::vector<TimelineEvent>& events) {
  const v1::Exposure& exposure = report.exposure();
  for (const v1::Script& script : report.scripts()) {
    // Decisions about the exposure's own script are among the report's.
    const bool own =
        exposure.kind() == v1::FINDING_KIND_SCRIPT_CHANGE && script.name() == exposure.channel();
    for (const v1::ScriptRecord& record : script.history()) {
      const absl::Time came = FromTimestamp(record.first_seen());
      if (came >= since - kBefore && came <= until) {
        TimelineEvent event = Event(TimelineEvent::KIND_SCRIPT_VERSION, record.first_seen());
        if (!record.agents().empty()) event.set_who(record.agents(0));
        event.set_subject(script.name());
        event.set_text(WhatChanged(record));
        event.set_sha256(record.version().sha256());
        events.push_back(std::move(event));
      }
      if (!own) AddApproval(script, record, since - kBefore, until, events);
    }
  }
}

void AddDecisions(const v1::ExposureReport& report, std::vector<TimelineEvent>& events,
                  v1::ExposureTimeline& timeline) {
  const std::string own = absl::StrCat(report.exposure().id());
  for (const v1::Decision& decision : report.decisions()) {
    TimelineEvent::Kind kind = TimelineEvent::KIND_DECISION;
    if (decision.subject() == own && decision.action() == "exposure.close") {
      kind = TimelineEvent::KIND_CLOSED;
    }
    if (decision.subject() == own && decision.action() == exposure::kNoteAction) {
      kind = TimelineEvent::KIND_NOTE;
      v1::ExposureNote& note = *timeline.add_notes();
      note.set_decision_id(decision.id());
      *note.mutable_at() = decision.at();
      note.set_who(decision.who());
      note.set_text(decision.reason());
    }
    TimelineEvent event = Event(kind, decision.at());
    event.set_who(decision.who());
    event.set_subject(decision.subject());
    event.set_text(decision.reason());
    event.set_action(decision.action());
    event.set_decision_id(decision.id());
    events.push_back(std::move(event));
  }
}

absl::Status AddSameWay(store::Store& store, const v1::Exposure& exposure,
                        std::vector<TimelineEvent>& events) {
  absl::StatusOr<std::vector<v1::Exposure>> others =
      store.ListExposuresOfWay({.site = exposure.site(),
                                .kind = exposure.kind(),
                                .channel = exposure.channel(),
                                .destination = exposure.destination()});
  if (!others.ok()) return others.status();
  for (const v1::Exposure& other : *others) {
    if (other.id() == exposure.id()) continue;
    TimelineEvent event = Event(other.id() < exposure.id() ? TimelineEvent::KIND_OPENED_BEFORE
                                                           : TimelineEvent::KIND_OPENED_AGAIN,
                                other.first_seen());
    event.set_exposure_id(other.id());
    event.set_severity(other.severity());
    events.push_back(std::move(event));
  }
  return absl::OkStatus();
}

absl::Status AddGrowth(store::Store& store, const v1::Exposure& exposure,
                       v1::ExposureTimeline& timeline) {
  absl::StatusOr<std::vector<v1::ExposureGrowth>> hours = store.ListGrowth(exposure.id());
  if (!hours.ok()) return hours.status();
  const absl::Duration unit = hours->size() > kHourBucketsMax ? absl::Hours(24) : kHour;
  timeline.set_growth_bucket_seconds(static_cast<uint32_t>(absl::ToInt64Seconds(unit)));
  std::map<absl::Time, v1::ExposureGrowth> buckets;
  uint64_t findings = 0;
  for (const v1::ExposureGrowth& hour : *hours) {
    findings += hour.findings();
    v1::ExposureGrowth& bucket = buckets[FloorTo(FromTimestamp(hour.start()), unit)];
    bucket.set_findings(bucket.findings() + hour.findings());
    bucket.set_occurrences(bucket.occurrences() + hour.occurrences());
    bucket.set_new_cards(bucket.new_cards() + hour.new_cards());
  }
  while (buckets.size() > kBucketsMax) buckets.erase(buckets.begin());
  for (auto& [start, bucket] : buckets) {
    *bucket.mutable_start() = ToTimestamp(start);
    *timeline.add_growth() = std::move(bucket);
  }
  timeline.set_findings_without_bucket(exposure.findings() -
                                       std::min(exposure.findings(), findings));
  return absl::OkStatus();
}

// Joins hours of one agent that follow each other into one gap.
class Gaps {
 public:
  explicit Gaps(std::vector<v1::CoverageGap>* all) : all_(*all) {}

  void Add(absl::Time start, absl::Time end, const v1::CoverageGap& hour) {
    if (all_.empty() || FromTimestamp(all_.back().until()) != start) {
      v1::CoverageGap& begun = all_.emplace_back();
      begun.set_agent(hour.agent());
      *begun.mutable_since() = ToTimestamp(start);
    }
    v1::CoverageGap& gap = all_.back();
    *gap.mutable_until() = ToTimestamp(end);
    gap.set_unheard_seconds(gap.unheard_seconds() + hour.unheard_seconds());
    gap.set_truncated_bytes(gap.truncated_bytes() + hour.truncated_bytes());
    gap.set_shed_bytes(gap.shed_bytes() + hour.shed_bytes());
    gap.set_undecodable_bytes(gap.undecodable_bytes() + hour.undecodable_bytes());
  }

 private:
  std::vector<v1::CoverageGap>& all_;
};

absl::Status AddGapsOf(store::Store& store, const WatchingAgent& agent, absl::Time since,
                       absl::Time until, std::vector<v1::CoverageGap>& gaps) {
  absl::StatusOr<std::vector<store::HourOfCoverage>> heard =
      store.ListCoverageHours(agent.identity, since, until);
  if (!heard.ok()) return heard.status();
  std::map<absl::Time, const v1::AgentCoverage*> by_hour;
  for (const store::HourOfCoverage& hour : *heard) by_hour[hour.start] = &hour.coverage;
  const absl::Time begin = std::max(since, agent.first_seen);
  std::vector<v1::CoverageGap> unheard;
  std::vector<v1::CoverageGap> unscanned;
  Gaps unheard_runs(&unheard);
  Gaps unscanned_runs(&unscanned);
  for (absl::Time start = FloorTo(begin, kHour); start < until; start += kHour) {
    const absl::Time end = std::min(start + kHour, until);
    const auto found = by_hour.find(start);
    const v1::AgentCoverage* const coverage = found == by_hour.end() ? nullptr : found->second;
    v1::CoverageGap silent;
    silent.set_agent(agent.identity);
    silent.set_unheard_seconds(absl::ToDoubleSeconds(end - std::max(start, begin)) -
                               (coverage == nullptr ? 0 : coverage->heard_seconds()));
    if (silent.unheard_seconds() > kUnheardMaxSeconds) unheard_runs.Add(start, end, silent);
    if (coverage == nullptr) continue;
    v1::CoverageGap missed;
    missed.set_agent(agent.identity);
    missed.set_truncated_bytes(coverage->coverage().truncated_bytes());
    missed.set_shed_bytes(coverage->coverage().shed_bytes());
    missed.set_undecodable_bytes(coverage->coverage().undecodable_bytes());
    if (missed.truncated_bytes() + missed.shed_bytes() + missed.undecodable_bytes() > 0) {
      unscanned_runs.Add(start, end, missed);
    }
  }
  gaps.insert(gaps.end(), unheard.begin(), unheard.end());
  gaps.insert(gaps.end(), unscanned.begin(), unscanned.end());
  return absl::OkStatus();
}

absl::Status AddGaps(store::Store& store, absl::Time since, absl::Time until,
                     const std::vector<WatchingAgent>& agents, v1::ExposureTimeline& timeline) {
  since = FloorTo(std::max(since, until - kGapSpan), kHour);
  *timeline.mutable_gaps_since() = ToTimestamp(since);
  std::vector<v1::CoverageGap> gaps;
  const size_t looked_at = std::min(agents.size(), kGapAgentsMax);
  timeline.set_gap_agents_left_out(static_cast<uint32_t>(agents.size() - looked_at));
  for (size_t i = 0; i < looked_at; ++i) {
    if (absl::Status s = AddGapsOf(store, agents[i], since, until, gaps); !s.ok()) return s;
  }
  std::stable_sort(gaps.begin(), gaps.end(),
                   [](const v1::CoverageGap& a, const v1::CoverageGap& b) {
                     return FromTimestamp(a.until()) - FromTimestamp(a.since()) >
                            FromTimestamp(b.until()) - FromTimestamp(b.since());
                   });
  for (v1::CoverageGap& gap : gaps) {
    if (timeline.gaps_size() >= kGapsMax) break;
    *timeline.add_gaps() = std::move(gap);
  }
  timeline.set_gaps_left_out(
      static_cast<uint32_t>(gaps.size() - static_cast<size_t>(timeline.gaps_size())));
  return absl::OkStatus();
}

}  // namespace

absl::Status AddTimeline(store::Store& store, absl::Time since, absl::Time until,
                         const std::vector<WatchingAgent>& agents, v1::ExposureReport& report) {
  v1::ExposureTimeline timeline;
  const v1::Exposure& exposure = report.exposure();
  timeline.set_exposure_id(exposure.id());
  *timeline.mutable_since() = ToTimestamp(since);
  *timeline.mutable_until() = ToTimestamp(until);

  std::vector<TimelineEvent> events;
  AddSeen(exposure, events);
  AddScripts(report, since, until, events);
  AddDecisions(report, events, timeline);
  if (absl::Status s = AddSameWay(store, exposure, events); !s.ok()) return s;
  std::stable_sort(events.begin(), events.end(),
                   [](const TimelineEvent& a, const TimelineEvent& b) {
                     return FromTimestamp(a.at()) < FromTimestamp(b.at());
                   });
  const int left_out = std::max(0, static_cast<int>(events.size()) - kEventsMax);
  timeline.set_events_left_out(static_cast<uint32_t>(left_out));
  timeline.mutable_events()->Add(events.begin() + left_out, events.end());

  if (absl::Status s = AddGrowth(store, exposure, timeline); !s.ok()) return s;
  if (absl::Status s = AddGaps(store, since, until, agents, timeline); !s.ok()) return s;
  *report.mutable_timeline() = std::move(timeline);
  return absl::OkStatus();
}

}  // namespace skimwatch::report
