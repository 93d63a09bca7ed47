#ifndef SKIMWATCH_AGENT_OFFLINE_DECOMPRESSOR_H_
#define SKIMWATCH_AGENT_OFFLINE_DECOMPRESSOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "agent/offline/byte_stream.h"
#include "agent/offline/expansion_budget.h"

namespace skimwatch::offline {

enum class Compression : uint8_t { kGzip, kZstd, kBrotli, kXz, kLzip, kBzip2 };

// `gzip`, `zstd`, `br`, `xz`, `lzip`, `bzip2`.
std::string_view CompressionName(Compression compression);

// The compression of a file that begins with `bytes` (10 tell all, 4 most); brotli has no mark and
// is told by the ending of `name`.
std::optional<Compression> DetectCompression(std::string_view bytes, std::string_view name);

// `name` without the ending that says it is compressed (.gz, .tgz, .zst, ...), if it has one.
std::string_view WithoutCompressionSuffix(std::string_view name);

// A format of compressed data that is not undone, such as `rar`, by its mark in the first 8 bytes;
// empty when it is none. Its bytes are scanned as they stand, which finds nothing in them.
std::string_view OpaqueFormat(std::string_view bytes);

// The content of compressed `input`: several members or frames are one stream, as their tools have
// it. Memory is bounded (windows up to 128 MiB).
//
// DATA_LOSS where the data breaks the format's rules, ends early or is followed by something else;
// RESOURCE_EXHAUSTED where `budget`, at depth `level`, ends. Both must outlive it.
std::unique_ptr<ByteStream> Decompress(Compression compression, ByteStream& input,
                                       ExpansionBudget& budget, size_t level);

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_DECOMPRESSOR_H_
