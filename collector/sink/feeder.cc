#include "collector/sink/feeder.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "spdlog/spdlog.h"

namespace skimwatch::sink {
namespace {

// Exposures that are looked at in one step because their time has come.
constexpr size_t kDueMax = 100;
// The same trouble is logged again after this time.
constexpr absl::Duration kReportInterval = absl::Minutes(1);

// The wall clock may be set.
absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

bool Has(const config::v1::Sink& config, std::string_view content) {
  return config.content().empty() || std::find(config.content().begin(), config.content().end(),
                                               content) != config.content().end();
}

}  // namespace

Feeder::Feeder(Options options, std::unique_ptr<Sink> sink)
    : options_(std::move(options)),
      sink_(std::move(sink)),
      filter_(options_.config.filter()),
      with_findings_(Has(options_.config, "findings")),
      with_exposures_(Has(options_.config, "exposures")),
      random_(std::random_device{}()),
      thread_([this] { Run(); }),
      beats_([this] { Beats(); }) {}

Feeder::~Feeder() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  sink_->Interrupt();
  thread_.join();
  beats_.join();
}

bool Feeder::Pause(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stopping_), duration);
}

bool Feeder::MayGoOn() {
  absl::MutexLock lock(&mutex_);
  return !stopping_ && !lost_;
}

void Feeder::Run() {
  while (!Pause(absl::ZeroDuration())) {
    if (!Hold()) {
      Pause(options_.poll);
    } else if (save_failed_ && !Save()) {
      // What is due and was sent would be read, and sent, again.
      Pause(options_.poll);
    } else if (!Step()) {
      if (!lost_) Save();
      Pause(options_.poll);
    }
  }
  if (term_ != 0 && !lost_) Save(/*release=*/true);
}

void Feeder::Beats() {
  while (!Pause(options_.beat)) {
    const uint64_t term = term_;
    {
      absl::MutexLock lock(&mutex_);
      if (term == 0 || SteadyNow() - saved_at_ < options_.beat) continue;
    }
    const store::SinkProgress beat = {.name = name(), .holder = options_.collector, .term = term};
    const absl::Status status = options_.store->Write(
        [&](store::Transaction& transaction) { return transaction.SaveSink(beat); });
    // What else goes wrong, the thread that feeds will find.
    if (absl::IsFailedPrecondition(status) && term == term_) lost_ = true;
  }
}

absl::Status Feeder::Take(const store::SinkState& seen, bool& taken) {
  return options_.store->Write([&](store::Transaction& transaction) -> absl::Status {
    absl::StatusOr<bool> took = transaction.TakeSink(name(), options_.collector, seen,
                                                     options_.config.from() == "beginning");
    if (took.ok()) taken = *took;
    return took.status();
  });
}

bool Feeder::Hold() {
  if (term_ != 0 && !lost_) return true;
  term_ = 0;
  counters_.active = false;
  absl::StatusOr<store::SinkState> state = options_.store->ReadSink(name());
  if (!state.ok()) {
    ReportStore(state.status());
    return false;
  }
  const bool free =
      state->term == 0 || state->holder.empty() || (state->holder == options_.collector && !lost_);
  if (!free) {
    if (watched_.term != state->term || watched_.beat != state->beat) {
      watched_ = *state;
      watched_since_ = SteadyNow();
    }
    if (SteadyNow() - watched_since_ < options_.takeover) return false;
    spdlog::warn("sink '{}': {} feeds it no more; this collector takes it", name(), state->holder);
  }
  bool taken = false;
  absl::Status status = Take(*state, taken);
  if (status.ok() && !taken) return false;
  const uint64_t term = state->term + 1;
  if (status.ok()) {
    state = options_.store->ReadSink(name());
    status = state.status();
  }
  if (!status.ok()) {
    ReportStore(status);
    return false;
  }
  positions_ = std::move(state->positions);
  writer_.emplace(OcsfWriter::Options{.version = options_.version,
                                      .store_id = state->store_id,
                                      .fingerprints = options_.config.fingerprints()});
  unsaved_ = {.name = name(), .holder = options_.collector, .term = term};
  dirty_ = false;
  save_failed_ = false;
  lost_ = false;
  term_ = term;
  counters_.active = true;
  spdlog::info("sink '{}': fed by this collector", name());
  return true;
}

bool Feeder::Step() {
  absl::StatusOr<store::Changes> changes =
      options_.store->ReadChanges(positions_, sink_->events_max());
  if (!changes.ok()) {
    ReportStore(changes.status());
    // After a failover the store may lack what was read: it knows best how far this has come.
    term_ = 0;
    return false;
  }
  std::vector<Event> events;
  if (with_findings_) {
    for (const v1::StoredFinding& stored : changes->findings) {
      if (filter_.Passes(stored.finding())) {
        events.push_back(writer_->Write(stored));
      } else {
        ++counters_.findings_filtered;
      }
    }
  }
  std::vector<store::SentExposure> noted;
  if (with_exposures_) {
    if (absl::Status s = AddExposures(*changes, events, noted); !s.ok()) {
      ReportStore(s);
      return false;
    }
  }
  const bool moved = !std::equal(
      positions_.begin(), positions_.end(), changes->positions.begin(), changes->positions.end(),
      [](const store::CommitPosition& a, const store::CommitPosition& b) {
        return a.number == b.number && a.stream == b.stream && a.sequence == b.sequence &&
               a.collector == b.collector;
      });
  if (!moved && events.empty() && noted.empty()) return false;
  if (!Deliver(events)) return false;

  positions_ = std::move(changes->positions);
  unsaved_.positions = positions_;
  unsaved_.missed += changes->missed;
  unsaved_.all_exposures_due = unsaved_.all_exposures_due || (changes->gap && with_exposures_);
  unsaved_.exposures.insert(unsaved_.exposures.end(), noted.begin(), noted.end());
  dirty_ = true;
  if (changes->missed > 0) {
    spdlog::error(
        "sink '{}': {} findings were past store.retention_days before they could be sent; they "
        "will never be",
        name(), changes->missed);
  }
  absl::Time saved_at;
  {
    absl::MutexLock lock(&mutex_);
    saved_at = saved_at_;
  }
  // The next step reads what was noted.
  if (!unsaved_.exposures.empty() || unsaved_.all_exposures_due ||
      SteadyNow() - saved_at >= options_.save_interval) {
    return Save();
  }
  return true;
}

absl::Status Feeder::AddExposures(const store::Changes& changes, std::vector<Event>& events,
                                  std::vector<store::SentExposure>& noted) {
  std::set<uint64_t> ids(changes.exposures.begin(), changes.exposures.end());
  absl::StatusOr<std::vector<uint64_t>> due =
      options_.store->ListDueExposures(name(), options_.now(), kDueMax);
  if (!due.ok()) return due.status();
  ids.insert(due->begin(), due->end());
  if (ids.empty()) return absl::OkStatus();
  absl::StatusOr<std::vector<store::ExposureRevision>> revisions =
      options_.store->ReadExposureRevisions(name(), std::vector<uint64_t>(ids.begin(), ids.end()));
  if (!revisions.ok()) return revisions.status();
  for (store::ExposureRevision& revision : *revisions) {
    AddExposure(std::move(revision), events, noted);
  }
  return absl::OkStatus();
}

void Feeder::AddExposure(store::ExposureRevision revision, std::vector<Event>& events,
                         std::vector<store::SentExposure>& noted) {
  const v1::Exposure& exposure = revision.exposure;
  const absl::Time now = options_.now();
  store::SentExposure sent = revision.sent;
  sent.due_at = absl::InfiniteFuture();
  const bool passes = filter_.Passes(exposure);
  if (!passes) ++counters_.exposures_filtered;
  if (!passes || revision.revision == sent.revision) {
    if (revision.sent.due_at <= now) noted.push_back(std::move(sent));
    return;
  }
  const bool notable = sent.revision.empty() || sent.state != exposure.state() ||
                       sent.severity != exposure.severity() ||
                       sent.confidence != exposure.confidence();
  const absl::Time next = sent.sent_at + absl::Seconds(options_.config.exposure_interval_seconds());
  // A clock that was set back must not hold it for longer.
  if (!notable && now < next && now >= sent.sent_at) {
    if (revision.sent.due_at == next) return;
    sent.due_at = next;
    noted.push_back(std::move(sent));
    return;
  }
  events.push_back(writer_->Write(revision));
  sent.revision = revision.revision;
  sent.state = exposure.state();
  sent.severity = exposure.severity();
  sent.confidence = exposure.confidence();
  sent.sent_at = now;
  noted.push_back(std::move(sent));
}

bool Feeder::Deliver(const std::vector<Event>& events) {
  size_t done = 0;
  int refusals = 0;
  absl::Duration backoff = options_.backoff_min;
  while (done < events.size()) {
    if (!MayGoOn()) return false;
    const size_t batch = std::min(events.size() - done, sink_->events_max());
    const Outcome outcome = sink_->Send(absl::MakeConstSpan(events).subspan(done, batch));
    for (size_t i = done; i < done + outcome.taken; ++i) {
      ++(events[i].content == Content::kFinding ? counters_.findings_sent
                                                : counters_.exposures_sent);
    }
    done += outcome.taken;
    if (outcome.taken > 0) {
      refusals = 0;
      backoff = options_.backoff_min;
    }
    if (!outcome.failure.has_value()) continue;
    if (!MayGoOn()) return false;
    Report(*outcome.failure);
    refusals = outcome.failure->reason == Reason::kRefused ? refusals + 1 : 0;
    if (refusals >= sink_->tries_max()) {
      spdlog::error("sink '{}': event {} is set aside after {} tries: {}", name(), events[done].id,
                    refusals, outcome.failure->text);
      ++unsaved_.set_aside;
      dirty_ = true;
      ++done;
      refusals = 0;
      backoff = options_.backoff_min;
      continue;
    }
    const double chance = std::uniform_real_distribution<double>(1, 2)(random_);
    absl::Duration wait = backoff * chance;
    if (outcome.failure->retry_after.has_value()) {
      wait = std::max(wait, std::min(*outcome.failure->retry_after, options_.backoff_max));
    }
    if (Pause(wait)) return false;
    backoff = std::min(backoff * 2, options_.backoff_max);
  }
  return true;
}

void Feeder::Report(const Failure& failure) {
  ++counters_.failures[static_cast<size_t>(failure.reason)];
  if (SteadyNow() - reported_at_ < kReportInterval) return;
  reported_at_ = SteadyNow();
  spdlog::warn("sink '{}': not taken ({}): {}", name(), NameOf(failure.reason), failure.text);
}

void Feeder::ReportStore(const absl::Status& status) {
  Report({.reason = Reason::kStore, .text = status.ToString()});
}

bool Feeder::Save(bool release) {
  if (!dirty_ && !release) return true;
  unsaved_.release = release;
  const absl::Status status = options_.store->Write(
      [&](store::Transaction& transaction) { return transaction.SaveSink(unsaved_); });
  save_failed_ = !status.ok();
  if (!status.ok()) {
    if (absl::IsFailedPrecondition(status)) {
      spdlog::warn("sink '{}': {}", name(), std::string(status.message()));
      lost_ = true;
    } else {
      ReportStore(status);
    }
    return false;
  }
  unsaved_ = {.name = name(), .holder = options_.collector, .term = term_};
  dirty_ = false;
  absl::MutexLock lock(&mutex_);
  saved_at_ = SteadyNow();
  return true;
}

}  // namespace skimwatch::sink
