#include "tests/agent/card/support/recall_forms.h"

#include <algorithm>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::testing {
namespace {

std::string InBody(std::string_view digits, Body body) {
  if (body == Body::kBare) return std::string(digits);
  return absl::StrCat("{\"cardNumber\":\"", std::string(digits), "\",\"q\":1}");
}

// What stands before and after, so that numbers and groups of base64 begin at every alignment.
std::string InText(Random& random, std::string_view text) {
  return absl::StrCat(std::string(Below(random, 70), ' '), "v=\"", std::string(text), "\" ;",
                      std::string(Below(random, 70), '.'));
}

using Encode = std::string (*)(std::string_view text);

RecallForm Encoded(std::string name, card::Encoding encoding, Encode encode) {
  return {.name = std::move(name),
          .chain = std::string(card::EncodingName(encoding)),
          .write = [encode](Random& random, std::string_view number, Body body) {
            return InText(random, encode(InBody(number, body)));
          }};
}

RecallForm Plain(std::string name, std::function<std::string(std::string_view number)> group) {
  return {.name = std::move(name),
          .chain = "plain",
          .recall_min = 1,
          .write = [group](Random& random, std::string_view number, Body body) {
            return InText(random, InBody(group(number), body));
          }};
}

// `text` in UTF-16, the digits of `number` in it full-width.
std::string Utf16Wide(std::string_view text, std::string_view number, bool big_endian) {
  const size_t begin = text.find(number);
  std::string units;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool wide = i >= begin && i < begin + number.size();
    const char low = wide ? static_cast<char>(0x10 + (text[i] - '0')) : text[i];
    const char high = wide ? '\xFF' : '\0';
    units.append({big_endian ? high : low, big_endian ? low : high});
  }
  return units;
}

// The codes of all bytes, `signs` between.
std::string Codes(std::string_view text, const std::string& signs, bool decimal) {
  std::string codes;
  for (const char c : text) {
    const int code = static_cast<uint8_t>(c);
    absl::StrAppend(&codes, codes.empty() ? "" : signs,
                    decimal ? absl::StrCat(code) : absl::StrFormat("%02X", code));
  }
  return codes;
}

std::string NameOf(std::string_view name) {
  std::string words(name);
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

RecallForm Nested(const std::vector<const NamedEncoding*>& outermost_first) {
  RecallForm form;
  form.decode_depth = static_cast<int>(outermost_first.size());
  std::vector<std::string> names;
  std::vector<std::string> chain;
  for (const NamedEncoding* encoding : outermost_first) {
    names.push_back(NameOf(encoding->name));
    chain.emplace_back(card::EncodingName(encoding->encoding));
  }
  form.name = absl::StrJoin(names, " > ");
  form.chain = absl::StrJoin(chain, " > ");
  form.write = [outermost_first](Random& random, std::string_view number, Body body) {
    std::string text = InBody(number, body);
    for (auto at = outermost_first.rbegin(); at != outermost_first.rend(); ++at) {
      text = (*at)->encode(text);
    }
    return InText(random, text);
  };
  return form;
}

// One way of writing for each encoding.
std::vector<const NamedEncoding*> OneOfEachEncoding() {
  std::vector<const NamedEncoding*> one_each;
  std::set<card::Encoding> seen;
  for (const NamedEncoding& encoding : EveryEncoding()) {
    if (seen.insert(encoding.encoding).second) one_each.push_back(&encoding);
  }
  return one_each;
}

std::string ChainOf(const Found& found) {
  std::vector<std::string> chain;
  for (const card::Encoding encoding : found.encodings) {
    chain.emplace_back(card::EncodingName(encoding));
  }
  return chain.empty() ? "plain" : absl::StrJoin(chain, " > ");
}

}  // namespace

std::vector<RecallForm> PlainForms() {
  std::vector<RecallForm> forms = {
      Plain("one run", [](std::string_view number) { return std::string(number); })};
  const std::pair<std::string, std::string> separators[] = {
      {"space", " "},
      {"`-`", "-"},
      {"`.`", "."},
      {"`_`", "_"},
      {"`/`", "/"},
      {"`+`", "+"},
      {"`%20`", "%20"},
      {"`&nbsp;`", "&nbsp;"},
      {"no-break space", "\xC2\xA0"},
      {"thin space", "\xE2\x80\x89"},
      {"narrow no-break space", "\xE2\x80\xAF"},
      {"no-break space of Latin-1", "\xA0"},
      {"zero-width space", "\xE2\x80\x8B"},
      {"em dash", "\xE2\x80\x94"},
      {"full-width hyphen", "\xEF\xBC\x8D"}};
  for (const auto& [name, separator] : separators) {
    const std::string between = separator;
    forms.push_back(
        Plain(absl::StrCat("brand's groups, ", name),
              [between](std::string_view number) { return BrandGrouped(number, between); }));
    forms.push_back(Plain(absl::StrCat("fours, ", name), [between](std::string_view number) {
      return Grouped(number, {4}, between);
    }));
  }
  forms.push_back(
      Plain("full-width digits", [](std::string_view number) { return FullWidth(number); }));
  forms.push_back({.name = "UTF-16, little endian",
                   .chain = "plain",
                   .recall_min = 1,
                   .write = [](Random& random, std::string_view number, Body body) {
                     return Utf16Le(InText(random, InBody(number, body)));
                   }});
  forms.push_back({.name = "UTF-16, big endian",
                   .chain = "plain",
                   .recall_min = 1,
                   .write = [](Random& random, std::string_view number, Body body) {
                     return Utf16Be(InText(random, InBody(number, body)));
                   }});
  forms.push_back({.name = "full-width digits in UTF-16, little endian",
                   .chain = "plain",
                   .recall_min = 1,
                   .write = [](Random& random, std::string_view number, Body body) {
                     return Utf16Wide(InText(random, InBody(number, body)), number, false);
                   }});
  forms.push_back({.name = "full-width digits in UTF-16, big endian",
                   .chain = "plain",
                   .recall_min = 1,
                   .write = [](Random& random, std::string_view number, Body body) {
                     return Utf16Wide(InText(random, InBody(number, body)), number, true);
                   }});
  return forms;
}

std::vector<RecallForm> BrandForms() {
  std::vector<RecallForm> forms;
  std::set<std::pair<std::string, size_t>> kinds;
  for (const Issue& issue : EveryIssue()) kinds.insert({issue.brand, issue.length});
  for (const auto& [brand, length] : kinds) {
    const auto add = [&, &brand = brand, length = length](RecallForm form) {
      form.name = absl::StrCat(brand, ", ", length, " digits, ", form.name);
      form.brand = brand;
      form.length = length;
      forms.push_back(std::move(form));
    };
    add(Plain("one run", [](std::string_view number) { return std::string(number); }));
    add(Plain("groups", [](std::string_view number) { return BrandGrouped(number, " "); }));
  }
  return forms;
}

std::vector<RecallForm> StructuredForms() {
  // Chips hold numbers of the common brands.
  const auto field = [](std::string_view tag, std::string_view value) {
    std::string digits(value);
    if (digits.size() % 2 != 0) digits += 'F';
    return absl::StrCat(std::string(tag), absl::StrFormat("%02X", digits.size() / 2), digits);
  };
  const auto bytes = [](const std::string& hex) { return absl::HexStringToBytes(hex); };
  const auto in_record = [field](std::string_view number, Body body) {
    const std::string pan = field("5A", number);
    return body == Body::kBare ? pan : absl::StrCat("9F270180", pan, "5F2403271231");
  };
  std::vector<RecallForm> forms;
  const auto add = [&](std::string name, std::string evidence, auto write) {
    for (const auto& [brand, length] :
         {std::pair<std::string, size_t>{"mastercard", 16}, {"amex", 15}}) {
      forms.push_back({.name = absl::StrCat(name, ", ", length, " digits"),
                       .chain = "plain",
                       .evidence = evidence,
                       .brand = brand,
                       .length = length,
                       .write = write});
    }
  };
  add("fields `n1=`, `n2=` ... or `card1=` ...", "split_fields",
      [](Random& random, std::string_view number, Body body) {
        const std::string grouped = BrandGrouped(number, " ");
        std::string text;
        int field_number = 0;
        for (const absl::string_view part : absl::StrSplit(grouped, ' ')) {
          absl::StrAppend(&text, body == Body::kBare ? "n" : "card", ++field_number, "=", part,
                          "&");
        }
        return absl::StrCat(std::string(Below(random, 70), ' '), "x=1&", text, "y=2");
      });
  add("a list of groups", "split_fields", [](Random& random, std::string_view number, Body body) {
    return absl::StrCat(std::string(Below(random, 70), ' '), "{\"",
                        body == Body::kBare ? "n" : "cardNumber", "\":[\"",
                        BrandGrouped(number, "\",\""), "\"]}");
  });
  const std::pair<const char*, const char*> gaps[] = {{"groups, tabs between", "\t"},
                                                      {"groups, two spaces between", "  "},
                                                      {"groups, line breaks between", "\r\n"}};
  for (const auto& [name, gap] : gaps) {
    add(name, "loose_groups", [gap = gap](Random& random, std::string_view number, Body body) {
      return InText(random, InBody(BrandGrouped(number, gap), body));
    });
  }
  add("EMV tag 5A in hexadecimal, alone or in a record", "emv_tag",
      [in_record](Random& random, std::string_view number, Body body) {
        return InText(random, in_record(number, body));
      });
  add("EMV tag 5A in binary, alone or in a record", "emv_tag",
      [in_record, bytes](Random& random, std::string_view number, Body body) {
        return InText(random, bytes(in_record(number, body)));
      });
  return forms;
}

std::vector<RecallForm> EncodedForms() {
  std::vector<RecallForm> forms;
  for (const NamedEncoding& encoding : EveryEncoding()) {
    forms.push_back(Encoded(NameOf(encoding.name), encoding.encoding, encoding.encode));
  }
  forms.push_back(Encoded("base64 in lines of 76", card::Encoding::kBase64,
                          [](std::string_view text) { return Base64Wrapped(text, 76, "\r\n"); }));
  forms.push_back(Encoded("base64 in lines of 20", card::Encoding::kBase64,
                          [](std::string_view text) { return Base64Wrapped(text, 20, "\n"); }));
  forms.push_back({.name = "base64 within a longer run",
                   .chain = "base64",
                   .write = [](Random& random, std::string_view number, Body body) {
                     const std::string text = absl::StrCat(std::string(Below(random, 6), 'x'), ":",
                                                           InBody(number, body), ";");
                     return InText(random, absl::StrCat(std::string(Below(random, 12), 'Q'),
                                                        Base64Unpadded(text)));
                   }});
  forms.push_back(Encoded("quoted-printable, every byte", card::Encoding::kQuotedPrintable,
                          [](std::string_view text) { return "=" + Codes(text, "=", false); }));
  forms.push_back(Encoded("hex pairs, `:` between", card::Encoding::kCharCodes,
                          [](std::string_view text) { return Codes(text, ":", false); }));
  forms.push_back(Encoded("hex pairs, spaces between", card::Encoding::kCharCodes,
                          [](std::string_view text) { return Codes(text, " ", false); }));
  forms.push_back(Encoded("decimal codes, `,` between", card::Encoding::kCharCodes,
                          [](std::string_view text) { return Codes(text, ",", true); }));
  forms.push_back(Encoded("decimal codes, `, ` between", card::Encoding::kCharCodes,
                          [](std::string_view text) { return Codes(text, ", ", true); }));
  return forms;
}

std::vector<RecallForm> NestedPairs() {
  std::vector<RecallForm> forms;
  for (const NamedEncoding* outer : OneOfEachEncoding()) {
    for (const NamedEncoding* inner : OneOfEachEncoding()) forms.push_back(Nested({outer, inner}));
  }
  return forms;
}

std::vector<RecallForm> NestedTriples() {
  std::vector<RecallForm> forms;
  for (const NamedEncoding* outer : OneOfEachEncoding()) {
    for (const NamedEncoding* middle : OneOfEachEncoding()) {
      for (const NamedEncoding* inner : OneOfEachEncoding()) {
        forms.push_back(Nested({outer, middle, inner}));
      }
    }
  }
  return forms;
}

void Recall::Add(const Recall& other) {
  cases += other.cases;
  found += other.found;
  for (size_t body = 0; body < confidence.size(); ++body) {
    for (size_t level = 0; level < confidence[body].size(); ++level) {
      confidence[body][level] += other.confidence[body][level];
    }
  }
}

Recall MeasureRecall(const RecallForm& form, size_t cases, uint64_t seed) {
  Random random(seed);
  std::vector<Issue> issues = EveryIssue();
  std::erase_if(issues, [&](const Issue& issue) {
    return (!form.brand.empty() && issue.brand != form.brand) ||
           (form.length > 0 && issue.length != form.length);
  });
  ScanSetup setup;
  setup.options.decode_depth = form.decode_depth;
  Recall recall;
  recall.cases = cases;
  for (size_t i = 0; i < cases; ++i) {
    const std::string number = NumberOf(random, issues[i / 2 % issues.size()]);
    const Body body = i % 2 == 0 ? Body::kBare : Body::kNamed;
    const std::string text = form.write(random, number, body);
    std::vector<size_t> cuts(1 + Below(random, 4));
    for (size_t& cut : cuts) cut = Below(random, text.size() + 1);
    std::sort(cuts.begin(), cuts.end());
    const std::vector<Found> found = Scan(text, setup);
    if (!IsOnly(found, number) || ChainOf(found[0]) != form.chain ||
        ScanInPieces(text, cuts, setup) != found) {
      continue;
    }
    const std::vector<std::string>& evidence = found[0].evidence;
    if (!form.evidence.empty() &&
        std::find(evidence.begin(), evidence.end(), form.evidence) == evidence.end()) {
      continue;
    }
    ++recall.found;
    ++recall.confidence[static_cast<size_t>(body)][static_cast<size_t>(found[0].confidence)];
  }
  return recall;
}

}  // namespace skimwatch::testing
