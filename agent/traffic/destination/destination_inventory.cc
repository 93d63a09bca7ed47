#include "agent/traffic/destination/destination_inventory.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/traffic/timestamp.h"
#include "google/protobuf/util/time_util.h"

namespace skimwatch::traffic {

void AddToList(std::string_view value, google::protobuf::RepeatedPtrField<std::string>& list,
               v1::DestinationChange& of) {
  if (value.empty()) return;
  if (std::find(list.begin(), list.end(), value) != list.end()) return;
  if (list.size() >= DestinationInventory::kListMax) {
    of.set_left_out(of.left_out() + 1);
    return;
  }
  list.Add()->assign(value);
}

std::string DestinationInventory::Key(std::string_view site, std::string_view process,
                                      std::string_view name) {
  std::string key;
  key.reserve(site.size() + process.size() + name.size() + 2);
  key.append(site).append(1, '\0').append(process).append(1, '\0').append(name);
  return key;
}

DestinationInventory::Entry DestinationInventory::Find(std::string_view site,
                                                       std::string_view process,
                                                       std::string_view name) const {
  const auto it = by_key_.find(Key(site, process, name));
  return it == by_key_.end() ? nullptr : *it->second;
}

namespace {

bool IsUntold(const KnownDestination& entry) {
  return !entry.told || entry.to_tell == v1::DestinationChange::CHANGE_NEW ||
         entry.opaque != nullptr;
}

}  // namespace

DestinationInventory::Entry DestinationInventory::Insert(KnownDestination destination) {
  while (by_use_.size() >= entries_max_) {
    ++forgotten_;
    if (IsUntold(*by_use_.front())) ++forgotten_untold_;
    Remove(by_use_.begin());
  }
  Entry entry = std::make_shared<KnownDestination>(std::move(destination));
  by_use_.push_back(entry);
  by_key_[Key(entry->site, entry->known.process(), entry->known.name())] = std::prev(by_use_.end());
  by_name_[Key(entry->site, "", entry->known.name())].push_back(entry);
  return entry;
}

void DestinationInventory::Remove(std::list<Entry>::iterator place) {
  const Entry entry = *place;
  entry->forgotten = true;
  by_key_.erase(Key(entry->site, entry->known.process(), entry->known.name()));
  const auto named = by_name_.find(Key(entry->site, "", entry->known.name()));
  named->second.remove(entry);
  if (named->second.empty()) by_name_.erase(named);
  by_use_.erase(place);
}

DestinationInventory::Entry DestinationInventory::Take(const DestinationSight& sight) {
  const DestinationName& destination = *sight.destination;
  Entry entry;
  if (const auto it = by_key_.find(Key(sight.site, sight.process, destination.name));
      it != by_key_.end()) {
    by_use_.splice(by_use_.end(), by_use_, it->second);
    entry = *it->second;
  } else {
    KnownDestination made;
    made.site.assign(sight.site);
    made.known.mutable_name()->assign(destination.name);
    made.known.mutable_process()->assign(sight.process);
    made.known.set_scope(destination.scope);
    *made.known.mutable_first_seen() = ToTimestamp(sight.at);
    entry = Insert(std::move(made));
  }
  v1::DestinationChange& known = entry->known;
  // Packets may claim any time, and sources differ.
  const google::protobuf::Timestamp at = ToTimestamp(sight.at);
  if (known.last_seen() < at) *known.mutable_last_seen() = at;
  // The most public one counts.
  if (known.scope() > destination.scope) known.set_scope(destination.scope);
  if (sight.checkout) known.set_checkout(true);
  AddToList(destination.host, *known.mutable_hosts(), known);
  AddToList(sight.address, *known.mutable_addresses(), known);
  if (sight.port != 0 &&
      std::find(known.ports().begin(), known.ports().end(), sight.port) == known.ports().end()) {
    if (known.ports_size() < kListMax) {
      known.add_ports(sight.port);
    } else {
      known.set_left_out(known.left_out() + 1);
    }
  }
  return entry;
}

void DestinationInventory::Save(DestinationState& state) const {
  for (const Entry& entry : by_use_) {
    DestinationEntry& saved = *state.add_destinations();
    saved.set_site(entry->site);
    *saved.mutable_known() = entry->known;
    saved.set_learned(entry->learned);
    saved.set_told(entry->told);
    saved.set_told_new(entry->told_new);
    saved.set_told_opaque(entry->told_opaque);
    saved.set_told_seconds(absl::ToUnixSeconds(entry->told_at));
    saved.set_probed(entry->probed);
    saved.set_was_approved(entry->was_approved);
    saved.set_to_tell(entry->to_tell);
    if (entry->opaque != nullptr) *saved.mutable_opaque() = *entry->opaque;
  }
}

void DestinationInventory::Load(const DestinationState& state) {
  for (const DestinationEntry& saved : state.destinations()) {
    KnownDestination loaded;
    loaded.site = saved.site();
    loaded.known = saved.known();
    loaded.learned = saved.learned();
    loaded.told = saved.told();
    loaded.told_new = saved.told_new();
    loaded.told_opaque = saved.told_opaque();
    loaded.told_at = absl::FromUnixSeconds(saved.told_seconds());
    loaded.probed = saved.probed();
    loaded.was_approved = saved.was_approved();
    loaded.to_tell = v1::DestinationChange::Change_IsValid(saved.to_tell())
                         ? saved.to_tell()
                         : v1::DestinationChange::CHANGE_UNSPECIFIED;
    if (saved.has_opaque()) {
      loaded.opaque = std::make_unique<v1::OpaquePayload>(saved.opaque());
    }
    if (Find(loaded.site, loaded.known.process(), loaded.known.name()) == nullptr) {
      Insert(std::move(loaded));
    }
  }
}

}  // namespace skimwatch::traffic
