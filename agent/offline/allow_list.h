#ifndef SKIMWATCH_AGENT_OFFLINE_ALLOW_LIST_H_
#define SKIMWATCH_AGENT_OFFLINE_ALLOW_LIST_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/card/brand_table.h"
#include "agent/card/card_match.h"
#include "agent/offline/ignore_rules.h"

namespace skimwatch::offline {

// Findings that somebody accepted, for a reason and for a time. Immutable but for its counts;
// thread-safe.
class AllowList {
 public:
  // Reads `path`, a YAML file of the form of skimwatch.config.v1.AllowList. `key_id` is that of the
  // run's fingerprint key, empty without one; entries whose last day is before `now` (in UTC) are
  // kept apart. Errors name file, line and field; a file that holds a card number is refused.
  static absl::StatusOr<std::unique_ptr<AllowList>> Load(const std::string& path,
                                                         std::string_view key_id,
                                                         const card::BrandTable& brands,
                                                         absl::Time now);
  // The same of a text; `name` stands for the file in errors.
  static absl::StatusOr<std::unique_ptr<AllowList>> Parse(std::string_view text,
                                                          const std::string& name,
                                                          std::string_view key_id,
                                                          const card::BrandTable& brands,
                                                          absl::Time now);

  // What entries are about.
  struct Subject {
    // Below the folder that the scan was started in.
    std::string_view path;
    const card::CardMatch& match;
    // Hexadecimal digits; empty without a key.
    std::string_view fingerprint;
  };
  // Whether an entry allows it, which is counted with the first that does.
  bool Allows(const Subject& subject) const;

  // A line each, for a person: entries that have expired.
  std::vector<std::string> Expired() const;
  // Entries that count and allowed nothing so far.
  uint64_t unused() const;

 private:
  struct Entry {
    std::string fingerprint;
    std::optional<IgnorePattern> path;
    std::string rule;
    std::string brand;
    std::optional<bool> test_card;
    mutable std::atomic<bool> used{false};
  };

  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<std::string> expired_;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_ALLOW_LIST_H_
