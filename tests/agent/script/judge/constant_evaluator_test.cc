#include "agent/script/judge/constant_evaluator.h"

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/script/judge/cpu_time.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

constexpr char kAddress[] = "https://a.example/x";

// The value of what `probe(...)` is called with.
struct Probed {
  std::string text;
  Value value;
  bool exhausted = false;
  bool spent = false;
  bool is_late = false;
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
  probed.spent = constants.spent();
  probed.is_late = constants.is_late();
  return probed;
}

// The most memory that the process had.
uint64_t PeakMebibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stoull(line.substr(6)) / 1024;
  }
  return 0;
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
      "new Request('https://a.example/x', { method: 'POST' })",
      "new URL('https://a.example/x')",
      "new URL('/x', 'https://a.example')",
      "new URL('/x', 'https://a.example/y/z?/q')",
      "new URL('x', 'https://a.example/y?/q').href",
      "new URL('https://a.example/x', 'https://b.example').toString()",
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
  // In all of them an array grows, is copied or kept, or a call costs more than it looks.
  const std::string array = "function f(n) { var a = []; a[25000] = 1; ";
  const std::string text =
      "function f(n) { var a = 'a'.repeat(1e5), s = a+a+a+a+a+a+a+a+a+a, p = a+a+a+a+a+'b'; ";
  for (const std::string& script : {
           std::string("function f() { while (true) {} } probe(f());"),
           std::string("function f(n) { return f(n + 1); } probe(f(0));"),
           std::string("function f() { var s = 'ab'; for (;;) s += s; return s; } probe(f());"),
           std::string("function f() { var a = []; for (;;) a.push(a); } probe(f());"),
           std::string("var a = b, b = a; probe(a);"),
           std::string("probe('x'.repeat(1e9));"),
           std::string("probe(new Array(1e9).join('x'));"),
           std::string("probe(new Array(NaN)); probe(new Array(-1)); probe(new Array(1 / 0));"),
           std::string("probe((0 / 0).toString(16)); probe((1 / 0).toString(36));"),
           std::string(
               "probe('ab'.slice(NaN, 1 / 0) + 'ab'.repeat(NaN) + 'a'.padStart(NaN, 'b'));"),
           std::string("probe(parseInt('~~', 1e9));"),
           std::string("function f(n) { var a = []; a[0] = a; return a - 1; } probe(f(1));"),
           std::string("function f(n) { var a = [], b = [a]; a[0] = b; return +a; } probe(f(1));"),
           array + "for (;;) { var b = [...a]; } } probe(f(1));",
           array +
               "for (;;) { var b = g(...a); } } function g() { return arguments; } probe(f(1));",
           array + "for (;;) { var b = []; b[25000] = 1; } } probe(f(1));",
           array + "for (;;) { var b = a.slice(); } } probe(f(1));",
           array + "for (;;) { for (var x of a) { break; } } } probe(f(1));",
           array + "a = a.concat(a, a, a); for (;;) a.push(a.shift()); } probe(f(1));",
           array + "for (;;) a.reverse(); } probe(f(1));",
           text + "for (;;) s.indexOf(p); } probe(f(1));",
           text + "for (;;) s.lastIndexOf(p); } probe(f(1));",
           text + "for (;;) s.replace(p, ''); } probe(f(1));",
           text + "for (;;) s.split(p); } probe(f(1));",
           text + "for (;;) s.toLowerCase(); } probe(f(1));",
           text + "for (;;) s + s + s; } probe(f(1));",
           text + "for (;;) s == a; } probe(f(1));",
           text + "for (;;) { var o = {}; o[s] = 1; } } probe(f(1));",
           text + "for (;;) document[s]; } probe(f(1));",
           std::string("function f(n) { for (var i = 0;; i++) [document['a'.repeat(390) + i]]; } "
                       "probe(f(1));"),
       }) {
    const absl::Time start = ThreadCpuTime();
    const uint64_t peak = PeakMebibytes();
    const Probed probed = Probe(script);
    EXPECT_FALSE(probed.value.IsString() && probed.text.size() > 2'000'000) << script;
    // Seconds on the slowest of machines and under sanitizers; without a bound it is hours.
    EXPECT_LT(ThreadCpuTime() - start, absl::Seconds(20)) << script;
    EXPECT_LT(PeakMebibytes() - peak, 900U) << script;
  }
  EXPECT_TRUE(Probe("function f() { while (true) {} } probe(f());").exhausted);
}

TEST(ConstantEvaluator, TellsASpentWholeFromASpentQuestion) {
  const std::string burns = "function f(n) { while (true) {} } probe(f(1)); ";
  const Probed one = Probe(burns + "probe('a' + 'b');");
  EXPECT_TRUE(one.exhausted);
  EXPECT_FALSE(one.spent);
  EXPECT_EQ(one.text, "ab");
  const Probed all = Probe(burns + "probe('a' + 'b');", {.steps_total = 100'000});
  EXPECT_TRUE(all.spent);
  EXPECT_FALSE(all.value.IsKnown());
  // Of each bound of the whole.
  EXPECT_TRUE(Probe("probe([1, 2, 3]);", {.items_max = 2}).spent);
  EXPECT_TRUE(Probe("probe('abcd');", {.string_bytes_total = 2}).spent);
  EXPECT_TRUE(Probe("probe([[1], [2]]);", {.objects_max = 1}).spent);
  EXPECT_FALSE(Probe("probe([[1], 'abcd']);").spent);
}

TEST(ConstantEvaluator, EndsAtTheDeadline) {
  absl::Time now = absl::UnixEpoch();
  const ConstantEvaluator::Limits limits{.deadline = now + absl::Seconds(5), .now = [&now] {
                                           now += absl::Seconds(1);
                                           return now;
                                         }};
  const Probed probed =
      Probe("function f(n) { while (true) {} } probe(f(1)); probe('a' + 'b');", limits);
  EXPECT_TRUE(probed.is_late);
  EXPECT_TRUE(probed.spent);
  EXPECT_FALSE(probed.value.IsKnown());
  // Not asked much more often than it takes to see it.
  EXPECT_LE(now, absl::UnixEpoch() + absl::Seconds(6));
}

TEST(ConstantEvaluator, CountsOnlyRotationsOfTheTableThatIsHandedOver) {
  const auto rotations = [](const std::string& script) {
    const absl::StatusOr<SyntaxTree> tree = SyntaxTree::Parse(script, {});
    return ConstantEvaluator(*tree, {}).rotations();
  };
  EXPECT_EQ(rotations("var t = ['b', 'a']; (function (x, n) { while (n--) x.push(x.shift()); })"
                      "(t, 1);"),
            1);
  EXPECT_EQ(
      rotations("function t() { var a = ['b', 'a']; t = function () { return a; }; return t(); }"
                "(function (g, n) { var x = g(); while (n--) x['push'](x['shift']()); })"
                "(t, 1);"),
      1);
  EXPECT_EQ(rotations("(function (w, d) { w.q = w.q || []; w.track = function () {"
                      " var a = [].slice.call(arguments); a.unshift('t'); w.q.push(a); }; })"
                      "(window, document);"),
            0);
  EXPECT_EQ(rotations("var t = ['b', 'a']; (function (x, n) { var y = [1]; y.push(y.shift());"
                      " return x; })(t, 1);"),
            0);
}

TEST(ConstantEvaluator, ReadsEscapesInLinearTime) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += "\\u{";
  const absl::Time start = ThreadCpuTime();
  EXPECT_EQ(Unescaped(text).size(), 600'000U);
  EXPECT_LT(ThreadCpuTime() - start, absl::Seconds(3));
  EXPECT_EQ(Unescaped("\\u{2f}\\u{0000002f}\\u{}"), "/u{0000002f}u{}");
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
