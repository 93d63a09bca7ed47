#include "agent/script/source/page/page_headers.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Headers = std::vector<std::pair<std::string, std::string>>;

std::string Of(Headers headers, Headers meta = {}) {
  return SecurityHeaders({.headers = std::move(headers), .meta_policies = std::move(meta)});
}

TEST(MetaPolicies, ReadsWhatABrowserTakesLikeAHeader) {
  EXPECT_THAT(
      MetaPolicies(
          "<META HTTP-EQUIV='Content-Security-Policy' content=\"script-src &#39;self&#39;\">"
          "<meta name=referrer content=origin><meta charset=utf-8>"
          "<meta http-equiv=content-type content=text/html>"),
      ElementsAre(Pair("content-security-policy", "script-src 'self'"),
                  Pair("referrer-policy", "origin")));
}

TEST(SecurityHeaders, AreADirectiveALineInOneOrder) {
  EXPECT_EQ(
      Of({{"content-type", "text/html"},
          {"x-frame-options", "DENY"},
          {"content-security-policy", "script-src  https://b.example 'self' ; DEFAULT-SRC 'none'"},
          {"permissions-policy", "payment=(self \"https://a.example\"), camera=()"},
          {"access-control-allow-origin", "*"}},
         {{"content-security-policy", "object-src 'none'"}}),
      "access-control-allow-origin: *\n"
      "content-security-policy: default-src 'none'\n"
      "content-security-policy: script-src 'self' https://b.example\n"
      "meta content-security-policy: object-src 'none'\n"
      "permissions-policy: camera=()\n"
      "permissions-policy: payment=(self \"https://a.example\")\n"
      "x-frame-options: deny\n");
}

TEST(SecurityHeaders, LeaveOutWhatDiffersByDesign) {
  const std::string one = Of({{"content-security-policy", "script-src 'nonce-abc' 'self'"},
                              {"set-cookie", "sid=1; HttpOnly; Max-Age=3; Secure"},
                              {"set-cookie", "visit_123=x; Path=/"}});
  EXPECT_EQ(one, Of({{"content-security-policy", "script-src 'self' 'nonce-xyz'"},
                     {"set-cookie", "visit_98=y; Path=/"},
                     {"set-cookie", "sid=2; Secure; Max-Age=9; HttpOnly"}}));
  EXPECT_EQ(one,
            "content-security-policy: script-src 'nonce-*' 'self'\n"
            "set-cookie: sid; HttpOnly; Secure\n"
            "set-cookie: visit_#; Path=/\n");
}

TEST(SecurityHeaders, HoldNoCardNumber) {
  EXPECT_EQ(Of({{"x-frame-options", "allow-from https://a.example/4111111111111111"}}),
            "x-frame-options: allow-from https://a.example/****************\n");
}

struct Change {
  const char* name;
  Headers before;
  Headers now;
  v1::Severity severity;
  const char* reason;
};

TEST(CompareHeaders, SaysWhichDirectiveBecameWhat) {
  const Change changes[] = {
      {"a source more",
       {{"content-security-policy", "script-src 'self'; img-src *"}},
       {{"content-security-policy", "script-src 'self' https://evil.example; img-src *"}},
       v1::SEVERITY_HIGH,
       "content-security-policy script-src: gained https://evil.example"},
      {"a source less",
       {{"content-security-policy", "script-src 'self' https://a.example"}},
       {{"content-security-policy", "script-src 'self'"}},
       v1::SEVERITY_LOW,
       "content-security-policy script-src: lost https://a.example"},
      {"a directive in place of the one that held for all",
       {{"content-security-policy", "default-src 'self'"}},
       {{"content-security-policy", "default-src 'self'; script-src * 'unsafe-inline'"}},
       v1::SEVERITY_HIGH,
       "content-security-policy script-src: new, in place of default-src: gained 'unsafe-inline' "
       "*, lost 'self'"},
      {"a directive in place of one that held for more",
       {{"content-security-policy", "default-src *; script-src 'self'"}},
       {{"content-security-policy", "default-src *; script-src 'self'; script-src-elem *"}},
       v1::SEVERITY_HIGH,
       "content-security-policy script-src-elem: new, in place of script-src: gained *, lost "
       "'self'"},
      {"a directive that lets less in than the one that held",
       {{"content-security-policy", "default-src 'self' https://a.example"}},
       {{"content-security-policy", "default-src 'self' https://a.example; object-src 'none'"}},
       v1::SEVERITY_LOW,
       "content-security-policy object-src: new, object-src 'none'"},
      {"a directive that has no other in its place",
       {{"content-security-policy", "default-src 'self'"}},
       {{"content-security-policy", "default-src 'self'; base-uri https://a.example"}},
       v1::SEVERITY_LOW,
       "content-security-policy base-uri: new, base-uri https://a.example"},
      {"words gone that made others be passed over",
       {{"content-security-policy",
         "script-src 'nonce-x' 'strict-dynamic' 'unsafe-inline' https:"}},
       {{"content-security-policy", "script-src 'unsafe-inline' https:"}},
       v1::SEVERITY_HIGH,
       "content-security-policy script-src: lost 'nonce-*' 'strict-dynamic'"},
      {"text for scripts let in",
       {{"content-security-policy", "require-trusted-types-for 'script'"}},
       {{"content-security-policy", "require-trusted-types-for"}},
       v1::SEVERITY_HIGH,
       "content-security-policy require-trusted-types-for: lost 'script'"},
      {"a directive gone",
       {{"content-security-policy", "script-src 'self'; connect-src 'self'"}},
       {{"content-security-policy", "script-src 'self'"}},
       v1::SEVERITY_HIGH,
       "content-security-policy connect-src: gone, was connect-src 'self'"},
      {"a header gone",
       {{"x-frame-options", "DENY"}},
       {},
       v1::SEVERITY_HIGH,
       "x-frame-options: gone, was deny"},
      {"a header more",
       {},
       {{"x-content-type-options", "nosniff"}},
       v1::SEVERITY_LOW,
       "x-content-type-options: new, nosniff"},
      {"others let in",
       {},
       {{"access-control-allow-origin", "*"}},
       v1::SEVERITY_HIGH,
       "access-control-allow-origin: new, *"},
      {"a shorter age",
       {{"strict-transport-security", "max-age=31536000"}},
       {{"strict-transport-security", "max-age=60"}},
       v1::SEVERITY_HIGH,
       "strict-transport-security max-age: gained max-age=60, lost max-age=31536000"},
      {"a cookie's flag gone",
       {{"set-cookie", "sid=1; HttpOnly; Secure"}},
       {{"set-cookie", "sid=1; Secure"}},
       v1::SEVERITY_HIGH,
       "set-cookie sid: lost HttpOnly"},
      {"a report-only policy gone",
       {{"content-security-policy-report-only", "script-src 'self'"}},
       {},
       v1::SEVERITY_MEDIUM,
       "content-security-policy-report-only script-src: gone, was script-src 'self'"},
  };
  for (const Change& change : changes) {
    const HeaderComparison compared = CompareHeaders(Of(change.before), Of(change.now));
    EXPECT_THAT(compared.reasons, ElementsAre(change.reason)) << change.name;
    EXPECT_EQ(compared.severity, change.severity) << change.name;
  }
}

TEST(CompareHeaders, PutsTheGravestFirst) {
  const HeaderComparison compared = CompareHeaders(Of({{"x-frame-options", "DENY"}}),
                                                   Of({{"x-content-type-options", "nosniff"}}));
  EXPECT_THAT(compared.reasons, ElementsAre("x-frame-options: gone, was deny",
                                            "x-content-type-options: new, nosniff"));
  EXPECT_THAT(CompareHeaders(Of({}), Of({})).reasons, IsEmpty());
}

}  // namespace
}  // namespace skimwatch::script
