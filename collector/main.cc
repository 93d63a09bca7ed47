#include <iostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "collector/server.h"
#include "proto/config/effective.h"
#include "proto/config/yaml_config.h"
#include "proto/process/process.h"
#include "proto/text/printable.h"
#include "proto/tls/grpc_log.h"
#include "spdlog/spdlog.h"

namespace skimwatch::collector {
namespace {

constexpr absl::Duration kDrainTimeout = absl::Seconds(20);
constexpr int kExitError = 1;
constexpr int kExitUsage = 2;

struct Flags {
  std::string config;
  std::string port_file;
  bool check_config = false;
  bool print_config = false;
};

int Fail(const absl::Status& status) {
  std::cerr << "skimwatch-collector: " << status.message() << "\n";
  return kExitError;
}

// `address:port` with the port that was really taken.
std::string ShownAddress(const std::string& listen, int port) {
  if (port == 0) return listen;
  return absl::StrCat(listen.substr(0, listen.rfind(':')), ":", port);
}

void Warn(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    std::cerr << "skimwatch-collector: warning: " << warning << "\n";
  }
}

int Serve(const config::v1::CollectorConfig& config, const Flags& flags) {
  if (absl::Status s = process::ForbidCoreDumps(); !s.ok()) return Fail(s);
  process::BlockTerminationSignals();
  spdlog::info("skimwatch-collector {} ({}) starts", process::Version(), process::Revision());
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start({.config = config,
                     .version = std::string(process::Version()),
                     .revision = std::string(process::Revision())});
  if (!server.ok()) {
    spdlog::error("{}", server.status().ToString());
    return kExitError;
  }
  spdlog::info("listening on {} for agents and operators",
               ShownAddress(config.listen(), (*server)->port()));
  if ((*server)->metrics_port() != 0) {
    spdlog::info("listening on http://{}/metrics",
                 ShownAddress(config.metrics().listen(), (*server)->metrics_port()));
  }
  if ((*server)->console_port() != 0) {
    spdlog::info("listening on {} for browsers",
                 ShownAddress(config.console().listen(), (*server)->console_port()));
  }
  if (!flags.port_file.empty()) {
    if (absl::Status s =
            process::WritePortFile(flags.port_file, {{"listen", (*server)->port()},
                                                     {"metrics", (*server)->metrics_port()},
                                                     {"console", (*server)->console_port()}});
        !s.ok()) {
      spdlog::error("{}", s.ToString());
      return kExitError;
    }
  }
  process::NotifyServiceManager("READY=1");
  process::WaitForTerminationSignal(absl::InfiniteDuration());
  spdlog::info("draining: what was received is committed and acknowledged");
  process::NotifyServiceManager("STOPPING=1");
  (*server)->Drain(kDrainTimeout);
  server->reset();
  spdlog::info("stopped");
  return 0;
}

int Run(int argc, char** argv) {
  Flags flags;
  CLI::App app(
      "Receives findings from skimwatch-agents, keeps them, and tells operators and Prometheus.",
      "skimwatch-collector");
  app.add_option("--config", flags.config, "Configuration file (YAML; see docs/configuration.md)")
      ->type_name("FILE")
      ->required();
  app.add_flag("--check-config", flags.check_config,
               "Check the configuration and the files it names, then exit");
  app.add_flag("--print-config", flags.print_config,
               "Print the configuration with every default filled in, then exit");
  app.add_option("--port-file", flags.port_file,
                 "Write the ports that are listened on to this file (listen=, metrics=, console=)")
      ->type_name("FILE");
  app.set_version_flag("--version", [] {
    return absl::StrCat("skimwatch-collector ", std::string(process::Version()), " (",
                        std::string(process::Revision()), ")");
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::cerr << "skimwatch-collector: " << text::Printable(e.what())
              << "\nRun with --help for more information.\n";
    return kExitUsage;
  }

  absl::StatusOr<config::v1::CollectorConfig> config = config::LoadCollectorConfig(flags.config);
  if (!config.ok()) return Fail(config.status());
  if (flags.print_config) {
    std::cout << config::ToYaml(*config);
    if (!flags.check_config) return 0;
  }
  if (flags.check_config) {
    if (absl::Status s = CheckEnvironment(*config); !s.ok()) return Fail(s);
    Warn(EnvironmentWarnings(*config));
    if (!flags.print_config) std::cout << flags.config << ": good\n";
    return 0;
  }
  if (absl::Status s = process::SetUpLogging(config->logging(), "skimwatch-collector"); !s.ok()) {
    return Fail(s);
  }
  tls::RouteGrpcLog(tls::Handshakes::kTold);
  return Serve(*config, flags);
}

}  // namespace
}  // namespace skimwatch::collector

int main(int argc, char** argv) {
  try {
    return skimwatch::collector::Run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "skimwatch-collector: " << e.what() << "\n";
    return 1;
  }
}
