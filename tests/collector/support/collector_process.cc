#include "tests/collector/support/collector_process.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "proto/config/effective.h"
#include "proto/config/yaml_config.h"

namespace skimwatch::testing {

config::v1::CollectorConfig TestConfig(const std::string& folder) {
  auto config =
      config::ParseCollectorConfig(absl::StrCat("listen: 127.0.0.1:0\n"
                                                "tls: { plaintext: true }\n"
                                                "store: { path: ",
                                                folder,
                                                "/store.db }\n"
                                                "fingerprint_keys: { files: [",
                                                folder,
                                                "/fingerprint.key] }\n"
                                                "metrics: { listen: 127.0.0.1:0 }\n"
                                                "roles: [{ identity: local, role: admin }]\n"
                                                // Over plaintext everybody is `local`.
                                                "agents: [local]\n"),
                                   "test");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : config::v1::CollectorConfig();
}

CollectorProcess::CollectorProcess(const config::v1::CollectorConfig& config, std::string folder)
    : config_(config), daemon_({.program = "skimwatch-collector", .folder = std::move(folder)}) {}

void CollectorProcess::Start() {
  if (port_ != 0)
    config_.set_listen(
        absl::StrCat(config_.listen().substr(0, config_.listen().rfind(':')), ":", port_));
  daemon_.Start(config::ToYaml(config_));
  port_ = daemon_.port("listen");
}

}  // namespace skimwatch::testing
