#ifndef SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_MONITOR_H_
#define SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_MONITOR_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/traffic/destination.h"
#include "agent/traffic/destination/destination_inventory.h"
#include "agent/traffic/destination/destination_name.h"
#include "agent/traffic/message.h"
#include "agent/traffic/registered_domain.h"
#include "agent/traffic/sip_hash.h"
#include "proto/destination/approved_destinations.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::traffic {

// Something to tell of a destination.
struct DestinationEvent {
  std::string site;
  v1::DestinationChange change;
  v1::Severity severity = v1::SEVERITY_INFO;
  // Of the flow that it was seen in; without a path.
  Provenance provenance;
};

// Takes what there is to tell, on the monitor's thread.
class DestinationEventSink {
 public:
  virtual ~DestinationEventSink() = default;
  virtual void OnDestinationEvent(const DestinationEvent& event) = 0;
  // Returns once everything before is durable.
  virtual void FlushEvents() = 0;
};

// Keeps the inventory of where processes send data, and tells each destination once:
//
// - PROPOSED (info): seen in the first `learn_days` of a site, or approved already, or at a private
//   or loopback address;
// - NEW (medium; high of a checkout's process): anything else. In mode `enforce` what was learned
// is
//   new as well, until it is approved. It is told again only after an approval of it ended;
// - OPAQUE_PAYLOAD (high): a checkout's process sends what can't be read to a new destination;
// - SEEN (info): once a day while it is in use.
//
// What was told is kept in a file that is replaced at once, after the findings are durable, so that
// a restart tells nothing again and a crash at the worst moment tells something twice, never not at
// all. Until the first policy is known, at most `policy_wait`, nothing is new.
//
// Thread-safe: sources call it on their threads, and wait for nothing but each other.
class DestinationMonitor final : public DestinationSink {
 public:
  struct Options {
    config::v1::Destinations config;
    // Learned from the first start with them.
    std::vector<std::string> sites;
    // Where the state is kept.
    std::string state_file;
    absl::Duration policy_wait = absl::Seconds(30);
    absl::Duration seen_again_after = absl::Hours(24);
    std::function<absl::Time()> now = absl::Now;
  };

  struct Stats {
    uint64_t destinations = 0;
    uint64_t destinations_new = 0;
    // Waiting to be told.
    uint64_t pending = 0;
    uint64_t forgotten = 0;
    uint64_t forgotten_untold = 0;
    uint64_t events = 0;
    uint64_t save_errors = 0;
  };

  // The destination of a message part. Null where the part goes nowhere.
  struct Flow {
    DestinationInventory::Entry entry;
    // Whether its payload is to be measured.
    bool wants_payload = false;
  };

  // Reads the state. A file that is damaged is set aside with an error in the log, and learning
  // begins anew. `sink` must outlive it.
  static absl::StatusOr<std::unique_ptr<DestinationMonitor>> Open(Options options,
                                                                  DestinationEventSink& sink);
  ~DestinationMonitor() override;

  void Start();
  // Tells what there is to tell, and saves. Idempotent.
  void Stop();

  // A pattern that can't be read is logged and left out.
  void SetPolicy(const v1::Policy& policy);

  // A part of a message begins.
  Flow OnPart(const Provenance& provenance, Part part);
  void OnSent(const Flow& flow, uint64_t bytes);
  void OnOpaque(const Flow& flow, const v1::OpaquePayload& opaque, const Provenance& provenance);

  void OnDestination(const DestinationObservation& observation) override;
  void OnUnreadable(const Provenance& provenance, uint64_t bytes, uint64_t flow_bytes) override;
  void OnResolved(std::string_view name, std::string_view address) override;

  // Whether a card that goes there goes to a destination without approval: not while learning, and
  // not for private addresses unless the configuration alarms of them. `host` is empty, and
  // `address`, where not known.
  bool IsUnapproved(std::string_view site, std::string_view host, std::string_view address,
                    std::string_view process);

  uint64_t entropy_min_bytes() const { return options_.config.entropy_min_bytes(); }
  Stats GetStats() const;

 private:
  using Entry = DestinationInventory::Entry;
  using Change = v1::DestinationChange;

  DestinationMonitor(Options options, DestinationEventSink& sink);
  absl::Status Load();

  // Whether a path belongs to a checkout.
  bool IsCheckoutPath(std::string_view path) const;
  void OnServed(const Provenance& provenance);

  // These need mutex_.
  // What others chose, as text that can be kept and shown.
  std::string PlainText(std::string_view text);
  // Where a flow goes, without its path and with names as they may be kept.
  std::unique_ptr<Provenance> PlainFlow(const Provenance& provenance);
  // The executable, else the command.
  std::string ProcessOf(const Provenance& provenance);
  const DestinationName& NameOf(std::string_view host, std::string_view address);
  bool IsCheckout(const Provenance& provenance, std::string_view process) const;
  Entry See(const Provenance& provenance, std::string_view host);
  // Itself, or by a source that can't tell processes, or where this one can't.
  bool IsLearned(const KnownDestination& entry) const;
  bool IsLearning(const std::string& site, absl::Time now) const;
  bool KnowsPolicy() const;
  void Decide(const Entry& entry, absl::Time now);
  void DecideAll();
  void AddPending(const Entry& entry);
  void ToTell(const Entry& entry, Change::Change change);
  bool WantsPayload(const KnownDestination& entry) const;
  void TellOpaque(const Entry& entry, const v1::OpaquePayload& opaque,
                  const Provenance& provenance);
  std::vector<DestinationEvent> TakeEvents(size_t events_max);
  void LookForSeenAgain();

  void Run();
  // Tells up to `events_max`; true when there was any.
  bool Tell(size_t events_max);
  void Save();

  const Options options_;
  DestinationEventSink& sink_;
  const RegisteredDomains domains_;
  const SipKey text_key_;
  const std::chrono::steady_clock::time_point started_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  DestinationInventory inventory_;
  std::vector<Entry> pending_;
  // Made once each, for they cost a scan. By a keyed hash of what they were made from, which may
  // hold a number.
  absl::flat_hash_map<uint64_t, DestinationName> names_;
  absl::flat_hash_map<uint64_t, std::string> plain_;
  // The name that led to an address last. A hint: many names may lead there, and whoever sends may
  // have asked for none of them.
  absl::flat_hash_map<std::string, std::string> resolved_;
  absl::flat_hash_map<std::string, absl::Time> learning_since_;
  std::set<std::pair<std::string, std::string>> checkouts_;
  destination::ApprovedDestinations approved_;
  std::vector<absl::Time> approval_ends_;
  // Of the policy, from 1.
  uint64_t generation_ = 1;
  bool has_policy_ = false;
  bool has_undecided_ = false;
  bool dirty_ = false;
  bool stopping_ = false;
  uint64_t events_ = 0;
  uint64_t save_errors_ = 0;

  std::thread thread_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_MONITOR_H_
