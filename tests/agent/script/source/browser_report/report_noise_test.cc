#include "agent/script/source/browser_report/report_noise.h"

#include <string>

#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using Kind = ReportNoise::Kind;

struct Case {
  std::string blocked;
  std::string source;
  Kind kind;
};

TEST(ReportNoise, TellsWhatSaysNothingAboutThePage) {
  const ReportNoise noise({"*.kaspersky-labs.com", "local.adguard.org"});
  for (const Case& c : {
           Case{"chrome-extension://abcdef/inject.js", "", Kind::kExtension},
           Case{"chrome-extension", "", Kind::kExtension},
           Case{"moz-extension:", "", Kind::kExtension},
           Case{"SAFARI-WEB-EXTENSION://x", "", Kind::kExtension},
           Case{"https://cdn.example/a.js", "moz-extension://x/y.js", Kind::kExtension},
           Case{"about:blank", "", Kind::kInternal},
           Case{"about", "", Kind::kInternal},
           Case{"asset", "", Kind::kInternal},
           Case{"inline", "", Kind::kInline},
           Case{"eval", "", Kind::kInline},
           Case{"self", "", Kind::kInline},
           Case{"", "", Kind::kInline},
           Case{"https://gc.kis.v2.scr.kaspersky-labs.com/x/main.js", "", Kind::kHost},
           Case{"wss://LOCAL.adguard.org:443/x", "", Kind::kHost},
       }) {
    EXPECT_EQ(noise.KindOf({.blocked_url = c.blocked, .source_file = c.source}), c.kind)
        << c.blocked << " " << c.source;
  }
}

TEST(ReportNoise, KeepsWhatSaysSomething) {
  const ReportNoise noise({"*.kaspersky-labs.com"});
  for (const Case& c : {
           Case{"https://evil.example/c?n=1", "", Kind::kNone},
           Case{"https://evil.example/", "https://cdn.example/a.js", Kind::kNone},
           Case{"inline", "https://shop.example/pay", Kind::kNone},
           Case{"eval", "https://cdn.example/a.js", Kind::kNone},
           Case{"data", "", Kind::kNone},
           Case{"data:text/javascript,alert(1)", "", Kind::kNone},
           Case{"blob", "", Kind::kNone},
           Case{"trusted-types-sink", "", Kind::kNone},
           // Not below that domain.
           Case{"https://kaspersky-labs.com.evil.example/", "", Kind::kNone},
           Case{"https://evilkaspersky-labs.com/", "", Kind::kNone},
       }) {
    EXPECT_EQ(noise.KindOf({.blocked_url = c.blocked, .source_file = c.source}), c.kind)
        << c.blocked;
  }
}

}  // namespace
}  // namespace skimwatch::script
