#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/ctl/program.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::ctl {
namespace {

using skimwatch::testing::Ctl;
using skimwatch::testing::Result;
using skimwatch::testing::TempFolder;
using ::testing::HasSubstr;

// What bash offers behind `words`, by the script that the program prints.
std::string Offers(const std::string& words, const std::string& shown = "${COMPREPLY[*]}") {
  const std::string command = absl::StrCat(
      "bash -c 'source <(", SKIMWATCH_BIN_DIR, "/skimwatchctl completion bash); COMP_WORDS=(",
      words, "); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _skimwatchctl; echo -n \"", shown, "\"'");
  FILE* const pipe = popen(command.c_str(), "r");
  std::string text(8192, '\0');
  text.resize(fread(text.data(), 1, text.size(), pipe));
  EXPECT_EQ(pclose(pipe), 0);
  return text;
}

TEST(Completion, WorksInBash) {
  EXPECT_THAT(Offers("skimwatchctl \"\""),
              HasSubstr("exposures findings scripts destinations csp agents card"));
  EXPECT_EQ(Offers("skimwatchctl exp"), "exposures");
  EXPECT_EQ(Offers("skimwatchctl scripts ap"), "approve");
  EXPECT_EQ(Offers("skimwatchctl exposures list --state \"\""), "open closed all");
  EXPECT_EQ(Offers("skimwatchctl --output json scripts li"), "list");
  EXPECT_EQ(Offers("skimwatchctl agents list --output t"), "table");
  EXPECT_THAT(Offers("skimwatchctl --ca /etc/passw"), HasSubstr("/etc/passwd"));
}

TEST(Completion, OffersFilesWhereverAnOptionTakesOne) {
  EXPECT_THAT(Offers("skimwatchctl card check --file /etc/passw"), HasSubstr("/etc/passwd"));
  TempFolder folder;
  std::ofstream(folder.File("two words"));
  // One candidate, not two.
  EXPECT_EQ(Offers(absl::StrCat("skimwatchctl card check --file ", folder.path(), "/tw"),
                   "${#COMPREPLY[@]}"),
            "1");
}

// As bash splits it.
TEST(Completion, OffersTheValuesBehindAnEqualsSign) {
  EXPECT_EQ(Offers("skimwatchctl agents list --output = js"), "json");
  EXPECT_EQ(Offers("skimwatchctl agents list --output ="), "table json");
}

TEST(Completion, HasScriptsForEachShell) {
  TempFolder folder;
  const Ctl ctl(folder);
  EXPECT_THAT(ctl.Run({"completion", "zsh"}).out, HasSubstr("#compdef skimwatchctl"));
  EXPECT_THAT(ctl.Run({"completion", "fish"}).out,
              HasSubstr("complete -c skimwatchctl -n '__fish_seen_subcommand_from scripts; and not "
                        "__fish_seen_subcommand_from list diff approve revoke show describe "
                        "inventory publisher' -a diff"));
  EXPECT_EQ(ctl.Run({"completion", "tcsh"}).code, 2);
}

TEST(Program, NamesAWordThatIsNoCommandAndOneThatIsNear) {
  TempFolder folder;
  const Ctl ctl(folder);
  Result result = ctl.Run({"finding", "list"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("found `finding`, expected a command after `skimwatchctl`: "));
  EXPECT_THAT(result.err, HasSubstr("; `findings` perhaps\n"));
  result = ctl.Run({"findings", "lst"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err,
              HasSubstr("found `lst`, expected a command after `skimwatchctl findings`: "
                        "list, watch; `list` perhaps\n"));
}

TEST(Program, HelpNamesDefaultsAndEveryExitCode) {
  TempFolder folder;
  const Ctl ctl(folder);
  EXPECT_THAT(ctl.Run({"--help"}).out, HasSubstr("`audit verify` says altered"));
  for (const char* const group : {"exposures", "findings", "scripts", "destinations", "agents"}) {
    EXPECT_THAT(ctl.Run({group, "list", "--help"}).out, HasSubstr("(1000 by default)")) << group;
  }
}

TEST(Program, SaysItsVersionAndHelp) {
  TempFolder folder;
  const Ctl ctl(folder);
  EXPECT_THAT(ctl.Run({"--version"}).out,
              ::testing::MatchesRegex("skimwatchctl [0-9.]+ \\(.+\\)\n"));
  EXPECT_THAT(ctl.Run({"--help"}).out, HasSubstr("SKIMWATCH_COLLECTOR"));
  const Result result = ctl.Run({"scripts"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("expected a command after `skimwatchctl scripts`: list, diff, "
                                    "approve, revoke"));
}

}  // namespace
}  // namespace skimwatch::ctl
