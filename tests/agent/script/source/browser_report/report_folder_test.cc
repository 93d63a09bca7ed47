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

using Outcome = ReportFolder::Outcome;

class ReportFolderTest : public ::testing::Test {
 protected:
  static Report Violation(const std::string& blocked, const std::string& directive) {
    return {.type = Report::Type::kCspViolation, .blocked_url = blocked, .directive = directive};
  }
  Outcome AddTo(ReportFolder& folder, const Report& report, uint64_t shopper) {
    return folder.Add("shop", "https://shop.example/pay", report, Shopper(shopper), now_);
  }
  bool Add(const Report& report, uint64_t shopper) {
    return AddTo(folder_, report, shopper) == Outcome::kTaken;
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
    ASSERT_EQ(folder_.Add("shop", "https://shop.example/pay", report,
                          {.network = 7, .browser = name}, now_),
              Outcome::kTaken);
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
    const auto shopper = static_cast<uint64_t>(i);
    EXPECT_TRUE(Add(Violation(absl::StrCat("https://h", i, ".example/"), "img-src"), shopper));
  }
  EXPECT_EQ(AddTo(folder_, Violation("https://another.example/", "img-src"), 0), Outcome::kFull);
  // What it has goes on.
  EXPECT_TRUE(Add(Violation("https://h1.example/", "img-src"), 1));
  folder_.Expire(now_ + absl::Hours(1));
  EXPECT_EQ(folder_.entries(), 0);
  EXPECT_TRUE(Add(Violation("https://another.example/", "img-src"), 0));
}

TEST_F(ReportFolderTest, HearsShoppersWhateverAFewMachinesClaim) {
  ReportFolder folder(
      {.browsers_min = 3, .window = absl::Minutes(5), .path_template = testing::PathTemplate},
      sink_);
  const auto claim = [&](uint64_t shopper, int i) {
    const std::string host = absl::StrCat("https://n", shopper, "-", i, ".example/");
    return AddTo(folder, Violation(host, "img-src"), shopper);
  };
  for (int i = 0; i < 1300; ++i) {
    EXPECT_EQ(claim(1, i), i < 64 ? Outcome::kTaken : Outcome::kContradicting);
  }
  EXPECT_EQ(folder.entries(), 64);
  for (uint64_t machine = 2; machine < 30; ++machine) {
    for (int i = 0; i < 64; ++i) claim(machine, i);
  }
  EXPECT_EQ(folder.entries(), 1024);
  const Report real = Violation("https://evil.example/", "connect-src");
  for (uint64_t shopper = 100; shopper < 103; ++shopper) {
    EXPECT_EQ(AddTo(folder, real, shopper), Outcome::kTaken);
  }
  ASSERT_FALSE(sink_.reports.empty());
  EXPECT_EQ(sink_.reports.back().destination, "https://evil.example");
  EXPECT_EQ(sink_.reports.back().severity, v1::SEVERITY_MEDIUM);
  EXPECT_EQ(folder.entries(), 1024);
  // What had to end early was told, and nothing is told twice.
  const size_t ended = sink_.reports.size() - 1;
  folder.Flush();
  EXPECT_EQ(sink_.reports.size() - 1, ended + 1023);
  EXPECT_EQ(folder.entries(), 0);
}

TEST_F(ReportFolderTest, CountsNoLongerAsAClaimWhatOthersAgreeWith) {
  ReportFolder folder({.browsers_min = 2,
                       .window = absl::Minutes(5),
                       .entries_of_network_max = 2,
                       .path_template = testing::PathTemplate},
                      sink_);
  for (int i = 0; i < 10; ++i) {
    const Report report = Violation(absl::StrCat("https://h", i, ".example/"), "img-src");
    EXPECT_EQ(AddTo(folder, report, 1), Outcome::kTaken);
    EXPECT_EQ(AddTo(folder, report, 2), Outcome::kTaken);
  }
  EXPECT_THAT(sink_.reports, SizeIs(10));
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
