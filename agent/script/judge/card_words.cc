#include "agent/script/judge/card_words.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "absl/strings/ascii.h"

namespace skimwatch::script {
namespace {

constexpr size_t kNameBytesMax = 160;
constexpr size_t kPatternBytesMax = 2000;

// Without case and separators.
constexpr std::array<std::string_view, 34> kNames = {
    "cardnumber",  "cardnum",      "cardno",          "ccnumber",     "ccnum",
    "ccno",        "cardholder",   "nameoncard",      "cardname",     "ccname",
    "ccowner",     "ccexp",        "cardexp",         "cardexpiry",   "cardexpiration",
    "cccsc",       "cccid",        "cccvc",           "cccvv",        "cardcvc",
    "cardcvv",     "cardcode",     "cardsecurity",    "securitycode", "verificationvalue",
    "expmonth",    "expyear",      "expirymonth",     "expiryyear",   "expirationmonth",
    "numerocarte", "kartennummer", "numerodetarjeta", "creditcardno"};

bool IsAlpha(char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)); }

// `cvv` and `cvc` are short: not inside another word.
bool HasCode(std::string_view text) {
  for (size_t at = 0; at + 3 <= text.size(); ++at) {
    const char a = absl::ascii_tolower(static_cast<unsigned char>(text[at]));
    if (a != 'c') continue;
    const char b = absl::ascii_tolower(static_cast<unsigned char>(text[at + 1]));
    const char c = absl::ascii_tolower(static_cast<unsigned char>(text[at + 2]));
    if (b != 'v' || (c != 'v' && c != 'c')) continue;
    const bool begins = at == 0 || !absl::ascii_isalnum(static_cast<unsigned char>(text[at - 1])) ||
                        (absl::ascii_isupper(static_cast<unsigned char>(text[at])) &&
                         absl::ascii_islower(static_cast<unsigned char>(text[at - 1])));
    const size_t end = at + 3;
    const bool ends = end == text.size() || !IsAlpha(text[end]) ||
                      (absl::ascii_isupper(static_cast<unsigned char>(text[end])) &&
                       absl::ascii_islower(static_cast<unsigned char>(text[end - 1])));
    if (begins && ends) return true;
  }
  return false;
}

// Without look-around and the like, which RE2 does not have; what they forbid is then allowed.
std::string ForRe2(std::string_view pattern) {
  std::string plain;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      const char c = pattern[i + 1];
      // A back reference.
      if (c >= '1' && c <= '9') {
        ++i;
        continue;
      }
      if (c == '/' || c == '-') {
        plain += c == '-' ? "\\-" : "/";
        ++i;
        continue;
      }
      plain += pattern[i];
      plain += c;
      ++i;
      continue;
    }
    if (pattern.substr(i, 3) == "(?=" || pattern.substr(i, 3) == "(?!" ||
        pattern.substr(i, 4) == "(?<=" || pattern.substr(i, 4) == "(?<!") {
      int depth = 0;
      bool in_class = false;
      for (; i < pattern.size(); ++i) {
        if (pattern[i] == '\\') {
          ++i;
          continue;
        }
        if (pattern[i] == '[') in_class = true;
        if (pattern[i] == ']') in_class = false;
        if (in_class) continue;
        if (pattern[i] == '(') ++depth;
        if (pattern[i] == ')' && --depth == 0) break;
      }
      continue;
    }
    plain += pattern[i];
  }
  return plain;
}

}  // namespace

bool NamesCardField(std::string_view text) {
  if (text.size() < 3 || text.size() > kNameBytesMax) return false;
  std::array<char, kNameBytesMax> squeezed;
  size_t size = 0;
  int spaces = 0;
  bool is_selector = false;
  bool may_be = false;
  for (const char raw : text) {
    const char c = absl::ascii_tolower(static_cast<unsigned char>(raw));
    if (c == ' ') ++spaces;
    if (c == '#' || c == '[' || c == '>') is_selector = true;
    // A class, not the end of a sentence.
    const size_t at = static_cast<size_t>(&raw - text.data());
    if (c == '.' && at + 1 < text.size() && IsAlpha(text[at + 1])) is_selector = true;
    if (static_cast<unsigned char>(c) >= 0x80 || c == '<' || c == '{') return false;
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) continue;
    // Every name has one of these pairs.
    if (size > 0) {
      const char before = squeezed[size - 1];
      may_be = may_be || (before == 'c' && (c == 'c' || c == 'v' || c == 'a')) ||
               (before == 'r' && (c == 'd' || c == 't')) || (before == 'x' && c == 'p') ||
               (before == 'y' && c == 'c') || (before == 'n' && c == 'v');
    }
    squeezed[size++] = c;
  }
  if (!may_be) return false;
  // Prose.
  if (spaces > 0 && !is_selector) return false;
  if (spaces > 8) return false;
  const std::string_view name(squeezed.data(), size);
  if (HasCode(text)) return true;
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view known) {
    const size_t at = name.find(known);
    if (at == std::string_view::npos) return false;
    // `cardnotfound`, `ccnote`, `ccexpand`: the short ones end the name or stand before a mark.
    const size_t end = at + known.size();
    if (known == "cardno" || known == "ccno" || known == "ccexp" || known == "cardexp" ||
        known == "cardname" || known == "ccname") {
      return end == name.size() || !IsAlpha(name[end]) || name.substr(end).starts_with("ire") ||
             name.substr(end).starts_with("date") || name.substr(end).starts_with("month") ||
             name.substr(end).starts_with("year") || name.substr(end).starts_with("iry") ||
             name.substr(end).starts_with("iration");
    }
    return true;
  });
}

bool SelectsFields(std::string_view selector) {
  if (selector.size() > kNameBytesMax) return false;
  for (const std::string_view tag : {"input", "select", "textarea"}) {
    for (size_t at = selector.find(tag); at != std::string_view::npos;
         at = selector.find(tag, at + 1)) {
      const size_t end = at + tag.size();
      const bool begins = at == 0 || selector[at - 1] == ' ' || selector[at - 1] == ',' ||
                          selector[at - 1] == '>' || selector[at - 1] == ':';
      // `input[type=checkbox]` and the like are of widgets.
      const bool ends = end == selector.size() || selector[end] == ' ' || selector[end] == ',' ||
                        selector[end] == ':' || selector.substr(end).starts_with("[type=text") ||
                        selector.substr(end).starts_with("[type=\"text") ||
                        selector.substr(end).starts_with("[type='text") ||
                        selector.substr(end).starts_with("[type=\"tel") ||
                        selector.substr(end).starts_with("[type=tel") ||
                        selector.substr(end).starts_with("[type='tel") ||
                        selector.substr(end).starts_with("[name") ||
                        selector.substr(end).starts_with("[id");
      if (begins && ends) return true;
    }
  }
  return false;
}

bool MatchesCards(std::string_view pattern) {
  if (pattern.size() < 4 || pattern.size() > kPatternBytesMax) return false;
  const bool has_digits = pattern.find("\\d") != std::string_view::npos ||
                          pattern.find("0-9") != std::string_view::npos;
  const bool counts = pattern.find('{') != std::string_view::npos ||
                      pattern.find("\\d\\d\\d\\d") != std::string_view::npos;
  if (!has_digits || !counts) return false;
  RE2::Options options(RE2::Latin1);
  options.set_log_errors(false);
  options.set_never_capture(true);
  options.set_max_mem(1 << 20);
  const RE2 compiled(ForRe2(pattern), options);
  if (!compiled.ok()) return false;
  const auto matches = [&](const char* text) { return RE2::PartialMatch(text, compiled); };
  // Digits of other kinds: times, telephones, versions, identifiers.
  for (const char* other :
       {"12345", "123456", "1234567890", "12345678901", "123456789012", "2026-11-25T09:00:36.123Z",
        "abcdefabcdefabcd", "a", "", "1.25", "123e4567-e89b-12d3-a45f-4266141740ab"}) {
    if (matches(other)) return false;
  }
  // Published test numbers.
  for (const char* card :
       {"4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "5555555555554444",
        "5555 5555 5555 4444", "378282246310005", "3782 822463 10005", "6011111111111117",
        "3530111333300000", "30569309025904"}) {
    if (matches(card)) return true;
  }
  return false;
}

}  // namespace skimwatch::script
