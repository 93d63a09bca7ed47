#include "agent/traffic/protocol/content_decoder.h"

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace skimwatch::traffic {

std::unique_ptr<ContentDecoder> CreateContentDecoder(std::string_view coding,
                                                     DecoderMemory& memory) {
  const auto is = [name = absl::string_view(coding.data(), coding.size())](
                      absl::string_view other) { return absl::EqualsIgnoreCase(name, other); };
  if (is("gzip") || is("x-gzip")) return CreateGzipDecoder(memory);
  if (is("deflate")) return CreateDeflateDecoder(memory);
  if (is("br")) return CreateBrotliDecoder(memory);
  if (is("zstd")) return CreateZstdDecoder(memory);
  return nullptr;
}

}  // namespace skimwatch::traffic
