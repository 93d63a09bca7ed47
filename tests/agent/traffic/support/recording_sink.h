#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_RECORDING_SINK_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_RECORDING_SINK_H_

#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "agent/traffic/message.h"

namespace skimwatch::traffic::testing {

// A part as the sink was given it. `bytes` has kGapMark where something was missing.
struct RecordedPart {
  Provenance provenance;
  Part part = Part::kStream;
  std::string bytes;
  bool ended = false;
};

inline constexpr std::string_view kGapMark = "<gap>";

// `request_body POST shop.example/pay: ...`, for comparing.
std::string Describe(const RecordedPart& part);
std::ostream& operator<<(std::ostream& out, const RecordedPart& part);

// Keeps all parts, and fails the test when a part is used after its end.
class RecordingSink final : public MessageSink {
 public:
  PartConsumer* BeginPart(const Provenance& provenance, Part part) override;

  // In the order in which they began.
  std::vector<RecordedPart> parts() const;
  std::vector<RecordedPart> parts(Part part) const;
  // The bytes of the only part of that kind; a failed test and nothing where there is another
  // number of them.
  std::string only(Part part) const;
  std::vector<std::string> descriptions() const;

 private:
  class Recorder;
  std::vector<std::shared_ptr<Recorder>> recorders_;
};

}  // namespace skimwatch::traffic::testing

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_RECORDING_SINK_H_
