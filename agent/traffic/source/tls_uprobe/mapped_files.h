#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_MAPPED_FILES_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_MAPPED_FILES_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace skimwatch::traffic {

// A file's place in a process' memory, where it may be executed.
struct FileMapping {
  pid_t pid = 0;
  uint64_t begin = 0;
  uint64_t end = 0;
  // Major and minor number in the upper and lower half. Some file systems show another one in
  // stat(2).
  uint64_t device = 0;
  uint64_t inode = 0;
  // Tells files apart that had one inode after another; 0 where it is not known.
  uint64_t inode_generation = 0;
  // As the process sees it; of a file that was deleted, without the kernel's ` (deleted)`.
  std::string path;
};

// A line of /proc/PID/maps (proc(5)); nothing for one that is no executable file.
std::optional<FileMapping> ParseMapping(pid_t pid, std::string_view line);

// Calls `take` with the executable mappings of files of a process, or of every process but
// `except`. Processes that end meanwhile are passed over.
void ForEachMapping(pid_t pid, const std::function<void(const FileMapping&)>& take);
void ForEachProcess(pid_t except, const std::function<void(pid_t)>& take);

// Opens the very file that is mapped, whatever its path leads to meanwhile: it may have been
// replaced or deleted, and may lie in another mount namespace. -1 where that can't be had any more.
int OpenMapped(const FileMapping& mapping);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_MAPPED_FILES_H_
