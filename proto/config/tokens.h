#ifndef SKIMWATCH_PROTO_CONFIG_TOKENS_H_
#define SKIMWATCH_PROTO_CONFIG_TOKENS_H_

#include "proto/config/checker.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::config {

// Checks and completes what says whose tokens are believed (`token_issuers`), and what of them
// gives a role (`claim` and `issuer` of `roles`). `root` is of `config`.
void CheckTokens(const Checker& root, const v1::CollectorConfig& config);

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_TOKENS_H_
