// What a look at a payment page costs beyond the page's own load.
//
//   bench_page [--benchmark_filter=...]
//
// A page of a shop with a card form, 40 scripts of 60 KB and a style sheet is served on loopback.
// `chromium_alone` is Debian's Chromium that loads the page by itself and ends; `look` is a look as
// the agent makes it, with a canary typed into the form. Both are whole runs, the browser's start
// included. `beyond_load_s` is the time of a look beyond the page's load event, `runs_a_day` how
// many looks one core's processor time is enough for, browser and agent together; `rss_grown_kib`
// is how much the agent's own memory grew over all looks but the first.

#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/card/brand_table.h"
#include "agent/script/source/page/page_look.h"
#include "benchmark/benchmark.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch {
namespace {

constexpr int kScripts = 40;
constexpr size_t kScriptBytes = 60'000;
constexpr int kLooks = 5;

struct Site {
  testing::TempFolder folder;
  int port = 0;
  std::string url() const { return absl::StrCat("http://127.0.0.1:", port, "/checkout.html"); }
};

void WriteSite(const Site& site) {
  std::string page = "<!DOCTYPE html><html><head><link rel=stylesheet href=/style.css>";
  for (int i = 0; i < kScripts; ++i) {
    std::string script = absl::StrCat("(function(){var module", i, "={};\n");
    for (int f = 0; script.size() < kScriptBytes; ++f) {
      absl::StrAppend(
          &script, "module", i, ".f", f, "=function(a,b){var n=a.length,r=[];for(var i=0;i<n;i++){",
          "if(a[i]&&a[i]!==b)r.push(Object.assign({},a[i],{key:", f, "}))}return r};\n");
    }
    std::ofstream(site.folder.File(absl::StrCat("script-", i, ".js"))) << script << "})();\n";
    absl::StrAppend(&page, "<script src=/script-", i, ".js></script>");
  }
  std::ofstream(site.folder.File("style.css")) << "form{margin:1em}\n";
  std::ofstream(site.folder.File("checkout.html"))
      << page << "</head><body><form><input id=card autocomplete=cc-number>"
      << "<input id=cvc autocomplete=cc-csc><button type=button>Pay</button></form></body></html>";
}

Site& TheSite() {
  static Site& site = *new Site;
  return site;
}

int FreePort() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(listener, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  close(listener);
  return ntohs(address.sin_port);
}

// A browser leaves processes behind that end a little later; they are this one's children then.
void ReapAll() {
  absl::SleepFor(absl::Milliseconds(300));
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

double CpuSeconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double RssKib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::stod(line.substr(6));
  }
  return 0;
}

double Seconds(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void ChromiumAlone(benchmark::State& state) {
  const testing::TempFolder profile;
  const double cpu = CpuSeconds(RUSAGE_CHILDREN);
  int runs = 0;
  for (auto _ : state) {
    const testing::Result result = testing::RunProgram(
        {.command = {"/usr/bin/chromium", "--headless", "--no-sandbox", "--disable-gpu",
                     "--user-data-dir=" + profile.File(absl::StrCat(runs)), "--dump-dom",
                     TheSite().url()},
         .environment = {"PATH=/usr/bin:/bin", "HOME=" + profile.path()},
         .patience = absl::Minutes(3)});
    if (result.code != 0) return state.SkipWithError("chromium failed");
    ++runs;
    state.PauseTiming();
    ReapAll();
    state.ResumeTiming();
  }
  state.counters["cpu_s"] = (CpuSeconds(RUSAGE_CHILDREN) - cpu) / runs;
}

void Look(benchmark::State& state) {
  script::PageLookOptions look;
  look.check.set_name("checkout");
  look.check.set_site("shop");
  look.check.set_url(TheSite().url());
  look.check.set_settle_milliseconds(1000);
  look.check.mutable_canary()->set_issuer("400000");
  config::v1::PageStep& step = *look.check.add_steps();
  step.set_fill("#card");
  step.set_text("{card}");
  step.set_timeout_seconds(15);
  look.browser.set_seconds_max(120);
  look.browser.set_memory_mib(2048);
  look.browser.set_no_sandbox(geteuid() == 0);
  look.browser.set_scripts_max(2048);
  look.browser.set_script_kib_max(16384);
  look.browser.set_requests_max(8192);
  look.browser.set_body_kib_max(1024);
  look.scan = {.decode_depth = 3};
  look.brands = &card::BrandTable::Default();
  look.is_site_host = [](std::string_view host) { return host == "127.0.0.1"; };
  look.is_approved = look.is_site_host;
  double beyond = 0;
  double after_first = 0;
  int runs = 0;
  double scripts = 0;
  const double cpu = CpuSeconds(RUSAGE_CHILDREN) + CpuSeconds(RUSAGE_SELF);
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    const script::PageRun run = script::LookAtPage(look);
    if (run.outcome != script::PageOutcome::kOk) {
      return state.SkipWithError(
          absl::StrCat(std::string(script::PageOutcomeName(run.outcome)), ": ", run.reason)
              .c_str());
    }
    beyond += Seconds(begin) - absl::ToDoubleSeconds(run.load_time);
    scripts = static_cast<double>(run.scripts.size());
    if (++runs == 1) after_first = RssKib();
    state.PauseTiming();
    ReapAll();
    state.ResumeTiming();
  }
  const double cpu_a_look = (CpuSeconds(RUSAGE_CHILDREN) + CpuSeconds(RUSAGE_SELF) - cpu) / runs;
  state.counters["beyond_load_s"] = beyond / runs;
  state.counters["cpu_s"] = cpu_a_look;
  state.counters["runs_a_day"] = 86'400 / cpu_a_look;
  state.counters["rss_grown_kib"] = RssKib() - after_first;
  state.counters["scripts"] = scripts;
}

BENCHMARK(ChromiumAlone)
    ->Name("Page/chromium_alone")
    ->Iterations(kLooks)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(Look)->Name("Page/look")->Iterations(kLooks)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace skimwatch

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  skimwatch::Site& site = skimwatch::TheSite();
  skimwatch::WriteSite(site);
  site.port = skimwatch::FreePort();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const skimwatch::testing::ChildProcess server(
      {.command = {"/usr/bin/python3", "-m", "http.server", absl::StrCat(site.port), "--bind",
                   "127.0.0.1", "--directory", site.folder.path()},
       .environment = {"PATH=/usr/bin:/bin"}});
  if (!skimwatch::testing::WaitUntil(
          [&] { return !skimwatch::testing::HttpGet(site.port, "/style.css").empty(); })) {
    std::cerr << "bench_page: the server does not answer\n";
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
}
