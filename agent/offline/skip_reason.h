#ifndef SKIMWATCH_AGENT_OFFLINE_SKIP_REASON_H_
#define SKIMWATCH_AGENT_OFFLINE_SKIP_REASON_H_

#include <cstdint>
#include <string_view>

namespace skimwatch::offline {

// Why a path, or the rest of a file, was not scanned.
enum class SkipReason : uint8_t {
  // By the options or the rules of the walk.
  kExcluded,
  // By a .skimwatchignore or .gitignore file.
  kSkimwatchIgnored,
  kGitIgnored,
  kTooLarge,
  kSymlink,
  // With --follow-symlinks: the link leads nowhere.
  kSymlinkDangling,
  // With --follow-symlinks: the link leads to a folder that it is in.
  kSymlinkLoop,
  // With --follow-symlinks: the folder was scanned by another path.
  kScannedBefore,
  // A pipe, socket or device in a folder.
  kSpecialFile,
  // /proc, /sys and the like, met below another file system.
  kPseudoFileSystem,
  kOtherFileSystem,
  // The file that the findings are written to.
  kOwnOutput,
  // Removed between its folder's listing and its turn.
  kVanished,
  // A file of patterns that can't be read or is too long: what it would leave out is scanned.
  kIgnoreFileNotApplied,
  // A member of an archive, or all of it, that nobody can read without its password.
  kEncrypted,
  // A member of an archive, or a file, packed by a method that is not known.
  kUnsupported,

  // Errors: what should have been scanned was not, or not all of it.
  kUnreadable,
  // Folders nested deeper than the walk follows.
  kTooDeep,
  // Compressed or packed more often, one inside another, than is undone; scanned as it stands,
  // which finds nothing in it.
  kCompressedTooDeep,
  // Compressed, packed or captured data that breaks off or its format's rules.
  kDamaged,
  // What grows like a bomb, has too many members, or asks for too much memory.
  kDecompressionLimit,
  kCount,
};

// `excluded`, `too_large`, ...
std::string_view SkipReasonName(SkipReason reason);
// Whether the exit code of the scan is that of an error.
bool IsError(SkipReason reason);

// Takes what was skipped. Thread-safe.
class SkipSink {
 public:
  virtual ~SkipSink() = default;
  // `path` as on disk; `detail` says what happened, in words.
  virtual void OnSkip(std::string_view path, SkipReason reason, std::string_view detail) = 0;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_SKIP_REASON_H_
