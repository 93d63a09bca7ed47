#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "collector/console/pages.h"
#include "collector/ctl/describe.h"
#include "collector/store/timestamp.h"
#include "proto/text/units.h"

namespace skimwatch::console {
namespace {

constexpr uint32_t kPageSize = 100;

std::string Share(uint64_t part, uint64_t whole) {
  if (whole == 0) return "\u2013";
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  // 99.99 % is not all.
  if (part < whole && percent >= 99.95) return "99.9 %";
  return absl::StrFormat(percent >= 100 ? "%.0f %%" : "%.1f %%", percent);
}

void AddAgent(const v1::Agent& agent, absl::Time now, Dictionary& values) {
  Dictionary& row = *values.AddSectionDictionary("AGENT");
  Put(row, "NAME", agent.identity());
  PutOwn(row, "STATE", ctl::Word(*v1::Agent::State_descriptor(), agent.state()));
  Put(row, "SITES", absl::StrJoin(agent.sites(), ", "));
  Put(row, "VERSION", agent.version());
  PutTime(row, "LAST_SEEN", agent.last_seen());
  PutOwn(row, "AGE", Age(store::FromTimestamp(agent.last_seen()), now));
  const v1::Coverage& bytes = agent.coverage();
  const uint64_t outbound =
      bytes.seen_bytes() - std::min(bytes.seen_bytes(), bytes.inbound_bytes());
  PutOwn(row, "SEEN", text::Bytes(outbound));
  PutOwn(row, "SCANNED", Share(bytes.scanned_bytes(), outbound));
  PutOwn(row, "SAMPLED_OUT", text::Bytes(bytes.sampled_out_bytes()));
  PutOwn(row, "TRUNCATED", text::Bytes(bytes.truncated_bytes()));
  PutOwn(row, "SHED", text::Bytes(bytes.shed_bytes()));
  PutOwn(row, "UNDECODABLE", text::Bytes(bytes.undecodable_bytes()));
  if (agent.spool().bytes_max() > 0) {
    PutOwn(*row.AddSectionDictionary("SPOOL"), "SHARE",
           Share(agent.spool().bytes(), agent.spool().bytes_max()));
  }
  uint64_t dropped = 0;
  for (const auto& [severity, count] : agent.spool().dropped_findings()) dropped += count;
  if (dropped > 0) PutNumber(*row.AddSectionDictionary("DROPPED"), "COUNT", dropped);
  PutNumber(row, "FINDINGS", agent.findings());
  PutTime(row, "CERTIFICATE", agent.certificate_expiry());
  if (!agent.rejection_reason().empty()) {
    Put(*row.AddSectionDictionary("REJECTED"), "WHY", agent.rejection_reason());
  }
}

}  // namespace

absl::StatusOr<View> AgentsPage(const Context& context) {
  v1::ListAgentsRequest request;
  request.set_page_size(kPageSize);
  request.set_page_token(context.request.Query("after"));
  absl::StatusOr<v1::ListAgentsResponse> answer = context.calls.ListAgents(context.caller, request);
  if (!answer.ok()) return answer.status();
  View view("agents");
  view.title = "Agents";
  view.section = "/agents";
  Dictionary& values = *view.values;
  for (const v1::Agent& agent : answer->agents()) AddAgent(agent, context.now, values);
  Show(values, "HAS_AGENTS", !answer->agents().empty());
  Show(values, "NO_AGENTS", answer->agents().empty());
  if (!answer->next_page_token().empty()) {
    PutOwn(*values.AddSectionDictionary("NEXT"), "URL",
           Url("/agents", {{"after", answer->next_page_token()}}));
  }
  if (!context.request.Query("after").empty()) {
    PutOwn(*values.AddSectionDictionary("FIRST"), "URL", "/agents");
  }
  return view;
}

}  // namespace skimwatch::console
