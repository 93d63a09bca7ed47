#include "collector/ctl/explain.h"

#include "absl/strings/str_cat.h"
#include "collector/ctl/connection.h"
#include "proto/tls/connection_fault.h"

namespace skimwatch::ctl {
namespace {

std::string_view ConnectionMeaning(tls::ConnectionFault fault) {
  using tls::ConnectionFault;
  switch (fault) {
    case ConnectionFault::kNone:
      return "";
    case ConnectionFault::kExpired:
      return "the collector's certificate has expired; whoever runs the collector must renew it";
    case ConnectionFault::kNotYetValid:
      return "the collector's certificate is not valid yet; look at the clocks of both machines";
    case ConnectionFault::kOtherName:
      return "the collector's certificate carries another name than the address; give the name "
             "that it carries with --server-name";
    case ConnectionFault::kUntrusted:
      return "the collector's certificate is not signed by an authority of --ca, or carries "
             "another name than the address; look at --ca, and give the name that it carries with "
             "--server-name";
    case ConnectionFault::kNoTls:
      return "what listens there speaks no TLS; look at the address, or use --plaintext if the "
             "collector is configured so";
    case ConnectionFault::kRefused:
      return "nothing listens there; look whether the collector runs, and at --collector";
    case ConnectionFault::kNoSocket:
      return "there is no such socket; look whether the collector runs, and at its path";
    case ConnectionFault::kUnknownHost:
      return "the host name is not known; look at --collector";
    case ConnectionFault::kUnreachable:
      return "there is no way to that machine; look at the network, and at --collector";
    case ConnectionFault::kSilent:
      return "the machine does not answer; look at the address, and whether a firewall is between";
    case ConnectionFault::kEnded:
      return "the collector ended the connection while it was made: it takes TLS with a "
             "certificate that its own authority signed and that has not expired; look at "
             "--certificate and --key, and do not use --plaintext unless the collector is "
             "configured so";
  }
  return "";
}

}  // namespace

std::string Explain(const absl::Status& status, std::string_view address) {
  const std::string said(status.message());
  const std::string at(address);
  switch (status.code()) {
    case absl::StatusCode::kUnavailable: {
      // The collector was reached, and what it says is about something behind it.
      const std::string_view meaning =
          Connection::IsFromCollector(status)
              ? ""
              : ConnectionMeaning(tls::ConnectionFaultOf(said, address));
      if (meaning.empty()) {
        return absl::StrCat("the collector at ", at, " is not available: ", said,
                            "\ntry again; if it stays so, look at the collector's log");
      }
      return absl::StrCat("cannot reach the collector at ", at, ": ", std::string(meaning), "\n(",
                          said, ")");
    }
    case absl::StatusCode::kDeadlineExceeded:
      return absl::StrCat("the collector at ", at, " did not answer in time\n",
                          "look at the address, or wait longer with --timeout");
    case absl::StatusCode::kUnimplemented:
      return absl::StrCat("what listens at ", at, " does not know this command: ", said,
                          "\nlook at --collector, and whether the collector is of this version");
    case absl::StatusCode::kUnauthenticated:
      return absl::StrCat(
          "the collector at ", at, " does not know who is asking: ", said,
          "\nuse a certificate with a SPIFFE URI or a common name, or a token that the "
          "collector takes");
    case absl::StatusCode::kDataLoss:
      return absl::StrCat("the collector's store is damaged: ", said,
                          "\nwhoever runs the collector must restore it");
    default:
      return said;
  }
}

}  // namespace skimwatch::ctl
