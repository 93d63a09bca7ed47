#include "collector/store/sql/sql_transaction.h"

#include <algorithm>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "collector/store/sql/coverage_rows.h"
#include "collector/store/sql/decision_rows.h"
#include "collector/store/sql/settings.h"
#include "collector/store/sql/sink_rows.h"
#include "collector/store/sql/timeline_rows.h"
#include "collector/store/timestamp.h"

namespace skimwatch::store::sql {
namespace {

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

absl::Status SqlTransaction::Flush() {
  for (const auto& [key, findings] : totals_) {
    Statement add = db_.Prepare(
        "INSERT INTO finding_totals (site, kind, severity, confidence, findings)"
        " VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (site, kind, severity, confidence)"
        " DO UPDATE SET findings = finding_totals.findings + excluded.findings");
    add.Text(std::get<0>(key)).Int(std::get<1>(key)).Int(std::get<2>(key)).Int(std::get<3>(key));
    if (absl::Status s = add.Unsigned(findings).Run(); !s.ok()) return s;
  }
  for (const auto& [agent_id, findings] : findings_by_agent_) {
    Statement add = db_.Prepare("UPDATE agents SET findings = findings + ? WHERE id = ?");
    if (absl::Status s = add.Unsigned(findings).Int(agent_id).Run(); !s.ok()) return s;
  }
  totals_.clear();
  findings_by_agent_.clear();
  return AppendCommits(db_, CollectorName(), findings_by_time_, changed_exposures_,
                       exposures_changed_at_);
}

absl::StatusOr<std::optional<int64_t>> SqlTransaction::FindAgentId(std::string_view identity) {
  absl::Status claimed = Claim({.what = Claimed::What::kAgent, .name = identity});
  if (!claimed.ok()) return claimed;
  Statement select = db_.Prepare("SELECT id FROM agents WHERE identity = ?");
  absl::StatusOr<bool> row = select.Text(identity).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  return select.GetInt(0);
}

absl::StatusOr<int64_t> SqlTransaction::AgentId(std::string_view identity) {
  if (const auto it = agent_ids_.find(absl::string_view(identity.data(), identity.size()));
      it != agent_ids_.end())
    return it->second;
  absl::StatusOr<std::optional<int64_t>> id = FindAgentId(identity);
  if (!id.ok()) return id.status();
  if (!id->has_value()) {
    v1::Agent agent;
    agent.set_identity(std::string(identity));
    Statement insert = db_.Prepare(
        "INSERT INTO agents (identity, body) VALUES (?, ?)"
        " ON CONFLICT (identity) DO NOTHING RETURNING id");
    absl::StatusOr<bool> row = insert.Text(identity).Blob(agent.SerializeAsString()).Step();
    if (!row.ok()) return row.status();
    if (*row) *id = insert.GetInt(0);
  }
  // Somebody else created it meanwhile.
  if (!id->has_value()) id = FindAgentId(identity);
  if (!id.ok()) return id.status();
  if (!id->has_value()) return absl::UnavailableError("an agent's row comes and goes");
  agent_ids_.emplace(identity, **id);
  return **id;
}

absl::StatusOr<SqlTransaction::Stream*> SqlTransaction::FindStream(std::string_view agent,
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
    Statement insert =
        db_.Prepare("INSERT INTO streams (agent_id, epoch) VALUES (?, ?) RETURNING id");
    absl::StatusOr<bool> row = insert.Int(*agent_id).Unsigned(epoch).Step();
    if (!row.ok()) return row.status();
    stream.id = insert.GetInt(0);
  }
  return &streams_.emplace(std::move(key), stream).first->second;
}

absl::StatusOr<uint64_t> SqlTransaction::CommittedSequence(std::string_view agent, uint64_t epoch) {
  absl::StatusOr<Stream*> stream = FindStream(agent, epoch);
  if (!stream.ok()) return stream.status();
  return (*stream)->committed_sequence;
}

absl::Status SqlTransaction::AdvanceCommittedSequence(std::string_view agent, uint64_t epoch,
                                                      uint64_t sequence) {
  absl::StatusOr<Stream*> stream = FindStream(agent, epoch);
  if (!stream.ok()) return stream.status();
  if (sequence < (*stream)->committed_sequence ||
      sequence > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return absl::InternalError("a stream's committed sequence can only grow");
  }
  // What was stored since the sequence was read would be stored twice.
  Statement update = db_.Prepare(
      "UPDATE streams SET committed_sequence = ? WHERE id = ? AND committed_sequence = ?");
  update.Unsigned(sequence).Int((*stream)->id).Unsigned((*stream)->committed_sequence);
  if (absl::Status s = update.Run(); !s.ok()) return s;
  if (db_.Changes() != 1) {
    return absl::UnavailableError("another collector advanced this stream");
  }
  (*stream)->committed_sequence = sequence;
  return absl::OkStatus();
}

absl::Status SqlTransaction::RecordLost(std::string_view agent, uint64_t epoch,
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
  if (absl::Status s = Claim({.what = Claimed::What::kSettings}); !s.ok()) return s;
  absl::StatusOr<uint64_t> lost = GetNumber(db_, kLostFindings);
  if (!lost.ok()) return lost.status();
  return PutNumber(db_, kLostFindings,
                   AddSaturated(*lost, AddSaturated(last_sequence - first_sequence, 1)));
}

absl::Status SqlTransaction::InsertFinding(const v1::StoredFinding& stored, v1::FindingKind kind) {
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
  CountFinding(**stream, stored, kind);
  return absl::OkStatus();
}

void SqlTransaction::CountFinding(const Stream& stream, const v1::StoredFinding& stored,
                                  v1::FindingKind kind) {
  const v1::Finding& finding = stored.finding();
  ++findings_by_time_[FromTimestamp(stored.stored_at())];
  ++totals_[{finding.site(), kind, finding.severity(), finding.confidence()}];
  ++findings_by_agent_[stream.agent_id];
}

absl::StatusOr<std::vector<v1::Exposure>> SqlTransaction::ReadExposures(Statement& select) {
  std::vector<v1::Exposure> exposures;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return exposures;
    absl::Status s = ParseBody(select.GetBytes(0), "exposure", exposures.emplace_back());
    if (!s.ok()) return s;
  }
}

absl::StatusOr<std::optional<v1::Exposure>> SqlTransaction::ReadExposure(Statement& select) {
  absl::StatusOr<std::vector<v1::Exposure>> exposures = ReadExposures(select);
  if (!exposures.ok()) return exposures.status();
  if (exposures->empty()) return std::nullopt;
  return std::move(exposures->front());
}

absl::StatusOr<std::optional<v1::Exposure>> SqlTransaction::FindOpenExposure(
    const ExposureKey& key) {
  if (absl::Status s = ClaimChannel(key.site, key.kind, key.channel); !s.ok()) return s;
  Statement select = db_.Prepare(
      "SELECT body FROM exposures"
      " WHERE state = 1 AND site = ? AND kind = ? AND channel = ? AND destination = ?");
  select.Text(key.site).Int(key.kind).Text(key.channel).Text(key.destination);
  return ReadExposure(select);
}

absl::StatusOr<std::optional<v1::Exposure>> SqlTransaction::FindLastClosedExposure(
    const ExposureKey& key) {
  if (absl::Status s = ClaimChannel(key.site, key.kind, key.channel); !s.ok()) return s;
  Statement select = db_.Prepare(
      "SELECT body FROM exposures"
      " WHERE site = ? AND kind = ? AND channel = ? AND destination = ? AND state = 2"
      " ORDER BY id DESC LIMIT 1");
  select.Text(key.site).Int(key.kind).Text(key.channel).Text(key.destination);
  return ReadExposure(select);
}

absl::StatusOr<std::vector<v1::Exposure>> SqlTransaction::FindOpenExposures(
    std::string_view site, v1::FindingKind kind, std::string_view channel) {
  if (absl::Status s = ClaimChannel(site, kind, channel); !s.ok()) return s;
  Statement select = db_.Prepare(
      "SELECT body FROM exposures WHERE state = 1 AND site = ? AND kind = ? AND channel = ?"
      " ORDER BY id");
  select.Text(site).Int(kind).Text(channel);
  return ReadExposures(select);
}

absl::StatusOr<std::vector<v1::Exposure>> SqlTransaction::FindQuietExposures(
    const std::vector<v1::FindingKind>& kinds, absl::Time cutoff, uint32_t exposures_max) {
  std::vector<v1::Exposure> quiet;
  for (const v1::FindingKind kind : kinds) {
    if (quiet.size() >= exposures_max) break;
    absl::StatusOr<std::vector<v1::Exposure>> found = std::vector<v1::Exposure>();
    {
      Statement select = db_.Prepare(
          "SELECT body FROM exposures WHERE state = 1 AND kind = ? AND touched_at < ?"
          " ORDER BY id LIMIT ?");
      select.Int(kind).Time(cutoff).Unsigned(exposures_max - quiet.size());
      found = ReadExposures(select);
    }
    if (!found.ok()) return found.status();
    for (const v1::Exposure& exposure : *found) {
      absl::Status s = ClaimChannel(exposure.site(), exposure.kind(), exposure.channel());
      if (!s.ok()) return s;
      // As it is once it is ours.
      Statement select =
          db_.Prepare("SELECT body FROM exposures WHERE id = ? AND state = 1 AND touched_at < ?");
      select.Unsigned(exposure.id()).Time(cutoff);
      absl::StatusOr<std::optional<v1::Exposure>> still = ReadExposure(select);
      if (!still.ok()) return still.status();
      if (still->has_value()) quiet.push_back(**std::move(still));
    }
  }
  return quiet;
}

absl::StatusOr<v1::Exposure> SqlTransaction::GetExposure(uint64_t id) {
  const auto read = [&]() -> absl::StatusOr<v1::Exposure> {
    Statement select = db_.Prepare("SELECT body FROM exposures WHERE id = ?");
    select.Unsigned(id);
    absl::StatusOr<std::optional<v1::Exposure>> exposure = ReadExposure(select);
    if (!exposure.ok()) return exposure.status();
    if (!exposure->has_value()) return absl::NotFoundError(absl::StrCat("no exposure has id ", id));
    return **std::move(exposure);
  };
  absl::StatusOr<v1::Exposure> found = read();
  if (!found.ok()) return found;
  absl::Status claimed = ClaimChannel(found->site(), found->kind(), found->channel());
  if (!claimed.ok()) return claimed;
  // As it is once it is ours.
  return read();
}

absl::StatusOr<uint64_t> SqlTransaction::InsertExposure(const v1::Exposure& exposure,
                                                        absl::Time at) {
  if (absl::Status s = ClaimChannel(exposure.site(), exposure.kind(), exposure.channel());
      !s.ok()) {
    return s;
  }
  v1::Exposure with_id = exposure;
  Statement insert = db_.Prepare(
      "INSERT INTO exposures (site, kind, channel, destination, state, severity, distinct_cards,"
      " estimated_occurrences, sampled, first_seen, touched_at, body)"
      " VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, ?) RETURNING id");
  insert.Text(exposure.site()).Int(exposure.kind()).Text(exposure.channel());
  insert.Text(exposure.destination()).Int(exposure.state()).Int(exposure.severity());
  absl::StatusOr<bool> row = insert.Blob("").Step();
  if (!row.ok()) return row.status();
  with_id.set_id(insert.GetUnsigned(0));
  if (absl::Status s = UpdateExposure(with_id, at); !s.ok()) return s;
  return with_id.id();
}

absl::Status SqlTransaction::UpdateExposure(const v1::Exposure& exposure, absl::Time at) {
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
  changed_exposures_.insert(exposure.id());
  exposures_changed_at_ = at;
  return absl::OkStatus();
}

absl::Status SqlTransaction::AddGrowth(uint64_t exposure_id, const v1::ExposureGrowth& more) {
  return sql::AddGrowth(db_, exposure_id, more);
}

absl::StatusOr<int64_t> SqlTransaction::WayId(const ExposureKey& way, bool expected) {
  std::pair<ExposureKey, bool> key(way, expected);
  if (const auto it = way_ids_.find(key); it != way_ids_.end()) return it->second;
  if (absl::Status s = ClaimChannel(way.site, way.kind, way.channel); !s.ok()) return s;
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
        "INSERT INTO ways (site, kind, channel, destination, expected) VALUES (?, ?, ?, ?, ?)"
        " RETURNING id");
    insert.Text(way.site).Int(way.kind).Text(way.channel).Text(way.destination);
    absl::StatusOr<bool> row = insert.Int(expected ? 1 : 0).Step();
    if (!row.ok()) return row.status();
    id = insert.GetInt(0);
  }
  way_ids_.emplace(std::move(key), id);
  return id;
}

absl::StatusOr<std::vector<bool>> SqlTransaction::AddSightings(
    const std::vector<Sighting>& sightings) {
  std::vector<bool> are_new;
  are_new.reserve(sightings.size());
  for (const Sighting& sighting : sightings) {
    absl::StatusOr<bool> is_new = AddSighting(sighting);
    if (!is_new.ok()) return is_new.status();
    are_new.push_back(*is_new);
  }
  return are_new;
}

absl::StatusOr<bool> SqlTransaction::AddSighting(const Sighting& sighting) {
  absl::StatusOr<int64_t> way = WayId(sighting.way, sighting.expected);
  if (!way.ok()) return way.status();
  {
    Statement insert = db_.Prepare(
        "INSERT INTO sightings"
        " (fingerprint, way_id, exposure_id, first_seen, last_seen, occurrences)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING");
    insert.Blob(sighting.fingerprint).Int(*way).Unsigned(sighting.exposure_id);
    insert.Time(sighting.first_seen).Time(sighting.last_seen);
    insert.Unsigned(std::min(sighting.occurrences, kOccurrencesMax));
    if (absl::Status s = insert.Run(); !s.ok()) return s;
    if (db_.Changes() == 1) return true;
  }
  // An agent's counts may be anything, and the sum must not overflow.
  Statement update = db_.Prepare(
      "UPDATE sightings SET first_seen = CASE WHEN first_seen > ? THEN ? ELSE first_seen END,"
      " last_seen = CASE WHEN last_seen < ? THEN ? ELSE last_seen END,"
      " occurrences = CASE WHEN occurrences > 9000000000000000000 - ? THEN 9000000000000000000"
      " ELSE occurrences + ? END"
      " WHERE fingerprint = ? AND way_id = ? AND exposure_id = ?");
  const uint64_t occurrences = std::min(sighting.occurrences, kOccurrencesMax);
  update.Time(sighting.first_seen).Time(sighting.first_seen);
  update.Time(sighting.last_seen).Time(sighting.last_seen);
  update.Unsigned(occurrences).Unsigned(occurrences);
  update.Blob(sighting.fingerprint).Int(*way).Unsigned(sighting.exposure_id);
  if (absl::Status s = update.Run(); !s.ok()) return s;
  return false;
}

absl::StatusOr<std::optional<v1::Agent>> SqlTransaction::FindAgent(std::string_view identity) {
  absl::Status claimed = Claim({.what = Claimed::What::kAgent, .name = identity});
  if (!claimed.ok()) return claimed;
  Statement select = db_.Prepare("SELECT body, connected, findings FROM agents WHERE identity = ?");
  absl::StatusOr<bool> row = select.Text(identity).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  v1::Agent agent;
  if (absl::Status s = ParseBody(select.GetBytes(0), "agent", agent); !s.ok()) return s;
  agent.set_findings(select.GetUnsigned(2));
  return agent;
}

absl::Status SqlTransaction::PutAgent(const v1::Agent& agent) {
  absl::StatusOr<int64_t> id = AgentId(agent.identity());
  if (!id.ok()) return id.status();
  v1::Agent body = agent;
  body.clear_findings();
  Statement update = db_.Prepare("UPDATE agents SET connected = ?, body = ? WHERE id = ?");
  update.Int(agent.state() == v1::Agent::STATE_CONNECTED ? 1 : 0);
  return update.Blob(body.SerializeAsString()).Int(*id).Run();
}

absl::Status SqlTransaction::DisconnectAllAgents() {
  return db_.Prepare("UPDATE agents SET connected = 0 WHERE connected = 1").Run();
}

absl::Status SqlTransaction::AddCoverage(const v1::AgentCoverage& more, absl::Time at) {
  absl::StatusOr<int64_t> id = AgentId(more.agent());
  if (!id.ok()) return id.status();
  return AddToCoverageHour(db_, *id, more, at);
}

absl::StatusOr<uint64_t> SqlTransaction::AddDecision(const Decision& decision) {
  if (absl::Status s = Claim({.what = Claimed::What::kDecisions}); !s.ok()) return s;
  v1::Decision row;
  *row.mutable_at() = ToTimestamp(decision.at);
  row.set_who(decision.who);
  row.set_action(decision.action);
  row.set_subject(decision.subject);
  row.set_reason(decision.reason);
  return AppendDecision(db_, std::move(row));
}

absl::StatusOr<uint64_t> SqlTransaction::AdvancePolicyVersion() {
  if (absl::Status s = Claim({.what = Claimed::What::kSettings}); !s.ok()) return s;
  absl::StatusOr<uint64_t> version = GetNumber(db_, kPolicyVersion);
  if (!version.ok()) return version.status();
  if (absl::Status s = PutNumber(db_, kPolicyVersion, *version + 1); !s.ok()) return s;
  return *version + 1;
}

absl::StatusOr<std::string> SqlTransaction::GetSetting(std::string_view name) {
  if (absl::Status s = Claim({.what = Claimed::What::kSettings}); !s.ok()) return s;
  return sql::GetSetting(db_, name);
}

absl::Status SqlTransaction::PutSetting(std::string_view name, std::string_view value) {
  if (absl::Status s = Claim({.what = Claimed::What::kSettings}); !s.ok()) return s;
  return sql::PutSetting(db_, name, value);
}

absl::StatusOr<bool> SqlTransaction::TakeSink(std::string_view name, std::string_view holder,
                                              const SinkState& seen, bool from_beginning) {
  return sql::TakeSink(db_, name, holder, seen, from_beginning);
}

absl::Status SqlTransaction::SaveSink(const SinkProgress& progress) {
  return sql::SaveSink(db_, progress);
}

}  // namespace skimwatch::store::sql
