#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_READER_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace skimwatch::traffic {

// Takes a stream of bytes apart into the messages that protobuf's delimited form holds: the length
// as a varint, then as many bytes. Holds at most one message of `sample_bytes_max` bytes, and of it
// no more than came, whatever the length promises. Thread-compatible.
class SampleReader {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    // The bytes of one message, which began (with its length) at `offset`. Valid during the call.
    virtual void OnSample(std::string_view encoded, uint64_t offset) = 0;
    // One that is longer than the limit begins at `offset`. Its bytes follow as OnSkipped.
    virtual void OnTooLong(uint64_t length, uint64_t offset) = 0;
    virtual void OnSkipped(uint64_t bytes) = 0;
  };

  // `sink` must outlive the reader. `offset` counts what was read before; there, `skip_bytes` of a
  // message that is too long are still to come.
  SampleReader(size_t sample_bytes_max, Sink& sink, uint64_t offset = 0, uint64_t skip_bytes = 0)
      : sample_bytes_max_(sample_bytes_max),
        sink_(sink),
        taken_(offset),
        offset_(offset),
        skip_bytes_(skip_bytes) {}
  // What it holds is wiped.
  ~SampleReader();
  SampleReader(const SampleReader&) = delete;
  SampleReader& operator=(const SampleReader&) = delete;

  // INVALID_ARGUMENT, with the offset, when a length makes no sense: nothing after it can be found,
  // and the reader takes no more.
  absl::Status Take(std::string_view bytes);
  // The stream ends here; INVALID_ARGUMENT when that is within a message.
  absl::Status Finish() const;

  // Bytes given so far, from `offset` of the start.
  uint64_t taken() const { return taken_; }
  // Where the message at hand begins: all before it was passed on or skipped.
  uint64_t offset() const { return offset_; }
  // Where `offset` is within a message that is too long: how much of it is still to be skipped.
  // With both, another reader goes on where this one stands.
  uint64_t skip_bytes() const { return skip_bytes_; }
  // No length so far made no sense.
  bool is_whole() const { return !broken_; }
  // The last byte given was not the end of a message.
  bool in_sample() const { return taken_ != offset_ || skip_bytes_ > 0; }

 private:
  // Protobuf's own limit of a message.
  static constexpr uint64_t kLengthMax = (uint64_t{1} << 31) - 1;
  static constexpr int kLengthBitsMax = 63;

  // Takes bytes of the length off `bytes`; true when it is complete.
  absl::Status TakeLength(std::string_view& bytes, bool& complete);
  void Pass(std::string_view encoded);

  const size_t sample_bytes_max_;
  Sink& sink_;
  uint64_t taken_;
  uint64_t offset_;
  bool broken_ = false;

  // Of the length, as far as it came.
  bool has_length_ = false;
  int length_bits_ = 0;
  uint64_t length_ = 0;
  // Of a message that is too long, still to come.
  uint64_t skip_bytes_;
  // Of the message at hand, where it came in pieces.
  std::string held_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_SAMPLE_READER_H_
