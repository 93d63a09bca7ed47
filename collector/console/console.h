#ifndef SKIMWATCH_COLLECTOR_CONSOLE_CONSOLE_H_
#define SKIMWATCH_COLLECTOR_CONSOLE_CONSOLE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "collector/api/operator_calls.h"
#include "collector/console/form_guard.h"
#include "collector/console/http.h"
#include "collector/console/http_server.h"
#include "collector/console/identity.h"
#include "collector/console/view.h"
#include "prometheus/collectable.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::console {

// Answers requests of browsers with pages. Everything that a page shows, and everything that a form
// does, goes through api::OperatorCalls in the caller's name: the console can do nothing that the
// caller could not do with skimwatchctl.
//
// Thread-safe.
class Console {
 public:
  struct Options {
    // With `dependencies.fingerprint_keys`, `feed` and `work` unused.
    api::Dependencies dependencies;
    FormGuard::Options guard;
    // CertificateIdentifier where null.
    std::unique_ptr<Identifier> identifier;
    std::function<absl::Time()> now = absl::Now;
  };

  explicit Console(Options options);

  Response Handle(const Request& request);

  // Requests so far, by page (`/exposures/{id}`; `other` for what is none) and status code.
  std::map<std::pair<std::string, int>, uint64_t> Requests() const;

 private:
  Response Answer(const Request& request, std::string& page);
  Response Get(const Request& request, const api::Caller& caller, std::string& page);
  Response Post(const Request& request, const api::Caller& caller, std::string& page);
  Response Render(const View& view, const api::Caller& caller, int status) const;
  Response Problem(int status, const std::string& title, std::string_view text,
                   const api::Caller& caller) const;
  Response Problem(const absl::Status& status, const api::Caller& caller) const;

  const api::OperatorCalls calls_;
  const std::string version_;
  const FormGuard guard_;
  const std::unique_ptr<Identifier> identifier_;
  const std::function<absl::Time()> now_;
  const Templates templates_;
  mutable absl::Mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> requests_ ABSL_GUARDED_BY(mutex_);
};

// A console and the server before it. Thread-safe.
class ConsoleServer {
 public:
  // INVALID_ARGUMENT or UNAVAILABLE, naming the setting.
  static absl::StatusOr<std::unique_ptr<ConsoleServer>> Start(
      const config::v1::CollectorConfig& config, api::Dependencies dependencies);

  int port() const { return server_->port(); }
  // skimwatch_console_requests_total and skimwatch_console_requests_refused_total. It lives as long
  // as the server.
  std::shared_ptr<prometheus::Collectable> metrics() const { return metrics_; }

 private:
  ConsoleServer() = default;

  std::shared_ptr<Console> console_;
  std::shared_ptr<HttpServer> server_;
  std::shared_ptr<prometheus::Collectable> metrics_;
};

// The certificates that the console has: its own, or else the collector's.
const config::v1::Tls& TlsOf(const config::v1::CollectorConfig& config);

}  // namespace skimwatch::console

#endif  // SKIMWATCH_COLLECTOR_CONSOLE_CONSOLE_H_
