#include <map>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "proto/config/checker.h"
#include "proto/config/effective.h"
#include "proto/config/error_list.h"
#include "proto/config/read_file.h"
#include "proto/config/shared_fields.h"
#include "proto/config/source_map.h"
#include "proto/config/syntax.h"
#include "proto/config/yaml_reader.h"

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
    rule.Required("identity", kIdentity);
    rule.Valid("identity", IsIdentityPattern, kIdentity);
    rule.Unique("identity", identities);
    rule.OneOf("role", "", {"viewer", "approver", "admin"});
    rule.Required("role", "one of: viewer, approver, admin");
  });
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

  const Checker exposures = root.Message("exposures");
  exposures.OneOf("open_confidence", "medium", {"low", "medium", "high"});
  exposures.Number("quiet_days", 30, 0, 36500);

  if (absl::Status status = errors.status(); !status.ok()) return status;
  return config;
}

absl::StatusOr<v1::CollectorConfig> LoadCollectorConfig(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  return ParseCollectorConfig(*text, path);
}

}  // namespace skimwatch::config
