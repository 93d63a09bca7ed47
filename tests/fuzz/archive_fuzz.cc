// Archives and compressed files of any bytes: an end, and no more content than the budget allows.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/offline/archive_reader.h"
#include "agent/offline/decompressor.h"

namespace skimwatch::offline {
namespace {

constexpr ExpansionLimit kLimit = {.ratio_max = 100, .bytes_min = 1 << 20, .entries_max = 1000};

class Bytes final : public ByteStream {
 public:
  Bytes(std::string_view bytes, bool seekable) : bytes_(bytes), seekable_(seekable) {}

  bool seekable() const override { return seekable_; }
  uint64_t size() const override { return bytes_.size(); }

 private:
  absl::StatusOr<size_t> Fill(char* out, size_t size) override {
    const std::string_view left = bytes_.substr(offset_);
    const size_t n = std::min(size, left.size());
    left.copy(out, n);
    offset_ += n;
    return n;
  }
  absl::Status SeekTo(uint64_t offset) override {
    offset_ = std::min<size_t>(offset, bytes_.size());
    return absl::OkStatus();
  }

  const std::string_view bytes_;
  const bool seekable_;
  size_t offset_ = 0;
};

uint64_t Drain(ByteStream& stream) {
  uint64_t bytes = 0;
  while (true) {
    const auto next = stream.Next();
    if (!next.ok() || next->empty()) return bytes;
    bytes += next->size();
  }
}

void Unpack(std::string_view bytes, bool seekable) {
  const Cancellation cancellation;
  std::atomic<uint64_t> total{0};
  const FileStream file(cancellation, total);
  ExpansionBudget budget(file, kLimit);
  Bytes input(bytes, seekable);
  uint64_t content = 0;
  if (const auto compression = DetectCompression(bytes, "")) {
    content = Drain(*Decompress(*compression, input, budget, 0));
  } else if (const auto format = DetectArchive(bytes)) {
    ArchiveReader reader(*format, input, budget, 0);
    while (!reader.ended()) {
      const auto entry = reader.Next();
      if (!entry.ok()) continue;
      if (!entry->has_value()) break;
      content += Drain(*(*entry)->content);
    }
  }
  // The last piece may begin within it.
  if (content > kLimit.bytes_min + ByteStream::kBufferBytes) std::abort();
}

}  // namespace
}  // namespace skimwatch::offline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  skimwatch::offline::Unpack(bytes, /*seekable=*/true);
  skimwatch::offline::Unpack(bytes, /*seekable=*/false);
  return 0;
}
