#ifndef SKIMWATCH_COLLECTOR_INGEST_INGEST_SERVICE_H_
#define SKIMWATCH_COLLECTOR_INGEST_INGEST_SERVICE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "collector/exposure/rules.h"
#include "collector/ingest/agent_registry.h"
#include "collector/ingest/ingest_stats.h"
#include "collector/ingest/policy_source.h"
#include "collector/ingest/store_health.h"
#include "collector/store/finding_feed.h"
#include "collector/store/store.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace grpc {
class Service;
}

namespace skimwatch::ingest {

// Findings and batches that an agent may have under way; told in Welcome.
inline constexpr uint32_t kBatchFindingsMax = 1000;
inline constexpr uint32_t kBatchesInFlightMax = 8;

// The gRPC service that agents stream to (skimwatch.v1.IngestService): checks who they are and what
// they send, hands findings to the group commit and acknowledges what is durable, and sends each
// its policy. Thread-safe; everything in Options must outlive it.
//
// Limits: streams in all, size of a message (the server's), findings in a batch, batches in flight,
// bytes that wait for a commit, and findings a second. An agent beyond the last three is held back
// by not reading its stream, until gRPC's flow control holds the agent itself.
class IngestService {
 public:
  struct Options {
    const config::v1::CollectorConfig* config = nullptr;
    store::Store* store = nullptr;
    store::FindingFeed* feed = nullptr;
    IngestStats* stats = nullptr;
    StoreHealth* health = nullptr;
    AgentRegistry* agents = nullptr;
    PolicySource* policies = nullptr;
    exposure::Rules rules;
    // Told to agents.
    std::string version;
    std::function<absl::Time()> now = absl::Now;
  };

  explicit IngestService(Options options);
  // The server must be shut down by now.
  ~IngestService();

  // Register this with the server.
  grpc::Service* service();

  // Sends every connected agent the policy that is now in force, without waiting for any.
  void PushPolicies();

  // Ends all streams with UNAVAILABLE after what was received is committed and acknowledged, and
  // refuses new ones. Returns when all are gone, or after `timeout`.
  void Drain(absl::Duration timeout);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_INGEST_SERVICE_H_
