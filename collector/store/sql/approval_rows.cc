#include "collector/store/sql/approval_rows.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "collector/store/sql/sql_transaction.h"

namespace skimwatch::store::sql {
namespace {

constexpr absl::Duration kExpiredTold = absl::Hours(24 * 400);
constexpr uint32_t kServedMax = 64;
constexpr uint32_t kAskedMax = 256;
// Facts that say how a script is loaded and known, rather than what it does.
constexpr std::array<std::string_view, 5> kListedFacts = {
    "external_host", "header", "many_versions", "no_hash", "no_integrity"};

bool IsAmong(const std::vector<std::string>& sites, std::string_view site) {
  return sites.empty() || std::find(sites.begin(), sites.end(), site) != sites.end();
}

// Of `a.id, site, name, a.sha256, a.body`.
absl::StatusOr<std::vector<StoredScriptApproval>> ReadApprovals(Statement& select) {
  std::vector<StoredScriptApproval> approvals;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return approvals;
    StoredScriptApproval& stored = approvals.emplace_back();
    stored.id = select.GetInt(0);
    stored.site = std::string(select.GetBytes(1));
    stored.name = std::string(select.GetBytes(2));
    stored.sha256 = std::string(select.GetBytes(3));
    absl::Status s = ParseBody(select.GetBytes(4), "approval", stored.approval);
    if (!s.ok()) return s;
  }
}

void AddApproved(const std::string& site, std::string_view name, std::string_view sha256,
                 const v1::ScriptApproval& approval, v1::ApprovedScript& script) {
  script.set_site(site);
  script.set_script(std::string(name));
  script.set_sha256(std::string(sha256));
  if (approval.has_expires_at()) *script.mutable_expires_at() = approval.expires_at();
  script.set_by_profile(approval.kind() == v1::ScriptApproval::KIND_PROFILE);
}

absl::Status AddApprovals(Database& db, const std::vector<std::string>& sites, absl::Time now,
                          v1::Policy& policy) {
  Statement select = db.Prepare(
      "SELECT site, name, sha256, revoked, expires_at, a.body"
      " FROM approvals a JOIN scripts ON scripts.id = script_id"
      " WHERE revoked <> 1 AND a.id ="
      " (SELECT max(id) FROM approvals b"
      "  WHERE b.script_id = a.script_id AND b.sha256 = a.sha256)"
      " ORDER BY site, name, sha256");
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    const std::string site(select.GetBytes(0));
    if (!IsAmong(sites, site)) continue;
    const absl::Time end = select.GetInt(4) == 0 ? absl::InfiniteFuture() : select.GetTime(4);
    const bool is_over = select.GetInt(3) != 0 || end <= now;
    if (is_over && end + kExpiredTold < now) continue;
    v1::ScriptApproval approval;
    if (absl::Status s = ParseBody(select.GetBytes(5), "approval", approval); !s.ok()) return s;
    AddApproved(site, select.GetBytes(1), select.GetBytes(2), approval,
                is_over ? *policy.add_expired_scripts() : *policy.add_approved_scripts());
  }
}

absl::Status AddProfiles(Database& db, const std::vector<std::string>& sites, absl::Time now,
                         v1::Policy& policy) {
  Statement select = db.Prepare(
      "SELECT site, name, p.id, p.expires_at, p.body"
      " FROM script_profiles p JOIN scripts ON scripts.id = script_id"
      " WHERE revoked = 0 ORDER BY site, name, p.id");
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    const std::string site(select.GetBytes(0));
    if (!IsAmong(sites, site)) continue;
    if (select.GetInt(3) != 0 && select.GetTime(3) <= now) continue;
    v1::ScriptProfile profile;
    if (absl::Status s = ParseBody(select.GetBytes(4), "profile", profile); !s.ok()) return s;
    v1::ApprovedProfile& approved = *policy.add_script_profiles();
    approved.set_site(site);
    approved.set_script(std::string(select.GetBytes(1)));
    approved.set_id(select.GetUnsigned(2));
    *approved.mutable_facts() = profile.behaviour().facts();
    if (profile.approval().has_expires_at()) {
      *approved.mutable_expires_at() = profile.approval().expires_at();
    }
  }
}

// Of `publisher, site, script, sha256, serial, expires_at`.
PublishedEntry ReadEntry(const Statement& row) {
  PublishedEntry entry;
  entry.publisher = std::string(row.GetBytes(0));
  entry.script.set_site(std::string(row.GetBytes(1)));
  entry.script.set_script(std::string(row.GetBytes(2)));
  entry.script.set_sha256(std::string(row.GetBytes(3)));
  entry.serial = row.GetUnsigned(4);
  if (row.GetInt(5) != 0) *entry.script.mutable_expires_at() = ToTimestamp(row.GetTime(5));
  return entry;
}

absl::Status AddPublished(Database& db, const std::vector<std::string>& sites, absl::Time now,
                          v1::Policy& policy) {
  Statement select = db.Prepare(
      "SELECT publisher, site, script, sha256, serial, expires_at FROM published_scripts"
      " WHERE expires_at = 0 OR expires_at > ? ORDER BY publisher, sha256, site, script");
  select.Time(now);
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    PublishedEntry entry = ReadEntry(select);
    if (!entry.script.site().empty() && !IsAmong(sites, entry.script.site())) continue;
    *policy.add_published_scripts() = std::move(entry.script);
  }
}

absl::Status AddAsked(Database& db, const std::vector<std::string>& sites, v1::Policy& policy) {
  Statement select = db.Prepare(
      "SELECT site, name, sha256 FROM asked_behaviours q JOIN scripts ON scripts.id = script_id"
      " ORDER BY q.id DESC LIMIT ?");
  select.Int(kAskedMax);
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    const std::string site(select.GetBytes(0));
    if (!IsAmong(sites, site)) continue;
    v1::AskedBehaviour& asked = *policy.add_asked_behaviours();
    asked.set_site(site);
    asked.set_script(std::string(select.GetBytes(1)));
    asked.set_sha256(std::string(select.GetBytes(2)));
  }
}

absl::StatusOr<absl::Time> Earliest(Database& db, std::string_view sql) {
  Statement select = db.Prepare(sql);
  absl::StatusOr<bool> row = select.Step();
  if (!row.ok()) return row.status();
  return *row ? select.GetTime(0) : absl::InfiniteFuture();
}

}  // namespace

absl::StatusOr<v1::Policy> ScriptPolicy(Database& db, const std::vector<std::string>& sites,
                                        absl::Time now) {
  v1::Policy policy;
  if (absl::Status s = AddApprovals(db, sites, now, policy); !s.ok()) return s;
  if (absl::Status s = AddProfiles(db, sites, now, policy); !s.ok()) return s;
  if (absl::Status s = AddPublished(db, sites, now, policy); !s.ok()) return s;
  if (absl::Status s = AddAsked(db, sites, policy); !s.ok()) return s;
  return policy;
}

absl::StatusOr<absl::Time> NextApprovalEnd(Database& db) {
  absl::StatusOr<absl::Time> approval =
      Earliest(db,
               "SELECT expires_at FROM approvals WHERE revoked = 0 AND expires_at > 0"
               " ORDER BY expires_at LIMIT 1");
  if (!approval.ok()) return approval.status();
  absl::StatusOr<absl::Time> profile =
      Earliest(db,
               "SELECT expires_at FROM script_profiles WHERE revoked = 0 AND expires_at > 0"
               " ORDER BY expires_at LIMIT 1");
  if (!profile.ok()) return profile.status();
  return std::min(*approval, *profile);
}

absl::StatusOr<v1::ListPublishersResponse> ListPublishers(Database& db) {
  Statement select = db.Prepare("SELECT body FROM publishers ORDER BY publisher");
  v1::ListPublishersResponse response;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return response;
    absl::Status s = ParseBody(select.GetBytes(0), "publisher", *response.add_publishers());
    if (!s.ok()) return s;
  }
}

absl::StatusOr<std::vector<Summary::EndingApprovals>> CountEndingApprovals(Database& db,
                                                                           absl::Time now,
                                                                           absl::Duration within) {
  std::map<std::string, uint64_t> counts;
  for (const std::string_view sql :
       {std::string_view("SELECT site, count(*) FROM approvals a"
                         " JOIN scripts ON scripts.id = a.script_id"
                         " WHERE revoked = 0 AND a.expires_at > ? AND a.expires_at <= ?"
                         " AND a.id = (SELECT max(id) FROM approvals b"
                         "  WHERE b.script_id = a.script_id AND b.sha256 = a.sha256)"
                         " AND EXISTS (SELECT 1 FROM served_versions v"
                         "  WHERE v.script_id = a.script_id AND v.sha256 = a.sha256)"
                         " GROUP BY site"),
        std::string_view("SELECT site, count(*) FROM script_profiles p"
                         " JOIN scripts ON scripts.id = p.script_id"
                         " WHERE revoked = 0 AND p.expires_at > ? AND p.expires_at <= ?"
                         " GROUP BY site")}) {
    Statement select = db.Prepare(sql);
    select.Time(now).Time(now + within);
    while (true) {
      absl::StatusOr<bool> row = select.Step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      counts[std::string(select.GetBytes(0))] += select.GetUnsigned(1);
    }
  }
  std::vector<Summary::EndingApprovals> ending;
  for (const auto& [site, count] : counts) ending.push_back({.site = site, .approvals = count});
  return ending;
}

absl::Status AddScriptDetails(Database& db, bool brief, v1::Script& script) {
  int64_t id = 0;
  {
    Statement select = db.Prepare("SELECT id FROM scripts WHERE site = ? AND name = ?");
    absl::StatusOr<bool> row = select.Text(script.site()).Text(script.name()).Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    id = select.GetInt(0);
  }
  {
    Statement select = db.Prepare(
        "SELECT agents.identity, sha256, since, agents.body FROM served_versions"
        " JOIN agents ON agents.id = agent_id WHERE script_id = ?"
        " ORDER BY since DESC, agent_id LIMIT ?");
    select.Int(id).Int(kServedMax);
    while (true) {
      absl::StatusOr<bool> row = select.Step();
      if (!row.ok()) return row.status();
      if (!*row) break;
      v1::ScriptServed& served = *script.add_served();
      served.set_agent(std::string(select.GetBytes(0)));
      served.set_sha256(std::string(select.GetBytes(1)));
      *served.mutable_since() = ToTimestamp(select.GetTime(2));
      v1::Agent agent;
      if (absl::Status s = ParseBody(select.GetBytes(3), "agent", agent); !s.ok()) return s;
      if (agent.has_last_seen()) *served.mutable_seen_at() = agent.last_seen();
    }
  }
  {
    Statement select = db.Prepare(
        "SELECT id, body FROM script_profiles WHERE script_id = ? AND revoked = 0"
        " ORDER BY id DESC LIMIT 1");
    absl::StatusOr<bool> row = select.Int(id).Step();
    if (!row.ok()) return row.status();
    if (*row) {
      v1::ScriptProfile& profile = *script.mutable_profile();
      if (absl::Status s = ParseBody(select.GetBytes(1), "profile", profile); !s.ok()) return s;
      profile.set_id(select.GetUnsigned(0));
      if (brief) profile.mutable_behaviour()->clear_facts();
    }
  }
  {
    Statement select = db.Prepare("SELECT count(*) FROM script_versions WHERE script_id = ?");
    absl::StatusOr<bool> row = select.Int(id).Step();
    if (!row.ok()) return row.status();
    if (*row) script.set_versions(select.GetUnsigned(0));
  }
  if (!brief || script.current().sha256().empty()) return absl::OkStatus();
  Statement select = db.Prepare(
      "SELECT v.body, (SELECT a.body FROM approvals a"
      "  WHERE a.script_id = v.script_id AND a.sha256 = v.sha256 ORDER BY a.id DESC LIMIT 1)"
      " FROM script_versions v WHERE v.script_id = ? AND v.sha256 = ?");
  absl::StatusOr<bool> row = select.Int(id).Blob(script.current().sha256()).Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::OkStatus();
  v1::ScriptRecord& record = *script.mutable_current_record();
  if (absl::Status s = ParseBody(select.GetBytes(0), "script version", record); !s.ok()) return s;
  record.clear_diff();
  record.clear_functions();
  record.clear_behaviour();
  record.clear_gained_facts();
  auto& facts = *record.mutable_facts();
  facts.erase(std::remove_if(facts.begin(), facts.end(),
                             [](const v1::ScriptFact& fact) {
                               return std::find(kListedFacts.begin(), kListedFacts.end(),
                                                fact.name()) == kListedFacts.end();
                             }),
              facts.end());
  if (select.GetBytes(1).empty()) return absl::OkStatus();
  return ParseBody(select.GetBytes(1), "approval", *record.mutable_approval());
}

absl::StatusOr<std::vector<StoredScriptApproval>> SqlTransaction::ScriptApprovals(
    std::string_view site, std::string_view name) {
  absl::StatusOr<int64_t> id = ScriptId(site, name);
  if (!id.ok()) return id.status();
  Statement select = db_.Prepare(
      "SELECT a.id, site, name, a.sha256, a.body FROM approvals a"
      " JOIN scripts ON scripts.id = a.script_id WHERE script_id = ? AND revoked = 0 AND a.id ="
      " (SELECT max(id) FROM approvals b"
      "  WHERE b.script_id = a.script_id AND b.sha256 = a.sha256) ORDER BY a.id");
  select.Int(*id);
  return ReadApprovals(select);
}

absl::StatusOr<std::vector<StoredScriptApproval>> SqlTransaction::ApprovalsOfPublisher(
    std::string_view publisher) {
  Statement select = db_.Prepare(
      "SELECT a.id, site, name, a.sha256, a.body FROM approvals a"
      " JOIN scripts ON scripts.id = a.script_id WHERE publisher = ? AND revoked = 0 AND a.id ="
      " (SELECT max(id) FROM approvals b"
      "  WHERE b.script_id = a.script_id AND b.sha256 = a.sha256) ORDER BY site, name, a.id");
  select.Text(publisher);
  return ReadApprovals(select);
}

absl::StatusOr<std::vector<StoredScriptApproval>> SqlTransaction::OverdueApprovals(
    absl::Time now, uint32_t approvals_max) {
  // Also of versions that were approved again: they would be found for ever.
  Statement select = db_.Prepare(
      "SELECT a.id, site, name, a.sha256, a.body FROM approvals a"
      " JOIN scripts ON scripts.id = a.script_id"
      " WHERE revoked = 0 AND expires_at > 0 AND expires_at <= ? ORDER BY expires_at, a.id"
      " LIMIT ?");
  select.Time(now).Int(approvals_max);
  return ReadApprovals(select);
}

absl::Status SqlTransaction::EndApproval(const StoredScriptApproval& ended, ApprovalEnd why) {
  if (absl::Status s = ClaimScript(ended.site, ended.name); !s.ok()) return s;
  Statement update = db_.Prepare("UPDATE approvals SET revoked = ?, body = ? WHERE id = ?");
  update.Int(static_cast<int64_t>(why)).Blob(ended.approval.SerializeAsString());
  return update.Int(ended.id).Run();
}

absl::StatusOr<std::optional<v1::ScriptProfile>> SqlTransaction::FindScriptProfile(
    std::string_view site, std::string_view name) {
  absl::StatusOr<int64_t> id = ScriptId(site, name);
  if (absl::IsNotFound(id.status())) return std::nullopt;
  if (!id.ok()) return id.status();
  Statement select = db_.Prepare(
      "SELECT id, body FROM script_profiles WHERE script_id = ? AND revoked = 0"
      " ORDER BY id DESC LIMIT 1");
  absl::StatusOr<bool> row = select.Int(*id).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  v1::ScriptProfile profile;
  if (absl::Status s = ParseBody(select.GetBytes(1), "profile", profile); !s.ok()) return s;
  profile.set_id(select.GetUnsigned(0));
  return profile;
}

absl::StatusOr<uint64_t> SqlTransaction::CountScriptProfiles(std::string_view site) {
  Statement select = db_.Prepare(
      "SELECT count(*) FROM script_profiles p JOIN scripts ON scripts.id = p.script_id"
      " WHERE site = ? AND revoked = 0");
  absl::StatusOr<bool> row = select.Text(site).Step();
  if (!row.ok()) return row.status();
  return *row ? select.GetUnsigned(0) : 0;
}

absl::StatusOr<uint64_t> SqlTransaction::InsertScriptProfile(std::string_view site,
                                                             std::string_view name,
                                                             const v1::ScriptProfile& profile) {
  absl::StatusOr<int64_t> script_id = ScriptId(site, name);
  if (!script_id.ok()) return script_id.status();
  Statement insert = db_.Prepare(
      "INSERT INTO script_profiles (script_id, revoked, expires_at, body) VALUES (?, 0, ?, ?)"
      " RETURNING id");
  insert.Int(*script_id).Int(ExpiryColumn(profile.approval()));
  absl::StatusOr<bool> row = insert.Blob(profile.SerializeAsString()).Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::InternalError("a new profile has no id");
  return insert.GetUnsigned(0);
}

absl::Status SqlTransaction::PutScriptProfile(const v1::ScriptProfile& profile) {
  Statement update = db_.Prepare("UPDATE script_profiles SET body = ? WHERE id = ?");
  return update.Blob(profile.SerializeAsString()).Unsigned(profile.id()).Run();
}

absl::Status SqlTransaction::EndScriptProfile(const v1::ScriptProfile& profile, ApprovalEnd why) {
  Statement update = db_.Prepare("UPDATE script_profiles SET revoked = ?, body = ? WHERE id = ?");
  update.Int(static_cast<int64_t>(why)).Blob(profile.SerializeAsString());
  return update.Unsigned(profile.id()).Run();
}

absl::StatusOr<std::vector<StoredScriptProfile>> SqlTransaction::OverdueProfiles(
    absl::Time now, uint32_t profiles_max) {
  Statement select = db_.Prepare(
      "SELECT p.id, site, name, p.body FROM script_profiles p"
      " JOIN scripts ON scripts.id = p.script_id"
      " WHERE revoked = 0 AND expires_at > 0 AND expires_at <= ? ORDER BY expires_at, p.id"
      " LIMIT ?");
  select.Time(now).Int(profiles_max);
  std::vector<StoredScriptProfile> profiles;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return profiles;
    StoredScriptProfile& stored = profiles.emplace_back();
    stored.site = std::string(select.GetBytes(1));
    stored.name = std::string(select.GetBytes(2));
    absl::Status s = ParseBody(select.GetBytes(3), "profile", stored.profile);
    if (!s.ok()) return s;
    stored.profile.set_id(select.GetUnsigned(0));
  }
}

absl::Status SqlTransaction::AskBehaviour(std::string_view site, std::string_view name,
                                          std::string_view sha256, uint32_t asked_max) {
  absl::StatusOr<int64_t> id = ScriptId(site, name);
  if (!id.ok()) return id.status();
  Statement insert = db_.Prepare(
      "INSERT INTO asked_behaviours (script_id, sha256) VALUES (?, ?)"
      " ON CONFLICT (script_id, sha256) DO NOTHING");
  if (absl::Status s = insert.Int(*id).Blob(sha256).Run(); !s.ok()) return s;
  Statement cut = db_.Prepare(
      "DELETE FROM asked_behaviours WHERE id NOT IN"
      " (SELECT id FROM asked_behaviours ORDER BY id DESC LIMIT ?)");
  return cut.Int(asked_max).Run();
}

absl::Status SqlTransaction::ForgetBehaviour(std::string_view site, std::string_view name,
                                             std::string_view sha256) {
  absl::StatusOr<int64_t> id = ScriptId(site, name);
  if (!id.ok()) return id.status();
  Statement remove = db_.Prepare("DELETE FROM asked_behaviours WHERE script_id = ? AND sha256 = ?");
  return remove.Int(*id).Blob(sha256).Run();
}

absl::StatusOr<std::vector<StoredPublisher>> SqlTransaction::Publishers() {
  // Two imports at once must not both pass for the newer one.
  if (absl::Status s = Claim({.what = Claimed::What::kSettings}); !s.ok()) return s;
  Statement select = db_.Prepare("SELECT body, list, signature FROM publishers ORDER BY publisher");
  std::vector<StoredPublisher> publishers;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return publishers;
    StoredPublisher& stored = publishers.emplace_back();
    absl::Status s = ParseBody(select.GetBytes(0), "publisher", stored.info);
    if (!s.ok()) return s;
    stored.list = std::string(select.GetBytes(1));
    stored.signature = std::string(select.GetBytes(2));
  }
}

absl::Status SqlTransaction::PutPublisher(const StoredPublisher& publisher) {
  if (absl::Status s = Claim({.what = Claimed::What::kSettings}); !s.ok()) return s;
  Statement put = db_.Prepare(
      "INSERT INTO publishers (publisher, body, list, signature) VALUES (?, ?, ?, ?)"
      " ON CONFLICT (publisher) DO UPDATE SET body = excluded.body, list = excluded.list,"
      " signature = excluded.signature");
  put.Text(publisher.info.id()).Blob(publisher.info.SerializeAsString());
  return put.Blob(publisher.list).Blob(publisher.signature).Run();
}

absl::Status SqlTransaction::ReplacePublished(std::string_view publisher,
                                              const std::vector<PublishedEntry>& entries) {
  if (absl::Status s = Claim({.what = Claimed::What::kSettings}); !s.ok()) return s;
  {
    Statement remove = db_.Prepare("DELETE FROM published_scripts WHERE publisher = ?");
    if (absl::Status s = remove.Text(publisher).Run(); !s.ok()) return s;
  }
  for (const PublishedEntry& entry : entries) {
    Statement insert = db_.Prepare(
        "INSERT INTO published_scripts (publisher, site, script, sha256, serial, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?)");
    insert.Text(publisher).Text(entry.script.site()).Text(entry.script.script());
    insert.Blob(entry.script.sha256()).Unsigned(entry.serial).Int(ExpiryColumn(entry.script));
    if (absl::Status s = insert.Run(); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PublishedEntry>> SqlTransaction::PublishedFor(std::string_view site,
                                                                         std::string_view sha256) {
  Statement select = db_.Prepare(
      "SELECT publisher, site, script, sha256, serial, expires_at FROM published_scripts"
      " WHERE sha256 = ? AND (site = ? OR site = '') ORDER BY publisher, site, script");
  select.Blob(sha256).Text(site);
  std::vector<PublishedEntry> entries;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return entries;
    entries.push_back(ReadEntry(select));
  }
}

absl::StatusOr<std::vector<StoredScriptApproval>> SqlTransaction::PublishedVersions(
    std::string_view publisher, uint32_t versions_max) {
  Statement select = db_.Prepare(
      "SELECT DISTINCT scripts.site, scripts.name, v.sha256 FROM published_scripts p"
      " JOIN script_versions v ON v.sha256 = p.sha256"
      " JOIN scripts ON scripts.id = v.script_id"
      " WHERE publisher = ? AND (p.site = '' OR p.site = scripts.site)"
      " ORDER BY scripts.site, scripts.name, v.sha256 LIMIT ?");
  select.Text(publisher).Int(versions_max);
  std::vector<StoredScriptApproval> versions;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return versions;
    StoredScriptApproval& version = versions.emplace_back();
    version.site = std::string(select.GetBytes(0));
    version.name = std::string(select.GetBytes(1));
    version.sha256 = std::string(select.GetBytes(2));
  }
}

}  // namespace skimwatch::store::sql
