#include "agent/card/brand_table.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace skimwatch::card {
namespace {

constexpr size_t kIinDigits = 8;  // ISO/IEC 7812-1:2017
constexpr uint32_t kLengthMin = 12;
constexpr uint32_t kLengthMax = 19;
constexpr uint32_t kThreeDigits = 1000;
constexpr uint32_t kRestOfThree = 100'000;  // eight digits over three
constexpr size_t kBrandBytesMax = 32;
// Contradictions that are told; a table may have millions.
constexpr size_t kFaultsMax = 64;

// Groups that the finder of numbers looks for; the first of them are usual, printed where a row
// says nothing about numbers of that length.
constexpr std::string_view kGroups[] = {"4-4-4-4-3", "6-13",    "4-4-4-4-2", "4-4-4-4-1", "4-4-4-4",
                                        "4-6-5",     "4-4-4-3", "4-6-4",     "4-4-4-2",   "4-5-6",
                                        "4-4-4-1",   "4-3-3-3", "4-4-5",     "4-4-4"};
constexpr size_t kUsualGroups = 9;

// `digits` filled up with `fill` to eight digits.
uint32_t Widen(std::string_view digits, char fill) {
  uint32_t value = 0;
  for (size_t i = 0; i < kIinDigits; ++i) {
    const char digit = i < digits.size() ? digits[i] : fill;
    value = value * 10 + static_cast<uint32_t>(digit - '0');
  }
  return value;
}

bool AllDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The lengths of `text` as a bit set; nothing when it can't be read.
std::optional<uint32_t> ParseLengths(std::string_view text) {
  uint32_t lengths = 0;
  for (const auto part : absl::StrSplit(absl::string_view(text.data(), text.size()), ',')) {
    const std::vector<absl::string_view> bounds = absl::StrSplit(part, '-');
    uint32_t first = 0;
    uint32_t last = 0;
    if (bounds.size() > 2 || !absl::SimpleAtoi(bounds.front(), &first) ||
        !absl::SimpleAtoi(bounds.back(), &last)) {
      return std::nullopt;
    }
    if (first < kLengthMin || last > kLengthMax || first > last) return std::nullopt;
    for (uint32_t length = first; length <= last; ++length) lengths |= 1u << length;
  }
  return lengths;
}

bool IsBrandName(std::string_view text) {
  return text.size() <= kBrandBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

// The digits of a number in groups such as `4-6-5`.
size_t DigitsIn(std::string_view groups) {
  size_t digits = 0;
  for (const auto size : absl::StrSplit(absl::string_view(groups.data(), groups.size()), '-')) {
    size_t value = 0;
    if (absl::SimpleAtoi(size, &value)) digits += value;
  }
  return digits;
}

// Whether `groups`, such as `4-6-5`, are of these sizes.
bool IsShape(std::string_view groups, absl::Span<const uint8_t> sizes) {
  size_t i = 0;
  for (const auto text : absl::StrSplit(absl::string_view(groups.data(), groups.size()), '-')) {
    uint32_t size = 0;
    if (i == sizes.size() || !absl::SimpleAtoi(text, &size) || size != sizes[i]) return false;
    ++i;
  }
  return i == sizes.size();
}

std::string KnownGroups() {
  return absl::StrJoin(kGroups, ", ",
                       [](std::string* out, std::string_view groups) { out->append(groups); });
}

// What is wrong with the texts of one row.
void CheckRange(const BrandRange& range, size_t row, std::vector<BrandRangeFault>& faults) {
  const auto fault = [&](std::string_view field, std::string_view found, std::string expected) {
    faults.push_back(
        {.row = row,
         .field = field,
         .found = found.empty() ? "nothing" : absl::StrCat("`", std::string(found), "`"),
         .expected = std::move(expected)});
  };
  if (range.brand.empty() || !IsBrandName(range.brand)) {
    fault("brand", range.brand, "lower-case letters, digits, `-`, `_`; at most 32 characters");
  }
  const auto is_prefix = [](const std::string& text) {
    return !text.empty() && text.size() <= kIinDigits && AllDigits(text);
  };
  if (!is_prefix(range.first)) {
    fault("first", range.first, "a prefix of 1 to 8 digits");
  } else if (!is_prefix(range.last) || range.last.size() != range.first.size()) {
    fault("last", range.last, absl::StrCat("as many digits as `first`, ", range.first.size()));
  } else if (range.last < range.first) {
    fault("last", range.last, absl::StrCat("at least `first`, ", range.first));
  }
  if (!ParseLengths(range.lengths)) {
    fault("lengths", range.lengths, "lengths as `16`, `16-19` or `13,16,18-19`, each 12 to 19");
  }
  for (const std::string& groups : range.groups) {
    if (std::find(std::begin(kGroups), std::end(kGroups), groups) == std::end(kGroups)) {
      fault("groups", groups, absl::StrCat("one of ", KnownGroups()));
    }
  }
  if (range.iin_digits != 6 && range.iin_digits != kIinDigits) {
    fault("iin_digits", absl::StrCat(range.iin_digits), "6 or 8");
  }
}

std::string NameOf(const BrandRange& range) {
  return absl::StrCat(range.brand, " ", range.first, "-", range.last);
}

std::string ListLengths(uint32_t lengths) {
  std::vector<uint32_t> list;
  for (uint32_t length = kLengthMin; length <= kLengthMax; ++length) {
    if ((lengths >> length & 1) != 0) list.push_back(length);
  }
  return absl::StrJoin(list, ", ");
}

// Rows of one prefix length that share a number. The texts are right.
void CheckOverlaps(absl::Span<const BrandRange> ranges, std::vector<BrandRangeFault>& faults) {
  std::vector<size_t> order(ranges.size());
  std::vector<uint32_t> lengths(ranges.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
    lengths[i] = *ParseLengths(ranges[i].lengths);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::make_pair(ranges[a].first.size(), std::string_view(ranges[a].first)) <
           std::make_pair(ranges[b].first.size(), std::string_view(ranges[b].first));
  });
  for (size_t i = 0; i < order.size(); ++i) {
    const BrandRange& one = ranges[order[i]];
    for (size_t j = i + 1; j < order.size(); ++j) {
      const BrandRange& two = ranges[order[j]];
      if (two.first.size() != one.first.size() || two.first > one.last) break;
      const uint32_t common = lengths[order[i]] & lengths[order[j]];
      if (common == 0) continue;
      if (faults.size() == kFaultsMax) return;
      const size_t row = std::max(order[i], order[j]);
      const size_t other = std::min(order[i], order[j]);
      faults.push_back(
          {.row = row,
           .field = "",
           .found = absl::StrCat(NameOf(ranges[row]), ", which overlaps ", NameOf(ranges[other]),
                                 " for ", ListLengths(common), " digits"),
           .expected = "one range for each number: give one of them a longer prefix, which holds "
                       "then, or take the numbers out of the other",
           .other_row = other});
    }
  }
  std::stable_sort(
      faults.begin(), faults.end(),
      [](const BrandRangeFault& a, const BrandRangeFault& b) { return a.row < b.row; });
}

}  // namespace

std::vector<BrandRangeFault> FaultsOf(absl::Span<const BrandRange> ranges) {
  std::vector<BrandRangeFault> faults;
  std::set<std::string_view> brands;
  for (size_t i = 0; i < ranges.size(); ++i) {
    CheckRange(ranges[i], i, faults);
    if (brands.insert(ranges[i].brand).second && brands.size() == BrandTable::kBrandsMax + 1) {
      faults.push_back({.row = i,
                        .field = "brand",
                        .found = absl::StrCat("brand number ", brands.size()),
                        .expected = absl::StrCat("at most ", BrandTable::kBrandsMax, " brands")});
    }
  }
  if (faults.empty()) CheckOverlaps(ranges, faults);
  return faults;
}

bool BrandMatch::Prints(absl::Span<const uint8_t> sizes) const {
  const auto is_shape = [&](std::string_view shape) { return IsShape(shape, sizes); };
  size_t digits = 0;
  for (const uint8_t size : sizes) digits += size;
  if (groups != nullptr) {
    if (std::any_of(groups->begin(), groups->end(), is_shape)) return true;
    const bool has_own = std::any_of(groups->begin(), groups->end(),
                                     [&](std::string_view own) { return DigitsIn(own) == digits; });
    if (has_own) return false;
  }
  return std::any_of(std::begin(kGroups), std::begin(kGroups) + kUsualGroups, is_shape);
}

absl::StatusOr<BrandTable> BrandTable::FromRanges(std::vector<BrandRange> ranges) {
  BrandTable table;
  table.ranges_ = std::move(ranges);
  if (table.ranges_.empty() || table.ranges_.size() > kRangesMax) {
    return absl::InvalidArgumentError(absl::StrCat("brand table: found ", table.ranges_.size(),
                                                   " rows, expected 1 to ", kRangesMax));
  }
  if (const std::vector<BrandRangeFault> faults = FaultsOf(table.ranges_); !faults.empty()) {
    const BrandRangeFault& fault = faults.front();
    return absl::InvalidArgumentError(absl::StrCat(
        "brand table, row ", fault.row + 1, fault.field.empty() ? "" : ", ",
        std::string(fault.field), ": found ", fault.found, ", expected ", fault.expected));
  }
  std::set<std::string_view> brands;
  std::array<std::vector<Row>, kThreeDigits> rows;
  for (size_t i = 0; i < table.ranges_.size(); ++i) {
    const BrandRange& range = table.ranges_[i];
    brands.insert(range.brand);
    const Row row = {.first = Widen(range.first, '0'),
                     .last = Widen(range.last, '9'),
                     .lengths = *ParseLengths(range.lengths),
                     .range = static_cast<uint16_t>(i)};
    for (uint32_t k = row.first / kRestOfThree; k <= row.last / kRestOfThree; ++k) {
      rows[k].push_back(row);
      table.lengths_by_two_digits_[k / 10] |= row.lengths;
    }
  }
  table.brands_ = brands.size();
  for (uint32_t k = 0; k < kThreeDigits; ++k) {
    std::stable_sort(rows[k].begin(), rows[k].end(), [&](const Row& a, const Row& b) {
      return table.ranges_[a.range].first.size() > table.ranges_[b.range].first.size();
    });
    table.rows_.insert(table.rows_.end(), rows[k].begin(), rows[k].end());
    table.rows_begin_[k + 1] = static_cast<uint32_t>(table.rows_.size());
  }
  return table;
}

BrandMatch BrandTable::Find(absl::Span<const uint8_t> digits, bool luhn_valid) const {
  if (digits.size() < kLengthMin || digits.size() > kLengthMax) return {};
  uint32_t iin = 0;
  for (size_t i = 0; i < kIinDigits; ++i) iin = iin * 10 + digits[i];
  const uint32_t bucket = iin / kRestOfThree;
  for (uint32_t i = rows_begin_[bucket]; i < rows_begin_[bucket + 1]; ++i) {
    const Row& row = rows_[i];
    if (iin < row.first || iin > row.last || (row.lengths >> digits.size() & 1) == 0) continue;
    const BrandRange& range = ranges_[row.range];
    if (!luhn_valid && range.luhn == LuhnRule::kRequired) continue;
    return {.brand = range.brand,
            .luhn = range.luhn,
            .weight = range.weight,
            .iin_digits = range.iin_digits,
            .groups = &range.groups};
  }
  return {};
}

uint32_t BrandTable::LengthsOf(uint32_t first_three, bool luhn_valid) const {
  uint32_t lengths = 0;
  for (uint32_t i = rows_begin_[first_three]; i < rows_begin_[first_three + 1]; ++i) {
    if (!luhn_valid && ranges_[rows_[i].range].luhn == LuhnRule::kRequired) continue;
    lengths |= rows_[i].lengths;
  }
  return lengths;
}

}  // namespace skimwatch::card
