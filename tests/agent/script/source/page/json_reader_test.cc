#include "agent/script/source/page/json_reader.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

TEST(JsonReader, ReadsWhatIsThere) {
  const Json json =
      ParseJson(R"({"text":"a","number":7,"float":8.9,"flag":true,"list":[1],"object":{"x":"y"}})");
  EXPECT_EQ(TextOf(json, "text"), "a");
  EXPECT_EQ(NumberOf(json, "number"), 7);
  EXPECT_EQ(NumberOf(json, "float"), 8);
  EXPECT_TRUE(FlagOf(json, "flag"));
  EXPECT_EQ(ListOf(json, "list").size(), 1);
  EXPECT_EQ(TextOf(MemberOf(json, "object"), "x"), "y");
}

TEST(JsonReader, ReadsNothingWhereSomethingElseIs) {
  for (const char* const text : {"{}", "[]", "null", "1", "\"a\"", R"({"key":null})",
                                 R"({"key":{"key":1}})", R"({"key":-1})", R"({"key":1e300})"}) {
    const Json json = ParseJson(text);
    EXPECT_EQ(TextOf(json, "key"), "") << text;
    EXPECT_EQ(NumberOf(json, "key", 5), 5) << text;
    EXPECT_FALSE(FlagOf(json, "key")) << text;
    EXPECT_TRUE(ListOf(json, "key").empty()) << text;
  }
}

TEST(JsonReader, DiscardsWhatIsNoJson) {
  for (const char* const text : {"", "{", "{\"a\":}", "nul", "{}x", "\xff"}) {
    EXPECT_TRUE(ParseJson(text).is_discarded()) << text;
  }
}

// V8 passes on what a text of JavaScript holds, and no JSON may.
TEST(JsonReader, ReplacesHalvesOfSurrogatePairs) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(a\ud800)", "a\uFFFD"},
      {R"(\udc00b)", "\uFFFDb"},
      {R"(\ud83d\ude00)", "\U0001F600"},
      {R"(\ud800\ud83d\ude00)", "\uFFFD\U0001F600"},
      {R"(\ud800\u0041)", "\uFFFDA"},
      {R"(\\ud800\ud800)", "\\ud800\uFFFD"},
      {R"(\\\uD800)", "\\\uFFFD"},
      {R"(\ud800\n)", "\uFFFD\n"},
      {R"(\ud800\ud801\udc01)", "\uFFFD\U00010401"},
  };
  for (const auto& [escaped, text] : cases) {
    const Json json = ParseJson(std::string(R"({"a":")") + escaped + "\"}");
    EXPECT_EQ(TextOf(json, "a"), text) << escaped;
  }
  for (const char* const text : {R"({"a":"\ud8)", R"({"a":"\ud800)", R"({"a":"\ud800\)",
                                 R"({"a":"\ud800\u)", R"({"a":"\ud800\udc0"})"}) {
    EXPECT_TRUE(ParseJson(text).is_discarded()) << text;
  }
}

// What walks a tree must not run out of stack, whatever a page makes the browser say.
TEST(JsonReader, LeavesOutWhatIsNestedTooDeep) {
  const std::string deep(100'000, '[');
  EXPECT_TRUE(ParseJson(deep).is_discarded());
  const Json whole = ParseJson(R"({"a":)" + deep + std::string(deep.size(), ']') + R"(,"b":"c"})");
  EXPECT_EQ(TextOf(whole, "b"), "c");
  EXPECT_LT(WriteJson(whole).size(), 1000);
}

TEST(JsonReader, WritesBytesThatAreNoText) { EXPECT_EQ(WriteJson(Json("a\xff")), "\"a\uFFFD\""); }

}  // namespace
}  // namespace skimwatch::script
