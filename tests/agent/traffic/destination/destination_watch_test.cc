#include "agent/traffic/destination/destination_watch.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/storage/checked_file.h"
#include "agent/traffic/destination/destination_state.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

class Events final : public DestinationEventSink {
 public:
  void OnDestinationEvent(const DestinationEvent& event) override { events.push_back(event); }
  void FlushEvents() override {}
  std::vector<DestinationEvent> events;
};

class Passed final : public MessageSink, public PartConsumer {
 public:
  PartConsumer* BeginPart(const Provenance& /*provenance*/, Part /*part*/) override {
    ++parts;
    return this;
  }
  void Data(std::string_view bytes) override { data += bytes; }
  void Gap() override { data += "|"; }
  void End() override { ++ends; }

  int parts = 0;
  int ends = 0;
  std::string data;
};

std::string Random(size_t bytes) {
  std::string random(bytes, '\0');
  std::ifstream("/dev/urandom", std::ios::binary)
      .read(random.data(), static_cast<std::streamsize>(bytes));
  return random;
}

class DestinationWatchTest : public ::testing::Test {
 protected:
  DestinationWatchTest() {
    std::string name = ::testing::TempDir() + "/watch-XXXXXX";
    folder_ = mkdtemp(name.data());
    config::v1::Destinations config;
    config.set_mode("learn");
    config.set_learn_days(0);
    config.add_checkout_processes("php-fpm");
    config.set_entropy_min_bytes(16384);
    config.set_entries_max(100);
    auto monitor = DestinationMonitor::Open(
        {.config = config, .sites = {"shop"}, .state_file = folder_ + "/state"}, events_);
    EXPECT_TRUE(monitor.ok());
    monitor_ = *std::move(monitor);
    monitor_->SetPolicy({});
    monitor_->Start();
    watch_ = std::make_unique<DestinationWatch>(monitor_.get(), passed_);
  }
  ~DestinationWatchTest() override {
    monitor_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Send(const std::string& host, const std::string& process, const std::string& body) {
    Provenance provenance;
    provenance.direction = Direction::kOutboundRequest;
    provenance.site = "shop";
    provenance.host = host;
    provenance.process = std::make_shared<Process>(Process{.executable = process});
    PartConsumer* target = watch_->BeginPart(provenance, Part::kRequestTarget);
    PartConsumer* consumer = watch_->BeginPart(provenance, Part::kRequestBody);
    target->Data("/");
    target->End();
    for (size_t at = 0; at < body.size(); at += 1460) consumer->Data(body.substr(at, 1460));
    consumer->End();
  }

  std::vector<DestinationEvent> Told() {
    monitor_->Stop();
    return events_.events;
  }

  // What the monitor keeps of its only destination, after Told().
  v1::DestinationChange Kept() const {
    DestinationState state;
    const absl::StatusOr<std::string> bytes = storage::ReadChecked(folder_ + "/state", 1 << 20);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    EXPECT_TRUE(bytes.ok() && state.ParseFromString(*bytes));
    EXPECT_EQ(state.destinations_size(), 1);
    return state.destinations_size() == 1 ? state.destinations(0).known() : v1::DestinationChange();
  }

  std::string folder_;
  Events events_;
  Passed passed_;
  std::unique_ptr<DestinationMonitor> monitor_;
  std::unique_ptr<DestinationWatch> watch_;
};

TEST_F(DestinationWatchTest, PassesEverythingOnAndCountsItOnce) {
  const std::string body = Random(100'000);
  Send("evil.com", "/usr/sbin/php-fpm", body);
  EXPECT_EQ(passed_.data, "/" + body);
  EXPECT_EQ(passed_.parts, 2);
  EXPECT_EQ(passed_.ends, 2);
  int told_new = 0;
  for (const DestinationEvent& event : Told()) {
    EXPECT_EQ(event.change.name(), "evil.com");
    if (event.change.change() == v1::DestinationChange::CHANGE_NEW) ++told_new;
  }
  EXPECT_EQ(told_new, 1);
  const v1::DestinationChange kept = Kept();
  EXPECT_EQ(kept.bytes_out(), body.size() + 1);
  EXPECT_EQ(kept.flows(), 1u);
}

TEST_F(DestinationWatchTest, CountsWhatIsReadTwiceOnce) {
  Provenance provenance;
  provenance.direction = Direction::kOutboundRequest;
  provenance.site = "shop";
  provenance.host = "evil.com";
  PartConsumer* const first = watch_->BeginPart(provenance, Part::kStream);
  provenance.repeats = true;
  PartConsumer* const second = watch_->BeginPart(provenance, Part::kStream);
  first->Data("4\r\nbody\r\n");
  second->Data("body");
  first->End();
  second->End();
  EXPECT_EQ(passed_.data, "4\r\nbody\r\nbody");
  Told();
  EXPECT_EQ(Kept().bytes_out(), 9u);
  EXPECT_EQ(Kept().flows(), 1u);
}

TEST_F(DestinationWatchTest, AStreamInWindowsIsOneFlow) {
  Provenance provenance;
  provenance.direction = Direction::kOutboundRequest;
  provenance.site = "shop";
  provenance.host = "evil.com";
  for (int window = 0; window < 5; ++window) {
    PartConsumer* const part = watch_->BeginPart(provenance, Part::kStream);
    part->Data("window");
    part->End();
    provenance.continues = true;
  }
  Told();
  EXPECT_EQ(Kept().bytes_out(), 30u);
  EXPECT_EQ(Kept().flows(), 1u);
}

TEST_F(DestinationWatchTest, TellsOfWhatACheckoutSendsThatCantBeRead) {
  Send("evil.com", "/usr/sbin/php-fpm", Random(100'000));
  Send("small.com", "/usr/sbin/php-fpm", Random(16'000));
  Send("text.com", "/usr/sbin/php-fpm", std::string(100'000, 'a'));
  Send("other.com", "/usr/bin/curl", Random(100'000));
  std::vector<std::string> opaque;
  for (const DestinationEvent& event : Told()) {
    if (event.change.change() != v1::DestinationChange::CHANGE_OPAQUE_PAYLOAD) continue;
    opaque.push_back(event.change.name());
    EXPECT_EQ(event.change.opaque().form(), "binary");
    EXPECT_GE(event.change.opaque().bytes(), 16384U);
    EXPECT_GT(event.change.opaque().entropy_bits(), 7.9);
    EXPECT_EQ(event.severity, v1::SEVERITY_HIGH);
  }
  EXPECT_THAT(opaque, ::testing::ElementsAre("evil.com"));
}

TEST(DestinationWatch, WithoutAMonitorIsNotInTheWay) {
  Passed passed;
  DestinationWatch watch(nullptr, passed);
  EXPECT_EQ(watch.BeginPart(Provenance(), Part::kStream), &passed);
}

}  // namespace
}  // namespace skimwatch::traffic
