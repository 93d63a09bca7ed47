#include "agent/offline/byte_stream.h"

#include <strings.h>

#include <algorithm>

namespace skimwatch::offline {

// Not set to zero: most files are small.
ByteStream::ByteStream() : buffer_(new char[kBufferBytes]) {}

ByteStream::~ByteStream() { explicit_bzero(buffer_.get(), used_); }

void ByteStream::Reset() {
  explicit_bzero(buffer_.get(), used_);
  begin_ = end_ = used_ = 0;
  ended_ = false;
  status_ = absl::OkStatus();
}

absl::Status ByteStream::FillBuffer() {
  if (!status_.ok() || ended_) return status_;
  const absl::StatusOr<size_t> filled = Fill(buffer_.get() + end_, kBufferBytes - end_);
  if (!filled.ok()) return status_ = filled.status();
  ended_ = *filled == 0 || FillEnded();
  end_ += *filled;
  used_ = std::max(used_, end_);
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> ByteStream::Next() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (absl::Status status = FillBuffer(); !status.ok()) return status;
  }
  const std::string_view bytes(buffer_.get() + begin_, end_ - begin_);
  begin_ = end_;
  return bytes;
}

absl::StatusOr<std::string_view> ByteStream::Peek(size_t bytes) {
  if (begin_ == end_) begin_ = end_ = 0;
  while (end_ - begin_ < bytes && !ended_ && end_ < kBufferBytes) {
    if (absl::Status status = FillBuffer(); !status.ok()) {
      // What came before the error is still given.
      if (begin_ == end_) return status;
      break;
    }
  }
  return std::string_view(buffer_.get() + begin_, end_ - begin_);
}

absl::Status ByteStream::Seek(uint64_t offset) {
  if (absl::Status status = SeekTo(offset); !status.ok()) return status;
  begin_ = end_ = 0;
  ended_ = false;
  status_ = absl::OkStatus();
  return absl::OkStatus();
}

absl::Status ByteStream::SeekTo(uint64_t /*offset*/) {
  return absl::UnimplementedError("these bytes can be read once only");
}

}  // namespace skimwatch::offline
