// What a page may make a browser say of it, and what a server may send: never a crash or a hang, no
// more kept than the limits allow, and nothing shown that holds a card number.
//
// Input: a byte that chooses, then events of the protocol as messages; headers and HTML; or what a
// page sends.

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/card/brand_table.h"
#include "agent/script/source/page/canary.h"
#include "agent/script/source/page/devtools.h"
#include "agent/script/source/page/message_framer.h"
#include "agent/script/source/page/page_headers.h"
#include "agent/script/source/page/page_recorder.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace {

namespace script = skimwatch::script;
namespace validation = skimwatch::validation;

constexpr size_t kScriptsMax = 32;

void FuzzEvents(std::string_view input) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) != 0) abort();
  script::CanaryFinder finder("4000001234567899", {}, skimwatch::card::BrandTable::Default());
  script::PageRecorder::Options options;
  options.check.set_url("https://shop.example/");
  options.limits.set_scripts_max(kScriptsMax);
  options.limits.set_script_kib_max(64);
  options.limits.set_requests_max(64);
  options.limits.set_body_kib_max(16);
  options.finder = &finder;
  options.is_site_host = [](std::string_view host) { return host == "shop.example"; };
  options.is_approved = options.is_site_host;
  script::PageRun run;
  {
    script::DevTools devtools(ends[0], ends[0], {.unsent_bytes_max = size_t{1} << 20});
    script::PageRecorder recorder(options, devtools, run);
    script::MessageFramer framer(size_t{1} << 20);
    if (!framer.Add(input)) abort();
    while (const auto message = framer.Next()) {
      const script::Json json = script::ParseJson(*message);
      devtools.on_event(script::TextOf(json, "sessionId"), script::TextOf(json, "method"),
                        script::MemberOf(json, "params"));
      run.canary_typed = true;
    }
  }
  close(ends[0]);
  close(ends[1]);
  if (run.scripts.size() > kScriptsMax || run.departures.size() > 256 || run.pages.size() > 64) {
    abort();
  }
}

void FuzzHeaders(std::string_view input) {
  const size_t half = input.size() / 2;
  script::SeenPage before;
  before.meta_policies = script::MetaPolicies(input);
  before.headers.emplace_back("content-security-policy", std::string(input.substr(0, half)));
  script::SeenPage now;
  now.headers.emplace_back("content-security-policy", std::string(input.substr(half)));
  now.headers.emplace_back("set-cookie", std::string(input));
  now.headers.emplace_back("permissions-policy", std::string(input));
  const std::string one = script::SecurityHeaders(before);
  const std::string two = script::SecurityHeaders(now);
  for (const std::string& text : {one, two}) {
    if (!validation::IsUtf8(text) || validation::HasControlCharacter(text, /*lines=*/true)) abort();
    for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      const size_t end = text.find('\n', at);
      if (!validation::FindCardNumber(text.substr(at, end - at)).empty()) abort();
    }
  }
  if (script::CompareHeaders(one, two).reasons.size() > 32) abort();
  if (!script::CompareHeaders(one, one).reasons.empty()) abort();
}

void FuzzDepartures(std::string_view input) {
  static auto& finder =
      *new script::CanaryFinder("4000001234567899", {}, skimwatch::card::BrandTable::Default());
  finder.Find(input, {.is_request = true}, nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      FuzzEvents(input);
      break;
    case 1:
      FuzzHeaders(input);
      break;
    default:
      FuzzDepartures(input);
  }
  return 0;
}
