#include "agent/samples.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "spdlog/spdlog.h"

namespace skimwatch::agent {
namespace {

absl::Status Named(const char* field, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat("sources.", field, ": ", std::string(status.message())));
}

// Samples are of flows that whoever sent them chose, so that all of them are scanned.
template <typename Wanted>
traffic::TrafficDecoderOptions DecoderOptions(const config::v1::AgentConfig& config,
                                              const Wanted& wanted) {
  traffic::TrafficDecoderOptions decoder =
      traffic::TrafficDecoderOptions::FromConfig(config.limits(), 1);
  decoder.source = traffic::SourceKind::kSample;
  decoder.default_site = wanted.site();
  decoder.scan_inbound = wanted.scan_inbound();
  return decoder;
}

void Complete(const Samples::Options& options, const traffic::TrafficDecoderOptions& decoder,
              traffic::SampleScan::Options& scan) {
  scan.sites = options.sites;
  scan.flows_max = decoder.flows_max;
  scan.flow_idle = decoder.flow_idle;
}

}  // namespace

class Samples::Target final : public traffic::SampleTarget {
 public:
  Target(const traffic::TrafficDecoderOptions& decoder, const Options& options,
         const card::BrandTable& brands, pipeline::FindingWriter& writer,
         traffic::Coverage& coverage)
      : scan_(decoder, options, brands, writer, coverage) {}

  traffic::ByteFlowHandler& flows() override { return scan_; }
  traffic::MessageSink& messages() override { return scan_.messages(); }
  void Advance(absl::Time now) override { scan_.Advance(now); }

  const FlowScan& scan() const { return scan_; }

 private:
  FlowScan scan_;
};

Samples::~Samples() { Stop(); }

absl::StatusOr<std::unique_ptr<Samples>> Samples::Open(const config::v1::AgentConfig& config,
                                                       const Options& options,
                                                       const card::BrandTable& brands,
                                                       pipeline::FindingWriter& writer,
                                                       traffic::Coverage& coverage) {
  std::unique_ptr<Samples> samples(new Samples);
  for (const config::v1::SampleSocket& wanted : config.sources().sample_sockets()) {
    const traffic::TrafficDecoderOptions decoder = DecoderOptions(config, wanted);
    absl::StatusOr<traffic::SampleSocket::Options> socket_options =
        traffic::SampleSocket::Options::FromConfig(wanted);
    if (!socket_options.ok()) return Named("sample_sockets", socket_options.status());
    Complete(options, decoder, socket_options->scan);
    Socket socket{.path = wanted.path()};
    socket.target = std::make_unique<Target>(decoder, options, brands, writer, coverage);
    absl::StatusOr<std::unique_ptr<traffic::SampleSocket>> started =
        traffic::SampleSocket::Listen(*std::move(socket_options), coverage, *socket.target);
    if (!started.ok()) return Named("sample_sockets", started.status());
    socket.socket = *std::move(started);
    spdlog::info("sample_sockets: listening on {}", socket.path);
    samples->sockets_.push_back(std::move(socket));
  }
  int number = 0;
  for (const config::v1::SampleFolder& wanted : config.sources().sample_folders()) {
    const traffic::TrafficDecoderOptions decoder = DecoderOptions(config, wanted);
    traffic::SampleFolder::Options folder_options = traffic::SampleFolder::Options::FromConfig(
        wanted, absl::StrCat(config.state_directory(), "/sample-position-", ++number));
    Complete(options, decoder, folder_options.scan);
    folder_options.before_save = [&writer] { writer.Flush(); };
    Folder folder{.path = wanted.path()};
    folder.target = std::make_unique<Target>(decoder, options, brands, writer, coverage);
    absl::StatusOr<std::unique_ptr<traffic::SampleFolder>> opened =
        traffic::SampleFolder::Open(std::move(folder_options), coverage, *folder.target);
    if (!opened.ok()) return Named("sample_folders", opened.status());
    folder.folder = *std::move(opened);
    samples->folders_.push_back(std::move(folder));
  }
  return samples;
}

absl::Status Samples::Check(const config::v1::AgentConfig& config) {
  for (const config::v1::SampleSocket& socket : config.sources().sample_sockets()) {
    const auto options = traffic::SampleSocket::Options::FromConfig(socket);
    if (!options.ok()) return Named("sample_sockets", options.status());
  }
  for (const config::v1::SampleFolder& folder : config.sources().sample_folders()) {
    const absl::Status status = traffic::SampleFolder::Check(folder.path());
    if (!status.ok()) return Named("sample_folders", status);
  }
  return absl::OkStatus();
}

void Samples::Start() {
  for (Socket& socket : sockets_) socket.socket->Start();
  for (Folder& folder : folders_) folder.folder->Start();
}

void Samples::Stop() {
  for (Socket& socket : sockets_) socket.socket->Stop();
  for (Folder& folder : folders_) folder.folder->Stop();
}

void Samples::AddTo(pipeline::AgentSnapshot& snapshot) const {
  const auto add = [&](const char* source, const std::string& path,
                       const traffic::SampleScan::Stats& scan, const Target& target) {
    const traffic::ByteFlowDecoder::Stats decoder = target.scan().decoder_stats();
    snapshot.samples.push_back(
        {.source = source, .path = path, .scan = scan, .http_errors = decoder.http_errors});
    snapshot.AddScan(source, target.scan().scanner_stats());
  };
  for (const Socket& socket : sockets_) {
    const traffic::SampleSocket::Stats stats = socket.socket->GetStats();
    add("sample_sockets", socket.path, stats.scan, *socket.target);
    snapshot.samples.back().socket = stats;
  }
  for (const Folder& folder : folders_) {
    const traffic::SampleFolder::Stats stats = folder.folder->GetStats();
    add("sample_folders", folder.path, stats.scan, *folder.target);
    snapshot.samples.back().folder = stats;
  }
}

}  // namespace skimwatch::agent
