// LogTail killed with -9 in the middle of a file, again and again: what was passed before a
// position was saved may come again, nothing is lost.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "agent/traffic/source/log_tail.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/temporary_folder.h"

namespace skimwatch::traffic {
namespace {

// Keeps findings in memory, as the pipeline does, and writes them to a file when it is told that
// positions are about to be saved.
class DurableSink : public MessageSink, public PartConsumer {
 public:
  explicit DurableSink(const std::string& path)
      : fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    // A kill may have torn the last line.
    pending_.push_back('\n');
  }

  PartConsumer* BeginPart(const Provenance& /*provenance*/, Part /*part*/) override { return this; }
  void Data(std::string_view bytes) override { pending_ += bytes; }
  void Gap() override {}
  void End() override { pending_ += "\n"; }

  void MakeDurable() {
    (void)!write(fd_, pending_.data(), pending_.size());
    pending_.clear();
  }

 private:
  const int fd_;
  std::string pending_;
};

[[noreturn]] void TailUntilKilled(const LogTail::Options& options, const std::string& findings) {
  Coverage coverage;
  DurableSink sink(findings);
  LogTail::Options with_sink = options;
  with_sink.before_save = [&] { sink.MakeDurable(); };
  auto tail = LogTail::Open(with_sink, coverage, sink);
  if (!tail.ok()) _exit(1);
  (*tail)->Start();
  while (true) pause();
}

TEST(LogTailCrash, NothingIsLostAndLittleIsRepeated) {
  const TemporaryFolder logs;
  const TemporaryFolder states;
  LogTail::Options options;
  // A file that was made and rotated away between the last save and the kill is known to nobody but
  // by its name.
  options.paths = {logs.PathOf("a.log*")};
  options.site = "shop";
  options.state_file = states.PathOf("state");
  options.save_interval = absl::Milliseconds(5);
  options.from_start = true;
  const std::string findings = states.PathOf("findings");

  std::mt19937 random(7);
  int written = 0;
  const auto write_some = [&] {
    std::string bytes;
    for (int i = 0; i < 500; ++i) {
      absl::StrAppend(&bytes, "line ", written++, " ", std::string(random() % 300, 'x'), " end\n");
    }
    // Ends anywhere in the last line; the next goes on.
    const size_t cut = random() % 10;
    logs.Append("a.log", bytes.substr(0, bytes.size() - cut));
    return bytes.substr(bytes.size() - cut);
  };
  constexpr int kKills = 15;
  int rotations = 0;
  for (int kill_number = 0; kill_number < kKills; ++kill_number) {
    std::string rest = write_some();
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) TailUntilKilled(options, findings);
    const absl::Time until = absl::Now() + absl::Milliseconds(random() % 60);
    while (absl::Now() < until) {
      logs.Append("a.log", rest);
      rest = write_some();
      if (random() % 8 == 0) {
        logs.Append("a.log", rest);
        rest.clear();
        logs.Rename("a.log", absl::StrCat("a.log.", kill_number, ".", written));
        ++rotations;
      }
      absl::SleepFor(absl::Milliseconds(2));
    }
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    logs.Append("a.log", rest);
  }
  {
    Coverage coverage;
    DurableSink sink(findings);
    options.before_save = [&] { sink.MakeDurable(); };
    auto tail = LogTail::Open(options, coverage, sink);
    ASSERT_TRUE(tail.ok()) << tail.status();
    (*tail)->Stop();
    EXPECT_EQ((*tail)->GetStats().errors, 0u) << (*tail)->GetStats().last_error;
    sink.MakeDurable();
  }

  std::map<int, int> seen;
  for (absl::string_view line : absl::StrSplit(states.Read("findings"), '\n', absl::SkipEmpty())) {
    if (!absl::EndsWith(line, " end")) continue;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    int number = -1;
    ASSERT_GE(words.size(), 2u);
    ASSERT_TRUE(absl::SimpleAtoi(words[1], &number)) << words[0].size();
    ++seen[number];
  }
  int missing = 0;
  int repeated = 0;
  for (int i = 0; i < written; ++i) {
    missing += seen.contains(i) ? 0 : 1;
    repeated += std::max(0, seen[i] - 1);
    // A line comes again only when a kill fell between it and its saved position.
    EXPECT_LE(seen[i], kKills + 1);
  }
  EXPECT_EQ(missing, 0) << "of " << written;
  RecordProperty("lines", written);
  RecordProperty("repeated", repeated);
  RecordProperty("rotations", rotations);
  EXPECT_LT(repeated, written);
}

}  // namespace
}  // namespace skimwatch::traffic
