#include "collector/console/http.h"

#include <cctype>

#include "absl/strings/ascii.h"

namespace skimwatch::console {
namespace {

void AppendEncoded(std::string_view text, std::string& out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool Decode(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%') {
      if (i + 2 >= text.size()) return false;
      const int high = HexDigit(text[i + 1]);
      const int low = HexDigit(text[i + 2]);
      if (high < 0 || low < 0) return false;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return true;
}

}  // namespace

std::string Url(std::string_view path,
                const std::vector<std::pair<std::string_view, std::string>>& query) {
  std::string url(path);
  char separator = '?';
  for (const auto& [name, value] : query) {
    if (value.empty()) continue;
    url += separator;
    separator = '&';
    AppendEncoded(name, url);
    url += '=';
    AppendEncoded(value, url);
  }
  return url;
}

bool ParseForm(std::string_view text, size_t pairs_max, std::map<std::string, std::string>& form) {
  size_t pairs = 0;
  while (!text.empty()) {
    const size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
    if (pair.empty()) continue;
    if (++pairs > pairs_max) return false;
    const size_t equals = pair.find('=');
    std::string name;
    std::string value;
    if (!Decode(pair.substr(0, equals), name)) return false;
    if (equals != std::string_view::npos && !Decode(pair.substr(equals + 1), value)) return false;
    form.emplace(std::move(name), std::move(value));
  }
  return true;
}

}  // namespace skimwatch::console
