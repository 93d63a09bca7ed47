#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_RECORDING_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_RECORDING_H_

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/traffic/message.h"
#include "agent/traffic/packet.h"

namespace skimwatch::traffic {

// What PacketHandlers were given. Thread-safe, so that a test can await packets of a live source.
class PacketRecorder {
 public:
  struct Packet {
    LinkType link;
    std::string bytes;
    uint32_t wire_bytes;
    absl::Time time;
    // Number of the handler that took it.
    uint32_t handler;
  };

  // The recorder must outlive its handlers.
  std::unique_ptr<PacketHandler> MakeHandler(uint32_t number = 0);

  std::vector<Packet> packets() const;
  // Waits until a packet holds for which `wanted`; false after ten seconds.
  bool Await(const std::function<bool(const Packet&)>& wanted) const;
  bool AwaitIdle() const;

  int flushes() const;
  int idles() const;
  // Handlers that exist.
  int handlers() const;
  // Whether a handler was called on two threads, or after Flush.
  bool misused() const;

 private:
  class Handler;

  mutable absl::Mutex mutex_;
  std::vector<Packet> packets_ ABSL_GUARDED_BY(mutex_);
  int flushes_ ABSL_GUARDED_BY(mutex_) = 0;
  int idles_ ABSL_GUARDED_BY(mutex_) = 0;
  int handlers_ ABSL_GUARDED_BY(mutex_) = 0;
  bool misused_ ABSL_GUARDED_BY(mutex_) = false;
};

// A sink that keeps all parts. Not thread-safe but for one source's thread at a time; read it after
// the source has stopped, or use `on_end`.
class RecordingSink : public MessageSink {
 public:
  struct Message {
    Provenance provenance;
    Part part = Part::kStream;
    // One a Data() call.
    std::vector<std::string> pieces;
    int gaps = 0;
    bool ended = false;

    std::string text() const;
  };

  PartConsumer* BeginPart(const Provenance& provenance, Part part) override;

  // Stays valid over BeginPart.
  const std::list<Message>& messages() const { return messages_; }
  // The text of each part, in the order of their beginning.
  std::vector<std::string> texts() const;
  // Forgets parts that are over, and what came of others.
  void Clear();

  // Called with each part at its End. May be null.
  std::function<void(const Message&)> on_end;

 private:
  class Consumer;

  std::list<Message> messages_;
  std::list<std::unique_ptr<PartConsumer>> consumers_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_RECORDING_H_
