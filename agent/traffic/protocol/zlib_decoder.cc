#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>

#include "agent/traffic/protocol/content_decoder.h"

namespace skimwatch::traffic {
namespace {

// inflate's state and its window of 32 KiB.
constexpr uint64_t kInflateBytes = 42 << 10;

class ZlibDecoder final : public ContentDecoder {
 public:
  enum class Format { kGzip, kDeflate };

  static std::unique_ptr<ContentDecoder> Create(Format format, DecoderMemory& memory) {
    if (!memory.Take(kInflateBytes)) return nullptr;
    return std::unique_ptr<ContentDecoder>(new ZlibDecoder(format, memory));
  }

  ~ZlibDecoder() override {
    if (open_) inflateEnd(&stream_);
    memory_.Return(kInflateBytes);
  }
  ZlibDecoder(const ZlibDecoder&) = delete;
  ZlibDecoder& operator=(const ZlibDecoder&) = delete;

  Result Decode(std::string_view& input, absl::Span<char> scratch, Output output) override {
    while (!open_ && !input.empty()) {
      if (format_ == Format::kGzip) {
        if (!Open(16 + MAX_WBITS)) return Result::kBroken;
        break;
      }
      head_[head_size_++] = input.front();
      input.remove_prefix(1);
      if (head_size_ < head_.size()) continue;
      if (!Open(HasZlibHeader() ? MAX_WBITS : -MAX_WBITS)) return Result::kBroken;
      std::string_view head(head_.data(), head_.size());
      const Result result = Inflate(head, scratch, output);
      if (result != Result::kMore) return result;
    }
    return Inflate(input, scratch, output);
  }

 private:
  ZlibDecoder(Format format, DecoderMemory& memory) : memory_(memory), format_(format) {}

  bool Open(int window_bits) {
    open_ = inflateInit2(&stream_, window_bits) == Z_OK;
    return open_;
  }

  // RFC 1950 2.2: method 8, and a check that makes both bytes a multiple of 31.
  bool HasZlibHeader() const {
    const auto first = static_cast<uint8_t>(head_[0]);
    const auto second = static_cast<uint8_t>(head_[1]);
    return (first & 0x0f) == 8 && (first * 256 + second) % 31 == 0;
  }

  Result Inflate(std::string_view& input, absl::Span<char> scratch, Output output) {
    bool more_output = false;
    while (!input.empty() || more_output) {
      if (member_ended_) {
        constexpr char kGzipMagic = 0x1f;
        if (format_ != Format::kGzip || input.front() != kGzipMagic) return Result::kEnd;
        if (inflateReset(&stream_) != Z_OK) return Result::kBroken;
        member_ended_ = false;
      }
      const auto take =
          static_cast<uInt>(std::min<size_t>(input.size(), std::numeric_limits<uInt>::max()));
      // zlib reads only; its interface is older than const.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
      stream_.avail_in = take;
      stream_.next_out = reinterpret_cast<Bytef*>(scratch.data());
      stream_.avail_out = static_cast<uInt>(scratch.size());
      const int status = inflate(&stream_, Z_NO_FLUSH);
      input.remove_prefix(take - stream_.avail_in);
      const size_t produced = scratch.size() - stream_.avail_out;
      if (produced > 0 && !output({scratch.data(), produced})) return Result::kStopped;
      switch (status) {
        case Z_STREAM_END:
          member_ended_ = true;
          more_output = false;
          break;
        case Z_OK:
          more_output = stream_.avail_out == 0;
          break;
        case Z_BUF_ERROR:
          // There was nothing more to do.
          if (!input.empty()) return Result::kBroken;
          more_output = false;
          break;
        default:
          return Result::kBroken;
      }
    }
    return Result::kMore;
  }

  DecoderMemory& memory_;
  const Format format_;
  bool open_ = false;
  bool member_ended_ = false;
  z_stream stream_ = {};
  std::array<char, 2> head_{};
  size_t head_size_ = 0;
};

}  // namespace

std::unique_ptr<ContentDecoder> CreateGzipDecoder(DecoderMemory& memory) {
  return ZlibDecoder::Create(ZlibDecoder::Format::kGzip, memory);
}

std::unique_ptr<ContentDecoder> CreateDeflateDecoder(DecoderMemory& memory) {
  return ZlibDecoder::Create(ZlibDecoder::Format::kDeflate, memory);
}

}  // namespace skimwatch::traffic
