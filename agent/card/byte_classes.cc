#include "agent/card/byte_classes.h"

#include <array>
#include <string_view>

#include "agent/card/base64_alphabet.h"

namespace skimwatch::card {
namespace {

// An entry has a byte for each class, 1 when the index is of the class. Eight entries shifted by
// their place and joined hold eight masks of eight bits.
using ClassTable = std::array<uint64_t, 256>;

constexpr void Mark(ClassTable& table, int class_index, std::string_view bytes) {
  for (const char c : bytes) table[static_cast<uint8_t>(c)] |= uint64_t{1} << (8 * class_index);
}

constexpr ClassTable kByteClasses = [] {
  ClassTable table{};
  constexpr std::string_view kDigits = "0123456789";
  Mark(table, 0, kDigits);
  Mark(table, 1, " -._/+");
  for (int c = 0; c < 256; ++c) {
    if (kSextets[c] < 64) table[c] |= uint64_t{1} << 16;
  }
  Mark(table, 3, kDigits);
  Mark(table, 3, "abcdefABCDEF");
  Mark(table, 4, "%\\&");
  Mark(table, 5, std::string_view("\0", 1));
  Mark(table, 6, "\xC2\xE2\xE3");
  Mark(table, 7, "\xD9\xDB\xDF\xE0\xE1\xEA\xEF\xF0");
  return table;
}();

constexpr ClassTable kSextetClasses = [] {
  ClassTable table{};
  for (int c = 0; c < 256; ++c) {
    const uint8_t sextet = kSextets[c];
    if (sextet >= 64) continue;
    if ((sextet & 0x20) == 0) table[c] |= 1;
    if ((sextet & 0x08) == 0) table[c] |= uint64_t{1} << 8;
    if ((sextet & 0x02) == 0) table[c] |= uint64_t{1} << 16;
    // The upper six bits of 0x30 to 0x3B, and of 0xEF, 0xBC, 0x90 to 0x99.
    if (sextet >= 0x30 >> 2 && sextet <= 0x3B >> 2) table[c] |= uint64_t{1} << 24;
    if (sextet == 0xEF >> 2 || sextet == 0xBC >> 2 ||
        (sextet >= 0x90 >> 2 && sextet <= 0x99 >> 2)) {
      table[c] |= uint64_t{1} << 32;
    }
  }
  return table;
}();

// The class bytes of 64 bytes of text, row by row of eight.
using Rows = std::array<uint64_t, 8>;

inline Rows ClassRows(const ClassTable& table, const char* block) {
  Rows rows;
  for (size_t row = 0; row < 8; ++row) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(block) + 8 * row;
    uint64_t joined = table[bytes[0]];
    for (size_t i = 1; i < 8; ++i) joined |= table[bytes[i]] << i;
    rows[row] = joined;
  }
  return rows;
}

// Transposes the matrix of 8 by 8 bytes: byte j of row i becomes byte i of row j.
inline void Transpose(Rows& rows) {
  const auto swap = [&](size_t a, size_t b, int shift, uint64_t mask) {
    const uint64_t changed = ((rows[a] >> shift) ^ rows[b]) & mask;
    rows[a] ^= changed << shift;
    rows[b] ^= changed;
  };
  for (size_t i = 0; i < 4; ++i) swap(i, i + 4, 32, 0x00000000FFFFFFFFu);
  for (const size_t i : {0, 1, 4, 5}) swap(i, i + 2, 16, 0x0000FFFF0000FFFFu);
  for (const size_t i : {0, 2, 4, 6}) swap(i, i + 1, 8, 0x00FF00FF00FF00FFu);
}

}  // namespace

BlockClasses ClassifyBlock(const char* block) {
  Rows rows = ClassRows(kByteClasses, block);
  Transpose(rows);
  return {rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7]};
}

SextetClasses ClassifySextets(const char* block) {
  Rows rows = ClassRows(kSextetClasses, block);
  Transpose(rows);
  return {rows[0], rows[1], rows[2], rows[3], rows[4]};
}

}  // namespace skimwatch::card
