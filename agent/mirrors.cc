#include "agent/mirrors.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/traffic/protocol/byte_flow_decoder.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "spdlog/spdlog.h"

namespace skimwatch::agent {

// From copied bytes to sightings, on the server's second thread.
class Mirrors::Way final : public traffic::ByteFlowHandler {
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

Mirrors::~Mirrors() { Stop(); }

absl::StatusOr<std::unique_ptr<Mirrors>> Mirrors::Start(const config::v1::AgentConfig& config,
                                                        const Options& options,
                                                        const card::BrandTable& brands,
                                                        pipeline::FindingWriter& writer,
                                                        traffic::Coverage& coverage) {
  std::unique_ptr<Mirrors> mirrors(new Mirrors);
  const auto start = [&](absl::string_view field, const auto& wanted) -> absl::Status {
    traffic::TrafficDecoderOptions decoder =
        traffic::TrafficDecoderOptions::FromConfig(config.limits(), 1);
    decoder.source = traffic::SourceKind::kMirror;
    decoder.default_site = wanted.site();
    decoder.scan_inbound = wanted.scan_inbound();
    auto way = std::make_unique<Way>(decoder, options, brands, writer, coverage);
    Mirror mirror{.source = std::string(field), .listen = wanted.listen(), .way = way.get()};
    absl::StatusOr<std::unique_ptr<traffic::CopyServer>> server = traffic::CopyServer::Start(
        traffic::CopyServer::Options::FromConfig(wanted), coverage, std::move(way));
    if (!server.ok()) {
      return absl::Status(server.status().code(),
                          absl::StrCat("sources.", field, ": ", server.status().message()));
    }
    mirror.server = *std::move(server);
    spdlog::info("{}: listening on {}", mirror.source, mirror.listen);
    mirrors->mirrors_.push_back(std::move(mirror));
    return absl::OkStatus();
  };
  for (const config::v1::HttpMirror& wanted : config.sources().http_mirrors()) {
    if (absl::Status s = start("http_mirrors", wanted); !s.ok()) return s;
  }
  for (const config::v1::IcapServer& wanted : config.sources().icap_servers()) {
    if (absl::Status s = start("icap_servers", wanted); !s.ok()) return s;
  }
  return mirrors;
}

namespace {

// One series a source, however many servers there are.
void AddScan(const std::string& source, const pipeline::MessageScanner::Stats& stats,
             pipeline::AgentSnapshot& snapshot) {
  for (pipeline::AgentSnapshot::Scan& scan : snapshot.scans) {
    if (scan.source != source) continue;
    scan.scanner += stats;
    return;
  }
  snapshot.scans.push_back({.source = source, .scanner = stats});
}

}  // namespace

void Mirrors::Stop() {
  for (Mirror& mirror : mirrors_) mirror.server->Stop();
}

void Mirrors::AddTo(pipeline::AgentSnapshot& snapshot) const {
  for (const Mirror& mirror : mirrors_) {
    snapshot.mirrors.push_back({.source = mirror.source,
                                .listen = mirror.listen,
                                .server = mirror.server->GetStats(),
                                .decoder = mirror.way->decoder_stats()});
    AddScan(mirror.source, mirror.way->scanner_stats(), snapshot);
  }
}

}  // namespace skimwatch::agent
