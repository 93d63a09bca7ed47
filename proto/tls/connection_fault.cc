#include "proto/tls/connection_fault.h"

#include <initializer_list>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace skimwatch::tls {
namespace {

struct Cause {
  std::initializer_list<const char*> signs;
  ConnectionFault fault;
};

// The first that is there counts: texts quote one another.
const Cause kCauses[] = {
    {{"certificate has expired"}, ConnectionFault::kExpired},
    {{"certificate is not yet valid"}, ConnectionFault::kNotYetValid},
    {{"hostname verification", "hostname mismatch", "does not match", "peer name"},
     ConnectionFault::kOtherName},
    {{"certificate_verify_failed", "certificate verify failed", "unable to get local issuer",
      "self signed certificate", "self-signed certificate", "custom verification"},
     ConnectionFault::kUntrusted},
    {{"wrong_version_number", "wrong version number", "http/1.", "trying to connect an http1.x"},
     ConnectionFault::kNoTls},
    {{"connection refused"}, ConnectionFault::kRefused},
    {{"no such file"}, ConnectionFault::kNoSocket},
    {{"dns resolution", "name or service not known", "domain name not found", "name resolution"},
     ConnectionFault::kUnknownHost},
    {{"network is unreachable", "no route to host", "host is unreachable"},
     ConnectionFault::kUnreachable},
    {{"timed out", "timeout", "deadline exceeded"}, ConnectionFault::kSilent},
    {{"tlsv1_alert", "alert unknown ca", "alert certificate", "bad certificate",
      "certificate required", "certificate_required", "ssl handshake failed", "connection reset",
      "socket closed", "broken pipe", "handshake"},
     ConnectionFault::kEnded},
};

}  // namespace

ConnectionFault ConnectionFaultOf(std::string_view message, std::string_view address) {
  const std::string text = absl::AsciiStrToLower(std::string(message));
  for (const Cause& cause : kCauses) {
    if (cause.fault == ConnectionFault::kNoSocket && !address.starts_with("unix:")) continue;
    for (const char* const sign : cause.signs) {
      if (absl::StrContains(text, sign)) return cause.fault;
    }
  }
  return ConnectionFault::kNone;
}

}  // namespace skimwatch::tls
