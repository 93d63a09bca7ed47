#include "collector/store/postgres/partitions.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "collector/store/postgres/schema.h"

namespace skimwatch::store::postgres {
namespace {

constexpr std::string_view kLockNotAvailable = "55P03";
constexpr int64_t kDayMicros = int64_t{24} * 3600 * 1'000'000;

std::string PartitionName(int64_t day) {
  const absl::CivilDay date = absl::CivilDay(1970, 1, 1) + day;
  return absl::StrCat("findings_", date.year() < 0 ? "bc" : "",
                      absl::Dec(date.year() < 0 ? -date.year() : date.year(), absl::kZeroPad4),
                      absl::Dec(date.month(), absl::kZeroPad2),
                      absl::Dec(date.day(), absl::kZeroPad2));
}

absl::StatusOr<bool> HasDay(Connection& connection, int64_t day) {
  sql::Statement select = connection.Prepare("SELECT 1 FROM finding_days WHERE day = ?");
  return select.Int(day).Step();
}

absl::Status MakeTable(Connection& connection, int64_t day) {
  const std::string name = PartitionName(day);
  // Not CREATE TABLE ... PARTITION OF: that would shut everybody out of `findings`.
  return connection.Execute(absl::StrCat("CREATE TABLE ", name,
                                         " (LIKE findings INCLUDING ALL);"
                                         "ALTER TABLE findings ATTACH PARTITION ",
                                         name, " FOR VALUES FROM (", day * kDayMicros, ") TO (",
                                         (day + 1) * kDayMicros,
                                         ");"
                                         "INSERT INTO finding_days (day) VALUES (",
                                         day, ")")
                                .c_str());
}

// Takes a partition out of the table. OK when it is out already.
absl::Status Detach(Connection& connection, const std::string& name) {
  connection.ClearError();
  const std::string detach = absl::StrCat("ALTER TABLE findings DETACH PARTITION ", name);
  // Waits for those who read it, without making anybody wait.
  absl::Status status = connection.Execute((detach + " CONCURRENTLY").c_str());
  // Begun by a collector that did not come to the end.
  if (!status.ok() && connection.sqlstate() == "55000") {
    status = connection.Execute((detach + " FINALIZE").c_str());
  }
  // An engine without it (PostgreSQL before 14).
  if (!status.ok() && (connection.sqlstate() == "42601" || connection.sqlstate() == "0A000")) {
    status = connection.Execute(
        absl::StrCat("BEGIN; SET LOCAL lock_timeout = '1s'; ", detach, "; COMMIT").c_str());
    if (!status.ok()) connection.Execute("ROLLBACK").IgnoreError();
  }
  // Not there, or no partition any more.
  if (!status.ok() && connection.sqlstate() == "42P01") return absl::OkStatus();
  return status;
}

}  // namespace

int64_t DayOf(absl::Time time) {
  const int64_t micros = absl::ToUnixMicros(time);
  return micros / kDayMicros - (micros % kDayMicros < 0 ? 1 : 0);
}

absl::Status MakePartition(Connection& connection, int64_t day) {
  absl::StatusOr<bool> has_day = HasDay(connection, day);
  if (!has_day.ok()) return has_day.status();
  if (*has_day) return absl::OkStatus();
  absl::Status status = connection.Execute("BEGIN");
  if (!status.ok()) return status;
  // One at a time; row locks are what every engine has.
  status = connection.Execute(
      absl::StrCat("SELECT id FROM locks WHERE id = ", kPartitionsLock, " FOR UPDATE").c_str());
  if (status.ok()) {
    has_day = HasDay(connection, day);
    status = has_day.status();
  }
  if (status.ok() && !*has_day) status = MakeTable(connection, day);
  if (status.ok()) return connection.Commit();
  connection.Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::StatusOr<bool> DropPartitionBefore(Connection& connection, absl::Time cutoff) {
  int64_t day = 0;
  {
    sql::Statement select =
        connection.Prepare("SELECT day FROM finding_days WHERE day < ? ORDER BY day LIMIT 1");
    absl::StatusOr<bool> row = select.Int(DayOf(cutoff)).Step();
    if (!row.ok()) return row.status();
    if (!*row) return false;
    day = select.GetInt(0);
  }
  const std::string name = PartitionName(day);
  if (absl::Status s = Detach(connection, name); !s.ok()) {
    // Somebody reads it, and will have read it some time.
    if (connection.sqlstate() == kLockNotAvailable) return false;
    return s;
  }
  // One transaction: a day is in the list, or the table is gone.
  absl::Status status =
      connection.Execute(absl::StrCat("BEGIN; DROP TABLE IF EXISTS ", name,
                                      "; DELETE FROM finding_days WHERE day = ", day, "; COMMIT")
                             .c_str());
  if (!status.ok()) {
    connection.Execute("ROLLBACK").IgnoreError();
    if (connection.sqlstate() == kLockNotAvailable) return false;
    return status;
  }
  return true;
}

}  // namespace skimwatch::store::postgres
