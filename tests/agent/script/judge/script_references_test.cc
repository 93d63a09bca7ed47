#include "agent/script/judge/script_references.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/script/judge/inline_scripts.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<ScriptReference> References(std::string_view html) {
  return ExtractPageScripts(html).references;
}

std::vector<std::string> Addresses(std::string_view html) {
  std::vector<std::string> addresses;
  for (const ScriptReference& reference : References(html)) {
    const std::string_view kind = reference.kind == ScriptReference::Kind::kFrame  ? "frame "
                                  : reference.kind == ScriptReference::Kind::kBase ? "base "
                                                                                   : "";
    addresses.push_back(absl::StrCat(std::string(kind), reference.address));
  }
  return addresses;
}

std::vector<std::string> FactNames(const ScriptReference& reference) {
  std::vector<std::string> names;
  for (const v1::ScriptFact& fact : FactsOf(reference, FactFinder(), 20)) {
    names.push_back(fact.name());
  }
  return names;
}

struct Case {
  const char* html;
  // Empty: nothing is referred to.
  const char* address;
};

TEST(ScriptReferences, TakesWhatABrowserFetchesAndRuns) {
  const Case cases[] = {
      {"<script src='https://a.example/x.js'></script>", "https://a.example/x.js"},
      {"<SCRIPT SRC=//a.example/x.js></SCRIPT>", "//a.example/x.js"},
      {"<script src='https&#58;//a.example/x.js'></script>", "https://a.example/x.js"},
      {"<script src='https://a.example/x.js' src='/y.js'></script>", "https://a.example/x.js"},
      {"<script type=module src='https://a.example/x.js'></script>", "https://a.example/x.js"},
      {"<script type=text/plain src='https://a.example/x.js'></script>", ""},
      {"<svg><script href='https://a.example/x.js'/></svg>", "https://a.example/x.js"},
      {"<svg><script xlink:href='https://a.example/x.js'/></svg>", "https://a.example/x.js"},
      {"<link rel=modulepreload href='https://a.example/x.js'>", "https://a.example/x.js"},
      {"<link rel='dns PRELOAD' as=Script href='https://a.example/x.js'>",
       "https://a.example/x.js"},
      {"<link rel=preload as=style href='https://a.example/x.css'>", ""},
      {"<link rel=stylesheet href='https://a.example/x.css'>", ""},
      {"<iframe src='https://a.example/pay'></iframe>", "frame https://a.example/pay"},
      {"<embed src='https://a.example/pay'>", "frame https://a.example/pay"},
      {"<object data='//a.example/pay'></object>", "frame //a.example/pay"},
      {"<iframe src='/pay.html'></iframe>", ""},
      {"<iframe src='about:blank'></iframe>", ""},
      {"<iframe src='javascript:x()'></iframe>", ""},
      {"<base href='https://a.example/'>", "base https://a.example/"},
      {"<base href='/shop/'>", ""},
      {"<template><script src='https://a.example/x.js'></script></template>",
       "https://a.example/x.js"},
      {"<iframe srcdoc='<script src=https://a.example/x.js></script>'></iframe>",
       "https://a.example/x.js"},
      {"<!-- <script src='https://a.example/x.js'></script> -->", ""},
      {"<body><noscript><iframe src='https://a.example/ns'></iframe></noscript>", ""},
      {"<textarea><script src='https://a.example/x.js'></script></textarea>", ""},
      {"<script src=''></script>", ""},
      {"<script src='https://'></script>", ""},
      {"<a href='https://a.example/'><img src='https://a.example/x.png'>", ""},
  };
  for (const Case& c : cases) {
    const std::vector<std::string> addresses = Addresses(c.html);
    ASSERT_EQ(addresses.size(), *c.address == '\0' ? 0u : 1u) << c.html;
    if (*c.address != '\0') {
      EXPECT_EQ(addresses[0], c.address) << c.html;
    }
  }
}

TEST(ScriptReferences, VersionIsWhatDecidesWhatRuns) {
  const std::vector<ScriptReference> references = References(
      "<script async src='https://A.example/x.js?v=1#top' crossorigin=anonymous type=module "
      "integrity='sha384-abc' data-key=1></script>");
  ASSERT_EQ(references.size(), 1u);
  EXPECT_EQ(references[0].address, "https://a.example/x.js");
  EXPECT_EQ(references[0].host, "a.example");
  EXPECT_TRUE(references[0].has_integrity);
  EXPECT_EQ(references[0].text,
            "<script\n  src=\"https://a.example/x.js?v=1\"\n  integrity=\"sha384-abc\"\n"
            "  crossorigin=\"anonymous\"\n  type=\"module\"\n>\n");
}

TEST(ScriptReferences, ElementsOfOneAddressAreOneInWhateverOrder) {
  const std::string one = "<script src='https://a.example/x.js?id=1' integrity=sha256-a></script>";
  const std::string two = "<script src='https://a.example/x.js?id=2'></script>";
  const std::vector<ScriptReference> references = References(one + two + one);
  ASSERT_EQ(references.size(), 1u);
  EXPECT_EQ(references[0].text, References(two + one)[0].text);
  EXPECT_THAT(references[0].text, HasSubstr("?id=1"));
  EXPECT_THAT(references[0].text, HasSubstr("?id=2"));
  EXPECT_FALSE(references[0].has_integrity) << "one of them has none";
}

TEST(ScriptReferences, TellsWhereIntegrityIsMissingOrNone) {
  const auto names = [](std::string_view attributes) {
    return FactNames(References(absl::StrCat("<script src='https://a.example/x' ",
                                             std::string(attributes), "></script>"))[0]);
  };
  EXPECT_THAT(names("integrity='sha384-abc'"), ElementsAre("external_host"));
  EXPECT_THAT(names("integrity=' \n SHA512-abc sha256-d'"), ElementsAre("external_host"));
  EXPECT_THAT(names(""), ElementsAre("external_host", "no_integrity"));
  EXPECT_THAT(names("integrity=''"), ElementsAre("external_host", "no_integrity"));
  // A browser passes over what it does not know.
  EXPECT_THAT(names("integrity='md5-abc'"), ElementsAre("external_host", "no_integrity"));
  EXPECT_THAT(FactNames(References("<iframe src='https://a.example/'></iframe>")[0]),
              ElementsAre("external_host"));
}

TEST(ScriptReferences, AddressThatIsTheCodeItselfIsReadAsCode) {
  const std::vector<ScriptReference> references =
      References("<script src=\"data:text/javascript,fetch('https://evil.example/')\"></script>");
  ASSERT_EQ(references.size(), 1u);
  EXPECT_TRUE(references[0].is_opaque);
  EXPECT_THAT(FactNames(references[0]), ::testing::IsSupersetOf({"obfuscation", "network_sink"}));
}

TEST(ScriptReferences, AddressThatServerCodeMakesHasTheHostThatStandsThere) {
  struct Made {
    const char* html;
    const char* address;
    const char* host;
    bool is_same_origin;
  };
  const Made cases[] = {
      {"<script src=\"<?= $url ?>\"></script>", "<?= $url ?>", "", false},
      {"<script src=\"https://<?= $cdn ?>/x.js\"></script>", "https://<?= $cdn ?>/x.js", "", false},
      {"<script src=\"https://a.example<?= $port ?>/x.js\"></script>",
       "https://a.example<?= $port ?>/x.js", "", false},
      {"<script src=\"https://a.example/<?= $v ?>/x.js\"></script>",
       "https://a.example/<?= $v ?>/x.js", "a.example", false},
      {"<script src=\"https://a.example/x.js?<?= time() ?>\"></script>", "https://a.example/x.js",
       "a.example", false},
      {"<script src=\"/js/x.js?v=<?= $v ?>\"></script>", "/js/x.js", "", true},
      {"<script src=\"js/<?= $name ?>.js\"></script>", "js/<?= $name ?>.js", "", true},
      {"<?php echo '<script src=\"https://a.example/x.js\"></script>'; ?>",
       "https://a.example/x.js", "a.example", false},
      {"<?php echo \"<script src=\\\"https://a.example/x.js\\\"></script>\"; ?>",
       "https://a.example/x.js", "a.example", false},
      {"<?php echo '<script src=\"https&#58;//a.example/x.js\"></script>'; ?>", nullptr, "", false},
  };
  for (const Made& c : cases) {
    const std::vector<ScriptReference> references = References(c.html);
    ASSERT_EQ(references.size(), 1u) << c.html;
    if (c.address != nullptr) {
      EXPECT_EQ(references[0].address, c.address) << c.html;
    }
    EXPECT_EQ(references[0].host, c.host) << c.html;
    EXPECT_EQ(references[0].is_same_origin, c.is_same_origin) << c.html;
  }
}

TEST(ScriptReferences, DeepPageKeepsItsReferences) {
  std::string page;
  for (int i = 0; i < 300'000; ++i) page += "<div>";
  page += "<script src='https://a.example/x.js'></script>";
  EXPECT_THAT(Addresses(page), ElementsAre("https://a.example/x.js"));
}

TEST(ScriptReferences, SourceOfTheOtherMarkupHidesNoInlineScript) {
  // HTML runs the text of a script with `href`, SVG that of one with `src`.
  EXPECT_EQ(ExtractInlineScripts("<script href=x.js>evil()</script>").size(), 1u);
  EXPECT_EQ(ExtractInlineScripts("<svg><script src=x.js>evil()</script></svg>").size(), 1u);
  EXPECT_THAT(ExtractInlineScripts("<svg><script href=x.js>no()</script></svg>"), IsEmpty());
}

}  // namespace
}  // namespace skimwatch::script
