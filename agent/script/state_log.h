#ifndef SKIMWATCH_AGENT_SCRIPT_STATE_LOG_H_
#define SKIMWATCH_AGENT_SCRIPT_STATE_LOG_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace skimwatch::script {

// What changed in a web root's state since it was written whole, so that a change among a million
// files costs one write and not a million. A file beside the state: the magic `SKWL`, a format
// version (1, one byte), three zero bytes, the generation of the state that it goes on from (8
// bytes, little-endian), then records, each the size of its content and the CRC-32 of that (4
// bytes each, little-endian) and the content. It ends where a record is cut off or damaged: the
// rest is as if it had not been written, and is found by the next look.
//
// Thread-compatible.
class StateLog {
 public:
  explicit StateLog(std::string path) : path_(std::move(path)) {}
  ~StateLog();
  StateLog(const StateLog&) = delete;
  StateLog& operator=(const StateLog&) = delete;

  // Calls `on_record` for each record of a log of that generation, in order, and is ready to append
  // behind the last. One of another generation, or none, leaves it closed; an error is one of
  // reading.
  absl::Status Replay(uint64_t generation,
                      const std::function<void(std::string_view record)>& on_record);
  // Empties it, to go on from a state of that generation.
  absl::Status Begin(uint64_t generation);
  // Durable when it returns. After an error it is closed.
  absl::Status Append(const std::vector<std::string>& records);

  void Close();

  bool is_open() const { return fd_ >= 0; }
  uint64_t bytes() const { return bytes_; }

 private:
  const std::string path_;
  int fd_ = -1;
  uint64_t bytes_ = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_STATE_LOG_H_
