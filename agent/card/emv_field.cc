#include "agent/card/emv_field.h"

#include <string.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "agent/card/luhn.h"
#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

constexpr uint8_t kTagPan = 0x5A;
constexpr uint8_t kTagTrack2 = 0x57;
constexpr uint8_t kMessagePackUint64 = 0xCF;
constexpr uint8_t kLongLength = 0x81;
constexpr size_t kPanDigitsMin = 13;
constexpr size_t kPanBytesMin = 7;
constexpr size_t kPanBytesMax = 10;
// ISO/IEC 7813: a track 2 has at most 37 digits and separators.
constexpr size_t kTrack2BytesMin = 11;
constexpr size_t kTrack2BytesMax = 19;
constexpr uint8_t kSeparator = 0xD;
constexpr uint8_t kPadding = 0xF;

uint8_t ByteAt(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

// Half bytes: of binary data two a byte, of hexadecimal text one a character.
class Halves {
 public:
  Halves(std::string_view text, bool is_hex) : text_(text), is_hex_(is_hex) {}

  size_t size() const { return is_hex_ ? text_.size() : text_.size() * 2; }
  // 0 to 15; above when the text is not hexadecimal there.
  uint8_t at(size_t index) const {
    if (is_hex_) return static_cast<uint8_t>(HexValue(text_[index]));
    const uint8_t byte = ByteAt(text_, index / 2);
    return index % 2 == 0 ? byte >> 4 : byte & 0xF;
  }

 private:
  const std::string_view text_;
  const bool is_hex_;
};

// Reads digits of the number from the beginning of `halves`, and returns where they end.
size_t TakeDigits(const Halves& halves, Candidate& candidate) {
  size_t at = 0;
  while (at < halves.size() && halves.at(at) <= 9) {
    if (candidate.size == candidate.digits.size()) return 0;
    candidate.digits[candidate.size++] = halves.at(at++);
  }
  return at;
}

bool IsPan(const Halves& halves, Candidate& candidate) {
  const size_t end = TakeDigits(halves, candidate);
  if (candidate.size < kPanDigitsMin) return false;
  if (end == halves.size()) return true;
  return end + 1 == halves.size() && halves.at(end) == kPadding;
}

// Expiry date and service code after the separator, then digits and at most one F.
bool IsTrack2(const Halves& halves, Candidate& candidate) {
  constexpr size_t kExpiryAndService = 7;
  size_t at = TakeDigits(halves, candidate);
  if (candidate.size < kPanDigitsMin || at >= halves.size() || halves.at(at) != kSeparator) {
    return false;
  }
  ++at;
  if (halves.size() - at < kExpiryAndService) return false;
  const int month = halves.at(at + 2) * 10 + halves.at(at + 3);
  if (month < 1 || month > 12) return false;
  while (at < halves.size() && halves.at(at) <= 9) ++at;
  return at == halves.size() || (at + 1 == halves.size() && halves.at(at) == kPadding);
}

bool IsLengthOf(uint8_t tag, size_t bytes) {
  return tag == kTagPan ? bytes >= kPanBytesMin && bytes <= kPanBytesMax
                        : bytes >= kTrack2BytesMin && bytes <= kTrack2BytesMax;
}

bool Read(uint8_t tag, const Halves& value, Candidate& candidate) {
  candidate.emv = tag == kTagPan ? EmvField::kPan : EmvField::kTrack2;
  return tag == kTagPan ? IsPan(value, candidate) : IsTrack2(value, candidate);
}

}  // namespace

bool EmvFieldFinder::Verify(Candidate& candidate) const {
  if (!brands_.Possible(candidate.digits[0], candidate.digits[1], candidate.size)) return false;
  candidate.luhn_valid = LuhnValid(candidate.span());
  if (!candidate.luhn_valid) return false;
  candidate.brand = brands_.Find(candidate.span(), /*luhn_valid=*/true);
  return candidate.brand.found() && candidate.brand.luhn != LuhnRule::kNone &&
         (candidate.emv == EmvField::kTrack2 || candidate.brand.weight == IssuerWeight::kCommon);
}

void EmvFieldFinder::FindBinary(std::string_view text, size_t length_at, Sink sink) const {
  if (length_at == 0 || length_at >= text.size()) return;
  const uint8_t tag = ByteAt(text, length_at - 1);
  if (tag == kMessagePackUint64) {
    FindInteger(text, length_at, sink);
    return;
  }
  if (tag != kTagPan && tag != kTagTrack2) return;
  size_t value_at = length_at + 1;
  size_t bytes = ByteAt(text, length_at);
  if (bytes == kLongLength) {
    if (value_at >= text.size()) return;
    bytes = ByteAt(text, value_at++);
  }
  if (!IsLengthOf(tag, bytes) || text.size() - value_at < bytes) return;
  Candidate candidate;
  const Halves value(text.substr(value_at, bytes), /*is_hex=*/false);
  if (!Read(tag, value, candidate) || !Verify(candidate)) return;
  candidate.begin = value_at;
  candidate.end = value_at + (candidate.size + 1u) / 2;
  sink(candidate);
}

void EmvFieldFinder::FindInteger(std::string_view text, size_t at, Sink sink) const {
  constexpr size_t kBytes = 8;
  constexpr size_t kKeyBytesMax = 31;
  constexpr uint8_t kFixStr = 0xA0;
  // Greek letters begin with the same byte.
  if (text.size() - at < kBytes || ByteAt(text, at) >= 0x20) return;
  // An integer says nothing of itself; a key must stand directly before it (field_words.h judges
  // it), so that no run of such integers is looked at.
  size_t key = at - 1;
  while (key > 0 && at - key <= kKeyBytesMax && ByteAt(text, key - 1) < 0x80) --key;
  const size_t key_bytes = at - 1 - key;
  if (key == 0 || key_bytes < 2 || ByteAt(text, key - 1) != kFixStr + key_bytes) return;
  uint64_t value = 0;
  for (size_t i = 0; i < kBytes; ++i) value = value << 8 | ByteAt(text, at + i);
  Candidate candidate;
  std::array<uint8_t, 20> reversed{};
  size_t digits = 0;
  for (; value > 0; value /= 10) reversed[digits++] = static_cast<uint8_t>(value % 10);
  if (digits >= kPanDigitsMin && digits <= candidate.digits.size()) {
    while (candidate.size < digits) {
      candidate.digits[candidate.size] = reversed[digits - 1 - candidate.size];
      ++candidate.size;
    }
    candidate.emv = EmvField::kInteger;
    candidate.needs_name = true;
    candidate.begin = at;
    candidate.end = at + kBytes;
    if (Verify(candidate)) sink(candidate);
  }
  explicit_bzero(reversed.data(), reversed.size());
}

void EmvFieldFinder::FindInHex(std::string_view text, size_t at, Sink sink) const {
  // Longer runs of digits hold tags too, but not where the digits around end.
  constexpr size_t kRunMax = 64;
  size_t end = at;
  while (end < text.size() && IsAsciiDigit(text[end]) && end - at < kRunMax) ++end;
  size_t begin = at;
  while (begin > 0 && IsAsciiDigit(text[begin - 1]) && at - begin < kRunMax) --begin;
  const auto read = [&](uint8_t tag, size_t value_at, size_t bytes) {
    if (!IsLengthOf(tag, bytes) || text.size() - value_at < 2 * bytes) return;
    Candidate candidate;
    const Halves value(text.substr(value_at, 2 * bytes), /*is_hex=*/true);
    if (!Read(tag, value, candidate) || !Verify(candidate)) return;
    candidate.begin = value_at;
    candidate.end = value_at + candidate.size;
    sink(candidate);
  };
  // The tag and the length, 81 before it or not, that end before `value_at`.
  const auto read_before = [&](size_t value_at) {
    if (value_at < 4 || value_at > text.size()) return;
    const int64_t bytes = HexNumberAt(text, value_at - 2, 2);
    if (bytes < 0) return;
    const auto is_tag = [&](int64_t tag) { return tag == kTagPan || tag == kTagTrack2; };
    if (const int64_t tag = HexNumberAt(text, value_at - 4, 2); is_tag(tag)) {
      read(static_cast<uint8_t>(tag), value_at, static_cast<size_t>(bytes));
    } else if (value_at >= 6 && tag == kLongLength) {
      if (const int64_t far = HexNumberAt(text, value_at - 6, 2); is_tag(far)) {
        read(static_cast<uint8_t>(far), value_at, static_cast<size_t>(bytes));
      }
    }
  };
  // `5A` ends in a letter, and so do lengths from `0A` on: the run begins with the number, or with
  // the length, or with `81` and it. Track 2 ends its number with the run, after tag and length.
  const bool after_letter = begin > 0 && HexValue(text[begin - 1]) >= 0;
  if (after_letter) {
    for (const size_t skipped : {0, 2, 4}) read_before(begin + skipped);
  }
  if (end < text.size() && (text[end] | 0x20) == 'd') {
    for (size_t digits = kPanDigitsMin; digits <= SecretDigits::kMax && digits <= end - begin;
         ++digits) {
      const size_t value_at = end - digits;
      // The others are found above.
      if (after_letter && value_at < begin + 6 && (value_at - begin) % 2 == 0) continue;
      read_before(value_at);
    }
  }
}

bool FollowedByEmvField(std::string_view text, size_t end) {
  // Two-byte tags begin 5F, 9F or DF; of one byte are those of the application's profile, of the
  // terminal's results and of the transaction's date, type and number.
  constexpr std::array<uint8_t, 10> kTags = {0x57, 0x5A, 0x50, 0x82, 0x84,
                                             0x8E, 0x95, 0x9A, 0x9B, 0x9C};
  constexpr size_t kLengthMax = 64;
  if (end + 2 >= text.size()) return false;
  const uint8_t first = ByteAt(text, end);
  size_t length_at = end + 1;
  if (first == 0x5F || first == 0x9F || first == 0xDF) {
    ++length_at;
  } else if (std::find(kTags.begin(), kTags.end(), first) == kTags.end()) {
    return false;
  }
  const size_t length = ByteAt(text, length_at);
  return length > 0 && length <= kLengthMax && length_at + 1 + length <= text.size();
}

}  // namespace skimwatch::card
