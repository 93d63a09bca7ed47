#include "collector/store/sqlite/sqlite_transaction.h"

#include <algorithm>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "collector/store/sqlite/coverage_rows.h"
#include "collector/store/sqlite/decision_rows.h"
#include "collector/store/sqlite/settings.h"
#include "collector/store/timestamp.h"

namespace skimwatch::store::sqlite {
namespace {

// Bound of what a row counts, below what SQLite's integers hold.
constexpr uint64_t kOccurrencesMax = 9'000'000'000'000'000'000;

// Sums saturate: an agent may declare any number as lost.
uint64_t AddSaturated(uint64_t a, uint64_t b) {
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  return a > kMax - std::min(b, kMax) ? kMax : a + b;
}

}  // namespace

absl::Status ParseBody(std::string_view body, std::string_view what,
                       google::protobuf::MessageLite& message) {
  if (message.ParseFromArray(body.data(), static_cast<int>(body.size()))) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("a stored ", std::string(what), " can't be read"));
}

absl::Status SqliteTransaction::Flush() {
  for (const auto& [key, findings] : totals_) {
    Statement add = db_.Prepare(
        "INSERT INTO finding_totals (site, kind, severity, confidence, findings)"
        " VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET findings = findings + excluded.findings");
    add.Text(std::get<0>(key)).Int(std::get<1>(key)).Int(std::get<2>(key)).Int(std::get<3>(key));
    if (absl::Status s = add.Unsigned(findings).Run(); !s.ok()) return s;
  }
  for (const auto& [agent_id, findings] : findings_by_agent_) {
    Statement add = db_.Prepare("UPDATE agents SET findings = findings + ? WHERE id = ?");
    if (absl::Status s = add.Unsigned(findings).Int(agent_id).Run(); !s.ok()) return s;
  }
  totals_.clear();
  findings_by_agent_.clear();
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SqliteTransaction::AgentId(std::string_view identity) {
  if (const auto it = agent_ids_.find(absl::string_view(identity.data(), identity.size()));
      it != agent_ids_.end())
    return it->second;
  int64_t id = 0;
  {
    Statement select = db_.Prepare("SELECT id FROM agents WHERE identity = ?");
    absl::StatusOr<bool> row = select.Text(identity).Step();
    if (!row.ok()) return row.status();
    if (*row) id = select.GetInt(0);
  }
  if (id == 0) {
    v1::Agent agent;
    agent.set_identity(std::string(identity));
    Statement insert = db_.Prepare("INSERT INTO agents (identity, body) VALUES (?, ?)");
    absl::Status s = insert.Text(identity).Blob(agent.SerializeAsString()).Run();
    if (!s.ok()) return s;
    id = db_.LastInsertId();
  }
  agent_ids_.emplace(identity, id);
  return id;
}

absl::StatusOr<SqliteTransaction::Stream*> SqliteTransaction::FindStream(std::string_view agent,
                                                                         uint64_t epoch) {
  std::pair<std::string, uint64_t> key(agent, epoch);
  if (const auto it = streams_.find(key); it != streams_.end()) return &it->second;
  absl::StatusOr<int64_t> agent_id = AgentId(agent);
  if (!agent_id.ok()) return agent_id.status();
  Stream stream = {.agent_id = *agent_id};
  {
    Statement select =
        db_.Prepare("SELECT id, committed_sequence FROM streams WHERE agent_id = ? AND epoch = ?");
    absl::StatusOr<bool> row = select.Int(*agent_id).Unsigned(epoch).Step();
    if (!row.ok()) return row.status();
    if (*row) {
      stream.id = select.GetInt(0);
      stream.committed_sequence = select.GetUnsigned(1);
    }
  }
  if (stream.id == 0) {
    Statement insert = db_.Prepare("INSERT INTO streams (agent_id, epoch) VALUES (?, ?)");
    if (absl::Status s = insert.Int(*agent_id).Unsigned(epoch).Run(); !s.ok()) return s;
    stream.id = db_.LastInsertId();
  }
  return &streams_.emplace(std::move(key), stream).first->second;
}

absl::StatusOr<uint64_t> SqliteTransaction::CommittedSequence(std::string_view agent,
                                                              uint64_t epoch) {
  absl::StatusOr<Stream*> stream = FindStream(agent, epoch);
  if (!stream.ok()) return stream.status();
  return (*stream)->committed_sequence;
}

absl::Status SqliteTransaction::AdvanceCommittedSequence(std::string_view agent, uint64_t epoch,
                                                         uint64_t sequence) {
  absl::StatusOr<Stream*> stream = FindStream(agent, epoch);
  if (!stream.ok()) return stream.status();
  if (sequence < (*stream)->committed_sequence ||
      sequence > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return absl::InternalError("a stream's committed sequence can only grow");
  }
  Statement update = db_.Prepare("UPDATE streams SET committed_sequence = ? WHERE id = ?");
  absl::Status s = update.Unsigned(sequence).Int((*stream)->id).Run();
  if (s.ok()) (*stream)->committed_sequence = sequence;
  return s;
}

absl::Status SqliteTransaction::RecordLost(std::string_view agent, uint64_t epoch,
                                           uint64_t first_sequence, uint64_t last_sequence,
                                           std::string_view reason, absl::Time at) {
  absl::StatusOr<Stream*> stream = FindStream(agent, epoch);
  if (!stream.ok()) return stream.status();
  {
    Statement insert = db_.Prepare(
        "INSERT INTO lost_ranges (stream_id, first_sequence, last_sequence, reason, recorded_at)"
        " VALUES (?, ?, ?, ?, ?)");
    insert.Int((*stream)->id).Unsigned(first_sequence).Unsigned(last_sequence).Text(reason);
    if (absl::Status s = insert.Time(at).Run(); !s.ok()) return s;
  }
  absl::StatusOr<uint64_t> lost = GetNumber(db_, kLostFindings);
  if (!lost.ok()) return lost.status();
  return PutNumber(db_, kLostFindings,
                   AddSaturated(*lost, AddSaturated(last_sequence - first_sequence, 1)));
}

absl::Status SqliteTransaction::InsertFinding(const v1::StoredFinding& stored,
                                              v1::FindingKind kind) {
  absl::StatusOr<Stream*> stream = FindStream(stored.agent(), stored.epoch());
  if (!stream.ok()) return stream.status();
  const v1::Finding& finding = stored.finding();
  Statement insert = db_.Prepare(
      "INSERT INTO findings"
      " (stream_id, sequence, stored_at, kind, confidence, exposure_id, site, body)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  insert.Int((*stream)->id).Unsigned(finding.sequence()).Time(FromTimestamp(stored.stored_at()));
  insert.Int(kind).Int(finding.confidence()).Unsigned(stored.exposure_id()).Text(finding.site());
  if (absl::Status s = insert.Blob(finding.SerializeAsString()).Run(); !s.ok()) return s;
  ++totals_[{finding.site(), kind, finding.severity(), finding.confidence()}];
  ++findings_by_agent_[(*stream)->agent_id];
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Exposure>> SqliteTransaction::ReadExposures(Statement& select) {
  std::vector<v1::Exposure> exposures;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return exposures;
    absl::Status s = ParseBody(select.GetBytes(0), "exposure", exposures.emplace_back());
    if (!s.ok()) return s;
  }
}

absl::StatusOr<std::optional<v1::Exposure>> SqliteTransaction::ReadExposure(Statement& select) {
  absl::StatusOr<std::vector<v1::Exposure>> exposures = ReadExposures(select);
  if (!exposures.ok()) return exposures.status();
  if (exposures->empty()) return std::nullopt;
  return std::move(exposures->front());
}

absl::StatusOr<std::optional<v1::Exposure>> SqliteTransaction::FindOpenExposure(
    const ExposureKey& key) {
  Statement select = db_.Prepare(
      "SELECT body FROM exposures"
      " WHERE state = 1 AND site = ? AND kind = ? AND channel = ? AND destination = ?");
  select.Text(key.site).Int(key.kind).Text(key.channel).Text(key.destination);
  return ReadExposure(select);
}

absl::StatusOr<std::optional<v1::Exposure>> SqliteTransaction::FindLastClosedExposure(
    const ExposureKey& key) {
  Statement select = db_.Prepare(
      "SELECT body FROM exposures"
      " WHERE site = ? AND kind = ? AND channel = ? AND destination = ? AND state = 2"
      " ORDER BY id DESC LIMIT 1");
  select.Text(key.site).Int(key.kind).Text(key.channel).Text(key.destination);
  return ReadExposure(select);
}

absl::StatusOr<std::vector<v1::Exposure>> SqliteTransaction::FindOpenExposures(
    std::string_view site, v1::FindingKind kind, std::string_view channel) {
  Statement select = db_.Prepare(
      "SELECT body FROM exposures WHERE state = 1 AND site = ? AND kind = ? AND channel = ?"
      " ORDER BY id");
  select.Text(site).Int(kind).Text(channel);
  return ReadExposures(select);
}

absl::StatusOr<std::vector<v1::Exposure>> SqliteTransaction::FindQuietExposures(
    const std::vector<v1::FindingKind>& kinds, absl::Time cutoff, uint32_t exposures_max) {
  std::vector<v1::Exposure> quiet;
  for (const v1::FindingKind kind : kinds) {
    if (quiet.size() >= exposures_max) break;
    Statement select = db_.Prepare(
        "SELECT body FROM exposures WHERE state = 1 AND kind = ? AND touched_at < ?"
        " ORDER BY id LIMIT ?");
    select.Int(kind).Time(cutoff).Unsigned(exposures_max - quiet.size());
    absl::StatusOr<std::vector<v1::Exposure>> exposures = ReadExposures(select);
    if (!exposures.ok()) return exposures.status();
    for (v1::Exposure& exposure : *exposures) quiet.push_back(std::move(exposure));
  }
  return quiet;
}

absl::StatusOr<v1::Exposure> SqliteTransaction::GetExposure(uint64_t id) {
  Statement select = db_.Prepare("SELECT body FROM exposures WHERE id = ?");
  select.Unsigned(id);
  absl::StatusOr<std::optional<v1::Exposure>> exposure = ReadExposure(select);
  if (!exposure.ok()) return exposure.status();
  if (!exposure->has_value()) return absl::NotFoundError(absl::StrCat("no exposure has id ", id));
  return **std::move(exposure);
}

absl::StatusOr<uint64_t> SqliteTransaction::InsertExposure(const v1::Exposure& exposure,
                                                           absl::Time at) {
  Statement insert = db_.Prepare(
      "INSERT INTO exposures (site, kind, channel, destination, state, severity, distinct_cards,"
      " estimated_occurrences, sampled, first_seen, touched_at, body)"
      " VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, x'')");
  insert.Text(exposure.site()).Int(exposure.kind()).Text(exposure.channel());
  insert.Text(exposure.destination()).Int(exposure.state()).Int(exposure.severity());
  if (absl::Status s = insert.Run(); !s.ok()) return s;
  v1::Exposure with_id = exposure;
  with_id.set_id(static_cast<uint64_t>(db_.LastInsertId()));
  if (absl::Status s = UpdateExposure(with_id, at); !s.ok()) return s;
  return with_id.id();
}

absl::Status SqliteTransaction::UpdateExposure(const v1::Exposure& exposure, absl::Time at) {
  Statement update = db_.Prepare(
      "UPDATE exposures SET state = ?, severity = ?, distinct_cards = ?,"
      " estimated_occurrences = ?, sampled = ?, first_seen = ?, touched_at = ?, body = ? WHERE id "
      "= ?");
  update.Int(exposure.state()).Int(exposure.severity()).Unsigned(exposure.distinct_cards());
  update.Double(exposure.estimated_occurrences()).Int(exposure.sampled() ? 1 : 0);
  update.Time(FromTimestamp(exposure.first_seen())).Time(at);
  update.Blob(exposure.SerializeAsString()).Unsigned(exposure.id());
  if (absl::Status s = update.Run(); !s.ok()) return s;
  if (db_.Changes() == 0) {
    return absl::NotFoundError(absl::StrCat("no exposure has id ", exposure.id()));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SqliteTransaction::WayId(const ExposureKey& way, bool expected) {
  std::pair<ExposureKey, bool> key(way, expected);
  if (const auto it = way_ids_.find(key); it != way_ids_.end()) return it->second;
  int64_t id = 0;
  {
    Statement select = db_.Prepare(
        "SELECT id FROM ways WHERE site = ? AND kind = ? AND channel = ? AND destination = ?"
        " AND expected = ?");
    select.Text(way.site).Int(way.kind).Text(way.channel).Text(way.destination);
    absl::StatusOr<bool> row = select.Int(expected ? 1 : 0).Step();
    if (!row.ok()) return row.status();
    if (*row) id = select.GetInt(0);
  }
  if (id == 0) {
    Statement insert = db_.Prepare(
        "INSERT INTO ways (site, kind, channel, destination, expected) VALUES (?, ?, ?, ?, ?)");
    insert.Text(way.site).Int(way.kind).Text(way.channel).Text(way.destination);
    if (absl::Status s = insert.Int(expected ? 1 : 0).Run(); !s.ok()) return s;
    id = db_.LastInsertId();
  }
  way_ids_.emplace(std::move(key), id);
  return id;
}

absl::StatusOr<bool> SqliteTransaction::AddSighting(const Sighting& sighting) {
  absl::StatusOr<int64_t> way = WayId(sighting.way, sighting.expected);
  if (!way.ok()) return way.status();
  {
    Statement insert = db_.Prepare(
        "INSERT OR IGNORE INTO sightings"
        " (fingerprint, way_id, exposure_id, first_seen, last_seen, occurrences)"
        " VALUES (?, ?, ?, ?, ?, ?)");
    insert.Blob(sighting.fingerprint).Int(*way).Unsigned(sighting.exposure_id);
    insert.Time(sighting.first_seen).Time(sighting.last_seen);
    insert.Unsigned(std::min(sighting.occurrences, kOccurrencesMax));
    if (absl::Status s = insert.Run(); !s.ok()) return s;
    if (db_.Changes() == 1) return true;
  }
  // An agent's counts may be anything, and the sum must not overflow.
  Statement update = db_.Prepare(
      "UPDATE sightings SET first_seen = min(first_seen, ?), last_seen = max(last_seen, ?),"
      " occurrences = CASE WHEN occurrences > 9000000000000000000 - ? THEN 9000000000000000000"
      " ELSE occurrences + ? END"
      " WHERE fingerprint = ? AND way_id = ? AND exposure_id = ?");
  const uint64_t occurrences = std::min(sighting.occurrences, kOccurrencesMax);
  update.Time(sighting.first_seen).Time(sighting.last_seen);
  update.Unsigned(occurrences).Unsigned(occurrences);
  update.Blob(sighting.fingerprint).Int(*way).Unsigned(sighting.exposure_id);
  if (absl::Status s = update.Run(); !s.ok()) return s;
  return false;
}

absl::StatusOr<std::optional<v1::Agent>> SqliteTransaction::FindAgent(std::string_view identity) {
  Statement select = db_.Prepare("SELECT body, connected, findings FROM agents WHERE identity = ?");
  absl::StatusOr<bool> row = select.Text(identity).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  v1::Agent agent;
  if (absl::Status s = ParseBody(select.GetBytes(0), "agent", agent); !s.ok()) return s;
  agent.set_findings(select.GetUnsigned(2));
  return agent;
}

absl::Status SqliteTransaction::PutAgent(const v1::Agent& agent) {
  absl::StatusOr<int64_t> id = AgentId(agent.identity());
  if (!id.ok()) return id.status();
  v1::Agent body = agent;
  body.clear_findings();
  Statement update = db_.Prepare("UPDATE agents SET connected = ?, body = ? WHERE id = ?");
  update.Int(agent.state() == v1::Agent::STATE_CONNECTED ? 1 : 0);
  return update.Blob(body.SerializeAsString()).Int(*id).Run();
}

absl::Status SqliteTransaction::DisconnectAllAgents() {
  return db_.Prepare("UPDATE agents SET connected = 0 WHERE connected = 1").Run();
}

absl::Status SqliteTransaction::AddCoverage(const v1::AgentCoverage& more, absl::Time at) {
  absl::StatusOr<int64_t> id = AgentId(more.agent());
  if (!id.ok()) return id.status();
  return AddToCoverageHour(db_, *id, more, at);
}

absl::Status SqliteTransaction::RecordDecision(const Decision& decision) {
  v1::Decision row;
  *row.mutable_at() = ToTimestamp(decision.at);
  row.set_who(decision.who);
  row.set_action(decision.action);
  row.set_subject(decision.subject);
  row.set_reason(decision.reason);
  return AppendDecision(db_, std::move(row));
}

absl::StatusOr<uint64_t> SqliteTransaction::AdvancePolicyVersion() {
  absl::StatusOr<uint64_t> version = GetNumber(db_, kPolicyVersion);
  if (!version.ok()) return version.status();
  if (absl::Status s = PutNumber(db_, kPolicyVersion, *version + 1); !s.ok()) return s;
  return *version + 1;
}

absl::StatusOr<std::string> SqliteTransaction::GetSetting(std::string_view name) {
  return sqlite::GetSetting(db_, name);
}

absl::Status SqliteTransaction::PutSetting(std::string_view name, std::string_view value) {
  return sqlite::PutSetting(db_, name, value);
}

}  // namespace skimwatch::store::sqlite
