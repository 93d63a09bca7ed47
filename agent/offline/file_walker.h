#ifndef SKIMWATCH_AGENT_OFFLINE_FILE_WALKER_H_
#define SKIMWATCH_AGENT_OFFLINE_FILE_WALKER_H_

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/offline/ignore_files.h"
#include "agent/offline/ignore_rules.h"
#include "agent/offline/skip_reason.h"
#include "agent/offline/unique_fd.h"

namespace skimwatch::offline {

// A file to scan.
struct FoundFile {
  // Open for reading, without blocking; none when the walk only measures.
  UniqueFd fd;
  // As given, or below what was given; `-` for standard input.
  std::string path;
  // 0 when unknown, as for pipes.
  uint64_t bytes = 0;
  // A regular file or block device, which can be read again.
  bool seekable = false;
  // A named pipe. One without a writer has an end at once.
  bool named_pipe = false;
  // Which file of the run it is, from 0, in the order of the walk.
  uint64_t number = 0;
};

// Takes what a walk finds, on the thread that walks.
class WalkVisitor {
 public:
  virtual ~WalkVisitor() = default;
  // False ends the walk.
  virtual bool OnFile(FoundFile file) = 0;
  // Asked before every name; true ends the walk.
  virtual bool Stopped() = 0;
};

// Walks files and folders, each folder in the order of its names, and never blocks on what it
// finds: a pipe or device in a folder is skipped, and one that is named itself is opened without
// waiting for its other end.
//
// Memory is that of the names of one folder a level. Holds a file descriptor a level, so that
// nobody who moves folders meanwhile can lead it elsewhere. Thread-compatible.
class FileWalker {
 public:
  struct Options {
    // Patterns of gitignore(5) for paths below the one that is named; they decide before any file.
    std::vector<std::string> exclude;
    // Whether these files in folders are obeyed.
    bool skimwatchignore = false;
    bool gitignore = false;
    // 0 is no limit.
    uint64_t file_bytes_max = 0;
    bool follow_symlinks = false;
    bool one_file_system = false;
    // Files are not opened, and nothing is reported as skipped.
    bool measure_only = false;
    // The file that output goes to, which is not scanned; -1 for none.
    int output_fd = -1;
  };

  // Folders nested deeper than this are not entered.
  static constexpr size_t kDepthMax = 200;

  // `visitor` and `skips` must outlive it.
  FileWalker(Options options, WalkVisitor& visitor, SkipSink& skips);

  // Walks what `path` names: a file, a folder with all below it, or `-`. A symbolic link that is
  // named itself is followed. False when the visitor ended the walk.
  bool Walk(const std::string& path);

 private:
  using FileId = std::pair<dev_t, ino_t>;

  struct Name {
    std::string text;
    // As readdir(3) says, DT_REG or others; DT_UNKNOWN where the file system does not.
    unsigned char type;
  };

  struct Folder {
    UniqueFd fd;
    std::string path;
    // Below the path that was named; empty for itself.
    std::string below;
    FileId id;
    std::vector<Name> names;
    size_t next = 0;
  };

  bool WalkNamed(const std::string& path, const struct stat& info);
  bool WalkFolder(UniqueFd fd, const std::string& path);
  // Reads the names of a folder and makes it the innermost one.
  void Enter(UniqueFd fd, std::string path, std::string below, const struct stat& info);
  // Names of a folder in the order of their bytes. The error number, or 0.
  static int ReadNames(int folder, std::vector<Name>& names);
  // Looks at one name of the innermost folder.
  bool Visit(const Name& entry);
  void VisitFolder(const std::string& name, std::string path, std::string below,
                   const struct stat& info, bool is_link);
  // `info` is none where nobody asked yet: it is a regular file as far as its folder says.
  bool VisitFile(const std::string& name, const std::string& path, const struct stat* info,
                 bool is_link);
  // Whether a regular file is left out, by what is known without opening it.
  bool IsLeftOut(const std::string& path, const struct stat& info);
  // Whether the rules leave `below` out; reported when they do.
  bool IsLeftOut(const std::string& path, const std::string& below, bool is_folder);
  bool IsOwnOutput(const struct stat& info) const {
    return output_ == FileId(info.st_dev, info.st_ino);
  }
  void Skip(const std::string& path, SkipReason reason, std::string_view detail);
  // For an error number; a file that is gone was there a moment ago.
  void SkipError(const std::string& path, int error);

  const Options options_;
  IgnoreRules exclude_;
  IgnoreFiles ignore_files_;
  WalkVisitor& visitor_;
  SkipSink& skips_;
  // The file that output goes to; none where that is no regular file.
  std::optional<FileId> output_;
  std::vector<Folder> folders_;
  // Folders entered, where symbolic links may lead to one twice.
  std::set<FileId> entered_;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_FILE_WALKER_H_
