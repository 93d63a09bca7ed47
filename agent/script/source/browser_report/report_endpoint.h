#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_ENDPOINT_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_ENDPOINT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/script/source/browser_report/rate_limit.h"
#include "agent/script/source/browser_report/report_processor.h"
#include "agent/script/source/browser_report/report_session.h"
#include "agent/script/source/browser_report/report_sink.h"
#include "agent/serving/socket_server.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::script {

// Takes the reports of shoppers' browsers, behind the site's own web server, which ends TLS: CSP
// violations, the hashes of scripts that browsers load, and Integrity-Policy violations
// (docs/browser-reports.md). Answers do not wait for what is done with a report: bodies go through
// a bounded queue to a thread of their own, and what comes when it is full is refused and counted.
// One network takes no more than a quarter of it.
//
// What it knows of scripts is kept in a file. It is saved after the sink took what it tells, so
// that a crash repeats a change rather than losing it.
//
// Owns two threads: the server's and the reader's, on which `sink` is called. Thread-safe.
class ReportEndpoint {
 public:
  struct Options {
    std::string listen;
    bool allows_remote = false;
    uint32_t connections_max = 256;
    size_t queue_bytes_max = 8u << 20;
    ReportSessionOptions session;
    RateLimit::Options rate;
    ReportProcessor::Options processor;
    // Where the state is kept.
    std::string state_path;
    // Waits until what the sink took is durable.
    std::function<void()> before_save = [] {};

    // Without the functions.
    static Options FromConfig(const config::v1::BrowserReports& config,
                              const std::string& state_directory);
  };

  struct Stats {
    serving::SocketServer::Stats server;
    std::array<uint64_t, static_cast<size_t>(RequestOutcome::kCount)> requests{};
    ReportProcessor::Counts reports{};
    uint64_t bytes = 0;
    // Gauges: scripts that enough browsers agreed on, those whose bytes the collector does not
    // approve, and those that wait for agreement.
    uint64_t scripts = 0;
    uint64_t unapproved_scripts = 0;
    uint64_t pending_scripts = 0;
    bool learning = true;
    // Of the last report; InfinitePast before any.
    absl::Time last_report = absl::InfinitePast();
    uint64_t changes = 0;
    // States that could not be written, and one that was found damaged and set aside.
    uint64_t write_errors = 0;
    uint64_t states_set_aside = 0;
  };

  // Listens: whoever connects waits until Start. INVALID_ARGUMENT: `listen`; UNAVAILABLE: it can't
  // be listened on; others: the state can neither be read nor set aside. `sink` must outlive it.
  static absl::StatusOr<std::unique_ptr<ReportEndpoint>> Listen(const Options& options,
                                                                ReportSink& sink);
  // Stops.
  virtual ~ReportEndpoint() = default;

  // Takes reports from here on. Once.
  virtual void Start() = 0;

  // Replaces what the collector approves.
  virtual void SetPolicy(const v1::Policy& policy) = 0;
  // Takes no more, tells the sink what came, saves the state and ends the threads. Idempotent.
  virtual void Stop() = 0;
  virtual int port() const = 0;
  virtual Stats GetStats() const = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_ENDPOINT_H_
