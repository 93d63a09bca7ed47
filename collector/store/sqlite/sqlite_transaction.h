#ifndef SKIMWATCH_COLLECTOR_STORE_SQLITE_SQLITE_TRANSACTION_H_
#define SKIMWATCH_COLLECTOR_STORE_SQLITE_SQLITE_TRANSACTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/sqlite/database.h"
#include "collector/store/transaction.h"

namespace skimwatch::store::sqlite {

// One write transaction on a connection. The ids of rows that it looks up or creates are kept for
// its own time only: a rollback would make them wrong.
class SqliteTransaction : public Transaction {
 public:
  explicit SqliteTransaction(Database* database) : db_(*database) {}

  // Writes what was added up in memory. Call once, before COMMIT.
  absl::Status Flush();

  absl::StatusOr<uint64_t> CommittedSequence(std::string_view agent, uint64_t epoch) override;
  absl::Status AdvanceCommittedSequence(std::string_view agent, uint64_t epoch,
                                        uint64_t sequence) override;
  absl::Status RecordLost(std::string_view agent, uint64_t epoch, uint64_t first_sequence,
                          uint64_t last_sequence, std::string_view reason, absl::Time at) override;
  absl::Status InsertFinding(const v1::StoredFinding& stored, v1::FindingKind kind) override;

  absl::StatusOr<std::optional<v1::Exposure>> FindOpenExposure(const ExposureKey& key) override;
  absl::StatusOr<std::optional<v1::Exposure>> FindLastClosedExposure(
      const ExposureKey& key) override;
  absl::StatusOr<std::vector<v1::Exposure>> FindOpenExposures(std::string_view site,
                                                              v1::FindingKind kind,
                                                              std::string_view channel) override;
  absl::StatusOr<std::vector<v1::Exposure>> FindQuietExposures(
      const std::vector<v1::FindingKind>& kinds, absl::Time cutoff,
      uint32_t exposures_max) override;
  absl::StatusOr<v1::Exposure> GetExposure(uint64_t id) override;
  absl::StatusOr<uint64_t> InsertExposure(const v1::Exposure& exposure, absl::Time at) override;
  absl::Status UpdateExposure(const v1::Exposure& exposure, absl::Time at) override;
  absl::StatusOr<bool> AddSighting(const Sighting& sighting) override;

  absl::StatusOr<std::optional<v1::Script>> FindScript(std::string_view site,
                                                       std::string_view name) override;
  absl::Status PutScript(const v1::Script& script) override;
  absl::StatusOr<std::optional<v1::ScriptRecord>> FindScriptVersion(
      std::string_view site, std::string_view name, std::string_view sha256) override;
  absl::Status PutScriptVersion(std::string_view site, std::string_view name,
                                const v1::ScriptRecord& record) override;
  absl::Status SetServedVersion(std::string_view site, std::string_view name,
                                const ServedVersion& served) override;
  absl::StatusOr<std::vector<ServedVersion>> ServedVersions(std::string_view site,
                                                            std::string_view name) override;
  absl::StatusOr<std::vector<std::string>> ApprovedVersions(std::string_view site,
                                                            std::string_view name) override;
  absl::StatusOr<bool> EverApproved(std::string_view site, std::string_view name) override;
  absl::Status InsertApproval(std::string_view site, std::string_view name, std::string_view sha256,
                              const v1::ScriptApproval& approval) override;
  absl::Status RevokeApproval(std::string_view site, std::string_view name, std::string_view sha256,
                              const v1::ScriptApproval& revocation) override;
  absl::StatusOr<std::optional<v1::Destination>> FindDestination(std::string_view site,
                                                                 std::string_view name,
                                                                 std::string_view process) override;
  absl::Status PutDestination(const v1::Destination& destination) override;
  absl::StatusOr<std::vector<v1::Destination>> Destinations(std::string_view site) override;
  absl::StatusOr<std::vector<StoredDestinationApproval>> DestinationApprovals(
      std::string_view site) override;
  absl::Status InsertDestinationApproval(const v1::DestinationApproval& approval) override;
  absl::Status RevokeDestinationApproval(const StoredDestinationApproval& revoked) override;
  absl::StatusOr<uint64_t> AdvancePolicyVersion() override;

  absl::StatusOr<std::optional<v1::Agent>> FindAgent(std::string_view identity) override;
  absl::Status PutAgent(const v1::Agent& agent) override;
  absl::Status DisconnectAllAgents() override;
  absl::Status AddCoverage(const v1::AgentCoverage& more, absl::Time at) override;
  absl::Status RecordDecision(const Decision& decision) override;
  absl::StatusOr<std::string> GetSetting(std::string_view name) override;
  absl::Status PutSetting(std::string_view name, std::string_view value) override;

 private:
  struct Stream {
    int64_t id = 0;
    int64_t agent_id = 0;
    uint64_t committed_sequence = 0;
  };

  absl::StatusOr<int64_t> AgentId(std::string_view identity);
  // Created where there is none.
  absl::StatusOr<Stream*> FindStream(std::string_view agent, uint64_t epoch);
  absl::StatusOr<int64_t> WayId(const ExposureKey& way, bool expected);
  // NOT_FOUND when there is none.
  absl::StatusOr<int64_t> ScriptId(std::string_view site, std::string_view name);
  absl::StatusOr<std::vector<v1::Exposure>> ReadExposures(Statement& select);
  absl::StatusOr<std::optional<v1::Exposure>> ReadExposure(Statement& select);

  Database& db_;
  absl::flat_hash_map<std::string, int64_t> agent_ids_;
  absl::flat_hash_map<std::pair<std::string, uint64_t>, Stream> streams_;
  absl::flat_hash_map<std::pair<ExposureKey, bool>, int64_t> way_ids_;
  // Added up over the transaction: (site, kind, severity, confidence), and findings by agent.
  absl::flat_hash_map<std::tuple<std::string, int, int, int>, uint64_t> totals_;
  absl::flat_hash_map<int64_t, uint64_t> findings_by_agent_;
};

// Reads a message from a column. DATA_LOSS, naming `what`, when the bytes are not one.
absl::Status ParseBody(std::string_view body, std::string_view what,
                       google::protobuf::MessageLite& message);

}  // namespace skimwatch::store::sqlite

#endif  // SKIMWATCH_COLLECTOR_STORE_SQLITE_SQLITE_TRANSACTION_H_
