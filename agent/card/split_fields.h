#ifndef SKIMWATCH_AGENT_CARD_SPLIT_FIELDS_H_
#define SKIMWATCH_AGENT_CARD_SPLIT_FIELDS_H_

#include <array>
#include <cstddef>
#include <string_view>

#include "agent/card/brand_table.h"
#include "agent/card/number_finder.h"

namespace skimwatch::card {

// Finds numbers whose parts stand in fields of their own, in order:
//
//   numbered   n1=4111&n2=1111&n3=1111&n4=1111, "card[0]":"4111", <p1>4111</p1>, inputs of HTML,
//              parts of multipart, cookies, headers: names that differ in a digit or a letter that
//              counts up
//   lists      ["4111","1111","1111","1111"], n[]=4111&n[]=1111...: names that are the same, or
//   none named      bin=411111&last10=1111111111, first6, middle6, last4, prefix and suffix
//
// A value is digits alone, 4 to 12 of them, the last part perhaps fewer. What stands between two
// parts is the same between all of them, but for what counts; the series has no further member
// before or after. Together they have 14 to 19 digits, a common range and a Luhn digit. Lists are
// in the groups that cards are printed in.
//
// Work at a pair of values is bounded; none is remembered but the last. Thread-compatible.
class SplitFields {
 public:
  using Sink = NumberFinder::Sink;

  // Bytes between two parts, and from the first to the last.
  static constexpr size_t kGapMax = 160;
  static constexpr size_t kSpanMax = 640;

  // `brands` must outlive the finder.
  explicit SplitFields(const BrandTable& brands) : brands_(brands) {}

  // The value that ended before the one that is taken next.
  struct Previous {
    size_t begin = 0;
    size_t end = 0;
    // It can be the first part of a number.
    bool opens = false;
  };

  // Takes the values of a text in order, each by its end (Places::values), and hands over the
  // number whose first two parts are `previous` and this.
  void TakeValue(std::string_view text, size_t end, Previous& previous, Sink sink) const;

 private:
  struct Part {
    size_t begin = 0;
    size_t end = 0;
    size_t size() const { return end - begin; }
  };
  // Whether a number can begin with the digits of a part.
  bool CanOpen(std::string_view text, const Part& part) const;

  static constexpr size_t kPartsMax = 8;
  struct Parts {
    std::array<Part, kPartsMax> part;
    size_t count = 0;
    size_t digits = 0;

    bool Add(const Part& next) {
      if (count == part.size()) return false;
      part[count++] = next;
      digits += next.size();
      return digits <= SecretDigits::kMax;
    }
  };

  static Part ValueBefore(std::string_view text, size_t end);
  static Part ValueAt(std::string_view text, size_t begin);
  void FindSeries(std::string_view text, const Part& first, const Part& second, Sink sink) const;
  void FindNamed(std::string_view text, const Part& first, const Part& second, Sink sink) const;
  static bool InGroups(const Parts& parts);
  void Report(std::string_view text, const Parts& parts, SplitKind kind, Sink sink) const;

  const BrandTable& brands_;
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_SPLIT_FIELDS_H_
