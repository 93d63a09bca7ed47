// How fast `skimwatch-agent scan` goes from a capture file to findings, and whether it finds all:
// a capture of HTTP/1.1 conversations is written with a seed, with card numbers planted in request
// and response bodies, and scanned by the program as a user runs it, findings read from its pipe.
//
//   bench_pcap [--benchmark_filter=...]     the capture is in $TMPDIR, and in the page cache
//
// Rows: MiB of capture. Half of the planted numbers are published test numbers, half are made with
// a valid check digit; they stand in forms, JSON and base64. Counters: planted, missed (planted and
// not found), extra (found and not planted), peak resident memory of the program; an iteration
// with any missed is an error.

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/card/luhn.h"
#include "benchmark/benchmark.h"
#include "nlohmann/json.hpp"
#include "tests/agent/traffic/support/tcp_conversation.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_folder.h"

namespace skimwatch {
namespace {

using traffic::testing::At;
using traffic::testing::Packet;
using traffic::testing::TcpConversation;

constexpr uint64_t kMiB = 1 << 20;
// Of a page or script that a response is made of.
constexpr size_t kResponseBytes = 24 << 10;

// Test numbers that payment companies publish.
constexpr std::array<std::string_view, 12> kPublished = {
    "4242424242424242", "4000056655665556", "5555555555554444", "2223003122003222",
    "5105105105105100", "378282246310005",  "371449635398431",  "6011111111111117",
    "3056930009020004", "3566002020360505", "6200000000000005", "6205500000000000004"};

// Masked numbers, and how many times each.
using Counts = std::map<std::string, int64_t>;

class Traffic {
 public:
  explicit Traffic(uint32_t seed) : random_(seed) {
    for (std::string_view word : {"function",
                                  "return",
                                  "const",
                                  "price",
                                  "<div class=\"item\">",
                                  "</div>\n",
                                  "window",
                                  "{\"name\":",
                                  "\"size\":",
                                  "true},",
                                  "margin:0;",
                                  "padding:12px;",
                                  "2024-03-01",
                                  "&nbsp;",
                                  "shipping",
                                  "customer",
                                  "v1.4.27",
                                  "0.75",
                                  "href=\"/products/1042\"",
                                  "\n  "}) {
      words_.emplace_back(word);
    }
  }

  // Writes a capture of about `bytes`; returns what was planted.
  Counts Write(const std::string& path, uint64_t bytes) {
    Counts planted;
    std::ofstream file(path, std::ios::binary);
    const std::array<uint32_t, 6> header = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};
    file.write(reinterpret_cast<const char*>(header.data()), sizeof header);
    uint64_t written = sizeof header;
    for (uint32_t i = 0; written < bytes; ++i) {
      TcpConversation tcp(At(absl::StrCat("203.0.113.", i % 250, ":", 1024 + i % 60000)),
                          At("192.0.2.10:80"), i * 7919, i * 104729);
      tcp.set_time(absl::FromUnixSeconds(1'700'000'000) + absl::Milliseconds(20) * i);
      tcp.Open();
      tcp.Client(Request(planted));
      tcp.Server(Response(planted));
      tcp.Close();
      for (const Packet& packet : tcp.packets()) {
        const int64_t micros = absl::ToUnixMicros(packet.time);
        const auto size = static_cast<uint32_t>(packet.bytes.size());
        const std::array<uint32_t, 4> record = {static_cast<uint32_t>(micros / 1'000'000),
                                                static_cast<uint32_t>(micros % 1'000'000), size,
                                                size};
        file.write(reinterpret_cast<const char*>(record.data()), sizeof record);
        file.write(packet.bytes.data(), size);
        written += sizeof record + size;
      }
    }
    return planted;
  }

 private:
  size_t Pick(size_t n) { return random_() % n; }

  std::string Number(Counts& planted) {
    std::string number;
    if (Pick(2) == 0) {
      number = kPublished[Pick(kPublished.size())];
    } else {
      std::vector<uint8_t> digits = {4};
      while (digits.size() < 15) digits.push_back(static_cast<uint8_t>(Pick(10)));
      digits.push_back(card::LuhnCheckDigit(digits));
      for (const uint8_t digit : digits) number.push_back(static_cast<char>('0' + digit));
    }
    std::string masked = number;
    std::fill(masked.begin() + 6, masked.end() - 4, '*');
    ++planted[masked];
    return number;
  }

  std::string Request(Counts& planted) {
    std::string body;
    std::string type = "application/x-www-form-urlencoded";
    switch (Pick(4)) {
      case 0:
        body = absl::StrCat("name=Jane+Doe&cardnumber=", Number(planted), "&exp=12%2F29");
        break;
      case 1:
        type = "application/json";
        body = absl::StrCat(R"({"customer":{"name":"Jane"},"card_number":")", Number(planted),
                            R"(","expiry":"12/29"})");
        break;
      case 2:
        body = absl::StrCat(
            "d=", absl::Base64Escape(absl::StrCat("cardnumber=", Number(planted), "&n=Jane")));
        break;
      default:
        body = "q=shoes&page=2&sort=price";
    }
    return absl::StrCat("POST /checkout/step HTTP/1.1\r\nHost: shop.example\r\nContent-Type: ",
                        type, "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  }

  std::string Response(Counts& planted) {
    std::string body;
    while (body.size() < kResponseBytes) absl::StrAppend(&body, words_[Pick(words_.size())], " ");
    if (Pick(8) == 0) {
      body.insert(Pick(body.size()), absl::StrCat(" \"cardnumber\": \"", Number(planted), "\" "));
    }
    return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ",
                        body.size(), "\r\n\r\n", body);
  }

  std::mt19937 random_;
  std::vector<std::string> words_;
};

void PcapToFindings(benchmark::State& state) {
  const testing::TempFolder folder;
  const std::string path = folder.File("bench.pcap");
  Traffic traffic(/*seed=*/1);
  const Counts planted = traffic.Write(path, static_cast<uint64_t>(state.range(0)) * kMiB);
  int64_t planted_count = 0;
  for (const auto& [masked, count] : planted) planted_count += count;

  testing::Result result;
  for (auto _ : state) {
    result = testing::RunProgram(
        {.command = {SKIMWATCH_SCAN_PROGRAM, "scan", "--format", "json", "--no-progress", path},
         .environment = {}});
  }
  Counts found;
  int64_t found_count = 0;
  for (size_t begin = 0; begin < result.out.size();) {
    const size_t end = result.out.find('\n', begin);
    const auto line = nlohmann::json::parse(result.out.substr(begin, end - begin));
    ++found[line["masked"].get<std::string>()];
    ++found_count;
    begin = end + 1;
  }
  int64_t missed = 0;
  for (const auto& [masked, count] : planted) missed += std::max<int64_t>(count - found[masked], 0);
  if (result.code != 1) state.SkipWithError(absl::StrCat("exit code ", result.code).c_str());
  if (missed > 0) state.SkipWithError(absl::StrCat(missed, " planted numbers were missed").c_str());
  state.counters["planted"] = static_cast<double>(planted_count);
  state.counters["missed"] = static_cast<double>(missed);
  state.counters["extra"] = static_cast<double>(found_count - (planted_count - missed));
  state.counters["peak_rss_mib"] = static_cast<double>(result.resident_bytes_max) / kMiB;
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0) *
                          static_cast<int64_t>(kMiB));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * found_count);
}

BENCHMARK(PcapToFindings)
    ->ArgName("mib")
    ->Arg(16)
    ->Arg(256)
    ->Unit(benchmark::kMillisecond)
    ->MinTime(2)
    ->UseRealTime();

}  // namespace
}  // namespace skimwatch

BENCHMARK_MAIN();
