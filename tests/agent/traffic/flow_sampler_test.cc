#include "agent/traffic/flow_sampler.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/traffic/sip_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

Endpoint EndpointOf(uint32_t i) {
  const uint8_t address[4] = {10, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8),
                              static_cast<uint8_t>(i)};
  return {IpAddress::V4(address), static_cast<uint16_t>(i * 7 + 1024)};
}

Endpoint Server() { return {*IpAddress::Parse("192.0.2.1"), 443}; }

bool Chooses(const FlowSampler& sampler, uint32_t flow, Priority priority = Priority::kNormal) {
  return sampler.Decide(sampler.UnitOf(EndpointOf(flow), Server()), priority).chosen;
}

// The vectors of the reference implementation (github.com/veorq/SipHash, vectors.h): bytes 0, 1,
// 2, ... under the key of bytes 0 to 15.
TEST(SipHash, GivesTheReferenceValues) {
  constexpr SipKey kKey = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string input;
  for (char c = 0; c < 15; ++c) input.push_back(c);
  EXPECT_EQ(SipHash(kKey, ""), 0x726fdb47dd0e0e31U);
  EXPECT_EQ(SipHash(kKey, std::string_view(input).substr(0, 1)), 0x74f839c593dc67fdU);
  EXPECT_EQ(SipHash(kKey, std::string_view(input).substr(0, 8)), 0x93f5f5799a932462U);
  EXPECT_EQ(SipHash(kKey, input), 0xa129ca6149be45e5U);
}

TEST(FlowSampler, ChoosesTheShareThatItIsAskedFor) {
  for (double share : {0.01, 0.1, 0.5, 0.9}) {
    const auto sampler = FlowSampler::WithShare(share);
    int chosen = 0;
    constexpr int kFlows = 100'000;
    for (uint32_t i = 0; i < kFlows; ++i) chosen += Chooses(*sampler, i) ? 1 : 0;
    // Five standard deviations.
    EXPECT_NEAR(chosen, kFlows * share, 5 * std::sqrt(kFlows * share * (1 - share)));
  }
}

TEST(FlowSampler, DrawsForBothDirectionsAlike) {
  const auto sampler = FlowSampler::WithShare(0.5);
  for (uint32_t i = 0; i < 1000; ++i) {
    const Endpoint a = EndpointOf(i);
    const Endpoint b = EndpointOf(i * 31 + 5);
    EXPECT_EQ(sampler->UnitOf(a, b), sampler->UnitOf(b, a));
  }
}

TEST(FlowSampler, KeepsWhatItChoseWhenTheShareGrows) {
  const auto small = FlowSampler::WithShare(0.1);
  const auto great = FlowSampler::WithShare(0.5);
  for (uint32_t i = 0; i < 20'000; ++i) {
    EXPECT_LE(Chooses(*small, i), Chooses(*great, i));
  }
}

TEST(FlowSampler, ChoosesByItsKey) {
  const FlowSampler one({1, 2}, {0.5, 0.5, 0.5});
  const FlowSampler again({1, 2}, {0.5, 0.5, 0.5});
  const FlowSampler other({1, 3}, {0.5, 0.5, 0.5});
  int differ = 0;
  for (uint32_t i = 0; i < 10'000; ++i) {
    EXPECT_EQ(Chooses(one, i), Chooses(again, i));
    differ += Chooses(one, i) != Chooses(other, i) ? 1 : 0;
  }
  EXPECT_NEAR(differ, 5000, 250);
}

TEST(FlowSampler, AgreesWithAgentsOfOtherVersions) {
  // A change here means that an agent chooses other flows after an update.
  const FlowSampler sampler({0x0706050403020100, 0x0f0e0d0c0b0a0908});
  EXPECT_EQ(sampler.UnitOf(EndpointOf(1), Server()), sampler.UnitOf(Server(), EndpointOf(1)));
  std::string bytes;
  for (const Endpoint& end : {EndpointOf(1), Server()}) {
    for (const uint8_t byte : end.ip.bytes()) bytes.push_back(static_cast<char>(byte));
    bytes.push_back(static_cast<char>(end.port >> 8));
    bytes.push_back(static_cast<char>(end.port));
  }
  EXPECT_EQ(sampler.UnitOf(EndpointOf(1), Server()),
            SipHash({0x0706050403020100, 0x0f0e0d0c0b0a0908}, bytes));
}

TEST(FlowSampler, HasAShareForEachPriority) {
  const FlowSampler sampler({1, 2}, {0.01, 0.2, 1});
  int low = 0, normal = 0;
  for (uint32_t i = 0; i < 10'000; ++i) {
    low += Chooses(sampler, i, Priority::kLow) ? 1 : 0;
    normal += Chooses(sampler, i) ? 1 : 0;
    EXPECT_TRUE(Chooses(sampler, i, Priority::kHigh));
    // What is scanned at low priority is scanned at every other.
    EXPECT_LE(Chooses(sampler, i, Priority::kLow), Chooses(sampler, i));
  }
  EXPECT_NEAR(low, 100, 50);
  EXPECT_NEAR(normal, 2000, 200);
  EXPECT_EQ(sampler.Decide(0, Priority::kNormal).probability, 0.2);
}

TEST(FlowSampler, DrawsForEachWindowAnew) {
  const auto sampler = FlowSampler::WithShare(0.25);
  int chosen = 0;
  for (uint64_t window = 1; window <= 10'000; ++window) {
    const uint64_t unit = sampler->UnitOfWindow(42, 0, window);
    EXPECT_NE(unit, sampler->UnitOfWindow(42, 1, window));
    EXPECT_NE(unit, sampler->UnitOfWindow(43, 0, window));
    chosen += sampler->Decide(unit, Priority::kNormal).chosen ? 1 : 0;
  }
  EXPECT_NEAR(chosen, 2500, 220);
}

struct ClassCase {
  std::string_view name;
  SampledMessage message;
  Priority expected;
};

TEST(SamplingClasses, KnowWhatMattersByThemselves) {
  SamplingClasses::ExpectedFlows flows;
  v1::ExpectedFlow& processor = *flows.Add();
  processor.set_host("api.processor.example");
  processor.set_path_prefix("/v1/charges");
  const auto classes = SamplingClasses::Create({}, {&flows});
  const ClassCase cases[] = {
      {"page", {.host = "shop.example", .path = "/shoes"}, Priority::kNormal},
      {"checkout", {.path = "/en/Checkout/step2"}, Priority::kHigh},
      {"order", {.path = "/order/17"}, Priority::kHigh},
      {"border", {.path = "/recorder"}, Priority::kNormal},
      {"expected", {.host = "api.processor.example", .path = "/v1/charges/ch_1"}, Priority::kHigh},
      {"not expected", {.host = "api.processor.example", .path = "/v2"}, Priority::kNormal},
      {"image", {.path = "/a", .content_type = "image/png", .body_bytes = 100'000}, Priority::kLow},
      {"small image",
       {.path = "/a", .content_type = "image/png", .body_bytes = 10'000},
       Priority::kNormal},
      {"no length", {.path = "/a", .content_type = "image/png"}, Priority::kNormal},
      {"archive",
       {.path = "/a", .content_type = "application/zip", .body_bytes = 1 << 20},
       Priority::kLow},
      {"json",
       {.path = "/a", .content_type = "application/json", .body_bytes = 1 << 20},
       Priority::kNormal},
      {"image of a checkout",
       {.path = "/checkout/i", .content_type = "image/png", .body_bytes = 100'000},
       Priority::kHigh},
  };
  for (const ClassCase& one : cases) {
    EXPECT_EQ(classes->PriorityOf(one.message), one.expected) << one.name;
  }
}

TEST(SamplingClasses, TakeTheFirstThatMatchesInEveryField) {
  config::v1::Sampling config;
  config.set_built_in_classes(false);
  config::v1::SamplingClass& api = *config.add_classes();
  api.set_priority("high");
  api.add_sites("shop");
  api.add_hosts("*.example");
  api.add_destinations("198.51.100.*");
  api.set_direction("outbound");
  config::v1::SamplingClass& rest = *config.add_classes();
  rest.set_priority("low");
  rest.add_paths("/bulk/*");
  rest.add_paths("*.bin");
  const auto classes = SamplingClasses::Create(config, {});
  SampledMessage message = {.site = "shop",
                            .host = "a.example",
                            .path = "/bulk/1/2",
                            .server_address = "198.51.100.9",
                            .direction = Direction::kOutboundResponse};
  EXPECT_EQ(classes->PriorityOf(message), Priority::kHigh);
  message.direction = Direction::kInboundRequest;
  EXPECT_EQ(classes->PriorityOf(message), Priority::kLow);
  message.path = "/x.bin";
  EXPECT_EQ(classes->PriorityOf(message), Priority::kLow);
  message.path = "/checkout";
  EXPECT_EQ(classes->PriorityOf(message), Priority::kNormal);
}

}  // namespace
}  // namespace skimwatch::traffic
