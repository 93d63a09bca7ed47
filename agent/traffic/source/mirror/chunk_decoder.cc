#include "agent/traffic/source/mirror/chunk_decoder.h"

#include <algorithm>
#include <charconv>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "agent/memory/wipe.h"

namespace skimwatch::traffic {

absl::StatusOr<size_t> ChunkDecoder::Take(std::string_view bytes,
                                          absl::FunctionRef<void(std::string_view)> on_data) {
  const size_t given = bytes.size();
  while (!bytes.empty() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const size_t count = std::min<uint64_t>(left_, bytes.size());
      on_data(bytes.substr(0, count));
      bytes.remove_prefix(count);
      left_ -= count;
      if (left_ == 0) state_ = State::kDataEnd;
      continue;
    }
    const size_t line_feed = bytes.find('\n');
    const size_t count = line_feed == std::string_view::npos ? bytes.size() : line_feed + 1;
    if (line_.size() + count > kLineBytesMax) {
      return absl::InvalidArgumentError("a line of the chunked coding has no end");
    }
    line_ += bytes.substr(0, count);
    bytes.remove_prefix(count);
    if (line_feed == std::string_view::npos) break;
    line_.pop_back();
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    switch (state_) {
      case State::kSize:
        if (absl::Status s = TakeSizeLine(); !s.ok()) return s;
        break;
      case State::kDataEnd:
        if (!line_.empty()) return absl::InvalidArgumentError("a chunk is longer than its size");
        state_ = State::kSize;
        break;
      case State::kTrailer:
        trailer_bytes_ += line_.size();
        if (trailer_bytes_ > kTrailerBytesMax) {
          return absl::InvalidArgumentError("the trailers of a chunked body have no end");
        }
        if (line_.empty()) state_ = State::kDone;
        break;
      case State::kData:
      case State::kDone:
        break;
    }
    memory::Wipe(line_);
  }
  return given - bytes.size();
}

absl::Status ChunkDecoder::TakeSizeLine() {
  const std::string_view line = line_;
  const size_t semicolon = line.find(';');
  const std::string size(
      absl::StripAsciiWhitespace(absl::string_view(line.data(), std::min(semicolon, line.size()))));
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), value, 16);
  // RFC 9112, 7.1: a recipient must expect sizes that overflow, and not take another for them.
  if (size.empty() || error != std::errc() || end != size.data() + size.size()) {
    return absl::InvalidArgumentError("the size of a chunk is no hexadecimal number");
  }
  if (value > 0) {
    left_ = value;
    state_ = State::kData;
    return absl::OkStatus();
  }
  if (semicolon != std::string_view::npos) {
    for (absl::string_view extension :
         absl::StrSplit(absl::string_view(line.data(), line.size()).substr(semicolon + 1), ';')) {
      if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(extension), "ieof")) is_whole_ = true;
    }
  }
  trailer_bytes_ = 0;
  state_ = State::kTrailer;
  return absl::OkStatus();
}

void ChunkDecoder::Resume() {
  state_ = State::kSize;
  memory::Wipe(line_);
}

}  // namespace skimwatch::traffic
