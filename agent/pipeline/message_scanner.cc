#include "agent/pipeline/message_scanner.h"

#include <chrono>
#include <memory>
#include <string_view>
#include <utility>

#include "agent/pipeline/card_sighting.h"
#include "agent/pipeline/finding_builder.h"

namespace skimwatch::pipeline {
namespace {

// How often parts are looked at for silence.
constexpr std::chrono::milliseconds kLookEvery{50};
// Consumers and streams kept for later use.
constexpr size_t kFreeMax = 256;

bool IsScript(std::string_view content_type) {
  return content_type.find("javascript") != std::string_view::npos ||
         content_type.find("ecmascript") != std::string_view::npos;
}

bool IsOfRequest(traffic::Part part) {
  return part == traffic::Part::kRequestTarget || part == traffic::Part::kRequestHeaders ||
         part == traffic::Part::kRequestBody;
}

}  // namespace

class MessageScanner::Consumer final : public traffic::PartConsumer, public card::MatchSink {
 public:
  explicit Consumer(MessageScanner& owner) : owner_(owner) {}

  void Start(const traffic::Provenance& provenance, traffic::Part part) {
    // Assigned to what is there, so that its strings are used again.
    provenance_ = provenance;
    part_ = part;
    origin_.reset();
    position_ = 0;
    unsettled_ = false;
  }

  void Data(std::string_view bytes) override {
    if (bytes.empty()) return;
    const Clock::time_point started = Clock::now();
    if (stream_ == nullptr) BeginStream();
    stream_->Feed(bytes, *this);
    last_data_ = AddTime(started);
    position_ += bytes.size();
    unsettled_ = true;
    owner_.bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
    owner_.Touch(*this);
  }

  void Gap() override { EndStream(); }

  void End() override {
    EndStream();
    origin_.reset();
    traffic::Wipe(provenance_);
    owner_.Release(*this);
  }

  void OnMatch(const card::CardMatch& match) override {
    if (origin_ == nullptr) {
      origin_ = std::make_shared<const SightingOrigin>(OriginOf(provenance_, part_));
    }
    owner_.matches_.fetch_add(1, std::memory_order_relaxed);
    owner_.writer_.Add(MakeSighting(match, origin_, stream_begins_at_, owner_.now_));
  }

  void Settle() {
    if (!std::exchange(unsettled_, false)) return;
    const Clock::time_point started = Clock::now();
    stream_->Settle(*this);
    AddTime(started);
  }

  void EndStream() {
    if (stream_ == nullptr) return;
    const Clock::time_point started = Clock::now();
    stream_->Finish(*this);
    AddTime(started);
    owner_.bytes_not_decoded_.fetch_add(stream_->bytes_not_decoded() - not_decoded_at_begin_,
                                        std::memory_order_relaxed);
    owner_.Remove(*this);
    owner_.GiveBack(std::move(stream_));
  }

  Clock::time_point last_data() const { return last_data_; }

  // Links of the list of consumers with a stream; the MessageScanner's.
  Consumer* before = nullptr;
  Consumer* after = nullptr;
  bool listed = false;

 private:
  // Adds what passed since `started`; the time that it is.
  Clock::time_point AddTime(Clock::time_point started) {
    const Clock::time_point ended = Clock::now();
    owner_.scan_nanoseconds_.fetch_add(
        std::chrono::duration_cast<std::chrono::nanoseconds>(ended - started).count(),
        std::memory_order_relaxed);
    return ended;
  }

  void BeginStream() {
    stream_ = owner_.TakeStream();
    stream_begins_at_ = position_;
    not_decoded_at_begin_ = stream_->bytes_not_decoded();
    const bool at_rest = provenance_.direction == traffic::Direction::kAtRest;
    stream_->Begin({.location = at_rest ? provenance_.file : provenance_.path,
                    .content_type = provenance_.content_type,
                    .is_script = IsScript(provenance_.content_type),
                    .is_request = IsOfRequest(part_)});
  }

  MessageScanner& owner_;
  traffic::Provenance provenance_;
  traffic::Part part_ = traffic::Part::kStream;
  // Made when something is found.
  std::shared_ptr<const SightingOrigin> origin_;
  std::unique_ptr<card::ScanStream> stream_;
  uint64_t position_ = 0;
  uint64_t stream_begins_at_ = 0;
  // The stream counts over all that it scanned.
  uint64_t not_decoded_at_begin_ = 0;
  bool unsettled_ = false;
  Clock::time_point last_data_;
};

MessageScanner::MessageScanner(const Options& options, const card::BrandTable& brands,
                               FindingWriter& writer)
    : options_(options), brands_(brands), writer_(writer) {}

MessageScanner::~MessageScanner() = default;

traffic::PartConsumer* MessageScanner::BeginPart(const traffic::Provenance& provenance,
                                                 traffic::Part part) {
  now_ = provenance.seen_at;
  if (free_consumers_.empty()) {
    consumers_.push_back(std::make_unique<Consumer>(*this));
    free_consumers_.push_back(consumers_.back().get());
  }
  Consumer* consumer = free_consumers_.back();
  free_consumers_.pop_back();
  consumer->Start(provenance, part);
  parts_.fetch_add(1, std::memory_order_relaxed);
  parts_open_.fetch_add(1, std::memory_order_relaxed);
  return consumer;
}

void MessageScanner::Release(Consumer& consumer) {
  free_consumers_.push_back(&consumer);
  parts_open_.fetch_sub(1, std::memory_order_relaxed);
}

std::unique_ptr<card::ScanStream> MessageScanner::TakeStream() {
  if (free_streams_.empty() && streams_made_ >= options_.streams_max && oldest_ != nullptr) {
    streams_ended_early_.fetch_add(1, std::memory_order_relaxed);
    oldest_->EndStream();
  }
  if (free_streams_.empty()) {
    ++streams_made_;
    return std::make_unique<card::ScanStream>(options_.scan, brands_);
  }
  std::unique_ptr<card::ScanStream> stream = std::move(free_streams_.back());
  free_streams_.pop_back();
  return stream;
}

void MessageScanner::GiveBack(std::unique_ptr<card::ScanStream> stream) {
  if (free_streams_.size() < kFreeMax) {
    free_streams_.push_back(std::move(stream));
  } else {
    --streams_made_;
  }
}

void MessageScanner::Remove(Consumer& consumer) {
  if (!consumer.listed) return;
  (consumer.before != nullptr ? consumer.before->after : oldest_) = consumer.after;
  (consumer.after != nullptr ? consumer.after->before : newest_) = consumer.before;
  consumer.before = consumer.after = nullptr;
  consumer.listed = false;
}

void MessageScanner::Touch(Consumer& consumer) {
  if (newest_ == &consumer) return;
  Remove(consumer);
  consumer.before = newest_;
  (newest_ != nullptr ? newest_->after : oldest_) = &consumer;
  newest_ = &consumer;
  consumer.listed = true;
}

void MessageScanner::Advance(absl::Time now) {
  now_ = now;
  const Clock::time_point steady_now = Clock::now();
  if (steady_now - looked_at_ < kLookEvery) return;
  looked_at_ = steady_now;
  for (Consumer* consumer = oldest_; consumer != nullptr; consumer = consumer->after) {
    if (steady_now - consumer->last_data() < options_.settle_after) break;
    consumer->Settle();
  }
}

MessageScanner::Stats& MessageScanner::Stats::operator+=(const Stats& other) {
  parts += other.parts;
  bytes += other.bytes;
  matches += other.matches;
  scan_time += other.scan_time;
  streams_ended_early += other.streams_ended_early;
  bytes_not_decoded += other.bytes_not_decoded;
  parts_open += other.parts_open;
  return *this;
}

MessageScanner::Stats MessageScanner::stats() const {
  return {.parts = parts_.load(std::memory_order_relaxed),
          .bytes = bytes_.load(std::memory_order_relaxed),
          .matches = matches_.load(std::memory_order_relaxed),
          .scan_time = absl::Nanoseconds(scan_nanoseconds_.load(std::memory_order_relaxed)),
          .streams_ended_early = streams_ended_early_.load(std::memory_order_relaxed),
          .bytes_not_decoded = bytes_not_decoded_.load(std::memory_order_relaxed),
          .parts_open = parts_open_.load(std::memory_order_relaxed)};
}

}  // namespace skimwatch::pipeline
