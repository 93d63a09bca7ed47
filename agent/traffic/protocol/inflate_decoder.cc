#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string_view>

#include "agent/traffic/protocol/content_decoder.h"

namespace skimwatch::traffic {
namespace {

// gzip and deflate by ISA-L, which decodes the text of web sites two to three times as fast as
// zlib.
class InflateDecoder final : public ContentDecoder {
 public:
  enum class Format { kGzip, kDeflate };

  static std::unique_ptr<ContentDecoder> Create(Format format, DecoderMemory& memory) {
    if (!memory.Take(sizeof(InflateDecoder))) return nullptr;
    return std::unique_ptr<ContentDecoder>(new InflateDecoder(format, memory));
  }

  ~InflateDecoder() override { memory_.Return(sizeof(InflateDecoder)); }
  InflateDecoder(const InflateDecoder&) = delete;
  InflateDecoder& operator=(const InflateDecoder&) = delete;

  Result Decode(std::string_view& input, absl::Span<char> scratch, Output output) override {
    Result result = Result::kMore;
    while (result == Result::kMore && !input.empty()) {
      if (open_) {
        result = Inflate(input, scratch, output);
        continue;
      }
      head_[head_size_++] = input.front();
      input.remove_prefix(1);
      if (head_size_ < HeadBytes()) continue;
      if (!Open()) return Result::kBroken;
      std::string_view head(head_.data(), head_size_);
      result = Inflate(head, scratch, output);
    }
    return result;
  }

 private:
  // The state is left as it is: Open sets what is read of it, and it is of 85 KiB.
  InflateDecoder(Format format, DecoderMemory& memory) : memory_(memory), format_(format) {}

  // What is looked at before ISA-L sees it.
  size_t HeadBytes() const { return format_ == Format::kGzip ? 4 : 2; }

  bool Open() {
    // RFC 1952 2.3.1.2: bits that must be zero, which ISA-L does not mind.
    constexpr uint8_t kReservedFlags = 0xe0;
    if (format_ == Format::kGzip && (static_cast<uint8_t>(head_[3]) & kReservedFlags) != 0) {
      return false;
    }
    isal_inflate_init(&state_);
    state_.crc_flag = format_ == Format::kGzip ? ISAL_GZIP
                      : HasZlibHeader()        ? ISAL_ZLIB
                                               : ISAL_DEFLATE;
    open_ = true;
    return true;
  }

  // RFC 1950 2.2: method 8, and a check that makes both bytes a multiple of 31.
  bool HasZlibHeader() const {
    const auto first = static_cast<uint8_t>(head_[0]);
    const auto second = static_cast<uint8_t>(head_[1]);
    return (first & 0x0f) == 8 && (first * 256 + second) % 31 == 0;
  }

  // Up to the end of the input, or to where another member begins; open_ is false there.
  Result Inflate(std::string_view& input, absl::Span<char> scratch, Output output) {
    bool more_output = false;
    while (!input.empty() || more_output) {
      if (member_ended_) {
        constexpr char kGzipMagic = 0x1f;
        if (format_ != Format::kGzip || input.front() != kGzipMagic) return Result::kEnd;
        member_ended_ = open_ = false;
        head_size_ = 0;
        return Result::kMore;
      }
      const auto take = static_cast<uint32_t>(
          std::min<size_t>(input.size(), std::numeric_limits<int32_t>::max()));
      // ISA-L reads only; its interface has no const.
      state_.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(input.data()));
      state_.avail_in = take;
      state_.next_out = reinterpret_cast<uint8_t*>(scratch.data());
      state_.avail_out = static_cast<uint32_t>(scratch.size());
      const int status = isal_inflate(&state_);
      const size_t produced = scratch.size() - state_.avail_out;
      member_ended_ = state_.block_state == ISAL_BLOCK_FINISH;
      more_output = !member_ended_ && state_.avail_out == 0;
      size_t left = state_.avail_in;
      // Of what it read ahead of the end.
      if (member_ended_) left += std::min<size_t>(state_.read_in_length / 8, take - left);
      input.remove_prefix(take - left);
      if (produced > 0 && !output({scratch.data(), produced})) return Result::kStopped;
      // A preset dictionary (ISAL_NEED_DICT) is what HTTP has no way to name.
      if (status != ISAL_DECOMP_OK && status != ISAL_END_INPUT && status != ISAL_OUT_OVERFLOW) {
        return Result::kBroken;
      }
      // It takes all that it is given, until the end or until the output is full.
      if (!member_ended_ && !more_output && !input.empty()) return Result::kBroken;
    }
    return Result::kMore;
  }

  DecoderMemory& memory_;
  const Format format_;
  bool open_ = false;
  bool member_ended_ = false;
  std::array<char, 4> head_{};
  size_t head_size_ = 0;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
  inflate_state state_;
};

}  // namespace

std::unique_ptr<ContentDecoder> CreateGzipDecoder(DecoderMemory& memory) {
  return InflateDecoder::Create(InflateDecoder::Format::kGzip, memory);
}

std::unique_ptr<ContentDecoder> CreateDeflateDecoder(DecoderMemory& memory) {
  return InflateDecoder::Create(InflateDecoder::Format::kDeflate, memory);
}

}  // namespace skimwatch::traffic
