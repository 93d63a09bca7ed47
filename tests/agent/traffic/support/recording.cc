#include "tests/agent/traffic/support/recording.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

constexpr absl::Duration kAwait = absl::Seconds(10);

}  // namespace

class PacketRecorder::Handler : public PacketHandler {
 public:
  Handler(PacketRecorder& recorder, uint32_t number) : recorder_(recorder), number_(number) {
    absl::MutexLock lock(&recorder_.mutex_);
    ++recorder_.handlers_;
  }
  ~Handler() override {
    absl::MutexLock lock(&recorder_.mutex_);
    --recorder_.handlers_;
  }

  void OnPacket(const PacketView& packet) override {
    absl::MutexLock lock(&recorder_.mutex_);
    Check();
    recorder_.packets_.push_back(
        {packet.link, std::string(packet.bytes), packet.wire_bytes, packet.time, number_});
  }
  void OnIdle(absl::Time /*now*/) override {
    absl::MutexLock lock(&recorder_.mutex_);
    Check();
    ++recorder_.idles_;
  }
  void Flush() override {
    absl::MutexLock lock(&recorder_.mutex_);
    Check();
    flushed_ = true;
    ++recorder_.flushes_;
  }

 private:
  void Check() ABSL_EXCLUSIVE_LOCKS_REQUIRED(recorder_.mutex_) {
    if (thread_ == std::thread::id()) thread_ = std::this_thread::get_id();
    if (flushed_ || thread_ != std::this_thread::get_id()) recorder_.misused_ = true;
  }

  PacketRecorder& recorder_;
  const uint32_t number_;
  std::thread::id thread_;
  bool flushed_ = false;
};

std::unique_ptr<PacketHandler> PacketRecorder::MakeHandler(uint32_t number) {
  return std::make_unique<Handler>(*this, number);
}

std::vector<PacketRecorder::Packet> PacketRecorder::packets() const {
  absl::MutexLock lock(&mutex_);
  return packets_;
}

bool PacketRecorder::Await(const std::function<bool(const Packet&)>& wanted) const {
  absl::MutexLock lock(&mutex_);
  // Each packet is looked at once, but the mutex may ask again after a yes.
  size_t looked_at = 0;
  bool seen = false;
  const auto found = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!seen && looked_at < packets_.size()) seen = wanted(packets_[looked_at++]);
    return seen;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&found), kAwait);
}

bool PacketRecorder::AwaitIdle() const {
  absl::MutexLock lock(&mutex_);
  const int before = idles_;
  const auto idle = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return idles_ > before; };
  return mutex_.AwaitWithTimeout(absl::Condition(&idle), kAwait);
}

int PacketRecorder::flushes() const {
  absl::MutexLock lock(&mutex_);
  return flushes_;
}

int PacketRecorder::idles() const {
  absl::MutexLock lock(&mutex_);
  return idles_;
}

int PacketRecorder::handlers() const {
  absl::MutexLock lock(&mutex_);
  return handlers_;
}

bool PacketRecorder::misused() const {
  absl::MutexLock lock(&mutex_);
  return misused_;
}

std::string RecordingSink::Message::text() const {
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  return all;
}

class RecordingSink::Consumer : public PartConsumer {
 public:
  Consumer(RecordingSink& sink, Message& message) : sink_(sink), message_(message) {}

  void Data(std::string_view bytes) override {
    EXPECT_FALSE(message_.ended) << "Data() after End()";
    message_.pieces.emplace_back(bytes);
  }
  void Gap() override {
    EXPECT_FALSE(message_.ended) << "Gap() after End()";
    ++message_.gaps;
  }
  void End() override {
    EXPECT_FALSE(message_.ended) << "End() after End()";
    message_.ended = true;
    if (sink_.on_end) sink_.on_end(message_);
  }

 private:
  RecordingSink& sink_;
  Message& message_;
};

PartConsumer* RecordingSink::BeginPart(const Provenance& provenance, Part part) {
  Message& message = messages_.emplace_back();
  message.provenance = provenance;
  message.part = part;
  return consumers_.emplace_back(std::make_unique<Consumer>(*this, message)).get();
}

std::vector<std::string> RecordingSink::texts() const {
  std::vector<std::string> texts;
  for (const Message& message : messages_) texts.push_back(message.text());
  return texts;
}

void RecordingSink::Clear() {
  auto consumer = consumers_.begin();
  for (auto message = messages_.begin(); message != messages_.end();) {
    if (message->ended) {
      message = messages_.erase(message);
      consumer = consumers_.erase(consumer);
    } else {
      (message++)->pieces.clear();
      ++consumer;
    }
  }
}

}  // namespace skimwatch::traffic
