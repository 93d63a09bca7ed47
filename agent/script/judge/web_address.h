#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_WEB_ADDRESS_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_WEB_ADDRESS_H_

#include <string>
#include <string_view>

namespace skimwatch::script {

// An address in a page, in the parts that tell where a browser would fetch from.
struct WebAddress {
  enum class Kind {
    // Names a host: `https://cdn.example/x.js`, `//cdn.example/x.js`.
    kHost,
    // Below the page's own origin (or its `base`): `/js/x.js`, `x.js`.
    kPath,
    // Names neither: `data:`, `blob:` and the like.
    kOpaque,
  };
  Kind kind = Kind::kPath;
  // In lower case, without scheme, user and port; empty unless kHost.
  std::string host;
  // Scheme, host, port and path. Scheme and host are in lower case, a default port, user and dot
  // segments are gone. kOpaque: everything.
  std::string base;
  // With its `?`; empty when there is none.
  std::string query;
};

// Reads `raw` as a browser does (WHATWG URL, 4.4, for http, https, ws, wss and ftp): controls and
// spaces around it, tabs and line ends in it are nothing, a backslash is a slash, and any number of
// slashes stands between scheme and host. Percent-encoded letters of a host are undone; a host of
// other letters than ASCII stays as it is written. The fragment is dropped.
//
// Never fails. Where a browser would refuse an address, or take it for a path because the page has
// the same scheme (`https:x.js`), this may see a host. Linear.
WebAddress ParseWebAddress(std::string_view raw);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_WEB_ADDRESS_H_
