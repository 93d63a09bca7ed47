#ifndef SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_NAME_H_
#define SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_NAME_H_

#include <string>
#include <string_view>

#include "agent/traffic/registered_domain.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::traffic {

// What a destination is called.
struct DestinationName {
  // The registered domain, else the address, else `unknown`. Fit to be shown, like `host`.
  std::string name;
  // The host that was named; empty where none was.
  std::string host;
  v1::DestinationChange::Scope scope = v1::DestinationChange::SCOPE_PUBLIC;
};

// Where an address lies: loopback; private by RFC 1918, RFC 4193, RFC 6598, RFC 3927 and
// link-local; else public. What is no address is public.
v1::DestinationChange::Scope ScopeOfAddress(std::string_view address);

// Names the destination of bytes that were sent to `host`, a name or an address, empty where none
// was named, at `address`, empty where not known. What a sender calls a host is anything: what can
// be no name is not taken as one. A name of a public registry is public wherever it leads, since a
// proxy may be on the way.
DestinationName NameDestination(const RegisteredDomains& domains, std::string_view host,
                                std::string_view address);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_DESTINATION_DESTINATION_NAME_H_
