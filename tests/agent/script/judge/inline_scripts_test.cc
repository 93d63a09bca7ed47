#include "agent/script/judge/inline_scripts.h"

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Texts(std::string_view html) {
  std::vector<std::string> texts;
  for (const InlineScript& script : ExtractInlineScripts(html)) texts.push_back(script.text);
  return texts;
}

TEST(InlineScripts, NumbersElementsHandlersAndAddressesInDocumentOrder) {
  const std::string_view html =
      "<html><body onload='a()'><script>b()</script><a href=\"javascript:c()\">x</a>"
      "<script>d()</script></body></html>";
  const std::vector<InlineScript> scripts = ExtractInlineScripts(html);
  EXPECT_THAT(Texts(html), ElementsAre("a()", "b()", "javascript:c()", "d()"));
  for (size_t i = 0; i < scripts.size(); ++i) {
    EXPECT_EQ(scripts[i].number, static_cast<int>(i + 1));
    EXPECT_EQ(html.substr(scripts[i].offset, scripts[i].text.size()), scripts[i].text);
  }
}

struct TypeCase {
  const char* tag;
  bool runs;
};

TEST(InlineScripts, TakesWhatABrowserRunsByItsType) {
  const TypeCase cases[] = {
      {"<script>", true},
      {"<script type>", true},
      {"<script type=''>", true},
      {"<script type='text/javascript'>", true},
      {"<script type=' Text/JavaScript '>", true},
      {"<script type=module>", true},
      {"<script type=importmap>", true},
      {"<script type=speculationrules>", true},
      {"<script type=application/x-javascript>", true},
      {"<SCRIPT LANGUAGE=JavaScript>", true},
      {"<script nomodule>", true},
      {"<script type='text/javascript; charset=utf-8'>", false},
      {"<script type=application/json>", false},
      {"<script type=application/ld+json>", false},
      {"<script type=text/x-template>", false},
      {"<script language=vbscript>", false},
      {"<script src=a.js>", false},
      {"<script src>", false},
  };
  for (const TypeCase& c : cases) {
    EXPECT_EQ(Texts(absl::StrCat(c.tag, "x=1</script>")).size(), c.runs ? 1u : 0u) << c.tag;
  }
}

TEST(InlineScripts, TextIsTheBytesAsTheyStand) {
  EXPECT_THAT(Texts("<script>a &amp;&amp; b\r\n'</div>'</script>"),
              ElementsAre("a &amp;&amp; b\r\n'</div>'"));
}

TEST(InlineScripts, AttributesAreUnescaped) {
  EXPECT_THAT(Texts("<img onerror=\"a(&quot;x&quot;)&amp;&amp;b()\">"),
              ElementsAre("a(\"x\")&&b()"));
}

TEST(InlineScripts, SeesJavaScriptAddressesAsAUrlParserDoes) {
  EXPECT_THAT(Texts("<a href=' &#1;JaVa&#10;script:x()'>"), ElementsAre(" \x01JaVa\nscript:x()"));
  EXPECT_THAT(Texts("<form action='javascript:y()'><iframe src='javascript:z()'></iframe></form>"),
              ElementsAre("javascript:y()", "javascript:z()"));
  EXPECT_THAT(Texts("<a href='/javascript:x()'><p title='javascript:x()'>"), IsEmpty());
}

TEST(InlineScripts, LeavesOutWhatNeverRuns) {
  EXPECT_THAT(Texts("<!-- <script>a()</script> -->"), IsEmpty());
  EXPECT_THAT(Texts("<textarea><script>a()</script></textarea>"), IsEmpty());
  EXPECT_THAT(Texts("<style><script>a()</script></style>"), IsEmpty());
  EXPECT_THAT(Texts("<body><noscript><img onload='a()'></noscript>"), IsEmpty());
  EXPECT_THAT(Texts("<script> \n </script>"), IsEmpty());
  EXPECT_THAT(Texts("<p onclick=''>"), IsEmpty());
}

TEST(InlineScripts, NoscriptCannotHideAScriptInAnAttribute) {
  // To a browser that runs scripts, `noscript` holds text and ends at the first end tag.
  EXPECT_THAT(Texts("<body><noscript><p title=\"</noscript><script>evil()</script>\">x"),
              ElementsAre("evil()"));
}

TEST(InlineScripts, LooksIntoTemplatesAndSrcdoc) {
  EXPECT_THAT(Texts("<template><script>a()</script></template>"), ElementsAre("a()"));
  EXPECT_THAT(Texts("<iframe srcdoc='&lt;script>a()&lt;/script>'></iframe>"), ElementsAre("a()"));
  EXPECT_THAT(Texts("<svg><script>a()</script></svg>"), ElementsAre("a()"));
}

TEST(InlineScripts, DoesNotEndAScriptInsideAnHtmlComment) {
  EXPECT_THAT(Texts("<script><!--\n<script>a</script>\n--></script>"),
              ElementsAre("<!--\n<script>a</script>\n-->"));
}

TEST(InlineScripts, CrossedElementsGiveEachHandlerOnce) {
  EXPECT_THAT(Texts("<p><b onclick='a()'>1<p>2</b>3</p>"), ElementsAre("a()"));
}

TEST(InlineScripts, OpenScriptAtTheEndCounts) {
  EXPECT_THAT(Texts("<p>x</p><script>a();"), ElementsAre("a();"));
}

TEST(InlineScripts, ServerCodeIsNoHtml) {
  EXPECT_THAT(Texts("<?php if ($a > 1 && $b['x']->y) { ?>\n<script>a()</script>\n<?php } ?>"),
              ElementsAre("a()"));
  EXPECT_THAT(Texts("<a href=\"<?= $this->url(\"x\") ?>\" onclick=\"b()\">"), ElementsAre("b()"));
  EXPECT_THAT(Texts("<%@ page import=\"a.b\" %><script>c(<%= d > e %>)</script>"),
              ElementsAre("c(<%= d > e %>)"));
  EXPECT_THAT(Texts("<?xml version=\"1.0\"?><html><script>d()</script></html>"),
              ElementsAre("d()"));
}

TEST(InlineScripts, ServerCodeInsideAScriptIsPartOfItsText) {
  EXPECT_THAT(Texts("<script>var t = '<?php echo $t; ?>';</script>"),
              ElementsAre("var t = '<?php echo $t; ?>';"));
  EXPECT_THAT(Texts("<p onclick=\"go('<?= $x ?>')\">"), ElementsAre("go('<?= $x ?>')"));
}

TEST(InlineScripts, ScriptsThatServerCodePrintsAreSeen) {
  EXPECT_THAT(Texts("<?php echo '<script>evil()</script>'; "), ElementsAre("evil()"));
  EXPECT_THAT(Texts("<?php echo \"<img src=x onerror=evil()>\" ?>"), ElementsAre("evil()"));
}

TEST(InlineScripts, StaticPageCannotHideAScriptBehindAQuestionMark) {
  // A browser ends the bogus comment at the first `>`.
  EXPECT_THAT(Texts("<? > <script>evil()</script> <img onerror=worse()> ?>"),
              ElementsAre("evil()", "worse()"));
}

TEST(InlineScripts, SmartyAndMustacheNeedNothingSpecial) {
  EXPECT_THAT(Texts("{if $a > 1}<script>x({$y|escape});</script>{/if}{{#b}}<p onclick=z()>{{/b}}"),
              ElementsAre("x({$y|escape});", "z()"));
}

class HostilePages : public ::testing::TestWithParam<const char*> {};

// Each is a megabyte of one thing; the parser would take minutes or the stack.
TEST_P(HostilePages, TakeTimeLinearInTheirSize) {
  std::string page;
  int i = 0;
  while (page.size() < 1'000'000) {
    std::string piece = GetParam();
    for (size_t at; (at = piece.find('#')) != std::string::npos;) {
      piece.replace(at, 1, std::to_string(i));
    }
    ++i;
    page += piece;
  }
  page += "<script>found()</script>";
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<std::string> texts = Texts(page);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_THAT(texts, Contains("found()"));
  // Milliseconds unless instrumented.
  EXPECT_LT(took, std::chrono::seconds(20));
}

INSTANTIATE_TEST_SUITE_P(InlineScripts, HostilePages,
                         ::testing::Values("<div>", "<b a=#>", "<p><b a=#></p>", "<div></p>",
                                           "<table><tr><td>", "<a href=#>", "<svg><g>", "<x#>",
                                           "<li><ul>", "<select><option>", "</div>",
                                           "<div a#='' b'>", "<?", "<p onclick=x#()>"));

TEST(InlineScripts, DeepPageKeepsItsScripts) {
  std::string page;
  for (int i = 0; i < 300'000; ++i) page += "<div>";
  absl::StrAppend(&page, "<script>deep()</script><p onclick='low()'>");
  EXPECT_THAT(Texts(page), ElementsAre("deep()", "low()"));
}

TEST(InlineScripts, EmptyAndCutOffPages) {
  EXPECT_THAT(Texts(""), IsEmpty());
  const std::string_view html = "<p onclick='a()'><script type='module'>b()</script>";
  for (size_t size = 0; size < html.size(); ++size) Texts(html.substr(0, size));
  EXPECT_THAT(Texts(std::string_view("\0<script>a()</script>\0", 23)), ElementsAre("a()"));
}

}  // namespace
}  // namespace skimwatch::script
