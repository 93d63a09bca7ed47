#include "agent/script/judge/card_redaction.h"

#include <algorithm>

#include "agent/card/mask.h"
#include "agent/card/scanner.h"
#include "proto/validation/card_digits.h"

namespace skimwatch::script {
namespace {

// As deep as the engine goes: what is shown must hide more than what is alarmed.
constexpr int kDecodeDepth = 4;

void Overwrite(std::string& text, size_t begin, size_t size) {
  if (begin >= text.size()) return;
  std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(begin),
              std::min(size, text.size() - begin), '*');
}

class Redactor : public card::MatchSink {
 public:
  explicit Redactor(RedactedText& redacted) : redacted_(redacted) {}

  void OnMatch(const card::CardMatch& match) override {
    Overwrite(redacted_.text, match.offset, match.length);
    // A low one is a number among others that happens to fit.
    if (match.confidence >= card::Confidence::kMedium) {
      redacted_.card_offsets.push_back(match.offset);
    }
  }

 private:
  RedactedText& redacted_;
};

}  // namespace

RedactedText RedactCards(std::string_view text) {
  RedactedText redacted;
  redacted.text = text;
  Redactor redactor(redacted);
  card::ScanStream stream({.decode_depth = kDecodeDepth}, card::RedactionBrands());
  stream.Begin({});
  stream.Feed(text, redactor);
  stream.Finish(redactor);
  for (validation::DigitRange range = validation::FindCardNumber(redacted.text); !range.empty();
       range = validation::FindCardNumber(redacted.text, range.end)) {
    Overwrite(redacted.text, range.begin, range.end - range.begin);
  }
  std::sort(redacted.card_offsets.begin(), redacted.card_offsets.end());
  return redacted;
}

}  // namespace skimwatch::script
