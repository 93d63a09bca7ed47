#include "agent/script/judge/yara_rules.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"

namespace skimwatch::script {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kRule[] =
    "rule finds_word {\n  meta:\n    description = \"a word\"\n    severity = \"critical\"\n"
    "  strings:\n    $w = \"skim\"\n  condition:\n    $w\n}\n";

class RuleFolder : public testing::Test {
 protected:
  RuleFolder() {
    std::string name = testing::TempDir() + "/rulesXXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~RuleFolder() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    // As an editor does it: whole, under its name.
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
    return path;
  }
  static std::vector<std::string> Matches(YaraRules& rules, const std::string& text) {
    std::vector<RuleMatch> matches;
    EXPECT_TRUE(rules.Current()->Scan(text, absl::Seconds(10), matches).ok());
    std::vector<std::string> names;
    for (const RuleMatch& match : matches) names.push_back(match.rule);
    return names;
  }

  std::string folder_;
};

TEST(BundledYaraRules, Compile) {
  YaraRules rules({});
  EXPECT_THAT(rules.GetStats().errors, IsEmpty());
  EXPECT_GE(rules.GetStats().rules, 5);
}

TEST(BundledYaraRules, MatchASkimmerAndNotACheckout) {
  YaraRules rules({});
  std::vector<RuleMatch> matches;
  ASSERT_TRUE(rules.Current()
                  ->Scan("if(window.outerWidth-window.innerWidth>160)return;"
                         "var n=document.querySelector('#card-number');",
                         absl::Seconds(10), matches)
                  .ok());
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].rule, "skimmer_devtools_guard");
  EXPECT_TRUE(matches[0].is_critical);
  EXPECT_EQ(matches[0].offset, 10U);
  matches.clear();
  ASSERT_TRUE(
      rules.Current()
          ->Scan("var n=document.querySelector('#card-number');fetch('/pay',{body:n.value})",
                 absl::Seconds(10), matches)
          .ok());
  EXPECT_THAT(matches, IsEmpty());
}

TEST_F(RuleFolder, AddsTheUsersRules) {
  Write("own.yar", kRule);
  YaraRules rules({.folder = folder_});
  std::vector<RuleMatch> matches;
  ASSERT_TRUE(rules.Current()->Scan("a skimmer", absl::Seconds(10), matches).ok());
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].rule, "finds_word");
  EXPECT_EQ(matches[0].description, "a word");
  EXPECT_TRUE(matches[0].is_critical);
  EXPECT_EQ(matches[0].offset, 2U);
}

TEST_F(RuleFolder, NamesARuleThatDoesNotCompileAndGoesOnWithTheRest) {
  const std::string bad = Write("bad.yar", "rule broken {\n  condition:\n    $nowhere\n}\n");
  Write("good.yar", kRule);
  YaraRules rules({.folder = folder_});
  EXPECT_THAT(rules.GetStats().errors, ElementsAre(HasSubstr(bad + ":4:")));
  EXPECT_THAT(Matches(rules, "skim"), ElementsAre("finds_word"));
}

TEST_F(RuleFolder, IsReadAgainWhenItChanges) {
  YaraRules rules({.folder = folder_, .recheck = absl::ZeroDuration()});
  EXPECT_THAT(Matches(rules, "skim"), IsEmpty());
  const std::string path = Write("own.yar", kRule);
  EXPECT_THAT(Matches(rules, "skim"), ElementsAre("finds_word"));
  const uint64_t reloads = rules.GetStats().reloads;
  EXPECT_THAT(Matches(rules, "skim"), ElementsAre("finds_word"));
  EXPECT_EQ(rules.GetStats().reloads, reloads);
  std::filesystem::remove(path);
  EXPECT_THAT(Matches(rules, "skim"), IsEmpty());
}

TEST_F(RuleFolder, KeepsTheRulesWhileItCannotBeRead) {
  Write("own.yar", kRule);
  YaraRules rules({.folder = folder_, .recheck = absl::ZeroDuration()});
  std::filesystem::rename(folder_, folder_ + "-away");
  EXPECT_THAT(Matches(rules, "skim"), ElementsAre("finds_word"));
  EXPECT_THAT(rules.GetStats().errors, ElementsAre(HasSubstr(folder_)));
  std::filesystem::rename(folder_ + "-away", folder_);
  EXPECT_THAT(Matches(rules, "skim"), ElementsAre("finds_word"));
  EXPECT_THAT(rules.GetStats().errors, IsEmpty());
}

TEST_F(RuleFolder, LogsWhatIsWrongWhenItChanges) {
  std::ostringstream log;
  const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log);
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("rules", sink));
  Write("good.yar", kRule);
  Write("bad.yar", "rule bad { strings: $a = \"x\" condition: $b }\n");
  YaraRules rules({.folder = folder_, .recheck = absl::ZeroDuration()});
  EXPECT_THAT(log.str(), HasSubstr("bad.yar:1: "));
  EXPECT_THAT(log.str(), HasSubstr("warning"));
  // As long as it is the same, it is said once.
  const size_t size = log.str().size();
  for (int i = 0; i < 3; ++i) rules.Current();
  EXPECT_EQ(log.str().size(), size);
  Write("bad.yar", "rule better { condition: true }\n");
  rules.Current();
  EXPECT_THAT(log.str().substr(size), HasSubstr("all are read"));
  spdlog::set_default_logger(before);
}

TEST_F(RuleFolder, RefusesARuleThatReadsOtherFiles) {
  Write("own.yar", "include \"/etc/hostname\"\n");
  YaraRules rules({.folder = folder_});
  EXPECT_EQ(rules.GetStats().errors.size(), 1U);
}

TEST_F(RuleFolder, EndsAScanThatTakesTooLong) {
  // Loops over every byte for every byte.
  Write("slow.yar",
        "rule slow { condition: for all i in (0..filesize) : ( for all j in (0..filesize) : ("
        " uint8(i) != 255 or uint8(j) != 255 ) ) }\n");
  YaraRules rules({.folder = folder_});
  std::vector<RuleMatch> matches;
  const absl::Status status =
      rules.Current()->Scan(std::string(200'000, 'x'), absl::Seconds(1), matches);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

}  // namespace
}  // namespace skimwatch::script
