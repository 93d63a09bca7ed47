#include "agent/script/source/page/page_look.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/script/source/page/browser_process.h"
#include "agent/script/source/page/canary.h"
#include "agent/script/source/page/devtools.h"
#include "agent/script/source/page/page_fetch.h"

namespace skimwatch::script {
namespace {

// Letters only, so that with nothing around it makes a number.
std::string NewRunId() {
  std::array<unsigned char, 12> bytes{};
  (void)!getrandom(bytes.data(), bytes.size(), 0);
  std::string id;
  for (const unsigned char byte : bytes) id.push_back(static_cast<char>('a' + byte % 26));
  return id;
}

std::string Turn(const google::protobuf::RepeatedPtrField<std::string>& choices, uint64_t turn) {
  return choices.empty() ? "" : choices.Get(static_cast<int>(turn % choices.size()));
}

bool TypesCanary(const config::v1::PageCheck& check) {
  return std::any_of(check.steps().begin(), check.steps().end(),
                     [](const config::v1::PageStep& step) { return AsksForCard(step.text()); });
}

void LookWithBrowser(const PageLookOptions& options, const std::string& path, absl::Time deadline,
                     PageRun& run) {
  absl::StatusOr<CanaryCard> canary = MakeCanary(options.check.canary());
  if (!canary.ok()) {
    run.outcome = PageOutcome::kNotStarted;
    run.reason = std::string(canary.status().message());
    return;
  }
  absl::StatusOr<std::unique_ptr<BrowserProcess>> browser = BrowserProcess::Start(
      {.path = path,
       .user = options.browser.user(),
       .no_sandbox = options.browser.no_sandbox(),
       .arguments = {options.browser.arguments().begin(), options.browser.arguments().end()}});
  if (!browser.ok()) {
    run.outcome = PageOutcome::kNotStarted;
    run.reason = std::string(browser.status().message());
    return;
  }
  if (TypesCanary(options.check) && options.on_canary != nullptr) {
    options.on_canary(run.id, canary->number);
  }
  CanaryFinder finder(canary->number, options.scan, *options.brands);
  const uint64_t memory_max = uint64_t{options.browser.memory_mib()} << 20;
  DevTools devtools((*browser)->read_fd(), (*browser)->write_fd(), {.watch = [&]() -> absl::Status {
                      if (options.stopping != nullptr && options.stopping()) {
                        return absl::DeadlineExceededError("the agent stops");
                      }
                      const uint64_t memory = (*browser)->MemoryBytes();
                      run.memory_bytes_max = std::max(run.memory_bytes_max, memory);
                      if (memory <= memory_max) return absl::OkStatus();
                      return absl::ResourceExhaustedError(absl::StrCat(
                          "the browser took ", memory >> 20,
                          " MiB, more than pages.browser.memory_mib, ", memory_max >> 20));
                    }});
  PageRecorder recorder({.check = options.check,
                         .limits = options.browser,
                         .user_agent = run.user_agent,
                         .language = run.language,
                         .referrer = run.referrer,
                         .canary = *canary,
                         .finder = &finder,
                         .on_card = options.on_card,
                         .is_site_host = options.is_site_host,
                         .is_approved = options.is_approved,
                         .known_texts = options.known_texts},
                        devtools, run);
  recorder.Record(deadline);
  (*browser)->Kill();
  run.omissions.messages = devtools.malformed();
  if (devtools.malformed() > 0) {
    run.unseen.push_back(absl::StrCat(devtools.malformed(), " messages of the browser"));
  }
}

}  // namespace

PageRun LookAtPage(const PageLookOptions& options) {
  PageRun run;
  run.id = NewRunId();
  run.started = absl::Now();
  run.user_agent = Turn(options.check.user_agents(), options.turn);
  run.language = Turn(options.check.languages(), options.turn);
  run.referrer = Turn(options.check.referrers(), options.turn);
  const absl::Time deadline = run.started + absl::Seconds(options.browser.seconds_max());
  const std::string path = BrowserProcess::Find(options.browser.path());
  if (path.empty()) {
    FetchPage(options.check, options.browser, deadline, options.stopping, options.is_site_host,
              run);
  } else {
    LookWithBrowser(options, path, deadline, run);
  }
  run.duration = absl::Now() - run.started;
  return run;
}

}  // namespace skimwatch::script
