#include "agent/offline/ignore_rules.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <utility>

#include "absl/strings/str_format.h"

namespace skimwatch::offline {
namespace {

using ByteSet = std::bitset<256>;

// A regular expression for one byte of `set`; none matches the empty set.
std::string ClassOf(const ByteSet& set) {
  std::string text = "[";
  for (size_t i = 0; i < set.size(); ++i) {
    if (!set[i]) continue;
    size_t last = i;
    while (last + 1 < set.size() && set[last + 1]) ++last;
    absl::StrAppendFormat(&text, "\\x%02x-\\x%02x", i, last);
    i = last;
  }
  return text + "]";
}

// The named classes of POSIX, in the C locale. False for an unknown name.
bool AddNamedClass(std::string_view name, ByteSet& set) {
  const auto add = [&](auto&& holds) {
    for (int c = 0; c < 128; ++c) {
      if (holds(c)) set.set(static_cast<size_t>(c));
    }
    return true;
  };
  const auto is_digit = [](int c) { return c >= '0' && c <= '9'; };
  const auto is_lower = [](int c) { return c >= 'a' && c <= 'z'; };
  const auto is_upper = [](int c) { return c >= 'A' && c <= 'Z'; };
  const auto is_alnum = [&](int c) { return is_digit(c) || is_lower(c) || is_upper(c); };
  const auto is_graph = [](int c) { return c > ' ' && c < 127; };
  if (name == "digit") return add(is_digit);
  if (name == "lower") return add(is_lower);
  if (name == "upper") return add(is_upper);
  if (name == "alpha") return add([&](int c) { return is_lower(c) || is_upper(c); });
  if (name == "alnum") return add(is_alnum);
  if (name == "blank") return add([](int c) { return c == ' ' || c == '\t'; });
  if (name == "space") return add([](int c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
  if (name == "cntrl") return add([](int c) { return c < ' ' || c == 127; });
  if (name == "graph") return add(is_graph);
  if (name == "print") return add([&](int c) { return is_graph(c) || c == ' '; });
  if (name == "punct") return add([&](int c) { return is_graph(c) && !is_alnum(c); });
  if (name == "xdigit") {
    return add(
        [&](int c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
  }
  return false;
}

// A bracket expression whose `[` is at `begin` of `glob`, as wildmatch() of git reads it. Returns
// the position behind it, or npos where it has no end or a class is unknown: such a pattern matches
// nothing.
size_t ParseClass(std::string_view glob, size_t begin, ByteSet& set) {
  size_t i = begin + 1;
  const bool negated = i < glob.size() && (glob[i] == '!' || glob[i] == '^');
  if (negated) ++i;
  // A range that begins with what was read last, where there is one.
  int last = -1;
  for (bool first = true;; first = false) {
    if (i >= glob.size()) return std::string_view::npos;
    if (glob[i] == ']' && !first) break;
    if (glob[i] == '-' && last >= 0 && i + 1 < glob.size() && glob[i + 1] != ']') {
      ++i;
      if (glob[i] == '\\' && ++i >= glob.size()) return std::string_view::npos;
      const int end = static_cast<unsigned char>(glob[i++]);
      for (int c = last; c <= end; ++c) set.set(static_cast<size_t>(c));
      last = -1;
      continue;
    }
    if (glob[i] == '[' && i + 1 < glob.size() && glob[i + 1] == ':') {
      const size_t close = glob.find(']', i + 2);
      if (close == std::string_view::npos) return close;
      // `[:` without `:]` is two bytes like others.
      if (close > i + 2 && glob[close - 1] == ':') {
        if (!AddNamedClass(glob.substr(i + 2, close - 1 - (i + 2)), set)) {
          return std::string_view::npos;
        }
        i = close + 1;
        last = -1;
        continue;
      }
    }
    if (glob[i] == '\\' && ++i >= glob.size()) return std::string_view::npos;
    last = static_cast<unsigned char>(glob[i++]);
    set.set(static_cast<size_t>(last));
  }
  if (negated) set.flip();
  set.reset('/');
  return i + 1;
}

// The regular expression of a glob that matches a whole path, or a whole name where the path has
// no `/`. None where it can match nothing.
std::optional<std::string> RegexOf(std::string_view glob) {
  std::string regex;
  size_t i = 0;
  while (i < glob.size()) {
    const char c = glob[i];
    if (c == '*') {
      const size_t after = std::min(glob.find_first_not_of('*', i), glob.size());
      const bool at_begin = i == 0 || glob[i - 1] == '/';
      const bool at_end = after == glob.size() || glob[after] == '/';
      if (after - i < 2 || !at_begin || !at_end) {
        regex += "[^/]*";
        i = after;
      } else if (after == glob.size()) {
        regex += ".*";
        i = after;
      } else {
        // With its `/`, no folder or any number.
        regex += "(?:.*/)?";
        i = after + 1;
      }
    } else if (c == '?') {
      regex += "[^/]";
      ++i;
    } else if (c == '[') {
      ByteSet set;
      i = ParseClass(glob, i, set);
      if (i == std::string_view::npos || set.none()) return std::nullopt;
      regex += ClassOf(set);
    } else {
      if (c == '\\' && ++i == glob.size()) return std::nullopt;
      absl::StrAppendFormat(&regex, "\\x%02x", static_cast<unsigned char>(glob[i]));
      ++i;
    }
  }
  return regex;
}

// What follows an unescaped blank at the end of a line is not meant.
std::string_view WithoutTrailingSpaces(std::string_view line) {
  size_t end = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) {
      end = ++i + 1;
    } else if (line[i] != ' ') {
      end = i + 1;
    }
  }
  return line.substr(0, end);
}

}  // namespace

IgnorePattern::IgnorePattern() = default;
IgnorePattern::IgnorePattern(IgnorePattern&& other) noexcept = default;
IgnorePattern& IgnorePattern::operator=(IgnorePattern&& other) noexcept = default;
IgnorePattern::~IgnorePattern() = default;

std::optional<IgnorePattern> IgnorePattern::Parse(std::string_view line) {
  if (line.starts_with('#')) return std::nullopt;
  std::string_view glob = WithoutTrailingSpaces(line);
  IgnorePattern pattern;
  if (glob.starts_with('!')) {
    pattern.negated_ = true;
    glob.remove_prefix(1);
  }
  if (glob.ends_with('/')) {
    pattern.folders_only_ = true;
    glob.remove_suffix(1);
  }
  if (glob.empty() || glob.size() > kBytesMax) return std::nullopt;
  pattern.name_only_ = glob.find('/') == std::string_view::npos;
  if (glob.starts_with('/')) glob.remove_prefix(1);
  if (glob.empty()) return std::nullopt;
  constexpr std::string_view kSpecial = "*?[\\";
  if (glob.find_first_of(kSpecial) == std::string_view::npos) {
    pattern.text_ = glob;
    return pattern;
  }
  if (pattern.name_only_ && glob[0] == '*' &&
      glob.substr(1).find_first_of(kSpecial) == std::string_view::npos) {
    pattern.kind_ = Kind::kSuffix;
    pattern.text_ = glob.substr(1);
    return pattern;
  }
  const std::optional<std::string> regex = RegexOf(glob);
  if (!regex.has_value()) return std::nullopt;
  re2::RE2::Options options(re2::RE2::Latin1);
  options.set_dot_nl(true);
  options.set_log_errors(false);
  options.set_never_capture(true);
  pattern.kind_ = Kind::kRegex;
  pattern.regex_ = std::make_unique<const re2::RE2>(*regex, options);
  if (!pattern.regex_->ok()) return std::nullopt;
  return pattern;
}

bool IgnorePattern::Matches(std::string_view path, bool is_folder) const {
  if (folders_only_ && !is_folder) return false;
  if (name_only_) path.remove_prefix(path.find_last_of('/') + 1);
  switch (kind_) {
    case Kind::kExact:
      return path == text_;
    case Kind::kSuffix:
      return path.ends_with(text_);
    case Kind::kRegex:
      return re2::RE2::FullMatch(re2::StringPiece(path.data(), path.size()), *regex_);
  }
  return false;
}

IgnoreRules IgnoreRules::Parse(std::string_view text) {
  IgnoreRules rules;
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    // A line that the file's end cuts has no line end.
    if (end < text.size() && line.ends_with('\r')) line.remove_suffix(1);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::optional<IgnorePattern> pattern = IgnorePattern::Parse(line);
    if (!pattern.has_value()) continue;
    if (rules.patterns_.size() == kPatternsMax) {
      rules.is_complete_ = false;
      break;
    }
    rules.patterns_.push_back(*std::move(pattern));
  }
  return rules;
}

IgnoreRules::Verdict IgnoreRules::Check(std::string_view path, bool is_folder) const {
  const auto last =
      std::find_if(patterns_.rbegin(), patterns_.rend(),
                   [&](const IgnorePattern& pattern) { return pattern.Matches(path, is_folder); });
  if (last == patterns_.rend()) return Verdict::kNoMatch;
  return last->negated() ? Verdict::kKept : Verdict::kIgnored;
}

}  // namespace skimwatch::offline
