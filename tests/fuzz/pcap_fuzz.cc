// Any bytes as a capture file: no crash, no hang, and every packet within what libpcap may hold.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "agent/traffic/source/pcap_file.h"

namespace {

class Checker : public skimwatch::traffic::PacketHandler {
 public:
  void OnPacket(const skimwatch::traffic::PacketView& packet) override {
    if (packet.wire_bytes < packet.bytes.size()) std::abort();
    // Reads every byte, so that the sanitizer sees a view that is too long.
    for (const char byte : packet.bytes) sum_ = sum_ * 31 + static_cast<unsigned char>(byte);
    ++packets_;
  }
  void OnIdle(absl::Time /*now*/) override { std::abort(); }
  void Flush() override {}

  uint64_t packets() const { return packets_; }

 private:
  uint64_t packets_ = 0;
  volatile uint64_t sum_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skimwatch::traffic::PcapFile;
  if (size == 0) return 0;
  FILE* stream = fmemopen(const_cast<uint8_t*>(data), size, "rb");
  if (stream == nullptr) return 0;
  auto file = PcapFile::FromStream(stream, "fuzz");
  const bool capture = PcapFile::LooksLikeCapture({reinterpret_cast<const char*>(data), size});
  if (!file.ok()) return 0;
  // What can be opened is told from its first bytes.
  if (!capture) std::abort();
  Checker checker;
  (void)(*file)->Run(checker);
  if ((*file)->packets() != checker.packets()) std::abort();
  return 0;
}
