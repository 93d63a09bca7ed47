// Memory that goes back to the heap is overwritten first: linked into skimwatch-agent, this takes
// the place of free(3) and realloc(3) for the whole program, the libraries too. Strings, the parts
// of messages that libhtp keeps, the windows of decompressors and buffers of every kind held bytes
// of traffic; a free block that still does is what a debugger, a swapped-out page or a bug that
// reads too far would show.
//
// glibc lets a program put its own functions in place of these (its manual, "Replacing malloc");
// the others of the family stay glibc's, and so does the heap itself.

#include <errno.h>
#include <malloc.h>
#include <string.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace {

// Whether the block has a mapping of its own, which free gives back to the kernel: nobody sees its
// pages again, and to overwrite them would bring in those that were never used. The second bit of
// the word before a block says so (glibc wiki, "MallocInternals": M, allocated by mmap).
bool HasOwnMapping(const void* block) {
  constexpr size_t kMapped = 2;
  return (static_cast<const size_t*>(block)[-1] & kMapped) != 0;
}

}  // namespace

extern "C" {

// Of glibc: what its own free does.
void __libc_free(void* block);

void free(void* block) noexcept {
  if (block == nullptr) return;
  // free(3) keeps errno since glibc 2.33.
  const int error = errno;
  if (!HasOwnMapping(block)) explicit_bzero(block, malloc_usable_size(block));
  __libc_free(block);
  errno = error;
}

// glibc's would move a block and leave the old one as it was.
void* realloc(void* block, size_t size) noexcept {
  if (block == nullptr) return malloc(size);
  if (size == 0) {
    free(block);
    return nullptr;
  }
  const size_t usable = malloc_usable_size(block);
  if (size <= usable && size >= usable / 2) {
    // What is cut off is no longer the caller's.
    explicit_bzero(static_cast<char*>(block) + size, usable - size);
    return block;
  }
  void* const moved = malloc(size);
  if (moved == nullptr) return nullptr;
  memcpy(moved, block, std::min(size, usable));
  free(block);
  return moved;
}

}  // extern "C"
