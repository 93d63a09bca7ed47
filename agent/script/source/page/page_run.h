#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_RUN_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_RUN_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace skimwatch::script {

// How a look at a page ended.
enum class PageOutcome : uint8_t {
  // Everything that was asked for was done and seen.
  kOk,
  // The browser could not be started.
  kNotStarted,
  // The page could not be loaded, or the server answered with an error.
  kNotLoaded,
  // An element of a step was not found.
  kStepFailed,
  // It took longer than it may.
  kTimeout,
  // The browser, or the page's process, came to its end.
  kCrashed,
  // The browser took more memory than it may.
  kMemory,
  // It went as asked, and something of the page was not to be had.
  kIncomplete,
  kCount,
};

// `ok`, `not_started`, `not_loaded`, `step_failed`, `timeout`, `crashed`, `memory`,
// `incomplete`.
std::string_view PageOutcomeName(PageOutcome outcome);

// A script that ran, as the browser gave it. Addresses may hold anything: they are not fit to be
// shown as they are.
struct SeenScript {
  // Address of the document at the top, when it ran.
  std::string page;
  // `inline`, `inserted` (an inline script that another script put there), `external`, `eval`,
  // `blob`, `data`, `worker`, `service_worker`.
  std::string seen_as;
  // Where it was fetched from; empty for code without an address.
  std::string address;
  // In a frame of another site than the page's.
  bool third_party_frame = false;
  // SHA-256 of the decoded text and of the bytes that came, 32 bytes each; the latter is empty
  // where they were not to be had.
  std::string text_sha256;
  std::string raw_sha256;
  std::string raw_integrity;
  // Not read when it is known by `text_sha256`, or too large.
  std::optional<std::string> text;
  // Of the bytes that came, else of the text.
  uint64_t size_bytes = 0;
  // Address of the script that had it run, or of the document that holds it.
  std::string initiator;
  // Events of card fields that it listens to, `keydown on #card`.
  std::vector<std::string> listeners;
};

// A document at the top, as it was received.
struct SeenPage {
  std::string address;
  uint32_t status = 0;
  // Names in lower case, in the order in which they came.
  std::vector<std::pair<std::string, std::string>> headers;
  // Policies in `<meta http-equiv>`, by what they are called there, in lower case.
  std::vector<std::pair<std::string, std::string>> meta_policies;
};

// A frame of another site.
struct SeenFrame {
  std::string page;
  std::string address;
};

// Something that a page sent, and the canary in it or not.
struct SeenDeparture {
  // Address of the document at the top.
  std::string page;
  // Where to: scheme, host, port, path.
  std::string address;
  std::string method;
  // `request_target`, `request_headers`, `request_body`, `message` (of a WebSocket), `name` (that
  // is looked up ahead).
  std::string part;
  // How the canary was encoded there; of what holds none that could be found, empty.
  std::vector<std::string> encodings;
  bool has_canary = false;
  // It may go there.
  bool approved = false;
  // It was stopped in the browser.
  bool stopped = false;
  // Address of the script that sent it; empty where that is not known.
  std::string initiator;
};

// What was left out, for a limit that was reached.
struct PageOmissions {
  uint64_t scripts = 0;
  uint64_t script_texts = 0;
  uint64_t requests = 0;
  uint64_t body_bytes = 0;
  uint64_t departures = 0;
  // Frames and workers, which were kept from starting.
  uint64_t targets = 0;
  // What the browser said and could not be understood.
  uint64_t messages = 0;
};

// All of one look at a page.
struct PageRun {
  std::string id;
  PageOutcome outcome = PageOutcome::kOk;
  // Why it is not kOk; fit to be shown.
  std::string reason;
  // Without a browser: only what the page itself says was seen.
  bool is_static = false;
  absl::Time started = absl::InfinitePast();
  absl::Duration duration = absl::ZeroDuration();
  // From the first request of the page until its load event.
  absl::Duration load_time = absl::ZeroDuration();
  std::string user_agent;
  std::string language;
  std::string referrer;
  std::vector<SeenPage> pages;
  std::vector<SeenScript> scripts;
  std::vector<SeenFrame> frames;
  std::vector<SeenDeparture> departures;
  // Requests by host, as far as they were looked at.
  std::map<std::string, uint64_t> hosts;
  std::vector<std::string> cookies;
  uint64_t requests = 0;
  uint64_t stopped_requests = 0;
  bool canary_typed = false;
  uint64_t memory_bytes_max = 0;
  PageOmissions omissions;
  // What could not be seen, in words.
  std::vector<std::string> unseen;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_RUN_H_
