#include "agent/flow_scan.h"

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "agent/card/brand_table.h"
#include "gtest/gtest.h"

namespace skimwatch::agent {
namespace {

using traffic::DestinationMonitor;
using traffic::Direction;
using traffic::Part;

class NoEvents final : public traffic::DestinationEventSink {
 public:
  void OnDestinationEvent(const traffic::DestinationEvent& /*event*/) override {}
  void FlushEvents() override {}
};

class FlowScanTest : public ::testing::Test {
 protected:
  FlowScanTest() : writer_(WriterOptions()) {
    writer_.SetPolicy({});
    std::string name = ::testing::TempDir() + "/flow-scan-XXXXXX";
    folder_ = mkdtemp(name.data());
    config::v1::Destinations config;
    config.set_mode("learn");
    config.set_learn_days(1);
    config.set_entries_max(100);
    auto monitor = DestinationMonitor::Open(
        {.config = config, .sites = {"shop"}, .state_file = folder_ + "/state"}, no_events_);
    EXPECT_TRUE(monitor.ok());
    monitor_ = *std::move(monitor);
    traffic::TrafficDecoderOptions decoder;
    decoder.default_site = "shop";
    const FlowScan::Options options{.sites = traffic::SiteMap::Create({}, nullptr).value(),
                                    .destinations = monitor_.get()};
    scan_ = std::make_unique<FlowScan>(decoder, options, card::BrandTable::Default(), writer_,
                                       coverage_);
  }
  ~FlowScanTest() override {
    scan_.reset();
    std::filesystem::remove_all(folder_);
  }

  pipeline::FindingWriter::Options WriterOptions() {
    pipeline::FindingWriter::Options options;
    options.key_wait = absl::ZeroDuration();
    options.append = [this](std::vector<v1::Finding> findings) {
      absl::MutexLock lock(&mutex_);
      findings_ += findings.size();
      return absl::OkStatus();
    };
    return options;
  }

  void Pass(Direction direction, Part part, const std::string& host) {
    traffic::Provenance provenance;
    provenance.source = traffic::SourceKind::kSample;
    provenance.direction = direction;
    provenance.site = "shop";
    provenance.host = host;
    provenance.seen_at = absl::Now();
    traffic::PartConsumer* const consumer = scan_->messages().BeginPart(provenance, part);
    consumer->Data("card 4111 1111 1111 1111");
    consumer->End();
  }

  absl::Mutex mutex_;
  size_t findings_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string folder_;
  NoEvents no_events_;
  traffic::Coverage coverage_;
  pipeline::FindingWriter writer_;
  std::unique_ptr<DestinationMonitor> monitor_;
  std::unique_ptr<FlowScan> scan_;
};

TEST_F(FlowScanTest, TellsTheInventoryWhereMessagesBesideFlowsGo) {
  Pass(Direction::kOutboundRequest, Part::kMessage, "chat.example.com");
  // Goes nowhere.
  Pass(Direction::kAtRest, Part::kLine, "");
  EXPECT_EQ(monitor_->GetStats().destinations, 1u);
  EXPECT_EQ(scan_->scanner_stats().matches, 2u);
  writer_.Flush();
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(findings_, 2u);
}

}  // namespace
}  // namespace skimwatch::agent
