#include "collector/store/sql/decision_rows.h"

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/store/sql/page_token.h"
#include "collector/store/sql/queries.h"
#include "collector/store/timestamp.h"
#include "proto/audit/seal.h"

namespace skimwatch::store::sql {
namespace {

// Of `id, decided_at, who, action, subject, reason`.
v1::Decision ReadDecision(const Statement& row) {
  v1::Decision decision;
  decision.set_id(row.GetUnsigned(0));
  *decision.mutable_at() = ToTimestamp(row.GetTime(1));
  decision.set_who(std::string(row.GetBytes(2)));
  decision.set_action(std::string(row.GetBytes(3)));
  decision.set_subject(std::string(row.GetBytes(4)));
  decision.set_reason(std::string(row.GetBytes(5)));
  return decision;
}

}  // namespace

absl::StatusOr<std::optional<v1::Decision>> FindDecision(Database& db, int64_t id) {
  Statement select =
      db.Prepare("SELECT id, decided_at, who, action, subject, reason FROM decisions WHERE id = ?");
  absl::StatusOr<bool> row = select.Int(id).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  return ReadDecision(select);
}

absl::StatusOr<uint64_t> AppendDecision(Database& db, v1::Decision decision) {
  uint64_t last = 0;
  std::string seal = audit::FirstSeal();
  {
    Statement select = db.Prepare("SELECT id, seal FROM decisions ORDER BY id DESC LIMIT 1");
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (*row) {
      last = select.GetUnsigned(0);
      seal = std::string(select.GetBytes(1));
    }
  }
  decision.set_id(last + 1);
  // As it is read again.
  const absl::Time at = absl::FromUnixMicros(absl::ToUnixMicros(FromTimestamp(decision.at())));
  *decision.mutable_at() = ToTimestamp(at);
  Statement insert = db.Prepare(
      "INSERT INTO decisions (id, decided_at, who, action, subject, reason, seal)"
      " VALUES (?, ?, ?, ?, ?, ?, ?)");
  insert.Unsigned(decision.id()).Time(at).Text(decision.who()).Text(decision.action());
  insert.Text(decision.subject()).Text(decision.reason());
  if (absl::Status s = insert.Blob(audit::Seal(seal, decision)).Run(); !s.ok()) return s;
  return decision.id();
}

absl::StatusOr<v1::ListDecisionsResponse> ListDecisions(Database& db,
                                                        const v1::ListDecisionsRequest& request) {
  const bool newest_first = request.newest_first();
  int64_t after = newest_first ? std::numeric_limits<int64_t>::max() : 0;
  if (!request.page_token().empty()) {
    absl::StatusOr<std::vector<int64_t>> token = ParseNumbersToken(request.page_token(), 1);
    if (!token.ok()) return token.status();
    after = token->front();
  }
  const bool one_subject = !request.subject().empty();
  const std::string_view sql =
      newest_first
          ? one_subject ? "SELECT id, decided_at, who, action, subject, reason, seal FROM decisions"
                          " WHERE id < ? AND subject = ? ORDER BY id DESC"
                        : "SELECT id, decided_at, who, action, subject, reason, seal FROM decisions"
                          " WHERE id < ? ORDER BY id DESC"
      : one_subject ? "SELECT id, decided_at, who, action, subject, reason, seal FROM decisions"
                      " WHERE id > ? AND subject = ? ORDER BY id"
                    : "SELECT id, decided_at, who, action, subject, reason, seal FROM decisions"
                      " WHERE id > ? ORDER BY id";
  Statement select = db.Scan(sql);
  select.Int(after);
  if (one_subject) select.Text(request.subject());
  const uint32_t page_size = PageSize(request.page_size());
  v1::ListDecisionsResponse response;
  size_t bytes = 0;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return response;
    if (static_cast<uint32_t>(response.decisions_size()) == page_size || bytes > kPageBytesMax) {
      response.set_next_page_token(NumbersToken({after}));
      return response;
    }
    v1::Decision& decision = *response.add_decisions();
    decision = ReadDecision(select);
    decision.set_seal(std::string(select.GetBytes(6)));
    after = static_cast<int64_t>(decision.id());
    bytes += decision.ByteSizeLong();
  }
}

}  // namespace skimwatch::store::sql
