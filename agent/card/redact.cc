#include <string.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "agent/card/brand_table.h"
#include "agent/card/mask.h"
#include "agent/card/scanner.h"
#include "agent/card/symbols.h"
#include "proto/validation/card_digits.h"

namespace skimwatch::card {
namespace {

class Overwriter : public MatchSink {
 public:
  explicit Overwriter(std::string& text) : text_(text) {}
  void OnMatch(const CardMatch& match) override {
    std::fill_n(text_.begin() + static_cast<ptrdiff_t>(match.offset), match.length, '*');
    ++count_;
  }
  size_t count() const { return count_; }

 private:
  std::string& text_;
  size_t count_ = 0;
};

// What may stand between two groups, or two codes.
constexpr size_t kGapMax = 8;
// Joins groups in the sizes that cards are printed in, and no others.
constexpr std::string_view kJoint = "|";
// Longer than anything that parts groups of a number.
constexpr std::string_view kApart = "||||";

// A reading of a text: digits and separators, and where in the text each digit was read. Wiped in
// the end.
class Reading {
 public:
  explicit Reading(size_t text_bytes) { digits_.reserve(2 * text_bytes + kApart.size()); }
  ~Reading() { explicit_bzero(digits_.data(), digits_.size()); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  void AddDigit(char digit, size_t begin, size_t end) {
    digits_ += digit;
    sources_.push_back({begin, end});
  }
  void AddSeparator(std::string_view separator) {
    digits_ += separator;
    sources_.resize(digits_.size());
  }

  // Overwrites in `text` what the card numbers in the reading were read from. True when there was
  // one.
  bool Mask(std::string& text) const {
    bool found = false;
    for (auto range = validation::FindCardNumber(digits_); !range.empty();
         range = validation::FindCardNumber(digits_, range.end)) {
      found = true;
      for (size_t i = range.begin; i < range.end; ++i) {
        std::fill(text.begin() + static_cast<ptrdiff_t>(sources_[i].begin),
                  text.begin() + static_cast<ptrdiff_t>(sources_[i].end), '*');
      }
    }
    return found;
  }

 private:
  struct Source {
    size_t begin = 0;
    size_t end = 0;
  };
  std::string digits_;
  std::vector<Source> sources_;
};

// Calls `visit` with the begin and end of every run of digits in `text`.
template <typename Visit>
void ForEachRun(std::string_view text, Visit visit) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (!IsAsciiDigit(text[at])) continue;
    const size_t begin = at;
    while (at < text.size() && IsAsciiDigit(text[at])) ++at;
    visit(begin, at);
  }
}

// Groups of digits with anything between them: `4111abc1111...`.
bool MaskLooseGroups(std::string& text) {
  Reading reading(text.size());
  size_t last_end = 0;
  ForEachRun(text, [&](size_t begin, size_t end) {
    reading.AddSeparator(begin - last_end > kGapMax ? kApart : kJoint);
    for (size_t at = begin; at < end; ++at) reading.AddDigit(text[at], at, at + 1);
    last_end = end;
  });
  return reading.Mask(text);
}

// The digit whose character code is the run of digits at [begin, end) of `text`, in decimal, or in
// hexadecimal where `x`, `u` or `+` is before it; NUL when it is none.
char DigitOfCode(std::string_view text, size_t begin, size_t end) {
  const char before = begin > 0 ? text[begin - 1] : '\0';
  while (begin + 2 < end && text[begin] == '0') ++begin;
  if (end - begin != 2) return '\0';
  const bool is_hex = (before | 0x20) == 'x' || (before | 0x20) == 'u' || before == '+';
  if (is_hex && text[begin] == '3') return text[begin + 1];
  const int value = (text[begin] - '0') * 10 + (text[begin + 1] - '0');
  return value >= '0' && value <= '9' ? static_cast<char>(value) : '\0';
}

// Lists of the codes of digits: `52,49,49`, `0x34, 0x31`, `U+0034 U+0031`.
bool MaskCharacterCodes(std::string& text) {
  Reading reading(text.size());
  size_t last_end = 0;
  ForEachRun(text, [&](size_t begin, size_t end) {
    const char digit = DigitOfCode(text, begin, end);
    // `0` of `0x34` is no code of its own.
    const bool is_prefix =
        end - begin == 1 && text[begin] == '0' && end < text.size() && (text[end] | 0x20) == 'x';
    if (is_prefix) return;
    if (digit == '\0' || begin - last_end > kGapMax) reading.AddSeparator(kApart);
    if (digit == '\0') return;
    reading.AddDigit(digit, begin, end);
    last_end = end;
  });
  return reading.Mask(text);
}

// Null for the built-in ones.
std::atomic<const BrandTable*> redaction_brands = nullptr;

// Overwrites what the scanner finds; false when it found nothing.
bool OverwriteFound(std::string& text) {
  constexpr int kDepthMax = 4;
  const std::string read = text;
  Overwriter overwriter(text);
  ScanStream stream({.decode_depth = kDepthMax}, RedactionBrands());
  stream.Begin({});
  stream.Feed(read, overwriter);
  stream.Finish(overwriter);
  return overwriter.count() > 0;
}

}  // namespace

void SetRedactionBrands(const BrandTable& brands) { redaction_brands = &brands; }

const BrandTable& RedactionBrands() {
  const BrandTable* const brands = redaction_brands;
  return brands != nullptr ? *brands : BrandTable::Default();
}

std::string RedactCardNumbers(std::string_view text) {
  // No number fits in fewer: 13 digits, two a byte, with the tag and length of an EMV field.
  constexpr size_t kNumberBytesMin = 9;
  if (text.size() < kNumberBytesMin) return std::string(text);
  // One number may hide another that shares bytes with it.
  constexpr int kLooksMax = 4;
  std::string redacted(text);
  for (int look = 0; look < kLooksMax; ++look) {
    bool changed = OverwriteFound(redacted);
    // What the last look would find by its digits alone, without asking for evidence.
    changed = validation::MaskCardNumbers(redacted) || changed;
    changed = MaskLooseGroups(redacted) || changed;
    changed = MaskCharacterCodes(redacted) || changed;
    if (!changed) return redacted;
  }
  if (OverwriteFound(redacted)) {
    // Made to be found again and again; nothing of it is worth the risk.
    std::fill(redacted.begin(), redacted.end(), '*');
  }
  return redacted;
}

}  // namespace skimwatch::card
