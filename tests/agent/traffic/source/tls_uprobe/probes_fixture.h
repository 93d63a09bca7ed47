#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBES_FIXTURE_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBES_FIXTURE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/source/tls_uprobe/tls_probes.h"
#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::traffic::testing {

// Keeps what each flow brought, by the client's side and the server's. Thread-safe.
class FlowsByProcess final : public ByteFlowHandler {
 public:
  struct Flow {
    ByteFlow info;
    std::string client;
    std::string server;
    uint64_t shed = 0;
    bool ended = false;
  };

  void OnOpen(uint64_t flow, const ByteFlow& info, absl::Time now) override;
  void OnData(uint64_t flow, bool from_client, std::string_view bytes, absl::Time now) override;
  void OnShed(uint64_t flow, bool from_client, uint64_t bytes, absl::Time now) override;
  void OnEnd(uint64_t flow, absl::Time now) override;
  void OnIdle(absl::Time /*now*/) override {}
  void Flush() override {}

  // The flows of a process.
  std::vector<Flow> FlowsOf(pid_t pid) const;
  // Those whose client said `text`.
  std::vector<Flow> FlowsWith(std::string_view text) const;

 private:
  mutable absl::Mutex mutex_;
  std::map<uint64_t, Flow> flows_ ABSL_GUARDED_BY(mutex_);
};

// Probes on this machine, and a real server and client of TLS. A test is skipped where this process
// or this kernel may not have probes.
class ProbesFixture : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  void Open();
  void Start();
  // Python, connected; it sends what Send tells it to.
  std::unique_ptr<skimwatch::testing::ChildProcess> Connect(
      const std::vector<std::string>& environment = {});
  // Has the client send so many bytes of `text`, again and again, with so many a call.
  void Send(skimwatch::testing::ChildProcess& client, size_t bytes, size_t call_bytes,
            const std::string& text);
  static void End(skimwatch::testing::ChildProcess& client);
  static std::string Text(size_t bytes, const std::string& text);
  // The library that the programs here use, as a file that a test may change.
  std::string CopyLibrary();
  std::vector<std::string> WithCopy() const;
  // Waits until the only flow of the process has so many bytes.
  bool Received(pid_t pid, size_t bytes);

  skimwatch::testing::TempFolder folder_;
  int port_ = 0;
  size_t sent_ = 0;
  TlsProbes::Options options_;
  Coverage coverage_;
  FlowsByProcess recorder_;
  std::unique_ptr<skimwatch::testing::ChildProcess> server_;
  std::unique_ptr<TlsProbes> probes_;
};

}  // namespace skimwatch::traffic::testing

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_PROBES_FIXTURE_H_
