#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_BROWSER_PROCESS_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_BROWSER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace skimwatch::script {

// A browser for one look at one page: Chromium in a process group of its own, with a profile folder
// that goes with it, told what to do over two pipes (`--remote-debugging-pipe`: it reads descriptor
// 3 and writes descriptor 4).
//
// It has no capability of this process, none of its open files and no core dumps; it is the first
// to go when the host is short of memory, and yields the processor. Thread-compatible; the thread
// that starts it must outlive it, since it dies with that thread.
class BrowserProcess {
 public:
  struct Options {
    std::string path;
    // To run as, which needs CAP_SETUID and CAP_SETGID; empty for the same.
    std::string user;
    bool no_sandbox = false;
    std::vector<std::string> arguments;
  };

  // The path of the browser that `wanted` means: itself, or when empty the first in PATH of those
  // that are known. Empty when there is none, or `wanted` is `none`.
  static std::string Find(const std::string& wanted);

  // Errors name the setting: NOT_FOUND for a program or user that is not there, PERMISSION_DENIED
  // where this process may not become the user, or is root, which Chromium's sandbox refuses.
  static absl::StatusOr<std::unique_ptr<BrowserProcess>> Start(const Options& options);
  // Removes the profiles of agents that were killed before they could.
  static void RemoveLeftBehind();
  // Kills it.
  ~BrowserProcess();
  BrowserProcess(const BrowserProcess&) = delete;
  BrowserProcess& operator=(const BrowserProcess&) = delete;

  // What it writes and reads; neither blocks.
  int read_fd() const { return read_fd_; }
  int write_fd() const { return write_fd_; }
  pid_t pid() const { return pid_; }
  const std::string& profile() const { return profile_; }

  // Anonymous and shared memory of all its processes, in bytes. Pages of files are not counted: the
  // kernel takes them back. Cheap enough for several times a second.
  uint64_t MemoryBytes();
  // Ends all its processes, waits for them, and removes the profile. Idempotent.
  void Kill();

 private:
  BrowserProcess() = default;
  // Processes of the group, and children of those that were found before.
  void FindProcesses();

  pid_t pid_ = -1;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  bool other_user_ = false;
  int read_fd_ = -1;
  int write_fd_ = -1;
  std::string profile_;
  // By process id, when it began, so that no other of that id is taken for it.
  std::map<pid_t, uint64_t> processes_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_BROWSER_PROCESS_H_
