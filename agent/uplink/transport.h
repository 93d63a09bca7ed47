#ifndef SKIMWATCH_AGENT_UPLINK_TRANSPORT_H_
#define SKIMWATCH_AGENT_UPLINK_TRANSPORT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/ingest_service.pb.h"

namespace skimwatch::uplink {

// What a stream tells its owner, on threads of its own. Calls are quick and don't call back into
// the stream.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  virtual void OnMessage(v1::StreamResponse response) = 0;
  // The last Write was taken over; the next may follow.
  virtual void OnWritten() = 0;
  // The stream is over; no message follows. Its owner calls Finish.
  virtual void OnClosed() = 0;
};

// One bidirectional stream to a collector. All calls are its owner's, from one thread.
class Stream {
 public:
  virtual ~Stream() = default;
  // One at a time: not before OnWritten of the one before.
  virtual void Write(const v1::StreamRequest& request) = 0;
  // Nothing more will be written; the collector closes when it has acknowledged all. Not while a
  // Write is on its way.
  virtual void CloseWrites() = 0;
  // Ends the stream, if the collector has not, and says how it ended. No event comes after it.
  // Once.
  virtual absl::Status Finish() = 0;
};

// Makes streams. Thread-compatible.
class Transport {
 public:
  virtual ~Transport() = default;
  // Begins to connect. An error is what can be told without the network, such as a certificate file
  // that can't be used.
  virtual absl::StatusOr<std::unique_ptr<Stream>> Connect(StreamEvents* events) = 0;
  // Where the last Connect went to, for logs; empty when it is not known.
  virtual std::string Peer() { return ""; }
  // The name this side has, for Hello; empty when it is not known.
  virtual std::string Identity() = 0;
  // A fault on this side that may explain why a stream failed; OK when none is known.
  virtual absl::Status Diagnose() = 0;
};

// gRPC over mutual TLS, or plaintext on this host. Certificates are read again when they change.
//
// Of several collectors each Connect takes the next of a list that is in random order, and put in
// another one when all were taken: a fleet spreads over them, and an agent whose collector fails
// goes to another at once. Of several hosts behind one name gRPC takes the first that answers
// (pick_first), in the order in which name servers give them. `random` gives 64 random bits.
std::unique_ptr<Transport> MakeGrpcTransport(const config::v1::Collector& collector,
                                             std::function<uint64_t()> random);

// The collectors that a configuration names, one or several.
std::vector<std::string> CollectorAddresses(const config::v1::Collector& collector);
// Whether the next stream may go to another collector than the last one.
bool HasSeveralCollectors(const config::v1::Collector& collector);

}  // namespace skimwatch::uplink

#endif  // SKIMWATCH_AGENT_UPLINK_TRANSPORT_H_
