#include "collector/store/sql/page_token.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace skimwatch::store::sql {
namespace {

absl::Status BadToken() {
  return absl::InvalidArgumentError(
      "page_token: not a token of this list; pass next_page_token of the page before, unchanged");
}

}  // namespace

std::string NumbersToken(const std::vector<int64_t>& numbers) {
  return absl::StrJoin(numbers, ".");
}

absl::StatusOr<std::vector<int64_t>> ParseNumbersToken(std::string_view token, size_t count) {
  std::vector<int64_t> numbers;
  for (absl::string_view part :
       absl::StrSplit(absl::string_view(token.data(), token.size()), '.')) {
    if (numbers.size() == count || !absl::SimpleAtoi(part, &numbers.emplace_back())) {
      return BadToken();
    }
  }
  if (numbers.size() != count) return BadToken();
  return numbers;
}

std::string TextToken(std::string_view text) {
  return absl::BytesToHexString(absl::string_view(text.data(), text.size()));
}

absl::StatusOr<std::string> ParseTextToken(std::string_view token) {
  const auto hex = [](unsigned char c) { return absl::ascii_isxdigit(c); };
  if (token.size() % 2 != 0 || !std::all_of(token.begin(), token.end(), hex)) return BadToken();
  return absl::HexStringToBytes(absl::string_view(token.data(), token.size()));
}

}  // namespace skimwatch::store::sql
