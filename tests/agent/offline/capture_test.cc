// Capture files through the program: findings with the flows they were in.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/offline/capture_scanner.h"
#include "agent/offline/scan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/offline/scan_program.h"
#include "tests/agent/traffic/protocol/compress.h"
#include "tests/agent/traffic/support/tcp_conversation.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::offline {
namespace {

using nlohmann::json;
using skimwatch::testing::ChildProcess;
using skimwatch::testing::Result;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::JsonLines;
using testing::kAmex;
using testing::kMastercard;
using testing::kVisa;
using ::testing::Not;
using testing::Pcap;
using testing::RunScanProgram;
using testing::ScanProgram;
using traffic::testing::At;
using traffic::testing::Compress;
using traffic::testing::Packet;
using traffic::testing::TcpConversation;

std::string Request(std::string_view target, std::string_view body) {
  return absl::StrCat("POST ", std::string(target),
                      " HTTP/1.1\r\nHost: Shop.Example:8080\r\nContent-Type: "
                      "application/x-www-form-urlencoded\r\nContent-Length: ",
                      body.size(), "\r\n\r\n", std::string(body));
}

std::string Response(std::string_view body, std::string_view coding = "") {
  return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
                      coding.empty() ? "" : "Content-Encoding: ", std::string(coding),
                      coding.empty() ? "" : "\r\n", "Content-Length: ", body.size(), "\r\n\r\n",
                      std::string(body));
}

class CaptureTest : public ::testing::Test {
 protected:
  Result Scan(std::string_view bytes, const std::string& name = "a.pcap") {
    path_ = folder_.File(name);
    testing::WriteFile(path_, bytes);
    return RunScanProgram({"--format", "json", path_});
  }

  skimwatch::testing::TempFolder folder_;
  std::string path_;
};

TEST_F(CaptureTest, NamesTheFlowOfARequest) {
  TcpConversation tcp(At("192.0.2.1:40000"), At("198.51.100.1:8080"));
  tcp.Open();
  tcp.Client(Request("/pay/order-4711?x=1", absl::StrCat("card=", std::string(kVisa), "&cvv=123")));
  tcp.Server(Response("{}"));
  tcp.Close();
  const Result result = Scan(Pcap(tcp.packets()));
  EXPECT_EQ(result.code, kExitFound) << result.err;
  const std::vector<json> lines = JsonLines(result.out);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["path"], path_);
  EXPECT_EQ(lines[0]["offset"], 5);
  EXPECT_EQ(lines[0]["kind"], "pan_with_cvv");
  const json& flow = lines[0]["flow"];
  EXPECT_EQ(flow["src"], "192.0.2.1:40000");
  EXPECT_EQ(flow["dst"], "198.51.100.1:8080");
  EXPECT_EQ(flow["host"], "shop.example");
  EXPECT_EQ(flow["method"], "POST");
  EXPECT_EQ(flow["path"], "/pay/order-{n}");
  EXPECT_EQ(flow["part"], "request_body");
  EXPECT_THAT(flow["time"].get<std::string>(), HasSubstr("2023-11-14T22:13:20."));
}

TEST_F(CaptureTest, SwapsTheEndsForAResponse) {
  TcpConversation tcp(At("[2001:db8::1]:40000"), At("[2001:db8::2]:80"));
  tcp.Open();
  tcp.Client("GET /api/cards HTTP/1.1\r\nHost: shop.example\r\n\r\n");
  tcp.Server(Response(
      Compress("gzip", absl::StrCat(R"({"cardNumber":")", std::string(kVisa), R"("})")), "gzip"));
  tcp.Close();
  const std::vector<json> lines = JsonLines(Scan(Pcap(tcp.packets())).out);
  ASSERT_EQ(lines.size(), 1U);
  const json& flow = lines[0]["flow"];
  EXPECT_EQ(flow["src"], "[2001:db8::2]:80");
  EXPECT_EQ(flow["dst"], "[2001:db8::1]:40000");
  EXPECT_EQ(flow["part"], "response_body");
  EXPECT_EQ(flow["method"], "GET");
  EXPECT_EQ(flow["path"], "/api/cards");
}

TEST_F(CaptureTest, ShowsNoNumberThatAPathOrHostHolds) {
  const std::string number(kMastercard);
  TcpConversation tcp(At("192.0.2.1:40000"), At("198.51.100.1:80"));
  tcp.Open();
  tcp.Client(absl::StrCat("GET /cards/", number, "?pan=", number, " HTTP/1.1\r\nHost: ", number,
                          ".example\r\nX-Card: ", number, "\r\n\r\n"));
  tcp.Close();
  const std::string pcap = Pcap(tcp.packets());
  const Result result = Scan(pcap);
  EXPECT_EQ(result.code, kExitFound);
  EXPECT_THAT(result.out + result.err, Not(HasSubstr(number)));
  const Result table = RunScanProgram({path_});
  EXPECT_THAT(table.out + table.err, Not(HasSubstr(number)));
}

TEST_F(CaptureTest, ReadsCapturesThatAreCompressedOrPiped) {
  TcpConversation tcp(At("192.0.2.1:40000"), At("198.51.100.1:80"));
  tcp.Open();
  tcp.Client(Request("/", absl::StrCat("card=", std::string(kVisa))));
  tcp.Close();
  const std::string pcap = Pcap(tcp.packets());
  const std::vector<json> lines = JsonLines(Scan(Compress("zstd", pcap), "a.pcap.zst").out);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["container"], json({"zstd"}));
  EXPECT_EQ(lines[0]["flow"]["host"], "shop.example");

  const Result piped = RunScanProgram({"--format", "json", "-"}, pcap);
  ASSERT_EQ(JsonLines(piped.out).size(), 1U) << piped.err;
  EXPECT_EQ(JsonLines(piped.out)[0]["flow"]["host"], "shop.example");
}

TEST_F(CaptureTest, ShowsFindingsWhileTheCaptureGoesOn) {
  TcpConversation tcp(At("192.0.2.1:40000"), At("198.51.100.1:80"));
  tcp.Open();
  const std::string request = Request("/", absl::StrCat("card=", std::string(kVisa), "&a=b"));
  // Two bytes of the body never come.
  tcp.Client(std::string_view(request).substr(0, request.size() - 2));
  ChildProcess child(ScanProgram({"--format", "json", "-"}));
  child.Write(Pcap(tcp.packets()));
  EXPECT_TRUE(child.ReadUntil([](const std::string& out) { return out.ends_with("\n"); }));
  child.CloseInput();
  const Result result = child.Wait();
  EXPECT_EQ(JsonLines(result.out).size(), 1U);
}

TEST_F(CaptureTest, CountsEveryByteOfACaptureItDidNotScan) {
  TcpConversation tls(At("192.0.2.1:40000"), At("198.51.100.1:443"));
  tls.Open();
  tls.Client(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) +
             std::string(506, 'r'));
  tls.Close();
  const Result result = [&] {
    Scan(Pcap(tls.packets()));
    return RunScanProgram({"--format", "json", "--stats", path_});
  }();
  const json stats = json::parse(result.err)["stats"];
  uint64_t unscanned = 0;
  for (const auto& [reason, bytes] : stats["capture_bytes_not_scanned"].items()) {
    unscanned += bytes.get<uint64_t>();
  }
  EXPECT_GE(unscanned, 517U) << result.err;
  EXPECT_THAT(Scan(Pcap(tls.packets())).err, HasSubstr("of captures undecodable.encrypted"));
}

TEST_F(CaptureTest, ScansADamagedCaptureToTheDamageAndSaysSo) {
  TcpConversation tcp(At("192.0.2.1:40000"), At("198.51.100.1:80"));
  tcp.Open();
  tcp.Client(Request("/", absl::StrCat("card=", std::string(kVisa))));
  tcp.Client(Request("/", std::string(1000, 'x')));
  const std::string pcap = Pcap(tcp.packets());
  const Result result = Scan(std::string_view(pcap).substr(0, pcap.size() - 100));
  EXPECT_EQ(result.code, kExitError);
  EXPECT_EQ(JsonLines(result.out).size(), 1U);
  EXPECT_THAT(result.err, HasSubstr("a.pcap: "));

  const Result header_only = Scan(std::string_view(pcap).substr(0, 10));
  EXPECT_EQ(header_only.code, kExitError);
}

// As many messages as there are streams for, and more, each of which is open with `bytes` of its
// body until all have begun; then comes a number for each.
std::vector<Packet> OpenMessages(size_t bytes) {
  constexpr size_t kFlows = CaptureScanner::kStreamsMax + 200;
  std::vector<TcpConversation> flows;
  std::vector<Packet> packets;
  size_t taken = 0;
  const auto take = [&](TcpConversation& tcp) {
    for (; taken < tcp.packets().size(); ++taken) packets.push_back(tcp.packets()[taken]);
  };
  std::vector<size_t> done;
  const std::string request =
      Request("/", absl::StrCat("a=", std::string(bytes - 3, 'b'), "&card=", std::string(kVisa)));
  const size_t head = request.size() - kVisa.size() - 5;
  for (size_t i = 0; i < kFlows; ++i) {
    const uint16_t port = static_cast<uint16_t>(10000 + i);
    flows.emplace_back(At(absl::StrCat("192.0.2.1:", port)), At("198.51.100.1:80"));
    flows.back().Open();
    flows.back().Client(std::string_view(request).substr(0, head));
    taken = 0;
    take(flows.back());
    done.push_back(taken);
  }
  for (size_t i = 0; i < kFlows; ++i) {
    flows[i].Client(std::string_view(request).substr(head));
    flows[i].Close();
    taken = done[i];
    take(flows[i]);
  }
  return packets;
}

TEST_F(CaptureTest, FollowsMoreMessagesThanItHasStreamsFor) {
  // Some of the first are cut where they are large, and none where they are small.
  for (const size_t bytes : {size_t{4}, size_t{6000}}) {
    const Result result = Scan(Pcap(OpenMessages(bytes)));
    EXPECT_EQ(result.code, kExitFound);
    const std::vector<json> lines = JsonLines(result.out);
    EXPECT_EQ(lines.size(), CaptureScanner::kStreamsMax + 200);
    for (const json& line : lines) EXPECT_EQ(line["offset"], bytes + 5);
    EXPECT_EQ(result.err.find("cuts in messages of captures") != std::string::npos, bytes > 4096)
        << result.err;
  }
}

}  // namespace
}  // namespace skimwatch::offline
