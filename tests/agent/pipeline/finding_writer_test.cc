#include "agent/pipeline/finding_writer.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/agent/pipeline/sightings.h"

namespace skimwatch::pipeline {
namespace {

using testing::SightingOf;

// What was appended, in order.
class Spooled {
 public:
  absl::Status Append(std::vector<v1::Finding> findings) {
    absl::MutexLock lock(&mutex_);
    for (v1::Finding& finding : findings) findings_.push_back(std::move(finding));
    return absl::OkStatus();
  }
  std::vector<v1::Finding> Get() const {
    absl::MutexLock lock(&mutex_);
    return findings_;
  }
  FindingWriter::Options Options() {
    FindingWriter::Options options;
    options.append = [this](std::vector<v1::Finding> findings) {
      return Append(std::move(findings));
    };
    return options;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<v1::Finding> findings_ ABSL_GUARDED_BY(mutex_);
};

v1::Policy PolicyWithKey() {
  v1::Policy policy;
  policy.set_version(7);
  policy.add_fingerprint_keys()->set_id("new");
  policy.mutable_fingerprint_keys(0)->set_key(std::string(32, 'n'));
  policy.add_fingerprint_keys()->set_id("old");
  policy.mutable_fingerprint_keys(1)->set_key(std::string(32, 'o'));
  return policy;
}

uint64_t Sightings(const FindingWriter::Stats& stats, FindingWriter::Outcome outcome) {
  uint64_t sum = 0;
  for (const auto& by_outcome : stats.sightings) sum += by_outcome[static_cast<size_t>(outcome)];
  return sum;
}

TEST(FindingWriter, AppendsBeforeFlushReturns) {
  Spooled spooled;
  FindingWriter writer(spooled.Options());
  writer.SetPolicy(PolicyWithKey());
  for (uint64_t card = 0; card < 100; ++card) {
    writer.Add(SightingOf(card));
    writer.Add(SightingOf(card));
  }
  writer.Flush();
  uint64_t count = 0;
  std::set<std::string> fingerprints;
  for (const v1::Finding& finding : spooled.Get()) {
    count += finding.count();
    fingerprints.insert(finding.card_number().card().fingerprint());
    EXPECT_EQ(finding.card_number().card().fingerprint_key_id(), "new");
  }
  EXPECT_EQ(count, 200u);
  EXPECT_EQ(fingerprints.size(), 100u);
  EXPECT_EQ(writer.GetStats().folded, 100u);
}

TEST(FindingWriter, WaitsForTheFirstKeySoThatCardsCanBeLookedUp) {
  Spooled spooled;
  FindingWriter::Options options = spooled.Options();
  options.key_wait = absl::Hours(1);
  FindingWriter writer(options);
  writer.Add(SightingOf(1));
  EXPECT_TRUE(spooled.Get().empty());
  writer.SetPolicy(PolicyWithKey());
  writer.Flush();
  ASSERT_EQ(spooled.Get().size(), 1u);
  EXPECT_FALSE(spooled.Get()[0].card_number().card().fingerprint().empty());
  EXPECT_EQ(writer.GetStats().without_fingerprint, 0u);
}

TEST(FindingWriter, ReportsWithoutAKeyRatherThanNotAtAll) {
  Spooled spooled;
  FindingWriter::Options options = spooled.Options();
  options.key_wait = absl::Milliseconds(1);
  FindingWriter writer(options);
  // Told apart, and folded, all the same.
  for (int i = 0; i < 3; ++i) {
    writer.Add(SightingOf(1));
    writer.Add(SightingOf(2));
  }
  writer.Flush();
  const std::vector<v1::Finding> findings = spooled.Get();
  ASSERT_EQ(findings.size(), 4u);
  for (const v1::Finding& finding : findings) {
    EXPECT_TRUE(finding.card_number().card().fingerprint().empty());
  }
  EXPECT_EQ(writer.GetStats().without_fingerprint, 6u);
}

// A mask and a fingerprint of one number narrow it down together; who keeps masks alone says so.
TEST(FindingWriter, LeavesFingerprintsOutWhereTheyAreTurnedOffAndStillTellsCardsApart) {
  Spooled spooled;
  FindingWriter::Options options = spooled.Options();
  options.key_wait = absl::Hours(1);
  options.fingerprint = false;
  FindingWriter writer(options);
  // No key is waited for, and none that comes is used.
  writer.Add(SightingOf(1));
  writer.Flush();
  ASSERT_EQ(spooled.Get().size(), 1u);
  writer.SetPolicy(PolicyWithKey());
  for (int i = 0; i < 3; ++i) {
    writer.Add(SightingOf(2));
    writer.Add(SightingOf(3));
  }
  writer.Flush();
  uint64_t count = 0;
  for (const v1::Finding& finding : spooled.Get()) {
    const v1::Card& card = finding.card_number().card();
    EXPECT_TRUE(card.fingerprint().empty());
    EXPECT_TRUE(card.fingerprint_key_id().empty());
    EXPECT_FALSE(card.masked().empty());
    count += finding.count();
  }
  EXPECT_EQ(count, 7u);
  // Folded by a key that never leaves the process.
  EXPECT_EQ(writer.GetStats().folded, 4u);
  // As configured, so nothing that is missing.
  EXPECT_EQ(writer.GetStats().without_fingerprint, 0u);
}

// A policy that brings a newer key is a rotation: from then on findings are of the new one.
TEST(FindingWriter, GoesOverToTheNewKeyOfARotation) {
  Spooled spooled;
  FindingWriter writer(spooled.Options());
  v1::Policy policy = PolicyWithKey();
  policy.mutable_fingerprint_keys()->SwapElements(0, 1);
  writer.SetPolicy(policy);
  writer.Add(SightingOf(1));
  writer.Flush();
  writer.SetPolicy(PolicyWithKey());
  writer.Add(SightingOf(1));
  writer.Flush();
  const std::vector<v1::Finding> findings = spooled.Get();
  ASSERT_EQ(findings.size(), 2u);
  const v1::Card& before = findings[0].card_number().card();
  const v1::Card& after = findings[1].card_number().card();
  EXPECT_EQ(before.fingerprint_key_id(), "old");
  EXPECT_EQ(after.fingerprint_key_id(), "new");
  EXPECT_NE(before.fingerprint(), after.fingerprint());
  EXPECT_EQ(before.masked(), after.masked());
}

TEST(FindingWriter, MarksFlowsThatThePolicyExpects) {
  Spooled spooled;
  FindingWriter writer(spooled.Options());
  v1::Policy policy = PolicyWithKey();
  policy.add_expected_flows()->set_host("chat.example");
  // One that can't be read does not take the others with it.
  policy.add_expected_flows()->set_address("nowhere");
  writer.SetPolicy(policy);
  writer.Add(SightingOf(1));
  SightingOrigin elsewhere = testing::OutboundOrigin();
  elsewhere.provenance.set_host("other.example");
  writer.Add(SightingOf(1, elsewhere));
  writer.Flush();
  const std::vector<v1::Finding> findings = spooled.Get();
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_TRUE(findings[0].expected());
  EXPECT_EQ(findings[0].severity(), v1::SEVERITY_INFO);
  EXPECT_FALSE(findings[1].expected());
  EXPECT_EQ(Sightings(writer.GetStats(), FindingWriter::Outcome::kExpected), 1u);
  EXPECT_EQ(Sightings(writer.GetStats(), FindingWriter::Outcome::kReported), 1u);
}

TEST(FindingWriter, RaisesWhatGoesToADestinationWithoutApproval) {
  Spooled spooled;
  FindingWriter::Options options = spooled.Options();
  std::atomic<int> asked = 0;
  options.is_unapproved = [&](const SightingOrigin& origin) {
    ++asked;
    return origin.provenance.host() == "evil.example";
  };
  FindingWriter writer(options);
  v1::Policy policy = PolicyWithKey();
  policy.add_expected_flows()->set_host("processor.example");
  writer.SetPolicy(policy);
  const auto add = [&](uint64_t card, const std::string& host, card::Confidence confidence,
                       v1::Direction direction = v1::DIRECTION_OUTBOUND_REQUEST) {
    CardSighting sighting = SightingOf(card);
    auto origin = std::make_shared<SightingOrigin>(*sighting.origin);
    origin->provenance.set_host(host);
    origin->provenance.set_direction(direction);
    sighting.origin = origin;
    sighting.confidence = confidence;
    writer.Add(std::move(sighting));
  };
  add(1, "evil.example", card::Confidence::kMedium);
  add(2, "evil.example", card::Confidence::kLow);
  add(3, "partner.example", card::Confidence::kMedium);
  writer.Flush();
  EXPECT_EQ(asked, 3);
  // Neither what is expected nor what does not go out is asked about.
  add(4, "processor.example", card::Confidence::kMedium);
  add(5, "evil.example", card::Confidence::kMedium, v1::DIRECTION_OUTBOUND_RESPONSE);
  writer.Flush();
  EXPECT_EQ(asked, 3);
  const std::vector<v1::Finding> findings = spooled.Get();
  ASSERT_EQ(findings.size(), 5U);
  const auto has_evidence = [](const v1::Finding& finding) {
    const auto& evidence = finding.card_number().evidence();
    return std::find(evidence.begin(), evidence.end(), "unapproved_destination") != evidence.end();
  };
  EXPECT_EQ(findings[0].severity(), v1::SEVERITY_CRITICAL);
  EXPECT_TRUE(has_evidence(findings[0]));
  EXPECT_EQ(findings[1].severity(), v1::SEVERITY_LOW);
  EXPECT_TRUE(has_evidence(findings[1]));
  EXPECT_EQ(findings[2].severity(), v1::SEVERITY_HIGH);
  for (int i = 2; i < 5; ++i) EXPECT_FALSE(has_evidence(findings[static_cast<size_t>(i)])) << i;
}

TEST(FindingWriter, CountsWhatTheConfigurationDoesNotWant) {
  Spooled spooled;
  FindingWriter::Options options = spooled.Options();
  options.min_confidence = card::Confidence::kMedium;
  options.report_test_cards = false;
  FindingWriter writer(options);
  writer.SetPolicy(PolicyWithKey());
  CardSighting doubtful = SightingOf(1);
  doubtful.confidence = card::Confidence::kLow;
  writer.Add(std::move(doubtful));
  CardSighting published = SightingOf(2);
  published.test_card = true;
  writer.Add(std::move(published));
  writer.Flush();
  EXPECT_TRUE(spooled.Get().empty());
  EXPECT_EQ(Sightings(writer.GetStats(), FindingWriter::Outcome::kBelowConfidence), 1u);
  EXPECT_EQ(Sightings(writer.GetStats(), FindingWriter::Outcome::kTestCard), 1u);
}

TEST(FindingWriter, HoldsSourcesBackWhileTheDiskStalls) {
  absl::Notification disk_works;
  std::atomic<int> appended{0};
  FindingWriter::Options options;
  options.queue_max = 4;
  options.fold_window = absl::ZeroDuration();
  options.append = [&](std::vector<v1::Finding> findings) {
    disk_works.WaitForNotification();
    appended += static_cast<int>(findings.size());
    return absl::OkStatus();
  };
  FindingWriter writer(options);
  writer.SetPolicy(PolicyWithKey());
  constexpr int kFindings = 50;
  std::future<void> source = std::async(std::launch::async, [&] {
    for (uint64_t card = 0; card < kFindings; ++card) writer.Add(SightingOf(card));
  });
  // Blocked with the queue full: it can't end before the disk works.
  EXPECT_EQ(source.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  disk_works.Notify();
  source.get();
  writer.Flush();
  EXPECT_EQ(appended, kFindings);
  EXPECT_GT(writer.GetStats().blocked, absl::ZeroDuration());
}

TEST(FindingWriter, CountsBatchesThatTheSpoolDidNotTake) {
  FindingWriter::Options options;
  options.append = [](std::vector<v1::Finding>) { return absl::ResourceExhaustedError("full"); };
  FindingWriter writer(options);
  writer.SetPolicy(PolicyWithKey());
  writer.Add(SightingOf(1));
  writer.Flush();
  EXPECT_EQ(writer.GetStats().append_errors, 1u);
}

TEST(FindingWriter, LosesNothingToStopOrToManySources) {
  Spooled spooled;
  constexpr uint64_t kThreads = 4;
  constexpr uint64_t kEach = 2000;
  {
    FindingWriter::Options options = spooled.Options();
    options.queue_max = 64;
    FindingWriter writer(options);
    writer.SetPolicy(PolicyWithKey());
    std::vector<std::thread> sources;
    for (uint64_t t = 0; t < kThreads; ++t) {
      sources.emplace_back([&writer, t] {
        for (uint64_t i = 0; i < kEach; ++i) {
          writer.Add(SightingOf(t * kEach + i % 500));
          if (i % 100 == 0) writer.Flush();
        }
      });
    }
    for (std::thread& source : sources) source.join();
    v1::Finding script;
    script.set_site("shop");
    script.set_count(1);
    writer.Add(std::move(script));
    writer.Stop();
    // Flush of a writer that has stopped returns.
    writer.Flush();
  }
  uint64_t count = 0;
  for (const v1::Finding& finding : spooled.Get()) count += finding.count();
  EXPECT_EQ(count, kThreads * kEach + 1);
}

}  // namespace
}  // namespace skimwatch::pipeline
