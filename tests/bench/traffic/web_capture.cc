#include "tests/bench/traffic/web_capture.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/card/luhn.h"
#include "tests/agent/traffic/protocol/compress.h"
#include "tests/agent/traffic/support/http2_builder.h"
#include "tests/agent/traffic/support/tcp_conversation.h"

namespace skimwatch::traffic::bench {
namespace {

using testing::At;
using testing::Http2Fields;
using testing::Http2Sender;
using testing::Packet;
using testing::TcpConversation;

constexpr size_t kBodyBytesMin = 500;
constexpr size_t kBodyBytesMax = size_t{512} << 10;
constexpr size_t kConnections = 200;
constexpr int kExchanges = 40;
constexpr size_t kBurstBytes = 14'480;
constexpr size_t kFrameBytes = 16'384;
constexpr uint64_t kRequestsPerNumber = 100;
constexpr uint64_t kFlowsPerNumber = 1000;

constexpr char kUserAgent[] =
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
constexpr char kAccept[] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
constexpr char kCookie[] = "session=0123456789abcdef0123456789abcdef; theme=light";

// Media types of what browsers load, by the end of a file's name; whether they are text.
const std::map<std::string, std::pair<std::string, bool>>& Types() {
  static const auto* const types = new std::map<std::string, std::pair<std::string, bool>>{
      {".html", {"text/html; charset=utf-8", true}},
      {".js", {"text/javascript; charset=utf-8", true}},
      {".mjs", {"text/javascript; charset=utf-8", true}},
      {".css", {"text/css", true}},
      {".json", {"application/json", true}},
      {".svg", {"image/svg+xml", true}},
      {".png", {"image/png", false}},
      {".jpg", {"image/jpeg", false}},
      {".gif", {"image/gif", false}},
      {".webp", {"image/webp", false}},
      {".woff", {"font/woff", false}},
      {".woff2", {"font/woff2", false}},
      {".wasm", {"application/wasm", false}}};
  return *types;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

// The file, in the format of libpcap with microseconds.
class PcapWriter {
 public:
  explicit PcapWriter(const std::string& path) : file_(path, std::ios::binary) {
    const std::array<uint32_t, 6> header = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};
    Put(header.data(), sizeof header);
  }

  void Take(TcpConversation& tcp) {
    for (const Packet& packet : tcp.packets()) {
      time_ += absl::Microseconds(2);
      const int64_t micros = absl::ToUnixMicros(time_);
      const auto size = static_cast<uint32_t>(packet.bytes.size());
      const std::array<uint32_t, 4> record = {static_cast<uint32_t>(micros / 1'000'000),
                                              static_cast<uint32_t>(micros % 1'000'000), size,
                                              size};
      Put(record.data(), sizeof record);
      Put(packet.bytes.data(), size);
      ++totals.packets;
      totals.wire_bytes += size;
    }
    tcp.packets().clear();
  }

  CaptureTotals totals;

 private:
  void Put(const void* bytes, size_t size) {
    file_.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
    totals.file_bytes += size;
  }

  std::ofstream file_;
  absl::Time time_ = absl::FromUnixSeconds(1'700'000'000);
};

// One connection between a browser and a web server, and what it has yet to send.
class Connection {
 public:
  Connection(uint64_t number, bool is_http2)
      : tcp_(At(absl::StrCat("203.0.", 100 + number / 60'000 % 100, ".", number / 250 % 250, ":",
                             1024 + number % 60'000)),
             At("192.0.2.10:80"), static_cast<uint32_t>(number * 7919),
             static_cast<uint32_t>(number * 104'729)),
        is_http2_(is_http2) {
    tcp_.Open();
    if (!is_http2) return;
    tcp_.Client(absl::StrCat("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Http2Sender::Settings()));
    tcp_.Server(Http2Sender::Settings());
  }

  bool busy() const { return sent_ < response_.size(); }
  int exchanges() const { return exchanges_; }
  TcpConversation& tcp() { return tcp_; }

  // Sends a request, which `post` is the body of if it has one, and begins the response.
  void Exchange(const std::string& path, const std::string& post, const WebBody& body) {
    ++exchanges_;
    response_.clear();
    sent_ = 0;
    if (is_http2_) {
      ExchangeHttp2(path, post, body);
    } else {
      ExchangeHttp1(path, post, body);
    }
  }

  // Sends the next burst of the response.
  void Burst() {
    const std::string_view piece = std::string_view(response_).substr(sent_, kBurstBytes);
    tcp_.Server(piece);
    sent_ += piece.size();
  }

 private:
  void ExchangeHttp1(const std::string& path, const std::string& post, const WebBody& body) {
    std::string request = absl::StrCat(
        post.empty() ? "GET " : "POST ", path,
        " HTTP/1.1\r\nHost: www.shop.example\r\nUser-Agent: ", kUserAgent, "\r\nAccept: ", kAccept,
        "\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
        "Referer: https://www.shop.example/\r\nCookie: ",
        kCookie, "\r\nConnection: keep-alive\r\n");
    if (!post.empty()) {
      absl::StrAppend(&request, "Content-Type: application/json\r\nContent-Length: ", post.size(),
                      "\r\n");
    }
    tcp_.Client(absl::StrCat(request, "\r\n", post));
    absl::StrAppend(&response_,
                    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
                    "Content-Type: ",
                    body.content_type, "\r\nLast-Modified: Sun, 31 Dec 2023 00:00:00 GMT\r\n",
                    "Connection: keep-alive\r\nVary: Accept-Encoding\r\n");
    if (!body.coding.empty()) {
      absl::StrAppend(&response_, "Content-Encoding: ", body.coding, "\r\n");
    }
    // Compressed on the fly, the length is not known before.
    if (body.coding.empty() || exchanges_ % 2 == 0) {
      absl::StrAppend(&response_, "Content-Length: ", body.bytes.size(), "\r\n\r\n", body.bytes);
      return;
    }
    absl::StrAppend(&response_, "Transfer-Encoding: chunked\r\n\r\n");
    constexpr size_t kChunkBytes = 8192;
    for (size_t at = 0; at < body.bytes.size(); at += kChunkBytes) {
      const std::string_view piece = std::string_view(body.bytes).substr(at, kChunkBytes);
      absl::StrAppend(&response_, absl::Hex(piece.size()), "\r\n",
                      absl::string_view(piece.data(), piece.size()), "\r\n");
    }
    absl::StrAppend(&response_, "0\r\n\r\n");
  }

  void ExchangeHttp2(const std::string& path, const std::string& post, const WebBody& body) {
    const auto stream = static_cast<uint32_t>(2 * exchanges_ - 1);
    Http2Fields more = {{"user-agent", kUserAgent},
                        {"accept", kAccept},
                        {"accept-language", "en-US,en;q=0.5"},
                        {"accept-encoding", "gzip, deflate, br"},
                        {"referer", "https://www.shop.example/"},
                        {"cookie", kCookie}};
    if (!post.empty()) more.push_back({"content-type", "application/json"});
    std::string request = client_.Headers(
        stream, testing::RequestFields(post.empty() ? "GET" : "POST", path, std::move(more)),
        post.empty());
    if (!post.empty()) request += Http2Sender::Data(stream, post, true);
    tcp_.Client(request);
    Http2Fields fields = {{"server", "nginx"},
                          {"date", "Mon, 01 Jan 2024 00:00:00 GMT"},
                          {"content-type", body.content_type},
                          {"last-modified", "Sun, 31 Dec 2023 00:00:00 GMT"},
                          {"vary", "Accept-Encoding"}};
    if (!body.coding.empty()) fields.push_back({"content-encoding", body.coding});
    response_ = server_.Headers(stream, testing::ResponseFields("200", std::move(fields)));
    for (size_t at = 0; at < body.bytes.size(); at += kFrameBytes) {
      response_ += Http2Sender::Data(stream, std::string_view(body.bytes).substr(at, kFrameBytes),
                                     at + kFrameBytes >= body.bytes.size());
    }
  }

  TcpConversation tcp_;
  const bool is_http2_;
  Http2Sender client_;
  Http2Sender server_;
  int exchanges_ = 0;
  std::string response_;
  size_t sent_ = 0;
};

std::string Order(uint64_t number) {
  return absl::StrCat(R"({"order":)", number, R"(,"customer":{"name":"Jane Doe"},"cardNumber":")",
                      PlantedNumber(number), R"(","expiry":"12/29"})");
}

}  // namespace

std::string PlantedNumber(uint64_t n) {
  std::vector<uint8_t> digits;
  for (const char c : std::string_view(kPlantedPrefix)) {
    digits.push_back(static_cast<uint8_t>(c - '0'));
  }
  for (uint64_t divisor = 100'000'000; divisor > 0; divisor /= 10) {
    digits.push_back(static_cast<uint8_t>(n / divisor % 10));
  }
  digits.push_back(card::LuhnCheckDigit(digits));
  std::string text;
  for (const uint8_t digit : digits) text += static_cast<char>('0' + digit);
  return text;
}

std::vector<WebBody> LoadBodies(const std::string& corpus, Codings codings, size_t bytes_max,
                                uint32_t seed) {
  namespace fs = std::filesystem;
  // Images and fonts; scripts, style sheets and pages; data.
  std::array<std::vector<fs::path>, 3> files;
  for (const char* folder : {"web-files", "clean"}) {
    std::error_code error;
    for (fs::recursive_directory_iterator it(fs::path(corpus) / folder, error), end;
         !error && it != end; it.increment(error)) {
      if (!it->is_regular_file()) continue;
      const auto type = Types().find(it->path().extension().string());
      if (type == Types().end()) continue;
      const auto bytes = it->file_size();
      if (bytes < kBodyBytesMin || bytes > kBodyBytesMax) continue;
      const bool is_page = std::string_view(folder) == "web-files";
      const bool is_data = type->first == ".json" || type->first == ".svg";
      if (!is_page && type->second.second && !is_data) continue;
      files[is_page ? 1 : is_data ? 2 : 0].push_back(it->path());
    }
  }
  std::mt19937 random(seed);
  for (auto& paths : files) {
    std::sort(paths.begin(), paths.end());
    std::shuffle(paths.begin(), paths.end(), random);
  }
  std::vector<WebBody> bodies;
  std::array<size_t, 3> next{};
  size_t bytes = 0;
  for (size_t i = 0; bytes < bytes_max; ++i) {
    const bool is_text = codings == Codings::kGzip || i % 3 != 0;
    const size_t kind = !is_text ? 0 : i % 16 == 1 ? 2 : 1;
    if (next[kind] >= files[kind].size()) break;
    const fs::path& path = files[kind][next[kind]++];
    WebBody body{.content_type = Types().at(path.extension().string()).first,
                 .bytes = ReadFile(path)};
    body.content_bytes = body.bytes.size();
    bytes += body.content_bytes;
    if (is_text && codings != Codings::kNone) {
      const uint32_t lot = random() % 5;
      if (codings == Codings::kGzip || lot < 3) {
        body.coding = "gzip";
      } else if (lot == 3) {
        body.coding = "br";
      }
    }
    if (!body.coding.empty()) body.bytes = testing::Compress(body.coding, body.bytes);
    bodies.push_back(std::move(body));
  }
  return bodies;
}

CaptureTotals WriteMixed(const std::string& path, const std::vector<WebBody>& bodies,
                         uint64_t file_bytes, uint32_t seed) {
  std::mt19937 random(seed);
  PcapWriter file(path);
  CaptureTotals& totals = file.totals;
  std::vector<std::unique_ptr<Connection>> connections(kConnections);
  uint64_t requests = 0;
  while (totals.file_bytes < file_bytes) {
    std::unique_ptr<Connection>& connection = connections[random() % kConnections];
    if (connection != nullptr && !connection->busy() && connection->exchanges() == kExchanges) {
      connection->tcp().Close();
      file.Take(connection->tcp());
      connection.reset();
    }
    if (connection == nullptr) {
      connection = std::make_unique<Connection>(totals.flows, totals.flows % 2 == 1);
      ++totals.flows;
    }
    if (!connection->busy()) {
      const WebBody& body = bodies[random() % bodies.size()];
      std::string post;
      if (requests++ % kRequestsPerNumber == 0) post = Order(totals.planted++);
      const std::string target =
          post.empty() ? absl::StrCat("/assets/", random() % 100'000, "/page?utm_source=mail")
                       : "/checkout/order";
      connection->Exchange(target, post, body);
      totals.content_bytes += post.size() + body.content_bytes;
    }
    connection->Burst();
    file.Take(connection->tcp());
  }
  for (const auto& connection : connections) {
    if (connection == nullptr) continue;
    while (connection->busy()) connection->Burst();
    connection->tcp().Close();
    file.Take(connection->tcp());
  }
  return totals;
}

CaptureTotals WriteConcurrent(const std::string& path, uint64_t flows, bool all_in_body) {
  PcapWriter file(path);
  CaptureTotals& totals = file.totals;
  const std::string page(160, 'x');
  const auto request = [](uint64_t i) {
    return absl::StrCat("GET /page/", i % 10,
                        " HTTP/1.1\r\nHost: www.shop.example\r\nAccept: */*\r\n\r\n");
  };
  const std::string head = absl::StrCat(
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ", page.size(), "\r\n\r\n");
  const std::string first = absl::StrCat(head, page);
  const size_t first_bytes = all_in_body ? first.size() - page.size() / 2 : first.size();
  std::vector<TcpConversation> connections;
  connections.reserve(flows);
  for (uint64_t i = 0; i < flows; ++i) {
    connections.emplace_back(At(absl::StrCat("10.", i / 12'500'000 % 250, ".", i / 50'000 % 250,
                                             ".7:", 1024 + i % 50'000)),
                             At("192.0.2.10:80"), static_cast<uint32_t>(i * 7919),
                             static_cast<uint32_t>(i * 104'729));
    TcpConversation& tcp = connections.back();
    tcp.Open();
    tcp.Client(request(i));
    tcp.Server(first.substr(0, first_bytes));
    file.Take(tcp);
    tcp.packets().shrink_to_fit();
  }
  for (uint64_t i = 0; i < flows; ++i) {
    TcpConversation& tcp = connections[i];
    if (all_in_body) tcp.Server(first.substr(first_bytes));
    std::string body = page;
    if (i % kFlowsPerNumber == 0) {
      body = absl::StrCat(R"({"cardNumber":")", PlantedNumber(totals.planted++), R"("} )");
      body.resize(page.size(), ' ');
    }
    tcp.Client(request(i));
    tcp.Server(head + body);
    file.Take(tcp);
    tcp.packets().shrink_to_fit();
  }
  for (TcpConversation& tcp : connections) {
    tcp.Close();
    file.Take(tcp);
    tcp.packets().shrink_to_fit();
  }
  totals.flows = flows;
  totals.content_bytes = 2 * flows * page.size();
  return totals;
}

}  // namespace skimwatch::traffic::bench
