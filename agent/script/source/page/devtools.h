#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_DEVTOOLS_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_DEVTOOLS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/script/source/page/json_reader.h"
#include "agent/script/source/page/message_framer.h"

namespace skimwatch::script {

// A connection that speaks the Chrome DevTools Protocol over two descriptors that do not block.
// Commands are answered in any order, and events come in between.
//
//   DevTools devtools(read_fd, write_fd, {});
//   devtools.on_event = [](const std::string& session, const std::string& method, const Json&) {};
//   auto version = devtools.Call("Browser.getVersion", {}, "", deadline);
//
// Thread-compatible. What the browser sends is bounded by message; what is to be sent to one that
// does not read is bounded too, and then an error.
class DevTools {
 public:
  struct Options {
    // A longer message ends the connection.
    size_t message_bytes_max = size_t{128} << 20;
    size_t unsent_bytes_max = size_t{64} << 20;
    // Called several times a second while there is a wait; an error ends it, and is what is
    // returned.
    std::function<absl::Status()> watch;
    // For tests.
    std::function<absl::Time()> now;
  };
  using Answer = std::function<void(const Json& result, bool ok)>;

  DevTools(int read_fd, int write_fd, Options options);

  // An event of a session, or of the browser where that is empty. May Send, and must not Call.
  std::function<void(const std::string& session, const std::string& method, const Json& params)>
      on_event;

  // Sends a command; `answer` may be null. Nothing is waited for: when the connection broke, that
  // shows in the next wait.
  void Send(std::string_view method, Json params, const std::string& session,
            Answer answer = nullptr);
  // Sends a command and handles what comes until it is answered. INTERNAL with the browser's words
  // when it is refused; DEADLINE_EXCEEDED; UNAVAILABLE when the browser is gone.
  absl::StatusOr<Json> Call(std::string_view method, Json params, const std::string& session,
                            absl::Time deadline);
  // Handles what comes until `done` or `until`; OK in both cases.
  absl::Status Wait(const std::function<bool()>& done, absl::Time until);

  // Ends it: what waits and what comes is answered with `why`.
  void Break(absl::Status why) { broken_ = std::move(why); }

  uint64_t messages() const { return messages_; }
  uint64_t bytes() const { return bytes_; }
  // Messages that were no JSON, or made no sense.
  uint64_t malformed() const { return malformed_; }

 private:
  // Waits for something to come or go, `timeout` at most, and handles it.
  absl::Status Turn(absl::Duration timeout);
  absl::Status ReadSome();
  absl::Status WriteSome();
  void Handle(std::string_view message);

  const int read_fd_;
  const int write_fd_;
  const Options options_;
  MessageFramer framer_;
  std::string unsent_;
  size_t sent_ = 0;
  absl::Status broken_;
  uint64_t next_id_ = 1;
  absl::flat_hash_map<uint64_t, Answer> answers_;
  absl::Time watched_ = absl::InfinitePast();
  uint64_t messages_ = 0;
  uint64_t bytes_ = 0;
  uint64_t malformed_ = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_DEVTOOLS_H_
