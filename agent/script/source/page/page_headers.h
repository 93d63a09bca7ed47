#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_HEADERS_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_HEADERS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/script/source/page/page_run.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// What `<meta http-equiv>` elements of a page say that a browser takes like a header: name in lower
// case and value, in document order (HTML Living Standard, 4.2.5.3). Linear.
std::vector<std::pair<std::string, std::string>> MetaPolicies(std::string_view html);

// The security-relevant part of a page's headers and `<meta>` policies in a form that two looks can
// be compared in, a directive a line:
//
//   content-security-policy: script-src 'nonce-*' 'self'
//   meta content-security-policy: connect-src 'self'
//   set-cookie: session; HttpOnly; SameSite=Lax; Secure
//   strict-transport-security: max-age=31536000
//
// Sorted; the sources of a directive are, too. What differs from one answer to the next by design
// is left out: nonces, the values and ages of cookies. Card numbers are masked.
std::string SecurityHeaders(const SeenPage& page);

struct HeaderComparison {
  // Directive by directive, gravest first: `content-security-policy script-src: gained
  // https://a.example`.
  std::vector<std::string> reasons;
  // High where protection was lost (a header, a directive, a flag gone; a source gained), low where
  // there is only more of it, else medium.
  v1::Severity severity = v1::SEVERITY_LOW;
};

// Of two texts of SecurityHeaders.
HeaderComparison CompareHeaders(std::string_view previous, std::string_view current);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_HEADERS_H_
