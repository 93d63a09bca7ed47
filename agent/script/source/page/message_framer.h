#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_MESSAGE_FRAMER_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_MESSAGE_FRAMER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace skimwatch::script {

// Cuts what comes from a browser's `--remote-debugging-pipe` into messages: each is JSON and ends
// in a zero byte. Thread-compatible; holds at most one message that is not whole, and what was
// added since.
class MessageFramer {
 public:
  explicit MessageFramer(size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // False when a message is longer than it may be: nothing more can be read.
  bool Add(std::string_view bytes);
  // The next whole message without its zero byte, valid until Add; nullopt when there is none.
  // Empty ones are passed over.
  std::optional<std::string_view> Next();

 private:
  const size_t message_bytes_max_;
  std::string buffer_;
  // Where the next message begins, and how far it was looked for its end.
  size_t begin_ = 0;
  size_t searched_ = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_MESSAGE_FRAMER_H_
