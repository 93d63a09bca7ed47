#include "agent/card/brand_table.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace skimwatch::card {
namespace {

constexpr size_t kIinDigits = 8;  // ISO/IEC 7812-1:2017
constexpr uint32_t kLengthMin = 12;
constexpr uint32_t kLengthMax = 19;
constexpr uint32_t kThreeDigits = 1000;
constexpr uint32_t kRestOfThree = 100'000;  // eight digits over three

struct DefaultRow {
  std::string_view brand;
  std::string_view first;
  std::string_view last;
  std::string_view lengths;
  LuhnRule luhn = LuhnRule::kRequired;
  IssuerWeight weight = IssuerWeight::kCommon;
};

constexpr auto kRequired = LuhnRule::kRequired;
constexpr auto kUsual = LuhnRule::kUsual;
constexpr auto kNone = LuhnRule::kNone;
constexpr auto kCommon = IssuerWeight::kCommon;
constexpr auto kRare = IssuerWeight::kRare;

// Sources: ISO/IEC 7812-1 for the form; the brands' own published ranges as collected by Wikipedia,
// "Payment card number" (W), Braintree's credit-card-type (B), PayPal's and jquery.payment's tables
// (P), and the processors' IIN guides named below. Where they disagree the wider is taken, and what
// only one of them has is `kRare`.
constexpr DefaultRow kDefaultRows[] = {
    // Visa: W, B. 13 digits are no longer issued; 18 and 19 are (B).
    {"visa", "4", "4", "16", kRequired, kCommon},
    {"visa", "4", "4", "13,18-19", kRequired, kRare},
    // Mastercard: its 2-series announcement (2221-2720 since 2017); W, B.
    {"mastercard", "51", "55", "16", kRequired, kCommon},
    {"mastercard", "2221", "2720", "16", kRequired, kCommon},
    // American Express: W, B.
    {"amex", "34", "34", "15", kRequired, kCommon},
    {"amex", "37", "37", "15", kRequired, kCommon},
    // Discover: Discover's IIN range bulletins; W, B. 622126-622925 is shared with UnionPay.
    {"discover", "6011", "6011", "16", kRequired, kCommon},
    {"discover", "6011", "6011", "17-19", kRequired, kRare},
    {"discover", "644", "649", "16", kRequired, kCommon},
    {"discover", "644", "649", "17-19", kRequired, kRare},
    {"discover", "65", "65", "16", kRequired, kCommon},
    {"discover", "65", "65", "17-19", kRequired, kRare},
    {"discover", "622126", "622925", "16-19", kRequired, kCommon},
    // Diners Club International: 14 on most, up to 19 since Discover runs the network; W, B.
    {"diners", "300", "305", "14,16", kRequired, kCommon},
    {"diners", "300", "305", "15,17-19", kRequired, kRare},
    {"diners", "3095", "3095", "14,16", kRequired, kCommon},
    {"diners", "3095", "3095", "15,17-19", kRequired, kRare},
    {"diners", "36", "36", "14,16", kRequired, kCommon},
    {"diners", "36", "36", "15,17-19", kRequired, kRare},
    {"diners", "38", "39", "14,16", kRequired, kCommon},
    {"diners", "38", "39", "15,17-19", kRequired, kRare},
    // JCB: W, B; 2131 and 1800 are older cards of 15 digits (B).
    {"jcb", "3528", "3589", "16", kRequired, kCommon},
    {"jcb", "3528", "3589", "17-19", kRequired, kRare},
    {"jcb", "2131", "2131", "15", kRequired, kRare},
    {"jcb", "1800", "1800", "15", kRequired, kRare},
    // UnionPay: W, B (62 and 810-8171); 14 and 15 digits in B alone. Some issuers' numbers fail the
    // check digit, as two of CyberSource's test numbers do.
    {"unionpay", "62", "62", "16-19", kUsual, kCommon},
    {"unionpay", "62", "62", "14-15", kUsual, kRare},
    {"unionpay", "810", "816", "16-19", kUsual, kCommon},
    {"unionpay", "8170", "8171", "16-19", kUsual, kCommon},
    // Dankort: W; 4571 is the Visa/Dankort card.
    {"dankort", "5019", "5019", "16", kRequired, kCommon},
    {"dankort", "4571", "4571", "16", kRequired, kCommon},
    // Mir: NSPK's ranges; W, B.
    {"mir", "2200", "2204", "16", kRequired, kCommon},
    {"mir", "2200", "2204", "17-19", kRequired, kRare},
    // Troy: BKM; W. Cards under 65 are co-branded and answer to Discover here.
    {"troy", "9792", "9792", "16", kRequired, kCommon},
    // RuPay: NPCI's ranges; W.
    {"rupay", "60", "60", "16", kRequired, kCommon},
    {"rupay", "6521", "6522", "16", kRequired, kCommon},
    {"rupay", "81", "82", "16", kRequired, kCommon},
    {"rupay", "508", "508", "16", kRequired, kCommon},
    // Elo: the list of Elo Serviços as B has it.
    {"elo", "401178", "401179", "16", kRequired, kCommon},
    {"elo", "431274", "431274", "16", kRequired, kCommon},
    {"elo", "438935", "438935", "16", kRequired, kCommon},
    {"elo", "451416", "451416", "16", kRequired, kCommon},
    {"elo", "457393", "457393", "16", kRequired, kCommon},
    {"elo", "457631", "457632", "16", kRequired, kCommon},
    {"elo", "504175", "504175", "16", kRequired, kCommon},
    {"elo", "506699", "506778", "16", kRequired, kCommon},
    {"elo", "509000", "509999", "16", kRequired, kCommon},
    {"elo", "627780", "627780", "16", kRequired, kCommon},
    {"elo", "636297", "636297", "16", kRequired, kCommon},
    {"elo", "636368", "636368", "16", kRequired, kCommon},
    {"elo", "650031", "650033", "16", kRequired, kCommon},
    {"elo", "650035", "650051", "16", kRequired, kCommon},
    {"elo", "650405", "650439", "16", kRequired, kCommon},
    {"elo", "650485", "650538", "16", kRequired, kCommon},
    {"elo", "650541", "650598", "16", kRequired, kCommon},
    {"elo", "650700", "650718", "16", kRequired, kCommon},
    {"elo", "650720", "650727", "16", kRequired, kCommon},
    {"elo", "650901", "650978", "16", kRequired, kCommon},
    {"elo", "651652", "651679", "16", kRequired, kCommon},
    {"elo", "655000", "655019", "16", kRequired, kCommon},
    {"elo", "655021", "655058", "16", kRequired, kCommon},
    // Hipercard and Hiper: B.
    {"hipercard", "606282", "606282", "16", kRequired, kCommon},
    {"hipercard", "384100", "384100", "16", kRequired, kCommon},
    {"hipercard", "384140", "384140", "16", kRequired, kCommon},
    {"hipercard", "384160", "384160", "16", kRequired, kCommon},
    {"hiper", "637095", "637095", "16", kRequired, kCommon},
    {"hiper", "637568", "637568", "16", kRequired, kCommon},
    {"hiper", "637599", "637599", "16", kRequired, kCommon},
    {"hiper", "637609", "637609", "16", kRequired, kCommon},
    {"hiper", "637612", "637612", "16", kRequired, kCommon},
    {"hiper", "63737423", "63737423", "16", kRequired, kCommon},
    {"hiper", "63743358", "63743358", "16", kRequired, kCommon},
    // Verve: Interswitch; W.
    {"verve", "506099", "506198", "16,18-19", kRequired, kCommon},
    {"verve", "507865", "507964", "16,18-19", kRequired, kCommon},
    {"verve", "650002", "650027", "16,18-19", kRequired, kCommon},
    // UkrCard: W.
    {"ukrcard", "60400100", "60420099", "16-19", kRequired, kCommon},
    // InterPayment and InstaPayment: W.
    {"interpayment", "636", "636", "16-19", kRequired, kRare},
    {"instapayment", "637", "639", "16", kRequired, kRare},
    // UATP: airline travel cards; W. One identifier of 15 digits in a hundred looks like one.
    {"uatp", "1", "1", "15", kRequired, kRare},
    // China T-Union: transit cards; W.
    {"tunion", "31", "31", "19", kRequired, kRare},
    // Maestro: the first row's ranges are in W, B and P alike; 50 and 56-69 are what Mastercard
    // reserves, in B.
    {"maestro", "5018", "5018", "16,18-19", kRequired, kCommon},
    {"maestro", "5020", "5020", "16,18-19", kRequired, kCommon},
    {"maestro", "5038", "5038", "16,18-19", kRequired, kCommon},
    {"maestro", "5893", "5893", "16,18-19", kRequired, kCommon},
    {"maestro", "6304", "6304", "16,18-19", kRequired, kCommon},
    {"maestro", "6759", "6759", "16,18-19", kRequired, kCommon},
    {"maestro", "6761", "6763", "16,18-19", kRequired, kCommon},
    {"maestro", "50", "50", "12-19", kRequired, kRare},
    {"maestro", "56", "69", "12-19", kRequired, kRare},
    // Without a promise of a check digit: UzCard and Humo (W), Napas (W).
    {"uzcard", "8600", "8600", "16", kNone, kRare},
    {"uzcard", "5614", "5614", "16", kNone, kRare},
    {"humo", "9860", "9860", "16", kNone, kRare},
    {"napas", "9704", "9704", "16,19", kNone, kRare},
};

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

std::string_view WhatIsWrong(const BrandRange& range) {
  if (range.brand.empty()) return "no brand";
  if (range.first.empty() || range.first.size() > kIinDigits) return "a prefix has 1 to 8 digits";
  if (range.first.size() != range.last.size()) return "both prefixes must be equally long";
  if (!AllDigits(range.first) || !AllDigits(range.last)) return "a prefix is digits only";
  if (range.first > range.last) return "the last prefix is below the first";
  if (!ParseLengths(range.lengths)) return "lengths are like `16`, `16-19` or `13,16`, 12 to 19";
  return {};
}

}  // namespace

const BrandTable& BrandTable::Default() {
  static const BrandTable& table = *[] {
    std::vector<BrandRange> ranges;
    for (const DefaultRow& row : kDefaultRows) {
      ranges.push_back({std::string(row.brand), std::string(row.first), std::string(row.last),
                        std::string(row.lengths), row.luhn, row.weight});
    }
    return new BrandTable(FromRanges(std::move(ranges)).value());
  }();
  return table;
}

absl::StatusOr<BrandTable> BrandTable::FromRanges(std::vector<BrandRange> ranges) {
  BrandTable table;
  table.ranges_ = std::move(ranges);
  if (table.ranges_.size() > UINT16_MAX) {
    return absl::InvalidArgumentError("a brand table has at most 65535 rows");
  }
  std::array<std::vector<Row>, kThreeDigits> rows;
  for (size_t i = 0; i < table.ranges_.size(); ++i) {
    const BrandRange& range = table.ranges_[i];
    if (const std::string_view wrong = WhatIsWrong(range); !wrong.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("brand table, row ", i + 1, " (", range.brand, " ", range.first, "-",
                       range.last, "): ", absl::string_view(wrong.data(), wrong.size())));
    }
    const Row row = {.first = Widen(range.first, '0'),
                     .last = Widen(range.last, '9'),
                     .lengths = *ParseLengths(range.lengths),
                     .range = static_cast<uint16_t>(i)};
    for (uint32_t k = row.first / kRestOfThree; k <= row.last / kRestOfThree; ++k) {
      rows[k].push_back(row);
      table.lengths_by_two_digits_[k / 10] |= row.lengths;
    }
  }
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
    return {.brand = range.brand, .luhn = range.luhn, .weight = range.weight};
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
