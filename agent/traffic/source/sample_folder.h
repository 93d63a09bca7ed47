#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_FOLDER_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_FOLDER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/source/sample_scan.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::traffic {

// Reads files of samples (proto/skimwatch/v1/sample.proto, in delimited form) that other tools put
// into a folder: written under any name and then renamed to `*.samples`. The oldest is read first.
//
// A file is removed, or moved to `done` in the folder, only after it was read to its end and
// `before_save` returned; a crash repeats the last second of it rather than loses something. A file
// that can't be understood is moved to `failed` in the folder as it is, and the error names it and
// the offset; samples before that offset were scanned. So is a file at which the process ended
// three times without coming further. What can't be moved or removed stays, is counted once, and is
// not read again until it changes or the agent starts anew.
//
// Flows do not go from one file to the next. Owns one thread. Notified by inotify, with polling
// besides.
class SampleFolder {
 public:
  struct Options {
    std::string path;
    // Move files that were read to `done`, rather than remove them.
    bool keeps_files = false;
    size_t sample_bytes_max = 1u << 20;
    // Its folder must exist. Several SampleFolders need several files.
    std::string state_file;
    absl::Duration poll_interval = absl::Seconds(1);
    absl::Duration save_interval = absl::Seconds(1);
    // Makes findings of the samples so far durable; called before a place is saved and before files
    // are removed. May be null.
    std::function<void()> before_save;
    SampleScan::Options scan;

    // Unset fields take the defaults above; `scan.sites` and limits of flows are left to the
    // caller.
    static Options FromConfig(const config::v1::SampleFolder& config, std::string state_file);
  };

  struct Stats {
    // Gauge: files that wait, the one at hand included.
    uint64_t files_waiting = 0;
    // Read to the end.
    uint64_t files = 0;
    // Moved to `failed`.
    uint64_t files_failed = 0;
    // Files that can't be opened, moved or removed, and a folder that can't be read; each once for
    // as long as it lasts.
    uint64_t errors = 0;
    SampleScan::Stats scan;
    std::string last_error;
  };

  // Whether the folder is there and this process may read and empty it. The error says what to do.
  static absl::Status Check(const std::string& path);

  // Reads the state file. Errors of Check, and INVALID_ARGUMENT for options. `coverage` and
  // `target` must outlive it; `target` is used on one thread.
  static absl::StatusOr<std::unique_ptr<SampleFolder>> Open(Options options, Coverage& coverage,
                                                            SampleTarget& target);
  // Stops.
  virtual ~SampleFolder() = default;

  virtual void Start() = 0;
  // Saves how far it came and ends the thread. Idempotent.
  virtual void Stop() = 0;

  // Reads what is there on the caller's thread, for use without Start().
  virtual void PollOnce(absl::Time now) = 0;

  virtual Stats GetStats() const = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_FOLDER_H_
