#ifndef SKIMWATCH_COLLECTOR_CONSOLE_FORM_GUARD_H_
#define SKIMWATCH_COLLECTOR_CONSOLE_FORM_GUARD_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "collector/console/http.h"

namespace skimwatch::console {

// Keeps other sites from using an operator's browser. A browser sends its client certificate with
// every request, whichever page asked for it, so a cookie's SameSite would protect nothing here:
//
//   - every form carries a token that only this process can make, for the one identity that it was
//     shown to, good for twelve hours;
//   - a POST must say that it comes from a page of this console (Sec-Fetch-Site, and Origin where
//   it
//     is sent; one of them must be there);
//   - a console without TLS answers to names of this machine only, so that a name that is made to
//     lead here (DNS rebinding) gets nothing.
//
// Immutable, so thread-safe.
class FormGuard {
 public:
  static constexpr absl::Duration kTokenAge = absl::Hours(12);

  struct Options {
    // The console has no TLS.
    bool plaintext = false;
    // As in config::v1::Console.origins.
    std::vector<std::string> origins;
    // 32 random bytes where empty.
    std::string secret;
  };

  explicit FormGuard(Options options);

  std::string TokenFor(std::string_view identity, absl::Time now) const;

  // For every request. PERMISSION_DENIED: its `Host` is none that the console answers to.
  absl::Status CheckHost(const Request& request) const;
  // For every POST. PERMISSION_DENIED says what is missing, and what to do.
  absl::Status CheckPost(const Request& request, std::string_view identity, absl::Time now) const;

 private:
  std::string Seal(std::string_view identity, std::string_view expiry) const;

  Options options_;
};

}  // namespace skimwatch::console

#endif  // SKIMWATCH_COLLECTOR_CONSOLE_FORM_GUARD_H_
