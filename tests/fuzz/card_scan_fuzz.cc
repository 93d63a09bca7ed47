// Bytes of any kind through the card scanner: never a crash or a hang; the same findings however
// the stream is cut; matches within the stream, in order, without overlap; no full number in any
// text that leaves the scanner, and nothing to find in text that was redacted.
//
// The first byte sets the decode depth and the context, the next four where the stream is cut.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "agent/card/brand_table.h"
#include "agent/card/mask.h"
#include "agent/card/scanner.h"

namespace {

using skimwatch::card::BrandTable;
using skimwatch::card::CardMatch;
using skimwatch::card::MatchSink;
using skimwatch::card::RedactCardNumbers;
using skimwatch::card::ScanContext;
using skimwatch::card::ScanStream;

using Summary = std::tuple<uint64_t, uint32_t, int, int, size_t, std::vector<std::string>>;

void Require(bool holds) {
  if (!holds) std::abort();
}

class Checker : public MatchSink {
 public:
  explicit Checker(size_t size) : size_(size) {}

  void OnMatch(const CardMatch& match) override {
    Require(match.length > 0 && match.offset >= end_ && match.offset + match.length <= size_);
    end_ = match.offset + match.length;
    Require(match.digits.size() >= 12 && match.digits.size() <= 19);
    Require(match.score >= 0 && match.score <= 100 && !match.brand.empty());
    std::vector<std::string> evidence(match.evidence.begin(), match.evidence.end());
    for (const std::string& text : evidence) {
      // `track1` and `track2` are the only digits.
      Require(std::count_if(text.begin(), text.end(),
                            [](char c) { return c >= '0' && c <= '9'; }) <= 1);
      Require(text.size() <= 128);
    }
    found.emplace_back(match.offset, match.length, match.score, static_cast<int>(match.kind),
                       match.encodings.size(), std::move(evidence));
  }

  std::vector<Summary> found;

 private:
  const size_t size_;
  uint64_t end_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHeader = 5;
  if (size < kHeader) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + kHeader, size - kHeader);
  const ScanContext context = {.location = (data[0] & 8) != 0 ? "/checkout" : "",
                               .is_script = (data[0] & 16) != 0};
  ScanStream stream({.decode_depth = data[0] % 5}, BrandTable::Default());
  Checker whole(text.size());
  stream.Begin(context);
  stream.Feed(text, whole);
  stream.Finish(whole);

  Checker cut(text.size());
  stream.Begin(context);
  size_t at = 0;
  for (size_t i = 1; i < kHeader; ++i) {
    const size_t next = std::min(text.size(), at + data[i] * text.size() / 512);
    stream.Feed(text.substr(at, next - at), cut);
    at = next;
  }
  stream.Feed(text.substr(at), cut);
  stream.Finish(cut);
  Require(whole.found == cut.found);

  const std::string redacted = RedactCardNumbers(text);
  Require(redacted.size() == text.size());
  Checker none(text.size());
  ScanStream deep({.decode_depth = 4}, BrandTable::Default());
  deep.Begin({});
  deep.Feed(redacted, none);
  deep.Finish(none);
  Require(none.found.empty());
  return 0;
}
