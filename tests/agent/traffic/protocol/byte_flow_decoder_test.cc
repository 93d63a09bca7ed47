#include "agent/traffic/protocol/byte_flow_decoder.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/support/recording_sink.h"

namespace skimwatch::traffic::testing {
namespace {

using ::testing::AnyOf;
using ::testing::DoubleEq;

constexpr char kRequest[] =
    "POST /pay HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\n\r\nbody";
constexpr char kResponse[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

std::shared_ptr<const SiteMap> Sites() {
  google::protobuf::RepeatedPtrField<config::v1::Site> sites;
  config::v1::Site& shop = *sites.Add();
  shop.set_name("shop");
  shop.add_hosts("shop.example");
  shop.add_services("192.0.2.10:443");
  return SiteMap::Create(sites, nullptr).value();
}

TrafficDecoderOptions Options(bool scan_inbound, double flow_ratio = 1) {
  TrafficDecoderOptions options;
  options.source = SourceKind::kTlsProbe;
  options.default_site = "fallback";
  options.scan_inbound = scan_inbound;
  if (flow_ratio < 1) options.sampler = FlowSampler::WithShare(flow_ratio);
  return options;
}

ByteFlow Outbound() {
  return {.client = {"192.0.2.10", 51000},
          .server = {"198.51.100.20", 443},
          .process = std::make_shared<const Process>(Process{.pid = 7, .command = "php"}),
          .server_name = "api.example"};
}

class ByteFlows : public ::testing::Test {
 protected:
  ByteFlowDecoder& Decoder(const TrafficDecoderOptions& options) {
    decoder_ = std::make_unique<ByteFlowDecoder>(options, Sites(), coverage_, sink_);
    return *decoder_;
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  Coverage coverage_;
  RecordingSink sink_;
  std::unique_ptr<ByteFlowDecoder> decoder_;
};

TEST_F(ByteFlows, CarryTheProcessAndTheServersName) {
  ByteFlowDecoder& decoder = Decoder(Options(false));
  decoder.OnOpen(1, Outbound(), now_);
  decoder.OnData(1, true, kRequest, now_);
  decoder.OnEnd(1, now_);
  const RecordedPart part = sink_.parts(Part::kRequestBody).at(0);
  EXPECT_EQ(part.bytes, "body");
  EXPECT_EQ(part.provenance.process->command, "php");
  EXPECT_EQ(part.provenance.server_name, "api.example");
  EXPECT_EQ(part.provenance.host, "shop.example") << "the request's own";
  EXPECT_EQ(part.provenance.site, "shop");
  EXPECT_EQ(part.provenance.direction, Direction::kOutboundRequest);
  EXPECT_EQ(part.provenance.server.ip, "198.51.100.20");
}

TEST_F(ByteFlows, TakeTheServersNameForAHostThatTheBytesDoNotTell) {
  ByteFlowDecoder& decoder = Decoder(Options(false));
  ByteFlow flow = Outbound();
  flow.server_name = "shop.example";
  decoder.OnOpen(1, flow, now_);
  decoder.OnData(1, true, "\x01no protocol", now_);
  decoder.OnEnd(1, now_);
  const RecordedPart part = sink_.parts(Part::kStream).at(0);
  EXPECT_EQ(part.provenance.host, "shop.example");
  EXPECT_EQ(part.provenance.site, "shop");
}

TEST_F(ByteFlows, LearnFromTheContentWhichEndIsTheClient) {
  ByteFlowDecoder& decoder = Decoder(Options(true));
  // The process on this host turns out to be the server.
  ByteFlow flow{
      .client = {"192.0.2.10", 443}, .server = {"203.0.113.7", 40000}, .client_is_known = false};
  decoder.OnOpen(1, flow, now_);
  decoder.OnData(1, false, kRequest, now_);
  decoder.OnData(1, true, kResponse, now_);
  decoder.OnEnd(1, now_);
  const RecordedPart request = sink_.parts(Part::kRequestBody).at(0);
  EXPECT_EQ(request.provenance.direction, Direction::kInboundRequest);
  EXPECT_EQ(request.provenance.client.ip, "203.0.113.7");
  EXPECT_EQ(request.provenance.site, "shop");
  const RecordedPart response = sink_.parts(Part::kResponseBody).at(0);
  EXPECT_EQ(response.provenance.direction, Direction::kOutboundResponse);
  EXPECT_EQ(response.provenance.server.ip, "192.0.2.10");
  EXPECT_EQ(response.provenance.path, "/pay");
}

TEST_F(ByteFlows, ScanNoAnswersFromElsewhereUnlessAsked) {
  ByteFlowDecoder& decoder = Decoder(Options(false));
  // An address of a service of this host, as somebody else's network may use it.
  ByteFlow flow = Outbound();
  flow.server = {"192.0.2.10", 443};
  decoder.OnOpen(1, flow, now_);
  decoder.OnData(1, true, kRequest, now_);
  decoder.OnData(1, false, kResponse, now_);
  decoder.OnEnd(1, now_);
  EXPECT_EQ(sink_.parts(Part::kRequestBody).size(), 1u);
  EXPECT_TRUE(sink_.parts(Part::kResponseBody).empty());
  EXPECT_EQ(coverage_.bytes(Reason::kScanned), sizeof(kRequest) - 1);
  EXPECT_EQ(coverage_.bytes(Reason::kInbound), sizeof(kResponse) - 1);
}

TEST_F(ByteFlows, LeaveAddressesEmptyThatAreNotKnown) {
  ByteFlowDecoder& decoder = Decoder(Options(false));
  ByteFlow flow = Outbound();
  flow.client = flow.server = Address();
  decoder.OnOpen(1, flow, now_);
  decoder.OnData(1, true, kRequest, now_);
  decoder.OnEnd(1, now_);
  EXPECT_EQ(sink_.parts(Part::kRequestBody).at(0).provenance.server.ip, "");
}

TEST_F(ByteFlows, AreSampledAsAWholeAndCounted) {
  ByteFlowDecoder& decoder = Decoder(Options(false, 0.5));
  constexpr uint64_t kFlows = 400;
  for (uint64_t id = 1; id <= kFlows; ++id) {
    ByteFlow flow = Outbound();
    flow.client.port = static_cast<uint16_t>(1000 + id);
    decoder.OnOpen(id, flow, now_);
    decoder.OnData(id, true, kRequest, now_);
    decoder.OnShed(id, true, 10, now_);
    decoder.OnEnd(id, now_);
  }
  const uint64_t out = decoder.stats().flows_sampled_out;
  // Five standard deviations.
  EXPECT_NEAR(static_cast<double>(out), kFlows / 2.0, 50);
  EXPECT_EQ(sink_.parts(Part::kRequestBody).size(), kFlows - out);
  EXPECT_EQ(coverage_.bytes(Reason::kSampledOutFlow), out * (sizeof(kRequest) - 1));
  EXPECT_EQ(coverage_.bytes(Reason::kScanned), (kFlows - out) * (sizeof(kRequest) - 1));
  EXPECT_EQ(sink_.parts(Part::kRequestBody).at(0).provenance.sampling_probability, 0.5);
}

TEST_F(ByteFlows, OfWhichEndpointsAreNotAllKnownAreUnitsOfTheirOwn) {
  ByteFlowDecoder& decoder = Decoder(Options(false));
  std::set<uint64_t> units;
  for (uint64_t id = 1; id <= 3; ++id) {
    ByteFlow flow = Outbound();
    flow.client.port = 0;
    decoder.OnOpen(id, flow, now_);
    decoder.OnData(id, true, kRequest, now_);
    decoder.OnEnd(id, now_);
    units.insert(sink_.parts(Part::kRequestBody).back().provenance.sampling_unit);
  }
  EXPECT_EQ(units.size(), 3u);
}

TEST_F(ByteFlows, KeepWhatTheSourceDrewInEveryWindowOfABody) {
  TrafficDecoderOptions options = Options(false);
  // Nearly all windows.
  options.sampler = FlowSampler::WithShare(0.999);
  ByteFlowDecoder& decoder = Decoder(options);
  ByteFlow flow = Outbound();
  flow.sampling_probability = 0.1;
  decoder.OnOpen(1, flow, now_);
  decoder.OnData(1, true,
                 "POST /dump HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 8388608\r\n\r\n",
                 now_);
  for (int i = 0; i < 8; ++i) decoder.OnData(1, true, std::string(1 << 20, 'x'), now_);
  decoder.OnEnd(1, now_);
  const std::vector<RecordedPart> parts = sink_.parts(Part::kRequestBody);
  ASSERT_GT(parts.size(), 2u);
  for (const RecordedPart& part : parts) {
    // Of the source, of the flow, and where it is another draw than the flow's, of the window.
    EXPECT_THAT(part.provenance.sampling_probability,
                AnyOf(DoubleEq(0.1 * 0.999), DoubleEq(0.1 * 0.999 * 0.999)));
  }
}

}  // namespace
}  // namespace skimwatch::traffic::testing
