#include "collector/api/authorization.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proto/text/printable.h"
#include "proto/tls/certificate_files.h"

namespace skimwatch::api {
namespace {

constexpr MethodRole kMethodRoles[] = {
    {"skimwatch.v1.QueryService.ListExposures", Role::kViewer},
    {"skimwatch.v1.QueryService.GetExposure", Role::kViewer},
    {"skimwatch.v1.QueryService.GetExposureReport", Role::kViewer},
    {"skimwatch.v1.QueryService.GetExposureTimeline", Role::kViewer},
    {"skimwatch.v1.QueryService.ListFindings", Role::kViewer},
    {"skimwatch.v1.QueryService.WatchFindings", Role::kViewer},
    {"skimwatch.v1.QueryService.ListScripts", Role::kViewer},
    {"skimwatch.v1.QueryService.GetScript", Role::kViewer},
    {"skimwatch.v1.QueryService.ListPublishers", Role::kViewer},
    {"skimwatch.v1.QueryService.ListDestinations", Role::kViewer},
    {"skimwatch.v1.QueryService.GetDestination", Role::kViewer},
    {"skimwatch.v1.QueryService.ListAgents", Role::kViewer},
    {"skimwatch.v1.QueryService.ListDecisions", Role::kViewer},
    {"skimwatch.v1.QueryService.CheckCard", Role::kApprover},
    {"skimwatch.v1.QueryService.GetFingerprintKeys", Role::kApprover},
    {"skimwatch.v1.DecisionService.ApproveScript", Role::kApprover},
    {"skimwatch.v1.DecisionService.RevokeScript", Role::kApprover},
    {"skimwatch.v1.DecisionService.DescribeScript", Role::kApprover},
    {"skimwatch.v1.DecisionService.ImportPublisherList", Role::kApprover},
    {"skimwatch.v1.DecisionService.ApproveDestination", Role::kApprover},
    {"skimwatch.v1.DecisionService.RevokeDestination", Role::kApprover},
    {"skimwatch.v1.DecisionService.CloseExposure", Role::kApprover},
    {"skimwatch.v1.DecisionService.AddExposureNote", Role::kApprover},
};

Role ParseRole(std::string_view name) {
  if (name == "viewer") return Role::kViewer;
  if (name == "approver") return Role::kApprover;
  if (name == "admin") return Role::kAdmin;
  return Role::kNone;
}

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kViewer:
      return "viewer";
    case Role::kApprover:
      return "approver";
    case Role::kAdmin:
      return "admin";
    case Role::kNone:
      break;
  }
  return "no role";
}

bool IsLocal(std::string_view identity) {
  return identity == tls::kLocalIdentity || identity == tls::kLocalOperatorIdentity;
}

bool IsPattern(std::string_view pattern) { return !pattern.empty() && pattern.back() == '*'; }

bool Matches(std::string_view pattern, std::string_view identity) {
  if (!IsPattern(pattern)) return pattern == identity;
  return identity.starts_with(pattern.substr(0, pattern.size() - 1));
}

}  // namespace

absl::Span<const MethodRole> MethodRoles() { return kMethodRoles; }

Authorizer::Authorizer(const config::v1::CollectorConfig& config) {
  for (const config::v1::RoleRule& rule : config.roles()) {
    if (rule.claim().empty()) {
      rules_.push_back({rule.identity(), ParseRole(rule.role())});
      continue;
    }
    const std::string_view claim = rule.claim();
    const size_t equals = claim.find('=');
    std::string issuer = rule.issuer();
    if (issuer.empty() && config.token_issuers_size() == 1) {
      issuer = config.token_issuers(0).issuer();
    }
    // A configuration that was checked has neither.
    if (equals == std::string_view::npos || issuer.empty()) continue;
    claim_rules_.push_back({std::move(issuer), std::string(claim.substr(0, equals)),
                            std::string(claim.substr(equals + 1)), ParseRole(rule.role())});
  }
  // An exact identity is longer than every pattern that matches it, but for `abc` beside `abc*`.
  std::stable_sort(rules_.begin(), rules_.end(), [](const Rule& a, const Rule& b) {
    if (IsPattern(a.pattern) != IsPattern(b.pattern)) return !IsPattern(a.pattern);
    return a.pattern.size() > b.pattern.size();
  });
}

Role Authorizer::RoleOf(const Caller& caller) const {
  if (caller.identity.empty()) return Role::kNone;
  if (caller.token != nullptr) {
    Role role = Role::kNone;
    for (const ClaimRule& rule : claim_rules_) {
      if (caller.token->issuer == rule.issuer && caller.token->Has(rule.claim, rule.value)) {
        role = std::max(role, rule.role);
      }
    }
    return role;
  }
  if (caller.authenticated == IsLocal(caller.identity)) return Role::kNone;
  for (const Rule& rule : rules_) {
    if (caller.authenticated ? Matches(rule.pattern, caller.identity)
                             : rule.pattern == caller.identity) {
      return rule.role;
    }
  }
  return Role::kNone;
}

absl::Status Authorizer::Authorize(const Caller& caller, std::string_view method) const {
  const auto needed = std::find_if(std::begin(kMethodRoles), std::end(kMethodRoles),
                                   [&](const MethodRole& entry) { return entry.method == method; });
  if (needed == std::end(kMethodRoles)) {
    return absl::PermissionDeniedError(
        absl::StrCat(std::string(method), ": nobody may call it; it has no role"));
  }
  const Role role = RoleOf(caller);
  if (role >= needed->role && role != Role::kNone) return absl::OkStatus();
  const std::string_view short_name = method.substr(method.rfind('.') + 1);
  if (caller.token != nullptr) {
    return absl::PermissionDeniedError(absl::StrCat(
        "'", text::Printable(caller.identity), "' has ",
        role == Role::kNone ? "no role" : absl::StrCat("the role ", RoleName(role)), ", and ",
        std::string(short_name), " needs the role ", RoleName(needed->role),
        "; whoever runs the collector can give it with an entry {claim: 'NAME=VALUE', role: ",
        RoleName(needed->role),
        "} under `roles` of its configuration that fits a claim of the "
        "token"));
  }
  return absl::PermissionDeniedError(
      absl::StrCat("'", text::Printable(caller.identity), "' has ",
                   role == Role::kNone ? "no role" : absl::StrCat("the role ", RoleName(role)),
                   ", and ", std::string(short_name), " needs the role ", RoleName(needed->role),
                   "; whoever runs the collector can give it with an entry {identity: '",
                   text::Printable(caller.identity), "', role: ", RoleName(needed->role),
                   "} under `roles` of its configuration"));
}

}  // namespace skimwatch::api
