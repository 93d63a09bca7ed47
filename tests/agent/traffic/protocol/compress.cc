#include "tests/agent/traffic/protocol/compress.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>

namespace skimwatch::traffic::testing {
namespace {

std::string Deflate(std::string_view text, int window_bits) {
  z_stream stream = {};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    std::abort();
  }
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) std::abort();
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

std::string Compress(std::string_view coding, std::string_view text) {
  if (coding == "gzip") return Deflate(text, 16 + MAX_WBITS);
  if (coding == "deflate") return Deflate(text, MAX_WBITS);
  if (coding == "raw-deflate") return Deflate(text, -MAX_WBITS);
  if (coding == "br") {
    size_t size = BrotliEncoderMaxCompressedSize(text.size()) + 64;
    std::string out(size, '\0');
    if (BrotliEncoderCompress(5, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, text.size(),
                              reinterpret_cast<const uint8_t*>(text.data()), &size,
                              reinterpret_cast<uint8_t*>(out.data())) == BROTLI_FALSE) {
      std::abort();
    }
    out.resize(size);
    return out;
  }
  if (coding == "zstd") {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    const size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
    if (ZSTD_isError(size) != 0) std::abort();
    out.resize(size);
    return out;
  }
  std::abort();
}

}  // namespace skimwatch::traffic::testing
