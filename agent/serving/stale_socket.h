#ifndef SKIMWATCH_AGENT_SERVING_STALE_SOCKET_H_
#define SKIMWATCH_AGENT_SERVING_STALE_SOCKET_H_

#include <string>

namespace skimwatch::serving {

// Removes a socket that nobody listens on any more, as a run that was killed leaves it. Anything
// else of that name stays, and listening says so.
void RemoveStaleSocket(const std::string& path);

}  // namespace skimwatch::serving

#endif  // SKIMWATCH_AGENT_SERVING_STALE_SOCKET_H_
