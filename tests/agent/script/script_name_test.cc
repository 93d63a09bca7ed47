#include "agent/script/script_name.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/script/approvals.h"
#include "agent/script/judge/script_version.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

TEST(FileName, IsThePathWhereNothingSpeaksAgainst) {
  EXPECT_EQ(FileName("", "js/app.min.js"), "js/app.min.js");
  EXPECT_EQ(FileName("", "\xC3\xA9t\xC3\xA9.js"), "\xC3\xA9t\xC3\xA9.js");
  EXPECT_EQ(FileName("/srv/assets/", "app.js"), "/srv/assets/app.js");
}

TEST(FileName, EncodesWhatCouldMislead) {
  EXPECT_EQ(FileName("", "a#inline-1"), "a%23inline-1");
  EXPECT_EQ(FileName("", "a%23.js"), "a%2523.js");
  EXPECT_EQ(FileName("", "a\n\x1b[2J.js"), "a%0A%1B[2J.js");
  EXPECT_EQ(FileName("", "\xFF.js"), "%FF.js");
}

TEST(FileName, HoldsNeitherACardNumberNorADigestOfOne) {
  // A digest of the name could be tested against every number that the mask leaves open.
  EXPECT_EQ(FileName("", "a-4111111111111111.js"), "a-****************.js~masked");
  EXPECT_EQ(FileName("", "a-4012888888881881.js"), "a-****************.js~masked");
}

TEST(FileName, IsBoundedAndStaysDistinct) {
  const std::string long_path(4000, '#');
  const std::string a = FileName("", absl::StrCat(long_path, "a"));
  const std::string b = FileName("", absl::StrCat(long_path, "b"));
  EXPECT_LE(a.size(), 4096u);
  EXPECT_NE(a, b);
}

TEST(InlineName, IsReadBackAsItWasMade) {
  const auto name = ParseInlineName(NameOfInline("a/b.html", 12));
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->page, "a/b.html");
  EXPECT_EQ(name->number, 12);
  for (const char* other : {"a.js", "a#inline-", "a#inline-0", "a#inline-01", "a#inline-+1",
                            "a#inline-1x", "a#inline--1", "a#inline-99999999999"}) {
    EXPECT_FALSE(ParseInlineName(other).has_value()) << other;
  }
}

TEST(Approvals, AreBySiteScriptAndHash) {
  v1::Policy policy;
  const auto add = [&](const char* site, const char* script, const char* text) {
    v1::ApprovedScript& entry = *policy.add_approved_scripts();
    entry.set_site(site);
    entry.set_script(script);
    entry.set_sha256(Sha256(text));
  };
  add("shop", "a.js", "1");
  add("shop", "a.js", "2");
  add("shop", "p.html#inline-7", "x");
  add("shop", "p.html#inline-3", "x");
  const Approvals approvals(policy);
  EXPECT_TRUE(approvals.Contains("shop", "a.js", Sha256("1")));
  EXPECT_TRUE(approvals.Contains("shop", "a.js", Sha256("2")));
  EXPECT_FALSE(approvals.Contains("shop", "a.js", Sha256("3")));
  EXPECT_FALSE(approvals.Contains("shop", "b.js", Sha256("1")));
  EXPECT_FALSE(approvals.Contains("blog", "a.js", Sha256("1")));
  EXPECT_EQ(approvals.NumberOf("shop", "p.html", Sha256("x")), 3);
  EXPECT_EQ(approvals.NumberOf("shop", "q.html", Sha256("x")), 0);
  EXPECT_EQ(approvals.NumberOf("blog", "p.html", Sha256("x")), 0);
}

}  // namespace
}  // namespace skimwatch::script
