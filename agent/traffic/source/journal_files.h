#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_JOURNAL_FILES_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_JOURNAL_FILES_H_

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace skimwatch::traffic {

// libsystemd leaves out files of a journal that it can't read, and tells nobody. This looks at the
// files themselves.

// What tells files apart: device and inode.
using JournalFileKey = std::pair<uint64_t, uint64_t>;

// What is found out about one file.
struct JournalFile {
  enum class State : uint8_t { kGood, kNotPermitted, kDamaged };

  std::string path;
  State state = State::kGood;
  // Room on the disk, as sd_journal_get_usage(3) counts it.
  uint64_t disk_bytes = 0;
  JournalFileKey key;
};

// The folders of the journal: `directory` and those in it that are named after a machine, or those
// of this machine where it is empty.
std::vector<std::string> JournalFolders(const std::string& directory);

// The files in `folders`. Of each it is checked that it may be read and, unless it is one of
// `known`, that libsystemd opens it; a file whose damage is further in is kGood here.
std::vector<JournalFile> ListJournalFiles(const std::vector<std::string>& folders,
                                          const std::set<JournalFileKey>& known = {});

// OK when one of `files` is kGood; else NOT_FOUND, PERMISSION_DENIED or DATA_LOSS, which say what
// to do.
absl::Status CheckJournalFiles(const std::vector<std::string>& folders,
                               const std::vector<JournalFile>& files);

// Whether libsystemd gives the file up on the way from `cursor` (or its first entry, when that is
// empty) to its end.
bool IsDamagedAfter(const std::string& path, const std::string& cursor);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_JOURNAL_FILES_H_
