#include "agent/page_check_command.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/card/brand_table.h"
#include "agent/card/mask.h"
#include "agent/script/judge/web_address.h"
#include "agent/script/source/page/browser_process.h"
#include "agent/script/source/page/page_headers.h"
#include "agent/script/source/page/page_look.h"
#include "agent/script/source/page/page_monitor.h"
#include "agent/traffic/site_map.h"
#include "nlohmann/json.hpp"
#include "proto/config/effective.h"
#include "proto/process/process.h"
#include "proto/text/printable.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::agent {
namespace {

constexpr int kExitDeparted = 1;
constexpr int kExitError = 2;
constexpr size_t kHashShown = 6;

// Fit for a terminal, and without card numbers.
std::string Shown(std::string_view text) { return text::Printable(card::RedactCardNumbers(text)); }

std::string Size(uint64_t bytes) { return absl::StrCat(bytes, " bytes"); }

// The whole configuration's pages, with the one check that is meant; or an error in words.
absl::StatusOr<config::v1::AgentConfig> ConfigOf(const PageCheckFlags& flags) {
  if (flags.url.empty() == flags.config.empty()) {
    return absl::InvalidArgumentError("give either a URL, or --config and --name");
  }
  if (!flags.config.empty()) {
    absl::StatusOr<config::v1::AgentConfig> config = config::LoadAgentConfig(flags.config);
    if (!config.ok()) return config.status();
    auto& checks = *config->mutable_pages()->mutable_checks();
    std::vector<std::string> names;
    for (const config::v1::PageCheck& check : checks) names.push_back(check.name());
    const bool is_clear = flags.name.empty() && checks.size() == 1;
    if (!is_clear) {
      const auto wanted = std::find(names.begin(), names.end(), flags.name);
      if (wanted == names.end()) {
        return absl::NotFoundError(
            absl::StrCat(flags.config, ": --name must be one of: ", absl::StrJoin(names, ", ")));
      }
      const config::v1::PageCheck kept = checks.Get(static_cast<int>(wanted - names.begin()));
      checks.Clear();
      *checks.Add() = kept;
    }
    return config;
  }
  // The defaults of a configuration hold for a URL, too.
  config::v1::AgentConfig asked;
  config::v1::PageCheck& check = *asked.mutable_pages()->add_checks();
  check.set_url(flags.url);
  absl::StatusOr<config::v1::AgentConfig> config = config::ParseAgentConfig(
      absl::StrCat("sites: [{name: site}]\n"
                   "collector: {address: \"unix:/nowhere\", tls: {plaintext: true}}\n"
                   "pages: {checks: [{name: page, url: \"",
                   absl::CEscape(flags.url), "\"}]}\n"),
      "");
  if (config.ok()) return config;
  // The place is one in a text that nobody wrote.
  const std::string what(config.status().message());
  const size_t field = what.find("url: ");
  return absl::InvalidArgumentError(
      absl::StrCat("URL: ", field == std::string::npos ? what : what.substr(field + 5)));
}

void PrintPages(const script::PageRun& run, std::ostream& out) {
  for (const script::SeenPage& page : run.pages) {
    out << "page " << Shown(page.address) << " (status " << page.status << ")\n";
    const std::string headers = script::SecurityHeaders(page);
    if (headers.empty()) out << "  no security-relevant headers\n";
    for (size_t at = 0; at < headers.size();) {
      const size_t end = headers.find('\n', at);
      out << "  " << Shown(headers.substr(at, end - at)) << "\n";
      at = end + 1;
    }
  }
}

void PrintScripts(const script::PageRun& run, std::ostream& out) {
  out << "scripts: " << run.scripts.size() << "\n";
  for (const script::SeenScript& script : run.scripts) {
    const std::string& hash = script.raw_sha256.empty() ? script.text_sha256 : script.raw_sha256;
    out << "  " << script.seen_as << (script.third_party_frame ? " (in another site's frame)" : "")
        << " " << (script.address.empty() ? "-" : Shown(script.address)) << " "
        << Size(script.size_bytes) << " sha256 "
        << absl::BytesToHexString(hash.substr(0, kHashShown)) << "...";
    if (!script.initiator.empty()) out << " by " << Shown(script.initiator);
    out << "\n";
    for (const std::string& listener : script.listeners) {
      out << "    listens to " << Shown(listener) << "\n";
    }
  }
}

void PrintDepartures(const script::PageRun& run, std::ostream& out) {
  for (const script::SeenDeparture& one : run.departures) {
    out << (one.has_canary ? (one.approved ? "canary, where it may go: " : "CANARY: ")
                           : "unapproved: ")
        << Shown(one.method) << (one.method.empty() ? "" : " ") << Shown(one.address);
    if (!one.part.empty()) out << " (" << one.part << ")";
    if (!one.encodings.empty()) out << " as " << absl::StrJoin(one.encodings, " in ");
    if (!one.initiator.empty()) out << " by " << Shown(one.initiator);
    if (one.has_canary) out << (one.stopped ? ", stopped" : ", not stopped");
    out << "\n";
  }
}

void PrintRest(const script::PageRun& run, std::ostream& out) {
  for (const script::SeenFrame& frame : run.frames) {
    out << "frame of another site: " << Shown(frame.address) << "\n";
  }
  out << "requests: " << run.requests << ", stopped: " << run.stopped_requests << "\n";
  for (const auto& [host, count] : run.hosts) {
    out << "  " << Shown(host) << ": " << count << "\n";
  }
  for (const std::string& cookie : run.cookies) out << "cookie " << Shown(cookie) << "\n";
  const script::PageOmissions& left_out = run.omissions;
  if (left_out.scripts + left_out.script_texts + left_out.requests + left_out.body_bytes +
          left_out.departures + left_out.targets + left_out.messages >
      0) {
    out << "left out for limits: " << left_out.scripts << " scripts, " << left_out.script_texts
        << " texts, " << left_out.requests << " requests, " << left_out.body_bytes
        << " bytes of bodies, " << left_out.departures << " departures, " << left_out.targets
        << " frames and workers, " << left_out.messages << " messages of the browser\n";
  }
  for (const std::string& unseen : run.unseen) out << "not seen: " << Shown(unseen) << "\n";
}

void PrintText(const script::PageRun& run, std::ostream& out) {
  out << "look " << run.id << ": " << script::PageOutcomeName(run.outcome)
      << (run.is_static ? " (without a browser)" : "") << " in "
      << absl::FormatDuration(absl::Trunc(run.duration, absl::Milliseconds(1)))
      << ", page loaded in "
      << absl::FormatDuration(absl::Trunc(run.load_time, absl::Milliseconds(1)));
  if (run.memory_bytes_max > 0) out << ", browser up to " << (run.memory_bytes_max >> 20) << " MiB";
  out << "\n";
  if (!run.reason.empty()) out << "reason: " << Shown(run.reason) << "\n";
  PrintPages(run, out);
  PrintScripts(run, out);
  PrintDepartures(run, out);
  PrintRest(run, out);
}

// One object in a line, with all that PrintText prints.
void PrintJson(const script::PageRun& run, std::ostream& out) {
  using nlohmann::json;
  json look = {{"id", run.id},
               {"outcome", std::string(script::PageOutcomeName(run.outcome))},
               {"reason", Shown(run.reason)},
               {"is_static", run.is_static},
               {"duration_ms", absl::ToInt64Milliseconds(run.duration)},
               {"load_time_ms", absl::ToInt64Milliseconds(run.load_time)},
               {"memory_bytes_max", run.memory_bytes_max},
               {"requests", run.requests},
               {"stopped_requests", run.stopped_requests},
               {"pages", json::array()},
               {"scripts", json::array()},
               {"departures", json::array()},
               {"frames", json::array()},
               {"hosts", json::object()},
               {"cookies", json::array()},
               {"not_seen", json::array()}};
  for (const script::SeenPage& page : run.pages) {
    json headers = json::array();
    for (const absl::string_view line :
         absl::StrSplit(script::SecurityHeaders(page), '\n', absl::SkipEmpty())) {
      headers.push_back(Shown(std::string(line)));
    }
    look["pages"].push_back({{"address", Shown(page.address)},
                             {"status", page.status},
                             {"security_headers", std::move(headers)}});
  }
  for (const script::SeenScript& script : run.scripts) {
    const std::string& hash = script.raw_sha256.empty() ? script.text_sha256 : script.raw_sha256;
    json listeners = json::array();
    for (const std::string& listener : script.listeners) listeners.push_back(Shown(listener));
    look["scripts"].push_back({{"seen_as", script.seen_as},
                               {"address", Shown(script.address)},
                               {"third_party_frame", script.third_party_frame},
                               {"size_bytes", script.size_bytes},
                               {"sha256", absl::BytesToHexString(hash)},
                               {"initiator", Shown(script.initiator)},
                               {"listeners", std::move(listeners)}});
  }
  for (const script::SeenDeparture& one : run.departures) {
    look["departures"].push_back({{"address", Shown(one.address)},
                                  {"method", Shown(one.method)},
                                  {"part", one.part},
                                  {"encodings", one.encodings},
                                  {"has_canary", one.has_canary},
                                  {"approved", one.approved},
                                  {"stopped", one.stopped},
                                  {"initiator", Shown(one.initiator)}});
  }
  for (const script::SeenFrame& frame : run.frames) look["frames"].push_back(Shown(frame.address));
  for (const auto& [host, count] : run.hosts) look["hosts"][Shown(host)] = count;
  for (const std::string& cookie : run.cookies) look["cookies"].push_back(Shown(cookie));
  for (const std::string& unseen : run.unseen) look["not_seen"].push_back(Shown(unseen));
  const script::PageOmissions& left_out = run.omissions;
  look["left_out"] = {{"scripts", left_out.scripts},       {"script_texts", left_out.script_texts},
                      {"requests", left_out.requests},     {"body_bytes", left_out.body_bytes},
                      {"departures", left_out.departures}, {"targets", left_out.targets},
                      {"messages", left_out.messages}};
  out << look.dump() << "\n";
}

}  // namespace

const CLI::App* AddPageCheckCommand(CLI::App& app, PageCheckFlags& flags) {
  CLI::App* const command =
      app.add_subcommand("check-page", "Look at one payment page and print what a look sees");
  command->footer(
      "Loads the page in a browser of its own, or without one where there is none, does the steps\n"
      "of a check, and prints scripts, headers, requests and where the canary went. Nothing is\n"
      "kept, and nobody told.\n"
      "\n"
      "Exit codes: 0 all went well, 1 the canary was on its way to where it may not go, 2 the "
      "page\n"
      "could not be looked at.");
  command->add_option("URL", flags.url, "The page")->type_name("");
  command->add_option("--config", flags.config, "Configuration file with `pages.checks`")
      ->type_name("FILE");
  command->add_option("--name", flags.name, "The check of the configuration")->type_name("NAME");
  command->add_option("--browser", flags.browser, "Program of the browser, or `none`")
      ->type_name("PATH");
  command->add_option("--user", flags.user, "User that the browser runs as")->type_name("USER");
  command->add_flag("--no-sandbox", flags.no_sandbox,
                    "Without Chromium's sandbox, which does not start as root: for tests");
  command
      ->add_option(
          "--seconds", flags.seconds_max,
          absl::StrCat("End it after so long, 5 to 600 (", flags.seconds_max, " by default)"))
      ->type_name("N")
      ->check(CLI::Range(5, 600).description(""));
  command->add_option("--output", flags.output, "Form of the answer (text by default)")
      ->type_name("text|json")
      ->check(CLI::IsMember({"text", "json"}).description(""));
  return command;
}

int RunPageCheck(const PageCheckFlags& flags, std::ostream& out, std::ostream& errors) {
  const auto fail = [&](const absl::Status& status) {
    errors << "skimwatch-agent: " << Shown(std::string(status.message())) << "\n";
    return kExitError;
  };
  absl::StatusOr<config::v1::AgentConfig> config = ConfigOf(flags);
  if (!config.ok()) return fail(config.status());
  // The number that is typed is in its memory.
  if (absl::Status s = process::ForbidCoreDumps(); !s.ok()) return fail(s);
  process::BlockTerminationSignals();
  absl::StatusOr<std::shared_ptr<const traffic::SiteMap>> sites =
      traffic::SiteMap::Create(config->sites(), nullptr);
  if (!sites.ok()) return fail(sites.status());
  const config::v1::PageCheck& check = config->pages().checks(0);
  const std::string own_host = script::ParseWebAddress(check.url()).host;
  script::PageLookOptions look;
  look.check = check;
  look.browser = config->pages().browser();
  if (!flags.browser.empty()) look.browser.set_path(flags.browser);
  if (!flags.user.empty()) look.browser.set_user(flags.user);
  if (flags.no_sandbox) look.browser.set_no_sandbox(true);
  if (flags.config.empty()) look.browser.set_seconds_max(flags.seconds_max);
  const bool has_browser = !script::BrowserProcess::Find(look.browser.path()).empty();
  if (has_browser && geteuid() == 0 && look.browser.user().empty() && !look.browser.no_sandbox()) {
    return fail(absl::PermissionDeniedError(
        "Chromium's sandbox does not start as root: name a user for the browser with --user, or "
        "give --no-sandbox where the page is your own and a test"));
  }
  look.scan = {.decode_depth = static_cast<int>(config->scan().decode_depth())};
  look.brands = &card::BrandTable::Default();
  look.is_site_host = [&](std::string_view host) {
    const std::string* const site = (*sites)->SiteOfHost(host);
    return site != nullptr && *site == check.site();
  };
  look.is_approved = [&](std::string_view host) {
    return host == own_host || look.is_site_host(host) ||
           script::MatchesHost(check.canary().destinations(), host);
  };
  look.stopping = [] {
    return process::WaitForTerminationSignal(absl::ZeroDuration(), process::Hangup::kEnds);
  };
  const script::PageRun run = script::LookAtPage(look);
  if (flags.output == "json") {
    PrintJson(run, out);
  } else {
    PrintText(run, out);
  }
  const bool departed =
      std::any_of(run.departures.begin(), run.departures.end(),
                  [](const script::SeenDeparture& one) { return one.has_canary && !one.approved; });
  if (departed) return kExitDeparted;
  return run.outcome == script::PageOutcome::kOk ? 0 : kExitError;
}

}  // namespace skimwatch::agent
