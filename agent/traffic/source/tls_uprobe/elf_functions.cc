#include "agent/traffic/source/tls_uprobe/elf_functions.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"

namespace skimwatch::traffic {
namespace {

constexpr uint32_t kSectionsMax = 65535;
constexpr uint32_t kSegmentsMax = 1024;
constexpr size_t kChunkBytes = 256 << 10;

constexpr uint16_t Machine() {
#if defined(__x86_64__)
  return EM_X86_64;
#elif defined(__aarch64__)
  return EM_AARCH64;
#else
  return EM_NONE;
#endif
}

// Reads `size` bytes at `offset`; false where the file ends before.
absl::StatusOr<bool> ReadAt(int fd, uint64_t offset, void* into, size_t size) {
  auto* at = static_cast<char*>(into);
  while (size > 0) {
    if (offset > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) return false;
    const ssize_t got = pread(fd, at, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "reading an ELF file");
    if (got == 0) return false;
    at += got;
    offset += static_cast<uint64_t>(got);
    size -= static_cast<size_t>(got);
  }
  return true;
}

absl::Status Outside() {
  return absl::InvalidArgumentError("an ELF file's table lies outside of the file");
}

class ElfFile {
 public:
  ElfFile(int fd, absl::Span<const std::string_view> names)
      : fd_(fd), names_(names), offsets_(names.size()) {}

  absl::StatusOr<std::vector<ElfFunction>> Find();
  // Whether each of the names stands in a section of constants.
  absl::StatusOr<bool> ConstantsHoldAll();

 private:
  // Where in a string table each of the names stands; several where it is another one's end.
  using Places = absl::flat_hash_map<uint32_t, size_t>;

  absl::StatusOr<bool> ReadHeaders();
  absl::StatusOr<Places> FindNames(const Elf64_Shdr& strings) const;
  absl::Status FindSymbols(const Elf64_Shdr& symbols, const Places& places);
  std::optional<uint64_t> OffsetOf(uint64_t address) const;

  const int fd_;
  const absl::Span<const std::string_view> names_;
  std::vector<std::optional<uint64_t>> offsets_;
  std::vector<Elf64_Phdr> segments_;
  std::vector<Elf64_Shdr> sections_;
};

absl::StatusOr<bool> ElfFile::ReadHeaders() {
  static_assert(std::endian::native == std::endian::little);
  Elf64_Ehdr header;
  absl::StatusOr<bool> got = ReadAt(fd_, 0, &header, sizeof(header));
  if (!got.ok() || !*got) return got;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != Machine() ||
      (header.e_type != ET_EXEC && header.e_type != ET_DYN)) {
    return false;
  }
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kSegmentsMax ||
      header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum > kSectionsMax) {
    // Stripped of its sections, at best.
    return false;
  }
  segments_.resize(header.e_phnum);
  got = ReadAt(fd_, header.e_phoff, segments_.data(), segments_.size() * sizeof(Elf64_Phdr));
  if (!got.ok()) return got;
  if (!*got) return Outside();
  sections_.resize(header.e_shnum);
  got = ReadAt(fd_, header.e_shoff, sections_.data(), sections_.size() * sizeof(Elf64_Shdr));
  if (!got.ok()) return got;
  if (!*got) return Outside();
  return true;
}

absl::StatusOr<std::vector<ElfFunction>> ElfFile::Find() {
  const absl::StatusOr<bool> is_elf = ReadHeaders();
  if (!is_elf.ok()) return is_elf.status();
  std::vector<ElfFunction> found;
  if (!*is_elf) return found;
  int tables = 0;
  for (const Elf64_Shdr& symbols : sections_) {
    if (symbols.sh_type != SHT_DYNSYM && symbols.sh_type != SHT_SYMTAB) continue;
    // A file has at most one of each (ELF specification, chapter 4).
    if (++tables > 2) break;
    if (symbols.sh_link >= sections_.size() || symbols.sh_entsize != sizeof(Elf64_Sym)) continue;
    const Elf64_Shdr& strings = sections_[symbols.sh_link];
    if (strings.sh_type != SHT_STRTAB) continue;
    if (strings.sh_size > kElfTableBytesMax || symbols.sh_size > kElfTableBytesMax) {
      return absl::ResourceExhaustedError("an ELF file's table of symbols is too large");
    }
    const absl::StatusOr<Places> places = FindNames(strings);
    if (!places.ok()) return places.status();
    if (places->empty()) continue;
    if (absl::Status s = FindSymbols(symbols, *places); !s.ok()) return s;
  }
  for (size_t i = 0; i < offsets_.size(); ++i) {
    if (offsets_[i].has_value()) found.push_back({.name = i, .offset = *offsets_[i]});
  }
  return found;
}

absl::StatusOr<ElfFile::Places> ElfFile::FindNames(const Elf64_Shdr& strings) const {
  Places places;
  // With the zero byte that ends each.
  std::vector<std::string> ended;
  size_t longest = 1;
  for (const std::string_view name : names_) {
    ended.emplace_back(name).push_back('\0');
    longest = std::max(longest, ended.back().size());
  }
  // What is read begins with the end of what was read before, for names across the seam.
  std::string window;
  for (uint64_t at = 0; at < strings.sh_size;) {
    const size_t kept = std::min(window.size(), longest - 1);
    window.erase(0, window.size() - kept);
    const size_t next = std::min<uint64_t>(kChunkBytes, strings.sh_size - at);
    window.resize(kept + next);
    const absl::StatusOr<bool> got =
        ReadAt(fd_, strings.sh_offset + at, window.data() + kept, next);
    if (!got.ok()) return got.status();
    if (!*got) return Outside();
    const uint64_t window_begin = at - kept;
    for (size_t i = 0; i < names_.size(); ++i) {
      for (size_t place = window.find(ended[i]); place != std::string::npos;
           place = window.find(ended[i], place + 1)) {
        places[static_cast<uint32_t>(window_begin + place)] = i;
      }
    }
    at += next;
  }
  return places;
}

absl::StatusOr<bool> ElfFile::ConstantsHoldAll() {
  const absl::StatusOr<bool> is_elf = ReadHeaders();
  if (!is_elf.ok() || !*is_elf) return is_elf;
  std::vector<std::string_view> missing(names_.begin(), names_.end());
  size_t longest = 1;
  for (const std::string_view name : names_) longest = std::max(longest, name.size());
  uint64_t budget = kElfTableBytesMax;
  std::string window;
  for (const Elf64_Shdr& section : sections_) {
    constexpr uint64_t kKinds = SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR;
    if (section.sh_type != SHT_PROGBITS || (section.sh_flags & kKinds) != SHF_ALLOC) continue;
    window.clear();
    for (uint64_t at = 0; at < section.sh_size && !missing.empty();) {
      const size_t kept = std::min(window.size(), longest - 1);
      window.erase(0, window.size() - kept);
      const size_t next = std::min<uint64_t>(kChunkBytes, section.sh_size - at);
      if (next > budget)
        return absl::ResourceExhaustedError("an ELF file's constants are too large");
      budget -= next;
      window.resize(kept + next);
      const absl::StatusOr<bool> got =
          ReadAt(fd_, section.sh_offset + at, window.data() + kept, next);
      if (!got.ok()) return got;
      if (!*got) return Outside();
      std::erase_if(missing, [&](std::string_view text) {
        return memmem(window.data(), window.size(), text.data(), text.size()) != nullptr;
      });
      at += next;
    }
  }
  return missing.empty();
}

absl::Status ElfFile::FindSymbols(const Elf64_Shdr& symbols, const Places& places) {
  std::vector<Elf64_Sym> chunk;
  const uint64_t count = symbols.sh_size / sizeof(Elf64_Sym);
  for (uint64_t first = 0; first < count;) {
    chunk.resize(std::min<uint64_t>(count - first, kChunkBytes / sizeof(Elf64_Sym)));
    const absl::StatusOr<bool> got = ReadAt(fd_, symbols.sh_offset + first * sizeof(Elf64_Sym),
                                            chunk.data(), chunk.size() * sizeof(Elf64_Sym));
    if (!got.ok()) return got.status();
    if (!*got) return Outside();
    for (const Elf64_Sym& symbol : chunk) {
      if (symbol.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
      const auto place = places.find(symbol.st_name);
      if (place == places.end() || offsets_[place->second].has_value()) continue;
      offsets_[place->second] = OffsetOf(symbol.st_value);
    }
    first += chunk.size();
  }
  return absl::OkStatus();
}

std::optional<uint64_t> ElfFile::OffsetOf(uint64_t address) const {
  for (const Elf64_Phdr& segment : segments_) {
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    if (address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz) continue;
    const uint64_t offset = address - segment.p_vaddr;
    if (segment.p_offset > std::numeric_limits<uint64_t>::max() - offset) continue;
    return segment.p_offset + offset;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::vector<ElfFunction>> FindElfFunctions(
    int fd, absl::Span<const std::string_view> names) {
  return ElfFile(fd, names).Find();
}

absl::StatusOr<bool> ElfConstantsHold(int fd, absl::Span<const std::string_view> texts) {
  return ElfFile(fd, texts).ConstantsHoldAll();
}

}  // namespace skimwatch::traffic
