#include "agent/traffic/source/tls_uprobe/tls_probes.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/tls_uprobe/probes_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"

namespace skimwatch::traffic {
namespace {

using ::skimwatch::testing::WaitUntil;
using Probes = testing::ProbesFixture;
using Recorder = testing::FlowsByProcess;

TEST_F(Probes, SeeWhatAProgramSendsAndWhoItIsAndWhereTo) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto client = Connect();
  const pid_t pid = client->pid();
  Send(*client, 10, 10, "0123456789");
  End(*client);
  ASSERT_TRUE(WaitUntil([&] {
    const std::vector<Recorder::Flow> flows = recorder_.FlowsOf(pid);
    return flows.size() == 1 && flows[0].ended;
  }));
  const Recorder::Flow flow = recorder_.FlowsOf(pid).at(0);
  EXPECT_EQ(flow.client, "0123456789");
  EXPECT_EQ(flow.server, "") << "nobody asked for what it receives";
  EXPECT_EQ(flow.info.server_name, "api.example");
  EXPECT_EQ(flow.info.server.ip, "127.0.0.1");
  EXPECT_EQ(flow.info.server.port, port_);
  EXPECT_TRUE(flow.info.client_is_known);
  EXPECT_TRUE(flow.info.is_outbound);
  EXPECT_THAT(flow.info.process->executable, ::testing::StartsWith("/usr/bin/python3"));
  EXPECT_EQ(flow.info.process->command, "python3");
  EXPECT_THAT(flow.info.process->cgroup, ::testing::StartsWith("/"));
  EXPECT_EQ(probes_->GetStats().dropped_bytes, 0u);
}

TEST_F(Probes, SeeBothWaysWhereAsked) {
  options_.reads = true;
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto client = Connect();
  Send(*client, 10, 10, "0123456789");
  End(*client);
  ASSERT_TRUE(WaitUntil([&] {
    const std::vector<Recorder::Flow> flows = recorder_.FlowsOf(server_->pid());
    return flows.size() == 1 && flows[0].client == "0123456789";
  }));
  const Recorder::Flow flow = recorder_.FlowsOf(server_->pid()).at(0);
  EXPECT_TRUE(flow.info.client_is_known);
  EXPECT_FALSE(flow.info.is_outbound);
  EXPECT_EQ(flow.info.server.port, port_);
  EXPECT_EQ(flow.info.client.ip, "127.0.0.1");
}

TEST_F(Probes, SeeALibraryThatWasLoadedBefore) {
  const auto client = Connect();
  ASSERT_NO_FATAL_FAILURE(Start());
  Send(*client, 10, 10, "0123456789");
  EXPECT_TRUE(Received(client->pid(), 10));
  EXPECT_EQ(recorder_.FlowsOf(client->pid()).at(0).client, "0123456789");
  EXPECT_EQ(recorder_.FlowsOf(client->pid()).at(0).info.server.port, port_);
  End(*client);
}

TEST_F(Probes, PutWritesOfManyRecordsTogether) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto client = Connect();
  constexpr size_t kBytes = 700'001;
  Send(*client, kBytes, kBytes, "the_quick_brown_fox;");
  EXPECT_TRUE(Received(client->pid(), kBytes));
  const Recorder::Flow flow = recorder_.FlowsOf(client->pid()).at(0);
  EXPECT_EQ(flow.shed, 0u);
  EXPECT_TRUE(flow.client == Text(kBytes, "the_quick_brown_fox;"));
  End(*client);
}

TEST_F(Probes, CountWhatOneCallHasBeyondTheLimit) {
  options_.call_bytes_max = 64 << 10;
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto client = Connect();
  constexpr size_t kBytes = 300'000;
  Send(*client, kBytes, kBytes, "abc");
  EXPECT_TRUE(Received(client->pid(), kBytes));
  const Recorder::Flow flow = recorder_.FlowsOf(client->pid()).at(0);
  EXPECT_TRUE(flow.client == Text(64 << 10, "abc"));
  EXPECT_EQ(flow.client.size() + flow.shed, kBytes);
  EXPECT_EQ(coverage_.bytes(Reason::kTruncatedCall), kBytes - (64 << 10));
  End(*client);
}

TEST_F(Probes, CountToTheByteWhatTheRingHasNoRoomFor) {
  options_.ring_mib = 1;
  // Nobody reads yet.
  ASSERT_NO_FATAL_FAILURE(Open());
  const auto client = Connect();
  const pid_t pid = client->pid();
  constexpr size_t kBytes = 5'000'000;
  Send(*client, kBytes, 10'000, "abc");
  probes_->Start();
  constexpr size_t kMore = 1000;
  Send(*client, kMore, kMore, "xyz");
  EXPECT_TRUE(Received(pid, kBytes + kMore));
  End(*client);
  probes_->Stop();
  const Recorder::Flow flow = recorder_.FlowsOf(pid).at(0);
  EXPECT_GT(flow.client.size(), 500'000u);
  EXPECT_EQ(flow.client.size() + flow.shed, kBytes + kMore);
  EXPECT_TRUE(flow.client.ends_with(Text(kMore, "xyz")));
  EXPECT_EQ(coverage_.bytes(Reason::kShedProbeRing), flow.shed);
  EXPECT_EQ(probes_->GetStats().dropped_bytes, flow.shed);
}

TEST_F(Probes, LeaveOutProcessesThatAreNotNamed) {
  options_.selections[0].processes = {"nginx", "/opt/*"};
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto client = Connect();
  const pid_t pid = client->pid();
  for (int i = 0; i < 3; ++i) Send(*client, 10, 10, "0123456789");
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().pieces > 0; }));
  End(*client);
  probes_->Stop();
  EXPECT_TRUE(recorder_.FlowsOf(pid).empty());
  EXPECT_EQ(probes_->GetStats().connections_opened, 0u);
}

TEST_F(Probes, LeaveOutProcessesThatAreExcluded) {
  options_.selections[0].exclude_processes = {"python3*"};
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto client = Connect();
  const pid_t pid = client->pid();
  Send(*client, 10, 10, "0123456789");
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().pieces > 0; }));
  End(*client);
  probes_->Stop();
  EXPECT_TRUE(recorder_.FlowsOf(pid).empty());
}

TEST_F(Probes, SeeALibraryThatWasReplacedOnDiskUnderARunningProgram) {
  const std::string library = CopyLibrary();
  const auto client = Connect(WithCopy());
  std::ofstream(folder_.File("new")) << "no library";
  std::filesystem::rename(folder_.File("new"), library);
  options_.libraries = {library};
  ASSERT_NO_FATAL_FAILURE(Start());
  Send(*client, 10, 10, "0123456789");
  EXPECT_TRUE(Received(client->pid(), 10));
  EXPECT_EQ(probes_->GetStats().files, 1u);
  End(*client);
}

TEST_F(Probes, AreTakenOutOfADeletedLibraryThatNobodyHasAnyMore) {
  const std::string library = CopyLibrary();
  options_.libraries = {library};
  options_.rescan_interval = absl::Milliseconds(50);
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto client = Connect(WithCopy());
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files == 1; }));
  std::filesystem::remove(library);
  const uint64_t rescans = probes_->GetStats().rescans;
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().rescans > rescans + 1; }));
  EXPECT_EQ(probes_->GetStats().files, 1u) << "a program has it still";
  End(*client);
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files == 0; }));
}

TEST_F(Probes, AreTakenOutOfALibraryThatIsWrittenToAndComeBack) {
  const std::string library = CopyLibrary();
  options_.libraries = {library};
  ASSERT_NO_FATAL_FAILURE(Start());
  auto client = Connect(WithCopy());
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files == 1; }));
  End(*client);
  std::ofstream(library, std::ios::app | std::ios::binary) << '\0';
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files_written == 1; }));
  EXPECT_EQ(probes_->GetStats().files, 0u);
  client = Connect(WithCopy());
  sent_ = 0;
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files == 1; }));
  Send(*client, 10, 10, "0123456789");
  EXPECT_TRUE(Received(client->pid(), 10));
  End(*client);
}

TEST_F(Probes, SurviveProgramsThatDieAtAnyMoment) {
  ASSERT_NO_FATAL_FAILURE(Start());
  for (int i = 0; i < 8; ++i) {
    const auto client = Connect();
    client->Write("4000000 100000 abc\n");
    usleep(static_cast<useconds_t>(i) * 3000);
    client->Signal(SIGKILL);
    client->Wait();
  }
  const auto client = Connect();
  Send(*client, 10, 10, "0123456789");
  EXPECT_TRUE(Received(client->pid(), 10));
  End(*client);
}

TEST_F(Probes, WriteOverWhatLiesInTheRingWhenNothingComes) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto client = Connect();
  Send(*client, 10, 10, "0123456789");
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().wipes > 0; }));
  // It goes on after that.
  Send(*client, 10, 10, "abcdefghij");
  EXPECT_TRUE(Received(client->pid(), 20));
  End(*client);
}

TEST_F(Probes, NoticeNewProgramsWithoutALookAtTheOthers) {
  const std::string library = CopyLibrary();
  options_.libraries = {library};
  options_.rescan_interval = absl::Hours(1);
  ASSERT_NO_FATAL_FAILURE(Start());
  const uint64_t rescans = probes_->GetStats().rescans;
  EXPECT_EQ(probes_->GetStats().files, 0u);
  // Python loads it long after it began.
  const auto client = Connect(WithCopy());
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files == 1; }));
  Send(*client, 10, 10, "0123456789");
  EXPECT_TRUE(Received(client->pid(), 10));
  End(*client);
  EXPECT_EQ(probes_->GetStats().rescans, rescans);
  EXPECT_EQ(probes_->GetStats().lost_notices, 0u);
}

TEST_F(Probes, SayTheCommandAndTheBytesOfAProcessThatWasGoneBeforeTheLookUp) {
  // The server's library has its probes, and nobody reads yet.
  ASSERT_NO_FATAL_FAILURE(Open());
  const auto client = Connect();
  const pid_t pid = client->pid();
  Send(*client, 10, 10, "0123456789");
  End(*client);
  probes_->Start();
  ASSERT_TRUE(Received(pid, 10));
  const Recorder::Flow flow = recorder_.FlowsOf(pid).at(0);
  EXPECT_EQ(flow.client, "0123456789");
  EXPECT_EQ(flow.info.server.port, port_)
      << "the kernel keeps it for the records of the connection";
  EXPECT_EQ(flow.info.process->command, "python3");
  EXPECT_EQ(flow.info.process->executable, "");
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().processes_gone > 0; }));
}

TEST_F(Probes, SayWhichFilesHoldTlsThatTheyCannotSee) {
  // NSS: its functions are of no TLS library that the probes know.
  std::string nss;
  for (const std::string place : {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"}) {
    if (std::filesystem::exists(place + "/libssl3.so")) nss = place + "/libssl3.so";
  }
  if (nss.empty()) GTEST_SKIP() << "needs libnss3";
  const std::string library = folder_.File("libssl3.so");
  std::filesystem::copy_file(nss, library);
  options_.libraries = {library};
  options_.selections[0].processes = {"python3*"};
  ASSERT_NO_FATAL_FAILURE(Start());
  skimwatch::testing::ChildProcess program(
      {.command = {"/usr/bin/python3", "-c",
                   "import ctypes, sys; ctypes.CDLL(sys.argv[1]); sys.stdin.read()", library}});
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files_hidden == 1; }));
  EXPECT_EQ(probes_->GetStats().files, 0u);
  program.CloseInput();
  program.Wait();
}

}  // namespace
}  // namespace skimwatch::traffic
