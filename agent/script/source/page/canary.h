#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_CANARY_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_CANARY_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::script {

// A card that nobody has, to be typed into a page.
struct CanaryCard {
  // Digits alone.
  std::string number;
  // `12/30`
  std::string expiry;
  std::string cvc;
  std::string name;
};

// The number of `config.number_file`, or one of `config.issuer`, digits at random and the check
// digit of Luhn. Errors name the file: NOT_FOUND, or INVALID_ARGUMENT for what is no card number.
absl::StatusOr<CanaryCard> MakeCanary(const config::v1::PageCanary& config);

// Puts the card into a step's text: `{card}`, `{expiry}`, `{cvc}`, `{name}`.
std::string FillIn(std::string_view text, const CanaryCard& card);
// Whether a step's text asks for the number.
bool AsksForCard(std::string_view text);

// Looks for one known number in what a page sends: with the card engine, and, since the number is
// known, in forms that nobody could look for in all traffic: spread over fields or lists, reversed,
// as character codes, with a constant added to or exclusive-ored with every character, each also
// inside of percent-encoding, base64 and hexadecimal digits.
//
// Thread-compatible. `brands` must outlive it.
class CanaryFinder {
 public:
  CanaryFinder(std::string_view number, const card::ScanOptions& options,
               const card::BrandTable& brands);

  // The encodings of the number in `text`, outermost first (none for the plain number); nullopt
  // when it is not there. Other card numbers go to `others`, which may be null. About linear.
  std::optional<std::vector<std::string>> Find(std::string_view text,
                                               const card::ScanContext& context,
                                               card::MatchSink* others);

 private:
  // In one text as it stands; the name of the form, empty for plain.
  std::optional<std::string> FindKnown(std::string_view text) const;

  std::string number_;
  std::string reversed_;
  // `52495049...`: decimal character codes without what stands between.
  std::string codes_;
  card::ScanStream stream_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_CANARY_H_
