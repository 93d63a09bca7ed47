#include "agent/traffic/destination/destination_watch.h"

#include <cstdint>
#include <string_view>
#include <utility>

#include "agent/traffic/destination/payload_meter.h"

namespace skimwatch::traffic {
namespace {

// How many bytes of a part that stays open are told at once.
constexpr uint64_t kTellEveryBytes = 65536;

}  // namespace

class DestinationWatch::Consumer final : public PartConsumer {
 public:
  Consumer(DestinationMonitor& monitor, std::vector<Consumer*>& free)
      : monitor_(monitor), free_(free) {}

  void Start(PartConsumer* next, DestinationMonitor::Flow flow, const Provenance& provenance) {
    next_ = next;
    flow_ = std::move(flow);
    bytes_ = 0;
    if (!flow_.wants_payload) return;
    if (meter_ == nullptr) meter_ = std::make_unique<PayloadMeter>();
    meter_->Begin(provenance.content_type);
    provenance_ = provenance;
  }

  void Data(std::string_view bytes) override {
    bytes_ += bytes.size();
    if (bytes_ >= kTellEveryBytes) monitor_.OnSent(flow_, std::exchange(bytes_, 0));
    if (flow_.wants_payload) Measure(bytes);
    next_->Data(bytes);
  }

  void Gap() override {
    if (flow_.wants_payload) meter_->Gap();
    next_->Gap();
  }

  void End() override {
    monitor_.OnSent(flow_, std::exchange(bytes_, 0));
    flow_ = {};
    Wipe(provenance_);
    std::exchange(next_, nullptr)->End();
    free_.push_back(this);
  }

 private:
  void Measure(std::string_view bytes) {
    meter_->Data(bytes);
    const PayloadMeter::Result result = meter_->result();
    if (result.bytes < monitor_.entropy_min_bytes()) return;
    v1::OpaquePayload opaque;
    opaque.set_form(std::string(FormName(result.form)));
    opaque.set_bytes(result.bytes);
    opaque.set_entropy_bits(result.entropy_bits);
    opaque.set_chi_square_ratio(result.chi_square_ratio);
    monitor_.OnOpaque(flow_, opaque, provenance_);
    flow_.wants_payload = false;
  }

  DestinationMonitor& monitor_;
  std::vector<Consumer*>& free_;
  PartConsumer* next_ = nullptr;
  DestinationMonitor::Flow flow_;
  uint64_t bytes_ = 0;
  // Made when first needed.
  std::unique_ptr<PayloadMeter> meter_;
  Provenance provenance_;
};

DestinationWatch::DestinationWatch(DestinationMonitor* monitor, MessageSink& next)
    : monitor_(monitor), next_(next) {}

DestinationWatch::~DestinationWatch() = default;

PartConsumer* DestinationWatch::BeginPart(const Provenance& provenance, Part part) {
  PartConsumer* const next = next_.BeginPart(provenance, part);
  // What is read twice is sent once.
  if (monitor_ == nullptr || provenance.repeats) return next;
  DestinationMonitor::Flow flow = monitor_->OnPart(provenance, part);
  if (flow.entry == nullptr) return next;
  if (free_.empty()) {
    consumers_.push_back(std::make_unique<Consumer>(*monitor_, free_));
    free_.push_back(consumers_.back().get());
  }
  Consumer* const consumer = free_.back();
  free_.pop_back();
  consumer->Start(next, std::move(flow), provenance);
  return consumer;
}

}  // namespace skimwatch::traffic
