#ifndef SKIMWATCH_PROTO_APPROVAL_BEHAVIOUR_PROFILE_H_
#define SKIMWATCH_PROTO_APPROVAL_BEHAVIOUR_PROFILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::approval {

using Facts = google::protobuf::RepeatedPtrField<v1::ScriptFact>;

// Facts of a behaviour that holds more are not told, and can't be a profile.
inline constexpr int kBehaviourFactsMax = 1000;

// Facts of `current` that the profile does not have, or has fewer of: a further request whose
// destination can't be told is as much a way out as the first. Linear.
std::vector<v1::ScriptFact> GainedOver(const Facts& profile, const Facts& current);

// Ways out whose destination the profile tells and `current` does not, in words: fewer facts, and
// yet more than it did. An address on the page's own host counts as one that can't be told.
std::vector<std::string> DestinationsHidden(const Facts& profile, const Facts& current);

// Why a profile does not cover a version that does `current`, in words for people, at most 16 of at
// most 240 bytes; empty when it does. It never covers a behaviour that is not whole.
std::vector<std::string> WhyNotCovered(const Facts& profile, const v1::ScriptBehaviour& current);

// Why a behaviour can't be a profile; empty when it can.
std::string WhyNoProfile(const v1::ScriptBehaviour& behaviour);

// A fact that a change shows and the behaviour that came with it lacks, in words; empty where the
// two agree. An agent whose parts contradict each other is not to be believed.
std::string Contradiction(const v1::ScriptChange& change);

}  // namespace skimwatch::approval

#endif  // SKIMWATCH_PROTO_APPROVAL_BEHAVIOUR_PROFILE_H_
