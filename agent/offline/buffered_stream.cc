#include "agent/offline/buffered_stream.h"

#include <strings.h>

#include <algorithm>
#include <cstring>

namespace skimwatch::offline {

BufferedStream::~BufferedStream() {
  for (const Piece& piece : pieces_) explicit_bzero(piece.bytes.get(), piece.size);
}

absl::Status BufferedStream::ReadAhead(size_t bytes_max) {
  while (bytes_ <= bytes_max) {
    const absl::StatusOr<std::string_view> next = input_.Next();
    if (!next.ok()) return next.status();
    if (next->empty()) {
      complete_ = true;
      break;
    }
    Piece piece{.bytes = std::make_unique_for_overwrite<char[]>(next->size()),
                .size = next->size(),
                .offset = bytes_};
    std::memcpy(piece.bytes.get(), next->data(), next->size());
    pieces_.push_back(std::move(piece));
    bytes_ += next->size();
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> BufferedStream::Fill(char* out, size_t size) {
  if (piece_ < pieces_.size()) {
    const Piece& piece = pieces_[piece_];
    const auto begin = static_cast<size_t>(offset_ - piece.offset);
    const size_t count = std::min(size, piece.size - begin);
    std::memcpy(out, piece.bytes.get() + begin, count);
    offset_ += count;
    if (begin + count == piece.size) ++piece_;
    return count;
  }
  if (complete_) return 0;
  if (rest_.empty()) {
    const absl::StatusOr<std::string_view> next = input_.Next();
    if (!next.ok()) return next.status();
    rest_ = *next;
  }
  const size_t count = std::min(size, rest_.size());
  std::memcpy(out, rest_.data(), count);
  rest_.remove_prefix(count);
  return count;
}

absl::Status BufferedStream::SeekTo(uint64_t offset) {
  if (!complete_) return ByteStream::SeekTo(offset);
  offset_ = std::min(offset, bytes_);
  const auto after =
      std::upper_bound(pieces_.begin(), pieces_.end(), offset_,
                       [](uint64_t wanted, const Piece& piece) { return wanted < piece.offset; });
  piece_ = after == pieces_.begin() ? 0 : static_cast<size_t>(after - pieces_.begin()) - 1;
  if (offset_ == bytes_) piece_ = pieces_.size();
  return absl::OkStatus();
}

}  // namespace skimwatch::offline
