#ifndef SKIMWATCH_AGENT_OFFLINE_IGNORE_RULES_H_
#define SKIMWATCH_AGENT_OFFLINE_IGNORE_RULES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace skimwatch::offline {

// One pattern of gitignore(5): `*.log`, `/build/`, `docs/**/*.pdf`, `!keep.txt`. Matching takes
// time in proportion to the path, whatever the pattern. Immutable and thread-safe.
class IgnorePattern {
 public:
  // A longer one matches nothing.
  static constexpr size_t kBytesMax = 4096;

  // None for an empty line, a comment, and what no path can match (`[a`, a `\` at the end).
  static std::optional<IgnorePattern> Parse(std::string_view line);

  IgnorePattern(IgnorePattern&& other) noexcept;
  IgnorePattern& operator=(IgnorePattern&& other) noexcept;
  ~IgnorePattern();

  // Whether it begins with `!`: what it matches is kept.
  bool negated() const { return negated_; }
  // `path` below the folder that the pattern stands in, without `/` at either end.
  bool Matches(std::string_view path, bool is_folder) const;

 private:
  // How most patterns can be matched without more.
  enum class Kind : uint8_t { kExact, kSuffix, kRegex };

  IgnorePattern();

  bool negated_ = false;
  bool folders_only_ = false;
  // Whether it is matched with the last part of a path only, which patterns without `/` are.
  bool name_only_ = false;
  Kind kind_ = Kind::kExact;
  std::string text_;
  std::unique_ptr<const re2::RE2> regex_;
};

// Patterns in their order: the last that matches decides. Immutable and thread-safe.
class IgnoreRules {
 public:
  enum class Verdict : uint8_t { kNoMatch, kIgnored, kKept };

  // A longer file is not applied.
  static constexpr size_t kFileBytesMax = size_t{1} << 20;
  static constexpr size_t kPatternsMax = 10'000;

  IgnoreRules() = default;
  // The lines of a file: LF or CRLF, a UTF-8 byte order mark at the begin perhaps. Patterns beyond
  // kPatternsMax are left out; `is_complete()` is false then.
  static IgnoreRules Parse(std::string_view text);

  bool is_complete() const { return is_complete_; }
  bool empty() const { return patterns_.empty(); }
  void Add(IgnorePattern pattern) { patterns_.push_back(std::move(pattern)); }
  Verdict Check(std::string_view path, bool is_folder) const;

 private:
  std::vector<IgnorePattern> patterns_;
  bool is_complete_ = true;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_IGNORE_RULES_H_
