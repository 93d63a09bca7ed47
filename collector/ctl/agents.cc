#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/session.h"
#include "proto/text/table.h"
#include "proto/text/units.h"

namespace skimwatch::ctl {
namespace {

// The share of outbound bytes that was scanned.
std::string Coverage(const v1::Coverage& coverage) {
  const uint64_t outbound =
      coverage.seen_bytes() - std::min(coverage.seen_bytes(), coverage.inbound_bytes());
  if (outbound == 0) return "";
  return absl::StrFormat("%.1f%%", 100.0 * static_cast<double>(coverage.scanned_bytes()) /
                                       static_cast<double>(outbound));
}

std::string Spool(const v1::SpoolState& spool) {
  if (spool.bytes_max() == 0) return "";
  return absl::StrCat(text::Bytes(spool.bytes()), " of ", text::Bytes(spool.bytes_max()));
}

uint64_t Lost(const v1::SpoolState& spool) {
  uint64_t lost = 0;
  for (const auto& [severity, findings] : spool.dropped_findings()) lost += findings;
  return lost;
}

std::string Sampled(const v1::Agent& agent) {
  return agent.sample_ratio() > 0 ? absl::StrFormat("%.4g%%", 100 * agent.sample_ratio()) : "";
}

std::string LookAt(const v1::PageLook& page) {
  if (!page.has_last_look()) return "none so far";
  return absl::StrCat(Word(*v1::PageLook::Outcome_descriptor(), page.outcome()),
                      page.without_browser() ? ", without a browser" : "");
}

uint64_t Looks(const v1::PageLook& page) {
  return std::accumulate(page.looks().begin(), page.looks().end(), uint64_t{0});
}

// The agent of an identity. There is no question for one, and few have a thousand.
absl::StatusOr<v1::Agent> FindAgent(const Options& options, Session& session) {
  auto answer = ListAll(session, &v1::QueryService::Stub::ListAgents, v1::ListAgentsRequest(),
                        &v1::ListAgentsResponse::mutable_agents, 0);
  if (!answer.ok()) return answer.status();
  for (v1::Agent& agent : *answer->mutable_agents()) {
    if (agent.identity() == options.agent) return std::move(agent);
  }
  return absl::NotFoundError(
      absl::StrCat("there is no agent '", options.agent, "'; see `skimwatchctl agents list`"));
}

}  // namespace

absl::StatusOr<int> ListAgents(const Options& options, Session& session) {
  const auto answer = ListAll(session, &v1::QueryService::Stub::ListAgents, v1::ListAgentsRequest(),
                              &v1::ListAgentsResponse::mutable_agents, options.limit);
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(*answer);
    return 0;
  }
  text::Table table({{.name = "STATE"},
                     {.name = "IDENTITY", .shrinks = true},
                     {.name = "VERSION"},
                     {.name = "SITES", .shrinks = true},
                     {.name = "LAST SEEN"},
                     {.name = "SCANNED", .right = true},
                     {.name = "SAMPLED", .right = true},
                     {.name = "SPOOL", .right = true},
                     {.name = "LOST", .right = true},
                     {.name = "FINDINGS", .right = true},
                     {.name = "CERTIFICATE UNTIL"},
                     {.name = "REASON", .shrinks = true}});
  for (const v1::Agent& agent : answer->agents()) {
    table.AddRow({Word(*v1::Agent::State_descriptor(), agent.state()), agent.identity(),
                  agent.version(), absl::StrJoin(agent.sites(), ", "), Describe(agent.last_seen()),
                  Coverage(agent.coverage()), Sampled(agent), Spool(agent.spool()),
                  absl::StrCat(Lost(agent.spool())), absl::StrCat(agent.findings()),
                  Describe(agent.certificate_expiry()), agent.rejection_reason()});
  }
  session.output.Rows(table);
  return 0;
}

absl::StatusOr<int> ShowAgent(const Options& options, Session& session) {
  const absl::StatusOr<v1::Agent> agent = FindAgent(options, session);
  if (!agent.ok()) return agent.status();
  if (session.output.json()) {
    session.output.Json(*agent);
    return 0;
  }
  session.output.Pairs({
      {"Agent", agent->identity()},
      {"State", Word(*v1::Agent::State_descriptor(), agent->state())},
      {"Reason", agent->rejection_reason()},
      {"Version", agent->version()},
      {"Sites", absl::StrJoin(agent->sites(), ", ")},
      {"First seen", Describe(agent->first_seen())},
      {"Last seen", Describe(agent->last_seen())},
      {"Policy", absl::StrCat(agent->policy_version())},
      {"Scanned", Coverage(agent->coverage())},
      {"Sampled", Sampled(*agent)},
      {"Spool", Spool(agent->spool())},
      {"Lost", absl::StrCat(Lost(agent->spool()))},
      {"Findings", absl::StrCat(agent->findings())},
      {"Certificate until", Describe(agent->certificate_expiry())},
  });
  if (agent->pages().empty()) return 0;
  session.output.Line("");
  text::Table table({{.name = "PAGE", .shrinks = true},
                     {.name = "SITE", .shrinks = true},
                     {.name = "LAST LOOK"},
                     {.name = "OUTCOME"},
                     {.name = "LAST WHOLE"},
                     {.name = "NEXT DUE"},
                     {.name = "LOOKS", .right = true},
                     {.name = "WHOLE", .right = true}});
  for (const v1::PageLook& page : agent->pages()) {
    table.AddRow({page.name(), page.site(), Describe(page.last_look()), LookAt(page),
                  page.has_last_whole_look() ? Describe(page.last_whole_look()) : "never",
                  Describe(page.next_due()), absl::StrCat(Looks(page)),
                  absl::StrCat(page.looks_size() > 0 ? page.looks(0) : 0)});
  }
  session.output.Rows(table);
  return 0;
}

}  // namespace skimwatch::ctl
