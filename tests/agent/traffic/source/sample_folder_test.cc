#include "agent/traffic/source/sample_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/traffic/source/log_state.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/samples.h"
#include "tests/agent/traffic/source/temporary_folder.h"

namespace skimwatch::traffic {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class SampleFolderTest : public ::testing::Test {
 protected:
  SampleFolder::Options Options() const {
    SampleFolder::Options options;
    options.path = folder_.path();
    options.state_file = states_.PathOf("state");
    options.sample_bytes_max = 1000;
    options.scan = ScanOptionsFor("shop");
    return options;
  }
  void OpenFolder(const SampleFolder::Options& options) {
    source_ = nullptr;
    auto source = SampleFolder::Open(options, coverage_, target_);
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
  }
  // As a tool is told to.
  void Deliver(const std::string& name, const std::string& bytes) const {
    folder_.Append(name + ".tmp", bytes);
    folder_.Rename(name + ".tmp", name);
  }
  std::vector<std::string> Poll() {
    target_.sink.Clear();
    source_->PollOnce(absl::Now());
    return target_.sink.texts();
  }

  TemporaryFolder folder_;
  TemporaryFolder states_;
  Coverage coverage_;
  RecordingTarget target_;
  std::unique_ptr<SampleFolder> source_;
};

TEST_F(SampleFolderTest, ReadsFilesAndRemovesThem) {
  int flushes = 0;
  SampleFolder::Options options = Options();
  options.before_save = [&] {
    // What was read is still there, should the process end here.
    EXPECT_TRUE(folder_.Exists("a.samples"));
    ++flushes;
  };
  OpenFolder(options);
  Deliver("a.samples", Line("the first line") + Line("the second line"));
  folder_.Append("b.tmp", Line("not yet renamed"));
  EXPECT_THAT(Poll(), ElementsAre("the first line", "the second line"));
  EXPECT_FALSE(folder_.Exists("a.samples"));
  EXPECT_TRUE(folder_.Exists("b.tmp"));
  EXPECT_EQ(flushes, 1);
  EXPECT_EQ(source_->GetStats().files, 1u);
  EXPECT_EQ(coverage_.seen_bytes(), 29u);
}

TEST_F(SampleFolderTest, KeepsFilesWhenAsked) {
  SampleFolder::Options options = Options();
  options.keeps_files = true;
  OpenFolder(options);
  Deliver("a.samples", Line("the first line"));
  EXPECT_THAT(Poll(), ElementsAre("the first line"));
  Deliver("a.samples", Line("of the same name"));
  EXPECT_THAT(Poll(), ElementsAre("of the same name"));
  EXPECT_EQ(folder_.Read("done/a.samples"), Line("the first line"));
  EXPECT_EQ(folder_.Read("done/a.samples.1"), Line("of the same name"));
  EXPECT_THAT(Poll(), IsEmpty());
}

TEST_F(SampleFolderTest, ReadsTheOldestFirst) {
  OpenFolder(Options());
  for (const int age : {1, 3, 2}) {
    const std::string name = absl::StrCat("of_age_", age, ".samples");
    Deliver(name, Line(absl::StrCat("a line of age ", age)));
    std::filesystem::last_write_time(
        folder_.PathOf(name),
        std::filesystem::file_time_type::clock::now() - std::chrono::hours(age));
  }
  EXPECT_THAT(Poll(), ElementsAre("a line of age 3", "a line of age 2", "a line of age 1"));
}

TEST_F(SampleFolderTest, ABrokenFileIsKeptAndNamed) {
  const std::string good = Line("before the damage");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {std::string(10, '\xff') + "rest", "offset 22 is no length"},
      {Line("cut off in the middle").substr(0, 9), "within the sample that begins at 22"},
      {std::string("\x05wrong"), "the sample at offset 22 is no Sample"},
      {Line(std::string(2000, 'x')), "the sample at offset 22 has "}};
  ASSERT_EQ(good.size(), 22u);
  OpenFolder(Options());
  uint64_t failed = 0;
  for (const auto& [damage, message] : cases) {
    const std::string name = absl::StrCat(failed, ".samples");
    Deliver(name, good + damage);
    EXPECT_THAT(Poll(), ElementsAre("before the damage"));
    const SampleFolder::Stats stats = source_->GetStats();
    EXPECT_EQ(stats.files_failed, ++failed);
    EXPECT_THAT(stats.last_error, HasSubstr(folder_.PathOf(name)));
    EXPECT_THAT(stats.last_error, HasSubstr(message));
    EXPECT_FALSE(folder_.Exists(name));
    EXPECT_EQ(folder_.Read("failed/" + name), good + damage);
    // Never again.
    EXPECT_THAT(Poll(), IsEmpty());
  }
  EXPECT_EQ(coverage_.bytes(Reason::kUndecodableSample), 14u + 9u + 5u);
  EXPECT_EQ(coverage_.bytes(Reason::kTruncatedSampleLimit),
            LineOf(std::string(2000, 'x')).ByteSizeLong());
  EXPECT_EQ(coverage_.bytes(Reason::kScanned), 4u * 17);
  EXPECT_EQ(source_->GetStats().files, 0u);
}

TEST_F(SampleFolderTest, SamplesAfterAnInvalidOneAreScanned) {
  OpenFolder(Options());
  Deliver("a.samples", Line("the first line") + std::string("\x05wrong") + Line("the last line"));
  EXPECT_THAT(Poll(), ElementsAre("the first line", "the last line"));
  EXPECT_TRUE(folder_.Exists("failed/a.samples"));
}

TEST_F(SampleFolderTest, LeavesWhatIsNoFile) {
  OpenFolder(Options());
  ASSERT_EQ(mkfifo(folder_.PathOf("pipe.samples").c_str(), 0600), 0);
  std::filesystem::create_directory(folder_.PathOf("folder.samples"));
  folder_.Append("elsewhere", Line("behind a link"));
  std::filesystem::create_symlink(folder_.PathOf("elsewhere"), folder_.PathOf("link.samples"));
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_EQ(source_->GetStats().errors, 3u);
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_EQ(source_->GetStats().errors, 3u);
}

TEST_F(SampleFolderTest, AFileThatGrowsIsReadOn) {
  SampleFolder::Options options = Options();
  const std::string rest = Line("appended against the rule");
  bool grows = true;
  options.before_save = [&] {
    if (std::exchange(grows, false)) folder_.Append("a.samples", rest);
  };
  OpenFolder(options);
  Deliver("a.samples", Line("the first line"));
  EXPECT_THAT(Poll(), ElementsAre("the first line"));
  // Removed only with all that was in it.
  EXPECT_TRUE(folder_.Exists("a.samples"));
  const std::vector<std::string> texts = Poll();
  EXPECT_THAT(texts, ElementsAre("the first line", "appended against the rule"));
  EXPECT_FALSE(folder_.Exists("a.samples"));
}

TEST_F(SampleFolderTest, FilesThatGrowWhileTheyAreReadAreReadOnEach) {
  OpenFolder(Options());
  Deliver("a.samples", Line("the first of a"));
  Deliver("b.samples", Line("the first of b"));
  target_.sink.on_end = [&](const RecordingSink::Message& message) {
    if (message.text().starts_with("the first of ")) {
      const std::string name(1, message.text().back());
      folder_.Append(name + ".samples", Line("appended to " + name));
    }
  };
  EXPECT_THAT(Poll(), UnorderedElementsAre("the first of a", "the first of b"));
  Deliver("c.samples", Line("between them"));
  EXPECT_THAT(Poll(), UnorderedElementsAre("appended to a", "appended to b", "between them"));
  EXPECT_FALSE(folder_.Exists("a.samples"));
  EXPECT_FALSE(folder_.Exists("b.samples"));
  EXPECT_EQ(source_->GetStats().files_failed, 0u);
}

// As after a crash: the state is that of the middle of the file.
TEST_F(SampleFolderTest, GoesOnWithinASampleThatIsTooLong) {
  SampleFolder::Options options = Options();
  options.save_interval = absl::ZeroDuration();
  const std::string state = states_.PathOf("state");
  const std::string in_the_middle = states_.PathOf("in the middle");
  uint64_t skip_bytes = 0;
  options.before_save = [&] {
    if (skip_bytes > 0) return;
    const absl::StatusOr<v1::LogState> saved = LoadLogState(state);
    if (!saved.ok() || saved->sample_file().skip_bytes() == 0) return;
    skip_bytes = saved->sample_file().skip_bytes();
    std::filesystem::copy_file(state, in_the_middle);
  };
  Deliver("a.samples",
          Line("the first line") + Line(std::string(1 << 20, 'x')) + Line("the last line"));
  OpenFolder(options);
  EXPECT_THAT(Poll(), ElementsAre("the first line", "the last line"));
  ASSERT_GT(skip_bytes, 0u);
  EXPECT_LT(skip_bytes, 1u << 20);

  std::filesystem::rename(in_the_middle, state);
  folder_.Rename("failed/a.samples", "a.samples");
  const uint64_t skipped = coverage_.bytes(Reason::kTruncatedSampleLimit);
  OpenFolder(options);
  EXPECT_THAT(Poll(), ElementsAre("the last line"));
  EXPECT_EQ(coverage_.bytes(Reason::kTruncatedSampleLimit) - skipped, skip_bytes);
  // What was wrong was before the place.
  EXPECT_TRUE(folder_.Exists("failed/a.samples"));
  EXPECT_THAT(source_->GetStats().last_error, HasSubstr("the sample at offset 19 has "));
}

TEST_F(SampleFolderTest, RemembersOverARestartThatASampleWasBroken) {
  SampleFolder::Options options = Options();
  options.save_interval = absl::ZeroDuration();
  const std::string state = states_.PathOf("state");
  const std::string in_the_middle = states_.PathOf("in the middle");
  options.before_save = [&] {
    const absl::StatusOr<v1::LogState> saved = LoadLogState(state);
    if (!saved.ok() || saved->sample_file().offset() == 0) return;
    std::filesystem::copy_file(state, in_the_middle, std::filesystem::copy_options::skip_existing);
  };
  std::string bytes("\x05wrong");
  for (int i = 0; i < 10000; ++i) bytes += Line(absl::StrCat("line ", i, std::string(80, ' ')));
  Deliver("a.samples", bytes);
  OpenFolder(options);
  EXPECT_EQ(Poll().size(), 10000u);

  std::filesystem::rename(in_the_middle, state);
  folder_.Rename("failed/a.samples", "a.samples");
  OpenFolder(options);
  EXPECT_LT(Poll().size(), 10000u);
  EXPECT_TRUE(folder_.Exists("failed/a.samples"));
  EXPECT_THAT(source_->GetStats().last_error, HasSubstr("the sample at offset 0 is no Sample"));
}

TEST_F(SampleFolderTest, GoesOnWhereItStopped) {
  SampleFolder::Options options = Options();
  options.save_interval = absl::ZeroDuration();
  std::string bytes;
  for (int i = 0; i < 20000; ++i)
    bytes += Line(absl::StrCat("line number ", i, std::string(80, ' ')));
  Deliver("a.samples", bytes);
  absl::Mutex mutex;
  size_t lines = 0;
  target_.sink.on_end = [&](const RecordingSink::Message&) {
    absl::MutexLock lock(&mutex);
    ++lines;
  };
  OpenFolder(options);
  source_->Start();
  {
    absl::MutexLock lock(&mutex);
    const auto some = [&] { return lines > 100; };
    mutex.Await(absl::Condition(&some));
  }
  source_->Stop();
  const size_t before = lines;
  const std::vector<std::string> first = target_.sink.texts();
  EXPECT_LT(before, 20000u) << "it was faster than its Stop; make the file longer";
  EXPECT_TRUE(folder_.Exists("a.samples"));
  target_.sink.on_end = nullptr;
  OpenFolder(options);
  const std::vector<std::string> rest = Poll();
  EXPECT_EQ(first.size() + rest.size(), 20000u);
  EXPECT_EQ(rest.front().substr(0, rest.front().find("  ")), absl::StrCat("line number ", before));
  EXPECT_FALSE(folder_.Exists("a.samples"));
}

TEST_F(SampleFolderTest, AFileThatEndsTheProcessIsSetAside) {
  Deliver("a.samples", Line("a harmless line"));
  Deliver("z.samples", Line("what ends the process"));
  struct stat info = {};
  ASSERT_EQ(stat(folder_.PathOf("z.samples").c_str(), &info), 0);
  // As runs that ended within it leave it.
  for (const uint32_t attempts : {2u, 3u}) {
    v1::LogState state;
    state.mutable_sample_file()->set_device(info.st_dev);
    state.mutable_sample_file()->set_inode(info.st_ino);
    state.mutable_sample_file()->set_attempts(attempts);
    ASSERT_TRUE(SaveLogState(states_.PathOf("state"), EncodeLogState(state)).ok());
    OpenFolder(Options());
    if (attempts == 2) {
      target_.sink.on_end = [&](const RecordingSink::Message& message) {
        if (message.text() != "what ends the process") return;
        // First of all, and counted before it is read.
        EXPECT_EQ(LoadLogState(states_.PathOf("state"))->sample_file().attempts(), 3u);
        EXPECT_EQ(target_.sink.messages().size(), 1u);
      };
      EXPECT_THAT(Poll(), ElementsAre("what ends the process", "a harmless line"));
      target_.sink.on_end = nullptr;
      // It did not end this one.
      Deliver("a.samples", Line("a harmless line"));
      Deliver("z.samples", Line("what ends the process"));
      ASSERT_EQ(stat(folder_.PathOf("z.samples").c_str(), &info), 0);
    } else {
      EXPECT_THAT(Poll(), ElementsAre("a harmless line"));
      EXPECT_TRUE(folder_.Exists("failed/z.samples"));
      EXPECT_THAT(source_->GetStats().last_error, HasSubstr("the agent ended 3 times"));
    }
  }
}

TEST_F(SampleFolderTest, AFileThatIsDoneWithLeavesNoPlace) {
  SampleFolder::Options options = Options();
  // Says all the time how far it came.
  options.save_interval = absl::ZeroDuration();
  std::string bytes;
  for (int i = 0; i < 10000; ++i) bytes += Line(absl::StrCat("line ", i, std::string(80, ' ')));
  const auto has_place = [&] {
    const absl::StatusOr<v1::LogState> state = LoadLogState(options.state_file);
    EXPECT_TRUE(state.ok()) << state.status();
    return state.ok() && state->has_sample_file();
  };
  for (const bool is_good : {true, false}) {
    bool had_place = false;
    target_.sink.on_end = [&](const RecordingSink::Message&) {
      if (!had_place) had_place = has_place();
    };
    OpenFolder(options);
    Deliver("a.samples", is_good ? bytes : bytes + std::string(10, '\xff'));
    EXPECT_EQ(Poll().size(), 10000u);
    EXPECT_TRUE(had_place);
    EXPECT_FALSE(folder_.Exists("a.samples"));
    EXPECT_FALSE(has_place()) << is_good;
  }
}

TEST_F(SampleFolderTest, PuttingOthersAwayKeepsThePlaceOfTheFileAtHand) {
  SampleFolder::Options options = Options();
  // Long enough for the short file to wait for the long one.
  options.save_interval = absl::Milliseconds(20);
  std::string bytes;
  for (int i = 0; i < 50'000; ++i) bytes += Line(absl::StrCat("line ", i, std::string(80, ' ')));
  int saves = 0;
  bool reads_long = false;
  target_.sink.on_end = [&](const RecordingSink::Message& message) {
    reads_long = reads_long || message.text().starts_with("line ");
  };
  options.before_save = [&] {
    if (!reads_long || !folder_.Exists("b.samples")) return;
    const absl::StatusOr<v1::LogState> state = LoadLogState(options.state_file);
    ASSERT_TRUE(state.ok()) << state.status();
    EXPECT_TRUE(state->has_sample_file()) << "at save " << saves;
    ++saves;
  };
  OpenFolder(options);
  Deliver("a.samples", Line("short"));
  Deliver("b.samples", bytes);
  EXPECT_EQ(Poll().size(), 50'001u);
  EXPECT_GE(saves, 2);
}

TEST_F(SampleFolderTest, RunsThatEachReadAFileSetNoneAside) {
  // Each file may get the inode of the one before.
  for (int run = 0; run < 8; ++run) {
    OpenFolder(Options());
    Deliver("a.samples", Line("a harmless line"));
    EXPECT_THAT(Poll(), ElementsAre("a harmless line"));
    EXPECT_EQ(source_->GetStats().files_failed, 0u) << run;
  }
}

TEST_F(SampleFolderTest, AnotherFileOfTheSameInodeIsReadFromItsStart) {
  Deliver("a.samples", Line("the first line") + Line("the second line"));
  struct stat info = {};
  ASSERT_EQ(stat(folder_.PathOf("a.samples").c_str(), &info), 0);
  const int64_t changed_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
  for (const int64_t saved_ns : {changed_ns - 1, changed_ns}) {
    v1::LogState state;
    v1::SamplePosition& position = *state.mutable_sample_file();
    position.set_device(info.st_dev);
    position.set_inode(info.st_ino);
    position.set_offset(Line("the first line").size());
    position.set_attempts(saved_ns == changed_ns ? 0 : 3);
    position.set_changed_ns(saved_ns);
    ASSERT_TRUE(SaveLogState(states_.PathOf("state"), EncodeLogState(state)).ok());
    SampleFolder::Options options = Options();
    options.keeps_files = true;
    OpenFolder(options);
    if (saved_ns == changed_ns) {
      EXPECT_THAT(Poll(), ElementsAre("the second line"));
    } else {
      EXPECT_THAT(Poll(), ElementsAre("the first line", "the second line"));
    }
    EXPECT_EQ(source_->GetStats().files_failed, 0u);
    folder_.Rename("done/a.samples", "a.samples");
  }
}

TEST_F(SampleFolderTest, NamesNoFileByANumberInItsName) {
  OpenFolder(Options());
  for (const std::string number : {"4111111111111111", "NDExMTExMTExMTExMTExMQ=="}) {
    const std::string name = absl::StrCat("order-", number, ".samples");
    Deliver(name, std::string(10, '\xff'));
    Poll();
    EXPECT_TRUE(folder_.Exists("failed/" + name));
    EXPECT_THAT(source_->GetStats().last_error, HasSubstr("/order-*"));
    EXPECT_THAT(source_->GetStats().last_error, Not(HasSubstr(number)));
    std::filesystem::create_directory(folder_.PathOf("folder-" + name));
    Poll();
    EXPECT_THAT(source_->GetStats().last_error, HasSubstr("is no file"));
    EXPECT_THAT(source_->GetStats().last_error, Not(HasSubstr(number)));
  }
}

TEST_F(SampleFolderTest, SaysWhatIsWrongWithTheFolder) {
  SampleFolder::Options options = Options();
  options.path = folder_.PathOf("missing");
  EXPECT_EQ(SampleFolder::Open(options, coverage_, target_).status().code(),
            absl::StatusCode::kNotFound);
  if (geteuid() != 0) GTEST_SKIP() << "the rest needs root";
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(seteuid(65534), 0);
  const absl::Status status = SampleFolder::Check(folder_.path());
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(SampleFolderTest, WhatCantBeRemovedIsNotReadForEver) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  OpenFolder(Options());
  Deliver("a.samples", Line("the first line"));
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(folder_.PathOf("a.samples").c_str(), 0644), 0);
  ASSERT_EQ(chown(states_.path().c_str(), 65534, 65534), 0);
  ASSERT_EQ(seteuid(65534), 0);
  const std::vector<std::string> first = Poll();
  const std::vector<std::string> second = Poll();
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_THAT(first, ElementsAre("the first line"));
  EXPECT_THAT(second, IsEmpty());
  EXPECT_EQ(source_->GetStats().errors, 1u);
  EXPECT_THAT(source_->GetStats().last_error, HasSubstr("can't be removed"));
}

TEST_F(SampleFolderTest, NoticesFilesOnItsOwnThread) {
  absl::Mutex mutex;
  size_t lines = 0;
  target_.sink.on_end = [&](const RecordingSink::Message&) {
    absl::MutexLock lock(&mutex);
    ++lines;
  };
  SampleFolder::Options options = Options();
  // Only the notification is in time.
  options.poll_interval = absl::Seconds(30);
  OpenFolder(options);
  source_->Start();
  for (size_t i = 1; i <= 3; ++i) {
    Deliver(absl::StrCat(i, ".samples"), Line("the line of a file"));
    absl::MutexLock lock(&mutex);
    const auto came = [&] { return lines == i; };
    EXPECT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&came), absl::Seconds(10))) << i;
  }
  source_->Stop();
  EXPECT_EQ(source_->GetStats().files, 3u);
}

}  // namespace
}  // namespace skimwatch::traffic
