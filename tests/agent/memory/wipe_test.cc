#include "agent/memory/wipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace skimwatch::memory {
namespace {

// Memory of this process as the kernel has it, whatever the language says of its lifetime.
std::string MemoryAt(uintptr_t at, size_t size) {
  std::string bytes(size, '?');
  const int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  const ssize_t got = pread(fd, bytes.data(), size, static_cast<off_t>(at));
  close(fd);
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return bytes;
}

// Not as a constant of its own, which would be found in the wrong place.
std::string Secret() {
  std::string secret;
  for (char c = 'A'; c < 'A' + 16; ++c) secret.push_back(static_cast<char>(c ^ 0x15));
  return secret;
}

TEST(Wipe, OverwritesWhatIsBeyondTheSizeToo) {
  std::string text = Secret() + Secret() + Secret();
  const auto at = reinterpret_cast<uintptr_t>(text.data());
  const size_t capacity = text.capacity();
  text.resize(3);
  Wipe(text);
  EXPECT_EQ(text, "");
  EXPECT_EQ(text.capacity(), capacity);
  EXPECT_EQ(MemoryAt(at, capacity), std::string(capacity, '\0'));
  // Within the object itself, where there is no other memory.
  text = std::string();
  std::string small = "123456789012345";
  Wipe(small);
  EXPECT_EQ(MemoryAt(reinterpret_cast<uintptr_t>(small.data()), 15), std::string(15, '\0'));
}

TEST(Wipe, CutsATextAndOverwritesTheRest) {
  std::string text = Secret() + Secret();
  const auto at = reinterpret_cast<uintptr_t>(text.data());
  WipeFrom(text, 100);
  EXPECT_EQ(text.size(), 32u);
  WipeFrom(text, 4);
  EXPECT_EQ(text, Secret().substr(0, 4));
  EXPECT_EQ(MemoryAt(at + 4, 28), std::string(28, '\0'));
}

// Leaves the secret on the stack, and says where the stack was.
[[gnu::noinline]] uintptr_t LeaveOnStack(size_t depth, const std::string& secret) {
  char here[256];
  std::memcpy(here, secret.data(), secret.size());
  asm volatile("" : : "r"(here) : "memory");
  uintptr_t deepest = reinterpret_cast<uintptr_t>(here);
  if (depth > 0) deepest = LeaveOnStack(depth - 1, secret);
  asm volatile("" : : "r"(here) : "memory");
  return deepest;
}

TEST(Wipe, OverwritesTheStackOfCallsThatReturned) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "a sanitizer has stacks of its own";
#endif
  const std::string secret = Secret();
  const uintptr_t deepest = LeaveOnStack(100, secret);
  char here = 0;
  const size_t size = reinterpret_cast<uintptr_t>(&here) - deepest;
  ASSERT_LT(size, size_t{64} << 10);
  ASSERT_NE(MemoryAt(deepest, size).find(secret), std::string::npos) << "nothing was left";
  WipeDeadStack();
  EXPECT_EQ(MemoryAt(deepest, size).find(secret), std::string::npos);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

// How often the secret stands in a block after it was freed; the heap's own first words are its.
bool IsIn(uintptr_t block, size_t size) {
  return MemoryAt(block, size).find(Secret()) != std::string::npos;
}

TEST(WipingHeap, OverwritesBlocksThatAreFreed) {
  for (const size_t size : {64u, 1000u, 5000u, 100'000u}) {
    char* const block = static_cast<char*>(std::malloc(size));
    // Keeps the heap from giving the memory back at once.
    void* const guard = std::malloc(size);
    std::memcpy(block + size - 20, Secret().data(), 16);
    const auto at = reinterpret_cast<uintptr_t>(block);
    EXPECT_TRUE(IsIn(at, size));
    std::free(block);
    EXPECT_FALSE(IsIn(at, size)) << size;
    std::free(guard);
  }
}

TEST(WipingHeap, OverwritesBlocksThatMove) {
  char* block = static_cast<char*>(std::malloc(200));
  void* const guard = std::malloc(200);
  std::memcpy(block + 100, Secret().data(), 16);
  const auto at = reinterpret_cast<uintptr_t>(block);
  block = static_cast<char*>(std::realloc(block, 50'000));
  ASSERT_NE(reinterpret_cast<uintptr_t>(block), at);
  EXPECT_EQ(std::memcmp(block + 100, Secret().data(), 16), 0);
  EXPECT_FALSE(IsIn(at, 200));
  // What a smaller size cuts off, in place or not.
  std::memcpy(block + 40'000, Secret().data(), 16);
  const auto moved = reinterpret_cast<uintptr_t>(block);
  block = static_cast<char*>(std::realloc(block, 30'000));
  EXPECT_FALSE(IsIn(moved + 30'000, 20'000));
  EXPECT_EQ(std::memcmp(block + 100, Secret().data(), 16), 0);
  EXPECT_EQ(std::realloc(block, 0), nullptr);
  std::free(guard);
}

TEST(WipingHeap, TakesEveryKindOfBlock) {
  std::free(nullptr);
  void* aligned = nullptr;
  ASSERT_EQ(posix_memalign(&aligned, 4096, 10'000), 0);
  std::free(aligned);
  std::free(std::aligned_alloc(64, 640));
  std::free(std::calloc(10, 10));
  // With a mapping of its own.
  char* large = static_cast<char*>(std::malloc(size_t{64} << 20));
  large[5] = 'x';
  large = static_cast<char*>(std::realloc(large, size_t{80} << 20));
  EXPECT_EQ(large[5], 'x');
  std::free(large);
  errno = 7;
  std::free(std::malloc(10));
  EXPECT_EQ(errno, 7);
}

#endif

}  // namespace
}  // namespace skimwatch::memory
