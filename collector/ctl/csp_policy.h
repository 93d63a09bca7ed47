#ifndef SKIMWATCH_COLLECTOR_CTL_CSP_POLICY_H_
#define SKIMWATCH_COLLECTOR_CTL_CSP_POLICY_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "skimwatch/v1/script.pb.h"

namespace skimwatch::ctl {

// How a page is to be protected.
struct CspRequest {
  // Addresses of one page (`https://shop.example/checkout`), or its files below a web root
  // (`checkout.html`), as the inventory names them.
  std::vector<std::string> pages;
  // Where browsers send reports: an address, or a path of the page's own origin.
  std::string endpoint;
  // External scripts run by their hash alone, whatever address they come from, and need their
  // `integrity` attribute in the page; but for those whose bytes are not known.
  bool is_strict = false;
  // What ended by then is not approved.
  absl::Time now = absl::InfinitePast();
};

struct CspSuggestion {
  // Name and value, in the order in which they are shown.
  std::vector<std::pair<std::string, std::string>> headers;
  // A `script` element for each external script whose bytes are known.
  std::vector<std::string> elements;
  // Scripts of the page that the headers do not let run, and why.
  std::vector<std::pair<std::string, std::string>> left_out;
  // Approved scripts that the headers let run.
  size_t scripts = 0;
};

// Whether the script is one of the page's.
bool IsOfPage(const v1::Script& script, const std::vector<std::string>& pages);

// The headers that fit what is approved: Content-Security-Policy (Level 3) with the hash of each
// inline script and the address or hash of each external one, the wider form of it that only
// reports, Reporting-Endpoints and Integrity-Policy (W3C Subresource Integrity, Level 2).
//
// `scripts` are those of the page, with their history. `integrity_of` has the SHA-384 form by
// SHA-256 where any sensor knows it; else the SHA-256 form is given, which browsers take as well.
CspSuggestion SuggestCsp(const CspRequest& request, const std::vector<v1::Script>& scripts,
                         const std::map<std::string, std::string>& integrity_of);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_CSP_POLICY_H_
