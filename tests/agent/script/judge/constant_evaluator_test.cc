#include "agent/script/judge/constant_evaluator.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

constexpr char kAddress[] = "https://a.example/x";

// The value of what `probe(...)` is called with.
struct Probed {
  std::string text;
  Value value;
  bool exhausted = false;
};

Probed Probe(const std::string& script, const ConstantEvaluator::Limits& limits = {}) {
  const absl::StatusOr<SyntaxTree> tree = SyntaxTree::Parse(script, {});
  Probed probed;
  if (!tree.ok()) return probed;
  ConstantEvaluator constants(*tree, limits);
  for (uint32_t i = 0; i < tree->nodes().size(); ++i) {
    if (tree->node(i).kind != Kind::kCall) continue;
    const uint32_t callee = tree->Child(i, Field::kFunction);
    if (callee == 0 || tree->TextOf(callee) != "probe") continue;
    probed.value = constants.Evaluate(tree->ChildAt(tree->Child(i, Field::kArguments), 0));
    probed.text = probed.value.Text();
  }
  probed.exhausted = constants.exhausted();
  return probed;
}

TEST(ConstantEvaluator, FoldsTheWaysToWriteAnAddress) {
  const char* const ways[] = {
      "'https://a.example/x'",
      "'https://' + 'a.example' + \"/x\"",
      "`https://${'a.' + `example`}/x`",
      "'\\x68\\x74\\x74\\x70\\x73://a.example/x'",
      "'\\u0068ttps:\\u{2f}/a.example/x'",
      "atob('aHR0cHM6Ly9hLmV4YW1wbGUveA==')",
      "window['at' + 'ob']('aHR0cHM6Ly9hLmV4YW1wbGUveA')",
      "String.fromCharCode(104,116,116,112,115,58,47,47,97,46,101,120,97,109,112,108,101,47,120)",
      "String.fromCharCode.apply(null, [0x68,116,116,112,115,58,47,47,97,46,101,120,97,109,112,108,"
      "101,47,120])",
      "[104,116,116,112,115,58,47,47,97,46,101,120,97,109,112,108,101,47,120].map(function (c) {"
      " return String.fromCharCode(c); }).join('')",
      "[104,116,116,112,115,58,47,47,97,46,101,120,97,109,112,108,101,47,120].map(c =>"
      " String.fromCharCode(c)).join('')",
      "'x/elpmaxe.a//:sptth'.split('').reverse().join('')",
      "['https:', '', 'a.example', 'x'].join('/')",
      "decodeURIComponent('https%3A%2F%2Fa.example%2Fx')",
      "unescape('%68%74%74ps://a.example/x')",
      "'hxxps://a.example/x'.replace('xx', 'tt')",
      "'h-t-t-p-s-:-/-/-a-.-e-x-a-m-p-l-e-/-x'.replace(/-/g, '')",
      "'HTTPS://A.EXAMPLE/X'.toLowerCase()",
      "(0, 'https://a.example/x')",
      "true ? 'https://a.example/x' : 'other'",
      "undefinedThing || 'https://a.example/x'",
      "({ host: 'https://a.example', path: '/x' }).host + '/x'",
      "['b', 'https://a.example/x'][1]",
      "(function () { return 'https://a.example/x'; })()",
      "(() => 'https://a.example/x')()",
      "(function (h) { return 'https://' + h + '/x'; })('a.example')",
      "(function () { var s = ''; for (var i = 0, k = [105,117]; i < 1; i++) s += 'https://';"
      " return s + 'a.example/x'; })()",
      "(function () { var o = [], s = 'iuuqt;00b/fybnqmf0y'; for (var i = 0; i < s.length; i++)"
      " o.push(String.fromCharCode(s.charCodeAt(i) - 1)); return o.join(''); })()",
      "(function (s, k) { var r = ''; for (let i = 0; i < s.length; i++) r +="
      " String.fromCharCode(s.charCodeAt(i) ^ k); return r; })('iuuqr;..`/dy`lqmd.y', 1)",
  };
  for (const char* way : ways) {
    EXPECT_EQ(Probe(absl::StrCat("probe(", way, ")")).text, kAddress) << way;
  }
}

TEST(ConstantEvaluator, FollowsNamesToTheirValues) {
  const char* const scripts[] = {
      "var a = 'https://', b = a + 'a.example'; probe(b + '/x');",
      "const c = { u: { h: 'a.example' } }; probe('https://' + c.u.h + '/x');",
      "let u; u = 'https://a.example/x'; probe(u);",
      "var u = 'https:'; u += '//a.example'; u += '/x'; probe(u);",
      "function f() { var u = 'https://a.example/x'; return function () { probe(u); }; }",
      "(function () { var e = 'b', t = 'https://a.example/x'; (function (e) { probe(t); })(1); "
      "})()",
      "var d = window; probe(d.atob('aHR0cHM6Ly9hLmV4YW1wbGUveA=='));",
      "var k = 'atob'; probe(window[k]('aHR0cHM6Ly9hLmV4YW1wbGUveA=='));",
  };
  for (const char* script : scripts) EXPECT_EQ(Probe(script).text, kAddress) << script;
}

TEST(ConstantEvaluator, SaysWhatDoesNotStandInTheText) {
  EXPECT_FALSE(Probe("probe('https://a.example/x')").value.decoded);
  EXPECT_FALSE(Probe("probe('https://' + 'a.example' + '/x')").value.decoded);
  EXPECT_TRUE(Probe("probe('htt' + 'ps:/' + '/a.example/x')").value.decoded);
  EXPECT_TRUE(Probe("probe(atob('aHR0cHM6Ly9hLmV4YW1wbGUveA=='))").value.decoded);
  EXPECT_TRUE(Probe("probe('x/elpmaxe.a//:sptth'.split('').reverse().join(''))").value.decoded);
  EXPECT_TRUE(
      Probe("var t = ['b', 'https://a.example/x']; function d(i) { return t[i]; } probe(d(1));")
          .value.decoded);
  // Text that stands in the function that is asked for it by a number.
  EXPECT_FALSE(
      Probe("function e(n) { return 'https://a.example/x?' + n + '&args[]'; } probe(e(7));")
          .value.decoded);
}

TEST(ConstantEvaluator, KeepsWhatIsKnownOfAPartlyKnownText) {
  const Probed probed = Probe("probe('https://a.example/x?' + document.cookie + '&y')");
  EXPECT_TRUE(probed.value.partial);
  EXPECT_EQ(probed.text, std::string("https://a.example/x?") + kUnknownPart + "&y");
}

TEST(ConstantEvaluator, RotatesAStringTableAsTheScriptDoes) {
  EXPECT_EQ(Probe("var t=['a.example','/x','https://'];"
                  "(function(a,n){var c=function(d){while(--d){a['push'](a['shift']());}};c(++n);}"
                  "(t,0x2));"
                  "var d=function(i,u){i=i-0x1f;var v=t[i];return v;};"
                  "probe(d(0x1f)+d(0x20)+d(0x21));")
                .text,
            kAddress);
}

// The output of the common obfuscator: a function that holds the table, one that replaces itself
// with the decoder, and a rotation until a checksum of numbers fits.
TEST(ConstantEvaluator, FollowsADecoderThatReplacesItself) {
  EXPECT_EQ(Probe("function t(){var s=['3three','a.example','4four','/x','https://','5five'];"
                  "t=function(){return s;};return t();}"
                  "function d(i,k){var a=t();return d=function(j,l){j=j-0x64;var v=a[j];return v;},"
                  "d(i,k);}"
                  "(function(f,n){var e=d,a=f();while(!![]){try{var s=parseInt(e(0x64))/0x1*"
                  "(parseInt(e(0x66))/0x2)+-parseInt(e(0x69))/0x5;if(s===n)break;else a['push']("
                  "a['shift']());}catch(x){a['push'](a['shift']());}}}(t,0x5));"
                  "var q=d;probe(q(0x68)+q(0x65)+q(0x67));")
                .text,
            kAddress);
}

TEST(ConstantEvaluator, IsBoundedByStepsDepthAndBytes) {
  for (const char* script : {
           "function f() { while (true) {} } probe(f());",
           "function f(n) { return f(n + 1); } probe(f(0));",
           "function f() { var s = 'ab'; for (;;) s += s; return s; } probe(f());",
           "function f() { var a = []; for (;;) a.push(a); } probe(f());",
           "var a = b, b = a; probe(a);",
           "probe('x'.repeat(1e9));",
           "probe(new Array(1e9).join('x'));",
       }) {
    EXPECT_FALSE(Probe(script).value.IsString() && Probe(script).text.size() > 2'000'000) << script;
  }
  EXPECT_TRUE(Probe("function f() { while (true) {} } probe(f());").exhausted);
}

TEST(ConstantEvaluator, DoesNotOverflowTheStackOnDeepExpressions) {
  std::string sum = "probe('a'";
  for (int i = 0; i < 20'000; ++i) sum += "+'b'";
  EXPECT_EQ(Probe(sum + ")").text.size(), 20'001U);
  std::string nested;
  for (int i = 0; i < 20'000; ++i) nested += "(";
  EXPECT_FALSE(Probe("probe(" + nested + "1").value.IsString());
}

}  // namespace
}  // namespace skimwatch::script
