#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_CONTENT_DECODER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_CONTENT_DECODER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"

namespace skimwatch::traffic {

// Memory that the content decoders of one TrafficDecoder may use together: a zstd or brotli stream
// can demand megabytes for its window, and a peer can open many.
class DecoderMemory {
 public:
  explicit DecoderMemory(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  bool Take(uint64_t bytes) {
    if (bytes > bytes_max_ - used_) return false;
    used_ += bytes;
    return true;
  }
  void Return(uint64_t bytes) { used_ -= bytes; }
  uint64_t used_bytes() const { return used_; }

 private:
  const uint64_t bytes_max_;
  uint64_t used_ = 0;
};

// Undoes one content coding of one body, as a stream.
class ContentDecoder {
 public:
  enum class Result {
    // All of the input was taken.
    kMore,
    // The coded data is over; the input that is left is not part of it.
    kEnd,
    // The data breaks the coding's rules, or needs more memory than there is.
    kBroken,
    // `output` said false.
    kStopped,
  };
  // Takes decoded bytes; false ends the decoding.
  using Output = absl::FunctionRef<bool(std::string_view)>;

  virtual ~ContentDecoder() = default;
  // Decodes `input`, which is advanced over what was taken, by way of `scratch`. After anything but
  // kMore the decoder must not be used again.
  virtual Result Decode(std::string_view& input, absl::Span<char> scratch, Output output) = 0;
};

// The coding's decoder, or null where the name is none of gzip, x-gzip, deflate, br, zstd (RFC 9110
// 8.4.1, RFC 7932, RFC 8878; in any case of letters) or there is no memory for it.
std::unique_ptr<ContentDecoder> CreateContentDecoder(std::string_view coding,
                                                     DecoderMemory& memory);

// What the first bytes of a body that has no label say of its coding. Brotli and bare deflate data
// have no mark.
struct CodingMark {
  // Enough to decide.
  static constexpr size_t kBytesMax = 4;

  // More bytes are needed; `coding` is empty.
  bool undecided = false;
  // `gzip`, `zstd`, `deflate` (zlib's format), or empty where there is no mark.
  std::string_view coding;
};
CodingMark DetectCoding(std::string_view first_bytes);

// gzip of any number of members (RFC 1952), or `deflate`, which is zlib's format (RFC 1950) and
// from some senders the bare data (RFC 1951): told apart by the first bytes.
std::unique_ptr<ContentDecoder> CreateGzipDecoder(DecoderMemory& memory);
std::unique_ptr<ContentDecoder> CreateDeflateDecoder(DecoderMemory& memory);
std::unique_ptr<ContentDecoder> CreateBrotliDecoder(DecoderMemory& memory);
// Windows of up to 8 MiB, as RFC 9659 has it for HTTP.
std::unique_ptr<ContentDecoder> CreateZstdDecoder(DecoderMemory& memory);

// What the content decoders of one TrafficDecoder share.
struct ContentDecoding {
  static constexpr size_t kCodingsMax = 5;
  static constexpr size_t kScratchBytes = 32 << 10;
  static constexpr uint64_t kMemoryBytesMax = uint64_t{64} << 20;

  DecoderMemory memory{kMemoryBytesMax};
  // One for each coding in a stack.
  std::array<std::unique_ptr<char[]>, kCodingsMax> scratch;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_CONTENT_DECODER_H_
