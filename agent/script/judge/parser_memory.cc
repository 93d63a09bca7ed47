#include "agent/script/judge/parser_memory.h"

#include <sys/mman.h>
#include <tree_sitter/api.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace skimwatch::script {
namespace {

constexpr size_t kGrain = 16;
constexpr size_t kClassMax = 32;
constexpr size_t kBlockBytes = size_t{1} << 20;

// Before every piece. What tree-sitter keeps in pieces is aligned to 8 bytes at most.
struct Header {
  // 0 for a piece of the program's heap.
  size_t size_class;
};
static_assert(sizeof(Header) == 8);

thread_local ParserMemory* current = nullptr;

Header* HeaderOf(void* piece) { return static_cast<Header*>(piece) - 1; }

void* Allocate(size_t bytes) {
  const size_t size_class = (bytes + sizeof(Header) + kGrain - 1) / kGrain;
  void* piece = nullptr;
  if (current != nullptr && size_class <= kClassMax) {
    piece = current->Take(size_class);
    if (piece == nullptr) std::abort();
    auto* const header = new (piece) Header{size_class};
    return header + 1;
  }
  // As tree-sitter's own does, which has no way to go on without memory.
  if (bytes > SIZE_MAX - sizeof(Header)) std::abort();
  piece = std::malloc(bytes + sizeof(Header));
  if (piece == nullptr) std::abort();
  auto* const header = new (piece) Header{0};
  return header + 1;
}

void* AllocateZeroed(size_t count, size_t bytes) {
  size_t all = 0;
  if (__builtin_mul_overflow(count, bytes, &all)) std::abort();
  void* const piece = Allocate(all);
  std::memset(piece, 0, all);
  return piece;
}

void Deallocate(void* piece) {
  if (piece == nullptr) return;
  Header* const header = HeaderOf(piece);
  const size_t size_class = header->size_class;
  if (size_class == 0) return std::free(header);
  if (current != nullptr) current->Give(header, size_class);
}

void* Reallocate(void* piece, size_t bytes) {
  if (piece == nullptr) return Allocate(bytes);
  Header* const header = HeaderOf(piece);
  const size_t size_class = header->size_class;
  if (size_class == 0) {
    if (bytes > SIZE_MAX - sizeof(Header)) std::abort();
    void* const moved = std::realloc(header, bytes + sizeof(Header));
    if (moved == nullptr) std::abort();
    return static_cast<Header*>(moved) + 1;
  }
  const size_t room = size_class * kGrain - sizeof(Header);
  if (bytes <= room) return piece;
  void* const moved = Allocate(bytes);
  std::memcpy(moved, piece, room);
  Deallocate(piece);
  return moved;
}

// A block whose pages are there at once; nullptr where there is no memory.
void* MapBlock() {
  void* const block = mmap(nullptr, kBlockBytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return block == MAP_FAILED ? nullptr : block;
}

}  // namespace

ParserMemory::ParserMemory() {
  static const bool is_set = [] {
    ts_set_allocator(Allocate, AllocateZeroed, Reallocate, Deallocate);
    return true;
  }();
  (void)is_set;
  current = this;
}

ParserMemory::~ParserMemory() {
  current = nullptr;
  for (void* block : blocks_) munmap(block, kBlockBytes);
}

void* ParserMemory::Take(size_t size_class) {
  if (Free* const piece = free_[size_class]; piece != nullptr) {
    free_[size_class] = piece->next;
    return piece;
  }
  const size_t bytes = size_class * kGrain;
  if (static_cast<size_t>(end_ - begin_) < bytes) {
    void* const block = MapBlock();
    if (block == nullptr) return nullptr;
    blocks_.push_back(block);
    begin_ = static_cast<char*>(block);
    end_ = begin_ + kBlockBytes;
  }
  char* const piece = begin_;
  begin_ += bytes;
  return piece;
}

void ParserMemory::Give(void* piece, size_t size_class) {
  free_[size_class] = new (piece) Free{free_[size_class]};
}

}  // namespace skimwatch::script
