#include "agent/traffic/coverage.h"

#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/traffic/message.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

std::vector<Reason> AllReasons() {
  std::vector<Reason> reasons;
  for (int i = 0; i < static_cast<int>(Reason::kCount); ++i) {
    reasons.push_back(static_cast<Reason>(i));
  }
  return reasons;
}

TEST(Coverage, SeenIsTheSumOfAllReasons) {
  Coverage coverage;
  EXPECT_EQ(coverage.seen_bytes(), 0u);
  uint64_t sum = 0;
  for (const Reason reason : AllReasons()) {
    const uint64_t bytes = uint64_t{1} << (2 * static_cast<int>(reason));
    coverage.Add(reason, bytes);
    coverage.Add(reason, 1);
    EXPECT_EQ(coverage.bytes(reason), bytes + 1);
    sum += bytes + 1;
    EXPECT_EQ(coverage.seen_bytes(), sum);
  }
}

TEST(Coverage, LosesNothingBetweenThreads) {
  Coverage coverage;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10000; ++n) coverage.Add(Reason::kScanned, 3);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(coverage.seen_bytes(), 4u * 10000 * 3);
}

TEST(Coverage, EveryReasonHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const Reason reason : AllReasons()) {
    const std::string_view name = ReasonName(reason);
    EXPECT_NE(name, "unknown");
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(OutcomeName(reason), name.substr(0, name.find('.')));
  }
  EXPECT_EQ(OutcomeName(Reason::kScanned), "scanned");
  EXPECT_EQ(OutcomeName(Reason::kShedFlowTableFull), "shed");
  EXPECT_EQ(ReasonName(Reason::kSampledOutFlow), "sampled_out.flow_hash");
}

TEST(Part, HasTheNamesOfTheContract) {
  EXPECT_EQ(PartName(Part::kRequestTarget), "request_target");
  EXPECT_EQ(PartName(Part::kRequestHeaders), "request_headers");
  EXPECT_EQ(PartName(Part::kRequestBody), "request_body");
  EXPECT_EQ(PartName(Part::kResponseHeaders), "response_headers");
  EXPECT_EQ(PartName(Part::kResponseBody), "response_body");
  EXPECT_EQ(PartName(Part::kStream), "stream");
  EXPECT_EQ(PartName(Part::kLine), "line");
}

}  // namespace
}  // namespace skimwatch::traffic
