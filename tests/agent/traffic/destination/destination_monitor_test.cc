#include "agent/traffic/destination/destination_monitor.h"

#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/storage/checked_file.h"
#include "agent/traffic/destination/destination_state.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Change = v1::DestinationChange;

class Recorder final : public DestinationEventSink {
 public:
  void OnDestinationEvent(const DestinationEvent& event) override {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Recorder::MayTake));
    events_.push_back(event);
  }
  // Takes no more than so many events until it is told to.
  void HoldAt(size_t events_max) {
    absl::MutexLock lock(&mutex_);
    events_max_ = events_max;
    is_held_ = false;
  }
  // Until the monitor waits to tell more than it may.
  void AwaitHeld() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&is_held_));
  }
  void FlushEvents() override {
    absl::MutexLock lock(&mutex_);
    ++flushes_;
  }
  std::vector<DestinationEvent> events() {
    absl::MutexLock lock(&mutex_);
    return events_;
  }
  int flushes() {
    absl::MutexLock lock(&mutex_);
    return flushes_;
  }

 private:
  bool MayTake() {
    is_held_ = events_.size() >= events_max_;
    return !is_held_;
  }

  absl::Mutex mutex_;
  std::vector<DestinationEvent> events_;
  size_t events_max_ = SIZE_MAX;
  bool is_held_ = false;
  int flushes_ = 0;
};

// What was told, but for what is still in use.
std::vector<std::string> Told(const std::vector<DestinationEvent>& events) {
  std::vector<std::string> told;
  for (const DestinationEvent& event : events) {
    if (event.change.change() == Change::CHANGE_SEEN) continue;
    std::string change = Change::Change_Name(event.change.change()).substr(7);
    told.push_back(absl::StrCat(change, " ", event.change.name()));
  }
  return told;
}

// Set by the test and read by the monitor's thread.
class TestClock {
 public:
  absl::Time load() const { return absl::FromUnixSeconds(seconds_); }
  TestClock& operator=(absl::Time time) {
    seconds_ = absl::ToUnixSeconds(time);
    return *this;
  }

 private:
  std::atomic<int64_t> seconds_{1'700'000'000};
};

class DestinationMonitorTest : public ::testing::Test {
 protected:
  DestinationMonitorTest() {
    std::string name = ::testing::TempDir() + "/destinations-XXXXXX";
    folder_ = mkdtemp(name.data());
    config_.set_mode("learn");
    config_.set_learn_days(14);
    config_.add_checkout_processes("php-fpm*");
    config_.add_checkout_paths("/checkout");
    config_.set_entropy_min_bytes(4096);
    config_.set_encrypted_min_bytes(65536);
    config_.set_entries_max(100);
    Open();
  }
  ~DestinationMonitorTest() override {
    monitor_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string state_file() const { return folder_ + "/destinations"; }

  // Starts with what the last one left.
  void Open() {
    monitor_.reset();
    auto monitor = DestinationMonitor::Open({.config = config_,
                                             .sites = {"shop"},
                                             .state_file = state_file(),
                                             .policy_wait = absl::Hours(1),
                                             .now = [this] { return now_.load(); }},
                                            recorder_);
    ASSERT_TRUE(monitor.ok()) << monitor.status();
    monitor_ = *std::move(monitor);
    monitor_->Start();
  }

  // Everything that is told until the monitor has ended; it begins anew.
  std::vector<DestinationEvent> Restart() {
    monitor_->Stop();
    std::vector<DestinationEvent> events = recorder_.events();
    const std::vector<DestinationEvent> fresh(events.begin() + static_cast<std::ptrdiff_t>(taken_),
                                              events.end());
    taken_ = events.size();
    Open();
    if (policy_.has_value()) monitor_->SetPolicy(*policy_);
    return fresh;
  }

  void Approve(const std::string& pattern, absl::Time end = absl::InfiniteFuture(),
               const std::string& process = "") {
    if (!policy_.has_value()) policy_.emplace();
    v1::ApprovedDestination& approved = *policy_->add_approved_destinations();
    approved.set_site("shop");
    approved.set_pattern(pattern);
    approved.set_process(process);
    if (end != absl::InfiniteFuture()) {
      approved.mutable_expires_at()->set_seconds(absl::ToUnixSeconds(end));
    }
    monitor_->SetPolicy(*policy_);
  }
  void ApproveNothing() {
    policy_.emplace();
    monitor_->SetPolicy(*policy_);
  }
  void LearningEnds() { now_ = now_.load() + absl::Hours(24 * 15); }

  Provenance Request(const std::string& host, const std::string& executable = "",
                     const std::string& address = "192.0.2.7") {
    Provenance provenance;
    provenance.direction = Direction::kOutboundRequest;
    provenance.protocol = Protocol::kHttp1;
    provenance.site = "shop";
    provenance.host = host;
    provenance.server = {.ip = address, .port = 80};
    provenance.path = "/collect";
    provenance.seen_at = now_.load();
    if (!executable.empty()) {
      provenance.process = std::make_shared<Process>(Process{.executable = executable});
    }
    return provenance;
  }
  DestinationMonitor::Flow Send(const std::string& host, const std::string& executable = "",
                                const std::string& address = "192.0.2.7") {
    auto flow = monitor_->OnPart(Request(host, executable, address), Part::kRequestTarget);
    monitor_->OnSent(flow, 100);
    return flow;
  }

  std::string folder_;
  config::v1::Destinations config_;
  TestClock now_;
  Recorder recorder_;
  size_t taken_ = 0;
  std::optional<v1::Policy> policy_;
  std::unique_ptr<DestinationMonitor> monitor_;
};

TEST_F(DestinationMonitorTest, ProposesWhatItSeesWhileItLearns) {
  for (int i = 0; i < 5; ++i) Send("api.stripe.com");
  Send("www.google.com");
  const auto events = Restart();
  EXPECT_THAT(Told(events), UnorderedElementsAre("PROPOSED stripe.com", "PROPOSED google.com"));
  for (const DestinationEvent& event : events) EXPECT_EQ(event.severity, v1::SEVERITY_INFO);
  EXPECT_GT(recorder_.flushes(), 0);
}

TEST_F(DestinationMonitorTest, TellsWhatIsNewAfterLearningOnceAlsoOverRestarts) {
  Send("api.stripe.com");
  EXPECT_THAT(Told(Restart()), ElementsAre("PROPOSED stripe.com"));
  LearningEnds();
  ApproveNothing();
  Send("api.stripe.com");
  for (int i = 0; i < 100; ++i) Send(absl::StrCat("h", i, ".evil.com"));
  auto events = Restart();
  ASSERT_THAT(Told(events), ElementsAre("NEW evil.com"));
  EXPECT_EQ(events[0].severity, v1::SEVERITY_MEDIUM);
  EXPECT_EQ(events[0].provenance.host, "h0.evil.com");
  EXPECT_EQ(events[0].provenance.path, "");
  for (int i = 0; i < 3; ++i) {
    Send("h7.evil.com");
    EXPECT_THAT(Told(Restart()), IsEmpty());
  }
}

TEST_F(DestinationMonitorTest, ACheckoutsProcessMakesItGraver) {
  config_.set_learn_days(0);
  Restart();
  ApproveNothing();
  Send("evil.com", "/usr/sbin/php-fpm8.2");
  auto events = Restart();
  ASSERT_THAT(Told(events), ElementsAre("NEW evil.com"));
  EXPECT_EQ(events[0].severity, v1::SEVERITY_HIGH);
  EXPECT_EQ(events[0].change.process(), "/usr/sbin/php-fpm8.2");
  EXPECT_TRUE(events[0].change.checkout());
}

TEST_F(DestinationMonitorTest, KeepsNoNumberThatANameCarries) {
  const std::string number = "4111111111111111";
  const std::string name = number + ".evil.com";
  Provenance provenance = Request(name, "/srv/" + number + "/php");
  provenance.server_name = name;
  provenance.method = number;
  provenance.path = "/" + number;
  provenance.file = number;
  provenance.referrer = "https://" + name;
  monitor_->OnPart(provenance, Part::kRequestTarget);
  const auto events = Restart();
  ASSERT_EQ(events.size(), 1u);
  const Provenance& flow = events[0].provenance;
  EXPECT_EQ(flow.host, "****************.evil.com");
  for (const std::string& text : {flow.host, flow.server_name, flow.method, flow.path, flow.file,
                                  flow.referrer, events[0].change.SerializeAsString()}) {
    EXPECT_EQ(text.find(number), std::string::npos);
  }
  const std::string kept = *storage::ReadChecked(state_file(), 1 << 20);
  EXPECT_NE(kept.find("evil.com"), std::string::npos);
  EXPECT_EQ(kept.find(number), std::string::npos);
}

TEST_F(DestinationMonitorTest, KeepsNothingOfANumberThatTheEndOfANameCutsInTwo) {
  const std::string number = "4111111111111111";
  for (size_t shown = 1; shown < number.size(); ++shown) {
    Send(absl::StrCat("h", shown, ".com"), std::string(1024 - shown, 'a') + number);
  }
  const auto events = Restart();
  EXPECT_EQ(events.size(), number.size() - 1);
  for (const DestinationEvent& event : events) {
    EXPECT_EQ(event.change.process(), std::string(896, 'a'));
  }
}

TEST_F(DestinationMonitorTest, ASampleOfAMessageIsAFlow) {
  Provenance provenance = Request("evil.com");
  provenance.source = SourceKind::kSample;
  provenance.path.clear();
  for (int i = 0; i < 3; ++i) monitor_->OnPart(provenance, Part::kMessage);
  provenance.path = "/collect";
  monitor_->OnPart(provenance, Part::kRequestTarget);
  monitor_->OnPart(provenance, Part::kMessage);
  monitor_->Stop();
  DestinationState state;
  ASSERT_TRUE(state.ParseFromString(*storage::ReadChecked(state_file(), 1 << 20)));
  ASSERT_EQ(state.destinations_size(), 1);
  EXPECT_EQ(state.destinations(0).known().flows(), 4u);
}

TEST_F(DestinationMonitorTest, AProcessThatServesTheCheckoutBelongsToIt) {
  config_.set_learn_days(0);
  Restart();
  ApproveNothing();
  Provenance served = Request("shop.com", "/usr/bin/node");
  served.direction = Direction::kOutboundResponse;
  served.path = "/Checkout/pay?x=1";
  monitor_->OnPart(served, Part::kResponseBody);
  // Kept over a restart.
  Restart();
  Send("evil.com", "/usr/bin/node");
  Send("evil.com", "/usr/bin/cron");
  for (const DestinationEvent& event : Restart()) {
    EXPECT_EQ(event.severity,
              event.change.process() == "/usr/bin/node" ? v1::SEVERITY_HIGH : v1::SEVERITY_MEDIUM);
  }
}

TEST_F(DestinationMonitorTest, WhatIsApprovedIsNotNew) {
  config_.set_learn_days(0);
  Restart();
  Approve("evil.com");
  Approve("192.0.2.0/24");
  Send("evil.com");
  Send("", "", "192.0.2.9");
  const auto events = Restart();
  EXPECT_THAT(Told(events), UnorderedElementsAre("PROPOSED evil.com", "PROPOSED 192.0.2.9"));
}

TEST_F(DestinationMonitorTest, AnApprovalThatEndsMakesItNew) {
  Send("api.stripe.com");
  Restart();
  LearningEnds();
  Approve("stripe.com", now_.load() + absl::Hours(1));
  Send("api.stripe.com");
  EXPECT_THAT(Told(Restart()), IsEmpty());
  Send("api.stripe.com");
  now_ = now_.load() + absl::Hours(2);
  Send("api.stripe.com");
  EXPECT_THAT(Told(Restart()), ElementsAre("NEW stripe.com"));
}

TEST_F(DestinationMonitorTest, ARevocationMakesItNewAndAnApprovalQuiet) {
  config_.set_learn_days(0);
  Restart();
  Approve("evil.com");
  Send("evil.com");
  Restart();
  ApproveNothing();
  Send("evil.com");
  Send("evil.com");
  EXPECT_THAT(Told(Restart()), ElementsAre("NEW evil.com"));
  Approve("evil.com");
  Send("evil.com");
  EXPECT_THAT(Told(Restart()), IsEmpty());
  ApproveNothing();
  Send("evil.com");
  EXPECT_THAT(Told(Restart()), ElementsAre("NEW evil.com"));
}

TEST_F(DestinationMonitorTest, EnforcesApprovalsOfWhatWasLearned) {
  Send("api.stripe.com");
  EXPECT_THAT(Told(Restart()), ElementsAre("PROPOSED stripe.com"));
  config_.set_mode("enforce");
  Restart();
  ApproveNothing();
  Send("api.stripe.com");
  Send("evil.com");
  EXPECT_THAT(Told(Restart()), UnorderedElementsAre("NEW stripe.com", "NEW evil.com"));
}

TEST_F(DestinationMonitorTest, NothingIsNewBeforeThePolicyIsKnown) {
  config_.set_learn_days(0);
  Restart();
  Send("stripe.com");
  Send("evil.com");
  Approve("stripe.com");
  EXPECT_THAT(Told(Restart()), UnorderedElementsAre("PROPOSED stripe.com", "NEW evil.com"));
}

TEST_F(DestinationMonitorTest, PrivateAddressesAreOnlyProposed) {
  config_.set_learn_days(0);
  Restart();
  ApproveNothing();
  Send("", "", "10.0.0.7");
  Send("", "", "127.0.0.1");
  EXPECT_THAT(Told(Restart()), UnorderedElementsAre("PROPOSED 10.0.0.7", "PROPOSED 127.0.0.1"));
  EXPECT_FALSE(monitor_->IsUnapproved("shop", "", "10.0.0.7", ""));
  config_.set_alarm_private(true);
  Restart();
  Send("", "", "10.0.0.7");
  EXPECT_THAT(Told(Restart()), ElementsAre("NEW 10.0.0.7"));
  EXPECT_TRUE(monitor_->IsUnapproved("shop", "", "10.0.0.7", ""));
}

TEST_F(DestinationMonitorTest, ASourceWithoutProcessesLearnsForAllAndTheOtherWayRound) {
  Send("a.com");
  Send("b.com", "/usr/bin/curl");
  Restart();
  LearningEnds();
  ApproveNothing();
  Send("a.com", "/usr/bin/curl");
  Send("b.com");
  // Another process that is known was not learned.
  Send("b.com", "/usr/bin/wget");
  EXPECT_THAT(Told(Restart()),
              UnorderedElementsAre("PROPOSED a.com", "PROPOSED b.com", "NEW b.com"));
}

TEST_F(DestinationMonitorTest, OutboundIsWhatLeavesTheHost) {
  Provenance inbound = Request("shop.com");
  for (const Direction direction : {Direction::kInboundRequest, Direction::kOutboundResponse,
                                    Direction::kInboundResponse, Direction::kAtRest}) {
    inbound.direction = direction;
    EXPECT_EQ(monitor_->OnPart(inbound, Part::kRequestTarget).entry, nullptr);
  }
  EXPECT_THAT(Told(Restart()), IsEmpty());
}

TEST_F(DestinationMonitorTest, KnowsWhatTheClientHelloSays) {
  DestinationObservation observation;
  observation.provenance = Request("cdn.evil.com");
  observation.provenance.protocol = Protocol::kTls;
  observation.provenance.server.port = 443;
  observation.alpn = {"h2", "http/1.1"};
  observation.ja4 = "t13d1516h2_8daaf6152771_02713d6af862";
  monitor_->OnDestination(observation);
  monitor_->OnUnreadable(observation.provenance, 500, 500);
  const auto events = Restart();
  ASSERT_THAT(Told(events), ElementsAre("PROPOSED evil.com"));
  DestinationMonitor::Flow flow = Send("cdn.evil.com");
  const Change& known = flow.entry->known;
  EXPECT_THAT(known.alpn(), ElementsAre("h2", "http/1.1"));
  EXPECT_THAT(known.ja4(), ElementsAre(observation.ja4));
  EXPECT_THAT(known.hosts(), ElementsAre("cdn.evil.com"));
  EXPECT_THAT(known.ports(), ElementsAre(443, 80));
  EXPECT_EQ(known.flows(), 2U);
  EXPECT_EQ(known.bytes_out(), 600U);
}

TEST_F(DestinationMonitorTest, AnAddressIsShownWithTheNameThatLedThere) {
  monitor_->OnResolved("Cdn.Evil.com", "192.0.2.66");
  Send("", "", "192.0.2.66");
  const auto events = Restart();
  ASSERT_THAT(Told(events), ElementsAre("PROPOSED 192.0.2.66"));
  EXPECT_EQ(events[0].change.hosts_size(), 1);
  // The name is a hint and approves nothing.
  LearningEnds();
  Approve("evil.com");
  EXPECT_TRUE(monitor_->IsUnapproved("shop", "", "192.0.2.66", ""));
}

TEST_F(DestinationMonitorTest, BothNamesOfAFrontedConnectionAreDestinations) {
  Provenance request = Request("evil.com");
  request.source = SourceKind::kTlsProbe;
  request.server_name = "www.cdn.com";
  monitor_->OnPart(request, Part::kRequestTarget);
  EXPECT_THAT(Told(Restart()), UnorderedElementsAre("PROPOSED evil.com", "PROPOSED cdn.com"));
}

TEST_F(DestinationMonitorTest, MuchThatIsEncryptedFromACheckoutToSomewhereNewIsTold) {
  config_.set_learn_days(0);
  Restart();
  ApproveNothing();
  const auto send = [&](const std::string& host, const std::string& process, uint64_t bytes) {
    Provenance provenance = Request(host, process);
    provenance.protocol = Protocol::kTls;
    monitor_->OnUnreadable(provenance, bytes, bytes);
  };
  send("evil.com", "/usr/sbin/php-fpm", 65537);
  send("small.com", "/usr/sbin/php-fpm", 65536);
  send("other.com", "/usr/bin/curl", 1 << 20);
  auto events = Restart();
  EXPECT_THAT(Told(events), UnorderedElementsAre("NEW evil.com", "OPAQUE_PAYLOAD evil.com",
                                                 "NEW small.com", "NEW other.com"));
  for (const DestinationEvent& event : events) {
    if (event.change.change() != Change::CHANGE_OPAQUE_PAYLOAD) continue;
    EXPECT_EQ(event.severity, v1::SEVERITY_HIGH);
    EXPECT_EQ(event.change.opaque().form(), "tls");
    EXPECT_EQ(event.change.opaque().bytes(), 65537U);
  }
  send("evil.com", "/usr/sbin/php-fpm", 1 << 20);
  EXPECT_THAT(Told(Restart()), IsEmpty());
}

TEST_F(DestinationMonitorTest, WhatProbesReadIsNotOpaque) {
  config_.set_learn_days(0);
  Restart();
  ApproveNothing();
  Provenance provenance = Request("evil.com", "/usr/sbin/php-fpm");
  provenance.source = SourceKind::kTlsProbe;
  monitor_->OnPart(provenance, Part::kRequestTarget);
  provenance.source = SourceKind::kPacketCapture;
  provenance.protocol = Protocol::kTls;
  monitor_->OnUnreadable(provenance, 1 << 20, 1 << 20);
  EXPECT_THAT(Told(Restart()), ElementsAre("NEW evil.com"));
}

TEST_F(DestinationMonitorTest, CardsMayGoWhereApprovedAndAnywhereWhileLearning) {
  EXPECT_FALSE(monitor_->IsUnapproved("shop", "evil.com", "192.0.2.7", ""));
  LearningEnds();
  // The policy is not known yet.
  EXPECT_FALSE(monitor_->IsUnapproved("shop", "evil.com", "192.0.2.7", ""));
  Approve("stripe.com", absl::InfiniteFuture(), "/usr/sbin/php-fpm");
  EXPECT_TRUE(monitor_->IsUnapproved("shop", "evil.com", "192.0.2.7", ""));
  EXPECT_TRUE(monitor_->IsUnapproved("shop", "api.stripe.com", "192.0.2.7", "/usr/bin/curl"));
  EXPECT_FALSE(monitor_->IsUnapproved("shop", "api.stripe.com", "192.0.2.7", "/usr/sbin/php-fpm"));
}

TEST_F(DestinationMonitorTest, TellsOnceADayThatOneIsInUse) {
  // Looked for every ten minutes, and at the end.
  Send("a.com");
  Restart();
  now_ = now_.load() + absl::Hours(1);
  Send("a.com");
  EXPECT_THAT(Restart(), IsEmpty());
  now_ = now_.load() + absl::Hours(24);
  Send("a.com");
  const auto events = Restart();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].change.change(), Change::CHANGE_SEEN);
  EXPECT_EQ(events[0].change.name(), "a.com");
  EXPECT_EQ(events[0].change.flows(), 3U);
  EXPECT_EQ(events[0].severity, v1::SEVERITY_INFO);
}

// As after a crash when some were told and all were saved: the rest is told by the next run, though
// nobody sends there again.
TEST_F(DestinationMonitorTest, WhatACrashKeptItFromTellingIsToldByTheNextRun) {
  constexpr size_t kDestinations = 600;
  constexpr size_t kTold = 256;
  config_.set_learn_days(0);
  config_.set_entries_max(kDestinations);
  Restart();
  ApproveNothing();
  recorder_.HoldAt(0);
  for (size_t i = 0; i < kDestinations; ++i) {
    Provenance provenance = Request(absl::StrCat("x", i, ".com"), "/usr/sbin/php-fpm");
    provenance.protocol = Protocol::kTls;
    monitor_->OnUnreadable(provenance, 1 << 20, 1 << 20);
  }
  recorder_.AwaitHeld();
  // Goes on when all are known: saves them with the first batch, and stands within a later one.
  recorder_.HoldAt(kTold);
  recorder_.AwaitHeld();
  const std::string crashed = folder_ + "/crashed";
  std::filesystem::copy_file(state_file(), crashed);
  recorder_.HoldAt(SIZE_MAX);
  const std::vector<std::string> told = Told(Restart());
  EXPECT_EQ(std::set<std::string>(told.begin(), told.end()).size(), 2 * kDestinations);

  monitor_->Stop();
  std::filesystem::rename(crashed, state_file());
  Open();
  // Some of it for the second time, since the crash may have come while a batch was told.
  std::vector<std::string> all = Told(Restart());
  EXPECT_GE(all.size(), 2 * kDestinations - kTold);
  all.insert(all.end(), told.begin(), told.begin() + kTold);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 2 * kDestinations);
  EXPECT_THAT(Told(Restart()), IsEmpty());
}

TEST_F(DestinationMonitorTest, WhatWasUndecidedAtTheEndIsToldThoughItIsNotSeenAgain) {
  config_.set_learn_days(0);
  Restart();
  // The policy is not known.
  Send("evil.com");
  EXPECT_THAT(Told(Restart()), IsEmpty());
  ApproveNothing();
  EXPECT_THAT(Told(Restart()), ElementsAre("NEW evil.com"));
}

TEST_F(DestinationMonitorTest, ADamagedStateIsSetAside) {
  Send("a.com");
  monitor_->Stop();
  {
    std::fstream file(state_file(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(30);
    file.put('\x55');
    file.put('\x55');
  }
  Open();
  EXPECT_TRUE(std::filesystem::exists(state_file() + ".damaged"));
  EXPECT_EQ(monitor_->GetStats().destinations, 0U);
}

TEST_F(DestinationMonitorTest, NamesWithCardNumbersAreNotKept) {
  // A published test number.
  Send("4111111111111111.evil.com");
  const auto events = Restart();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].change.ShortDebugString().find("4111111111111111"), std::string::npos);
}

TEST_F(DestinationMonitorTest, AFloodOfNamesIsBounded) {
  config_.set_learn_days(0);
  Restart();
  ApproveNothing();
  for (int i = 0; i < 1000; ++i) Send(absl::StrCat("x", i, ".com"));
  const DestinationMonitor::Stats stats = monitor_->GetStats();
  EXPECT_LE(stats.destinations, 100U);
  EXPECT_EQ(stats.forgotten, 900U);
  EXPECT_LE(stats.pending, 201U);
  Restart();
  EXPECT_GE(recorder_.events().size() + stats.forgotten_untold, 900U);
}

TEST_F(DestinationMonitorTest, TextOfOthersIsMadePlain) {
  Send("a.com", "/tmp/\xff\x01x");
  const auto events = Restart();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].change.process(), "/tmp/??x");
  // The state can be read again.
  EXPECT_EQ(monitor_->GetStats().destinations, 1U);
}

}  // namespace
}  // namespace skimwatch::traffic
