#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_SQL_TRANSACTION_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_SQL_TRANSACTION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/sql/database.h"
#include "collector/store/transaction.h"

namespace skimwatch::store::sql {

// One write transaction on a connection, of which there is one at a time unless Claim is
// overridden. The ids of rows that it looks up or creates are kept for its own time only: a
// rollback would make them wrong.
class SqlTransaction : public Transaction {
 public:
  // Bound of what a sighting counts, below what 64 bits hold.
  static constexpr uint64_t kOccurrencesMax = 9'000'000'000'000'000'000;

  explicit SqlTransaction(Database* database) : db_(*database) {}

  // Writes what was added up in memory. Call once, before COMMIT.
  virtual absl::Status Flush();

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
  absl::Status AddGrowth(uint64_t exposure_id, const v1::ExposureGrowth& more) override;
  absl::StatusOr<std::vector<bool>> AddSightings(const std::vector<Sighting>& sightings) override;

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
  absl::StatusOr<std::vector<StoredScriptApproval>> ScriptApprovals(std::string_view site,
                                                                    std::string_view name) override;
  absl::StatusOr<std::vector<StoredScriptApproval>> ApprovalsOfPublisher(
      std::string_view publisher) override;
  absl::StatusOr<std::vector<StoredScriptApproval>> OverdueApprovals(
      absl::Time now, uint32_t approvals_max) override;
  absl::StatusOr<bool> EverApproved(std::string_view site, std::string_view name) override;
  absl::Status InsertApproval(std::string_view site, std::string_view name, std::string_view sha256,
                              const v1::ScriptApproval& approval) override;
  absl::Status RevokeApproval(std::string_view site, std::string_view name, std::string_view sha256,
                              const v1::ScriptApproval& revocation) override;
  absl::Status EndApproval(const StoredScriptApproval& ended, ApprovalEnd why) override;
  absl::StatusOr<std::optional<v1::ScriptProfile>> FindScriptProfile(
      std::string_view site, std::string_view name) override;
  absl::StatusOr<uint64_t> CountScriptProfiles(std::string_view site) override;
  absl::StatusOr<uint64_t> InsertScriptProfile(std::string_view site, std::string_view name,
                                               const v1::ScriptProfile& profile) override;
  absl::Status PutScriptProfile(const v1::ScriptProfile& profile) override;
  absl::Status EndScriptProfile(const v1::ScriptProfile& profile, ApprovalEnd why) override;
  absl::StatusOr<std::vector<StoredScriptProfile>> OverdueProfiles(absl::Time now,
                                                                   uint32_t profiles_max) override;
  absl::Status AskBehaviour(std::string_view site, std::string_view name, std::string_view sha256,
                            uint32_t asked_max) override;
  absl::Status ForgetBehaviour(std::string_view site, std::string_view name,
                               std::string_view sha256) override;
  absl::StatusOr<std::vector<StoredPublisher>> Publishers() override;
  absl::Status PutPublisher(const StoredPublisher& publisher) override;
  absl::Status ReplacePublished(std::string_view publisher,
                                const std::vector<PublishedEntry>& entries) override;
  absl::StatusOr<std::vector<PublishedEntry>> PublishedFor(std::string_view site,
                                                           std::string_view sha256) override;
  absl::StatusOr<std::vector<StoredScriptApproval>> PublishedVersions(
      std::string_view publisher, uint32_t versions_max) override;
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
  absl::StatusOr<uint64_t> AddDecision(const Decision& decision) override;
  absl::StatusOr<std::string> GetSetting(std::string_view name) override;
  absl::Status PutSetting(std::string_view name, std::string_view value) override;
  absl::StatusOr<bool> TakeSink(std::string_view name, std::string_view holder,
                                const SinkState& seen, bool from_beginning) override;
  absl::Status SaveSink(const SinkProgress& progress) override;

 protected:
  struct Stream {
    int64_t id = 0;
    int64_t agent_id = 0;
    uint64_t committed_sequence = 0;
  };
  // What a transaction must have to itself from before it reads any of it until it ends, when
  // others write at the same time.
  struct Claimed {
    enum class What {
      // An agent's row with its streams, lost ranges and coverage; `name` is its identity.
      kAgent,
      // What leaves a site through one channel: exposures, ways and their sightings, and the script
      // of that name.
      kChannel,
      // A site's destinations and their approvals.
      kDestinations,
      kSettings,
      kDecisions,
    };
    What what = What::kSettings;
    std::string_view site;
    int kind = 0;
    std::string_view name;
  };

  // Whose commits these are. A store with one writer needs no names.
  virtual std::string_view CollectorName() const { return ""; }

  // Waits until nobody else has it. Often called again for what is claimed already.
  virtual absl::Status Claim(const Claimed& /*claimed*/) { return absl::OkStatus(); }

  Database& db() { return db_; }
  // The agent's row, created where there is none.
  absl::StatusOr<int64_t> AgentId(std::string_view identity);
  // Created where there is none.
  absl::StatusOr<Stream*> FindStream(std::string_view agent, uint64_t epoch);
  absl::StatusOr<int64_t> WayId(const ExposureKey& way, bool expected);
  // Counts a finding in what Flush writes.
  void CountFinding(const Stream& stream, const v1::StoredFinding& stored, v1::FindingKind kind);

 private:
  absl::Status ClaimChannel(std::string_view site, int kind, std::string_view channel) {
    return Claim({.what = Claimed::What::kChannel, .site = site, .kind = kind, .name = channel});
  }
  absl::Status ClaimScript(std::string_view site, std::string_view name) {
    return ClaimChannel(site, v1::FINDING_KIND_SCRIPT_CHANGE, name);
  }
  absl::Status ClaimDestinations(std::string_view site) {
    return Claim({.what = Claimed::What::kDestinations, .site = site});
  }
  absl::StatusOr<std::optional<int64_t>> FindAgentId(std::string_view identity);
  absl::StatusOr<bool> AddSighting(const Sighting& sighting);
  // NOT_FOUND when there is none.
  absl::StatusOr<int64_t> ScriptId(std::string_view site, std::string_view name);
  absl::StatusOr<std::vector<v1::Exposure>> ReadExposures(Statement& select);
  absl::StatusOr<std::optional<v1::Exposure>> ReadExposure(Statement& select);

  Database& db_;
  absl::flat_hash_map<std::string, int64_t> agent_ids_;
  absl::flat_hash_map<std::pair<std::string, uint64_t>, Stream> streams_;
  absl::flat_hash_map<std::pair<ExposureKey, bool>, int64_t> way_ids_;
  // Added up over the transaction: (site, kind, severity, confidence), and findings by agent. In
  // order, so that two transactions that write the same rows do not wait for each other.
  std::map<std::tuple<std::string, int, int, int>, uint64_t> totals_;
  std::map<int64_t, uint64_t> findings_by_agent_;
  // For the row of `commits`.
  std::map<absl::Time, uint64_t> findings_by_time_;
  std::set<uint64_t> changed_exposures_;
  absl::Time exposures_changed_at_ = absl::UnixEpoch();
};

// Reads a message from a column. DATA_LOSS, naming `what`, when the bytes are not one.
absl::Status ParseBody(std::string_view body, std::string_view what,
                       google::protobuf::MessageLite& message);

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_SQL_TRANSACTION_H_
