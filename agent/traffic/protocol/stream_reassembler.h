#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_STREAM_REASSEMBLER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_STREAM_REASSEMBLER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/traffic/protocol/decoder_counters.h"
#include "agent/traffic/protocol/segment_pool.h"

namespace skimwatch::traffic {

// Takes what a StreamReassembler has put in order. Each byte of the stream is reported once, in one
// of these ways. Must not destroy the reassembler that calls it.
class StreamReceiver {
 public:
  virtual ~StreamReceiver() = default;
  // In pieces that begin where packets began, mostly.
  virtual void OnData(std::string_view bytes) = 0;
  // Bytes whose content was not asked for.
  virtual void OnCounted(uint64_t bytes) = 0;
  // Bytes that were on the wire, but beyond what the capture took.
  virtual void OnCut(uint64_t bytes) = 0;
  // Bytes that did not come in time. Should they come yet, OnLate counts them.
  virtual void OnGap(uint64_t bytes) = 0;
  virtual void OnLate(uint64_t bytes) = 0;
  // The sender has finished (FIN) and all before it was reported.
  virtual void OnEnd() = 0;
};

// Puts one direction of a TCP flow in order. Of overlapping segments the first copy counts, which
// is what a receiver has already acknowledged when the second comes. Sequence numbers may wrap
// around any number of times.
//
// A stream that is picked up in the middle begins with its first segment; what lies before it and
// comes yet is late. Thread-compatible; `pool` and `counters` must outlive it.
class StreamReassembler {
 public:
  StreamReassembler(SegmentPool& pool, DecoderCounters& counters)
      : pool_(pool), counters_(counters) {}
  ~StreamReassembler() { Discard(); }
  StreamReassembler(const StreamReassembler&) = delete;
  StreamReassembler& operator=(const StreamReassembler&) = delete;

  bool started() const { return started_; }
  // Begins at `sequence`: the one after a SYN's, or that of the first segment seen.
  void Start(uint32_t sequence, bool from_syn);

  // From now on only the number of bytes matters; data that waits is reduced to its number.
  void CountOnly();

  // A segment with `payload` of `wire_bytes`, which is not delivered before the other direction has
  // come to `after` (in this class's positions of that direction), where `peer` says how far that
  // is. 0 waits for nothing.
  void Push(uint32_t sequence, std::string_view payload, uint32_t wire_bytes, uint64_t after,
            uint64_t peer, StreamReceiver& receiver);
  // The sender ends the stream at `sequence`.
  void Finish(uint32_t sequence, StreamReceiver& receiver);
  // Delivers what waited for the other direction alone.
  void Resume(uint64_t peer, StreamReceiver& receiver);
  // Stops waiting for what is missing before the first data that waits.
  void GiveUp(StreamReceiver& receiver);

  bool waiting() const { return first_ != nullptr; }
  // Bytes of the stream that wait, whatever memory they take.
  uint64_t waiting_bytes() const;
  // Drops what waits.
  void Discard();
  uint64_t held_segments() const { return held_; }
  // Where the next byte to deliver stands.
  uint64_t position() const { return next_; }
  // `sequence` as a position, taken to be near position().
  uint64_t Unwrap(uint32_t sequence) const {
    return next_ + static_cast<uint64_t>(
                       static_cast<int64_t>(static_cast<int32_t>(sequence - uint32_t(next_))));
  }

 private:
  struct Range {
    uint64_t begin;
    uint64_t end;
  };

  // Reports [begin, end), which lies before next_, as late or as retransmitted.
  void Late(uint64_t begin, uint64_t end, StreamReceiver& receiver);
  // How much of [begin, end) was given up before, which is forgotten.
  uint64_t TakeSkipped(uint64_t begin, uint64_t end);
  void Skip(uint64_t begin, uint64_t end);
  void Deliver(uint64_t begin, std::string_view payload, uint64_t end, StreamReceiver& receiver);
  void Hold(uint64_t begin, uint64_t end, const char* data, HeldSegment::Kind kind, uint64_t after);
  HeldSegment* Append(HeldSegment* at, uint64_t begin, uint64_t end, const char* data,
                      HeldSegment::Kind kind, uint64_t after);
  void PopFirst(StreamReceiver& receiver);
  void CheckEnd(StreamReceiver& receiver);

  SegmentPool& pool_;
  DecoderCounters& counters_;
  bool started_ = false;
  bool count_only_ = false;
  bool finish_known_ = false;
  uint32_t held_ = 0;
  uint64_t next_ = 0;
  uint64_t finish_ = 0;
  // The other direction was waited for up to here, in vain.
  uint64_t not_after_ = 0;
  HeldSegment* first_ = nullptr;
  HeldSegment* last_ = nullptr;
  // What was given up and is remembered, the oldest first; null where nothing was.
  std::unique_ptr<std::vector<Range>> skipped_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_STREAM_REASSEMBLER_H_
