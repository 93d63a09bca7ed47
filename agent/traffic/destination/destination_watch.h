#ifndef SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_WATCH_H_
#define SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_WATCH_H_

#include <memory>
#include <vector>

#include "agent/traffic/destination/destination_monitor.h"
#include "agent/traffic/message.h"

namespace skimwatch::traffic {

// Stands between a source's decoder and what takes its messages: tells the monitor where they go,
// how much is sent, and what of it can't be read. One a source's thread; thread-compatible.
class DestinationWatch final : public MessageSink {
 public:
  // Without a `monitor` (null) it only passes on. Both must outlive it.
  DestinationWatch(DestinationMonitor* monitor, MessageSink& next);
  ~DestinationWatch() override;

  PartConsumer* BeginPart(const Provenance& provenance, Part part) override;

 private:
  class Consumer;

  DestinationMonitor* const monitor_;
  MessageSink& next_;
  std::vector<std::unique_ptr<Consumer>> consumers_;
  std::vector<Consumer*> free_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_WATCH_H_
