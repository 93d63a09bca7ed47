#include <algorithm>
#include <string>
#include <string_view>

#include "agent/traffic/message.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kTemplateBytesMax = 256;
// A segment longer than this is data, not a name.
constexpr size_t kNameBytesMax = 48;
// Digits in one run that may be part of a card number.
constexpr size_t kDigitRunMax = 3;
// Digits that may remain in a segment, and in a whole template: too few for a card number however
// it is cut up.
constexpr size_t kSegmentDigitsMax = 6;
constexpr size_t kTemplateDigitsMax = 8;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
int HexValue(char c) { return IsDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10; }

std::string PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && IsHex(text[i + 1]) && IsHex(text[i + 2])) {
      out.push_back(static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// Encodings of encodings are undone until nothing changes; `deep` when that takes too long.
std::string PercentDecodeAll(std::string_view text, bool& deep) {
  std::string current(text);
  for (int i = 0; i < 4; ++i) {
    std::string next = PercentDecode(current);
    if (next == current) return current;
    current = std::move(next);
  }
  deep = true;
  return current;
}

bool IsUuid(std::string_view s) {
  if (s.size() != 36) return false;
  for (size_t i = 0; i < s.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? s[i] != '-' : !IsHex(s[i])) return false;
  }
  return true;
}

// Upper case, lower case, or what else base64 is made of.
int Kind(char c) { return IsLower(c) ? 1 : IsUpper(c) ? 2 : 3; }

bool IsWordByte(char c) { return IsLower(c) || IsUpper(c) || IsDigit(c) || c == '+' || c == '='; }

// A word that is too long for a name and has letters of both cases or letters and digits; or a
// shorter one that changes between these more often than names do. The base64 of three digits is
// an upper-case letter, two letters, and a lower-case letter or digit; so eight characters of it
// change three times, and every four more twice.
bool IsEncodedWord(std::string_view word) {
  constexpr size_t kWordBytesMin = 8;
  constexpr size_t kNameWordBytesMax = 15;
  if (word.size() < kWordBytesMin) return false;
  bool kinds[4] = {};
  size_t changes = 0;
  for (size_t i = 0; i < word.size(); ++i) {
    kinds[Kind(word[i])] = true;
    if (i > 0 && Kind(word[i]) != Kind(word[i - 1])) ++changes;
  }
  const bool mixed = (kinds[1] && kinds[2]) || (kinds[3] && (kinds[1] || kinds[2]));
  return mixed && (word.size() > kNameWordBytesMax || changes * 3 > word.size());
}

// Words that `-` and `_` join may be base64 for URLs, in which these are digits: then more than one
// of them is written as names are not, or there are many that are short.
bool IsEncodedJoin(std::string_view join) {
  constexpr size_t kJoinBytesMin = 16;
  constexpr size_t kShortWordBytesMax = 4;
  constexpr size_t kShortWordsMax = 4;
  if (join.size() < kJoinBytesMin) return false;
  size_t words = 0;
  size_t odd_words = 0;
  bool all_short = true;
  bool any_upper = false;
  for (size_t i = 0; i < join.size();) {
    size_t end = i;
    bool odd = false;
    bool lower = false;
    while (end < join.size() && IsWordByte(join[end])) {
      lower |= IsLower(join[end]);
      any_upper |= IsUpper(join[end]);
      ++end;
    }
    // Other than `word`, `Word`, `WORD`, with digits at the end.
    for (size_t at = i + 1; at < end; ++at) {
      odd |= IsUpper(join[at]) && (lower || IsDigit(join[at - 1]));
    }
    ++words;
    odd_words += odd ? 1 : 0;
    all_short &= end - i <= kShortWordBytesMax;
    i = end + 1;
  }
  return odd_words > 1 || (all_short && any_upper && words > kShortWordsMax);
}

// Whether a run of bytes that `in_run` holds for is `encoded`.
template <typename InRun, typename Encoded>
bool AnyRun(std::string_view s, InRun in_run, Encoded encoded) {
  for (size_t i = 0; i < s.size();) {
    size_t end = i;
    while (end < s.size() && in_run(s[end])) ++end;
    if (encoded(s.substr(i, end - i))) return true;
    i = end + 1;
  }
  return false;
}

bool LooksEncoded(std::string_view s) {
  const auto in_join = [](char c) { return IsWordByte(c) || c == '-' || c == '_'; };
  return AnyRun(s, IsWordByte, IsEncodedWord) || AnyRun(s, in_join, IsEncodedJoin);
}

// Replaces runs of more than `run_max` digits.
std::string MaskDigitRuns(std::string_view s, size_t run_max) {
  std::string out;
  for (size_t i = 0; i < s.size();) {
    size_t end = i;
    while (end < s.size() && IsDigit(s[end])) ++end;
    if (end - i > run_max) {
      out += "{n}";
    } else {
      out += s.substr(i, end - i);
    }
    if (end < s.size()) out.push_back(s[end++]);
    i = end;
  }
  return out;
}

std::string TemplateSegment(std::string_view raw) {
  if (raw.empty()) return std::string();
  if (std::all_of(raw.begin(), raw.end(), IsDigit)) return "{n}";
  if (IsUuid(raw)) return "{uuid}";
  const bool has_digit = std::any_of(raw.begin(), raw.end(), IsDigit);
  if (raw.size() >= 8 && has_digit && std::all_of(raw.begin(), raw.end(), IsHex)) return "{hex}";
  if (raw.size() > kNameBytesMax || LooksEncoded(raw)) return "{id}";

  // Digits hide behind percent-encoding, and full-width digits behind UTF-8.
  bool deep = false;
  const std::string decoded = PercentDecodeAll(raw, deep);
  const bool plain = std::all_of(decoded.begin(), decoded.end(),
                                 [](char c) { return c > ' ' && c < 0x7f && c != '\\'; });
  if (deep || !plain) return "{id}";
  const auto digits = static_cast<size_t>(std::count_if(decoded.begin(), decoded.end(), IsDigit));
  if (decoded != raw && (digits > kDigitRunMax || LooksEncoded(decoded))) return "{id}";
  std::string masked = MaskDigitRuns(raw, kDigitRunMax);
  if (static_cast<size_t>(std::count_if(masked.begin(), masked.end(), IsDigit)) >
      kSegmentDigitsMax) {
    return "{id}";
  }
  return masked;
}

}  // namespace

std::string PathTemplate(std::string_view path) {
  path = path.substr(0, path.find_first_of("?#"));
  std::string out;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    std::string segment = TemplateSegment(path.substr(begin, end - begin));
    if (begin > 0) segment.insert(segment.begin(), '/');
    if (out.size() + segment.size() > kTemplateBytesMax) break;
    out += segment;
    begin = end + 1;
  }
  // A number dealt out over segments, a digit or two each.
  if (static_cast<size_t>(std::count_if(out.begin(), out.end(), IsDigit)) > kTemplateDigitsMax) {
    out = MaskDigitRuns(out, 0);
    if (out.size() > kTemplateBytesMax) out.resize(out.rfind('/', kTemplateBytesMax));
  }
  return out;
}

}  // namespace skimwatch::traffic
