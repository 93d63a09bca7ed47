#include "agent/script/source/page/page_headers.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/html_scanner.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

constexpr size_t kLinesMax = 512;
constexpr size_t kLineBytesMax = 4096;
constexpr size_t kMetasMax = 64;
constexpr size_t kReasonsMax = 32;
constexpr size_t kReasonBytesMax = 240;

// How a header's value is taken apart.
enum class Form { kPolicy, kList, kWhole, kCookie };

// Empty for what has no bearing on what runs in a page, what it may reach, or who may look into it.
bool FormOf(std::string_view name, Form& form) {
  static constexpr std::pair<std::string_view, Form> kForms[] = {
      {"content-security-policy", Form::kPolicy},
      {"content-security-policy-report-only", Form::kPolicy},
      {"integrity-policy", Form::kList},
      {"integrity-policy-report-only", Form::kList},
      {"permissions-policy", Form::kList},
      {"feature-policy", Form::kPolicy},
      {"document-policy", Form::kList},
      {"strict-transport-security", Form::kPolicy},
      {"x-frame-options", Form::kWhole},
      {"x-content-type-options", Form::kWhole},
      {"x-xss-protection", Form::kWhole},
      {"x-permitted-cross-domain-policies", Form::kWhole},
      {"referrer-policy", Form::kWhole},
      {"cross-origin-opener-policy", Form::kWhole},
      {"cross-origin-opener-policy-report-only", Form::kWhole},
      {"cross-origin-embedder-policy", Form::kWhole},
      {"cross-origin-embedder-policy-report-only", Form::kWhole},
      {"cross-origin-resource-policy", Form::kWhole},
      {"origin-agent-cluster", Form::kWhole},
      {"clear-site-data", Form::kWhole},
      {"service-worker-allowed", Form::kWhole},
      {"refresh", Form::kWhole},
      {"set-cookie", Form::kCookie},
  };
  for (const auto& [known, its_form] : kForms) {
    if (known != name) continue;
    form = its_form;
    return true;
  }
  if (absl::StartsWith(absl::string_view(name.data(), name.size()), "access-control-")) {
    form = Form::kWhole;
    return true;
  }
  return false;
}

std::string Trimmed(absl::string_view text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

// The directive's name in lower case, its sources sorted and without repeats.
std::string Directive(absl::string_view text) {
  std::vector<std::string> words =
      absl::StrSplit(text, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty());
  if (words.empty()) return "";
  absl::AsciiStrToLower(&words[0]);
  for (std::string& word : words) {
    if (absl::StartsWithIgnoreCase(word, "'nonce-")) word = "'nonce-*'";
  }
  std::sort(words.begin() + 1, words.end());
  words.erase(std::unique(words.begin() + 1, words.end()), words.end());
  return absl::StrJoin(words, " ");
}

// The name, where digits of a name that is made anew for every shopper count alike, and the flags.
std::string Cookie(absl::string_view value) {
  std::vector<std::string> parts = absl::StrSplit(value, ';');
  std::string name = Trimmed(absl::string_view(parts[0]).substr(0, parts[0].find('=')));
  std::string shown;
  for (const char c : name) {
    const char as = absl::ascii_isdigit(static_cast<unsigned char>(c)) ? '#' : c;
    if (as != '#' || shown.empty() || shown.back() != '#') shown.push_back(as);
  }
  std::vector<std::string> flags;
  for (size_t i = 1; i < parts.size(); ++i) {
    std::string flag = Trimmed(parts[i]);
    const std::string flag_name = absl::AsciiStrToLower(flag.substr(0, flag.find('=')));
    if (flag.empty() || flag_name == "expires" || flag_name == "max-age") continue;
    flags.push_back(std::move(flag));
  }
  std::sort(flags.begin(), flags.end());
  flags.insert(flags.begin(), shown);
  return absl::StrJoin(flags, "; ");
}

void AddLines(const std::string& label, std::string_view name, const std::string& value,
              std::set<std::string>& lines) {
  Form form = Form::kWhole;
  if (!FormOf(name, form)) return;
  const auto add = [&](const std::string& text) {
    if (text.empty() || lines.size() >= kLinesMax) return;
    std::string line = absl::StrCat(label, ": ", text);
    validation::ReplaceUnprintable(line, /*lines=*/false);
    line = RedactCards(line).text;
    validation::MaskCardNumbers(line);
    validation::CutUtf8(line, kLineBytesMax);
    lines.insert(std::move(line));
  };
  switch (form) {
    case Form::kPolicy:
      for (const absl::string_view part : absl::StrSplit(value, ';')) add(Directive(part));
      return;
    case Form::kList: {
      // A comma inside of parentheses belongs to what is in them.
      int depth = 0;
      std::string part;
      for (const char c : value) {
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        if (c == ',' && depth <= 0) {
          add(Trimmed(part));
          part.clear();
        } else {
          part.push_back(c);
        }
      }
      add(Trimmed(part));
      return;
    }
    case Form::kCookie:
      add(Cookie(value));
      return;
    case Form::kWhole:
      add(absl::AsciiStrToLower(Trimmed(value)));
  }
}

// What is the same in two versions of a line: the header, and the directive or cookie.
std::string KeyOf(const std::string& line) {
  const size_t colon = line.find(": ");
  if (colon == std::string::npos) return line;
  const std::string label = line.substr(0, colon);
  const std::string name = label.substr(label.rfind(' ') + 1);
  Form form = Form::kWhole;
  FormOf(name.substr(0, name.find('[')), form);
  const std::string text = line.substr(colon + 2);
  switch (form) {
    case Form::kPolicy:
      return absl::StrCat(label, " ", text.substr(0, text.find_first_of(" =")));
    case Form::kList:
      return absl::StrCat(label, " ", text.substr(0, text.find('=')));
    case Form::kCookie:
      return absl::StrCat(label, " ", text.substr(0, text.find(';')));
    case Form::kWhole:
      break;
  }
  return label;
}

std::vector<std::string> WordsOf(const std::string& line) {
  const size_t colon = line.find(": ");
  const bool is_cookie = absl::StartsWith(line, "set-cookie: ");
  std::vector<std::string> words =
      absl::StrSplit(line.substr(colon == std::string::npos ? 0 : colon + 2),
                     is_cookie ? absl::ByAnyChar(";") : absl::ByAnyChar(" "), absl::SkipEmpty());
  for (std::string& word : words) absl::StripAsciiWhitespace(&word);
  std::sort(words.begin(), words.end());
  return words;
}

std::map<std::string, std::string> LinesByKey(std::string_view text) {
  std::map<std::string, std::string> by_key;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(text.data(), text.size()), '\n', absl::SkipEmpty())) {
    std::string& known = by_key[KeyOf(std::string(line))];
    // Of several policies with one directive all of them count.
    known = known.empty() ? std::string(line) : absl::StrCat(known, " | ", line);
  }
  return by_key;
}

std::vector<std::string> Without(const std::vector<std::string>& a,
                                 const std::vector<std::string>& b) {
  std::vector<std::string> left;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(left));
  return left;
}

// Grants rather than restrictions: more of it is less protection.
bool IsGrant(const std::string& key) {
  return absl::StrContains(key, "access-control-") ||
         absl::StrContains(key, "permissions-policy") ||
         absl::StrContains(key, "service-worker-allowed") || absl::StrContains(key, "refresh");
}

// The directive that held in place of `directive`, which was not there (CSP Level 3, 6.8.3 and
// 6.8.4); null when there was none, so that everything was let in.
const std::string* FallbackOf(const std::string& label, std::string_view directive,
                              const std::map<std::string, std::string>& before) {
  static constexpr std::pair<std::string_view, std::string_view> kInsteadOf[] = {
      {"script-src-elem", "script-src"}, {"script-src-attr", "script-src"},
      {"style-src-elem", "style-src"},   {"style-src-attr", "style-src"},
      {"worker-src", "child-src"},       {"worker-src", "script-src"},
      {"frame-src", "child-src"},
  };
  if (!absl::StrContains(absl::string_view(directive.data(), directive.size()), "-src") ||
      directive == "default-src") {
    return nullptr;
  }
  const auto find = [&](std::string_view other) {
    const auto found = before.find(absl::StrCat(label, " ", std::string(other)));
    return found == before.end() ? nullptr : &found->second;
  };
  for (const auto& [narrow, wide] : kInsteadOf) {
    if (narrow != directive) continue;
    if (const std::string* const line = find(wide); line != nullptr) return line;
  }
  return find("default-src");
}

// Words that let less in, or make others be passed over: without one more is let in.
bool IsRestriction(std::string_view word) {
  return word == "'none'" || word == "'strict-dynamic'" || word.starts_with("'nonce-") ||
         word.starts_with("'sha");
}

bool IsReportOnly(const std::string& key) { return absl::StrContains(key, "-report-only"); }

uint64_t MaxAge(const std::string& line) {
  const size_t at = line.find("max-age=");
  uint64_t age = 0;
  if (at != std::string::npos) {
    const std::string rest = line.substr(at + 8);
    (void)absl::SimpleAtoi(rest.substr(0, rest.find_first_not_of("0123456789")), &age);
  }
  return age;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> MetaPolicies(std::string_view html) {
  std::vector<std::pair<std::string, std::string>> policies;
  HtmlScanner scanner(html);
  HtmlTag tag;
  while (policies.size() < kMetasMax && scanner.Next(tag)) {
    if (!EqualsIgnoringCase(tag.name, "meta")) continue;
    std::string name;
    std::string value;
    for (const HtmlTag::Attribute& attribute : tag.attributes) {
      std::string text = absl::StrReplaceAll(
          absl::string_view(attribute.value.data(), attribute.value.size()),
          {{"&#39;", "'"}, {"&#x27;", "'"}, {"&apos;", "'"}, {"&quot;", "\""}, {"&amp;", "&"}});
      if (EqualsIgnoringCase(attribute.name, "http-equiv")) {
        name = absl::AsciiStrToLower(Trimmed(text));
      }
      if (EqualsIgnoringCase(attribute.name, "name") && EqualsIgnoringCase(text, "referrer")) {
        name = "referrer-policy";
      }
      if (EqualsIgnoringCase(attribute.name, "content")) value = std::move(text);
    }
    Form form = Form::kWhole;
    if (FormOf(name, form)) policies.emplace_back(std::move(name), std::move(value));
  }
  return policies;
}

std::string SecurityHeaders(const SeenPage& page) {
  std::set<std::string> lines;
  std::map<std::string, int> policies;
  const auto add = [&](std::string_view prefix, const std::string& name, const std::string& value) {
    Form form = Form::kWhole;
    if (!FormOf(name, form)) return;
    std::string label = absl::StrCat(std::string(prefix), name);
    // Each policy must be met on its own, so they are told apart.
    if (form == Form::kPolicy && ++policies[label] > 1) {
      label = absl::StrCat(label, "[", policies[label], "]");
    }
    AddLines(label, name, value, lines);
  };
  for (const auto& [name, value] : page.headers) add("", name, value);
  for (const auto& [name, value] : page.meta_policies) add("meta ", name, value);
  return absl::StrCat(absl::StrJoin(lines, "\n"), lines.empty() ? "" : "\n");
}

HeaderComparison CompareHeaders(std::string_view previous, std::string_view current) {
  const std::map<std::string, std::string> before = LinesByKey(previous);
  const std::map<std::string, std::string> now = LinesByKey(current);
  // By severity, so that the gravest come first.
  std::map<int, std::vector<std::string>, std::greater<>> reasons;
  HeaderComparison comparison;
  const auto say = [&](v1::Severity severity, std::string reason) {
    validation::CutUtf8(reason, kReasonBytesMax);
    reasons[severity].push_back(std::move(reason));
    comparison.severity = std::max(comparison.severity, severity);
  };
  for (const auto& [key, line] : before) {
    if (now.contains(key)) continue;
    const bool is_loss =
        !IsGrant(key) && !IsReportOnly(key) && !absl::StartsWith(key, "set-cookie");
    say(is_loss ? v1::SEVERITY_HIGH : v1::SEVERITY_MEDIUM,
        absl::StrCat(key, ": gone, was ", line.substr(line.find(": ") + 2)));
  }
  for (const auto& [key, line] : now) {
    const auto old = before.find(key);
    if (old == before.end()) {
      const size_t space = key.rfind(' ');
      const std::string directive = key.substr(space + 1);
      const std::string* const fallback =
          space != std::string::npos && absl::StrContains(key, "content-security-policy")
              ? FallbackOf(key.substr(0, space), directive, before)
              : nullptr;
      if (fallback != nullptr) {
        const std::string wide = KeyOf(*fallback).substr(space + 1);
        std::vector<std::string> gained = Without(WordsOf(line), WordsOf(*fallback));
        std::erase_if(
            gained, [&](const std::string& word) { return word == directive || word == "'none'"; });
        std::vector<std::string> lost = Without(WordsOf(*fallback), WordsOf(line));
        std::erase(lost, wide);
        const bool is_loss =
            !gained.empty() ||
            (WordsOf(line) != std::vector{directive} && !absl::StrContains(line, "'none'") &&
             std::any_of(lost.begin(), lost.end(), IsRestriction));
        if (is_loss) {
          say(IsReportOnly(key) ? v1::SEVERITY_MEDIUM : v1::SEVERITY_HIGH,
              absl::StrCat(key, ": new, in place of ", wide, ":", gained.empty() ? "" : " gained ",
                           absl::StrJoin(gained, " "),
                           lost.empty()     ? ""
                           : gained.empty() ? " lost "
                                            : ", lost ",
                           absl::StrJoin(lost, " ")));
          continue;
        }
      }
      say(IsGrant(key)                          ? v1::SEVERITY_HIGH
          : absl::StartsWith(key, "set-cookie") ? v1::SEVERITY_MEDIUM
                                                : v1::SEVERITY_LOW,
          absl::StrCat(key, ": new, ", line.substr(line.find(": ") + 2)));
      continue;
    }
    if (old->second == line) continue;
    const std::vector<std::string> gained = Without(WordsOf(line), WordsOf(old->second));
    const std::vector<std::string> lost = Without(WordsOf(old->second), WordsOf(line));
    v1::Severity severity = v1::SEVERITY_MEDIUM;
    if (absl::StartsWith(key, "set-cookie")) {
      if (!lost.empty()) severity = v1::SEVERITY_HIGH;
    } else if (absl::StrContains(key, "strict-transport-security")) {
      const bool is_less = MaxAge(line) < MaxAge(old->second);
      severity = is_less ? v1::SEVERITY_HIGH : v1::SEVERITY_LOW;
    } else if (absl::StrContains(key, "security-policy")) {
      // A source more lets something in; a source less keeps it out, unless it restricted others.
      const bool is_loss = !gained.empty() || absl::StrContains(key, "require-trusted-types-for") ||
                           std::any_of(lost.begin(), lost.end(), IsRestriction);
      severity = is_loss ? v1::SEVERITY_HIGH : v1::SEVERITY_LOW;
    } else {
      severity = v1::SEVERITY_HIGH;
    }
    if (IsReportOnly(key)) severity = std::min(severity, v1::SEVERITY_MEDIUM);
    say(severity,
        absl::StrCat(key, ":", gained.empty() ? "" : " gained ", absl::StrJoin(gained, " "),
                     lost.empty()     ? ""
                     : gained.empty() ? " lost "
                                      : ", lost ",
                     absl::StrJoin(lost, " ")));
  }
  for (const auto& [severity, said] : reasons) {
    for (const std::string& reason : said) {
      if (comparison.reasons.size() < kReasonsMax) comparison.reasons.push_back(reason);
    }
  }
  return comparison;
}

}  // namespace skimwatch::script
