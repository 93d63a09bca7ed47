#ifndef SKIMWATCH_AGENT_OFFLINE_FILE_SCANNER_H_
#define SKIMWATCH_AGENT_OFFLINE_FILE_SCANNER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/card/scanner.h"
#include "agent/offline/archive_reader.h"
#include "agent/offline/byte_stream.h"
#include "agent/offline/capture_scanner.h"
#include "agent/offline/decompressor.h"
#include "agent/offline/expansion_budget.h"
#include "agent/offline/file_place.h"
#include "agent/offline/file_stream.h"
#include "agent/offline/file_walker.h"
#include "agent/offline/scan_services.h"
#include "agent/offline/text_lines.h"

namespace skimwatch::offline {

// Scans one file after the other: undoes compression, unpacks archives in memory, tells capture
// files from others, and writes and reports what it finds. Memory does not depend on the size of a
// file, but for archives inside others, of which up to kInnerArchiveBytesMax are held.
//
// Thread-compatible; one a thread, around the same services.
class FileScanner {
 public:
  // Compressions undone one inside another, such as a .zst that holds a .gz; deeper ones are
  // scanned as they stand, and reported.
  static constexpr size_t kContainersMax = 4;
  // Of an archive inside another, or inside of something compressed, that is read by its list.
  static constexpr size_t kInnerArchiveBytesMax = size_t{64} << 20;

  // `services` must outlive it.
  explicit FileScanner(const ScanServices& services);

  void Scan(const FoundFile& file);

 private:
  // What is scanned: a file, or a member of an archive in it.
  struct Content {
    ByteStream& stream;
    FilePlace place;
    // What its type is told by.
    std::string_view name;
    // Layers and archives around it.
    size_t level = 0;
    size_t archives = 0;
  };

  // Scans content, again as it stands where it can be read again and only seemed compressed or
  // packed; reports what went wrong.
  void ScanAll(const Content& content);
  // One pass; `unpack` as far as it is compressed or packed. `nothing_unpacked` says whether an
  // error came before anything did.
  absl::Status ScanOnce(const Content& content, bool unpack, bool& nothing_unpacked);
  absl::Status ScanArchive(ArchiveFormat format, Content& content, bool& nothing_unpacked);
  absl::Status ScanMembers(ArchiveFormat format, ByteStream& stream, const Content& content,
                           bool& nothing_unpacked);
  absl::Status ScanBytes(const Content& content);
  void Report(const FilePlace& place, const absl::Status& status);

  const ScanServices& services_;
  card::ScanStream stream_;
  // The stream's count of bytes in too many encodings that was reported.
  uint64_t not_decoded_ = 0;
  CaptureScanner captures_;
  FileStream file_;
  // None where lines are not asked for.
  std::unique_ptr<TextLines> lines_;
  // Of the file that is scanned.
  std::optional<ExpansionBudget> budget_;
  std::optional<Findings::OfFile> findings_;
  bool is_named_pipe_ = false;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_FILE_SCANNER_H_
