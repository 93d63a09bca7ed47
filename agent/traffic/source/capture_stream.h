#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_CAPTURE_STREAM_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_CAPTURE_STREAM_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace skimwatch::traffic {

// Bytes on their way from a stream to libpcap. libpcap remembers every interface that a pcapng
// section describes, without a limit that memory would survive; this one ends the stream first.
//
// Thread-compatible.
class CaptureStream {
 public:
  // Of one section. Real captures have a few.
  static constexpr uint32_t kInterfacesMax = 65536;

  // Owns `stream`, which may be a pipe: what is there is passed on, without a wait for more.
  explicit CaptureStream(FILE* stream);
  ~CaptureStream();
  CaptureStream(const CaptureStream&) = delete;
  CaptureStream& operator=(const CaptureStream&) = delete;

  // A stream that reads from this one, and must be closed before it. Null when out of memory.
  FILE* OpenReader();

  // Why this one ended the stream; empty when it did not.
  const std::string& refusal() const { return refusal_; }

 private:
  static ssize_t Read(void* self, char* buffer, size_t size);
  ssize_t ReadStream(char* buffer, size_t size);
  // Follows the blocks of pcapng, so far as counting interfaces needs it; false at too many.
  bool Follow(const char* bytes, size_t size);
  void BeginBlock();
  uint32_t Word(size_t index) const;

  FILE* stream_;
  // Of the reader.
  std::unique_ptr<char[]> buffer_;
  std::string refusal_;

  // Type, length and, of a section header, byte-order magic.
  static constexpr size_t kHeaderBytesMax = 12;
  unsigned char header_[kHeaderBytesMax] = {};
  size_t header_bytes_ = 0;
  // Of the block, after its header.
  uint64_t remaining_bytes_ = 0;
  uint32_t interfaces_ = 0;
  bool big_endian_ = false;
  bool first_block_ = true;
  // False for what is not pcapng, or is so damaged that libpcap refuses it by itself.
  bool following_ = true;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_CAPTURE_STREAM_H_
