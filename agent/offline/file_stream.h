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
// has none yet, until cancelled. One may read many files, one after the other.
class FileStream final : public ByteStream {
 public:
  // `total` counts the bytes read over all files. Both must outlive it.
  FileStream(const Cancellation& cancellation, std::atomic<uint64_t>& total)
      : cancellation_(cancellation), total_(total) {}

  // Goes on with another file; `fd` stays the caller's, and must be open until the next call or
  // the end. `seekable` says that it is a regular file or block device of `bytes` that stands at
  // its begin.
  void Begin(int fd, bool seekable, uint64_t bytes);
  // Wipes what was read. The file is not touched any more.
  void End();

  // Called when no bytes have come for a moment and a read goes on waiting.
  void OnSilence(std::function<void()> on_silence) { on_silence_ = std::move(on_silence); }

  // How much of the file was read so far; bytes that were read twice count once.
  uint64_t bytes() const { return bytes_; }

  bool seekable() const override { return seekable_; }
  uint64_t size() const override { return size_; }

 private:
  absl::StatusOr<size_t> Fill(char* out, size_t size) override;
  bool FillEnded() const override { return ended_; }
  absl::Status SeekTo(uint64_t offset) override;
  // Waits until a read would not block. False when cancelled.
  bool WaitForBytes() const;

  const Cancellation& cancellation_;
  std::atomic<uint64_t>& total_;
  std::function<void()> on_silence_;
  int fd_ = -1;
  bool seekable_ = false;
  uint64_t size_ = 0;
  uint64_t offset_ = 0;
  uint64_t bytes_ = 0;
  // Whether to poll before a read, which would block.
  bool waits_ = false;
  bool ended_ = false;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_FILE_STREAM_H_
