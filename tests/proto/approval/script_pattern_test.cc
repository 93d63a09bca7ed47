#include "proto/approval/script_pattern.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::approval {
namespace {

using ::testing::HasSubstr;

TEST(ScriptPattern, StandsForANameOrForTheAddressThatAScriptIsFetchedFrom) {
  struct Case {
    const char* pattern;
    const char* script;
    bool covers;
  };
  constexpr Case kCases[] = {
      {"js/chat.js", "js/chat.js", true},
      {"js/chat.js", "js/chat.js.map", false},
      {"js/*", "js/chat.js", true},
      {"js/*", "lib/js/chat.js", false},
      {"https://chat.example/x.js", "https://shop.example/pay#src=https://chat.example/x.js", true},
      {"https://chat.example/x.js", "pay.html#src=https://chat.example/x.js", true},
      // Other bytes from one address in one look.
      {"https://chat.example/x.js", "https://shop.example/pay#src=https://chat.example/x.js~2",
       true},
      {"https://chat.example/x.js", "https://shop.example/pay#src=https://chat.example/x.js~",
       false},
      {"https://chat.example/*", "https://shop.example/pay#src=https://chat.example/a/b.js", true},
      {"https://chat.example/*", "https://shop.example/pay#src=https://chat.example.evil.test/x.js",
       false},
      {"https://chat.example/x.js", "https://shop.example/pay#frame=https://chat.example/x.js",
       false},
      {"https://shop.example/pay#inline-1", "https://shop.example/pay#inline-1", true},
  };
  for (const Case& one : kCases) {
    EXPECT_EQ(PatternCovers(one.pattern, one.script), one.covers)
        << one.pattern << " and " << one.script;
  }
}

TEST(ScriptPattern, IsWithinAnotherWhereThatStandsForAllOfIt) {
  EXPECT_TRUE(PatternIsWithin("js/chat.js", "js/*"));
  EXPECT_TRUE(PatternIsWithin("js/chat.js", "js/chat.js"));
  EXPECT_TRUE(PatternIsWithin("js/vendor/*", "js/*"));
  EXPECT_TRUE(PatternIsWithin("js/*", "js/*"));
  EXPECT_FALSE(PatternIsWithin("js/*", "js/vendor/*"));
  EXPECT_FALSE(PatternIsWithin("j*", "js/*"));
  EXPECT_FALSE(PatternIsWithin("js/*", "js/chat.js"));
  EXPECT_TRUE(PatternIsWithin("pay.html#src=https://chat.example/x.js", "https://chat.example/*"));
  // A wide name is held against names alone.
  EXPECT_FALSE(PatternIsWithin("pay.html#src=https://chat.example/*", "https://chat.example/*"));
}

TEST(ScriptPattern, NamesWhatIsWrongWithIt) {
  for (const char* const good : {"js/chat.js", "js/*", "https://chat.example/*", "a*"}) {
    EXPECT_EQ(PatternFault(good), "") << good;
  }
  EXPECT_EQ(PatternFault(""), "empty");
  EXPECT_THAT(PatternFault("*"), HasSubstr("every script"));
  EXPECT_THAT(PatternFault("js/*/x.js"), HasSubstr("not at its end"));
  EXPECT_THAT(PatternFault("js/**"), HasSubstr("not at its end"));
  EXPECT_THAT(PatternFault("https://chat.example*"), HasSubstr("its host"));
  EXPECT_THAT(PatternFault("https://*"), HasSubstr("its host"));
  EXPECT_THAT(PatternFault("js/\nx.js"), HasSubstr("control character"));
  EXPECT_THAT(PatternFault(std::string(5000, 'a')), HasSubstr("longer"));
}

}  // namespace
}  // namespace skimwatch::approval
