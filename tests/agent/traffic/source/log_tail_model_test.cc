// LogTail against a model: whatever happens to a log, each line comes once.

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/traffic/source/log_tail.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/temporary_folder.h"
#include "tests/agent/traffic/support/recording.h"

namespace skimwatch::traffic {
namespace {

// A random history of one log that a server writes to and that is rotated. What was written is
// known; what the tail passes is compared with it.
class History {
 public:
  explicit History(uint32_t seed, bool copy_truncate)
      : random_(seed), copy_truncate_(copy_truncate) {
    rotated_match_ = random_() % 2 == 0;
    options_.paths = {folder_.PathOf(rotated_match_ ? "a.log*" : "a.log")};
    options_.site = "shop";
    options_.state_file = states_.PathOf("state");
    options_.line_bytes_max = 1024;
    // A half line is never passed, so that lines can be compared.
    options_.partial_line_wait = absl::Hours(1000);
    options_.save_interval = absl::Seconds(random_() % 4);
    Open();
    Poll();
  }

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) Step();
    // The last line gets its end.
    folder_.Append(log_, half_ + "\n");
    written_.insert(line_);
    Poll();
    Poll();
  }

  const std::multiset<std::string>& written() const { return written_; }
  std::multiset<std::string> passed() const {
    const std::vector<std::string> texts = sink_.texts();
    return {texts.begin(), texts.end()};
  }
  uint64_t scanned() const { return coverage_.seen_bytes(); }
  uint64_t written_bytes() const {
    uint64_t bytes = 0;
    for (const std::string& line : written_) bytes += line.size() + 1;
    return bytes;
  }

 private:
  void Open() {
    tail_ = nullptr;
    auto tail = LogTail::Open(options_, coverage_, sink_);
    ASSERT_TRUE(tail.ok()) << tail.status();
    tail_ = *std::move(tail);
  }

  void Poll() {
    now_ += absl::Milliseconds(random_() % 2000);
    tail_->PollOnce(now_);
    known_ = folder_.Exists("a.log");
  }

  void NewLine() {
    line_ = absl::StrCat("line ", ++number_, " ");
    // Sometimes longer than line_bytes_max.
    line_.append(random_() % 10 == 0 ? random_() % 5000 : random_() % 100, 'x');
    half_ = line_;
  }

  // Some lines, and perhaps half of one.
  void Write() {
    std::string bytes;
    for (int lines = static_cast<int>(random_() % 5); lines > 0; --lines) {
      absl::StrAppend(&bytes, half_, "\n");
      written_.insert(line_);
      NewLine();
    }
    if (random_() % 3 == 0 && half_.size() > 1) {
      const size_t some = random_() % half_.size();
      bytes += half_.substr(0, some);
      half_.erase(0, some);
    }
    folder_.Append(log_, bytes);
  }

  // To a line's end, as servers do before they let go of a file.
  void FinishLine() {
    folder_.Append(log_, half_ + "\n");
    written_.insert(line_);
    NewLine();
  }

  void Step() {
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2:
        Write();
        break;
      case 3:
      case 4:
        Poll();
        break;
      case 5:
        if (copy_truncate_) {
          // What was not read before would be lost, to any reader.
          FinishLine();
          Poll();
          folder_.Truncate("a.log");
          break;
        }
        Rotate();
        break;
      case 6:
        if (!copy_truncate_) {
          // The writer opens the new file only later.
          FinishLine();
          Rotate();
        }
        break;
      case 7:
        tail_->Stop();
        known_ = folder_.Exists("a.log");
        if (random_() % 2 == 0) Write();
        Open();
        // Also rotated while nobody looked.
        if (!copy_truncate_ && (known_ || rotated_match_) && random_() % 3 == 0) {
          FinishLine();
          Rotate();
        }
        Poll();
        break;
    }
  }

  void Rotate() {
    if (!folder_.Exists("a.log")) folder_.Append("a.log", "");
    // A file that came and went between two looks is found by nobody, unless a glob still leads to
    // it.
    if (!known_ && !rotated_match_) Poll();
    const std::string rotated = absl::StrCat("a.log.", ++rotations_);
    // A half line goes on in the old file, which the writer has open still.
    const bool late = half_ != line_ && random_() % 2 == 0;
    if (!late) FinishLine();
    folder_.Rename("a.log", rotated);
    known_ = false;
    if (late) {
      Poll();
      log_ = rotated;
      Write();
      FinishLine();
      log_ = "a.log";
    }
    Poll();
  }

  std::mt19937 random_;
  const bool copy_truncate_;
  TemporaryFolder folder_;
  TemporaryFolder states_;
  LogTail::Options options_;
  Coverage coverage_;
  RecordingSink sink_;
  std::unique_ptr<LogTail> tail_;
  absl::Time now_ = absl::Now();

  // Whether the glob leads to files that were rotated, too.
  bool rotated_match_ = false;
  // Whether the tail has seen the file that is now a.log.
  bool known_ = false;
  std::string log_ = "a.log";
  int number_ = 0;
  int rotations_ = 0;
  std::string line_ = "line 0";
  // What is left to write of it.
  std::string half_ = line_;
  std::multiset<std::string> written_;
};

void CheckHistories(bool copy_truncate) {
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    History history(seed, copy_truncate);
    history.Run(80);
    const std::multiset<std::string> passed = history.passed();
    // A long line that a restart fell into comes again, in a part of its own, from its last
    // `line_bytes_max` bytes on; no line is missing.
    for (const std::string& line : history.written()) {
      if (line.size() < 1024) {
        ASSERT_EQ(passed.count(line), 1u) << line.substr(0, 12);
      } else {
        size_t ends = 0;
        for (const std::string& text : passed) ends += line.ends_with(text) || text == line;
        ASSERT_GE(ends, 1u) << line.substr(0, 12);
      }
    }
    size_t others = 0;
    for (const std::string& text : passed) {
      if (text.size() < 1024 && !history.written().contains(text)) ++others;
    }
    EXPECT_EQ(others, 0u);
    EXPECT_GE(history.scanned(), history.written_bytes());
    if (testing::Test::HasFailure()) return;
  }
}

TEST(LogTailModel, EachLineComesOnceOverRotationsAndRestarts) { CheckHistories(false); }

TEST(LogTailModel, EachLineComesOnceOverTruncationsAndRestarts) { CheckHistories(true); }

}  // namespace
}  // namespace skimwatch::traffic
