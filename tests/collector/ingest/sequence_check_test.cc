#include "collector/ingest/sequence_check.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace skimwatch::ingest {
namespace {

using Range = std::pair<uint64_t, uint64_t>;

TEST(CheckSequences, DecidesByTheTable) {
  struct Case {
    const char* what;
    uint64_t received;
    std::vector<uint64_t> findings;
    std::vector<Range> lost;
    bool good;
    Range covers;
  };
  constexpr uint64_t kMax = 0x7fffffffffffffff;
  const Case cases[] = {
      {"goes on", 10, {11, 12, 13}, {}, true, {11, 13}},
      {"the first of a stream", 0, {1}, {}, true, {1, 1}},
      {"repeats what was received", 10, {9, 10, 11}, {}, true, {9, 11}},
      {"all of it repeated", 10, {3, 4}, {}, true, {3, 4}},
      {"a gap", 10, {12}, {}, false, {}},
      {"a gap inside", 10, {11, 13}, {}, false, {}},
      {"a gap among what was received", 10, {3, 5}, {}, true, {3, 5}},
      {"a gap that is declared", 10, {11, 15}, {{12, 14}}, true, {11, 15}},
      {"a gap that is declared in part", 10, {11, 15}, {{12, 13}}, false, {}},
      {"only lost", 10, {}, {{11, 20}}, true, {11, 20}},
      {"lost at the end", 10, {11}, {{12, 20}}, true, {11, 20}},
      {"lost in two pieces", 10, {11}, {{15, 20}, {12, 14}}, true, {11, 20}},
      {"lost before what was received", 10, {11}, {{1, 4}}, true, {1, 11}},
      {"lost and there", 10, {11, 12}, {{12, 14}}, false, {}},
      {"twice lost", 10, {}, {{11, 14}, {13, 15}}, false, {}},
      {"backwards", 10, {12, 11}, {}, false, {}},
      {"twice", 10, {11, 11}, {}, false, {}},
      {"zero", 0, {0, 1}, {}, false, {}},
      {"empty", 10, {}, {}, false, {}},
      {"a range upside down", 10, {}, {{14, 11}}, false, {}},
      {"a range from zero", 0, {}, {{0, 5}}, false, {}},
      {"up to the largest", 10, {}, {{11, kMax}}, true, {11, kMax}},
      {"beyond the largest", 10, {}, {{11, kMax + 1}}, false, {}},
      {"a finding beyond the largest", kMax, {kMax + 1}, {}, false, {}},
  };
  for (const Case& c : cases) {
    v1::FindingBatch batch;
    for (const uint64_t sequence : c.findings) batch.add_findings()->set_sequence(sequence);
    for (const auto& [first, last] : c.lost) {
      v1::LostRange* range = batch.add_lost();
      range->set_first_sequence(first);
      range->set_last_sequence(last);
      range->set_reason("spool_full");
    }
    const absl::StatusOr<SequenceRange> range = CheckSequences(batch, c.received);
    EXPECT_EQ(range.ok(), c.good) << c.what << ": " << range.status();
    if (!range.ok()) {
      EXPECT_EQ(range.status().code(), absl::StatusCode::kInvalidArgument) << c.what;
      continue;
    }
    EXPECT_EQ(Range(range->first, range->last), c.covers) << c.what;
  }
}

TEST(CheckSequences, BoundsLostRanges) {
  v1::FindingBatch batch;
  for (int i = 0; i <= kLostRangesMax; ++i) {
    v1::LostRange* range = batch.add_lost();
    range->set_first_sequence(i + 1);
    range->set_last_sequence(i + 1);
  }
  EXPECT_FALSE(CheckSequences(batch, 0).ok());
  batch.mutable_lost()->RemoveLast();
  EXPECT_TRUE(CheckSequences(batch, 0).ok());
  batch.mutable_lost(0)->set_reason(std::string(kLostReasonBytesMax + 1, 'x'));
  EXPECT_FALSE(CheckSequences(batch, 0).ok());
}

}  // namespace
}  // namespace skimwatch::ingest
