#ifndef SKIMWATCH_AGENT_STORAGE_CHECKED_FILE_H_
#define SKIMWATCH_AGENT_STORAGE_CHECKED_FILE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace skimwatch::storage {

// Files that hold what was written or are known to be damaged: the magic `SKWC`, a format version
// (1, one byte), three zero bytes, the CRC-32 of the rest (little-endian), the size of the content
// (8 bytes, little-endian), and the content compressed by zlib (RFC 1950).

// Replaces the file at once: after a crash or kill it holds the old content or the new. With
// `durable` the same holds for a loss of power, and the new content is there when this returns.
// Errors name the file: RESOURCE_EXHAUSTED for a full disk.
absl::Status WriteChecked(const std::string& path, std::string_view content, bool durable);

// NOT_FOUND when there is none; DATA_LOSS when it is damaged or larger than `content_bytes_max`.
absl::StatusOr<std::string> ReadChecked(const std::string& path, size_t content_bytes_max);

// The suffix of what a crash may leave behind while a file is replaced.
inline constexpr std::string_view kUnfinishedSuffix = ".new";

}  // namespace skimwatch::storage

#endif  // SKIMWATCH_AGENT_STORAGE_CHECKED_FILE_H_
