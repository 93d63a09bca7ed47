#ifndef SKIMWATCH_AGENT_PIPELINE_AGENT_METRICS_H_
#define SKIMWATCH_AGENT_PIPELINE_AGENT_METRICS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/pipeline/message_scanner.h"
#include "agent/pipeline/process_usage.h"
#include "agent/pipeline/script_reporter.h"
#include "agent/script/script_monitor.h"
#include "agent/script/source/browser_report/report_endpoint.h"
#include "agent/script/source/page/page_monitor.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/destination/destination_monitor.h"
#include "agent/traffic/flow_sampler.h"
#include "agent/traffic/protocol/byte_flow_decoder.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/source/journal_source.h"
#include "agent/traffic/source/log_tail.h"
#include "agent/traffic/source/mirror/copy_server.h"
#include "agent/traffic/source/packet_capture.h"
#include "agent/traffic/source/sample_folder.h"
#include "agent/traffic/source/sample_socket.h"
#include "agent/traffic/source/tls_uprobe/tls_probes.h"
#include "agent/uplink/uplink.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace skimwatch::pipeline {

// Every figure of an agent at one moment.
struct AgentSnapshot {
  struct Capture {
    std::string interface;
    // False when it could not be opened.
    bool up = true;
    traffic::PacketCapture::Stats capture;
    // Sums over the interface's threads.
    traffic::TrafficDecoder::Stats decoder;
  };
  struct TlsProbes {
    // False when they could not be set.
    bool up = true;
    traffic::TlsProbes::Stats probes;
    // Sums over the entries of the configuration.
    traffic::ByteFlowDecoder::Stats decoder;
  };
  struct Logs {
    // Its globs.
    std::string paths;
    traffic::LogTail::Stats tail;
  };
  struct Mirror {
    // `http_mirrors`, `icap_servers`.
    std::string source;
    std::string listen;
    traffic::CopyServer::Stats server;
    traffic::ByteFlowDecoder::Stats decoder;
  };
  struct Journal {
    // `local` for the journal of this machine.
    std::string directory;
    traffic::JournalSource::Stats source;
  };
  struct Samples {
    // `sample_sockets`, `sample_folders`.
    std::string source;
    std::string path;
    traffic::SampleScan::Stats scan;
    uint64_t http_errors = 0;
    // One of them, by `source`.
    std::optional<traffic::SampleSocket::Stats> socket;
    std::optional<traffic::SampleFolder::Stats> folder;
  };
  struct BrowserReports {
    std::string listen;
    script::ReportEndpoint::Stats endpoint;
  };
  struct Scan {
    // `packet_capture`, `tls_probe`, `log_file`, `browser_report`.
    std::string source;
    MessageScanner::Stats scanner;
  };

  struct Budget {
    // By traffic::Priority.
    traffic::FlowSampler::Shares shares = {1, 1, 1};
    // Use, as a share of what is allowed; nothing where there is no budget.
    std::optional<double> cpu_used_ratio;
    std::optional<double> memory_used_ratio;
    std::optional<double> disk_used_ratio;
  };

  // One series a source, however many servers or folders it has.
  void AddScan(const std::string& source, const MessageScanner::Stats& stats);

  std::vector<Capture> captures;
  std::optional<TlsProbes> tls_probes;
  std::vector<Logs> logs;
  std::vector<Mirror> mirrors;
  std::vector<Journal> journals;
  std::vector<Samples> samples;
  std::vector<BrowserReports> browser_reports;
  std::vector<Scan> scans;
  std::optional<script::PageMonitor::Stats> pages;
  std::optional<script::ScriptMonitor::Stats> web_roots;
  ScriptReporter::Stats scripts;
  std::optional<traffic::DestinationMonitor::Stats> destinations;
  std::array<uint64_t, static_cast<size_t>(traffic::Reason::kCount)> coverage{};
  // Of packets that the kernel dropped, by the mean length of those it did not.
  uint64_t dropped_bytes_estimate = 0;
  Budget budget;
  FindingWriter::Stats writer;
  uplink::Uplink::State uplink;
  std::optional<ProcessUsage> process;
  std::optional<absl::Time> certificate_expiry;
  std::string version;
  std::string revision;
};

// The families of the agent's /metrics. A pure function.
std::vector<prometheus::MetricFamily> AgentFamilies(const AgentSnapshot& snapshot);

// The agent's /metrics, from a snapshot that is taken anew for every scrape. Thread-safe when
// `snapshot` is.
class AgentMetrics final : public prometheus::Collectable {
 public:
  explicit AgentMetrics(std::function<AgentSnapshot()> snapshot) : snapshot_(std::move(snapshot)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    return AgentFamilies(snapshot_());
  }

 private:
  const std::function<AgentSnapshot()> snapshot_;
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_AGENT_METRICS_H_
