#include "agent/traffic/source/log_tail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/temporary_folder.h"
#include "tests/agent/traffic/support/recording.h"

namespace skimwatch::traffic {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

using Lines = std::vector<std::string>;

class LogTailTest : public ::testing::Test {
 protected:
  LogTail::Options OptionsFor(const std::string& glob) {
    LogTail::Options options;
    options.paths = {folder_.PathOf(glob)};
    options.site = "shop";
    options.state_file = states_.PathOf("state");
    return options;
  }

  void OpenTail(const LogTail::Options& options) {
    tail_ = nullptr;
    auto tail = LogTail::Open(options, coverage_, sink_);
    ASSERT_TRUE(tail.ok()) << tail.status();
    tail_ = *std::move(tail);
  }

  // The lines that one round brings, `later` than the one before.
  Lines Poll(absl::Duration later = absl::Seconds(1)) {
    sink_.Clear();
    now_ += later;
    tail_->PollOnce(now_);
    return sink_.texts();
  }

  // Ends in good order, and begins anew.
  Lines Restart(const LogTail::Options& options) {
    sink_.Clear();
    tail_->Stop();
    Lines last = sink_.texts();
    OpenTail(options);
    return last;
  }

  // Clock of PollOnce. Close to the real one, which Stop() asks.
  absl::Time now_ = absl::Now();
  TemporaryFolder folder_;
  TemporaryFolder states_;
  Coverage coverage_;
  RecordingSink sink_;
  std::unique_ptr<LogTail> tail_;
};

TEST_F(LogTailTest, BeginsAtTheEndOfFilesThatAreThere) {
  folder_.Append("a.log", "old\n");
  OpenTail(OptionsFor("*.log"));
  EXPECT_THAT(Poll(), IsEmpty());
  folder_.Append("a.log", "new\n");
  EXPECT_THAT(Poll(), ElementsAre("new"));
}

TEST_F(LogTailTest, BeginsAtTheStartWhenAsked) {
  folder_.Append("a.log", "old\n");
  LogTail::Options options = OptionsFor("*.log");
  options.from_start = true;
  OpenTail(options);
  EXPECT_THAT(Poll(), ElementsAre("old"));
}

TEST_F(LogTailTest, ReadsLaterFilesFromTheirStart) {
  OpenTail(OptionsFor("*.log"));
  EXPECT_THAT(Poll(), IsEmpty());
  folder_.Append("a.log", "first\nsecond\n");
  EXPECT_THAT(Poll(), ElementsAre("first", "second"));
}

TEST_F(LogTailTest, ReadsFilesThatCameWhileNobodyLookedFromTheirStart) {
  OpenTail(OptionsFor("*.log"));
  Poll();
  tail_->Stop();
  folder_.Append("a.log", "first\n");
  OpenTail(OptionsFor("*.log"));
  EXPECT_THAT(Poll(), ElementsAre("first"));
}

TEST_F(LogTailTest, TellsWhereALineCameFrom) {
  OpenTail(OptionsFor("*.log"));
  Poll();
  folder_.Append("a.log", "line\n");
  Poll();
  ASSERT_EQ(sink_.messages().size(), 1u);
  const RecordingSink::Message& message = sink_.messages().front();
  EXPECT_EQ(message.part, Part::kLine);
  EXPECT_EQ(message.provenance.source, SourceKind::kLogFile);
  EXPECT_EQ(message.provenance.direction, Direction::kAtRest);
  EXPECT_EQ(message.provenance.file, folder_.PathOf("a.log"));
  EXPECT_EQ(message.provenance.site, "shop");
  EXPECT_EQ(message.provenance.seen_at, now_);
  EXPECT_EQ(message.provenance.sampling_probability, 1.0);
  EXPECT_TRUE(message.ended);
  EXPECT_EQ(message.gaps, 0);
}

TEST_F(LogTailTest, LineEndsAreNoPartOfLines) {
  OpenTail(OptionsFor("*.log"));
  Poll();
  folder_.Append("a.log", std::string("unix\ndos\r\n\n\r\nlone\rcr\nnul\0\xff\n", 27));
  EXPECT_THAT(Poll(), ElementsAre("unix", "dos", "lone\rcr", std::string("nul\0\xff", 5)));
  // Also where the two halves of a line end come apart.
  folder_.Append("a.log", "dos\r");
  EXPECT_THAT(Poll(), IsEmpty());
  folder_.Append("a.log", "\n");
  EXPECT_THAT(Poll(), ElementsAre("dos"));
}

TEST_F(LogTailTest, CountsEachByteOnce) {
  OpenTail(OptionsFor("*.log"));
  Poll();
  folder_.Append("a.log", "one\r\n\ntwo\n");
  Poll();
  folder_.Append("a.log", "thr");
  Poll();
  folder_.Append("a.log", "ee\n");
  Poll();
  EXPECT_EQ(coverage_.bytes(Reason::kScanned), 16u);
  EXPECT_EQ(coverage_.seen_bytes(), 16u);
  EXPECT_EQ(tail_->GetStats().bytes, 16u);
  EXPECT_EQ(tail_->GetStats().lines, 4u);
  EXPECT_EQ(tail_->GetStats().files, 1u);
  EXPECT_EQ(tail_->GetStats().errors, 0u);
}

TEST_F(LogTailTest, ALineWaitsForItsEnd) {
  OpenTail(OptionsFor("*.log"));
  Poll();
  folder_.Append("a.log", "begun ");
  EXPECT_THAT(Poll(), IsEmpty());
  folder_.Append("a.log", "and done\nnext ");
  EXPECT_THAT(Poll(), ElementsAre("begun and done"));
  folder_.Append("a.log", "too\n");
  EXPECT_THAT(Poll(), ElementsAre("next too"));
}

TEST_F(LogTailTest, ALineWithoutItsEndIsPassedInTheEnd) {
  LogTail::Options options = OptionsFor("*.log");
  options.partial_line_wait = absl::Seconds(5);
  OpenTail(options);
  Poll();
  folder_.Append("a.log", "no end");
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_THAT(Poll(absl::Seconds(4)), IsEmpty());
  EXPECT_THAT(Poll(absl::Seconds(1)), ElementsAre("no end"));
  EXPECT_THAT(Poll(absl::Seconds(10)), IsEmpty());
  folder_.Append("a.log", "\nnext\n");
  EXPECT_THAT(Poll(), ElementsAre("next"));
}

TEST_F(LogTailTest, ALongLineComesInPiecesOfOnePart) {
  LogTail::Options options = OptionsFor("*.log");
  options.line_bytes_max = 1024;
  OpenTail(options);
  Poll();
  std::string line;
  for (int i = 0; line.size() < 1 << 20; ++i) absl::StrAppend(&line, i, " ");
  folder_.Append("a.log", line + "\nshort\n");
  Poll();
  ASSERT_EQ(sink_.messages().size(), 2u);
  const RecordingSink::Message& message = sink_.messages().front();
  EXPECT_TRUE(message.text() == line);
  EXPECT_GT(message.pieces.size(), 100u);
  for (const std::string& piece : message.pieces) EXPECT_LE(piece.size(), 1024u);
  EXPECT_EQ(sink_.messages().back().text(), "short");
  EXPECT_EQ(coverage_.seen_bytes(), line.size() + 7);
}

TEST_F(LogTailTest, ALongLineIsPassedAsItComes) {
  LogTail::Options options = OptionsFor("*.log");
  options.line_bytes_max = 1024;
  OpenTail(options);
  Poll();
  folder_.Append("a.log", std::string(1500, 'a'));
  EXPECT_THAT(Poll(), ElementsAre(std::string(1500, 'a')));
  EXPECT_FALSE(sink_.messages().back().ended);
  sink_.on_end = [](const RecordingSink::Message& message) {
    EXPECT_EQ(message.text(), std::string(1500, 'a') + "bbb");
  };
  folder_.Append("a.log", "bbb\r");
  now_ += absl::Seconds(1);
  tail_->PollOnce(now_);
  folder_.Append("a.log", "\n");
  tail_->PollOnce(now_);
  EXPECT_TRUE(sink_.messages().back().ended);
  // Without its end it is over in the end.
  sink_.on_end = nullptr;
  folder_.Append("a.log", std::string(2000, 'c'));
  Poll();
  tail_->PollOnce(now_ + absl::Seconds(20));
  EXPECT_TRUE(sink_.messages().back().ended);
}

TEST_F(LogTailTest, ARenamedFileIsReadToItsEnd) {
  OpenTail(OptionsFor("a.log"));
  Poll();
  folder_.Append("a.log", "one\n");
  Poll();
  folder_.Append("a.log", "two\n");
  folder_.Rename("a.log", "a.log.1");
  folder_.Append("a.log", "new\n");
  EXPECT_THAT(Poll(), UnorderedElementsAre("two", "new"));
  // The writer has the old one open for a while.
  folder_.Append("a.log.1", "late\n");
  EXPECT_THAT(Poll(absl::Minutes(5)), ElementsAre("late"));
  EXPECT_EQ(sink_.messages().back().provenance.file, folder_.PathOf("a.log"));
  EXPECT_EQ(tail_->GetStats().rotations, 1u);
  EXPECT_EQ(tail_->GetStats().files, 2u);
  // Then it is let go.
  Poll(absl::Minutes(11));
  EXPECT_EQ(tail_->GetStats().files, 1u);
}

TEST_F(LogTailTest, ARenamedFileThatIsMatchedStillIsNotReadAgain) {
  OpenTail(OptionsFor("a.log*"));
  Poll();
  folder_.Append("a.log", "one\n");
  Poll();
  for (int i = 3; i >= 0; --i) {
    const std::string from = i == 0 ? "a.log" : absl::StrCat("a.log.", i);
    if (folder_.Exists(from)) folder_.Rename(from, absl::StrCat("a.log.", i + 1));
  }
  folder_.Append("a.log", "two\n");
  EXPECT_THAT(Poll(), ElementsAre("two"));
  EXPECT_EQ(tail_->GetStats().rotations, 1u);
  EXPECT_EQ(tail_->GetStats().files, 2u);
}

TEST_F(LogTailTest, ALastLineOfARotatedFileIsPassedWithoutItsEnd) {
  OpenTail(OptionsFor("a.log"));
  Poll();
  folder_.Append("a.log", "one\nno end");
  Poll();
  folder_.Rename("a.log", "a.log.1");
  EXPECT_THAT(Poll(absl::Minutes(15)), ElementsAre("no end"));
}

TEST_F(LogTailTest, ADeletedFileIsReadToItsEndAndLetGoSoon) {
  OpenTail(OptionsFor("a.log"));
  Poll();
  folder_.Append("a.log", "one\n");
  Poll();
  folder_.Append("a.log", "two\n");
  folder_.Remove("a.log");
  EXPECT_THAT(Poll(), ElementsAre("two"));
  Poll(absl::Seconds(11));
  EXPECT_EQ(tail_->GetStats().files, 0u);
  folder_.Append("a.log", "again\n");
  EXPECT_THAT(Poll(), ElementsAre("again"));
}

TEST_F(LogTailTest, ATruncatedFileIsReadAnew) {
  OpenTail(OptionsFor("a.log"));
  Poll();
  folder_.Append("a.log", "a first line\nhalf");
  EXPECT_THAT(Poll(), ElementsAre("a first line"));
  folder_.Truncate("a.log");
  folder_.Append("a.log", "new\n");
  // Of what is gone, the half line that was read is passed.
  EXPECT_THAT(Poll(), ElementsAre("half", "new"));
  EXPECT_EQ(tail_->GetStats().truncations, 1u);
  EXPECT_EQ(coverage_.seen_bytes(), 13u + 4 + 4);
}

TEST_F(LogTailTest, ATruncatedFileThatOutgrewItsPositionIsReadAnew) {
  OpenTail(OptionsFor("a.log"));
  Poll();
  folder_.Append("a.log", "12:00 first\n");
  Poll();
  folder_.Truncate("a.log");
  folder_.Append("a.log", "12:01 second\n12:01 third\n");
  EXPECT_THAT(Poll(), ElementsAre("12:01 second", "12:01 third"));
  EXPECT_EQ(tail_->GetStats().truncations, 1u);
}

TEST_F(LogTailTest, CopyAndTruncateByLogrotateLosesNothingThatWasRead) {
  OpenTail(OptionsFor("a.log"));
  Poll();
  folder_.Append("a.log", "one\n");
  Poll();
  ASSERT_EQ(
      std::system(absl::StrCat("cd ", folder_.path(), " && cp a.log a.log.1 && : > a.log").c_str()),
      0);
  EXPECT_THAT(Poll(), IsEmpty());
  folder_.Append("a.log", "two\n");
  EXPECT_THAT(Poll(), ElementsAre("two"));
}

TEST_F(LogTailTest, CompressedFilesAreLeftOutAndCounted) {
  OpenTail(OptionsFor("a.log*"));
  Poll();
  folder_.Append("a.log.2.gz", std::string("\x1f\x8b\x08\x00 and so on\nand on\n", 22));
  folder_.Append("a.log.3.xz", std::string("\xfd"
                                           "7zXZ\0 and so on\n",
                                           16));
  folder_.Append("a.log.4.bz2", "BZh91AY&SY and so on\n");
  folder_.Append("a.log.5.zst", "\x28\xb5\x2f\xfd and so on\n");
  folder_.Append("a.log", "BZh is how a line may begin\n");
  EXPECT_THAT(Poll(), ElementsAre("BZh is how a line may begin"));
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_EQ(tail_->GetStats().compressed_files, 4u);
  EXPECT_EQ(tail_->GetStats().files, 1u);
  EXPECT_EQ(coverage_.bytes(Reason::kUndecodableContentCoding), 22u + 16 + 21 + 15);
}

TEST_F(LogTailTest, WhatIsNoFileIsLeftOut) {
  ASSERT_EQ(mkfifo(folder_.PathOf("pipe.log").c_str(), 0600), 0);
  std::filesystem::create_directory(folder_.PathOf("folder.log"));
  std::filesystem::create_symlink("/dev/zero", folder_.PathOf("device.log"));
  std::filesystem::create_symlink("nowhere", folder_.PathOf("dangling.log"));
  LogTail::Options options = OptionsFor("*.log");
  options.from_start = true;
  OpenTail(options);
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_EQ(tail_->GetStats().files, 0u);
  EXPECT_EQ(tail_->GetStats().errors, 0u);
}

TEST_F(LogTailTest, AFileOfSeveralNamesIsFollowedOnce) {
  OpenTail(OptionsFor("*.log"));
  Poll();
  folder_.Append("a.log", "one\n");
  std::filesystem::create_symlink("a.log", folder_.PathOf("b.log"));
  std::filesystem::create_hard_link(folder_.PathOf("a.log"), folder_.PathOf("c.log"));
  EXPECT_THAT(Poll(), ElementsAre("one"));
  folder_.Append("c.log", "two\n");
  EXPECT_THAT(Poll(), ElementsAre("two"));
  EXPECT_EQ(tail_->GetStats().files, 1u);
  EXPECT_EQ(tail_->GetStats().rotations, 0u);
}

TEST_F(LogTailTest, NamesNoFileByANumberInItsName) {
  LogTail::Options options = OptionsFor("*.log");
  options.files_max = 1;
  OpenTail(options);
  Poll();
  folder_.Append("a.log", "one\n");
  folder_.Append("b-4111111111111111.log", "two\n");
  Poll();
  Poll();
  EXPECT_THAT(tail_->GetStats().last_error, HasSubstr("/b-****************.log"));
}

TEST_F(LogTailTest, FilesOverTheLimitAreCountedAndTakenWhenThereIsRoom) {
  LogTail::Options options = OptionsFor("*.log");
  options.files_max = 2;
  OpenTail(options);
  Poll();
  for (const char* name : {"a.log", "b.log", "c.log"})
    folder_.Append(name, absl::StrCat(name, "\n"));
  EXPECT_THAT(Poll(), UnorderedElementsAre("a.log", "b.log"));
  Poll();
  EXPECT_EQ(tail_->GetStats().errors, 1u);
  EXPECT_THAT(tail_->GetStats().last_error, AllOf(HasSubstr("c.log"), HasSubstr("2 files")));
  folder_.Remove("a.log");
  Poll();
  EXPECT_THAT(Poll(), ElementsAre("c.log"));
}

TEST_F(LogTailTest, PositionsOutliveARestart) {
  const LogTail::Options options = OptionsFor("*.log");
  OpenTail(options);
  Poll();
  folder_.Append("a.log", "one\ntwo\n");
  EXPECT_THAT(Poll(), ElementsAre("one", "two"));
  EXPECT_THAT(Restart(options), IsEmpty());
  EXPECT_THAT(Poll(), IsEmpty());
  folder_.Append("a.log", "three\n");
  EXPECT_THAT(Poll(), ElementsAre("three"));
}

TEST_F(LogTailTest, StopReadsWhatIsThereAndLeavesAHalfLineForTheNextStart) {
  const LogTail::Options options = OptionsFor("*.log");
  OpenTail(options);
  Poll();
  folder_.Append("a.log", "one\nhalf");
  EXPECT_THAT(Restart(options), ElementsAre("one"));
  folder_.Append("a.log", " and half\n");
  EXPECT_THAT(Poll(), ElementsAre("half and half"));
}

TEST_F(LogTailTest, ALongLineIsSeenWholeAroundARestart) {
  LogTail::Options options = OptionsFor("*.log");
  options.line_bytes_max = 1024;
  OpenTail(options);
  Poll();
  folder_.Append("a.log", std::string(5000, 'x') + "before");
  EXPECT_EQ(Poll().size(), 1u);
  Restart(options);
  EXPECT_TRUE(sink_.messages().back().ended);
  folder_.Append("a.log", "after\n");
  const Lines lines = Poll();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("xbeforeafter"));
  EXPECT_LE(lines[0].size(), 1024u + 5);
}

TEST_F(LogTailTest, GoesOnInAFileThatWasRenamedWhileNobodyLooked) {
  const LogTail::Options options = OptionsFor("a.log");
  OpenTail(options);
  Poll();
  folder_.Append("a.log", "one\n");
  Poll();
  tail_->Stop();
  folder_.Append("a.log", "two\n");
  folder_.Rename("a.log", "a.log.1");
  folder_.Append("a.log", "new\n");
  OpenTail(options);
  EXPECT_THAT(Poll(), UnorderedElementsAre("two", "new"));
  for (const auto& message : sink_.messages()) {
    EXPECT_EQ(message.provenance.file, folder_.PathOf("a.log"));
  }
  EXPECT_EQ(tail_->GetStats().rotations, 1u);
}

TEST_F(LogTailTest, AnotherFileOfTheSameInodeIsReadFromItsStart) {
  const LogTail::Options options = OptionsFor("a.log");
  OpenTail(options);
  Poll();
  folder_.Append("a.log", "one\n");
  Poll();
  tail_->Stop();
  // As a new file would look that got the inode of the old one.
  folder_.Truncate("a.log");
  folder_.Append("a.log", "another, and longer\n");
  OpenTail(options);
  EXPECT_THAT(Poll(), ElementsAre("another, and longer"));
}

TEST_F(LogTailTest, APositionOutlivesItsFileForAWhile) {
  // As when a file system is mounted late.
  const LogTail::Options options = OptionsFor("logs/a.log");
  std::filesystem::create_directory(folder_.PathOf("logs"));
  OpenTail(options);
  Poll();
  folder_.Append("logs/a.log", "one\n");
  Poll();
  tail_->Stop();
  folder_.Rename("logs", "away");
  OpenTail(options);
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_THAT(Restart(options), IsEmpty());
  folder_.Rename("away", "logs");
  folder_.Append("logs/a.log", "two\n");
  EXPECT_THAT(Poll(), ElementsAre("two"));
}

TEST_F(LogTailTest, ADamagedStateIsSetAside) {
  const LogTail::Options options = OptionsFor("*.log");
  folder_.Append("a.log", "old\n");
  states_.Append("state", "garbage");
  OpenTail(options);
  EXPECT_EQ(tail_->GetStats().errors, 1u);
  EXPECT_THAT(tail_->GetStats().last_error, AllOf(HasSubstr("state"), HasSubstr("damaged")));
  EXPECT_EQ(states_.Read("state.damaged"), "garbage");
  EXPECT_THAT(Poll(), IsEmpty());
  folder_.Append("a.log", "new\n");
  EXPECT_THAT(Poll(), ElementsAre("new"));
  EXPECT_EQ(Restart(options), Lines());
  EXPECT_EQ(tail_->GetStats().errors, 0u);
}

TEST_F(LogTailTest, SavesPositionsOnlyAfterFindingsAreDurable) {
  LogTail::Options options = OptionsFor("*.log");
  std::vector<std::pair<size_t, std::string>> calls;
  options.before_save = [&] { calls.emplace_back(sink_.messages().size(), states_.Read("state")); };
  options.save_interval = absl::Seconds(10);
  OpenTail(options);
  Poll();
  ASSERT_EQ(calls.size(), 1u);
  const std::string before = states_.Read("state");
  folder_.Append("a.log", "one\n");
  Poll();
  // Not yet.
  EXPECT_EQ(calls.size(), 1u);
  EXPECT_EQ(states_.Read("state"), before);
  now_ += absl::Seconds(10);
  tail_->PollOnce(now_);
  ASSERT_EQ(calls.size(), 2u);
  // The line was passed, and the position was still the old one.
  EXPECT_EQ(calls[1].first, 1u);
  EXPECT_EQ(calls[1].second, before);
  EXPECT_NE(states_.Read("state"), before);
  // Without news there is nothing to save.
  Poll(absl::Seconds(11));
  EXPECT_EQ(calls.size(), 2u);
}

TEST_F(LogTailTest, APositionThatCannotBeSavedIsCountedAndTriedAgain) {
  OpenTail(OptionsFor("*.log"));
  Poll();
  std::filesystem::create_directory(states_.PathOf("state.new"));
  folder_.Append("a.log", "one\n");
  Poll(absl::Seconds(2));
  Poll(absl::Seconds(2));
  EXPECT_EQ(tail_->GetStats().errors, 1u);
  EXPECT_THAT(tail_->GetStats().last_error, HasSubstr("state.new"));
  std::filesystem::remove(states_.PathOf("state.new"));
  Poll(absl::Seconds(2));
  EXPECT_THAT(states_.Read("state"), HasSubstr("a.log"));
}

TEST_F(LogTailTest, HoldsNoDigitsOfALineInItsState) {
  OpenTail(OptionsFor("*.log"));
  Poll();
  folder_.Append("a.log", "4111111111111111\n");
  Poll();
  tail_->Stop();
  const std::string state = states_.Read("state");
  EXPECT_THAT(state, HasSubstr("a.log"));
  EXPECT_EQ(state.find("4111111"), std::string::npos);
}

TEST_F(LogTailTest, UnreadableFilesAreCountedAndTakenWhenTheyCanBeRead) {
  // Root reads everything, so another user looks.
  folder_.Append("a.log", "secret\n");
  ASSERT_EQ(chmod(folder_.PathOf("a.log").c_str(), 0), 0);
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(states_.path().c_str(), 0777), 0);
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto run = [&] {
      if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) return 1;
      LogTail::Options options = OptionsFor("*.log");
      options.from_start = true;
      OpenTail(options);
      if (tail_ == nullptr) return 2;
      Poll();
      Poll();
      const LogTail::Stats stats = tail_->GetStats();
      if (stats.errors != 1 || stats.last_error.find("a.log") == std::string::npos) return 3;
      char byte = 0;
      if (write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) != 1) return 4;
      return Poll() == Lines{"secret"} ? 0 : 5;
    };
    _exit(run());
  }
  char byte = 0;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(chmod(folder_.PathOf("a.log").c_str(), 0644), 0);
  EXPECT_EQ(write(go[1], "g", 1), 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(LogTailTest, RefusesOptionsThatCannotBe) {
  const std::vector<std::pair<std::function<void(LogTail::Options&)>, std::string>> kCases = {
      {[](auto& o) { o.paths.clear(); }, "paths"},
      {[](auto& o) { o.paths = {""}; }, "path is empty"},
      {[](auto& o) { o.line_bytes_max = 1023; }, "line_bytes_max"},
      {[](auto& o) { o.line_bytes_max = 67108865; }, "67108864"},
      {[](auto& o) { o.files_max = 0; }, "files_max"},
      {[](auto& o) { o.poll_interval = absl::ZeroDuration(); }, "poll_interval"},
      {[](auto& o) { o.state_file = ""; }, "state file"},
      {[](auto& o) { o.state_file = "/no/such/state"; }, "/no/such/state"},
  };
  for (const auto& [change, text] : kCases) {
    LogTail::Options options = OptionsFor("*.log");
    change(options);
    const absl::Status status = LogTail::Open(options, coverage_, sink_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }
}

TEST_F(LogTailTest, UnsetFieldsOfTheConfigurationTakeTheDefaults) {
  config::v1::LogFiles config;
  config.add_paths("/var/log/*.log");
  config.set_site("shop");
  const auto defaults = LogTail::Options::FromConfig(config, "/state");
  EXPECT_THAT(defaults.paths, ElementsAre("/var/log/*.log"));
  EXPECT_EQ(defaults.site, "shop");
  EXPECT_EQ(defaults.state_file, "/state");
  EXPECT_FALSE(defaults.from_start);
  EXPECT_EQ(defaults.line_bytes_max, 1048576u);
  config.set_from("start");
  config.set_line_bytes_max(2048);
  const auto set = LogTail::Options::FromConfig(config, "/state");
  EXPECT_TRUE(set.from_start);
  EXPECT_EQ(set.line_bytes_max, 2048u);
}

// With its own thread.
class LogTailThreadTest : public LogTailTest {
 protected:
  // Its thread uses what is below.
  void TearDown() override { tail_ = nullptr; }

  void Start(const LogTail::Options& options) {
    sink_.on_end = [this](const RecordingSink::Message& message) {
      absl::MutexLock lock(&mutex_);
      ++seen_[message.text()];
    };
    OpenTail(options);
    tail_->Start();
  }

  bool Await(const std::string& line) {
    absl::MutexLock lock(&mutex_);
    const auto there = [&] { return seen_.contains(line); };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10));
  }

  int Count(const std::string& line) {
    absl::MutexLock lock(&mutex_);
    const auto it = seen_.find(line);
    return it == seen_.end() ? 0 : it->second;
  }

  absl::Mutex mutex_;
  std::map<std::string, int> seen_;
};

TEST_F(LogTailThreadTest, IsToldOfWritesAndNewFiles) {
  LogTail::Options options = OptionsFor("*.log");
  // So long that nothing here is found by polling.
  options.poll_interval = absl::Minutes(10);
  folder_.Append("old.log", "old\n");
  Start(options);
  const absl::Time begin = absl::Now();
  folder_.Append("old.log", "more\n");
  EXPECT_TRUE(Await("more"));
  folder_.Append("new.log", "first\n");
  EXPECT_TRUE(Await("first"));
  folder_.Append("new.log", "second\n");
  EXPECT_TRUE(Await("second"));
  folder_.Rename("new.log", "new.log.1");
  folder_.Append("new.log", "third\n");
  EXPECT_TRUE(Await("third"));
  folder_.Append("new.log.1", "late\n");
  EXPECT_TRUE(Await("late"));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  EXPECT_EQ(Count("old"), 0);
}

TEST_F(LogTailThreadTest, PollsForWhatItIsNotToldOf) {
  // A link leads out of the folder that is watched.
  TemporaryFolder elsewhere;
  LogTail::Options options = OptionsFor("*.log");
  options.poll_interval = absl::Milliseconds(50);
  Start(options);
  std::filesystem::create_symlink(elsewhere.PathOf("target"), folder_.PathOf("a.log"));
  elsewhere.Append("target", "through a link\n");
  EXPECT_TRUE(Await("through a link"));
}

TEST_F(LogTailThreadTest, ANewFolderOfAGlobIsFound) {
  LogTail::Options options = OptionsFor("*/a.log");
  options.poll_interval = absl::Milliseconds(100);
  Start(options);
  std::filesystem::create_directory(folder_.PathOf("one"));
  folder_.Append("one/a.log", "in a new folder\n");
  EXPECT_TRUE(Await("in a new folder"));
}

TEST_F(LogTailThreadTest, KeepsUpWithAWriterThatRotates) {
  Start(OptionsFor("a.log*"));
  constexpr int kLines = 20000;
  for (int i = 0; i < kLines; ++i) {
    folder_.Append("a.log", absl::StrCat("line ", i, "\n"));
    if (i % 1000 == 999) folder_.Rename("a.log", absl::StrCat("a.log.", i));
  }
  tail_->Stop();
  for (int i = 0; i < kLines; ++i) {
    ASSERT_EQ(Count(absl::StrCat("line ", i)), 1) << i;
  }
  EXPECT_EQ(tail_->GetStats().lines, uint64_t{kLines});
}

TEST_F(LogTailThreadTest, StopIsQuickAndMayComeTwice) {
  Start(OptionsFor("*.log"));
  const absl::Time begin = absl::Now();
  tail_->Stop();
  tail_->Stop();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
}

}  // namespace
}  // namespace skimwatch::traffic
