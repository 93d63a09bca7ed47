#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_ELF_FUNCTIONS_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_ELF_FUNCTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace skimwatch::traffic {

// A function that an ELF file defines.
struct ElfFunction {
  // Index in the names that were asked for.
  size_t name = 0;
  // Of its first instruction, in the file.
  uint64_t offset = 0;

  friend bool operator==(const ElfFunction&, const ElfFunction&) = default;
};

// The functions of those `names` that the file open as `fd` defines, in .dynsym or .symtab, each
// once, by index. Empty for what is no program or library of this machine's kind.
//
// The file is read, never mapped, since whoever owns it may cut it meanwhile; of its tables at most
// kElfTableBytesMax each. RESOURCE_EXHAUSTED for larger ones, INVALID_ARGUMENT for a file whose
// parts lie outside of it, and the error of a read.
absl::StatusOr<std::vector<ElfFunction>> FindElfFunctions(int fd,
                                                          absl::Span<const std::string_view> names);

// Whether the constants (`.rodata`) of the file open as `fd` hold each of `texts`. False for what
// is no program or library of this machine's kind, or has no table of sections. The same errors; at
// most kElfTableBytesMax are read.
absl::StatusOr<bool> ElfConstantsHold(int fd, absl::Span<const std::string_view> texts);

inline constexpr uint64_t kElfTableBytesMax = uint64_t{256} << 20;

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_ELF_FUNCTIONS_H_
