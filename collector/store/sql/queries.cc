#include "collector/store/sql/queries.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "collector/store/sql/approval_rows.h"
#include "collector/store/sql/page_token.h"
#include "collector/store/sql/settings.h"
#include "collector/store/sql/sql_transaction.h"
#include "collector/store/sql/stream_names.h"
#include "collector/store/timestamp.h"

namespace skimwatch::store::sql {
namespace {

constexpr uint32_t kExposureFindingsMax = 100;
constexpr uint32_t kScriptHistoryMax = 100;
// What the details of a listed script take, about.
constexpr size_t kDetailsBytes = size_t{16} << 10;
constexpr uint32_t kSightingsMax = 1000;

// Columns: stored_at, stream_id, sequence, kind, confidence, exposure_id, site, body.
enum FindingColumn { kStoredAt, kStream, kSequence, kKind, kConfidence, kExposure, kSite, kBody };

Statement SelectFindings(Database& db, const v1::ListFindingsRequest& request, int64_t since,
                         const std::vector<int64_t>& before) {
  if (request.exposure_id() != 0) {
    Statement select = db.Scan(
        "SELECT stored_at, stream_id, sequence, kind, confidence, exposure_id, site, body"
        " FROM findings WHERE exposure_id = ? AND exposure_id > 0 AND stored_at >= ?"
        " AND stored_at <= ? AND (stored_at, stream_id, sequence) < (?, ?, ?)"
        " ORDER BY stored_at DESC, stream_id DESC, sequence DESC");
    select.Unsigned(request.exposure_id()).Int(since).Int(before[0]);
    select.Int(before[0]).Int(before[1]).Int(before[2]);
    return select;
  }
  Statement select = db.Scan(
      "SELECT stored_at, stream_id, sequence, kind, confidence, exposure_id, site, body"
      " FROM findings WHERE stored_at >= ? AND stored_at <= ?"
      " AND (stored_at, stream_id, sequence) < (?, ?, ?)"
      " ORDER BY stored_at DESC, stream_id DESC, sequence DESC");
  select.Int(since).Int(before[0]).Int(before[0]).Int(before[1]).Int(before[2]);
  return select;
}

absl::StatusOr<std::vector<v1::StoredFinding>> GetExposureFindings(Database& db, uint64_t id) {
  v1::ListFindingsRequest request;
  request.set_exposure_id(id);
  request.set_page_size(kExposureFindingsMax);
  absl::StatusOr<v1::ListFindingsResponse> page = ListFindings(db, request);
  if (!page.ok()) return page.status();
  return std::vector<v1::StoredFinding>(page->findings().begin(), page->findings().end());
}

}  // namespace

uint64_t ToCount(double sum) {
  constexpr double kMax = 9e18;
  return static_cast<uint64_t>(std::clamp(sum, 0.0, kMax));
}

uint32_t PageSize(uint32_t asked) {
  return asked == 0 ? kPageSizeDefault : std::min(asked, kPageSizeMax);
}

absl::StatusOr<v1::ListExposuresResponse> ListExposures(Database& db,
                                                        const v1::ListExposuresRequest& request) {
  int64_t before = std::numeric_limits<int64_t>::max();
  if (!request.page_token().empty()) {
    absl::StatusOr<std::vector<int64_t>> token = ParseNumbersToken(request.page_token(), 1);
    if (!token.ok()) return token.status();
    before = token->front();
  }
  const bool one_state = request.state() != v1::Exposure::STATE_UNSPECIFIED;
  Statement select = one_state ? db.Scan(
                                     "SELECT id, site, kind, body, severity FROM exposures"
                                     " WHERE id < ? AND state = ? ORDER BY id DESC")
                               : db.Scan(
                                     "SELECT id, site, kind, body, severity FROM exposures"
                                     " WHERE id < ? ORDER BY id DESC");
  select.Int(before);
  if (one_state) select.Int(request.state());
  const uint32_t page_size = PageSize(request.page_size());
  v1::ListExposuresResponse response;
  size_t bytes = 0;
  for (uint32_t examined = 0;; ++examined) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return response;
    if (static_cast<uint32_t>(response.exposures_size()) == page_size || bytes > kPageBytesMax ||
        examined == kRowsExaminedMax) {
      response.set_next_page_token(NumbersToken({before}));
      return response;
    }
    before = select.GetInt(0);
    if (!request.site().empty() && select.GetBytes(1) != request.site()) continue;
    if (request.kind() != v1::FINDING_KIND_UNSPECIFIED && select.GetInt(2) != request.kind()) {
      continue;
    }
    if (select.GetInt(4) < request.severity_min()) continue;
    bytes += select.GetBytes(3).size();
    absl::Status s = ParseBody(select.GetBytes(3), "exposure", *response.add_exposures());
    if (!s.ok()) return s;
  }
}

absl::StatusOr<v1::GetExposureResponse> GetExposure(Database& db, uint64_t id) {
  v1::GetExposureResponse response;
  {
    Statement select = db.Prepare("SELECT body FROM exposures WHERE id = ?");
    absl::StatusOr<bool> row = select.Unsigned(id).Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::NotFoundError(absl::StrCat("no exposure has id ", id));
    absl::Status s = ParseBody(select.GetBytes(0), "exposure", *response.mutable_exposure());
    if (!s.ok()) return s;
  }
  absl::StatusOr<std::vector<v1::StoredFinding>> findings = GetExposureFindings(db, id);
  if (!findings.ok()) return findings.status();
  response.mutable_findings()->Add(findings->begin(), findings->end());
  return response;
}

absl::StatusOr<v1::ListFindingsResponse> ListFindings(Database& db,
                                                      const v1::ListFindingsRequest& request) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const int64_t since =
      request.has_since() ? absl::ToUnixMicros(FromTimestamp(request.since())) : 0;
  std::vector<int64_t> before = {kMax, kMax, kMax};
  if (!request.page_token().empty()) {
    absl::StatusOr<std::vector<int64_t>> token = ParseNumbersToken(request.page_token(), 3);
    if (!token.ok()) return token.status();
    before = *std::move(token);
  } else if (request.has_until()) {
    // Until is exclusive: nothing has a stream below 0.
    before = {absl::ToUnixMicros(FromTimestamp(request.until())), -1, -1};
  }
  const uint32_t page_size = PageSize(request.page_size());
  StreamNames names(db);
  Statement select = SelectFindings(db, request, since, before);
  v1::ListFindingsResponse response;
  size_t bytes = 0;
  for (uint32_t examined = 0;; ++examined) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return response;
    if (static_cast<uint32_t>(response.findings_size()) == page_size || bytes > kPageBytesMax ||
        examined == kRowsExaminedMax) {
      response.set_next_page_token(NumbersToken(before));
      return response;
    }
    before = {select.GetInt(kStoredAt), select.GetInt(kStream), select.GetInt(kSequence)};
    if (!request.site().empty() && select.GetBytes(kSite) != request.site()) continue;
    if (request.kind() != v1::FINDING_KIND_UNSPECIFIED && select.GetInt(kKind) != request.kind()) {
      continue;
    }
    if (select.GetInt(kConfidence) < request.confidence_min()) continue;
    absl::StatusOr<const StreamNames::Name*> name = names.Find(select.GetInt(kStream));
    if (!name.ok()) return name.status();
    if (!request.agent().empty() && (*name)->agent != request.agent()) continue;
    bytes += select.GetBytes(kBody).size();
    v1::StoredFinding* stored = response.add_findings();
    absl::Status s = ParseBody(select.GetBytes(kBody), "finding", *stored->mutable_finding());
    if (!s.ok()) return s;
    stored->set_agent((*name)->agent);
    stored->set_epoch((*name)->epoch);
    *stored->mutable_stored_at() = ToTimestamp(select.GetTime(kStoredAt));
    stored->set_exposure_id(select.GetUnsigned(kExposure));
  }
}

namespace {

absl::StatusOr<v1::ListScriptsResponse> ListScriptRows(Database& db,
                                                       const v1::ListScriptsRequest& request) {
  // The last script's site and name, with a zero byte between.
  std::string site;
  std::string name;
  if (!request.page_token().empty()) {
    absl::StatusOr<std::string> token = ParseTextToken(request.page_token());
    if (!token.ok()) return token.status();
    const size_t zero = token->find('\0');
    if (zero == std::string::npos) return ParseTextToken("x").status();
    site = token->substr(0, zero);
    name = token->substr(zero + 1);
  }
  Statement select = db.Scan(
      "SELECT site, name, state, body FROM scripts WHERE (site, name) > (?, ?)"
      " ORDER BY site, name");
  select.Text(site).Text(name);
  const uint32_t page_size = PageSize(request.page_size());
  v1::ListScriptsResponse response;
  size_t bytes = 0;
  for (uint32_t examined = 0;; ++examined) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return response;
    if (static_cast<uint32_t>(response.scripts_size()) == page_size || bytes > kPageBytesMax ||
        examined == kRowsExaminedMax) {
      response.set_next_page_token(TextToken(site + '\0' + name));
      return response;
    }
    site = select.GetBytes(0);
    name = select.GetBytes(1);
    if (!request.site().empty() && site != request.site()) continue;
    if (request.state() != v1::Script::STATE_UNSPECIFIED && select.GetInt(2) != request.state()) {
      continue;
    }
    const size_t size = select.GetBytes(3).size();
    v1::Script script;
    absl::Status s = ParseBody(select.GetBytes(3), "script", script);
    if (!s.ok()) return s;
    if (!request.page().empty() && script.page() != request.page() &&
        script.name() != request.page()) {
      continue;
    }
    bytes += size + (request.details() ? kDetailsBytes : 0);
    *response.add_scripts() = std::move(script);
  }
}

}  // namespace

absl::StatusOr<v1::ListScriptsResponse> ListScripts(Database& db,
                                                    const v1::ListScriptsRequest& request) {
  absl::StatusOr<v1::ListScriptsResponse> response = ListScriptRows(db, request);
  if (!response.ok() || !request.details()) return response;
  for (v1::Script& script : *response->mutable_scripts()) {
    if (absl::Status s = AddScriptDetails(db, /*brief=*/true, script); !s.ok()) return s;
  }
  return response;
}

absl::StatusOr<v1::Script> GetScript(Database& db, std::string_view site, std::string_view name) {
  v1::Script script;
  int64_t id = 0;
  {
    Statement select = db.Prepare("SELECT id, body FROM scripts WHERE site = ? AND name = ?");
    absl::StatusOr<bool> row = select.Text(site).Text(name).Step();
    if (!row.ok()) return row.status();
    if (!*row) {
      return absl::NotFoundError(
          absl::StrCat("site '", std::string(site), "' has no script '", std::string(name), "'"));
    }
    id = select.GetInt(0);
    if (absl::Status s = ParseBody(select.GetBytes(1), "script", script); !s.ok()) return s;
  }
  Statement select = db.Scan(
      "SELECT v.body, (SELECT a.body FROM approvals a"
      "  WHERE a.script_id = v.script_id AND a.sha256 = v.sha256 ORDER BY a.id DESC LIMIT 1)"
      " FROM script_versions v WHERE v.script_id = ? ORDER BY v.last_seen DESC, v.rowid DESC"
      " LIMIT ?");
  select.Int(id).Int(kScriptHistoryMax);
  size_t bytes = 0;
  while (bytes <= kPageBytesMax) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    v1::ScriptRecord* record = script.add_history();
    bytes += select.GetBytes(0).size();
    absl::Status s = ParseBody(select.GetBytes(0), "script version", *record);
    if (!s.ok()) return s;
    if (select.GetBytes(1).empty()) continue;
    s = ParseBody(select.GetBytes(1), "approval", *record->mutable_approval());
    if (!s.ok()) return s;
  }
  if (absl::Status s = AddScriptDetails(db, /*brief=*/false, script); !s.ok()) return s;
  return script;
}

absl::StatusOr<v1::ListAgentsResponse> ListAgents(Database& db,
                                                  const v1::ListAgentsRequest& request,
                                                  absl::Time silent_before) {
  std::string after;
  if (!request.page_token().empty()) {
    absl::StatusOr<std::string> token = ParseTextToken(request.page_token());
    if (!token.ok()) return token.status();
    after = *std::move(token);
  }
  Statement select = db.Scan(
      "SELECT identity, connected, findings, body FROM agents WHERE identity > ?"
      " ORDER BY identity");
  select.Text(after);
  const uint32_t page_size = PageSize(request.page_size());
  v1::ListAgentsResponse response;
  size_t bytes = 0;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return response;
    if (static_cast<uint32_t>(response.agents_size()) == page_size || bytes > kPageBytesMax) {
      response.set_next_page_token(TextToken(after));
      return response;
    }
    after = select.GetBytes(0);
    bytes += select.GetBytes(3).size();
    v1::Agent* agent = response.add_agents();
    if (absl::Status s = ParseBody(select.GetBytes(3), "agent", *agent); !s.ok()) return s;
    agent->set_identity(after);
    agent->set_findings(select.GetUnsigned(2));
    if (agent->state() == v1::Agent::STATE_REJECTED) continue;
    const bool connected =
        select.GetInt(1) != 0 && FromTimestamp(agent->last_seen()) >= silent_before;
    agent->set_state(connected ? v1::Agent::STATE_CONNECTED : v1::Agent::STATE_SILENT);
  }
}

absl::StatusOr<v1::CheckCardResponse> CheckCard(Database& db, const v1::CheckCardRequest& request) {
  struct ByLastSeen {
    bool operator()(const std::pair<absl::Time, v1::CardSighting>& a,
                    const std::pair<absl::Time, v1::CardSighting>& b) const {
      return a.first > b.first;
    }
  };
  std::vector<std::pair<absl::Time, v1::CardSighting>> sightings;
  const std::set<std::string_view> fingerprints(request.fingerprints().begin(),
                                                request.fingerprints().end());
  for (std::string_view fingerprint : fingerprints) {
    // It stands for all cards without a fingerprint.
    if (fingerprint.empty()) return absl::InvalidArgumentError("fingerprints: one is empty");
    Statement select = db.Prepare(
        "SELECT exposure_id, site, kind, channel, destination, expected, first_seen, last_seen,"
        " occurrences FROM sightings JOIN ways ON ways.id = way_id WHERE fingerprint = ?"
        " ORDER BY last_seen DESC LIMIT ?");
    select.Blob(fingerprint).Int(kSightingsMax);
    while (true) {
      absl::StatusOr<bool> row = select.Step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      auto& [last_seen, sighting] = sightings.emplace_back();
      last_seen = select.GetTime(7);
      sighting.set_exposure_id(select.GetUnsigned(0));
      sighting.set_site(std::string(select.GetBytes(1)));
      sighting.set_kind(static_cast<v1::FindingKind>(select.GetInt(2)));
      sighting.set_channel(std::string(select.GetBytes(3)));
      sighting.set_destination(std::string(select.GetBytes(4)));
      sighting.set_expected(select.GetInt(5) != 0);
      *sighting.mutable_first_seen() = ToTimestamp(select.GetTime(6));
      *sighting.mutable_last_seen() = ToTimestamp(last_seen);
      sighting.set_occurrences(select.GetUnsigned(8));
    }
  }
  std::stable_sort(sightings.begin(), sightings.end(), ByLastSeen());
  if (sightings.size() > kSightingsMax) sightings.resize(kSightingsMax);
  v1::CheckCardResponse response;
  for (auto& [last_seen, sighting] : sightings) *response.add_sightings() = std::move(sighting);
  // There is a row for each way, not for each card.
  Statement without = db.Prepare(
      "SELECT sum(CAST(occurrences AS DOUBLE PRECISION)) FROM sightings WHERE fingerprint = ?");
  absl::StatusOr<bool> row = without.Blob("").Step();
  if (!row.ok()) return row.status();
  if (*row) response.set_occurrences_without_fingerprint(ToCount(without.GetDouble(0)));
  return response;
}

absl::StatusOr<uint64_t> CommittedSequence(Database& db, std::string_view agent, uint64_t epoch) {
  Statement select = db.Prepare(
      "SELECT committed_sequence FROM streams JOIN agents ON agents.id = agent_id"
      " WHERE identity = ? AND epoch = ?");
  absl::StatusOr<bool> row = select.Text(agent).Unsigned(epoch).Step();
  if (!row.ok()) return row.status();
  return *row ? select.GetUnsigned(0) : 0;
}

absl::StatusOr<Summary> Summarize(Database& db, absl::Time now, absl::Duration approval_warning) {
  Summary summary;
  {
    Statement select =
        db.Prepare("SELECT site, kind, severity, confidence, findings FROM finding_totals");
    while (true) {
      absl::StatusOr<bool> row = select.Step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      summary.finding_totals.push_back({.site = std::string(select.GetBytes(0)),
                                        .kind = static_cast<v1::FindingKind>(select.GetInt(1)),
                                        .severity = static_cast<v1::Severity>(select.GetInt(2)),
                                        .confidence = static_cast<v1::Confidence>(select.GetInt(3)),
                                        .findings = select.GetUnsigned(4)});
    }
  }
  {
    Statement select = db.Prepare(
        "SELECT site, kind, severity, count(*), CAST(sum(distinct_cards) AS BIGINT),"
        " min(first_seen),"
        " sum(estimated_occurrences), max(sampled)"
        " FROM exposures WHERE state = 1 GROUP BY site, kind, severity");
    while (true) {
      absl::StatusOr<bool> row = select.Step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      summary.open_exposures.push_back({.site = std::string(select.GetBytes(0)),
                                        .kind = static_cast<v1::FindingKind>(select.GetInt(1)),
                                        .severity = static_cast<v1::Severity>(select.GetInt(2)),
                                        .exposures = select.GetUnsigned(3),
                                        .distinct_cards = select.GetUnsigned(4),
                                        .oldest_first_seen = select.GetTime(5),
                                        .estimated_occurrences = select.GetDouble(6),
                                        .sampled = select.GetInt(7) != 0});
    }
  }
  {
    Statement select = db.Prepare("SELECT site, state, count(*) FROM scripts GROUP BY site, state");
    while (true) {
      absl::StatusOr<bool> row = select.Step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      summary.scripts.push_back({.site = std::string(select.GetBytes(0)),
                                 .state = static_cast<v1::Script::State>(select.GetInt(1)),
                                 .scripts = select.GetUnsigned(2)});
    }
  }
  absl::StatusOr<std::vector<Summary::EndingApprovals>> ending =
      CountEndingApprovals(db, now, approval_warning);
  if (!ending.ok()) return ending.status();
  summary.ending_approvals = *std::move(ending);
  absl::StatusOr<std::vector<Summary::Destinations>> destinations = CountDestinations(db, now);
  if (!destinations.ok()) return destinations.status();
  summary.destinations = *std::move(destinations);
  absl::StatusOr<uint64_t> lost = GetNumber(db, kLostFindings);
  if (!lost.ok()) return lost.status();
  summary.lost_findings = *lost;
  return summary;
}

}  // namespace skimwatch::store::sql
