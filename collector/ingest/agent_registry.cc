#include "collector/ingest/agent_registry.h"

#include <utility>

#include "collector/store/timestamp.h"

namespace skimwatch::ingest {
namespace {

// Identities that are turned away are bounded only by the certificates that were issued; what waits
// to be written is bounded here.
constexpr size_t kChangesMax = 100'000;

uint64_t More(uint64_t now, uint64_t before) { return now > before ? now - before : 0; }

// Whether an agent that counted `before` counts from its start again: a figure went down. What it
// shed is left out, and with it what it saw, for a part of that is an estimate of what the kernel
// dropped.
bool IsRestarted(const v1::Coverage& before, const v1::Coverage& now) {
  return now.scanned_bytes() < before.scanned_bytes() ||
         now.sampled_out_bytes() < before.sampled_out_bytes() ||
         now.truncated_bytes() < before.truncated_bytes() ||
         now.undecodable_bytes() < before.undecodable_bytes() ||
         now.inbound_bytes() < before.inbound_bytes();
}

// What came since `before`, both counted from the agent's start: all of `now` where the agent was
// started meanwhile.
v1::Coverage Since(const v1::Coverage& before, const v1::Coverage& now) {
  if (IsRestarted(before, now)) return now;
  v1::Coverage since;
  since.set_seen_bytes(More(now.seen_bytes(), before.seen_bytes()));
  since.set_scanned_bytes(now.scanned_bytes() - before.scanned_bytes());
  since.set_sampled_out_bytes(now.sampled_out_bytes() - before.sampled_out_bytes());
  since.set_truncated_bytes(now.truncated_bytes() - before.truncated_bytes());
  since.set_shed_bytes(More(now.shed_bytes(), before.shed_bytes()));
  since.set_undecodable_bytes(now.undecodable_bytes() - before.undecodable_bytes());
  since.set_inbound_bytes(now.inbound_bytes() - before.inbound_bytes());
  for (const auto& [reason, bytes] : now.by_reason_bytes()) {
    const auto old = before.by_reason_bytes().find(reason);
    const uint64_t known = old == before.by_reason_bytes().end() ? 0 : old->second;
    if (bytes > known) (*since.mutable_by_reason_bytes())[reason] = bytes - known;
  }
  return since;
}

}  // namespace

void AgentRegistry::Connected(std::string_view identity, const v1::Hello& hello,
                              std::optional<absl::Time> certificate_expiry, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  Change& change = changes_[std::string(identity)];
  change.state = v1::Agent::STATE_CONNECTED;
  change.rejection_reason.clear();
  change.seen = now;
  change.hello = hello;
  change.certificate_expiry = certificate_expiry;
}

void AgentRegistry::Heartbeat(std::string_view identity, const v1::Heartbeat& heartbeat,
                              absl::Time now) {
  absl::MutexLock lock(&mutex_);
  Change& change = changes_[std::string(identity)];
  // Again, because a collector that the agent left may have written the contrary since.
  change.state = v1::Agent::STATE_CONNECTED;
  change.rejection_reason.clear();
  change.seen = now;
  change.heartbeat = heartbeat;
}

void AgentRegistry::Disconnected(std::string_view identity, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  Change& change = changes_[std::string(identity)];
  change.state = v1::Agent::STATE_SILENT;
  change.seen = now;
}

void AgentRegistry::Rejected(std::string_view identity, std::string_view reason, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (changes_.size() >= kChangesMax) return;
  Change& change = changes_[std::string(identity)];
  change.state = v1::Agent::STATE_REJECTED;
  change.rejection_reason = std::string(reason);
  change.seen = now;
}

bool AgentRegistry::HasChanges() const {
  absl::MutexLock lock(&mutex_);
  return !changes_.empty();
}

void AgentRegistry::Apply(const Change& change, v1::Agent& agent) {
  *agent.mutable_last_seen() = store::ToTimestamp(change.seen);
  if (!agent.has_first_seen()) *agent.mutable_first_seen() = agent.last_seen();
  if (change.state.has_value()) {
    agent.set_state(*change.state);
    agent.set_rejection_reason(change.rejection_reason);
  }
  if (change.hello.has_value()) {
    agent.set_version(change.hello->version());
    *agent.mutable_sites() = change.hello->sites();
    agent.clear_certificate_expiry();
    if (change.certificate_expiry.has_value()) {
      *agent.mutable_certificate_expiry() = store::ToTimestamp(*change.certificate_expiry);
    }
  }
  if (change.heartbeat.has_value()) {
    *agent.mutable_coverage() = change.heartbeat->coverage();
    *agent.mutable_spool() = change.heartbeat->spool();
    agent.set_policy_version(change.heartbeat->policy_version());
    agent.set_sample_ratio(change.heartbeat->sample_ratio());
  }
}

absl::Status AgentRegistry::AddCoverage(const Change& change, const v1::Agent& agent,
                                        store::Transaction& transaction) const {
  if (!change.heartbeat.has_value()) return absl::OkStatus();
  v1::AgentCoverage more;
  more.set_agent(agent.identity());
  *more.mutable_coverage() = Since(agent.coverage(), change.heartbeat->coverage());
  // A longer silence is not heard time. Neither is the time before a connection, unless the agent
  // went on counting over it: it was not away then, only not connected.
  const bool went_on =
      !change.hello.has_value() || (agent.coverage().seen_bytes() > 0 &&
                                    !IsRestarted(agent.coverage(), change.heartbeat->coverage()));
  const absl::Duration gap = change.seen - store::FromTimestamp(agent.last_seen());
  if (went_on && agent.has_last_seen() && gap > absl::ZeroDuration() && gap <= silent_after_) {
    more.set_heard_seconds(absl::ToDoubleSeconds(gap));
  }
  return transaction.AddCoverage(more, change.seen);
}

absl::Status AgentRegistry::Flush(store::Store& store) {
  std::map<std::string, Change, std::less<>> changes;
  {
    absl::MutexLock lock(&mutex_);
    changes.swap(changes_);
  }
  if (changes.empty()) return absl::OkStatus();
  absl::Status status = store.Write([&](store::Transaction& transaction) {
    for (const auto& [identity, change] : changes) {
      absl::StatusOr<std::optional<v1::Agent>> found = transaction.FindAgent(identity);
      if (!found.ok()) return found.status();
      const bool is_new = !found->has_value();
      v1::Agent agent = is_new ? v1::Agent() : **std::move(found);
      agent.set_identity(identity);
      if (is_new) {
        if (absl::Status s = transaction.PutAgent(agent); !s.ok()) return s;
      }
      if (absl::Status s = AddCoverage(change, agent, transaction); !s.ok()) return s;
      Apply(change, agent);
      if (absl::Status s = transaction.PutAgent(agent); !s.ok()) return s;
    }
    return absl::OkStatus();
  });
  if (status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  for (auto& [identity, change] : changes) {
    // What came meanwhile is newer; it lacks only what is sent once.
    const auto [it, inserted] = changes_.try_emplace(identity, change);
    if (inserted) continue;
    Change& newer = it->second;
    if (!newer.state.has_value()) {
      newer.state = change.state;
      newer.rejection_reason = change.rejection_reason;
    }
    if (!newer.hello.has_value()) {
      newer.hello = change.hello;
      newer.certificate_expiry = change.certificate_expiry;
    }
    if (!newer.heartbeat.has_value()) newer.heartbeat = change.heartbeat;
  }
  return status;
}

}  // namespace skimwatch::ingest
