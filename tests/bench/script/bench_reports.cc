// How many reports of shoppers' browsers the endpoint takes, and what is left for others when one
// source floods it.
//
//   bench_reports [--benchmark_filter=...]
//
// `read` is what a body costs without sockets: card scan, JSON, judgement. `endpoint` is
// everything: HTTP over connections that stay open, as a web server keeps them, the hand-over
// between the two threads, and all of `read`; reports_per_cpu_second counts the processor time of
// the endpoint's own threads, with that of the clients taken off. `flood` has one source that sends
// as fast as it can and 50 others that send ten requests a second each, under the limits that are
// the default: others_taken is the share of the others' reports that came through.

#include <sys/resource.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/card/brand_table.h"
#include "agent/pipeline/browser_report_reporter.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/source/browser_report/report_endpoint.h"
#include "agent/traffic/message.h"
#include "benchmark/benchmark.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/local/stream_protocol.hpp"
#include "boost/asio/read.hpp"
#include "boost/asio/read_until.hpp"
#include "boost/asio/write.hpp"
#include "tests/support/temp_folder.h"

namespace skimwatch::script {
namespace {

using Clock = std::chrono::steady_clock;
using Socket = boost::asio::local::stream_protocol::socket;

constexpr char kUserAgent[] =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 "
    "Safari/537.36";
// What the answer to a report is, to the byte.
constexpr size_t kAnswerBytes =
    std::string_view("HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\r\n").size();

std::string Violation(size_t n) {
  return absl::StrCat(
      R"({"age":0,"body":{"blockedURL":"https://evil.example/collect/)", n % 100,
      "?session=", n * 7919 % 100000,
      R"(","columnNumber":13,"disposition":"enforce","documentURL":"https://shop.example/checkout",)",
      R"("effectiveDirective":"connect-src","lineNumber":4,"originalPolicy":"script-src 'self' )",
      R"(https://chat.example 'report-sha256'; connect-src 'self'; report-to skimwatch",)",
      R"("referrer":"https://shop.example/","sample":"","sourceFile":"https://chat.example/chat.js",)",
      R"("statusCode":200},"type":"csp-violation","url":"https://shop.example/checkout",)",
      R"("user_agent":")", kUserAgent, "\"}");
}

std::string Hash(size_t n) {
  return absl::StrCat(
      R"({"age":62,"body":{"destination":"script","documentURL":"https://shop.example/checkout",)",
      R"("hash":"sha256-)", absl::Base64Escape(Sha256(absl::StrCat(n % 20))),
      R"(","subresourceURL":"https://cdn.example/lib/)", n % 20,
      R"(.js","type":"subresource"},"type":"csp-hash","url":"https://shop.example/checkout",)",
      R"("user_agent":")", kUserAgent, "\"}");
}

// `reports` in one body, of both kinds in turn.
std::string Body(size_t reports, size_t seed) {
  std::string body = "[";
  for (size_t i = 0; i < reports; ++i) {
    absl::StrAppend(&body, i == 0 ? "" : ",",
                    (seed + i) % 2 == 0 ? Violation(seed + i) : Hash((seed + i) / 2));
  }
  return body + "]";
}

std::string Request(const std::string& client, const std::string& body) {
  return absl::StrCat("POST /skimwatch-reports HTTP/1.1\r\nHost: reports\r\nX-Real-IP: ", client,
                      "\r\nContent-Length: ", body.size(),
                      "\r\nContent-Type: application/reports+json\r\nOrigin: https://shop.example"
                      "\r\nUser-Agent: ",
                      kUserAgent,
                      "\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: "
                      "en-US,en;q=0.9\r\n\r\n",
                      body);
}

// The real way to findings, which end here.
class Sink {
 public:
  Sink() { writer_.SetPolicy({}); }
  pipeline::BrowserReportReporter& reporter() { return reporter_; }

 private:
  pipeline::FindingWriter writer_{
      {.key_wait = absl::ZeroDuration(),
       .append = [](const std::vector<v1::Finding>&) { return absl::OkStatus(); }}};
  pipeline::BrowserReportReporter reporter_{{}, card::BrandTable::Default(), writer_};
};

ReportProcessor::Options ProcessorOptions() {
  ReportProcessor::Options options;
  options.default_site = "shop";
  options.noise_hosts = {"*.kaspersky-labs.com", "*.bitdefender.net", "*.avast.com"};
  options.site_of_host = [](std::string_view host) {
    return host == "shop.example" ? std::string("shop") : std::string();
  };
  options.path_template = traffic::PathTemplate;
  return options;
}

double CpuSeconds(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

void BM_Read(benchmark::State& state) {
  Sink sink;
  ReportProcessor processor(ProcessorOptions(), BrowserState(), sink.reporter());
  const auto reports = static_cast<size_t>(state.range(0));
  std::vector<std::string> bodies;
  for (size_t i = 0; i < 1000; ++i) bodies.push_back(Body(reports, i));
  ReportProcessor::Counts counts{};
  size_t n = 0;
  size_t bytes = 0;
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  for (auto _ : state) {
    const std::string& body = bodies[n % bodies.size()];
    processor.Process(body, {.network = n % 500, .browser = n % 1000}, now, counts);
    bytes += body.size();
    ++n;
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.SetItemsProcessed(static_cast<int64_t>(n * reports));
}
BENCHMARK(BM_Read)->Name("read")->ArgName("reports_a_body")->Arg(1)->Arg(10);

// One that takes reports on a socket in a folder of its own.
class Endpoint {
 public:
  Endpoint(const RateLimit::Options& rate, size_t queue_bytes_max)
      : socket_(folder_.File("socket")) {
    ReportEndpoint::Options options;
    options.listen = absl::StrCat("unix:", socket_);
    options.processor = ProcessorOptions();
    options.rate = rate;
    options.queue_bytes_max = queue_bytes_max;
    options.state_path = folder_.File("state");
    endpoint_ = *ReportEndpoint::Listen(options, sink_.reporter());
    endpoint_->Start();
  }
  const std::string& socket() const { return socket_; }
  ReportEndpoint& operator*() { return *endpoint_; }

 private:
  skimwatch::testing::TempFolder folder_;
  const std::string socket_;
  Sink sink_;
  std::unique_ptr<ReportEndpoint> endpoint_;
};

void BM_Endpoint(benchmark::State& state) {
  constexpr size_t kConnections = 16;
  constexpr size_t kRequests = 3200;
  const auto reports = static_cast<size_t>(state.range(0));
  const RateLimit::Options unlimited{
      .client_rate = 1e9, .client_burst = 1e9, .total_rate = 1e9, .total_burst = 1e9};
  // Everything is to be read, however far behind the reader is.
  Endpoint endpoint(unlimited, size_t{1} << 30);
  std::vector<std::string> requests;
  for (size_t i = 0; i < kRequests; ++i) {
    requests.push_back(Request(absl::StrCat("198.51.", i % 7, ".", i % 251), Body(reports, i)));
  }
  double cpu = 0;
  uint64_t sent = 0;
  boost::asio::io_context context;
  std::vector<Socket> sockets;
  for (size_t i = 0; i < kConnections; ++i) {
    sockets.emplace_back(context);
    sockets.back().connect(endpoint.socket());
  }
  for (auto _ : state) {
    const double process_before = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
    const double own_before = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
    std::string answer(kAnswerBytes, '\0');
    for (size_t i = 0; i < kRequests; i += kConnections) {
      for (size_t j = 0; j < kConnections; ++j) {
        boost::asio::write(sockets[j], boost::asio::buffer(requests[i + j]));
      }
      for (size_t j = 0; j < kConnections; ++j) {
        boost::asio::read(sockets[j], boost::asio::buffer(answer));
      }
    }
    sent += kRequests * reports;
    // Until all is read that was answered.
    for (;;) {
      uint64_t done = 0;
      for (const uint64_t count : (*endpoint).GetStats().reports) done += count;
      if (done >= sent) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    cpu += CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - process_before -
           (CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - own_before);
  }
  state.SetItemsProcessed(static_cast<int64_t>(sent));
  state.counters["reports_per_cpu_second"] = static_cast<double>(sent) / cpu;
}
BENCHMARK(BM_Endpoint)
    ->Name("endpoint")
    ->ArgName("reports_a_body")
    ->Arg(1)
    ->Arg(10)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void BM_Flood(benchmark::State& state) {
  constexpr auto kFor = std::chrono::seconds(3);
  constexpr size_t kOthers = 50;
  for (auto _ : state) {
    Endpoint endpoint(RateLimit::Options{}, ReportEndpoint::Options().queue_bytes_max);
    std::atomic<bool> done{false};
    std::atomic<uint64_t> flooded{0};
    // Any answer will do: what matters is that it goes on.
    std::thread flood([&] {
      boost::asio::io_context context;
      Socket socket(context);
      socket.connect(endpoint.socket());
      const std::string request = Request("203.0.113.66", Body(1, 0));
      std::string many;
      for (int i = 0; i < 16; ++i) many += request;
      std::string answers(64u << 10, '\0');
      boost::system::error_code error;
      while (!done && !error) {
        boost::asio::write(socket, boost::asio::buffer(many), error);
        socket.read_some(boost::asio::buffer(answers), error);
        flooded += 16;
      }
    });
    boost::asio::io_context context;
    Socket socket(context);
    socket.connect(endpoint.socket());
    uint64_t sent = 0;
    uint64_t taken = 0;
    const Clock::time_point end = Clock::now() + kFor;
    std::string answer;
    for (Clock::time_point next = Clock::now(); next < end;
         next += std::chrono::milliseconds(100) / kOthers) {
      std::this_thread::sleep_until(next);
      boost::asio::write(socket, boost::asio::buffer(Request(
                                     absl::StrCat("198.51.100.", sent % kOthers), Body(1, sent))));
      answer.clear();
      boost::asio::read_until(socket, boost::asio::dynamic_buffer(answer), "\r\n\r\n");
      ++sent;
      taken += answer.starts_with("HTTP/1.1 204") ? 1 : 0;
    }
    done = true;
    flood.join();
    const auto requests = (*endpoint).GetStats().requests;
    state.counters["others_taken"] = static_cast<double>(taken) / static_cast<double>(sent);
    state.counters["others_sent"] = static_cast<double>(sent);
    state.counters["flood_sent"] = static_cast<double>(flooded);
    state.counters["flood_refused"] =
        static_cast<double>(requests[static_cast<size_t>(RequestOutcome::kClientLimit)]);
  }
}
BENCHMARK(BM_Flood)->Name("flood")->UseRealTime()->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace skimwatch::script

BENCHMARK_MAIN();
