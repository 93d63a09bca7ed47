#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proto/approval/script_pattern.h"
#include "proto/config/checker.h"
#include "proto/config/effective.h"
#include "proto/config/error_list.h"
#include "proto/config/read_file.h"
#include "proto/config/shared_fields.h"
#include "proto/config/source_map.h"
#include "proto/config/syntax.h"
#include "proto/config/tokens.h"
#include "proto/config/yaml_reader.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::config {
namespace {

// Whether a connection string of libpq holds a secret: `password=`, `sslpassword=`, or a URI with
// `user:secret@`. Errs on the side of yes.
bool HoldsSecret(std::string_view conninfo) {
  if (conninfo.find("password") != std::string_view::npos) return true;
  const size_t scheme = conninfo.find("://");
  if (scheme == std::string_view::npos) return false;
  std::string_view authority = conninfo.substr(scheme + 3);
  authority = authority.substr(0, authority.find('/'));
  const size_t at = authority.rfind('@');
  return at != std::string_view::npos &&
         authority.substr(0, at).find(':') != std::string_view::npos;
}

void CheckStore(const Checker& root, const v1::CollectorConfig& config) {
  constexpr size_t kConninfoBytesMax = 4096;
  const Checker store = root.Message("store");
  store.Number("retention_days", 400, 1, 36500);
  if (!config.store().has_postgres()) {
    store.Text("path", "/var/lib/skimwatch-collector/skimwatch.db");
    store.Valid("path", IsPath, "the path of a file");
    return;
  }
  if (!config.store().path().empty()) store.Error("path", "it beside `postgres`", "one of the two");
  const Checker postgres = store.Message("postgres");
  postgres.Number("readers_max", 4, 1, 64);
  const std::string& conninfo = config.store().postgres().conninfo();
  // Never shown: it may hold what it must not.
  if (HoldsSecret(conninfo)) {
    postgres.Error("conninfo", "a password", "none; name the file that holds it with `passfile=`");
  } else if (postgres.Required("conninfo", "how to reach the database") &&
             (conninfo.size() > kConninfoBytesMax || conninfo.find('\0') != std::string::npos)) {
    postgres.Error("conninfo", absl::StrCat(conninfo.size(), " bytes"),
                   absl::StrCat("at most ", kConninfoBytesMax, ", none of them zero"));
  }
}

// `https://name` or `https://name:port`, as browsers send it; `http://` for what is on this
// machine.
bool IsOrigin(std::string_view text) {
  const size_t scheme = text.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view name = text.substr(0, scheme);
  if (name != "https" && name != "http") return false;
  const std::string_view host = text.substr(scheme + 3);
  return IsHost(host) || (host.find(':') != std::string_view::npos && IsListenAddress(host) &&
                          !IsUnixAddress(host));
}

void CheckConsole(const Checker& root, const v1::CollectorConfig& config) {
  const Checker console = root.Message("console");
  console.Text("listen", "off");
  console.Valid(
      "listen",
      [](std::string_view text) {
        return text == "off" || (IsListenAddress(text) && !IsUnixAddress(text));
      },
      "`address:port`, such as 127.0.0.1:9466, or `off`");
  console.EachValid("origins", IsOrigin, "an origin such as https://console.example");
  console.Number("connections_max", 256, 1, 10000);
  const std::string& listen = config.console().listen();
  if (config.console().has_tls()) {
    CheckTls(console, listen);
  } else if (listen != "off" && config.tls().plaintext() && !IsLocalAddress(listen)) {
    console.Error("listen", listen,
                  "an address of this machine, as `tls.plaintext` is set, or a `tls` of its own");
  }
}

// The keys of `tls` towards a server at `address`.
void CheckSinkTls(const Checker& sink, std::string_view address) {
  const Checker tls = sink.Message("tls");
  tls.Valid("server_name", IsHost, "a host name or an IP address");
  for (const std::string_view file : {"ca_file", "certificate_file", "key_file"}) {
    tls.Valid(file, IsPath, "the path of a PEM file");
    if (tls.GetSwitch("plaintext") && !tls.Get(file).empty()) {
      tls.Error(file, "it beside `plaintext: true`", "one of the two");
    }
  }
  if (tls.Get("certificate_file").empty() != tls.Get("key_file").empty()) {
    tls.Error("", "one of certificate_file and key_file", "both or none");
  }
  if (tls.GetSwitch("plaintext") && !IsLocalAddress(address)) {
    tls.Error("plaintext", absl::StrCat("true with the address ", Quoted(address)),
              "false, or an address that only this machine reaches: 127.0.0.1 or [::1]");
  }
}

bool IsTcpAddress(std::string_view text) { return IsConnectAddress(text) && !IsUnixAddress(text); }

void CheckNats(const Checker& sink, const v1::NatsSink& config) {
  constexpr std::string_view kServer = "`host:port`";
  const Checker nats = sink.Message("nats");
  nats.NotEmpty("servers", "at least one `host:port`");
  nats.EachValid("servers", IsTcpAddress, kServer);
  nats.Text("subject", "skimwatch");
  nats.Valid(
      "subject",
      [](std::string_view text) {
        constexpr size_t kBytesMax = 200;
        return text.size() <= kBytesMax && text.front() != '.' && text.back() != '.' &&
               text.find("..") == std::string_view::npos &&
               std::all_of(text.begin(), text.end(), [](unsigned char c) {
                 return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
               });
      },
      "words of letters, digits, `-` and `_` with dots between them");
  nats.Valid("credentials_file", IsPath, "the path of a file");
  // Each that it may connect to.
  std::string_view address = "127.0.0.1:1";
  for (const std::string& server : config.servers()) {
    if (!IsLocalAddress(server)) address = server;
  }
  CheckSinkTls(nats, address);
}

// Scheme and `host:port` of a URL without user; nothing of any other.
std::optional<std::pair<std::string_view, std::string>> SplitUrl(std::string_view url) {
  constexpr size_t kBytesMax = 2000;
  const size_t colon = url.find("://");
  if (colon == std::string_view::npos || url.size() > kBytesMax) return std::nullopt;
  if (std::any_of(url.begin(), url.end(), [](unsigned char c) { return c <= ' ' || c >= 0x7f; })) {
    return std::nullopt;
  }
  const std::string_view scheme = url.substr(0, colon);
  if (scheme != "https" && scheme != "http") return std::nullopt;
  std::string_view host = url.substr(colon + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  if (host.empty() || host.find('@') != std::string_view::npos) return std::nullopt;
  std::string address(host);
  const size_t port = host.rfind(':');
  if (port == std::string_view::npos || host.back() == ']') address += ":443";
  if (!IsTcpAddress(address)) return std::nullopt;
  return std::pair(scheme, address);
}

void CheckWebhook(const Checker& sink, const v1::WebhookSink& config) {
  const Checker webhook = sink.Message("webhook");
  const auto url = SplitUrl(config.url());
  if (webhook.Required("url", "`https://...`") && !url.has_value()) {
    // Not shown: it may hold a secret.
    webhook.Error("url", "another text", "`https://host/...` without a user");
  }
  if (url.has_value() && url->first == "http" && !IsLocalAddress(url->second)) {
    webhook.Error("url", absl::StrCat("`http:` to ", Quoted(url->second)),
                  "`https:`, or a host that only this machine reaches");
  }
  CheckSinkTls(webhook, url.has_value() ? url->second : "");
  for (const std::string_view key : {"server_name", "plaintext"}) {
    if (config.has_tls() &&
        (key == "plaintext" ? config.tls().plaintext() : !config.tls().server_name().empty())) {
      webhook.Error(absl::StrCat("tls.", absl::string_view(key.data(), key.size())), "it",
                    "the URL to say it");
    }
  }
  webhook.Valid("secret_file", IsPath, "the path of a file");
  webhook.Valid("authorization_file", IsPath, "the path of a file");
  webhook.Number("events_max", 1, 1, 1000);
  webhook.Number("timeout_ms", 10000, 100, 120000);
  webhook.Number("tries_max", 5, 1, 100);
}

void CheckSyslog(const Checker& sink, const v1::SyslogSink& config) {
  const Checker syslog = sink.Message("syslog");
  if (syslog.Required("address", "`host:port`")) {
    syslog.Valid("address", IsTcpAddress, "`host:port`");
  }
  syslog.Number("facility", 13, 0, 23);
  syslog.Number("message_kib", 64, 2, 1024);
  CheckSinkTls(syslog, config.address());
}

void CheckSinks(const Checker& root, const v1::CollectorConfig& config) {
  constexpr int kSinksMax = 16;
  if (config.sinks_size() > kSinksMax) {
    root.Error("sinks", absl::StrCat(config.sinks_size()), absl::StrCat("at most ", kSinksMax));
  }
  std::map<std::string, std::string> names;
  int index = 0;
  root.Each("sinks", [&](const Checker& sink) {
    const v1::Sink& message = config.sinks(index++);
    constexpr std::string_view kName =
        "lower-case letters, digits, `-`, `_` and `.`, at most 63 characters";
    if (sink.Required("name", kName)) sink.Valid("name", IsSiteName, kName);
    sink.Unique("name", names);
    sink.OneOf("from", "now", {"now", "beginning"});
    sink.EachValid(
        "content", [](std::string_view text) { return text == "findings" || text == "exposures"; },
        "`findings` or `exposures`");
    sink.Texts("content", {"findings", "exposures"});
    const Checker filter = sink.Message("filter");
    filter.EachValid(
        "kinds",
        [](std::string_view text) {
          skimwatch::v1::FindingKind kind{};
          return absl::AsciiStrToLower(std::string(text)) == text &&
                 skimwatch::v1::FindingKind_Parse(
                     absl::StrCat("FINDING_KIND_", absl::AsciiStrToUpper(std::string(text))),
                     &kind) &&
                 kind != skimwatch::v1::FINDING_KIND_UNSPECIFIED;
        },
        "a kind, such as card_number");
    filter.EachValid("sites", IsSiteName, "the name of a site");
    filter.OneOf("severity_min", "info", {"info", "low", "medium", "high", "critical"});
    filter.OneOf("confidence_min", "low", {"low", "medium", "high"});
    sink.Number("exposure_interval_seconds", 60, 1, 86400);
    if (message.has_nats() + message.has_webhook() + message.has_syslog() != 1) {
      return sink.Error("", "none or several of nats, webhook and syslog", "one of them");
    }
    if (message.has_nats()) CheckNats(sink, message.nats());
    if (message.has_webhook()) CheckWebhook(sink, message.webhook());
    if (message.has_syslog()) CheckSyslog(sink, message.syslog());
  });
}

void CheckScriptApprovals(const Checker& root, const v1::CollectorConfig& config) {
  constexpr int kKeysMax = 8;
  const Checker approvals = root.Message("script_approvals");
  approvals.Valid("lists_folder", IsPath, "the path of a folder");
  approvals.Number("warning_days", 14, 1, 365);
  std::map<std::string, std::string> ids;
  approvals.Each("publishers", [&](const Checker& publisher) {
    publisher.Required("id", "a name for the publisher");
    publisher.Valid("id", IsSiteName, "lower-case letters, digits, `-`, `_` and `.`");
    publisher.Unique("id", ids);
    publisher.NotEmpty("public_keys", "the path of a PEM file with an Ed25519 public key");
    publisher.EachValid("public_keys", IsPath, "the path of a PEM file");
    publisher.EachValid("sites", IsSiteName, "the name of a site");
    publisher.NotEmpty("scripts", "the scripts that the publisher may speak for");
    publisher.EachValid(
        "scripts", [](std::string_view pattern) { return approval::PatternFault(pattern).empty(); },
        "a script's name or address, exact or with one `*` at the end that leaves its host whole");
  });
  for (int i = 0; i < config.script_approvals().publishers_size(); ++i) {
    const int keys = config.script_approvals().publishers(i).public_keys_size();
    if (keys > kKeysMax) {
      approvals.Error(absl::StrCat("publishers[", i, "]"), absl::StrCat(keys, " public keys"),
                      absl::StrCat("at most ", kKeysMax));
    }
  }
}

}  // namespace

absl::StatusOr<v1::CollectorConfig> ParseCollectorConfig(std::string_view text,
                                                         std::string_view file) {
  v1::CollectorConfig config;
  SourceMap positions;
  if (absl::Status read = ReadYaml(text, file, config, positions); !read.ok()) return read;

  ErrorList errors(file);
  const Checker root(config, "", positions, errors);
  root.Text("listen", "0.0.0.0:9463");
  root.Valid("listen", IsListenAddress, "`address:port` or `unix:/path`");
  root.Valid("operator_socket", IsUnixAddress, "`unix:/path`");
  if (!config.operator_socket().empty() && config.operator_socket() == config.listen()) {
    root.Error("operator_socket", "the address of `listen`", "another socket");
  }
  CheckTls(root, config.listen());

  CheckStore(root, config);

  root.Message("fingerprint_keys").EachValid("files", IsPath, "the path of a key file");
  CheckExpectedFlows(root, IsSiteName, "the name of a site, or none for all");

  constexpr std::string_view kIdentity =
      "the identity of a certificate, exact or with one `*` at the end";
  std::map<std::string, std::string> identities;
  root.Each("roles", [&](const Checker& rule) {
    if (rule.Get("claim").empty()) rule.Required("identity", kIdentity);
    rule.Valid("identity", IsIdentityPattern, kIdentity);
    rule.Unique("identity", identities);
    rule.OneOf("role", "", {"viewer", "approver", "admin"});
    rule.Required("role", "one of: viewer, approver, admin");
  });
  CheckTokens(root, config);
  root.EachValid("agents", IsIdentityPattern, kIdentity);

  const Checker ingest = root.Message("ingest");
  ingest.Number("streams_max", 10000, 1, 1000000);
  ingest.Number("message_kib", 4096, 64, 65536);
  ingest.Number("findings_per_second_per_agent", 50000, 1, 10000000);
  ingest.Number("heartbeat_interval_ms", 10000, 100, 600000);
  ingest.Number("commit_delay_ms", 5, 0, 10000);

  CheckMetricsEndpoint(root, "127.0.0.1:9464");
  CheckConsole(root, config);
  const Checker metric_limits = root.Message("metric_limits");
  metric_limits.Number("sites", 100, 1, 10000);
  metric_limits.Number("agents", 10000, 1, 100000);
  metric_limits.Number("pages", 1000, 1, 10000);
  CheckLogging(root);

  CheckScriptApprovals(root, config);

  const Checker exposures = root.Message("exposures");
  exposures.OneOf("open_confidence", "medium", {"low", "medium", "high"});
  exposures.Number("quiet_days", 30, 0, 36500);
  CheckSinks(root, config);

  if (absl::Status status = errors.status(); !status.ok()) return status;
  return config;
}

absl::StatusOr<v1::CollectorConfig> LoadCollectorConfig(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  return ParseCollectorConfig(*text, path);
}

}  // namespace skimwatch::config
