#include "agent/offline/decompressor.h"

#include <brotli/decode.h>
#include <bzlib.h>
#include <lzma.h>
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
  Decompressor(ByteStream& input, ExpansionBudget& budget, size_t level)
      : input_(input), budget_(budget), level_(level) {}

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
    if (absl::Status status = budget_.AddBytes(level_, written); !status.ok()) return status;
    return written;
  }

  ByteStream& input_;
  ExpansionBudget& budget_;
  const size_t level_;
  std::string_view in_;
  int stalls_ = 0;
};

// RFC 1952.
class GzipStream final : public Decompressor {
 public:
  GzipStream(ByteStream& input, ExpansionBudget& budget, size_t level)
      : Decompressor(input, budget, level) {
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
  ZstdStream(ByteStream& input, ExpansionBudget& budget, size_t level)
      : Decompressor(input, budget, level), context_(ZSTD_createDCtx()) {
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
  BrotliStream(ByteStream& input, ExpansionBudget& budget, size_t level)
      : Decompressor(input, budget, level),
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

// The xz format 1.1.0, and RFC draft-diaz-lzip.
class LzmaStream final : public Decompressor {
 public:
  LzmaStream(bool is_lzip, ByteStream& input, ExpansionBudget& budget, size_t level)
      : Decompressor(input, budget, level), name_(is_lzip ? "lzip" : "xz") {
    ok_ = (is_lzip ? lzma_lzip_decoder(&stream_, kMemoryMax, LZMA_CONCATENATED)
                   : lzma_stream_decoder(&stream_, kMemoryMax, LZMA_CONCATENATED)) == LZMA_OK;
  }
  ~LzmaStream() override { lzma_end(&stream_); }

 private:
  // The largest dictionary of the presets is 64 MiB.
  static constexpr uint64_t kMemoryMax = uint64_t{160} << 20;

  absl::StatusOr<size_t> Decode(std::string_view& in, char* out, size_t size) override {
    if (!ok_) return absl::ResourceExhaustedError("no memory to decompress");
    if (!after_.ok()) return after_;
    const absl::StatusOr<size_t> written = Run(in, out, size, LZMA_RUN);
    const size_t before_error = size - stream_.avail_out;
    if (written.ok() || before_error == 0) return written;
    // What came before the error is still given.
    after_ = written.status();
    return before_error;
  }

  absl::StatusOr<size_t> Run(std::string_view& in, char* out, size_t size, lzma_action action) {
    stream_.next_in = reinterpret_cast<const uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<uint8_t*>(out);
    stream_.avail_out = size;
    const lzma_ret result = lzma_code(&stream_, action);
    in.remove_prefix(in.size() - stream_.avail_in);
    switch (result) {
      case LZMA_OK:
      case LZMA_NO_CHECK:
      case LZMA_UNSUPPORTED_CHECK:
      case LZMA_GET_CHECK:
      case LZMA_BUF_ERROR:
        break;
      case LZMA_STREAM_END:
        ended_ = true;
        break;
      case LZMA_MEM_ERROR:
      case LZMA_MEMLIMIT_ERROR:
        return absl::ResourceExhaustedError(absl::StrCat("the ", name_, " data asks for more than ",
                                                         kMemoryMax >> 20, " MiB of memory"));
      case LZMA_OPTIONS_ERROR:
        return absl::UnimplementedError(
            absl::StrCat("the ", name_, " data uses a filter that is not known"));
      default:
        return Damaged(absl::StrCat("damaged ", name_, " data"));
    }
    return size - stream_.avail_out;
  }

  absl::Status End() override {
    if (ended_) return absl::OkStatus();
    // All that can be decoded was: what is left to say is whether it may end here.
    std::string_view none;
    char byte = 0;
    const absl::StatusOr<size_t> last = ok_ ? Run(none, &byte, 1, LZMA_FINISH) : 0;
    if (!last.ok()) return last.status();
    return ended_ ? absl::OkStatus() : Damaged(absl::StrCat("the ", name_, " data breaks off"));
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;
  const char* const name_;
  bool ok_ = false;
  bool ended_ = false;
  absl::Status after_;
};

// Digits of pi begin a block of bzip2, those of its square root the end.
constexpr std::string_view kBzip2Block = "\x31\x41\x59\x26\x53\x59";
constexpr std::string_view kBzip2End = "\x17\x72\x45\x38\x50\x90";

// The format of bzip2 1.0.
class Bzip2Stream final : public Decompressor {
 public:
  Bzip2Stream(ByteStream& input, ExpansionBudget& budget, size_t level)
      : Decompressor(input, budget, level) {
    ok_ = BZ2_bzDecompressInit(&stream_, /*verbosity=*/0, /*small=*/0) == BZ_OK;
  }
  ~Bzip2Stream() override { BZ2_bzDecompressEnd(&stream_); }

 private:
  absl::StatusOr<size_t> Decode(std::string_view& in, char* out, size_t size) override {
    if (!ok_) return absl::ResourceExhaustedError("no memory to decompress");
    if (between_ && members_ > 0) {
      if (in.empty()) return 0;
      if (in[0] != 'B') return Damaged("something else follows the bzip2 data");
      BZ2_bzDecompressEnd(&stream_);
      stream_ = {};
      ok_ = BZ2_bzDecompressInit(&stream_, /*verbosity=*/0, /*small=*/0) == BZ_OK;
      if (!ok_) return absl::ResourceExhaustedError("no memory to decompress");
    }
    if (in.empty() && !more_) return 0;
    between_ = false;
    const auto given =
        static_cast<unsigned>(std::min<size_t>(in.size(), std::numeric_limits<int>::max()));
    const auto room =
        static_cast<unsigned>(std::min<size_t>(size, std::numeric_limits<int>::max()));
    // libbz2 does not write to its input.
    stream_.next_in = const_cast<char*>(in.data());
    stream_.avail_in = given;
    stream_.next_out = out;
    stream_.avail_out = room;
    const int result = BZ2_bzDecompress(&stream_);
    in.remove_prefix(given - stream_.avail_in);
    more_ = stream_.avail_out == 0 && result != BZ_STREAM_END;
    if (result == BZ_STREAM_END) {
      between_ = true;
      ++members_;
    } else if (result == BZ_MEM_ERROR) {
      return absl::ResourceExhaustedError("no memory to decompress");
    } else if (result != BZ_OK) {
      return Damaged("damaged bzip2 data");
    }
    return room - stream_.avail_out;
  }

  absl::Status End() override {
    return between_ ? absl::OkStatus() : Damaged("the bzip2 data breaks off");
  }

  bz_stream stream_{};
  bool ok_ = false;
  // Between two members.
  bool between_ = true;
  // There was no room for all that the input so far gives.
  bool more_ = false;
  uint64_t members_ = 0;
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
    case Compression::kXz:
      return "xz";
    case Compression::kLzip:
      return "lzip";
    case Compression::kBzip2:
      return "bzip2";
  }
  return "unknown";
}

std::optional<Compression> DetectCompression(std::string_view bytes, std::string_view name) {
  using namespace std::string_view_literals;
  // ID1, ID2 and the only method there is.
  if (bytes.starts_with("\x1f\x8b\x08")) return Compression::kGzip;
  if (bytes.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  if (bytes.starts_with("\xfd"
                        "7zXZ\0"sv)) {
    return Compression::kXz;
  }
  if (bytes.starts_with("LZIP\x01")) return Compression::kLzip;
  // A size of 100 to 900 kB, and a block or the end.
  if (bytes.size() >= 4 && bytes.starts_with("BZh") && bytes[3] >= '1' && bytes[3] <= '9' &&
      (bytes.substr(4).starts_with(kBzip2Block) || bytes.substr(4).starts_with(kBzip2End))) {
    return Compression::kBzip2;
  }
  if (name.ends_with(".br") && !bytes.empty()) return Compression::kBrotli;
  return std::nullopt;
}

std::string_view WithoutCompressionSuffix(std::string_view name) {
  for (const std::string_view suffix :
       {".gz", ".tgz", ".zst", ".br", ".xz", ".txz", ".lz", ".bz2", ".tbz2"}) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      return name.substr(0, name.size() - suffix.size());
    }
  }
  return name;
}

std::string_view OpaqueFormat(std::string_view bytes) {
  using namespace std::string_view_literals;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kMarks = {{
      {"\x04\x22\x4d\x18"sv, "lz4"},
      {"\x1f\x9d"sv, "compress"},
      {"Rar!\x1a\x07"sv, "rar"},
      {"MSCF\0\0\0\0"sv, "cab"},
      {"xar!"sv, "xar"},
      {"\xed\xab\xee\xdb"sv, "rpm"},
  }};
  for (const auto& [mark, name] : kMarks) {
    if (bytes.starts_with(mark)) return name;
  }
  return {};
}

std::unique_ptr<ByteStream> Decompress(Compression compression, ByteStream& input,
                                       ExpansionBudget& budget, size_t level) {
  switch (compression) {
    case Compression::kGzip:
      return std::make_unique<GzipStream>(input, budget, level);
    case Compression::kZstd:
      return std::make_unique<ZstdStream>(input, budget, level);
    case Compression::kBrotli:
      return std::make_unique<BrotliStream>(input, budget, level);
    case Compression::kXz:
    case Compression::kLzip:
      return std::make_unique<LzmaStream>(compression == Compression::kLzip, input, budget, level);
    case Compression::kBzip2:
      return std::make_unique<Bzip2Stream>(input, budget, level);
  }
  return nullptr;
}

}  // namespace skimwatch::offline
