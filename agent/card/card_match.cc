#include "agent/card/card_match.h"

namespace skimwatch::card {

std::string_view MatchKindName(MatchKind kind) {
  switch (kind) {
    case MatchKind::kPan:
      return "pan";
    case MatchKind::kTrack1:
      return "track1";
    case MatchKind::kTrack2:
      return "track2";
    case MatchKind::kPanWithCvv:
      return "pan_with_cvv";
  }
  return "unknown";
}

std::string_view ConfidenceName(Confidence confidence) {
  switch (confidence) {
    case Confidence::kLow:
      return "low";
    case Confidence::kMedium:
      return "medium";
    case Confidence::kHigh:
      return "high";
  }
  return "unknown";
}

std::string_view EncodingName(Encoding encoding) {
  switch (encoding) {
    case Encoding::kPercent:
      return "percent";
    case Encoding::kJsonEscape:
      return "json_escape";
    case Encoding::kBase64:
      return "base64";
    case Encoding::kHex:
      return "hex";
    case Encoding::kHtmlEntity:
      return "html_entity";
    case Encoding::kQuotedPrintable:
      return "quoted_printable";
    case Encoding::kCharCodes:
      return "char_codes";
  }
  return "unknown";
}

}  // namespace skimwatch::card
