#ifndef SKIMWATCH_TESTS_COLLECTOR_SINK_NATS_SERVER_H_
#define SKIMWATCH_TESTS_COLLECTOR_SINK_NATS_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::testing {

// A port of loopback that nobody listens on now.
int FreePort();

// A real nats-server with JetStream, whose streams are in a folder that goes with it and outlive
// its runs. Ended when destroyed.
class NatsServer {
 public:
  struct Options {
    // Lines of its configuration, such as a `tls` block.
    std::string configuration;
    // Files for its clients in this test, where it wants TLS.
    std::string ca_file;
  };

  NatsServer() : NatsServer(Options()) {}
  explicit NatsServer(Options options);
  ~NatsServer();

  // Starts it, on the same port each time, and waits until it takes connections.
  void Start();
  void Kill();
  std::string address() const;

  // Makes a stream of `subjects` in its files, with a duplicate window of ten minutes.
  void MakeStream(const std::string& name, const std::string& subjects, int message_bytes_max = -1);
  // `Nats-Msg-Id` and subject of each message of a stream, in its order.
  struct Message {
    std::string id;
    std::string subject;
    std::string body;
  };
  std::vector<Message> Messages(const std::string& stream);
  size_t Count(const std::string& stream);

 private:
  struct Client;
  std::unique_ptr<Client> Connect() const;

  const Options options_;
  const TempFolder folder_;
  const int port_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_SINK_NATS_SERVER_H_
