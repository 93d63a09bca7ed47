#include "collector/ctl/explain.h"

#include <initializer_list>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::ctl {
namespace {

// What gRPC and OpenSSL say when a connection can't be made, and what that means.
struct Cause {
  std::initializer_list<const char*> signs;
  const char* meaning;
};

const Cause kConnectionCauses[] = {
    {{"certificate has expired"},
     "the collector's certificate has expired; whoever runs the collector must renew it"},
    {{"certificate is not yet valid"},
     "the collector's certificate is not valid yet; look at the clocks of both machines"},
    {{"hostname verification", "hostname mismatch", "does not match", "peer name"},
     "the collector's certificate carries another name than the address; give the name that it "
     "carries with --server-name"},
    {{"certificate_verify_failed", "certificate verify failed", "unable to get local issuer",
      "self signed certificate", "self-signed certificate", "custom verification"},
     "the collector's certificate is not signed by an authority of --ca, or carries another name "
     "than the address; look at --ca, and give the name that it carries with --server-name"},
    {{"wrong_version_number", "wrong version number", "http/1.", "trying to connect an http1.x"},
     "what listens there speaks no TLS; look at the address, or use --plaintext if the collector "
     "is configured so"},
    {{"connection refused"},
     "nothing listens there; look whether the collector runs, and at --collector"},
    {{"no such file"}, "there is no such socket; look whether the collector runs, and at its path"},
    {{"dns resolution", "name or service not known", "domain name not found", "name resolution"},
     "the host name is not known; look at --collector"},
    {{"network is unreachable", "no route to host", "host is unreachable"},
     "there is no way to that machine; look at the network, and at --collector"},
    {{"timed out", "timeout", "deadline exceeded"},
     "the machine does not answer; look at the address, and whether a firewall is between"},
    {{"tlsv1_alert", "alert unknown ca", "alert certificate", "bad certificate",
      "certificate required", "certificate_required", "ssl handshake failed", "connection reset",
      "socket closed", "broken pipe", "handshake"},
     "the collector ended the connection while it was made: it takes TLS with a certificate that "
     "its own authority signed and that has not expired; look at --certificate and --key, and do "
     "not use --plaintext unless the collector is configured so"},
};

std::string_view ConnectionMeaning(std::string_view message) {
  const std::string text = absl::AsciiStrToLower(std::string(message));
  for (const Cause& cause : kConnectionCauses) {
    for (const char* const sign : cause.signs) {
      if (absl::StrContains(text, sign)) return cause.meaning;
    }
  }
  return "";
}

}  // namespace

std::string Explain(const absl::Status& status, std::string_view address) {
  const std::string said(status.message());
  const std::string at(address);
  switch (status.code()) {
    case absl::StatusCode::kUnavailable: {
      const std::string_view meaning = ConnectionMeaning(said);
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
