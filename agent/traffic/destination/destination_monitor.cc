#include "agent/traffic/destination/destination_monitor.h"

#include <errno.h>
#include <fnmatch.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <random>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/card/mask.h"
#include "agent/memory/wipe.h"
#include "agent/storage/checked_file.h"
#include "spdlog/spdlog.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kStateBytesMax = size_t{1} << 30;
constexpr size_t kNamesMax = 8192;
constexpr size_t kCheckoutsMax = 1024;
constexpr size_t kTextBytesMax = 1024;
// What is decided about a destination is looked at again, for an approval may have ended.
constexpr absl::Duration kDecisionHolds = absl::Minutes(1);
// Findings at once, and how long to wait before more: a process that goes everywhere must not
// crowd out the rest.
constexpr size_t kEventsAtOnceMax = 256;
constexpr std::chrono::milliseconds kBetweenEvents{500};
constexpr std::chrono::seconds kSaveEvery{60};
constexpr std::chrono::minutes kLookForSeenEvery{10};

// What others chose, as text that can be kept and shown.
std::string Plain(std::string_view text) {
  std::string plain = card::RedactCardNumbers(CutName(text, kTextBytesMax));
  std::replace_if(
      plain.begin(), plain.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return plain;
}

SipKey RandomKey() {
  std::random_device random;
  const auto half = [&random] { return uint64_t{random()} << 32 | random(); };
  return {half(), half()};
}

bool BeginsFlow(const Provenance& provenance, Part part) {
  if (provenance.continues) return false;
  // Of a sample that says no path.
  const bool is_whole = part == Part::kMessage && provenance.source == SourceKind::kSample;
  return part == Part::kRequestTarget || part == Part::kStream || part == Part::kName ||
         (is_whole && provenance.path.empty());
}

}  // namespace

DestinationMonitor::DestinationMonitor(Options options, DestinationEventSink& sink)
    : options_(std::move(options)),
      sink_(sink),
      text_key_(RandomKey()),
      started_(std::chrono::steady_clock::now()),
      inventory_(options_.config.entries_max()) {}

DestinationMonitor::~DestinationMonitor() { Stop(); }

absl::StatusOr<std::unique_ptr<DestinationMonitor>> DestinationMonitor::Open(
    Options options, DestinationEventSink& sink) {
  std::unique_ptr<DestinationMonitor> monitor(new DestinationMonitor(std::move(options), sink));
  if (absl::Status s = monitor->Load(); !s.ok()) return s;
  return monitor;
}

absl::Status DestinationMonitor::Load() {
  const std::string& path = options_.state_file;
  DestinationState state;
  absl::StatusOr<std::string> bytes = storage::ReadChecked(path, kStateBytesMax);
  if (bytes.ok() && !state.ParseFromString(*bytes)) {
    bytes = absl::DataLossError(absl::StrCat(path, ": is damaged"));
  }
  if (absl::IsDataLoss(bytes.status())) {
    const std::string aside = absl::StrCat(path, ".damaged");
    if (rename(path.c_str(), aside.c_str()) != 0) {
      return absl::InternalError(absl::StrCat(
          path, ": is damaged and can't be set aside: ", std::generic_category().message(errno),
          "; remove it"));
    }
    spdlog::error("{}; it is now {}, and destinations are learned anew",
                  std::string(bytes.status().message()), aside);
    state.Clear();
  } else if (!bytes.ok() && !absl::IsNotFound(bytes.status())) {
    return bytes.status();
  }
  const absl::Time now = options_.now();
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [site, seconds] : state.learning_since_seconds()) {
    learning_since_[site] = absl::FromUnixSeconds(seconds);
  }
  for (const std::string& site : options_.sites) learning_since_.try_emplace(site, now);
  for (const CheckoutProcess& checkout : state.checkout_processes()) {
    checkouts_.emplace(checkout.site(), checkout.process());
  }
  inventory_.Load(state);
  dirty_ = true;
  return absl::OkStatus();
}

void DestinationMonitor::Start() {
  thread_ = std::thread([this] { Run(); });
}

void DestinationMonitor::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    changed_.notify_one();
  }
  if (!thread_.joinable()) return;
  thread_.join();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    LookForSeenAgain();
  }
  while (Tell(kEventsAtOnceMax)) {
  }
  Save();
}

bool DestinationMonitor::IsCheckoutPath(std::string_view path) const {
  if (path.empty()) return false;
  const absl::string_view text(path.data(), path.size());
  return std::any_of(
      options_.config.checkout_paths().begin(), options_.config.checkout_paths().end(),
      [&](const std::string& prefix) { return absl::StartsWithIgnoreCase(text, prefix); });
}

bool DestinationMonitor::IsCheckout(const Provenance& provenance, std::string_view process) const {
  if (checkouts_.contains({provenance.site, std::string(process)})) return true;
  const std::string path(process);
  const std::string name = path.substr(path.rfind('/') + 1);
  for (const std::string& glob : options_.config.checkout_processes()) {
    if (glob == "*") return true;
    if (path.empty()) continue;
    if (fnmatch(glob.c_str(), path.c_str(), 0) == 0) return true;
    if (fnmatch(glob.c_str(), name.c_str(), 0) == 0) return true;
  }
  return IsCheckoutPath(provenance.path);
}

std::string DestinationMonitor::PlainText(std::string_view text) {
  if (text.empty()) return "";
  const uint64_t key = SipHash(text_key_, text);
  if (const auto it = plain_.find(key); it != plain_.end()) return it->second;
  if (plain_.size() >= kNamesMax) plain_.clear();
  return plain_.emplace(key, Plain(text)).first->second;
}

std::unique_ptr<Provenance> DestinationMonitor::PlainFlow(const Provenance& provenance) {
  auto flow = std::make_unique<Provenance>(provenance);
  Wipe(*flow);
  flow->host = PlainText(provenance.host);
  flow->server_name = PlainText(provenance.server_name);
  flow->method = PlainText(provenance.method);
  flow->referrer = PlainText(provenance.referrer);
  return flow;
}

std::string DestinationMonitor::ProcessOf(const Provenance& provenance) {
  if (provenance.process == nullptr) return "";
  const Process& process = *provenance.process;
  return PlainText(process.executable.empty() ? process.command : process.executable);
}

const DestinationName& DestinationMonitor::NameOf(std::string_view host, std::string_view address) {
  std::string text(host);
  text.append(1, '\0').append(address);
  const uint64_t key = SipHash(text_key_, text);
  memory::Wipe(text);
  if (const auto it = names_.find(key); it != names_.end()) return it->second;
  if (names_.size() >= kNamesMax) names_.clear();
  return names_.emplace(key, NameDestination(domains_, host, address)).first->second;
}

DestinationMonitor::Entry DestinationMonitor::See(const Provenance& provenance,
                                                  std::string_view host) {
  const std::string process = ProcessOf(provenance);
  const absl::Time now = options_.now();
  const size_t size_before = inventory_.size();
  Entry entry = inventory_.Take(
      {.site = provenance.site,
       .process = process,
       .destination = &NameOf(host, provenance.server.ip),
       .address = provenance.server.ip,
       .port = provenance.server.port,
       .checkout = IsCheckout(provenance, process),
       .at = provenance.source == SourceKind::kPcapFile ? now : provenance.seen_at});
  dirty_ = true;
  if (host.empty()) {
    if (const auto it = resolved_.find(provenance.server.ip); it != resolved_.end()) {
      AddToList(it->second, *entry->known.mutable_hosts(), entry->known);
    }
  }
  if (!entry->told && entry->first_flow == nullptr) {
    entry->first_flow = PlainFlow(provenance);
  }
  const bool decided = entry->generation == generation_ && now < entry->decided_until;
  if (!decided || inventory_.size() != size_before) Decide(entry, now);
  return entry;
}

bool DestinationMonitor::IsLearning(const std::string& site, absl::Time now) const {
  if (options_.config.mode() != "learn") return false;
  const auto since = learning_since_.find(site);
  return since != learning_since_.end() &&
         now < since->second + absl::Hours(24) * options_.config.learn_days();
}

bool DestinationMonitor::KnowsPolicy() const {
  return has_policy_ || std::chrono::steady_clock::now() - started_ >=
                            absl::ToChronoMicroseconds(options_.policy_wait);
}

void DestinationMonitor::ToTell(const Entry& entry, Change::Change change) {
  if (entry->to_tell == Change::CHANGE_UNSPECIFIED && entry->opaque == nullptr) {
    AddPending(entry);
  }
  entry->to_tell = change;
}

void DestinationMonitor::AddPending(const Entry& entry) {
  // What was forgotten before it was told is counted by the inventory.
  if (pending_.size() >= size_t{2} * options_.config.entries_max()) {
    std::erase_if(pending_, [](const Entry& other) { return other->forgotten; });
  }
  pending_.push_back(entry);
  if (pending_.size() == 1) changed_.notify_one();
}

bool DestinationMonitor::IsLearned(const KnownDestination& entry) const {
  if (entry.learned) return true;
  if (entry.was_approved) return false;
  const Change& known = entry.known;
  if (known.process().empty()) {
    return inventory_.AnyProcess(entry.site, known.name(),
                                 [](const KnownDestination& other) { return other.learned; });
  }
  const Entry any = inventory_.Find(entry.site, "", known.name());
  return any != nullptr && any->learned;
}

void DestinationMonitor::Decide(const Entry& entry, absl::Time now) {
  const Change& known = entry->known;
  const auto settle = [&] {
    entry->generation = generation_;
    entry->decided_until = now + kDecisionHolds;
  };
  const auto propose = [&] {
    if (!entry->told && entry->to_tell == Change::CHANGE_UNSPECIFIED) {
      ToTell(entry, Change::CHANGE_PROPOSED);
    }
  };
  if (IsLearning(entry->site, now)) {
    entry->learned = true;
    propose();
    return settle();
  }
  if (const std::optional<size_t> approval =
          approved_.Find(entry->site, known.name(), known.process(), now)) {
    // From here on the approval decides: when it ends, having been learned counts no more.
    entry->learned = false;
    entry->was_approved = true;
    entry->told_new = entry->told_opaque = false;
    entry->is_new = false;
    propose();
    settle();
    entry->decided_until = std::min(entry->decided_until, approval_ends_[*approval]);
    return;
  }
  if (!KnowsPolicy()) {
    entry->generation = 0;
    has_undecided_ = true;
    return;
  }
  if (known.scope() != Change::SCOPE_PUBLIC && !options_.config.alarm_private()) {
    entry->is_new = false;
    propose();
    return settle();
  }
  if (options_.config.mode() == "learn" && IsLearned(*entry)) {
    entry->is_new = false;
    propose();
    return settle();
  }
  entry->is_new = true;
  if (!entry->told_new) {
    if (entry->first_flow == nullptr) {
      entry->first_flow = std::make_unique<Provenance>();
      entry->first_flow->direction = Direction::kOutboundRequest;
      entry->first_flow->site = entry->site;
      if (!known.hosts().empty()) entry->first_flow->host = known.hosts(0);
      if (!known.addresses().empty()) entry->first_flow->server.ip = known.addresses(0);
      entry->first_flow->seen_at = now;
    }
    entry->told_new = true;
    ToTell(entry, Change::CHANGE_NEW);
  }
  settle();
}

void DestinationMonitor::DecideAll() {
  has_undecided_ = false;
  const absl::Time now = options_.now();
  for (const Entry& entry : inventory_.entries()) {
    // The others are looked at when they are seen.
    if (!entry->told && entry->generation == 0) Decide(entry, now);
  }
}

void DestinationMonitor::SetPolicy(const v1::Policy& policy) {
  destination::ApprovedDestinations approved;
  std::vector<absl::Time> ends;
  for (const v1::ApprovedDestination& approval : policy.approved_destinations()) {
    const absl::Time end = approval.has_expires_at()
                               ? absl::FromUnixSeconds(approval.expires_at().seconds())
                               : absl::InfiniteFuture();
    if (absl::Status s = approved.Add(approval.site(), approval.pattern(), approval.process(), end);
        !s.ok()) {
      spdlog::error("policy version {}: {}; the approval is left out", policy.version(),
                    std::string(s.message()));
      continue;
    }
    ends.push_back(end);
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  approved_ = std::move(approved);
  approval_ends_ = std::move(ends);
  ++generation_;
  has_policy_ = true;
  if (has_undecided_) DecideAll();
}

bool DestinationMonitor::WantsPayload(const KnownDestination& entry) const {
  return entry.known.checkout() && !entry.told_opaque &&
         (entry.is_new || (entry.generation == 0 && !entry.learned));
}

void DestinationMonitor::OnServed(const Provenance& provenance) {
  if (!IsCheckoutPath(provenance.path)) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string process = ProcessOf(provenance);
  if (checkouts_.size() >= kCheckoutsMax) return;
  if (checkouts_.emplace(provenance.site, std::move(process)).second) dirty_ = true;
}

DestinationMonitor::Flow DestinationMonitor::OnPart(const Provenance& provenance, Part part) {
  switch (provenance.direction) {
    case Direction::kInboundRequest:
    case Direction::kOutboundResponse:
      OnServed(provenance);
      return {};
    case Direction::kOutboundRequest:
      break;
    default:
      return {};
  }
  // OnDestination tells more of them.
  if (provenance.protocol == Protocol::kTls || provenance.protocol == Protocol::kQuic) return {};
  const bool is_dns = provenance.protocol == Protocol::kDns;
  // Addresses that are looked up in reverse, and names of the local network.
  if (is_dns && (absl::EndsWith(provenance.host, ".arpa") ||
                 provenance.host.find('.') == std::string::npos)) {
    return {};
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  Flow flow{.entry = See(provenance, provenance.host)};
  KnownDestination& entry = *flow.entry;
  const bool begins_flow = BeginsFlow(provenance, part);
  if (begins_flow || entry.known.flows() == 0) entry.known.set_flows(entry.known.flows() + 1);
  if (provenance.source == SourceKind::kTlsProbe) entry.probed = true;
  AddToList(PlainText(provenance.server_name), *entry.known.mutable_hosts(), entry.known);
  // Names in DNS are short, and none is a payload of its own.
  flow.wants_payload = !is_dns && WantsPayload(entry);
  if (!is_dns && !provenance.server_name.empty() && provenance.server_name != provenance.host &&
      NameOf(provenance.server_name, provenance.server.ip).name != entry.known.name()) {
    // TLS leads to the one and the request asks for the other: both are destinations.
    const Entry front = See(provenance, provenance.server_name);
    if (begins_flow) front->known.set_flows(front->known.flows() + 1);
    front->probed = front->probed || provenance.source == SourceKind::kTlsProbe;
  }
  return flow;
}

void DestinationMonitor::OnSent(const Flow& flow, uint64_t bytes) {
  if (flow.entry == nullptr || bytes == 0) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  flow.entry->known.set_bytes_out(flow.entry->known.bytes_out() + bytes);
  dirty_ = true;
}

void DestinationMonitor::TellOpaque(const Entry& entry, const v1::OpaquePayload& opaque,
                                    const Provenance& provenance) {
  if (entry->told_opaque || entry->forgotten || !entry->is_new || !entry->known.checkout()) return;
  entry->told_opaque = true;
  if (entry->to_tell == Change::CHANGE_UNSPECIFIED) {
    entry->first_flow = PlainFlow(provenance);
    AddPending(entry);
  }
  entry->opaque = std::make_unique<v1::OpaquePayload>(opaque);
}

void DestinationMonitor::OnOpaque(const Flow& flow, const v1::OpaquePayload& opaque,
                                  const Provenance& provenance) {
  if (flow.entry == nullptr) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  TellOpaque(flow.entry, opaque, provenance);
}

void DestinationMonitor::OnDestination(const DestinationObservation& observation) {
  const Provenance& provenance = observation.provenance;
  if (provenance.direction != Direction::kOutboundRequest) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  const Entry entry = See(provenance, provenance.host);
  Change& known = entry->known;
  known.set_flows(known.flows() + 1);
  for (const std::string& protocol : observation.alpn) {
    AddToList(PlainText(protocol), *known.mutable_alpn(), known);
  }
  AddToList(PlainText(observation.ja4), *known.mutable_ja4(), known);
}

void DestinationMonitor::OnUnreadable(const Provenance& provenance, uint64_t bytes,
                                      uint64_t flow_bytes) {
  if (provenance.direction != Direction::kOutboundRequest) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  const Entry entry = See(provenance, provenance.host);
  entry->known.set_bytes_out(entry->known.bytes_out() + bytes);
  if (entry->known.flows() == 0) entry->known.set_flows(1);
  const uint64_t limit = options_.config.encrypted_min_bytes();
  if (limit == 0 || flow_bytes <= limit || !WantsPayload(*entry)) return;
  // Probes at a TLS library read it in the clear.
  const auto is_probed = [](const KnownDestination& other) { return other.probed; };
  if (inventory_.AnyProcess(entry->site, entry->known.name(), is_probed)) return;
  v1::OpaquePayload opaque;
  opaque.set_form(provenance.protocol == Protocol::kQuic ? "quic" : "tls");
  opaque.set_bytes(flow_bytes);
  TellOpaque(entry, opaque, provenance);
}

void DestinationMonitor::OnResolved(std::string_view name, std::string_view address) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string host = NameOf(name, std::string_view()).host;
  if (host.empty()) return;
  if (resolved_.size() >= kNamesMax) resolved_.clear();
  resolved_[std::string(address)] = std::move(host);
}

bool DestinationMonitor::IsUnapproved(std::string_view site, std::string_view host,
                                      std::string_view address, std::string_view process) {
  const absl::Time now = options_.now();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!KnowsPolicy() || IsLearning(std::string(site), now)) return false;
  const DestinationName& destination = NameOf(host, address);
  if (destination.scope != Change::SCOPE_PUBLIC && !options_.config.alarm_private()) return false;
  return !approved_.Find(site, destination.name, PlainText(process), now).has_value();
}

std::vector<DestinationEvent> DestinationMonitor::TakeEvents(size_t events_max) {
  std::vector<DestinationEvent> events;
  const absl::Time now = options_.now();
  size_t taken = 0;
  for (; taken < pending_.size() && events.size() < events_max; ++taken) {
    KnownDestination& entry = *pending_[taken];
    const std::unique_ptr<Provenance> flow = std::move(entry.first_flow);
    const std::unique_ptr<v1::OpaquePayload> opaque = std::move(entry.opaque);
    const Change::Change change = std::exchange(entry.to_tell, Change::CHANGE_UNSPECIFIED);
    if (entry.forgotten) continue;
    DestinationEvent event{.site = entry.site, .change = entry.known};
    if (flow != nullptr) {
      event.provenance = *flow;
    } else {
      event.provenance.direction = Direction::kOutboundRequest;
      if (!entry.known.addresses().empty()) {
        event.provenance.server.ip = entry.known.addresses(0);
      }
      if (!entry.known.hosts().empty()) event.provenance.host = entry.known.hosts(0);
      event.provenance.seen_at = now;
    }
    if (change != Change::CHANGE_UNSPECIFIED) {
      event.change.set_change(change);
      if (change == Change::CHANGE_NEW) {
        event.severity = entry.known.checkout() ? v1::SEVERITY_HIGH : v1::SEVERITY_MEDIUM;
      }
      events.push_back(event);
    }
    if (opaque != nullptr) {
      event.change.set_change(Change::CHANGE_OPAQUE_PAYLOAD);
      *event.change.mutable_opaque() = *opaque;
      event.severity = v1::SEVERITY_HIGH;
      events.push_back(std::move(event));
    }
    entry.told = true;
    entry.told_at = now;
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(taken));
  events_ += events.size();
  return events;
}

void DestinationMonitor::LookForSeenAgain() {
  const absl::Time now = options_.now();
  for (const Entry& entry : inventory_.entries()) {
    if (!entry->told || entry->to_tell != Change::CHANGE_UNSPECIFIED) continue;
    if (now - entry->told_at < options_.seen_again_after) continue;
    if (entry->known.last_seen().seconds() > absl::ToUnixSeconds(entry->told_at)) {
      ToTell(entry, Change::CHANGE_SEEN);
    }
  }
}

bool DestinationMonitor::Tell(size_t events_max) {
  std::vector<DestinationEvent> events;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (pending_.empty()) return false;
    events = TakeEvents(events_max);
  }
  for (const DestinationEvent& event : events) sink_.OnDestinationEvent(event);
  if (!events.empty()) sink_.FlushEvents();
  return true;
}

void DestinationMonitor::Save() {
  DestinationState state;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    dirty_ = false;
    for (const auto& [site, since] : learning_since_) {
      (*state.mutable_learning_since_seconds())[site] = absl::ToUnixSeconds(since);
    }
    for (const auto& [site, process] : checkouts_) {
      CheckoutProcess& checkout = *state.add_checkout_processes();
      checkout.set_site(site);
      checkout.set_process(process);
    }
    inventory_.Save(state);
  }
  const absl::Status saved =
      storage::WriteChecked(options_.state_file, state.SerializeAsString(), /*durable=*/true);
  if (saved.ok()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  dirty_ = true;
  if (++save_errors_ == 1) {
    spdlog::error("destinations: {}; after a restart they may be told again", saved.ToString());
  }
}

void DestinationMonitor::Run() {
  using Clock = std::chrono::steady_clock;
  Save();
  Clock::time_point saved_at = Clock::now();
  Clock::time_point looked_at = saved_at;
  while (true) {
    bool save = false;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait_for(lock, std::chrono::seconds(1),
                        [this] { return stopping_ || !pending_.empty(); });
      if (stopping_) return;
      if (has_undecided_ && KnowsPolicy()) DecideAll();
      const Clock::time_point now = Clock::now();
      if (now - looked_at >= kLookForSeenEvery) {
        looked_at = now;
        LookForSeenAgain();
      }
      save = dirty_ && now - saved_at >= kSaveEvery;
    }
    const bool told = Tell(kEventsAtOnceMax);
    if (told || save) {
      Save();
      saved_at = Clock::now();
    }
    if (!told) continue;
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, kBetweenEvents, [this] { return stopping_; });
  }
}

DestinationMonitor::Stats DestinationMonitor::GetStats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  Stats stats{.destinations = inventory_.size(),
              .pending = pending_.size(),
              .forgotten = inventory_.forgotten(),
              .forgotten_untold = inventory_.forgotten_untold(),
              .events = events_,
              .save_errors = save_errors_};
  for (const Entry& entry : inventory_.entries()) stats.destinations_new += entry->is_new ? 1 : 0;
  return stats;
}

}  // namespace skimwatch::traffic
