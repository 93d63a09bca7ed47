#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_MIRROR_FLOW_RECORDER_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_MIRROR_FLOW_RECORDER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/traffic/byte_flow.h"

namespace skimwatch::traffic {

// What a source made of its flows. Thread-safe.
class FlowRecorder final : public ByteFlowHandler {
 public:
  struct Flow {
    ByteFlow info;
    std::string from_client;
    std::string from_server;
    uint64_t shed_bytes = 0;
    bool ended = false;
  };

  void OnOpen(uint64_t flow, const ByteFlow& info, absl::Time) override {
    absl::MutexLock lock(&mutex_);
    flows_[flow].info = info;
  }
  void OnData(uint64_t flow, bool from_client, std::string_view bytes, absl::Time) override {
    absl::MutexLock lock(&mutex_);
    if (hold_)
      mutex_.Await(absl::Condition(
          +[](bool* hold) { return !*hold; }, &hold_));
    (from_client ? flows_[flow].from_client : flows_[flow].from_server) += bytes;
  }
  void OnShed(uint64_t flow, bool, uint64_t bytes, absl::Time) override {
    absl::MutexLock lock(&mutex_);
    flows_[flow].shed_bytes += bytes;
  }
  void OnEnd(uint64_t flow, absl::Time) override {
    absl::MutexLock lock(&mutex_);
    flows_[flow].ended = true;
  }
  void OnIdle(absl::Time) override {}
  void Flush() override {
    absl::MutexLock lock(&mutex_);
    is_flushed_ = true;
  }

  // OnData does not return while it is held.
  void Hold(bool hold) {
    absl::MutexLock lock(&mutex_);
    hold_ = hold;
  }
  // In the order in which they were opened.
  std::vector<Flow> flows() const {
    absl::MutexLock lock(&mutex_);
    std::vector<Flow> flows;
    for (const auto& [id, flow] : flows_) flows.push_back(flow);
    return flows;
  }
  bool is_flushed() const {
    absl::MutexLock lock(&mutex_);
    return is_flushed_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<uint64_t, Flow> flows_ ABSL_GUARDED_BY(mutex_);
  bool hold_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_flushed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_MIRROR_FLOW_RECORDER_H_
