#include "agent/pipeline/browser_report_reporter.h"

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/card/brand_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/pipeline/sightings.h"

namespace skimwatch::pipeline {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// Published by Visa for tests.
constexpr std::string_view kTestCard = "4111111111111111";

// A number that is nobody's, in text. For input only.
std::string Digits(uint64_t n) {
  std::string text;
  const card::SecretDigits number = testing::NumberOf(n);
  for (const uint8_t digit : number.Reveal()) text += static_cast<char>('0' + digit);
  return text;
}

class BrowserReportReporterTest : public ::testing::Test {
 protected:
  BrowserReportReporterTest() : writer_(WriterOptions()) { writer_.SetPolicy({}); }

  FindingWriter::Options WriterOptions() {
    FindingWriter::Options options;
    options.key_wait = absl::ZeroDuration();
    options.fold_window = absl::ZeroDuration();
    options.append = [this](std::vector<v1::Finding> findings) {
      absl::MutexLock lock(&mutex_);
      for (v1::Finding& finding : findings) findings_.push_back(std::move(finding));
      return absl::OkStatus();
    };
    return options;
  }
  std::vector<v1::Finding> Findings() {
    writer_.Flush();
    absl::MutexLock lock(&mutex_);
    return findings_;
  }
  static std::string Body(const std::string& blocked) {
    return absl::StrCat(R"([{"type":"csp-violation","url":"https://shop.example/pay","body":)",
                        R"({"blockedURL":")", blocked,
                        R"(","effectiveDirective":"connect-src"}}])");
  }

  absl::Mutex mutex_;
  std::vector<v1::Finding> findings_ ABSL_GUARDED_BY(mutex_);
  FindingWriter writer_;
  BrowserReportReporter reporter_{{}, card::BrandTable::Default(), writer_};
  const script::ReportPlace place_{.site = "shop",
                                   .page = "https://shop.example/pay",
                                   .host = "evil.example:8443",
                                   .path = "/c/12345",
                                   .part = "blocked_url"};
  const script::ReportPlace whole_{.site = "shop", .part = "report"};
};

TEST_F(BrowserReportReporterTest, SaysWhereANumberWasToGoHoweverItIsEncoded) {
  const std::string number = Digits(7);
  const std::string json = absl::StrCat("{\"card\":\"", number, "\"}");
  for (const std::string& query : {absl::StrCat("card=", number), absl::WebSafeBase64Escape(json),
                                   absl::BytesToHexString(absl::StrCat("card=", number)),
                                   absl::StrCat("%7B%22card%22%3A%22", number, "%22%7D")}) {
    const size_t before = Findings().size();
    const std::string blocked = absl::StrCat("https://evil.example:8443/c/12345?", query);
    EXPECT_EQ(reporter_.BeginBody(Body(blocked)), 1);
    reporter_.OnField(place_, blocked);
    reporter_.EndBody(whole_);
    const std::vector<v1::Finding> findings = Findings();
    ASSERT_THAT(findings, SizeIs(before + 1));
    const v1::Finding& finding = findings.back();
    EXPECT_EQ(finding.site(), "shop");
    EXPECT_EQ(finding.rule(), "card.browser_report");
    EXPECT_EQ(finding.severity(), v1::SEVERITY_CRITICAL);
    EXPECT_GE(finding.confidence(), v1::CONFIDENCE_MEDIUM);
    EXPECT_EQ(finding.destination(), "evil.example:8443");
    EXPECT_EQ(finding.provenance().source(), v1::SOURCE_KIND_BROWSER_REPORT);
    EXPECT_EQ(finding.provenance().direction(), v1::DIRECTION_OUTBOUND_REQUEST);
    EXPECT_EQ(finding.provenance().host(), "evil.example");
    EXPECT_EQ(finding.provenance().path_template(), "/c/{n}");
    EXPECT_EQ(finding.provenance().referrer(), "https://shop.example/pay");
    EXPECT_EQ(finding.provenance().part(), "blocked_url");
    EXPECT_TRUE(finding.SerializeAsString().find(number) == std::string::npos);
  }
}

TEST_F(BrowserReportReporterTest, ReportsWhatNoFieldWasFoundToHold) {
  EXPECT_EQ(reporter_.BeginBody(absl::StrCat("no JSON: card=", Digits(8))), 1);
  reporter_.EndBody(whole_);
  const std::vector<v1::Finding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].destination(), "unknown");
  EXPECT_EQ(findings[0].provenance().part(), "report");
}

TEST_F(BrowserReportReporterTest, TellsTheReportsOfABodyApart) {
  script::ReportPlace other = place_;
  other.host = "other.example";
  const std::string first = absl::StrCat("https://evil.example/?card=", Digits(1));
  const std::string second = absl::StrCat("https://other.example/?card=", Digits(2));
  EXPECT_EQ(reporter_.BeginBody(absl::StrCat(Body(first), Body(second))), 2);
  reporter_.OnField(place_, first);
  reporter_.OnField(other, second);
  reporter_.EndBody(whole_);
  const std::vector<v1::Finding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_EQ(findings[0].destination(), "evil.example:8443");
  EXPECT_EQ(findings[1].destination(), "other.example");
}

TEST_F(BrowserReportReporterTest, TellsACardThatWasToGoToTwoPlacesTwice) {
  script::ReportPlace other = place_;
  other.host = "other.example";
  const std::string first = absl::StrCat("https://evil.example/?card=", Digits(1));
  const std::string second = absl::StrCat("https://other.example/?card=", Digits(1));
  reporter_.BeginBody(absl::StrCat(Body(first), Body(second)));
  reporter_.OnField(place_, first);
  reporter_.OnField(other, second);
  reporter_.EndBody(whole_);
  EXPECT_THAT(Findings(), SizeIs(2));
}

TEST_F(BrowserReportReporterTest, FindsWhatOnlyAFieldShows) {
  // As where escapes in the body break up what is encoded.
  const std::string blocked = absl::StrCat("https://evil.example/?card=", Digits(3));
  reporter_.BeginBody("[]");
  reporter_.OnField(place_, blocked);
  reporter_.EndBody(whole_);
  EXPECT_THAT(Findings(), SizeIs(1));
}

TEST_F(BrowserReportReporterTest, KeepsPublishedTestNumbersLow) {
  reporter_.BeginBody(Body(absl::StrCat("https://evil.example/?card=", std::string(kTestCard))));
  reporter_.EndBody(whole_);
  const std::vector<v1::Finding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].severity(), v1::SEVERITY_LOW);
}

TEST_F(BrowserReportReporterTest, ForgetsABodyWithTheNextOne) {
  EXPECT_EQ(reporter_.BeginBody(absl::StrCat("card=", Digits(4))), 1);
  EXPECT_EQ(reporter_.BeginBody("[]"), 0);
  reporter_.EndBody(whole_);
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(BrowserReportReporterTest, PassesOnChangesAndViolations) {
  v1::ScriptChange change;
  change.set_change(v1::ScriptChange::CHANGE_CHANGED);
  change.set_script("https://shop.example/pay#src=https://chat.example/chat.js");
  change.set_page("https://shop.example/pay");
  change.mutable_current()->set_sha256(std::string(32, 'x'));
  reporter_.OnChange("shop", change, v1::SEVERITY_HIGH);
  script::FoldedReport folded{.site = "shop",
                              .destination = "https://evil.example",
                              .severity = v1::SEVERITY_MEDIUM,
                              .confidence = v1::CONFIDENCE_MEDIUM,
                              .first_seen = absl::FromUnixSeconds(100),
                              .last_seen = absl::FromUnixSeconds(200),
                              .count = 12};
  folded.report.set_type("csp-violation");
  folded.report.set_page("https://shop.example/pay");
  reporter_.OnReport(folded);
  const std::vector<v1::Finding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_EQ(findings[0].rule(), "script.changed");
  EXPECT_EQ(findings[0].destination(), "https://shop.example/pay");
  EXPECT_EQ(findings[0].provenance().source(), v1::SOURCE_KIND_BROWSER_REPORT);
  EXPECT_EQ(findings[1].rule(), "browser.csp_violation");
  EXPECT_EQ(findings[1].count(), 12);
  EXPECT_EQ(findings[1].first_seen().seconds(), 100);
  EXPECT_EQ(findings[1].destination(), "https://evil.example");
}

}  // namespace
}  // namespace skimwatch::pipeline
