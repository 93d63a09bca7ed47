#include "agent/card/loose_groups.h"

#include <algorithm>
#include <array>

#include "agent/card/luhn.h"
#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

constexpr size_t kFirstGroup = 4;
constexpr size_t kGroupsMax = 5;
constexpr size_t kIndentMax = 16;

// The gap that begins at `at`, up to the digit after it; empty when it is none.
std::string_view GapAt(std::string_view text, size_t at) {
  constexpr size_t kSpacesMax = 3;
  const auto spaces_from = [&](size_t from, size_t most) {
    size_t end = from;
    while (end < text.size() && end - from < most && text[end] == ' ') ++end;
    return end;
  };
  size_t end = at;
  if (text.substr(at, 1) == "\t") {
    end = at + 1;
  } else if (text.substr(at, 2) == "\r\n" || text.substr(at, 1) == "\n") {
    end = at + (text[at] == '\r' ? 2 : 1);
    const size_t indent = end;
    while (end < text.size() && end - indent < kIndentMax &&
           (text[end] == ' ' || text[end] == '\t')) {
      ++end;
    }
  } else {
    end = spaces_from(at, kSpacesMax);
    if (end < at + 2) return {};
  }
  return end < text.size() && IsAsciiDigit(text[end]) ? text.substr(at, end - at)
                                                      : std::string_view();
}

size_t DigitsEnd(std::string_view text, size_t at) {
  const size_t most = std::min(text.size(), at + SecretDigits::kMax);
  while (at < most && IsAsciiDigit(text[at])) ++at;
  return at;
}

// Whether digits end as no other sign than a mark or a blank follows.
bool EndsWord(std::string_view text, size_t at) {
  if (at >= text.size()) return true;
  if (IsAsciiAlnum(text[at]) || static_cast<uint8_t>(text[at]) >= 0x80) return false;
  return SeparatorAt(text, at).bytes == 0 ||
         DigitAt(text, at + SeparatorAt(text, at).bytes).bytes == 0;
}

bool BeginsWord(std::string_view text, size_t at) {
  if (at == 0) return true;
  if (IsAsciiAlnum(text[at - 1]) || static_cast<uint8_t>(text[at - 1]) >= 0x80) return false;
  const SeparatorSymbol separator = SeparatorBefore(text, at);
  return separator.bytes == 0 || DigitBefore(text, at - separator.bytes).bytes == 0;
}

}  // namespace

void LooseGroups::FindFrom(std::string_view text, size_t gap, NumberFinder::Sink sink) const {
  if (gap < kFirstGroup) return;
  const std::string_view between = GapAt(text, gap);
  if (between.empty()) return;
  const size_t begin = gap - kFirstGroup;
  const auto first = static_cast<uint8_t>(text[begin] - '0');
  const auto second = static_cast<uint8_t>(text[begin + 1] - '0');
  if (first > 9 || second > 9) return;
  // Where each group ends.
  std::array<size_t, kGroupsMax> ends{gap};
  std::array<uint8_t, kGroupsMax> sizes{kFirstGroup};
  size_t count = 1;
  size_t digits = kFirstGroup;
  while (true) {
    const size_t at = ends[count - 1];
    if (text.substr(at, between.size()) != between) break;
    const size_t end = DigitsEnd(text, at + between.size());
    const size_t size = end - at - between.size();
    if (size == 0) break;
    // A row of more groups, or of others, is no number.
    if (count == kGroupsMax || size > 6) return;
    ends[count] = end;
    sizes[count++] = static_cast<uint8_t>(size);
    digits += size;
  }
  const bool fours =
      count >= 4 && sizes[1] == 4 && sizes[2] == 4 && sizes[3] == 4 && (count == 4 || sizes[4] < 4);
  const bool sixes = count == 3 && sizes[1] == 6 && (sizes[2] == 4 || sizes[2] == 5);
  if ((!fours && !sixes) || digits > SecretDigits::kMax) return;
  if (!brands_.Possible(first, second, digits)) return;
  if (!BeginsWord(text, begin) || !EndsWord(text, ends[count - 1])) return;
  if (begin > between.size() && text.substr(begin - between.size(), between.size()) == between &&
      IsAsciiDigit(text[begin - between.size() - 1])) {
    return;
  }
  Candidate candidate;
  candidate.begin = begin;
  candidate.end = ends[count - 1];
  for (size_t i = 0; i < count; ++i) {
    for (size_t at = ends[i] - sizes[i]; at < ends[i]; ++at) {
      candidate.digits[candidate.size++] = static_cast<uint8_t>(text[at] - '0');
    }
  }
  candidate.luhn_valid = LuhnValid(candidate.span());
  if (!candidate.luhn_valid) return;
  candidate.brand = brands_.Find(candidate.span(), /*luhn_valid=*/true);
  if (!candidate.brand.found() || candidate.brand.luhn == LuhnRule::kNone) return;
  candidate.shape =
      candidate.brand.Prints({sizes.data(), count}) ? Shape::kBrandGroups : Shape::kFours;
  candidate.has_loose_groups = true;
  sink(candidate);
}

}  // namespace skimwatch::card
