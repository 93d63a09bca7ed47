-- A store as the first schema had it, with two decisions. What brings old stores up to date is tested
-- with it.
PRAGMA application_id = 1397442893;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE agents (
  id INTEGER PRIMARY KEY,
  identity TEXT NOT NULL UNIQUE,
  connected INTEGER NOT NULL DEFAULT 0,
  findings INTEGER NOT NULL DEFAULT 0,
  body BLOB NOT NULL                      -- Agent
);
CREATE TABLE approvals (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  script_id INTEGER NOT NULL REFERENCES scripts (id),
  sha256 BLOB NOT NULL,
  revoked INTEGER NOT NULL,
  body BLOB NOT NULL                      -- ScriptApproval
);
CREATE TABLE decisions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  decided_at INTEGER NOT NULL,
  who TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  reason TEXT NOT NULL
);
INSERT INTO "decisions" VALUES(1,1767225600000000,'spiffe://shop/operator/alice','script.approve','shop/js/chat.js@00','the chat of the support desk');
INSERT INTO "decisions" VALUES(2,1767229200000000,'skimwatch-collector','exposure.close','7','nothing new for 720h: closed by itself');
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
CREATE TABLE finding_totals (
  site TEXT NOT NULL,
  kind INTEGER NOT NULL,
  severity INTEGER NOT NULL,
  confidence INTEGER NOT NULL,
  findings INTEGER NOT NULL,
  PRIMARY KEY (site, kind, severity, confidence)
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
CREATE TABLE lost_ranges (
  stream_id INTEGER NOT NULL REFERENCES streams (id),
  first_sequence INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  reason TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (stream_id, first_sequence)
) WITHOUT ROWID;
CREATE TABLE script_versions (
  script_id INTEGER NOT NULL REFERENCES scripts (id),
  sha256 BLOB NOT NULL,
  last_seen INTEGER NOT NULL,
  body BLOB NOT NULL,                     -- ScriptRecord without approval
  PRIMARY KEY (script_id, sha256)
);
CREATE TABLE scripts (
  id INTEGER PRIMARY KEY,
  site TEXT NOT NULL,
  name TEXT NOT NULL,
  state INTEGER NOT NULL,
  body BLOB NOT NULL,                     -- Script without history
  UNIQUE (site, name)
);
CREATE TABLE served_versions (
  script_id INTEGER NOT NULL REFERENCES scripts (id),
  agent_id INTEGER NOT NULL REFERENCES agents (id),
  sha256 BLOB NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (script_id, agent_id)
) WITHOUT ROWID;
CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO "settings" VALUES('configured_policy_sha256',X'E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855');
INSERT INTO "settings" VALUES('policy_version',X'31');
CREATE TABLE sightings (
  fingerprint BLOB NOT NULL,              -- empty for all cards without one
  way_id INTEGER NOT NULL,
  exposure_id INTEGER NOT NULL,           -- 0 for none
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  occurrences INTEGER NOT NULL,
  PRIMARY KEY (fingerprint, way_id, exposure_id)
) WITHOUT ROWID;
CREATE TABLE streams (
  id INTEGER PRIMARY KEY,
  agent_id INTEGER NOT NULL REFERENCES agents (id),
  epoch INTEGER NOT NULL,
  committed_sequence INTEGER NOT NULL DEFAULT 0,
  UNIQUE (agent_id, epoch)
);
CREATE TABLE ways (
  id INTEGER PRIMARY KEY,
  site TEXT NOT NULL,
  kind INTEGER NOT NULL,
  channel TEXT NOT NULL,
  destination TEXT NOT NULL,
  expected INTEGER NOT NULL,
  UNIQUE (site, kind, channel, destination, expected)
);
CREATE INDEX findings_by_time ON findings (stored_at, stream_id, sequence);
CREATE INDEX findings_by_exposure ON findings (exposure_id, stored_at, stream_id, sequence)
  WHERE exposure_id > 0;
CREATE UNIQUE INDEX exposures_open ON exposures (site, kind, channel, destination) WHERE state = 1;
CREATE INDEX exposures_by_key ON exposures (site, kind, channel, destination, id);
CREATE INDEX exposures_by_state ON exposures (state, id);
CREATE INDEX approvals_by_version ON approvals (script_id, sha256, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('decisions',2);
COMMIT;
