#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBED_FILES_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBED_FILES_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "agent/traffic/source/file_notifier.h"
#include "agent/traffic/source/tls_uprobe/mapped_files.h"
#include "agent/traffic/source/tls_uprobe/tls_programs.h"

namespace skimwatch::traffic {

// The files that have probes. Each is looked at once, whoever maps it first, and its probes serve
// all processes, also those of containers that share the file.
//
// Probes go where they could do harm or are of no more use: a file that somebody writes to loses
// them at once, for its instructions may move, and is looked at again when it is next mapped; a
// deleted file loses them when no process maps it any more.
//
// A file that holds a TLS library without its functions can have none: stripped programs that link
// it statically, and libraries that the probes do not know. It is told of by the labels that every
// implementation of TLS 1.3 derives its keys with, which are looked for after everything else.
//
// Thread-compatible. `programs` must outlive it.
class ProbedFiles {
 public:
  // Files with probes at once.
  static constexpr size_t kFilesMax = 1024;

  struct Stats {
    // Gauge: files with probes.
    uint64_t files = 0;
    // Files that were looked at for TLS functions.
    uint64_t examined = 0;
    // Files that lost their probes because somebody wrote to them.
    uint64_t written = 0;
    // Mappings whose file could not be had any more.
    uint64_t gone = 0;
    // Files that hold TLS without functions for probes, of which `hidden` took note.
    uint64_t hidden = 0;
    // Files that could not be read or probed, or were too many. `last_error` names one.
    uint64_t errors = 0;
    std::string last_error;
  };

  // `wants` says of a path, as a process sees it, whether its file is to be looked at. `hidden` is
  // told of mappings of files that hold TLS without functions for probes, until it returns true
  // for one of a file: then it took note of that file.
  ProbedFiles(TlsPrograms& programs, std::function<bool(const std::string&)> wants,
              std::function<bool(const FileMapping&)> hidden);
  ~ProbedFiles();
  ProbedFiles(const ProbedFiles&) = delete;
  ProbedFiles& operator=(const ProbedFiles&) = delete;

  // Looks at a file that is mapped, where it is a new one. Whether it has probes.
  bool Look(const FileMapping& mapping);
  // Looks at what is mapped by every process but `except`; `noted` is called for each that maps a
  // file with probes.
  void LookAtAll(pid_t except, const std::function<void(pid_t)>& noted);

  // Whether files wait to be searched for TLS, and searches one of them.
  bool has_to_search() const { return !to_search_.empty(); }
  void SearchNext();

  // Readable when somebody wrote to a file with probes; -1 where that can't be told.
  int written_fd() const { return notifier_.fd(); }
  void TakeWritten();

  const Stats& stats() const { return stats_; }

 private:
  // As fstat(2) has it. Each container has an overlay of its own over the same files, whose probes
  // they share: these are told by their inode and its last change.
  struct FileId {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t changed_ns = 0;
    friend bool operator==(const FileId&, const FileId&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const FileId& id) {
      return H::combine(std::move(h), id.device, id.inode, id.changed_ns);
    }
  };
  struct File {
    int fd = -1;
    // Of FileNotifier; -1 for none.
    int watch = -1;
    std::string path;
    std::vector<BpfLink> links;
  };
  // Where a mapping's file was seen before.
  struct MappingId {
    uint64_t device = 0;
    uint64_t inode = 0;
    uint64_t inode_generation = 0;
    friend bool operator==(const MappingId&, const MappingId&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const MappingId& id) {
      return H::combine(std::move(h), id.device, id.inode, id.inode_generation);
    }
  };

  // A file without functions for probes.
  struct Searched {
    int64_t size = 0;
    int64_t modified_ns = 0;
    bool is_done = false;
    bool holds_tls = false;
    bool is_told = false;
  };

  // What Look says of files that were seen before, at most this many.
  static constexpr size_t kKnownMax = 65536;

  static FileId IdOf(int fd, const struct stat& info);
  bool Examine(const FileMapping& mapping);
  // Takes a file without functions for probes.
  void NoteWithoutFunctions(const FileMapping& mapping, const FileId& id, const struct stat& info);
  void Tell(const FileMapping& mapping, Searched& searched);
  void Fail(const std::string& path, const absl::Status& status);
  void Drop(absl::flat_hash_map<FileId, File>::iterator file);
  void ForgetMapped(const FileId& id);

  TlsPrograms& programs_;
  const std::function<bool(const std::string&)> wants_;
  const std::function<bool(const FileMapping&)> hidden_;
  FileNotifier notifier_;
  absl::flat_hash_map<FileId, File> files_;
  // The file that a mapping led to, whether or not it has probes.
  absl::flat_hash_map<MappingId, FileId> known_;
  // Files without functions for probes, at most kKnownMax, and those of them to be searched.
  absl::flat_hash_map<FileId, Searched> searched_;
  std::vector<FileMapping> to_search_;
  Stats stats_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBED_FILES_H_
