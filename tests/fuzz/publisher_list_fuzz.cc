// A publisher's list of any kind, as if it were signed: an answer, and never a script that the
// publisher may not speak for.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "collector/publisher/publishers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto& publisher = *[] {
    auto* one = new skimwatch::config::v1::ScriptPublisher;
    one->set_id("chat");
    one->add_scripts("https://chat.example/*");
    return one;
  }();
  const std::string_view list(reinterpret_cast<const char*>(data), size);
  const absl::Time now = absl::FromUnixSeconds(1'768'003'200);
  const auto checked =
      skimwatch::publisher::ListReader(publisher, now, /*is_stored=*/false).Read(list);
  if (!checked.ok()) {
    if (checked.status().message().empty()) std::abort();
    return 0;
  }
  if (checked->publisher != "chat" || checked->serial == 0) std::abort();
  for (const skimwatch::v1::PublishedScript& script : checked->scripts) {
    if (!script.script().starts_with("https://chat.example/")) std::abort();
    if (script.sha256().size() != 32 || checked->revoked.contains(script.sha256())) std::abort();
  }
  return 0;
}
