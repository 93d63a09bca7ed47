#include "agent/script/source/browser_report/corroboration.h"

#include <iterator>

namespace skimwatch::script {

Corroboration::Things::iterator Corroboration::Forget(Things::iterator thing) {
  if (thing->second.claim.has_value()) {
    claims_.Remove(thing->second.first_network, *thing->second.claim);
  }
  return things_.erase(thing);
}

bool Corroboration::MakeRoom(uint64_t network, Clock::time_point now) {
  if (things_.size() < options_.things_max) return true;
  for (auto it = things_.begin(); it != things_.end();) {
    it = now - it->second.since > options_.within ? Forget(it) : std::next(it);
  }
  if (things_.size() < options_.things_max) return true;
  const std::string* const yielding = claims_.YieldingTo(network);
  if (yielding == nullptr) return false;
  Forget(things_.find(*yielding));
  return true;
}

bool Corroboration::Add(const std::string& thing, const Reporter& reporter, Clock::time_point now) {
  auto found = things_.find(thing);
  if (found != things_.end() && now - found->second.since > options_.within) {
    Forget(found);
    found = things_.end();
  }
  if (found == things_.end()) {
    const uint64_t network = reporter.network;
    if (!claims_.MayAdd(network) || !MakeRoom(network, now)) return options_.networks_min <= 1;
    found = things_
                .emplace(thing, Thing{.first_network = network,
                                      .claim = claims_.Add(network, thing),
                                      .since = now})
                .first;
  }
  Thing& said = found->second;
  said.agreement.Add(reporter);
  if (said.agreement.networks() < options_.networks_min) return false;
  if (said.claim.has_value()) {
    claims_.Remove(said.first_network, *said.claim);
    said.claim.reset();
  }
  return true;
}

}  // namespace skimwatch::script
