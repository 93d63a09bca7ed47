// Bytes of any kind through each decoder and the number finder: no crash; every decoder ends, and
// says of each byte it gives where it came from, in order; a filter that spares work lets all
// through that it must; candidates are digits within the text.
//
// The first byte says which form is undone.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "agent/card/brand_table.h"
#include "agent/card/decoded_text.h"
#include "agent/card/decoders.h"
#include "agent/card/number_finder.h"
#include "agent/card/record_tail.h"
#include "agent/card/surroundings.h"
#include "agent/card/symbols.h"
#include "agent/card/track.h"

namespace {

using skimwatch::card::BrandTable;
using skimwatch::card::Candidate;
using skimwatch::card::DecodedText;
using skimwatch::card::Form;
using skimwatch::card::NumberFinder;

void Require(bool holds) {
  if (!holds) std::abort();
}

void DecodeAll(Form form, std::string_view text, DecodedText& decoded) {
  for (size_t at = 0; at < text.size();) {
    decoded.Clear();
    const size_t stopped = skimwatch::card::Decode(form, text, at, text.size(), decoded);
    Require(stopped > at && stopped <= text.size());
    for (size_t i = 0; i < decoded.size(); ++i) {
      Require(decoded.Source(i) >= at && decoded.Source(i) < stopped);
      Require(i == 0 || decoded.Source(i - 1) <= decoded.Source(i));
      Require(decoded.SourceEnd(i) > decoded.Source(i) && decoded.SourceEnd(i) <= stopped);
    }
    at = stopped;
  }
}

void CheckEscapes(std::string_view text) {
  constexpr std::string_view kMarks = "%\\&";
  // Where one stretch ends the next search goes on, as the scanner does, so that work is linear.
  for (size_t at = text.find_first_of(kMarks); at != std::string_view::npos;
       at = text.find_first_of(kMarks, at)) {
    const auto escape = skimwatch::card::EscapeAt(text, at);
    Require(at + escape.bytes <= text.size());
    if (!skimwatch::card::IsTellingEscape(text, at)) {
      ++at;
      continue;
    }
    Require(escape.bytes > 0 && skimwatch::card::MayTell(text, at));
    const auto stretch = skimwatch::card::EscapedStretch(text, at, 0, text.size());
    Require(stretch.begin <= at && at + escape.bytes <= stretch.end);
    Require(stretch.end <= text.size());
    at = std::max(stretch.end, at + 1);
  }
}

void FindNumbers(std::string_view text) {
  const NumberFinder finder(BrandTable::Default());
  for (size_t at = 0; at < text.size();) {
    if (skimwatch::card::DigitAt(text, at).bytes == 0) {
      ++at;
      continue;
    }
    const size_t end = finder.FindInChain(text, at, [&](const Candidate& candidate) {
      Require(candidate.begin < candidate.end && candidate.end <= text.size());
      Require(candidate.size >= 12 && candidate.size <= 19 && candidate.brand.found());
      for (const uint8_t digit : candidate.span()) Require(digit <= 9);
      const auto tail = skimwatch::card::ReadRecordTail(text, candidate.end);
      Require(tail.end >= candidate.end && tail.end <= text.size());
      skimwatch::card::TrackAround(text, candidate.begin, candidate.end);
      skimwatch::card::ReadSurroundings(text, candidate.begin, candidate.end);
    });
    Require(end > at);
    at = end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  // A copy of its own size, so that a byte beyond it is seen.
  const size_t bytes = size - 1;
  const auto copy = std::make_unique<char[]>(bytes);
  std::copy(data + 1, data + size, copy.get());
  const std::string_view text(copy.get(), bytes);
  constexpr Form kForms[] = {Form::kBase64, Form::kHex, Form::kEscapes, Form::kUtf16Le,
                             Form::kUtf16Be};
  const Form form = kForms[data[0] % std::size(kForms)];
  DecodedText decoded;
  DecodeAll(form, text, decoded);
  if (form == Form::kEscapes) CheckEscapes(text);
  FindNumbers(text);
  return 0;
}
