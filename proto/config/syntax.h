#ifndef SKIMWATCH_PROTO_CONFIG_SYNTAX_H_
#define SKIMWATCH_PROTO_CONFIG_SYNTAX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skimwatch::config {

// What values of a configuration look like. None of these asks a name server.

// A site's name: lower-case letters, digits, `-`, `_`, `.`; 1 to 63 characters.
bool IsSiteName(std::string_view text);

// A host name (RFC 1123) or an IP address without brackets.
bool IsHost(std::string_view text);
// A host, or `*.` and a host name.
bool IsHostPattern(std::string_view text);
bool IsIpAddress(std::string_view text);
// An IP address, or one with `/` and the length of its prefix.
bool IsIpPrefix(std::string_view text);

// `host:port` or `[v6]:port`, taken apart.
struct HostPort {
  // Without brackets; empty for `:port`.
  std::string host;
  uint16_t port = 0;
};
std::optional<HostPort> ParseHostPort(std::string_view text);

// `unix:` and an absolute path that fits a socket's address.
bool IsUnixAddress(std::string_view text);
// Whether nobody but this machine can be on the other side.
bool IsLocalAddress(std::string_view text);

// An identity, exact or with one `*` at the end.
bool IsIdentityPattern(std::string_view text);

// `FIELD=value` with a name as the fields of systemd's journal have it: upper-case letters, digits
// and `_`, at most 64, no digit first. The value may be anything but a NUL.
bool IsJournalMatch(std::string_view text);

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_SYNTAX_H_
