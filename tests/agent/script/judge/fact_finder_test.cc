#include "agent/script/judge/fact_finder.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/script/judge/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string DataFile(const std::string& name) {
  std::ifstream file(absl::StrCat(SKIMWATCH_SOURCE_DIR, "/tests/data/", name));
  EXPECT_TRUE(file.good()) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::set<std::string> Names(std::string_view text) {
  static const FactFinder& finder = *new FactFinder;
  std::set<std::string> names;
  for (const v1::ScriptFact& fact : finder.Find(text)) names.insert(fact.name());
  return names;
}

std::vector<std::string> Excerpts(std::string_view text, const std::string& name) {
  std::vector<std::string> excerpts;
  for (const v1::ScriptFact& fact : FactFinder().Find(text)) {
    if (fact.name() == name) excerpts.push_back(fact.excerpt());
  }
  return excerpts;
}

struct Case {
  const char* text;
  const char* fact;
};

constexpr Case kHolds[] = {
    {R"(/^[0-9]{13,16}$/)", "card_number_pattern"},
    {R"(/\d{16}/)", "card_number_pattern"},
    {R"(new RegExp("\\d{13,19}"))", "card_number_pattern"},
    {R"(/4[0-9]{12}(?:[0-9]{3})?/)", "card_number_pattern"},
    {R"(/5[1-5][0-9]{14}/)", "card_number_pattern"},
    {R"(/3[47]\d{13}/)", "card_number_pattern"},
    {R"(/\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}/)", "card_number_pattern"},
    {R"(/[0-9]{4}\s?[0-9]{4}\s?[0-9]{4}\s?[0-9]{1,4}/)", "card_number_pattern"},
    {R"(/\d{4}[ -]?\d{6}[ -]?\d{5}/)", "card_number_pattern"},
    {R"(/(\d{4})(\d{4})(\d{4})(\d{4})/)", "card_number_pattern"},
    {R"(/(?:\d[ -]*?){13,16}/)", "card_number_pattern"},
    {R"(n.length>=13&&n.length<=19)", "card_number_pattern"},
    {R"(if(c.length==16)x())", "card_number_pattern"},
    {"s%10==0;d*=2;d>9&&(d-=9)", "luhn_routine"},
    {"(n=2*n)>9&&(n-=9),t+=n;return!(t%10)", "luhn_routine"},
    {"t += d << 1 > 9 ? (d << 1) - 9 : d << 1; return 0 == t % 10", "luhn_routine"},
    {"a[i]*0x2;a>0x9&&(a-=0x9);b%0xa", "luhn_routine"},
    {"[0,2,4,6,8,1,3,5,7,9]", "luhn_routine"},
    {"[0, 2, 4, 6, 8, 1, 3, 5, 7, 9]", "luhn_routine"},
    {"'0246813579'.charAt(d)", "luhn_routine"},
    {"function isLuhnValid(n){}", "luhn_routine"},
    {"autocomplete='cc-number'", "card_field_name"},
    {"payment[cc_number]", "card_field_name"},
    {"f.cardNumber.value", "card_field_name"},
    {"name=\"card[number]\"", "card_field_name"},
    {"#cvv", "card_field_name"},
    {"cc_cvv2", "card_field_name"},
    {"cardCvc", "card_field_name"},
    {"input[name=securityCode]", "card_field_name"},
    {"ccnum=1", "card_field_name"},
    {"cardnumber='4111111111111111'", "card_number"},
    {"var c = {\"cardNumber\":\"5555 5555 5555 4444\"}", "card_number"},
    {"fetch(u)", "network_sink"},
    {"window.fetch (u)", "network_sink"},
    {"new XMLHttpRequest", "network_sink"},
    {"navigator.sendBeacon(u,d)", "network_sink"},
    {"navigator['sendBeacon'](u,d)", "network_sink"},
    {"new WebSocket('wss://a.example')", "network_sink"},
    {"new Image().src=a", "network_sink"},
    {"new window.Image", "network_sink"},
    {"i.src='//a.example/?'+d", "network_sink"},
    {"i['src']=`//a.example/?${d}`", "network_sink"},
    {"form.submit()", "network_sink"},
    {"document.createElement('script')", "network_sink"},
    {"document['createElement'](\"img\")", "network_sink"},
    {"new RTCPeerConnection(c)", "network_sink"},
    {"p.createDataChannel('d')", "network_sink"},
    {"$.ajax({})", "network_sink"},
    {"location.href='//a.example/'+d", "network_sink"},
    {"btoa(d)", "exfil_encoding"},
    {"window['btoa'](d)", "exfil_encoding"},
    {"encodeURIComponent(form.value)", "exfil_encoding"},
    {"String.fromCharCode(102,101,116,99,104)", "exfil_encoding"},
    {"s.charCodeAt(i)^k", "exfil_encoding"},
    {"JSON.stringify(formData)", "exfil_encoding"},
    {"$('form').serialize()", "exfil_encoding"},
    {"new FormData(f)", "exfil_encoding"},
    {"e.addEventListener('keydown',f)", "listener_on_input"},
    {"e['addEventListener'](\"change\",f)", "listener_on_input"},
    {"$(d).on('blur change',s,f)", "listener_on_input"},
    {"i.onkeyup=f", "listener_on_input"},
    {"f.onsubmit = g", "listener_on_input"},
    {"$('#c').keyup(function(){})", "listener_on_input"},
    {"$('#c').change(e=>f(e))", "listener_on_input"},
    {"eval(c)", "obfuscation"},
    {"new Function('return 1')", "obfuscation"},
    {"a.constructor('x')()", "obfuscation"},
    {"var _0x4f2a=1", "obfuscation"},
    {"setInterval(function(){debugger},9)", "obfuscation"},
    {"a['push'](a['shift']())", "obfuscation"},
    {R"('\x63\x68\x61\x6e\x67\x65')", "obfuscation"},
    {"eval(atob(x))", "obfuscation"},
    {"s.split('').reverse().join('')", "obfuscation"},
    {"'/checkout/onepage'", "checkout_path"},
    {"/onepage|firecheckout/.test(p)", "checkout_path"},
    {"'https://a.example/x'", "external_host"},
    {"'//cdn.a.example/x.js'", "external_host"},
    {"\"wss://10.0.0.1:8443/\"", "external_host"},
};

TEST(FactFinder, SeesEachTechnique) {
  for (const Case& c : kHolds) {
    EXPECT_THAT(Names(c.text), Contains(c.fact)) << c.text;
    // Wherever it stands, and whatever stands around it.
    EXPECT_THAT(Names(absl::StrCat("var a=1;\n", c.text, ";\nvar b=2;")), Contains(c.fact))
        << c.text;
  }
}

constexpr Case kDoesNotHold[] = {
    {R"(/[0-9]{3}/)", "card_number_pattern"},
    {R"(/\d{4}-\d{2}-\d{2}/)", "card_number_pattern"},
    {R"(/\d{10}/)", "card_number_pattern"},
    {"a.length>=13", "card_number_pattern"},
    {"i%10==0", "luhn_routine"},
    {"x%100*2-9", "luhn_routine"},
    {"discard(no)", "card_field_name"},
    {"AcvvX", "card_field_name"},
    {"'iVBORw0KGgoCVVAAACVCx'", "card_field_name"},
    {"prefetch(u)", "network_sink"},
    {"i.src='/logo.png'", "network_sink"},
    {"if(location==a+b)x()", "network_sink"},
    {"createElement('div')", "network_sink"},
    {"new ImageData(w,h)", "network_sink"},
    {"encodeURIComponent(path)", "exfil_encoding"},
    {"e.addEventListener('scroll',f)", "listener_on_input"},
    {"medieval(c)", "obfuscation"},
    {"function (a){}", "obfuscation"},
    {"a.push(b.shift)", "obfuscation"},
    {"checkouts", "checkout_path"},
    {"xmlns='http://www.w3.org/2000/svg'", "external_host"},
    {"// a comment", "external_host"},
};

TEST(FactFinder, LeavesTheHarmlessAlone) {
  for (const Case& c : kDoesNotHold) EXPECT_THAT(Names(c.text), Not(Contains(c.fact))) << c.text;
}

struct Sample {
  const char* file;
  std::vector<std::string> facts;
};

TEST(FactFinder, SeesWhatEachSkimmerDoes) {
  const Sample samples[] = {
      {"form_grabber.js",
       {"card_number_pattern", "card_field_name", "network_sink", "exfil_encoding",
        "listener_on_input", "checkout_path", "external_host"}},
      {"websocket.js",
       {"card_field_name", "network_sink", "exfil_encoding", "listener_on_input", "external_host"}},
      {"luhn_filter.js", {"card_number_pattern", "luhn_routine", "network_sink", "external_host"}},
      {"luhn_table.js", {"luhn_routine", "card_field_name", "network_sink", "external_host"}},
      {"xor_key.js",
       {"card_field_name", "network_sink", "exfil_encoding", "listener_on_input", "external_host"}},
      {"obfuscated.js", {"obfuscation", "network_sink", "external_host"}},
      {"overlay_form.js", {"card_field_name", "network_sink", "exfil_encoding", "external_host"}},
      {"loader.js", {"network_sink", "obfuscation", "checkout_path"}},
      {"webrtc.js", {"card_field_name", "network_sink", "listener_on_input"}},
      {"char_codes.js", {"card_field_name", "network_sink", "exfil_encoding", "obfuscation"}},
      {"brand_patterns.js", {"card_number_pattern", "network_sink", "external_host"}},
  };
  for (const Sample& sample : samples) {
    const std::set<std::string> names = Names(DataFile(absl::StrCat("skimmers/", sample.file)));
    for (const std::string& fact : sample.facts) {
      EXPECT_THAT(names, Contains(fact)) << sample.file;
    }
  }
}

v1::Severity VerdictOfAdded(const std::string& text) {
  v1::ScriptChange change;
  change.set_change(v1::ScriptChange::CHANGE_ADDED);
  for (const v1::ScriptFact& fact : FactFinder().Find(text)) *change.add_facts() = fact;
  return Verdict(change);
}

TEST(FactFinder, SkimmersThatAppearAreGraveAndHonestCodeIsLess) {
  for (const char* file :
       {"form_grabber.js", "websocket.js", "luhn_filter.js", "luhn_table.js", "xor_key.js",
        "overlay_form.js", "webrtc.js", "char_codes.js", "brand_patterns.js"}) {
    EXPECT_EQ(VerdictOfAdded(DataFile(absl::StrCat("skimmers/", file))), v1::SEVERITY_CRITICAL)
        << file;
  }
  // These hide what they are after, and say no more than that.
  for (const char* file : {"obfuscated.js", "loader.js"}) {
    EXPECT_EQ(VerdictOfAdded(DataFile(absl::StrCat("skimmers/", file))), v1::SEVERITY_HIGH) << file;
  }
  EXPECT_EQ(VerdictOfAdded(DataFile("benign_scripts/carousel.js")), v1::SEVERITY_MEDIUM);
  EXPECT_EQ(VerdictOfAdded(DataFile("benign_scripts/analytics.js")), v1::SEVERITY_MEDIUM);
  // It recognises cards, which a person should look at once; it can't send them.
  EXPECT_EQ(VerdictOfAdded(DataFile("benign_scripts/checkout_validation.js")), v1::SEVERITY_HIGH);
}

TEST(FactFinder, AppendedSkimmerIsCriticalInEveryHonestScript) {
  const FactFinder finder;
  for (const char* honest : {"carousel.js", "analytics.js", "checkout_validation.js"}) {
    for (const char* evil : {"form_grabber.js", "websocket.js", "luhn_filter.js", "luhn_table.js",
                             "xor_key.js", "overlay_form.js", "brand_patterns.js"}) {
      const std::string before = DataFile(absl::StrCat("benign_scripts/", honest));
      const std::string after = absl::StrCat(before, DataFile(absl::StrCat("skimmers/", evil)));
      v1::ScriptChange change;
      change.set_change(v1::ScriptChange::CHANGE_CHANGED);
      const std::vector<v1::ScriptFact> facts = finder.Find(after);
      for (const v1::ScriptFact& fact : facts) *change.add_facts() = fact;
      for (const v1::ScriptFact& fact : GainedFacts(finder.Find(before), facts)) {
        *change.add_gained_facts() = fact;
      }
      EXPECT_EQ(Verdict(change), v1::SEVERITY_CRITICAL) << honest << " + " << evil;
    }
  }
}

TEST(FactFinder, ExcerptsSayWhatIsSentAndWhere) {
  EXPECT_THAT(Excerpts("a();fetch('https://a.example/x',{body:d});b()", "network_sink"),
              ElementsAre("fetch('https://a.example/x',{body:d})"));
  EXPECT_THAT(Excerpts("q('input[name=\"payment[cc_number]\"]')", "card_field_name"),
              ElementsAre("payment[cc_number]"));
  EXPECT_THAT(Excerpts("x='https://User@a.Example:8443/p?q=1'", "external_host"), IsEmpty());
  EXPECT_THAT(Excerpts("x='https://a.Example:8443/p?q=1'", "external_host"),
              ElementsAre("https://a.Example:8443"));
}

TEST(FactFinder, ExcerptsHoldNoCardNumberNotEvenAPart) {
  // Cut where the number would be split.
  for (int pad = 0; pad < 140; ++pad) {
    const std::string text =
        absl::StrCat("fetch('/x?", std::string(pad, 'p'), "4111111111111111", "')");
    for (const v1::ScriptFact& fact : FactFinder().Find(text)) {
      EXPECT_LE(fact.excerpt().size(), static_cast<size_t>(FactFinder::kExcerptBytesMax));
      EXPECT_THAT(fact.excerpt(), Not(HasSubstr("4111"))) << pad;
    }
  }
}

TEST(FactFinder, ExcerptsHoldNoCardNumberInAnotherForm) {
  // In base64, and percent-encoded.
  const std::string text =
      "fetch('/x?d=Y2FyZD00MTExMTExMTExMTExMTEx&c=card%3D%34%31%31%31%31%31%31%31%31%31%31%31%31%31"
      "%31%31')";
  for (const v1::ScriptFact& fact : FactFinder().Find(text)) {
    EXPECT_THAT(fact.excerpt(), Not(HasSubstr("MTExMTEx")));
    EXPECT_THAT(fact.excerpt(), Not(HasSubstr("%31%31%31")));
  }
}

TEST(FactFinder, ExcerptThatCutsALongRunOfDigitsLooksLikeNoNumber) {
  for (int pad = 60; pad < 120; ++pad) {
    const std::string text = absl::StrCat("fetch('/", std::string(pad, 'p'), std::string(60, '2'));
    for (const v1::ScriptFact& fact : FactFinder().Find(text)) {
      EXPECT_TRUE(validation::FindCardNumber(fact.excerpt()).empty()) << pad;
    }
  }
}

TEST(FactFinder, ExcerptsArePrintable) {
  const std::string text = "fetch('\x1b[2J\xff\xc3\xa9\xe2\x82";
  for (const v1::ScriptFact& fact : FactFinder().Find(text)) {
    EXPECT_TRUE(validation::IsUtf8(fact.excerpt()));
    EXPECT_FALSE(validation::HasControlCharacter(fact.excerpt(), true));
  }
  EXPECT_THAT(Names(text), Contains("network_sink"));
}

TEST(FactFinder, FactsComeInOrderOnceEachAndCapped) {
  std::string text;
  for (int i = 0; i < 500; ++i) absl::StrAppend(&text, "fetch('/", i, "');fetch('/same');");
  const std::vector<v1::ScriptFact> facts = FactFinder().Find(text);
  EXPECT_EQ(facts.size(), static_cast<size_t>(FactFinder::kFactsPerNameMax));
  EXPECT_TRUE(std::is_sorted(facts.begin(), facts.end(),
                             [](const auto& a, const auto& b) { return a.offset() < b.offset(); }));
  EXPECT_EQ(FactFinder().Find(text, 1000).size(), 501u);
  EXPECT_EQ(FirstFacts(FactFinder().Find(text, 1000), 3).size(), 3u);
}

TEST(FactFinder, MovedFactIsNotGained) {
  const FactFinder finder;
  const auto before = finder.Find("fetch('/a');");
  EXPECT_TRUE(GainedFacts(before, finder.Find("\n\n\nvar x;fetch('/a');")).empty());
  EXPECT_EQ(GainedFacts(before, finder.Find("fetch('/b');fetch('/a');")).size(), 1u);
  EXPECT_EQ(GainedFacts({}, before).size(), 1u);
}

class HostileScripts : public ::testing::TestWithParam<const char*> {};

TEST_P(HostileScripts, TakeTimeLinearInTheirSize) {
  std::string text;
  while (text.size() < 2'000'000) text += GetParam();
  const auto begin = std::chrono::steady_clock::now();
  FactFinder().Find(text);
  // A fraction of a second unless instrumented.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30)) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(FactFinder, HostileScripts,
                         ::testing::Values("%10", "fetch", "=['", "='a',", "\\d{4}", "[0-9]",
                                           ".src=", "://", "_0x", "shift", "cvv", "4111 ", "1",
                                           "\\x41", "stringify(", "(\\d", "function"));

}  // namespace
}  // namespace skimwatch::script
