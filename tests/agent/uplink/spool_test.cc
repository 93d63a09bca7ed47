#include "agent/uplink/spool.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/uplink/memory_file_system.h"

namespace skimwatch::uplink {
namespace {

using ::skimwatch::testing::MemoryFileSystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kDirectory[] = "/spool";

class SpoolTest : public ::testing::Test {
 protected:
  Spool::Options Options() {
    Spool::Options options;
    options.directory = kDirectory;
    options.bytes_max = 1 << 20;
    options.segment_bytes = 64 << 10;
    options.files = &disk_;
    options.random = [this] { return ++epochs_; };
    return options;
  }

  void Open() { Open(Options()); }
  void Open(Spool::Options options) {
    spool_.reset();
    absl::StatusOr<std::unique_ptr<Spool>> spool = Spool::Open(std::move(options));
    ASSERT_TRUE(spool.ok()) << spool.status();
    spool_ = *std::move(spool);
  }

  absl::Status Append(uint32_t severity, std::string payload) {
    return spool_->Append({{.severity = severity, .payload = std::move(payload)}});
  }

  // Reads on from the start, acknowledging each epoch, to the end of what there is.
  struct Delivery {
    std::vector<std::string> payloads;
    std::vector<std::pair<uint64_t, uint64_t>> sequences;
    std::vector<Spool::Lost> lost;
  };
  Delivery Drain(size_t items_max = 100) {
    Delivery delivery;
    while (true) {
      const Spool::Position start = spool_->Start();
      spool_->Resume(start.epoch, start.first_sequence - 1);
      uint64_t next = start.first_sequence;
      while (true) {
        const Spool::Batch batch = spool_->Read(items_max, 1 << 20);
        if (batch.empty()) break;
        EXPECT_EQ(CoveredFrom(next, batch), batch.last_sequence);
        next = batch.last_sequence + 1;
        for (const Spool::Item& item : batch.items) {
          delivery.payloads.push_back(item.payload);
          delivery.sequences.emplace_back(batch.epoch, item.sequence);
        }
        delivery.lost.insert(delivery.lost.end(), batch.lost.begin(), batch.lost.end());
        spool_->Acknowledge(batch.epoch, batch.last_sequence);
      }
      if (!spool_->IsOver(start.epoch)) return delivery;
    }
  }

  // Items and lost ranges together leave no gap and no overlap.
  static uint64_t CoveredFrom(uint64_t next, const Spool::Batch& batch) {
    std::map<uint64_t, uint64_t> ranges;
    for (const Spool::Item& item : batch.items) ranges[item.sequence] = item.sequence;
    for (const Spool::Lost& lost : batch.lost) ranges[lost.first] = lost.last;
    EXPECT_EQ(ranges.size(), batch.items.size() + batch.lost.size());
    for (const auto& [first, last] : ranges) {
      EXPECT_EQ(first, next);
      next = last + 1;
    }
    return next - 1;
  }

  std::vector<std::string> SegmentFiles() const {
    std::vector<std::string> names;
    for (const std::string& name : disk_.Names(kDirectory)) {
      if (name.ends_with(".segment")) names.push_back(name);
    }
    return names;
  }
  std::string PathOf(const std::string& name) const { return absl::StrCat(kDirectory, "/", name); }

  MemoryFileSystem disk_;
  uint64_t epochs_ = 0;
  std::unique_ptr<Spool> spool_;
};

TEST_F(SpoolTest, DeliversInOrderAcrossSeverities) {
  Open();
  std::vector<std::string> expected;
  for (int i = 0; i < 500; ++i) {
    expected.push_back(absl::StrCat("finding ", i));
    ASSERT_TRUE(Append(1 + i * 7 % 5, expected.back()).ok());
  }
  const Delivery delivery = Drain(7);
  EXPECT_EQ(delivery.payloads, expected);
  EXPECT_THAT(delivery.lost, IsEmpty());
  for (size_t i = 0; i < delivery.sequences.size(); ++i) {
    EXPECT_EQ(delivery.sequences[i].second, i + 1);
  }
  EXPECT_EQ(spool_->GetStats().pending, 0u);
}

TEST_F(SpoolTest, ReadsWhatIsAppendedWhileItReads) {
  Open();
  const Spool::Position start = spool_->Start();
  spool_->Resume(start.epoch, 0);
  EXPECT_TRUE(spool_->Read(10, 1000).empty());
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(Append(1 + i % 3, std::string(1000, static_cast<char>('a' + i % 26))).ok());
    const Spool::Batch batch = spool_->Read(10, 1 << 20);
    ASSERT_THAT(batch.items, SizeIs(1));
    EXPECT_EQ(batch.items[0].payload[0], 'a' + i % 26);
    EXPECT_THAT(batch.lost, IsEmpty());
  }
  EXPECT_EQ(spool_->GetStats().pending, 300u);
}

TEST_F(SpoolTest, KeepsBatchesWithinTheirLimits) {
  Open();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Append(3, std::string(100, 'x')).ok());
  spool_->Resume(spool_->Start().epoch, 0);
  EXPECT_THAT(spool_->Read(4, 10000).items, SizeIs(4));
  EXPECT_THAT(spool_->Read(100, 250).items, SizeIs(2));
  EXPECT_THAT(spool_->Read(100, 100).items, SizeIs(1));
  EXPECT_THAT(spool_->Read(100, 10000).items, SizeIs(3));
}

TEST_F(SpoolTest, GivesUpWhatIsTooLargeToBeSent) {
  Open();
  ASSERT_TRUE(Append(3, std::string(1000, 'x')).ok());
  ASSERT_TRUE(Append(3, "y").ok());
  spool_->Resume(spool_->Start().epoch, 0);
  const Spool::Batch batch = spool_->Read(10, 999);
  ASSERT_THAT(batch.lost, SizeIs(1));
  EXPECT_EQ(LossReasonName(batch.lost[0].reason), "too_large");
  EXPECT_THAT(batch.items, SizeIs(1));
  EXPECT_EQ(spool_->GetStats().dropped[3], 1u);
  spool_->Resume(spool_->Start().epoch, 0);
  spool_->Read(10, 999);
  EXPECT_EQ(spool_->GetStats().dropped[3], 1u) << "counted once, however often it is read";
}

TEST_F(SpoolTest, GoesOnInTheSameEpochAfterACleanEnd) {
  Open();
  ASSERT_TRUE(Append(3, "one").ok());
  const uint64_t epoch = spool_->Start().epoch;
  ASSERT_TRUE(spool_->Close().ok());
  Open();
  ASSERT_TRUE(Append(3, "two").ok());
  const Delivery delivery = Drain();
  EXPECT_THAT(delivery.payloads, ElementsAre("one", "two"));
  EXPECT_THAT(delivery.sequences, ElementsAre(std::pair(epoch, 1), std::pair(epoch, 2)));
}

TEST_F(SpoolTest, GoesOnWhereItWasWhenNothingWaits) {
  Open();
  ASSERT_TRUE(Append(3, "one").ok());
  const uint64_t epoch = spool_->Start().epoch;
  Drain();
  ASSERT_TRUE(spool_->Close().ok());
  EXPECT_THAT(SegmentFiles(), IsEmpty());
  Open();
  ASSERT_TRUE(Append(3, "two").ok());
  EXPECT_THAT(Drain().sequences, ElementsAre(std::pair(epoch, 2)));
}

TEST_F(SpoolTest, BeginsANewEpochAfterAnyOtherEnd) {
  Open();
  ASSERT_TRUE(Append(3, "one").ok());
  const uint64_t epoch = spool_->Start().epoch;
  Open();
  ASSERT_TRUE(Append(3, "two").ok());
  EXPECT_EQ(spool_->Start().epoch, epoch) << "the old epoch is delivered first";
  const Delivery delivery = Drain();
  EXPECT_THAT(delivery.payloads, ElementsAre("one", "two"));
  EXPECT_NE(delivery.sequences[1].first, epoch);
  EXPECT_EQ(delivery.sequences[1].second, 1u);
  EXPECT_TRUE(spool_->IsOver(epoch));
}

TEST_F(SpoolTest, TakesTheCollectorsWordForWhatIsStored) {
  Open();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Append(1 + i % 5, absl::StrCat(i)).ok());
  spool_->Resume(spool_->Start().epoch, 7);
  EXPECT_EQ(spool_->GetStats().pending, 3u);
  const Spool::Batch batch = spool_->Read(100, 1000);
  ASSERT_THAT(batch.items, SizeIs(3));
  EXPECT_EQ(batch.items[0].sequence, 8u);
}

TEST_F(SpoolTest, GivesBackTheRoomOfWhatIsAcknowledged) {
  Open();
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(Append(3, std::string(4000, 'x')).ok());
    EXPECT_THAT(Drain().payloads, SizeIs(20));
  }
  EXPECT_LE(spool_->GetStats().bytes, 2u * (64 << 10));
  EXPECT_LE(SegmentFiles().size(), 2u);
  EXPECT_EQ(spool_->GetStats().appended, 1000u);
}

TEST_F(SpoolTest, CutsATornTailAtEveryByte) {
  Open();
  ASSERT_TRUE(Append(5, "first").ok());
  ASSERT_TRUE(Append(5, "second, which is cut").ok());
  ASSERT_THAT(SegmentFiles(), SizeIs(1));
  const std::string path = PathOf(SegmentFiles()[0]);
  const std::string whole = disk_.Get(path);
  const std::string cursor = disk_.Get(PathOf("cursor"));
  const size_t first_end = kSegmentHeaderBytes + kRecordHeaderBytes + 5;
  for (size_t size = 0; size <= whole.size(); ++size) {
    spool_.reset();
    for (const std::string& name : SegmentFiles()) disk_.Remove(PathOf(name)).IgnoreError();
    disk_.Put(path, whole.substr(0, size));
    disk_.Put(PathOf("cursor"), cursor);
    Open();
    ASSERT_TRUE(Append(5, "after").ok());
    std::vector<std::string> expected;
    if (size >= first_end) expected.push_back("first");
    if (size == whole.size()) expected.push_back("second, which is cut");
    expected.push_back("after");
    const Delivery delivery = Drain();
    EXPECT_EQ(delivery.payloads, expected) << size;
    EXPECT_THAT(delivery.lost, IsEmpty()) << size;
    EXPECT_EQ(spool_->GetStats().quarantined_segments, 0u) << size;
    const bool torn = size != first_end && size != whole.size() && size != kSegmentHeaderBytes;
    EXPECT_EQ(spool_->GetStats().torn_tails, torn ? 1u : 0u) << size;
  }
}

TEST_F(SpoolTest, SurvivesEveryFlippedByteAndNamesWhatIsLost) {
  Open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Append(4, absl::StrCat("finding ", i)).ok());
  ASSERT_TRUE(spool_->Close().ok());
  const std::string path = PathOf(SegmentFiles()[0]);
  const std::string whole = disk_.Get(path);
  const std::string cursor = disk_.Get(PathOf("cursor"));
  const size_t record_bytes = kRecordHeaderBytes + 9;
  for (size_t at = 0; at < whole.size(); ++at) {
    spool_.reset();
    for (const std::string& name : disk_.Names("/spool/quarantine")) {
      disk_.Remove("/spool/quarantine/" + name).IgnoreError();
    }
    for (const std::string& name : SegmentFiles()) disk_.Remove(PathOf(name)).IgnoreError();
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    disk_.Put(path, flipped);
    disk_.Put(PathOf("cursor"), cursor);
    Open();
    EXPECT_EQ(spool_->GetStats().quarantined_segments, 1u) << at;
    EXPECT_THAT(disk_.Names("/spool/quarantine"), SizeIs(1)) << at;
    const Delivery delivery = Drain();
    if (at < kSegmentHeaderBytes) {
      EXPECT_THAT(delivery.payloads, SizeIs(5)) << at;
      EXPECT_THAT(delivery.lost, IsEmpty()) << at;
      continue;
    }
    const uint64_t hit = (at - kSegmentHeaderBytes) / record_bytes + 1;
    EXPECT_THAT(delivery.payloads, SizeIs(4)) << at;
    ASSERT_THAT(delivery.lost, SizeIs(1)) << at;
    EXPECT_EQ(delivery.lost[0].first, hit) << at;
    EXPECT_EQ(delivery.lost[0].last, hit) << at;
    EXPECT_EQ(LossReasonName(delivery.lost[0].reason), "corrupt_segment") << at;
    uint64_t dropped = 0;
    for (const uint64_t count : spool_->GetStats().dropped) dropped += count;
    EXPECT_EQ(dropped, 1u) << at;
  }
}

TEST_F(SpoolTest, FindsDamageThatComesWhileItRuns) {
  Open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Append(4, absl::StrCat("finding ", i)).ok());
  const std::string path = PathOf(SegmentFiles()[0]);
  {
    auto file = disk_.Open(path, FileSystem::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->WriteAt(kSegmentHeaderBytes + 30, "?????").ok());
  }
  const Delivery delivery = Drain();
  EXPECT_THAT(delivery.payloads, ElementsAre("finding 0", "finding 2"));
  ASSERT_THAT(delivery.lost, SizeIs(1));
  EXPECT_EQ(delivery.lost[0].first, 2u);
  EXPECT_EQ(spool_->GetStats().quarantined_segments, 1u);
  EXPECT_EQ(spool_->GetStats().dropped[4], 1u);
}

TEST_F(SpoolTest, IsNotFooledByARecordInsideAFinding) {
  Open();
  std::string forged;
  AppendRecord(0, 2, 4, "forged", forged);
  ASSERT_TRUE(Append(4, forged).ok());
  ASSERT_TRUE(Append(4, "good").ok());
  const std::string path = PathOf(SegmentFiles()[0]);
  std::string bytes = disk_.Get(path);
  bytes[kSegmentHeaderBytes] = static_cast<char>(bytes[kSegmentHeaderBytes] ^ 1);
  ASSERT_TRUE(spool_->Close().ok());
  spool_.reset();
  disk_.Put(path, bytes);
  Open();
  EXPECT_THAT(Drain().payloads, ElementsAre("good"));
}

TEST_F(SpoolTest, SetsAsideWhatItCanNotReadAndGoesOn) {
  Open();
  ASSERT_TRUE(Append(4, "good").ok());
  spool_.reset();
  const SegmentId garbage = {.number = 99, .epoch = 7, .severity = 2};
  disk_.Put(PathOf(SegmentName(garbage)), std::string(200, '\xEE'));
  disk_.Put(PathOf("a file of somebody else"), "left alone");
  Open();
  EXPECT_EQ(spool_->GetStats().quarantined_segments, 1u);
  EXPECT_THAT(Drain().payloads, ElementsAre("good"));
  EXPECT_EQ(disk_.Get(PathOf("a file of somebody else")), "left alone");
  ASSERT_TRUE(Append(4, "next").ok());
  EXPECT_GT(ParseSegmentName(SegmentFiles().back())->number, 99u);
}

TEST_F(SpoolTest, SetsAsideASegmentThatTheDiskCanNotRead) {
  Open();
  ASSERT_TRUE(Append(4, "unreadable").ok());
  ASSERT_TRUE(Append(5, "good").ok());
  ASSERT_TRUE(spool_->Close().ok());
  spool_.reset();
  const std::string bad = SegmentFiles()[0];
  disk_.SetFault([&](MemoryFileSystem::Operation operation, const std::string& path) {
    const bool hit = operation == MemoryFileSystem::Operation::kRead && path == PathOf(bad);
    return hit ? absl::DataLossError(path + ": I/O error") : absl::OkStatus();
  });
  Open();
  EXPECT_EQ(spool_->GetStats().quarantined_segments, 1u);
  EXPECT_THAT(disk_.Names("/spool/quarantine"), ElementsAre(bad));
  const Delivery delivery = Drain();
  EXPECT_THAT(delivery.payloads, ElementsAre("good"));
  ASSERT_THAT(delivery.lost, SizeIs(1));
  EXPECT_EQ(delivery.lost[0].first, 1u);
}

TEST_F(SpoolTest, SendsAgainWhenTheCursorIsDamaged) {
  Open();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Append(3, absl::StrCat(i)).ok());
  const uint64_t epoch = spool_->Start().epoch;
  spool_->Resume(epoch, 2);
  ASSERT_TRUE(spool_->Close().ok());
  spool_.reset();
  disk_.Put(PathOf("cursor"), std::string(2 * kCursorSlotBytes, 'x'));
  Open();
  EXPECT_EQ(spool_->Start().epoch, epoch);
  EXPECT_EQ(spool_->GetStats().pending, 4u);
  ASSERT_TRUE(Append(3, "new").ok());
  const Delivery delivery = Drain();
  EXPECT_THAT(delivery.payloads, ElementsAre("0", "1", "2", "3", "new"));
  EXPECT_NE(delivery.sequences.back().first, epoch) << "no sequence may be given away twice";
}

TEST_F(SpoolTest, UsesTheOlderSlotOfACursorThatIsHalfWritten) {
  Open();
  ASSERT_TRUE(Append(3, "one").ok());
  ASSERT_TRUE(spool_->Close().ok());
  spool_.reset();
  const std::string cursor = disk_.Get(PathOf("cursor"));
  int readable = 0;
  for (size_t slot = 0; slot < 2; ++slot) {
    std::string torn = cursor;
    torn.replace(slot * kCursorSlotBytes + 100, 1000, std::string(1000, '\xAA'));
    disk_.Put(PathOf("cursor"), torn);
    Open();
    readable += spool_->GetStats().pending == 1 ? 1 : 0;
    spool_.reset();
  }
  EXPECT_EQ(readable, 2);
}

// Fills the spool; returns how many were taken.
int Fill(Spool& spool, uint32_t severity, size_t bytes) {
  int taken = 0;
  while (spool.Append({{.severity = severity, .payload = std::string(bytes, 'x')}}).ok()) ++taken;
  return taken;
}

TEST_F(SpoolTest, RefusesWhatIsNotGraverThanAllItHolds) {
  Open();
  const int taken = Fill(*spool_, 3, 1000);
  EXPECT_GT(taken, 950);
  const absl::Status status = Append(2, std::string(1000, 'y'));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("1 of 1 findings lost"));
  EXPECT_EQ(spool_->GetStats().dropped[2], 1u);
  EXPECT_EQ(spool_->GetStats().dropped[3], 1u);
  EXPECT_EQ(Drain().payloads.size(), static_cast<size_t>(taken));
}

TEST_F(SpoolTest, GivesUpTheLeastSevereFirst) {
  Open();
  for (int i = 0; i < 200; ++i) {
    for (uint32_t severity = 1; severity <= 4; ++severity) {
      ASSERT_TRUE(Append(severity, std::string(1000, static_cast<char>('0' + severity))).ok());
    }
  }
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(Append(5, std::string(1000, '5')).ok());
  const Spool::Stats stats = spool_->GetStats();
  EXPECT_LE(stats.bytes, 1u << 20);
  EXPECT_EQ(stats.dropped[1], 200u);
  EXPECT_GT(stats.dropped[2], 0u);
  EXPECT_EQ(stats.dropped[3], 0u);
  EXPECT_EQ(stats.dropped[4], 0u);
  EXPECT_EQ(stats.dropped[5], 0u);
  EXPECT_EQ(stats.pending + stats.dropped[1] + stats.dropped[2], 1300u);

  const Delivery delivery = Drain();
  std::map<char, uint64_t> delivered;
  for (const std::string& payload : delivery.payloads) ++delivered[payload[0]];
  EXPECT_EQ(delivered['2'], 200u - stats.dropped[2]);
  EXPECT_EQ(delivered['3'], 200u);
  EXPECT_EQ(delivered['4'], 200u);
  EXPECT_EQ(delivered['5'], 500u);
  uint64_t lost = 0;
  for (const Spool::Lost& range : delivery.lost) {
    lost += range.last - range.first + 1;
    EXPECT_EQ(LossReasonName(range.reason), "spool_full");
  }
  EXPECT_EQ(lost, stats.dropped[1] + stats.dropped[2]);
}

TEST_F(SpoolTest, TellsOfLossesAfterARestart) {
  Open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Append(1, std::string(1000, '1')).ok());
  // The least severe are the last of the epoch, so that only the cursor knows of them.
  spool_->Acknowledge(spool_->Start().epoch, 50);
  const int taken = Fill(*spool_, 5, 100000);
  EXPECT_GT(taken, 0);
  const uint64_t dropped = spool_->GetStats().dropped[1];
  EXPECT_EQ(dropped, 50u);
  Open();
  const Delivery delivery = Drain();
  EXPECT_EQ(delivery.payloads.size(), static_cast<size_t>(taken));
  uint64_t lost = 0;
  for (const Spool::Lost& range : delivery.lost) lost += range.last - range.first + 1;
  EXPECT_EQ(lost, dropped);
}

TEST_F(SpoolTest, GivesRoomToTheGravestOfOneAppend) {
  Spool::Options options = Options();
  options.bytes_max = 4096;
  Open(options);
  std::vector<Spool::Record> records;
  for (uint32_t severity : {1, 5, 2, 5, 3}) {
    records.push_back(
        {.severity = severity, .payload = std::string(1500, static_cast<char>('0' + severity))});
  }
  const absl::Status status = spool_->Append(std::move(records));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("3 of 5 findings lost"));
  const Delivery delivery = Drain();
  EXPECT_THAT(delivery.payloads, ElementsAre(std::string(1500, '5'), std::string(1500, '5')));
  EXPECT_THAT(delivery.lost, IsEmpty()) << "what was refused was never given a sequence";
}

TEST_F(SpoolTest, KeepsItsLimitOverARestart) {
  Open();
  Fill(*spool_, 3, 1000);
  Open();
  EXPECT_FALSE(Append(3, std::string(1000, 'x')).ok());
  EXPECT_LE(spool_->GetStats().bytes, 1u << 20);
}

TEST_F(SpoolTest, ShrinksToALimitThatWasLowered) {
  Open();
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(Append(2, std::string(1000, '2')).ok());
    ASSERT_TRUE(Append(5, std::string(1000, '5')).ok());
  }
  Spool::Options options = Options();
  options.bytes_max = 400 << 10;
  Open(options);
  EXPECT_LE(spool_->GetStats().bytes, options.bytes_max);
  EXPECT_GT(spool_->GetStats().dropped[2], 0u);
  EXPECT_EQ(spool_->GetStats().dropped[5], 0u);
}

TEST_F(SpoolTest, MakesRoomOnAFullDisk) {
  Open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Append(1, std::string(1000, '1')).ok());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Append(4, std::string(1000, '4')).ok());
  disk_.SetCapacity(disk_.TotalBytes() + 100);
  ASSERT_TRUE(Append(5, std::string(1000, '5')).ok());
  EXPECT_GT(spool_->GetStats().dropped[1], 0u);
  EXPECT_EQ(spool_->GetStats().dropped[4], 0u);
  // Nothing less severe than these is left in the end.
  const int more = Fill(*spool_, 2, 1000);
  const absl::Status status = Append(2, std::string(1000, '2'));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  const Spool::Stats stats = spool_->GetStats();
  const Delivery delivery = Drain();
  std::map<char, uint64_t> delivered;
  for (const std::string& payload : delivery.payloads) ++delivered[payload[0]];
  EXPECT_EQ(delivered['4'], 100u);
  EXPECT_EQ(delivered['5'], 1u);
  EXPECT_EQ(delivered['1'], 100u - stats.dropped[1]);
  EXPECT_EQ(delivered['x'], static_cast<uint64_t>(more));
}

TEST_F(SpoolTest, WritesAgainAfterAnErrorThatPasses) {
  Open();
  ASSERT_TRUE(Append(3, "before").ok());
  int faults = 1;
  disk_.SetFault([&](MemoryFileSystem::Operation operation, const std::string& path) {
    const bool hit = operation == MemoryFileSystem::Operation::kSync &&
                     path.ends_with(".segment") && faults-- > 0;
    return hit ? absl::DataLossError(path + ": I/O error") : absl::OkStatus();
  });
  ASSERT_TRUE(Append(3, "during").ok());
  ASSERT_TRUE(Append(3, "after").ok());
  EXPECT_EQ(spool_->GetStats().write_errors, 1u);
  const Delivery delivery = Drain();
  EXPECT_THAT(delivery.payloads, ElementsAre("before", "during", "after"));
  EXPECT_THAT(delivery.lost, IsEmpty());
}

TEST_F(SpoolTest, SaysWhatADiskThatFailsHasLost) {
  Open();
  ASSERT_TRUE(Append(3, "before").ok());
  disk_.SetFault([](MemoryFileSystem::Operation operation, const std::string& path) {
    return operation == MemoryFileSystem::Operation::kSync
               ? absl::DataLossError(path + ": I/O error")
               : absl::OkStatus();
  });
  const absl::Status status = Append(3, "during");
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(spool_->GetStats().dropped[3], 1u);
  disk_.SetFault(nullptr);
  ASSERT_TRUE(Append(3, "after").ok());
  const Delivery delivery = Drain();
  EXPECT_THAT(delivery.payloads, ElementsAre("before", "after"));
  ASSERT_THAT(delivery.lost, SizeIs(1));
  EXPECT_EQ(LossReasonName(delivery.lost[0].reason), "write_failed");
}

TEST_F(SpoolTest, WorksWithSequencesAndNumbersNearTheirEnd) {
  Spool::Options options = Options();
  options.first_sequence = kSequenceMax - 2;
  options.first_segment = (uint64_t{1} << 63) - 1;
  options.bytes_max = 64 << 10;
  Open(options);
  std::vector<std::string> expected;
  for (int i = 0; i < 10; ++i) {
    expected.push_back(std::string(1500, static_cast<char>('a' + i)));
    ASSERT_TRUE(Append(1 + i % 2, expected.back()).ok());
  }
  options.first_sequence = options.first_segment = 1;
  Open(options);
  ASSERT_TRUE(Append(3, "last").ok());
  expected.push_back("last");
  const Delivery delivery = Drain();
  EXPECT_EQ(delivery.payloads, expected);
  EXPECT_EQ(delivery.sequences[2].second, kSequenceMax);
  EXPECT_NE(delivery.sequences[3].first, delivery.sequences[2].first) << "a new epoch";
  EXPECT_EQ(delivery.sequences[3].second, 1u);
}

TEST_F(SpoolTest, BeginsAnewWhenTheCollectorKnowsMoreThanItGaveAway) {
  Open();
  ASSERT_TRUE(Append(3, "one").ok());
  const uint64_t epoch = spool_->Start().epoch;
  spool_->Resume(epoch, 100);
  EXPECT_TRUE(spool_->IsOver(epoch));
  EXPECT_EQ(spool_->GetStats().dropped[3], 1u) << "whether it is among the 100 is not known";
  ASSERT_TRUE(Append(3, "two").ok());
  EXPECT_THAT(Drain().payloads, ElementsAre("two"));
}

TEST_F(SpoolTest, RefusesASecondProcess) {
  Open();
  const absl::Status status = Spool::Open(Options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SpoolTest, RefusesRecordsOutOfRange) {
  Open();
  EXPECT_EQ(Append(0, "x").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Append(6, "x").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Append(3, "").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Append(3, std::string(kPayloadBytesMax + 1, 'x')).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Append(3, std::string(1000, 'x')).ok());
}

TEST_F(SpoolTest, SharesSyncsAmongThreads) {
  Spool::Options options = Options();
  options.bytes_max = 64 << 20;
  options.segment_bytes = 1 << 20;
  Open(options);
  // A sync takes as long as one on a real disk.
  disk_.SetFault([](MemoryFileSystem::Operation operation, const std::string&) {
    if (operation == MemoryFileSystem::Operation::kSync) usleep(500);
    return absl::OkStatus();
  });
  constexpr int kThreads = 8;
  constexpr int kEach = 100;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE(Append(1 + (t + i) % 5, absl::StrCat(t, " ", i)).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  disk_.SetFault(nullptr);
  const Delivery delivery = Drain();
  EXPECT_THAT(delivery.payloads, SizeIs(kThreads * kEach));
  EXPECT_THAT(delivery.lost, IsEmpty());
  // Each thread's own order is kept.
  std::map<int, int> next;
  for (const std::string& payload : delivery.payloads) {
    const int thread = payload[0] - '0';
    EXPECT_EQ(payload, absl::StrCat(thread, " ", next[thread]++));
  }
  EXPECT_LT(disk_.syncs(), static_cast<uint64_t>(kThreads * kEach));
}

// The same on a real disk.
class SpoolOnDisk : public SpoolTest {
 protected:
  SpoolOnDisk()
      : directory_(absl::StrCat(::testing::TempDir(), "/spool_on_disk.", getpid())),
        files_(MakePosixFileSystem()) {}
  ~SpoolOnDisk() override {
    spool_.reset();
    std::filesystem::remove_all(directory_);
  }
  void OpenOnDisk() {
    Spool::Options options = Options();
    options.directory = directory_;
    options.files = files_.get();
    Open(options);
  }

  const std::string directory_;
  const std::unique_ptr<FileSystem> files_;
};

TEST_F(SpoolOnDisk, DeliversOverRestartsAndDamage) {
  OpenOnDisk();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Append(1 + i % 5, absl::StrCat("finding ", i)).ok());
  OpenOnDisk();
  for (int i = 50; i < 60; ++i) ASSERT_TRUE(Append(4, absl::StrCat("finding ", i)).ok());
  ASSERT_TRUE(spool_->Close().ok());
  spool_.reset();
  // In the middle of the fourth severity's second segment.
  std::string last;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".segment")) last = std::max(last, entry.path().string());
  }
  {
    std::fstream file(last, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(last) / 2));
    file.put('\xFF');
  }
  OpenOnDisk();
  const Delivery delivery = Drain();
  EXPECT_THAT(delivery.payloads, SizeIs(59));
  ASSERT_THAT(delivery.lost, SizeIs(1));
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/quarantine/" +
                                      std::filesystem::path(last).filename().string()));
}

TEST_F(SpoolOnDisk, RefusesASecondSpoolAndNamesTheHolder) {
  OpenOnDisk();
  Spool::Options options = Options();
  options.directory = directory_;
  options.files = files_.get();
  const absl::Status status = Spool::Open(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(directory_ + "/lock"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat(getpid())));
}

TEST_F(SpoolOnDisk, KeepsItsFilesPrivate) {
  OpenOnDisk();
  ASSERT_TRUE(Append(3, "x").ok());
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(directory_).permissions(), perms::owner_all);
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    EXPECT_EQ(entry.status().permissions(), perms::owner_read | perms::owner_write) << entry.path();
  }
}

}  // namespace
}  // namespace skimwatch::uplink
