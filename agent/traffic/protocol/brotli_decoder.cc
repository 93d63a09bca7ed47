#include <brotli/decode.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string_view>

#include "agent/traffic/protocol/content_decoder.h"

namespace skimwatch::traffic {
namespace {

// Blocks that brotli asks for begin with their size, so that they can be given back.
constexpr size_t kPrefixBytes = alignof(std::max_align_t);

void* Allocate(void* opaque, size_t bytes) {
  auto* memory = static_cast<DecoderMemory*>(opaque);
  if (!memory->Take(bytes)) return nullptr;
  auto* block = static_cast<char*>(std::malloc(kPrefixBytes + bytes));
  if (block == nullptr) {
    memory->Return(bytes);
    return nullptr;
  }
  *reinterpret_cast<size_t*>(block) = bytes;
  return block + kPrefixBytes;
}

void Free(void* opaque, void* address) {
  if (address == nullptr) return;
  char* block = static_cast<char*>(address) - kPrefixBytes;
  static_cast<DecoderMemory*>(opaque)->Return(*reinterpret_cast<size_t*>(block));
  std::free(block);
}

class BrotliDecoder final : public ContentDecoder {
 public:
  explicit BrotliDecoder(BrotliDecoderState* state) : state_(state) {}
  ~BrotliDecoder() override { BrotliDecoderDestroyInstance(state_); }
  BrotliDecoder(const BrotliDecoder&) = delete;
  BrotliDecoder& operator=(const BrotliDecoder&) = delete;

  Result Decode(std::string_view& input, absl::Span<char> scratch, Output output) override {
    if (ended_) return input.empty() ? Result::kMore : Result::kEnd;
    for (;;) {
      size_t input_left = input.size();
      const auto* next_in = reinterpret_cast<const uint8_t*>(input.data());
      size_t output_left = scratch.size();
      auto* next_out = reinterpret_cast<uint8_t*>(scratch.data());
      const BrotliDecoderResult result = BrotliDecoderDecompressStream(
          state_, &input_left, &next_in, &output_left, &next_out, nullptr);
      input.remove_prefix(input.size() - input_left);
      const size_t produced = scratch.size() - output_left;
      if (produced > 0 && !output({scratch.data(), produced})) return Result::kStopped;
      switch (result) {
        case BROTLI_DECODER_RESULT_SUCCESS:
          ended_ = true;
          return input.empty() ? Result::kMore : Result::kEnd;
        case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
          return Result::kMore;
        case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
          break;
        case BROTLI_DECODER_RESULT_ERROR:
          return Result::kBroken;
      }
    }
  }

 private:
  BrotliDecoderState* state_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<ContentDecoder> CreateBrotliDecoder(DecoderMemory& memory) {
  BrotliDecoderState* state = BrotliDecoderCreateInstance(&Allocate, &Free, &memory);
  if (state == nullptr) return nullptr;
  return std::make_unique<BrotliDecoder>(state);
}

}  // namespace skimwatch::traffic
