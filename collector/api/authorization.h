#ifndef SKIMWATCH_COLLECTOR_API_AUTHORIZATION_H_
#define SKIMWATCH_COLLECTOR_API_AUTHORIZATION_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collector/token/token.h"
#include "skimwatch/config/v1/collector.pb.h"

namespace skimwatch::api {

// What a caller may do, each more than the one before.
enum class Role { kNone, kViewer, kApprover, kAdmin };

// The role that a method needs. Mutual TLS alone lets every certificate of the authority call every
// method, agents' too, so each method has an entry; one without is refused.
struct MethodRole {
  // `skimwatch.v1.QueryService.ListExposures`.
  std::string_view method;
  Role role;
};
absl::Span<const MethodRole> MethodRoles();

// Who is calling.
struct Caller {
  // The certificate's identity, or the token's; `local` over plaintext, `local-operator` over the
  // operators' socket.
  std::string identity;
  // False without either, which only processes of this machine can be.
  bool authenticated = false;
  // What was shown in place of a certificate; null for nothing. Its claims decide what the caller
  // may do, and the rules for identities do not.
  std::shared_ptr<const token::Token> token;
};

// Decides by the configuration's `roles`. Immutable, so thread-safe.
class Authorizer {
 public:
  explicit Authorizer(const config::v1::CollectorConfig& config);

  // The role of the longest rule that matches; an exact identity goes before a pattern. A caller
  // without a certificate has one only by a rule that says `local` or `local-operator`, and a
  // certificate that calls itself so has none. A caller with a token has the highest role of all
  // rules with a claim of that token.
  Role RoleOf(const Caller& caller) const;

  // PERMISSION_DENIED when the caller's role is below what `method` needs, or when nobody said what
  // it needs. The message says what an operator of the collector would have to configure.
  absl::Status Authorize(const Caller& caller, std::string_view method) const;

 private:
  struct Rule {
    std::string pattern;
    Role role;
  };
  struct ClaimRule {
    std::string issuer;
    std::string claim;
    std::string value;
    Role role;
  };
  // Longest first.
  std::vector<Rule> rules_;
  std::vector<ClaimRule> claim_rules_;
};

}  // namespace skimwatch::api

#endif  // SKIMWATCH_COLLECTOR_API_AUTHORIZATION_H_
