#include "agent/script/source/browser_report/report_folder.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/script/source/browser_report/recording_sink.h"

namespace skimwatch::script {
namespace {

using ::testing::IsEmpty;
using testing::RecordingSink;
using testing::Shopper;
using ::testing::SizeIs;

class ReportFolderTest : public ::testing::Test {
 protected:
  static Report Violation(const std::string& blocked, const std::string& directive) {
    return {.type = Report::Type::kCspViolation, .blocked_url = blocked, .directive = directive};
  }
  bool Add(const Report& report, uint64_t shopper) {
    return folder_.Add("shop", "https://shop.example/pay", report, Shopper(shopper), now_);
  }

  RecordingSink sink_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  ReportFolder folder_{{.browsers_min = 3,
                        .window = absl::Minutes(5),
                        .entries_max = 4,
                        .path_template = testing::PathTemplate},
                       sink_};
};

TEST_F(ReportFolderTest, TellsAtOnceWhenEnoughBrowsersAgree) {
  const Report report = Violation("https://evil.example/c/77?n=secret", "connect-src");
  for (uint64_t shopper = 0; shopper < 2; ++shopper) {
    ASSERT_TRUE(Add(report, shopper));
    ASSERT_TRUE(Add(report, shopper));
    EXPECT_THAT(sink_.reports, IsEmpty());
  }
  ASSERT_TRUE(Add(report, 2));
  ASSERT_THAT(sink_.reports, SizeIs(1));
  const FoldedReport& told = sink_.reports[0];
  EXPECT_EQ(told.site, "shop");
  EXPECT_EQ(told.severity, v1::SEVERITY_MEDIUM);
  EXPECT_EQ(told.confidence, v1::CONFIDENCE_MEDIUM);
  EXPECT_EQ(told.count, 5);
  EXPECT_EQ(told.destination, "https://evil.example");
  EXPECT_EQ(told.report.type(), "csp-violation");
  EXPECT_EQ(told.report.page(), "https://shop.example/pay");
  EXPECT_EQ(told.report.blocked_url(), "https://evil.example/c/{n}");
  EXPECT_EQ(told.report.effective_directive(), "connect-src");
  EXPECT_EQ(told.report.browsers(), 3);

  // What comes afterwards is told when the window ends.
  ASSERT_TRUE(Add(report, 3));
  EXPECT_THAT(sink_.reports, SizeIs(1));
  folder_.Expire(now_ + absl::Minutes(6));
  ASSERT_THAT(sink_.reports, SizeIs(2));
  EXPECT_EQ(sink_.reports[1].count, 1);
  EXPECT_EQ(sink_.reports[1].report.browsers(), 4);
}

TEST_F(ReportFolderTest, KeepsToInformationWhatOneMachineSays) {
  const Report report = Violation("https://evil.example/", "connect-src");
  // Under many names.
  for (uint64_t name = 0; name < 50; ++name) {
    ASSERT_TRUE(folder_.Add("shop", "https://shop.example/pay", report,
                            {.network = 7, .browser = name}, now_));
  }
  EXPECT_THAT(sink_.reports, IsEmpty());
  folder_.Expire(now_ + absl::Minutes(5));
  ASSERT_THAT(sink_.reports, SizeIs(1));
  EXPECT_EQ(sink_.reports[0].severity, v1::SEVERITY_INFO);
  EXPECT_EQ(sink_.reports[0].confidence, v1::CONFIDENCE_LOW);
  EXPECT_EQ(sink_.reports[0].count, 50);
}

TEST_F(ReportFolderTest, TellsPlacesApartButNotTheirNumbers) {
  ASSERT_TRUE(Add(Violation("https://a.example/x/1?q=1", "img-src"), 0));
  ASSERT_TRUE(Add(Violation("https://a.example/x/2?q=2", "img-src"), 1));
  EXPECT_EQ(folder_.entries(), 1);
  ASSERT_TRUE(Add(Violation("https://a.example/y", "img-src"), 0));
  ASSERT_TRUE(Add(Violation("https://a.example/x/1", "connect-src"), 0));
  EXPECT_EQ(folder_.entries(), 3);
}

TEST_F(ReportFolderTest, HoldsNoMoreThanItMay) {
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(Add(Violation(absl::StrCat("https://h", i, ".example/"), "img-src"), 0));
  }
  EXPECT_FALSE(Add(Violation("https://another.example/", "img-src"), 0));
  // What it has goes on.
  EXPECT_TRUE(Add(Violation("https://h1.example/", "img-src"), 1));
  folder_.Expire(now_ + absl::Hours(1));
  EXPECT_EQ(folder_.entries(), 0);
  EXPECT_TRUE(Add(Violation("https://another.example/", "img-src"), 0));
}

TEST_F(ReportFolderTest, EndsItsWindowsThoughTheClockWasSetBack) {
  ASSERT_TRUE(Add(Violation("https://evil.example/", "connect-src"), 0));
  folder_.Expire(now_ - absl::Minutes(1));
  EXPECT_THAT(sink_.reports, SizeIs(1));
}

TEST_F(ReportFolderTest, ShowsNothingThatAStrangerMadeUp) {
  ASSERT_TRUE(Add(Violation("<b>4444333322221111</b>", "x\n4444333322221111"), 0));
  ASSERT_TRUE(Add(Violation("data:text/html,4444333322221111", "frame-src"), 0));
  ASSERT_TRUE(Add(Violation("https://4444333322221111.evil.example/", "img-src"), 0));
  folder_.Flush();
  ASSERT_THAT(sink_.reports, SizeIs(3));
  EXPECT_EQ(sink_.reports[0].report.blocked_url(), "unknown");
  EXPECT_EQ(sink_.reports[0].report.effective_directive(), "unknown");
  EXPECT_EQ(sink_.reports[1].report.blocked_url(), "data:");
  for (const FoldedReport& told : sink_.reports) {
    EXPECT_EQ(told.report.SerializeAsString().find("44443333"), std::string::npos);
    EXPECT_EQ(told.destination.find("44443333"), std::string::npos);
  }
}

struct SeverityCase {
  Report::Type type;
  std::string blocked;
  std::string directive;
  v1::Severity severity;
};

TEST(ViolationSeverity, IsByWhatWasToBeRunOrSent) {
  using Type = Report::Type;
  for (const SeverityCase& c : {
           SeverityCase{Type::kCspViolation, "https://e/", "connect-src", v1::SEVERITY_MEDIUM},
           SeverityCase{Type::kCspViolation, "https://e/", "form-action", v1::SEVERITY_MEDIUM},
           SeverityCase{Type::kCspViolation, "https://e/", "script-src-elem", v1::SEVERITY_MEDIUM},
           SeverityCase{Type::kCspViolation, "https://e/", "font-src", v1::SEVERITY_LOW},
           SeverityCase{Type::kCspViolation, "inline", "script-src-elem", v1::SEVERITY_LOW},
           SeverityCase{Type::kIntegrityViolation, "https://e/a.js", "", v1::SEVERITY_MEDIUM},
       }) {
    EXPECT_EQ(
        SeverityOfViolation({.type = c.type, .blocked_url = c.blocked, .directive = c.directive}),
        c.severity)
        << c.blocked << " " << c.directive;
  }
}

}  // namespace
}  // namespace skimwatch::script
