#include "agent/mirrors.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "spdlog/spdlog.h"

namespace skimwatch::agent {

Mirrors::~Mirrors() { Stop(); }

absl::StatusOr<std::unique_ptr<Mirrors>> Mirrors::Listen(const config::v1::AgentConfig& config,
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
    decoder.sampler = options.sampler;
    decoder.sampled_last = true;
    auto scan = std::make_unique<FlowScan>(decoder, options, brands, writer, coverage);
    Mirror mirror{.source = std::string(field), .listen = wanted.listen(), .scan = scan.get()};
    absl::StatusOr<std::unique_ptr<traffic::CopyServer>> server = traffic::CopyServer::Listen(
        traffic::CopyServer::Options::FromConfig(wanted), coverage, std::move(scan));
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

void Mirrors::Start() {
  for (Mirror& mirror : mirrors_) mirror.server->Start();
}

void Mirrors::Stop() {
  for (Mirror& mirror : mirrors_) mirror.server->Stop();
}

void Mirrors::AddTo(pipeline::AgentSnapshot& snapshot) const {
  for (const Mirror& mirror : mirrors_) {
    snapshot.mirrors.push_back({.source = mirror.source,
                                .listen = mirror.listen,
                                .server = mirror.server->GetStats(),
                                .decoder = mirror.scan->decoder_stats()});
    snapshot.AddScan(mirror.source, mirror.scan->scanner_stats());
  }
}

}  // namespace skimwatch::agent
