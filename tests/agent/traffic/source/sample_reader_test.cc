#include "agent/traffic/source/sample_reader.h"

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr size_t kMax = 1000;

struct Recorder final : SampleReader::Sink {
  void OnSample(std::string_view encoded, uint64_t offset) override {
    samples.emplace_back(std::string(encoded), offset);
  }
  void OnTooLong(uint64_t length, uint64_t offset) override {
    too_long.emplace_back(length, offset);
  }
  void OnSkipped(uint64_t bytes) override { skipped += bytes; }

  std::vector<std::pair<std::string, uint64_t>> samples;
  std::vector<std::pair<uint64_t, uint64_t>> too_long;
  uint64_t skipped = 0;
};

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string Framed(const std::string& body) { return Varint(body.size()) + body; }

TEST(SampleReader, TakesSamplesApart) {
  Recorder recorder;
  SampleReader reader(kMax, recorder);
  const std::string long_one(300, 'x');
  ASSERT_TRUE(reader.Take(Framed("one") + Framed("") + Framed(long_one)).ok());
  EXPECT_THAT(recorder.samples, ElementsAre(Pair("one", 0u), Pair("", 4u), Pair(long_one, 5u)));
  EXPECT_TRUE(reader.Finish().ok());
  EXPECT_FALSE(reader.in_sample());
  EXPECT_EQ(reader.offset(), 307u);
}

TEST(SampleReader, DoesNotMindWherePiecesAreCut) {
  std::mt19937 random(7);
  std::string stream;
  std::vector<std::pair<std::string, uint64_t>> expected;
  uint64_t expected_skipped = 0;
  for (int i = 0; i < 200; ++i) {
    const size_t size = random() % (2 * kMax);
    const std::string body(size, static_cast<char>('a' + i % 26));
    if (size <= kMax) {
      expected.emplace_back(body, stream.size());
    } else {
      expected_skipped += size;
    }
    stream += Framed(body);
  }
  for (const size_t piece_max : {1u, 2u, 7u, 1000u, 100000u}) {
    Recorder recorder;
    SampleReader reader(kMax, recorder);
    for (size_t at = 0; at < stream.size();) {
      const size_t piece = 1 + random() % piece_max;
      ASSERT_TRUE(reader.Take(std::string_view(stream).substr(at, piece)).ok());
      at += piece;
    }
    EXPECT_EQ(recorder.samples, expected) << piece_max;
    EXPECT_EQ(recorder.skipped, expected_skipped);
    EXPECT_TRUE(reader.Finish().ok());
    EXPECT_EQ(reader.offset(), stream.size());
  }
}

TEST(SampleReader, SkipsWhatIsTooLongAndGoesOn) {
  Recorder recorder;
  SampleReader reader(kMax, recorder);
  ASSERT_TRUE(reader.Take(Framed(std::string(kMax + 1, 'x')) + Framed("next")).ok());
  EXPECT_THAT(recorder.too_long, ElementsAre(Pair(kMax + 1, 0u)));
  EXPECT_EQ(recorder.skipped, kMax + 1);
  EXPECT_THAT(recorder.samples, ElementsAre(Pair("next", kMax + 3)));
}

TEST(SampleReader, HoldsNoMoreThanCame) {
  Recorder recorder;
  // The length alone must not make it take memory.
  SampleReader reader(size_t{1} << 40, recorder);
  ASSERT_TRUE(reader.Take(Varint((uint64_t{1} << 31) - 1) + "x").ok());
  EXPECT_TRUE(reader.in_sample());
}

TEST(SampleReader, RefusesLengthsThatMakeNoSense) {
  const std::vector<std::string> broken = {Varint(uint64_t{1} << 31), Varint(UINT64_MAX),
                                           std::string(10, '\xff'),
                                           // Zeros without an end.
                                           std::string(9, '\x80')};
  for (const std::string& bytes : broken) {
    Recorder recorder;
    SampleReader reader(kMax, recorder);
    const absl::Status status = reader.Take(Framed("good") + bytes + Framed("after"));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("offset 5"));
    EXPECT_THAT(recorder.samples, ElementsAre(Pair("good", 0u)));
    EXPECT_EQ(reader.offset(), 5u);
    // And takes no more.
    EXPECT_FALSE(reader.Take(Framed("more")).ok());
    EXPECT_FALSE(reader.is_whole());
    EXPECT_EQ(recorder.samples.size(), 1u);
  }
}

TEST(SampleReader, TellsWhereAnUnfinishedSampleBegan) {
  for (const std::string& rest :
       {Varint(9) + "eight by", std::string("\x80"), Varint(5000) + "x"}) {
    Recorder recorder;
    SampleReader reader(kMax, recorder);
    ASSERT_TRUE(reader.Take(Framed("good") + rest).ok());
    const absl::Status status = reader.Finish();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << rest;
    EXPECT_THAT(std::string(status.message()), HasSubstr("within the sample"));
    EXPECT_TRUE(reader.in_sample());
  }
}

TEST(SampleReader, GoesOnWhereAnotherStoodWhereverThatIs) {
  const std::string bytes = Framed("one") + Framed(std::string(kMax + 500, '\xff')) + Framed("two");
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    Recorder recorder;
    SampleReader first(kMax, recorder);
    ASSERT_TRUE(first.Take(bytes.substr(0, cut)).ok()) << cut;
    SampleReader second(kMax, recorder, first.offset(), first.skip_bytes());
    ASSERT_TRUE(second.Take(bytes.substr(first.offset())).ok()) << cut;
    EXPECT_TRUE(second.Finish().ok()) << cut;
    EXPECT_EQ(recorder.skipped, kMax + 500) << cut;
    EXPECT_THAT(recorder.too_long, ElementsAre(Pair(kMax + 500, 4u))) << cut;
    EXPECT_THAT(recorder.samples, ElementsAre(Pair("one", 0u), Pair("two", kMax + 506))) << cut;
  }
}

TEST(SampleReader, CountsOffsetsFromWhereItWentOn) {
  Recorder recorder;
  SampleReader reader(kMax, recorder, 1000);
  ASSERT_TRUE(reader.Take(Framed("one") + Framed("two")).ok());
  EXPECT_THAT(recorder.samples, ElementsAre(Pair("one", 1000u), Pair("two", 1004u)));
  EXPECT_THAT(recorder.too_long, IsEmpty());
  EXPECT_EQ(reader.taken(), 1008u);
}

}  // namespace
}  // namespace skimwatch::traffic
