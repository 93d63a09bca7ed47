#ifndef SKIMWATCH_AGENT_SERVING_SESSION_H_
#define SKIMWATCH_AGENT_SERVING_SESSION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace skimwatch::serving {

// One connection of a server: bytes in, answers out. Knows nothing of sockets, so that it can be
// tested without. On the server's thread.
class Session {
 public:
  virtual ~Session() = default;

  // Takes what the peer sent and appends what is to be sent back to `answer`. An error ends the
  // connection after `answer` was sent, and says what was wrong, without the bytes.
  virtual absl::Status Receive(std::string_view bytes, std::string& answer) = 0;
  // The peer is to be let go once all answers are sent.
  virtual bool done() const = 0;
  // The connection has ended, whatever the reason.
  virtual void Close() = 0;
  // Requests answered so far.
  virtual uint64_t requests() const = 0;
  // Of those, how many had a body of which the peer had only the beginning.
  virtual uint64_t requests_cut() const { return 0; }
};

}  // namespace skimwatch::serving

#endif  // SKIMWATCH_AGENT_SERVING_SESSION_H_
