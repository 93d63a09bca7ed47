#include <algorithm>
#include <clocale>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/agent.h"
#include "agent/memory/startup_pages.h"
#include "agent/offline/scan.h"
#include "agent/offline/scan_command.h"
#include "agent/offline/scan_options.h"
#include "agent/offline/shown_text.h"
#include "agent/page_check_command.h"
#include "proto/config/effective.h"
#include "proto/config/yaml_config.h"
#include "proto/process/process.h"
#include "proto/tls/grpc_log.h"
#include "spdlog/spdlog.h"

namespace skimwatch::agent {
namespace {

// For the collector to take what was found last; the rest stays in the spool.
constexpr absl::Duration kStopTimeout = absl::Seconds(10);
// After this long, a start has reached the collector and has its policy.
constexpr absl::Duration kStartTime = absl::Seconds(2);
constexpr int kExitError = 1;
constexpr int kExitUsage = 2;

struct Flags {
  std::string config;
  std::string port_file;
  bool check_config = false;
  bool print_config = false;
};

int Fail(const absl::Status& status) {
  // Errors of a configuration are lines of our own; what each quotes is escaped.
  for (const absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    std::cerr << "skimwatch-agent: " << offline::ShownText(std::string(line)) << "\n";
  }
  return kExitError;
}

void Warn(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    std::cerr << "skimwatch-agent: warning: " << offline::ShownText(warning) << "\n";
  }
}

int Watch(const config::v1::AgentConfig& config, const Flags& flags) {
  if (absl::Status s = process::ForbidCoreDumps(); !s.ok()) return Fail(s);
  process::BlockTerminationSignals();
  process::KeepFreedMemory();
  spdlog::info("skimwatch-agent {} ({}) starts", process::Version(), process::Revision());
  absl::StatusOr<std::unique_ptr<Agent>> agent =
      Agent::Start({.config = config,
                    .version = std::string(process::Version()),
                    .revision = std::string(process::Revision()),
                    .drop_rights = true});
  if (!agent.ok()) {
    spdlog::error("{}", agent.status().ToString());
    return kExitError;
  }
  if ((*agent)->metrics_port() != 0) {
    const std::string& listen = config.metrics().listen();
    spdlog::info("listening on http://{}:{}/metrics", listen.substr(0, listen.rfind(':')),
                 (*agent)->metrics_port());
  }
  if (!flags.port_file.empty()) {
    if (absl::Status s =
            process::WritePortFile(flags.port_file, {{"metrics", (*agent)->metrics_port()}});
        !s.ok()) {
      spdlog::error("{}", s.ToString());
      return kExitError;
    }
  }
  process::NotifyServiceManager("READY=1");
  if (!process::WaitForTerminationSignal(kStartTime)) {
    memory::ReleaseStartupPages();
    process::WaitForTerminationSignal(absl::InfiniteDuration());
  }
  spdlog::info("stopping: what was found is made durable and offered to the collector");
  process::NotifyServiceManager("STOPPING=1");
  (*agent)->Stop(kStopTimeout);
  agent->reset();
  spdlog::info("stopped");
  return 0;
}

int RunAgent(const Flags& flags) {
  if (flags.config.empty()) {
    std::cerr << "skimwatch-agent: --config is required (or a command, `scan` or `check-page`); "
                 "see --help\n";
    return kExitUsage;
  }
  absl::StatusOr<config::v1::AgentConfig> config = config::LoadAgentConfig(flags.config);
  if (!config.ok()) return Fail(config.status());
  if (flags.print_config) {
    std::cout << config::ToYaml(*config);
    if (!flags.check_config) return 0;
  }
  if (flags.check_config) {
    const absl::StatusOr<std::string> brands = DescribeBrands(*config);
    if (!brands.ok()) return Fail(brands.status());
    if (absl::Status s = CheckEnvironment(*config); !s.ok()) return Fail(s);
    Warn(EnvironmentWarnings(*config));
    if (!flags.print_config) {
      std::cout << "brand table " << *brands << "\n" << flags.config << ": good\n";
    }
    return 0;
  }
  if (absl::Status s = process::SetUpLogging(config->logging(), "skimwatch-agent"); !s.ok()) {
    return Fail(s);
  }
  tls::RouteGrpcLog(tls::Handshakes::kKnown);
  return Watch(*config, flags);
}

// The first option that is none, or else the first argument that nothing takes. Of an option with
// `=`, what is before it: the value may be long, or no business of a log.
std::string FirstUnknown(const CLI::App& app, const CLI::App& scan) {
  std::vector<std::string> left = app.remaining();
  if (left.empty()) left = scan.remaining();
  const auto option = std::find_if(left.begin(), left.end(), [](const std::string& argument) {
    return argument.size() > 1 && argument.starts_with("-");
  });
  if (option != left.end()) return option->substr(0, option->find('='));
  return left.empty() ? "" : left.front();
}

int Run(int argc, char** argv) {
  Flags flags;
  CLI::App app(
      "Watches what leaves this host and the scripts it serves for card numbers and changes nobody "
      "approved, and reports to a skimwatch-collector.",
      "skimwatch-agent");
  app.add_option("--config", flags.config, "Configuration file (YAML; see docs/configuration.md)")
      ->type_name("FILE");
  app.add_flag("--check-config", flags.check_config,
               "Check the configuration, the files it names and the rights it needs, then exit");
  app.add_flag("--print-config", flags.print_config,
               "Print the configuration with every default filled in, then exit");
  app.add_option("--port-file", flags.port_file,
                 "Write the port of /metrics to this file (metrics=)")
      ->type_name("FILE");
  app.set_version_flag("--version", [] {
    return absl::StrCat("skimwatch-agent ", std::string(process::Version()), " (",
                        std::string(process::Revision()), ")");
  });
  app.require_subcommand(0, 1);
  offline::ScanOptions scan_options;
  const CLI::App* scan = offline::AddScanCommand(app, scan_options);
  PageCheckFlags page_flags;
  const CLI::App* page = AddPageCheckCommand(app, page_flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ExtrasError& e) {
    // CLI11 lists all that is left over, values of the unknown option too, last first.
    const std::string unknown = FirstUnknown(app, *scan);
    std::cerr << "skimwatch-agent: "
              << (unknown.empty() ? offline::ShownText(e.what())
                                  : absl::StrCat(unknown.starts_with("-") ? "unknown option "
                                                                          : "unknown argument ",
                                                 offline::ShownText(unknown)))
              << "\nRun with --help for more information.\n";
    return kExitUsage;
  } catch (const CLI::ParseError& e) {
    // It quotes what was typed, which for `scan` may be a card number.
    std::cerr << "skimwatch-agent: " << offline::ShownText(e.what()) << "\n"
              << "Run with --help for more information.\n";
    return kExitUsage;
  }
  if (scan->parsed()) return offline::RunScan(scan_options);
  if (page->parsed()) return RunPageCheck(page_flags, std::cout, std::cerr);
  return RunAgent(flags);
}

}  // namespace
}  // namespace skimwatch::agent

int main(int argc, char** argv) {
  // For the width of characters in tables; numbers and times stay as in C.
  std::setlocale(LC_CTYPE, "C.UTF-8");
  try {
    return skimwatch::agent::Run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "skimwatch-agent: " << skimwatch::offline::ShownText(e.what()) << "\n";
    // Not 1, which for `scan` says that something was found.
    return skimwatch::offline::kExitError;
  }
}
