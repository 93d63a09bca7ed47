#ifndef SKIMWATCH_TESTS_COLLECTOR_SUPPORT_AGENT_CLIENT_H_
#define SKIMWATCH_TESTS_COLLECTOR_SUPPORT_AGENT_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "skimwatch/config/v1/tls.pb.h"
#include "skimwatch/v1/ingest_service.pb.h"

namespace skimwatch::testing {

std::shared_ptr<grpc::Channel> ConnectTo(int port, const config::v1::Tls& tls);
// `address:port`.
std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address, const config::v1::Tls& tls);
config::v1::Tls Plaintext();

// One stream to a collector, as an agent has it, with every step in the test's hands. A stream
// ends after `deadline`. Used by one thread for writes and one for reads.
class AgentClient {
 public:
  explicit AgentClient(std::shared_ptr<grpc::Channel> channel,
                       absl::Duration deadline = absl::Seconds(50));
  ~AgentClient();

  static v1::Hello MakeHello(uint64_t epoch);

  bool Send(const v1::StreamRequest& request);
  bool SendHello(uint64_t epoch);
  bool SendBatch(std::vector<v1::Finding> findings, std::vector<v1::LostRange> lost = {});
  void WritesDone();

  // The next message; nothing at the end of the stream.
  std::optional<v1::StreamResponse> Read();
  // Reads on until one of the kind comes.
  std::optional<v1::Welcome> ReadWelcome();
  std::optional<v1::Policy> ReadPolicy();
  // Reads acknowledgements until one is at least `sequence`. False when the stream ends before.
  bool ReadAckOf(uint64_t sequence);
  uint64_t acknowledged() const;

  // Reads to the end and returns how the stream ended: gRPC's code and message.
  int Finish(std::string* message = nullptr);
  void Cancel();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_SUPPORT_AGENT_CLIENT_H_
