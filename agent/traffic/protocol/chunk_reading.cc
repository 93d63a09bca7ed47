#include "agent/traffic/protocol/chunk_reading.h"

#include <utility>

namespace skimwatch::traffic {
namespace {

// The value of a hexadecimal digit; -1 for none.
int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void ChunkReading::Begin() {
  End();
  state_ = State::kSize;
  has_digit_ = false;
  left_ = 0;
}

void ChunkReading::Data(std::string_view bytes, absl::FunctionRef<PartConsumer*()> begin) {
  while (!bytes.empty() && state_ != State::kOver) {
    if (state_ == State::kContent) {
      const std::string_view content = bytes.substr(0, left_);
      if (consumer_ == nullptr) consumer_ = begin();
      if (consumer_ == nullptr) return End();
      consumer_->Data(content);
      left_ -= content.size();
      bytes.remove_prefix(content.size());
      if (left_ == 0) state_ = State::kContentEnd;
      continue;
    }
    const char c = bytes.front();
    bytes.remove_prefix(1);
    switch (state_) {
      case State::kSize: {
        const int digit = DigitOf(c);
        if (digit >= 0) {
          has_digit_ = true;
          left_ = left_ << 4 | static_cast<uint64_t>(digit);
          if (left_ > kChunkBytesMax) End();
        } else if (!has_digit_ || (c != '\r' && c != '\n' && c != ';' && c != ' ' && c != '\t')) {
          End();
        } else {
          state_ = State::kLine;
        }
        if (c != '\n') break;
        [[fallthrough]];
      }
      case State::kLine:
        if (c != '\n' || state_ == State::kOver) break;
        // The last one has no content.
        if (left_ == 0) return End();
        state_ = State::kContent;
        break;
      case State::kContentEnd:
        if (c == '\r') break;
        if (c != '\n') return End();
        state_ = State::kSize;
        has_digit_ = false;
        break;
      case State::kContent:
      case State::kOver:
        break;
    }
  }
}

void ChunkReading::End() {
  state_ = State::kOver;
  if (consumer_ != nullptr) std::exchange(consumer_, nullptr)->End();
}

}  // namespace skimwatch::traffic
