#ifndef SKIMWATCH_AGENT_OFFLINE_BYTE_STREAM_H_
#define SKIMWATCH_AGENT_OFFLINE_BYTE_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"

namespace skimwatch::offline {

// Bytes that are pulled piece by piece, through one buffer that is wiped at the end: what passes
// may be card numbers. Thread-compatible.
class ByteStream {
 public:
  static constexpr size_t kBufferBytes = size_t{256} << 10;

  ByteStream();
  virtual ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // The next bytes, as soon as there are some; valid until the next call. Empty at the end.
  // After an error every call gives that error.
  absl::StatusOr<std::string_view> Next();

  // The bytes that Next will give, at least `bytes` of them unless the stream ends before.
  // Waits for no more than that.
  absl::StatusOr<std::string_view> Peek(size_t bytes);

  // Whether nothing follows for certain; what Next gave last stays valid then until the stream is
  // begun again or ends.
  bool ended() const { return ended_; }

  // Whether Seek can reach every byte of the stream, `size()` of them.
  virtual bool seekable() const { return false; }
  virtual uint64_t size() const { return 0; }
  // Goes on at `offset`, also after an error or the end. UNIMPLEMENTED where it is not seekable.
  absl::Status Seek(uint64_t offset);

 protected:
  // Writes up to `size` bytes, and more than zero before the end. CANCELLED when told to stop.
  virtual absl::StatusOr<size_t> Fill(char* out, size_t size) = 0;
  // Whether the last Fill reached the end for certain, so that it need not be asked again.
  virtual bool FillEnded() const { return false; }
  virtual absl::Status SeekTo(uint64_t offset);

  // Wipes the buffer and forgets what was read, for a stream that is used again.
  void Reset();

 private:
  absl::Status FillBuffer();

  const std::unique_ptr<char[]> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  // Most of the buffer that was ever used.
  size_t used_ = 0;
  bool ended_ = false;
  absl::Status status_;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_BYTE_STREAM_H_
