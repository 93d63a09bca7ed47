// Data that claims a content coding, in any pieces: the decoders take it all, stop or call it
// broken, yield nothing beyond what their scratch holds at a time, and give all of their memory
// back.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "agent/traffic/protocol/content_decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skimwatch::traffic::ContentDecoder;
  static constexpr std::string_view kCodings[] = {"gzip", "deflate", "br", "zstd"};
  static constexpr uint64_t kOutputBytesMax = 4 << 20;
  if (size < 2) return 0;
  skimwatch::traffic::DecoderMemory memory(20 << 20);
  {
    const std::unique_ptr<ContentDecoder> decoder =
        skimwatch::traffic::CreateContentDecoder(kCodings[data[0] & 3], memory);
    if (decoder == nullptr) std::abort();
    const size_t piece_bytes = size_t{1} + data[1];
    std::string scratch(1000, '\0');
    uint64_t produced = 0;
    uint64_t sum = 0;
    const auto output = [&](std::string_view bytes) {
      if (bytes.size() > scratch.size()) std::abort();
      produced += bytes.size();
      for (char c : bytes) sum += static_cast<uint8_t>(c);
      return produced < kOutputBytesMax;
    };
    for (size_t at = 2; at < size; at += piece_bytes) {
      // A copy of its own size, so that a sanitizer sees a byte too much.
      const std::string piece(reinterpret_cast<const char*>(data) + at,
                              std::min(piece_bytes, size - at));
      std::string_view input = piece;
      const ContentDecoder::Result result =
          decoder->Decode(input, {scratch.data(), scratch.size()}, output);
      if (result == ContentDecoder::Result::kMore && !input.empty()) std::abort();
      if (result != ContentDecoder::Result::kMore) break;
    }
    if (memory.used_bytes() == 0) std::abort();
  }
  if (memory.used_bytes() != 0) std::abort();
  return 0;
}
