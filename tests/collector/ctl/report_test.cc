#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/ctl/report/document.h"
#include "collector/ctl/report/exposure_document.h"
#include "collector/store/timestamp.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/collector/ctl/program.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/operator_server.h"

namespace skimwatch::ctl {
namespace {

using skimwatch::testing::CardFinding;
using skimwatch::testing::Ctl;
using skimwatch::testing::OperatorServer;
using skimwatch::testing::Result;
using skimwatch::testing::ScriptFinding;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// What a hostile agent or page may put into a text.
constexpr char kHostile[] =
    "<script>alert(1)</script> | `x` [a](b) *c* \x1b[31m \" onload=\" https://evil.example/a "
    "hTTp://b.evil.example www.evil.example WWW.evil.example ftp://evil.example/ eve@evil.example "
    "mailto:eve@evil.example xmpp:eve@evil.example/x";

Document HostileDocument() {
  Document document{.title = kHostile};
  document.blocks = {Document::Heading{kHostile},
                     Document::Paragraph{kHostile},
                     Document::List{{kHostile}},
                     Document::Pairs{{{kHostile, kHostile}, {"left out", ""}}},
                     Document::Table{{kHostile}, {{kHostile}, {"second\nline"}}},
                     Document::Code{"```\n+ `a` ````\n" + std::string(kHostile)}};
  return document;
}

TEST(ReportDocument, IsNeverTakenForMarkupInHtml) {
  const std::string html = ToHtml(HostileDocument());
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("onload=\"")));
  EXPECT_THAT(html, Not(HasSubstr("\x1b")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_THAT(html, HasSubstr("default-src 'none'; style-src 'sha256-"));
  EXPECT_THAT(html, Not(HasSubstr("left out")));
}

TEST(ReportDocument, IsNeverTakenForMarkupInMarkdown) {
  const std::string markdown = ToMarkdown(HostileDocument());
  EXPECT_THAT(markdown, HasSubstr("# \\<script\\>alert\\(1\\)\\</script\\> \\| \\`x\\` "
                                  "\\[a\\]\\(b\\) \\*c\\* "));
  EXPECT_THAT(markdown, Not(HasSubstr("\x1b")));
  EXPECT_THAT(markdown, Not(HasSubstr("second\nline")));
  // Longer than any run of backticks within.
  EXPECT_THAT(markdown, HasSubstr("\n`````\n```\n+ `a` ````\n"));
}

TEST(ReportDocument, KeepsCommandsAsTheyAreTyped) {
  Document document;
  document.blocks = {
      Document::Paragraph{"Try `skimwatchctl card check --exposure 1`."},
      Document::Paragraph{"Try `skimwatchctl card check --exposure <b>`."},
  };
  const std::string markdown = ToMarkdown(document);
  EXPECT_THAT(markdown, HasSubstr("Try `skimwatchctl card check --exposure 1`."));
  EXPECT_THAT(markdown, HasSubstr("\\`skimwatchctl card check \\-\\-exposure \\<b\\>\\`"));
}

// By the implementation of GitHub's Markdown.
TEST(ReportDocument, HoldsNoLinkInMarkdown) {
  const testing::TempFolder folder;
  const std::string page = folder.File("page.html");
  std::ofstream(folder.File("report.md")) << ToMarkdown(HostileDocument());
  const std::string command = absl::StrCat("cmark-gfm -e autolink -e table -e strikethrough '",
                                           folder.File("report.md"), "' > '", page, "'");
  if (std::system("cmark-gfm --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "needs cmark-gfm";
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::ifstream stream(page);
  const std::string html(std::istreambuf_iterator<char>(stream), {});
  EXPECT_THAT(html, HasSubstr("https://evil.example/a"));
  EXPECT_THAT(html, HasSubstr("<table>"));
  for (const auto element : {"<a", "<em", "<del", "<script", "<code>x"}) {
    EXPECT_THAT(html, Not(HasSubstr(element)));
  }
}

v1::ExposureReport ReportOf(const v1::AgentCoverage& coverage) {
  v1::ExposureReport report;
  *report.mutable_coverage_since() = store::ToTimestamp(absl::FromUnixSeconds(1'700'000'000));
  *report.mutable_coverage_until() = store::ToTimestamp(absl::FromUnixSeconds(1'700'003'600));
  *report.add_coverage() = coverage;
  return report;
}

v1::AgentCoverage Whole() {
  v1::AgentCoverage coverage;
  coverage.set_agent("web-1");
  coverage.set_heard_seconds(3590);
  coverage.mutable_coverage()->set_seen_bytes(1000);
  coverage.mutable_coverage()->set_scanned_bytes(900);
  coverage.mutable_coverage()->set_inbound_bytes(100);
  return coverage;
}

TEST(Unknowns, AreNoneWhereEveryByteWasScannedAllTheTime) {
  EXPECT_THAT(UnknownsOf(ReportOf(Whole())), IsEmpty());
}

TEST(Unknowns, AreWhatNobodyLookedAt) {
  EXPECT_THAT(UnknownsOf(v1::ExposureReport()), ElementsAre(HasSubstr("No agent of the site")));

  v1::AgentCoverage silent = Whole();
  silent.set_heard_seconds(3000);
  EXPECT_THAT(UnknownsOf(ReportOf(silent)), ElementsAre(HasSubstr("heard for 50m of 1h")));

  v1::AgentCoverage parts = Whole();
  parts.mutable_coverage()->set_sampled_out_bytes(1);
  parts.mutable_coverage()->set_truncated_bytes(2);
  parts.mutable_coverage()->set_shed_bytes(3);
  parts.mutable_coverage()->set_undecodable_bytes(4);
  parts.set_lost_findings(5);
  EXPECT_THAT(UnknownsOf(ReportOf(parts)),
              ElementsAre(HasSubstr("sampled out"), HasSubstr("limit of size"), HasSubstr("faster"),
                          HasSubstr("could not be read"), HasSubstr("5 findings were lost")));

  v1::ExposureReport without = ReportOf(Whole());
  without.mutable_exposure()->set_occurrences_without_fingerprint(2);
  EXPECT_THAT(UnknownsOf(without), ElementsAre(HasSubstr("without a fingerprint")));
}

TEST(ReportDocument, SaysWhoClosedTheExposureAndWhatIsLeftOut) {
  v1::ExposureReport report = ReportOf(Whole());
  v1::Exposure& exposure = *report.mutable_exposure();
  exposure.set_site("shop");
  EXPECT_THAT(ToMarkdown(DescribeReport(report)), Not(HasSubstr("| Closed |")));
  exposure.set_state(v1::Exposure::STATE_CLOSED);
  *exposure.mutable_closed_at() = store::ToTimestamp(absl::FromUnixSeconds(1'700'000'000));
  exposure.set_closed_by("alice");
  exposure.set_close_reason("the script was taken out");
  report.set_scripts_left_out(7);
  report.add_decisions()->set_action("exposure.close");
  report.set_decisions_left_out(9);
  EXPECT_THAT(ToMarkdown(DescribeReport(report)),
              AllOf(HasSubstr("| Closed | 2023\\-11\\-14T22:13:20Z by alice: the script was taken "
                              "out |"),
                    HasSubstr("7 more scripts were served without approval meanwhile"),
                    HasSubstr("9 older ones are left out here"), HasSubstr("60 seconds")));
}

class Reports : public ::testing::Test {
 protected:
  Reports() : ctl_(server_, "viewer") {
    server_.Add(ScriptFinding(1, v1::ScriptChange::CHANGE_PROPOSED, 1));
    v1::Finding changed = ScriptFinding(2, v1::ScriptChange::CHANGE_CHANGED, 2);
    v1::ScriptFact& fact = *changed.mutable_script_change()->add_gained_facts();
    fact.set_name("network_sink");
    fact.set_excerpt("fetch('https://cdn.example')");
    changed.mutable_script_change()->set_diff("-chat();\n+chat(); steal();\n");
    server_.Add(changed);
    id_ = server_.Add(CardFinding(3, {.seen = absl::FromUnixSeconds(1'700'000'100)}));
  }

  OperatorServer server_;
  Ctl ctl_;
  uint64_t id_ = 0;
};

TEST_F(Reports, AnswerWhatLeftWhenThroughWhatAndWhereTo) {
  const Result result = ctl_.Run({"exposures", "report", absl::StrCat(id_)});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(
      result.out,
      AllOf(HasSubstr("2023\\-11\\-14T22:15:00Z"), HasSubstr("1 distinct card left site shop"),
            HasSubstr("POST /collect"), HasSubstr("198.51.100.7:443"),
            HasSubstr("411111\\*\\*\\*\\*\\*\\*1111"), HasSubstr("## Script js/chat.js"),
            HasSubstr("gained network\\_sink"), HasSubstr("\n+chat(); steal();\n"),
            HasSubstr("never approved"), HasSubstr("## Can it be said that nothing else left?")));
}

TEST_F(Reports, ArePagesOfTheirOwnInHtml) {
  const Result result = ctl_.Run({"exposures", "report", absl::StrCat(id_), "--format", "html"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("<!DOCTYPE html>"), HasSubstr("<h2>Evidence</h2>"),
                                HasSubstr("+chat(); steal();"), Not(HasSubstr("<script"))));
}

TEST_F(Reports, AreDataInJson) {
  const Result result = ctl_.Run({"exposures", "report", absl::StrCat(id_), "--format", "json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json report = nlohmann::json::parse(result.out);
  EXPECT_EQ(report["exposure"]["id"], absl::StrCat(id_));
  EXPECT_EQ(report["scripts"].size(), 1u);
  EXPECT_EQ(report["related"].size(), 1u);
}

TEST_F(Reports, AreRefusedForAnExposureThatIsNotThere) {
  const Result result = ctl_.Run({"exposures", "report", "99"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("99"));
}

}  // namespace
}  // namespace skimwatch::ctl
