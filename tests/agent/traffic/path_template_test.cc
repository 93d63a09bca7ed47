#include <algorithm>
#include <cctype>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "agent/traffic/message.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

TEST(PathTemplate, KeepsNamesAndReplacesWhatVaries) {
  const struct {
    std::string path;
    std::string shown;
  } kCases[] = {
      {"/", "/"},
      {"", ""},
      {"*", "*"},
      {"/checkout/payment", "/checkout/payment"},
      {"/v1/charges", "/v1/charges"},
      {"/static/app.min.js", "/static/app.min.js"},
      {"/a//b/", "/a//b/"},
      {"/orders/12345", "/orders/{n}"},
      {"/orders/7", "/orders/{n}"},
      {"/orders/12345/items", "/orders/{n}/items"},
      {"/user-12345", "/user-{n}"},
      {"/u/123e4567-e89b-12d3-a456-426614174000", "/u/{uuid}"},
      {"/blob/deadbeef01", "/blob/{hex}"},
      {"/t/eyJhbGciOiJIUzI1NiIsInR5cCI6", "/t/{id}"},
      {"/getUserProfile", "/getUserProfile"},
      {"/wp-admin/admin-ajax.php", "/wp-admin/admin-ajax.php"},
      {"/Summer-Sale-2024-Shoes", "/Summer-Sale-{n}-Shoes"},
      {"/product-2xl-size4-blue", "/product-2xl-size4-blue"},
      // Base64 of a published test number: in a word, and cut up.
      {"/pixel/NDExMTExMTExMTExMTExMQ==.gif", "/pixel/{id}"},
      {"/pixel/NDExMTEx.MTExMTEx.MTExMQ==", "/pixel/{id}"},
      {"/search?q=4111111111111111", "/search"},
      {"/page#4111111111111111", "/page"},
      {"/caf%C3%A9", "/{id}"},
      {"/with%20space", "/{id}"},
  };
  for (const auto& c : kCases) EXPECT_EQ(PathTemplate(c.path), c.shown) << c.path;
}

TEST(PathTemplate, IsNeverLongerThan256Bytes) {
  std::string path;
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&path, "/seg", i % 10);
    EXPECT_LE(PathTemplate(path).size(), 256u);
  }
  EXPECT_LE(PathTemplate(std::string(100000, 'a')).size(), 256u);
  EXPECT_LE(PathTemplate(std::string(100000, '/')).size(), 256u);
  EXPECT_LE(PathTemplate("/" + std::string(100000, '%')).size(), 256u);
}

using Random = std::mt19937;

// A card number that is nobody's: right length, right check digit.
std::string RandomNumber(Random& random) {
  std::string digits(13 + random() % 7, '0');
  for (char& d : digits) d = static_cast<char>('0' + random() % 10);
  digits[0] = static_cast<char>('3' + random() % 4);
  int sum = 0;
  for (size_t i = 1; i < digits.size(); ++i) {
    int d = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) d = d * 2 > 9 ? d * 2 - 9 : d * 2;
    sum += d;
  }
  digits.back() = static_cast<char>('0' + (10 - sum % 10) % 10);
  return digits;
}

std::string EachDigit(const std::string& text, const std::function<std::string(char)>& encode) {
  std::string out;
  for (const char c : text) out += c >= '0' && c <= '9' ? encode(c) : std::string(1, c);
  return out;
}

std::string Percent(const std::string& text, bool all, Random& random) {
  std::string out;
  for (const char c : text) {
    const bool plain = c != '%' && !all && random() % 2 == 0;
    out += plain ? std::string(1, c) : absl::StrFormat("%%%02X", static_cast<unsigned char>(c));
  }
  return out;
}

std::string EncodeOnce(const std::string& text, Random& random) {
  switch (random() % 11) {
    case 0: {
      // Grouped, as on the card or a digit at a time.
      const std::string separator = std::vector<std::string>{
          "-", ".", "_", "+", "/", "%20", " ", "~", ",", "a", "x-"}[random() % 11];
      const size_t group = 1 + random() % 6;
      std::string out;
      for (size_t i = 0; i < text.size(); i += group) {
        if (i > 0) out += separator;
        out += text.substr(i, group);
      }
      return out;
    }
    case 1:
      return Percent(text, false, random);
    case 2:
      return Percent(text, true, random);
    case 3:
      return absl::Base64Escape(text);
    case 4:
      return absl::WebSafeBase64Escape(text);
    case 5:
      return absl::BytesToHexString(text);
    case 6: {
      std::string hex = absl::BytesToHexString(text);
      std::transform(hex.begin(), hex.end(), hex.begin(), [](char c) { return std::toupper(c); });
      return hex;
    }
    case 7:
      return EachDigit(text, [](char c) { return absl::StrFormat("\\u%04x", c); });
    case 8:
      return EachDigit(text, [](char c) { return absl::StrCat("&#", static_cast<int>(c), ";"); });
    case 9:
      // Full-width digits.
      return EachDigit(text, [](char c) {
        return std::string("\xef\xbc") + static_cast<char>(0x90 + (c - '0'));
      });
    default:
      return text;
  }
}

// Every reading of `text` that someone who looks for a card number may try: the text, and each word
// of it undone.
void AddReadings(const std::string& text, int depth, std::vector<std::string>& readings) {
  readings.push_back(text);
  if (depth == 0) return;
  std::string percent;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string byte;
    if (text[i] == '%' && i + 2 < text.size() && std::isxdigit(text[i + 1]) &&
        std::isxdigit(text[i + 2])) {
      byte = absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    }
    percent += byte.empty() ? std::string(1, text[i]) : byte;
  }
  if (percent != text) AddReadings(percent, depth - 1, readings);
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '+' ||
            text[end] == '=' || text[end] == '-' || text[end] == '_')) {
      ++end;
    }
    const std::string word = text.substr(i, end - i);
    // With and without what stands before it and after it.
    for (size_t begin = 0; begin < word.size(); ++begin) {
      if (begin > 0 && std::isalnum(static_cast<unsigned char>(word[begin - 1])) != 0) continue;
      std::string rest = word.substr(begin);
      rest.resize(std::min(rest.size(), rest.find('=')));
      for (const size_t cut : {rest.size(), rest.find_last_of("-_+")}) {
        std::string bytes;
        if (cut == std::string::npos || cut < 8) continue;
        if (absl::Base64Unescape(rest.substr(0, cut), &bytes) ||
            absl::WebSafeBase64Unescape(rest.substr(0, cut), &bytes)) {
          AddReadings(bytes, depth - 1, readings);
        }
      }
    }
    if (word.size() >= 8 && word.size() % 2 == 0 &&
        std::all_of(word.begin(), word.end(), [](char c) { return std::isxdigit(c) != 0; })) {
      AddReadings(absl::HexStringToBytes(word), depth - 1, readings);
    }
    i = end + 1;
  }
}

size_t Digits(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

TEST(PathTemplate, LetsNoCardNumberPassInAnyEncoding) {
  for (uint32_t seed = 0; seed < 100000; ++seed) {
    Random random(seed);
    std::string hidden = RandomNumber(random);
    for (size_t depth = random() % 3; depth > 0; --depth) hidden = EncodeOnce(hidden, random);
    const std::vector<std::string> before = {"/",     "/pixel/", "/v1/track.",
                                             "/img-", "/a/b/c_", "/x="};
    const std::vector<std::string> after = {"", ".gif", "/done", "-small.png", "=/1", ";v=1"};
    const std::string path =
        absl::StrCat(before[random() % before.size()], hidden, after[random() % after.size()]);

    std::vector<std::string> readings;
    AddReadings(PathTemplate(path), 2, readings);
    for (const std::string& reading : readings) {
      // Numbers have 13 digits and more. The first six and last four of one may be shown.
      ASSERT_LE(Digits(reading), 10u) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace skimwatch::traffic
