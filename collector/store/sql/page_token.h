#ifndef SKIMWATCH_COLLECTOR_STORE_SQL_PAGE_TOKEN_H_
#define SKIMWATCH_COLLECTOR_STORE_SQL_PAGE_TOKEN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace skimwatch::store::sql {

// Where a page ended, as an opaque word: numbers joined by `.`, or a text in hex. A token is only a
// place in a list, so a forged one shows nothing that the caller may not list anyway.
std::string NumbersToken(const std::vector<int64_t>& numbers);
// INVALID_ARGUMENT when the token is not `count` numbers.
absl::StatusOr<std::vector<int64_t>> ParseNumbersToken(std::string_view token, size_t count);

std::string TextToken(std::string_view text);
absl::StatusOr<std::string> ParseTextToken(std::string_view token);

}  // namespace skimwatch::store::sql

#endif  // SKIMWATCH_COLLECTOR_STORE_SQL_PAGE_TOKEN_H_
