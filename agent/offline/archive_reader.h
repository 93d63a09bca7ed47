#ifndef SKIMWATCH_AGENT_OFFLINE_ARCHIVE_READER_H_
#define SKIMWATCH_AGENT_OFFLINE_ARCHIVE_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/offline/byte_stream.h"
#include "agent/offline/expansion_budget.h"
#include "agent/offline/libarchive_input.h"

namespace skimwatch::offline {

// Files that hold files. Office documents, jars and wheels are zips; a .deb is an ar.
enum class ArchiveFormat : uint8_t { kZip, kTar, kSevenZip, kCpio, kAr };

// `zip`, `tar`, `7z`, `cpio`, `ar`.
std::string_view ArchiveFormatName(ArchiveFormat format);

// The format of a file that begins with `bytes`, of which 512 tell every format.
std::optional<ArchiveFormat> DetectArchive(std::string_view bytes);

// Whether members can be reached only through a list at the archive's end. Zip has one too, and
// another beside each member.
bool NeedsSeek(ArchiveFormat format);

// Reads the members of an archive one after the other, in the order in which they stand, to memory
// piece by piece and never to disk. Only the reader of the one format is enabled in libarchive.
//
// Thread-compatible.
class ArchiveReader {
 public:
  // `input` stands at its begin; it and `budget` must outlive it. What members hold counts at
  // depth `level` of the budget.
  ArchiveReader(ArchiveFormat format, ByteStream& input, ExpansionBudget& budget, size_t level);
  ~ArchiveReader();

  struct Entry {
    // As the archive has it; never a place on this machine.
    std::string name;
    bool is_encrypted = false;
    // The member's bytes, until the next call of Next. Its errors are those of Next.
    ByteStream* content = nullptr;
  };

  // The next member that is a file; none at the end. Errors: DATA_LOSS for damage,
  // RESOURCE_EXHAUSTED for a bomb or too many members, PERMISSION_DENIED where names are encrypted,
  // UNIMPLEMENTED for methods that libarchive does not know, and those of `input`. After an error
  // there may be more to read unless `ended()`.
  absl::StatusOr<std::optional<Entry>> Next();
  bool ended() const { return ended_; }

 private:
  class Content;

  // Between members; libarchive goes on after some.
  static constexpr int kErrorsMax = 8;

  LibarchiveInput input_;
  const ArchiveFormat format_;
  ExpansionBudget& budget_;
  const size_t level_;
  absl::Status opened_;
  bool ended_ = false;
  uint64_t entries_ = 0;
  int errors_ = 0;
  std::unique_ptr<Content> content_;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_ARCHIVE_READER_H_
