#ifndef SKIMWATCH_COLLECTOR_CTL_EXPOSURE_COUNTS_H_
#define SKIMWATCH_COLLECTOR_CTL_EXPOSURE_COUNTS_H_

#include <string>

#include "skimwatch/v1/exposure.pb.h"

namespace skimwatch::ctl {

// How often it was seen; where only samples were scanned, the estimate for all traffic with its
// standard error.
std::string Occurrences(const v1::Exposure& exposure);

// What to expect of all traffic where only samples were scanned; else empty.
std::string CardsInAll(const v1::Exposure& exposure);

// How many cards were seen; `<=` where a card may have been counted under several keys, `>=` where
// some had no fingerprint to count them by, `~` where both hold.
std::string Cards(const v1::Exposure& exposure);

// Why the count of cards is a bound; empty when it is exact.
std::string CardsNote(const v1::Exposure& exposure);

// When, by whom and why it was closed; empty while it is open.
std::string ClosedNote(const v1::Exposure& exposure);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_EXPOSURE_COUNTS_H_
