#ifndef SKIMWATCH_AGENT_CARD_BRAND_TABLE_H_
#define SKIMWATCH_AGENT_CARD_BRAND_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace skimwatch::card {

// Whether numbers of a range end in a check digit (luhn.h).
enum class LuhnRule : uint8_t {
  // Every number passes.
  kRequired,
  // Most pass; some issuers gave out numbers that do not.
  kUsual,
  // The brand promises nothing.
  kNone,
};

// How much the first digits and the length alone say.
enum class IssuerWeight : uint8_t {
  // A range and a length that shoppers' cards really have.
  kCommon,
  // Issued, but rare beside the identifiers, times and codes that look the same.
  kRare,
};

// A row of the table: an interval of first digits (the issuer identification number, IIN) of one
// brand, and the lengths that it issues there.
struct BrandRange {
  // Lower-case name, such as `visa`.
  std::string brand;
  // First and last prefix, both included, of the same count of digits, 1 to 8.
  std::string first;
  std::string last;
  // Lengths as `16`, `16-19` or `13,16,18-19`; each 12 to 19.
  std::string lengths;
  LuhnRule luhn = LuhnRule::kRequired;
  IssuerWeight weight = IssuerWeight::kCommon;
  // Groups that the brand prints, such as `4-6-5`, for numbers of that many digits. For others it
  // is fours with a shorter rest, 4-6-5, 4-6-4 and 6-13.
  std::vector<std::string> groups;
  // Digits of the issuer's number, 6 or 8: what a mask may show at the front.
  uint8_t iin_digits = 6;
};

// What is wrong with a row, for whoever wrote it.
struct BrandRangeFault {
  size_t row = 0;
  // Of BrandRange; empty for the row itself.
  std::string_view field;
  std::string found;
  std::string expected;
  // The other row of a contradiction.
  std::optional<size_t> other_row;
};

// All that is wrong with a table, in the order of its rows: texts that can't be read, and rows that
// contradict one another. Two rows do when a number fits both with prefixes of the same length,
// since nothing says then which of them holds.
std::vector<BrandRangeFault> FaultsOf(absl::Span<const BrandRange> ranges);

// What the table says of one number.
struct BrandMatch {
  // Empty when no row fits. Lives as long as the table.
  std::string_view brand;
  LuhnRule luhn = LuhnRule::kRequired;
  IssuerWeight weight = IssuerWeight::kCommon;
  uint8_t iin_digits = 6;
  // BrandRange::groups of the row; null when no row fits.
  const std::vector<std::string>* groups = nullptr;

  bool found() const { return !brand.empty(); }
  // Whether the brand prints numbers in groups of these sizes.
  bool Prints(absl::Span<const uint8_t> sizes) const;
};

// Which brand issues a number, by its first digits and its length. Immutable and thread-safe.
//
//   const BrandMatch match = BrandTable::Default().Find(digits);
//   if (match.found() && LuhnValid(digits)) ...
class BrandTable {
 public:
  static constexpr size_t kRangesMax = 4096;
  static constexpr size_t kBrandsMax = 64;

  // The brands of the world as they are known to this version: agent/card/brands.yaml, which names
  // its sources.
  static const BrandTable& Default();

  // A table of a caller's own rows. INVALID_ARGUMENT names the row and what is wrong with it.
  static absl::StatusOr<BrandTable> FromRanges(std::vector<BrandRange> ranges);

  BrandTable(BrandTable&&) = default;
  BrandTable& operator=(BrandTable&&) = default;
  BrandTable(const BrandTable&) = delete;
  BrandTable& operator=(const BrandTable&) = delete;

  // The row with the longest prefix among those that fit `digits` (values 0 to 9) in prefix and
  // length. Looks at no check digit; with `luhn_valid` false, rows that require one do not fit, so
  // that a number which would be Discover's may be UnionPay's.
  BrandMatch Find(absl::Span<const uint8_t> digits, bool luhn_valid = true) const;

  // False when no row fits a number that begins with these two digits and is `length` long: a
  // quick refusal before Find.
  bool Possible(uint8_t first, uint8_t second, size_t length) const {
    return length < 32 && (lengths_by_two_digits_[first * 10 + second] >> length & 1) != 0;
  }

  // Bit n: some row fits numbers of n digits that begin with three digits that read `first_three`;
  // with `luhn_valid` false, rows that require a check digit do not count.
  uint32_t LengthsOf(uint32_t first_three, bool luhn_valid) const;

  absl::Span<const BrandRange> ranges() const { return ranges_; }
  size_t brands() const { return brands_; }

 private:
  // A row as it is searched: the interval widened to eight digits.
  struct Row {
    uint32_t first = 0;
    uint32_t last = 0;
    // Bit n: numbers of n digits.
    uint32_t lengths = 0;
    uint16_t range = 0;
  };

  BrandTable() = default;

  std::vector<BrandRange> ranges_;
  // Names in `ranges_`, each once.
  size_t brands_ = 0;
  // Rows by the first three digits that they can begin with, longest prefix first.
  std::vector<Row> rows_;
  std::array<uint32_t, 1001> rows_begin_{};
  std::array<uint32_t, 100> lengths_by_two_digits_{};
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_BRAND_TABLE_H_
