#include <malloc.h>

#include "proto/process/process.h"

namespace skimwatch::process {

void KeepFreedMemory() {
  constexpr int kKeptBytes = 8 << 20;
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
}

}  // namespace skimwatch::process
