#ifndef SKIMWATCH_AGENT_OFFLINE_FILE_STREAM_H_
#define SKIMWATCH_AGENT_OFFLINE_FILE_STREAM_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "agent/offline/byte_stream.h"
#include "agent/offline/cancellation.h"

namespace skimwatch::offline {

// The bytes of an open file, pipe or terminal from where it stands. Waits for bytes where a pipe
// has none yet, until cancelled.
class FileStream final : public ByteStream {
 public:
  // `fd` stays the caller's. `total` counts the bytes read over all files. All must outlive it.
  FileStream(int fd, const Cancellation& cancellation, std::atomic<uint64_t>& total);

  // Called when no bytes have come for a moment and a read goes on waiting.
  void OnSilence(std::function<void()> on_silence) { on_silence_ = std::move(on_silence); }

  // Read so far.
  uint64_t bytes() const { return bytes_; }

 private:
  absl::StatusOr<size_t> Fill(char* out, size_t size) override;
  // Waits until a read would not block. False when cancelled.
  bool WaitForBytes() const;

  const int fd_;
  const Cancellation& cancellation_;
  std::atomic<uint64_t>& total_;
  std::function<void()> on_silence_;
  uint64_t bytes_ = 0;
  // Whether to poll before a read, which would block.
  bool waits_ = false;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_FILE_STREAM_H_
