#ifndef SKIMWATCH_COLLECTOR_PUBLISHER_PUBLISHERS_H_
#define SKIMWATCH_COLLECTOR_PUBLISHER_PUBLISHERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "openssl/evp.h"
#include "skimwatch/config/v1/collector.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::publisher {

inline constexpr size_t kListBytesMax = size_t{1} << 20;
// Versions in a list, and of those that it revokes.
inline constexpr int kEntriesMax = 2000;

// A list that its publisher signed, and that says nothing that the publisher may not say.
struct CheckedList {
  std::string publisher;
  uint64_t serial = 0;
  absl::Time issued;
  absl::Time expires;
  // One for each site that the publisher speaks for, each once; without those that are over.
  std::vector<v1::PublishedScript> scripts;
  // By hash, with the reason.
  std::map<std::string, std::string> revoked;
  // Of the list's bytes, 32 bytes.
  std::string sha256;
};

// The publishers of the configuration with their keys: who may say by signed lists which scripts
// are approved (docs/approvals.md). Immutable and thread-safe.
//
//   auto publishers = Publishers::Load(config.script_approvals());
//   auto list = publishers->Check(bytes, signature, absl::Now());
class Publishers {
 public:
  // Reads the keys. INVALID_ARGUMENT names the publisher and the file.
  static absl::StatusOr<Publishers> Load(const config::v1::ScriptApprovals& config);

  Publishers() = default;

  // INVALID_ARGUMENT says what is wrong with which field. Nothing of a list is read before its
  // signature is known to be by one of the publishers' keys.
  absl::StatusOr<CheckedList> Check(std::string_view list, std::string_view signature,
                                    absl::Time now) const;
  // A list that was in force already: that its time is over is no fault.
  absl::StatusOr<CheckedList> CheckStored(std::string_view list, std::string_view signature,
                                          absl::Time now) const;

  // In the order of the configuration.
  std::vector<std::string> ids() const;

 private:
  struct KeyDeleter {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
  struct Publisher {
    config::v1::ScriptPublisher config;
    std::vector<Key> keys;
  };

  static absl::StatusOr<Key> ReadKey(const std::string& file);
  absl::StatusOr<CheckedList> CheckAt(std::string_view list, std::string_view signature,
                                      absl::Time now, bool is_stored) const;

  std::vector<Publisher> publishers_;
};

// Reads a list's JSON and checks all of it that does not depend on who signed it. For
// Publishers::Check, and for tests.
class ListReader {
 public:
  explicit ListReader(const config::v1::ScriptPublisher& publisher, absl::Time now, bool is_stored)
      : publisher_(publisher), now_(now), is_stored_(is_stored) {}

  absl::StatusOr<CheckedList> Read(std::string_view json) const;

 private:
  const config::v1::ScriptPublisher& publisher_;
  const absl::Time now_;
  const bool is_stored_;
};

// The publisher that a list says it is of; empty where it is no list.
std::string PublisherOf(std::string_view json);

}  // namespace skimwatch::publisher

#endif  // SKIMWATCH_COLLECTOR_PUBLISHER_PUBLISHERS_H_
