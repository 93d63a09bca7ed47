#ifndef SKIMWATCH_COLLECTOR_STORE_STORE_H_
#define SKIMWATCH_COLLECTOR_STORE_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/sink.h"
#include "collector/store/transaction.h"
#include "skimwatch/config/v1/collector.pb.h"
#include "skimwatch/v1/agent.pb.h"
#include "skimwatch/v1/query_service.pb.h"
#include "skimwatch/v1/report.pb.h"

namespace skimwatch::store {

// What the metrics need, read in one go.
struct Summary {
  struct FindingTotal {
    std::string site;
    v1::FindingKind kind;
    v1::Severity severity;
    v1::Confidence confidence;
    // Stored since the store was created; retention does not lower it.
    uint64_t findings = 0;
  };
  struct OpenExposures {
    std::string site;
    v1::FindingKind kind;
    v1::Severity severity;
    uint64_t exposures = 0;
    // Sum over the exposures: a card that leaves two ways counts twice.
    uint64_t distinct_cards = 0;
    absl::Time oldest_first_seen;
    // Sum over the exposures, each occurrence weighed by its sampling.
    double estimated_occurrences = 0;
    // Some of it was sampled.
    bool sampled = false;
  };
  struct Scripts {
    std::string site;
    v1::Script::State state;
    uint64_t scripts = 0;
  };
  // Approvals of versions that are served, and profiles, that end within Options::approval_warning.
  struct EndingApprovals {
    std::string site;
    uint64_t approvals = 0;
  };
  struct Destinations {
    std::string site;
    v1::Destination::State state;
    uint64_t destinations = 0;
  };
  std::vector<FindingTotal> finding_totals;
  std::vector<OpenExposures> open_exposures;
  std::vector<Scripts> scripts;
  std::vector<EndingApprovals> ending_approvals;
  std::vector<Destinations> destinations;
  // Findings that agents declared lost, since the store was created.
  uint64_t lost_findings = 0;
};

// What one agent looked at in one hour.
struct HourOfCoverage {
  absl::Time start;
  v1::AgentCoverage coverage;
};

// Errors since start, by what was being done.
struct StoreErrors {
  uint64_t open = 0;
  uint64_t read = 0;
  uint64_t write = 0;
  uint64_t checkpoint = 0;
  uint64_t retention = 0;
};

// Everything the collector keeps: findings, exposures, card sightings, scripts and
// destinations with their approvals, agents and decisions. One interface; a SQLite file behind it
// (OpenSqliteStore), or a PostgreSQL database that several collectors may share
// (OpenPostgresStore).
//
// Thread-safe. There is one writer at a time: Write() waits its turn and runs its function on the
// caller's thread. Writers of other collectors that share the database do not wait for it, except
// where they touch the same agent or the same exposure. Reads run on connections of their own,
// beside the writer and beside each other, and see what was committed when they began. Never call a
// read or Write() from inside a Write() function: read through the Transaction there.
//
// The reads take the requests of the query service and answer its responses, so that the API adds
// nothing but who may ask. Pages: `page_size` 0 means 100, above 1000 means 1000. A page may be
// shorter than asked for, even empty, and have a successor all the same, because a read looks at a
// bounded number of rows; the end is an empty `next_page_token`.
//
// Errors of all methods:
//   INVALID_ARGUMENT   a page token that this store did not make, or a bad request field
//   NOT_FOUND          no such exposure, script ...
//   RESOURCE_EXHAUSTED disk or file-size limit reached; nothing was changed; try again later
//   UNAVAILABLE        an input/output error, a lock, or a database that can't be reached; nothing
//                      was changed, or all of it was and only the answer is missing; try again
//                      later
//   DATA_LOSS          the store's file, or data of the database, is damaged
class Store {
 public:
  virtual ~Store() = default;

  // Runs `work` in one transaction and commits it when it returns OK, else rolls it back and
  // returns its error. When Write returns OK, the transaction survives a power loss. A store that
  // others write to as well may roll back a run and call `work` again from its beginning: only what
  // the last run found counts.
  virtual absl::Status Write(absl::FunctionRef<absl::Status(Transaction&)> work) = 0;

  // Newest (highest id) first.
  virtual absl::StatusOr<v1::ListExposuresResponse> ListExposures(
      const v1::ListExposuresRequest& request) = 0;
  // With its newest findings, at most 100.
  virtual absl::StatusOr<v1::GetExposureResponse> GetExposure(uint64_t id) = 0;
  // Newest first, by the time of storing.
  virtual absl::StatusOr<v1::ListFindingsResponse> ListFindings(
      const v1::ListFindingsRequest& request) = 0;
  // By site and name, without history.
  virtual absl::StatusOr<v1::ListScriptsResponse> ListScripts(
      const v1::ListScriptsRequest& request) = 0;
  // With the newest 100 versions and the latest approval of each, who serves it, and the profile.
  virtual absl::StatusOr<v1::Script> GetScript(std::string_view site, std::string_view name) = 0;
  // By site, name and process. States and approvals are as of now.
  virtual absl::StatusOr<v1::ListDestinationsResponse> ListDestinations(
      const v1::ListDestinationsRequest& request) = 0;
  // All processes that send there, at most 1000, and the newest 1000 approvals, revoked or not,
  // that cover any of them.
  virtual absl::StatusOr<v1::GetDestinationResponse> GetDestination(std::string_view site,
                                                                    std::string_view name) = 0;
  // By identity. `state` is as of now: CONNECTED becomes SILENT when nothing was heard for
  // `Options::silent_after`.
  virtual absl::StatusOr<v1::ListAgentsResponse> ListAgents(
      const v1::ListAgentsRequest& request) = 0;
  // Oldest first, or newest first where asked.
  virtual absl::StatusOr<v1::ListDecisionsResponse> ListDecisions(
      const v1::ListDecisionsRequest& request) = 0;
  // What each agent looked at from the hour of `since` to that of `until`, by identity; agents of
  // which nothing was heard meanwhile are not there.
  virtual absl::StatusOr<std::vector<v1::AgentCoverage>> ListCoverage(absl::Time since,
                                                                      absl::Time until) = 0;
  // The same of one agent for each hour in which anything was heard of it, oldest first.
  virtual absl::StatusOr<std::vector<HourOfCoverage>> ListCoverageHours(std::string_view agent,
                                                                        absl::Time since,
                                                                        absl::Time until) = 0;
  // What left through an exposure in each hour in which anything did, oldest first, at most the
  // newest 20000.
  virtual absl::StatusOr<std::vector<v1::ExposureGrowth>> ListGrowth(uint64_t exposure_id) = 0;
  // Exposures of one way out, open or closed, newest first, at most 100.
  virtual absl::StatusOr<std::vector<v1::Exposure>> ListExposuresOfWay(const ExposureKey& key) = 0;
  // Sightings of any of the fingerprints, newest first, at most 1000.
  virtual absl::StatusOr<v1::CheckCardResponse> CheckCard(const v1::CheckCardRequest& request) = 0;

  // Highest committed sequence of an agent's epoch, 0 for none. May be told to the agent: it is as
  // durable as what Write returned OK for.
  virtual absl::StatusOr<uint64_t> CommittedSequence(std::string_view agent, uint64_t epoch) = 0;
  // What a policy says of the named sites' scripts (all sites when empty), as of now: approved and
  // expired versions, profiles, published scripts and asked behaviours; nothing else is set.
  virtual absl::StatusOr<v1::Policy> ScriptPolicy(const std::vector<std::string>& sites) = 0;
  // When the next approval or profile ends that was not noted as expired; InfiniteFuture for none.
  virtual absl::StatusOr<absl::Time> NextApprovalEnd() = 0;
  // What of the publishers' lists is in force, by id.
  virtual absl::StatusOr<v1::ListPublishersResponse> ListPublishers() = 0;
  // Approvals of the named sites' destinations that are in force; all sites when empty.
  virtual absl::StatusOr<std::vector<v1::ApprovedDestination>> ApprovedDestinations(
      const std::vector<std::string>& sites) = 0;
  virtual absl::StatusOr<uint64_t> PolicyVersion() = 0;

  // What was committed after `after`, at most `findings_max` findings; collectors that it does not
  // name are read from their first commit that is still there. See sink.h.
  virtual absl::StatusOr<Changes> ReadChanges(const std::vector<CommitPosition>& after,
                                              size_t findings_max) = 0;
  // Exposures beside what a sink has of them; those that are not there are left out.
  virtual absl::StatusOr<std::vector<ExposureRevision>> ReadExposureRevisions(
      std::string_view sink, const std::vector<uint64_t>& ids) = 0;
  // Exposures that a sink is to look at by `now`, at most `exposures_max`.
  virtual absl::StatusOr<std::vector<uint64_t>> ListDueExposures(std::string_view sink,
                                                                 absl::Time now,
                                                                 size_t exposures_max) = 0;
  virtual absl::StatusOr<SinkState> ReadSink(std::string_view name) = 0;

  virtual absl::StatusOr<Summary> Summarize() = 0;
  // Bytes of the store's files.
  virtual uint64_t SizeBytes() = 0;
  virtual StoreErrors Errors() const = 0;

  // Deletes findings stored before `cutoff`, at most `findings_max` of them in one short
  // transaction, and returns how many; fewer than `findings_max` means that none are left. Each
  // call also deletes the oldest hour of coverage before it, and commits whose findings are gone.
  // PostgreSQL drops whole days (of UTC) that end before `cutoff`, all of them and without counting
  // them: it returns 0.
  virtual absl::StatusOr<uint64_t> DeleteFindingsBefore(absl::Time cutoff,
                                                        uint64_t findings_max) = 0;
};

struct Options {
  config::v1::Store config;
  // An agent that was not heard of for this long is silent.
  absl::Duration silent_after = absl::Seconds(30);
  // Approvals that end within it are pointed out.
  absl::Duration approval_warning = absl::Hours(24 * 14);
  // Wall clock for agents' states.
  std::function<absl::Time()> now = absl::Now;
  // Bound of the store's file in bytes, 0 for none; RESOURCE_EXHAUSTED beyond it.
  uint64_t bytes_max = 0;
  // Tells this collector from the others that share a database; the same after a restart.
  std::string collector;
};

// Opens the SQLite file, creating it (mode 0600) and its schema where there is none.
// FAILED_PRECONDITION: the file is of a newer schema, or not a Skimwatch store.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(Options options);

// Connects to the database and makes or updates its tables; see docs/postgresql.md.
// INVALID_ARGUMENT: a connection string that libpq can't read or that is not safe (see
// postgres/conninfo.h). FAILED_PRECONDITION: a newer schema, or not Skimwatch's tables.
absl::StatusOr<std::unique_ptr<Store>> OpenPostgresStore(Options options);

// The one of them that `options.config` names.
absl::StatusOr<std::unique_ptr<Store>> OpenStore(Options options);

// Checks a connection string without connecting.
absl::Status CheckPostgresConfig(const config::v1::PostgresStore& config);

}  // namespace skimwatch::store

#endif  // SKIMWATCH_COLLECTOR_STORE_STORE_H_
