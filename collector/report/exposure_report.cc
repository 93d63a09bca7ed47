#include "collector/report/exposure_report.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/store/timestamp.h"

namespace skimwatch::report {
namespace {

using store::FromTimestamp;
using store::ToTimestamp;

constexpr int kRelatedMax = 100;
constexpr size_t kScriptsMax = 20;
// A script that was altered shortly before is as likely a cause as one that was altered meanwhile.
constexpr absl::Duration kBefore = absl::Hours(24);

struct Window {
  absl::Time since;
  absl::Time until;
};

Window WindowOf(const v1::Exposure& exposure) {
  return {.since = FromTimestamp(exposure.first_seen()),
          .until = FromTimestamp(exposure.last_seen())};
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

absl::Status AddRelated(store::Store& store, const Window& window, v1::ExposureReport& report) {
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
        if (!Overlaps(WindowOf(other), meanwhile)) return;
        if (report.related_size() >= kRelatedMax) {
          report.set_related_left_out(report.related_left_out() + 1);
          return;
        }
        *report.add_related() = std::move(other);
      });
}

// Of the exposure itself and of those beside it.
absl::Status AddScripts(store::Store& store, v1::ExposureReport& report) {
  std::set<std::string> names;
  if (report.exposure().kind() == v1::FINDING_KIND_SCRIPT_CHANGE) {
    names.insert(report.exposure().channel());
  }
  for (const v1::Exposure& other : report.related()) {
    if (names.size() >= kScriptsMax) break;
    if (other.kind() == v1::FINDING_KIND_SCRIPT_CHANGE) names.insert(other.channel());
  }
  for (const std::string& name : names) {
    absl::StatusOr<v1::Script> script = store.GetScript(report.exposure().site(), name);
    if (absl::IsNotFound(script.status())) continue;
    if (!script.ok()) return script.status();
    *report.add_scripts() = *std::move(script);
  }
  return absl::OkStatus();
}

absl::Status AddDecisions(store::Store& store, v1::ExposureReport& report) {
  v1::ListDecisionsRequest request;
  request.set_subject(absl::StrCat(report.exposure().id()));
  return ForEach(
      request, [&](const v1::ListDecisionsRequest& r) { return store.ListDecisions(r); },
      [](v1::ListDecisionsResponse& page) { return page.mutable_decisions(); },
      [&](v1::Decision& decision) { *report.add_decisions() = std::move(decision); });
}

// Also of agents that were silent all the time: they are what nobody can answer for.
absl::Status AddCoverage(store::Store& store, const Window& window, v1::ExposureReport& report) {
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
  const Window window = WindowOf(report.exposure());
  if (absl::Status s = AddRelated(store, window, report); !s.ok()) return s;
  if (absl::Status s = AddScripts(store, report); !s.ok()) return s;
  if (absl::Status s = AddDecisions(store, report); !s.ok()) return s;
  if (absl::Status s = AddCoverage(store, window, report); !s.ok()) return s;
  return report;
}

}  // namespace skimwatch::report
