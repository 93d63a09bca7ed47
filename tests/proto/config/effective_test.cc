#include "proto/config/effective.h"

#include <fstream>
#include <regex>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/config/yaml_config.h"

namespace skimwatch::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kAgent = R"(sites: [{name: shop}]
collector: {address: "127.0.0.1:9463", tls: {plaintext: true}}
sources: {web_roots: [{path: /var/www}]}
)";

v1::AgentConfig Agent(std::string_view yaml) {
  const absl::StatusOr<v1::AgentConfig> config = ParseAgentConfig(yaml, "a.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : v1::AgentConfig();
}

v1::CollectorConfig Collector(std::string_view yaml) {
  const absl::StatusOr<v1::CollectorConfig> config = ParseCollectorConfig(yaml, "c.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : v1::CollectorConfig();
}

std::string AgentError(std::string_view more, std::string_view base = kAgent) {
  const absl::StatusOr<v1::AgentConfig> config =
      ParseAgentConfig(absl::StrCat(std::string(base), std::string(more)), "a.yaml");
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << more;
  return std::string(config.status().message());
}

std::string CollectorError(std::string_view more) {
  const absl::StatusOr<v1::CollectorConfig> config = ParseCollectorConfig(
      absl::StrCat("listen: 127.0.0.1:0\ntls: {plaintext: true}\n", std::string(more)), "c.yaml");
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << more;
  return std::string(config.status().message());
}

TEST(AgentConfig, HasTheDocumentedDefaults) {
  const v1::AgentConfig config = Agent(absl::StrCat(std::string(kAgent), R"(
scan: {}
sampling: {}
)"));
  EXPECT_EQ(config.state_directory(), "/var/lib/skimwatch-agent");
  EXPECT_EQ(config.collector().reconnect_max_seconds(), 60u);
  EXPECT_EQ(config.collector().tls().reload_interval_seconds(), 60u);
  EXPECT_EQ(config.sampling().flow_ratio(), 1);
  EXPECT_EQ(config.sampling().flow_ratio_min(), 0.001);
  EXPECT_TRUE(config.sampling().built_in_classes());
  EXPECT_EQ(config.budget().cpu_percent(), 0);
  EXPECT_EQ(config.budget().memory_mib(), 0u);
  EXPECT_EQ(config.limits().reassembly_mib(), 64u);
  EXPECT_EQ(config.limits().flow_reassembly_kib(), 1024u);
  EXPECT_EQ(config.limits().flows_max(), 65536u);
  EXPECT_EQ(config.limits().body_bytes_max(), 67108864u);
  EXPECT_EQ(config.limits().decompression_ratio_max(), 200u);
  EXPECT_EQ(config.limits().flow_idle_seconds(), 300u);
  EXPECT_EQ(config.spool().directory(), "/var/lib/skimwatch-agent/spool");
  EXPECT_EQ(config.spool().size_mib(), 256u);
  EXPECT_EQ(config.spool().segment_mib(), 8u);
  EXPECT_EQ(config.scan().decode_depth(), 3u);
  EXPECT_EQ(config.scan().min_confidence(), "low");
  EXPECT_EQ(config.scan().mask(), "first6last4");
  EXPECT_EQ(config.scan().brand_table(), "built-in");
  EXPECT_TRUE(config.scan().fingerprint());
  EXPECT_TRUE(config.scan().report_test_cards());
  EXPECT_EQ(config.scan().fold_window_seconds(), 10u);
  EXPECT_EQ(config.metrics().listen(), "127.0.0.1:9465");
  EXPECT_EQ(config.logging().level(), "info");
  EXPECT_EQ(config.logging().format(), "text");
  const v1::WebRoot& web_root = config.sources().web_roots(0);
  EXPECT_THAT(web_root.scripts(), ElementsAre("*.js", "*.mjs", "*.cjs"));
  EXPECT_THAT(web_root.pages(), ElementsAre("*.html", "*.htm", "*.xhtml"));
  EXPECT_EQ(web_root.file_bytes_max(), 16777216u);
  EXPECT_EQ(web_root.rescan_interval_seconds(), 300u);
}

TEST(AgentConfig, FillsTheDefaultsOfEverySource) {
  const v1::AgentConfig config = Agent(R"(
sites: [{name: shop}]
collector: {address: "unix:/run/c", tls: {plaintext: true}}
sources:
  packet_captures: [{interface: lo}]
  log_files: [{paths: [/var/log/*.log]}]
)");
  const v1::PacketCapture& capture = config.sources().packet_captures(0);
  EXPECT_EQ(capture.filter(), "tcp or udp");
  EXPECT_EQ(capture.site(), "shop");
  EXPECT_EQ(capture.threads(), 1u);
  EXPECT_EQ(capture.ring_mib(), 16u);
  EXPECT_EQ(capture.snapshot_bytes(), 65535u);
  EXPECT_FALSE(capture.scan_inbound());
  const v1::LogFiles& logs = config.sources().log_files(0);
  EXPECT_EQ(logs.site(), "shop");
  EXPECT_EQ(logs.from(), "end");
  EXPECT_EQ(logs.line_bytes_max(), 1048576u);
}

TEST(AgentConfig, FillsTheDefaultsOfJournalsAndSamples) {
  const v1::AgentConfig config = Agent(R"(
sites: [{name: shop}]
collector: {address: "unix:/run/c", tls: {plaintext: true}}
sources:
  journals: [{}]
  sample_sockets: [{path: /run/samples.sock}]
  sample_folders: [{path: /var/spool/samples}]
)");
  const v1::Journal& journal = config.sources().journals(0);
  EXPECT_EQ(journal.directory(), "");
  EXPECT_EQ(journal.site(), "shop");
  EXPECT_EQ(journal.from(), "end");
  EXPECT_EQ(journal.field_bytes_max(), 1048576u);
  const v1::SampleSocket& socket = config.sources().sample_sockets(0);
  EXPECT_EQ(socket.mode(), "0660");
  EXPECT_EQ(socket.site(), "shop");
  EXPECT_FALSE(socket.scan_inbound());
  EXPECT_EQ(socket.connections_max(), 32u);
  EXPECT_EQ(socket.sample_kib_max(), 1024u);
  EXPECT_EQ(socket.stall_seconds(), 30u);
  const v1::SampleFolder& folder = config.sources().sample_folders(0);
  EXPECT_EQ(folder.after(), "remove");
  EXPECT_EQ(folder.site(), "shop");
  EXPECT_EQ(folder.sample_kib_max(), 1024u);
}

TEST(AgentConfig, RefusesWrongJournalsAndSamples) {
  constexpr std::string_view kStart = R"(
sites: [{name: shop}]
collector: {address: "unix:/run/c", tls: {plaintext: true}}
sources:
  )";
  const std::pair<const char*, const char*> cases[] = {
      {"journals: [{matches: [unit=shop]}]", "matches[0]"},
      {"journals: [{matches: [MESSAGE]}]", "`FIELD=value`"},
      {"journals: [{from: now}]", "from"},
      {"journals: [{field_bytes_max: 10}]", "field_bytes_max"},
      {"sample_sockets: [{}]", "path"},
      {"sample_sockets: [{path: samples.sock}]", "absolute path"},
      {"sample_sockets: [{path: /run/s, mode: \"0999\"}]", "octal"},
      {"sample_sockets: [{path: /run/s, mode: \"1777\"}]", "octal"},
      {"sample_sockets: [{path: /run/s, group: \"a b\"}]", "group"},
      {"sample_sockets: [{path: /run/s, allowed_users: [\"/\"]}]", "allowed_users[0]"},
      {"sample_sockets: [{path: /run/s}, {path: /run/s}]", "again"},
      {"sample_sockets: [{path: /run/s, sample_kib_max: 0}]", "sample_kib_max"},
      {"sample_folders: [{path: /a, after: keep}]", "after"},
      {"sample_folders: [{path: /a, site: other}]", "site"},
  };
  for (const auto& [source, message] : cases) {
    EXPECT_THAT(AgentError(source, kStart), HasSubstr(message)) << source;
  }
}

TEST(CollectorConfig, HasTheDocumentedDefaults) {
  const v1::CollectorConfig config =
      Collector("tls: {certificate_file: a, key_file: b, ca_file: c}");
  EXPECT_EQ(config.listen(), "0.0.0.0:9463");
  EXPECT_EQ(config.tls().reload_interval_seconds(), 60u);
  EXPECT_EQ(config.store().path(), "/var/lib/skimwatch-collector/skimwatch.db");
  EXPECT_EQ(config.store().retention_days(), 400u);
  EXPECT_EQ(config.ingest().streams_max(), 10000u);
  EXPECT_EQ(config.ingest().message_kib(), 4096u);
  EXPECT_EQ(config.ingest().findings_per_second_per_agent(), 50000u);
  EXPECT_EQ(config.ingest().heartbeat_interval_ms(), 10000u);
  EXPECT_EQ(config.ingest().commit_delay_ms(), 5u);
  EXPECT_EQ(config.metrics().listen(), "127.0.0.1:9464");
  EXPECT_EQ(config.metric_limits().sites(), 100u);
  EXPECT_EQ(config.metric_limits().agents(), 10000u);
  EXPECT_EQ(config.console().listen(), "off");
  EXPECT_EQ(config.console().connections_max(), 256u);
  EXPECT_EQ(config.logging().level(), "info");
  EXPECT_EQ(config.exposures().open_confidence(), "medium");
  EXPECT_EQ(config.exposures().quiet_days(), 30u);
  EXPECT_FALSE(config.exposures().test_cards());
  EXPECT_FALSE(config.reflection());
}

TEST(CollectorConfig, FillsTheDefaultsOfTokenIssuers) {
  const v1::CollectorConfig config = Collector(R"(
tls: {certificate_file: a, key_file: b, ca_file: c}
token_issuers: [{issuer: "https://login.example.com", audience: skimwatch, jwks_file: /keys}]
roles: [{claim: groups=a=b, role: viewer}, {claim: groups=c, role: viewer}]
)");
  const v1::TokenIssuer& issuer = config.token_issuers(0);
  EXPECT_EQ(issuer.jwks_refresh_seconds(), 3600u);
  EXPECT_EQ(issuer.name_claim(), "sub");
  EXPECT_EQ(issuer.leeway_seconds(), 60u);
}

TEST(CollectorConfig, RefusesWrongTokenIssuersAndClaims) {
  constexpr std::string_view kTls = "tls: {certificate_file: a, key_file: b, ca_file: c}\n";
  constexpr std::string_view kIssuer =
      "token_issuers: [{issuer: \"https://a\", audience: s, jwks_file: /k}]\n";
  const auto with_issuer = [&](const char* roles) { return std::string(kIssuer) + roles; };
  const std::pair<std::string, const char*> cases[] = {
      {"roles: [{claim: g=a, role: viewer}]",
       "roles[0].claim: found it without `issuer`, and 0 token issuers"},
      {with_issuer("roles: [{claim: groups, role: viewer}]"),
       "c.yaml:3:10: roles[0].claim: found `groups`, expected `name=value`"},
      {with_issuer("roles: [{claim: =a, role: viewer}]"), "expected `name=value`"},
      {with_issuer("roles: [{claim: g=, role: viewer}]"), "expected `name=value`"},
      {with_issuer("roles: [{identity: a, claim: g=a, role: viewer}]"),
       "roles[0].claim: found it beside `identity`, expected one of the two"},
      {with_issuer("roles: [{claim: g=a, role: viewer, issuer: \"https://b\"}]"),
       "roles[0].issuer: found `https://b`, expected the issuer of one of `token_issuers`"},
      {with_issuer("roles: [{identity: a, role: viewer, issuer: \"https://a\"}]"),
       "roles[0].issuer: found it without `claim`"},
      {with_issuer("roles: [{role: viewer}]"), "roles[0].identity: found nothing"},
      {"token_issuers: [{audience: s, jwks_file: /k}]", "token_issuers[0].issuer: found nothing"},
      {"token_issuers: [{issuer: \"http://a\", audience: s, jwks_file: /k}]",
       "token_issuers[0].issuer: found `http://a`, expected an address with https://"},
      {"token_issuers: [{issuer: \"https://a#b\", audience: s, jwks_file: /k}]",
       "token_issuers[0].issuer: found `https://a#b`"},
      {"token_issuers: [{issuer: \"https://a\", jwks_file: /k}]",
       "token_issuers[0].audience: found nothing"},
      {"token_issuers: [{issuer: \"https://a\", audience: s}]",
       "token_issuers[0]: found neither jwks_file nor jwks_url, expected one of the two"},
      {"token_issuers: [{issuer: \"https://a\", audience: s, jwks_file: /k, jwks_url: "
       "\"https://a/k\"}]",
       "token_issuers[0]: found jwks_file beside jwks_url, expected one of the two"},
      {"token_issuers: [{issuer: \"https://a\", audience: s, jwks_url: \"http://a/k\"}]",
       "token_issuers[0].jwks_url: found `http://a/k`, expected an address with https://"},
      {"token_issuers: [{issuer: \"https://a\", audience: s, jwks_url: \"https://u:p@a/k\"}]",
       "token_issuers[0].jwks_url"},
      {"token_issuers: [{issuer: \"https://a\", audience: s, jwks_file: /k, jwks_ca_file: /c}]",
       "token_issuers[0].jwks_ca_file: found it without `jwks_url`"},
      {"token_issuers: [{issuer: \"https://a\", audience: s, jwks_file: /k, leeway_seconds: 301}]",
       "leeway_seconds: found 301, expected 0 to 300"},
      {"token_issuers: [{issuer: \"https://a\", audience: s, jwks_url: \"https://a/k\", "
       "jwks_refresh_seconds: 59}]",
       "jwks_refresh_seconds: found 59, expected 60 to 86400"},
      {"token_issuers: [{issuer: \"https://a\", audience: s, jwks_file: /k}, {issuer: "
       "\"https://a\", audience: s, jwks_file: /k}]",
       "token_issuers[1].issuer: found `https://a` again"}};
  for (const auto& [yaml, error] : cases) {
    const absl::Status status =
        ParseCollectorConfig(absl::StrCat(std::string(kTls), yaml), "c.yaml").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << yaml;
    EXPECT_THAT(std::string(status.message()), HasSubstr(error)) << yaml;
  }
}

TEST(CollectorConfig, TakesTokensOverTlsOnly) {
  const absl::StatusOr<v1::CollectorConfig> config = ParseCollectorConfig(R"(
listen: 127.0.0.1:1
tls: {plaintext: true}
token_issuers: [{issuer: "https://a", audience: s, jwks_file: /k}]
)",
                                                                          "c.yaml");
  EXPECT_EQ(std::string(config.status().message()),
            "c.yaml:4:1: token_issuers: found it beside `plaintext: true`, expected TLS at "
            "`listen`, as tokens are secrets");
}

TEST(CtlConfig, HasTheDocumentedDefaults) {
  const absl::StatusOr<v1::CtlConfig> config = ParseCtlConfig("", "ctl.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->collector(), "127.0.0.1:9463");
  EXPECT_EQ(config->output(), "table");
  EXPECT_EQ(config->timeout_seconds(), 30u);
}

TEST(AgentConfig, NamesOneCollectorOrSeveral) {
  constexpr std::string_view kRest = "sites: [{name: shop}]\nsources: {web_roots: [{path: /w}]}\n";
  constexpr std::string_view kFiles = "tls: {certificate_file: a, key_file: b, ca_file: c}";
  const auto with = [&](std::string_view collector) {
    return absl::StrCat(std::string(kRest), "collector: {", std::string(collector), "}\n");
  };
  const v1::AgentConfig several = Agent(
      with(absl::StrCat("addresses: [\"a:1\", \"dns:///b.example:2\"], ", std::string(kFiles))));
  EXPECT_EQ(several.collector().addresses_size(), 2);
  EXPECT_EQ(several.collector().rebalance_minutes(), 30u);
  EXPECT_EQ(Agent(with(absl::StrCat("address: \"dns:///c:1\", rebalance_minutes: 0, ",
                                    std::string(kFiles))))
                .collector()
                .rebalance_minutes(),
            0u);
  const std::pair<std::string, const char*> cases[] = {
      {absl::StrCat("address: \"a:1\", addresses: [\"b:1\"], ", std::string(kFiles)),
       "collector.address: found it beside `addresses`"},
      {absl::StrCat("addresses: [\"a:1\", \"a:1\"], ", std::string(kFiles)), "again"},
      {absl::StrCat("addresses: [\"dns:///unix:/x\"], ", std::string(kFiles)), "addresses[0]"},
      {"addresses: [\"127.0.0.1:1\", \"far.example:1\"], tls: {plaintext: true}", "far.example"},
  };
  for (const auto& [yaml, expected] : cases) {
    EXPECT_THAT(AgentError("", with(yaml)), HasSubstr(expected)) << yaml;
  }
}

TEST(CollectorConfig, HasAFileOrADatabaseForItsStore) {
  constexpr std::string_view kTls = "listen: 127.0.0.1:0\ntls: {plaintext: true}\n";
  const v1::CollectorConfig config = Collector(absl::StrCat(
      std::string(kTls), "store: {postgres: {conninfo: \"host=/run/pg dbname=skimwatch\"}}\n"));
  EXPECT_EQ(config.store().path(), "");
  EXPECT_EQ(config.store().postgres().readers_max(), 4u);
  EXPECT_THAT(CollectorError("store: {path: /x, postgres: {conninfo: host=a}}"),
              HasSubstr("store.path: found it beside `postgres`"));
  EXPECT_THAT(CollectorError("store: {postgres: {}}"), HasSubstr("store.postgres.conninfo"));
  EXPECT_THAT(CollectorError("store: {postgres: {conninfo: host=a, readers_max: 65}}"),
              HasSubstr("readers_max"));
}

TEST(CollectorConfig, TakesNoPasswordAndShowsNone) {
  for (const char* const conninfo :
       {"host=a password=hush-hush", "host=a password = 'hush-hush'",
        "postgresql://u:hush-hush@a/d", "postgresql://a/d?password=hush-hush",
        "host=a sslpassword=hush-hush"}) {
    const std::string error =
        CollectorError(absl::StrCat("store: {postgres: {conninfo: \"", conninfo, "\"}}"));
    EXPECT_THAT(error, HasSubstr("passfile")) << conninfo;
    EXPECT_THAT(error, Not(HasSubstr("hush"))) << conninfo;
  }
}

TEST(CollectorConfig, FillsInWhatSinksLeaveOut) {
  const v1::CollectorConfig config = Collector(R"(
listen: 127.0.0.1:0
tls: {plaintext: true}
sinks:
  - {name: a, nats: {servers: ["n1:4222", "n2:4222"]}}
  - {name: b, webhook: {url: "https://hooks.example.com/x?y=z"}}
  - {name: c, from: beginning, syslog: {address: "127.0.0.1:514", facility: 0, tls: {plaintext: true}}}
)");
  ASSERT_EQ(config.sinks_size(), 3);
  EXPECT_EQ(config.sinks(0).from(), "now");
  EXPECT_THAT(config.sinks(0).content(), ElementsAre("findings", "exposures"));
  EXPECT_EQ(config.sinks(0).filter().severity_min(), "info");
  EXPECT_EQ(config.sinks(0).filter().confidence_min(), "low");
  EXPECT_EQ(config.sinks(0).exposure_interval_seconds(), 60u);
  EXPECT_FALSE(config.sinks(0).fingerprints());
  EXPECT_EQ(config.sinks(0).nats().subject(), "skimwatch");
  EXPECT_EQ(config.sinks(1).webhook().events_max(), 1u);
  EXPECT_EQ(config.sinks(1).webhook().timeout_ms(), 10000u);
  EXPECT_EQ(config.sinks(1).webhook().tries_max(), 5u);
  EXPECT_EQ(config.sinks(2).from(), "beginning");
  EXPECT_EQ(config.sinks(2).syslog().facility(), 0u);
  EXPECT_EQ(config.sinks(2).syslog().message_kib(), 64u);
  EXPECT_EQ(Collector(ToYaml(config)).SerializeAsString(), config.SerializeAsString());
}

TEST(CollectorConfig, SaysWhatIsWrongWithASink) {
  const std::pair<std::string, const char*> cases[] = {
      {"{nats: {servers: [\"n:1\"]}}", "sinks[0].name"},
      {"{name: \"Not a name\", nats: {servers: [\"n:1\"]}}", "sinks[0].name"},
      {"{name: a}", "none or several of nats, webhook and syslog"},
      {"{name: a, nats: {servers: [\"n:1\"]}, syslog: {address: \"s:1\"}}", "none or several"},
      {"{name: a, nats: {}}", "sinks[0].nats.servers"},
      {"{name: a, nats: {servers: [\"unix:/x\"]}}", "sinks[0].nats.servers[0]"},
      {"{name: a, nats: {servers: [\"n:1\"], subject: \"a..b\"}}", "sinks[0].nats.subject"},
      {"{name: a, nats: {servers: [\"n:1\"], subject: \"a.>\"}}", "sinks[0].nats.subject"},
      {"{name: a, nats: {servers: [\"127.0.0.1:1\", \"n:1\"], tls: {plaintext: true}}}",
       "sinks[0].nats.tls.plaintext"},
      {"{name: a, from: yesterday, syslog: {address: \"s:1\"}}", "sinks[0].from"},
      {"{name: a, content: [cards], syslog: {address: \"s:1\"}}", "sinks[0].content[0]"},
      {"{name: a, filter: {kinds: [cards]}, syslog: {address: \"s:1\"}}",
       "sinks[0].filter.kinds[0]"},
      {"{name: a, syslog: {address: \"s:1\", facility: 24}}", "sinks[0].syslog.facility"},
      {"{name: a, syslog: {address: \"s:1\", tls: {plaintext: true}}}",
       "sinks[0].syslog.tls.plaintext"},
      {"{name: a, syslog: {address: \"s:1\", tls: {key_file: /k}}}",
       "certificate_file and key_file"},
      {"{name: a, webhook: {url: \"http://far.example/\"}}", "sinks[0].webhook.url"},
      {"{name: a, webhook: {url: \"ftp://far.example/\"}}", "sinks[0].webhook.url"},
      {"{name: a, webhook: {url: \"https://h/\", tries_max: 101}}", "sinks[0].webhook.tries_max"},
      {"{name: a, webhook: {url: \"https://h/\", tls: {server_name: x}}}", "tls.server_name"},
  };
  for (const auto& [sink, expected] : cases) {
    EXPECT_THAT(CollectorError(absl::StrCat("sinks: [", sink, "]")), HasSubstr(expected)) << sink;
  }
  EXPECT_THAT(CollectorError("sinks: [{name: a, syslog: {address: \"s:1\"}}, {name: a, syslog: "
                             "{address: \"s:1\"}}]"),
              HasSubstr("sinks[1].name"));
  const std::string error =
      CollectorError("sinks: [{name: a, webhook: {url: \"https://u:hush-hush@h/\"}}]");
  EXPECT_THAT(error, AllOf(HasSubstr("sinks[0].webhook.url"), Not(HasSubstr("hush"))));
}

TEST(AgentConfig, KeepsAZeroThatHasAMeaning) {
  const v1::AgentConfig config = Agent(absl::StrCat(std::string(kAgent), R"(
limits: {body_bytes_max: 0}
scan: {decode_depth: 0, report_test_cards: false}
)"));
  EXPECT_EQ(config.limits().body_bytes_max(), 0u);
  EXPECT_EQ(config.scan().decode_depth(), 0u);
  EXPECT_FALSE(config.scan().report_test_cards());
}

TEST(CollectorConfig, KeepsAZeroThatHasAMeaning) {
  const v1::CollectorConfig config = Collector(R"(
tls: {certificate_file: a, key_file: b, ca_file: c}
ingest: {commit_delay_ms: 0}
exposures: {quiet_days: 0}
)");
  EXPECT_EQ(config.ingest().commit_delay_ms(), 0u);
  EXPECT_EQ(config.exposures().quiet_days(), 0u);
  EXPECT_TRUE(config.exposures().has_quiet_days());
}

TEST(AgentConfig, PutsHostsInLowerCase) {
  const v1::AgentConfig config = Agent(R"(
sites: [{name: shop, hosts: [Shop.Example]}]
collector: {address: "unix:/run/c", tls: {plaintext: true}}
sources: {web_roots: [{path: /var/www}]}
expected_flows: [{host: API.Processor.Example}]
)");
  EXPECT_EQ(config.sites(0).hosts(0), "shop.example");
  EXPECT_EQ(config.expected_flows(0).host(), "api.processor.example");
}

TEST(EffectiveConfig, PrintsWhatReadsBackAsItself) {
  const v1::AgentConfig agent = Agent(absl::StrCat(std::string(kAgent), R"(
limits: {body_bytes_max: 0}
sampling: {flow_ratio: 0.05}
)"));
  EXPECT_EQ(Agent(ToYaml(agent)).SerializeAsString(), agent.SerializeAsString()) << ToYaml(agent);
  const v1::CollectorConfig collector = Collector(
      "tls: {certificate_file: a, key_file: b, ca_file: c}\ningest: {commit_delay_ms: 0}");
  EXPECT_EQ(Collector(ToYaml(collector)).SerializeAsString(), collector.SerializeAsString());
}

TEST(EffectiveConfig, GivesTheSpoolHalfOfTheBudgetForTheDisk) {
  const auto with = [](std::string_view more) {
    return Agent(absl::StrCat(std::string(kAgent), std::string(more))).spool().size_mib();
  };
  EXPECT_EQ(with("budget: {disk_mib: 100}\n"), 50u);
  EXPECT_EQ(with("budget: {disk_mib: 4096}\n"), 256u);
  EXPECT_EQ(with("budget: {disk_mib: 100}\nspool: {size_mib: 90}\n"), 90u);
}

TEST(EffectiveConfig, TakesTheExamplesOfTheReference) {
  const std::string folder = absl::StrCat(SKIMWATCH_SOURCE_DIR, "/proto/config/reference/");
  EXPECT_EQ(LoadAgentConfig(folder + "agent.example.yaml").status(), absl::OkStatus());
  EXPECT_EQ(LoadCollectorConfig(folder + "collector.example.yaml").status(), absl::OkStatus());
  EXPECT_EQ(LoadCtlConfig(folder + "ctl.example.yaml").status(), absl::OkStatus());
}

TEST(EffectiveConfig, NamesAFileThatIsNotThere) {
  const absl::Status status = LoadAgentConfig("/no/such.yaml").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/such.yaml"));
}

struct BadCase {
  std::string_view name;
  std::string_view more;
  std::string_view error;
};

class BadAgentConfig : public testing::TestWithParam<BadCase> {};

TEST_P(BadAgentConfig, IsRefusedWithPlaceAndExpectation) {
  EXPECT_EQ(AgentError(GetParam().more), GetParam().error);
}

// `kAgent` has three lines, so what is added begins in line 4.
INSTANTIATE_TEST_SUITE_P(
    AgentConfig, BadAgentConfig,
    testing::Values(
        BadCase{"RatioOfZero", "sampling: {flow_ratio: 0}",
                "a.yaml:4:12: sampling.flow_ratio: found 0, expected a number above 0 and at most "
                "1"},
        BadCase{"RatioAboveOne", "sampling: {flow_ratio: 1.01}",
                "a.yaml:4:12: sampling.flow_ratio: found 1.01, expected a number above 0 and at "
                "most 1"},
        BadCase{"LeastRatioAboveTheGreatest", "sampling: {flow_ratio: 0.1, flow_ratio_min: 0.2}",
                "a.yaml:4:29: sampling.flow_ratio_min: found 0.2, expected a number above 0 and at "
                "most sampling.flow_ratio, 0.1"},
        BadCase{"UnknownPriority", "sampling: {classes: [{name: a, priority: urgent}]}",
                "a.yaml:4:32: sampling.classes[0].priority: found `urgent`, expected one of: low, "
                "normal, high"},
        BadCase{"UnknownDirection", "sampling: {classes: [{name: a, direction: up}]}",
                "a.yaml:4:32: sampling.classes[0].direction: found `up`, expected `outbound` or "
                "`inbound`"},
        BadCase{"NegativeProcessor", "budget: {cpu_percent: -1}",
                "a.yaml:4:10: budget.cpu_percent: found -1, expected a number from 0 to 6400"},
        BadCase{"MemoryThatLimitsDoNotFitInto",
                "budget: {memory_mib: 100}\nlimits: {reassembly_mib: 64}",
                "a.yaml:4:10: budget.memory_mib: found 100, expected at least 128: 64 for the "
                "program, limits.reassembly_mib, and ring_mib and queue_mib of all sources; raise "
                "it or lower those"},
        BadCase{"DiskThatTheSpoolDoesNotFitInto", "budget: {disk_mib: 64}\nspool: {size_mib: 65}",
                "a.yaml:4:10: budget.disk_mib: found 64, expected at least the room of the spool, "
                "65 (spool.size_mib)"},
        BadCase{"NoFlows", "limits:\n  flows_max: 0\n",
                "a.yaml:5:3: limits.flows_max: found 0, expected 16 to 16777216"},
        BadCase{"TooDeep", "scan: {decode_depth: 5}",
                "a.yaml:4:8: scan.decode_depth: found 5, expected 0 to 4"},
        BadCase{"UnknownMask", "scan: {mask: last2}",
                "a.yaml:4:8: scan.mask: found `last2`, expected one of: "
                "first6last4, first8last4, last4, none"},
        BadCase{"UnknownLevel", "logging: {level: verbose}",
                "a.yaml:4:11: logging.level: found `verbose`, expected one of: debug, info, "
                "warning, error"},
        BadCase{"SegmentLargerThanTheSpool", "spool: {size_mib: 4, segment_mib: 8}",
                "a.yaml:4:22: spool.segment_mib: found 8, expected at most the room of all "
                "segments, 4 (spool.size_mib)"},
        BadCase{"FlowLargerThanAll", "limits: {reassembly_mib: 1, flow_reassembly_kib: 2048}",
                "a.yaml:4:29: limits.flow_reassembly_kib: found 2048, expected at most the memory "
                "for all flows, 1024 (limits.reassembly_mib)"},
        BadCase{"MetricsWithoutPort", "metrics: {listen: localhost}",
                "a.yaml:4:11: metrics.listen: found `localhost`, expected `address:port`, such as "
                "127.0.0.1:9464, or `off`"},
        BadCase{"FlowThatMatchesEverything", "expected_flows:\n  - {name: x, port: 443}\n",
                "a.yaml:5:5: expected_flows[0]: found none of host, address and file, expected at "
                "least one"},
        BadCase{"FlowOfAnotherSite", "expected_flows: [{host: a, site: blog}]",
                "a.yaml:4:28: expected_flows[0].site: found `blog`, expected the name of one of "
                "`sites`, or none for all"},
        BadCase{"BadPrefix", "expected_flows: [{address: 192.0.2.0/40}]",
                "a.yaml:4:19: expected_flows[0].address: found `192.0.2.0/40`, expected an IP "
                "address or a prefix, such as 192.0.2.0/24"},
        BadCase{"BadPort", "expected_flows: [{host: a, port: 65536}]",
                "a.yaml:4:28: expected_flows[0].port: found 65536, expected 0 to 65535"},
        BadCase{"RelativePathPrefix", "expected_flows: [{host: a, path_prefix: v1}]",
                "a.yaml:4:28: expected_flows[0].path_prefix: found `v1`, expected a path that "
                "begins with `/`"},
        BadCase{"MethodInLowerCase", "expected_flows: [{host: a, method: post}]",
                "a.yaml:4:28: expected_flows[0].method: found `post`, expected an HTTP method in "
                "capitals, such as POST"}),
    [](const auto& bad) { return std::string(bad.param.name); });

TEST(AgentConfig, NamesEverythingThatIsMissing) {
  EXPECT_EQ(AgentError("", ""),
            "a.yaml:1:1: sites: found none, expected at least one\n"
            "a.yaml:1:1: collector.address: found nothing, expected where the collector listens, "
            "`host:port` or `unix:/path`\n"
            "a.yaml:1:1: collector.tls.certificate_file: found nothing, expected a PEM file (or "
            "`plaintext: true` on a local address)\n"
            "a.yaml:1:1: collector.tls.key_file: found nothing, expected a PEM file (or "
            "`plaintext: true` on a local address)\n"
            "a.yaml:1:1: collector.tls.ca_file: found nothing, expected a PEM file (or "
            "`plaintext: true` on a local address)\n"
            "a.yaml:1:1: sources: found none, expected at least one of packet_captures, "
            "log_files, web_roots, http_mirrors, icap_servers, tls_probes, journals, "
            "sample_sockets, sample_folders, browser_reports, or of pages.checks");
}

TEST(AgentConfig, FillsInPageChecks) {
  const auto config = ParseAgentConfig(R"(sites: [{name: shop}]
collector: {address: "unix:/c", tls: {plaintext: true}}
pages:
  checks:
    - name: checkout
      url: https://shop.example/checkout
      steps: [{fill: "#card", text: "{card}"}, {click: "#pay"}]
)",
                                       "a.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  const v1::PageCheck& check = config->pages().checks(0);
  EXPECT_EQ(check.site(), "shop");
  EXPECT_EQ(check.interval_seconds(), 86400);
  EXPECT_EQ(check.canary().issuer(), "400000");
  EXPECT_EQ(check.steps(0).timeout_seconds(), 15);
  EXPECT_EQ(config->pages().browser().memory_mib(), 1024);
}

TEST(AgentConfig, RefusesPageChecksThatCannotRun) {
  EXPECT_EQ(AgentError("", R"(sites: [{name: shop}]
collector: {address: "unix:/c", tls: {plaintext: true}}
pages:
  checks:
    - name: checkout
      url: shop.example/checkout
      interval_seconds: 604800
      steps: [{fill: "#card"}, {click: "#a", wait_for: "#b"}, {}]
      canary: {issuer: "41"}
)"),
            "a.yaml:6:7: pages.checks[0].url: found `shop.example/checkout`, expected an address "
            "with http:// or https://\n"
            "a.yaml:7:7: pages.checks[0].interval_seconds: found 604800, expected 60 to "
            "86400\n"
            "a.yaml:8:15: pages.checks[0].steps[0].text: found none, expected `fill` and `text` "
            "together\n"
            "a.yaml:8:32: pages.checks[0].steps[1]: found several things to do, expected one of "
            "wait_for, fill, click, pause_milliseconds\n"
            "a.yaml:8:63: pages.checks[0].steps[2]: found nothing to do, expected one of "
            "wait_for, fill, click, pause_milliseconds\n"
            "a.yaml:9:16: pages.checks[0].canary.issuer: found `41`, expected 6 to 12 digits");
}

TEST(AgentConfig, RefusesPlaintextToAnotherMachine) {
  EXPECT_EQ(AgentError("", R"(sites: [{name: shop}]
sources: {web_roots: [{path: /w}]}
collector:
  address: collector.example:9463
  tls:
    plaintext: true
)"),
            "a.yaml:6:5: collector.tls.plaintext: found true with the address "
            "`collector.example:9463`, expected false, or an address that only this machine "
            "reaches: 127.0.0.1, [::1] or unix:");
}

TEST(AgentConfig, RefusesCertificatesBesidePlaintext) {
  EXPECT_EQ(AgentError("", R"(sites: [{name: shop}]
sources: {web_roots: [{path: /w}]}
collector:
  address: 127.0.0.1:1
  tls: {plaintext: true, ca_file: x}
)"),
            "a.yaml:5:26: collector.tls.ca_file: found it beside `plaintext: true`, expected one "
            "of the two");
}

TEST(AgentConfig, WantsASiteForEverySourceWhereThereAreSeveral) {
  EXPECT_EQ(AgentError("", R"(sites: [{name: shop}, {name: blog}]
collector: {address: "unix:/run/c", tls: {plaintext: true}}
sources:
  packet_captures:
    - interface: lo
  log_files:
    - {paths: [/l], site: shpo}
  web_roots:
    - {path: /w, site: blog}
)"),
            "a.yaml:5:7: sources.packet_captures[0].site: found nothing, expected the name of one "
            "of `sites`\n"
            "a.yaml:7:21: sources.log_files[0].site: found `shpo`, expected the name of one of "
            "`sites`");
}

TEST(AgentConfig, RefusesWhatTwoSitesClaim) {
  EXPECT_EQ(AgentError("", R"(collector: {address: "unix:/run/c", tls: {plaintext: true}}
sources: {web_roots: [{path: /w, site: a}, {path: /w, site: a}]}
sites:
  - {name: a, hosts: [x.example], services: [":80"]}
  - {name: a, hosts: [X.example, y, y], services: [":80"]}
)"),
            "a.yaml:5:37: sites[1].hosts[2]: found `y` again, expected each once (the first is "
            "hosts[1])\n"
            "a.yaml:5:6: sites[1].name: found `a` again, expected each once (the first is "
            "sites[0].name)\n"
            "a.yaml:5:23: sites[1].hosts[0]: found `x.example` again, expected each once (the "
            "first is sites[0].hosts[0])\n"
            "a.yaml:5:52: sites[1].services[0]: found `:80` again, expected each once (the first "
            "is sites[0].services[0])\n"
            "a.yaml:2:45: sources.web_roots[1].path: found `/w` again, expected each once (the "
            "first is sources.web_roots[0].path)");
}

TEST(AgentConfig, RefusesBadSites) {
  EXPECT_EQ(AgentError("", R"(collector: {address: "unix:/run/c", tls: {plaintext: true}}
sources: {web_roots: [{path: /w}]}
sites: [{name: My Shop, hosts: ["a b"], services: ["localhost:80", ":0"]}]
)"),
            "a.yaml:3:10: sites[0].name: found `My Shop`, expected lower-case letters, digits, "
            "`-`, `_`, `.`; at most 63 characters\n"
            "a.yaml:3:33: sites[0].hosts[0]: found `a b`, expected a host, exact or "
            "`*.example.com`\n"
            "a.yaml:3:52: sites[0].services[0]: found `localhost:80`, expected `address:port`, "
            "`[v6]:port` or `:port` with an IP address and a port from 1\n"
            "a.yaml:3:68: sites[0].services[1]: found `:0`, expected `address:port`, `[v6]:port` "
            "or `:port` with an IP address and a port from 1");
}

TEST(AgentConfig, RefusesTwoServersForCopiesInOnePlace) {
  EXPECT_THAT(AgentError(R"(sites: [{name: shop}]
collector: {address: "unix:/run/c", tls: {plaintext: true}}
sources:
  http_mirrors: [{listen: "127.0.0.1:8125", direction: up}]
  icap_servers: [{listen: "127.0.0.1:8125"}, {connections_max: 0}]
)",
                         ""),
              AllOf(HasSubstr("http_mirrors[0].direction: found `up`, expected one of: outbound, "
                              "inbound"),
                    HasSubstr("icap_servers[0].listen: found `127.0.0.1:8125` again"),
                    HasSubstr("icap_servers[1].listen: found nothing")));
}

TEST(AgentConfig, ChecksTlsProbes) {
  const std::string head =
      "sites: [{name: shop}, {name: host}]\n"
      "collector: {address: \"unix:/run/c\", tls: {plaintext: true}}\n"
      "sources:\n  tls_probes:\n";
  EXPECT_THAT(
      AgentError(head + R"(    - {processes: [""], site: shop}
    - {exclude_processes: [nginx, nginx], site: host, ring_mib: 2000, call_kib_max: 8}
    - {libraries: [/usr/*], site: other, rescan_interval_seconds: 0}
)",
                 ""),
      AllOf(HasSubstr("tls_probes[0].processes[0]"),
            HasSubstr("tls_probes[1].exclude_processes[1]"), HasSubstr("tls_probes[1].ring_mib"),
            HasSubstr("tls_probes[1].call_kib_max"), HasSubstr("tls_probes[2].site"),
            HasSubstr("tls_probes[2].rescan_interval_seconds")));
}

TEST(AgentConfig, ChecksBrowserReports) {
  const std::string head =
      "collector: {address: \"unix:/run/c\", tls: {plaintext: true}}\n"
      "sources:\n  browser_reports:\n";
  EXPECT_THAT(
      AgentError(
          "sites: [{name: shop, hosts: [shop.example]}, {name: other}]\n" + head +
              R"(    - {listen: "unix:/run/r", site: shop, client_header: "a b", browsers_min: 0}
    - {listen: "unix:/run/r", site: shop, learn_hours: 9000, noise_hosts: ["a/b"]}
    - {site: other, requests_per_second: 0, body_bytes_max: 10}
)",
          ""),
      AllOf(HasSubstr("browser_reports[0].client_header: found `a b`"),
            HasSubstr("browser_reports[0].browsers_min: found 0, expected 1 to 200"),
            HasSubstr("browser_reports[1].listen: found `unix:/run/r` again"),
            HasSubstr("browser_reports[1].site: found `shop` again"),
            HasSubstr("browser_reports[1].learn_hours: found 9000, expected 0 to 8760"),
            HasSubstr("browser_reports[1].noise_hosts[0]"),
            HasSubstr("browser_reports[2].listen: found nothing"),
            HasSubstr("browser_reports[2].requests_per_second"),
            HasSubstr("browser_reports[2].body_bytes_max")));
  EXPECT_THAT(
      AgentError("sites: [{name: shop}]\n" + head + "    - {listen: \"unix:/run/r\"}\n", ""),
      HasSubstr("browser_reports[0]: found no site with hosts"));
}

TEST(AgentConfig, RefusesBadSources) {
  EXPECT_EQ(AgentError("", R"(sites: [{name: shop}]
collector: {address: "unix:/run/c", tls: {plaintext: true}}
sources:
  packet_captures:
    - {interface: a-very-long-interface, threads: 65}
  log_files:
    - {paths: [], from: middle}
  web_roots:
    - {path: "", scripts: [""]}
)"),
            "a.yaml:5:8: sources.packet_captures[0].interface: found `a-very-long-interface`, "
            "expected the name of a network interface, at most 15 characters\n"
            "a.yaml:5:42: sources.packet_captures[0].threads: found 65, expected 1 to 64\n"
            "a.yaml:7:8: sources.log_files[0].paths: found none, expected at least one glob of "
            "files\n"
            "a.yaml:7:19: sources.log_files[0].from: found `middle`, expected one of: end, start\n"
            "a.yaml:9:8: sources.web_roots[0].path: found nothing, expected the folder of a web "
            "root\n"
            "a.yaml:9:28: sources.web_roots[0].scripts[0]: found ``, expected a glob");
}

class BadCollectorConfig : public testing::TestWithParam<BadCase> {};

TEST_P(BadCollectorConfig, IsRefusedWithPlaceAndExpectation) {
  EXPECT_EQ(CollectorError(GetParam().more), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    CollectorConfig, BadCollectorConfig,
    testing::Values(
        BadCase{"UnknownRole", "roles: [{identity: a, role: root}]",
                "c.yaml:3:23: roles[0].role: found `root`, expected one of: viewer, approver, "
                "admin"},
        BadCase{"NoRole", "roles: [{identity: a}]",
                "c.yaml:3:9: roles[0].role: found nothing, expected one of: viewer, approver, "
                "admin"},
        BadCase{"TwoRulesForOne",
                "roles: [{identity: a, role: viewer}, {identity: a, role: admin}]",
                "c.yaml:3:39: roles[1].identity: found `a` again, expected each once (the first "
                "is roles[0].identity)"},
        BadCase{"StarWithin", "agents: [\"a*b\"]",
                "c.yaml:3:10: agents[0]: found `a*b`, expected the identity of a certificate, "
                "exact or with one `*` at the end"},
        BadCase{"OperatorsOverTcp", "operator_socket: 127.0.0.1:1",
                "c.yaml:3:1: operator_socket: found `127.0.0.1:1`, expected `unix:/path`"},
        BadCase{"ConsoleWithoutCertificates",
                "console: {listen: \"0.0.0.0:1\", tls: {plaintext: true}}",
                "c.yaml:3:38: console.tls.plaintext: found true with the address `0.0.0.0:1`, "
                "expected false, or an address that only this machine reaches: 127.0.0.1, [::1] "
                "or unix:"},
        BadCase{"ConsoleOnASocket", "console: {listen: \"unix:/x\"}",
                "c.yaml:3:11: console.listen: found `unix:/x`, expected `address:port`, such as "
                "127.0.0.1:9466, or `off`"},
        BadCase{"NoOrigin", "console: {origins: [console.example]}",
                "c.yaml:3:21: console.origins[0]: found `console.example`, expected an origin "
                "such as https://console.example"},
        BadCase{"NoRetention", "store: {retention_days: 0}",
                "c.yaml:3:9: store.retention_days: found 0, expected 1 to 36500"},
        BadCase{"TinyMessages", "ingest: {message_kib: 1}",
                "c.yaml:3:10: ingest.message_kib: found 1, expected 64 to 65536"},
        BadCase{"SameKeyTwice", "fingerprint_keys: {files: [a, a]}",
                "c.yaml:3:31: fingerprint_keys.files[1]: found `a` again, expected each once (the "
                "first is files[0])"},
        BadCase{"UnknownConfidence", "exposures: {open_confidence: certain}",
                "c.yaml:3:13: exposures.open_confidence: found `certain`, expected one of: low, "
                "medium, high"}),
    [](const auto& bad) { return std::string(bad.param.name); });

// What a comment of a .proto calls a default is what an empty configuration has.
TEST(EffectiveConfig, HasEveryDefaultThatTheReferenceNames) {
  const std::string folder = absl::StrCat(SKIMWATCH_SOURCE_DIR, "/proto/skimwatch/config/v1/");
  const std::string effective =
      absl::StrCat(ToYaml(Agent(R"(sites: [{name: shop, hosts: [shop.example]}]
collector: {address: "unix:/run/c", tls: {plaintext: true}}
sources:
  packet_captures: [{interface: lo}]
  log_files: [{paths: [/l]}]
  web_roots: [{path: /w}]
  http_mirrors: [{listen: "unix:/run/m"}]
  icap_servers: [{listen: "unix:/run/i"}]
  tls_probes: [{}]
  journals: [{}]
  sample_sockets: [{path: /run/s}]
  sample_folders: [{path: /f}]
  browser_reports: [{listen: "unix:/run/r"}]
pages:
  checks: [{name: checkout, url: "https://shop.example/checkout", steps: [{click: "#pay"}]}]
)")),
                   ToYaml(Collector("listen: 127.0.0.1:1\n"
                                    "tls: {plaintext: true}\n")),
                   ToYaml(Collector("listen: 127.0.0.1:1\n"
                                    "tls: {plaintext: true}\n"
                                    "store: {postgres: {conninfo: host=/run}}\n")),
                   ToYaml(Collector("tls: {certificate_file: a, key_file: b, ca_file: c}\n"
                                    "token_issuers: [{issuer: \"https://a\", audience: s, "
                                    "jwks_url: \"https://a/k\"}]\n"
                                    "sinks:\n"
                                    "  - {name: a, nats: {servers: [\"127.0.0.1:4222\"]}}\n"
                                    "  - {name: b, webhook: {url: \"https://siem.example/\"}}\n"
                                    "  - {name: c, syslog: {address: \"siem.example:6514\"}}\n")));
  // Comment lines up to the field that they are about.
  const std::regex pattern(R"(((?:  //[^\n]*\n)+)  (?:optional )?\w+ (\w+) = \d+;)");
  const std::regex value(R"(Default (\d+)(?=[.;]?(\s|$)))");
  int defaults = 0;
  for (const auto file : {"agent.proto", "collector.proto", "tls.proto"}) {
    std::ifstream stream(folder + file);
    ASSERT_TRUE(stream) << file;
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    for (auto i = std::sregex_iterator(text.begin(), text.end(), pattern);
         i != std::sregex_iterator(); ++i) {
      std::smatch match;
      // A comment that is wrapped within what matters here.
      const std::string comment = absl::StrReplaceAll((*i)[1].str(), {{"\n  //", ""}});
      if (!std::regex_search(comment, match, value)) continue;
      ++defaults;
      EXPECT_THAT(effective, HasSubstr(absl::StrCat((*i)[2].str(), ": ", match[1].str(), "\n")));
    }
  }
  EXPECT_GE(defaults, 25);
}

}  // namespace
}  // namespace skimwatch::config
