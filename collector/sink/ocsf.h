#ifndef SKIMWATCH_COLLECTOR_SINK_OCSF_H_
#define SKIMWATCH_COLLECTOR_SINK_OCSF_H_

#include <string>
#include <string_view>

#include "collector/sink/event.h"
#include "collector/store/sink.h"
#include "skimwatch/v1/query_service.pb.h"

namespace skimwatch::sink {

// The version of the Open Cybersecurity Schema Framework that events are written by.
inline constexpr std::string_view kOcsfVersion = "1.7.0";

// Writes findings and exposures as OCSF Detection Findings (class 2004). What the schema has no
// place for is in `unmapped` and in the `data` of evidence.
//
// A card is its mask, never its number; every text is looked over for card numbers once more before
// it goes (validation::MaskCardNumbers). Thread-safe.
class OcsfWriter {
 public:
  struct Options {
    // Of this program.
    std::string version;
    // Tells the store's exposures from those of others.
    std::string store_id;
    // With fingerprints of cards.
    bool fingerprints = false;
  };

  explicit OcsfWriter(Options options) : options_(std::move(options)) {}

  Event Write(const v1::StoredFinding& stored) const;
  // One is created where nothing of it was sent yet, closed when it is, else updated.
  Event Write(const store::ExposureRevision& revision) const;

 private:
  const Options options_;
};

// The same event without evidence, observables and what is unmapped, for where it is too long as it
// is; its `metadata` says that it is truncated.
std::string WithoutEvidence(const std::string& body);

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_OCSF_H_
