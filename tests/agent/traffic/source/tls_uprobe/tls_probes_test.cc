#include "agent/traffic/source/tls_uprobe/tls_probes.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::traffic {
namespace {

using ::skimwatch::testing::ChildProcess;
using ::skimwatch::testing::TempFolder;
using ::skimwatch::testing::WaitUntil;

// Takes connections and throws away what it is sent, until its input is closed.
constexpr char kServer[] = R"(
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
def serve(connection):
  try:
    with context.wrap_socket(connection, server_side=True) as tls:
      while tls.recv(65536): pass
      tls.sendall(b'done')
  except (OSError, ValueError): pass
def accept():
  while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
)";

// For each line of its input `BYTES CALL_BYTES TEXT`: sends so many bytes of `TEXT`, again and
// again, with so many a call, and says that it did.
constexpr char kClient[] = R"(
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
tls = context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))),
                          server_hostname='api.example')
print('connected', flush=True)
for line in sys.stdin:
  size, call, text = line.split()
  size, call = int(size), int(call)
  data = (text.encode() * (size // len(text) + 1))[:size]
  for at in range(0, size, call):
    tls.sendall(data[at:at + call])
  print('sent', flush=True)
tls.close()
)";

// Keeps what each flow brought, by the client's side and the server's.
class Recorder final : public ByteFlowHandler {
 public:
  struct Flow {
    ByteFlow info;
    std::string client;
    std::string server;
    uint64_t shed = 0;
    bool ended = false;
  };

  void OnOpen(uint64_t flow, const ByteFlow& info, absl::Time /*now*/) override {
    absl::MutexLock lock(&mutex_);
    flows_[flow].info = info;
  }
  void OnData(uint64_t flow, bool from_client, std::string_view bytes,
              absl::Time /*now*/) override {
    absl::MutexLock lock(&mutex_);
    (from_client ? flows_[flow].client : flows_[flow].server) += bytes;
  }
  void OnShed(uint64_t flow, bool /*from_client*/, uint64_t bytes, absl::Time /*now*/) override {
    absl::MutexLock lock(&mutex_);
    flows_[flow].shed += bytes;
  }
  void OnEnd(uint64_t flow, absl::Time /*now*/) override {
    absl::MutexLock lock(&mutex_);
    flows_[flow].ended = true;
  }
  void OnIdle(absl::Time /*now*/) override {}
  void Flush() override {}

  // The flows of a process.
  std::vector<Flow> FlowsOf(pid_t pid) const {
    absl::MutexLock lock(&mutex_);
    std::vector<Flow> found;
    for (const auto& [id, flow] : flows_) {
      if (flow.info.process->pid == static_cast<uint32_t>(pid)) found.push_back(flow);
    }
    return found;
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<uint64_t, Flow> flows_ ABSL_GUARDED_BY(mutex_);
};

class Probes : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const absl::Status s = CheckTlsProbeSupport(); !s.ok()) GTEST_SKIP() << s.message();
    const testing::Result made = testing::RunProgram(
        {.command = {"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
                     "/CN=api.example", "-keyout", folder_.File("key"), "-out",
                     folder_.File("certificate")}});
    ASSERT_EQ(made.code, 0) << made.err;
    std::ofstream(folder_.File("server.py")) << kServer;
    std::ofstream(folder_.File("client.py")) << kClient;
    server_ = std::make_unique<ChildProcess>(
        ChildProcess::Options{.command = {"/usr/bin/python3", folder_.File("server.py"),
                                          folder_.File("certificate"), folder_.File("key")}});
    ASSERT_TRUE(server_->ReadUntil([this](const std::string& out) {
      return out.ends_with('\n') && absl::SimpleAtoi(out, &port_);
    }));
    options_.selections.emplace_back();
  }
  void TearDown() override {
    if (probes_ != nullptr) probes_->Stop();
    if (server_ != nullptr) {
      server_->CloseInput();
      server_->Wait();
    }
  }

  void Open() {
    auto probes = TlsProbes::Open(options_, coverage_, {&recorder_});
    ASSERT_TRUE(probes.ok()) << probes.status();
    probes_ = *std::move(probes);
  }
  void Start() {
    ASSERT_NO_FATAL_FAILURE(Open());
    probes_->Start();
  }
  std::unique_ptr<ChildProcess> Connect(const std::vector<std::string>& environment = {}) {
    auto client = std::make_unique<ChildProcess>(ChildProcess::Options{
        .command = {"/usr/bin/python3", folder_.File("client.py"), absl::StrCat(port_)},
        .environment = environment});
    EXPECT_TRUE(client->ReadUntil(
        [](const std::string& out) { return absl::StrContains(out, "connected"); }));
    return client;
  }
  void Send(ChildProcess& client, size_t bytes, size_t call_bytes, const std::string& text) {
    client.Write(absl::StrCat(bytes, " ", call_bytes, " ", text, "\n"));
    ++sent_;
    EXPECT_TRUE(client.ReadUntil([this](const std::string& out) {
      size_t count = 0;
      for (size_t at = out.find("sent"); at != std::string::npos; at = out.find("sent", at + 1)) {
        ++count;
      }
      return count == sent_;
    }));
  }
  static void End(ChildProcess& client) {
    client.CloseInput();
    EXPECT_EQ(client.Wait().code, 0);
  }
  static std::string Text(size_t bytes, const std::string& text) {
    std::string all;
    while (all.size() < bytes) all += text;
    all.resize(bytes);
    return all;
  }
  // The library that the programs here use, as a file that a test may change.
  std::string CopyLibrary() {
    const std::string copy = folder_.File("libssl.so.3");
    for (const std::string place : {"/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu"}) {
      if (std::filesystem::exists(place + "/libssl.so.3")) {
        std::filesystem::copy_file(std::filesystem::canonical(place + "/libssl.so.3"), copy,
                                   std::filesystem::copy_options::overwrite_existing);
      }
    }
    return copy;
  }
  std::vector<std::string> WithCopy() const {
    return {absl::StrCat("LD_LIBRARY_PATH=", folder_.path())};
  }
  bool Received(pid_t pid, size_t bytes) {
    return WaitUntil([&] {
      const std::vector<Recorder::Flow> flows = recorder_.FlowsOf(pid);
      return flows.size() == 1 && flows[0].client.size() + flows[0].shed >= bytes;
    });
  }

  TempFolder folder_;
  int port_ = 0;
  size_t sent_ = 0;
  TlsProbes::Options options_;
  Coverage coverage_;
  Recorder recorder_;
  std::unique_ptr<ChildProcess> server_;
  std::unique_ptr<TlsProbes> probes_;
};

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

}  // namespace
}  // namespace skimwatch::traffic
