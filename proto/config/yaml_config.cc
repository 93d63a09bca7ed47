#include "proto/config/yaml_config.h"

#include <string>

#include "proto/config/read_file.h"
#include "proto/config/source_map.h"
#include "proto/config/yaml_reader.h"

namespace skimwatch::config {

absl::Status FromYaml(std::string_view text, std::string_view file,
                      google::protobuf::Message& message) {
  SourceMap positions;
  return ReadYaml(text, file, message, positions);
}

absl::Status FromYamlFile(const std::string& path, google::protobuf::Message& message) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  return FromYaml(*text, path, message);
}

}  // namespace skimwatch::config
