#include "collector/store/sql/coverage_rows.h"

#include <map>
#include <string>
#include <utility>

#include "collector/store/sql/queries.h"
#include "collector/store/sql/sql_transaction.h"

namespace skimwatch::store::sql {
namespace {

int64_t HourOf(absl::Time time) { return absl::ToUnixSeconds(time) / 3600; }

void Add(const v1::AgentCoverage& more, v1::AgentCoverage& sum) {
  const v1::Coverage& from = more.coverage();
  v1::Coverage& to = *sum.mutable_coverage();
  to.set_seen_bytes(to.seen_bytes() + from.seen_bytes());
  to.set_scanned_bytes(to.scanned_bytes() + from.scanned_bytes());
  to.set_sampled_out_bytes(to.sampled_out_bytes() + from.sampled_out_bytes());
  to.set_truncated_bytes(to.truncated_bytes() + from.truncated_bytes());
  to.set_shed_bytes(to.shed_bytes() + from.shed_bytes());
  to.set_undecodable_bytes(to.undecodable_bytes() + from.undecodable_bytes());
  to.set_inbound_bytes(to.inbound_bytes() + from.inbound_bytes());
  for (const auto& [reason, bytes] : from.by_reason_bytes()) {
    (*to.mutable_by_reason_bytes())[reason] += bytes;
  }
  sum.set_heard_seconds(sum.heard_seconds() + more.heard_seconds());
}

}  // namespace

absl::Status AddToCoverageHour(Database& db, int64_t agent_id, const v1::AgentCoverage& more,
                               absl::Time at) {
  v1::AgentCoverage sum;
  {
    Statement select =
        db.Prepare("SELECT body FROM coverage_hours WHERE hour = ? AND agent_id = ?");
    absl::StatusOr<bool> row = select.Int(HourOf(at)).Int(agent_id).Step();
    if (!row.ok()) return row.status();
    if (*row) {
      if (absl::Status s = ParseBody(select.GetBytes(0), "coverage", sum); !s.ok()) return s;
    }
  }
  Add(more, sum);
  Statement put = db.Prepare(
      "INSERT INTO coverage_hours (hour, agent_id, body) VALUES (?, ?, ?)"
      " ON CONFLICT (hour, agent_id) DO UPDATE SET body = excluded.body");
  return put.Int(HourOf(at)).Int(agent_id).Blob(sum.SerializeAsString()).Run();
}

absl::StatusOr<std::vector<v1::AgentCoverage>> ListCoverage(Database& db, absl::Time since,
                                                            absl::Time until) {
  std::map<std::string, v1::AgentCoverage> by_agent;
  {
    Statement select = db.Scan(
        "SELECT identity, coverage_hours.body FROM coverage_hours"
        " JOIN agents ON agents.id = agent_id WHERE hour BETWEEN ? AND ?");
    select.Int(HourOf(since)).Int(HourOf(until));
    while (true) {
      absl::StatusOr<bool> row = select.Step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      v1::AgentCoverage hour;
      if (absl::Status s = ParseBody(select.GetBytes(1), "coverage", hour); !s.ok()) return s;
      Add(hour, by_agent[std::string(select.GetBytes(0))]);
    }
  }
  Statement lost = db.Prepare(
      "SELECT identity, sum(CAST(last_sequence - first_sequence AS DOUBLE PRECISION) + 1)"
      " FROM lost_ranges"
      " JOIN streams ON streams.id = stream_id JOIN agents ON agents.id = agent_id"
      " WHERE recorded_at >= ? AND recorded_at < ? GROUP BY identity");
  lost.Time(absl::FromUnixSeconds(HourOf(since) * 3600));
  lost.Time(absl::FromUnixSeconds((HourOf(until) + 1) * 3600));
  while (true) {
    absl::StatusOr<bool> row = lost.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    by_agent[std::string(lost.GetBytes(0))].set_lost_findings(ToCount(lost.GetDouble(1)));
  }
  std::vector<v1::AgentCoverage> coverage;
  for (auto& [agent, sum] : by_agent) {
    sum.set_agent(agent);
    coverage.push_back(std::move(sum));
  }
  return coverage;
}

absl::Status DeleteCoverageHourBefore(Database& db, absl::Time cutoff) {
  Statement erase = db.Prepare(
      "DELETE FROM coverage_hours WHERE hour ="
      " (SELECT min(hour) FROM coverage_hours WHERE hour < ?)");
  return erase.Int(HourOf(cutoff)).Run();
}

}  // namespace skimwatch::store::sql
