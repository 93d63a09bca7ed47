#ifndef SKIMWATCH_COLLECTOR_SINK_SYSLOG_SYSLOG_SINK_H_
#define SKIMWATCH_COLLECTOR_SINK_SYSLOG_SYSLOG_SINK_H_

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/sink/sink.h"
#include "collector/sink/syslog/tls_stream.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::sink {

// An event as a message of RFC 5424, of at most `bytes_max`: what is longer is without its
// evidence. RESOURCE_EXHAUSTED where even that is too long.
absl::StatusOr<std::string> SyslogMessage(const Event& event, uint32_t facility,
                                          std::string_view host, size_t bytes_max);

// Syslog over TLS (RFC 5425). The protocol has no acknowledgement: events count as taken when the
// receiver's kernel has them on a connection that stands. When a connection breaks, what was sent
// on it last (`kKeptBytesMax`, `kKeptFor`) is sent again on the next, with the same ids, as the
// receiver may have died with it unread.
class SyslogSink : public Sink {
 public:
  static constexpr size_t kKeptBytesMax = size_t{1} << 20;
  static constexpr absl::Duration kKeptFor = absl::Seconds(30);

  struct Options {
    // Checked.
    config::v1::SyslogSink config;
    // Of this machine, for HOSTNAME.
    std::string host;
  };

  explicit SyslogSink(Options options) : options_(std::move(options)) {}

  Outcome Send(absl::Span<const Event> events) override;
  void Interrupt() override { interrupted_ = true; }
  // What is too long is too long the next time as well.
  int tries_max() const override { return 1; }

 private:
  struct Kept {
    std::string frame;
    absl::Time sent_at;
  };

  std::optional<Failure> Connect();
  void Keep(std::string frame);
  void Drop();

  const Options options_;
  std::atomic<bool> interrupted_ = false;
  std::unique_ptr<TlsStream> stream_;
  // The last that were sent on this connection, or on the one that broke.
  std::deque<Kept> kept_;
  size_t kept_bytes_ = 0;
};

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_SYSLOG_SYSLOG_SINK_H_
