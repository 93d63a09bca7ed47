#ifndef SKIMWATCH_AGENT_FLOW_SCAN_H_
#define SKIMWATCH_AGENT_FLOW_SCAN_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/time/time.h"
#include "agent/card/brand_table.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/pipeline/message_scanner.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/destination/destination_monitor.h"
#include "agent/traffic/destination/destination_watch.h"
#include "agent/traffic/protocol/byte_flow_decoder.h"
#include "agent/traffic/site_map.h"

namespace skimwatch::agent {

// From flows of bytes to sightings of card numbers: a decoder and a scanner, on the thread of the
// source that they take flows from. Thread-compatible; the figures may be asked for from anywhere.
class FlowScan final : public traffic::ByteFlowHandler {
 public:
  struct Options {
    pipeline::MessageScanner::Options scanner;
    std::shared_ptr<const traffic::SiteMap> sites;
    // Chooses what is scanned; null for everything.
    std::shared_ptr<const traffic::FlowSampler> sampler;
    // May be null.
    traffic::DestinationMonitor* destinations = nullptr;
  };

  // `brands`, `writer`, `coverage` and `options.destinations` must outlive it.
  FlowScan(const traffic::TrafficDecoderOptions& decoder, const Options& options,
           const card::BrandTable& brands, pipeline::FindingWriter& writer,
           traffic::Coverage& coverage)
      : scanner_(options.scanner, brands, writer),
        watch_(options.destinations, scanner_),
        decoder_(decoder, options.sites, coverage, watch_, options.destinations) {}

  void OnOpen(uint64_t flow, const traffic::ByteFlow& info, absl::Time now) override {
    decoder_.OnOpen(flow, info, now);
  }
  void OnData(uint64_t flow, bool from_client, std::string_view bytes, absl::Time now) override {
    scanner_.Advance(now);
    decoder_.OnData(flow, from_client, bytes, now);
  }
  void OnShed(uint64_t flow, bool from_client, uint64_t bytes, absl::Time now) override {
    decoder_.OnShed(flow, from_client, bytes, now);
  }
  void OnEnd(uint64_t flow, absl::Time now) override { decoder_.OnEnd(flow, now); }
  void OnIdle(absl::Time now) override {
    decoder_.OnIdle(now);
    scanner_.Advance(now);
  }
  void Flush() override { decoder_.Flush(); }

  // For what comes beside flows, on the same thread.
  traffic::MessageSink& messages() { return watch_; }
  void Advance(absl::Time now) { scanner_.Advance(now); }

  pipeline::MessageScanner::Stats scanner_stats() const { return scanner_.stats(); }
  traffic::ByteFlowDecoder::Stats decoder_stats() const { return decoder_.stats(); }

 private:
  pipeline::MessageScanner scanner_;
  traffic::DestinationWatch watch_;
  traffic::ByteFlowDecoder decoder_;
};

}  // namespace skimwatch::agent

#endif  // SKIMWATCH_AGENT_FLOW_SCAN_H_
