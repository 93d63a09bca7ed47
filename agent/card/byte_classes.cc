#include "agent/card/byte_classes.h"

namespace skimwatch::card {

SextetClasses ClassifySextets(const char* block) {
  SextetClasses classes;
  for (size_t i = 0; i < kBlockBytes; ++i) {
    const uint8_t sextet = SextetOf(block[i]);
    if (sextet == kNoSextet) continue;
    const uint64_t bit = uint64_t{1} << i;
    if ((sextet & 0x20) == 0) classes.ascii_first |= bit;
    if ((sextet & 0x08) == 0) classes.ascii_second |= bit;
    if ((sextet & 0x02) == 0) classes.ascii_third |= bit;
    // The upper six bits of 0x30 to 0x3B, and of 0xEF, 0xBC, 0x90 to 0x99.
    if (sextet >= 0x30 >> 2 && sextet <= 0x3B >> 2) classes.digit_first |= bit;
    if (sextet == 0xEF >> 2 || sextet == 0xBC >> 2 ||
        (sextet >= 0x90 >> 2 && sextet <= 0x99 >> 2)) {
      classes.wide_first |= bit;
    }
  }
  return classes;
}

}  // namespace skimwatch::card
