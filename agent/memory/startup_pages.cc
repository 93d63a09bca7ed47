#include "agent/memory/startup_pages.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace skimwatch::memory {
namespace {

// Whether code was changed when it was loaded, which would be lost: not in what is compiled to be
// position-independent.
bool HasTextRelocations(const dl_phdr_info& info, const ElfW(Phdr) & segment) {
  if (segment.p_type != PT_DYNAMIC) return false;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): dl_iterate_phdr gives numbers.
  const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(info.dlpi_addr + segment.p_vaddr);
  for (; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_TEXTREL) return true;
    if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0) return true;
  }
  return false;
}

int ReleaseObject(dl_phdr_info* info, size_t /*size*/, void* /*data*/) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (HasTextRelocations(*info, info->dlpi_phdr[i])) return 0;
  }
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    // What is relocated, and so differs from the file, is in segments that may be written to, also
    // where that was taken back afterwards (RELRO).
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    const uintptr_t first = begin / page * page;
    // The kernel refuses for what is locked in memory, which then stays.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): dl_iterate_phdr gives numbers.
    (void)madvise(reinterpret_cast<void*>(first), begin + segment.p_memsz - first, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void ReleaseStartupPages() { dl_iterate_phdr(&ReleaseObject, nullptr); }

}  // namespace skimwatch::memory
