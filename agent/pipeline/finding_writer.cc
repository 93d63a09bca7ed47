#include "agent/pipeline/finding_writer.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/hash/hash.h"
#include "agent/memory/wipe.h"
#include "agent/pipeline/finding_builder.h"
#include "proto/fingerprint/fingerprint.h"
#include "spdlog/spdlog.h"

namespace skimwatch::pipeline {
namespace {

using Clock = std::chrono::steady_clock;

// Findings of one durable write.
constexpr size_t kBatchMax = 1024;
constexpr size_t kOwnKeyBytes = 32;

v1::FingerprintKey RandomKey() {
  std::random_device device;
  v1::FingerprintKey key;
  while (key.key().size() < kOwnKeyBytes) {
    key.mutable_key()->push_back(static_cast<char>(device() & 0xff));
  }
  return key;
}

// Tells apart what the collector adds up together: at least by what it folds exposures by.
uint64_t TotalOf(const v1::Finding& finding) {
  const v1::Provenance& provenance = finding.provenance();
  return absl::HashOf(finding.site(), static_cast<int>(finding.detail_case()),
                      finding.destination(), provenance.method(), provenance.path_template(),
                      provenance.method().empty() && provenance.path_template().empty()
                          ? provenance.part()
                          : std::string());
}

// A clock for windows that nobody sets back.
absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(Clock::now().time_since_epoch());
}

Clock::time_point SteadyPoint(absl::Time time) {
  // Bounded, so that the sum that a wait makes does not overflow.
  const absl::Duration left = std::clamp(time - SteadyNow(), absl::ZeroDuration(), absl::Hours(1));
  return Clock::now() + absl::ToChronoMicroseconds(left);
}

}  // namespace

std::string_view FindingWriter::OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kReported:
      return "reported";
    case Outcome::kExpected:
      return "expected";
    case Outcome::kBelowConfidence:
      return "below_confidence";
    case Outcome::kTestCard:
      return "test_card";
    case Outcome::kCount:
      break;
  }
  return "unknown";
}

FindingWriter::FindingWriter(Options options)
    : options_(std::move(options)),
      own_key_(RandomKey()),
      started_(Clock::now()),
      folder_(options_.fold_window, options_.fold_entries_max),
      ledger_(options_.sampling_units_max),
      thread_([this] { Run(); }) {}

FindingWriter::~FindingWriter() { Stop(); }

void FindingWriter::SetPolicy(const v1::Policy& policy) {
  ExpectedFlows flows;
  for (const v1::ExpectedFlow& rule : policy.expected_flows()) {
    ExpectedFlows::Rules one;
    *one.Add() = rule;
    if (absl::StatusOr<ExpectedFlows> made = ExpectedFlows::Create(one); made.ok()) {
      flows.Append(*made);
    } else {
      spdlog::error("policy version {}: {}; the rule is left out", policy.version(),
                    made.status().ToString());
    }
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  new_flows_ = std::move(flows);
  if (!policy.fingerprint_keys().empty()) {
    new_key_ = policy.fingerprint_keys(0);
    has_key_ = true;
  }
  policy_is_new_ = true;
  changed_.notify_one();
}

void FindingWriter::Push(Item item) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (queue_.size() >= options_.queue_max && !stopping_) {
    const Clock::time_point since = Clock::now();
    room_.wait(lock, [&] { return queue_.size() < options_.queue_max || stopping_; });
    stats_.blocked += absl::FromChrono(Clock::now() - since);
  }
  if (stopped_) return;
  queue_.push_back(std::move(item));
  ++pushed_;
  if (queue_.size() == 1) changed_.notify_one();
}

void FindingWriter::Add(CardSighting sighting) { Push(std::move(sighting)); }
void FindingWriter::Add(v1::Finding finding) { Push(std::move(finding)); }

void FindingWriter::Flush() {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t mine = ++flushes_asked_;
  flush_up_to_ = pushed_;
  changed_.notify_one();
  flushed_.wait(lock, [&] { return flushes_done_ >= mine || stopped_; });
}

void FindingWriter::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
    room_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

FindingWriter::Stats FindingWriter::GetStats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  Stats stats = stats_;
  stats.queued = queue_.size();
  return stats;
}

bool FindingWriter::MayTake() const {
  return has_key_ || !options_.fingerprint || stopping_ ||
         Clock::now() - started_ >= absl::ToChronoMicroseconds(options_.key_wait);
}

void FindingWriter::TakePolicy() {
  if (!std::exchange(policy_is_new_, false)) return;
  key_ = new_key_;
  flows_ = options_.expected_flows;
  flows_.Append(new_flows_);
}

void FindingWriter::Report(CardSighting sighting, std::vector<v1::Finding>& out) {
  const auto count = [&](Outcome outcome) {
    ++batch_.sightings[static_cast<size_t>(sighting.confidence)][static_cast<size_t>(outcome)];
  };
  const bool expected = flows_.Contains(*sighting.origin);
  const v1::Direction direction = sighting.origin->provenance.direction();
  // Where a shop's own form brings it, it may be.
  const bool may_be_canary = options_.find_canary != nullptr && !expected &&
                             direction != v1::DIRECTION_INBOUND_REQUEST &&
                             direction != v1::DIRECTION_INBOUND_RESPONSE;
  std::optional<v1::Canary> canary;
  if (may_be_canary) canary = options_.find_canary(sighting.digits.Reveal());
  if (!canary.has_value()) {
    if (sighting.confidence < options_.min_confidence) return count(Outcome::kBelowConfidence);
    if (sighting.test_card && !options_.report_test_cards) return count(Outcome::kTestCard);
  }
  count(expected ? Outcome::kExpected : Outcome::kReported);
  const v1::FingerprintKey* const key =
      options_.fingerprint && !key_.key().empty() ? &key_ : nullptr;
  if (options_.fingerprint && key == nullptr) ++batch_.without_fingerprint;
  const bool unapproved =
      !expected && options_.is_unapproved != nullptr &&
      sighting.origin->provenance.direction() == v1::DIRECTION_OUTBOUND_REQUEST &&
      options_.is_unapproved(*sighting.origin);
  v1::Finding finding = BuildFinding(sighting, expected, options_.mask, key, unapproved);
  if (const SightingOrigin& origin = *sighting.origin; origin.sampling_probability < 1) {
    finding.set_sampling_variance(
        ledger_.Add(origin.sampling_unit, TotalOf(finding), origin.sampling_probability));
  }
  const v1::Card& card =
      finding.has_card_number() ? finding.card_number().card() : finding.track_data().card();
  std::string identity = card.fingerprint();
  if (identity.empty()) {
    absl::StatusOr<std::string> own = fingerprint::Fingerprint(own_key_, sighting.digits.Reveal());
    if (!own.ok()) {
      // Not told apart from others, so not folded either.
      out.push_back(std::move(finding));
      return;
    }
    identity = *std::move(own);
  }
  if (canary.has_value()) {
    *canary->mutable_encodings() = finding.has_card_number() ? finding.card_number().encodings()
                                                             : finding.track_data().encodings();
    finding.set_severity(v1::SEVERITY_CRITICAL);
    finding.set_confidence(v1::CONFIDENCE_HIGH);
    finding.set_rule("canary.seen");
    *finding.mutable_canary() = *std::move(canary);
  }
  folder_.Take(std::move(finding), identity, SteadyNow(), out);
}

void FindingWriter::Process(Item item, std::vector<v1::Finding>& out) {
  if (auto* finding = std::get_if<v1::Finding>(&item); finding != nullptr) {
    out.push_back(std::move(*finding));
  } else {
    Report(std::move(std::get<CardSighting>(item)), out);
  }
}

void FindingWriter::Run() {
  std::vector<Item> items;
  std::vector<v1::Finding> out;
  flows_ = options_.expected_flows;
  bool done = false;
  while (!done) {
    uint64_t flushes = 0;
    bool flush = false;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      while (true) {
        if (stopping_) break;
        if (MayTake()) {
          if (!queue_.empty() || flushes_asked_ > flushes_done_) break;
          const absl::Time expiry = folder_.NextExpiry();
          if (expiry <= SteadyNow()) break;
          changed_.wait_until(lock, SteadyPoint(expiry));
        } else {
          changed_.wait_until(lock, started_ + absl::ToChronoMicroseconds(options_.key_wait));
        }
      }
      TakePolicy();
      while (!queue_.empty() && items.size() < kBatchMax) {
        items.push_back(std::move(queue_.front()));
        queue_.pop_front();
        ++taken_;
      }
      flushes = flushes_asked_;
      flush = flushes > flushes_done_ && taken_ >= flush_up_to_;
      done = stopping_ && queue_.empty();
      room_.notify_all();
    }

    batch_ = Stats();
    const uint64_t folded_before = folder_.folded();
    for (Item& item : items) Process(std::move(item), out);
    items.clear();
    folder_.Expire(SteadyNow(), out);
    if (done || flush) folder_.Flush(out);
    batch_.folded = folder_.folded() - folded_before;
    batch_.appended = out.size();
    if (!out.empty()) {
      // The uplink logs and counts what it could not keep.
      if (!options_.append(std::exchange(out, {})).ok()) ++batch_.append_errors;
    }

    memory::WipeDeadStack();

    const std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < batch_.sightings.size(); ++i) {
      for (size_t j = 0; j < batch_.sightings[i].size(); ++j) {
        stats_.sightings[i][j] += batch_.sightings[i][j];
      }
    }
    stats_.folded += batch_.folded;
    stats_.appended += batch_.appended;
    stats_.append_errors += batch_.append_errors;
    stats_.without_fingerprint += batch_.without_fingerprint;
    if (flush) flushes_done_ = flushes;
    stopped_ = done;
    flushed_.notify_all();
  }
}

}  // namespace skimwatch::pipeline
