#include "agent/card/split_fields.h"

#include <algorithm>

#include "agent/card/luhn.h"
#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

constexpr size_t kPartDigitsMax = 12;
constexpr size_t kNumberDigitsMin = 14;

constexpr bool IsNameByte(char c) {
  return IsAsciiAlnum(c) || c == '_' || c == '-' || c == '.' || static_cast<uint8_t>(c) >= 0x80;
}

// Whether `next` counts up from `c`: the next digit or the next letter.
constexpr bool CountsUp(char c, char next) {
  return IsAsciiAlnum(c) && IsAsciiAlnum(next) && next == c + 1;
}

// What stands directly before a value of a field or a list.
constexpr bool OpensValue(uint32_t c) {
  return c == '=' || c == '"' || c == '\'' || c == '>' || c == ':' || c == ',' || c == '[' ||
         c == '(' || c == '\n' || c == ' ' || c == '\t';
}

// How the names of two values are alike.
struct Likeness {
  bool alike = false;
  // They differ in what counts up.
  bool counted = false;
  bool named = false;
};

// Compares what stands before two values, the second of which has `gap` bytes before it that are no
// part of the first.
Likeness CompareNames(std::string_view text, size_t first, size_t second, size_t gap) {
  constexpr size_t kCountsMax = 3;
  Likeness likeness;
  size_t counts = 0;
  bool name_ended = false;
  for (size_t i = 1; i <= gap; ++i) {
    if (first < i) break;
    const char a = text[first - i];
    const char b = text[second - i];
    if (a != b) {
      if (!CountsUp(a, b)) {
        if (!name_ended && (IsNameByte(a) || IsNameByte(b))) {
          // A name may begin here whose neighbours differ.
          if (IsNameByte(b) || !likeness.named) return likeness;
        }
        break;
      }
      if (++counts > kCountsMax) return likeness;
    }
    if (IsNameByte(b)) {
      likeness.named = true;
    } else if (likeness.named) {
      name_ended = true;
    }
  }
  likeness.alike = true;
  likeness.counted = counts > 0;
  return likeness;
}

// Whether [begin, begin + gap) of `text` is the gap at [previous, previous + gap) again, but for
// what counts up.
bool IsSameGap(std::string_view text, size_t previous, size_t begin, size_t gap) {
  if (begin + gap > text.size()) return false;
  for (size_t i = 0; i < gap; ++i) {
    const char a = text[previous + i];
    const char b = text[begin + i];
    if (a != b && !CountsUp(a, b)) return false;
  }
  return true;
}

// The name of the field whose value begins at `begin`, and the signs between both.
struct FieldName {
  std::string_view name;
  std::string_view signs;
};

FieldName NameBefore(std::string_view text, size_t begin) {
  constexpr size_t kSignsMax = 6;
  constexpr size_t kNameMax = 40;
  size_t end = begin;
  while (end > 0 && begin - end < kSignsMax && !IsNameByte(text[end - 1])) --end;
  size_t from = end;
  while (from > 0 && end - from < kNameMax && IsNameByte(text[from - 1])) --from;
  return {text.substr(from, end - from), text.substr(end, begin - end)};
}

bool Contains(std::string_view name, std::string_view lower) {
  const auto found = std::search(
      name.begin(), name.end(), lower.begin(), lower.end(),
      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a | 0x20) : a) == b; });
  return found != name.end();
}

bool ContainsAny(std::string_view name, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return Contains(name, word); });
}

bool IsNameOfHead(std::string_view name) {
  return ContainsAny(name, {"bin", "iin", "first", "prefix", "head", "start", "begin", "left"});
}
bool IsNameOfTail(std::string_view name) {
  return ContainsAny(name, {"last", "suffix", "tail", "end", "rest", "right", "mid", "second",
                            "remain", "account"});
}

}  // namespace

SplitFields::Part SplitFields::ValueBefore(std::string_view text, size_t end) {
  Part part = {.begin = end, .end = end};
  while (part.begin > 0 && end - part.begin <= kPartDigitsMax &&
         IsAsciiDigit(text[part.begin - 1])) {
    --part.begin;
  }
  // `%224111`
  part.begin = std::min(SkipEscapeTail(text, part.begin), end);
  return part;
}

SplitFields::Part SplitFields::ValueAt(std::string_view text, size_t begin) {
  Part part = {.begin = begin, .end = begin};
  while (part.end < text.size() && part.size() <= kPartDigitsMax && IsAsciiDigit(text[part.end])) {
    ++part.end;
  }
  return part;
}

bool SplitFields::CanOpen(std::string_view text, const Part& part) const {
  if (part.size() < 2 || part.size() > kPartDigitsMax || part.begin == 0) return false;
  const auto first = static_cast<uint8_t>(text[part.begin] - '0');
  const auto second = static_cast<uint8_t>(text[part.begin + 1] - '0');
  return brands_.Possible(first, second, 16) || brands_.Possible(first, second, 15) ||
         brands_.Possible(first, second, 14);
}

void SplitFields::TakeValue(std::string_view text, size_t end, Previous& previous,
                            Sink sink) const {
  const Part first = {.begin = previous.begin, .end = previous.end};
  const Part second = ValueBefore(text, end);
  const bool follows = previous.opens && end - first.end <= kGapMax + kPartDigitsMax;
  previous = {.begin = second.begin, .end = end, .opens = CanOpen(text, second)};
  if (!follows) return;
  if (second.size() < 2 || second.size() > kPartDigitsMax) return;
  if (first.size() + second.size() > SecretDigits::kMax) return;
  if (second.begin <= first.end) return;
  const uint32_t opening = NeighbourBefore(text, second.begin).code;
  if (!OpensValue(opening)) return;
  const bool same = opening == NeighbourBefore(text, first.begin).code;
  if (same || opening == ',' || opening == ' ') FindSeries(text, first, second, sink);
  if (same) FindNamed(text, first, second, sink);
}

void SplitFields::FindSeries(std::string_view text, const Part& first, const Part& second,
                             Sink sink) const {
  const size_t gap = second.begin - first.end;
  const Likeness likeness = CompareNames(text, first.begin, second.begin, gap);
  if (!likeness.alike) return;
  Parts parts;
  if (!parts.Add(first) || !parts.Add(second)) return;
  size_t gap_begin = first.end;
  while (true) {
    const size_t end = parts.part[parts.count - 1].end;
    if (!IsSameGap(text, gap_begin, end, gap)) break;
    const Part next = ValueAt(text, end + gap);
    if (next.size() == 0) break;
    if (next.end < text.size() && IsNameByte(text[next.end])) return;
    if (!parts.Add(next)) return;
    gap_begin = end;
  }
  // A member before the first: the series is something else.
  if (first.begin > gap && IsSameGap(text, first.begin - gap, first.end, gap)) {
    const Part before = ValueBefore(text, first.begin - gap);
    if (before.size() > 0 && CompareNames(text, before.begin, first.begin, gap).alike) return;
  }
  // Rows of numbers count too; a name has a letter, or is written as one.
  const std::string_view between = text.substr(first.end, gap);
  const bool is_name = std::any_of(between.begin(), between.end(), [](char c) {
    return IsAsciiLetter(c) || c == '=' || c == '"' || c == '\'';
  });
  const bool has_digits = std::any_of(between.begin(), between.end(), IsAsciiDigit);
  if (!is_name && has_digits) return;
  const bool numbered = likeness.counted && likeness.named;
  Report(text, parts, numbered ? SplitKind::kNumbered : SplitKind::kList, sink);
}

void SplitFields::FindNamed(std::string_view text, const Part& first, const Part& second,
                            Sink sink) const {
  const FieldName head = NameBefore(text, first.begin);
  if (!IsNameOfHead(head.name)) return;
  const FieldName tail = NameBefore(text, second.begin);
  if (tail.signs != head.signs || !IsNameOfTail(tail.name)) return;
  Parts parts;
  if (!parts.Add(first) || !parts.Add(second)) return;
  // A third part, and no more.
  if (parts.digits < kNumberDigitsMin) {
    constexpr size_t kFieldBytesMax = 64;
    const size_t from = second.end;
    const size_t to = std::min(text.size(), from + kFieldBytesMax);
    for (size_t at = from + head.signs.size(); at < to; ++at) {
      if (!IsAsciiDigit(text[at]) || IsNameByte(text[at - 1])) continue;
      const FieldName name = NameBefore(text, at);
      const Part third = ValueAt(text, at);
      if (name.signs != head.signs || !IsNameOfTail(name.name) || !parts.Add(third)) return;
      break;
    }
  }
  Report(text, parts, SplitKind::kNamed, sink);
}

bool SplitFields::InGroups(const Parts& parts) {
  // 4-4-4-4 and a rest, 4-6-5, 4-6-4, 6-6-4.
  if (parts.count < 3) return false;
  const size_t second = parts.part[1].size();
  const size_t last = parts.part[parts.count - 1].size();
  if (second == 4) {
    for (size_t i = 0; i < 4 && i < parts.count; ++i) {
      if (parts.part[i].size() != 4) return false;
    }
    return parts.count == 4 || (parts.count == 5 && last <= 3);
  }
  const size_t first = parts.part[0].size();
  if (parts.count != 3 || second != 6) return false;
  return first == 4 ? last == 4 || last == 5 : first == 6 && last == 4;
}

void SplitFields::Report(std::string_view text, const Parts& parts, SplitKind kind,
                         Sink sink) const {
  if (parts.digits < kNumberDigitsMin || parts.digits > SecretDigits::kMax) return;
  const Part& last = parts.part[parts.count - 1];
  if (last.end - parts.part[0].begin > kSpanMax) return;
  const bool in_groups = InGroups(parts);
  if (kind == SplitKind::kList && !in_groups) return;
  Candidate candidate;
  for (size_t i = 0; i < parts.count; ++i) {
    for (size_t at = parts.part[i].begin; at < parts.part[i].end; ++at) {
      candidate.digits[candidate.size++] = static_cast<uint8_t>(text[at] - '0');
    }
  }
  if (!LuhnValid(candidate.span())) return;
  candidate.luhn_valid = true;
  candidate.brand = brands_.Find(candidate.span(), /*luhn_valid=*/true);
  if (!candidate.brand.found() || candidate.brand.luhn == LuhnRule::kNone ||
      candidate.brand.weight != IssuerWeight::kCommon) {
    return;
  }
  candidate.begin = parts.part[0].begin;
  candidate.end = last.end;
  candidate.split = kind;
  const char opening = text[candidate.begin - 1];
  const std::string_view between =
      text.substr(parts.part[0].end, parts.part[1].begin - parts.part[0].end);
  const bool in_list = kind == SplitKind::kList && opening != '"' && opening != '\'' &&
                       std::none_of(between.begin(), between.end(), IsAsciiLetter);
  candidate.needs_name = kind != SplitKind::kNamed && (!in_groups || in_list);
  sink(candidate);
}

}  // namespace skimwatch::card
