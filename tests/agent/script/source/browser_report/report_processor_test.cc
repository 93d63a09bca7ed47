#include "agent/script/source/browser_report/report_processor.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/script_version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/script/source/browser_report/recording_sink.h"

namespace skimwatch::script {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::RecordingSink;
using testing::Shopper;
using ::testing::SizeIs;

class ReportProcessorTest : public ::testing::Test {
 protected:
  void Process(const std::string& body, uint64_t shopper = 0) {
    processor_.Process(body, Shopper(shopper), now_, counts_);
  }
  uint64_t Count(ReportOutcome outcome) const { return counts_[static_cast<size_t>(outcome)]; }
  static std::string Violation(const std::string& page, const std::string& blocked,
                               const std::string& more = "") {
    return absl::StrCat(R"([{"type":"csp-violation","url":")", page,
                        R"(","body":{"effectiveDirective":"connect-src","documentURL":")", page,
                        R"(","blockedURL":")", blocked, "\"", more, "}}]");
  }

  RecordingSink sink_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  ReportProcessor processor_{{.default_site = "fallback",
                              .reports_max = 4,
                              .noise_hosts = {"*.kaspersky-labs.com"},
                              .pages = {"/pay*", "/checkout/*"},
                              .browsers_min = 2,
                              .site_of_host = testing::SiteOfHost,
                              .path_template = testing::PathTemplate},
                             BrowserState(),
                             sink_};
  ReportProcessor::Counts counts_{};
};

TEST_F(ReportProcessorTest, SearchesEveryBodyBeforeAnythingElse) {
  Process("no JSON at all");
  Process(Violation("https://elsewhere.example/", "https://evil.example/"));
  Process(Violation("https://shop.example/pay", "chrome-extension://x"));
  Process(Violation("https://shop.example/pay", "https://evil.example/"), 0);
  Process(Violation("https://shop.example/pay", "https://evil.example/"), 1);
  EXPECT_THAT(sink_.steps, ElementsAre("begin", "end", "begin", "end", "begin", "end", "begin",
                                       "end", "begin", "report", "end"));
  EXPECT_EQ(Count(ReportOutcome::kNotJson), 1);
  EXPECT_EQ(Count(ReportOutcome::kUnknownSite), 1);
  EXPECT_EQ(Count(ReportOutcome::kNoiseExtension), 1);
  EXPECT_EQ(Count(ReportOutcome::kCspViolation), 2);
}

TEST_F(ReportProcessorTest, SaysWhereACardNumberWasToGo) {
  Process(Violation("https://shop.example/pay/12?x=1",
                    "https://EVIL.example:8443/c?n=4444333322221111", R"(,"sample":"s")"));
  ASSERT_THAT(sink_.fields, SizeIs(3));
  const ReportPlace& place = sink_.fields[0].place;
  EXPECT_EQ(place.site, "shop");
  EXPECT_EQ(place.page, "https://shop.example/pay/{n}");
  EXPECT_EQ(place.host, "evil.example:8443");
  EXPECT_EQ(place.path, "/c");
  EXPECT_EQ(place.part, "blocked_url");
  EXPECT_EQ(sink_.fields[1].place.part, "sample");
  // The page's own address leads to the page.
  EXPECT_EQ(sink_.fields[2].place.part, "document_url");
  EXPECT_EQ(sink_.fields[2].place.host, "");
  EXPECT_EQ(sink_.last_place.host, "evil.example:8443");
}

TEST_F(ReportProcessorTest, LooksIntoTextsThatEscapesMayHideThingsIn) {
  Process(Violation("https://shop.example/pay", "https://evil.example/"));
  EXPECT_THAT(sink_.fields, IsEmpty());
  Process(Violation("https://shop.example/pay", "https://evil.example/?n=\\u0034444"));
  ASSERT_THAT(sink_.fields, SizeIs(2));
  EXPECT_EQ(sink_.fields[0].text, "https://evil.example/?n=4444");
}

TEST_F(ReportProcessorTest, ShowsCardsOfUnknownPagesUnderTheSiteOfTheEndpoint) {
  Process(Violation("https://elsewhere.example/", "https://evil.example/?4444333322221111"));
  EXPECT_EQ(sink_.last_place.site, "fallback");
  EXPECT_EQ(Count(ReportOutcome::kUnknownSite), 1);
  Process("4444333322221111");
  EXPECT_EQ(sink_.last_place.site, "fallback");
  EXPECT_EQ(sink_.last_place.part, "report");
}

TEST_F(ReportProcessorTest, SaysWhetherTheSiteKnowsThePage) {
  Process(Violation("https://elsewhere.example/", "https://evil.example/?4444333322221111"));
  ASSERT_FALSE(sink_.fields.empty());
  EXPECT_FALSE(sink_.fields.back().place.is_known);
  EXPECT_FALSE(sink_.last_place.is_known);
  Process(Violation("https://shop.example/pay", "https://evil.example/?4444333322221111"));
  EXPECT_TRUE(sink_.fields.back().place.is_known);
  EXPECT_TRUE(sink_.last_place.is_known);
  Process("4444333322221111");
  EXPECT_FALSE(sink_.last_place.is_known);
}

TEST_F(ReportProcessorTest, CountsTheCardsThatWereLeftOut) {
  sink_.left_out = 5;
  Process("4444333322221111", 7);
  EXPECT_EQ(sink_.last_reporter.network, Shopper(7).network);
  EXPECT_EQ(Count(ReportOutcome::kCardsLeftOut), 5);
}

TEST_F(ReportProcessorTest, CountsWhatBecameOfEachReport) {
  const std::string page = R"("url":"https://shop.example/pay")";
  Process(absl::StrCat(
      R"([{"type":"deprecation",)", page, R"(,"body":{"id":"x"}},)", R"({"type":"csp-hash",)", page,
      R"(,"body":{"subresourceURL":"https://cdn.example/a.js","hash":""}},)",
      R"({"type":"csp-hash",)", page,
      R"(,"body":{"subresourceURL":"https://cdn.example/b.js","hash":"sha384-x"}},)",
      R"({"type":"integrity-violation",)", page,
      R"(,"body":{"blockedURL":"https://cdn.example/a.js"}},)", R"({"type":"x"}])"));
  EXPECT_EQ(Count(ReportOutcome::kOther), 1);
  EXPECT_EQ(Count(ReportOutcome::kNoHash), 1);
  EXPECT_EQ(Count(ReportOutcome::kBadHash), 1);
  EXPECT_EQ(Count(ReportOutcome::kIntegrityViolation), 1);
  EXPECT_EQ(Count(ReportOutcome::kTooMany), 1);
  Process("[{}]");
  EXPECT_EQ(Count(ReportOutcome::kMalformed), 1);
  Process(std::string(100, '['));
  EXPECT_EQ(Count(ReportOutcome::kTooDeep), 1);
}

TEST_F(ReportProcessorTest, KeepsNoCardNumberThatTheScanDoesNotLookFor) {
  // RecordingSink finds plain ones only, as a scan does that is to decode nothing.
  const std::string hex = absl::BytesToHexString("4444333322221111");
  const std::string escaped = "%34%34%34%34%33%33%33%33%32%32%32%32%31%31%31%31";
  for (const std::string& number : {hex, escaped}) {
    const std::string address = absl::StrCat("https://cdn.example/", number, "/a.js");
    for (uint64_t shopper = 0; shopper < 2; ++shopper) {
      Process(absl::StrCat(R"([{"type":"csp-hash","url":"https://shop.example/pay","body":)",
                           R"({"subresourceURL":")", address, R"(","hash":""}}])"),
              shopper);
    }
    ASSERT_THAT(sink_.changes, SizeIs(1));
    const v1::ScriptChange& change = sink_.changes[0].change;
    EXPECT_TRUE(change.script().find(number) == std::string::npos);
    // With the address's digest, the digits that are masked could be tried out.
    EXPECT_NE(change.current().sha256(), Sha256(address));
    const std::string state = processor_.inventory().State().SerializeAsString();
    EXPECT_TRUE(state.find(number) == std::string::npos);
    EXPECT_TRUE(state.find(Sha256(address)) == std::string::npos);
    EXPECT_EQ(Count(ReportOutcome::kNoHash), 2);
    sink_.changes.clear();
    counts_ = {};
  }
}

TEST_F(ReportProcessorTest, InventoriesThePagesThatWereAskedFor) {
  for (const std::string_view path : {"/pay/1", "/checkout/a/b", "/", "/shop/pay"}) {
    Process(absl::StrCat(R"([{"type":"csp-hash","url":"https://shop.example)", std::string(path),
                         R"(","body":{"subresourceURL":"https://cdn.example/a.js","hash":""}}])"));
  }
  EXPECT_EQ(Count(ReportOutcome::kNoHash), 2);
  EXPECT_EQ(Count(ReportOutcome::kOtherPage), 2);
  EXPECT_EQ(processor_.inventory().pending(), 2);
}

}  // namespace
}  // namespace skimwatch::script
