#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/time/time.h"
#include "agent/traffic/protocol/decoder_context.h"
#include "agent/traffic/protocol/flow_key.h"
#include "agent/traffic/protocol/flow_list.h"
#include "agent/traffic/protocol/flow_streams.h"
#include "agent/traffic/protocol/packet_decode.h"
#include "agent/traffic/protocol/segment_pool.h"
#include "agent/traffic/protocol/stream_reassembler.h"

namespace skimwatch::traffic {

// One TCP connection: both directions put in order, and what follows their bytes.
//
// After its end it stays for a while, so that retransmissions are known as such and a new
// connection between the same endpoints as a new one.
class Flow {
 public:
  // What is left of a flow, which decides on what goes first when the table is full.
  enum class State : uint8_t { kClosed, kWithoutData, kWithData };

  // Without a draw only its bytes are counted.
  Flow(DecoderContext& context, SegmentPool& pool, const FlowKey& key,
       const std::optional<FlowDraw>& draw);

  // Takes a segment of this flow in a packet of time `now`. False when the segment belongs to a new
  // connection between the same endpoints: this one is over.
  bool Take(const TcpSegment& segment, absl::Time now);
  // Stops waiting for what is missing longest.
  void GiveUp(absl::Time now);
  // Delivers what waits, with gaps, and ends both directions.
  void Close(absl::Time now);
  // Ends both directions; what waits for missing data is counted as shed.
  void Evict(absl::Time now);

  // Whether there is anything that follows its bytes.
  bool has_streams() const { return streams_ != nullptr; }
  // Forgets what follows its bytes, if the next ones need none of it. A connection that is kept
  // open for its next request takes a tenth of the memory so.
  bool Rest();

  const FlowKey& key() const { return key_; }
  bool sampled() const { return sampled_; }
  State state() const { return state_; }
  // Whether data waits for something missing.
  bool waiting() const { return sides_[0].stream.waiting() || sides_[1].stream.waiting(); }
  // Changes with every byte that is delivered.
  uint64_t position() const { return sides_[0].stream.position() + sides_[1].stream.position(); }
  uint64_t held_bytes() const {
    return (sides_[0].stream.held_segments() + sides_[1].stream.held_segments()) *
           sizeof(HeldSegment);
  }

  // For the lists of the flow table, which alone changes them.
  FlowLink age_link{this};
  FlowLink waiting_link{this};
  FlowLink awake_link{this};
  // It is not among the flows followed any more.
  bool counted_as_closed = false;
  absl::Time last_seen;
  absl::Time waiting_since;
  uint64_t waiting_position = 0;

 private:
  // One direction, and where its data goes.
  class Side final : public StreamReceiver {
   public:
    Side(Flow& flow, uint8_t end, SegmentPool& pool, DecoderCounters& counters)
        : stream(pool, counters), end_(end), flow_(flow) {}

    void OnData(std::string_view bytes) override;
    void OnCounted(uint64_t bytes) override;
    void OnCut(uint64_t bytes) override;
    void OnGap(uint64_t bytes) override;
    void OnLate(uint64_t bytes) override;
    void OnEnd() override;

    StreamReassembler stream;
    // A SYN's sequence number, and one of a SYN that would begin a new connection: believed when
    // the other side or the data agrees, for anyone can send a SYN.
    std::optional<uint32_t> syn;
    std::optional<uint32_t> next_syn;
    bool ended = false;

   private:
    const uint8_t end_;
    Flow& flow_;
  };

  // Whether the segment begins a new connection.
  bool BeginsAnew(int end, const TcpSegment& segment);
  void TakeSyn(int end, const TcpSegment& segment);
  bool IsReset(int end, const TcpSegment& segment) const;
  // Whether data from `end` is an answer that must not overtake what it answers.
  bool NeedsRequests(int end) const;
  // Delivers what waited for `end` to come as far as it has.
  void ResumePeer(int end);
  void EndStreams();
  FlowStreams& Streams();

  DecoderContext& context_;
  const FlowKey key_;
  const FlowDraw draw_;
  const bool sampled_;
  State state_ = State::kWithoutData;
  std::array<Side, 2> sides_;
  // From the first data on, but while the flow rests.
  std::unique_ptr<FlowStreams> streams_;
  bool is_at_rest_ = false;
  std::optional<int> client_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_FLOW_H_
