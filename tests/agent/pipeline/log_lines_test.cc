// What a card number in a line of a log is reported with, from the file on.

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/card/brand_table.h"
#include "agent/card/luhn.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/pipeline/message_scanner.h"
#include "agent/traffic/source/log_tail.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::pipeline {
namespace {

using ::testing::Contains;
using ::testing::Not;
using ::testing::SizeIs;

class LogLines : public ::testing::Test {
 protected:
  LogLines() : writer_(WriterOptions()), scanner_({}, card::BrandTable::Default(), writer_) {
    writer_.SetPolicy({});
  }

  FindingWriter::Options WriterOptions() {
    FindingWriter::Options options;
    options.key_wait = absl::ZeroDuration();
    options.fold_window = absl::ZeroDuration();
    options.append = [this](std::vector<v1::Finding> findings) {
      absl::MutexLock lock(&mutex_);
      findings_.insert(findings_.end(), std::make_move_iterator(findings.begin()),
                       std::make_move_iterator(findings.end()));
      return absl::OkStatus();
    };
    return options;
  }

  // What is found in a log that holds `text`.
  std::vector<v1::Finding> FindingsIn(const std::string& text, uint32_t line_bytes_max = 1048576) {
    const testing::TempFolder folder;
    std::ofstream(folder.File("app.log"), std::ios::binary) << text;
    traffic::LogTail::Options options;
    options.paths = {folder.File("*.log")};
    options.site = "shop";
    options.from_start = true;
    options.line_bytes_max = line_bytes_max;
    options.state_file = folder.File("state");
    auto tail = traffic::LogTail::Open(options, coverage_, scanner_);
    EXPECT_TRUE(tail.ok()) << tail.status();
    (*tail)->PollOnce(absl::Now());
    (*tail)->Stop();
    writer_.Flush();
    absl::MutexLock lock(&mutex_);
    return std::exchange(findings_, {});
  }

  static std::vector<std::string> EvidenceOf(const v1::Finding& finding) {
    const auto& evidence = finding.has_track_data() ? finding.track_data().evidence()
                                                    : finding.card_number().evidence();
    return {evidence.begin(), evidence.end()};
  }

  absl::Mutex mutex_;
  std::vector<v1::Finding> findings_ ABSL_GUARDED_BY(mutex_);
  traffic::Coverage coverage_;
  FindingWriter writer_;
  MessageScanner scanner_;
};

// Published for tests.
constexpr char kVisa[] = "4111111111111111";

struct NamedLine {
  const char* what;
  // `@` stands for the number.
  const char* line;
  const char* field;
};

TEST_F(LogLines, TheFieldsOfJsonAreEvidence) {
  const NamedLine lines[] = {
      {"a member", R"({"level":"info","cardNumber":"@","ok":true})", "cardnumber"},
      {"a number", R"({"card_number":@})", "cardnumber"},
      {"spaces", R"({ "card_number" : "@" })", "cardnumber"},
      {"nested", R"({"order":{"id":7,"payment":{"card":{"number":"@","exp":"12/29"}}}})", "card"},
      {"deep, telling by itself", R"({"a":{"b":{"c":{"d":{"pan":"@"}}}}})", "pan"},
      {"in a list", R"({"card_numbers":["@"]})", "cardnumbers"},
      {"not the first of a list", R"({"cards":["none","@"]})", "cards"},
      {"of an object in a list", R"({"payments":[{"id":1},{"id":2,"cc":{"number":"@"}}]})", "cc"},
      {"by a name beside", R"({"fields":[{"name":"card_number","value":"@"}]})", "cardnumber"},
      {"JSON in JSON", R"({"msg":"{\"card_number\":\"@\"}"})", "cardnumber"},
      {"JSON in JSON in JSON", R"({"msg":"{\"body\":\"{\\\"card_number\\\":\\\"@\\\"}\"}"})",
       "cardnumber"},
      {"nested in JSON in JSON", R"({"msg":"{\"card\":{\"number\":\"@\"}}"})", "card"},
      {"docker's json-file",
       R"({"log":"{\"pan\":\"@\",\"ok\":true}\n","stream":"stdout","time":"2024-01-02T03:04:05.678901234Z"})",
       "pan"},
      {"docker's, with text",
       R"({"log":"card number: @\n","stream":"stderr","time":"2024-01-02T03:04:05Z"})",
       "cardnumber"},
      {"CRI", R"(2024-01-02T03:04:05.678901234Z stdout F {"card_number":"@"})", "cardnumber"},
      {"CRI, nested", R"(2024-01-02T03:04:05.678901234+01:00 stderr F {"card":{"number":"@"}})",
       "card"},
      {"a part of a line by CRI", R"(2024-01-02T03:04:05.6789Z stdout P {"card_number":"@",)",
       "cardnumber"},
      {"after syslog's head", R"(Jan  2 03:04:05 web1 shop[42]: {"card_number":"@"})",
       "cardnumber"},
      {"escaped slashes and Unicode", R"({"url":"https:\/\/a\/","card_n\u0075mber":"@"})",
       "cardnumber"},
      {"logfmt", R"(level=info card_number=@ ok=true)", "cardnumber"},
  };
  for (const NamedLine& line : lines) {
    std::string text = line.line;
    text.replace(text.find('@'), 1, kVisa);
    const std::vector<v1::Finding> findings = FindingsIn(text + "\n");
    ASSERT_THAT(findings, SizeIs(1)) << line.what;
    EXPECT_THAT(EvidenceOf(findings[0]), Contains(absl::StrCat("field_name:", line.field)))
        << line.what;
    EXPECT_EQ(findings[0].provenance().part(), "line") << line.what;
  }
}

TEST_F(LogLines, AFieldOfAnotherMeaningSpeaksAgainst) {
  for (const char* line : {R"({"order_id":"@"})", R"({"log":"{\"tracking_number\":@}\n"})",
                           R"(2024-01-02T03:04:05Z stdout F {"order":{"id":"@"}})"}) {
    std::string text = line;
    // No published number, so that the field decides.
    std::vector<uint8_t> digits = {4, 0, 0, 0, 0, 1, 0, 2, 7, 1, 8, 2, 8, 1, 8};
    digits.push_back(card::LuhnCheckDigit(digits));
    std::string number;
    for (const uint8_t digit : digits) number += static_cast<char>('0' + digit);
    text.replace(text.find('@'), 1, number);
    const std::vector<v1::Finding> findings = FindingsIn(text + "\n");
    for (const v1::Finding& finding : findings) {
      EXPECT_NE(finding.confidence(), v1::CONFIDENCE_HIGH) << line;
    }
  }
}

TEST_F(LogLines, ALineOverTheLimitKeepsItsNames) {
  constexpr uint32_t kLimit = 1024;
  // The name before the cut, the number after it, and the number in the cut.
  for (size_t filler = kLimit - 60; filler < kLimit + 20; ++filler) {
    const std::string text = absl::StrCat(R"({"filler":")", std::string(filler - 11, 'x'),
                                          R"(","card_number":")", kVisa, "\"}\n");
    const std::vector<v1::Finding> findings = FindingsIn(text, kLimit);
    ASSERT_THAT(findings, SizeIs(1)) << filler;
    EXPECT_THAT(EvidenceOf(findings[0]), Contains("field_name:cardnumber")) << filler;
    EXPECT_EQ(findings[0].provenance().offset(), text.find(kVisa)) << filler;
  }
}

TEST_F(LogLines, ANameDoesNotReachTheNextLine) {
  const std::vector<v1::Finding> findings =
      FindingsIn(absl::StrCat("{\"card_number\":\n\"", kVisa, "\"}\n"));
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(EvidenceOf(findings[0]), Not(Contains("field_name:cardnumber")));
}

}  // namespace
}  // namespace skimwatch::pipeline
