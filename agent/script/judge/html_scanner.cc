#include "agent/script/judge/html_scanner.h"

#include <algorithm>
#include <cstdint>
#include <map>

#include "absl/container/flat_hash_map.h"

namespace skimwatch::script {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsLetter(char c) { return (Lower(c) >= 'a' && Lower(c) <= 'z'); }

// Elements that have no end tag (HTML Living Standard, 13.1.2).
constexpr std::string_view kVoid[] = {"area",  "base", "br",   "col",   "embed",  "hr",    "img",
                                      "input", "link", "meta", "param", "source", "track", "wbr"};

bool IsVoid(std::string_view name) {
  return std::any_of(std::begin(kVoid), std::end(kVoid),
                     [&](std::string_view known) { return EqualsIgnoringCase(known, name); });
}

std::string_view TagName(std::string_view page, size_t at) {
  size_t end = at;
  while (end < page.size() && !IsSpace(page[end]) && page[end] != '/' && page[end] != '>') ++end;
  return page.substr(at, end - at);
}

}  // namespace

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

bool HtmlScanner::Next(HtmlTag& tag) {
  while (at_ < page_.size()) {
    const size_t open = page_.find('<', at_);
    if (open == std::string_view::npos) break;
    at_ = open + 1;
    const std::string_view rest = page_.substr(at_);
    if (rest.starts_with("!--")) {
      // `<!-->` and `<!--->` are whole comments (13.2.5.43).
      if (rest.starts_with("!-->") || rest.starts_with("!--->")) continue;
      const size_t end = page_.find("--", at_ + 3);
      size_t close = end;
      while (close != std::string_view::npos && !page_.substr(close).starts_with("-->") &&
             !page_.substr(close).starts_with("--!>")) {
        close = page_.find("--", close + 1);
      }
      at_ = close == std::string_view::npos ? page_.size() : close + 3;
      continue;
    }
    if (rest.empty() || !IsLetter(rest[0])) continue;
    if (ReadTag(tag)) return true;
  }
  at_ = page_.size();
  return false;
}

// From the name of a tag; false when the page ends inside it, as a parser drops it then.
bool HtmlScanner::ReadTag(HtmlTag& tag) {
  tag = HtmlTag();
  tag.offset = at_ - 1;
  tag.name = TagName(page_, at_);
  size_t at = at_ + tag.name.size();
  while (at < page_.size() && page_[at] != '>') {
    if (IsSpace(page_[at]) || page_[at] == '/') {
      ++at;
      continue;
    }
    HtmlTag::Attribute attribute;
    const size_t name_begin = at;
    // A name may begin with `=` (13.2.5.32).
    ++at;
    while (at < page_.size() && !IsSpace(page_[at]) && page_[at] != '/' && page_[at] != '>' &&
           page_[at] != '=') {
      ++at;
    }
    attribute.name = page_.substr(name_begin, at - name_begin);
    while (at < page_.size() && IsSpace(page_[at])) ++at;
    if (at < page_.size() && page_[at] == '=') {
      ++at;
      while (at < page_.size() && IsSpace(page_[at])) ++at;
      if (at < page_.size() && (page_[at] == '"' || page_[at] == '\'')) {
        const size_t end = page_.find(page_[at], at + 1);
        if (end == std::string_view::npos) {
          // An open quote would swallow the page; go on behind it and see what is there.
          at_ = at + 1;
          return false;
        }
        attribute.value = page_.substr(at + 1, end - at - 1);
        at = end + 1;
      } else {
        const size_t begin = at;
        while (at < page_.size() && !IsSpace(page_[at]) && page_[at] != '>') ++at;
        attribute.value = page_.substr(begin, at - begin);
      }
    }
    tag.attributes.push_back(attribute);
  }
  if (at >= page_.size()) {
    at_ = page_.size();
    return false;
  }
  at_ = at + 1;
  if (EqualsIgnoringCase(tag.name, "script")) ReadScript(tag);
  return true;
}

void HtmlScanner::ReadScript(HtmlTag& tag) {
  const size_t begin = at_;
  size_t end = begin;
  while ((end = page_.find("</", end)) != std::string_view::npos) {
    if (EqualsIgnoringCase(TagName(page_, end + 2), "script")) break;
    ++end;
  }
  tag.script_text = page_.substr(begin, end == std::string_view::npos ? end : end - begin);
  at_ = begin + tag.script_text.size();
}

double TreeWork(std::string_view page) {
  absl::flat_hash_map<std::string, uint64_t> open;
  uint64_t open_now = 0;
  uint64_t open_max = 0;
  uint64_t tags = 0;
  for (size_t at = page.find('<'); at != std::string_view::npos; at = page.find('<', at + 1)) {
    if (at + 1 >= page.size()) break;
    const bool is_end = page[at + 1] == '/';
    const size_t name_at = at + (is_end ? 2 : 1);
    if (name_at >= page.size() || !IsLetter(page[name_at])) continue;
    // Longer names are told apart by nothing that matters here.
    const std::string_view name = TagName(page.substr(0, name_at + 32), name_at);
    ++tags;
    if (IsVoid(name)) continue;
    std::string key(name);
    std::transform(key.begin(), key.end(), key.begin(), Lower);
    uint64_t& count = open[key];
    if (!is_end) {
      ++count;
      open_max = std::max(open_max, ++open_now);
    } else if (count > 0) {
      --count;
      --open_now;
    }
  }
  return static_cast<double>(tags) * static_cast<double>(open_max);
}

}  // namespace skimwatch::script
