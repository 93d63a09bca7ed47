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

size_t RunEnd(std::string_view text, size_t at) {
  while (at < text.size() && IsAsciiDigit(text[at])) ++at;
  return at;
}

// Groups of digits with anything between them: `4111abc1111...`.
bool MaskLooseGroups(std::string& text) {
  Reading reading(text.size());
  size_t last_end = 0;
  for (size_t at = 0; at < text.size();) {
    if (!IsAsciiDigit(text[at])) {
      ++at;
      continue;
    }
    reading.AddSeparator(at - last_end > kGapMax ? kApart : kJoint);
    const size_t end = RunEnd(text, at);
    for (; at < end; ++at) reading.AddDigit(text[at], at, at + 1);
    last_end = end;
  }
  return reading.Mask(text);
}

// Lists of the codes of digits: `52,49,49`, `0x34, 0x31`, `U+0034 U+0031`.
bool MaskCharacterCodes(std::string& text) {
  Reading reading(text.size());
  size_t last_end = 0;
  for (size_t at = 0; at < text.size();) {
    if (!IsAsciiDigit(text[at])) {
      ++at;
      continue;
    }
    const size_t end = RunEnd(text, at);
    const std::string_view run = std::string_view(text).substr(at, end - at);
    size_t digits = at;
    while (digits + 2 < end && text[digits] == '0') ++digits;
    const std::string_view code = std::string_view(text).substr(digits, end - digits);
    const char before = at > 0 ? text[at - 1] : '\0';
    // `0` of `0x34` is no code.
    const bool is_prefix = run == "0" && end < text.size() && (text[end] | 0x20) == 'x';
    char digit = '\0';
    if (code.size() == 2) {
      const bool is_hex = (before | 0x20) == 'x' || before == '+' || (before | 0x20) == 'u';
      if (is_hex && code[0] == '3') digit = code[1];
      const int value = (code[0] - '0') * 10 + (code[1] - '0');
      if (digit == '\0' && value >= '0' && value <= '9') digit = static_cast<char>(value);
    }
    if (digit != '\0') {
      if (at - last_end > kGapMax) reading.AddSeparator(kApart);
      reading.AddDigit(digit, at, end);
      last_end = end;
    } else if (!is_prefix) {
      reading.AddSeparator(kApart);
    }
    at = end;
  }
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
