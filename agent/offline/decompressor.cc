#include "agent/offline/decompressor.h"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace skimwatch::offline {
namespace {

// A window beyond this is refused (zstd --long=28 and more).
constexpr int kZstdWindowLogMax = 27;

absl::Status Damaged(std::string_view what) { return absl::DataLossError(std::string(what)); }

// Pulls input, hands it to a decoder piece by piece and watches the expansion.
class Decompressor : public ByteStream {
 protected:
  Decompressor(ByteStream& input, const FileStream& file, ExpansionLimit limit)
      : input_(input), file_(file), limit_(limit) {}

  // Decodes from the front of `in`, which shrinks by what was used, to `out`. Returns the bytes
  // written.
  virtual absl::StatusOr<size_t> Decode(std::string_view& in, char* out, size_t size) = 0;
  // The input has ended: an error when the data may not end here.
  virtual absl::Status End() = 0;

 private:
  absl::StatusOr<size_t> Fill(char* out, size_t size) final {
    while (true) {
      const size_t waiting = in_.size();
      absl::StatusOr<size_t> written = Decode(in_, out, size);
      if (!written.ok()) return written;
      if (*written > 0) return Counted(*written);
      if (!in_.empty()) {
        if (in_.size() == waiting && waiting > 0 && ++stalls_ > 1) {
          return Damaged("the compressed data stands still");
        }
        continue;
      }
      stalls_ = 0;
      const absl::StatusOr<std::string_view> next = input_.Next();
      if (!next.ok()) return next.status();
      if (next->empty()) {
        if (absl::Status status = End(); !status.ok()) return status;
        return 0;
      }
      in_ = *next;
    }
  }

  absl::StatusOr<size_t> Counted(size_t written) {
    bytes_ += written;
    if (bytes_ > limit_.bytes_min && bytes_ / limit_.ratio_max > file_.bytes()) {
      return absl::ResourceExhaustedError(absl::StrCat("grows by more than ", limit_.ratio_max,
                                                       " times, like a decompression bomb; "
                                                       "if it is none, raise --max-expansion"));
    }
    return written;
  }

  ByteStream& input_;
  const FileStream& file_;
  const ExpansionLimit limit_;
  std::string_view in_;
  uint64_t bytes_ = 0;
  int stalls_ = 0;
};

// RFC 1952.
class GzipStream final : public Decompressor {
 public:
  GzipStream(ByteStream& input, const FileStream& file, ExpansionLimit limit)
      : Decompressor(input, file, limit) {
    constexpr int kGzipOnly = 16;
    ok_ = inflateInit2(&z_, MAX_WBITS + kGzipOnly) == Z_OK;
  }
  ~GzipStream() override { inflateEnd(&z_); }

 private:
  absl::StatusOr<size_t> Decode(std::string_view& in, char* out, size_t size) override {
    if (!ok_) return absl::ResourceExhaustedError("no memory to decompress");
    if (between_ && members_ > 0) {
      // Tapes pad the last block with zeros.
      in.remove_prefix(std::min(in.find_first_not_of('\0'), in.size()));
      if (in.empty()) return 0;
      if (in[0] != '\x1f') return Damaged("something else follows the gzip data");
      inflateReset(&z_);
    }
    if (in.empty() && !more_) return 0;
    between_ = false;
    const auto clamp = [](size_t n) {
      return static_cast<uInt>(std::min<size_t>(n, std::numeric_limits<uInt>::max()));
    };
    const uInt given = clamp(in.size());
    const uInt room = clamp(size);
    // zlib does not write to its input.
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    z_.avail_in = given;
    z_.next_out = reinterpret_cast<Bytef*>(out);
    z_.avail_out = room;
    const int result = inflate(&z_, Z_NO_FLUSH);
    in.remove_prefix(given - z_.avail_in);
    more_ = z_.avail_out == 0 && result != Z_STREAM_END;
    if (result == Z_STREAM_END) {
      between_ = true;
      ++members_;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return Damaged(absl::StrCat("damaged gzip data: ", z_.msg == nullptr ? "" : z_.msg));
    }
    return room - z_.avail_out;
  }

  absl::Status End() override {
    return between_ ? absl::OkStatus() : Damaged("the gzip data breaks off");
  }

  z_stream z_{};
  bool ok_ = false;
  // Between two members.
  bool between_ = true;
  // There was no room for all that the input so far gives.
  bool more_ = false;
  uint64_t members_ = 0;
};

// RFC 8878.
class ZstdStream final : public Decompressor {
 public:
  ZstdStream(ByteStream& input, const FileStream& file, ExpansionLimit limit)
      : Decompressor(input, file, limit), context_(ZSTD_createDCtx()) {
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };

  absl::StatusOr<size_t> Decode(std::string_view& in, char* out, size_t size) override {
    if (context_ == nullptr) return absl::ResourceExhaustedError("no memory to decompress");
    if (in.empty() && between_) return 0;
    ZSTD_inBuffer input{.src = in.data(), .size = in.size(), .pos = 0};
    ZSTD_outBuffer output{.dst = out, .size = size, .pos = 0};
    const size_t result = ZSTD_decompressStream(context_.get(), &output, &input);
    if (ZSTD_isError(result) != 0) {
      return Damaged(absl::StrCat("damaged zstd data: ", ZSTD_getErrorName(result)));
    }
    if (input.pos > 0 || output.pos > 0) between_ = result == 0;
    in.remove_prefix(input.pos);
    return output.pos;
  }

  absl::Status End() override {
    return between_ ? absl::OkStatus() : Damaged("the zstd data breaks off");
  }

  std::unique_ptr<ZSTD_DCtx, Free> context_;
  // Between two frames.
  bool between_ = true;
};

// RFC 7932.
class BrotliStream final : public Decompressor {
 public:
  BrotliStream(ByteStream& input, const FileStream& file, ExpansionLimit limit)
      : Decompressor(input, file, limit),
        state_(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {}

 private:
  struct Free {
    void operator()(BrotliDecoderState* state) const { BrotliDecoderDestroyInstance(state); }
  };

  absl::StatusOr<size_t> Decode(std::string_view& in, char* out, size_t size) override {
    if (state_ == nullptr) return absl::ResourceExhaustedError("no memory to decompress");
    if (ended_) {
      return in.empty() ? absl::StatusOr<size_t>(0)
                        : Damaged("something else follows the brotli data");
    }
    size_t given = in.size();
    const auto* next_in = reinterpret_cast<const uint8_t*>(in.data());
    size_t room = size;
    auto* next_out = reinterpret_cast<uint8_t*>(out);
    const BrotliDecoderResult result = BrotliDecoderDecompressStream(
        state_.get(), &given, &next_in, &room, &next_out, /*total_out=*/nullptr);
    in.remove_prefix(in.size() - given);
    if (result == BROTLI_DECODER_RESULT_ERROR) {
      return Damaged(
          absl::StrCat("damaged brotli data: ",
                       BrotliDecoderErrorString(BrotliDecoderGetErrorCode(state_.get()))));
    }
    ended_ = result == BROTLI_DECODER_RESULT_SUCCESS;
    return size - room;
  }

  absl::Status End() override {
    return ended_ ? absl::OkStatus() : Damaged("the brotli data breaks off");
  }

  std::unique_ptr<BrotliDecoderState, Free> state_;
  bool ended_ = false;
};

}  // namespace

std::string_view CompressionName(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return "gzip";
    case Compression::kZstd:
      return "zstd";
    case Compression::kBrotli:
      return "br";
  }
  return "unknown";
}

std::optional<Compression> DetectCompression(std::string_view bytes, std::string_view name) {
  // ID1, ID2 and the only method there is.
  if (bytes.starts_with("\x1f\x8b\x08")) return Compression::kGzip;
  if (bytes.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  if (name.ends_with(".br") && !bytes.empty()) return Compression::kBrotli;
  return std::nullopt;
}

std::string_view WithoutCompressionSuffix(std::string_view name) {
  for (const std::string_view suffix : {".gz", ".tgz", ".zst", ".br"}) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      return name.substr(0, name.size() - suffix.size());
    }
  }
  return name;
}

std::string_view OpaqueFormat(std::string_view bytes) {
  using namespace std::string_view_literals;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kMarks = {{
      {"PK\x03\x04"sv, "zip"},
      {"\xfd"
       "7zXZ\0"sv,
       "xz"},
      {"BZh"sv, "bzip2"},
      {"7z\xbc\xaf\x27\x1c"sv, "7z"},
      {"Rar!\x1a\x07"sv, "rar"},
      {"\x04\x22\x4d\x18"sv, "lz4"},
      {"\x1f\x9d"sv, "compress"},
      {"LZIP"sv, "lzip"},
  }};
  for (const auto& [mark, name] : kMarks) {
    if (bytes.starts_with(mark)) return name;
  }
  return {};
}

std::unique_ptr<ByteStream> Decompress(Compression compression, ByteStream& input,
                                       const FileStream& file, ExpansionLimit limit) {
  switch (compression) {
    case Compression::kGzip:
      return std::make_unique<GzipStream>(input, file, limit);
    case Compression::kZstd:
      return std::make_unique<ZstdStream>(input, file, limit);
    case Compression::kBrotli:
      return std::make_unique<BrotliStream>(input, file, limit);
  }
  return nullptr;
}

}  // namespace skimwatch::offline
