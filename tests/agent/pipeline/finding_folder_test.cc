#include "agent/pipeline/finding_folder.h"

#include <functional>
#include <string>
#include <vector>

#include "agent/pipeline/finding_builder.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "tests/agent/pipeline/sightings.h"

namespace skimwatch::pipeline {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);
constexpr absl::Duration kWindow = absl::Seconds(10);

v1::Finding FindingOf(uint64_t card) {
  return BuildFinding(testing::SightingOf(card), false, card::MaskStyle::kFirst6Last4, nullptr);
}

uint64_t CountOf(const std::vector<v1::Finding>& findings) {
  uint64_t count = 0;
  for (const v1::Finding& finding : findings) count += finding.count();
  return count;
}

TEST(FindingFolder, PassesTheFirstOnAndCountsRepeatsToTheWindowsEnd) {
  FindingFolder folder(kWindow, 100);
  std::vector<v1::Finding> out;
  folder.Take(FindingOf(1), "card-1", kStart, out);
  ASSERT_EQ(out.size(), 1u);
  for (int i = 1; i <= 5; ++i) {
    folder.Take(FindingOf(1), "card-1", kStart + absl::Seconds(i), out);
  }
  EXPECT_EQ(out.size(), 1u);
  folder.Expire(kStart + kWindow - absl::Nanoseconds(1), out);
  EXPECT_EQ(out.size(), 1u);
  EXPECT_EQ(folder.NextExpiry(), kStart + kWindow);
  folder.Expire(kStart + kWindow, out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[1].count(), 5u);
  EXPECT_EQ(folder.folded(), 5u);

  // A window without repeats is the last.
  folder.Expire(kStart + 2 * kWindow, out);
  EXPECT_EQ(out.size(), 2u);
  EXPECT_EQ(folder.NextExpiry(), absl::InfiniteFuture());
}

TEST(FindingFolder, AddsUpVariances) {
  FindingFolder folder(kWindow, 100);
  std::vector<v1::Finding> out;
  for (const double variance : {2.0, 6.0, 10.0}) {
    v1::Finding finding = FindingOf(1);
    finding.set_sampling_probability(0.5);
    finding.set_sampling_variance(variance);
    folder.Take(std::move(finding), "card-1", kStart, out);
  }
  folder.Flush(out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].sampling_variance(), 2);
  EXPECT_EQ(out[1].sampling_variance(), 16);
}

TEST(FindingFolder, SpansTheTimesOfWhatItFolds) {
  FindingFolder folder(kWindow, 100);
  std::vector<v1::Finding> out;
  folder.Take(FindingOf(1), "card-1", kStart, out);
  for (const int64_t seconds : {500, 100, 900}) {
    v1::Finding finding = FindingOf(1);
    finding.mutable_first_seen()->set_seconds(seconds);
    finding.mutable_last_seen()->set_seconds(seconds);
    folder.Take(std::move(finding), "card-1", kStart, out);
  }
  folder.Flush(out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[1].first_seen().seconds(), 100);
  EXPECT_EQ(out[1].last_seen().seconds(), 900);
}

TEST(FindingFolder, NeverFoldsWhatAPersonWouldTellApart) {
  const std::function<void(v1::Finding&)> differences[] = {
      [](v1::Finding& f) { f.set_site("blog"); },
      [](v1::Finding& f) { f.set_destination("198.51.100.9:80"); },
      [](v1::Finding& f) { f.set_rule("card.at_rest"); },
      [](v1::Finding& f) { f.set_confidence(v1::CONFIDENCE_LOW); },
      [](v1::Finding& f) { f.set_expected(true); },
      [](v1::Finding& f) { f.mutable_provenance()->set_path_template("/other"); },
      [](v1::Finding& f) { f.mutable_provenance()->set_method("GET"); },
      [](v1::Finding& f) { f.mutable_card_number()->add_encodings("hex"); },
      [](v1::Finding& f) { f.set_sampling_probability(0.5); },
  };
  for (const auto& change : differences) {
    FindingFolder folder(kWindow, 100);
    std::vector<v1::Finding> out;
    folder.Take(FindingOf(1), "card-1", kStart, out);
    v1::Finding other = FindingOf(1);
    change(other);
    folder.Take(std::move(other), "card-1", kStart, out);
    EXPECT_EQ(out.size(), 2u);
  }
  FindingFolder folder(kWindow, 100);
  std::vector<v1::Finding> out;
  folder.Take(FindingOf(1), "card-1", kStart, out);
  folder.Take(FindingOf(1), "card-2", kStart, out);
  EXPECT_EQ(out.size(), 2u);
}

TEST(FindingFolder, HoldsNoMoreThanItsLimitAndLosesNoCount) {
  constexpr size_t kEntries = 16;
  FindingFolder folder(kWindow, kEntries);
  std::vector<v1::Finding> out;
  uint64_t taken = 0;
  for (int round = 0; round < 3; ++round) {
    for (uint64_t card = 0; card < 100; ++card) {
      for (int repeat = 0; repeat < 3; ++repeat, ++taken) {
        folder.Take(FindingOf(card), "card-" + std::to_string(card), kStart, out);
      }
    }
  }
  folder.Flush(out);
  EXPECT_EQ(CountOf(out), taken);
}

TEST(FindingFolder, FoldsNothingWithoutAWindow) {
  FindingFolder folder(absl::ZeroDuration(), 100);
  std::vector<v1::Finding> out;
  for (int i = 0; i < 3; ++i) folder.Take(FindingOf(1), "card-1", kStart, out);
  EXPECT_EQ(out.size(), 3u);
}

}  // namespace
}  // namespace skimwatch::pipeline
