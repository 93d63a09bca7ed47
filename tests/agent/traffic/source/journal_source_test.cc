#include "agent/traffic/source/journal_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/temporary_folder.h"
#include "tests/agent/traffic/support/recording.h"
#include "tests/support/child_process.h"

namespace skimwatch::traffic {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kJournalRemote[] = "/lib/systemd/systemd-journal-remote";

using Fields = std::vector<std::pair<std::string, std::string>>;

// An entry in the export format of journals (systemd.io/JOURNAL_EXPORT_FORMATS): every value as
// bytes with their length before them.
std::string Exported(int number, const Fields& fields) {
  constexpr char kBoot[] = "0123456789abcdef0123456789abcdef";
  // One second apart, an hour ago.
  const int64_t usec = absl::ToUnixMicros(absl::Now()) - 3'600'000'000 + number * 1'000'000;
  std::string text = absl::StrCat("__REALTIME_TIMESTAMP=", usec,
                                  "\n__MONOTONIC_TIMESTAMP=", 1'000'000'000 + number * 1'000'000,
                                  "\n_BOOT_ID=", kBoot, "\n_MACHINE_ID=", kBoot, "\n");
  for (const auto& [name, value] : fields) {
    const uint64_t size = value.size();
    absl::StrAppend(&text, name, "\n");
    for (int i = 0; i < 8; ++i) text += static_cast<char>(size >> (8 * i) & 0xff);
    absl::StrAppend(&text, value, "\n");
  }
  return text + "\n";
}

// A value that is long enough to be passed on.
std::string Text(int number) { return absl::StrCat("message number ", number); }

class JournalSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (access(kJournalRemote, X_OK) != 0) GTEST_SKIP() << "needs systemd-journal-remote";
  }

  JournalSource::Options Options() const {
    JournalSource::Options options;
    options.directory = folder_.path();
    options.site = "shop";
    options.from_start = true;
    options.state_file = states_.PathOf("position");
    return options;
  }

  // Appends entries to a journal file, which systemd makes.
  void Write(const std::string& file, const std::string& exported) const {
    const ::skimwatch::testing::Result result = ::skimwatch::testing::RunProgram(
        {.command = {kJournalRemote, "-o", folder_.PathOf(file), "-"}}, exported);
    ASSERT_EQ(result.code, 0) << result.err;
  }
  void WriteNumbered(const std::string& file, int first, int count, const Fields& more = {}) {
    std::string exported;
    for (int i = first; i < first + count; ++i) {
      Fields fields = {{"MESSAGE", Text(i)}};
      fields.insert(fields.end(), more.begin(), more.end());
      exported += Exported(i, fields);
    }
    Write(file, exported);
  }

  void OpenSource(const JournalSource::Options& options) {
    source_ = nullptr;
    auto source = JournalSource::Open(options, coverage_, sink_);
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
  }

  // The texts that one round brings.
  std::vector<std::string> Poll() {
    sink_.Clear();
    now_ += absl::Seconds(40);
    source_->PollOnce(now_);
    return sink_.texts();
  }

  static std::vector<std::string> Numbered(int first, int count) {
    std::vector<std::string> texts;
    for (int i = first; i < first + count; ++i) texts.push_back("MESSAGE=" + Text(i));
    return texts;
  }

  void ExpectAllCounted() {
    EXPECT_EQ(coverage_.seen_bytes(), source_->GetStats().bytes);
    EXPECT_EQ(coverage_.bytes(Reason::kScanned) + coverage_.bytes(Reason::kTruncatedEntryLimit),
              source_->GetStats().bytes);
  }

  absl::Time now_ = absl::Now();
  TemporaryFolder folder_;
  TemporaryFolder states_;
  Coverage coverage_;
  RecordingSink sink_;
  std::unique_ptr<JournalSource> source_;
};

TEST_F(JournalSourceTest, BeginsAtTheStartWhenAsked) {
  WriteNumbered("system.journal", 0, 10);
  OpenSource(Options());
  EXPECT_EQ(Poll(), Numbered(0, 10));
  EXPECT_THAT(Poll(), IsEmpty());
  WriteNumbered("system.journal", 10, 3);
  EXPECT_EQ(Poll(), Numbered(10, 3));
  EXPECT_EQ(source_->GetStats().entries, 13u);
  ExpectAllCounted();
}

TEST_F(JournalSourceTest, BeginsAtTheEndElse) {
  WriteNumbered("system.journal", 0, 10);
  JournalSource::Options options = Options();
  options.from_start = false;
  OpenSource(options);
  // After Open, though before the first look.
  WriteNumbered("system.journal", 10, 2);
  EXPECT_EQ(Poll(), Numbered(10, 2));
}

TEST_F(JournalSourceTest, PassesWhatProgramsWroteWithTheMessageFirst) {
  Write("system.journal", Exported(0, {{"AAA_ORDER", "before the message"},
                                       {"MESSAGE", "it is a message"},
                                       {"CARD_NUMBER", "4111111111111111"},
                                       {"PRIORITY", "6"},
                                       {"BINARY", std::string("with\0zero\nand line break", 24)},
                                       {"_CMDLINE", "pay --card 4111111111111111"},
                                       {"_COMM", "pay"},
                                       {"_EXE", "/usr/bin/pay"},
                                       {"_PID", "4321"},
                                       {"_HOSTNAME", "a-long-name-of-a-host"},
                                       {"_SYSTEMD_CGROUP", "/system.slice/shop.service"},
                                       {"_SYSTEMD_UNIT", "shop.service"}}));
  OpenSource(Options());
  std::vector<std::string> texts = Poll();
  ASSERT_THAT(texts, SizeIs(5));
  EXPECT_EQ(texts[0], "MESSAGE=it is a message");
  EXPECT_THAT(texts, Contains("AAA_ORDER=before the message"));
  EXPECT_THAT(texts, Contains("CARD_NUMBER=4111111111111111"));
  EXPECT_THAT(texts, Contains("_CMDLINE=pay --card 4111111111111111"));
  EXPECT_THAT(texts, Contains(std::string("BINARY=with\0zero\nand line break", 31)));
  for (const RecordingSink::Message& message : sink_.messages()) {
    EXPECT_EQ(message.part, Part::kField);
    EXPECT_TRUE(message.ended);
    const Provenance& provenance = message.provenance;
    EXPECT_EQ(provenance.source, SourceKind::kJournal);
    EXPECT_EQ(provenance.direction, Direction::kAtRest);
    EXPECT_EQ(provenance.site, "shop");
    EXPECT_EQ(provenance.file, "journal:shop.service");
    EXPECT_EQ(provenance.path, message.text().substr(0, message.text().find('=')));
    EXPECT_NEAR(absl::ToDoubleSeconds(now_ - provenance.seen_at), 3600, 60);
    ASSERT_NE(provenance.process, nullptr);
    EXPECT_EQ(provenance.process->pid, 4321u);
    EXPECT_EQ(provenance.process->executable, "/usr/bin/pay");
    EXPECT_EQ(provenance.process->command, "pay");
    EXPECT_EQ(provenance.process->cgroup, "/system.slice/shop.service");
  }
  // PRIORITY too was seen; it is too short to hold a number.
  EXPECT_EQ(source_->GetStats().fields, 6u);
  ExpectAllCounted();
}

TEST_F(JournalSourceTest, NamesTheWriterByWhatIsKnown) {
  Write("system.journal",
        Exported(0, {{"MESSAGE", Text(0)},
                     {"_SYSTEMD_UNIT", "docker.service"},
                     {"CONTAINER_NAME", "shop"},
                     {"CONTAINER_ID_FULL", "abc123"}}) +
            Exported(1, {{"MESSAGE", Text(1)}, {"SYSLOG_IDENTIFIER", "cron"}, {"_COMM", "crond"}}) +
            Exported(2, {{"MESSAGE", Text(2)}, {"_COMM", "crond"}}) +
            Exported(3, {{"MESSAGE", Text(3)}}));
  OpenSource(Options());
  Poll();
  std::vector<std::string> files;
  for (const RecordingSink::Message& message : sink_.messages()) {
    if (message.provenance.path == "MESSAGE") files.push_back(message.provenance.file);
  }
  EXPECT_THAT(files,
              ElementsAre("journal:shop", "journal:cron", "journal:crond", "journal:unknown"));
  EXPECT_EQ(sink_.messages().front().provenance.process->container_id, "abc123");
}

TEST_F(JournalSourceTest, LeavesNothingOfANumberThatTheEndOfANameCutsInTwo) {
  const std::string number = "4111111111111111";
  Write("system.journal", Exported(0, {{"MESSAGE", Text(0)},
                                       {"CONTAINER_NAME", std::string(4090, 'a') + number},
                                       {"CONTAINER_ID_FULL", std::string(4081, 'a') + number}}));
  OpenSource(Options());
  Poll();
  ASSERT_FALSE(sink_.messages().empty());
  const Provenance& provenance = sink_.messages().front().provenance;
  EXPECT_EQ(provenance.file, "journal:" + std::string(4096 - 128, 'a'));
  EXPECT_EQ(provenance.process->container_id, std::string(4096 - 128, 'a'));
}

TEST_F(JournalSourceTest, GoesOnWhereItStopped) {
  WriteNumbered("system.journal", 0, 5);
  JournalSource::Options options = Options();
  int flushes = 0;
  options.before_save = [&] { ++flushes; };
  OpenSource(options);
  EXPECT_EQ(Poll(), Numbered(0, 5));
  source_->Stop();
  EXPECT_GT(flushes, 0);
  WriteNumbered("system.journal", 5, 5);
  // Where it would begin does not matter then.
  options.from_start = false;
  OpenSource(options);
  EXPECT_EQ(Poll(), Numbered(5, 5));
  source_->Stop();
  OpenSource(options);
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_EQ(source_->GetStats().deletions, 0u);
}

TEST_F(JournalSourceTest, WhatWasReadAndNotSavedIsRepeatedAfterACrash) {
  WriteNumbered("system.journal", 0, 5);
  JournalSource::Options options = Options();
  options.save_interval = absl::Hours(1);
  OpenSource(options);
  EXPECT_EQ(Poll(), Numbered(0, 5));  // And saved, as the first time is due.
  WriteNumbered("system.journal", 5, 2);
  EXPECT_EQ(Poll(), Numbered(5, 2));
  std::filesystem::copy(states_.PathOf("position"), states_.PathOf("of_the_crash"));
  source_->Stop();
  std::filesystem::rename(states_.PathOf("of_the_crash"), states_.PathOf("position"));
  OpenSource(options);
  EXPECT_EQ(Poll(), Numbered(5, 2));
}

TEST_F(JournalSourceTest, FollowsOverRotation) {
  WriteNumbered("system.journal", 0, 5);
  OpenSource(Options());
  EXPECT_EQ(Poll(), Numbered(0, 5));
  WriteNumbered("system.journal", 5, 5);
  folder_.Rename("system.journal", "system@1.journal");
  WriteNumbered("system.journal", 10, 5);
  EXPECT_EQ(Poll(), Numbered(5, 10));
  EXPECT_EQ(source_->GetStats().deletions, 0u);
  ExpectAllCounted();
  // The same while nobody looks.
  source_->Stop();
  WriteNumbered("system.journal", 15, 1);
  folder_.Rename("system.journal", "system@2.journal");
  WriteNumbered("system.journal", 16, 1);
  OpenSource(Options());
  EXPECT_EQ(Poll(), Numbered(15, 2));
}

TEST_F(JournalSourceTest, CountsWhatWasDeletedBeforeItWasRead) {
  WriteNumbered("system.journal", 0, 5);
  OpenSource(Options());
  EXPECT_EQ(Poll(), Numbered(0, 5));
  source_->Stop();
  WriteNumbered("system.journal", 5, 5);
  folder_.Remove("system.journal");
  WriteNumbered("system.journal", 10, 2);
  OpenSource(Options());
  EXPECT_EQ(Poll(), Numbered(10, 2));
  EXPECT_EQ(source_->GetStats().deletions, 1u);
  // And while it looks.
  WriteNumbered("system.journal", 12, 2);
  folder_.Remove("system.journal");
  WriteNumbered("system.journal", 14, 2);
  EXPECT_THAT(Poll(), Contains("MESSAGE=" + Text(15)));
}

TEST_F(JournalSourceTest, ReadsOnlyWhatMatches) {
  std::string exported;
  for (int i = 0; i < 6; ++i) {
    exported += Exported(i, {{"MESSAGE", Text(i)},
                             {"_SYSTEMD_UNIT", i % 2 == 0 ? "shop.service" : "other.service"},
                             {"SYSLOG_IDENTIFIER", i < 4 ? "php" : "cron"}});
  }
  Write("system.journal", exported);
  JournalSource::Options options = Options();
  options.matches = {"_SYSTEMD_UNIT=shop.service", "SYSLOG_IDENTIFIER=php",
                     "SYSLOG_IDENTIFIER=ruby"};
  OpenSource(options);
  EXPECT_THAT(Poll(), ElementsAre("MESSAGE=" + Text(0), "MESSAGE=" + Text(2)));
  // Others' numbers are no loss.
  EXPECT_EQ(source_->GetStats().entries_unreadable, 0u);
}

TEST_F(JournalSourceTest, CutsLongFieldsAndCountsTheRest) {
  // Not to be compressed, so that every byte is known.
  std::string noise;
  uint32_t seed = 1;
  for (int i = 0; i < 3000; ++i)
    noise += static_cast<char>('!' + (seed = seed * 1664525 + 1013904223) % 90);
  Fields fields = {{"MESSAGE", noise}};
  for (int i = 0; i < 6; ++i) fields.push_back({absl::StrCat("FIELD_", i), noise.substr(i, 1500)});
  Write("system.journal", Exported(0, fields));
  JournalSource::Options options = Options();
  options.field_bytes_max = 1024;
  OpenSource(options);
  const std::vector<std::string> texts = Poll();
  ASSERT_THAT(texts, SizeIs(4));
  for (const std::string& text : texts) EXPECT_EQ(text.size(), 1024u);
  EXPECT_EQ(texts[0], ("MESSAGE=" + noise).substr(0, 1024));
  EXPECT_EQ(source_->GetStats().fields_cut, 7u);
  EXPECT_EQ(coverage_.bytes(Reason::kScanned), 4096u);
  ExpectAllCounted();
}

TEST_F(JournalSourceTest, ReadsPastDamageAndCountsWhatItHid) {
  WriteNumbered("system.journal", 0, 500);
  const std::string path = folder_.PathOf("system.journal");
  std::string bytes = folder_.Read("system.journal");
  // Over some entries in the middle.
  const size_t at = bytes.find(Text(300));
  ASSERT_NE(at, std::string::npos);
  for (size_t i = at - 2000; i < at + 4000; ++i) bytes[i] = '\xff';
  std::ofstream(path, std::ios::binary) << bytes;
  WriteNumbered("other.journal", 600, 3);
  OpenSource(Options());
  const std::vector<std::string> texts = Poll();
  EXPECT_THAT(texts, Contains("MESSAGE=" + Text(0)));
  EXPECT_THAT(texts, Contains("MESSAGE=" + Text(499)));
  EXPECT_THAT(texts, Contains("MESSAGE=" + Text(602)));
  EXPECT_LT(texts.size(), 503u);
  const JournalSource::Stats stats = source_->GetStats();
  // An entry whose message was hit is there without it, or not at all.
  EXPECT_GT(stats.entries_unreadable, 0u);
  EXPECT_EQ(stats.entries + stats.entries_unreadable, 503u);
  ExpectAllCounted();
}

TEST_F(JournalSourceTest, NamesFilesThatAreNoJournalAndReadsTheOthers) {
  WriteNumbered("system.journal", 0, 3);
  folder_.Append("empty.journal", "");
  folder_.Append("cut.journal", folder_.Read("system.journal").substr(0, 100));
  folder_.Append("text.journal", std::string(100000, 'x'));
  OpenSource(Options());
  EXPECT_EQ(Poll(), Numbered(0, 3));
  EXPECT_EQ(source_->GetStats().files, 4u);
  // They might be files that are just being made.
  EXPECT_EQ(source_->GetStats().files_damaged, 0u);
  Poll();
  EXPECT_EQ(source_->GetStats().files_damaged, 3u);
  EXPECT_THAT(source_->GetStats().last_error, HasSubstr(folder_.path()));
  // Each once.
  Poll();
  EXPECT_EQ(source_->GetStats().files_damaged, 3u);
  // A host chooses how it is called.
  folder_.Append("remote-4111111111111111.journal", std::string(100000, 'x'));
  Poll();
  Poll();
  EXPECT_EQ(source_->GetStats().files_damaged, 4u);
  EXPECT_THAT(source_->GetStats().last_error, HasSubstr("/remote-****************.journal"));
}

TEST_F(JournalSourceTest, SaysWhyThereIsNothingToFollow) {
  absl::Status status = JournalSource::Open(Options(), coverage_, sink_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(folder_.path()));
  folder_.Append("system.journal", "no journal");
  EXPECT_EQ(JournalSource::Check(folder_.path()).code(), absl::StatusCode::kDataLoss);
  if (geteuid() != 0) GTEST_SKIP() << "the rest needs root";
  folder_.Remove("system.journal");
  WriteNumbered("system.journal", 0, 1);
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(folder_.PathOf("system.journal").c_str(), 0600), 0);
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(seteuid(kNobody), 0);
  status = JournalSource::Check(folder_.path());
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), HasSubstr("systemd-journal"));
}

TEST_F(JournalSourceTest, FindsTheJournalAgainAfterItWasGone) {
  WriteNumbered("system.journal", 0, 2);
  OpenSource(Options());
  EXPECT_EQ(Poll(), Numbered(0, 2));
  EXPECT_TRUE(source_->GetStats().up);
  source_->Stop();
  OpenSource(Options());
  std::filesystem::rename(folder_.PathOf("system.journal"), states_.PathOf("away"));
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_FALSE(source_->GetStats().up);
  std::filesystem::rename(states_.PathOf("away"), folder_.PathOf("system.journal"));
  WriteNumbered("system.journal", 2, 2);
  EXPECT_EQ(Poll(), Numbered(2, 2));
  EXPECT_TRUE(source_->GetStats().up);
}

TEST_F(JournalSourceTest, SetsADamagedPlaceAside) {
  WriteNumbered("system.journal", 0, 2);
  states_.Append("position", "nonsense");
  OpenSource(Options());
  EXPECT_EQ(Poll(), Numbered(0, 2));
  EXPECT_TRUE(states_.Exists("position.damaged"));
  EXPECT_EQ(source_->GetStats().errors, 1u);
}

TEST_F(JournalSourceTest, FollowsOnItsOwnThread) {
  WriteNumbered("system.journal", 0, 1);
  absl::Mutex mutex;
  std::vector<std::string> texts;
  sink_.on_end = [&](const RecordingSink::Message& message) {
    absl::MutexLock lock(&mutex);
    texts.push_back(message.text());
  };
  const auto await = [&](size_t count) {
    absl::MutexLock lock(&mutex);
    const auto enough = [&] { return texts.size() >= count; };
    return mutex.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(10));
  };
  OpenSource(Options());
  source_->Start();
  EXPECT_TRUE(await(1));
  WriteNumbered("system.journal", 1, 2);
  EXPECT_TRUE(await(3));
  folder_.Rename("system.journal", "system@1.journal");
  WriteNumbered("system.journal", 3, 1);
  EXPECT_TRUE(await(4));
  source_->Stop();
  EXPECT_EQ(texts, Numbered(0, 4));
}

TEST(JournalMatch, IsAFieldAndItsValue) {
  EXPECT_TRUE(IsJournalMatch("_SYSTEMD_UNIT=shop.service"));
  EXPECT_TRUE(IsJournalMatch("A1="));
  EXPECT_FALSE(IsJournalMatch("unit=shop.service"));
  EXPECT_FALSE(IsJournalMatch("UNIT"));
  EXPECT_FALSE(IsJournalMatch("=shop"));
  EXPECT_FALSE(IsJournalMatch("1A=shop"));
  EXPECT_FALSE(IsJournalMatch(std::string(65, 'A') + "=x"));
}

}  // namespace
}  // namespace skimwatch::traffic
