#ifndef SKIMWATCH_AGENT_OFFLINE_BUFFERED_STREAM_H_
#define SKIMWATCH_AGENT_OFFLINE_BUFFERED_STREAM_H_

#include <memory>
#include <string_view>
#include <vector>

#include "agent/offline/byte_stream.h"

namespace skimwatch::offline {

// A stream whose first bytes are kept in memory, all of them where they are few enough: then it can
// be read again, and archives inside archives can be read by their lists. What is kept is wiped.
class BufferedStream final : public ByteStream {
 public:
  // `input` must outlive it.
  explicit BufferedStream(ByteStream& input) : input_(input) {}
  ~BufferedStream() override;

  // Reads up to `bytes_max` and about one buffer more. The input's error where there is one; what
  // came before it is kept.
  absl::Status ReadAhead(size_t bytes_max);

  // Whether all is kept.
  bool seekable() const override { return complete_; }
  uint64_t size() const override { return bytes_; }

 private:
  // Of one Next each, so that nothing is copied, and left unwiped, by growing.
  struct Piece {
    std::unique_ptr<char[]> bytes;
    size_t size = 0;
    // Of the first byte in the stream.
    uint64_t offset = 0;
  };

  absl::StatusOr<size_t> Fill(char* out, size_t size) override;
  absl::Status SeekTo(uint64_t offset) override;

  ByteStream& input_;
  std::vector<Piece> pieces_;
  uint64_t bytes_ = 0;
  uint64_t offset_ = 0;
  // The piece that holds `offset_`.
  size_t piece_ = 0;
  // What the input gave last, beyond what is kept.
  std::string_view rest_;
  bool complete_ = false;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_BUFFERED_STREAM_H_
