#ifndef SKIMWATCH_COLLECTOR_SINK_SYSLOG_TLS_STREAM_H_
#define SKIMWATCH_COLLECTOR_SINK_SYSLOG_TLS_STREAM_H_

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "collector/sink/sink.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::sink {

// A connection that is only written to, by TLS 1.2 or newer or plain. The server's certificate is
// verified, its name too. Used by one thread.
class TlsStream {
 public:
  struct Options {
    // `host:port` or `[v6]:port`.
    std::string address;
    config::v1::SinkTls tls;
    // Ends every wait.
    const std::atomic<bool>* interrupted = nullptr;
  };

  explicit TlsStream(Options options);
  // Tells the other side that this is the end.
  ~TlsStream();

  // Each until the deadline, at most. Nothing where it worked; else the stream is of no more use.
  std::optional<Failure> Connect(absl::Time deadline);
  std::optional<Failure> Write(std::string_view bytes, absl::Time deadline);
  // Waits until the other side's kernel has all that was written.
  std::optional<Failure> Drain(absl::Time deadline);
  // Whether the other side has closed it, or broken it, as far as one can tell without writing.
  bool IsBroken();

 private:
  struct Tls;

  std::optional<Failure> OpenSocket(const std::string& host, const std::string& port,
                                    absl::Time deadline);
  std::optional<Failure> Handshake(const std::string& host, absl::Time deadline);
  // Waits for poll(2)'s `events`.
  std::optional<Failure> Await(short events, absl::Time deadline);
  // Waits for what OpenSSL wants after a call that returned `result`.
  std::optional<Failure> AwaitTls(int result, absl::Time deadline);
  Failure Fail(Reason reason, std::string_view what) const;

  const Options options_;
  int socket_ = -1;
  std::unique_ptr<Tls> tls_;
};

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_SYSLOG_TLS_STREAM_H_
