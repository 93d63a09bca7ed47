#ifndef SKIMWATCH_AGENT_CARD_NUMBER_FINDER_H_
#define SKIMWATCH_AGENT_CARD_NUMBER_FINDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "agent/card/brand_table.h"
#include "agent/card/secret_digits.h"
#include "agent/card/wipe.h"

namespace skimwatch::card {

// How the digits of a number are written.
enum class Shape : uint8_t {
  kUngrouped,
  // The groups that the brand prints: 4-4-4-4, 4-6-5, 4-6-4 and so on.
  kBrandGroups,
  // Groups of four with a shorter rest, where the brand prints others.
  kFours,
  // Any other groups; a number only where its field says so.
  kOddGroups,
};

// A number that is no text of digits (emv_field.h).
enum class EmvField : uint8_t { kNone, kPan, kTrack2, kInteger };

// A number in several fields, and how their names are alike (split_fields.h).
enum class SplitKind : uint8_t { kNone, kNumbered, kList, kNamed };

// Digits that an issuer could have given out, before anything around them was weighed.
struct Candidate {
  Candidate() = default;
  ~Candidate() { Wipe(); }
  Candidate(const Candidate&) = delete;
  Candidate& operator=(const Candidate&) = delete;

  absl::Span<const uint8_t> span() const { return {digits.data(), size}; }
  void Wipe() { WipeArray(digits); }

  // Bytes of the text, from the first digit to one past the last.
  size_t begin = 0;
  size_t end = 0;
  // Values 0 to 9; wiped in the end.
  std::array<uint8_t, SecretDigits::kMax> digits{};
  uint8_t size = 0;
  BrandMatch brand;
  // False only where the brand's LuhnRule lets it be.
  bool luhn_valid = false;
  Shape shape = Shape::kUngrouped;
  // A letter stands directly before or after.
  bool beside_letter = false;
  // More groups like its own stand before or after.
  bool in_longer_run = false;
  // A sign of a signed number, a currency or a `#` stands before it.
  bool has_sign = false;
  EmvField emv = EmvField::kNone;
  SplitKind split = SplitKind::kNone;
  // More than one sign stands between its groups (loose_groups.h).
  bool has_loose_groups = false;
  // A number only where its field names a card.
  bool needs_name = false;
};

// Finds candidates in a text: digits in one run or in groups with one kind of separator, with a
// brand's prefix, length and check digit, that are not a slice of something longer (digits, a
// decimal fraction, an exponent, a hexadecimal string, a UUID). Thread-compatible, no state between
// calls.
class NumberFinder {
 public:
  using Sink = absl::FunctionRef<void(const Candidate&)>;

  // `brands` must outlive the finder.
  explicit NumberFinder(const BrandTable& brands) : brands_(brands) {}

  // Hands over the candidates of the chain of digits and single separators that the byte at `at` of
  // `text` belongs to, and returns the end of the chain. Work is linear in the chain.
  size_t FindInChain(std::string_view text, size_t at, Sink sink) const;

 private:
  // Digits without a separator.
  struct Group {
    size_t begin;
    size_t end;
    uint32_t digits;
    // SeparatorSymbol::kind of what stands before it; 0 at the beginning of the chain.
    uint16_t separator;
  };
  struct Grouping;
  static const Grouping kGroupings[];
  // Groups of a chain, as many as are looked at together.
  struct Groups;

  static size_t DigitsIn(const Groups& groups);
  static Group ReadGroup(std::string_view text, size_t at, uint16_t separator);
  // Both return how many groups the number takes, 0 when none begins at `index`.
  size_t FindGrouped(std::string_view text, Groups& groups, size_t index, Sink sink) const;
  size_t FindUngrouped(std::string_view text, Groups& groups, size_t index, Sink sink) const;
  // The number of `length` digits that group `index` begins with, a length before it saying so.
  size_t FindPrefixed(std::string_view text, const Groups& groups, size_t index, size_t length,
                      Sink sink) const;
  void FindOddlyGrouped(std::string_view text, const Groups& groups, size_t index, Sink sink) const;

  static void TakeDigits(std::string_view text, const Group& group, Candidate& candidate);
  // Sets brand and check digit; false when no issuer gives out such a number.
  bool Verify(Candidate& candidate) const;
  // Judges what stands directly around groups `first` to `last`; false when they are a slice.
  bool IsWhole(std::string_view text, const Groups& groups, size_t first, size_t last,
               Candidate& candidate) const;
  // Whether the digits from `begin` on are what a track holds after its number.
  bool IsTailOfTrack(std::string_view text, size_t begin) const;
  // Whether the four groups from `index` on are a number of their own.
  bool NumberFollows(std::string_view text, const Groups& groups, size_t index) const;
  // Whether an expiry date, and perhaps a security code, and no more groups follow group `last`.
  bool ExpiryFollows(std::string_view text, const Groups& groups, size_t last) const;

  const BrandTable& brands_;
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_NUMBER_FINDER_H_
