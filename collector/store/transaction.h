#ifndef SKIMWATCH_COLLECTOR_STORE_TRANSACTION_H_
#define SKIMWATCH_COLLECTOR_STORE_TRANSACTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/sink.h"
#include "skimwatch/v1/agent.pb.h"
#include "skimwatch/v1/destination.pb.h"
#include "skimwatch/v1/exposure.pb.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/query_service.pb.h"
#include "skimwatch/v1/report.pb.h"
#include "skimwatch/v1/script.pb.h"
#include "skimwatch/v1/timeline.pb.h"

namespace skimwatch::store {

// What findings fold by.
struct ExposureKey {
  std::string site;
  v1::FindingKind kind = v1::FINDING_KIND_UNSPECIFIED;
  std::string channel;
  std::string destination;

  friend auto operator<=>(const ExposureKey&, const ExposureKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ExposureKey& key) {
    return H::combine(std::move(h), key.site, static_cast<int>(key.kind), key.channel,
                      key.destination);
  }
};

// A card seen on one way out, folded over a transaction's findings.
struct Sighting {
  std::string fingerprint;
  ExposureKey way;
  bool expected = false;
  // 0 when it belongs to no exposure.
  uint64_t exposure_id = 0;
  absl::Time first_seen;
  absl::Time last_seen;
  uint64_t occurrences = 0;
};

// What one agent serves under a script's name.
struct ServedVersion {
  std::string agent;
  // Empty when the script is gone there.
  std::string sha256;
  absl::Time since;
};

// A version's approval; the latest of a version is the one that counts.
struct StoredScriptApproval {
  int64_t id = 0;
  std::string site;
  std::string name;
  std::string sha256;
  v1::ScriptApproval approval;
};

struct StoredScriptProfile {
  std::string site;
  std::string name;
  v1::ScriptProfile profile;
};

// Why an approval or a profile is over. One whose time is over counts for nothing before that is
// noted, too.
enum class ApprovalEnd { kRevoked = 1, kExpired = 2 };

// A publisher's list in force, or the last that was.
struct StoredPublisher {
  v1::Publisher info;
  // As they were imported, to be checked again.
  std::string list;
  std::string signature;
};

// An entry of a publisher's list.
struct PublishedEntry {
  std::string publisher;
  uint64_t serial = 0;
  v1::PublishedScript script;
};

struct StoredDestinationApproval {
  int64_t id = 0;
  v1::DestinationApproval approval;
};

// What somebody decided; see v1::Decision.
struct Decision {
  absl::Time at;
  std::string who;
  std::string action;
  std::string subject;
  std::string reason;
};

// One write to the store; see Store::Write. Used by one thread, valid only inside the function that
// it was given to. An error of any method but NOT_FOUND dooms the transaction: return it.
class Transaction {
 public:
  virtual ~Transaction() = default;

  // --- Streams: exactly-once by each stream's high-water mark.

  virtual absl::StatusOr<uint64_t> CommittedSequence(std::string_view agent, uint64_t epoch) = 0;
  // `sequence` must not be below the mark.
  virtual absl::Status AdvanceCommittedSequence(std::string_view agent, uint64_t epoch,
                                                uint64_t sequence) = 0;
  // A range of sequences that will never come.
  virtual absl::Status RecordLost(std::string_view agent, uint64_t epoch, uint64_t first_sequence,
                                  uint64_t last_sequence, std::string_view reason,
                                  absl::Time at) = 0;

  // --- Findings

  // Adds a finding and counts it in the totals by site, kind, severity and confidence. Its sequence
  // must be new to its stream.
  virtual absl::Status InsertFinding(const v1::StoredFinding& finding, v1::FindingKind kind) = 0;

  // --- Exposures

  virtual absl::StatusOr<std::optional<v1::Exposure>> FindOpenExposure(const ExposureKey& key) = 0;
  // The one closed last, where there is any.
  virtual absl::StatusOr<std::optional<v1::Exposure>> FindLastClosedExposure(
      const ExposureKey& key) = 0;
  // Open exposures of a site through one channel, to any destination.
  virtual absl::StatusOr<std::vector<v1::Exposure>> FindOpenExposures(std::string_view site,
                                                                      v1::FindingKind kind,
                                                                      std::string_view channel) = 0;
  // Open exposures of `kinds` that nothing was added to since `cutoff`, at most `exposures_max`.
  virtual absl::StatusOr<std::vector<v1::Exposure>> FindQuietExposures(
      const std::vector<v1::FindingKind>& kinds, absl::Time cutoff, uint32_t exposures_max) = 0;
  virtual absl::StatusOr<v1::Exposure> GetExposure(uint64_t id) = 0;
  // Sets and returns the id. `at` is when it was last added to, by the collector's clock.
  virtual absl::StatusOr<uint64_t> InsertExposure(const v1::Exposure& exposure, absl::Time at) = 0;
  virtual absl::Status UpdateExposure(const v1::Exposure& exposure, absl::Time at) = 0;
  // Adds to what left through an exposure in the hour of `more.start`. The exposure must be one
  // that this transaction found or inserted.
  virtual absl::Status AddGrowth(uint64_t exposure_id, const v1::ExposureGrowth& more) = 0;

  // --- Card sightings

  // Adds to cards' sightings, of which no two are of one card, way and exposure. Says of each, in
  // their order, whether this card was new to the sighting's exposure.
  virtual absl::StatusOr<std::vector<bool>> AddSightings(
      const std::vector<Sighting>& sightings) = 0;

  // --- Scripts

  // The script without history.
  virtual absl::StatusOr<std::optional<v1::Script>> FindScript(std::string_view site,
                                                               std::string_view name) = 0;
  virtual absl::Status PutScript(const v1::Script& script) = 0;
  // A version with its latest approval.
  virtual absl::StatusOr<std::optional<v1::ScriptRecord>> FindScriptVersion(
      std::string_view site, std::string_view name, std::string_view sha256) = 0;
  // The script must be there. The record's approval is ignored.
  virtual absl::Status PutScriptVersion(std::string_view site, std::string_view name,
                                        const v1::ScriptRecord& record) = 0;
  virtual absl::Status SetServedVersion(std::string_view site, std::string_view name,
                                        const ServedVersion& served) = 0;
  // Newest first.
  virtual absl::StatusOr<std::vector<ServedVersion>> ServedVersions(std::string_view site,
                                                                    std::string_view name) = 0;
  // The latest approval of each version of a script, where that was neither revoked nor is noted as
  // expired.
  virtual absl::StatusOr<std::vector<StoredScriptApproval>> ScriptApprovals(
      std::string_view site, std::string_view name) = 0;
  // Likewise all of a publisher's, by site and name.
  virtual absl::StatusOr<std::vector<StoredScriptApproval>> ApprovalsOfPublisher(
      std::string_view publisher) = 0;
  // Likewise those whose time is over, at most `approvals_max`.
  virtual absl::StatusOr<std::vector<StoredScriptApproval>> OverdueApprovals(
      absl::Time now, uint32_t approvals_max) = 0;
  // Whether any version was ever approved, revoked or not.
  virtual absl::StatusOr<bool> EverApproved(std::string_view site, std::string_view name) = 0;
  virtual absl::Status InsertApproval(std::string_view site, std::string_view name,
                                      std::string_view sha256,
                                      const v1::ScriptApproval& approval) = 0;
  // Adds who revoked, when and why to the latest approval of the version.
  virtual absl::Status RevokeApproval(std::string_view site, std::string_view name,
                                      std::string_view sha256,
                                      const v1::ScriptApproval& revocation) = 0;
  // Replaces an approval's body, and notes that it is over.
  virtual absl::Status EndApproval(const StoredScriptApproval& ended, ApprovalEnd why) = 0;

  // The behaviour profile of a script that was neither revoked nor is noted as expired.
  virtual absl::StatusOr<std::optional<v1::ScriptProfile>> FindScriptProfile(
      std::string_view site, std::string_view name) = 0;
  // How many of a site there are.
  virtual absl::StatusOr<uint64_t> CountScriptProfiles(std::string_view site) = 0;
  // Sets and returns the id. The script must be there.
  virtual absl::StatusOr<uint64_t> InsertScriptProfile(std::string_view site, std::string_view name,
                                                       const v1::ScriptProfile& profile) = 0;
  virtual absl::Status PutScriptProfile(const v1::ScriptProfile& profile) = 0;
  virtual absl::Status EndScriptProfile(const v1::ScriptProfile& profile, ApprovalEnd why) = 0;
  virtual absl::StatusOr<std::vector<StoredScriptProfile>> OverdueProfiles(
      absl::Time now, uint32_t profiles_max) = 0;

  // What the policy asks agents about; of more than `asked_max` the newest.
  virtual absl::Status AskBehaviour(std::string_view site, std::string_view name,
                                    std::string_view sha256, uint32_t asked_max) = 0;
  virtual absl::Status ForgetBehaviour(std::string_view site, std::string_view name,
                                       std::string_view sha256) = 0;

  virtual absl::StatusOr<std::vector<StoredPublisher>> Publishers() = 0;
  virtual absl::Status PutPublisher(const StoredPublisher& publisher) = 0;
  // In place of all that the publisher had.
  virtual absl::Status ReplacePublished(std::string_view publisher,
                                        const std::vector<PublishedEntry>& entries) = 0;
  // Entries of all publishers for bytes on a site.
  virtual absl::StatusOr<std::vector<PublishedEntry>> PublishedFor(std::string_view site,
                                                                   std::string_view sha256) = 0;
  // Known versions whose bytes a list names, at most `versions_max`, by script; without approval.
  virtual absl::StatusOr<std::vector<StoredScriptApproval>> PublishedVersions(
      std::string_view publisher, uint32_t versions_max) = 0;

  // --- Destinations

  // Without `state` and `approval`, which follow from the approvals.
  virtual absl::StatusOr<std::optional<v1::Destination>> FindDestination(
      std::string_view site, std::string_view name, std::string_view process) = 0;
  virtual absl::Status PutDestination(const v1::Destination& destination) = 0;
  // All of a site, by name and process; the same without `state` and `approval`.
  virtual absl::StatusOr<std::vector<v1::Destination>> Destinations(std::string_view site) = 0;
  // A site's approvals that are not revoked, in the order in which they were given.
  virtual absl::StatusOr<std::vector<StoredDestinationApproval>> DestinationApprovals(
      std::string_view site) = 0;
  virtual absl::Status InsertDestinationApproval(const v1::DestinationApproval& approval) = 0;
  // Replaces an approval's body, which says who revoked it.
  virtual absl::Status RevokeDestinationApproval(const StoredDestinationApproval& revoked) = 0;

  // Grows the policy's version by one and returns it.
  virtual absl::StatusOr<uint64_t> AdvancePolicyVersion() = 0;

  // --- Agents and decisions

  virtual absl::StatusOr<std::optional<v1::Agent>> FindAgent(std::string_view identity) = 0;
  virtual absl::Status PutAgent(const v1::Agent& agent) = 0;
  // Marks every connected agent as silent: after a start nobody is connected yet.
  virtual absl::Status DisconnectAllAgents() = 0;
  // Adds to what `more.agent` looked at in the hour of `at`. The agent must be there.
  virtual absl::Status AddCoverage(const v1::AgentCoverage& more, absl::Time at) = 0;
  // Seals it behind the decisions before it, and returns its number.
  virtual absl::StatusOr<uint64_t> AddDecision(const Decision& decision) = 0;
  absl::Status RecordDecision(const Decision& decision) { return AddDecision(decision).status(); }

  // --- Small settings that outlive a restart, such as the digest of the configured policy.

  virtual absl::StatusOr<std::string> GetSetting(std::string_view name) = 0;
  virtual absl::Status PutSetting(std::string_view name, std::string_view value) = 0;

  // --- Sinks

  // Makes `holder` the one that feeds a sink, unless the sink is not as it was `seen` any more;
  // says whether it did. The term is then one higher. A sink that the store did not know begins at
  // the last commit, or at the first that is still there.
  virtual absl::StatusOr<bool> TakeSink(std::string_view name, std::string_view holder,
                                        const SinkState& seen, bool from_beginning) = 0;
  // FAILED_PRECONDITION when another one has the sink.
  virtual absl::Status SaveSink(const SinkProgress& progress) = 0;
};

}  // namespace skimwatch::store

#endif  // SKIMWATCH_COLLECTOR_STORE_TRANSACTION_H_
