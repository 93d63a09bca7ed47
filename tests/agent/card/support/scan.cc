#include "tests/agent/card/support/scan.h"

#include "absl/strings/str_join.h"
#include "agent/card/brand_table.h"
#include "agent/card/mask.h"

namespace skimwatch::testing {
namespace {

uint64_t Hash(absl::Span<const uint8_t> digits) {
  // FNV-1a
  uint64_t hash = 0xCBF29CE484222325u;
  for (const uint8_t digit : digits) hash = (hash ^ digit) * 0x100000001B3u;
  return hash;
}

class Collector : public card::MatchSink {
 public:
  void OnMatch(const card::CardMatch& match) override { found.push_back(FoundOf(match)); }

  std::vector<Found> found;
};

}  // namespace

Found FoundOf(const card::CardMatch& match) {
  return {.offset = match.offset,
          .length = match.length,
          .kind = match.kind,
          .brand = std::string(match.brand),
          .masked = card::Mask(match.digits, card::MaskStyle::kFirst6Last4),
          .digits_hash = Hash(match.digits.Reveal()),
          .confidence = match.confidence,
          .score = match.score,
          .encodings = {match.encodings.begin(), match.encodings.end()},
          .test_card = match.test_card,
          .evidence = {match.evidence.begin(), match.evidence.end()}};
}

std::ostream& operator<<(std::ostream& out, const Found& found) {
  out << found.offset << '+' << found.length << ' ' << card::MatchKindName(found.kind) << ' '
      << found.brand << ' ' << found.masked << ' ' << card::ConfidenceName(found.confidence) << ' '
      << found.score;
  for (const card::Encoding encoding : found.encodings) out << ' ' << card::EncodingName(encoding);
  return out << " [" << absl::StrJoin(found.evidence, " ") << "]";
}

uint64_t HashOfDigits(std::string_view text) {
  std::vector<uint8_t> digits;
  for (const char c : text) {
    if (c >= '0' && c <= '9') digits.push_back(static_cast<uint8_t>(c - '0'));
  }
  return Hash(digits);
}

std::vector<Found> Scan(std::string_view text, const ScanSetup& setup) {
  return ScanInPieces(text, {}, setup);
}

std::vector<Found> ScanInPieces(std::string_view text, const std::vector<size_t>& cuts,
                                const ScanSetup& setup) {
  card::ScanStream stream(setup.options, card::BrandTable::Default());
  Collector collector;
  stream.Begin(setup.context);
  size_t at = 0;
  for (const size_t cut : cuts) {
    stream.Feed(text.substr(at, cut - at), collector);
    at = cut;
  }
  stream.Feed(text.substr(at), collector);
  stream.Finish(collector);
  return collector.found;
}

bool IsOnly(const std::vector<Found>& found, std::string_view digits) {
  return found.size() == 1 && found[0].digits_hash == HashOfDigits(digits);
}

}  // namespace skimwatch::testing
