#include "agent/traffic/protocol/tls_records.h"

#include <algorithm>

#include "agent/traffic/protocol/protocol_detector.h"

namespace skimwatch::traffic {
namespace {

constexpr char kApplicationData = 23;
// That many bytes of ciphertext are all text once in 10^10.
constexpr size_t kTextBytesMin = 24;

}  // namespace

void TlsRecords::Begin() {
  header_bytes_ = 0;
  record_left_ = 0;
  lost_ = false;
}

bool TlsRecords::IsText(std::string_view bytes) {
  for (size_t i = 0; may_be_text_ && i < bytes.size() && text_bytes_ < kTextBytesMin; ++i) {
    const char c = bytes[i];
    may_be_text_ = (c >= ' ' && c <= '~') || c == '\t' || c == '\n' || c == '\r';
    ++text_bytes_;
  }
  return may_be_text_ && text_bytes_ == kTextBytesMin;
}

size_t TlsRecords::Follow(std::string_view bytes) {
  if (lost_) {
    if (DetectTlsInStream(bytes) == Detection::kUnknown) return bytes.size();
    Begin();
  }
  size_t taken = 0;
  while (taken < bytes.size()) {
    if (record_left_ > 0) {
      const size_t part = std::min<uint64_t>(record_left_, bytes.size() - taken);
      if (IsText(bytes.substr(taken, part))) return taken;
      record_left_ -= part;
      taken += part;
      continue;
    }
    const size_t header_begin = taken;
    while (header_bytes_ < header_.size() && taken < bytes.size()) {
      header_[header_bytes_++] = bytes[taken++];
    }
    // A handshake's first byte is not looked at: it may be encrypted.
    if (DetectTls({header_.data(), header_bytes_}) == Detection::kUnknown) return header_begin;
    if (header_bytes_ < header_.size()) return taken;
    may_be_text_ = header_[0] == kApplicationData;
    text_bytes_ = 0;
    record_left_ = static_cast<uint64_t>(static_cast<uint8_t>(header_[3])) << 8 |
                   static_cast<uint8_t>(header_[4]);
    header_bytes_ = 0;
  }
  return taken;
}

void TlsRecords::Gap(uint64_t bytes) {
  if (!lost_ && bytes > 0 && bytes <= record_left_) {
    record_left_ -= bytes;
    may_be_text_ = false;
  } else {
    lost_ = true;
    header_bytes_ = 0;
  }
}

}  // namespace skimwatch::traffic
