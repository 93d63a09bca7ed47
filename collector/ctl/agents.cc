#include <algorithm>
#include <cstdint>
#include <string>

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
    const std::string sampled =
        agent.sample_ratio() > 0 ? absl::StrFormat("%.4g%%", 100 * agent.sample_ratio()) : "";
    table.AddRow({Word(*v1::Agent::State_descriptor(), agent.state()), agent.identity(),
                  agent.version(), absl::StrJoin(agent.sites(), ", "), Describe(agent.last_seen()),
                  Coverage(agent.coverage()), sampled, Spool(agent.spool()),
                  absl::StrCat(Lost(agent.spool())), absl::StrCat(agent.findings()),
                  Describe(agent.certificate_expiry()), agent.rejection_reason()});
  }
  session.output.Rows(table);
  return 0;
}

}  // namespace skimwatch::ctl
