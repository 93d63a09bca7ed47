#include "collector/api/authorization.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "skimwatch/v1/decision_service.pb.h"
#include "skimwatch/v1/query_service.pb.h"

namespace skimwatch::api {
namespace {

using ::testing::HasSubstr;

Authorizer With(const std::vector<std::pair<std::string, std::string>>& rules) {
  config::v1::CollectorConfig config;
  for (const auto& [identity, role] : rules) {
    config::v1::RoleRule& rule = *config.add_roles();
    rule.set_identity(identity);
    rule.set_role(role);
  }
  return Authorizer(config);
}

Caller Certificate(const std::string& identity) {
  return {.identity = identity, .authenticated = true};
}

TEST(MethodRoles, NameEveryMethodOfTheOperatorsServicesOnce) {
  std::map<std::string, int> entries;
  for (const MethodRole& entry : MethodRoles()) {
    ++entries[std::string(entry.method)];
    EXPECT_NE(entry.role, Role::kNone) << entry.method;
  }
  size_t methods = 0;
  for (const google::protobuf::FileDescriptor* const file :
       {v1::ListExposuresRequest::descriptor()->file(),
        v1::ApproveScriptRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        ++methods;
        EXPECT_EQ(entries[file->service(i)->method(j)->full_name()], 1)
            << file->service(i)->method(j)->full_name();
      }
    }
  }
  EXPECT_EQ(methods, MethodRoles().size());
}

TEST(MethodRoles, LetNobodyDecideOrLookForCardsWhoMayOnlyLook) {
  for (const MethodRole& entry : MethodRoles()) {
    const bool decides = entry.method.find("DecisionService") != std::string_view::npos ||
                         entry.method.find("CheckCard") != std::string_view::npos ||
                         entry.method.find("GetFingerprintKeys") != std::string_view::npos;
    EXPECT_EQ(entry.role, decides ? Role::kApprover : Role::kViewer) << entry.method;
  }
}

struct RoleCase {
  std::string_view name;
  std::vector<std::pair<std::string, std::string>> rules;
  Caller caller;
  Role role;
};

class RoleOf : public ::testing::TestWithParam<RoleCase> {};

TEST_P(RoleOf, FollowsTheRules) {
  EXPECT_EQ(With(GetParam().rules).RoleOf(GetParam().caller), GetParam().role);
}

INSTANTIATE_TEST_SUITE_P(
    Authorizer, RoleOf,
    ::testing::Values(
        RoleCase{"NoRule", {}, Certificate("ann"), Role::kNone},
        RoleCase{"ExactName", {{"ann", "viewer"}}, Certificate("ann"), Role::kViewer},
        RoleCase{"AnotherName", {{"ann", "viewer"}}, Certificate("anna"), Role::kNone},
        RoleCase{"CaseMatters", {{"ann", "viewer"}}, Certificate("Ann"), Role::kNone},
        RoleCase{"Pattern",
                 {{"spiffe://e/op/*", "approver"}},
                 Certificate("spiffe://e/op/ann"),
                 Role::kApprover},
        RoleCase{"BesidePattern",
                 {{"spiffe://e/op/*", "approver"}},
                 Certificate("spiffe://e/agent/1"),
                 Role::kNone},
        RoleCase{"LongerPatternFirst",
                 {{"a*", "admin"}, {"ab*", "viewer"}},
                 Certificate("abc"),
                 Role::kViewer},
        RoleCase{"ExactBeforePattern",
                 {{"abc*", "admin"}, {"abc", "viewer"}},
                 Certificate("abc"),
                 Role::kViewer},
        RoleCase{"StarWithinIsNoPattern", {{"a*c", "admin"}}, Certificate("abc"), Role::kNone},
        RoleCase{"NoIdentity", {{"*", "admin"}}, Certificate(""), Role::kNone},
        RoleCase{"UnknownRole", {{"ann", "root"}}, Certificate("ann"), Role::kNone},
        RoleCase{"LocalByName", {{"local", "admin"}}, Caller{"local", false}, Role::kAdmin},
        RoleCase{"LocalByNoPattern",
                 {{"*", "admin"}, {"loc*", "admin"}},
                 Caller{"local", false},
                 Role::kNone},
        RoleCase{
            "CertificateThatPosesAsLocal", {{"local", "admin"}}, Certificate("local"), Role::kNone},
        RoleCase{"LocalOperatorByName",
                 {{"local-operator", "approver"}},
                 Caller{"local-operator", false},
                 Role::kApprover},
        RoleCase{"LocalIsNoLocalOperator",
                 {{"local-operator", "approver"}},
                 Caller{"local", false},
                 Role::kNone},
        RoleCase{"LocalOperatorIsNotLocal",
                 {{"local", "approver"}},
                 Caller{"local-operator", false},
                 Role::kNone},
        RoleCase{"LocalOperatorByNoPattern",
                 {{"*", "admin"}, {"local*", "admin"}},
                 Caller{"local-operator", false},
                 Role::kNone},
        RoleCase{"CertificateThatPosesAsLocalOperator",
                 {{"local-operator", "admin"}},
                 Certificate("local-operator"),
                 Role::kNone},
        RoleCase{
            "PlaintextThatPosesAsSomebody", {{"ann", "admin"}}, Caller{"ann", false}, Role::kNone}),
    [](const auto& role) { return std::string(role.param.name); });

class ClaimRules : public ::testing::Test {
 protected:
  static Authorizer Rules() {
    config::v1::CollectorConfig config;
    config.add_token_issuers()->set_issuer("https://a");
    config.add_token_issuers()->set_issuer("https://b");
    const auto add = [&](const char* claim, const char* issuer, const char* role) {
      config::v1::RoleRule& rule = *config.add_roles();
      rule.set_claim(claim);
      rule.set_issuer(issuer);
      rule.set_role(role);
    };
    add("groups=staff", "https://a", "viewer");
    add("groups=oncall", "https://a", "admin");
    add("groups=a=b", "https://a", "approver");
    add("groups=oncall", "https://b", "viewer");
    config::v1::RoleRule& everybody = *config.add_roles();
    everybody.set_identity("*");
    everybody.set_role("admin");
    return Authorizer(config);
  }

  static Role Of(const std::string& issuer,
                 std::vector<std::pair<std::string, std::string>> claims) {
    Caller caller{.identity = "oidc:a#ann", .authenticated = true};
    caller.token = std::make_shared<token::Token>(
        token::Token{.issuer = issuer, .identity = caller.identity, .claims = std::move(claims)});
    return Rules().RoleOf(caller);
  }
};

TEST_F(ClaimRules, GiveTheHighestRoleThatAClaimHas) {
  EXPECT_EQ(Of("https://a", {{"groups", "staff"}}), Role::kViewer);
  EXPECT_EQ(Of("https://a", {{"groups", "oncall"}, {"groups", "staff"}}), Role::kAdmin);
  EXPECT_EQ(Of("https://a", {{"groups", "staff"}, {"groups", "oncall"}}), Role::kAdmin);
  EXPECT_EQ(Of("https://a", {{"groups", "a=b"}}), Role::kApprover);
}

TEST_F(ClaimRules, HoldForTheirIssuerAndTheirClaim) {
  EXPECT_EQ(Of("https://b", {{"groups", "oncall"}}), Role::kViewer);
  EXPECT_EQ(Of("https://b", {{"groups", "staff"}}), Role::kNone);
  EXPECT_EQ(Of("https://c", {{"groups", "oncall"}}), Role::kNone);
  EXPECT_EQ(Of("https://a", {{"group", "oncall"}, {"groups", "Oncall"}}), Role::kNone);
}

// A rule for identities is for certificates, even `*`.
TEST_F(ClaimRules, AreTheOnlyOnesForTokens) {
  EXPECT_EQ(Of("https://a", {}), Role::kNone);
  EXPECT_EQ(Rules().RoleOf(Certificate("oncall")), Role::kAdmin);
}

TEST(Authorizer, GivesEachRoleWhatTheOneBeforeMay) {
  const Authorizer authorizer =
      With({{"viewer", "viewer"}, {"approver", "approver"}, {"admin", "admin"}});
  for (const MethodRole& entry : MethodRoles()) {
    EXPECT_EQ(authorizer.Authorize(Certificate("viewer"), entry.method).ok(),
              entry.role == Role::kViewer);
    EXPECT_TRUE(authorizer.Authorize(Certificate("approver"), entry.method).ok());
    EXPECT_TRUE(authorizer.Authorize(Certificate("admin"), entry.method).ok());
    EXPECT_FALSE(authorizer.Authorize(Certificate("web-1"), entry.method).ok());
  }
}

TEST(Authorizer, RefusesAMethodThatNobodySpokeOf) {
  const absl::Status status =
      With({{"ann", "admin"}}).Authorize(Certificate("ann"), "skimwatch.v1.QueryService.New");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
}

TEST(Authorizer, SaysWhatToDo) {
  const absl::Status status =
      With({{"ann", "viewer"}})
          .Authorize(Certificate("ann\n"), "skimwatch.v1.DecisionService.CloseExposure");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(std::string(status.message()),
            "'ann\\n' has no role, and CloseExposure needs the role approver; whoever runs the "
            "collector can give it with an entry {identity: 'ann\\n', role: approver} under "
            "`roles` of its configuration");
  EXPECT_THAT(
      std::string(With({{"ann", "viewer"}})
                      .Authorize(Certificate("ann"), "skimwatch.v1.DecisionService.CloseExposure")
                      .message()),
      HasSubstr("'ann' has the role viewer, and CloseExposure needs the role approver"));
}

}  // namespace
}  // namespace skimwatch::api
