#ifndef SKIMWATCH_AGENT_PIPELINE_DESTINATION_REPORTER_H_
#define SKIMWATCH_AGENT_PIPELINE_DESTINATION_REPORTER_H_

#include "agent/pipeline/finding_writer.h"
#include "agent/traffic/destination/destination_monitor.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::pipeline {

// The finding that an event of a destination makes.
v1::Finding BuildFinding(const traffic::DestinationEvent& event);

// Turns what the destination monitor tells into findings. Thread-safe; `writer` must outlive it.
class DestinationReporter final : public traffic::DestinationEventSink {
 public:
  explicit DestinationReporter(FindingWriter& writer) : writer_(writer) {}

  void OnDestinationEvent(const traffic::DestinationEvent& event) override {
    writer_.Add(BuildFinding(event));
  }
  void FlushEvents() override { writer_.Flush(); }

 private:
  FindingWriter& writer_;
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_DESTINATION_REPORTER_H_
