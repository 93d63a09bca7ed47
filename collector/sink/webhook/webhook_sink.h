#ifndef SKIMWATCH_COLLECTOR_SINK_WEBHOOK_WEBHOOK_SINK_H_
#define SKIMWATCH_COLLECTOR_SINK_WEBHOOK_WEBHOOK_SINK_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "collector/sink/sink.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::sink {

// The value of the header `Skimwatch-Signature`: `t=` and the time in seconds, `,v1=` and the
// HMAC-SHA-256 of the time, a dot and the body in hex. With the time inside, who keeps a request
// can't pass it off as a new one later.
std::string Sign(std::string_view secret, absl::Time time, std::string_view body);

// HTTPS POST of events; see docs/sinks.md. Follows no redirection. Whatever answers 2xx has taken
// the events.
class WebhookSink : public Sink {
 public:
  struct Options {
    // Checked.
    config::v1::WebhookSink config;
    // Of this program, for User-Agent.
    std::string version;
    std::function<absl::Time()> now = absl::Now;
  };

  explicit WebhookSink(Options options);
  ~WebhookSink() override;

  Outcome Send(absl::Span<const Event> events) override;
  void Interrupt() override { interrupted_ = true; }
  int tries_max() const override { return static_cast<int>(options_.config.tries_max()); }
  size_t events_max() const override;

 private:
  struct Curl;

  // One request. Where an array is refused, sends its halves, until the event is found that is not
  // taken.
  Outcome Post(absl::Span<const Event> events);
  // Nothing when it was taken.
  std::optional<Failure> Request(const std::string& id, const std::string& body);

  const Options options_;
  std::atomic<bool> interrupted_ = false;
  std::unique_ptr<Curl> curl_;
};

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_WEBHOOK_WEBHOOK_SINK_H_
