#include "agent/tls_probing.h"

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/protocol/byte_flow_decoder.h"
#include "agent/traffic/protocol/traffic_decoder.h"

namespace skimwatch::agent {

// From plain text to sightings, on the probes' thread.
class TlsProbing::Way final : public traffic::ByteFlowHandler {
 public:
  Way(const traffic::TrafficDecoderOptions& decoder, const Options& options,
      const card::BrandTable& brands, pipeline::FindingWriter& writer, traffic::Coverage& coverage)
      : scanner_(options.scanner, brands, writer),
        decoder_(decoder, options.sites, coverage, scanner_) {}

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

  pipeline::MessageScanner::Stats scanner_stats() const { return scanner_.stats(); }
  traffic::ByteFlowDecoder::Stats decoder_stats() const { return decoder_.stats(); }

 private:
  pipeline::MessageScanner scanner_;
  traffic::ByteFlowDecoder decoder_;
};

TlsProbing::TlsProbing(const config::v1::AgentConfig& config, const Options& options,
                       const card::BrandTable& brands, pipeline::FindingWriter& writer,
                       traffic::Coverage& coverage) {
  std::vector<traffic::ByteFlowHandler*> handlers;
  for (const config::v1::TlsProbe& wanted : config.sources().tls_probes()) {
    traffic::TrafficDecoderOptions decoder =
        traffic::TrafficDecoderOptions::FromConfig(config.limits(), 1);
    decoder.source = traffic::SourceKind::kTlsProbe;
    decoder.default_site = wanted.site();
    decoder.scan_inbound = wanted.scan_inbound();
    decoder.flow_ratio = config.sampling().flow_ratio();
    ways_.push_back(std::make_unique<Way>(decoder, options, brands, writer, coverage));
    handlers.push_back(ways_.back().get());
  }
  absl::StatusOr<std::unique_ptr<traffic::TlsProbes>> probes = traffic::TlsProbes::Open(
      traffic::TlsProbes::Options::FromConfig(config.sources().tls_probes(), config.limits()),
      coverage, std::move(handlers));
  if (probes.ok()) {
    probes_ = *std::move(probes);
  } else {
    error_ = probes.status();
  }
}

TlsProbing::~TlsProbing() { Stop(); }

void TlsProbing::Start() {
  if (probes_ != nullptr) probes_->Start();
}

void TlsProbing::Stop() {
  if (probes_ != nullptr) probes_->Stop();
}

void TlsProbing::AddTo(pipeline::AgentSnapshot& snapshot) const {
  pipeline::AgentSnapshot::TlsProbes shown{.up = error_.ok()};
  if (probes_ != nullptr) shown.probes = probes_->GetStats();
  pipeline::MessageScanner::Stats scan;
  for (const std::unique_ptr<Way>& way : ways_) {
    const traffic::ByteFlowDecoder::Stats decoder = way->decoder_stats();
    shown.decoder.flows_sampled_out += decoder.flows_sampled_out;
    shown.decoder.gaps += decoder.gaps;
    shown.decoder.requests += decoder.requests;
    shown.decoder.responses += decoder.responses;
    shown.decoder.http_errors += decoder.http_errors;
    shown.decoder.bodies_cut_as_bomb += decoder.bodies_cut_as_bomb;
    shown.decoder.tls_streams += decoder.tls_streams;
    shown.decoder.raw_streams += decoder.raw_streams;
    scan += way->scanner_stats();
  }
  snapshot.tls_probes = shown;
  snapshot.scans.push_back({.source = "tls_probe", .scanner = scan});
}

}  // namespace skimwatch::agent
