#include "agent/card/record_tail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using ::testing::Contains;
using ::testing::Not;
using testing::Scan;

// A published test number stands for N.
constexpr char kNumber[] = "4012888888881881";

TEST(RecordTail, ReadsExpiryDateAndSecurityCode) {
  for (const std::string tail :
       {"|12|2027|123|Jane", ";12;27;123", ":1227:123", "|12/27|123", ",12,27,1234",
        "\t12\t2027\t123", "|1|27|123", "~122027~123", " 1227 123", "-1227-123", " | 12 | 27 | 123",
        "|12-27|123", "\",\"12\",\"2027\",\"123\"", "%7C12%7C27%7C123", ":12:27:123",
        "#12#27#123\n", " 12 27 123", "_1227_123", "|12\\/27|123"}) {
    const RecordTail read = ReadRecordTail(tail, 0);
    EXPECT_TRUE(read.expiry) << tail;
    EXPECT_TRUE(read.security_code) << tail;
  }
}

TEST(RecordTail, ReadsAnExpiryDateAlone) {
  for (const std::string tail :
       {" 1227", "|12|27", "|12/2027|Jane", "-1227", ":1227:x", "|12|27|12", "|12|27|12345",
        "|12/27;123", " 1227 x", " 1227 123a"}) {
    const RecordTail read = ReadRecordTail(tail, 0);
    EXPECT_TRUE(read.expiry) << tail;
    EXPECT_FALSE(read.security_code) << tail;
  }
}

TEST(RecordTail, ReadsTheYearFirstAfterAHardDelimiter) {
  for (const std::string tail : {"|2712|123", ";202712;123", ",2027-12,123", "\t2027/12\t1234"}) {
    EXPECT_TRUE(ReadRecordTail(tail, 0).security_code) << tail;
  }
  for (const std::string tail : {" 2712 123", "-2712-123", "|2713|123", "|202713|123", "|2027-13|1",
                                 "|2027-12-31|123", "|1927-12|123"}) {
    EXPECT_FALSE(ReadRecordTail(tail, 0).expiry) << tail;
  }
}

// Field 2 or so, its length, its bytes; MessagePack's short strings.
TEST(RecordTail, ReadsFieldsWithTheirLengthBefore) {
  const auto protobuf = [](std::string_view expiry, std::string_view code) {
    return absl::StrCat("\x12", std::string(1, static_cast<char>(expiry.size())),
                        std::string(expiry), "\x1a", std::string(1, static_cast<char>(code.size())),
                        std::string(code));
  };
  for (const std::string expiry : {"1227", "12/27", "12/2027", "122027"}) {
    const std::string tail = protobuf(expiry, "123");
    const RecordTail read = ReadRecordTail(tail, 0);
    EXPECT_TRUE(read.expiry && read.security_code) << expiry;
    EXPECT_EQ(read.end, tail.size());
    // Cut anywhere.
    for (size_t size = 0; size < tail.size(); ++size) {
      EXPECT_FALSE(ReadRecordTail(tail.substr(0, size), 0).security_code);
    }
  }
  EXPECT_TRUE(ReadRecordTail("\xA4"
                             "1227\xA3"
                             "123",
                             0)
                  .security_code);
  for (const std::string& tail :
       {protobuf("1327", "123"), protobuf("12/27x", "123"), protobuf("", "123"),
        std::string("\x12\x7f"
                    "1227")}) {
    EXPECT_FALSE(ReadRecordTail(tail, 0).expiry);
  }
  EXPECT_FALSE(ReadRecordTail(protobuf("1227", "12"), 0).security_code);
  EXPECT_FALSE(ReadRecordTail(protobuf("1227", "12a"), 0).security_code);
}

TEST(RecordTail, LeavesOtherFieldsAlone) {
  for (const std::string tail : {"",
                                 "|",
                                 "|13|27|123",
                                 "|00|27|123",
                                 "|12|14|123",
                                 "|12|50|123",
                                 "|12|2050|123",
                                 " 9876",
                                 " 1327 123",
                                 "|12;27|123",
                                 ":12:30",
                                 ":12:30:45",
                                 " 12/27/2024",
                                 "-12-27-2024",
                                 " 12.27",
                                 " 1227.5",
                                 "/12/27/2024",
                                 "|12|2027x",
                                 "|x|12|27",
                                 "=1227123",
                                 "1227",
                                 "|1227123",
                                 " 12 x 27",
                                 "|1234567|1",
                                 " 1 27 123"}) {
    const RecordTail read = ReadRecordTail(tail, 0);
    EXPECT_FALSE(read.expiry) << tail;
    EXPECT_FALSE(read.security_code) << tail;
    EXPECT_EQ(read.end, 0u) << tail;
  }
}

TEST(RecordTail, MakesARecordOfASkimmerHigh) {
  for (const std::string tail : {"|12|2027|123|Jane", ";12;27;123", ":1227:123", "|12/27|123"}) {
    const std::string record = absl::StrCat(kNumber, tail);
    std::vector<std::string> texts = {record, absl::StrCat("a\n", record, "\nb"),
                                      absl::StrCat("{\"d\":\"", record, "\"}")};
    for (const testing::NamedEncoding& form : testing::EveryEncoding()) {
      texts.push_back(absl::StrCat("d=", form.encode(record)));
    }
    for (const std::string& text : texts) {
      const auto found = Scan(text);
      ASSERT_EQ(found.size(), 1u) << text;
      EXPECT_EQ(found[0].kind, MatchKind::kPanWithCvv) << text;
      EXPECT_EQ(found[0].confidence, Confidence::kHigh) << text;
      EXPECT_THAT(found[0].evidence, Contains("expiry")) << text;
      EXPECT_THAT(found[0].evidence, Contains("security_code")) << text;
    }
  }
}

TEST(RecordTail, IsNoLongerRunOfGroups) {
  for (const std::string separator : {" ", "-", "%20", "+"}) {
    const std::string number =
        absl::StrCat("4012", separator, "8888", separator, "8888", separator, "1881", separator);
    for (const std::string& text :
         {absl::StrCat("x ", number, "1227"), absl::StrCat("x ", number, "1227", separator, "123"),
          absl::StrCat("x ", number, "0130", separator, "1234 ")}) {
      const auto found = Scan(text);
      ASSERT_EQ(found.size(), 1u) << text;
      EXPECT_EQ(found[0].confidence, Confidence::kHigh) << text;
      EXPECT_THAT(found[0].evidence, Contains("expiry")) << text;
      EXPECT_THAT(found[0].evidence, Not(Contains("against:longer_run"))) << text;
    }
    // No month, and a row that goes on.
    for (const std::string& text :
         {absl::StrCat(number, "1327"),
          absl::StrCat(number, "1227", separator, "1234", separator, "5678")}) {
      const auto found = Scan(text);
      ASSERT_EQ(found.size(), 1u) << text;
      EXPECT_THAT(found[0].evidence, Contains("against:longer_run")) << text;
    }
  }
}

}  // namespace
}  // namespace skimwatch::card
