#include "tests/agent/traffic/source/tls_uprobe/probes_fixture.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/support/daemon.h"

namespace skimwatch::traffic::testing {
namespace {

using ::skimwatch::testing::ChildProcess;
using ::skimwatch::testing::Result;
using ::skimwatch::testing::RunProgram;
using ::skimwatch::testing::WaitUntil;

// Takes connections and throws away what it is sent, until its input is closed. A POST gets an
// answer.
constexpr char kServer[] = R"(
import re, socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
def serve(connection):
  try:
    with context.wrap_socket(connection, server_side=True) as tls:
      data = tls.recv(65536)
      if data.startswith(b'POST '):
        while b'\r\n\r\n' not in data: data += tls.recv(65536)
        head, body = data.split(b'\r\n\r\n', 1)
        size = int(re.search(rb'(?i)content-length: (\d+)', head).group(1))
        while len(body) < size: body += tls.recv(65536)
        tls.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\ntaken\n')
        return
      while data: data = tls.recv(65536)
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

}  // namespace

void FlowsByProcess::OnOpen(uint64_t flow, const ByteFlow& info, absl::Time /*now*/) {
  absl::MutexLock lock(&mutex_);
  flows_[flow].info = info;
}

void FlowsByProcess::OnData(uint64_t flow, bool from_client, std::string_view bytes,
                            absl::Time /*now*/) {
  absl::MutexLock lock(&mutex_);
  (from_client ? flows_[flow].client : flows_[flow].server) += bytes;
}

void FlowsByProcess::OnShed(uint64_t flow, bool /*from_client*/, uint64_t bytes,
                            absl::Time /*now*/) {
  absl::MutexLock lock(&mutex_);
  flows_[flow].shed += bytes;
}

void FlowsByProcess::OnEnd(uint64_t flow, absl::Time /*now*/) {
  absl::MutexLock lock(&mutex_);
  flows_[flow].ended = true;
}

std::vector<FlowsByProcess::Flow> FlowsByProcess::FlowsOf(pid_t pid) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Flow> found;
  for (const auto& [id, flow] : flows_) {
    if (flow.info.process->pid == static_cast<uint32_t>(pid)) found.push_back(flow);
  }
  return found;
}

std::vector<FlowsByProcess::Flow> FlowsByProcess::FlowsWith(std::string_view text) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Flow> found;
  for (const auto& [id, flow] : flows_) {
    if (flow.client.find(text) != std::string::npos) found.push_back(flow);
  }
  return found;
}

void ProbesFixture::SetUp() {
  if (const absl::Status s = CheckTlsProbeSupport(); !s.ok()) GTEST_SKIP() << s.message();
  const Result made =
      RunProgram({.command = {"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
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

void ProbesFixture::TearDown() {
  if (probes_ != nullptr) probes_->Stop();
  if (server_ != nullptr) {
    server_->CloseInput();
    server_->Wait();
  }
}

void ProbesFixture::Open() {
  auto probes = TlsProbes::Open(options_, coverage_, {&recorder_});
  ASSERT_TRUE(probes.ok()) << probes.status();
  probes_ = *std::move(probes);
}

void ProbesFixture::Start() {
  ASSERT_NO_FATAL_FAILURE(Open());
  probes_->Start();
}

std::unique_ptr<ChildProcess> ProbesFixture::Connect(const std::vector<std::string>& environment) {
  auto client = std::make_unique<ChildProcess>(ChildProcess::Options{
      .command = {"/usr/bin/python3", folder_.File("client.py"), absl::StrCat(port_)},
      .environment = environment});
  EXPECT_TRUE(client->ReadUntil(
      [](const std::string& out) { return absl::StrContains(out, "connected"); }));
  return client;
}

void ProbesFixture::Send(ChildProcess& client, size_t bytes, size_t call_bytes,
                         const std::string& text) {
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

void ProbesFixture::End(ChildProcess& client) {
  client.CloseInput();
  EXPECT_EQ(client.Wait().code, 0);
}

std::string ProbesFixture::Text(size_t bytes, const std::string& text) {
  std::string all;
  while (all.size() < bytes) all += text;
  all.resize(bytes);
  return all;
}

std::string ProbesFixture::CopyLibrary() {
  const std::string copy = folder_.File("libssl.so.3");
  for (const std::string place : {"/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu"}) {
    if (std::filesystem::exists(place + "/libssl.so.3")) {
      std::filesystem::copy_file(std::filesystem::canonical(place + "/libssl.so.3"), copy,
                                 std::filesystem::copy_options::overwrite_existing);
    }
  }
  return copy;
}

std::vector<std::string> ProbesFixture::WithCopy() const {
  return {absl::StrCat("LD_LIBRARY_PATH=", folder_.path())};
}

bool ProbesFixture::Received(pid_t pid, size_t bytes) {
  return WaitUntil([&] {
    const std::vector<FlowsByProcess::Flow> flows = recorder_.FlowsOf(pid);
    return flows.size() == 1 && flows[0].client.size() + flows[0].shed >= bytes;
  });
}

}  // namespace skimwatch::traffic::testing
