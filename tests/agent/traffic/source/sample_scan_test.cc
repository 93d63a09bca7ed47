#include "agent/traffic/source/sample_scan.h"

#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/samples.h"

namespace skimwatch::traffic {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SampleScanTest : public ::testing::Test {
 protected:
  absl::Status Take(const v1::Sample& sample, uint64_t writer = 1) {
    return scan_.Take(writer, sample.SerializeAsString(), now_);
  }
  static v1::Sample Stream(const std::string& data, v1::Direction direction, uint64_t flow = 0) {
    v1::Sample sample;
    sample.set_data(data);
    sample.set_direction(direction);
    sample.set_flow_id(flow);
    return sample;
  }
  const Provenance& FirstProvenance() const { return target_.sink.messages().front().provenance; }

  const absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  Coverage coverage_;
  RecordingTarget target_;
  SampleScan scan_{ScanOptionsFor("fallback"), coverage_, target_};
};

TEST_F(SampleScanTest, LinesAreAtRestUnlessTheySayOtherwise) {
  ASSERT_TRUE(Take(LineOf("a line of a log")).ok());
  v1::Sample sample = LineOf("another line");
  sample.set_file("/var/log/shop.log");
  ASSERT_TRUE(Take(sample).ok());
  EXPECT_THAT(target_.sink.texts(), ElementsAre("a line of a log", "another line"));
  const auto& messages = target_.sink.messages();
  EXPECT_EQ(messages.front().part, Part::kLine);
  EXPECT_EQ(FirstProvenance().source, SourceKind::kSample);
  EXPECT_EQ(FirstProvenance().direction, Direction::kAtRest);
  EXPECT_EQ(FirstProvenance().file, "samples:test");
  EXPECT_EQ(FirstProvenance().site, "fallback");
  EXPECT_EQ(FirstProvenance().seen_at, now_);
  EXPECT_EQ(FirstProvenance().sampling_probability, 1.0);
  EXPECT_EQ(messages.back().provenance.file, "/var/log/shop.log");
  EXPECT_EQ(coverage_.bytes(Reason::kScanned), 27u);
}

TEST_F(SampleScanTest, AMessageCarriesItsProvenance) {
  v1::Sample sample;
  sample.set_form(v1::Sample::FORM_MESSAGE);
  sample.set_data("the whole of it");
  sample.mutable_time()->set_seconds(1'600'000'000);
  sample.set_sampling_probability(0.25);
  sample.mutable_client()->set_address("2001:DB8::1");
  sample.mutable_client()->set_port(5000);
  sample.mutable_server()->set_address("198.51.100.7");
  sample.mutable_server()->set_port(443);
  sample.mutable_process()->set_pid(42);
  sample.mutable_process()->set_executable("/usr/bin/php");
  sample.set_host("WWW.Shop.Example");
  sample.set_server_name("Shop.Example");
  sample.set_method("POST");
  sample.set_path("/collect/it");
  sample.set_content_type("Application/JSON");
  ASSERT_TRUE(Take(sample).ok());
  EXPECT_THAT(target_.sink.texts(), ElementsAre("/collect/it", "the whole of it"));
  EXPECT_EQ(target_.sink.messages().front().part, Part::kRequestTarget);
  EXPECT_EQ(target_.sink.messages().back().part, Part::kMessage);
  const Provenance& provenance = FirstProvenance();
  EXPECT_EQ(provenance.direction, Direction::kOutboundRequest);
  EXPECT_EQ(provenance.client.ip, "2001:db8::1");
  EXPECT_EQ(provenance.server.port, 443);
  EXPECT_EQ(provenance.host, "www.shop.example");
  EXPECT_EQ(provenance.server_name, "shop.example");
  EXPECT_EQ(provenance.method, "POST");
  EXPECT_EQ(provenance.path, "/collect/it");
  EXPECT_EQ(provenance.content_type, "application/json");
  EXPECT_EQ(provenance.process->pid, 42u);
  EXPECT_EQ(provenance.process->executable, "/usr/bin/php");
  EXPECT_EQ(provenance.seen_at, absl::FromUnixSeconds(1'600'000'000));
  EXPECT_EQ(provenance.sampling_probability, 0.25);
}

TEST_F(SampleScanTest, EachMessageAndFlowIsAUnitOfItsOwn) {
  SampleScan other(ScanOptionsFor("fallback"), coverage_, target_);
  v1::Sample sample = LineOf("a line of a log");
  sample.set_sampling_probability(0.1);
  v1::Sample message = sample;
  message.set_form(v1::Sample::FORM_MESSAGE);
  message.set_path("/collect/it");
  v1::Sample stream = sample;
  stream.set_form(v1::Sample::FORM_STREAM);
  stream.set_direction(v1::DIRECTION_AT_REST);
  for (SampleScan* scan : {&scan_, &other}) {
    for (const v1::Sample* one : {&sample, &message, &stream}) {
      for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(scan->Take(1, one->SerializeAsString(), now_).ok());
      }
    }
  }
  std::set<uint64_t> units;
  std::set<uint64_t> messages;
  for (const RecordingSink::Message& seen : target_.sink.messages()) {
    EXPECT_EQ(seen.provenance.sampling_probability, 0.1);
    units.insert(seen.provenance.sampling_unit);
    // What tells where a message goes is of its unit.
    if (seen.part == Part::kRequestTarget) messages.insert(seen.provenance.sampling_unit);
  }
  EXPECT_EQ(units.size(), 600u);
  EXPECT_EQ(messages.size(), 200u);
}

TEST_F(SampleScanTest, HostsAndServicesTellTheSite) {
  v1::Sample sample;
  sample.set_form(v1::Sample::FORM_MESSAGE);
  sample.set_data("data of the shop");
  sample.set_host("shop.example");
  ASSERT_TRUE(Take(sample).ok());
  EXPECT_EQ(FirstProvenance().site, "shop");
  target_.sink.Clear();
  sample.clear_host();
  sample.mutable_server()->set_address("192.0.2.1");
  sample.mutable_server()->set_port(443);
  ASSERT_TRUE(Take(sample).ok());
  EXPECT_EQ(FirstProvenance().site, "shop");
}

TEST_F(SampleScanTest, SamplesOfOneFlowAreOneStream) {
  v1::Sample first = Stream("GET / HT", v1::DIRECTION_OUTBOUND_REQUEST, 7);
  first.mutable_server()->set_address("198.51.100.7");
  first.set_server_name("Chat.Example");
  first.set_sampling_probability(0.5);
  ASSERT_TRUE(Take(first).ok());
  // Another writer's flow of the same number is another flow.
  ASSERT_TRUE(Take(Stream("other", v1::DIRECTION_OUTBOUND_REQUEST, 7), 2).ok());
  ASSERT_TRUE(Take(Stream("HTTP/1.1 200", v1::DIRECTION_INBOUND_RESPONSE, 7)).ok());
  v1::Sample last = Stream("TP/1.1\r\n", v1::DIRECTION_OUTBOUND_REQUEST, 7);
  last.set_missing_bytes(5);
  last.set_flow_ends(true);
  ASSERT_TRUE(Take(last).ok());
  const std::vector<FlowRecorder::Flow> flows = target_.flow_recorder.flows();
  ASSERT_THAT(flows, SizeIs(2));
  EXPECT_EQ(flows[0].from_client, "GET / HTTP/1.1\r\n");
  EXPECT_EQ(flows[0].from_server, "HTTP/1.1 200");
  EXPECT_EQ(flows[0].shed_bytes, 5u);
  EXPECT_TRUE(flows[0].ended);
  EXPECT_TRUE(flows[0].info.is_outbound);
  EXPECT_EQ(flows[0].info.server.ip, "198.51.100.7");
  EXPECT_EQ(flows[0].info.server_name, "chat.example");
  EXPECT_EQ(flows[0].info.sampling_probability, 0.5);
  EXPECT_FALSE(flows[1].ended);
  scan_.EndWriter(2, now_);
  EXPECT_TRUE(target_.flow_recorder.flows()[1].ended);
  EXPECT_EQ(scan_.stats().flows_open, 0u);
  EXPECT_EQ(scan_.stats().flows, 2u);
}

TEST_F(SampleScanTest, DirectionsTellWhoSpeaks) {
  ASSERT_TRUE(Take(Stream("asked", v1::DIRECTION_INBOUND_REQUEST, 1)).ok());
  ASSERT_TRUE(Take(Stream("given", v1::DIRECTION_OUTBOUND_RESPONSE, 1)).ok());
  ASSERT_TRUE(Take(Stream("unsaid", v1::DIRECTION_UNSPECIFIED)).ok());
  const std::vector<FlowRecorder::Flow> flows = target_.flow_recorder.flows();
  ASSERT_THAT(flows, SizeIs(2));
  EXPECT_FALSE(flows[0].info.is_outbound);
  EXPECT_EQ(flows[0].from_client, "asked");
  EXPECT_EQ(flows[0].from_server, "given");
  // Without an id, a flow of its own.
  EXPECT_TRUE(flows[1].info.is_outbound);
  EXPECT_EQ(flows[1].from_client, "unsaid");
  EXPECT_TRUE(flows[1].ended);
}

TEST_F(SampleScanTest, StreamsAtRestAreScannedAsTheyStand) {
  v1::Sample sample = Stream("4111 1111 ", v1::DIRECTION_AT_REST, 3);
  sample.set_file("queue/1");
  ASSERT_TRUE(Take(sample).ok());
  ASSERT_TRUE(Take(Stream("1111 1111", v1::DIRECTION_AT_REST, 3)).ok());
  EXPECT_THAT(target_.sink.texts(), ElementsAre("4111 1111 1111 1111"));
  EXPECT_EQ(target_.sink.messages().front().part, Part::kStream);
  EXPECT_EQ(FirstProvenance().file, "queue/1");
  EXPECT_FALSE(target_.sink.messages().front().ended);
  scan_.Flush(now_);
  EXPECT_TRUE(target_.sink.messages().front().ended);
  EXPECT_EQ(coverage_.bytes(Reason::kScanned), 19u);
}

TEST_F(SampleScanTest, InboundMessagesAreCountedAndLeft) {
  v1::Sample sample;
  sample.set_form(v1::Sample::FORM_MESSAGE);
  sample.set_direction(v1::DIRECTION_INBOUND_REQUEST);
  sample.set_data("a shopper's own");
  ASSERT_TRUE(Take(sample).ok());
  EXPECT_THAT(target_.sink.texts(), IsEmpty());
  EXPECT_EQ(coverage_.bytes(Reason::kInbound), 15u);
  SampleScan::Options options = ScanOptionsFor("shop");
  options.scan_inbound = true;
  SampleScan scans(options, coverage_, target_);
  ASSERT_TRUE(scans.Take(1, sample.SerializeAsString(), now_).ok());
  EXPECT_THAT(target_.sink.texts(), ElementsAre("a shopper's own"));
}

TEST_F(SampleScanTest, RefusesWhatMakesNoSense) {
  const std::vector<std::pair<std::function<void(v1::Sample&)>, std::string>> cases = {
      {[](v1::Sample& s) { s.set_sampling_probability(1.5); }, "sampling_probability"},
      {[](v1::Sample& s) { s.set_sampling_probability(-0.1); }, "sampling_probability"},
      {[](v1::Sample& s) { s.set_sampling_probability(NAN); }, "sampling_probability"},
      {[](v1::Sample& s) { s.set_form(static_cast<v1::Sample::Form>(99)); }, "form"},
      {[](v1::Sample& s) { s.set_direction(static_cast<v1::Direction>(99)); }, "direction"},
      {[](v1::Sample& s) { s.mutable_client()->set_port(65536); }, "port"},
      {[](v1::Sample& s) { s.mutable_server()->set_address("localhost"); }, "address"}};
  uint64_t bytes = 0;
  for (const auto& [change, field] : cases) {
    v1::Sample sample = LineOf("a line of a log");
    change(sample);
    bytes += sample.ByteSizeLong();
    const absl::Status status = Take(sample);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << field;
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  }
  EXPECT_FALSE(scan_.Take(1, "no protobuf at all", now_).ok());
  EXPECT_EQ(scan_.stats().invalid, cases.size() + 1);
  EXPECT_EQ(scan_.stats().samples, 0u);
  EXPECT_EQ(coverage_.bytes(Reason::kUndecodableSample), bytes + 18);
  EXPECT_THAT(target_.sink.texts(), IsEmpty());
}

TEST_F(SampleScanTest, ATimeStillToComeIsNotBelieved) {
  v1::Sample sample = LineOf("a line of a log");
  for (const int64_t seconds : {absl::ToUnixSeconds(now_) + 100, INT64_MAX, INT64_MIN}) {
    sample.mutable_time()->set_seconds(seconds);
    target_.sink.Clear();
    ASSERT_TRUE(Take(sample).ok());
    EXPECT_EQ(FirstProvenance().seen_at, now_);
  }
}

TEST_F(SampleScanTest, TheMostSilentFlowMakesRoom) {
  SampleScan::Options options = ScanOptionsFor("shop");
  options.flows_max = 3;
  SampleScan scan(options, coverage_, target_);
  const auto take = [&](uint64_t flow) {
    const v1::Sample sample = Stream("x", v1::DIRECTION_OUTBOUND_REQUEST, flow);
    ASSERT_TRUE(scan.Take(1, sample.SerializeAsString(), now_).ok());
  };
  for (const uint64_t flow : {1, 2, 3, 1, 4}) take(flow);
  const std::vector<FlowRecorder::Flow> flows = target_.flow_recorder.flows();
  ASSERT_THAT(flows, SizeIs(4));
  EXPECT_FALSE(flows[0].ended);
  EXPECT_TRUE(flows[1].ended);
  EXPECT_FALSE(flows[2].ended);
  EXPECT_EQ(scan.stats().flows_open, 3u);
  // Silence ends the others.
  scan.OnIdle(now_ + options.flow_idle);
  EXPECT_EQ(scan.stats().flows_open, 3u);
  scan.OnIdle(now_ + options.flow_idle + absl::Seconds(1));
  EXPECT_EQ(scan.stats().flows_open, 0u);
}

}  // namespace
}  // namespace skimwatch::traffic
