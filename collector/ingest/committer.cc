#include "collector/ingest/committer.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/inventory/destination_recorder.h"
#include "collector/inventory/script_recorder.h"
#include "collector/store/timestamp.h"
#include "proto/validation/finding.h"
#include "spdlog/spdlog.h"

namespace skimwatch::ingest {

Committer::Committer(Options options) : options_(std::move(options)), thread_([this] { Run(); }) {}

Committer::~Committer() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void Committer::Enqueue(CommitRequest request) {
  absl::MutexLock lock(&mutex_);
  queued_findings_ += request.findings.size();
  queued_bytes_ += request.bytes;
  options_.stats->queue_findings = queued_findings_;
  options_.stats->queue_bytes = queued_bytes_;
  queue_.push_back(std::move(request));
}

void Committer::WhenRoom(std::function<void()> resume) {
  {
    absl::MutexLock lock(&mutex_);
    if (queued_bytes_ >= options_.queue_bytes_max) {
      waiting_.push_back(std::move(resume));
      return;
    }
  }
  resume();
}

std::vector<CommitRequest> Committer::NextGroup() {
  std::vector<CommitRequest> group;
  size_t findings = 0;
  while (!queue_.empty() && (group.empty() || findings + queue_.front().findings.size() <=
                                                  options_.group_findings_max)) {
    findings += queue_.front().findings.size();
    queued_bytes_ -= queue_.front().bytes;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queued_findings_ -= findings;
  options_.stats->queue_findings = queued_findings_;
  options_.stats->queue_bytes = queued_bytes_;
  return group;
}

void Committer::Run() {
  while (true) {
    std::vector<CommitRequest> group;
    std::vector<std::function<void()>> resumed;
    {
      const auto any = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !queue_.empty();
      };
      const auto full = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || queued_findings_ >= options_.group_findings_max;
      };
      absl::MutexLock lock(&mutex_, absl::Condition(&any));
      if (!stopping_) mutex_.AwaitWithTimeout(absl::Condition(&full), options_.delay);
      if (queue_.empty()) return;
      group = NextGroup();
      if (queued_bytes_ < options_.queue_bytes_max) resumed.swap(waiting_);
    }
    for (const auto& resume : resumed) resume();
    Commit(group);
  }
}

absl::Status Committer::TryCommit(absl::Span<CommitRequest> group, std::vector<Outcome>& outcomes) {
  const absl::Time now = options_.now();
  const google::protobuf::Timestamp stored_at = store::ToTimestamp(now);
  return options_.store->Write([&](store::Transaction& transaction) -> absl::Status {
    exposure::ExposureFolder folder(options_.rules, &transaction, now);
    inventory::ApprovalsOfSites approvals(&transaction, now);
    outcomes.assign(group.size(), Outcome());
    for (size_t i = 0; i < group.size(); ++i) {
      CommitRequest& request = group[i];
      Outcome& outcome = outcomes[i];
      absl::StatusOr<uint64_t> committed =
          transaction.CommittedSequence(request.agent, request.epoch);
      if (!committed.ok()) return committed.status();
      if (request.range.first > *committed + 1) {
        // What came before it on its stream was not kept.
        outcome.committed = absl::AbortedError(
            absl::StrCat("sequence ", request.range.first, " does not follow ", *committed,
                         ", the last that is stored; connect again to resume there"));
        continue;
      }
      for (const v1::LostRange& lost : request.lost) {
        if (lost.last_sequence() <= *committed) continue;
        const uint64_t first = std::max(lost.first_sequence(), *committed + 1);
        absl::Status s = transaction.RecordLost(request.agent, request.epoch, first,
                                                lost.last_sequence(), lost.reason(), now);
        if (!s.ok()) return s;
        outcome.lost += lost.last_sequence() - first + 1;
      }
      for (v1::StoredFinding& stored : request.findings) {
        if (stored.finding().sequence() <= *committed) {
          ++outcome.duplicates;
          stored.clear_stored_at();
          continue;
        }
        const v1::FindingKind kind = validation::KindOf(stored.finding());
        absl::StatusOr<uint64_t> exposure =
            kind == v1::FINDING_KIND_SCRIPT_CHANGE
                ? inventory::RecordScriptChange(transaction, folder, stored.finding(),
                                                request.agent, now, &outcome.approvals_changed)
            : kind == v1::FINDING_KIND_DESTINATION_CHANGE
                ? inventory::RecordDestinationChange(transaction, folder, approvals,
                                                     stored.finding(), request.agent)
                : folder.Add(stored.finding(), kind, request.agent);
        if (!exposure.ok()) return exposure.status();
        stored.set_exposure_id(*exposure);
        *stored.mutable_stored_at() = stored_at;
        if (absl::Status s = transaction.InsertFinding(stored, kind); !s.ok()) return s;
        ++outcome.stored;
      }
      outcome.committed = std::max(*committed, request.range.last);
      if (request.range.last > *committed) {
        absl::Status s =
            transaction.AdvanceCommittedSequence(request.agent, request.epoch, request.range.last);
        if (!s.ok()) return s;
      }
    }
    return folder.Flush();
  });
}

void Committer::Commit(std::vector<CommitRequest>& group) {
  const auto started = std::chrono::steady_clock::now();
  std::vector<Outcome> outcomes;
  absl::Status status = TryCommit(absl::MakeSpan(group), outcomes);
  if (!status.ok() && !StoreHealth::IsStoreFailure(status)) {
    // One of them is at fault: it must not take the others with it.
    std::vector<Outcome> one;
    outcomes.resize(group.size());
    for (size_t i = 0; i < group.size(); ++i) {
      status = TryCommit(absl::MakeSpan(&group[i], 1), one);
      if (StoreHealth::IsStoreFailure(status)) break;
      if (status.ok()) {
        outcomes[i] = one.front();
      } else {
        spdlog::error("batch of agent '{}', sequences {} to {}, can't be stored: {}",
                      group[i].agent, group[i].range.first, group[i].range.last, status.ToString());
        outcomes[i].committed = absl::InternalError("the batch can't be stored");
      }
      status = absl::OkStatus();
    }
  }
  if (StoreHealth::IsStoreFailure(status)) {
    if (options_.health->Get().ok()) {
      spdlog::error("the store fails, agents are held back until it works again: {}",
                    status.ToString());
    }
    options_.health->Set(status);
    // What an earlier transaction of this group did commit is found to be a duplicate later.
    outcomes.assign(group.size(), Outcome());
    for (Outcome& outcome : outcomes) {
      outcome.committed = absl::UnavailableError("the collector's store fails; try again later");
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  options_.stats->commit_seconds.Observe(took.count());
  Conclude(group, outcomes);
}

void Committer::Conclude(std::vector<CommitRequest>& group, std::vector<Outcome>& outcomes) {
  IngestStats& stats = *options_.stats;
  const absl::Time now = options_.now();
  const bool watched = options_.feed != nullptr && options_.feed->HasSubscribers();
  std::vector<std::shared_ptr<const v1::StoredFinding>> committed;
  bool policy_changed = false;
  for (size_t i = 0; i < group.size(); ++i) {
    CommitRequest& request = group[i];
    Outcome& outcome = outcomes[i];
    if (!outcome.committed.ok()) {
      ++(absl::IsAborted(outcome.committed.status()) ? stats.batches_rejected
                                                     : stats.batches_error);
    } else {
      const bool nothing_new = outcome.stored == 0 && outcome.lost == 0 && outcome.duplicates > 0;
      ++(nothing_new ? stats.batches_duplicate : stats.batches_committed);
      stats.findings_stored += outcome.stored;
      stats.findings_duplicate += outcome.duplicates;
      stats.findings_lost += outcome.lost;
      policy_changed = policy_changed || outcome.approvals_changed;
      if (outcome.lost > 0) {
        spdlog::warn("agent '{}' declared {} findings lost before they could be sent",
                     request.agent, outcome.lost);
      }
      for (v1::StoredFinding& stored : request.findings) {
        // Duplicates have no time of storing.
        if (!stored.has_stored_at()) continue;
        const absl::Duration delay = now - store::FromTimestamp(stored.finding().last_seen());
        stats.detection_delay_seconds[validation::KindOf(stored.finding())].Observe(
            std::clamp(absl::ToDoubleSeconds(delay), 0.0, 1e9));
        if (watched) {
          committed.push_back(std::make_shared<const v1::StoredFinding>(std::move(stored)));
        }
      }
    }
    if (request.done) request.done(std::move(outcome.committed));
  }
  if (policy_changed && options_.on_policy_change) options_.on_policy_change();
  if (watched && !committed.empty()) options_.feed->Publish(committed);
}

}  // namespace skimwatch::ingest
