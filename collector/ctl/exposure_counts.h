#ifndef SKIMWATCH_COLLECTOR_CTL_EXPOSURE_COUNTS_H_
#define SKIMWATCH_COLLECTOR_CTL_EXPOSURE_COUNTS_H_

#include <string>

#include "skimwatch/v1/exposure.pb.h"

namespace skimwatch::ctl {

// How often it was seen; an estimate beside it when only samples were scanned.
std::string Occurrences(const v1::Exposure& exposure);

// How many cards; `<=` where a card may have been counted under several keys, `>=` where some had
// no fingerprint to count them by, `~` where both hold.
std::string Cards(const v1::Exposure& exposure);

// Why the count of cards is a bound; empty when it is exact.
std::string CardsNote(const v1::Exposure& exposure);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_EXPOSURE_COUNTS_H_
