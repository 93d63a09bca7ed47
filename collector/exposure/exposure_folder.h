#ifndef SKIMWATCH_COLLECTOR_EXPOSURE_EXPOSURE_FOLDER_H_
#define SKIMWATCH_COLLECTOR_EXPOSURE_EXPOSURE_FOLDER_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/exposure/rules.h"
#include "collector/store/transaction.h"

namespace skimwatch::exposure {

// A finding that was last seen before its exposure was closed still belongs to it, when it is
// stored within this time of the closing: agents hold repeats back while they fold them. The bound
// is by the collector's clock, so that an agent whose clock is behind can't hide behind a closed
// exposure.
inline constexpr absl::Duration kLateFindings = absl::Minutes(2);

// What was seen longer before it is stored counts in the hour this long before, so that an agent's
// clock can't make hours without bound.
inline constexpr absl::Duration kGrowthSpan = absl::Hours(400 * 24);

// Folds the findings of one transaction into exposures and card sightings. Exposures are read once
// and written once each, however many findings they get.
//
// Used by one thread, within one store::Transaction, which must outlive it.
//
//   ExposureFolder folder(rules, &transaction, now);
//   for (finding ...) { id = folder.Add(finding, kind, agent); InsertFinding(... id ...) }
//   return folder.Flush();
class ExposureFolder {
 public:
  ExposureFolder(const Rules& rules, store::Transaction* transaction, absl::Time now)
      : rules_(rules), transaction_(*transaction), now_(now) {}

  // Adds a finding to its exposure, opening one where the rules say so, and to its card's
  // sightings. Returns the exposure's id, 0 for none.
  absl::StatusOr<uint64_t> Add(const v1::Finding& finding, v1::FindingKind kind,
                               const std::string& agent);

  // Adds a finding to the open exposure of `key`, opening one where there is none, whatever the
  // rules say.
  absl::StatusOr<uint64_t> AddTo(const store::ExposureKey& key, const v1::Finding& finding,
                                 v1::FindingKind kind, const std::string& agent);

  // Opens an exposure that no finding is behind, or raises the severity of the one that is open.
  absl::StatusOr<uint64_t> OpenWithoutFinding(const store::ExposureKey& key, v1::Severity severity,
                                              const std::string& rule);

  // Closes what is open of a site through a channel, to any destination; see CloseOne.
  absl::Status CloseChannel(const std::string& site, v1::FindingKind kind,
                            const std::string& channel, const std::string& who,
                            const std::string& reason);

  // Writes everything. Call once, before the transaction ends.
  absl::Status Flush();

 private:
  struct Entry {
    v1::Exposure exposure;
    bool changed = false;
    // What this transaction adds to it, by the hour's start.
    std::map<absl::Time, v1::ExposureGrowth> growth;
  };
  struct Cards {
    absl::Time first_seen = absl::InfiniteFuture();
    absl::Time last_seen = absl::InfinitePast();
    uint64_t occurrences = 0;
    // The least of its findings, which were most likely to be seen.
    double weight = std::numeric_limits<double>::infinity();
    bool test_card = false;
  };
  // Ordered by fingerprint, so that a commit walks the sightings' tree once, in order.
  using SightingKey = std::tuple<std::string, store::ExposureKey, bool, uint64_t>;

  // The open exposure of `key`, or null.
  absl::StatusOr<Entry*> FindOpen(const store::ExposureKey& key);
  absl::StatusOr<Entry*> Open(const store::ExposureKey& key, v1::Exposure exposure);
  // The exposure closed just now that a late finding still belongs to, or null.
  absl::StatusOr<Entry*> FindJustClosed(const store::ExposureKey& key, const v1::Finding& finding);
  void AddSighting(const store::ExposureKey& key, const v1::Finding& finding, uint64_t exposure_id);
  // The hour that something seen at `seen` counts in.
  v1::ExposureGrowth& GrowthAt(absl::Time seen, Entry& entry) const;

  const Rules rules_;
  store::Transaction& transaction_;
  const absl::Time now_;
  // By id; std::map because pointers to entries are kept.
  std::map<uint64_t, Entry> exposures_;
  // Id of the open exposure of a key, 0 when it is known that there is none.
  absl::flat_hash_map<store::ExposureKey, uint64_t> open_;
  std::map<SightingKey, Cards> sightings_;
};

// Closes an open exposure in the name of `who`, in the store too, and records that as a decision.
absl::Status CloseOne(store::Transaction& transaction, v1::Exposure& exposure, std::string_view who,
                      std::string_view reason, absl::Time now);

// Who closes what the collector closes by itself.
inline constexpr std::string_view kCollectorName = "skimwatch-collector";

}  // namespace skimwatch::exposure

#endif  // SKIMWATCH_COLLECTOR_EXPOSURE_EXPOSURE_FOLDER_H_
