#ifndef SKIMWATCH_AGENT_CARD_CARD_MATCH_H_
#define SKIMWATCH_AGENT_CARD_CARD_MATCH_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "agent/card/secret_digits.h"

namespace skimwatch::card {

enum class MatchKind : uint8_t { kPan, kTrack1, kTrack2, kPanWithCvv };

enum class Confidence : uint8_t { kLow, kMedium, kHigh };

// A form that was undone to reach the digits.
enum class Encoding : uint8_t {
  kPercent,
  kJsonEscape,
  kBase64,
  kHex,
  kHtmlEntity,
  kQuotedPrintable,
  kCharCodes,
};

// Names as they stand in findings and in the output of `scan`: `pan`, `track1`, `track2`,
// `pan_with_cvv`; `low`, `medium`, `high`; `percent`, `json_escape`, `base64`, `hex`,
// `html_entity`, `quoted_printable`, `char_codes`.
std::string_view MatchKindName(MatchKind kind);
std::string_view ConfidenceName(Confidence confidence);
std::string_view EncodingName(Encoding encoding);

// One card number found in a stream of bytes. Valid during the call that hands it over.
struct CardMatch {
  // Offset in bytes of the first byte of the number (in its outermost encoded form) from the start
  // of the stream, and its length there. In base64 these are the whole groups that carry it,
  // without padding. Of track data it is the number alone.
  uint64_t offset = 0;
  uint32_t length = 0;
  MatchKind kind = MatchKind::kPan;
  // Name of the brand in the brand table; lives as long as the table.
  std::string_view brand;
  // BrandMatch::iin_digits.
  uint8_t iin_digits = 6;
  SecretDigits digits;
  Confidence confidence = Confidence::kLow;
  // 0 to 100.
  int score = 0;
  // Outermost first; empty when plain.
  absl::InlinedVector<Encoding, 4> encodings;
  // A number that a payment company published for testing.
  bool test_card = false;
  // What speaks for and against, such as `brand_grouping`, `field_name:cardnumber`,
  // `against:field_name:order`. Never holds digits of the number.
  absl::InlinedVector<std::string, 4> evidence;
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_CARD_MATCH_H_
