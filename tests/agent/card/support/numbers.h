#ifndef SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_NUMBERS_H_
#define SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_NUMBERS_H_

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::testing {

using Random = std::mt19937_64;

// A number below `limit`, the same on every platform.
inline uint64_t Below(Random& random, uint64_t limit) { return random() % limit; }

std::vector<uint8_t> DigitsOf(std::string_view text);
std::string RandomDigits(Random& random, size_t count);

// `prefix`, digits at random, and the check digit that makes it pass the Luhn test.
std::string NumberWith(Random& random, std::string_view prefix, size_t length);
// The same with a check digit that is wrong.
std::string NumberWithWrongCheckDigit(Random& random, std::string_view prefix, size_t length);

// One brand, prefix and length that the default table has.
struct Issue {
  std::string brand;
  std::string prefix;
  size_t length = 0;
};
// Every brand with a check digit, its ranges and lengths; only prefixes that belong to no other
// brand's longer range are drawn by NumberOf.
std::vector<Issue> EveryIssue();
// A number of `issue` that the default table gives to its brand.
std::string NumberOf(Random& random, const Issue& issue);

// `digits` in groups of `sizes`, the last repeated, with `separator` between.
std::string Grouped(std::string_view digits, const std::vector<size_t>& sizes,
                    std::string_view separator);
// In the groups that cards of this length are printed in.
std::string BrandGrouped(std::string_view digits, std::string_view separator);

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_NUMBERS_H_
