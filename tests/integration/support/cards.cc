#include "tests/integration/support/cards.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/support/daemon.h"

namespace skimwatch::integration {
namespace {

constexpr std::string_view kRange = "400001";
constexpr uint64_t kNumbers = 1'000'000'000;
// Odd and no multiple of five, so that every index below kNumbers has a number of its own.
constexpr uint64_t kScatter = 387'420'489;

using Index = std::unordered_map<std::string, size_t>;

void FindDigits(std::string_view text, const Index& numbers, std::set<size_t>& found) {
  constexpr size_t kLength = 16;
  for (size_t at = text.find(kRange); at != std::string_view::npos && at + kLength <= text.size();
       at = text.find(kRange, at + 1)) {
    const auto it = numbers.find(std::string(text.substr(at, kLength)));
    if (it != numbers.end()) found.insert(it->second);
  }
}

int SextetOf(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

// What a run of base64 letters says when the first group begins at `phase`.
std::string Decode(std::string_view run, size_t phase) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : run.substr(phase)) {
    bits = bits << 6 | static_cast<uint32_t>(SextetOf(c));
    if (++count % 4 != 0) continue;
    for (const int shift : {16, 8, 0}) out.push_back(static_cast<char>(bits >> shift & 0xff));
  }
  // Of a last group that is not whole.
  if (count % 4 == 3) {
    out.push_back(static_cast<char>(bits >> 10 & 0xff));
    out.push_back(static_cast<char>(bits >> 2 & 0xff));
  } else if (count % 4 == 2) {
    out.push_back(static_cast<char>(bits >> 4 & 0xff));
  }
  return out;
}

}  // namespace

std::string CardNumber(size_t index) {
  std::string number =
      absl::StrCat(std::string(kRange), absl::StrFormat("%09d", index * kScatter % kNumbers));
  int sum = 0;
  for (size_t i = 0; i < number.size(); ++i) {
    int digit = number[i] - '0';
    if (i % 2 == 0) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  number.push_back(static_cast<char>('0' + (10 - sum % 10) % 10));
  return number;
}

std::vector<uint8_t> CardDigits(size_t index) {
  std::vector<uint8_t> digits;
  for (const char c : CardNumber(index)) digits.push_back(static_cast<uint8_t>(c - '0'));
  return digits;
}

std::vector<size_t> CardsIn(std::string_view bytes, size_t cards) {
  Index numbers;
  for (size_t i = 0; i < cards; ++i) numbers.emplace(CardNumber(i), i);
  std::set<size_t> found;
  FindDigits(bytes, numbers, found);
  // 16 digits are at least 21 letters.
  constexpr size_t kShortest = 21;
  for (size_t begin = 0; begin < bytes.size();) {
    size_t end = begin;
    while (end < bytes.size() && SextetOf(bytes[end]) >= 0) ++end;
    if (end - begin >= kShortest) {
      for (size_t phase = 0; phase < 4; ++phase) {
        FindDigits(Decode(bytes.substr(begin, end - begin), phase), numbers, found);
      }
    }
    begin = end + 1;
  }
  return {found.begin(), found.end()};
}

std::vector<std::string> LeaksBelow(const std::string& folder, size_t cards) {
  std::vector<std::string> leaks;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    for (const size_t card : CardsIn(testing::ReadFile(entry.path()), cards)) {
      leaks.push_back(absl::StrCat(entry.path().string(), ": card ", card));
    }
  }
  return leaks;
}

}  // namespace skimwatch::integration
