// Numbers whose parts stand in fields of their own: docs/detection.md has the table.

#include "agent/card/split_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using ::testing::Contains;
using testing::Found;
using ::testing::Not;
using testing::Scan;

// A published test number in its parts.
const std::vector<std::string> kParts = {"4012", "8888", "8888", "1881"};

// How parts are written; `name` counts up, or is the same where it ends in `[]`.
struct Writer {
  std::string_view structure;
  std::string (*write)(std::string_view name, const std::vector<std::string>& parts);
};

// Writes `before`, the name with the part's index, `between`, the part, `after` for each part.
std::string Each(std::string_view name, const std::vector<std::string>& parts,
                 std::string_view before, std::string_view between, std::string_view after) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StrAppend(&text, std::string(before), std::string(name), i + 1, std::string(between),
                    parts[i], std::string(after));
  }
  return text;
}

using Names = std::string_view;
using Values = const std::vector<std::string>&;
const Writer kNumbered[] = {
    {"form", [](Names n, Values p) { return "x=1&" + Each(n, p, "", "=", "&") + "y=2"; }},
    {"query", [](Names n, Values p) { return "GET /a.gif?" + Each(n, p, "", "=", "&") + "y"; }},
    {"brackets",
     [](Names n, Values p) {
       return "x=1&" + Each(absl::StrCat(std::string(n), "["), p, "", "]=", "&");
     }},
    {"JSON", [](Names n, Values p) { return "{" + Each(n, p, "\"", "\":\"", "\",") + "\"y\":1}"; }},
    {"JSON, numbers",
     [](Names n, Values p) { return "{" + Each(n, p, "\"", "\":", ",") + "\"y\":1}"; }},
    {"JSON, lines",
     [](Names n, Values p) { return "{" + Each(n, p, "\n  \"", "\": \"", "\",") + "\n}"; }},
    {"JSON in JSON",
     [](Names n, Values p) { return "\"{" + Each(n, p, "\\\"", "\\\":\\\"", "\\\",") + "}\""; }},
    {"JSON objects",
     [](Names n, Values p) {
       return "[" + Each(n, p, "{\"name\":\"", "\",\"value\":\"", "\"},") + "{}]";
     }},
    {"form in a form",
     [](Names n, Values p) { return "d=x%3D1%26" + Each(n, p, "", "%3D", "%26") + "y%3D2&z=1"; }},
    {"JSON in a form",
     [](Names n, Values p) { return "d=%7B" + Each(n, p, "%22", "%22%3A%22", "%22%2C") + "%7D"; }},
    {"cookie", [](Names n, Values p) { return "Cookie: a=b; " + Each(n, p, "", "=", "; ") + "c"; }},
    {"headers", [](Names n, Values p) { return "A: b\r\n" + Each(n, p, "X-", ": ", "\r\n"); }},
    {"XML attributes",
     [](Names n, Values p) { return "<a " + Each(n, p, "", "=\"", "\" ") + "/>"; }},
    {"HTML inputs",
     [](Names n, Values p) {
       return Each(n, p, "<input type=\"text\" name=\"", "\" maxlength=\"4\" value=\"", "\">\n");
     }},
    {"HTML inputs, name after",
     [](Names /*n*/, Values p) {
       std::string text;
       for (size_t i = 0; i < p.size(); ++i) {
         absl::StrAppend(&text, "<input value='", p[i], "' name='card", i + 1, "'>");
       }
       return text;
     }},
    {"multipart",
     [](Names n, Values p) {
       return Each(n, p, "--X7\r\nContent-Disposition: form-data; name=\"", "\"\r\n\r\n", "\r\n") +
              "--X7--";
     }},
    {"YAML", [](Names n, Values p) { return "x: a\n" + Each(n, p, "", ": \"", "\"\n"); }},
    {"log", [](Names n, Values p) { return "R(" + Each(n, p, "", "='", "', ") + "y='2')"; }},
};

std::string XmlElements(std::string_view name, const std::vector<std::string>& parts) {
  std::string text = "<r>";
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string tag = absl::StrCat(std::string(name), i + 1);
    absl::StrAppend(&text, "<", tag, ">", parts[i], "</", tag, ">");
  }
  return text + "</r>";
}

void ExpectFound(std::string_view structure, const std::string& text,
                 const std::vector<std::string>& parts, Confidence confidence) {
  const std::vector<Found> found = Scan(text);
  ASSERT_EQ(found.size(), 1u) << structure << ": " << text;
  EXPECT_TRUE(testing::IsOnly(found, absl::StrJoin(parts, ""))) << structure;
  EXPECT_EQ(found[0].confidence, confidence) << structure << ": " << text;
  EXPECT_THAT(found[0].evidence, Contains("split_fields")) << structure;
  // From the first digit of the first part to the last of the last.
  EXPECT_EQ(found[0].offset, text.find(parts.front())) << structure;
  EXPECT_EQ(found[0].offset + found[0].length, text.rfind(parts.back()) + parts.back().size())
      << structure;
}

TEST(SplitFields, JoinsAThousandOfEachStructure) {
  testing::Random random(53);
  for (const Writer& writer : kNumbered) {
    for (int i = 0; i < 1000; ++i) {
      const std::string number = testing::NumberWith(random, i % 2 == 0 ? "4" : "53", 16);
      const std::vector<std::string> parts = {number.substr(0, 4), number.substr(4, 4),
                                              number.substr(8, 4), number.substr(12)};
      const std::vector<Found> found = Scan(writer.write("card", parts));
      ASSERT_TRUE(testing::IsOnly(found, number)) << writer.structure << " " << i;
      ASSERT_EQ(found[0].confidence, Confidence::kHigh) << writer.structure << " " << i;
    }
  }
}

TEST(SplitFields, JoinsNumberedFields) {
  for (const Writer& writer : kNumbered) {
    ExpectFound(writer.structure, writer.write("card", kParts), kParts, Confidence::kHigh);
    if (writer.structure == "HTML inputs, name after") continue;
    ExpectFound(writer.structure, writer.write("n", kParts), kParts, Confidence::kMedium);
  }
  ExpectFound("XML", XmlElements("card", kParts), kParts, Confidence::kHigh);
  ExpectFound("XML", XmlElements("n", kParts), kParts, Confidence::kMedium);
}

TEST(SplitFields, JoinsEveryGroupingThatCardsArePrintedIn) {
  testing::Random random(51);
  const auto& form = kNumbered[0];
  for (int i = 0; i < 1000; ++i) {
    const size_t size = i % 3 == 0 ? 15 : i % 3 == 1 ? 16 : 19;
    const std::string_view prefix = size == 15 ? "37" : size == 19 ? "62" : i % 2 == 0 ? "4" : "53";
    const std::string number = testing::NumberWith(random, prefix, size);
    std::vector<std::string> parts;
    if (size == 15) {
      parts = {number.substr(0, 4), number.substr(4, 6), number.substr(10)};
    } else {
      for (size_t at = 0; at < size; at += 4) parts.push_back(number.substr(at, 4));
    }
    ExpectFound("form", form.write("cc", parts), parts, Confidence::kHigh);
  }
}

TEST(SplitFields, JoinsLists) {
  const std::string joined = absl::StrJoin(kParts, "\",\"");
  ExpectFound("strings", absl::StrCat("{\"x\":[\"", joined, "\"]}"), kParts, Confidence::kMedium);
  ExpectFound("strings, spaced", "['4012', '8888', '8888', '1881']", kParts, Confidence::kMedium);
  ExpectFound("strings, lines", "[\n \"4012\",\n \"8888\",\n \"8888\",\n \"1881\"\n]", kParts,
              Confidence::kMedium);
  ExpectFound("named", absl::StrCat("{\"card\":[\"", joined, "\"]}"), kParts, Confidence::kHigh);
  ExpectFound("numbers, named", "{\"card\":[4012,8888,8888,1881]}", kParts, Confidence::kHigh);
  ExpectFound("same names", "n[]=4012&n[]=8888&n[]=8888&n[]=1881&x=1", kParts, Confidence::kMedium);
  // Coordinates, years and readings are such lists.
  for (const std::string text :
       {"[4012,8888,8888,1881]", "{\"arcs\":[[4012]],[[8888]],[[8888]],[[1881]]}",
        "4012,8888,8888,1881\n", "[[4012,8888],[8888,1881]]"}) {
    EXPECT_TRUE(Scan(text).empty()) << text;
  }
}

TEST(SplitFields, JoinsNamedParts) {
  const std::vector<std::string> two = {"401288", "8888881881"};
  ExpectFound("form", "bin=401288&last10=8888881881&x=1", two, Confidence::kMedium);
  ExpectFound("JSON", "{\"iin\":\"401288\",\"rest\":\"8888881881\"}", two, Confidence::kMedium);
  ExpectFound("JSON", "{\"card_bin\":\"401288\",\"card_last\":\"8888881881\"}", two,
              Confidence::kHigh);
  const std::vector<std::string> eights = {"40128888", "88881881"};
  ExpectFound("form", "prefix=40128888&suffix=88881881", eights, Confidence::kMedium);
  const std::vector<std::string> three = {"401288", "888888", "1881"};
  ExpectFound("JSON", "{\"first6\":\"401288\",\"middle6\":\"888888\",\"last4\":\"1881\"}", three,
              Confidence::kMedium);
  ExpectFound("form", "first_six=401288&mid=888888&last_four=1881", three, Confidence::kMedium);
  // The two that every receipt shows are no number, and order matters.
  EXPECT_TRUE(Scan("{\"bin\":\"401288\",\"last4\":\"1881\"}").empty());
  EXPECT_TRUE(Scan("last10=8888881881&bin=401288").empty());
  EXPECT_TRUE(Scan("width=401288&last10=8888881881").empty());
}

TEST(SplitFields, IsSureOnlyWithAnotherSign) {
  const std::string form = "n1=4012&n2=8888&n3=8888&n4=1881";
  EXPECT_EQ(Scan(form)[0].confidence, Confidence::kMedium);
  EXPECT_EQ(Scan(form + "&cvv=123")[0].confidence, Confidence::kHigh);
  EXPECT_EQ(Scan(form + "&exp=1227")[0].confidence, Confidence::kHigh);
  EXPECT_EQ(Scan("phone1=4012&phone2=8888&phone3=8888&phone4=1881")[0].confidence,
            Confidence::kLow);
  // A list is no series of names.
  EXPECT_EQ(Scan("{\"x\":[\"4012\",\"8888\",\"8888\",\"1881\"],\"cvv\":\"123\"}")[0].confidence,
            Confidence::kMedium);
}

TEST(SplitFields, LeavesOtherFieldsApart) {
  for (const std::string text :
       {// A check digit that is wrong, and no brand
        "n1=4012&n2=8888&n3=8888&n4=1882", "n1=9012&n2=8888&n3=8888&n4=1886",
        // A longer series, from before or after
        "n0=1234&n1=4012&n2=8888&n3=8888&n4=1881", "n1=4012&n2=8888&n3=8888&n4=1881&n5=4444",
        "[\"1\",\"4012\",\"8888\",\"8888\",\"1881\"]",
        "[\"4012\",\"8888\",\"8888\",\"1881\",\"2024\",\"2025\"]",
        // Names that are not alike, or count otherwise
        "a=4012&x=8888&q=8888&c=1881", "n1=4012&n3=8888&n5=8888&n7=1881",
        "n4=4012&n3=8888&n2=8888&n1=1881",
        "{\"w\":\"4012\",\"h\":\"8888\",\"x\":\"8888\",\"y\":\"1881\"}",
        // Something between
        "n1=4012&n2=8888&x=1&n3=8888&n4=1881", "n1=4012&n2=8888.5&n3=8888&n4=1881",
        // Too few digits, or in groups that are no card's
        "n1=4012&n2=8888", "n1=40128888&n2=88881881", "n1=40128&n2=88888&n3=888881",
        // More than a part may have
        "n1=40128888888818&n2=81"}) {
    EXPECT_TRUE(Scan(text).empty()) << text;
  }
}

TEST(SplitFields, IsSeenInEveryEncoding) {
  for (const Writer& writer : kNumbered) {
    const std::string text = writer.write("card", kParts);
    for (const testing::NamedEncoding& form : testing::EveryEncoding()) {
      const std::vector<Found> found = Scan(absl::StrCat("d\n", form.encode(text), " "));
      ASSERT_EQ(found.size(), 1u) << writer.structure << " in " << form.name;
      EXPECT_EQ(found[0].digits_hash, testing::HashOfDigits(absl::StrJoin(kParts, "")));
      EXPECT_EQ(found[0].confidence, Confidence::kHigh) << writer.structure << " in " << form.name;
    }
  }
}

TEST(SplitFields, DoesNotDependOnCuts) {
  for (const Writer& writer : kNumbered) {
    const std::string text = writer.write("card", kParts);
    const std::vector<Found> whole = Scan(text);
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      ASSERT_EQ(testing::ScanInPieces(text, {cut}), whole) << writer.structure << " at " << cut;
    }
  }
  // Over the border of two windows, at every place.
  const std::string text = kNumbered[0].write("card", kParts);
  constexpr size_t kBorder = 60 << 10;
  for (size_t before = 0; before <= text.size() + 4; ++before) {
    std::string stream(kBorder + 2000, '\n');
    stream.replace(kBorder - before, text.size(), text);
    const std::vector<Found> found = Scan(stream);
    ASSERT_EQ(found.size(), 1u) << before;
    EXPECT_EQ(found[0].offset, kBorder - before + text.find("4012"));
  }
}

TEST(SplitFields, IsNotLookedForInPlainNumbersOnly) {
  testing::ScanSetup plain;
  plain.options.decode_depth = 0;
  EXPECT_TRUE(Scan(kNumbered[0].write("card", kParts), plain).empty());
}

TEST(SplitFields, TakesCutAndSplicedText) {
  testing::Random random(52);
  std::string all;
  for (const Writer& writer : kNumbered) all += writer.write("card", kParts);
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (int part = 0; part < 5; ++part) {
      const size_t begin = testing::Below(random, all.size());
      text += all.substr(begin, testing::Below(random, 60));
    }
    for (const Found& found : Scan(text)) EXPECT_LE(found.offset + found.length, text.size());
  }
}

}  // namespace
}  // namespace skimwatch::card
