#ifndef SKIMWATCH_AGENT_OFFLINE_FILE_SCANNER_H_
#define SKIMWATCH_AGENT_OFFLINE_FILE_SCANNER_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/card/scanner.h"
#include "agent/offline/byte_stream.h"
#include "agent/offline/capture_scanner.h"
#include "agent/offline/decompressor.h"
#include "agent/offline/file_place.h"
#include "agent/offline/file_stream.h"
#include "agent/offline/file_walker.h"
#include "agent/offline/scan_services.h"

namespace skimwatch::offline {

// Scans one file after the other: undoes compression, tells capture files from others, and writes
// and reports what it finds. Memory does not depend on the size of a file.
//
// Thread-compatible; one a thread, around the same services.
class FileScanner {
 public:
  // Compressions undone one inside another, such as a .zst that holds a .gz; deeper ones are
  // scanned as they stand, and reported.
  static constexpr size_t kContainersMax = 4;

  // `services` must outlive it.
  explicit FileScanner(const ScanServices& services);

  void Scan(const FoundFile& file);

 private:
  // One pass over the file; `unpack` as far as it is compressed.
  absl::Status ScanOnce(const FoundFile& file, bool unpack, bool& nothing_unpacked);
  absl::Status ScanContent(ByteStream& stream, FileStream& raw, std::string_view name,
                           const FilePlace& place);
  void Report(const FoundFile& file, const absl::Status& status);

  const ScanServices& services_;
  card::ScanStream stream_;
  // The stream's count of bytes in too many encodings that was reported.
  uint64_t not_decoded_ = 0;
  CaptureScanner captures_;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_FILE_SCANNER_H_
