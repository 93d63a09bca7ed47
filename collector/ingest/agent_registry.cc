#include "collector/ingest/agent_registry.h"

#include <utility>

#include "collector/store/timestamp.h"

namespace skimwatch::ingest {
namespace {

// Identities that are turned away are bounded only by the certificates that were issued; what waits
// to be written is bounded here.
constexpr size_t kChangesMax = 100'000;

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
      v1::Agent agent = found->has_value() ? **std::move(found) : v1::Agent();
      agent.set_identity(identity);
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
