#ifndef SKIMWATCH_COLLECTOR_TOKEN_TOKEN_H_
#define SKIMWATCH_COLLECTOR_TOKEN_TOKEN_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace skimwatch::token {

// What a token says of its holder, after its signature and its times were checked.
struct Token {
  // As configured.
  std::string issuer;
  // For logs and decisions: `oidc:login.example.com/realms/shop#alice`, which is the issuer without
  // its scheme, and the claim that names people. An issuer holds no `#`, and no certificate has
  // such an identity (tls::kTokenIdentityPrefix), so a decision's `who` says which it was.
  std::string identity;
  absl::Time expires;
  // Claims by name; the names of members are joined by dots (`realm_access.roles`), each entry of a
  // list is a claim of its own, and numbers and truth values are as JSON writes them.
  std::vector<std::pair<std::string, std::string>> claims;

  bool Has(std::string_view name, std::string_view value) const {
    for (const auto& [its_name, its_value] : claims) {
      if (its_name == name && its_value == value) return true;
    }
    return false;
  }
};

// Says whether a token is good. Thread-safe; never waits for the network or a disk.
class TokenChecker {
 public:
  virtual ~TokenChecker() = default;

  // UNAUTHENTICATED: not good; the message says why and holds nothing of the token but the names of
  // algorithms, keys and issuers. UNAVAILABLE: the keys that it needs are being fetched; try again.
  virtual absl::StatusOr<Token> Check(std::string_view compact) = 0;
};

}  // namespace skimwatch::token

#endif  // SKIMWATCH_COLLECTOR_TOKEN_TOKEN_H_
