// How many planted numbers are found: every brand, range edge and length, in every form.

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::testing {
namespace {

using card::Confidence;

constexpr int kNumbersEach = 1000;

// Numbers of every brand, range edge and length in turn.
class Planter {
 public:
  explicit Planter(uint64_t seed) : random_(seed), issues_(EveryIssue()) {}

  const Issue& Next() {
    const Issue& issue = issues_[next_++ % issues_.size()];
    number = NumberOf(random_, issue);
    return issue;
  }
  size_t issue_count() const { return issues_.size(); }
  Random& random() { return random_; }

  std::string number;

 private:
  Random random_;
  std::vector<Issue> issues_;
  size_t next_ = 0;
};

std::string Name(const Issue& issue) {
  return absl::StrCat(issue.brand, " ", issue.prefix, " ", issue.length, " digits");
}

TEST(Recall, FindsEveryPlainNumberOfEveryBrand) {
  Planter planter(1);
  for (size_t i = 0; i < 100 * planter.issue_count(); ++i) {
    const Issue& issue = planter.Next();
    const auto found = Scan(absl::StrCat("text before ", planter.number, " and after"));
    ASSERT_TRUE(IsOnly(found, planter.number)) << Name(issue) << ", case " << i;
    EXPECT_EQ(found[0].brand, issue.brand);
    EXPECT_EQ(found[0].offset, 12u);
    EXPECT_EQ(found[0].length, issue.length);
    EXPECT_TRUE(found[0].encodings.empty());
  }
}

TEST(Recall, FindsEveryGroupedNumberOfEveryBrandWithEverySeparator) {
  const std::vector<std::string_view> separators = {" ",
                                                    "-",
                                                    ".",
                                                    "_",
                                                    "/",
                                                    "+",
                                                    "%20",
                                                    "&nbsp;",
                                                    "\xC2\xA0",
                                                    "\xE2\x80\x89",
                                                    "\xE2\x80\xAF",
                                                    "\xE2\x80\x87"};
  Planter planter(2);
  for (const std::string_view separator : separators) {
    for (int i = 0; i < kNumbersEach; ++i) {
      const Issue& issue = planter.Next();
      for (const std::string& text :
           {BrandGrouped(planter.number, separator), Grouped(planter.number, {4}, separator)}) {
        const auto found = Scan(absl::StrCat("card: ", text, "\n"));
        ASSERT_TRUE(IsOnly(found, planter.number))
            << Name(issue) << " with '" << separator << "', case " << i;
        EXPECT_EQ(found[0].offset, 6u);
        EXPECT_EQ(found[0].length, text.size());
      }
    }
  }
}

TEST(Recall, FindsFullWidthDigitsAndUtf16) {
  Planter planter(3);
  for (int i = 0; i < kNumbersEach; ++i) {
    const Issue& issue = planter.Next();
    ASSERT_TRUE(IsOnly(Scan("a " + FullWidth(planter.number) + " b"), planter.number))
        << Name(issue);
    const std::string grouped = BrandGrouped(planter.number, " ");
    for (const std::string& digits : {planter.number, grouped}) {
      ASSERT_TRUE(IsOnly(Scan(Utf16Le("card " + digits + ", text")), planter.number))
          << Name(issue);
      ASSERT_TRUE(IsOnly(Scan(Utf16Be("card " + digits + ", text")), planter.number))
          << Name(issue);
      ASSERT_TRUE(IsOnly(Scan("xyz" + Utf16Le(digits)), planter.number)) << Name(issue);
    }
  }
}

TEST(Recall, FindsEveryEncodedNumber) {
  Planter planter(4);
  for (const NamedEncoding& form : EveryEncoding()) {
    for (int i = 0; i < kNumbersEach; ++i) {
      const Issue& issue = planter.Next();
      const std::string encoded = form.encode(planter.number);
      const auto found = Scan(absl::StrCat("v=", encoded, " "));
      ASSERT_TRUE(IsOnly(found, planter.number)) << form.name << ": " << Name(issue);
      ASSERT_EQ(found[0].encodings, std::vector{form.encoding}) << form.name;
      EXPECT_EQ(found[0].offset, 2u) << form.name;
      EXPECT_EQ(found[0].length, encoded.size()) << form.name;
    }
  }
}

TEST(Recall, FindsEveryNumberInAnEncodedForm) {
  Planter planter(5);
  for (const NamedEncoding& form : EveryEncoding()) {
    for (int i = 0; i < kNumbersEach; ++i) {
      const Issue& issue = planter.Next();
      const std::string body =
          absl::StrCat("name=J%20Doe&cardnumber=", planter.number,
                       "&exp=11/29&cvv=123&id=", RandomDigits(planter.random(), 9));
      const auto found = Scan(absl::StrCat("{\"d\":\"", form.encode(body), "\"}"));
      ASSERT_TRUE(IsOnly(found, planter.number)) << form.name << ": " << Name(issue);
      EXPECT_EQ(found[0].encodings, std::vector{form.encoding}) << form.name;
      EXPECT_EQ(found[0].kind, card::MatchKind::kPanWithCvv) << form.name;
      EXPECT_EQ(found[0].confidence, Confidence::kHigh) << form.name << ": " << Name(issue);
    }
  }
}

TEST(Recall, FindsEveryNestingOfTwo) {
  Planter planter(6);
  constexpr int kCases = 120;
  for (const NamedEncoding& inner : EveryEncoding()) {
    for (const NamedEncoding& outer : EveryEncoding()) {
      for (int i = 0; i < kCases; ++i) {
        const Issue& issue = planter.Next();
        const std::string text =
            i % 2 == 0 ? planter.number : absl::StrCat("{\"pan\":\"", planter.number, "\"}");
        const auto found = Scan(absl::StrCat("q=", outer.encode(inner.encode(text))));
        ASSERT_TRUE(IsOnly(found, planter.number))
            << inner.name << " in " << outer.name << ": " << Name(issue) << ", case " << i;
        EXPECT_EQ(found[0].encodings, (std::vector{outer.encoding, inner.encoding}))
            << inner.name << " in " << outer.name;
      }
    }
  }
}

TEST(Recall, FindsNestingsOfFourWhenAsked) {
  Planter planter(7);
  ScanSetup deep;
  deep.options.decode_depth = 4;
  for (int i = 0; i < kNumbersEach; ++i) {
    const Issue& issue = planter.Next();
    std::string text = planter.number;
    std::vector<card::Encoding> chain;
    std::string names;
    for (int level = 0; level < 4; ++level) {
      const NamedEncoding& form = EveryEncoding()[Below(planter.random(), EveryEncoding().size())];
      text = form.encode(text);
      chain.insert(chain.begin(), form.encoding);
      absl::StrAppend(&names, std::string(form.name), " ");
    }
    const auto found = Scan(text, deep);
    ASSERT_TRUE(IsOnly(found, planter.number)) << names << Name(issue) << ", case " << i;
    EXPECT_EQ(found[0].encodings, chain) << names;
    // And not when fewer are allowed.
    deep.options.decode_depth = 3;
    EXPECT_TRUE(Scan(text, deep).empty()) << names;
    deep.options.decode_depth = 4;
  }
}

TEST(Recall, FindsBase64AtEveryAlignmentWithinALongerRun) {
  Planter planter(8);
  for (size_t before = 0; before < 12; ++before) {
    for (size_t inside = 0; inside < 6; ++inside) {
      for (int i = 0; i < 50; ++i) {
        const Issue& issue = planter.Next();
        // `inside` moves the digits within the groups, `before` the groups within the run.
        const std::string text = absl::StrCat(std::string(inside, 'x'), ":", planter.number, ";",
                                              std::string(i % 4, 'y'));
        const std::string run = absl::StrCat(std::string(before, 'Q'), Base64Unpadded(text));
        ASSERT_TRUE(IsOnly(Scan(absl::StrCat("<", run, "QQ>")), planter.number))
            << Name(issue) << " before " << before << " inside " << inside;
        ASSERT_TRUE(IsOnly(Scan(absl::StrCat("/img/", run, ".gif")), planter.number))
            << Name(issue) << " before " << before << " inside " << inside;
      }
    }
  }
}

TEST(Recall, FindsNumbersInWrappedBase64) {
  Planter planter(9);
  for (const size_t width : {20, 30, 50, 60, 64, 76}) {
    for (const std::string_view line_break : {"\n", "\r\n", "\r\n\t", "\\n", "\\r\\n"}) {
      for (int i = 0; i < 100; ++i) {
        const Issue& issue = planter.Next();
        const std::string text =
            absl::StrCat(std::string(Below(planter.random(), 90), 'a'), " card=", planter.number,
                         "&name=Jane%20Doe&x=", std::string(Below(planter.random(), 60), 'b'));
        ASSERT_TRUE(IsOnly(Scan(absl::StrCat("\"", Base64Wrapped(text, width, line_break), "\"")),
                           planter.number))
            << Name(issue) << " width " << width << " case " << i;
      }
    }
  }
}

TEST(Recall, FindsNumbersWithOnlySomeDigitsEscaped) {
  Planter planter(10);
  for (int i = 0; i < kNumbersEach; ++i) {
    const Issue& issue = planter.Next();
    for (const NamedEncoding& form : EveryEncoding()) {
      if (form.encoding == card::Encoding::kBase64 || form.encoding == card::Encoding::kHex)
        continue;
      std::string text;
      bool escaped = false;
      for (const char c : planter.number) {
        const bool escape = Below(planter.random(), 4) == 0;
        escaped = escaped || escape;
        text += escape ? form.encode(std::string_view(&c, 1)) : std::string(1, c);
      }
      if (!escaped) continue;
      const auto found = Scan(absl::StrCat("cc=", text, "&x=1"));
      ASSERT_TRUE(IsOnly(found, planter.number)) << form.name << ": " << Name(issue);
      EXPECT_EQ(found[0].encodings, std::vector{form.encoding}) << form.name;
    }
  }
}

TEST(Recall, FindsNumbersInJsonWithinJsonAndWithinForms) {
  Planter planter(11);
  for (int i = 0; i < kNumbersEach; ++i) {
    const Issue& issue = planter.Next();
    const std::string& number = planter.number;
    for (const std::string& text :
         {"{\"cardNumber\":\"" + number + "\"}", "{\\\"cardNumber\\\":\\\"" + number + "\\\"}",
          "%7B%22cardNumber%22%3A%22" + number + "%22%7D",
          "%257B%2522cardNumber%2522%253A%2522" + number + "%2522%257D",
          "{\\u0022cardNumber\\u0022:\\u0022" + number + "\\u0022}",
          "cardNumber\\n" + number + "\\n", "<cardNumber>" + number + "</cardNumber>",
          "<input name=\"cardNumber\" value=\"" + number + "\">",
          "Content-Disposition: form-data; name=\"cardNumber\"\r\n\r\n" + number + "\r\n--b",
          "O:4:\"Card\":1:{s:10:\"cardNumber\";s:16:\"" + number + "\";}"}) {
      const auto found = Scan(text);
      ASSERT_TRUE(IsOnly(found, number)) << Name(issue) << " in " << text.substr(0, 20);
      EXPECT_TRUE(found[0].encodings.empty()) << text.substr(0, 20);
    }
  }
}

}  // namespace
}  // namespace skimwatch::testing
