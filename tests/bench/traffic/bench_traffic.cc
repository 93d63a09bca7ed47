// How fast packets become messages: packets in memory, reassembled, followed as HTTP/1, their
// content coding undone, and passed to a sink that only counts. One thread; nothing is captured or
// scanned.
//
//   bench_traffic [--benchmark_filter=...]
//
// Rows:
//   Http/body_bytes/gzip_percent   keep-alive connections, 100 at a time, requests of some 500
//   bytes
//                                  and responses with a body of about that size, of which that
//                                  share is compressed
//   Reordered                      the same with every tenth packet two places late
//   Tls, Stream                    connections that are counted, or passed on as they are
// Counters: bytes of packets a second, packets a second, and allocations a packet (libhtp's own,
// for each message, are among them).

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "agent/traffic/coverage.h"
#include "agent/traffic/message.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/site_map.h"
#include "benchmark/benchmark.h"
#include "tests/agent/traffic/protocol/compress.h"
#include "tests/agent/traffic/support/tcp_conversation.h"

namespace {

// The benchmark has one thread.
uint64_t allocations = 0;

}  // namespace

// Counts allocations of C++ and, by the hooks of the C library, of libhtp and zlib.
extern "C" void* __libc_malloc(size_t);          // NOLINT(bugprone-reserved-identifier)
extern "C" void* __libc_calloc(size_t, size_t);  // NOLINT(bugprone-reserved-identifier)
extern "C" void* malloc(size_t bytes) {
  ++allocations;
  return __libc_malloc(bytes);
}
extern "C" void* calloc(size_t count, size_t bytes) {
  ++allocations;
  return __libc_calloc(count, bytes);
}

namespace skimwatch::traffic {
namespace {

using testing::At;
using testing::Packet;
using testing::TcpConversation;

class CountingSink final : public MessageSink, public PartConsumer {
 public:
  PartConsumer* BeginPart(const Provenance& /*provenance*/, Part /*part*/) override { return this; }
  void Data(std::string_view bytes) override { bytes_ += bytes.size(); }
  void Gap() override {}
  void End() override {}
  uint64_t bytes() const { return bytes_; }

 private:
  uint64_t bytes_ = 0;
};

std::string Page(std::mt19937& random, size_t bytes) {
  static constexpr const char* kWords[] = {"<div class=\"price\">",
                                           "</div>\n",
                                           "shop",
                                           "item",
                                           "checkout",
                                           "{\"id\":",
                                           "function(",
                                           ");\n",
                                           "the",
                                           "quantity",
                                           "total",
                                           "href=\"/p/"};
  std::string page;
  while (page.size() < bytes) {
    page += kWords[random() % std::size(kWords)];
    page += ' ' + std::to_string(random() % 10'000);
  }
  page.resize(bytes);
  return page;
}

// Connections in turn, an exchange each.
std::vector<Packet> HttpPackets(size_t body_bytes, uint32_t gzip_percent) {
  std::mt19937 random(7);
  std::vector<std::string> responses;
  for (int i = 0; i < 64; ++i) {
    std::string body = Page(random, body_bytes / 2 + random() % body_bytes);
    std::string headers =
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
        "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n";
    if (random() % 100 < gzip_percent) {
      body = testing::Compress("gzip", body);
      headers += "Content-Encoding: gzip\r\n";
    }
    responses.push_back(headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                        body);
  }
  const std::string request =
      "GET /p/12345?utm_source=mail&session=0123456789abcdef HTTP/1.1\r\nHost: www.shop.example\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
      "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
      "Referer: https://www.shop.example/\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n"
      "Connection: keep-alive\r\n\r\n";
  constexpr int kConnections = 100;
  std::vector<TcpConversation> connections;
  std::vector<Packet> packets;
  const auto take = [&packets](TcpConversation& tcp) {
    for (Packet& packet : tcp.packets()) packets.push_back(std::move(packet));
    tcp.packets().clear();
  };
  for (int i = 0; i < kConnections; ++i) {
    connections.emplace_back(At("203.0.113.7:" + std::to_string(20'000 + i)), At("192.0.2.10:80"));
    connections.back().Open();
    take(connections.back());
  }
  constexpr uint64_t kBytes = 48 << 20;
  uint64_t bytes = 0;
  while (bytes < kBytes) {
    TcpConversation& tcp = connections[random() % kConnections];
    const std::string& response = responses[random() % responses.size()];
    tcp.Client(request);
    tcp.Server(response);
    bytes += request.size() + response.size();
    take(tcp);
  }
  for (TcpConversation& tcp : connections) {
    tcp.Close();
    take(tcp);
  }
  return packets;
}

std::vector<Packet> OtherPackets(bool tls) {
  std::mt19937 random(7);
  TcpConversation tcp(At("192.0.2.10:50000"), At("198.51.100.20:443"));
  tcp.Open();
  for (int i = 0; i < 3000; ++i) {
    std::string data(16 << 10, '\0');
    for (char& c : data) c = static_cast<char>(random());
    if (tls) data.replace(0, 5, std::string("\x17\x03\x03\x3f\xfb", 5));
    tcp.Client(data);
  }
  return std::move(tcp.packets());
}

void Decode(benchmark::State& state, const std::vector<Packet>& packets) {
  const auto sites = SiteMap::Create({}, nullptr).value();
  uint64_t bytes = 0;
  for (const Packet& packet : packets) bytes += packet.bytes.size();
  Coverage coverage;
  CountingSink sink;
  TrafficDecoderOptions options;
  options.default_site = "shop";
  options.scan_inbound = true;
  TrafficDecoder decoder(options, sites, coverage, sink);
  const uint64_t before = allocations;
  for (auto _ : state) {
    for (const Packet& packet : packets) decoder.OnPacket(packet.view());
    decoder.Flush();
  }
  const auto iterations = static_cast<double>(state.iterations());
  const auto count = static_cast<double>(packets.size());
  state.counters["allocations_per_packet"] =
      static_cast<double>(allocations - before) / iterations / count;
  state.counters["packets_per_second"] =
      benchmark::Counter(count * iterations, benchmark::Counter::kIsRate);
  state.SetBytesProcessed(static_cast<int64_t>(bytes) * static_cast<int64_t>(state.iterations()));
  if (decoder.stats().http_errors != 0 || decoder.stats().gaps != 0) {
    state.SkipWithError("packets were not understood");
  }
}

void Http(benchmark::State& state) {
  Decode(state,
         HttpPackets(static_cast<size_t>(state.range(0)), static_cast<uint32_t>(state.range(1))));
}

void Reordered(benchmark::State& state) {
  std::vector<Packet> packets = HttpPackets(100'000, 0);
  for (size_t i = 310; i + 2 < packets.size(); i += 10) {
    std::swap(packets[i], packets[i + 1]);
    std::swap(packets[i + 1], packets[i + 2]);
  }
  Decode(state, packets);
}

void Tls(benchmark::State& state) { Decode(state, OtherPackets(true)); }
void Stream(benchmark::State& state) { Decode(state, OtherPackets(false)); }

BENCHMARK(Http)
    ->ArgNames({"body_bytes", "gzip_percent"})
    ->Args({1'000, 0})
    ->Args({20'000, 0})
    ->Args({20'000, 30})
    ->Args({20'000, 100})
    ->Args({1'000'000, 0})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(Reordered)->Unit(benchmark::kMillisecond);
BENCHMARK(Tls)->Unit(benchmark::kMillisecond);
BENCHMARK(Stream)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace skimwatch::traffic

BENCHMARK_MAIN();
