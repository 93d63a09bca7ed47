#include "agent/tls_probing.h"

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/protocol/traffic_decoder.h"

namespace skimwatch::agent {

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
    decoder.sampler = options.sampler;
    scans_.push_back(std::make_unique<FlowScan>(decoder, options, brands, writer, coverage));
    handlers.push_back(scans_.back().get());
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
  for (const std::unique_ptr<FlowScan>& flow_scan : scans_) {
    const traffic::ByteFlowDecoder::Stats decoder = flow_scan->decoder_stats();
    shown.decoder.flows_sampled_out += decoder.flows_sampled_out;
    shown.decoder.gaps += decoder.gaps;
    shown.decoder.requests += decoder.requests;
    shown.decoder.responses += decoder.responses;
    shown.decoder.http_errors += decoder.http_errors;
    shown.decoder.bodies_cut_as_bomb += decoder.bodies_cut_as_bomb;
    shown.decoder.tls_streams += decoder.tls_streams;
    shown.decoder.raw_streams += decoder.raw_streams;
    scan += flow_scan->scanner_stats();
  }
  snapshot.tls_probes = shown;
  snapshot.scans.push_back({.source = "tls_probe", .scanner = scan});
}

}  // namespace skimwatch::agent
