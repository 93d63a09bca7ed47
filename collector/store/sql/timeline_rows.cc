#include "collector/store/sql/timeline_rows.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "collector/store/sql/sql_transaction.h"
#include "collector/store/timestamp.h"

namespace skimwatch::store::sql {
namespace {

constexpr int64_t kSecondsPerHour = 3600;
// More than two years of an exposure that never rests.
constexpr int64_t kHoursMax = 20'000;
constexpr int64_t kSameWayMax = 100;

int64_t HourOf(absl::Time time) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  return seconds >= 0 ? seconds / kSecondsPerHour : 0;
}

absl::Time StartOf(int64_t hour) { return absl::FromUnixSeconds(hour * kSecondsPerHour); }

}  // namespace

absl::Status AddExposureHours(Database& db, std::string_view integer) {
  const std::string sql = absl::StrReplaceAll(
      R"sql(
CREATE TABLE exposure_hours (
  exposure_id INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  findings INTEGER NOT NULL,
  occurrences INTEGER NOT NULL,
  new_cards INTEGER NOT NULL,
  PRIMARY KEY (exposure_id, hour)
);
CREATE INDEX coverage_hours_by_agent ON coverage_hours (agent_id, hour);
INSERT INTO exposure_hours (exposure_id, hour, findings, occurrences, new_cards)
  SELECT exposure_id,
    CASE WHEN first_seen < 0 THEN 0 ELSE first_seen / 3600000000 END, 0, 0, count(*)
  FROM sightings WHERE exposure_id > 0 AND fingerprint <> CAST('' AS BINARY_TYPE) GROUP BY 1, 2;
)sql",
      {{"INTEGER", absl::string_view(integer.data(), integer.size())},
       {"BINARY_TYPE", integer == "BIGINT" ? "BYTEA" : "BLOB"}});
  return db.Execute(sql.c_str());
}

absl::Status AddGrowth(Database& db, uint64_t exposure_id, const v1::ExposureGrowth& more) {
  // Counts of agents may be anything, and the sum must not overflow.
  Statement put = db.Prepare(
      "INSERT INTO exposure_hours (exposure_id, hour, findings, occurrences, new_cards)"
      " VALUES (?, ?, ?, ?, ?)"
      " ON CONFLICT (exposure_id, hour) DO UPDATE SET"
      " findings = exposure_hours.findings + excluded.findings,"
      " occurrences = CASE"
      " WHEN exposure_hours.occurrences > 9000000000000000000 - excluded.occurrences"
      " THEN 9000000000000000000 ELSE exposure_hours.occurrences + excluded.occurrences END,"
      " new_cards = exposure_hours.new_cards + excluded.new_cards");
  put.Unsigned(exposure_id).Int(HourOf(FromTimestamp(more.start()))).Unsigned(more.findings());
  put.Unsigned(std::min(more.occurrences(), SqlTransaction::kOccurrencesMax));
  return put.Unsigned(more.new_cards()).Run();
}

absl::StatusOr<std::vector<v1::ExposureGrowth>> ListGrowth(Database& db, uint64_t exposure_id) {
  Statement select = db.Scan(
      "SELECT hour, findings, occurrences, new_cards FROM exposure_hours WHERE exposure_id = ?"
      " ORDER BY hour DESC LIMIT ?");
  select.Unsigned(exposure_id).Int(kHoursMax);
  std::vector<v1::ExposureGrowth> growth;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    v1::ExposureGrowth& hour = growth.emplace_back();
    *hour.mutable_start() = ToTimestamp(StartOf(select.GetInt(0)));
    hour.set_findings(select.GetUnsigned(1));
    hour.set_occurrences(select.GetUnsigned(2));
    hour.set_new_cards(select.GetUnsigned(3));
  }
  std::reverse(growth.begin(), growth.end());
  return growth;
}

absl::StatusOr<std::vector<v1::Exposure>> ListExposuresOfWay(Database& db, const ExposureKey& key) {
  Statement select = db.Scan(
      "SELECT body FROM exposures WHERE site = ? AND kind = ? AND channel = ? AND destination = ?"
      " ORDER BY id DESC LIMIT ?");
  select.Text(key.site).Int(key.kind).Text(key.channel).Text(key.destination).Int(kSameWayMax);
  std::vector<v1::Exposure> exposures;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return exposures;
    absl::Status s = ParseBody(select.GetBytes(0), "exposure", exposures.emplace_back());
    if (!s.ok()) return s;
  }
}

absl::StatusOr<std::vector<HourOfCoverage>> ListCoverageHours(Database& db, std::string_view agent,
                                                              absl::Time since, absl::Time until) {
  Statement select = db.Scan(
      "SELECT hour, coverage_hours.body FROM coverage_hours"
      " WHERE agent_id = (SELECT id FROM agents WHERE identity = ?) AND hour BETWEEN ? AND ?"
      " ORDER BY hour");
  select.Text(agent).Int(HourOf(since)).Int(HourOf(until));
  std::vector<HourOfCoverage> hours;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return hours;
    HourOfCoverage& hour = hours.emplace_back();
    hour.start = StartOf(select.GetInt(0));
    absl::Status s = ParseBody(select.GetBytes(1), "coverage", hour.coverage);
    if (!s.ok()) return s;
    hour.coverage.set_agent(std::string(agent));
  }
}

}  // namespace skimwatch::store::sql
