#include "agent/script/source/browser_report/report_parser.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using End = ParsedReports::End;

constexpr size_t kMax = 8;

// As Chromium 156 sends it.
constexpr std::string_view kBatch = R"([
{"age":62,"body":{"destination":"script","documentURL":"https://shop.example/pay",
 "hash":"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
 "subresourceURL":"https://cdn.example/v.js","type":"subresource"},
 "type":"csp-hash","url":"https://shop.example/pay","user_agent":"Mozilla/5.0"},
{"age":0,"body":{"blockedURL":"https://evil.example/c?n=1","columnNumber":9,"disposition":"enforce",
 "documentURL":"https://shop.example/pay","effectiveDirective":"connect-src","lineNumber":2,
 "originalPolicy":"connect-src 'self'","referrer":"https://shop.example/","sample":"",
 "sourceFile":"https://cdn.example/v.js","statusCode":200},
 "type":"csp-violation","url":"https://shop.example/pay","user_agent":"Mozilla/5.0"},
{"age":0,"body":{"blockedURL":"https://cdn.example/v.js","destination":"script",
 "documentURL":"https://shop.example/pay","reportOnly":true},
 "type":"integrity-violation","url":"https://shop.example/pay","user_agent":"Mozilla/5.0"},
{"age":0,"body":{"id":"UnloadHandler","message":"x"},"type":"deprecation",
 "url":"https://shop.example/pay","user_agent":"Mozilla/5.0"}])";

TEST(ReportParser, ReadsABatchOfEveryType) {
  const ParsedReports parsed = ParseReports(kBatch, kMax);
  EXPECT_EQ(parsed.end, End::kComplete);
  EXPECT_EQ(parsed.malformed, 0);
  ASSERT_THAT(parsed.reports, SizeIs(4));
  const Report& hash = parsed.reports[0];
  EXPECT_EQ(hash.type, Report::Type::kCspHash);
  EXPECT_EQ(hash.document_url, "https://shop.example/pay");
  EXPECT_EQ(hash.blocked_url, "https://cdn.example/v.js");
  EXPECT_EQ(hash.hash, "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  const Report& violation = parsed.reports[1];
  EXPECT_EQ(violation.type, Report::Type::kCspViolation);
  EXPECT_EQ(violation.blocked_url, "https://evil.example/c?n=1");
  EXPECT_EQ(violation.directive, "connect-src");
  EXPECT_EQ(violation.source_file, "https://cdn.example/v.js");
  EXPECT_EQ(violation.referrer, "https://shop.example/");
  EXPECT_EQ(parsed.reports[2].type, Report::Type::kIntegrityViolation);
  EXPECT_EQ(parsed.reports[3].type, Report::Type::kOther);
  // A body that names no page: the report's own address does.
  EXPECT_EQ(parsed.reports[3].document_url, "https://shop.example/pay");
}

TEST(ReportParser, ReadsTheOlderForm) {
  const ParsedReports parsed =
      ParseReports(R"json({"csp-report":{"document-uri":"https://shop.example/",
    "violated-directive":"script-src-elem 'self' https:","original-policy":"script-src 'self'",
    "blocked-uri":"inline","source-file":"https://shop.example/","script-sample":"alert(1)",
    "status-code":200,"line-number":4}})json",
                   kMax);
  EXPECT_EQ(parsed.end, End::kComplete);
  ASSERT_THAT(parsed.reports, SizeIs(1));
  EXPECT_EQ(parsed.reports[0].type, Report::Type::kCspViolation);
  EXPECT_EQ(parsed.reports[0].document_url, "https://shop.example/");
  EXPECT_EQ(parsed.reports[0].directive, "script-src-elem");
  EXPECT_EQ(parsed.reports[0].blocked_url, "inline");
  EXPECT_EQ(parsed.reports[0].sample, "alert(1)");
}

TEST(ReportParser, ReadsASingleReportWithoutAnArray) {
  const ParsedReports parsed = ParseReports(
      R"({"type":"csp-violation","url":"https://a/","body":{"blockedURL":"https://b/"}})", kMax);
  EXPECT_EQ(parsed.end, End::kComplete);
  ASSERT_THAT(parsed.reports, SizeIs(1));
  EXPECT_EQ(parsed.reports[0].document_url, "https://a/");
}

TEST(ReportParser, TakesNoFieldFromAnotherDepth) {
  const ParsedReports parsed = ParseReports(
      R"([{"type":"csp-violation","url":"https://a/","body":{"blockedURL":"https://b/",
          "more":{"blockedURL":"https://c/","documentURL":"https://d/"}},"blockedURL":"https://e/"}])",
      kMax);
  ASSERT_THAT(parsed.reports, SizeIs(1));
  EXPECT_EQ(parsed.reports[0].blocked_url, "https://b/");
  EXPECT_EQ(parsed.reports[0].document_url, "https://a/");
}

TEST(ReportParser, ForgetsWhatTheReportBeforeSaid) {
  const ParsedReports parsed = ParseReports(
      R"([{"type":"csp-hash","url":"https://a/","body":{"subresourceURL":"https://b/","hash":"h"}},
          {"url":"https://c/","body":{"subresourceURL":"https://d/"}},
          {"type":"csp-hash","body":{"subresourceURL":"https://e/"}},
          {"type":"csp-hash","url":"https://f/"}])",
      kMax);
  ASSERT_THAT(parsed.reports, SizeIs(1));
  EXPECT_EQ(parsed.malformed, 3);
}

TEST(ReportParser, CountsWhatIsNoReport) {
  for (const std::string_view value : {"1", "null", "\"text\"", "true", "{}", "1.5", "[]"}) {
    const ParsedReports parsed = ParseReports(absl::StrCat("[", std::string(value), "]"), kMax);
    EXPECT_EQ(parsed.end, End::kComplete) << value;
    EXPECT_THAT(parsed.reports, IsEmpty()) << value;
    EXPECT_EQ(parsed.malformed, value == "[]" ? 0 : 1) << value;
  }
}

TEST(ReportParser, KeepsWhatCameBeforeAnError) {
  const std::string good =
      R"({"type":"csp-violation","url":"https://a/","body":{"blockedURL":"https://b/"}})";
  for (const std::string_view garbage :
       {",", ",{", ",{\"type\":\"x", "] x", ",\xff", ",\"\\ud800\"]"}) {
    const ParsedReports parsed = ParseReports(absl::StrCat("[", good, std::string(garbage)), kMax);
    EXPECT_EQ(parsed.end, End::kNotJson) << garbage;
    EXPECT_THAT(parsed.reports, SizeIs(1)) << garbage;
  }
  EXPECT_EQ(ParseReports("", kMax).end, End::kNotJson);
}

TEST(ReportParser, BoundsDepthAndCount) {
  const std::string deep(100000, '[');
  EXPECT_EQ(ParseReports(deep, kMax).end, End::kTooDeep);
  std::string many = "[";
  for (size_t i = 0; i < kMax + 1; ++i) {
    absl::StrAppend(&many, i == 0 ? "" : ",", R"({"type":"x","url":"https://a/","body":{"a":1}})");
  }
  const ParsedReports parsed = ParseReports(absl::StrCat(many, "]"), kMax);
  EXPECT_EQ(parsed.end, End::kTooMany);
  EXPECT_THAT(parsed.reports, SizeIs(kMax));
  std::string numbers = "[0";
  for (size_t i = 0; i < kMax; ++i) numbers += ",0";
  EXPECT_EQ(ParseReports(numbers + "]", kMax).end, End::kTooMany);
}

}  // namespace
}  // namespace skimwatch::script
