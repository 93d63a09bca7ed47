#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "collector/store/sql/approval_rows.h"
#include "collector/store/sql/sql_transaction.h"
#include "collector/store/timestamp.h"

namespace skimwatch::store::sql {

absl::StatusOr<int64_t> SqlTransaction::ScriptId(std::string_view site, std::string_view name) {
  if (absl::Status s = ClaimScript(site, name); !s.ok()) return s;
  Statement select = db_.Prepare("SELECT id FROM scripts WHERE site = ? AND name = ?");
  absl::StatusOr<bool> row = select.Text(site).Text(name).Step();
  if (!row.ok()) return row.status();
  if (!*row) {
    return absl::NotFoundError(
        absl::StrCat("site '", std::string(site), "' has no script '", std::string(name), "'"));
  }
  return select.GetInt(0);
}

absl::StatusOr<std::optional<v1::Script>> SqlTransaction::FindScript(std::string_view site,
                                                                     std::string_view name) {
  if (absl::Status s = ClaimScript(site, name); !s.ok()) return s;
  Statement select = db_.Prepare("SELECT body FROM scripts WHERE site = ? AND name = ?");
  absl::StatusOr<bool> row = select.Text(site).Text(name).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  v1::Script script;
  if (absl::Status s = ParseBody(select.GetBytes(0), "script", script); !s.ok()) return s;
  return script;
}

absl::Status SqlTransaction::PutScript(const v1::Script& script) {
  if (absl::Status s = ClaimScript(script.site(), script.name()); !s.ok()) return s;
  v1::Script body = script;
  body.clear_history();
  Statement put = db_.Prepare(
      "INSERT INTO scripts (site, name, state, body) VALUES (?, ?, ?, ?)"
      " ON CONFLICT (site, name) DO UPDATE SET state = excluded.state, body = excluded.body");
  put.Text(script.site()).Text(script.name()).Int(script.state());
  return put.Blob(body.SerializeAsString()).Run();
}

absl::StatusOr<std::optional<v1::ScriptRecord>> SqlTransaction::FindScriptVersion(
    std::string_view site, std::string_view name, std::string_view sha256) {
  absl::StatusOr<int64_t> id = ScriptId(site, name);
  if (absl::IsNotFound(id.status())) return std::nullopt;
  if (!id.ok()) return id.status();
  v1::ScriptRecord record;
  {
    Statement select =
        db_.Prepare("SELECT body FROM script_versions WHERE script_id = ? AND sha256 = ?");
    absl::StatusOr<bool> row = select.Int(*id).Blob(sha256).Step();
    if (!row.ok()) return row.status();
    if (!*row) return std::nullopt;
    absl::Status s = ParseBody(select.GetBytes(0), "script version", record);
    if (!s.ok()) return s;
  }
  Statement select = db_.Prepare(
      "SELECT body FROM approvals WHERE script_id = ? AND sha256 = ? ORDER BY id DESC LIMIT 1");
  absl::StatusOr<bool> row = select.Int(*id).Blob(sha256).Step();
  if (!row.ok()) return row.status();
  if (*row) {
    absl::Status s = ParseBody(select.GetBytes(0), "approval", *record.mutable_approval());
    if (!s.ok()) return s;
  }
  return record;
}

absl::Status SqlTransaction::PutScriptVersion(std::string_view site, std::string_view name,
                                              const v1::ScriptRecord& record) {
  absl::StatusOr<int64_t> id = ScriptId(site, name);
  if (!id.ok()) return id.status();
  v1::ScriptRecord body = record;
  body.clear_approval();
  Statement put = db_.Prepare(
      "INSERT INTO script_versions (script_id, sha256, last_seen, body) VALUES (?, ?, ?, ?)"
      " ON CONFLICT (script_id, sha256) DO UPDATE"
      " SET last_seen = excluded.last_seen, body = excluded.body");
  put.Int(*id).Blob(record.version().sha256()).Time(FromTimestamp(record.last_seen()));
  return put.Blob(body.SerializeAsString()).Run();
}

absl::Status SqlTransaction::SetServedVersion(std::string_view site, std::string_view name,
                                              const ServedVersion& served) {
  absl::StatusOr<int64_t> id = ScriptId(site, name);
  if (!id.ok()) return id.status();
  absl::StatusOr<int64_t> agent = AgentId(served.agent);
  if (!agent.ok()) return agent.status();
  Statement put = db_.Prepare(
      "INSERT INTO served_versions (script_id, agent_id, sha256, since) VALUES (?, ?, ?, ?)"
      " ON CONFLICT (script_id, agent_id) DO UPDATE SET sha256 = excluded.sha256, since = "
      "excluded.since");
  return put.Int(*id).Int(*agent).Blob(served.sha256).Time(served.since).Run();
}

absl::StatusOr<std::vector<ServedVersion>> SqlTransaction::ServedVersions(std::string_view site,
                                                                          std::string_view name) {
  absl::StatusOr<int64_t> id = ScriptId(site, name);
  if (!id.ok()) return id.status();
  Statement select = db_.Prepare(
      "SELECT agents.identity, sha256, since FROM served_versions"
      " JOIN agents ON agents.id = agent_id WHERE script_id = ?"
      " ORDER BY since DESC, agent_id");
  select.Int(*id);
  std::vector<ServedVersion> versions;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return versions;
    versions.push_back({.agent = std::string(select.GetBytes(0)),
                        .sha256 = std::string(select.GetBytes(1)),
                        .since = select.GetTime(2)});
  }
}

absl::StatusOr<bool> SqlTransaction::EverApproved(std::string_view site, std::string_view name) {
  absl::StatusOr<int64_t> id = ScriptId(site, name);
  if (!id.ok()) return id.status();
  Statement select = db_.Prepare("SELECT 1 FROM approvals WHERE script_id = ? LIMIT 1");
  return select.Int(*id).Step();
}

absl::Status SqlTransaction::InsertApproval(std::string_view site, std::string_view name,
                                            std::string_view sha256,
                                            const v1::ScriptApproval& approval) {
  absl::StatusOr<int64_t> id = ScriptId(site, name);
  if (!id.ok()) return id.status();
  Statement insert = db_.Prepare(
      "INSERT INTO approvals (script_id, sha256, revoked, expires_at, publisher, body)"
      " VALUES (?, ?, 0, ?, ?, ?)");
  insert.Int(*id).Blob(sha256).Int(ExpiryColumn(approval)).Text(approval.publisher());
  return insert.Blob(approval.SerializeAsString()).Run();
}

absl::Status SqlTransaction::RevokeApproval(std::string_view site, std::string_view name,
                                            std::string_view sha256,
                                            const v1::ScriptApproval& revocation) {
  absl::StatusOr<int64_t> script_id = ScriptId(site, name);
  if (!script_id.ok()) return script_id.status();
  int64_t approval_id = 0;
  v1::ScriptApproval approval;
  {
    Statement select = db_.Prepare(
        "SELECT id, body FROM approvals WHERE script_id = ? AND sha256 = ?"
        " ORDER BY id DESC LIMIT 1");
    absl::StatusOr<bool> row = select.Int(*script_id).Blob(sha256).Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::NotFoundError("this version was never approved");
    approval_id = select.GetInt(0);
    if (absl::Status s = ParseBody(select.GetBytes(1), "approval", approval); !s.ok()) return s;
  }
  approval.set_revoked_by(revocation.revoked_by());
  *approval.mutable_revoked_at() = revocation.revoked_at();
  approval.set_revocation_reason(revocation.revocation_reason());
  Statement update = db_.Prepare("UPDATE approvals SET revoked = 1, body = ? WHERE id = ?");
  return update.Blob(approval.SerializeAsString()).Int(approval_id).Run();
}

}  // namespace skimwatch::store::sql
