#ifndef SKIMWATCH_AGENT_PIPELINE_CANARY_LIST_H_
#define SKIMWATCH_AGENT_PIPELINE_CANARY_LIST_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "agent/pipeline/canary_state.pb.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::pipeline {

// The canary cards that the page monitor typed, by a keyed fingerprint: a card number that is seen
// in traffic or a log and is one of these tells which page gave it away. Kept in a file over
// restarts, the numbers themselves nowhere.
//
// Bounded: of kCanariesMax the oldest go first. Thread-safe.
class CanaryList {
 public:
  static constexpr size_t kCanariesMax = 4096;

  // Reads `path`, or begins anew where there is none or it is damaged; no path keeps nothing.
  static absl::StatusOr<std::unique_ptr<CanaryList>> Open(std::string path);

  // To be called before the number is typed; it is durable then, or an error says why not.
  // INVALID_ARGUMENT for what is no card number's digits.
  absl::Status Add(std::string_view number, std::string_view site, std::string_view page,
                   std::string_view run_id);
  // Page and run of a number that was typed. `digits` are values 0 to 9.
  std::optional<v1::Canary> Find(absl::Span<const uint8_t> digits) const;

  size_t size() const;

 private:
  explicit CanaryList(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  v1::FingerprintKey key_;
  mutable absl::Mutex mutex_;
  std::deque<TypedCanary> canaries_ ABSL_GUARDED_BY(mutex_);
  // What a number was typed into last.
  absl::flat_hash_map<std::string, TypedCanary> by_fingerprint_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_CANARY_LIST_H_
