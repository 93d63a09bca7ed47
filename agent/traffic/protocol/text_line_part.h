#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_TEXT_LINE_PART_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_TEXT_LINE_PART_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "agent/traffic/protocol/flow_context.h"

namespace skimwatch::traffic {

// Passes the lines of a text protocol on as parts, one a line, as they come, and keeps the
// beginning of each for the parser. Counts every byte at once, so nothing is ever held.
// Thread-compatible.
class TextLinePart {
 public:
  // Of a line, for the parser.
  static constexpr size_t kNotedBytesMax = 512;

  TextLinePart(FlowContext& flow, Sender sender, Part part)
      : flow_(flow), sender_(sender), part_(part) {}
  ~TextLinePart() { End(); }
  TextLinePart(const TextLinePart&) = delete;
  TextLinePart& operator=(const TextLinePart&) = delete;

  // The next bytes of the line.
  void Data(std::string_view bytes);
  void Gap();
  // The line is over; what has come of it begins the next time with nothing.
  void End();
  // The line so far, up to kNotedBytesMax; empty behind a gap.
  std::string_view noted() const { return noted_; }

 private:
  FlowContext& flow_;
  const Sender sender_;
  const Part part_;
  PartConsumer* consumer_ = nullptr;
  bool has_gap_ = false;
  std::string noted_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_TEXT_LINE_PART_H_
