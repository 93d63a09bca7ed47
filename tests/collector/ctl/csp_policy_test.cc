#include "collector/ctl/csp_policy.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::ctl {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

constexpr char kPage[] = "https://shop.example/pay";

// A script with one version for each of `bytes`, all approved.
v1::Script ScriptOf(const std::string& page, const std::string& key, const std::vector<char>& bytes,
                    const std::string& fact = "") {
  v1::Script script;
  script.set_site("shop");
  script.set_page(page);
  script.set_name(page + "#" + key);
  script.set_state(v1::Script::STATE_APPROVED);
  for (const char byte : bytes) {
    v1::ScriptRecord& record = *script.add_history();
    record.mutable_version()->set_sha256(std::string(32, byte));
    record.mutable_approval()->set_approved_by("somebody");
    if (!fact.empty()) record.add_facts()->set_name(fact);
  }
  return script;
}

// base64 of 32 bytes `a` and `b`.
constexpr char kHashA[] = "sha256-YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=";
constexpr char kHashB[] = "sha256-YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=";

class CspPolicy : public ::testing::Test {
 protected:
  CspSuggestion Suggest(const std::vector<v1::Script>& scripts) {
    return SuggestCsp(request_, scripts, integrity_of_);
  }
  std::string Header(const CspSuggestion& suggestion, const std::string& name) {
    for (const auto& [header, value] : suggestion.headers) {
      if (header == name) return value;
    }
    return "";
  }
  CspRequest request_{.pages = {kPage}, .endpoint = "/r"};
  std::map<std::string, std::string> integrity_of_;
};

TEST_F(CspPolicy, LetsApprovedScriptsRunByAddressAndInlineOnesByHash) {
  const CspSuggestion suggestion = Suggest({
      ScriptOf(kPage, "src=https://chat.example/chat.js", {'a'}),
      ScriptOf("pay.html", "inline-1", {'b'}),
  });
  EXPECT_EQ(suggestion.scripts, 2);
  EXPECT_THAT(suggestion.headers,
              ElementsAre(Pair("Reporting-Endpoints", "skimwatch=\"/r\""),
                          Pair("Content-Security-Policy",
                               std::string("script-src '") + kHashB +
                                   "' https://chat.example/chat.js 'report-sha256'; object-src "
                                   "'none'; base-uri 'self'; report-uri /r; report-to skimwatch"),
                          Pair("Content-Security-Policy-Report-Only",
                               AllOf(HasSubstr("connect-src 'self' https://chat.example;"),
                                     HasSubstr("form-action 'self';"))),
                          Pair("Integrity-Policy-Report-Only",
                               "blocked-destinations=(script), endpoints=(skimwatch)")));
  EXPECT_THAT(suggestion.elements,
              ElementsAre(std::string("<script src=\"https://chat.example/chat.js\" integrity=\"") +
                          kHashA + "\" crossorigin=\"anonymous\"></script>"));
  EXPECT_THAT(suggestion.left_out, IsEmpty());
}

TEST_F(CspPolicy, LetsExternalScriptsRunByHashAloneWhenStrict) {
  request_.is_strict = true;
  const CspSuggestion suggestion = Suggest({
      ScriptOf(kPage, "src=https://chat.example/chat.js", {'a', 'b'}),
      ScriptOf(kPage, "src=https://chat.example/each.js", {'c'}, "many_versions"),
      ScriptOf(kPage, "src=https://stats.example/s.js", {'d'}, "no_hash"),
  });
  EXPECT_THAT(Header(suggestion, "Content-Security-Policy"),
              StartsWith(std::string("script-src '") + kHashA + "' '" + kHashB +
                         "' https://chat.example/each.js https://stats.example/s.js "));
  // It would stop the scripts that can have no integrity.
  EXPECT_EQ(Header(suggestion, "Integrity-Policy"), "");
  EXPECT_NE(Header(suggestion, "Integrity-Policy-Report-Only"), "");
  EXPECT_NE(Header(Suggest({ScriptOf(kPage, "src=https://chat.example/chat.js", {'a'})}),
                   "Integrity-Policy"),
            "");
  ASSERT_EQ(suggestion.elements.size(), 1);
  EXPECT_THAT(suggestion.elements[0], HasSubstr(std::string(kHashA) + " " + kHashB));
}

TEST_F(CspPolicy, PrefersTheLongerDigestWhereAllVersionsHaveIt) {
  integrity_of_[std::string(32, 'a')] = "sha384-A";
  const v1::Script one = ScriptOf(kPage, "src=https://chat.example/chat.js", {'a'});
  EXPECT_THAT(Suggest({one}).elements[0], HasSubstr("integrity=\"sha384-A\""));
  // A browser would compare with the longer one only.
  const v1::Script two = ScriptOf(kPage, "src=https://chat.example/chat.js", {'a', 'b'});
  EXPECT_THAT(Suggest({two}).elements[0],
              HasSubstr(std::string("integrity=\"") + kHashA + " " + kHashB + "\""));
}

TEST_F(CspPolicy, LeavesOutWhatNobodyApproves) {
  v1::Script unapproved = ScriptOf(kPage, "src=https://evil.example/x.js", {'a'});
  unapproved.mutable_history(0)->clear_approval();
  unapproved.set_state(v1::Script::STATE_UNAPPROVED);
  v1::Script revoked = ScriptOf(kPage, "src=https://old.example/x.js", {'b'});
  revoked.mutable_history(0)->mutable_approval()->mutable_revoked_at()->set_seconds(1);
  v1::Script gone = unapproved;
  gone.set_state(v1::Script::STATE_MISSING);
  const v1::Script masked = ScriptOf(kPage, "src=https://cdn.example/****/x.js~masked", {'c'});
  const CspSuggestion suggestion = Suggest({unapproved, revoked, gone, masked});
  EXPECT_EQ(suggestion.scripts, 0);
  EXPECT_THAT(suggestion.left_out,
              ElementsAre(Pair(HasSubstr("evil.example"), "not approved"),
                          Pair(HasSubstr("old.example"), "not approved"),
                          Pair(HasSubstr("masked"), HasSubstr("not known in full"))));
  EXPECT_THAT(Header(suggestion, "Content-Security-Policy"),
              AllOf(Not(HasSubstr("evil")), Not(HasSubstr("old")), Not(HasSubstr("masked"))));
}

TEST_F(CspPolicy, AllowsTheOwnFilesOfAPageThatOnlyAWebRootKnows) {
  const CspSuggestion suggestion = Suggest({
      ScriptOf("pay.html", "src=https://chat.example/chat.js", {'a'}),
      ScriptOf("pay.html", "frame=https://processor.example/form", {'b'}),
      ScriptOf("pay.html", "base=https://shop.example/", {'c'}),
  });
  EXPECT_THAT(Header(suggestion, "Content-Security-Policy"),
              StartsWith("script-src 'self' https://chat.example/chat.js 'report-sha256'; "
                         "object-src 'none'; frame-src 'self' https://processor.example/form;"));
  // The version is of the reference, not of the script.
  EXPECT_THAT(suggestion.elements, IsEmpty());
}

TEST_F(CspPolicy, LetsNoAddressAddADirective) {
  const CspSuggestion suggestion =
      Suggest({ScriptOf(kPage, "src=https://a.example/x;script-src,'unsafe-inline'\"", {'a'})});
  EXPECT_THAT(Header(suggestion, "Content-Security-Policy"),
              HasSubstr("https://a.example/x%3Bscript-src%2C%27unsafe-inline%27%22 "));
  EXPECT_THAT(suggestion.elements[0], HasSubstr("&quot;"));
}

TEST(CspPages, AreNamedByAddressOrFile) {
  const v1::Script browsers = ScriptOf(kPage, "src=https://a.example/a.js", {'a'});
  const v1::Script web_root = ScriptOf("pay.html", "inline-1", {'a'});
  v1::Script file = ScriptOf("", "", {'a'});
  EXPECT_TRUE(IsOfPage(browsers, {kPage}));
  EXPECT_FALSE(IsOfPage(browsers, {"https://shop.example/other"}));
  EXPECT_TRUE(IsOfPage(web_root, {"https://shop.example/pay.html"}));
  EXPECT_TRUE(IsOfPage(web_root, {kPage, "pay.html"}));
  EXPECT_FALSE(IsOfPage(web_root, {kPage}));
  EXPECT_FALSE(IsOfPage(file, {kPage, ""}));
  EXPECT_TRUE(IsOfPage(ScriptOf("index.html", "inline-1", {'a'}), {"https://shop.example/"}));
}

}  // namespace
}  // namespace skimwatch::ctl
