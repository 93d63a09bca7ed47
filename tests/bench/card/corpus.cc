#include "tests/bench/card/corpus.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/agent/card/support/encode.h"
#include "tests/agent/card/support/numbers.h"

namespace skimwatch::bench {
namespace {

using testing::Below;
using testing::Random;

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kHex = "0123456789abcdef";
constexpr size_t kPlantedEvery = 64 << 10;

std::string RandomOf(Random& random, std::string_view alphabet, size_t count) {
  std::string text;
  text.reserve(count);
  for (size_t i = 0; i < count; ++i) text += alphabet[Below(random, alphabet.size())];
  return text;
}

std::string Word(Random& random) {
  static constexpr std::array<std::string_view, 24> kWords = {
      "shop",   "cart",  "item",    "price", "image",  "small",  "large", "colour",
      "user",   "email", "address", "city",  "status", "active", "value", "button",
      "header", "title", "summary", "blue",  "shirt",  "and",    "the",   "return"};
  return std::string(kWords[Below(random, kWords.size())]);
}

std::string Time(Random& random) {
  return absl::StrFormat("2024-%02d-%02dT%02d:%02d:%02d.%03dZ", 1 + Below(random, 12),
                         1 + Below(random, 28), Below(random, 24), Below(random, 60),
                         Below(random, 60), Below(random, 1000));
}

// Text around a number, the number as it is written, and the text after.
struct PlantedLine {
  std::string before;
  std::string number;
  std::string after;
  bool plain = false;
};

PlantedLine NextPlanted(Random& random) {
  const std::string number = testing::NumberWith(random, "4", 16);
  const auto& forms = testing::EveryEncoding();
  switch (Below(random, 4)) {
    case 0:
      return {"{\"cardNumber\":\"", number, "\",\"cvv\":\"123\"}\n", true};
    case 1:
      return {"card ", testing::BrandGrouped(number, " "), " exp 12/27\n", true};
    case 2:
      return {"d=", forms[Below(random, forms.size())].encode("pan=" + number), "\n"};
    default:
      return {"q=", testing::Base64(testing::PercentAll("cc=" + number)), "\n"};
  }
}

void Plant(Random& random, Planted& planted) {
  const PlantedLine line = NextPlanted(random);
  planted.text += line.before;
  planted.places.push_back(
      {planted.text.size(), planted.text.size() + line.number.size(), line.plain});
  planted.text.append(line.number).append(line.after);
}

// A long identifier, as systems make them: seconds in some unit since 1970, dates, goods' codes,
// numbers by time and machine, counters, and few that are any digits.
std::string Identifier(Random& random) {
  switch (Below(random, 12)) {
    case 0:
    case 1:
    case 2:
      return "17" + testing::RandomDigits(random, 11);
    case 3:
      return "17" + testing::RandomDigits(random, 17);
    case 4:
      return "2024" + absl::StrFormat("%02d%02d%02d%02d%02d", 1 + Below(random, 12),
                                      1 + Below(random, 28), Below(random, 24), Below(random, 60),
                                      Below(random, 60));
    case 5:
      return "978" + testing::RandomDigits(random, 10);
    case 6:
    case 7:
      return "1" + testing::RandomDigits(random, 17 + Below(random, 2));
    case 8:
    case 9:
      return "00" + testing::RandomDigits(random, 14);
    default:
      return testing::RandomDigits(random, 13 + Below(random, 7));
  }
}

std::string Request(Random& random) {
  return absl::StrCat("GET /api/v2/", Word(random), "/", Below(random, 10'000'000),
                      "?page=", Below(random, 90), "&ts=17", testing::RandomDigits(random, 11),
                      "&sid=", RandomOf(random, kHex, 32),
                      " HTTP/1.1\r\nHost: www.example-shop.com\r\nUser-Agent: Mozilla/5.0 (X11; "
                      "Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: "
                      "text/html,application/json;q=0.9\r\nCookie: _ga=GA1.2.",
                      testing::RandomDigits(random, 10), ".", testing::RandomDigits(random, 10),
                      "; visit=", Identifier(random), "\r\n\r\n");
}

std::string Json(Random& random) {
  return absl::StrCat(
      "{\"id\":", testing::RandomDigits(random, 12), ",\"parent\":\"", Identifier(random), "\"",
      ",\"uuid\":\"", RandomOf(random, kHex, 8), "-", RandomOf(random, kHex, 4), "-4",
      RandomOf(random, kHex, 3), "-a", RandomOf(random, kHex, 3), "-", RandomOf(random, kHex, 12),
      "\",\"created\":\"", Time(random), "\",\"name\":\"", Word(random), " ", Word(random),
      "\",\"price\":", Below(random, 999), ".", Below(random, 100), ",\"lat\":", Below(random, 90),
      ".", testing::RandomDigits(random, 14), ",\"updated\":17", testing::RandomDigits(random, 11),
      ",\"sku\":\"", Identifier(random), "\",\"", Word(random), "\":\"", Word(random), " ",
      Word(random), " ", Word(random), "\"}\n");
}

std::string LogLine(Random& random) {
  return absl::StrCat(Below(random, 256), ".", Below(random, 256), ".", Below(random, 256), ".",
                      Below(random, 256), " - - [", Time(random), "] \"POST /", Word(random), "/",
                      Word(random), " HTTP/1.1\" 200 ", Below(random, 100'000), " ",
                      Identifier(random), " 0.", Below(random, 1000), "\n");
}

std::string Html(Random& random) {
  std::string text = "<div class=\"product-card\"><a href=\"/";
  absl::StrAppend(&text, Word(random), "/", Word(random), "-", Below(random, 100'000),
                  "\"><img src=\"/i/", Below(random, 1'000'000), ".jpg\" width=\"320\" alt=\"",
                  Word(random), " ", Word(random), "\"></a><p>");
  for (int i = 0; i < 20; ++i) absl::StrAppend(&text, Word(random), " ");
  return text + "</p></div>\n";
}

std::string Encoded(Random& random) {
  return absl::StrCat("data=", RandomOf(random, kBase64, 300), "\n");
}

std::string Repeated(std::string_view unit, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  text.resize(bytes);
  return text;
}

}  // namespace

Planted DigitHeavy(size_t bytes) {
  Random random(1);
  Planted planted;
  planted.text.reserve(bytes + 4096);
  size_t next = kPlantedEvery / 2;
  while (planted.text.size() < bytes) {
    switch (Below(random, 12)) {
      case 0:
      case 1:
      case 2:
        planted.text += Request(random);
        break;
      case 3:
      case 4:
      case 5:
        planted.text += Json(random);
        break;
      case 6:
        planted.text += LogLine(random);
        break;
      case 7:
        planted.text += Encoded(random);
        break;
      default:
        planted.text += Html(random);
        break;
    }
    if (planted.text.size() >= next) {
      Plant(random, planted);
      next += kPlantedEvery;
    }
  }
  return planted;
}

Planted WebFiles(const std::string& folder, size_t bytes) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (auto it = std::filesystem::recursive_directory_iterator(folder, error);
       it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    if (it->is_regular_file(error)) files.push_back(it->path());
  }
  std::sort(files.begin(), files.end());
  Random random(2);
  // So that a part has of every package.
  for (size_t i = files.size(); i > 1; --i) std::swap(files[i - 1], files[Below(random, i)]);
  Planted planted;
  if (files.empty()) return planted;
  planted.text.reserve(bytes + 4096);
  size_t next = kPlantedEvery / 2;
  std::string content;
  for (size_t i = 0; planted.text.size() < bytes; i = (i + 1) % files.size()) {
    std::ifstream file(files[i], std::ios::binary);
    content.assign(std::istreambuf_iterator<char>(file), {});
    content += '\n';
    size_t at = 0;
    while (at < content.size()) {
      // To the first end of a line where the next number is due.
      const size_t due = next > planted.text.size() ? next - planted.text.size() : 0;
      size_t end = content.find('\n', std::min(at + due, content.size() - 1)) + 1;
      planted.text.append(content, at, end - at);
      at = end;
      if (planted.text.size() < next) continue;
      Plant(random, planted);
      next = planted.text.size() + kPlantedEvery;
    }
  }
  return planted;
}

std::string AllDigits(size_t bytes) {
  Random random(3);
  return RandomOf(random, "0123456789", bytes);
}
std::string AllBase64(size_t bytes) {
  Random random(4);
  return RandomOf(random, kBase64, bytes);
}
std::string AllHex(size_t bytes) {
  Random random(5);
  return RandomOf(random, kHex, bytes);
}
std::string DigitsAndSeparators(size_t bytes) {
  Random random(6);
  std::string text;
  while (text.size() < bytes) text.append(testing::RandomDigits(random, 1)).append(" ");
  return text;
}
std::string Bait(size_t bytes) { return Repeated("4111111111111111 ", bytes); }
std::string BaitAtEveryOffset(size_t bytes) { return Repeated("62", bytes); }
std::string AllPercent(size_t bytes) {
  Random random(7);
  std::string text;
  while (text.size() < bytes) text += testing::PercentAll(RandomOf(random, kHex, 64));
  text.resize(bytes);
  return text;
}
std::string NestedEscapes(size_t bytes) {
  Random random(8);
  const auto& forms = testing::EveryEncoding();
  const auto any = [&](const std::string& inner) {
    return forms[Below(random, forms.size())].encode(inner);
  };
  std::string text;
  while (text.size() < bytes) {
    switch (Below(random, 6)) {
      case 0:
        absl::StrAppend(&text, any(any(any(testing::RandomDigits(random, 4)))));
        break;
      case 1:
        absl::StrAppend(&text, any(any(RandomOf(random, kBase64, 24))));
        break;
      case 2:
        absl::StrAppend(&text, "%2541\\\\u0034&#37;34&#x5c;u0034", RandomOf(random, kHex, 26));
        break;
      case 3:
        absl::StrAppend(&text, any("\\u0026#52;%5Cx34&#38;#52;"));
        break;
      case 4:
        absl::StrAppend(&text, "\\u00", RandomOf(random, kHex, 2), "%", RandomOf(random, kHex, 2),
                        "&#", 48 + Below(random, 10), ";");
        break;
      default:
        absl::StrAppend(&text, any(testing::PercentAll("\\u0034&#52;")));
        break;
    }
  }
  text.resize(bytes);
  return text;
}

}  // namespace skimwatch::bench
