#ifndef SKIMWATCH_AGENT_OFFLINE_DECOMPRESSOR_H_
#define SKIMWATCH_AGENT_OFFLINE_DECOMPRESSOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "agent/offline/byte_stream.h"
#include "agent/offline/file_stream.h"

namespace skimwatch::offline {

enum class Compression : uint8_t { kGzip, kZstd, kBrotli };

// `gzip`, `zstd`, `br`.
std::string_view CompressionName(Compression compression);

// The compression of a file that begins with `bytes` (4 are enough); brotli has no mark and is told
// by the ending of `name`.
std::optional<Compression> DetectCompression(std::string_view bytes, std::string_view name);

// `name` without the ending that says it is compressed (.gz, .tgz, .zst, .br), if it has one.
std::string_view WithoutCompressionSuffix(std::string_view name);

// A format of compressed data that is not undone, such as `xz` or `zip`, by its mark in the first 8
// bytes; empty when it is none. Its bytes are scanned as they stand, which finds nothing in them.
std::string_view OpaqueFormat(std::string_view bytes);

// How much a file may grow. Both conditions must be met to cut it.
struct ExpansionLimit {
  uint64_t ratio_max = 250;
  uint64_t bytes_min = uint64_t{64} << 20;
};

// The content of compressed `input`: gzip of several members and zstd of several frames are one
// stream, as their tools have it. Memory is bounded (zstd windows up to 128 MiB).
//
// DATA_LOSS where the data breaks the format's rules, ends early or is followed by something else;
// RESOURCE_EXHAUSTED where it grows beyond `limit` times the bytes read of `file`, in which it
// stands perhaps compressed several times. Both must outlive it.
std::unique_ptr<ByteStream> Decompress(Compression compression, ByteStream& input,
                                       const FileStream& file, ExpansionLimit limit);

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_DECOMPRESSOR_H_
