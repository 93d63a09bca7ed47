#include "agent/offline/skip_reason.h"

namespace skimwatch::offline {

std::string_view SkipReasonName(SkipReason reason) {
  switch (reason) {
    case SkipReason::kExcluded:
      return "excluded";
    case SkipReason::kSkimwatchIgnored:
      return "skimwatchignore";
    case SkipReason::kGitIgnored:
      return "gitignore";
    case SkipReason::kTooLarge:
      return "too_large";
    case SkipReason::kSymlink:
      return "symlink";
    case SkipReason::kSymlinkDangling:
      return "symlink_dangling";
    case SkipReason::kSymlinkLoop:
      return "symlink_loop";
    case SkipReason::kScannedBefore:
      return "scanned_before";
    case SkipReason::kSpecialFile:
      return "special_file";
    case SkipReason::kPseudoFileSystem:
      return "pseudo_file_system";
    case SkipReason::kOtherFileSystem:
      return "other_file_system";
    case SkipReason::kOwnOutput:
      return "own_output";
    case SkipReason::kVanished:
      return "vanished";
    case SkipReason::kIgnoreFileNotApplied:
      return "ignore_file_not_applied";
    case SkipReason::kEncrypted:
      return "encrypted";
    case SkipReason::kUnsupported:
      return "unsupported";
    case SkipReason::kUnreadable:
      return "unreadable";
    case SkipReason::kTooDeep:
      return "too_deep";
    case SkipReason::kCompressedTooDeep:
      return "compressed_too_deep";
    case SkipReason::kDamaged:
      return "damaged";
    case SkipReason::kDecompressionLimit:
      return "decompression_limit";
    case SkipReason::kCount:
      break;
  }
  return "unknown";
}

bool IsError(SkipReason reason) { return reason >= SkipReason::kUnreadable; }

}  // namespace skimwatch::offline
