#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_SQL_STORE_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_SQL_STORE_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/sql/database.h"
#include "collector/store/store.h"

namespace skimwatch::store::sql {

// The reads of a store, on connections that the store of a database has.
class SqlStore : public Store {
 public:
  explicit SqlStore(Options options);

  absl::StatusOr<v1::ListExposuresResponse> ListExposures(
      const v1::ListExposuresRequest& request) override;
  absl::StatusOr<v1::GetExposureResponse> GetExposure(uint64_t id) override;
  absl::StatusOr<v1::ListFindingsResponse> ListFindings(
      const v1::ListFindingsRequest& request) override;
  absl::StatusOr<v1::ListScriptsResponse> ListScripts(
      const v1::ListScriptsRequest& request) override;
  absl::StatusOr<v1::Script> GetScript(std::string_view site, std::string_view name) override;
  absl::StatusOr<v1::ListDestinationsResponse> ListDestinations(
      const v1::ListDestinationsRequest& request) override;
  absl::StatusOr<v1::GetDestinationResponse> GetDestination(std::string_view site,
                                                            std::string_view name) override;
  absl::StatusOr<v1::ListAgentsResponse> ListAgents(const v1::ListAgentsRequest& request) override;
  absl::StatusOr<v1::ListDecisionsResponse> ListDecisions(
      const v1::ListDecisionsRequest& request) override;
  absl::StatusOr<std::vector<v1::AgentCoverage>> ListCoverage(absl::Time since,
                                                              absl::Time until) override;
  absl::StatusOr<std::vector<HourOfCoverage>> ListCoverageHours(std::string_view agent,
                                                                absl::Time since,
                                                                absl::Time until) override;
  absl::StatusOr<std::vector<v1::ExposureGrowth>> ListGrowth(uint64_t exposure_id) override;
  absl::StatusOr<std::vector<v1::Exposure>> ListExposuresOfWay(const ExposureKey& key) override;
  absl::StatusOr<v1::CheckCardResponse> CheckCard(const v1::CheckCardRequest& request) override;
  absl::StatusOr<uint64_t> CommittedSequence(std::string_view agent, uint64_t epoch) override;
  absl::StatusOr<v1::Policy> ScriptPolicy(const std::vector<std::string>& sites) override;
  absl::StatusOr<absl::Time> NextApprovalEnd() override;
  absl::StatusOr<v1::ListPublishersResponse> ListPublishers() override;
  absl::StatusOr<std::vector<v1::ApprovedDestination>> ApprovedDestinations(
      const std::vector<std::string>& sites) override;
  absl::StatusOr<uint64_t> PolicyVersion() override;
  absl::StatusOr<Changes> ReadChanges(const std::vector<CommitPosition>& after,
                                      size_t findings_max) override;
  absl::StatusOr<std::vector<ExposureRevision>> ReadExposureRevisions(
      std::string_view sink, const std::vector<uint64_t>& ids) override;
  absl::StatusOr<std::vector<uint64_t>> ListDueExposures(std::string_view sink, absl::Time now,
                                                         size_t exposures_max) override;
  absl::StatusOr<SinkState> ReadSink(std::string_view name) override;
  absl::StatusOr<Summary> Summarize() override;
  StoreErrors Errors() const override;

 protected:
  // Counts, by what was being done.
  struct ErrorCounters {
    std::atomic<uint64_t> open = 0;
    std::atomic<uint64_t> read = 0;
    std::atomic<uint64_t> write = 0;
    std::atomic<uint64_t> checkpoint = 0;
    std::atomic<uint64_t> retention = 0;
  };

  // Runs `query` on a connection that nobody else uses meanwhile, on one snapshot, and returns its
  // status or why there is no such connection.
  virtual absl::Status RunQuery(absl::FunctionRef<absl::Status(Database&)> query) = 0;

  const Options& options() const { return options_; }
  ErrorCounters& errors() { return errors_; }
  // Counts a status of the store itself, not an answer such as NOT_FOUND.
  static void CountUnlessRefused(const absl::Status& status, std::atomic<uint64_t>& counter);

 private:
  template <typename Query>
  auto Read(Query query) -> decltype(query(std::declval<Database&>()));

  const Options options_;
  ErrorCounters errors_;
};

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_SQL_STORE_H_
