#include "proto/config/shared_fields.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/config/error_list.h"
#include "proto/config/syntax.h"

namespace skimwatch::config {
namespace {

constexpr size_t kPathBytesMax = 4095;
constexpr size_t kNameBytesMax = 200;

bool IsMethod(std::string_view text) {
  constexpr size_t kMethodBytesMax = 32;
  return text.size() <= kMethodBytesMax &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isupper(c) || c == '-'; });
}

}  // namespace

bool IsPath(std::string_view text) {
  return !text.empty() && text.size() <= kPathBytesMax && text.find('\0') == std::string_view::npos;
}

bool IsGlob(std::string_view text) { return IsPath(text); }

bool IsConnectAddress(std::string_view text) {
  if (IsUnixAddress(text)) return true;
  const std::optional<HostPort> address = ParseHostPort(text);
  return address && !address->host.empty() && address->port != 0;
}

bool IsCollectorAddress(std::string_view text) {
  constexpr std::string_view kDns = "dns:///";
  if (!text.starts_with(kDns)) return IsConnectAddress(text);
  text.remove_prefix(kDns.size());
  return IsConnectAddress(text) && !IsUnixAddress(text);
}

bool IsListenAddress(std::string_view text) {
  if (IsUnixAddress(text)) return true;
  const std::optional<HostPort> address = ParseHostPort(text);
  return address && !address->host.empty();
}

void CheckLogging(const Checker& root) {
  const Checker logging = root.Message("logging");
  logging.OneOf("level", "info", {"debug", "info", "warning", "error"});
  logging.OneOf("format", "text", {"text", "json"});
}

void CheckMetricsEndpoint(const Checker& root, std::string_view otherwise) {
  const Checker metrics = root.Message("metrics");
  metrics.Text("listen", otherwise);
  metrics.Valid(
      "listen",
      [](std::string_view text) {
        return text == "off" || (IsListenAddress(text) && !IsUnixAddress(text));
      },
      "`address:port`, such as 127.0.0.1:9464, or `off`");
}

void CheckTls(const Checker& parent, std::string_view address) {
  const Checker tls = parent.Message("tls");
  tls.Number("reload_interval_seconds", 60, 1, 86400);
  tls.Valid("server_name", IsHost, "a host name or an IP address");
  if (tls.GetSwitch("plaintext")) {
    if (!IsLocalAddress(address)) {
      tls.Error("plaintext", absl::StrCat("true with the address ", Quoted(address)),
                "false, or an address that only this machine reaches: 127.0.0.1, [::1] or unix:");
    }
    for (const std::string_view file : {"certificate_file", "key_file", "ca_file"}) {
      if (!tls.Get(file).empty()) {
        tls.Error(file, "it beside `plaintext: true`", "one of the two");
      }
    }
    return;
  }
  for (const std::string_view file : {"certificate_file", "key_file", "ca_file"}) {
    if (tls.Required(file, "a PEM file (or `plaintext: true` on a local address)")) {
      tls.Valid(file, IsPath, "the path of a PEM file");
    }
  }
}

void CheckExpectedFlows(const Checker& root, const std::function<bool(std::string_view)>& is_site,
                        std::string_view expected) {
  root.Each("expected_flows", [&](const Checker& flow) {
    flow.Valid(
        "name", [](std::string_view text) { return text.size() <= kNameBytesMax; },
        absl::StrCat("at most ", kNameBytesMax, " bytes"));
    flow.Valid("site", is_site, expected);
    flow.LowerCase("host");
    flow.Valid("host", IsHostPattern, "a host, exact or `*.example.com`");
    flow.Valid("address", IsIpPrefix, "an IP address or a prefix, such as 192.0.2.0/24");
    flow.Number("port", 0, 0, 65535);
    flow.Valid(
        "path_prefix", [](std::string_view text) { return IsPath(text) && text.front() == '/'; },
        "a path that begins with `/`");
    flow.Valid("method", IsMethod, "an HTTP method in capitals, such as POST");
    flow.Valid(
        "executable", [](std::string_view text) { return IsPath(text) && text.front() == '/'; },
        "the absolute path of a program");
    flow.Valid("file", IsGlob, "a glob");
    if (flow.Get("host").empty() && flow.Get("address").empty() && flow.Get("file").empty()) {
      flow.Error("", "none of host, address and file", "at least one");
    }
  });
}

}  // namespace skimwatch::config
