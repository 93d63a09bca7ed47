#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_LOG_TAIL_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_LOG_TAIL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/message.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::traffic {

// Follows log files and passes each line to the sink as a part of its own (Part::kLine, direction
// kAtRest).
//
// Globs are looked at again and again, so new files are picked up, and read from their start; one
// that came and is renamed out of every glob between two looks, or while no LogTail runs, is not. A
// file that is renamed is read to its end before it is let go; one that shrinks or whose beginning
// changes was truncated and is read anew. A last line without its end waits for it, up to
// `partial_line_wait`. A line longer than `line_bytes_max` is passed as it comes, in pieces of one
// part, so that memory is bounded and nothing is cut.
//
// Folders, devices and pipes that a glob matches are left out; a file with several names is
// followed once.
//
// Positions are kept by device and inode in `state_file`, replaced atomically; after a restart
// reading goes on where it stopped, also in a file that was renamed meanwhile within its folder. A
// position is saved only after its lines were passed and `before_save` returned, so that a crash
// repeats lines rather than loses them.
//
// Owns one thread and the open files. Notified by inotify, with polling where that fails.
class LogTail {
 public:
  struct Options {
    std::vector<std::string> paths;
    std::string site;
    // Where to begin in files that are there at the first start; later ones begin at their start.
    bool from_start = false;
    uint32_t line_bytes_max = 1048576;
    // Its folder must exist. Several LogTails need several files.
    std::string state_file;
    absl::Duration poll_interval = absl::Seconds(1);
    absl::Duration partial_line_wait = absl::Seconds(5);
    absl::Duration save_interval = absl::Seconds(1);
    // Files followed at once; more are counted and left.
    uint32_t files_max = 1024;
    // Makes findings of the lines so far durable; called before positions are saved. May be null.
    std::function<void()> before_save;

    // Unset fields take the defaults above.
    static Options FromConfig(const config::v1::LogFiles& config, std::string state_file);
  };

  struct Stats {
    // Gauge.
    uint64_t files = 0;
    uint64_t lines = 0;
    uint64_t bytes = 0;
    uint64_t rotations = 0;
    uint64_t truncations = 0;
    // Files that are left out because they are compressed, as rotated logs are. Their bytes count
    // as kUndecodableContentCoding.
    uint64_t compressed_files = 0;
    // Files over `files_max`, files that can't be opened or read, positions that can't be loaded or
    // saved; each once for as long as it lasts. `last_error` names one.
    uint64_t errors = 0;
    std::string last_error;
  };

  // Reads the state file. INVALID_ARGUMENT for options; a state file that can't be understood is
  // set aside under the name `<state_file>.damaged` and counted as an error, not refused; then it
  // is as at the first start.
  // `coverage` and `sink` must outlive it.
  static absl::StatusOr<std::unique_ptr<LogTail>> Open(Options options, Coverage& coverage,
                                                       MessageSink& sink);
  // What keeps `paths` from being followed now, a line each: no such folder, no file yet, a file
  // that this user may not read. None of it is an error, since logs come and go; each may be a
  // slip.
  static std::vector<std::string> Amiss(const std::vector<std::string>& paths);
  // Stops.
  virtual ~LogTail() = default;

  virtual void Start() = 0;
  // Reads what is there, for five seconds at most, saves positions and ends the thread. A last line
  // without its end is left for the next start. Idempotent.
  virtual void Stop() = 0;

  // One round of looking and reading on the caller's thread, for use without Start().
  virtual void PollOnce(absl::Time now) = 0;

  // Thread-safe.
  virtual Stats GetStats() const = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_LOG_TAIL_H_
