#include <string>
#include <string_view>

#include "proto/config/checker.h"
#include "proto/config/effective.h"
#include "proto/config/error_list.h"
#include "proto/config/read_file.h"
#include "proto/config/shared_fields.h"
#include "proto/config/source_map.h"
#include "proto/config/syntax.h"
#include "proto/config/yaml_reader.h"

namespace skimwatch::config {

absl::StatusOr<v1::CtlConfig> ParseCtlConfig(std::string_view text, std::string_view file) {
  v1::CtlConfig config;
  SourceMap positions;
  if (absl::Status read = ReadYaml(text, file, config, positions); !read.ok()) return read;

  ErrorList errors(file);
  const Checker root(config, "", positions, errors);
  root.Text("collector", "127.0.0.1:9463");
  root.Valid("collector", IsConnectAddress, "`host:port` or `unix:/path`");
  // The command line may still name another collector and other files: that they fit together is
  // for those who connect.
  const Checker tls = root.Message("tls");
  tls.Number("reload_interval_seconds", 60, 1, 86400);
  for (const std::string_view path : {"certificate_file", "key_file", "ca_file"}) {
    tls.Valid(path, IsPath, "the path of a PEM file");
  }
  tls.Valid("server_name", IsHost, "a host name or an IP address");
  root.Valid("token_file", IsPath, "the path of a file");
  root.OneOf("output", "table", {"table", "json"});
  root.Number("timeout_seconds", 30, 1, 3600);
  if (absl::Status status = errors.status(); !status.ok()) return status;
  return config;
}

absl::StatusOr<v1::CtlConfig> LoadCtlConfig(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  return ParseCtlConfig(*text, path);
}

}  // namespace skimwatch::config
