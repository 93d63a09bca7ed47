#ifndef SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_REFERENCE_ENGINE_H_
#define SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_REFERENCE_ENGINE_H_

#include <string_view>
#include <vector>

#include "tests/agent/card/support/scan.h"

namespace skimwatch::testing {

// What a scan finds, by the plainest means: the whole text at once, byte by byte, every form that
// is undone decoded wherever it could stand, at each alignment, over all of the text. No vector
// instructions, no windows and pieces, no first pass that leaves bytes out, no limit on work: time
// grows with a power of the text's length, so texts of some kilobytes are what it is for.
//
// Digits and separators beyond ASCII are read in base64 only where it is at the begin of its run,
// as the scanner does.
//
// It shares with the scanner what judges one number: the groups that it may be written in and what
// stands beside it (NumberFinder), which escapes can lead to one (IsTellingEscape), the evidence
// (Weigh), and which of two numbers in the same bytes stays (MergeMatches). These have tests of
// their own. How the scanner gets to the bytes that are judged is what the two can be compared in.
std::vector<Found> ReferenceScan(std::string_view text, const ScanSetup& setup = {});

// Whether ReferenceScan undoes `encoding`.
bool IsOfReference(card::Encoding encoding);

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_REFERENCE_ENGINE_H_
