#ifndef SKIMWATCH_COLLECTOR_SINK_SINK_H_
#define SKIMWATCH_COLLECTOR_SINK_SINK_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "collector/sink/event.h"

namespace skimwatch::sink {

// Why something was not taken. The names are labels of a metric.
enum class Reason {
  // No connection, or it broke.
  kUnreachable,
  // The two sides do not trust each other.
  kTls,
  kTimeout,
  // The other side takes nothing from us: credentials, address, subject.
  kDenied,
  // The other side will not take this one event.
  kRefused,
  // The other side has a fault, or no room, or asks to wait.
  kServer,
  // A file that the configuration names can't be read.
  kConfiguration,
  // The collector's own store can't be read or written.
  kStore,
};
inline constexpr std::array<std::string_view, 8> kReasonNames = {
    "unreachable", "tls", "timeout", "denied", "refused", "server", "configuration", "store"};
inline std::string_view NameOf(Reason reason) { return kReasonNames[static_cast<size_t>(reason)]; }

struct Failure {
  Reason reason = Reason::kUnreachable;
  // For the log: what happened and where. Holds nothing of an event, and no secret.
  std::string text;
  // The other side said when to come again.
  std::optional<absl::Duration> retry_after;
};

// What became of a batch: its first `taken` events are with the other side for good. The failure is
// about the one after them, and there where not all were taken.
struct Outcome {
  size_t taken = 0;
  std::optional<Failure> failure;
};

// A way to another system. Connects by itself, again where it must. Used by one thread, but for
// Interrupt.
class Sink {
 public:
  virtual ~Sink() = default;

  // Sends events in their order. Blocks, half a minute at most beside what the configuration says
  // of time.
  virtual Outcome Send(absl::Span<const Event> events) = 0;

  // Makes Send return soon, now and ever after. From any thread.
  virtual void Interrupt() = 0;

  // How often an event is sent that is refused each time (Reason::kRefused).
  virtual int tries_max() const { return 5; }
  // How many events to give to Send at most.
  virtual size_t events_max() const { return 500; }
};

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_SINK_H_
