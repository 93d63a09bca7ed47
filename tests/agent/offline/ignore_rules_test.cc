// gitignore(5) as git itself has it: every case is also put to `git check-ignore`.

#include "agent/offline/ignore_rules.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::offline {
namespace {

namespace fs = std::filesystem;
using Verdict = IgnoreRules::Verdict;

struct Case {
  std::string name;
  std::string rules;
  // A `/` at the end makes a folder.
  std::vector<std::string> ignored;
  std::vector<std::string> kept;
};

std::vector<Case> Cases() {
  return {
      {"Name", "a.log", {"a.log", "x/a.log", "x/y/a.log"}, {"a.logs", "ba.log"}},
      {"Star", "*.log", {"a.log", "x/b.log", ".log"}, {"a.log.txt"}},
      {"StarInTheMiddle", "a*z", {"az", "abz", "x/a-z"}, {"a/z", "abzc"}},
      {"QuestionMark", "a?c", {"abc", "x/abc"}, {"ac", "abbc"}},
      {"AnchoredAtTheBegin", "/a.log", {"a.log"}, {"x/a.log"}},
      {"AnchoredByASlashInside", "x/a.log", {"x/a.log"}, {"y/x/a.log", "a.log"}},
      {"StarStopsAtSlashes", "x/*.log", {"x/a.log"}, {"x/y/a.log"}},
      {"FoldersOnly", "build/", {"build/", "x/build/"}, {"build.txt"}},
      {"FoldersOnlyIsNoFile", "out/", {}, {"out", "x/out"}},
      {"AnchoredFolder", "/build/", {"build/"}, {"x/build/"}},
      {"DoubleStarAtTheBegin", "**/a.log", {"a.log", "x/a.log", "x/y/a.log"}, {"xa.log"}},
      {"DoubleStarAtTheBeginWithFolder", "**/x/a.log", {"x/a.log", "y/z/x/a.log"}, {"a.log"}},
      {"DoubleStarAtTheEnd", "x/**", {"x/a", "x/y/z"}, {"y/x/a"}},
      {"DoubleStarInTheMiddle", "x/**/z", {"x/z", "x/y/z", "x/y/y/z"}, {"xz", "x/yz", "y/x/z"}},
      {"DoubleStarOfNoPartOfItsOwn", "x/a**z", {"x/az", "x/abz"}, {"x/a/z"}},
      {"DoubleStarAlone", "**", {"a", "x/a"}, {}},
      {"ThreeStars", "x/***/z", {"x/z", "x/y/z"}, {"x/yz"}},
      {"DoubleStarWithoutSlash", "**a", {"a", "ba", "x/cba"}, {"ab"}},
      {"Negation", "*.log\n!keep.log", {"a.log", "x/b.log"}, {"keep.log", "x/keep.log"}},
      {"LastMatchDecides", "!a.log\n*.log", {"a.log"}, {}},
      {"NegatedAndIgnoredAgain", "*.log\n!a*\nab.log", {"ab.log", "b.log"}, {"a.log", "ac.log"}},
      {"Comment", "#a\n\\#b", {"#b"}, {"#a", "a"}},
      {"EscapedExclamationMark", "\\!a", {"!a"}, {"a"}},
      {"TrailingSpaces", "a.log   ", {"a.log"}, {"a.log   "}},
      {"EscapedTrailingSpace", "a\\ ", {"a "}, {"a"}},
      {"EscapedTrailingSpaceBeforeOthers", "a\\   ", {"a "}, {"a"}},
      {"LeadingSpace", " a", {" a"}, {"a"}},
      {"CarriageReturns", "a\r\nb\r\n", {"a", "b"}, {}},
      {"ByteOrderMark",
       "\xef\xbb\xbf"
       "a",
       {"a"},
       {}},
      {"EmptyLines", "\n\na\n\n", {"a"}, {"b"}},
      {"Class", "[abc]x", {"ax", "cx"}, {"dx", "abx"}},
      {"ClassRange", "a[0-9]", {"a0", "a9"}, {"ab", "a10"}},
      {"ClassNegated", "a[!0-9]", {"ab"}, {"a0", "a"}},
      {"ClassNegatedByCaret", "a[^0-9]", {"ab"}, {"a0"}},
      {"ClassNegatedIsNoSlash", "x[!a]y", {"xby"}, {"x/y"}},
      {"ClassWithBracket", "a[]b]", {"a]", "ab"}, {"ac"}},
      {"ClassWithDashes", "a[-b]", {"a-", "ab"}, {"ac"}},
      {"ClassWithDashAtTheEnd", "a[b-]", {"a-", "ab"}, {"ac"}},
      {"ClassWithEscape", "a[\\]]", {"a]"}, {"a\\"}},
      {"ClassOfPosix", "a[[:digit:]]", {"a1"}, {"ab", "a:"}},
      {"ClassesOfPosix", "a[[:upper:][:space:]_]", {"aB", "a ", "a_"}, {"ab"}},
      {"ClassOfPosixUnknown", "a[[:nothing:]]", {}, {"an", "a["}},
      {"ClassReversed", "a[z-b]", {}, {"aa", "ac", "ay"}},
      {"ClassWithoutEnd", "a[b", {}, {"a[b", "ab"}},
      {"Escapes", "a\\*b", {"a*b"}, {"axb", "a\\*b"}},
      {"EscapedLetter", "\\a", {"a"}, {"\\a"}},
      {"BackslashAtTheEnd", "a\\", {}, {"a", "a\\"}},
      {"RegexLetters", "a.b+(c)|d$^{e}", {"a.b+(c)|d$^{e}"}, {"axb"}},
      {"RegexLettersWithStar", "a.*+", {"a.b+", "a.+"}, {"axb+"}},
      {"BytesThatAreNoText",
       "\xff*",
       {"\xff"
        "a"},
       {"a"}},
      {"NonAscii",
       "gr\xc3\xbc?e",
       {"gr\xc3\xbc"
        "ne"},
       {"grune"}},
      {"Case", "README", {"README"}, {"readme"}},
      {"OnlySlash", "/", {}, {"a", "x/a"}},
      {"OnlyNegation", "!", {}, {"!", "a"}},
      {"Hidden", ".*", {".a", "x/.b"}, {"a.b"}},
      {"SlashAndStar", "/*", {"a"}, {}},
      {"StarAndSlash", "*/", {"x/"}, {"a"}},
      {"SpaceInside", "a b", {"a b"}, {"ab"}},
      {"ManyStars", "*a*a*a*a*b", {"aaaaab", "xaxaxaxab"}, {"aaaaaaaaaaaaaaaaaaaaaaaaa"}},
      {"DeepDoubleStars", "**/a/**/b/**/c", {"a/b/c", "x/a/y/b/z/c"}, {"a/c", "b/a/c"}},
  };
}

Verdict Check(const IgnoreRules& rules, std::string path) {
  const bool is_folder = path.ends_with('/');
  if (is_folder) path.pop_back();
  // A folder that is ignored takes with it what is in it, as for a walk.
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (rules.Check(path.substr(0, slash), /*is_folder=*/true) == Verdict::kIgnored) {
      return Verdict::kIgnored;
    }
  }
  return rules.Check(path, is_folder);
}

TEST(IgnoreRules, AreThoseOfTheTable) {
  for (const Case& c : Cases()) {
    const IgnoreRules rules = IgnoreRules::Parse(c.rules);
    for (const std::string& path : c.ignored) {
      EXPECT_EQ(Check(rules, path), Verdict::kIgnored) << c.name << ": " << path;
    }
    for (const std::string& path : c.kept) {
      EXPECT_NE(Check(rules, path), Verdict::kIgnored) << c.name << ": " << path;
    }
  }
}

// The paths of `paths` that git ignores under `rules`.
std::set<std::string> IgnoredByGit(const std::string& rules,
                                   const std::vector<std::string>& paths) {
  const skimwatch::testing::TempFolder folder;
  const std::vector<std::string> environment = {"PATH=/usr/bin:/bin", "HOME=/nonexistent",
                                                "GIT_CONFIG_NOSYSTEM=1"};
  const auto git = [&](std::vector<std::string> arguments, std::string_view input) {
    arguments.insert(arguments.begin(), {"/usr/bin/git", "-C", folder.path()});
    return skimwatch::testing::RunProgram({.command = arguments, .environment = environment},
                                          input);
  };
  EXPECT_EQ(git({"init", "--quiet"}, "").code, 0);
  std::ofstream(folder.File(".gitignore"), std::ios::binary) << rules;
  for (const std::string& path : paths) {
    // On disk, since git asks there whether a path is a folder.
    fs::create_directories(fs::path(folder.File(path)).parent_path());
    if (!path.ends_with('/')) std::ofstream(folder.File(path)) << "x";
  }
  std::string input;
  for (const std::string& path : paths) input.append(path).push_back('\0');
  const auto result = git({"check-ignore", "--stdin", "-z", "--no-index"}, input);
  EXPECT_LE(result.code, 1) << result.err;
  std::set<std::string> ignored;
  for (const absl::string_view path : absl::StrSplit(result.out, '\0', absl::SkipEmpty())) {
    ignored.emplace(path);
  }
  return ignored;
}

TEST(IgnoreRules, AreThoseOfGit) {
  if (!fs::exists("/usr/bin/git")) GTEST_SKIP() << "needs git";
  for (const Case& c : Cases()) {
    std::vector<std::string> paths = c.ignored;
    paths.insert(paths.end(), c.kept.begin(), c.kept.end());
    // A file can't be where another case's folder is.
    std::erase_if(paths, [&](const std::string& path) {
      return std::any_of(paths.begin(), paths.end(),
                         [&](const std::string& other) { return other.starts_with(path + "/"); });
    });
    const std::set<std::string> by_git = IgnoredByGit(c.rules, paths);
    const IgnoreRules rules = IgnoreRules::Parse(c.rules);
    for (const std::string& path : paths) {
      EXPECT_EQ(Check(rules, path) == Verdict::kIgnored, by_git.contains(path))
          << c.name << ": " << path;
    }
  }
}

TEST(IgnoreRules, TellsKeptFromNotMatched) {
  const IgnoreRules rules = IgnoreRules::Parse("*.log\n!a.log");
  EXPECT_EQ(rules.Check("a.log", false), Verdict::kKept);
  EXPECT_EQ(rules.Check("b.log", false), Verdict::kIgnored);
  EXPECT_EQ(rules.Check("c", false), Verdict::kNoMatch);
}

TEST(IgnoreRules, BoundsPatternsOfOneFile) {
  std::string text;
  for (size_t i = 0; i <= IgnoreRules::kPatternsMax; ++i) absl::StrAppend(&text, "f", i, "\n");
  const IgnoreRules rules = IgnoreRules::Parse(text);
  EXPECT_FALSE(rules.is_complete());
  EXPECT_EQ(rules.Check("f0", false), Verdict::kIgnored);
  EXPECT_EQ(rules.Check(absl::StrCat("f", IgnoreRules::kPatternsMax), false), Verdict::kNoMatch);
  EXPECT_TRUE(IgnoreRules::Parse(std::string(IgnorePattern::kBytesMax + 1, 'a')).empty());
}

TEST(IgnoreRules, MatchesInTimeThatThePathBounds) {
  // Backtracking would take ages.
  std::string pattern;
  for (int i = 0; i < 30; ++i) pattern += "*a";
  const IgnoreRules rules = IgnoreRules::Parse(pattern + "*b");
  EXPECT_EQ(rules.Check(std::string(4000, 'a'), false), Verdict::kNoMatch);
}

}  // namespace
}  // namespace skimwatch::offline
