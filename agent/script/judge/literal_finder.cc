#include "agent/script/judge/literal_finder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace skimwatch::script {
namespace {

constexpr size_t kKeyBytes = 3;
constexpr uint32_t kKeyMask = 0xFFFFFF;
// Makes letters of either case one, and some other bytes, too: the filter lets more through.
constexpr uint32_t kFold = 0x202020;
constexpr uint64_t kFoldAll = 0x2020202020202020;
constexpr size_t kWordBytes = 8;
constexpr uint32_t kByteValues = 256;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

uint32_t ByteOf(char c) { return static_cast<unsigned char>(c); }

// Little-endian whatever the machine is, so that the first byte is the lowest.
uint64_t Load(const char* bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  if constexpr (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) word = __builtin_bswap64(word);
  return word;
}

// Bits of the filter, by multiplication with 2^32 divided by the golden ratio.
uint32_t Hash(uint32_t key) { return (key * 0x9E3779B1u) >> 16; }

}  // namespace

LiteralFinder::LiteralFinder(std::vector<std::string> literals)
    : literals_(std::move(literals)), filter_(kHashes / 64), slot_of_(kHashes) {
  for (size_t i = 0; i < literals_.size(); ++i) {
    const std::string& literal = literals_[i];
    const uint32_t two = ByteOf(literal[0]) | ByteOf(literal[1]) << 8;
    if (literal.size() >= kKeyBytes) {
      Enter((two | ByteOf(literal[2]) << 16) | kFold, i);
      continue;
    }
    for (uint32_t third = 0; third < kByteValues; ++third) {
      if ((third | 0x20) == third) Enter((two | third << 16) | kFold, i);
    }
  }
  for (Slot& slot : slots_) {
    std::sort(slot.literals.begin(), slot.literals.end(),
              [&](size_t a, size_t b) { return literals_[a].size() > literals_[b].size(); });
  }
}

void LiteralFinder::Enter(uint32_t key, size_t literal) {
  const uint32_t hash = Hash(key);
  filter_[hash / 64] |= uint64_t{1} << (hash % 64);
  if (slot_of_[hash] == 0) {
    slots_.emplace_back();
    slot_of_[hash] = static_cast<uint16_t>(slots_.size());
  }
  Slot& slot = slots_[slot_of_[hash] - 1];
  slot.literals.push_back(literal);
  const std::string& bytes = literals_[literal];
  if (bytes.size() > kKeyBytes) {
    slot.goes_on[ByteOf(bytes[kKeyBytes]) | 0x20] = true;
  } else {
    slot.goes_on.fill(true);
  }
}

std::optional<size_t> LiteralFinder::Match(std::string_view text, size_t at, uint32_t key) const {
  const uint16_t number = slot_of_[Hash(key)];
  if (number == 0) return std::nullopt;
  const Slot& slot = slots_[number - 1];
  const std::string_view rest = text.substr(at);
  if (rest.size() > kKeyBytes && !slot.goes_on[ByteOf(rest[kKeyBytes]) | 0x20]) return std::nullopt;
  for (const size_t candidate : slot.literals) {
    const std::string& literal = literals_[candidate];
    if (literal.size() <= rest.size() && std::equal(literal.begin(), literal.end(), rest.begin(),
                                                    [](char a, char b) { return a == Lower(b); })) {
      return candidate;
    }
  }
  return std::nullopt;
}

std::optional<LiteralFinder::Place> LiteralFinder::Next(std::string_view text, size_t from) const {
  // Six places a word, for the last one's three bytes.
  constexpr size_t kPlaces = kWordBytes - kKeyBytes + 1;
  const uint64_t* const filter = filter_.data();
  size_t at = from;
  for (; at + kWordBytes <= text.size(); at += kPlaces) {
    const uint64_t word = Load(text.data() + at) | kFoldAll;
    uint64_t may_begin = 0;
    for (size_t i = 0; i < kPlaces; ++i) {
      const uint32_t hash = Hash(static_cast<uint32_t>(word >> (8 * i)) & kKeyMask);
      may_begin |= (filter[hash / 64] >> (hash % 64) & 1) << i;
    }
    for (; may_begin != 0; may_begin &= may_begin - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(may_begin));
      const auto key = static_cast<uint32_t>(word >> (8 * i)) & kKeyMask;
      if (const std::optional<size_t> literal = Match(text, at + i, key)) {
        return Place{.begin = at + i, .literal = *literal};
      }
    }
  }
  // The end, where a literal of two bytes may have nothing behind it.
  for (; at + 1 < text.size(); ++at) {
    const uint32_t third = at + 2 < text.size() ? ByteOf(text[at + 2]) : 0;
    const uint32_t key = (ByteOf(text[at]) | ByteOf(text[at + 1]) << 8 | third << 16) | kFold;
    if (const std::optional<size_t> literal = Match(text, at, key)) {
      return Place{.begin = at, .literal = *literal};
    }
  }
  return std::nullopt;
}

}  // namespace skimwatch::script
