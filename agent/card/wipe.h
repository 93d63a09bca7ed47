#ifndef SKIMWATCH_AGENT_CARD_WIPE_H_
#define SKIMWATCH_AGENT_CARD_WIPE_H_

#include <string.h>

#include <array>
#include <cstddef>

namespace skimwatch::card {

// Overwrites an array that held digits, in place: what explicit_bzero does without the call, which
// a list of numbers would spend a tenth of its time in. The compiler has to take the bytes for read
// afterwards, and so leaves none out.
template <typename T, size_t kSize>
void WipeArray(std::array<T, kSize>& array) {
  memset(array.data(), 0, sizeof(array));
  __asm__ __volatile__("" : : "r"(array.data()) : "memory");
}

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_WIPE_H_
