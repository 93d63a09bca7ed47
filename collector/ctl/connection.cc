#include "collector/ctl/connection.h"

#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "collector/ctl/bearer_token.h"
#include "proto/config/effective.h"
#include "proto/config/yaml_config.h"
#include "proto/tls/credentials.h"

namespace skimwatch::ctl {
namespace {

// A script with many versions is many differences.
constexpr int kMessageBytesMax = 64 << 20;
// How gRPC begins its account of an error that came over the wire.
constexpr char kReceivedFromPeer[] = "received from peer";
// The payload of such an error's status.
constexpr char kFromCollector[] = "skimwatch/from-collector";

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string DefaultConfigFile() {
  std::string folder = Variable("XDG_CONFIG_HOME");
  if (folder.empty()) {
    const std::string home = Variable("HOME");
    if (home.empty()) return "";
    folder = absl::StrCat(home, "/.config");
  }
  return absl::StrCat(folder, "/skimwatch/ctl.yaml");
}

absl::StatusOr<config::v1::CtlConfig> FromFile(const Options& options) {
  if (!options.config_file.empty()) return config::LoadCtlConfig(options.config_file);
  const std::string path = DefaultConfigFile();
  if (!path.empty()) {
    absl::StatusOr<config::v1::CtlConfig> config = config::LoadCtlConfig(path);
    if (!absl::IsNotFound(config.status())) return config;
  }
  return config::ParseCtlConfig("", "");
}

void Override(const std::string& value, std::string* setting) {
  if (!value.empty()) *setting = value;
}

}  // namespace

absl::StatusOr<config::v1::CtlConfig> EffectiveConfig(const Options& options) {
  absl::StatusOr<config::v1::CtlConfig> config = FromFile(options);
  if (!config.ok()) return config;
  Override(Variable("SKIMWATCH_COLLECTOR"), config->mutable_collector());
  Override(options.collector, config->mutable_collector());
  config::v1::Tls& tls = *config->mutable_tls();
  const bool names_files =
      !options.certificate_file.empty() || !options.key_file.empty() || !options.ca_file.empty();
  if (options.plaintext && names_files) {
    return absl::InvalidArgumentError(
        "found --plaintext beside --certificate, --key or --ca, expected one of the two");
  }
  if (options.plaintext) {
    tls.clear_certificate_file();
    tls.clear_key_file();
    tls.clear_ca_file();
    tls.set_plaintext(true);
  } else if (names_files) {
    tls.set_plaintext(false);
  }
  Override(options.certificate_file, tls.mutable_certificate_file());
  Override(options.key_file, tls.mutable_key_file());
  Override(options.ca_file, tls.mutable_ca_file());
  Override(options.server_name, tls.mutable_server_name());
  Override(options.token_file, config->mutable_token_file());
  Override(options.output, config->mutable_output());
  if (options.timeout_seconds > 0) config->set_timeout_seconds(options.timeout_seconds);
  // What the command line and the environment say is checked as the file is; the places that errors
  // name are in a text that nobody wrote.
  absl::StatusOr<config::v1::CtlConfig> checked =
      config::ParseCtlConfig(config::ToYaml(*config), "");
  if (checked.ok()) return checked;
  std::string what(checked.status().message());
  std::string lines;
  for (const absl::string_view line : absl::StrSplit(what, '\n')) {
    absl::StrAppend(&lines, lines.empty() ? "" : "\n", line.substr(line.find(": ") + 2));
  }
  return absl::InvalidArgumentError(lines);
}

absl::Status Connection::FromGrpc(const grpc::Status& status, const grpc::ClientContext& context) {
  absl::Status error(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  if (!error.ok() && absl::StrContains(context.debug_error_string(), kReceivedFromPeer)) {
    error.SetPayload(kFromCollector, absl::Cord());
  }
  return error;
}

bool Connection::IsFromCollector(const absl::Status& status) {
  return status.GetPayload(kFromCollector).has_value();
}

absl::StatusOr<Connection> Connection::Open(const config::v1::CtlConfig& config) {
  const config::v1::Tls& tls = config.tls();
  const BearerToken token(config.token_file());
  const bool has_certificate = !tls.certificate_file().empty() || !tls.key_file().empty();
  if (token.is_there()) {
    if (tls.plaintext()) {
      return absl::InvalidArgumentError(
          "a token goes over TLS only, and --plaintext would show it to whoever listens; leave "
          "one of the two out (the token is in --token-file, `token_file` or SKIMWATCH_TOKEN)");
    }
    // Said before anything is sent; later it is a failure of each call.
    if (absl::StatusOr<std::string> read = token.Read(); !read.ok()) return read.status();
  }
  if (!tls.plaintext() && !(token.is_there() && !has_certificate && !tls.ca_file().empty())) {
    std::string missing;
    const std::pair<const std::string*, const char*> files[] = {
        {&tls.certificate_file(), "--certificate"},
        {&tls.key_file(), "--key"},
        {&tls.ca_file(), "--ca"}};
    for (const auto& [file, option] : files) {
      if (file->empty()) absl::StrAppend(&missing, missing.empty() ? "" : ", ", option);
    }
    if (!missing.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          token.is_there() && !has_certificate
              ? "with a token, the collector is still to be known; missing: "
              : "the collector asks for a certificate; missing: ",
          token.is_there() && !has_certificate ? "--ca" : missing,
          "\ngive --certificate, --key and --ca, or `tls` in the configuration file (--config, by "
          "default ",
          DefaultConfigFile(), "), or --plaintext for a collector on this machine that is ",
          "configured so"));
    }
  }
  absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> credentials =
      token.is_there() && !has_certificate
          ? tls::ChannelCredentialsWithoutCertificate(tls, config.collector())
          : tls::ChannelCredentials(tls, config.collector());
  if (!credentials.ok()) return credentials.status();
  if (token.is_there()) {
    *credentials = grpc::CompositeChannelCredentials(*credentials, token.CallCredentials());
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  // The address is the collector's: a proxy for web pages has no business in between.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(config.collector(), *credentials, arguments);
  Connection connection(config.timeout_seconds());
  connection.query_ = v1::QueryService::NewStub(channel);
  connection.decision_ = v1::DecisionService::NewStub(channel);
  return connection;
}

}  // namespace skimwatch::ctl
