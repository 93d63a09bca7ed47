#include "agent/offline/text_lines.h"

#include <strings.h>

#include <algorithm>
#include <cstring>

namespace skimwatch::offline {
namespace {

// How many bytes of `bytes` fit. In blocks whose count fits a byte, which compilers turn into
// vector instructions.
template <typename Fits>
uint64_t CountBytes(std::string_view bytes, Fits fits) {
  constexpr size_t kBlockBytes = 192;
  uint64_t count = 0;
  while (!bytes.empty()) {
    const std::string_view block = bytes.substr(0, kBlockBytes);
    uint8_t in_block = 0;
    for (const char c : block) {
      in_block = static_cast<uint8_t>(in_block + (fits(static_cast<uint8_t>(c)) ? 1 : 0));
    }
    count += in_block;
    bytes.remove_prefix(block.size());
  }
  return count;
}

// Where one is after `bytes`.
TextPosition After(TextPosition position, std::string_view bytes) {
  const uint64_t lines = CountBytes(bytes, [](uint8_t byte) { return byte == '\n'; });
  if (lines > 0) {
    position.line += lines;
    position.column = 1;
    bytes.remove_prefix(bytes.rfind('\n') + 1);
  }
  // A character counts at its first byte; one of four bytes is two code units.
  position.column += CountBytes(bytes, [](uint8_t byte) { return (byte & 0xc0) != 0x80; }) +
                     CountBytes(bytes, [](uint8_t byte) { return byte >= 0xf0; });
  return position;
}

}  // namespace

TextLines::TextLines() : kept_(new char[kKeptBytes]) {}

TextLines::~TextLines() { explicit_bzero(kept_.get(), used_); }

void TextLines::Begin() {
  End();
  offset_ = 0;
  position_ = asked_position_ = {};
  asked_offset_ = 0;
}

void TextLines::End() {
  explicit_bzero(kept_.get(), used_);
  kept_bytes_ = used_ = 0;
  chunk_ = {};
}

void TextLines::Keep() {
  const std::string_view before(kept_.get(), kept_bytes_);
  const size_t keep = std::min(kKeptBytes, kept_bytes_ + chunk_.size());
  const size_t drop = kept_bytes_ + chunk_.size() - keep;
  const size_t drop_before = std::min(drop, kept_bytes_);
  const size_t drop_chunk = drop - drop_before;
  position_ = After(position_, before.substr(0, drop_before));
  position_ = After(position_, chunk_.substr(0, drop_chunk));
  offset_ += drop;
  const size_t left = kept_bytes_ - drop_before;
  std::memmove(kept_.get(), kept_.get() + drop_before, left);
  const std::string_view tail = chunk_.substr(drop_chunk);
  tail.copy(kept_.get() + left, tail.size());
  kept_bytes_ = left + tail.size();
  used_ = std::max(used_, kept_bytes_);
  chunk_ = {};
}

std::optional<TextPosition> TextLines::At(uint64_t offset) {
  if (offset < offset_ || offset > offset_ + kept_bytes_ + chunk_.size()) return std::nullopt;
  if (asked_offset_ < offset_ || asked_offset_ > offset) {
    asked_offset_ = offset_;
    asked_position_ = position_;
  }
  const auto begin = static_cast<size_t>(asked_offset_ - offset_);
  const auto end = static_cast<size_t>(offset - offset_);
  const std::string_view kept(kept_.get(), kept_bytes_);
  TextPosition position = asked_position_;
  if (begin < kept_bytes_) position = After(position, kept.substr(begin, end - begin));
  if (end > kept_bytes_) {
    const size_t from = std::max(begin, kept_bytes_) - kept_bytes_;
    position = After(position, chunk_.substr(from, end - kept_bytes_ - from));
  }
  asked_offset_ = offset;
  asked_position_ = position;
  return position;
}

}  // namespace skimwatch::offline
