#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "collector/store/destination_state.h"
#include "collector/store/sql/page_token.h"
#include "collector/store/sql/queries.h"
#include "collector/store/sql/sql_transaction.h"
#include "collector/store/timestamp.h"

namespace skimwatch::store::sql {
namespace {

constexpr int kRowsShownMax = 1000;

// Approvals that are not revoked, of one site or, where it is empty, of all.
absl::StatusOr<std::vector<StoredDestinationApproval>> ReadApprovals(Database& db,
                                                                     std::string_view site) {
  Statement select =
      site.empty()
          ? db.Prepare("SELECT id, body FROM destination_approvals WHERE revoked = 0 ORDER BY id")
          : db.Prepare(
                "SELECT id, body FROM destination_approvals WHERE site = ? AND revoked = 0"
                " ORDER BY id");
  if (!site.empty()) select.Text(site);
  std::vector<StoredDestinationApproval> approvals;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return approvals;
    StoredDestinationApproval& approval = approvals.emplace_back();
    approval.id = select.GetInt(0);
    absl::Status s = ParseBody(select.GetBytes(1), "destination approval", approval.approval);
    if (!s.ok()) return s;
  }
}

absl::StatusOr<DestinationStates> ReadStates(Database& db, std::string_view site, absl::Time now) {
  absl::StatusOr<std::vector<StoredDestinationApproval>> approvals = ReadApprovals(db, site);
  if (!approvals.ok()) return approvals.status();
  DestinationStates states(now);
  for (const StoredDestinationApproval& stored : *approvals) {
    if (absl::Status s = states.Add(stored.approval); !s.ok()) return s;
  }
  return states;
}

absl::StatusOr<std::vector<v1::Destination>> ReadDestinations(Statement& select) {
  std::vector<v1::Destination> destinations;
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return destinations;
    absl::Status s = ParseBody(select.GetBytes(0), "destination", destinations.emplace_back());
    if (!s.ok()) return s;
  }
}

}  // namespace

absl::StatusOr<std::optional<v1::Destination>> SqlTransaction::FindDestination(
    std::string_view site, std::string_view name, std::string_view process) {
  if (absl::Status s = ClaimDestinations(site); !s.ok()) return s;
  Statement select =
      db_.Prepare("SELECT body FROM destinations WHERE site = ? AND name = ? AND process = ?");
  select.Text(site).Text(name).Text(process);
  absl::StatusOr<std::vector<v1::Destination>> found = ReadDestinations(select);
  if (!found.ok()) return found.status();
  if (found->empty()) return std::nullopt;
  return std::move(found->front());
}

absl::Status SqlTransaction::PutDestination(const v1::Destination& destination) {
  if (absl::Status s = ClaimDestinations(destination.site()); !s.ok()) return s;
  v1::Destination body = destination;
  body.clear_state();
  body.clear_approval();
  Statement put = db_.Prepare(
      "INSERT INTO destinations (site, name, process, body) VALUES (?, ?, ?, ?)"
      " ON CONFLICT (site, name, process) DO UPDATE SET body = excluded.body");
  put.Text(body.site()).Text(body.name()).Text(body.process());
  return put.Blob(body.SerializeAsString()).Run();
}

absl::StatusOr<std::vector<v1::Destination>> SqlTransaction::Destinations(std::string_view site) {
  if (absl::Status s = ClaimDestinations(site); !s.ok()) return s;
  Statement select =
      db_.Prepare("SELECT body FROM destinations WHERE site = ? ORDER BY name, process");
  select.Text(site);
  return ReadDestinations(select);
}

absl::StatusOr<std::vector<StoredDestinationApproval>> SqlTransaction::DestinationApprovals(
    std::string_view site) {
  if (absl::Status s = ClaimDestinations(site); !s.ok()) return s;
  return ReadApprovals(db_, site);
}

absl::Status SqlTransaction::InsertDestinationApproval(const v1::DestinationApproval& approval) {
  if (absl::Status s = ClaimDestinations(approval.site()); !s.ok()) return s;
  Statement insert =
      db_.Prepare("INSERT INTO destination_approvals (site, revoked, body) VALUES (?, 0, ?)");
  return insert.Text(approval.site()).Blob(approval.SerializeAsString()).Run();
}

absl::Status SqlTransaction::RevokeDestinationApproval(const StoredDestinationApproval& revoked) {
  if (absl::Status s = ClaimDestinations(revoked.approval.site()); !s.ok()) return s;
  Statement update =
      db_.Prepare("UPDATE destination_approvals SET revoked = 1, body = ? WHERE id = ?");
  return update.Blob(revoked.approval.SerializeAsString()).Int(revoked.id).Run();
}

absl::StatusOr<v1::ListDestinationsResponse> ListDestinations(
    Database& db, const v1::ListDestinationsRequest& request, absl::Time now) {
  // The last one's site, name and process, with zero bytes between.
  std::vector<std::string> after = {"", "", ""};
  if (!request.page_token().empty()) {
    absl::StatusOr<std::string> token = ParseTextToken(request.page_token());
    if (!token.ok()) return token.status();
    after = absl::StrSplit(*token, '\0');
    if (after.size() != 3) return ParseTextToken("x").status();
  }
  absl::StatusOr<DestinationStates> states = ReadStates(db, request.site(), now);
  if (!states.ok()) return states.status();
  const bool one_site = !request.site().empty();
  Statement select =
      one_site ? db.Scan(
                     "SELECT site, name, process, body FROM destinations"
                     " WHERE site = ? AND (name, process) > (?, ?) ORDER BY name, process")
               : db.Scan(
                     "SELECT site, name, process, body FROM destinations"
                     " WHERE (site, name, process) > (?, ?, ?) ORDER BY site, name, process");
  select.Text(one_site ? request.site() : after[0]).Text(after[1]).Text(after[2]);
  const uint32_t page_size =
      request.page_size() == 0 ? kPageSizeDefault : std::min(request.page_size(), kPageSizeMax);
  v1::ListDestinationsResponse response;
  size_t bytes = 0;
  for (uint32_t examined = 0;; ++examined) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return response;
    if (static_cast<uint32_t>(response.destinations_size()) == page_size || bytes > kPageBytesMax ||
        examined == kRowsExaminedMax) {
      response.set_next_page_token(TextToken(after[0] + '\0' + after[1] + '\0' + after[2]));
      return response;
    }
    for (int i = 0; i < 3; ++i) after[static_cast<size_t>(i)] = select.GetBytes(i);
    v1::Destination destination;
    absl::Status s = ParseBody(select.GetBytes(3), "destination", destination);
    if (!s.ok()) return s;
    states->Fill(destination);
    if (request.state() != v1::Destination::STATE_UNSPECIFIED &&
        request.state() != destination.state()) {
      continue;
    }
    bytes += select.GetBytes(3).size();
    *response.add_destinations() = std::move(destination);
  }
}

absl::StatusOr<v1::GetDestinationResponse> GetDestination(Database& db, std::string_view site,
                                                          std::string_view name, absl::Time now) {
  v1::GetDestinationResponse response;
  absl::StatusOr<DestinationStates> states = ReadStates(db, site, now);
  if (!states.ok()) return states.status();
  {
    Statement select = db.Prepare(
        "SELECT body FROM destinations WHERE site = ? AND name = ? ORDER BY process LIMIT ?");
    select.Text(site).Text(name).Int(kRowsShownMax);
    absl::StatusOr<std::vector<v1::Destination>> found = ReadDestinations(select);
    if (!found.ok()) return found.status();
    for (v1::Destination& destination : *found) {
      states->Fill(destination);
      *response.add_destinations() = std::move(destination);
    }
  }
  if (response.destinations().empty()) {
    return absl::NotFoundError(absl::StrCat("site '", std::string(site), "' has no destination '",
                                            std::string(name), "'"));
  }
  Statement select =
      db.Scan("SELECT body FROM destination_approvals WHERE site = ? ORDER BY id DESC");
  select.Text(site);
  while (response.approvals_size() < kRowsShownMax) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    v1::DestinationApproval approval;
    absl::Status s = ParseBody(select.GetBytes(0), "destination approval", approval);
    if (!s.ok()) return s;
    DestinationStates one(absl::InfinitePast());
    if (s = one.Add(approval); !s.ok()) return s;
    const bool covers = std::any_of(
        response.destinations().begin(), response.destinations().end(),
        [&](const v1::Destination& destination) { return one.Find(destination) != nullptr; });
    if (covers) *response.add_approvals() = std::move(approval);
  }
  return response;
}

absl::StatusOr<std::vector<v1::ApprovedDestination>> ApprovedDestinations(
    Database& db, const std::vector<std::string>& sites, absl::Time now) {
  absl::StatusOr<std::vector<StoredDestinationApproval>> approvals = ReadApprovals(db, "");
  if (!approvals.ok()) return approvals.status();
  std::vector<v1::ApprovedDestination> approved;
  for (const StoredDestinationApproval& stored : *approvals) {
    const v1::DestinationApproval& approval = stored.approval;
    if (EndOf(approval) <= now) continue;
    if (!sites.empty() && std::find(sites.begin(), sites.end(), approval.site()) == sites.end()) {
      continue;
    }
    v1::ApprovedDestination& one = approved.emplace_back();
    one.set_site(approval.site());
    one.set_pattern(approval.pattern());
    one.set_process(approval.process());
    if (approval.has_expires_at()) *one.mutable_expires_at() = approval.expires_at();
  }
  return approved;
}

absl::StatusOr<std::vector<Summary::Destinations>> CountDestinations(Database& db, absl::Time now) {
  absl::StatusOr<DestinationStates> states = ReadStates(db, "", now);
  if (!states.ok()) return states.status();
  std::map<std::pair<std::string, v1::Destination::State>, uint64_t> counts;
  Statement select = db.Scan("SELECT body FROM destinations");
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    v1::Destination destination;
    absl::Status s = ParseBody(select.GetBytes(0), "destination", destination);
    if (!s.ok()) return s;
    states->Fill(destination);
    ++counts[{destination.site(), destination.state()}];
  }
  std::vector<Summary::Destinations> summary;
  for (const auto& [key, count] : counts) {
    summary.push_back({.site = key.first, .state = key.second, .destinations = count});
  }
  return summary;
}

}  // namespace skimwatch::store::sql
