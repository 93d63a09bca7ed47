#include "agent/traffic/destination/payload_meter.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>

namespace skimwatch::traffic {
namespace {

using Form = PayloadMeter::Form;

struct Magic {
  size_t offset;
  std::string_view bytes;
};

// From the formats' own specifications.
constexpr Magic kMagics[] = {
    {0, std::string_view("\x89PNG\r\n\x1a\n", 8)},
    {0, std::string_view("\xff\xd8\xff", 3)},  // JPEG
    {0, std::string_view("GIF8", 4)},          // GIF87a, GIF89a
    {0, std::string_view("RIFF", 4)},          // WebP, WAV, AVI
    {0, std::string_view("\x1f\x8b\x08", 3)},  // gzip
    {0, std::string_view("PK\x03\x04", 4)},    // ZIP, Office documents, JAR
    {0, std::string_view("PK\x05\x06", 4)},    // an empty ZIP
    {0, std::string_view("BZh", 3)},           // bzip2
    {0, std::string_view("\xfd"
                         "7zXZ\0",
                         6)},                        // xz
    {0, std::string_view("\x28\xb5\x2f\xfd", 4)},    // Zstandard
    {0, std::string_view("\x04\x22\x4d\x18", 4)},    // LZ4
    {0, std::string_view("7z\xbc\xaf\x27\x1c", 6)},  // 7-Zip
    {0, std::string_view("Rar!\x1a\x07", 6)},        // RAR
    {0, std::string_view("%PDF-", 5)},               // PDF
    {0, std::string_view("wOFF", 4)},                // WOFF
    {0, std::string_view("wOF2", 4)},                // WOFF 2
    {4, std::string_view("ftyp", 4)},                // MP4, QuickTime, HEIF, AVIF
    {0, std::string_view("OggS", 4)},                // Ogg
    {0, std::string_view("ID3", 3)},                 // MP3 with a tag
    {0, std::string_view("fLaC", 4)},                // FLAC
    {0, std::string_view("\x1a\x45\xdf\xa3", 4)},    // Matroska, WebM
    {0, std::string_view("II*\0", 4)},               // TIFF
    {0, std::string_view("MM\0*", 4)},               // TIFF
    {0, std::string_view("\0\0\0\x0cJXL ", 8)},      // JPEG XL
};

constexpr size_t kHeadBytes = 12;
// Share of a window that must be of an alphabet, for punctuation around the symbols.
constexpr double kAlphabetShare = 0.98;

// Values of base64 (RFC 4648, both alphabets), or -1.
int Base64Value(uint8_t c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

int HexValue(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

struct Spread {
  double chi_square = 0;
  double entropy_bits = 0;
};

Spread Measure(std::span<const uint32_t> counts) {
  double total = 0;
  for (const uint32_t count : counts) total += count;
  const double expected = total / static_cast<double>(counts.size());
  Spread spread;
  for (const uint32_t count : counts) {
    const double difference = count - expected;
    spread.chi_square += difference * difference / expected;
    if (count == 0) continue;
    const double share = count / total;
    spread.entropy_bits -= share * std::log2(share);
  }
  return spread;
}

template <size_t kSymbols>
std::array<uint32_t, kSymbols> Fold(const std::array<uint32_t, 256>& counts,
                                    int (*value)(uint8_t)) {
  std::array<uint32_t, kSymbols> folded{};
  for (size_t i = 0; i < counts.size(); ++i) {
    const int symbol = value(static_cast<uint8_t>(i));
    if (symbol >= 0) folded[static_cast<size_t>(symbol)] += counts[i];
  }
  return folded;
}

template <size_t kSymbols>
bool IsMostOfWindow(const std::array<uint32_t, kSymbols>& counts) {
  uint64_t total = 0;
  for (const uint32_t count : counts) total += count;
  return static_cast<double>(total) >= kAlphabetShare * PayloadMeter::kWindowBytes;
}

}  // namespace

std::string_view FormName(PayloadMeter::Form form) {
  switch (form) {
    case Form::kBinary:
      return "binary";
    case Form::kBase64:
      return "base64";
    case Form::kHex:
      return "hex";
    case Form::kNone:
      break;
  }
  return "";
}

bool BeginsAsKnownFile(std::string_view head) {
  for (const Magic& magic : kMagics) {
    if (head.size() < magic.offset + magic.bytes.size()) continue;
    if (head.substr(magic.offset, magic.bytes.size()) == magic.bytes) return true;
  }
  if (head.size() < 2) return false;
  // zlib (RFC 1950, 2.2) with a window of 32 KiB: its header is a multiple of 31.
  const auto first = static_cast<uint8_t>(head[0]);
  const auto second = static_cast<uint8_t>(head[1]);
  if (first == 0x78 && (first * 256 + second) % 31 == 0 && (second & 0x20) == 0) return true;
  // A frame of MPEG audio, layer 3, without a tag.
  return first == 0xff && (second == 0xfb || second == 0xfa || second == 0xf3);
}

void PayloadMeter::Begin(std::string_view content_type) {
  is_multipart_ = content_type.starts_with("multipart/");
  is_form_ = content_type.starts_with("application/x-www-form-urlencoded");
  BeginHead();
  last_ = 0;
  percent_digits_ = 0;
  run_bytes_ = 0;
  run_is_known_ = false;
  sums_ = {};
  ClearWindow();
}

void PayloadMeter::BeginHead() {
  is_known_ = false;
  head_bytes_ = 0;
}

void PayloadMeter::ClearWindow() {
  counts_.fill(0);
  window_bytes_ = 0;
  window_has_known_run_ = run_is_known_;
}

void PayloadMeter::Gap() {
  run_bytes_ = 0;
  run_is_known_ = false;
  percent_digits_ = 0;
  ClearWindow();
}

void PayloadMeter::Data(std::string_view bytes) {
  // Nothing in it can end what is known.
  if (is_known_ && !is_multipart_) return;
  for (const char c : bytes) {
    auto byte = static_cast<uint8_t>(c);
    if (head_bytes_ < kHeadBytes) {
      head_[head_bytes_++] = c;
      if (head_bytes_ == kHeadBytes && BeginsAsKnownFile({head_.data(), kHeadBytes})) {
        is_known_ = true;
        ClearWindow();
      }
    }
    if (is_multipart_) FollowMultipart(byte);
    if (is_known_) continue;
    if (is_form_ && percent_digits_ > 0) {
      percent_value_ = static_cast<uint8_t>(percent_value_ << 4 | (HexValue(byte) & 15));
      if (--percent_digits_ > 0) continue;
      byte = percent_value_;
    } else if (is_form_ && byte == '%') {
      percent_digits_ = 2;
      percent_value_ = 0;
      continue;
    }
    Take(byte);
  }
}

void PayloadMeter::FollowMultipart(uint8_t byte) {
  constexpr uint32_t kEndOfHeaders = 0x0d0a0d0a;
  constexpr uint32_t kBoundary = 0x0d0a2d2d;
  last_ = last_ << 8 | byte;
  if (last_ == kBoundary && is_known_) BeginHead();
  // The next byte is the part's first.
  if (last_ == kEndOfHeaders && !is_known_) head_bytes_ = 0;
  if (last_ == kEndOfHeaders) last_ = 0;
}

void PayloadMeter::Take(uint8_t byte) {
  TakeBase64Run(byte);
  ++counts_[byte];
  if (++window_bytes_ < kWindowBytes) return;
  Evaluate();
  ClearWindow();
}

void PayloadMeter::TakeBase64Run(uint8_t byte) {
  if (Base64Value(byte) < 0) {
    // A line feed wraps a run.
    if (byte == '\r' || byte == '\n') return;
    run_bytes_ = 0;
    run_is_known_ = false;
    return;
  }
  if (run_bytes_ >= run_.size()) return;
  run_[run_bytes_++] = static_cast<char>(byte);
  if (run_bytes_ < run_.size()) return;
  std::array<char, 12> head{};
  for (size_t i = 0; i < 4; ++i) {
    uint32_t group = 0;
    for (size_t j = 0; j < 4; ++j) {
      group =
          group << 6 | static_cast<uint32_t>(Base64Value(static_cast<uint8_t>(run_[4 * i + j])));
    }
    head[3 * i] = static_cast<char>(group >> 16);
    head[3 * i + 1] = static_cast<char>(group >> 8 & 0xff);
    head[3 * i + 2] = static_cast<char>(group & 0xff);
  }
  run_is_known_ = BeginsAsKnownFile({head.data(), head.size()});
  window_has_known_run_ = window_has_known_run_ || run_is_known_;
}

void PayloadMeter::Evaluate() {
  struct Bound {
    double degrees;
    double least;
    double most;
  };
  const auto judge = [this](Form form, std::span<const uint32_t> counts, const Bound& bound) {
    const Spread spread = Measure(counts);
    if (spread.chi_square < bound.least || spread.chi_square > bound.most) return;
    Sums& sums = sums_[static_cast<size_t>(form)];
    ++sums.windows;
    sums.entropy_bits += spread.entropy_bits;
    sums.chi_square_ratio += spread.chi_square / bound.degrees;
  };
  if (const auto hex = Fold<16>(counts_, HexValue); IsMostOfWindow(hex)) {
    return judge(Form::kHex, hex, {.degrees = 15, .least = 1, .most = 48});
  }
  if (const auto base64 = Fold<64>(counts_, Base64Value); IsMostOfWindow(base64)) {
    if (window_has_known_run_) return;
    return judge(Form::kBase64, base64, {.degrees = 63, .least = 7, .most = 119});
  }
  judge(Form::kBinary, counts_, {.degrees = 255, .least = 119, .most = 368});
}

PayloadMeter::Result PayloadMeter::result() const {
  const auto most = std::max_element(sums_.begin(), sums_.end(), [](const Sums& a, const Sums& b) {
    return a.windows < b.windows;
  });
  if (most->windows == 0) return {};
  const auto windows = static_cast<double>(most->windows);
  return {.form = static_cast<Form>(std::distance(sums_.begin(), most)),
          .bytes = most->windows * kWindowBytes,
          .entropy_bits = most->entropy_bits / windows,
          .chi_square_ratio = most->chi_square_ratio / windows};
}

}  // namespace skimwatch::traffic
