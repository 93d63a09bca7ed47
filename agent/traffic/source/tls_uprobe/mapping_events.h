#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_MAPPING_EVENTS_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_MAPPING_EVENTS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/traffic/source/tls_uprobe/mapped_files.h"

namespace skimwatch::traffic {

// The kernel's notice of every file that any process maps in order to execute it: programs as they
// start and libraries as they are loaded, then or later. PERF_RECORD_MMAP2 of perf_event_open(2),
// one ring a processor. Nothing is polled, and no process is asked.
//
// Thread-compatible. Needs CAP_PERFMON at Open only.
class MappingEvents {
 public:
  // PERMISSION_DENIED or the system's error, which says what failed.
  static absl::StatusOr<std::unique_ptr<MappingEvents>> Open();
  ~MappingEvents();
  MappingEvents(const MappingEvents&) = delete;
  MappingEvents& operator=(const MappingEvents&) = delete;

  // An epoll instance, readable when there are events.
  int fd() const { return epoll_; }
  // Takes what is there.
  void Read(const std::function<void(const FileMapping&)>& take);

  // Events that a ring had no room for: whoever relies on them must look at every process.
  uint64_t lost() const { return lost_; }

 private:
  struct Ring {
    int fd = -1;
    void* memory = nullptr;
  };

  MappingEvents() = default;
  absl::Status OpenRing(int processor);
  void ReadRing(const Ring& ring, const std::function<void(const FileMapping&)>& take);
  void TakeRecord(uint32_t type, const std::function<void(const FileMapping&)>& take);

  int epoll_ = -1;
  std::vector<Ring> rings_;
  // The record that is looked at, in one piece.
  std::vector<char> record_;
  uint64_t lost_ = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_MAPPING_EVENTS_H_
