#ifndef SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_SCAN_H_
#define SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_SCAN_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "agent/card/card_match.h"
#include "agent/card/scanner.h"

namespace skimwatch::testing {

// A match as tests compare it: without its digits, so that no failure prints them. `digits_hash`
// tells numbers apart.
struct Found {
  uint64_t offset = 0;
  uint32_t length = 0;
  card::MatchKind kind = card::MatchKind::kPan;
  std::string brand;
  std::string masked;
  uint64_t digits_hash = 0;
  card::Confidence confidence = card::Confidence::kLow;
  int score = 0;
  std::vector<card::Encoding> encodings;
  bool test_card = false;
  std::vector<std::string> evidence;

  friend bool operator==(const Found&, const Found&) = default;
};
std::ostream& operator<<(std::ostream& out, const Found& found);
Found FoundOf(const card::CardMatch& match);

uint64_t HashOfDigits(std::string_view text);

struct ScanSetup {
  card::ScanOptions options = {.decode_depth = 2};
  card::ScanContext context;
};

// Everything found in `text`, fed in one piece.
std::vector<Found> Scan(std::string_view text, const ScanSetup& setup = {});
// Fed in pieces that end at `cuts`, in order.
std::vector<Found> ScanInPieces(std::string_view text, const std::vector<size_t>& cuts,
                                const ScanSetup& setup = {});

// Whether `found` is one match, of the number `digits`.
bool IsOnly(const std::vector<Found>& found, std::string_view digits);

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_SCAN_H_
