#include "proto/approval/script_pattern.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace skimwatch::approval {
namespace {

// The longest name of the inventory.
constexpr size_t kBytesMax = 4160;
constexpr std::string_view kSource = "#src=";

bool IsPrefix(std::string_view pattern) { return !pattern.empty() && pattern.back() == '*'; }

bool Matches(std::string_view pattern, std::string_view text) {
  if (!IsPrefix(pattern)) return pattern == text;
  return text.starts_with(pattern.substr(0, pattern.size() - 1));
}

std::string_view WithoutNumber(std::string_view address) {
  const size_t mark = address.rfind('~');
  if (mark == std::string_view::npos || mark + 1 == address.size()) return address;
  const std::string_view number = address.substr(mark + 1);
  const bool is_number =
      std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  return is_number ? address.substr(0, mark) : address;
}

}  // namespace

std::string PatternFault(std::string_view pattern) {
  if (pattern.empty()) return "empty";
  if (pattern.size() > kBytesMax) return absl::StrCat("longer than ", kBytesMax, " bytes");
  for (const char c : pattern) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "holds a control character";
  }
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return "";
  if (star + 1 != pattern.size()) return "has a `*` that is not at its end";
  if (pattern.size() == 1) return "is `*` alone, which stands for every script";
  const size_t scheme = pattern.find("://");
  const bool is_address = scheme != std::string_view::npos && pattern.find('/') == scheme + 1;
  if (is_address && pattern.find('/', scheme + 3) == std::string_view::npos) {
    return "has a `*` before the end of its host; write a `/` behind the host";
  }
  return "";
}

bool PatternCovers(std::string_view pattern, std::string_view script) {
  if (Matches(pattern, script)) return true;
  const size_t source = script.find(kSource);
  if (source == std::string_view::npos) return false;
  const std::string_view address = script.substr(source + kSource.size());
  return Matches(pattern, address) || Matches(pattern, WithoutNumber(address));
}

bool PatternIsWithin(std::string_view inner, std::string_view outer) {
  if (!IsPrefix(inner)) return PatternCovers(outer, inner);
  return IsPrefix(outer) && Matches(outer, inner.substr(0, inner.size() - 1));
}

}  // namespace skimwatch::approval
