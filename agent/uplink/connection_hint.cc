#include "agent/uplink/connection_hint.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "proto/tls/connection_fault.h"

namespace skimwatch::uplink {
namespace {

using tls::ConnectionFault;

// Faults that are not of this side's certificate.
std::string MeaningOf(ConnectionFault fault, const config::v1::Collector& collector) {
  switch (fault) {
    case ConnectionFault::kExpired:
      return "the collector's certificate has expired; whoever runs the collector must renew it";
    case ConnectionFault::kNotYetValid:
      return "the collector's certificate is not valid yet; look at the clocks of both machines";
    case ConnectionFault::kOtherName:
      return "the collector's certificate carries another name than collector.address; set "
             "collector.tls.server_name to the name that it carries";
    case ConnectionFault::kUntrusted:
      return absl::StrCat("collector.tls.ca_file: ", collector.tls().ca_file(),
                          ": holds no authority that issued the collector's certificate");
    case ConnectionFault::kNoTls:
      return "what listens there speaks no TLS; look at the port of collector.address, or set "
             "collector.tls.plaintext if the collector is on this machine and configured so";
    case ConnectionFault::kRefused:
      return "nothing listens there; look whether the collector runs, and at collector.address";
    case ConnectionFault::kNoSocket:
      return "there is no such socket; look whether the collector runs, and at collector.address";
    case ConnectionFault::kUnknownHost:
      return "the host name is not known; look at collector.address";
    case ConnectionFault::kUnreachable:
      return "there is no way to that machine; look at the network, and at collector.address";
    case ConnectionFault::kSilent:
      return "the machine does not answer; look at collector.address, and whether a firewall is "
             "between";
    case ConnectionFault::kNone:
    case ConnectionFault::kEnded:
      break;
  }
  return "";
}

}  // namespace

std::string ConnectionHint(const absl::Status& status, const absl::Status& own_fault,
                           const config::v1::Collector& collector, bool was_connected) {
  if (absl::IsAborted(status)) {
    return "another agent uses this agent's certificate, if this repeats: each takes the other's "
           "stream; give each agent a certificate of its own (docs/certificates.md)";
  }
  const std::string message(status.message());
  const ConnectionFault fault = absl::IsUnavailable(status) && !was_connected
                                    ? tls::ConnectionFaultOf(message, collector.address())
                                    : ConnectionFault::kNone;
  if (std::string meaning = MeaningOf(fault, collector); !meaning.empty()) return meaning;
  if (!own_fault.ok()) return absl::StrCat("on this side: ", std::string(own_fault.message()));
  if (absl::IsPermissionDenied(status)) {
    return "the collector does not take this agent's certificate for an agent; trying again slowly";
  }
  if (fault != ConnectionFault::kEnded) return "";
  if (collector.tls().plaintext()) {
    return "the collector ended the connection while it was made: it takes TLS, perhaps, so do not "
           "set collector.tls.plaintext; or what listens there is no collector";
  }
  return "the collector ended the connection while it was made: it takes a certificate that an "
         "authority of its own tls.ca_file signed; look at collector.tls.certificate_file";
}

}  // namespace skimwatch::uplink
