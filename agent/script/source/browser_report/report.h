#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_H_

#include <cstdint>
#include <string>

namespace skimwatch::script {

// One report of a browser, as it was sent: anybody can send anything. Its texts may hold the card
// number that was being stolen, so none of them is shown or kept as it stands.
struct Report {
  enum class Type : uint8_t {
    // Content Security Policy Level 3, 5.3, and its older form for `report-uri`.
    kCspViolation,
    // The hash of a script that was loaded, as `'report-sha256'` asks for.
    kCspHash,
    // Subresource Integrity Level 2, Integrity-Policy.
    kIntegrityViolation,
    // `deprecation`, `network-error`, whatever else browsers report.
    kOther,
  };

  Type type = Type::kOther;
  // The page.
  std::string document_url;
  // What was blocked, or for kCspHash what was loaded: an address, or a word such as `inline`.
  std::string blocked_url;
  std::string directive;
  std::string source_file;
  // The first 40 characters of an inline script.
  std::string sample;
  std::string referrer;
  // `sha256-` and base64; empty when the browser may not read the script.
  std::string hash;
};

// Who sent a report, without saying who: keyed digests, whose key is in memory only.
struct Reporter {
  // The client's address, or the /56 of an IPv6 address.
  uint64_t network = 0;
  // The same with its user agent.
  uint64_t browser = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_H_
