#include "agent/traffic/protocol/stream_reassembler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace skimwatch::traffic {
namespace {

// Notes what it is told: data as it is, all else in brackets.
class Transcript final : public StreamReceiver {
 public:
  void OnData(std::string_view bytes) override { text += bytes; }
  void OnCounted(uint64_t bytes) override { Note("counted", bytes); }
  void OnCut(uint64_t bytes) override { Note("cut", bytes); }
  void OnGap(uint64_t bytes) override { Note("gap", bytes); }
  void OnLate(uint64_t bytes) override { late += bytes; }
  void OnEnd() override { text += "[end]"; }

  std::string text;
  uint64_t late = 0;

 private:
  void Note(const char* what, uint64_t bytes) {
    text += '[' + std::string(what) + ' ' + std::to_string(bytes) + ']';
  }
};

class StreamReassemblerTest : public ::testing::Test {
 protected:
  void Push(uint32_t sequence, std::string_view bytes, uint32_t wire = 0, uint64_t after = 0) {
    stream_.Push(sequence, bytes, wire == 0 ? static_cast<uint32_t>(bytes.size()) : wire, after, 0,
                 out_);
  }

  SegmentPool pool_;
  DecoderCounters counters_;
  StreamReassembler stream_{pool_, counters_};
  Transcript out_;
};

TEST_F(StreamReassemblerTest, DeliversInOrderWithoutHolding) {
  stream_.Start(100, true);
  Push(100, "abc");
  Push(103, "def");
  EXPECT_EQ(out_.text, "abcdef");
  EXPECT_EQ(pool_.used_bytes(), 0U);
}

TEST_F(StreamReassemblerTest, HoldsWhatCameTooEarly) {
  stream_.Start(100, true);
  Push(106, "ghi");
  Push(103, "def");
  EXPECT_EQ(out_.text, "");
  EXPECT_TRUE(stream_.waiting());
  Push(100, "abc");
  EXPECT_EQ(out_.text, "abcdefghi");
  EXPECT_EQ(pool_.used_bytes(), 0U);
}

TEST_F(StreamReassemblerTest, KeepsTheFirstCopyOfWhatOverlaps) {
  stream_.Start(100, true);
  Push(104, "EFG");
  Push(102, "cdefghij");
  Push(100, "ab");
  EXPECT_EQ(out_.text, "abcdEFGhij");
  EXPECT_EQ(counters_.retransmitted_bytes.value(), 3U);
  EXPECT_EQ(counters_.conflicting_bytes.value(), 3U);
}

TEST_F(StreamReassemblerTest, DeliversOnlyTheNewPartOfARetransmission) {
  stream_.Start(100, true);
  Push(100, "abcd");
  Push(100, "abcdef");
  Push(101, "bc");
  // A keep-alive repeats the last byte.
  Push(105, "f");
  EXPECT_EQ(out_.text, "abcdef");
  EXPECT_EQ(counters_.retransmitted_bytes.value(), 7U);
  EXPECT_EQ(out_.late, 0U);
}

TEST_F(StreamReassemblerTest, GoesOnAcrossTheWrapOfSequenceNumbers) {
  stream_.Start(0xfffffffe, true);
  Push(2, "ef");
  Push(0xfffffffe, "abcd");
  EXPECT_EQ(out_.text, "abcdef");
}

TEST_F(StreamReassemblerTest, GoesOnForManyWraps) {
  stream_.Start(0, true);
  const std::string block(60'000, 'x');
  uint32_t sequence = 0;
  for (int i = 0; i < 200'000; ++i) {
    Push(sequence, block);
    sequence += static_cast<uint32_t>(block.size());
    out_.text.clear();
  }
  EXPECT_EQ(stream_.position() - (uint64_t{1} << 40), 12'000'000'000U);
}

TEST_F(StreamReassemblerTest, GivesUpWhatIsMissing) {
  stream_.Start(100, true);
  Push(100, "abc");
  Push(110, "klm");
  Push(120, "uvw");
  stream_.GiveUp(out_);
  EXPECT_EQ(out_.text, "abc[gap 7]klm");
  stream_.GiveUp(out_);
  EXPECT_EQ(out_.text, "abc[gap 7]klm[gap 7]uvw");
  stream_.GiveUp(out_);
  EXPECT_EQ(out_.text, "abc[gap 7]klm[gap 7]uvw");
}

TEST_F(StreamReassemblerTest, CountsAsLateWhatComesAfterItWasGivenUpOnce) {
  stream_.Start(100, true);
  Push(110, "klm");
  stream_.GiveUp(out_);
  Push(104, "ef");
  EXPECT_EQ(out_.late, 2U);
  Push(103, "def");
  EXPECT_EQ(out_.late, 3U);
  Push(100, "abcdefghijkl");
  EXPECT_EQ(out_.late, 10U);
  Push(100, "abcdefghijklm");
  EXPECT_EQ(out_.late, 10U);
  EXPECT_EQ(out_.text, "[gap 10]klm");
}

TEST_F(StreamReassemblerTest, TakesWhatLiesBeforeTheFirstSegmentAsLate) {
  stream_.Start(100, false);
  Push(100, "abc");
  Push(90, "0123456789abc");
  EXPECT_EQ(out_.text, "abc");
  EXPECT_EQ(out_.late, 10U);
}

TEST_F(StreamReassemblerTest, ReportsWhatTheCaptureCut) {
  stream_.Start(100, true);
  Push(105, "fg", 4);
  Push(100, "ab", 5);
  EXPECT_EQ(out_.text, "ab[cut 3]fg[cut 2]");
  EXPECT_EQ(pool_.used_bytes(), 0U);
}

TEST_F(StreamReassemblerTest, HoldsNumbersAloneWhenNothingElseIsAskedFor) {
  stream_.Start(0, true);
  Push(10, "abc");
  Push(13, "def");
  Push(30, "xyz");
  stream_.CountOnly();
  EXPECT_EQ(stream_.held_segments(), 2U);
  for (uint32_t i = 0; i < 1000; ++i) Push(100 + i * 50, std::string(50, 'x'));
  EXPECT_EQ(stream_.held_segments(), 3U);
  stream_.GiveUp(out_);
  stream_.GiveUp(out_);
  stream_.GiveUp(out_);
  EXPECT_EQ(out_.text, "[gap 10][counted 6][gap 14][counted 3][gap 67][counted 50000]");
}

TEST_F(StreamReassemblerTest, EndsAfterAllThatCameBefore) {
  stream_.Start(100, true);
  stream_.Finish(106, out_);
  Push(103, "def");
  EXPECT_EQ(out_.text, "");
  Push(100, "abc");
  EXPECT_EQ(out_.text, "abcdef[end]");
}

TEST_F(StreamReassemblerTest, WaitsForTheOtherDirection) {
  stream_.Start(100, true);
  Push(100, "ab", 0, 50);
  Push(102, "cd", 0, 60);
  EXPECT_EQ(out_.text, "");
  stream_.Resume(50, out_);
  EXPECT_EQ(out_.text, "ab");
  stream_.GiveUp(out_);
  EXPECT_EQ(out_.text, "abcd");
  // In vain once is enough.
  Push(104, "ef", 0, 60);
  EXPECT_EQ(out_.text, "abcdef");
}

TEST_F(StreamReassemblerTest, BeginsAgainWhenTheStreamWentOnUnseenForLong) {
  stream_.Start(100, true);
  Push(100, "abc");
  // Three gigabytes later, which looks like one gigabyte earlier.
  Push(100 + 3'000'000'000U, "xyz");
  Push(103 + 3'000'000'000U, "uvw");
  EXPECT_EQ(out_.text, "abc[gap 0]xyzuvw");
}

TEST_F(StreamReassemblerTest, KeepsWherePacketsBeganInWhatItHolds) {
  class Pieces final : public StreamReceiver {
   public:
    void OnData(std::string_view bytes) override { pieces.emplace_back(bytes); }
    void OnCounted(uint64_t) override {}
    void OnCut(uint64_t) override {}
    void OnGap(uint64_t) override {}
    void OnLate(uint64_t) override {}
    void OnEnd() override {}
    std::vector<std::string> pieces;
  } out;
  stream_.Start(0, true);
  stream_.Push(1, "b", 1, 0, 0, out);
  stream_.Push(2, "cc", 2, 0, 0, out);
  stream_.Push(4, "d", 1, 0, 0, out);
  EXPECT_EQ(stream_.held_segments(), 1U);
  stream_.Push(0, "a", 1, 0, 0, out);
  EXPECT_EQ(out.pieces, (std::vector<std::string>{"a", "b", "cc", "d"}));
}

// Any cutting, order, repetition and overlap of a stream yields the stream, and each byte is
// reported once.
TEST(StreamReassemblerProperty, PutsAnythingInOrder) {
  std::mt19937 random(20240501);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  for (int round = 0; round < 300; ++round) {
    std::string text(1 + below(20'000), '\0');
    for (char& c : text) c = static_cast<char>('a' + below(26));
    struct Piece {
      size_t at;
      size_t size;
    };
    std::vector<Piece> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t size = std::min<size_t>(1 + below(below(4) == 0 ? 5000 : 100), text.size() - at);
      pieces.push_back({at, size});
      if (below(5) == 0) {
        const size_t back = std::min<size_t>(at, below(300));
        pieces.push_back({at - back, std::min<size_t>(back + below(600), text.size() - at + back)});
      }
      at += size;
    }
    std::shuffle(pieces.begin(), pieces.end(), random);
    SegmentPool pool;
    DecoderCounters counters;
    StreamReassembler stream(pool, counters);
    Transcript out;
    const auto isn = static_cast<uint32_t>(random());
    stream.Start(isn, true);
    uint64_t pushed = 0;
    for (const Piece& piece : pieces) {
      stream.Push(isn + static_cast<uint32_t>(piece.at),
                  std::string_view(text).substr(piece.at, piece.size),
                  static_cast<uint32_t>(piece.size), 0, 0, out);
      pushed += piece.size;
    }
    ASSERT_EQ(out.text, text) << round;
    EXPECT_EQ(counters.retransmitted_bytes.value(), pushed - text.size());
    EXPECT_EQ(counters.conflicting_bytes.value(), 0U);
    EXPECT_EQ(pool.used_bytes(), 0U);
  }
}

}  // namespace
}  // namespace skimwatch::traffic
