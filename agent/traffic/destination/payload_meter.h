#ifndef SKIMWATCH_AGENT_TRAFFIC_DESTINATION_PAYLOAD_METER_H_
#define SKIMWATCH_AGENT_TRAFFIC_DESTINATION_PAYLOAD_METER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace skimwatch::traffic {

// Whether bytes begin as a known media file, archive or document does, which may look random and
// says what it is. `head` needs 12 bytes to be sure.
bool BeginsAsKnownFile(std::string_view head);

// Tells payloads that can't be read, encrypted ones above all, from those that only are dense: how
// evenly are their bytes spread? Measured in windows of 4096 bytes. A window is random when
// Pearson's chi-square statistic of its symbols against an even spread is within what random ones
// give in all but one case in a million. Symbols are bytes, or those of base64 or hex where
// (nearly) all bytes are such.
//
//   form     symbols  degrees of freedom  random when the statistic is within
//   binary       256                 255            119 to 368
//   base64        64                  63              7 to 119
//   hex           16                  15              1 to 48
//
// Text and base64 of text are far outside. Deflate and the like come near the bound and may be
// within: what begins as a known file (BeginsAsKnownFile) is left out for that reason, also in a
// part of a multipart body and at the beginning of a run of base64.
//
// Thread-compatible; allocates nothing after construction.
class PayloadMeter {
 public:
  static constexpr size_t kWindowBytes = 4096;

  enum class Form : uint8_t { kNone, kBinary, kBase64, kHex };

  struct Result {
    Form form = Form::kNone;
    // In windows that look random, of the form that had most of them.
    uint64_t bytes = 0;
    // Means over these windows: Shannon entropy of a symbol, and the statistic by its degrees of
    // freedom.
    double entropy_bits = 0;
    double chi_square_ratio = 0;
  };

  // A payload begins. `content_type` is its media type, in lower case, as sent.
  void Begin(std::string_view content_type);
  void Data(std::string_view bytes);
  // Bytes are missing here.
  void Gap();

  Result result() const;

 private:
  struct Sums {
    uint64_t windows = 0;
    double entropy_bits = 0;
    double chi_square_ratio = 0;
  };

  void Take(uint8_t byte);
  void TakeBase64Run(uint8_t byte);
  void FollowMultipart(uint8_t byte);
  void BeginHead();
  void Evaluate();
  void ClearWindow();

  bool is_multipart_ = false;
  bool is_form_ = false;
  // The file that the bytes are part of is known.
  bool is_known_ = false;
  // Of the payload, or of a part of a multipart body.
  std::array<char, 12> head_{};
  size_t head_bytes_ = 0;
  // The last four bytes.
  uint32_t last_ = 0;
  // Of a percent-encoded byte: digits to come, and the value so far.
  int percent_digits_ = 0;
  uint8_t percent_value_ = 0;
  // The beginning of a run of base64.
  std::array<char, 16> run_{};
  size_t run_bytes_ = 0;
  bool run_is_known_ = false;

  std::array<uint32_t, 256> counts_{};
  size_t window_bytes_ = 0;
  bool window_has_known_run_ = false;
  // By form.
  std::array<Sums, 4> sums_{};
};

// `binary`, `base64`, `hex`.
std::string_view FormName(PayloadMeter::Form form);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_DESTINATION_PAYLOAD_METER_H_
