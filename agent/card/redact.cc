#include <algorithm>

#include "agent/card/brand_table.h"
#include "agent/card/mask.h"
#include "agent/card/scanner.h"
#include "proto/validation/card_digits.h"

namespace skimwatch::card {
namespace {

class Overwriter : public MatchSink {
 public:
  explicit Overwriter(std::string& text) : text_(text) {}
  void OnMatch(const CardMatch& match) override {
    std::fill_n(text_.begin() + static_cast<ptrdiff_t>(match.offset), match.length, '*');
  }

 private:
  std::string& text_;
};

}  // namespace

std::string RedactCardNumbers(std::string_view text) {
  constexpr int kDepthMax = 4;
  std::string redacted(text);
  Overwriter overwriter(redacted);
  ScanStream stream({.decode_depth = kDepthMax}, BrandTable::Default());
  stream.Begin({});
  stream.Feed(text, overwriter);
  stream.Finish(overwriter);
  // What the last look would find by its digits alone, without asking for evidence.
  validation::MaskCardNumbers(redacted);
  return redacted;
}

}  // namespace skimwatch::card
