#ifndef SKIMWATCH_PROTO_CONFIG_SHARED_FIELDS_H_
#define SKIMWATCH_PROTO_CONFIG_SHARED_FIELDS_H_

#include <functional>
#include <string_view>

#include "proto/config/checker.h"
#include "skimwatch/config/v1/tls.pb.h"

namespace skimwatch::config {

// Checks of what several configurations share. Each takes the program's whole configuration, or the
// message named.

void CheckLogging(const Checker& root);
// `otherwise` is the default of `metrics.listen`.
void CheckMetricsEndpoint(const Checker& root, std::string_view otherwise);
// The `tls` field of `parent`, whose connection is to or at `address`.
void CheckTls(const Checker& parent, std::string_view address);
// `expected_flows`; `is_site` says which sites they may name, `expected` what it wants to hear.
void CheckExpectedFlows(const Checker& root, const std::function<bool(std::string_view)>& is_site,
                        std::string_view expected);

// A path that a file can have.
bool IsPath(std::string_view text);
// A glob, as fnmatch(3) takes it.
bool IsGlob(std::string_view text);
// `host:port` with a port to connect to, or a Unix socket.
bool IsConnectAddress(std::string_view text);
// The same, or `dns:///host:port`.
bool IsCollectorAddress(std::string_view text);
// The same to listen at, where port 0 asks for any that is free.
bool IsListenAddress(std::string_view text);

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_SHARED_FIELDS_H_
