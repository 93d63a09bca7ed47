// Configuration text of any kind: never a crash, a hang or an error without a place, and what was
// read prints as text that reads back as itself.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proto/config/effective.h"
#include "proto/config/yaml_config.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/agent.pb.h"

namespace {

template <typename Message>
void Check(std::string_view text) {
  Message message;
  const absl::Status status = skimwatch::config::FromYaml(text, "f", message);
  if (!status.ok()) {
    if (status.message().substr(0, 2) != "f:") std::abort();
    return;
  }
  Message again;
  if (!skimwatch::config::FromYaml(skimwatch::config::ToYaml(message), "g", again).ok()) {
    std::abort();
  }
  if (again.ShortDebugString() != message.ShortDebugString()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Check<skimwatch::config::v1::AgentConfig>(text);
  Check<skimwatch::v1::Coverage>(text);
  if (const auto config = skimwatch::config::ParseAgentConfig(text, "f"); config.ok()) {
    // What is in force is in force again when it is printed and read.
    const auto again = skimwatch::config::ParseAgentConfig(skimwatch::config::ToYaml(*config), "g");
    if (!again.ok() || again->SerializeAsString() != config->SerializeAsString()) std::abort();
  }
  return 0;
}
