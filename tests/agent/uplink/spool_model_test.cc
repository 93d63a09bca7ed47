#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/uplink/spool.h"
#include "gtest/gtest.h"
#include "spdlog/spdlog.h"
#include "tests/agent/uplink/memory_file_system.h"

namespace skimwatch::uplink {
namespace {

using ::skimwatch::testing::MemoryFileSystem;
using Operation = MemoryFileSystem::Operation;

// Plays a producer, a collector and a disk against a spool, all at random from one seed, and keeps
// books: every finding that the spool took must be with the collector in the end, or be counted as
// lost.
class Model {
 public:
  // Every other world has a disk that fails and fills.
  explicit Model(uint64_t seed) : random_(seed), may_fail_(seed % 2 == 0) {
    spdlog::set_level(spdlog::level::off);
    Open();
  }

  void Step() {
    const uint64_t dice = Roll(100);
    if (dice < 45) {
      Append();
    } else if (dice < 85) {
      Talk();
    } else if (dice < 90) {
      Connect();
    } else if (dice < 93) {
      // A close that fails is an end like a crash.
      EXPECT_TRUE(spool_->Close().ok() || had_faults_);
      Account();
      Open();
    } else if (dice < 97) {
      Crash();
    } else if (!may_fail_) {
      Append();
    } else if (dice < 99) {
      BreakOnce();
    } else {
      had_faults_ = true;
      disk_.SetCapacity(Roll(2) == 0 ? disk_.TotalBytes() + Roll(3000) : ~uint64_t{0});
    }
  }

  // Heals everything, delivers the rest and closes the books.
  void Finish() {
    disk_.SetFault(nullptr);
    disk_.SetCapacity(~uint64_t{0});
    for (int i = 0; i < 100000; ++i) {
      Connect();
      if (in_doubt_) continue;
      while (Talk()) {
      }
      if (spool_->GetStats().pending == 0 && !spool_->IsOver(epoch_)) break;
    }
    Account();
    uint64_t missing = 0;
    for (const std::string& payload : taken_) missing += stored_.count(payload) == 0 ? 1 : 0;
    // What was given up on its way may have arrived all the same; what is missing was counted.
    EXPECT_LE(missing, dropped_);
    // And told, unless the disk failed when that was to be noted.
    if (!had_faults_) {
      EXPECT_LE(missing, lost_told_);
    }
  }

  uint64_t stored() const { return stored_.size(); }
  uint64_t dropped() const { return dropped_; }

 private:
  uint64_t Roll(uint64_t sides) { return random_() % sides; }

  void Open() {
    Spool::Options options;
    options.directory = "/spool";
    options.bytes_max = 16 << 10;
    options.segment_bytes = 4096;
    options.files = &disk_;
    options.random = [this] { return random_(); };
    spool_.reset();
    // What a segment held that can't be read when the spool is opened, nobody can count.
    recovering_ = true;
    for (int attempt = 0;; ++attempt) {
      absl::StatusOr<std::unique_ptr<Spool>> spool = Spool::Open(options);
      if (spool.ok()) {
        spool_ = *std::move(spool);
        break;
      }
      // The disk is broken or full: a person heals it.
      ASSERT_LT(attempt, 3) << spool.status();
      disk_.SetFault(nullptr);
      disk_.SetCapacity(~uint64_t{0});
    }
    recovering_ = false;
    dropped_of_run_ = 0;
    Connect();
  }

  // Adds up what the run counted so far.
  void Account() {
    const Spool::Stats stats = spool_->GetStats();
    uint64_t dropped = 0;
    for (const uint64_t count : stats.dropped) dropped += count;
    ASSERT_GE(dropped, dropped_of_run_);
    dropped_ += dropped - dropped_of_run_;
    dropped_of_run_ = dropped;
    ASSERT_LE(stats.bytes, 16u << 10);
  }

  void Crash() {
    Account();
    spool_.reset();
    disk_.Crash(random_);
    if (Roll(3) == 0) disk_.SetFault(nullptr);
    Open();
  }

  void BreakOnce() {
    had_faults_ = true;
    auto countdown = std::make_shared<uint64_t>(Roll(20));
    const auto operation = static_cast<Operation>(Roll(9));
    const bool full = Roll(2) == 0;
    const bool& recovering = recovering_;
    disk_.SetFault([=, &recovering](Operation asked, const std::string& path) {
      if (recovering && (asked == Operation::kRead || asked == Operation::kOpen)) {
        return absl::OkStatus();
      }
      if (asked != operation || *countdown == 0 || --*countdown > 0) return absl::OkStatus();
      return full ? absl::ResourceExhaustedError(path + ": full")
                  : absl::DataLossError(path + ": I/O error");
    });
  }

  void Append() {
    std::vector<Spool::Record> records;
    std::vector<std::string> payloads;
    for (uint64_t i = 0; i <= Roll(5); ++i) {
      payloads.push_back(absl::StrCat("finding ", next_++, " ", std::string(Roll(400), 'x')));
      records.push_back(
          {.severity = static_cast<uint32_t>(1 + Roll(5)), .payload = payloads.back()});
    }
    const absl::Status status = spool_->Append(std::move(records));
    // Of one that is lost in part nobody knows which; they were counted.
    if (status.ok()) taken_.insert(payloads.begin(), payloads.end());
  }

  // A new stream: the collector says what it has.
  void Connect() {
    const Spool::Position position = spool_->Start();
    epoch_ = position.epoch;
    // A collector that was behind what the spool forgot would have lost what it acknowledged.
    ASSERT_LE(position.first_sequence, committed_[epoch_] + 1);
    spool_->Resume(epoch_, committed_[epoch_]);
    received_ = committed_[epoch_];
    in_doubt_ = spool_->IsOver(epoch_);
  }

  // One batch; the collector stores it, and may or may not get its acknowledgement through.
  bool Talk() {
    if (in_doubt_) {
      Connect();
      return false;
    }
    const Spool::Batch batch = spool_->Read(1 + Roll(8), 400 + Roll(2000));
    if (batch.empty()) {
      if (spool_->IsOver(epoch_)) Connect();
      return false;
    }
    EXPECT_EQ(batch.epoch, epoch_);
    std::map<uint64_t, uint64_t> ranges;
    for (const Spool::Item& item : batch.items) {
      ranges[item.sequence] = item.sequence;
      const auto [known, is_new] =
          sequences_.emplace(std::pair(epoch_, item.sequence), item.payload);
      EXPECT_TRUE(known->second == item.payload)
          << "sequence " << item.sequence << " was given away twice";
    }
    for (const Spool::Lost& lost : batch.lost) ranges[lost.first] = lost.last;
    EXPECT_EQ(ranges.size(), batch.items.size() + batch.lost.size());
    for (const auto& [first, last] : ranges) {
      EXPECT_EQ(first, received_ + 1);
      received_ = last;
    }
    EXPECT_EQ(received_, batch.last_sequence);
    for (const Spool::Item& item : batch.items) {
      if (item.sequence > committed_[epoch_]) {
        EXPECT_TRUE(stored_.insert(item.payload).second) << "stored twice";
      }
    }
    for (const Spool::Lost& lost : batch.lost) {
      if (lost.last > committed_[epoch_]) lost_told_ += lost.last - lost.first + 1;
    }
    committed_[epoch_] = std::max(committed_[epoch_], received_);
    if (Roll(4) != 0) spool_->Acknowledge(epoch_, committed_[epoch_]);
    return true;
  }

  std::mt19937_64 random_;
  const bool may_fail_;
  MemoryFileSystem disk_;
  std::unique_ptr<Spool> spool_;
  uint64_t next_ = 0;
  // What Append said it has.
  std::set<std::string> taken_;
  // The collector's.
  std::set<std::string> stored_;
  std::map<uint64_t, uint64_t> committed_;
  std::map<std::pair<uint64_t, uint64_t>, std::string> sequences_;
  uint64_t epoch_ = 0;
  uint64_t received_ = 0;
  bool in_doubt_ = false;
  uint64_t lost_told_ = 0;
  bool had_faults_ = false;
  bool recovering_ = false;
  uint64_t dropped_ = 0;
  uint64_t dropped_of_run_ = 0;
};

class SpoolModel : public ::testing::TestWithParam<uint64_t> {};

TEST_P(SpoolModel, KeepsItsBooks) {
  uint64_t stored = 0;
  for (uint64_t seed = GetParam() * 25; seed < (GetParam() + 1) * 25; ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed);
    for (int i = 0; i < 400 && !HasFailure(); ++i) model.Step();
    if (HasFailure()) return;
    model.Finish();
    stored += model.stored();
  }
  EXPECT_GT(stored, 1000u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SpoolModel, ::testing::Range<uint64_t>(0, 8));

}  // namespace
}  // namespace skimwatch::uplink
