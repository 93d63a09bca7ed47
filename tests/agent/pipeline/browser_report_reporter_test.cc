#include "agent/pipeline/browser_report_reporter.h"

#include <chrono>
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

  size_t Begin(const std::string& body, uint64_t network = 1) {
    return reporter_.BeginBody(body, {.network = network, .browser = network});
  }
  // `count` numbers from the n-th on.
  static std::string Numbers(uint64_t n, uint64_t count) {
    std::string text;
    for (uint64_t i = n; i < n + count; ++i) absl::StrAppend(&text, "card=", Digits(i), "&x=y\n");
    return text;
  }
  // Sends a number in a report of `page`; the severity of what was told of it.
  v1::Severity SeverityOfReport(bool is_known, uint64_t number, uint64_t network,
                                const std::string& host = "evil.example") {
    script::ReportPlace place = place_;
    place.is_known = is_known;
    place.host = host;
    const std::string blocked = absl::StrCat("https://", host, "/?card=", Digits(number));
    Begin(Body(blocked), network);
    reporter_.OnField(place, blocked);
    reporter_.EndBody(whole_);
    const std::vector<v1::Finding> findings = Findings();
    return findings.empty() ? v1::SEVERITY_UNSPECIFIED : findings.back().severity();
  }

  using Clock = BrowserReportReporter::Clock;
  Clock::time_point now_ = Clock::now();
  absl::Mutex mutex_;
  std::vector<v1::Finding> findings_ ABSL_GUARDED_BY(mutex_);
  FindingWriter writer_;
  BrowserReportReporter reporter_{
      {.now = [this] { return now_; }}, card::BrandTable::Default(), writer_};
  const script::ReportPlace place_{.site = "shop",
                                   .page = "https://shop.example/pay",
                                   .is_known = true,
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
    EXPECT_EQ(Begin(Body(blocked)), 1);
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
  EXPECT_EQ(Begin(absl::StrCat("no JSON: card=", Digits(8))), 1);
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
  EXPECT_EQ(Begin(absl::StrCat(Body(first), Body(second))), 2);
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
  Begin(absl::StrCat(Body(first), Body(second)));
  reporter_.OnField(place_, first);
  reporter_.OnField(other, second);
  reporter_.EndBody(whole_);
  EXPECT_THAT(Findings(), SizeIs(2));
}

TEST_F(BrowserReportReporterTest, FindsWhatOnlyAFieldShows) {
  // As where escapes in the body break up what is encoded.
  const std::string blocked = absl::StrCat("https://evil.example/?card=", Digits(3));
  Begin("[]");
  reporter_.OnField(place_, blocked);
  reporter_.EndBody(whole_);
  EXPECT_THAT(Findings(), SizeIs(1));
}

TEST_F(BrowserReportReporterTest, KeepsPublishedTestNumbersLow) {
  Begin(Body(absl::StrCat("https://evil.example/?card=", std::string(kTestCard))));
  reporter_.EndBody(whole_);
  const std::vector<v1::Finding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].severity(), v1::SEVERITY_LOW);
}

TEST_F(BrowserReportReporterTest, ForgetsABodyWithTheNextOne) {
  EXPECT_EQ(Begin(absl::StrCat("card=", Digits(4))), 1);
  EXPECT_EQ(Begin("[]"), 0);
  reporter_.EndBody(whole_);
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_F(BrowserReportReporterTest, TakesNoMoreNumbersOfABodyThanAShopperHas) {
  const std::string body = Numbers(0, 100);
  EXPECT_EQ(Begin(body), 100);
  // The same ones, in the field that held them.
  reporter_.OnField(place_, body);
  EXPECT_EQ(reporter_.EndBody(whole_), 92);
  EXPECT_THAT(Findings(), SizeIs(8));
  EXPECT_EQ(reporter_.stats().matches, 8);
}

TEST_F(BrowserReportReporterTest, TakesANewNumberRatherThanOneMoreRepeat) {
  std::string body;
  for (int i = 0; i < 20; ++i) absl::StrAppend(&body, Numbers(1, 1));
  absl::StrAppend(&body, Numbers(2, 1));
  EXPECT_EQ(Begin(body), 21);
  EXPECT_EQ(reporter_.EndBody(whole_), 13);
  size_t last = 0;
  for (const v1::Finding& finding : Findings()) {
    last += finding.card_number().card().masked().substr(12) == Digits(2).substr(12) ? 1 : 0;
  }
  EXPECT_EQ(last, 1);
}

TEST_F(BrowserReportReporterTest, TakesNoMoreNumbersOfANetworkThanItsShare) {
  size_t left_out = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    Begin(Numbers(8 * i, 8), 1);
    left_out += reporter_.EndBody(whole_);
  }
  EXPECT_EQ(left_out, 800 - 32);
  EXPECT_THAT(Findings(), SizeIs(32));
  // Which is nothing to the others.
  Begin(Numbers(5000, 1), 2);
  EXPECT_EQ(reporter_.EndBody(whole_), 0);
  now_ += std::chrono::seconds(5);
  Begin(Numbers(6000, 2), 1);
  EXPECT_EQ(reporter_.EndBody(whole_), 1);
  EXPECT_THAT(Findings(), SizeIs(34));
}

TEST_F(BrowserReportReporterTest, KeepsMediumWhatOneNetworkSaysOfNoKnownPage) {
  for (uint64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(SeverityOfReport(/*is_known=*/false, i, /*network=*/1), v1::SEVERITY_MEDIUM);
  }
  // Of another place each, these agree with nobody.
  EXPECT_EQ(SeverityOfReport(false, 20, 2, "a.example"), v1::SEVERITY_MEDIUM);
  EXPECT_EQ(SeverityOfReport(false, 21, 3, "b.example"), v1::SEVERITY_MEDIUM);
  EXPECT_EQ(SeverityOfReport(false, 22, 2), v1::SEVERITY_MEDIUM);
  EXPECT_EQ(SeverityOfReport(false, 23, 3), v1::SEVERITY_CRITICAL);
  // The next day it is as if nobody had said so.
  now_ += std::chrono::hours(25);
  EXPECT_EQ(SeverityOfReport(false, 24, 3), v1::SEVERITY_MEDIUM);
  // A page of the site is where cards are typed.
  EXPECT_EQ(SeverityOfReport(true, 25, 9), v1::SEVERITY_CRITICAL);
}

TEST_F(BrowserReportReporterTest, KeepsMediumWhatIsNoReport) {
  Begin(Numbers(1, 1));
  reporter_.EndBody(whole_);
  const std::vector<v1::Finding> findings = Findings();
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].severity(), v1::SEVERITY_MEDIUM);
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
