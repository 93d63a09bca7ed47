#include <zstd.h>

#include <memory>
#include <string_view>

#include "agent/traffic/protocol/content_decoder.h"

namespace skimwatch::traffic {
namespace {

constexpr int kWindowLogMax = 23;

class ZstdDecoder final : public ContentDecoder {
 public:
  ZstdDecoder(ZSTD_DCtx* context, uint64_t bytes, DecoderMemory& memory)
      : context_(context), bytes_(bytes), memory_(memory) {}
  ~ZstdDecoder() override {
    ZSTD_freeDCtx(context_);
    memory_.Return(bytes_);
  }
  ZstdDecoder(const ZstdDecoder&) = delete;
  ZstdDecoder& operator=(const ZstdDecoder&) = delete;

  Result Decode(std::string_view& input, absl::Span<char> scratch, Output output) override {
    ZSTD_inBuffer in = {input.data(), input.size(), 0};
    bool more_output = false;
    while (in.pos < in.size || more_output) {
      ZSTD_outBuffer out = {scratch.data(), scratch.size(), 0};
      // One frame after another; each begins anew by itself.
      const size_t status = ZSTD_decompressStream(context_, &out, &in);
      input.remove_prefix(input.size() - (in.size - in.pos));
      // The window is allocated when a frame's header has been read.
      const uint64_t bytes = ZSTD_sizeof_DCtx(context_);
      if (bytes > bytes_) {
        if (!memory_.Take(bytes - bytes_)) return Result::kBroken;
        bytes_ = bytes;
      }
      if (out.pos > 0 && !output({scratch.data(), out.pos})) return Result::kStopped;
      if (ZSTD_isError(status) != 0) return Result::kBroken;
      more_output = out.pos == out.size && status != 0;
    }
    return Result::kMore;
  }

 private:
  ZSTD_DCtx* context_;
  uint64_t bytes_;
  DecoderMemory& memory_;
};

}  // namespace

std::unique_ptr<ContentDecoder> CreateZstdDecoder(DecoderMemory& memory) {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  if (context == nullptr) return nullptr;
  const uint64_t bytes = ZSTD_sizeof_DCtx(context);
  if (ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, kWindowLogMax)) != 0 ||
      !memory.Take(bytes)) {
    ZSTD_freeDCtx(context);
    return nullptr;
  }
  return std::make_unique<ZstdDecoder>(context, bytes, memory);
}

}  // namespace skimwatch::traffic
