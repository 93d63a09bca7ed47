#include "agent/traffic/sip_hash.h"

#include <bit>
#include <cstddef>

namespace skimwatch::traffic {
namespace {

constexpr size_t kWordBytes = 8;

uint64_t LittleEndian(std::string_view bytes) {
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    word |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  }
  return word;
}

struct State {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void Take(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

}  // namespace

uint64_t SipHash(const SipKey& key, std::string_view bytes) {
  State state{.v0 = key[0] ^ 0x736f6d6570736575,
              .v1 = key[1] ^ 0x646f72616e646f6d,
              .v2 = key[0] ^ 0x6c7967656e657261,
              .v3 = key[1] ^ 0x7465646279746573};
  const uint64_t last = uint64_t{bytes.size()} << 56;
  while (bytes.size() >= kWordBytes) {
    state.Take(LittleEndian(bytes.substr(0, kWordBytes)));
    bytes.remove_prefix(kWordBytes);
  }
  state.Take(last | LittleEndian(bytes));
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.Round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace skimwatch::traffic
