#include "tests/agent/card/support/generated_text.h"

#include <array>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/agent/card/support/encode.h"

namespace skimwatch::testing {
namespace {

template <size_t kCount>
std::string_view AnyOf(Random& random, const std::array<std::string_view, kCount>& choices) {
  return choices[Below(random, kCount)];
}

constexpr std::array<std::string_view, 16> kSeparators = {" ",
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
                                                          " ",
                                                          " ",
                                                          "-",
                                                          "\xE2\x88\x92",
                                                          "  "};

constexpr std::array<std::string_view, 44> kWords = {"card",
                                                     "cardNumber",
                                                     "card number is ",
                                                     "cc",
                                                     "pan",
                                                     "acct",
                                                     "visa",
                                                     "order",
                                                     "orderId",
                                                     "timestamp",
                                                     "id",
                                                     "phone",
                                                     "imei",
                                                     "lat",
                                                     "hash",
                                                     "exp",
                                                     "cvv",
                                                     "cvv=123",
                                                     "name",
                                                     "holder",
                                                     "iban ",
                                                     "DE89",
                                                     "{\"cc\":\"",
                                                     "\"}",
                                                     "<cardNumber>",
                                                     "</pan>",
                                                     "No.",
                                                     "L.",
                                                     "x=",
                                                     "&y=",
                                                     "\"lat\":-",
                                                     "; card=",
                                                     "\r\n",
                                                     "\n",
                                                     "\\n",
                                                     "%22",
                                                     "\\u0022",
                                                     "&#34;",
                                                     "0x",
                                                     "e-7",
                                                     "s:16:\"",
                                                     "%B",
                                                     "the quick brown fox ",
                                                     "Content-Type: text/html\r\n"};

constexpr std::string_view kSigns = "\"':;,=&?<>{}[]()\n\t|#$*~^%\\.-_+/ @!";

const Issue& AnyIssue(Random& random) {
  static const auto& issues = *new std::vector<Issue>(EveryIssue());
  return issues[Below(random, issues.size())];
}

// `digits` cut into groups of sizes at random.
std::string OddlyGrouped(Random& random, std::string_view digits) {
  std::vector<size_t> sizes;
  for (int i = 0; i < 8; ++i) sizes.push_back(1 + Below(random, 8));
  return Grouped(digits, sizes, AnyOf(random, kSeparators));
}

struct Piece {
  std::string bytes;
  std::string recipe;
};

Piece PlainPiece(Random& random) {
  switch (Below(random, 22)) {
    case 0:
      return {RandomDigits(random, 1 + Below(random, 24)), "digits"};
    case 1:
    case 2:
      return {NumberOf(random, AnyIssue(random)), "number-plain"};
    case 3:
    case 4:
      return {BrandGrouped(NumberOf(random, AnyIssue(random)), AnyOf(random, kSeparators)),
              "number-grouped"};
    case 5:
      return {Grouped(NumberOf(random, AnyIssue(random)), {4}, AnyOf(random, kSeparators)),
              "number-fours"};
    case 6:
      return {OddlyGrouped(random, NumberOf(random, AnyIssue(random))), "number-odd"};
    case 7:
      return {BrandGrouped(NumberWithWrongCheckDigit(random, "4", 16), AnyOf(random, kSeparators)),
              "near-miss"};
    case 8: {
      std::string row;
      for (size_t i = 2 + Below(random, 12); i > 0; --i) {
        absl::StrAppend(&row, RandomDigits(random, 4), " ");
      }
      return {row, "row-of-fours"};
    }
    case 9:
      return {absl::StrCat("%B", NumberOf(random, AnyIssue(random)), "^DOE/JANE^2912101",
                           RandomDigits(random, Below(random, 12)), "?"),
              "track1"};
    case 10:
      return {absl::StrCat(Below(random, 2) == 0 ? ";" : "", NumberOf(random, AnyIssue(random)),
                           Below(random, 3) == 0 ? "D" : "=", "2912101",
                           RandomDigits(random, Below(random, 12)), "?"),
              "track2"};
    case 11:
      return {absl::StrFormat("%02d/%02d", 1 + Below(random, 12), 24 + Below(random, 10)), "date"};
    case 12:
      return {absl::StrFormat("|%02d|20%02d|%s", 1 + Below(random, 12), 24 + Below(random, 10),
                              RandomDigits(random, 3)),
              "record-tail"};
    case 13: {
      constexpr std::string_view kHex = "0123456789abcdef";
      std::string hex;
      for (size_t i = 4 + Below(random, 60); i > 0; --i) hex += kHex[Below(random, 16)];
      return {hex, "hex-word"};
    }
    case 14: {
      constexpr std::string_view kBase64 =
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
      std::string run;
      for (size_t i = 1 + Below(random, 40); i > 0; --i) run += kBase64[Below(random, 64)];
      return {run, "base64-noise"};
    }
    case 15: {
      std::string bytes;
      for (size_t i = 1 + Below(random, 8); i > 0; --i) bytes += static_cast<char>(random());
      return {bytes, "bytes"};
    }
    case 16:
      return {std::string(1 + Below(random, 150), " a.x"[Below(random, 4)]), "filler"};
    case 17:
    case 18:
      return {std::string(AnyOf(random, kWords)), "word"};
    default:
      return {std::string(1, kSigns[Below(random, kSigns.size())]), "sign"};
  }
}

// Base64 of digits and separators beyond ASCII is read only where nothing else in the run is text.
void KeepAscii(std::string& bytes) {
  std::erase_if(bytes, [](char c) { return static_cast<uint8_t>(c) >= 0x80; });
}

Piece EncodedPiece(Random& random, int depth) {
  GeneratedText inner = GenerateText(random, 20 + Below(random, 60), depth - 1);
  const auto named = [&](std::string_view name) {
    return absl::StrCat(std::string(name), "(", inner.recipe, ")");
  };
  switch (Below(random, 8)) {
    case 0:
      return {FullWidth(inner.bytes), named("full-width")};
    case 1:
      return {absl::StrCat("\n", Utf16Le(inner.bytes), "\n"), named("utf16-le")};
    case 2:
      return {absl::StrCat(std::string(1, '\0'), Utf16Be(inner.bytes), "\n"), named("utf16-be")};
    case 3: {
      KeepAscii(inner.bytes);
      constexpr std::array<std::string_view, 5> kBreaks = {"\n", "\r\n", "\n  ", "\\n", "\\r\\n"};
      return {
          absl::StrCat(
              "\"", Base64Wrapped(inner.bytes, 4 * (4 + Below(random, 16)), AnyOf(random, kBreaks)),
              "\""),
          named("base64-lines")};
    }
    default: {
      const NamedEncoding& form = EveryEncoding()[Below(random, EveryEncoding().size())];
      if (form.encoding == card::Encoding::kBase64) KeepAscii(inner.bytes);
      return {form.encode(inner.bytes), named(form.name)};
    }
  }
}

}  // namespace

GeneratedText GenerateText(Random& random, size_t bytes, int depth) {
  GeneratedText text;
  while (text.bytes.size() < bytes) {
    const Piece piece =
        depth > 0 && Below(random, 6) == 0 ? EncodedPiece(random, depth) : PlainPiece(random);
    text.bytes += piece.bytes;
    absl::StrAppend(&text.recipe, text.recipe.empty() ? "" : " ", piece.recipe);
    if (Below(random, 8) == 0) break;
  }
  return text;
}

}  // namespace skimwatch::testing
