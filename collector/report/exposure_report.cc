#include "collector/report/exposure_report.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "collector/exposure/rules.h"
#include "collector/report/exposure_timeline.h"
#include "collector/store/timestamp.h"

namespace skimwatch::report {
namespace {

using store::FromTimestamp;
using store::ToTimestamp;

constexpr int kRelatedMax = 100;
constexpr int kScriptsMax = 20;
constexpr size_t kDecisionsMax = 1000;
// A script that was altered shortly before is as likely a cause as one that was altered meanwhile.
constexpr absl::Duration kBefore = absl::Hours(24);

struct Window {
  absl::Time since;
  absl::Time until;
};

// An open exposure goes on until `now`, for nobody said that it is over. One that was closed ended
// with its last finding, unless its findings tell of something that stayed.
Window WindowOf(const v1::Exposure& exposure, absl::Time now) {
  Window window = {.since = FromTimestamp(exposure.first_seen()),
                   .until = FromTimestamp(exposure.last_seen())};
  if (exposure.state() == v1::Exposure::STATE_OPEN) {
    window.until = std::max(window.until, now);
  } else if (exposure::IsToldOnce(exposure.kind())) {
    window.until = std::max(window.until, FromTimestamp(exposure.closed_at()));
  }
  return window;
}

bool Overlaps(const Window& a, const Window& b) { return a.since <= b.until && b.since <= a.until; }

// Calls `take` with every item of a paged list.
template <typename Request, typename List, typename Items, typename Take>
absl::Status ForEach(Request request, List list, Items items, Take take) {
  request.set_page_size(1000);
  while (true) {
    auto page = list(request);
    if (!page.ok()) return page.status();
    for (auto& item : *items(*page)) take(item);
    if (page->next_page_token().empty()) return absl::OkStatus();
    request.set_page_token(page->next_page_token());
  }
}

// The exposure's own script before those of the related exposures, each once, newest first.
class ScriptNames {
 public:
  void Add(const v1::Exposure& exposure) {
    if (exposure.kind() != v1::FINDING_KIND_SCRIPT_CHANGE) return;
    if (known_.insert(exposure.channel()).second) in_order_.push_back(exposure.channel());
  }
  const std::vector<std::string>& in_order() const { return in_order_; }

 private:
  std::set<std::string> known_;
  std::vector<std::string> in_order_;
};

absl::Status AddRelated(store::Store& store, const Window& window, absl::Time now,
                        ScriptNames& scripts, v1::ExposureReport& report) {
  const v1::Exposure& exposure = report.exposure();
  const Window wider = {.since = window.since - kBefore, .until = window.until};
  v1::ListExposuresRequest request;
  request.set_site(exposure.site());
  return ForEach(
      request, [&](const v1::ListExposuresRequest& r) { return store.ListExposures(r); },
      [](v1::ListExposuresResponse& page) { return page.mutable_exposures(); },
      [&](v1::Exposure& other) {
        if (other.id() == exposure.id()) return;
        const Window& meanwhile = other.kind() == v1::FINDING_KIND_SCRIPT_CHANGE ? wider : window;
        if (!Overlaps(WindowOf(other, now), meanwhile)) return;
        scripts.Add(other);
        if (report.related_size() >= kRelatedMax) {
          report.set_related_left_out(report.related_left_out() + 1);
          return;
        }
        *report.add_related() = std::move(other);
      });
}

absl::Status AddScripts(store::Store& store, const ScriptNames& scripts,
                        v1::ExposureReport& report) {
  for (const std::string& name : scripts.in_order()) {
    if (report.scripts_size() >= kScriptsMax) {
      report.set_scripts_left_out(report.scripts_left_out() + 1);
      continue;
    }
    absl::StatusOr<v1::Script> script = store.GetScript(report.exposure().site(), name);
    if (absl::IsNotFound(script.status())) continue;
    if (!script.ok()) return script.status();
    *report.add_scripts() = *std::move(script);
  }
  return absl::OkStatus();
}

// What decisions on the exposure are about: itself, and the script or the approvals of the
// destination that it is of. See v1::Decision.subject.
absl::StatusOr<std::set<std::string>> Subjects(store::Store& store,
                                               const v1::ExposureReport& report) {
  const v1::Exposure& exposure = report.exposure();
  std::set<std::string> subjects = {absl::StrCat(exposure.id())};
  if (exposure.kind() == v1::FINDING_KIND_SCRIPT_CHANGE) {
    // Of the newest 100 versions.
    for (const v1::Script& script : report.scripts()) {
      if (script.name() != exposure.channel()) continue;
      for (const v1::ScriptRecord& record : script.history()) {
        subjects.insert(absl::StrCat(script.site(), "/", script.name(), "@",
                                     absl::BytesToHexString(record.version().sha256())));
      }
    }
  }
  if (exposure.kind() == v1::FINDING_KIND_DESTINATION_CHANGE) {
    absl::StatusOr<v1::GetDestinationResponse> found =
        store.GetDestination(exposure.site(), exposure.channel());
    if (absl::IsNotFound(found.status())) return subjects;
    if (!found.ok()) return found.status();
    for (const v1::DestinationApproval& approval : found->approvals()) {
      subjects.insert(
          absl::StrCat(approval.site(), "/", approval.pattern(),
                       approval.process().empty() ? "" : absl::StrCat("@", approval.process())));
    }
  }
  return subjects;
}

absl::Status AddDecisions(store::Store& store, v1::ExposureReport& report) {
  absl::StatusOr<std::set<std::string>> subjects = Subjects(store, report);
  if (!subjects.ok()) return subjects.status();
  std::map<uint64_t, v1::Decision> newest;
  uint32_t left_out = 0;
  for (const std::string& subject : *subjects) {
    v1::ListDecisionsRequest request;
    request.set_subject(subject);
    absl::Status status = ForEach(
        request, [&](const v1::ListDecisionsRequest& r) { return store.ListDecisions(r); },
        [](v1::ListDecisionsResponse& page) { return page.mutable_decisions(); },
        [&](v1::Decision& decision) {
          newest[decision.id()] = std::move(decision);
          if (newest.size() <= kDecisionsMax) return;
          newest.erase(newest.begin());
          ++left_out;
        });
    if (!status.ok()) return status;
  }
  for (auto& [id, decision] : newest) *report.add_decisions() = std::move(decision);
  report.set_decisions_left_out(left_out);
  return absl::OkStatus();
}

// Also of agents that were silent all the time: they are what nobody can answer for.
absl::Status AddCoverage(store::Store& store, const Window& window,
                         std::vector<WatchingAgent>& agents, v1::ExposureReport& report) {
  const absl::Duration hour = absl::Hours(1);
  const absl::Time since = absl::UnixEpoch() + absl::Floor(window.since - absl::UnixEpoch(), hour);
  const absl::Time last = absl::UnixEpoch() + absl::Floor(window.until - absl::UnixEpoch(), hour);
  *report.mutable_coverage_since() = ToTimestamp(since);
  *report.mutable_coverage_until() =
      ToTimestamp(std::min(last + hour, FromTimestamp(report.made_at())));
  absl::StatusOr<std::vector<v1::AgentCoverage>> heard = store.ListCoverage(since, last);
  if (!heard.ok()) return heard.status();
  return ForEach(
      v1::ListAgentsRequest(), [&](const v1::ListAgentsRequest& r) { return store.ListAgents(r); },
      [](v1::ListAgentsResponse& page) { return page.mutable_agents(); },
      [&](const v1::Agent& agent) {
        const auto& sites = agent.sites();
        if (std::find(sites.begin(), sites.end(), report.exposure().site()) == sites.end()) return;
        if (FromTimestamp(agent.first_seen()) > window.until) return;
        agents.push_back(
            {.identity = agent.identity(), .first_seen = FromTimestamp(agent.first_seen())});
        v1::AgentCoverage& row = *report.add_coverage();
        row.set_agent(agent.identity());
        for (const v1::AgentCoverage& one : *heard) {
          if (one.agent() == agent.identity()) row = one;
        }
      });
}

}  // namespace

absl::StatusOr<v1::ExposureReport> MakeExposureReport(store::Store& store, uint64_t id,
                                                      std::string_view version, absl::Time now) {
  v1::ExposureReport report;
  *report.mutable_made_at() = ToTimestamp(now);
  report.set_version(version.data(), version.size());
  absl::StatusOr<v1::GetExposureResponse> exposure = store.GetExposure(id);
  if (!exposure.ok()) return exposure.status();
  report.mutable_exposure()->Swap(exposure->mutable_exposure());
  report.mutable_findings()->Swap(exposure->mutable_findings());
  // An agent's clock may be ahead.
  const absl::Time end = std::max(now, FromTimestamp(report.exposure().last_seen()));
  const Window window = WindowOf(report.exposure(), end);
  ScriptNames scripts;
  scripts.Add(report.exposure());
  if (absl::Status s = AddRelated(store, window, end, scripts, report); !s.ok()) return s;
  if (absl::Status s = AddScripts(store, scripts, report); !s.ok()) return s;
  if (absl::Status s = AddDecisions(store, report); !s.ok()) return s;
  std::vector<WatchingAgent> agents;
  if (absl::Status s = AddCoverage(store, window, agents, report); !s.ok()) return s;
  absl::Status s = AddTimeline(store, window.since, window.until, agents, report);
  if (!s.ok()) return s;
  return report;
}

}  // namespace skimwatch::report
