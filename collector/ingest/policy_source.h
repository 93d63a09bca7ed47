#ifndef SKIMWATCH_COLLECTOR_INGEST_POLICY_SOURCE_H_
#define SKIMWATCH_COLLECTOR_INGEST_POLICY_SOURCE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "collector/store/store.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::ingest {

// Makes the policy of an agent: the configured keys and expected flows, and the approved scripts
// and destinations of its sites from the store. Thread-safe; agents of the same sites share one
// message.
class PolicySource {
 public:
  PolicySource(store::Store* store, std::vector<v1::FingerprintKey> keys,
               std::vector<v1::ExpectedFlow> expected_flows);

  // Raises the policy's version when keys or flows differ from those of the last start.
  absl::Status Start();

  // The policy now in force for agents that report for `sites`.
  absl::StatusOr<std::shared_ptr<const v1::Policy>> Get(std::vector<std::string> sites);

 private:
  store::Store* const store_;
  v1::Policy configured_;
  absl::Mutex mutex_;
  std::map<std::vector<std::string>, std::shared_ptr<const v1::Policy>> policies_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_POLICY_SOURCE_H_
