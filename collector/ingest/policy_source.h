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
  // Whether Start found that the store's latest fingerprints may be of a key that is not among
  // those given: another collector of the store has other keys, or the key was lost.
  bool LacksLatestKey() const { return lacks_latest_key_; }

  // The policy now in force for agents that report for `sites`.
  absl::StatusOr<std::shared_ptr<const v1::Policy>> Get(std::vector<std::string> sites);

 private:
  absl::Status CompareKeys(const std::vector<std::string>& digests,
                           store::Transaction& transaction);

  store::Store* const store_;
  v1::Policy configured_;
  bool lacks_latest_key_ = false;
  absl::Mutex mutex_;
  std::map<std::vector<std::string>, std::shared_ptr<const v1::Policy>> policies_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_POLICY_SOURCE_H_
