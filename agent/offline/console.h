#ifndef SKIMWATCH_AGENT_OFFLINE_CONSOLE_H_
#define SKIMWATCH_AGENT_OFFLINE_CONSOLE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "agent/offline/cancellation.h"

namespace skimwatch::offline {

// Standard output and standard error of a run, written by several threads: lines never mix, a
// progress bar steps aside for them, and a reader that goes away ends the run without a word.
//
// A pipe or terminal sees each line when it is written; a file gets blocks. Thread-safe.
class Console {
 public:
  // The descriptors stay the caller's, `cancellation` must outlive it. Nothing is written once
  // that says stop while a reader is slow.
  Console(int out_fd, int err_fd, Cancellation& cancellation);

  // Whole lines, each with its line feed, to standard output.
  void Out(std::string_view lines);
  // A line without line feed to standard error.
  void Err(std::string_view line);

  // Replaces the progress bar, a line without line feed that fits the terminal. Does nothing while
  // somebody else writes, and so never waits for a slow reader.
  void ShowProgress(std::string_view line);

  // Removes the progress bar and writes what waits. An error when standard output did not take
  // everything; a reader that went away is none.
  absl::Status Flush();

 private:
  void WriteWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HideProgress() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteErr(std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int out_fd_;
  const int err_fd_;
  // Whether somebody may be looking on.
  const bool out_is_watched_;
  Cancellation& cancellation_;
  absl::Mutex mutex_;
  std::string waiting_ ABSL_GUARDED_BY(mutex_);
  bool progress_shown_ ABSL_GUARDED_BY(mutex_) = false;
  bool reader_gone_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_CONSOLE_H_
