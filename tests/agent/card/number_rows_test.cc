#include "agent/card/number_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using ::testing::Contains;
using testing::Found;
using ::testing::Not;
using testing::Scan;

constexpr char kNumber[] = "4012 8888 8888 1881";

// The match of kNumber in `text`.
Found FoundIn(const std::string& text) {
  for (const Found& found : Scan(text)) {
    if (found.offset == text.find(kNumber)) return found;
  }
  ADD_FAILURE() << "nothing found in: " << text;
  return {};
}

TEST(NumberRows, MakeANumberMediumAmongRowsThatAreNone) {
  for (const std::string& text :
       {absl::StrCat("1024 2048 4096 8193\n", kNumber, "\n"),
        absl::StrCat(kNumber, "\n1024 2048 4096 8193"),
        absl::StrCat("a\r\n1024 2048 4096 8193\r\n", kNumber, "\r\nb"),
        absl::StrCat("{\"t\":\"1024 2048 4096 8193\\n", kNumber, "\\n\"}").substr(6),
        absl::StrCat("x\n", kNumber, "\n1024 2048 4096 8193\ny"),
        // The next four groups pass for a number, those after do not.
        absl::StrCat(kNumber, " 5555 5555 5555 4444 9024 2048 4096 8194 11"),
        absl::StrCat("2048\n  ", kNumber, " 5555 5555 5555 4444 9024 2048 4096 8194\n")}) {
    const Found found = FoundIn(text);
    EXPECT_EQ(found.confidence, Confidence::kMedium) << text;
    EXPECT_THAT(found.evidence, Contains("against:number_rows")) << text;
  }
}

TEST(NumberRows, AreNotWhatCardNumbersStandIn) {
  for (const std::string& text :
       {std::string(kNumber), absl::StrCat("x\n", kNumber, "\ny"),
        // A list of numbers
        absl::StrCat("5555 5555 5555 4444\n", kNumber, "\n4111 1111 1111 1111\n"),
        absl::StrCat(kNumber, " 5555 5555 5555 4444 4111 1111 1111 1111\n"),
        absl::StrCat(kNumber, " 5555 5555 5555 4444 12 2048 4096 8193\n"),
        absl::StrCat(kNumber, " 5555 5555 5555 4444 1227 4111 1111 1111 1111 1228\n"),
        // Not the whole line, on either line
        absl::StrCat("1024 2048 4096 8193\nno ", kNumber, "\n"),
        absl::StrCat("n 1024 2048 4096 8193\n", kNumber, "\n"),
        absl::StrCat("1024 2048 4096 8193\n", kNumber, " Jane\n"),
        // Other rows
        absl::StrCat("1024-2048-4096-8193\n", kNumber, "\n"),
        absl::StrCat("1024 2048 4096\n", kNumber, "\n"),
        absl::StrCat("1024 2048 4096 8193\n\n", kNumber, "\n")}) {
    const Found found = FoundIn(text);
    EXPECT_EQ(found.confidence, Confidence::kHigh) << text;
    EXPECT_THAT(found.evidence, Not(Contains("against:number_rows"))) << text;
  }
}

}  // namespace
}  // namespace skimwatch::card
