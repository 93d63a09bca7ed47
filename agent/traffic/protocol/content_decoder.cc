#include "agent/traffic/protocol/content_decoder.h"

#include <array>
#include <utility>

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

CodingMark DetectCoding(std::string_view first_bytes) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kMarks = {{
      // ID1, ID2 and the only method there is, RFC 1952 2.3.1.
      {"\x1f\x8b\x08", "gzip"},
      // RFC 8878 3.1.1.
      {"\x28\xb5\x2f\xfd", "zstd"},
      // A window of 32 KiB and the levels that encoders use, RFC 1950 2.2; not the one (`x^`) that
      // is text, too.
      {"\x78\x01", "deflate"},
      {"\x78\x9c", "deflate"},
      {"\x78\xda", "deflate"},
  }};
  bool undecided = false;
  for (const auto& [mark, coding] : kMarks) {
    if (first_bytes.substr(0, mark.size()) == mark) return {.coding = coding};
    undecided = undecided || mark.substr(0, first_bytes.size()) == first_bytes;
  }
  return {.undecided = undecided};
}

}  // namespace skimwatch::traffic
