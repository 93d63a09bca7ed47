// Names that the structure of a body gives to a number: docs/detection.md has the table.

#include "agent/card/field_structure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::card {
namespace {

using testing::Found;
using ::testing::HasSubstr;
using testing::Scan;

// `N` stands for a number and `@` for the name of its field.
struct Structure {
  std::string_view name;
  std::string_view text;
};

constexpr Structure kStructures[] = {
    {"form", "a=1&@=N&b=2"},
    {"query", "GET /pay?x=1&@=N&y=2 HTTP/1.1\r\n"},
    {"form, brackets", "payment[@]=N&x=1"},
    {"form, brackets escaped", "payment%5B@%5D=N&x=1"},
    {"form, list", "@[]=N&x=1"},
    {"cookie", "Cookie: a=b; @=N; c=d\r\n"},
    {"header", "Accept: */*\r\nX-@: N\r\nHost: a\r\n"},
    {"multipart", "--b\r\nContent-Disposition: form-data; name=\"@\"\r\n\r\nN\r\n--b--"},
    {"multipart, type",
     "--b\r\nContent-Disposition: form-data; name=\"@\"\r\nContent-Type: text/plain\r\n\r\nN\r\n"},
    {"multipart, more headers",
     "--b\nContent-Disposition: form-data; name=@\nContent-Type: text/plain; charset=UTF-8\n"
     "Content-Transfer-Encoding: 8bit\n\nN\n--b"},
    {"JSON", "{\"x\":1,\"@\":\"N\",\"y\":2}"},
    {"JSON, number", "{\"x\":1,\"@\":N,\"y\":2}"},
    {"JSON, line after", "{\"@\":\n    \"N\"\n}"},
    {"JSON, colon after", "{\"@\"\n  :\n  \"N\"}"},
    {"JSON, list", "{\"@\":[\"N\"]}"},
    {"JSON, list of lines", "{\"@\": [\n  \"N\"\n]}"},
    {"JSON, later in list", "{\"@\":[\"abc\",\"def\",\"N\"]}"},
    {"JSON, of parent", "{\"@\":{\"x\":\"y\",\"number\":\"N\"}}"},
    {"JSON, of parent's list", "{\"@\":[{\"x\":\"y\",\"value\":\"N\"}]}"},
    {"JSON, later in parent's list", "{\"@\":[{\"value\":\"1\"},{\"x\":\"y\",\"value\":\"N\"}]}"},
    {"JSON, name and value", "[{\"name\":\"@\",\"value\":\"N\"}]"},
    {"JSON, name, others, value",
     "[{\"name\":\"@\",\"type\":\"text\",\"required\":true,\"value\":\"N\"}]"},
    {"JSON, value and name", "[{\"value\":\"N\",\"type\":\"text\",\"name\":\"@\"}]"},
    {"JSON in JSON", "{\"body\":\"{\\\"@\\\":{\\\"x\\\":\\\"y\\\",\\\"value\\\":\\\"N\\\"}}\"}"},
    {"JSON, escaped", "%7B%22@%22%3A%7B%22x%22%3A%22y%22%2C%22value%22%3A%22N%22%7D%7D"},
    {"XML element", "<r><x>1</x><@>N</@></r>"},
    {"XML element with attributes", "<ns:@ xsi:type=\"xsd:string\">N</ns:@>"},
    {"XML attribute", "<r x=\"1\" @=\"N\" y=\"2\"/>"},
    {"XML, attribute names element",
     "<field name=\"@\" maxlength=\"19\" class=\"a b c d\">N</field>"},
    {"XML, name and value", "<p><name>@</name><value>N</value></p>"},
    {"XML-RPC", "<member><name>@</name>\n <value><string>N</string></value></member>"},
    {"property list", "<key>@</key>\n<string>N</string>"},
    {"HTML input", "<input type=\"text\" name=\"@\" maxlength=\"19\" value=\"N\">"},
    {"HTML input, name after", "<input type=\"text\" value=\"N\" maxlength=\"19\" name=\"@\">"},
    {"HTML input, id between", "<input name='@' id='x1' class='a b c d e' value='N'/>"},
    {"HTML autocomplete", "<input id=x1 autocomplete='@' value='N'>"},
    {"HTML autocomplete after", "<input id=x1 value='N' autocomplete=@>"},
    {"YAML", "x: 1\n@: N\ny: 2\n"},
    {"YAML, quoted", "x: 1\n@: 'N'\ny: 2\n"},
    {"YAML, folded", "x: 1\n@: >-\n  N\ny: 2\n"},
    {"YAML, of parent", "x: 1\n@:\n  y: z\n  number: N\n"},
    {"YAML, list", "x: 1\n@:\n  - abc\n  - N\n"},
    {"YAML, list at the same indent", "x: 1\n@:\n- abc\n- N\n"},
    {"CSV", "x,@,y\n1,N,2\n"},
    {"CSV, last", "x,y,@\r\n1,2,N\r\n"},
    {"CSV, first", "@;x;y\nN;1;2\n"},
    {"CSV, quoted", "\"x\",\"@\",\"y\"\n\"1, 2\",\"N\",\"3\"\n"},
    {"CSV, later row", "x,@,y\n1,,2\n2,,3\n3,,4\n5,N,6\n"},
    {"TSV", "x\t@\ty\n1\tN\t2\n"},
    {"SQL", "INSERT INTO t (x, @, y) VALUES (1, 'N', 'a');"},
    {"SQL, quoted", "insert into `t` (`x`,`@`,`y`) values ('it''s, (1)','N','a');"},
    {"SQL, later row", "INSERT INTO t (x, @, y) VALUES (1,'','a(b'),\n(2,'','c'),\n(3,N,'d');"},
    {"Java log", "Request{x='1', @='N', y='2'}"},
    {"Python log", "Request(x=1, @=N, y=2)"},
    {"Ruby hash", "{:x=>1, :@=>\"N\", :y=>2}"},
    {"PHP serialize", "a:2:{s:1:\"x\";i:1;s:9:\"@\";s:16:\"N\";}"},
    {"PHP var_dump", "array(1) {\n  [\"@\"]=>\n  string(16) \"N\"\n}"},
    {"PHP print_r", "Array\n(\n    [x] => 1\n    [@] => N\n)\n"},
    {"PHP print_r, of parent",
     "Array\n(\n    [@] => Array\n        (\n            [x] => y\n            [number] => N\n"},
    {"MessagePack", "\x82\xA1x\x01\xB2@\xB0N\xA1y\x02"},
    {"protobuf map", "\n\x22\n\x0B@\x12\x10N"},
    {"shell", "export @=N\n"},
};

constexpr std::string_view kNumber = "4012888888881881";

// `structure` with its marks filled in; an `N` within a word is none.
std::string TextOf(const Structure& structure, std::string_view name, std::string_view number) {
  std::string text;
  const std::string_view from = structure.text;
  for (size_t i = 0; i < from.size(); ++i) {
    const bool in_word =
        (i > 0 && absl::ascii_isupper(static_cast<unsigned char>(from[i - 1])) != 0) ||
        (i + 1 < from.size() && absl::ascii_isalpha(static_cast<unsigned char>(from[i + 1])) != 0);
    if (from[i] == '@') {
      text += name;
    } else if (from[i] == 'N' && !in_word) {
      text += number;
    } else {
      text += from[i];
    }
  }
  return text;
}

TEST(FieldStructure, NamesACardNumber) {
  for (const Structure& structure : kStructures) {
    for (const std::string_view name : {"card_number", "cc-number", "cardNumber", "pan"}) {
      const std::string text = TextOf(structure, name, kNumber);
      const std::vector<Found> found = Scan(text);
      ASSERT_EQ(found.size(), 1u) << structure.name << ": " << text;
      EXPECT_EQ(found[0].confidence, Confidence::kHigh) << structure.name << ": " << text;
      ASSERT_FALSE(found[0].evidence.empty()) << structure.name;
      EXPECT_THAT(found[0].evidence[0], HasSubstr("field_name:")) << structure.name;
    }
  }
}

TEST(FieldStructure, NamesAThousandInEachStructure) {
  testing::Random random(32);
  for (const Structure& structure : kStructures) {
    for (int i = 0; i < 1000; ++i) {
      const std::string_view prefix = i % 3 == 0 ? "37" : i % 3 == 1 ? "4" : "53";
      const std::string number = testing::NumberWith(random, prefix, i % 3 == 0 ? 15 : 16);
      std::string text = TextOf(structure, "card_number", number);
      // Lengths in wire formats are those of 16 digits.
      if (number.size() == 15 && structure.name == "MessagePack") text[text.find('\xB0')] = '\xAF';
      if (number.size() == 15 && structure.name == "protobuf map")
        text[text.rfind('\x10')] = '\x0F';
      const std::vector<Found> found = Scan(text);
      ASSERT_TRUE(testing::IsOnly(found, number)) << structure.name << " " << i;
      ASSERT_EQ(found[0].confidence, Confidence::kHigh) << structure.name << " " << i;
    }
  }
}

TEST(FieldStructure, NamesSomethingElse) {
  for (const Structure& structure : kStructures) {
    for (const std::string_view name : {"order_id", "tracking-number", "phone"}) {
      const std::string text = TextOf(structure, name, kNumber);
      const std::vector<Found> found = Scan(text);
      ASSERT_EQ(found.size(), 1u) << structure.name << ": " << text;
      EXPECT_EQ(found[0].confidence, Confidence::kLow) << structure.name << ": " << text;
    }
  }
}

TEST(FieldStructure, SaysNothingWhereTheNameSaysNothing) {
  for (const Structure& structure : kStructures) {
    const std::string text = TextOf(structure, "foo", kNumber);
    const std::vector<Found> found = Scan(text);
    ASSERT_EQ(found.size(), 1u) << structure.name << ": " << text;
    EXPECT_EQ(found[0].confidence, Confidence::kMedium) << structure.name << ": " << text;
  }
}

TEST(FieldStructure, IsSeenInEveryEncoding) {
  for (const Structure& structure : kStructures) {
    const std::string text = TextOf(structure, "card_number", kNumber);
    for (const testing::NamedEncoding& form : testing::EveryEncoding()) {
      const std::vector<Found> found = Scan(absl::StrCat("d\n", form.encode(text), " "));
      ASSERT_EQ(found.size(), 1u) << structure.name << " in " << form.name;
      EXPECT_EQ(found[0].confidence, Confidence::kHigh) << structure.name << " in " << form.name;
    }
  }
}

// The nearest name is the number's own, and a name that tells something is not overruled by what it
// is within.
TEST(FieldStructure, LeavesAFieldItsOwnName) {
  for (const std::string text :
       {"{\"card\":{\"fingerprint\":\"N\"}}",
        "{\"card\":{\"foo\":\"N\"}}",
        "{\"pan\":\"x\",\"foo\":\"N\"}",
        "{\"pan\":{\"a\":1},\"number\":\"N\"}",
        "{\"pan\":[1,2],\"x\":[\"N\"]}",
        "[{\"name\":\"pan\"},{\"value\":\"N\"}]",
        "<pan>1</pan><foo>N</foo>",
        "<name>pan</name><value>1</value><foo>N</foo>",
        "<input name='pan' value='1'><input name='foo' value='N'>",
        "<a name='pan'>x</a><b>N</b>",
        "pan:\n  x: 1\nfoo:\n  number: N\n",
        "pan,foo\n1,N\n",
        "x,pan\n1,2,N\n",
        "pan,x\n\n1,N\n",
        "x,pan is here at 100200300,y\n1,N,2\n",
        "INSERT INTO t (pan, foo) VALUES (1, 'N');",
        "INSERT INTO t (foo, pan) VALUES ('N', 1);",
        "INSERT INTO t (x, pan) VALUES (1, 2); SELECT (3, N);",
        "INSERT INTO t VALUES (1, 'N');",
        "Content-Disposition: form-data; name=\"pan\"\r\n\r\nx\r\n\r\nN\r\n"}) {
    const std::string filled = TextOf({"", text}, "", kNumber);
    const std::vector<Found> found = Scan(filled);
    ASSERT_EQ(found.size(), 1u) << filled;
    EXPECT_NE(found[0].confidence, Confidence::kHigh) << filled;
  }
}

TEST(FieldStructure, ReadsATableForTwoKilobytes) {
  for (const size_t rows : {10u, 60u, 400u}) {
    std::string text = "id,card_number,name\n";
    for (size_t i = 0; i < rows; ++i) absl::StrAppend(&text, i, ",,a row without a number\n");
    const bool near = text.size() < kTableBytesMax;
    const std::vector<Found> found =
        Scan(absl::StrCat(text, "7,", std::string(kNumber), ",Jane\n"));
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].confidence, near ? Confidence::kHigh : Confidence::kMedium) << rows;
  }
}

// Cut anywhere, spliced at random: no crash, and no answer from outside of the text.
TEST(FieldStructure, TakesAnyText) {
  testing::Random random(31);
  std::string all;
  for (const Structure& structure : kStructures) all += TextOf(structure, "card_number", kNumber);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (int part = 0; part < 4; ++part) {
      const size_t begin = testing::Below(random, all.size());
      text += all.substr(begin, testing::Below(random, 80));
    }
    const size_t begin = testing::Below(random, text.size() + 1);
    const size_t end = begin + testing::Below(random, text.size() - begin + 1);
    const std::string_view view = text;
    const StructureNames names = NamesByStructure(view.substr(0, begin), view.substr(end));
    for (size_t k = 0; k < names.size; ++k) {
      const char* at = names.names[k].text.data();
      EXPECT_TRUE(at >= view.data() &&
                  at + names.names[k].text.size() <= view.data() + view.size());
    }
    TableColumnName(view, begin, end);
    IsElementValue(view.substr(0, begin));
  }
}

}  // namespace
}  // namespace skimwatch::card
