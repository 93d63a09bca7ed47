#include "agent/offline/archive_reader.h"

#include <archive_entry.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::offline {
namespace {

using namespace std::string_view_literals;

constexpr size_t kTarBlockBytes = 512;

// POSIX.1-1988 and later name themselves; what is older is told by the checksum of its header,
// which is the sum of its bytes with the checksum's own taken as blanks.
bool IsTar(std::string_view bytes) {
  constexpr size_t kMagic = 257;
  constexpr size_t kChecksum = 148;
  constexpr size_t kChecksumBytes = 8;
  if (bytes.size() < kTarBlockBytes || bytes[0] == '\0') return false;
  // Most files are none, at a glance.
  const auto is_of_checksum = [](char c) {
    return (c >= '0' && c <= '7') || c == ' ' || c == '\0';
  };
  const std::string_view checksum = bytes.substr(kChecksum, kChecksumBytes);
  if (!std::all_of(checksum.begin(), checksum.end(), is_of_checksum)) return false;
  uint32_t sum = 0;
  for (size_t i = 0; i < kTarBlockBytes; ++i) {
    const bool is_own = i >= kChecksum && i < kChecksum + kChecksumBytes;
    sum += is_own ? uint32_t{' '} : static_cast<uint8_t>(bytes[i]);
  }
  uint32_t said = 0;
  bool any = false;
  for (const char c : checksum) {
    if (c == ' ' && !any) continue;
    if (c < '0' || c > '7') break;
    said = said * 8 + static_cast<uint32_t>(c - '0');
    any = true;
  }
  return (any && said == sum) || bytes.substr(kMagic).starts_with("ustar");
}

// The headers of cpio are digits, octal in the older form and hexadecimal in the newer.
bool IsCpio(std::string_view bytes) {
  constexpr size_t kOctalBytes = 76;
  constexpr size_t kHexBytes = 110;
  const bool is_octal = bytes.starts_with("070707");
  const bool is_hex = bytes.starts_with("070701") || bytes.starts_with("070702");
  const size_t size = is_octal ? kOctalBytes : kHexBytes;
  if ((!is_octal && !is_hex) || bytes.size() < size) return false;
  const std::string_view header = bytes.substr(0, size);
  return is_octal ? header.find_first_not_of("01234567") == std::string_view::npos
                  : std::all_of(header.begin(), header.end(),
                                [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

void Support(ArchiveFormat format, bool seekable, archive* handle) {
  switch (format) {
    case ArchiveFormat::kZip:
      archive_read_support_format_zip_streamable(handle);
      if (seekable) archive_read_support_format_zip_seekable(handle);
      return;
    case ArchiveFormat::kTar:
      archive_read_support_format_tar(handle);
      return;
    case ArchiveFormat::kSevenZip:
      archive_read_support_format_7zip(handle);
      return;
    case ArchiveFormat::kCpio:
      archive_read_support_format_cpio(handle);
      return;
    case ArchiveFormat::kAr:
      archive_read_support_format_ar(handle);
      return;
  }
}

}  // namespace

std::string_view ArchiveFormatName(ArchiveFormat format) {
  switch (format) {
    case ArchiveFormat::kZip:
      return "zip";
    case ArchiveFormat::kTar:
      return "tar";
    case ArchiveFormat::kSevenZip:
      return "7z";
    case ArchiveFormat::kCpio:
      return "cpio";
    case ArchiveFormat::kAr:
      return "ar";
  }
  return "unknown";
}

std::optional<ArchiveFormat> DetectArchive(std::string_view bytes) {
  // A zip begins with a member, or with its end where it has none.
  if (bytes.starts_with("PK\x03\x04"sv) || bytes.starts_with("PK\x05\x06"sv)) {
    return ArchiveFormat::kZip;
  }
  if (bytes.starts_with("7z\xbc\xaf\x27\x1c"sv)) return ArchiveFormat::kSevenZip;
  if (bytes.starts_with("!<arch>\n")) return ArchiveFormat::kAr;
  if (IsCpio(bytes)) return ArchiveFormat::kCpio;
  if (IsTar(bytes)) return ArchiveFormat::kTar;
  return std::nullopt;
}

bool NeedsSeek(ArchiveFormat format) { return format == ArchiveFormat::kSevenZip; }

// The bytes of one member.
class ArchiveReader::Content final : public ByteStream {
 public:
  explicit Content(ArchiveReader& reader) : reader_(reader) {}

  void Begin() {
    Reset();
    block_ = {};
    offset_ = zeros_ = 0;
    after_ = absl::OkStatus();
  }

 private:
  absl::StatusOr<size_t> Fill(char* out, size_t size) override {
    while (zeros_ == 0 && block_.empty()) {
      if (!after_.ok()) return after_;
      const absl::StatusOr<bool> more = ReadBlock();
      if (!more.ok()) return more.status();
      if (!*more) return 0;
    }
    size_t count = 0;
    if (zeros_ > 0) {
      count = static_cast<size_t>(std::min<uint64_t>(size, zeros_));
      std::memset(out, 0, count);
      zeros_ -= count;
    } else {
      count = std::min(size, block_.size());
      std::memcpy(out, block_.data(), count);
      block_.remove_prefix(count);
    }
    if (absl::Status status = reader_.budget_.AddBytes(reader_.level_, count); !status.ok()) {
      return status;
    }
    return count;
  }

  // False at the member's end.
  absl::StatusOr<bool> ReadBlock() {
    const void* bytes = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(reader_.input_.get(), &bytes, &size, &offset);
    if (result == ARCHIVE_EOF) return false;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN && result != ARCHIVE_RETRY) {
      reader_.ended_ |= result == ARCHIVE_FATAL;
      return reader_.input_.Error();
    }
    // A wrong checksum comes with the last bytes; they are still the member's.
    if (result == ARCHIVE_WARN) after_ = reader_.input_.Error();
    if (result == ARCHIVE_OK && size == 0 && ++empty_blocks_ > kEmptyBlocksMax) {
      return absl::DataLossError("the archive stands still");
    }
    if (size == 0) return true;
    if (offset < 0 || static_cast<uint64_t>(offset) < offset_) {
      return absl::DataLossError("a part of the member comes twice");
    }
    // A hole of a sparse file.
    zeros_ = static_cast<uint64_t>(offset) - offset_;
    offset_ = static_cast<uint64_t>(offset) + size;
    block_ = {static_cast<const char*>(bytes), size};
    return true;
  }

  static constexpr int kEmptyBlocksMax = 1000;

  ArchiveReader& reader_;
  std::string_view block_;
  // Of what follows `block_`.
  uint64_t offset_ = 0;
  uint64_t zeros_ = 0;
  int empty_blocks_ = 0;
  // What is wrong with the member, when all that comes before was given.
  absl::Status after_;
};

ArchiveReader::ArchiveReader(ArchiveFormat format, ByteStream& input, ExpansionBudget& budget,
                             size_t level)
    : input_(input), format_(format), budget_(budget), level_(level) {
  if (input_.get() != nullptr) Support(format, input.seekable(), input_.get());
  opened_ = input_.Open();
}

ArchiveReader::~ArchiveReader() = default;

absl::StatusOr<std::optional<ArchiveReader::Entry>> ArchiveReader::Next() {
  if (!opened_.ok()) {
    ended_ = true;
    return opened_;
  }
  while (!ended_) {
    if (absl::Status status = budget_.AddEntry(); !status.ok()) {
      ended_ = true;
      return status;
    }
    archive_entry* header = nullptr;
    const int result = archive_read_next_header(input_.get(), &header);
    if (result == ARCHIVE_EOF) {
      ended_ = true;
      break;
    }
    if (result == ARCHIVE_RETRY) continue;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
      ended_ = result == ARCHIVE_FATAL || ++errors_ == kErrorsMax;
      return input_.Error();
    }
    ++entries_;
    const auto type = archive_entry_filetype(header);
    // Zips of some writers have members of no type.
    if (type != AE_IFREG && type != 0) continue;
    Entry entry;
    if (const char* const name = archive_entry_pathname(header); name != nullptr) {
      entry.name = name;
    } else if (const char* const utf8 = archive_entry_pathname_utf8(header); utf8 != nullptr) {
      entry.name = utf8;
    } else {
      entry.name = absl::StrCat("#", entries_);
    }
    entry.is_encrypted = archive_entry_is_encrypted(header) != 0;
    if (content_ == nullptr) content_ = std::make_unique<Content>(*this);
    content_->Begin();
    entry.content = content_.get();
    return entry;
  }
  return std::nullopt;
}

}  // namespace skimwatch::offline
