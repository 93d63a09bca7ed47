#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_REQUEST_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_REQUEST_H_

#include <string>
#include <string_view>

#include "agent/traffic/flow_sampler.h"

namespace skimwatch::traffic {

// What a response has to know of the request that it answers. Its size is bounded: what is longer
// than a name is cut.
struct HttpRequest {
  std::string method;
  std::string host;
  std::string path;
  std::string referrer;
  // Holds for its answer as well.
  SampleDecision sample;
};

// Overwrites the names, which senders choose and card numbers can stand in.
void Wipe(HttpRequest& request);

// A request's host as Provenance has it: lower case, without port and trailing dot.
std::string HostName(std::string_view host);
// The path of a request target in origin, absolute or asterisk form (RFC 9112 3.2), without query.
std::string PathOfTarget(std::string_view target);
// Scheme and host of a page's address; empty where it has none (`null`, `about:blank`).
std::string OriginOf(std::string_view url);
// `text/html; charset=utf-8` -> `text/html`.
std::string MediaType(std::string_view content_type);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_REQUEST_H_
