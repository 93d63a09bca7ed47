#include "collector/store/postgres/postgres_transaction.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "collector/store/postgres/encoding.h"
#include "collector/store/postgres/partitions.h"
#include "collector/store/postgres/schema.h"
#include "collector/store/timestamp.h"

namespace skimwatch::store::postgres {
namespace {

constexpr char kCopyFindings[] =
    "COPY findings (stream_id, sequence, stored_at, kind, confidence, exposure_id, site, body)"
    " FROM STDIN (FORMAT binary)";
constexpr int16_t kFindingFields = 8;
// Findings that wait for a COPY.
constexpr size_t kFindingBytesMax = size_t{16} << 20;

// FNV-1a: the same in every collector, whatever it was built with.
class Hash {
 public:
  void Add(std::string_view bytes) {
    for (const char c : bytes) Mix(static_cast<unsigned char>(c));
    // Ends a part.
    Mix(0xff);
  }
  uint64_t value() const { return value_; }

 private:
  void Mix(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3; }

  uint64_t value_ = 0xcbf29ce484222325;
};

// Columns of many rows as arrays, for unnest().
class SightingColumns {
 public:
  struct Row {
    std::string_view fingerprint;
    int64_t way = 0;
    int64_t exposure = 0;
    int64_t first_seen = 0;
    int64_t last_seen = 0;
    int64_t occurrences = 0;
  };

  explicit SightingColumns(size_t rows) {
    for (size_t column = 0; column < std::size(columns_); ++column) {
      AppendArrayHeader(columns_[column], column == 0 ? kByteaOid : kInt8Oid,
                        static_cast<int32_t>(rows));
    }
  }

  void Add(const Row& row) {
    AppendBytesField(columns_[0], row.fingerprint);
    AppendIntField(columns_[1], row.way);
    AppendIntField(columns_[2], row.exposure);
    AppendIntField(columns_[3], row.first_seen);
    AppendIntField(columns_[4], row.last_seen);
    AppendIntField(columns_[5], row.occurrences);
  }

  std::vector<Value> Take() {
    std::vector<Value> values;
    for (std::string& column : columns_) {
      values.push_back({.bytes = std::move(column), .format = 1});
    }
    return values;
  }

 private:
  std::string columns_[6];
};

}  // namespace

absl::Status PostgresTransaction::Begin(const Locks& locks) {
  absl::Status status = connection_.Execute("BEGIN ISOLATION LEVEL READ COMMITTED");
  for (const Lock& lock : locks) {
    if (!status.ok()) break;
    status = TakeLock(lock, /*wait=*/true).status();
    held_.insert(lock);
  }
  wanted_ = held_;
  return status;
}

absl::StatusOr<bool> PostgresTransaction::TakeLock(const Lock& lock, bool wait) {
  if (lock.kind == Lock::Kind::kRow) {
    sql::Statement select =
        wait ? db().Prepare("SELECT id FROM locks WHERE id = ? FOR UPDATE")
             : db().Prepare("SELECT id FROM locks WHERE id = ? FOR UPDATE SKIP LOCKED");
    return select.Unsigned(lock.row).Step();
  }
  absl::StatusOr<bool> locked = LockAgent(lock.agent, wait);
  if (!locked.ok() || *locked) return locked;
  // What is not there can't be locked, so it is made. This waits for another transaction that makes
  // it too, and locks nothing where that one commits: only the row's lock says who has the agent.
  v1::Agent agent;
  agent.set_identity(lock.agent);
  {
    sql::Statement insert = db().Prepare(
        "INSERT INTO agents (identity, body) VALUES (?, ?) ON CONFLICT (identity) DO NOTHING");
    absl::Status s = insert.Text(lock.agent).Blob(agent.SerializeAsString()).Run();
    if (!s.ok()) return s;
  }
  locked = LockAgent(lock.agent, wait);
  if (locked.ok() && !*locked && wait) {
    return absl::UnavailableError("an agent's row comes and goes");
  }
  return locked;
}

absl::StatusOr<bool> PostgresTransaction::LockAgent(const std::string& identity, bool wait) {
  sql::Statement select =
      wait ? db().Prepare("SELECT id FROM agents WHERE identity = ? FOR UPDATE")
           : db().Prepare("SELECT id FROM agents WHERE identity = ? FOR UPDATE SKIP LOCKED");
  return select.Text(identity).Step();
}

absl::Status PostgresTransaction::Claim(const Claimed& claimed) {
  Lock lock;
  switch (claimed.what) {
    case Claimed::What::kAgent:
      lock = {.kind = Lock::Kind::kAgent, .agent = std::string(claimed.name)};
      break;
    case Claimed::What::kSettings:
      lock.row = kSettingsLock;
      break;
    case Claimed::What::kDecisions:
      lock.row = kDecisionsLock;
      break;
    case Claimed::What::kChannel:
    case Claimed::What::kDestinations: {
      Hash hash;
      hash.Add(claimed.what == Claimed::What::kChannel ? "channel" : "destinations");
      hash.Add(claimed.site);
      hash.Add(absl::StrCat(claimed.kind));
      hash.Add(claimed.name);
      lock.row = hash.value() % kHashedLocks;
      break;
    }
  }
  if (held_.contains(lock)) return absl::OkStatus();
  const bool in_order = held_.empty() || *held_.rbegin() < lock;
  wanted_.insert(lock);
  absl::StatusOr<bool> taken = TakeLock(lock, in_order);
  if (!taken.ok()) return taken.status();
  if (!*taken) {
    must_run_again_ = true;
    return absl::AbortedError("another collector writes what this transaction needs");
  }
  held_.insert(std::move(lock));
  return absl::OkStatus();
}

absl::Status PostgresTransaction::InsertFinding(const v1::StoredFinding& stored,
                                                v1::FindingKind kind) {
  absl::StatusOr<Stream*> stream = FindStream(stored.agent(), stored.epoch());
  if (!stream.ok()) return stream.status();
  const v1::Finding& finding = stored.finding();
  const absl::Time stored_at = FromTimestamp(stored.stored_at());
  AppendInt16(findings_, kFindingFields);
  AppendIntField(findings_, (*stream)->id);
  AppendIntField(findings_, static_cast<int64_t>(finding.sequence()));
  AppendIntField(findings_, absl::ToUnixMicros(stored_at));
  AppendIntField(findings_, kind);
  AppendIntField(findings_, finding.confidence());
  AppendIntField(findings_, static_cast<int64_t>(stored.exposure_id()));
  AppendBytesField(findings_, finding.site());
  AppendInt32(findings_, static_cast<int32_t>(finding.ByteSizeLong()));
  if (!finding.AppendToString(&findings_)) {
    return absl::InvalidArgumentError("a finding can't be serialized");
  }
  days_.insert(DayOf(stored_at));
  CountFinding(**stream, stored, kind);
  return findings_.size() < kFindingBytesMax ? absl::OkStatus() : CopyFindings();
}

absl::Status PostgresTransaction::CopyFindings() {
  if (findings_.empty()) return absl::OkStatus();
  for (const int64_t day : days_) {
    if (absl::Status s = options_.make_partition(day); !s.ok()) return s;
  }
  absl::Status status = connection_.Copy(kCopyFindings, findings_);
  findings_.clear();
  return status;
}

absl::Status PostgresTransaction::Flush() {
  if (absl::Status s = CopyFindings(); !s.ok()) return s;
  // Last, because all who store findings of a site want these rows.
  return SqlTransaction::Flush();
}

absl::StatusOr<std::vector<bool>> PostgresTransaction::AddSightings(
    const std::vector<Sighting>& sightings) {
  std::vector<bool> are_new(sightings.size(), false);
  if (sightings.empty()) return are_new;
  std::vector<SightingColumns::Row> rows;
  rows.reserve(sightings.size());
  for (const Sighting& sighting : sightings) {
    absl::StatusOr<int64_t> way = WayId(sighting.way, sighting.expected);
    if (!way.ok()) return way.status();
    rows.push_back(
        {.fingerprint = sighting.fingerprint,
         .way = *way,
         .exposure = static_cast<int64_t>(sighting.exposure_id),
         .first_seen = absl::ToUnixMicros(sighting.first_seen),
         .last_seen = absl::ToUnixMicros(sighting.last_seen),
         .occurrences = static_cast<int64_t>(std::min(sighting.occurrences, kOccurrencesMax))});
  }
  SightingColumns all(rows.size());
  for (const SightingColumns::Row& row : rows) all.Add(row);
  absl::StatusOr<Result> inserted = connection_.Query(
      "INSERT INTO sightings"
      " (fingerprint, way_id, exposure_id, first_seen, last_seen, occurrences)"
      " SELECT * FROM unnest(CAST(? AS bytea[]), CAST(? AS bigint[]), CAST(? AS bigint[]),"
      "  CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS bigint[]))"
      " ON CONFLICT (fingerprint, way_id, exposure_id) DO NOTHING"
      " RETURNING fingerprint, way_id, exposure_id",
      all.Take());
  if (!inserted.ok()) return inserted.status();
  std::set<std::tuple<std::string_view, int64_t, int64_t>> new_rows;
  const auto field = [&](int row, int column) {
    return std::string_view(PQgetvalue(inserted->get(), row, column),
                            static_cast<size_t>(PQgetlength(inserted->get(), row, column)));
  };
  const int new_count = PQntuples(inserted->get());
  for (int row = 0; row < new_count; ++row) {
    new_rows.emplace_hint(new_rows.end(), field(row, 0), ReadInt(field(row, 1)),
                          ReadInt(field(row, 2)));
  }
  if (new_rows.size() == rows.size()) return std::vector<bool>(rows.size(), true);

  SightingColumns known(rows.size() - new_rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    are_new[i] = new_rows.contains({rows[i].fingerprint, rows[i].way, rows[i].exposure});
    if (!are_new[i]) known.Add(rows[i]);
  }
  // An agent's counts may be anything, and the sum must not overflow.
  absl::StatusOr<Result> updated = connection_.Query(
      "UPDATE sightings s SET"
      " first_seen = LEAST(s.first_seen, n.first_seen),"
      " last_seen = GREATEST(s.last_seen, n.last_seen),"
      " occurrences = CASE WHEN s.occurrences > 9000000000000000000 - n.occurrences"
      "  THEN 9000000000000000000 ELSE s.occurrences + n.occurrences END"
      " FROM unnest(CAST(? AS bytea[]), CAST(? AS bigint[]), CAST(? AS bigint[]),"
      "  CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS bigint[]))"
      "  AS n (fingerprint, way_id, exposure_id, first_seen, last_seen, occurrences)"
      " WHERE s.fingerprint = n.fingerprint AND s.way_id = n.way_id"
      " AND s.exposure_id = n.exposure_id",
      known.Take());
  if (!updated.ok()) return updated.status();
  return are_new;
}

absl::Status PostgresTransaction::PutAgent(const v1::Agent& agent) {
  absl::StatusOr<int64_t> id = AgentId(agent.identity());
  if (!id.ok()) return id.status();
  v1::Agent body = agent;
  body.clear_findings();
  if (agent.state() == v1::Agent::STATE_CONNECTED) {
    sql::Statement update =
        db().Prepare("UPDATE agents SET connected = 1, connected_to = ?, body = ? WHERE id = ?");
    return update.Text(options_.collector).Blob(body.SerializeAsString()).Int(*id).Run();
  }
  sql::Statement update = db().Prepare(
      "UPDATE agents SET connected = CASE WHEN connected_to = ? THEN 0 ELSE connected END,"
      " body = ? WHERE id = ?");
  return update.Text(options_.collector).Blob(body.SerializeAsString()).Int(*id).Run();
}

absl::Status PostgresTransaction::DisconnectAllAgents() {
  sql::Statement update =
      db().Prepare("UPDATE agents SET connected = 0 WHERE connected = 1 AND connected_to = ?");
  return update.Text(options_.collector).Run();
}

absl::StatusOr<uint64_t> PostgresTransaction::AdvancePolicyVersion() {
  absl::StatusOr<uint64_t> version = SqlTransaction::AdvancePolicyVersion();
  if (version.ok()) policy_version_ = *version;
  return version;
}

}  // namespace skimwatch::store::postgres
