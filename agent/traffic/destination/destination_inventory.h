#ifndef SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_INVENTORY_H_
#define SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_INVENTORY_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "agent/traffic/destination/destination_name.h"
#include "agent/traffic/destination/destination_state.pb.h"
#include "agent/traffic/message.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::traffic {

// What was seen of a destination once.
struct DestinationSight {
  std::string_view site;
  // Executable, else command; empty where not known.
  std::string_view process;
  const DestinationName* destination = nullptr;
  std::string_view address;
  uint16_t port = 0;
  bool checkout = false;
  absl::Time at;
};

// One destination of one process of a site.
struct KnownDestination {
  std::string site;
  // `change` and `opaque` are not set.
  v1::DestinationChange known;
  // As in DestinationEntry.
  bool learned = false;
  bool told = false;
  bool told_new = false;
  bool told_opaque = false;
  absl::Time told_at;
  bool probed = false;
  bool was_approved = false;

  // Without approval, and not learned.
  bool is_new = false;
  // What was decided about it holds as long as the approvals are of this generation, and until
  // `decided_until`.
  uint64_t generation = 0;
  absl::Time decided_until;
  // What is to be told; CHANGE_UNSPECIFIED for nothing.
  v1::DestinationChange::Change to_tell = v1::DestinationChange::CHANGE_UNSPECIFIED;
  // What can't be read, where that is to be told.
  std::unique_ptr<v1::OpaquePayload> opaque;
  // Of the flow that it was first seen in, until that is told. Holds no path.
  std::unique_ptr<Provenance> first_flow;
  // No longer in the inventory.
  bool forgotten = false;
};

// The inventory of destinations, by site, process and name. Bounded: beyond `entries_max` the one
// that was used longest ago is forgotten, and lists within an entry keep their first 16 values and
// count the others. Thread-compatible.
class DestinationInventory {
 public:
  static constexpr int kListMax = 16;
  using Entry = std::shared_ptr<KnownDestination>;

  explicit DestinationInventory(size_t entries_max) : entries_max_(entries_max) {}

  // The entry of what was seen, made where there is none (`first_seen` is then `at`).
  Entry Take(const DestinationSight& sight);
  // The entry, or null.
  Entry Find(std::string_view site, std::string_view process, std::string_view name) const;
  // Whether any process of the site that `is` holds for sends there.
  template <typename Predicate>
  bool AnyProcess(std::string_view site, std::string_view name, Predicate is) const {
    const auto it = by_name_.find(Key(site, "", name));
    if (it == by_name_.end()) return false;
    for (const Entry& entry : it->second) {
      if (is(*entry)) return true;
    }
    return false;
  }

  // The one that was used longest ago first.
  const std::list<Entry>& entries() const { return by_use_; }
  size_t size() const { return by_use_.size(); }
  uint64_t forgotten() const { return forgotten_; }
  // Those of them of which the collector was still to be told, but for their being in use.
  uint64_t forgotten_untold() const { return forgotten_untold_; }

  void Save(DestinationState& state) const;
  void Load(const DestinationState& state);

 private:
  static std::string Key(std::string_view site, std::string_view process, std::string_view name);
  Entry Insert(KnownDestination destination);
  void Remove(std::list<Entry>::iterator place);

  const size_t entries_max_;
  std::list<Entry> by_use_;
  absl::flat_hash_map<std::string, std::list<Entry>::iterator> by_key_;
  // Of all processes; the key's process is empty.
  absl::flat_hash_map<std::string, std::list<Entry>> by_name_;
  uint64_t forgotten_ = 0;
  uint64_t forgotten_untold_ = 0;
};

// Adds a value to a list of a DestinationChange unless it is there or the list is full.
void AddToList(std::string_view value, google::protobuf::RepeatedPtrField<std::string>& list,
               v1::DestinationChange& of);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_INVENTORY_H_
