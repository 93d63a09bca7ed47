#include "agent/browser_reporting.h"

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/pipeline/message_scanner.h"
#include "agent/traffic/message.h"
#include "spdlog/spdlog.h"

namespace skimwatch::agent {

BrowserReporting::~BrowserReporting() { Stop(); }

absl::StatusOr<std::unique_ptr<BrowserReporting>> BrowserReporting::Listen(
    const config::v1::AgentConfig& config, const Options& options, const card::BrandTable& brands,
    pipeline::FindingWriter& writer) {
  std::unique_ptr<BrowserReporting> reporting(new BrowserReporting);
  for (const config::v1::BrowserReports& wanted : config.sources().browser_reports()) {
    Endpoint one{.listen = wanted.listen(),
                 .reporter = std::make_unique<pipeline::BrowserReportReporter>(
                     pipeline::BrowserReportReporter::Options{
                         .scan = options.scan, .networks_min = wanted.browsers_min()},
                     brands, writer)};
    script::ReportEndpoint::Options endpoint =
        script::ReportEndpoint::Options::FromConfig(wanted, options.state_directory);
    endpoint.processor.site_of_host = [sites = options.sites](std::string_view host) {
      const std::string* const site = sites->SiteOfHost(host);
      return site == nullptr ? std::string() : *site;
    };
    endpoint.processor.path_template = traffic::PathTemplate;
    endpoint.before_save = [&writer] { writer.Flush(); };
    absl::StatusOr<std::unique_ptr<script::ReportEndpoint>> started =
        script::ReportEndpoint::Listen(endpoint, *one.reporter);
    if (!started.ok()) {
      return absl::Status(started.status().code(),
                          absl::StrCat("sources.browser_reports: ", started.status().message()));
    }
    one.endpoint = *std::move(started);
    spdlog::info("browser_reports: listening on {}", one.listen);
    reporting->endpoints_.push_back(std::move(one));
  }
  return reporting;
}

void BrowserReporting::SetPolicy(const v1::Policy& policy) {
  for (Endpoint& one : endpoints_) one.endpoint->SetPolicy(policy);
}

void BrowserReporting::Start() {
  for (Endpoint& one : endpoints_) one.endpoint->Start();
}

void BrowserReporting::Stop() {
  for (Endpoint& one : endpoints_) one.endpoint->Stop();
}

void BrowserReporting::AddTo(pipeline::AgentSnapshot& snapshot) const {
  pipeline::MessageScanner::Stats scan;
  for (const Endpoint& one : endpoints_) {
    snapshot.browser_reports.push_back(
        {.listen = one.listen, .endpoint = one.endpoint->GetStats()});
    const pipeline::BrowserReportReporter::Stats stats = one.reporter->stats();
    scan.parts += stats.bodies;
    scan.bytes += stats.bytes;
    scan.matches += stats.matches;
    scan.scan_time += stats.scan_time;
    scan.bytes_not_decoded += stats.bytes_not_decoded;
  }
  snapshot.scans.push_back({.source = "browser_report", .scanner = scan});
}

}  // namespace skimwatch::agent
