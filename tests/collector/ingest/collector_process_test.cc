#include "tests/collector/support/collector_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "skimwatch/v1/query_service.grpc.pb.h"
#include "tests/collector/support/agent_client.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"
#include "tests/proto/tls/certificates.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"

namespace skimwatch::ingest {
namespace {

using testing::AgentClient;
using testing::CardFinding;
using testing::CollectorProcess;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint64_t kEpoch = 77;

std::vector<v1::Finding> Findings(uint64_t first, uint64_t last) {
  std::vector<v1::Finding> findings;
  for (uint64_t i = first; i <= last; ++i) findings.push_back(CardFinding(i, {.card = i % 100}));
  return findings;
}

// Every sequence that a collector's store holds, in order.
std::vector<uint64_t> StoredSequences(int port) {
  auto query = v1::QueryService::NewStub(testing::ConnectTo(port, testing::Plaintext()));
  std::vector<uint64_t> sequences;
  v1::ListFindingsRequest request;
  request.set_page_size(1000);
  do {
    grpc::ClientContext context;
    v1::ListFindingsResponse response;
    const grpc::Status status = query->ListFindings(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (!status.ok()) break;
    for (const auto& stored : response.findings()) {
      sequences.push_back(stored.finding().sequence());
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  std::sort(sequences.begin(), sequences.end());
  return sequences;
}

void ExpectExactly(const std::vector<uint64_t>& sequences, uint64_t last) {
  ASSERT_EQ(sequences.size(), last);
  for (uint64_t i = 0; i < last; ++i) ASSERT_EQ(sequences[i], i + 1);
}

TEST(CollectorProcess, KilledWhileAnAgentStreamsLosesNothingAndStoresNothingTwice) {
  constexpr uint64_t kFindings = 6000;
  testing::TempFolder folder;
  CollectorProcess collector(testing::TestConfig(folder.path()), folder.path());
  uint64_t acknowledged = 0;
  for (int run = 0; acknowledged < kFindings; ++run) {
    ASSERT_LT(run, 50);
    ASSERT_NO_FATAL_FAILURE(collector.Start());
    AgentClient agent(testing::ConnectTo(collector.port(), testing::Plaintext()));
    ASSERT_TRUE(agent.SendHello(kEpoch));
    const auto welcome = agent.ReadWelcome();
    ASSERT_TRUE(welcome.has_value());
    // What was acknowledged before the kill is there after it.
    ASSERT_GE(welcome->committed_sequence(), acknowledged);
    uint64_t next = welcome->committed_sequence() + 1;
    for (int batch = 0; batch < 8 && next <= kFindings; ++batch, next += 100) {
      agent.SendBatch(Findings(next, next + 99));
    }
    // Killed with batches on the way, in the queue, in a transaction.
    if (next <= kFindings) {
      agent.ReadAckOf(welcome->committed_sequence() + 300);
    } else {
      ASSERT_TRUE(agent.ReadAckOf(kFindings));
    }
    const int status = collector.Stop(SIGKILL);
    ASSERT_TRUE(WIFSIGNALED(status));
    acknowledged = std::max(acknowledged, agent.acknowledged());
  }
  ASSERT_NO_FATAL_FAILURE(collector.Start());
  ExpectExactly(StoredSequences(collector.port()), kFindings);
}

TEST(CollectorProcess, TerminationDrainsAndExitsWithZero) {
  testing::TempFolder folder;
  CollectorProcess collector(testing::TestConfig(folder.path()), folder.path());
  ASSERT_NO_FATAL_FAILURE(collector.Start());
  AgentClient agent(testing::ConnectTo(collector.port(), testing::Plaintext()));
  ASSERT_TRUE(agent.SendHello(kEpoch));
  ASSERT_TRUE(agent.ReadWelcome().has_value());
  for (uint64_t i = 0; i < 8; ++i)
    ASSERT_TRUE(agent.SendBatch(Findings(i * 100 + 1, i * 100 + 100)));
  ASSERT_TRUE(agent.ReadAckOf(100));
  const int status = collector.Stop(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(agent.Finish(), grpc::StatusCode::UNAVAILABLE);
  ASSERT_NO_FATAL_FAILURE(collector.Start());
  ExpectExactly(StoredSequences(collector.port()), agent.acknowledged());
}

TEST(CollectorProcess, AFullDiskHoldsAgentsBackUntilThereIsRoomAgain) {
  testing::TempFolder folder;
  const std::string disk = folder.File("disk");
  ASSERT_EQ(mkdir(disk.c_str(), 0700), 0);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=3m") != 0) {
    GTEST_SKIP() << "needs the right to mount a small tmpfs";
  }
  {
    config::v1::CollectorConfig config = testing::TestConfig(folder.path());
    config.mutable_store()->set_path(disk + "/store.db");
    // Something that can be removed to make room.
    const std::string ballast = disk + "/ballast";
    const int fd = open(ballast.c_str(), O_WRONLY | O_CREAT, 0600);
    ASSERT_EQ(posix_fallocate(fd, 0, 1 << 20), 0);
    close(fd);
    CollectorProcess collector(config, folder.path());
    ASSERT_NO_FATAL_FAILURE(collector.Start());
    EXPECT_THAT(collector.Get("/readyz"), HasSubstr(" 200 "));

    uint64_t acknowledged = 0;
    int code = 0;
    {
      AgentClient agent(testing::ConnectTo(collector.port(), testing::Plaintext()));
      ASSERT_TRUE(agent.SendHello(kEpoch));
      ASSERT_TRUE(agent.ReadWelcome().has_value());
      for (uint64_t next = 1; next < 100'000; next += 200) {
        if (!agent.SendBatch(Findings(next, next + 199)) || !agent.ReadAckOf(next + 199)) break;
      }
      acknowledged = agent.acknowledged();
      code = agent.Finish();
    }
    EXPECT_EQ(code, grpc::StatusCode::UNAVAILABLE);
    EXPECT_GT(acknowledged, 0u);
    EXPECT_THAT(collector.Get("/readyz"), HasSubstr(" 503 "));
    EXPECT_THAT(collector.Get("/readyz"), HasSubstr("full"));
    EXPECT_THAT(collector.Get("/healthz"), HasSubstr(" 200 "));
    const std::string metrics = collector.Get("/metrics");
    EXPECT_THAT(metrics, HasSubstr("skimwatch_store_writable 0\n"));
    EXPECT_THAT(metrics,
                ::testing::Not(HasSubstr("skimwatch_store_errors_total{operation=\"write\"} 0\n")));
    {
      AgentClient agent(testing::ConnectTo(collector.port(), testing::Plaintext()));
      agent.SendHello(kEpoch);
      EXPECT_EQ(agent.Finish(), grpc::StatusCode::UNAVAILABLE);
    }

    ASSERT_EQ(unlink(ballast.c_str()), 0);
    std::string ready;
    for (int i = 0; i < 500 && ready.find(" 200 ") == std::string::npos; ++i) {
      absl::SleepFor(absl::Milliseconds(20));
      ready = collector.Get("/readyz");
    }
    EXPECT_THAT(ready, HasSubstr(" 200 "));
    AgentClient agent(testing::ConnectTo(collector.port(), testing::Plaintext()));
    ASSERT_TRUE(agent.SendHello(kEpoch));
    const auto welcome = agent.ReadWelcome();
    ASSERT_TRUE(welcome.has_value());
    EXPECT_EQ(welcome->committed_sequence(), acknowledged);
    ASSERT_TRUE(agent.SendBatch(Findings(acknowledged + 1, acknowledged + 200)));
    ASSERT_TRUE(agent.ReadAckOf(acknowledged + 200));
    ExpectExactly(StoredSequences(collector.port()), acknowledged + 200);
  }
  EXPECT_EQ(umount(disk.c_str()), 0);
}

TEST(CollectorProcess, ChecksAndShowsItsConfigurationAndRefusesABadOne) {
  testing::TempFolder folder;
  const std::string program = std::string(SKIMWATCH_BIN_DIR) + "/skimwatch-collector";
  const std::string good = folder.File("good.yaml");
  const std::string bad = folder.File("bad.yaml");
  std::ofstream(good) << "listen: 127.0.0.1:0\ntls:\n  plaintext: true\nstore:\n  path: "
                      << folder.File("s.db") << "\n";
  std::ofstream(bad) << "listen: 127.0.0.1:0\ntls:\n  plaintext: true\nstroe:\n  path: x\n";
  const auto run = [&](const std::string& arguments) {
    const int status = std::system(
        (program + " " + arguments + " >" + folder.File("out") + " 2>" + folder.File("err"))
            .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  const auto text = [&](const std::string& name) {
    std::stringstream content;
    content << std::ifstream(folder.File(name)).rdbuf();
    return content.str();
  };
  EXPECT_EQ(run("--version"), 0);
  EXPECT_THAT(text("out"), StartsWith("skimwatch-collector "));
  EXPECT_EQ(run("--help"), 0);
  EXPECT_THAT(text("out"), HasSubstr("--check-config"));
  EXPECT_EQ(run("--config " + good + " --check-config"), 0);
  EXPECT_EQ(access(folder.File("s.db").c_str(), F_OK), -1);
  EXPECT_EQ(run("--config " + good + " --print-config"), 0);
  EXPECT_THAT(text("out"), HasSubstr("retention_days: 400"));
  EXPECT_EQ(run("--config " + bad + " --check-config"), 1);
  EXPECT_THAT(text("err"), HasSubstr("bad.yaml:4"));
  EXPECT_THAT(text("err"), HasSubstr("store"));
  EXPECT_EQ(run("--config " + folder.File("none.yaml")), 1);
  EXPECT_EQ(run(""), 2);
  EXPECT_THAT(text("err"), StartsWith("skimwatch-collector: --config is required\n"));
  EXPECT_EQ(run("--nonsense"), 2);
}

TEST(CollectorProcess, ChecksWhatKeepsItFromStarting) {
  testing::TempFolder folder;
  const std::string path = folder.File("collector.yaml");
  const auto check = [&](const std::string& yaml) {
    std::ofstream(path) << "tls: { plaintext: true }\n" << yaml;
    return testing::RunProgram({.command = {std::string(SKIMWATCH_BIN_DIR) + "/skimwatch-collector",
                                            "--config", path, "--check-config"},
                                .environment = testing::SanitizerEnvironment()});
  };
  const std::string listen = "listen: 127.0.0.1:9463\n";
  const std::string keys = "fingerprint_keys: { files: [" + folder.File("a.key") + "] }\n";
  const std::string store = "store: { path: " + folder.File("s.db") + " }\n";

  testing::Result result = check(listen + keys + store);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  result = check(listen + store);
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("warning: no fingerprint_keys.files: cards can be neither"));

  result =
      check(listen + store + "fingerprint_keys: { files: [" + folder.File("none/a.key") + "] }\n");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("fingerprint_keys.files: " + folder.File("none") +
                                    " is not a folder that can be read; create it"));
  result = check(listen + keys + "store: { path: " + folder.path() + " }\n");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr(folder.path() + " is not a file; name a file"));
  result = check(listen + keys + "store: { path: " + path + " }\n");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr(path + " is no store of a collector; name another file"));
  for (const char* const metrics : {"127.0.0.1:9463", "0.0.0.0:9463"}) {
    result = check(listen + keys + store + "metrics: { listen: " + metrics + " }\n");
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, HasSubstr("takes the port of `listen`"));
  }
  result = check(listen + keys + store + "metrics: { listen: 127.0.0.2:9463 }\n");
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST(CollectorProcess, GoesOnWhenItIsHungUp) {
  testing::TempFolder folder;
  CollectorProcess collector(testing::TestConfig(folder.path()), folder.path());
  ASSERT_NO_FATAL_FAILURE(collector.Start());
  ASSERT_EQ(kill(collector.pid(), SIGHUP), 0);
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return collector.Log().find("SIGHUP changes nothing") != std::string::npos; }));
  EXPECT_THAT(collector.Get("/readyz"), HasSubstr(" 200 "));
  EXPECT_EQ(collector.Stop(SIGTERM), 0);
  EXPECT_THAT(collector.Log(), HasSubstr("stopped"));
}

TEST(CollectorProcess, TellsOfAFailedHandshakeInTheFormOfItsLog) {
  testing::TempFolder folder;
  const testing::CertificateAuthority ca("test CA");
  config::v1::CollectorConfig config = testing::TestConfig(folder.path());
  *config.mutable_tls() =
      testing::WriteTlsFiles(folder.File("tls"), ca.Issue(testing::ServerLeaf()), ca);
  config.mutable_logging()->set_format("json");
  CollectorProcess collector(config, folder.path());
  ASSERT_NO_FATAL_FAILURE(collector.Start());
  // Clients that try again, and speak no TLS.
  for (int i = 0; i < 5; ++i) testing::HttpGet(collector.port(), "/");
  EXPECT_TRUE(testing::WaitUntil(
      [&] { return collector.Log().find("it speaks no TLS") != std::string::npos; }));
  EXPECT_EQ(collector.Stop(SIGTERM), 0);
  int told = 0;
  std::istringstream lines(collector.Log());
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json event = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    ASSERT_FALSE(event.is_discarded()) << line;
    const std::string message = event["message"];
    if (message.find("turned away in its TLS handshake") != std::string::npos) ++told;
  }
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace skimwatch::ingest
