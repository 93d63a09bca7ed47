#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_CHUNK_DECODER_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_CHUNK_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace skimwatch::traffic {

// Undoes the chunked coding of a body that an ICAP client encapsulates (RFC 9112, 7.1, with the
// `ieof` extension of RFC 3507, 4.5). A preview ends like a body, with a chunk of no bytes; Resume
// goes on with what follows it.
//
// Holds at most one line of the coding. Thread-compatible.
class ChunkDecoder {
 public:
  // A line with the size of a chunk and its extensions, and all trailers, may be this long.
  static constexpr size_t kLineBytesMax = 4096;
  static constexpr size_t kTrailerBytesMax = 65536;

  // Takes what comes next, calls `on_data` with the body's bytes in it, and returns how many bytes
  // of `bytes` it took: all of them until the body ends. INVALID_ARGUMENT says what is wrong with
  // the coding, without the bytes; then the decoder can't go on.
  absl::StatusOr<size_t> Take(std::string_view bytes,
                              absl::FunctionRef<void(std::string_view)> on_data);

  bool done() const { return state_ == State::kDone; }
  // The last chunk said that nothing follows this preview.
  bool is_whole() const { return is_whole_; }

  // Another sequence of chunks follows, after a preview.
  void Resume();

 private:
  enum class State : uint8_t { kSize, kData, kDataEnd, kTrailer, kDone };

  absl::Status TakeSizeLine();

  State state_ = State::kSize;
  bool is_whole_ = false;
  uint64_t left_ = 0;
  size_t trailer_bytes_ = 0;
  std::string line_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_MIRROR_CHUNK_DECODER_H_
