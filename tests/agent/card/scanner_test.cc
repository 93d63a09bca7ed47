#include "agent/card/scanner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/card/brand_table.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using testing::Base64;
using testing::Below;
using testing::Found;
using testing::Random;
using testing::Scan;
using testing::ScanInPieces;

// A text with numbers in many forms, words and noise between.
std::string MixedText(Random& random, size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    const std::string number = testing::NumberWith(random, "4", 16);
    const auto& forms = testing::EveryEncoding();
    const std::string body = absl::StrCat("{\"pan\":\"", number, "\",\"cvv\":\"123\"}");
    switch (Below(random, 7)) {
      case 0:
        absl::StrAppend(&text, "card ", testing::BrandGrouped(number, " "), ". ");
        break;
      case 1:
        absl::StrAppend(&text, body, "\n");
        break;
      case 2:
        absl::StrAppend(&text, "d=", forms[Below(random, forms.size())].encode(body), "&");
        break;
      case 3:
        absl::StrAppend(&text, " ",
                        forms[Below(random, forms.size())].encode(
                            forms[Below(random, forms.size())].encode(number)),
                        " ");
        break;
      case 4:
        absl::StrAppend(&text, testing::Base64Wrapped(body, 20, "\r\n"), "\n");
        break;
      case 5:
        absl::StrAppend(&text, testing::Utf16Le(body), ";", testing::FullWidth(number));
        break;
      default:
        for (uint64_t i = Below(random, 300); i > 0; --i) text += static_cast<char>(random());
        break;
    }
  }
  return text;
}

TEST(ScanStream, FindsNumbersBehindTheSeparatorOfAPath) {
  // Among them those that begin like an octal escape.
  for (const std::string_view number : {"4111111111111111", "371449635398431", "3530111333300000",
                                        "2223003122003222", "30569309025904", "5555555555554444"}) {
    for (const std::string_view before : {"C:\\cards\\", "{\"file\": \"C:\\\\cards\\\\"}) {
      EXPECT_EQ(Scan(std::string(before) + std::string(number) + ".txt").size(), 1u)
          << before << number.substr(0, 6);
    }
  }
}

TEST(ScanStream, FindsTheSameHoweverTheStreamIsCut) {
  Random random(1);
  for (int round = 0; round < 30; ++round) {
    const std::string text = MixedText(random, 1 + Below(random, 200'000));
    const std::vector<Found> whole = Scan(text);
    for (int way = 0; way < 5; ++way) {
      std::vector<size_t> cuts;
      for (uint64_t i = Below(random, 50); i > 0; --i) cuts.push_back(Below(random, text.size()));
      std::sort(cuts.begin(), cuts.end());
      ASSERT_EQ(ScanInPieces(text, cuts), whole) << "round " << round << ", way " << way;
    }
  }
}

TEST(ScanStream, FindsTheSameCutAtEveryByte) {
  Random random(2);
  const std::string text = MixedText(random, 4000);
  const std::vector<Found> whole = Scan(text);
  ASSERT_GT(whole.size(), 10u);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    ASSERT_EQ(ScanInPieces(text, {cut}), whole) << cut;
  }
  std::vector<size_t> every(text.size());
  for (size_t i = 0; i < every.size(); ++i) every[i] = i;
  EXPECT_EQ(ScanInPieces(text, every), whole);
}

TEST(ScanStream, FindsANumberOnceAtEveryPlaceAroundABlockBorder) {
  // Windows of 64 KiB overlap by 8 KiB: borders are at 60 KiB and 56 KiB apart after that.
  const std::vector<size_t> borders = {60 << 10, 64 << 10, 116 << 10, 120 << 10};
  const std::string body = "<cc>4111 1111 1111 1111</cc>";
  std::vector<std::string> forms = {body, testing::Utf16Le(body),
                                    testing::Base64Wrapped(body, 20, "\r\n")};
  for (const testing::NamedEncoding& form : testing::EveryEncoding()) {
    forms.push_back(form.encode(body));
    forms.push_back(Base64(form.encode(body)));
  }
  for (const size_t border : borders) {
    for (const std::string& form : forms) {
      const std::string text = absl::StrCat(" ", form, " ");
      std::string stream(border + 2000, '\n');
      const std::vector<Found> expected = Scan(text);
      ASSERT_EQ(expected.size(), 1u);
      for (size_t before = 0; before <= text.size() + 4; before += form.size() > 100 ? 3 : 1) {
        const size_t at = border - before;
        std::fill(stream.begin(), stream.end(), '\n');
        stream.replace(at, text.size(), text);
        const std::vector<Found> found = Scan(stream);
        ASSERT_EQ(found.size(), 1u) << "border " << border << ", " << before << " bytes before";
        EXPECT_EQ(found[0].offset, at + expected[0].offset);
        EXPECT_EQ(found[0].length, expected[0].length);
        EXPECT_EQ(found[0].encodings, expected[0].encodings);
        EXPECT_EQ(found[0].score, expected[0].score);
        EXPECT_EQ(found[0].kind, expected[0].kind);
      }
    }
  }
}

TEST(ScanStream, FindsNumbersAllOverAnEncodedRunLongerThanAnyWindow) {
  Random random(3);
  std::string body;
  std::vector<std::string> numbers;
  while (body.size() < 400'000) {
    numbers.push_back(testing::NumberWith(random, "51", 16));
    absl::StrAppend(&body, "{\"pan\":\"", numbers.back(), "\",\"text\":\"",
                    std::string(Below(random, 600), 'x'), "\"}\n");
  }
  for (const testing::NamedEncoding& form : testing::EveryEncoding()) {
    const std::vector<Found> found = Scan(form.encode(body));
    ASSERT_EQ(found.size(), numbers.size()) << form.name;
    for (size_t i = 0; i < numbers.size(); ++i) {
      ASSERT_EQ(found[i].digits_hash, testing::HashOfDigits(numbers[i])) << form.name << " " << i;
      ASSERT_EQ(found[i].confidence, Confidence::kHigh) << form.name << " " << i;
    }
  }
}

TEST(ScanStream, FindsEveryOneOfSeveralNumbersCloseTogetherHoweverTheyAreGrouped) {
  for (const std::string_view separator :
       {" ", "%20", "&nbsp;", "\xC2\xA0", "\xE2\x80\x89", "\xE2\x80\xAF"}) {
    const std::string grouped = testing::Grouped("4111111111111111", {4}, separator);
    for (const int depth : {0, 2}) {
      const auto found = Scan(absl::StrCat(grouped, ";5500000000000004;", grouped),
                              {.options = {.decode_depth = depth}});
      ASSERT_EQ(found.size(), 3u) << "'" << separator << "' at depth " << depth;
      EXPECT_EQ(found[0].digits_hash, found[2].digits_hash);
      EXPECT_EQ(found[1].offset, grouped.size() + 1);
    }
  }
}

TEST(ScanStream, FindsGroupedNumbersAfterEscapesAndBlanks) {
  for (const std::string before :
       {"%22 ", "%22%20", "%20%20", "%22%20%20", "\\u0031 ", "%3A%20%20%20%20", "%22+"}) {
    for (const std::string separator : {" ", "%20", "-"}) {
      const std::string text =
          absl::StrCat(before, testing::Grouped("4111111111111111", {4}, separator));
      for (const int depth : {0, 2}) {
        const auto found = Scan(text, {.options = {.decode_depth = depth}});
        ASSERT_EQ(found.size(), 1u) << text.substr(0, before.size()) << " at depth " << depth;
        EXPECT_EQ(found[0].offset, before.size());
      }
    }
  }
}

TEST(ScanStream, TakesNoSliceAtTheEdgeOfALineWithinAnotherEncoding) {
  Random random(6);
  for (int i = 0; i < 2000; ++i) {
    // Sixteen digits that are no number; thirteen of them may be.
    const std::string inner = Base64(testing::NumberWithWrongCheckDigit(random, "4", 16));
    const std::string text =
        testing::Base64Wrapped(absl::StrCat("{\"d\":\"", inner, "\"}"), 20, "\\r\\n");
    EXPECT_TRUE(Scan(absl::StrCat("\"", text, "\"")).empty()) << i;
  }
}

// What stands around escapes is decoded from where it may be cut.
TEST(ScanStream, TakesNoSliceOfWhatIsEncodedBesideEscapes) {
  Random random(9);
  const std::string longer = absl::StrCat("7", testing::NumberWith(random, "4", 16), "123");
  const std::string rows = "1935 3064 0621 2318 6350 9395 5333 6381 1935 3064 0621 2318 6753";
  const auto without_row = [](std::vector<Found> found) {
    std::erase_if(found, [](const Found& match) { return match.encodings.empty(); });
    return found;
  };
  for (const auto& form : testing::EveryEncoding()) {
    for (size_t gap = 0; gap < 240; ++gap) {
      const std::string between(gap, 'x');
      for (const std::string escapes : {"\\u0037\\u0038", "%37%38", "&#55;&#56;"}) {
        EXPECT_TRUE(Scan(absl::StrCat(form.encode(longer), between, escapes)).empty())
            << form.name << " " << gap;
        EXPECT_TRUE(Scan(absl::StrCat(escapes, between, form.encode(longer))).empty())
            << form.name << " " << gap;
        EXPECT_TRUE(without_row(Scan(absl::StrCat(rows, between, escapes))).empty()) << gap;
      }
    }
  }
}

TEST(ScanStream, HandsMatchesOverInOrderOfTheirLastByte) {
  Random random(4);
  const std::vector<Found> found = Scan(MixedText(random, 300'000));
  ASSERT_GT(found.size(), 500u);
  for (size_t i = 1; i < found.size(); ++i) {
    EXPECT_LT(found[i - 1].offset + found[i - 1].length, found[i].offset + found[i].length);
    EXPECT_LE(found[i - 1].offset + found[i - 1].length, found[i].offset) << "no overlap";
  }
}

TEST(ScanStream, ReportsTheSameNumberAtTwoPlacesTwice) {
  const std::vector<Found> found = Scan("4111111111111111 and 4111111111111111");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].offset, 0u);
  EXPECT_EQ(found[1].offset, 21u);
}

TEST(ScanStream, UndoesNoMoreEncodingsThanAsked) {
  const std::string once = Base64("4111111111111111");
  const std::string twice = Base64(once);
  testing::ScanSetup setup;
  for (int depth = 0; depth <= 4; ++depth) {
    setup.options.decode_depth = depth;
    EXPECT_EQ(Scan("4111111111111111", setup).size(), 1u) << depth;
    EXPECT_EQ(Scan(once, setup).size(), depth >= 1 ? 1u : 0u) << depth;
    EXPECT_EQ(Scan(twice, setup).size(), depth >= 2 ? 1u : 0u) << depth;
    EXPECT_EQ(Scan(testing::Utf16Le("4111111111111111"), setup).size(), 1u) << depth;
  }
}

TEST(ScanStream, KeepsBackWhatIsBelowTheLevelAskedFor) {
  const std::string text = "orderid=4111111111111111 ... 5555555555554444 ... cc=378282246310005";
  testing::ScanSetup setup;
  setup.options.min_confidence = Confidence::kMedium;
  EXPECT_EQ(Scan(text, setup).size(), 2u);
  setup.options.min_confidence = Confidence::kHigh;
  EXPECT_EQ(Scan(text, setup).size(), 1u);
}

class Counter : public MatchSink {
 public:
  void OnMatch(const CardMatch& match) override {
    ++count;
    last_offset = match.offset;
  }
  size_t count = 0;
  uint64_t last_offset = 0;
};

TEST(ScanStream, StartsAfreshAtBegin) {
  ScanStream stream({}, BrandTable::Default());
  Counter counter;
  stream.Begin({});
  stream.Feed("x 41111111", counter);
  // Never finished: forgotten.
  stream.Begin({});
  stream.Feed("11111111 ", counter);
  stream.Finish(counter);
  EXPECT_EQ(counter.count, 0u);
  stream.Begin({});
  stream.Feed("12 4111111111111111", counter);
  stream.Finish(counter);
  EXPECT_EQ(counter.count, 1u);
  EXPECT_EQ(counter.last_offset, 3u);
}

TEST(ScanStream, TakesAnEmptyStream) {
  ScanStream stream({}, BrandTable::Default());
  Counter counter;
  stream.Begin({});
  stream.Finish(counter);
  stream.Begin({});
  stream.Feed("", counter);
  stream.Finish(counter);
  EXPECT_EQ(counter.count, 0u);
}

TEST(ScanStream, KeepsOffsetsOverManyWindows) {
  ScanStream stream({.decode_depth = 0}, BrandTable::Default());
  Counter counter;
  stream.Begin({});
  const std::string nothing(1 << 20, '\n');
  constexpr uint64_t kPieces = 100;
  for (uint64_t i = 0; i < kPieces; ++i) stream.Feed(nothing, counter);
  stream.Feed(" 4111111111111111 ", counter);
  stream.Finish(counter);
  EXPECT_EQ(counter.count, 1u);
  EXPECT_EQ(counter.last_offset, (kPieces << 20) + 1);
}

TEST(ScanStream, UndoesEscapesBesideEachOtherAtOnce) {
  const std::vector<Found> found =
      Scan("v=\"%34\\u0031&#49;1\\x311111&#x31;11%31\\06111\"", {.options = {.decode_depth = 1}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].encodings, (std::vector<Encoding>{Encoding::kPercent, Encoding::kJsonEscape,
                                                       Encoding::kHtmlEntity}));
}

// Whatever forms are within whatever others, over more than a window.
TEST(ScanStream, DecodesHonestTextWhole) {
  ScanStream stream({.decode_depth = 4}, BrandTable::Default());
  Counter counter;
  std::string text;
  while (text.size() < 100'000) {
    absl::StrAppend(&text, R"({"name":"Jane Doe","items":[)", text.size(), R"(,2],"note":"a b"},)");
  }
  const auto decode = [&](std::string_view encoded) {
    stream.Begin({});
    stream.Feed(encoded, counter);
    stream.Finish(counter);
  };
  for (const auto& first : testing::EveryEncoding()) {
    decode(first.encode(text));
    for (const auto& second : testing::EveryEncoding()) {
      decode(second.encode(first.encode(text.substr(0, 8000))));
      for (const auto& third : testing::EveryEncoding()) {
        decode(third.encode(second.encode(first.encode(text.substr(0, 600)))));
      }
    }
  }
  EXPECT_EQ(stream.bytes_not_decoded(), 0u);
}

TEST(ScanStream, CountsWhatItLeavesUndecoded) {
  ScanStream stream({.decode_depth = 4}, BrandTable::Default());
  Counter counter;
  stream.Begin({});
  stream.Feed(Base64(std::string(100'000, 'a')), counter);
  stream.Finish(counter);
  EXPECT_EQ(stream.bytes_not_decoded(), 0u);
  // Base64 that is text wherever a group begins, joined anew by each layer of escapes.
  std::string hostile;
  while (hostile.size() < 200'000) absl::StrAppend(&hostile, "%25252556", std::string(300, 'V'));
  stream.Begin({});
  stream.Feed(hostile, counter);
  stream.Finish(counter);
  EXPECT_GT(stream.bytes_not_decoded(), 0u);
}

}  // namespace
}  // namespace skimwatch::card
