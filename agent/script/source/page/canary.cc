#include "agent/script/source/page/canary.h"

#include <errno.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agent/card/luhn.h"

namespace skimwatch::script {
namespace {

constexpr size_t kDigits = 16;
constexpr size_t kDigitsMin = 13;
constexpr size_t kDigitsMax = 19;
// Base64 of thirteen digits has eighteen characters, hexadecimal digits of them twenty-six.
constexpr size_t kEncodedMin = 18;
// Encodings one inside another.
constexpr int kDepthMax = 3;
// Runs of letters that are decoded in one text.
constexpr int kRunsMax = 4096;

std::vector<uint8_t> Values(std::string_view digits) {
  std::vector<uint8_t> values;
  for (const char c : digits) values.push_back(static_cast<uint8_t>(c - '0'));
  return values;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string PercentDecoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
        HexValue(text[i + 2]) >= 0) {
      decoded.push_back(static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2])));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

bool IsBase64(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '/' || c == '-' ||
         c == '_';
}

std::string Base64Decoded(std::string_view run) {
  static constexpr auto kValues = [] {
    std::array<int8_t, 256> values{};
    values.fill(-1);
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < kAlphabet.size(); ++i) {
      values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
    }
    values['+'] = values['-'] = 62;
    values['/'] = values['_'] = 63;
    return values;
  }();
  std::string decoded;
  decoded.reserve(run.size() * 3 / 4);
  uint32_t bits = 0;
  int held = 0;
  for (const char c : run) {
    bits = bits << 6 | static_cast<uint32_t>(kValues[static_cast<unsigned char>(c)]);
    held += 6;
    if (held >= 8) {
      held -= 8;
      decoded.push_back(static_cast<char>(bits >> held & 0xff));
    }
  }
  return decoded;
}

std::string HexDecoded(std::string_view run) {
  std::string decoded;
  for (size_t i = 0; i + 1 < run.size(); i += 2) {
    decoded.push_back(static_cast<char>(HexValue(run[i]) * 16 + HexValue(run[i + 1])));
  }
  return decoded;
}

// Whether bytes of `text` differ from one to the next as those of `number` do.
template <typename Difference>
bool HasPattern(std::string_view text, std::string_view number, Difference difference) {
  if (text.size() < number.size()) return false;
  for (size_t at = 0; at + number.size() <= text.size(); ++at) {
    size_t i = 1;
    while (i < number.size() &&
           difference(text[at + i - 1], text[at + i]) == difference(number[i - 1], number[i])) {
      ++i;
    }
    if (i == number.size()) return true;
  }
  return false;
}

uint8_t Sum(char a, char b) { return static_cast<uint8_t>(b - a); }
uint8_t Xor(char a, char b) { return static_cast<uint8_t>(a ^ b); }

// Compares what the engine found with the number.
class Matches final : public card::MatchSink {
 public:
  Matches(std::string_view number, card::MatchSink* others)
      : values_(Values(number)), others_(others) {}

  void OnMatch(const card::CardMatch& match) override {
    const auto digits = match.digits.Reveal();
    if (!std::equal(digits.begin(), digits.end(), values_.begin(), values_.end())) {
      if (others_ != nullptr) others_->OnMatch(match);
      return;
    }
    if (encodings_.has_value()) return;
    encodings_.emplace();
    for (const card::Encoding encoding : match.encodings) {
      encodings_->emplace_back(card::EncodingName(encoding));
    }
  }

  std::optional<std::vector<std::string>> Take() { return std::move(encodings_); }

 private:
  const std::vector<uint8_t> values_;
  card::MatchSink* const others_;
  std::optional<std::vector<std::string>> encodings_;
};

}  // namespace

absl::StatusOr<CanaryCard> MakeCanary(const config::v1::PageCanary& config) {
  CanaryCard card{.expiry = "12/30", .cvc = "", .name = "Ada Winter"};
  std::array<uint8_t, kDigits + 3> random{};
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    return absl::ErrnoToStatus(errno, "getrandom");
  }
  for (size_t i = kDigits; i < random.size(); ++i) {
    card.cvc.push_back(static_cast<char>('0' + random[i] % 10));
  }
  if (config.number_file().empty()) {
    card.number = config.issuer().empty() ? "400000" : config.issuer();
    for (size_t i = card.number.size(); i + 1 < kDigits; ++i) {
      card.number.push_back(static_cast<char>('0' + random[i] % 10));
    }
    card.number.push_back(static_cast<char>('0' + card::LuhnCheckDigit(Values(card.number))));
    return card;
  }
  std::ifstream file(config.number_file());
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat("pages.checks.canary.number_file: can't read ", config.number_file()));
  }
  std::getline(file, card.number);
  absl::StripAsciiWhitespace(&card.number);
  if (card.number.size() < kDigitsMin || card.number.size() > kDigitsMax ||
      card.number.find_first_not_of("0123456789") != std::string::npos ||
      !card::LuhnValid(Values(card.number))) {
    return absl::InvalidArgumentError(
        absl::StrCat("pages.checks.canary.number_file: ", config.number_file(),
                     " does not hold 13 to 19 digits with a right check digit"));
  }
  return card;
}

std::string FillIn(std::string_view text, const CanaryCard& card) {
  return absl::StrReplaceAll(absl::string_view(text.data(), text.size()),
                             {{"{card}", card.number},
                              {"{expiry}", card.expiry},
                              {"{cvc}", card.cvc},
                              {"{name}", card.name}});
}

bool AsksForCard(std::string_view text) { return text.find("{card}") != std::string_view::npos; }

CanaryFinder::CanaryFinder(std::string_view number, const card::ScanOptions& options,
                           const card::BrandTable& brands)
    : number_(number), reversed_(number.rbegin(), number.rend()), stream_(options, brands) {
  for (const char c : number_) absl::StrAppend(&codes_, static_cast<int>(c));
}

std::optional<std::string> CanaryFinder::FindKnown(std::string_view text) const {
  if (text.size() < number_.size()) return std::nullopt;
  if (text.find(number_) != std::string_view::npos) return "";
  if (text.find(reversed_) != std::string_view::npos) return "reversed";
  std::string digits;
  for (const char c : text) {
    if (absl::ascii_isdigit(static_cast<unsigned char>(c))) digits.push_back(c);
  }
  if (digits.find(number_) != std::string::npos) return "split";
  if (digits.find(reversed_) != std::string::npos) return "split_reversed";
  if (digits.find(codes_) != std::string::npos) return "char_codes";
  if (HasPattern(text, number_, Sum)) return "shift";
  if (HasPattern(text, reversed_, Sum)) return "shift_reversed";
  if (HasPattern(text, number_, Xor)) return "xor";
  if (HasPattern(text, reversed_, Xor)) return "xor_reversed";
  return std::nullopt;
}

std::optional<std::vector<std::string>> CanaryFinder::Find(std::string_view text,
                                                           const card::ScanContext& context,
                                                           card::MatchSink* others) {
  Matches matches(number_, others);
  stream_.Begin(context);
  stream_.Feed(text, matches);
  stream_.Finish(matches);
  if (std::optional<std::vector<std::string>> found = matches.Take(); found.has_value()) {
    return found;
  }
  struct View {
    std::string text;
    std::vector<std::string> encodings;
  };
  std::vector<View> views = {{.text = std::string(text), .encodings = {}}};
  int runs = 0;
  for (size_t i = 0; i < views.size(); ++i) {
    const View view = std::move(views[i]);
    if (const std::optional<std::string> form = FindKnown(view.text); form.has_value()) {
      std::vector<std::string> encodings = view.encodings;
      if (!form->empty()) encodings.push_back(*form);
      return encodings;
    }
    if (view.encodings.size() >= kDepthMax) continue;
    const auto add = [&](std::string decoded, std::string_view encoding) {
      View next{.text = std::move(decoded), .encodings = view.encodings};
      next.encodings.emplace_back(encoding);
      views.push_back(std::move(next));
    };
    if (view.text.find('%') != std::string::npos) {
      std::string decoded = PercentDecoded(view.text);
      if (decoded.size() != view.text.size()) add(std::move(decoded), "percent");
    }
    for (size_t at = 0; at < view.text.size() && runs < kRunsMax;) {
      if (!IsBase64(view.text[at])) {
        ++at;
        continue;
      }
      size_t end = at;
      bool is_hex = true;
      while (end < view.text.size() && IsBase64(view.text[end])) {
        is_hex = is_hex && HexValue(view.text[end]) >= 0;
        ++end;
      }
      const std::string_view run = std::string_view(view.text).substr(at, end - at);
      at = end;
      if (run.size() < kEncodedMin) continue;
      // Wherever in the run the code begins.
      ++runs;
      for (size_t skip = 0; skip < 4; ++skip) {
        add(Base64Decoded(run.substr(skip)), "base64");
        if (is_hex && skip < 2) add(HexDecoded(run.substr(skip)), "hex");
      }
    }
  }
  return std::nullopt;
}

}  // namespace skimwatch::script
