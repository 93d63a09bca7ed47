#include "agent/agent.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/browser_reporting.h"
#include "agent/budget_keeper.h"
#include "agent/card/brand_file.h"
#include "agent/card/brand_table.h"
#include "agent/card/mask.h"
#include "agent/card/scanner.h"
#include "agent/journals.h"
#include "agent/mirrors.h"
#include "agent/page_checking.h"
#include "agent/pipeline/agent_metrics.h"
#include "agent/pipeline/canary_list.h"
#include "agent/pipeline/destination_reporter.h"
#include "agent/pipeline/drop_estimate.h"
#include "agent/pipeline/expected_flows.h"
#include "agent/pipeline/finding_builder.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/pipeline/message_scanner.h"
#include "agent/pipeline/process_usage.h"
#include "agent/pipeline/sampling_key.h"
#include "agent/pipeline/script_reporter.h"
#include "agent/rights.h"
#include "agent/samples.h"
#include "agent/script/script_monitor.h"
#include "agent/serving/socket_server.h"
#include "agent/tls_probing.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/destination/destination_monitor.h"
#include "agent/traffic/destination/destination_watch.h"
#include "agent/traffic/flow_sampler.h"
#include "agent/traffic/local_addresses.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/site_map.h"
#include "agent/traffic/source/journal_source.h"
#include "agent/traffic/source/log_tail.h"
#include "agent/traffic/source/packet_capture.h"
#include "agent/traffic/source/tls_uprobe/tls_probes.h"
#include "agent/uplink/transport.h"
#include "agent/uplink/uplink.h"
#include "proto/admin/admin_server.h"
#include "proto/tls/certificate_files.h"
#include "spdlog/spdlog.h"

namespace skimwatch::agent {
namespace {

using pipeline::AgentSnapshot;
using pipeline::FindingWriter;
using pipeline::MessageScanner;

// One thread's way from packets to sightings.
class CaptureThread final : public traffic::PacketHandler {
 public:
  CaptureThread(const traffic::TrafficDecoderOptions& decoder,
                std::shared_ptr<const traffic::SiteMap> sites,
                const MessageScanner::Options& scanner, traffic::Coverage& coverage,
                const card::BrandTable& brands, FindingWriter& writer,
                traffic::DestinationMonitor* destinations)
      : scanner_(scanner, brands, writer),
        watch_(destinations, scanner_),
        decoder_(decoder, std::move(sites), coverage, watch_, destinations) {}

  void OnPacket(const traffic::PacketView& packet) override {
    scanner_.Advance(packet.time);
    decoder_.OnPacket(packet);
  }
  void OnIdle(absl::Time now) override {
    decoder_.OnIdle(now);
    scanner_.Advance(now);
  }
  void Flush() override { decoder_.Flush(); }

  const MessageScanner& scanner() const { return scanner_; }
  traffic::TrafficDecoder::Stats decoder_stats() const { return decoder_.stats(); }

 private:
  MessageScanner scanner_;
  traffic::DestinationWatch watch_;
  traffic::TrafficDecoder decoder_;
};

// What PacketCapture owns; the CaptureThread lives on, since its figures are asked for.
class SharedHandler final : public traffic::PacketHandler {
 public:
  explicit SharedHandler(std::shared_ptr<CaptureThread> target) : target_(std::move(target)) {}
  void OnPacket(const traffic::PacketView& packet) override { target_->OnPacket(packet); }
  void OnIdle(absl::Time now) override { target_->OnIdle(now); }
  void Flush() override { target_->Flush(); }

 private:
  const std::shared_ptr<CaptureThread> target_;
};

struct Capture {
  std::string interface;
  // Null when it could not be opened; `error` says why.
  std::unique_ptr<traffic::PacketCapture> capture;
  absl::Status error;
  std::vector<std::shared_ptr<CaptureThread>> threads;
  // Both the heartbeat and the metrics tell it.
  std::unique_ptr<pipeline::DropEstimate> drops = std::make_unique<pipeline::DropEstimate>();
};

struct Logs {
  std::string paths;
  std::unique_ptr<MessageScanner> scanner;
  std::unique_ptr<traffic::LogTail> tail;
};

void AddDecoderStats(const traffic::TrafficDecoder::Stats& one,
                     traffic::TrafficDecoder::Stats& sum) {
  sum.packets += one.packets;
  sum.packet_bytes += one.packet_bytes;
  sum.packets_undecodable += one.packets_undecodable;
  sum.flows += one.flows;
  sum.flows_active += one.flows_active;
  sum.flows_sampled_out += one.flows_sampled_out;
  sum.flows_evicted += one.flows_evicted;
  sum.gaps += one.gaps;
  sum.gap_bytes += one.gap_bytes;
  sum.late_bytes += one.late_bytes;
  sum.retransmitted_bytes += one.retransmitted_bytes;
  sum.conflicting_bytes += one.conflicting_bytes;
  sum.reassembly_bytes += one.reassembly_bytes;
  sum.requests += one.requests;
  sum.responses += one.responses;
  sum.http_errors += one.http_errors;
  sum.bodies_truncated += one.bodies_truncated;
  sum.bodies_cut_as_bomb += one.bodies_cut_as_bomb;
  sum.bodies_undecodable += one.bodies_undecodable;
  sum.tls_streams += one.tls_streams;
  sum.raw_streams += one.raw_streams;
  sum.datagrams += one.datagrams;
  sum.datagram_bytes += one.datagram_bytes;
  sum.datagram_flows_active += one.datagram_flows_active;
  for (size_t i = 0; i < sum.protocols.size(); ++i) {
    sum.protocols[i].streams += one.protocols[i].streams;
    sum.protocols[i].messages += one.protocols[i].messages;
    sum.protocols[i].errors += one.protocols[i].errors;
  }
}

traffic::TrafficDecoder::Stats DecoderStats(const Capture& capture) {
  traffic::TrafficDecoder::Stats sum;
  for (const std::shared_ptr<CaptureThread>& thread : capture.threads) {
    AddDecoderStats(thread->decoder_stats(), sum);
  }
  return sum;
}

uint64_t DroppedBytes(const Capture& capture, const traffic::PacketCapture::Stats& stats,
                      const traffic::TrafficDecoder::Stats& decoder) {
  return capture.drops->Update({.dropped_packets = stats.kernel_drops,
                                .seen_packets = decoder.packets,
                                .seen_bytes = decoder.packet_bytes,
                                .gap_bytes = decoder.gap_bytes,
                                .late_bytes = decoder.late_bytes});
}

// The state directory holds the fingerprint keys, so nobody else may look into it. NOT_FOUND where
// there is none.
absl::Status CheckPrivateDirectory(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) {
    return absl::NotFoundError(absl::StrCat("state_directory: there is no ", path));
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("state_directory: ", path, " is no folder; name another"));
  }
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("state_directory: others may look into ",
                                                      path, ", which holds keys; chmod 700 it"));
  }
  if (access(path.c_str(), R_OK | W_OK | X_OK) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat("state_directory: this user may not write into ", path));
  }
  return absl::OkStatus();
}

absl::Status MakePrivateDirectory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (mkdir(path.c_str(), 0700) == 0) return absl::OkStatus();
  if (errno != EEXIST) {
    return absl::FailedPreconditionError(
        absl::StrCat("state_directory: can't make the folder ", path,
                     "; make it, with mode 0700 and this user as its owner"));
  }
  return CheckPrivateDirectory(path);
}

// Whether MakePrivateDirectory could make it: where nothing can be made, as in /proc, only trying
// tells.
absl::Status CheckCanBeMade(const std::string& path) {
  std::error_code error;
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  while (folder.has_relative_path() && !std::filesystem::exists(folder, error)) {
    folder = folder.parent_path();
  }
  std::string trial = (folder / ".skimwatch-XXXXXX").string();
  if (mkdtemp(trial.data()) != nullptr) {
    rmdir(trial.c_str());
    return absl::OkStatus();
  }
  const std::string why = std::generic_category().message(errno);
  return absl::FailedPreconditionError(absl::StrCat("state_directory: can't make the folder ", path,
                                                    ", since nothing can be made in ",
                                                    folder.string(), ": ", why));
}

// What listens in the clear is to be reached by others only where that is said.
template <typename Listener>
absl::Status CheckListener(std::string_view field, std::string_view what,
                           const Listener& listener) {
  const absl::Status status =
      serving::SocketServer::CheckListen(listener.listen(), listener.allow_remote(), what);
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("sources.", std::string(field), ": ",
                                                  std::string(status.message())));
}

absl::Status CheckListeners(const config::v1::Sources& sources) {
  for (const config::v1::HttpMirror& mirror : sources.http_mirrors()) {
    if (absl::Status s = CheckListener("http_mirrors", "copies", mirror); !s.ok()) return s;
  }
  for (const config::v1::IcapServer& server : sources.icap_servers()) {
    if (absl::Status s = CheckListener("icap_servers", "copies", server); !s.ok()) return s;
  }
  for (const config::v1::BrowserReports& reports : sources.browser_reports()) {
    if (absl::Status s = CheckListener("browser_reports", "reports", reports); !s.ok()) return s;
  }
  return absl::OkStatus();
}

bool HasIntake(const config::v1::Sources& sources) {
  return !sources.journals().empty() || !sources.sample_sockets().empty() ||
         !sources.sample_folders().empty();
}

absl::StatusOr<std::shared_ptr<const card::BrandTable>> ReadBrands(
    const config::v1::AgentConfig& config) {
  absl::StatusOr<std::shared_ptr<const card::BrandTable>> brands =
      card::LoadBrandTable(config.scan().brand_table().empty() ? std::string(card::kBuiltInBrands)
                                                               : config.scan().brand_table());
  if (!brands.ok()) {
    return absl::Status(brands.status().code(),
                        absl::StrCat("scan.brand_table: ", brands.status().message()));
  }
  return brands;
}

class AgentImpl final : public Agent {
 public:
  explicit AgentImpl(Options options) : options_(std::move(options)) {}
  ~AgentImpl() override { Stop(absl::ZeroDuration()); }

  absl::Status Begin();

  int metrics_port() const override { return admin_ == nullptr ? 0 : admin_->port(); }
  absl::Status Ready() const override;
  void Stop(absl::Duration timeout) override;

 private:
  const config::v1::AgentConfig& config() const { return options_.config; }

  absl::Status LoadBrands();
  absl::Status OpenDestinations();
  absl::Status OpenSampler();
  absl::Status OpenUplink();
  absl::Status OpenCaptures();
  absl::Status OpenTlsProbes();
  absl::Status OpenLogs();
  absl::Status OpenWebRoots();
  absl::Status OpenMirrors();
  absl::Status OpenSamples();
  absl::Status OpenJournals();
  absl::Status OpenBrowserReports();
  absl::Status OpenCanaries();
  absl::Status OpenPages();
  absl::Status OpenMetrics();
  absl::Status DropRights() const;
  // Of the configuration and, where it came, of the policy.
  void SetClasses(const v1::Policy* policy);
  void StartSources();
  void TakePolicy(const v1::Policy& policy);
  v1::Heartbeat Heartbeat() const;
  AgentSnapshot Snapshot() const;
  MessageScanner::Options ScannerOptions() const;
  script::ScriptJudge::Options JudgeOptions() const {
    return {.parse_bytes_max = config().judge().parse_bytes_max(),
            .parse_time_max = absl::Seconds(config().judge().parse_seconds_max()),
            .yara_folder = config().judge().yara_folder()};
  }
  card::ScanOptions ScanOptions() const {
    // What the configuration does not want is counted by the FindingWriter.
    return {.decode_depth = static_cast<int>(config().scan().decode_depth()),
            .min_confidence = card::Confidence::kLow};
  }

  const Options options_;
  std::shared_ptr<const card::BrandTable> brands_;
  traffic::Coverage coverage_;
  std::shared_ptr<traffic::FlowSampler> sampler_;
  std::unique_ptr<BudgetKeeper> budget_;
  // Declared in the order of the flow, so that what takes outlives what gives.
  std::unique_ptr<uplink::Uplink> uplink_;
  // Null where no page is looked at.
  std::unique_ptr<pipeline::CanaryList> canaries_;
  std::unique_ptr<FindingWriter> writer_;
  std::unique_ptr<pipeline::DestinationReporter> destination_reporter_;
  // Null when it is off.
  std::unique_ptr<traffic::DestinationMonitor> destinations_;
  std::unique_ptr<pipeline::ScriptReporter> script_reporter_;
  std::unique_ptr<script::ScriptMonitor> web_roots_;
  std::vector<Logs> logs_;
  std::vector<Capture> captures_;
  std::unique_ptr<TlsProbing> tls_;
  std::unique_ptr<Mirrors> mirrors_;
  std::unique_ptr<Samples> samples_;
  std::unique_ptr<Journals> journals_;
  std::unique_ptr<BrowserReporting> browser_reports_;
  std::unique_ptr<PageChecking> pages_;
  std::unique_ptr<admin::AdminServer> admin_;
  // By the last heartbeat.
  mutable std::atomic<uint64_t> dropped_before_{0};

  // A policy can come before the web roots, the report endpoints and the pages are open.
  absl::Mutex policy_mutex_;
  std::optional<v1::Policy> policy_ ABSL_GUARDED_BY(policy_mutex_);
  bool web_roots_open_ ABSL_GUARDED_BY(policy_mutex_) = false;
  bool browser_reports_open_ ABSL_GUARDED_BY(policy_mutex_) = false;
  bool pages_open_ ABSL_GUARDED_BY(policy_mutex_) = false;

  absl::Mutex stop_mutex_;
  bool stopped_ ABSL_GUARDED_BY(stop_mutex_) = false;
};

MessageScanner::Options AgentImpl::ScannerOptions() const {
  MessageScanner::Options options;
  options.scan = ScanOptions();
  return options;
}

absl::Status AgentImpl::Begin() {
  if (absl::Status s = MakePrivateDirectory(config().state_directory()); !s.ok()) return s;
  if (absl::Status s = LoadBrands(); !s.ok()) return s;
  if (absl::Status s = OpenSampler(); !s.ok()) return s;
  absl::StatusOr<pipeline::ExpectedFlows> flows =
      pipeline::ExpectedFlows::Create(config().expected_flows());
  if (!flows.ok()) return flows.status();
  if (absl::Status s = OpenCanaries(); !s.ok()) return s;
  writer_ = std::make_unique<FindingWriter>(FindingWriter::Options{
      .mask = card::MaskStyleOf(config().scan().mask()).value_or(card::MaskStyle::kFirst6Last4),
      .min_confidence = pipeline::ConfidenceOf(config().scan().min_confidence()),
      .report_test_cards = config().scan().report_test_cards(),
      .fingerprint = config().scan().fingerprint(),
      .fold_window = absl::Seconds(config().scan().fold_window_seconds()),
      .expected_flows = *std::move(flows),
      .is_unapproved =
          [this](const pipeline::SightingOrigin& origin) {
            const v1::Provenance& provenance = origin.provenance;
            const v1::Process& process = provenance.process();
            return destinations_ != nullptr &&
                   destinations_->IsUnapproved(
                       origin.site, provenance.host(), provenance.server().address(),
                       process.executable().empty() ? process.command() : process.executable());
          },
      .find_canary =
          [this](absl::Span<const uint8_t> digits) {
            return canaries_ == nullptr ? std::nullopt : canaries_->Find(digits);
          },
      .append =
          [this](std::vector<v1::Finding> findings) {
            return uplink_->Append(std::move(findings));
          }});
  if (absl::Status s = OpenDestinations(); !s.ok()) return s;
  if (absl::Status s = OpenUplink(); !s.ok()) return s;
  if (absl::Status s = OpenCaptures(); !s.ok()) return s;
  if (absl::Status s = OpenTlsProbes(); !s.ok()) return s;
  if (absl::Status s = OpenLogs(); !s.ok()) return s;
  if (absl::Status s = OpenWebRoots(); !s.ok()) return s;
  if (absl::Status s = OpenMirrors(); !s.ok()) return s;
  if (absl::Status s = OpenSamples(); !s.ok()) return s;
  if (absl::Status s = OpenJournals(); !s.ok()) return s;
  if (absl::Status s = OpenBrowserReports(); !s.ok()) return s;
  if (absl::Status s = OpenPages(); !s.ok()) return s;
  if (absl::Status s = OpenMetrics(); !s.ok()) return s;
  if (absl::Status s = DropRights(); !s.ok()) return s;
  StartSources();
  return absl::OkStatus();
}

absl::Status AgentImpl::LoadBrands() {
  absl::StatusOr<std::shared_ptr<const card::BrandTable>> brands = ReadBrands(config());
  if (!brands.ok()) return brands.status();
  brands_ = *std::move(brands);
  spdlog::info("brand table {}", card::DescribeBrandTable(config().scan().brand_table(), *brands_));
  if (brands_.get() != &card::BrandTable::Default()) {
    // Shown texts are made until the process ends, so the table stays until then.
    (void)new std::shared_ptr<const card::BrandTable>(brands_);
    card::SetRedactionBrands(*brands_);
  }
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenDestinations() {
  if (config().destinations().mode() == "off") return absl::OkStatus();
  destination_reporter_ = std::make_unique<pipeline::DestinationReporter>(*writer_);
  traffic::DestinationMonitor::Options options;
  options.config = config().destinations();
  for (const config::v1::Site& site : config().sites()) options.sites.push_back(site.name());
  options.state_file = absl::StrCat(config().state_directory(), "/destinations");
  absl::StatusOr<std::unique_ptr<traffic::DestinationMonitor>> monitor =
      traffic::DestinationMonitor::Open(std::move(options), *destination_reporter_);
  if (!monitor.ok()) return monitor.status();
  destinations_ = *std::move(monitor);
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenUplink() {
  uplink::Uplink::Options options;
  options.collector = config().collector();
  options.spool = config().spool();
  options.state_directory = config().state_directory();
  options.version = options_.version;
  for (const config::v1::Site& site : config().sites()) options.sites.push_back(site.name());
  if (!config().sources().packet_captures().empty()) {
    options.capabilities.push_back("packet_capture");
  }
  if (!config().sources().log_files().empty()) options.capabilities.push_back("log_file");
  if (!config().sources().web_roots().empty()) options.capabilities.push_back("web_root");
  if (!config().sources().journals().empty()) options.capabilities.push_back("journal");
  if (!config().sources().sample_sockets().empty()) {
    options.capabilities.push_back("sample_socket");
  }
  if (!config().sources().sample_folders().empty()) {
    options.capabilities.push_back("sample_folder");
  }
  if (!config().sources().http_mirrors().empty()) options.capabilities.push_back("http_mirror");
  if (!config().sources().icap_servers().empty()) options.capabilities.push_back("icap");
  if (!config().sources().tls_probes().empty()) options.capabilities.push_back("tls_probe");
  if (!config().sources().browser_reports().empty()) {
    options.capabilities.push_back("browser_report");
  }
  if (!config().pages().checks().empty()) options.capabilities.push_back("page");
  options.heartbeat = [this] { return Heartbeat(); };
  options.on_policy = [this](const v1::Policy& policy) { TakePolicy(policy); };
  absl::StatusOr<std::unique_ptr<uplink::Uplink>> uplink = uplink::Uplink::Open(std::move(options));
  if (!uplink.ok()) return uplink.status();
  uplink_ = *std::move(uplink);
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenSampler() {
  absl::StatusOr<traffic::SipKey> key = pipeline::LoadSamplingKey(config().state_directory());
  if (!key.ok()) return key.status();
  sampler_ = std::make_shared<traffic::FlowSampler>(*key);
  SetClasses(nullptr);
  budget_ = std::make_unique<BudgetKeeper>(config(), sampler_, [this] {
    uint64_t dropped = 0;
    for (const Capture& capture : captures_) {
      if (capture.capture != nullptr) dropped += capture.capture->GetStats().kernel_drops;
    }
    return dropped;
  });
  return absl::OkStatus();
}

void AgentImpl::SetClasses(const v1::Policy* policy) {
  std::vector<const traffic::SamplingClasses::ExpectedFlows*> expected = {
      &config().expected_flows()};
  if (policy != nullptr) expected.push_back(&policy->expected_flows());
  sampler_->SetClasses(traffic::SamplingClasses::Create(config().sampling(), expected));
}

absl::Status AgentImpl::DropRights() const {
  if (!options_.drop_rights) return absl::OkStatus();
  if (absl::Status s = KeepCapabilities(LastingCapabilities(config())); !s.ok()) return s;
  // What is read again while the agent runs must be readable without them.
  const config::v1::Tls& tls = config().collector().tls();
  return tls.plaintext() ? absl::OkStatus() : tls::CheckCertificateFiles(tls, absl::Now());
}

void AgentImpl::TakePolicy(const v1::Policy& policy) {
  SetClasses(&policy);
  writer_->SetPolicy(policy);
  if (destinations_ != nullptr) destinations_->SetPolicy(policy);
  absl::MutexLock lock(&policy_mutex_);
  policy_ = policy;
  if (web_roots_open_) web_roots_->SetPolicy(policy);
  if (browser_reports_open_) browser_reports_->SetPolicy(policy);
  if (pages_open_) pages_->SetPolicy(policy);
}

absl::Status AgentImpl::OpenCaptures() {
  const config::v1::Sources& sources = config().sources();
  if (sources.packet_captures().empty()) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<const traffic::SiteMap>> sites =
      traffic::SiteMap::Create(config().sites(), std::make_shared<traffic::LocalAddresses>());
  if (!sites.ok()) return sites.status();
  uint32_t threads = 0;
  for (const config::v1::PacketCapture& capture : sources.packet_captures()) {
    threads += capture.threads();
  }
  bool any = !sources.log_files().empty() || !sources.web_roots().empty() ||
             !sources.http_mirrors().empty() || !sources.icap_servers().empty() ||
             !sources.tls_probes().empty() || HasIntake(sources) ||
             !sources.browser_reports().empty() || !config().pages().checks().empty();
  for (const config::v1::PacketCapture& wanted : sources.packet_captures()) {
    Capture capture{.interface = wanted.interface()};
    traffic::TrafficDecoderOptions decoder =
        traffic::TrafficDecoderOptions::FromConfig(wanted, config().limits(), threads);
    decoder.sampler = sampler_;
    absl::StatusOr<std::unique_ptr<traffic::PacketCapture>> opened = traffic::PacketCapture::Open(
        traffic::PacketCapture::Options::FromConfig(wanted), [&](uint32_t) {
          capture.threads.push_back(
              std::make_shared<CaptureThread>(decoder, *sites, ScannerOptions(), coverage_,
                                              *brands_, *writer_, destinations_.get()));
          return std::make_unique<SharedHandler>(capture.threads.back());
        });
    if (opened.ok()) {
      capture.capture = *std::move(opened);
      any = true;
    } else if (absl::IsPermissionDenied(opened.status())) {
      spdlog::error("{}; going on without it", opened.status().ToString());
      capture.error = opened.status();
      capture.threads.clear();
    } else {
      return opened.status();
    }
    captures_.push_back(std::move(capture));
  }
  return any ? absl::OkStatus() : captures_.front().error;
}

absl::Status AgentImpl::OpenTlsProbes() {
  const config::v1::Sources& sources = config().sources();
  if (sources.tls_probes().empty()) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<const traffic::SiteMap>> sites =
      traffic::SiteMap::Create(config().sites(), std::make_shared<traffic::LocalAddresses>());
  if (!sites.ok()) return sites.status();
  tls_ = std::make_unique<TlsProbing>(config(),
                                      TlsProbing::Options{.scanner = ScannerOptions(),
                                                          .sites = *std::move(sites),
                                                          .sampler = sampler_,
                                                          .destinations = destinations_.get()},
                                      *brands_, *writer_, coverage_);
  if (tls_->error().ok()) return absl::OkStatus();
  const bool has_others = !sources.log_files().empty() || !sources.web_roots().empty() ||
                          !sources.http_mirrors().empty() || !sources.icap_servers().empty() ||
                          HasIntake(sources) || !sources.browser_reports().empty() ||
                          !config().pages().checks().empty() ||
                          std::any_of(captures_.begin(), captures_.end(),
                                      [](const Capture& c) { return c.capture != nullptr; });
  if (!has_others) return tls_->error();
  spdlog::error("{}; going on without it", tls_->error().ToString());
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenLogs() {
  int number = 0;
  for (const config::v1::LogFiles& wanted : config().sources().log_files()) {
    Logs logs{.paths = absl::StrJoin(wanted.paths(), " ")};
    logs.scanner = std::make_unique<MessageScanner>(ScannerOptions(), *brands_, *writer_);
    traffic::LogTail::Options options = traffic::LogTail::Options::FromConfig(
        wanted, absl::StrCat(config().state_directory(), "/log-positions-", ++number));
    options.before_save = [this] { writer_->Flush(); };
    absl::StatusOr<std::unique_ptr<traffic::LogTail>> tail =
        traffic::LogTail::Open(std::move(options), coverage_, *logs.scanner);
    if (!tail.ok()) return tail.status();
    logs.tail = *std::move(tail);
    logs_.push_back(std::move(logs));
  }
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenWebRoots() {
  if (config().sources().web_roots().empty()) return absl::OkStatus();
  script_reporter_ = std::make_unique<pipeline::ScriptReporter>(ScanOptions(), *brands_, *writer_);
  script::ScriptMonitor::Options options;
  options.roots.assign(config().sources().web_roots().begin(),
                       config().sources().web_roots().end());
  options.state_directory = absl::StrCat(config().state_directory(), "/scripts");
  options.judge = JudgeOptions();
  if (absl::Status s = MakePrivateDirectory(options.state_directory); !s.ok()) return s;
  absl::StatusOr<std::unique_ptr<script::ScriptMonitor>> monitor =
      script::ScriptMonitor::Open(std::move(options), *script_reporter_);
  if (!monitor.ok()) return monitor.status();
  absl::MutexLock lock(&policy_mutex_);
  web_roots_ = *std::move(monitor);
  web_roots_open_ = true;
  if (policy_.has_value()) web_roots_->SetPolicy(*policy_);
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenMirrors() {
  const config::v1::Sources& sources = config().sources();
  if (sources.http_mirrors().empty() && sources.icap_servers().empty()) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<const traffic::SiteMap>> sites =
      traffic::SiteMap::Create(config().sites(), std::make_shared<traffic::LocalAddresses>());
  if (!sites.ok()) return sites.status();
  absl::StatusOr<std::unique_ptr<Mirrors>> mirrors =
      Mirrors::Listen(config(),
                      {.scanner = ScannerOptions(),
                       .sites = *std::move(sites),
                       .sampler = sampler_,
                       .destinations = destinations_.get()},
                      *brands_, *writer_, coverage_);
  if (!mirrors.ok()) return mirrors.status();
  mirrors_ = *std::move(mirrors);
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenSamples() {
  const config::v1::Sources& sources = config().sources();
  if (sources.sample_sockets().empty() && sources.sample_folders().empty()) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<const traffic::SiteMap>> sites =
      traffic::SiteMap::Create(config().sites(), std::make_shared<traffic::LocalAddresses>());
  if (!sites.ok()) return sites.status();
  absl::StatusOr<std::unique_ptr<Samples>> samples =
      Samples::Open(config(),
                    {.scanner = ScannerOptions(),
                     .sites = *std::move(sites),
                     .destinations = destinations_.get()},
                    *brands_, *writer_, coverage_);
  if (!samples.ok()) return samples.status();
  samples_ = *std::move(samples);
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenJournals() {
  if (config().sources().journals().empty()) return absl::OkStatus();
  journals_ = std::make_unique<Journals>(config(), ScannerOptions(), *brands_, *writer_, coverage_);
  const absl::Status error = journals_->error();
  if (error.ok()) return absl::OkStatus();
  const bool has_others =
      journals_->any() || !logs_.empty() || web_roots_ != nullptr || mirrors_ != nullptr ||
      samples_ != nullptr || !config().sources().browser_reports().empty() ||
      !config().pages().checks().empty() || (tls_ != nullptr && tls_->error().ok()) ||
      std::any_of(captures_.begin(), captures_.end(),
                  [](const Capture& c) { return c.capture != nullptr; });
  if (!has_others) return error;
  spdlog::error("{}; going on without it", error.ToString());
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenBrowserReports() {
  if (config().sources().browser_reports().empty()) return absl::OkStatus();
  BrowserReporting::Options options{
      .scan = ScanOptions(),
      .state_directory = absl::StrCat(config().state_directory(), "/browser-reports")};
  if (absl::Status s = MakePrivateDirectory(options.state_directory); !s.ok()) return s;
  absl::StatusOr<std::shared_ptr<const traffic::SiteMap>> sites =
      traffic::SiteMap::Create(config().sites(), nullptr);
  if (!sites.ok()) return sites.status();
  options.sites = *std::move(sites);
  absl::StatusOr<std::unique_ptr<BrowserReporting>> reporting =
      BrowserReporting::Listen(config(), options, *brands_, *writer_);
  if (!reporting.ok()) return reporting.status();
  absl::MutexLock lock(&policy_mutex_);
  browser_reports_ = *std::move(reporting);
  browser_reports_open_ = true;
  if (policy_.has_value()) browser_reports_->SetPolicy(*policy_);
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenCanaries() {
  if (config().pages().checks().empty()) return absl::OkStatus();
  const std::string folder = absl::StrCat(config().state_directory(), "/pages");
  if (absl::Status s = MakePrivateDirectory(folder); !s.ok()) return s;
  absl::StatusOr<std::unique_ptr<pipeline::CanaryList>> canaries =
      pipeline::CanaryList::Open(absl::StrCat(folder, "/canaries"));
  if (!canaries.ok()) return canaries.status();
  canaries_ = *std::move(canaries);
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenPages() {
  if (config().pages().checks().empty()) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<const traffic::SiteMap>> sites =
      traffic::SiteMap::Create(config().sites(), nullptr);
  if (!sites.ok()) return sites.status();
  PageChecking::Options options;
  options.scan = ScanOptions();
  options.sites = *std::move(sites);
  options.state_directory = absl::StrCat(config().state_directory(), "/pages");
  options.judge = JudgeOptions();
  absl::StatusOr<std::unique_ptr<PageChecking>> pages =
      PageChecking::Open(config(), options, *brands_, *writer_, *canaries_);
  if (!pages.ok()) return pages.status();
  absl::MutexLock lock(&policy_mutex_);
  pages_ = *std::move(pages);
  pages_open_ = true;
  if (policy_.has_value()) pages_->SetPolicy(*policy_);
  return absl::OkStatus();
}

absl::Status AgentImpl::OpenMetrics() {
  if (config().metrics().listen() == "off") return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<admin::AdminServer>> admin = admin::AdminServer::Start(
      {.listen = config().metrics().listen(),
       .collectables = {std::make_shared<pipeline::AgentMetrics>([this] { return Snapshot(); })},
       .ready = [this] { return Ready(); }});
  if (!admin.ok()) return admin.status();
  admin_ = *std::move(admin);
  return absl::OkStatus();
}

void AgentImpl::StartSources() {
  uplink_->Start();
  if (destinations_ != nullptr) destinations_->Start();
  budget_->Start();
  if (web_roots_ != nullptr) web_roots_->Start();
  for (Logs& logs : logs_) logs.tail->Start();
  for (Capture& capture : captures_) {
    if (capture.capture != nullptr) capture.capture->Start();
  }
  if (tls_ != nullptr) tls_->Start();
  if (mirrors_ != nullptr) mirrors_->Start();
  if (samples_ != nullptr) samples_->Start();
  if (journals_ != nullptr) journals_->Start();
  if (browser_reports_ != nullptr) browser_reports_->Start();
  if (pages_ != nullptr) pages_->Start();
}

absl::Status AgentImpl::Ready() const {
  for (const Capture& capture : captures_) {
    if (!capture.error.ok()) return capture.error;
    if (!capture.capture->GetStats().interface_up) {
      return absl::UnavailableError(
          absl::StrCat("packet capture: interface ", capture.interface, " is away"));
    }
  }
  if (tls_ != nullptr && !tls_->error().ok()) return tls_->error();
  if (journals_ != nullptr && !journals_->error().ok()) return journals_->error();
  const uplink::Uplink::State state = uplink_->GetState();
  if (!state.connected) {
    return absl::UnavailableError(
        absl::StrCat("not connected to the collector at ",
                     absl::StrJoin(uplink::CollectorAddresses(config().collector()), " or "), "; ",
                     state.pending_findings, " findings wait in the spool; last error: ",
                     state.last_error.empty() ? "none" : state.last_error));
  }
  return absl::OkStatus();
}

v1::Heartbeat AgentImpl::Heartbeat() const {
  using traffic::Reason;
  v1::Heartbeat heartbeat;
  v1::Coverage& coverage = *heartbeat.mutable_coverage();
  // Read once each, so that the sum holds to the byte whatever the sources do meanwhile.
  for (size_t i = 0; i < static_cast<size_t>(Reason::kCount); ++i) {
    const auto reason = static_cast<Reason>(i);
    const uint64_t bytes = coverage_.bytes(reason);
    const std::string_view outcome = traffic::OutcomeName(reason);
    (*coverage.mutable_by_reason_bytes())[std::string(traffic::ReasonName(reason))] = bytes;
    coverage.set_seen_bytes(coverage.seen_bytes() + bytes);
    if (outcome == "scanned") coverage.set_scanned_bytes(coverage.scanned_bytes() + bytes);
    if (outcome == "sampled_out") {
      coverage.set_sampled_out_bytes(coverage.sampled_out_bytes() + bytes);
    }
    if (outcome == "truncated") coverage.set_truncated_bytes(coverage.truncated_bytes() + bytes);
    if (outcome == "shed") coverage.set_shed_bytes(coverage.shed_bytes() + bytes);
    if (outcome == "undecodable") {
      coverage.set_undecodable_bytes(coverage.undecodable_bytes() + bytes);
    }
    if (outcome == "inbound") coverage.set_inbound_bytes(coverage.inbound_bytes() + bytes);
  }
  uint64_t dropped_packets = 0;
  uint64_t dropped_bytes = 0;
  for (const Capture& capture : captures_) {
    if (capture.capture == nullptr) continue;
    const traffic::PacketCapture::Stats stats = capture.capture->GetStats();
    dropped_packets += stats.kernel_drops;
    dropped_bytes += DroppedBytes(capture, stats, DecoderStats(capture));
  }
  (*coverage.mutable_by_reason_bytes())["shed.kernel_drops"] = dropped_bytes;
  coverage.set_shed_bytes(coverage.shed_bytes() + dropped_bytes);
  coverage.set_seen_bytes(coverage.seen_bytes() + dropped_bytes);
  if (const uint64_t before = dropped_before_.exchange(dropped_packets); dropped_packets > before) {
    spdlog::warn(
        "packet capture: the kernel dropped {} packets since the last heartbeat, {} in all: nobody "
        "looked at them; raise ring_mib or threads, narrow the filter, or set "
        "budget.cpu_percent",
        dropped_packets - before, dropped_packets);
  }
  heartbeat.set_sample_ratio(sampler_->share(traffic::Priority::kNormal));
  if (pages_ != nullptr) pages_->AddTo(heartbeat);
  return heartbeat;
}

AgentSnapshot AgentImpl::Snapshot() const {
  AgentSnapshot snapshot;
  MessageScanner::Stats packet_scan;
  for (const Capture& capture : captures_) {
    AgentSnapshot::Capture shown{.interface = capture.interface, .up = capture.error.ok()};
    if (capture.capture != nullptr) shown.capture = capture.capture->GetStats();
    shown.decoder = DecoderStats(capture);
    snapshot.dropped_bytes_estimate += DroppedBytes(capture, shown.capture, shown.decoder);
    for (const std::shared_ptr<CaptureThread>& thread : capture.threads) {
      packet_scan += thread->scanner().stats();
    }
    snapshot.captures.push_back(std::move(shown));
  }
  if (!captures_.empty()) {
    snapshot.scans.push_back({.source = "packet_capture", .scanner = packet_scan});
  }
  if (tls_ != nullptr) tls_->AddTo(snapshot);
  MessageScanner::Stats log_scan;
  for (const Logs& logs : logs_) {
    log_scan += logs.scanner->stats();
    snapshot.logs.push_back({.paths = logs.paths, .tail = logs.tail->GetStats()});
  }
  if (!logs_.empty()) snapshot.scans.push_back({.source = "log_file", .scanner = log_scan});
  if (mirrors_ != nullptr) mirrors_->AddTo(snapshot);
  if (samples_ != nullptr) samples_->AddTo(snapshot);
  if (journals_ != nullptr) journals_->AddTo(snapshot);
  if (browser_reports_ != nullptr) browser_reports_->AddTo(snapshot);
  if (pages_ != nullptr) pages_->AddTo(snapshot);
  if (web_roots_ != nullptr) {
    snapshot.web_roots = web_roots_->GetStats();
    snapshot.scripts = script_reporter_->stats();
  }
  if (destinations_ != nullptr) snapshot.destinations = destinations_->GetStats();
  for (size_t i = 0; i < snapshot.coverage.size(); ++i) {
    snapshot.coverage[i] = coverage_.bytes(static_cast<traffic::Reason>(i));
  }
  snapshot.budget = budget_->GetState();
  snapshot.writer = writer_->GetStats();
  snapshot.uplink = uplink_->GetState();
  if (absl::StatusOr<pipeline::ProcessUsage> usage = pipeline::ReadProcessUsage(); usage.ok()) {
    snapshot.process = *usage;
  }
  if (!config().collector().tls().plaintext()) {
    absl::StatusOr<absl::Time> expiry =
        tls::CertificateExpiry(config().collector().tls().certificate_file());
    if (expiry.ok()) snapshot.certificate_expiry = *expiry;
  }
  snapshot.version = options_.version;
  snapshot.revision = options_.revision;
  return snapshot;
}

void AgentImpl::Stop(absl::Duration timeout) {
  absl::MutexLock lock(&stop_mutex_);
  if (std::exchange(stopped_, true)) return;
  if (budget_ != nullptr) budget_->Stop();
  // With the flow: each stage delivers what it holds before the next one ends.
  for (Capture& capture : captures_) {
    if (capture.capture != nullptr) capture.capture->Stop();
  }
  if (tls_ != nullptr) tls_->Stop();
  for (Logs& logs : logs_) logs.tail->Stop();
  if (journals_ != nullptr) journals_->Stop();
  if (mirrors_ != nullptr) mirrors_->Stop();
  if (samples_ != nullptr) samples_->Stop();
  if (browser_reports_ != nullptr) browser_reports_->Stop();
  if (pages_ != nullptr) pages_->Stop();
  if (web_roots_ != nullptr) web_roots_->Stop();
  // Without an uplink nothing takes what it tells.
  if (destinations_ != nullptr && uplink_ != nullptr) destinations_->Stop();
  if (writer_ != nullptr && uplink_ != nullptr) writer_->Stop();
  if (uplink_ != nullptr) uplink_->Stop(timeout);
  // It asks all of them for their figures.
  admin_.reset();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(Options options) {
  auto agent = std::make_unique<AgentImpl>(std::move(options));
  if (absl::Status s = agent->Begin(); !s.ok()) return s;
  return agent;
}

absl::StatusOr<std::string> DescribeBrands(const config::v1::AgentConfig& config) {
  const absl::StatusOr<std::shared_ptr<const card::BrandTable>> brands = ReadBrands(config);
  if (!brands.ok()) return brands.status();
  return card::DescribeBrandTable(config.scan().brand_table(), **brands);
}

absl::Status CheckEnvironment(const config::v1::AgentConfig& config) {
  absl::Status state = CheckPrivateDirectory(config.state_directory());
  if (absl::IsNotFound(state)) state = CheckCanBeMade(config.state_directory());
  if (!state.ok()) return state;
  if (absl::Status s = CheckListeners(config.sources()); !s.ok()) return s;
  const config::v1::Tls& tls = config.collector().tls();
  if (!tls.plaintext()) {
    if (absl::Status s = tls::CheckCertificateFiles(tls, absl::Now()); !s.ok()) return s;
  }
  if (absl::StatusOr<pipeline::ExpectedFlows> flows =
          pipeline::ExpectedFlows::Create(config.expected_flows());
      !flows.ok()) {
    return flows.status();
  }
  for (const config::v1::WebRoot& root : config.sources().web_roots()) {
    struct stat info = {};
    if (stat(root.path().c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
      return absl::NotFoundError(absl::StrCat("sources.web_roots: ", root.path(),
                                              " is not a folder that this user can see"));
    }
  }
  if (!config.sources().packet_captures().empty() || !config.sources().tls_probes().empty() ||
      !config.sources().browser_reports().empty()) {
    absl::StatusOr<std::shared_ptr<const traffic::SiteMap>> sites =
        traffic::SiteMap::Create(config.sites(), nullptr);
    if (!sites.ok()) return sites.status();
  }
  for (const config::v1::Journal& journal : config.sources().journals()) {
    if (absl::Status s = traffic::JournalSource::Check(journal.directory()); !s.ok()) {
      return absl::Status(s.code(), absl::StrCat("sources.journals: ", std::string(s.message())));
    }
  }
  if (absl::Status s = Samples::Check(config); !s.ok()) return s;
  if (absl::Status s = CheckPageSettings(config); !s.ok()) return s;
  class Discard final : public traffic::PacketHandler {
    void OnPacket(const traffic::PacketView&) override {}
    void OnIdle(absl::Time) override {}
    void Flush() override {}
  };
  for (const config::v1::PacketCapture& capture : config.sources().packet_captures()) {
    absl::StatusOr<std::unique_ptr<traffic::PacketCapture>> opened =
        traffic::PacketCapture::Open(traffic::PacketCapture::Options::FromConfig(capture),
                                     [](uint32_t) { return std::make_unique<Discard>(); });
    if (!opened.ok()) return opened.status();
  }
  if (!config.sources().tls_probes().empty()) return traffic::CheckTlsProbeSupport();
  return absl::OkStatus();
}

std::vector<std::string> EnvironmentWarnings(const config::v1::AgentConfig& config) {
  std::vector<std::string> warnings;
  for (const config::v1::LogFiles& logs : config.sources().log_files()) {
    for (const std::string& line :
         traffic::LogTail::Amiss({logs.paths().begin(), logs.paths().end()})) {
      warnings.push_back(absl::StrCat("sources.log_files: ", line));
    }
  }
  return warnings;
}

}  // namespace skimwatch::agent
