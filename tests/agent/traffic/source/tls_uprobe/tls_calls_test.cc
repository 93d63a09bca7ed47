// Every way in which a program passes bytes to its TLS library, each seen once and whole.

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/tls_uprobe/numbers.h"
#include "tests/agent/traffic/source/tls_uprobe/probes_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"

namespace skimwatch::traffic {
namespace {

using ::skimwatch::testing::ChildProcess;
using ::skimwatch::testing::WaitUntil;
using Flow = testing::FlowsByProcess::Flow;

class Calls : public testing::ProbesFixture {
 protected:
  // Runs tls_calls until it has sent all; its output.
  std::string Run(const std::string& mode) {
    program_ = std::make_unique<ChildProcess>(
        ChildProcess::Options{.command = {std::string(SKIMWATCH_BIN_DIR) + "/tls_calls", mode,
                                          folder_.File("certificate"), folder_.File("key")}});
    pid_ = program_->pid();
    std::string all;
    EXPECT_TRUE(program_->ReadUntil([&](const std::string& out) {
      all = out;
      return absl::StrContains(out, "tried again");
    }));
    return all;
  }
  // Its flow whose client is what it sends as, and the other one.
  std::vector<Flow> Outbound() const { return With(true); }
  std::vector<Flow> Inbound() const { return With(false); }
  void AwaitOutbound(size_t bytes) {
    EXPECT_TRUE(WaitUntil([&] {
      const std::vector<Flow> flows = Outbound();
      return flows.size() == 1 && flows[0].client.size() + flows[0].shed >= bytes;
    }));
  }
  void End() {
    program_->CloseInput();
    const skimwatch::testing::Result result = program_->Wait();
    EXPECT_EQ(result.code, 0) << result.err;
    // What would be counted twice comes in the same breath.
    probes_->Stop();
  }

  std::unique_ptr<ChildProcess> program_;
  pid_t pid_ = 0;

 private:
  std::vector<Flow> With(bool is_outbound) const {
    std::vector<Flow> found;
    for (const Flow& flow : recorder_.FlowsOf(pid_)) {
      if (flow.info.is_outbound == is_outbound) found.push_back(flow);
    }
    return found;
  }
};

TEST_F(Calls, AreSeenOnceAndWhole) {
  struct Case {
    std::string mode;
    size_t bytes;
    bool is_tried_again;
  };
  options_.reads = true;
  ASSERT_NO_FATAL_FAILURE(Start());
  for (const Case& test : {
           Case{"write", 66'885, false},
           Case{"write_ex", 66'885, false},
           // The same buffer again, after SSL_ERROR_WANT_WRITE.
           Case{"retry", 900'000, true},
           // What SSL_MODE_ENABLE_PARTIAL_WRITE took, and then the rest.
           Case{"partial", 900'000, true},
#ifdef __x86_64__
           // Past SSL_write, where Debian's library has one function for both (probe_places.h).
           Case{"bio", 10'000, false},
#endif
       }) {
    const std::string out = Run(test.mode);
    EXPECT_EQ(absl::StrContains(out, "again 0\n"), !test.is_tried_again) << test.mode;
    AwaitOutbound(test.bytes);
    EXPECT_TRUE(WaitUntil([&] {
      return Inbound().size() == 1 && Inbound().at(0).client.size() >= test.bytes;
    })) << test.mode;
    program_->CloseInput();
    EXPECT_EQ(program_->Wait().code, 0) << test.mode;
    EXPECT_TRUE(WaitUntil([&] { return Outbound().at(0).ended && Inbound().at(0).ended; }));
    const Flow sent = Outbound().at(0);
    EXPECT_TRUE(sent.client == testing::Numbers(test.bytes))
        << test.mode << ": " << sent.client.size();
    EXPECT_EQ(sent.shed, 0u) << test.mode;
    EXPECT_EQ(sent.info.server.ip, "127.0.0.1") << test.mode;
    const Flow received = Inbound().at(0);
    EXPECT_TRUE(received.client == testing::Numbers(test.bytes))
        << test.mode << ": " << received.client.size();
    EXPECT_EQ(received.shed, 0u) << test.mode;
  }
  EXPECT_EQ(coverage_.bytes(Reason::kTruncatedCall), 0u);
}

TEST_F(Calls, OfGnuTlsThatAreCorkedAreSeenWhenTheyAreMadeAndNotAgainWhenTheyAreSent) {
  ASSERT_NO_FATAL_FAILURE(Start());
  Run("gnutls_cork");
  AwaitOutbound(3'000);
  End();
  const Flow flow = Outbound().at(0);
  EXPECT_TRUE(flow.client == testing::Numbers(3'000)) << flow.client.size();
  EXPECT_EQ(flow.shed, 0u);
  EXPECT_EQ(flow.info.server.ip, "127.0.0.1");
  EXPECT_EQ(coverage_.bytes(Reason::kTruncatedCall), 0u);
}

TEST_F(Calls, OfSendfileCountWhatTheKernelTookAndNothingWhereItTookNone) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const std::string out = Run("sendfile");
  AwaitOutbound(100);
  End();
  // Without kTLS OpenSSL refuses it.
  const bool has_ktls = absl::StrContains(out, "sendfile 100\n");
  EXPECT_EQ(Outbound().at(0).client, testing::Numbers(100));
  EXPECT_EQ(Outbound().at(0).shed, has_ktls ? 100u : 0u) << out;
  EXPECT_EQ(coverage_.bytes(Reason::kTruncatedCall), has_ktls ? 100u : 0u);
}

TEST_F(Calls, OfSendfileThatTheKernelHidesAreCountedToTheByte) {
  options_.libraries = {"*/kernel_tls"};
  ASSERT_NO_FATAL_FAILURE(Start());
  ChildProcess program({.command = {std::string(SKIMWATCH_BIN_DIR) + "/kernel_tls", "5000000000"}});
  EXPECT_TRUE(WaitUntil([&] { return probes_->GetStats().files == 1; }));
  program.Write("x");
  EXPECT_TRUE(program.ReadUntil([](const std::string& out) { return out == "sent\n"; }));
  EXPECT_TRUE(WaitUntil([&] { return coverage_.bytes(Reason::kTruncatedCall) >= 5'000'000'000; }));
  program.CloseInput();
  program.Wait();
  probes_->Stop();
  EXPECT_EQ(coverage_.bytes(Reason::kTruncatedCall), 5'000'000'000u);
}

}  // namespace
}  // namespace skimwatch::traffic
