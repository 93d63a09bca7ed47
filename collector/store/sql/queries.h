#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_QUERIES_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_QUERIES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/sql/database.h"
#include "collector/store/store.h"

namespace skimwatch::store::sql {

// The reads of store.h on one connection, which the caller guards and has begun a transaction on.

inline constexpr uint32_t kPageSizeDefault = 100;
inline constexpr uint32_t kPageSizeMax = 1000;
// A page stops at this many bytes of rows, so that an answer stays below gRPC's 4 MiB.
inline constexpr size_t kPageBytesMax = size_t{2} << 20;
// A page stops after this many rows were looked at, so that a read does not hold its snapshot long.
inline constexpr uint32_t kRowsExaminedMax = 100'000;

// A sum that was added up as a double, bounded by what counts hold.
uint64_t ToCount(double sum);
// How many rows a page has that was asked to have `asked`.
uint32_t PageSize(uint32_t asked);

absl::StatusOr<v1::ListExposuresResponse> ListExposures(Database& db,
                                                        const v1::ListExposuresRequest& request);
absl::StatusOr<v1::GetExposureResponse> GetExposure(Database& db, uint64_t id);
absl::StatusOr<v1::ListFindingsResponse> ListFindings(Database& db,
                                                      const v1::ListFindingsRequest& request);
absl::StatusOr<v1::ListScriptsResponse> ListScripts(Database& db,
                                                    const v1::ListScriptsRequest& request);
absl::StatusOr<v1::Script> GetScript(Database& db, std::string_view site, std::string_view name);
// Agents that were not heard of since `silent_before` are silent.
absl::StatusOr<v1::ListAgentsResponse> ListAgents(Database& db,
                                                  const v1::ListAgentsRequest& request,
                                                  absl::Time silent_before);
absl::StatusOr<v1::CheckCardResponse> CheckCard(Database& db, const v1::CheckCardRequest& request);
absl::StatusOr<uint64_t> CommittedSequence(Database& db, std::string_view agent, uint64_t epoch);
absl::StatusOr<v1::ListDestinationsResponse> ListDestinations(
    Database& db, const v1::ListDestinationsRequest& request, absl::Time now);
absl::StatusOr<v1::GetDestinationResponse> GetDestination(Database& db, std::string_view site,
                                                          std::string_view name, absl::Time now);
absl::StatusOr<std::vector<v1::ApprovedDestination>> ApprovedDestinations(
    Database& db, const std::vector<std::string>& sites, absl::Time now);
// By site and state.
absl::StatusOr<std::vector<Summary::Destinations>> CountDestinations(Database& db, absl::Time now);
absl::StatusOr<Summary> Summarize(Database& db, absl::Time now, absl::Duration approval_warning);

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_QUERIES_H_
