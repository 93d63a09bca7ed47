#ifndef SKIMWATCH_COLLECTOR_SINK_NATS_NATS_SINK_H_
#define SKIMWATCH_COLLECTOR_SINK_NATS_NATS_SINK_H_

#include <atomic>
#include <memory>
#include <string>

#include "collector/sink/sink.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::sink {

// Publishes events to the subjects of a JetStream, each with its id as `Nats-Msg-Id`, so that the
// stream drops what comes again within its duplicate window. Events count as taken when the stream
// acknowledged them: it has stored them, on as many servers as it has replicas.
//
// Publishes as requests and reads the answers itself, in place of the library's asynchronous
// publishing, whose callbacks may come after everything that they need is gone.
class NatsSink : public Sink {
 public:
  struct Options {
    // Checked.
    config::v1::NatsSink config;
    // This client's name in the server's list of connections.
    std::string client_name;
  };

  explicit NatsSink(Options options);
  ~NatsSink() override;

  Outcome Send(absl::Span<const Event> events) override;
  void Interrupt() override { interrupted_ = true; }
  // What is too large is so the next time as well.
  int tries_max() const override { return 1; }

  // `<subject>.finding.<kind>` or `<subject>.exposure.<kind>`.
  std::string SubjectOf(const Event& event) const;

 private:
  struct Connection;
  struct Answers;

  std::optional<Failure> Connect();
  // Nothing when it is on its way; the answer will come to `reply`.
  std::optional<Failure> Publish(const Event& event, const std::string& reply);
  // Reads answers until there is one for each of the first `published`, or none can come.
  void Await(size_t published, Answers& answers);

  const Options options_;
  std::atomic<bool> interrupted_ = false;
  std::unique_ptr<Connection> connection_;
  // Of Send, so that a late answer is not taken for another's.
  uint64_t batch_ = 0;
};

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_NATS_NATS_SINK_H_
