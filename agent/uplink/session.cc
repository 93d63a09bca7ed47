#include "agent/uplink/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "skimwatch/v1/finding.pb.h"
#include "spdlog/spdlog.h"

namespace skimwatch::uplink {
namespace {

// What a Welcome may ask for. Defaults stand in for 0, which an older collector may send.
constexpr uint32_t kBatchFindingsDefault = 100;
constexpr uint32_t kBatchFindingsMax = 10'000;
constexpr uint32_t kBatchBytesDefault = 1 << 20;
constexpr uint32_t kBatchBytesMin = 4 << 10;
constexpr uint32_t kBatchBytesMax = 16 << 20;
constexpr uint32_t kBatchesInFlightMax = 64;
constexpr uint32_t kHeartbeatDefaultMs = 10'000;
constexpr uint32_t kHeartbeatMinMs = 50;
constexpr uint32_t kHeartbeatMaxMs = 300'000;
// Of a batch, beside payloads: a finding's tag, length and sequence, and the lost ranges.
constexpr size_t kFindingOverheadBytes = 24;
constexpr size_t kLostOverheadBytes = 24 << 10;

uint32_t Within(uint32_t value, uint32_t standard, uint32_t min, uint32_t max) {
  return value == 0 ? standard : std::clamp(value, min, max);
}

}  // namespace

void InFlight::Add(uint64_t epoch, uint64_t last_sequence, std::vector<uint64_t> sequences) {
  batches_.push_back(
      {.epoch = epoch, .last_sequence = last_sequence, .sequences = std::move(sequences)});
}

uint64_t InFlight::Acknowledge(uint64_t epoch, uint64_t committed) {
  uint64_t count = 0;
  while (!batches_.empty() && batches_.front().epoch == epoch) {
    Batch& batch = batches_.front();
    while (batch.acknowledged < batch.sequences.size() &&
           batch.sequences[batch.acknowledged] <= committed) {
      ++batch.acknowledged;
      ++count;
    }
    if (batch.last_sequence > committed) break;
    batches_.pop_front();
  }
  return count;
}

Session::Session(Spool* spool, InFlight* in_flight, v1::Hello hello, absl::Time now)
    : spool_(spool),
      in_flight_(in_flight),
      hello_(std::move(hello)),
      welcome_by_(now + kWelcomeTimeout) {
  const Spool::Position position = spool_->Start();
  epoch_ = position.epoch;
  hello_.set_protocol_major(kProtocolMajor);
  hello_.set_protocol_minor(kProtocolMinor);
  hello_.set_epoch(position.epoch);
  hello_.set_first_sequence(position.first_sequence);
}

absl::Status Session::TakeWelcome(const v1::Welcome& welcome, absl::Time now) {
  if (welcomed_) return absl::InvalidArgumentError("the collector welcomed this agent twice");
  if (welcome.protocol_major() != kProtocolMajor) {
    return absl::UnimplementedError(absl::StrCat("the collector speaks protocol ",
                                                 welcome.protocol_major(), ", this agent ",
                                                 kProtocolMajor, "; install matching versions"));
  }
  welcomed_ = true;
  heartbeat_interval_ = absl::Milliseconds(Within(
      welcome.heartbeat_interval_ms(), kHeartbeatDefaultMs, kHeartbeatMinMs, kHeartbeatMaxMs));
  heartbeat_at_ = now;
  batch_findings_max_ =
      Within(welcome.batch_findings_max(), kBatchFindingsDefault, 1, kBatchFindingsMax);
  batch_bytes_max_ =
      Within(welcome.batch_bytes_max(), kBatchBytesDefault, kBatchBytesMin, kBatchBytesMax);
  batches_in_flight_max_ = Within(welcome.batches_in_flight_max(), 1, 1, kBatchesInFlightMax);
  acknowledged_findings_ += in_flight_->Acknowledge(epoch_, welcome.committed_sequence());
  // What was not stored is read and sent again.
  in_flight_->Clear();
  spool_->Resume(epoch_, welcome.committed_sequence());
  last_sent_ = std::max(welcome.committed_sequence(), hello_.first_sequence() - 1);
  return absl::OkStatus();
}

absl::Status Session::Take(const v1::StreamResponse& response, absl::Time now) {
  if (response.has_welcome()) return TakeWelcome(response.welcome(), now);
  if (!response.has_ack()) return absl::OkStatus();
  if (!welcomed_) return absl::InvalidArgumentError("the collector's first word was not Welcome");
  const uint64_t committed = response.ack().committed_sequence();
  if (committed > last_sent_) {
    // To believe it would be to forget what was never sent.
    return absl::InvalidArgumentError(absl::StrCat(
        "the collector acknowledged sequence ", committed, ", and ", last_sent_, " was sent last"));
  }
  acknowledged_findings_ += in_flight_->Acknowledge(epoch_, committed);
  spool_->Acknowledge(epoch_, committed);
  has_progress_ = true;
  return absl::OkStatus();
}

std::optional<v1::StreamRequest> Session::Next(absl::Time now) {
  v1::StreamRequest request;
  if (!hello_written_) {
    hello_written_ = true;
    *request.mutable_hello() = hello_;
    return request;
  }
  if (!welcomed_) return std::nullopt;
  if (now >= heartbeat_at_) {
    heartbeat_at_ = now + heartbeat_interval_;
    request.mutable_heartbeat();
    return request;
  }
  if (in_flight_->size() >= batches_in_flight_max_) return std::nullopt;
  return NextBatch();
}

std::optional<v1::StreamRequest> Session::NextBatch() {
  const size_t overhead = std::min(
      batch_bytes_max_ / 2, batch_findings_max_ * kFindingOverheadBytes + kLostOverheadBytes);
  const Spool::Batch batch = spool_->Read(batch_findings_max_, batch_bytes_max_ - overhead);
  if (batch.empty()) return std::nullopt;
  v1::StreamRequest request;
  v1::FindingBatch& message = *request.mutable_batch();
  const auto add_lost = [&message](uint64_t first, uint64_t last, LossReason reason) {
    v1::LostRange& lost = *message.add_lost();
    lost.set_first_sequence(first);
    lost.set_last_sequence(last);
    lost.set_reason(std::string(LossReasonName(reason)));
  };
  std::vector<uint64_t> sequences;
  sequences.reserve(batch.items.size());
  for (const Spool::Item& item : batch.items) {
    v1::Finding& finding = *message.add_findings();
    if (!finding.ParseFromString(item.payload)) {
      message.mutable_findings()->RemoveLast();
      add_lost(item.sequence, item.sequence, LossReason::kUnreadable);
      spool_->CountUnreadable(item.sequence);
      spdlog::error("spool: finding {} can't be decoded", item.sequence);
      continue;
    }
    finding.set_sequence(item.sequence);
    sequences.push_back(item.sequence);
  }
  for (const Spool::Lost& lost : batch.lost) add_lost(lost.first, lost.last, lost.reason);
  sent_findings_ += sequences.size();
  last_sent_ = batch.last_sequence;
  in_flight_->Add(epoch_, batch.last_sequence, std::move(sequences));
  return request;
}

absl::Time Session::NextAt() const { return welcomed_ ? heartbeat_at_ : welcome_by_; }

}  // namespace skimwatch::uplink
