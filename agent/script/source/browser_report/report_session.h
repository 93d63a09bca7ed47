#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_SESSION_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/script/source/browser_report/report.h"
#include "agent/serving/session.h"
#include "agent/serving/socket_server.h"

namespace skimwatch::script {

// What became of a request.
enum class RequestOutcome : uint8_t {
  kAccepted,
  // A browser asks whether it may send reports to another origin.
  kPreflight,
  // Not HTTP, or a head beyond its limit.
  kBadRequest,
  kBadMethod,
  // Of another media type, or compressed.
  kBadContent,
  kTooLarge,
  // One client sends more than it may, or more of it waits to be read.
  kClientLimit,
  kTotalLimit,
  // As much as there is room for waits to be read.
  kQueueFull,
  kCount,
};
std::string_view RequestOutcomeName(RequestOutcome outcome);

// Where requests go; on the server's thread.
class ReportIntake {
 public:
  virtual ~ReportIntake() = default;
  // Who sends, by the address and user agent that the request came with.
  virtual Reporter Identify(std::string_view address, std::string_view user_agent) = 0;
  // kAccepted, kClientLimit or kTotalLimit: before a body is read.
  virtual RequestOutcome Admit(const Reporter& reporter) = 0;
  // kAccepted, kQueueFull or kClientLimit. The body is taken out of `body`, which is left empty or
  // as it was.
  virtual RequestOutcome Submit(const Reporter& reporter, std::string& body) = 0;
  virtual void Count(RequestOutcome outcome) = 0;
};

struct ReportSessionOptions {
  // The header in which the site's own web server names the client, in lower case; of a list the
  // last one. Empty for none. Only a peer on a private address is believed.
  std::string client_header = "x-real-ip";
  size_t body_bytes_max = 64u << 10;
};

// A connection of the report endpoint: HTTP/1.1 from the site's own web server. A POST of reports
// is answered with 204 as soon as it has come, an OPTIONS request as browsers ask before they send
// to another origin (Fetch Standard, CORS preflight). Whatever is not taken is read past, so that
// the connection can go on, but for bodies that are too large.
//
// `intake` must outlive it.
std::unique_ptr<serving::Session> CreateReportSession(ReportIntake& intake,
                                                      const ReportSessionOptions& options,
                                                      const serving::Peer& peer);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_SESSION_H_
