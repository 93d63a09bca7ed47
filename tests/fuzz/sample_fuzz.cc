// What a program may write to a sample socket or a sample file, cut in any way: never a crash or a
// hang, no memory that did not come, and every byte is passed on or counted.
//
// Input: pieces of a stream of samples: a byte of length and that many bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "agent/traffic/coverage.h"
#include "agent/traffic/source/sample_reader.h"
#include "agent/traffic/source/sample_scan.h"

namespace {

namespace traffic = skimwatch::traffic;

// Counts what it is given, and checks that flows and parts begin and end as they should.
class CountingTarget final : public traffic::SampleTarget,
                             public traffic::ByteFlowHandler,
                             public traffic::MessageSink,
                             public traffic::PartConsumer {
 public:
  traffic::ByteFlowHandler& flows() override { return *this; }
  traffic::MessageSink& messages() override { return *this; }
  void Advance(absl::Time) override {}

  void OnOpen(uint64_t, const traffic::ByteFlow& info, absl::Time) override {
    if (!(info.sampling_probability > 0 && info.sampling_probability <= 1)) abort();
    ++open_;
  }
  void OnData(uint64_t, bool, std::string_view bytes, absl::Time) override {
    flow_bytes_ += bytes.size();
  }
  void OnShed(uint64_t, bool, uint64_t, absl::Time) override {}
  void OnEnd(uint64_t, absl::Time) override { --open_; }
  void OnIdle(absl::Time) override {}
  void Flush() override {
    if (open_ != 0) abort();
  }

  traffic::PartConsumer* BeginPart(const traffic::Provenance& provenance, traffic::Part) override {
    if (provenance.site.empty()) abort();
    ++open_;
    return this;
  }
  void Data(std::string_view) override {}
  void Gap() override {}
  void End() override { --open_; }

  uint64_t flow_bytes() const { return flow_bytes_; }

 private:
  int64_t open_ = 0;
  uint64_t flow_bytes_ = 0;
};

class Sink final : public traffic::SampleReader::Sink {
 public:
  explicit Sink(traffic::SampleScan& scan) : scan_(scan) {}
  void OnSample(std::string_view encoded, uint64_t) override {
    (void)scan_.Take(1, encoded, absl::FromUnixSeconds(1'700'000'000));
  }
  void OnTooLong(uint64_t, uint64_t) override { scan_.CountTooLong(); }
  void OnSkipped(uint64_t bytes) override {
    skipped_ += bytes;
    scan_.Skipped(bytes);
  }
  uint64_t skipped() const { return skipped_; }

 private:
  traffic::SampleScan& scan_;
  uint64_t skipped_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto sites = *traffic::SiteMap::Create({}, nullptr);
  traffic::Coverage coverage;
  CountingTarget target;
  traffic::SampleScan scan({.name = "fuzz", .site = "shop", .sites = sites, .flows_max = 4},
                           coverage, target);
  Sink sink(scan);
  traffic::SampleReader reader(256, sink);
  while (size > 0) {
    const size_t bytes = std::min<size_t>(size - 1, data[0]);
    if (!reader.Take({reinterpret_cast<const char*>(data) + 1, bytes}).ok()) break;
    if (reader.offset() > reader.taken()) abort();
    data += 1 + bytes;
    size -= 1 + bytes;
  }
  if (reader.Finish().ok() != (reader.is_whole() && !reader.in_sample())) abort();
  scan.Flush(absl::FromUnixSeconds(1'700'000'000));
  const traffic::SampleScan::Stats& stats = scan.stats();
  // Flows are counted by their decoder, all else here.
  const uint64_t counted = coverage.bytes(traffic::Reason::kScanned) +
                           coverage.bytes(traffic::Reason::kInbound) + target.flow_bytes();
  if (counted != stats.bytes) abort();
  if (coverage.bytes(traffic::Reason::kTruncatedSampleLimit) != sink.skipped()) abort();
  return 0;
}
