#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_SAMPLES_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_SAMPLES_H_

#include <google/protobuf/util/delimited_message_util.h>

#include <memory>
#include <sstream>
#include <string>
#include <string_view>

#include "agent/traffic/source/sample_scan.h"
#include "skimwatch/v1/sample.pb.h"
#include "tests/agent/traffic/source/mirror/flow_recorder.h"
#include "tests/agent/traffic/support/recording.h"

namespace skimwatch::traffic {

// A sample as it goes over a socket, by protobuf's own writer.
inline std::string Delimited(const skimwatch::v1::Sample& sample) {
  std::ostringstream out;
  google::protobuf::util::SerializeDelimitedToOstream(sample, &out);
  return out.str();
}

inline skimwatch::v1::Sample LineOf(std::string_view text) {
  skimwatch::v1::Sample sample;
  sample.set_form(skimwatch::v1::Sample::FORM_LINE);
  sample.set_data(std::string(text));
  return sample;
}

inline std::string Line(std::string_view text) { return Delimited(LineOf(text)); }

// Keeps what samples become.
class RecordingTarget final : public SampleTarget {
 public:
  ByteFlowHandler& flows() override { return flow_recorder; }
  MessageSink& messages() override { return sink; }
  void Advance(absl::Time) override {}

  FlowRecorder flow_recorder;
  RecordingSink sink;
};

inline SampleScan::Options ScanOptionsFor(const std::string& site) {
  config::v1::AgentConfig config;
  config::v1::Site* shop = config.add_sites();
  shop->set_name("shop");
  shop->add_hosts("shop.example");
  shop->add_services("192.0.2.1:443");
  SampleScan::Options options;
  options.name = "samples:test";
  options.site = site;
  options.sites = *SiteMap::Create(config.sites(), nullptr);
  return options;
}

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_SAMPLES_H_
