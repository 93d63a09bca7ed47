#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_CHUNK_READING_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_CHUNK_READING_H_

#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "agent/traffic/message.h"

namespace skimwatch::traffic {

// The other reading of bytes that were not taken for chunks (RFC 9112 7.1) and may be some: where a
// request says in a doubtful way how its body is framed, servers and proxies disagree (request
// smuggling), and a number that chunks cut in two is whole for one of them alone. It is told by the
// bytes: as long as they are chunks, what is in them is passed on as a part of its own, besides the
// reading that they were given first, which counts them.
//
// Lenient: extensions, bare line feeds and leading zeros are let go by. Holds nothing of the bytes.
// Thread-compatible.
class ChunkReading {
 public:
  ~ChunkReading() { End(); }
  ChunkReading() = default;
  ChunkReading(const ChunkReading&) = delete;
  ChunkReading& operator=(const ChunkReading&) = delete;

  // Before the first byte of a stream or body.
  void Begin();
  // The next bytes; `begin` is called before the first byte of a chunk, and may return null.
  void Data(std::string_view bytes, absl::FunctionRef<PartConsumer*()> begin);
  // Bytes are missing, or no more come.
  void End();

 private:
  enum class State : uint8_t { kSize, kLine, kContent, kContentEnd, kOver };

  // Of chunks that have content at all, more than a body ever has.
  static constexpr uint64_t kChunkBytesMax = uint64_t{1} << 40;

  State state_ = State::kOver;
  bool has_digit_ = false;
  uint64_t left_ = 0;
  PartConsumer* consumer_ = nullptr;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_CHUNK_READING_H_
