#include "agent/traffic/source/sample_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/memory/wipe.h"

namespace skimwatch::traffic {
namespace {

// A buffer of a large sample is given back.
constexpr size_t kHeldKeptBytes = 64 << 10;

}  // namespace

SampleReader::~SampleReader() { memory::Wipe(held_); }

absl::Status SampleReader::TakeLength(std::string_view& bytes, bool& complete) {
  while (!bytes.empty()) {
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    length_ |= uint64_t{byte & 0x7fu} << length_bits_;
    length_bits_ += 7;
    if ((byte & 0x80) == 0) {
      complete = true;
      break;
    }
    if (length_bits_ >= kLengthBitsMax || length_ > kLengthMax) break;
  }
  const bool endless = !complete && length_bits_ >= kLengthBitsMax;
  if (length_ > kLengthMax || endless) {
    broken_ = true;
    return absl::InvalidArgumentError(
        absl::StrCat("at offset ", offset_, " is no length of a sample"));
  }
  return absl::OkStatus();
}

void SampleReader::Pass(std::string_view encoded) {
  sink_.OnSample(encoded, offset_);
  has_length_ = false;
  length_bits_ = 0;
  length_ = 0;
}

absl::Status SampleReader::Take(std::string_view bytes) {
  // Where `bytes` ends.
  taken_ += bytes.size();
  if (broken_) return absl::InvalidArgumentError(absl::StrCat("broken at offset ", offset_));
  while (!bytes.empty()) {
    if (skip_bytes_ > 0) {
      const uint64_t skipped = std::min<uint64_t>(skip_bytes_, bytes.size());
      sink_.OnSkipped(skipped);
      skip_bytes_ -= skipped;
      bytes.remove_prefix(static_cast<size_t>(skipped));
      offset_ = taken_ - bytes.size();
      continue;
    }
    if (!has_length_) {
      bool complete = false;
      if (absl::Status s = TakeLength(bytes, complete); !s.ok()) return s;
      if (!complete) break;
      if (length_ > sample_bytes_max_) {
        sink_.OnTooLong(length_, offset_);
        skip_bytes_ = length_;
        length_bits_ = 0;
        length_ = 0;
        offset_ = taken_ - bytes.size();
        continue;
      }
      has_length_ = true;
    }
    const size_t missing = static_cast<size_t>(length_) - held_.size();
    if (bytes.size() < missing) {
      held_.append(bytes);
      break;
    }
    const std::string_view rest = bytes.substr(0, missing);
    bytes.remove_prefix(missing);
    if (held_.empty()) {
      Pass(rest);
    } else {
      held_.append(rest);
      Pass(held_);
      memory::Wipe(held_);
      if (held_.capacity() > kHeldKeptBytes) std::string().swap(held_);
    }
    offset_ = taken_ - bytes.size();
  }
  // A sample without bytes is complete with its length.
  if (has_length_ && length_ == 0) {
    Pass({});
    offset_ = taken_;
  }
  return absl::OkStatus();
}

absl::Status SampleReader::Finish() const {
  if (broken_) return absl::InvalidArgumentError(absl::StrCat("broken at offset ", offset_));
  if (!in_sample()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("ends at offset ", taken_, ", within the sample that begins at ", offset_));
}

}  // namespace skimwatch::traffic
