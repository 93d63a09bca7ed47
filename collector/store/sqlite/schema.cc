#include "collector/store/sqlite/schema.h"

#include <array>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "collector/store/sql/decision_rows.h"
#include "collector/store/sql/sink_rows.h"
#include "collector/store/sql/sql_transaction.h"
#include "collector/store/sql/timeline_rows.h"
#include "proto/audit/seal.h"

namespace skimwatch::store::sqlite {
namespace {

using sql::Statement;

// "SKIM", so that `file` and we know whose file it is.
constexpr int64_t kApplicationId = 0x534b494d;

// Times are microseconds since the Unix epoch. `body` columns hold the serialized message of
// skimwatch.v1 that the row is about; the columns beside it are what queries need.
//
// Findings are keyed by their place in their stream, which grows, so that a commit touches the end
// of each stream and of the time index only. A random unique key would cost four fifths of the
// rate.
// The first schema. Everything since is a migration below; a new file takes the same way as an old
// one.
constexpr char kSchema[] = R"sql(
CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE agents (
  id INTEGER PRIMARY KEY,
  identity TEXT NOT NULL UNIQUE,
  connected INTEGER NOT NULL DEFAULT 0,
  findings INTEGER NOT NULL DEFAULT 0,
  body BLOB NOT NULL                      -- Agent
);

-- An agent's spool, and how far its findings are in here.
CREATE TABLE streams (
  id INTEGER PRIMARY KEY,
  agent_id INTEGER NOT NULL REFERENCES agents (id),
  epoch INTEGER NOT NULL,
  committed_sequence INTEGER NOT NULL DEFAULT 0,
  UNIQUE (agent_id, epoch)
);

CREATE TABLE lost_ranges (
  stream_id INTEGER NOT NULL REFERENCES streams (id),
  first_sequence INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  reason TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (stream_id, first_sequence)
) WITHOUT ROWID;

CREATE TABLE findings (
  stream_id INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  stored_at INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  confidence INTEGER NOT NULL,
  exposure_id INTEGER NOT NULL,           -- 0 for none
  site TEXT NOT NULL,
  body BLOB NOT NULL,                     -- Finding
  PRIMARY KEY (stream_id, sequence)
) WITHOUT ROWID;
CREATE INDEX findings_by_time ON findings (stored_at, stream_id, sequence);
CREATE INDEX findings_by_exposure ON findings (exposure_id, stored_at, stream_id, sequence)
  WHERE exposure_id > 0;

-- Every finding that was ever stored; retention does not lower these.
CREATE TABLE finding_totals (
  site TEXT NOT NULL,
  kind INTEGER NOT NULL,
  severity INTEGER NOT NULL,
  confidence INTEGER NOT NULL,
  findings INTEGER NOT NULL,
  PRIMARY KEY (site, kind, severity, confidence)
) WITHOUT ROWID;

CREATE TABLE exposures (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  site TEXT NOT NULL,
  kind INTEGER NOT NULL,
  channel TEXT NOT NULL,
  destination TEXT NOT NULL,
  state INTEGER NOT NULL,
  severity INTEGER NOT NULL,
  distinct_cards INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  touched_at INTEGER NOT NULL,            -- last added to, by the collector's clock
  body BLOB NOT NULL                      -- Exposure
);
CREATE UNIQUE INDEX exposures_open ON exposures (site, kind, channel, destination) WHERE state = 1;
CREATE INDEX exposures_by_key ON exposures (site, kind, channel, destination, id);
CREATE INDEX exposures_by_state ON exposures (state, id);

-- A way out, or a way that cards are meant to take.
CREATE TABLE ways (
  id INTEGER PRIMARY KEY,
  site TEXT NOT NULL,
  kind INTEGER NOT NULL,
  channel TEXT NOT NULL,
  destination TEXT NOT NULL,
  expected INTEGER NOT NULL,
  UNIQUE (site, kind, channel, destination, expected)
);

-- Which card was seen on which way. Grows with distinct cards, not with findings.
CREATE TABLE sightings (
  fingerprint BLOB NOT NULL,              -- empty for all cards without one
  way_id INTEGER NOT NULL,
  exposure_id INTEGER NOT NULL,           -- 0 for none
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  occurrences INTEGER NOT NULL,
  PRIMARY KEY (fingerprint, way_id, exposure_id)
) WITHOUT ROWID;

CREATE TABLE scripts (
  id INTEGER PRIMARY KEY,
  site TEXT NOT NULL,
  name TEXT NOT NULL,
  state INTEGER NOT NULL,
  body BLOB NOT NULL,                     -- Script without history
  UNIQUE (site, name)
);

CREATE TABLE script_versions (
  script_id INTEGER NOT NULL REFERENCES scripts (id),
  sha256 BLOB NOT NULL,
  last_seen INTEGER NOT NULL,
  body BLOB NOT NULL,                     -- ScriptRecord without approval
  PRIMARY KEY (script_id, sha256)
);

-- What each agent last reported under a script's name; an empty hash says that it is gone there.
CREATE TABLE served_versions (
  script_id INTEGER NOT NULL REFERENCES scripts (id),
  agent_id INTEGER NOT NULL REFERENCES agents (id),
  sha256 BLOB NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (script_id, agent_id)
) WITHOUT ROWID;

-- Never deleted. The latest approval of a version is the one that counts.
CREATE TABLE approvals (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  script_id INTEGER NOT NULL REFERENCES scripts (id),
  sha256 BLOB NOT NULL,
  revoked INTEGER NOT NULL,
  body BLOB NOT NULL                      -- ScriptApproval
);
CREATE INDEX approvals_by_version ON approvals (script_id, sha256, id);

-- Never deleted.
CREATE TABLE decisions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  decided_at INTEGER NOT NULL,
  who TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  reason TEXT NOT NULL
);
)sql";

// Where the sites' processes send data.
constexpr char kDestinations[] = R"sql(
CREATE TABLE destinations (
  id INTEGER PRIMARY KEY,
  site TEXT NOT NULL,
  name TEXT NOT NULL,
  process TEXT NOT NULL,                  -- empty where not known
  body BLOB NOT NULL,                     -- Destination without state and approval
  UNIQUE (site, name, process)
);

-- Never deleted. Which destinations one covers follows from its pattern.
CREATE TABLE destination_approvals (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  site TEXT NOT NULL,
  revoked INTEGER NOT NULL,
  body BLOB NOT NULL                      -- DestinationApproval
);
CREATE INDEX destination_approvals_by_site ON destination_approvals (site, revoked, id);
)sql";

absl::StatusOr<int64_t> ReadInt(Database& database, std::string_view sql) {
  Statement select = database.Prepare(sql);
  absl::StatusOr<bool> row = select.Step();
  if (!row.ok()) return row.status();
  return *row ? select.GetInt(0) : 0;
}

// Seals the decisions of a store that was made before there were seals.
absl::Status SealDecisions(Database& database) {
  absl::Status status = database.Execute(
      "ALTER TABLE decisions ADD COLUMN seal BLOB NOT NULL DEFAULT x'';"
      "CREATE INDEX decisions_by_subject ON decisions (subject, id);");
  std::string seal = audit::FirstSeal();
  for (int64_t id = 1; status.ok(); ++id) {
    absl::StatusOr<std::optional<v1::Decision>> decision = sql::FindDecision(database, id);
    if (!decision.ok()) return decision.status();
    if (!decision->has_value()) return absl::OkStatus();
    seal = audit::Seal(seal, **decision);
    status =
        database.Prepare("UPDATE decisions SET seal = ? WHERE id = ?").Blob(seal).Int(id).Run();
  }
  return status;
}

// What an agent's sources saw, hour by hour, so that a report can say how much of a time was looked
// at.
absl::Status AddCoverageHours(Database& database) {
  return database.Execute(R"sql(
CREATE TABLE coverage_hours (
  hour INTEGER NOT NULL,                  -- hours since the Unix epoch
  agent_id INTEGER NOT NULL REFERENCES agents (id),
  body BLOB NOT NULL,                     -- AgentCoverage
  PRIMARY KEY (hour, agent_id)
) WITHOUT ROWID;
)sql");
}

// What the metrics tell of sampled exposures, which the rows of an older store have in their body
// alone.
absl::Status AddEstimates(Database& database) {
  absl::Status status = database.Execute(
      "ALTER TABLE exposures ADD COLUMN estimated_occurrences REAL NOT NULL DEFAULT 0;"
      "ALTER TABLE exposures ADD COLUMN sampled INTEGER NOT NULL DEFAULT 0;");
  int64_t last = 0;
  while (status.ok()) {
    v1::Exposure exposure;
    {
      Statement select =
          database.Prepare("SELECT id, body FROM exposures WHERE id > ? ORDER BY id LIMIT 1");
      absl::StatusOr<bool> row = select.Int(last).Step();
      if (!row.ok()) return row.status();
      if (!*row) return absl::OkStatus();
      last = select.GetInt(0);
      status = sql::ParseBody(select.GetBytes(1), "exposure", exposure);
    }
    if (!status.ok()) break;
    Statement update = database.Prepare(
        "UPDATE exposures SET estimated_occurrences = ?, sampled = ? WHERE id = ?");
    update.Double(exposure.estimated_occurrences()).Int(exposure.sampled() ? 1 : 0);
    status = update.Int(last).Run();
  }
  return status;
}

absl::Status ToVersion2(Database& database) {
  if (absl::Status s = SealDecisions(database); !s.ok()) return s;
  if (absl::Status s = AddCoverageHours(database); !s.ok()) return s;
  if (absl::Status s = AddEstimates(database); !s.ok()) return s;
  return database.Execute(kDestinations);
}

// What left through each exposure, hour by hour.
absl::Status ToVersion3(Database& database) { return sql::AddExposureHours(database, "INTEGER"); }

// What sinks have read and sent.
absl::Status AddSinks(Database& database) {
  return sql::CreateSinkTables(
      database, {.integer = "INTEGER", .text = "TEXT", .blob = "BLOB", .suffix = " WITHOUT ROWID"});
}

// Approvals that end, that publishers give, and that hold for behaviour.
absl::Status AddScriptApprovals(Database& database) {
  return database.Execute(R"sql(
ALTER TABLE approvals ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0;  -- 0 for never
ALTER TABLE approvals ADD COLUMN publisher TEXT NOT NULL DEFAULT '';     -- whose list gave it
CREATE INDEX approvals_by_end ON approvals (expires_at) WHERE revoked = 0 AND expires_at > 0;
CREATE INDEX approvals_by_publisher ON approvals (publisher, id) WHERE publisher <> '';
CREATE INDEX script_versions_by_hash ON script_versions (sha256);

-- Never deleted. The latest of a script is the one that counts.
CREATE TABLE script_profiles (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  script_id INTEGER NOT NULL REFERENCES scripts (id),
  revoked INTEGER NOT NULL,               -- ApprovalEnd
  expires_at INTEGER NOT NULL,            -- 0 for never
  body BLOB NOT NULL                      -- ScriptProfile without id
);
CREATE INDEX script_profiles_by_script ON script_profiles (script_id, revoked, id);

-- Versions of which agents are asked what they do.
CREATE TABLE asked_behaviours (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  script_id INTEGER NOT NULL REFERENCES scripts (id),
  sha256 BLOB NOT NULL,
  UNIQUE (script_id, sha256)
);

CREATE TABLE publishers (
  publisher TEXT PRIMARY KEY,
  body BLOB NOT NULL,                     -- Publisher
  list BLOB NOT NULL,
  signature BLOB NOT NULL
) WITHOUT ROWID;

-- Entries of the lists in force.
CREATE TABLE published_scripts (
  publisher TEXT NOT NULL,
  site TEXT NOT NULL,                     -- empty for all
  script TEXT NOT NULL,
  sha256 BLOB NOT NULL,
  serial INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,            -- 0 for never
  PRIMARY KEY (publisher, sha256, site, script)
) WITHOUT ROWID;
CREATE INDEX published_scripts_by_hash ON published_scripts (sha256);
)sql");
}

// kMigrations[i] makes schema i + 2 of schema i + 1.
constexpr std::array<absl::Status (*)(Database&), kSchemaVersion - 1> kMigrations = {
    &ToVersion2, &ToVersion3, &AddSinks, &AddScriptApprovals};

absl::Status Migrate(Database& database, int64_t version) {
  absl::Status status = database.Execute("BEGIN IMMEDIATE");
  if (status.ok() && version == 0) {
    const std::string sql = absl::StrCat(kSchema, "PRAGMA application_id = ", kApplicationId, ";");
    status = database.Execute(sql.c_str());
    version = 1;
  }
  for (; status.ok() && version < kSchemaVersion; ++version) {
    status = kMigrations[static_cast<size_t>(version - 1)](database);
  }
  if (status.ok()) {
    const std::string sql = absl::StrCat("PRAGMA user_version = ", kSchemaVersion, "; COMMIT;");
    status = database.Execute(sql.c_str());
  }
  if (!status.ok() && database.InTransaction()) database.Execute("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace

absl::Status PrepareSchema(Database& database) {
  absl::StatusOr<int64_t> application = ReadInt(database, "PRAGMA application_id");
  if (!application.ok()) return application.status();
  absl::StatusOr<int64_t> version = ReadInt(database, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  absl::StatusOr<int64_t> objects = ReadInt(database, "SELECT count(*) FROM sqlite_schema");
  if (!objects.ok()) return objects.status();

  if (*application == 0 && *version == 0 && *objects == 0) return Migrate(database, 0);
  if (*application != kApplicationId) {
    return absl::FailedPreconditionError(
        "the file is a SQLite database of another program; give store.path a file of its own");
  }
  if (*version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the file has schema version ", *version, " and this program knows ",
                     kSchemaVersion, " at most; run the newer skimwatch-collector that wrote it"));
  }
  if (*version < 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("the file has schema version ", *version, ", which was never released"));
  }
  if (*version == kSchemaVersion) return absl::OkStatus();
  return Migrate(database, *version);
}

}  // namespace skimwatch::store::sqlite
