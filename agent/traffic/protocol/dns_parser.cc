#include "agent/traffic/protocol/dns_parser.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "agent/memory/wipe.h"
#include "agent/traffic/protocol/decoder_context.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kLengthBytes = 2;

// One direction.
class DnsStream {
 public:
  DnsStream(FlowContext& flow, Sender sender) : flow_(flow), sender_(sender) {}

  // A byte of each message is taken last, so that what is no message can be given back with it.
  size_t Data(std::string_view bytes) {
    size_t taken = 0;
    while (taken < bytes.size()) {
      const size_t needed = MessageEnd();
      const std::string_view piece = bytes.substr(taken, needed - held_.size());
      if (held_.size() + piece.size() < needed || held_.size() < kLengthBytes) {
        held_ += piece;
        taken += piece.size();
        continue;
      }
      const size_t before = held_.size();
      held_ += piece;
      const std::string_view message = std::string_view(held_).substr(kLengthBytes);
      if (!flow_.decoder.dns_names.Take(flow_, sender_, message)) {
        flow_.counters(Protocol::kDns).errors.Add();
        held_.resize(before);
        return taken;
      }
      flow_.Count(flow_.ReasonOf(sender_), kLengthBytes);
      taken += piece.size();
      Forget();
    }
    return taken;
  }

  void Begin() { Forget(); }

  void End() {
    if (held_.empty()) return;
    flow_.Count(flow_.ReasonOf(sender_), held_.size());
    if (flow_.Scans(sender_)) {
      Provenance provenance;
      flow_.Fill(sender_, std::string_view(), provenance);
      PartConsumer* consumer = flow_.decoder.sink.BeginPart(provenance, Part::kStream);
      consumer->Data(held_);
      consumer->End();
    }
    Forget();
  }

  std::string_view TakeHeld() {
    taken_ = std::exchange(held_, std::string());
    return taken_;
  }

 private:
  static constexpr size_t kHeldBytesKept = 4096;

  // How far the length goes, or the message with it.
  size_t MessageEnd() const {
    if (held_.size() < kLengthBytes) return kLengthBytes;
    // An empty message is none; it takes a byte to say so.
    const size_t bytes =
        static_cast<size_t>(static_cast<uint8_t>(held_[0])) << 8 | static_cast<uint8_t>(held_[1]);
    return kLengthBytes + std::max<size_t>(bytes, 1);
  }
  void Forget() {
    memory::Wipe(held_);
    if (held_.capacity() > kHeldBytesKept) held_.shrink_to_fit();
  }

  FlowContext& flow_;
  const Sender sender_;
  // Of a message and its length.
  std::string held_;
  std::string taken_;
};

class DnsParser final : public StreamParser {
 public:
  explicit DnsParser(FlowContext& flow)
      : client_(flow, Sender::kClient), server_(flow, Sender::kServer) {}

  void Begin(Sender sender) override { Of(sender).Begin(); }
  size_t Data(Sender sender, std::string_view bytes) override { return Of(sender).Data(bytes); }
  // The rest of a message without its middle is none.
  bool Gap(Sender /*sender*/, uint64_t /*bytes*/) override { return false; }
  void End(Sender sender) override { Of(sender).End(); }
  std::string_view TakeHeld(Sender sender) override { return Of(sender).TakeHeld(); }
  bool follows() const override { return true; }

 private:
  DnsStream& Of(Sender sender) { return sender == Sender::kClient ? client_ : server_; }

  DnsStream client_;
  DnsStream server_;
};

}  // namespace

std::unique_ptr<StreamParser> CreateDnsParser(FlowContext& flow) {
  return std::make_unique<DnsParser>(flow);
}

}  // namespace skimwatch::traffic
