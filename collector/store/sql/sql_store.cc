#include "collector/store/sql/sql_store.h"

#include <optional>
#include <utility>

#include "collector/store/sql/approval_rows.h"
#include "collector/store/sql/coverage_rows.h"
#include "collector/store/sql/decision_rows.h"
#include "collector/store/sql/queries.h"
#include "collector/store/sql/settings.h"
#include "collector/store/sql/sink_rows.h"
#include "collector/store/sql/timeline_rows.h"

namespace skimwatch::store::sql {

SqlStore::SqlStore(Options options) : options_(std::move(options)) {}

template <typename Query>
auto SqlStore::Read(Query query) -> decltype(query(std::declval<Database&>())) {
  std::optional<decltype(query(std::declval<Database&>()))> answer;
  absl::Status status = RunQuery([&](Database& db) {
    answer.emplace(query(db));
    return answer->status();
  });
  if (!status.ok()) return status;
  return *std::move(answer);
}

absl::StatusOr<v1::ListExposuresResponse> SqlStore::ListExposures(
    const v1::ListExposuresRequest& request) {
  return Read([&](Database& db) { return sql::ListExposures(db, request); });
}

absl::StatusOr<v1::GetExposureResponse> SqlStore::GetExposure(uint64_t id) {
  return Read([&](Database& db) { return sql::GetExposure(db, id); });
}

absl::StatusOr<v1::ListFindingsResponse> SqlStore::ListFindings(
    const v1::ListFindingsRequest& request) {
  return Read([&](Database& db) { return sql::ListFindings(db, request); });
}

absl::StatusOr<v1::ListScriptsResponse> SqlStore::ListScripts(
    const v1::ListScriptsRequest& request) {
  return Read([&](Database& db) { return sql::ListScripts(db, request); });
}

absl::StatusOr<v1::Script> SqlStore::GetScript(std::string_view site, std::string_view name) {
  return Read([&](Database& db) { return sql::GetScript(db, site, name); });
}

absl::StatusOr<v1::ListDestinationsResponse> SqlStore::ListDestinations(
    const v1::ListDestinationsRequest& request) {
  return Read([&](Database& db) { return sql::ListDestinations(db, request, options_.now()); });
}

absl::StatusOr<v1::GetDestinationResponse> SqlStore::GetDestination(std::string_view site,
                                                                    std::string_view name) {
  return Read([&](Database& db) { return sql::GetDestination(db, site, name, options_.now()); });
}

absl::StatusOr<v1::ListAgentsResponse> SqlStore::ListAgents(const v1::ListAgentsRequest& request) {
  const absl::Time silent_before = options_.now() - options_.silent_after;
  return Read([&](Database& db) { return sql::ListAgents(db, request, silent_before); });
}

absl::StatusOr<v1::ListDecisionsResponse> SqlStore::ListDecisions(
    const v1::ListDecisionsRequest& request) {
  return Read([&](Database& db) { return sql::ListDecisions(db, request); });
}

absl::StatusOr<std::vector<v1::AgentCoverage>> SqlStore::ListCoverage(absl::Time since,
                                                                      absl::Time until) {
  return Read([&](Database& db) { return sql::ListCoverage(db, since, until); });
}

absl::StatusOr<std::vector<HourOfCoverage>> SqlStore::ListCoverageHours(std::string_view agent,
                                                                        absl::Time since,
                                                                        absl::Time until) {
  return Read([&](Database& db) { return sql::ListCoverageHours(db, agent, since, until); });
}

absl::StatusOr<std::vector<v1::ExposureGrowth>> SqlStore::ListGrowth(uint64_t exposure_id) {
  return Read([&](Database& db) { return sql::ListGrowth(db, exposure_id); });
}

absl::StatusOr<std::vector<v1::Exposure>> SqlStore::ListExposuresOfWay(const ExposureKey& key) {
  return Read([&](Database& db) { return sql::ListExposuresOfWay(db, key); });
}

absl::StatusOr<v1::CheckCardResponse> SqlStore::CheckCard(const v1::CheckCardRequest& request) {
  return Read([&](Database& db) { return sql::CheckCard(db, request); });
}

absl::StatusOr<uint64_t> SqlStore::CommittedSequence(std::string_view agent, uint64_t epoch) {
  return Read([&](Database& db) { return sql::CommittedSequence(db, agent, epoch); });
}

absl::StatusOr<v1::Policy> SqlStore::ScriptPolicy(const std::vector<std::string>& sites) {
  return Read([&](Database& db) { return sql::ScriptPolicy(db, sites, options_.now()); });
}

absl::StatusOr<absl::Time> SqlStore::NextApprovalEnd() {
  return Read([&](Database& db) { return sql::NextApprovalEnd(db); });
}

absl::StatusOr<v1::ListPublishersResponse> SqlStore::ListPublishers() {
  return Read([&](Database& db) { return sql::ListPublishers(db); });
}

absl::StatusOr<std::vector<v1::ApprovedDestination>> SqlStore::ApprovedDestinations(
    const std::vector<std::string>& sites) {
  return Read([&](Database& db) { return sql::ApprovedDestinations(db, sites, options_.now()); });
}

absl::StatusOr<uint64_t> SqlStore::PolicyVersion() {
  return Read([&](Database& db) { return GetNumber(db, kPolicyVersion); });
}

absl::StatusOr<Changes> SqlStore::ReadChanges(const std::vector<CommitPosition>& after,
                                              size_t findings_max) {
  return Read([&](Database& db) { return sql::ReadChanges(db, after, findings_max); });
}

absl::StatusOr<std::vector<ExposureRevision>> SqlStore::ReadExposureRevisions(
    std::string_view sink, const std::vector<uint64_t>& ids) {
  return Read([&](Database& db) { return sql::ReadExposureRevisions(db, sink, ids); });
}

absl::StatusOr<std::vector<uint64_t>> SqlStore::ListDueExposures(std::string_view sink,
                                                                 absl::Time now,
                                                                 size_t exposures_max) {
  return Read([&](Database& db) { return sql::ListDueExposures(db, sink, now, exposures_max); });
}

absl::StatusOr<SinkState> SqlStore::ReadSink(std::string_view name) {
  return Read([&](Database& db) { return sql::ReadSink(db, name); });
}

absl::StatusOr<Summary> SqlStore::Summarize() {
  return Read(
      [&](Database& db) { return sql::Summarize(db, options_.now(), options_.approval_warning); });
}

StoreErrors SqlStore::Errors() const {
  return {.open = errors_.open,
          .read = errors_.read,
          .write = errors_.write,
          .checkpoint = errors_.checkpoint,
          .retention = errors_.retention};
}

void SqlStore::CountUnlessRefused(const absl::Status& status, std::atomic<uint64_t>& counter) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kInternal:
      ++counter;
      break;
    default:
      break;
  }
}

}  // namespace skimwatch::store::sql
