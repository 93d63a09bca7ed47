#ifndef SKIMWATCH_COLLECTOR_TOKEN_TOKEN_READER_H_
#define SKIMWATCH_COLLECTOR_TOKEN_TOKEN_READER_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/token/json.h"
#include "collector/token/key_set.h"
#include "collector/token/token.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::token {

inline constexpr size_t kTokenBytesMax = 16 << 10;

// A token taken apart (JWT in the compact form of RFC 7519, 3), and nothing of it believed yet.
struct UncheckedToken {
  KeySet::Signature signature;
  Json claims;
  // The issuer that it says it is of.
  std::string issuer;
};

// Takes a token apart. UNAUTHENTICATED: it is none, is longer than kTokenBytesMax, is signed by an
// algorithm that is not taken, or asks for what is not understood (`crit`).
absl::StatusOr<UncheckedToken> ReadToken(std::string_view compact);

// What a token says, once its signature was found good: that it is `issuer`'s, for this audience,
// and in force at `now` (RFC 7519, 4.1; `exp` is required). UNAUTHENTICATED says what is wrong.
absl::StatusOr<Token> CheckClaims(const json_t& claims, const config::v1::TokenIssuer& issuer,
                                  absl::Time now);

}  // namespace skimwatch::token

#endif  // SKIMWATCH_COLLECTOR_TOKEN_TOKEN_READER_H_
