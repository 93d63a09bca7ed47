#include "agent/memory/wipe.h"

#include <string.h>

#include <array>

namespace skimwatch::memory {
namespace {

// More than the deepest chain of calls takes, from a packet to the number within six encodings: a
// test measures what it leaves.
constexpr size_t kStackBytes = size_t{96} << 10;

}  // namespace

void Wipe(std::string& text) {
  // What is beyond the size is its own, and may be written once it is part of the text.
  text.resize(text.capacity());
  explicit_bzero(text.data(), text.size());
  text.clear();
}

void WipeFrom(std::string& text, size_t size) {
  if (size >= text.size()) return;
  explicit_bzero(text.data() + size, text.size() - size);
  text.resize(size);
}

[[gnu::noinline]] void WipeDeadStack() {
  // Not set to anything before, which would do the work twice.
  std::array<char, kStackBytes> below;
  explicit_bzero(below.data(), below.size());
}

}  // namespace skimwatch::memory
