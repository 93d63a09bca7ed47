#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_STREAM_PARSER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_STREAM_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/traffic/protocol/flow_context.h"

namespace skimwatch::traffic {

// Follows one protocol in both directions of a flow and passes its messages to the sink. The seam
// for protocols: a flow's first bytes in each direction are looked at (protocol_detector.h), and
// the parser of the protocol that they belong to takes the direction from there, whatever the port.
//
// A direction is with the parser from Begin until Data, Gap or End gives it back. Every byte that
// Data takes is counted in coverage by the parser, in the end: what it keeps back for later it
// counts when it has decided, or hands back uncounted through TakeHeld.
class StreamParser {
 public:
  virtual ~StreamParser() = default;

  // The next byte from `sender` begins a message.
  virtual void Begin(Sender sender) = 0;
  // The next bytes from `sender`. Returns how many belong to the protocol: fewer than all gives the
  // direction back, after an error or because another protocol goes on from there (a tunnel).
  virtual size_t Data(Sender sender, std::string_view bytes) = 0;
  // `bytes` are missing, 0 where their number is not known. False gives the direction back: it
  // can't be told where messages begin.
  virtual bool Gap(Sender sender, uint64_t bytes) = 0;
  // `sender` sends nothing more, or nothing more of it will be seen.
  virtual void End(Sender sender) = 0;
  // When the direction was given back: bytes that the parser took and has not counted, which come
  // before those that it did not take. Valid until the next call for this sender.
  virtual std::string_view TakeHeld(Sender sender) = 0;
  // False when the flow has left the protocol for good, for a tunnel.
  virtual bool follows() const = 0;
  // Whether a parser that begins anew, in both directions, would go on as this one: between
  // messages, with nothing kept of those before.
  virtual bool IsAtRest() const { return false; }
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_STREAM_PARSER_H_
