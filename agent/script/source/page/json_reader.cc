#include "agent/script/source/page/json_reader.h"

#include <charconv>
#include <system_error>

namespace skimwatch::script {
namespace {

const Json& Null() {
  static const Json& null = *new Json();
  return null;
}

// The value of four hexadecimal digits at `at`; -1 when they are none.
int HexAt(std::string_view text, size_t at) {
  constexpr size_t kDigits = 4;
  if (at + kDigits > text.size()) return -1;
  unsigned value = 0;
  const char* const end = text.data() + at + kDigits;
  const auto [stop, error] = std::from_chars(text.data() + at, end, value, 16);
  return error == std::errc() && stop == end ? static_cast<int>(value) : -1;
}

bool IsHighSurrogate(int code) { return code >= 0xD800 && code <= 0xDBFF; }
bool IsLowSurrogate(int code) { return code >= 0xDC00 && code <= 0xDFFF; }

// With U+FFFD for every escaped surrogate that has no other half: texts of JavaScript may hold
// such, and V8 passes them on, while RFC 8259 (8.2) leaves open what to make of them.
std::string WithWholeCharacters(std::string_view text) {
  constexpr size_t kEscape = 6;
  std::string whole;
  whole.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '\\' || at + 1 == text.size()) {
      whole.push_back(text[at++]);
      continue;
    }
    const int code = text[at + 1] == 'u' ? HexAt(text, at + 2) : -1;
    size_t length = 2;
    if (IsHighSurrogate(code) && text.substr(at + kEscape, 2) == "\\u" &&
        IsLowSurrogate(HexAt(text, at + kEscape + 2))) {
      length = 2 * kEscape;
    } else if (IsHighSurrogate(code) || IsLowSurrogate(code)) {
      whole.append("\\ufffd");
      at += kEscape;
      continue;
    }
    whole.append(text.substr(at, length));
    at += length;
  }
  return whole;
}

}  // namespace

Json ParseJson(std::string_view text, int depth_max) {
  const Json::parser_callback_t within = [depth_max](int depth, Json::parse_event_t /*event*/,
                                                     Json& /*parsed*/) {
    return depth <= depth_max;
  };
  // What is nested deeper is left out, so that nothing that walks the tree can run out of stack.
  Json json = Json::parse(text.begin(), text.end(), within, /*allow_exceptions=*/false);
  if (!json.is_discarded() || text.find("\\u") == std::string_view::npos) return json;
  const std::string whole = WithWholeCharacters(text);
  return Json::parse(whole.begin(), whole.end(), within, /*allow_exceptions=*/false);
}

std::string WriteJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json& MemberOf(const Json& json, std::string_view key) {
  if (!json.is_object()) return Null();
  const auto member = json.find(key);
  return member == json.end() ? Null() : *member;
}

const std::string& TextOf(const Json& json, std::string_view key) {
  static const std::string& none = *new std::string;
  const std::string* const text = MemberOf(json, key).get_ptr<const std::string*>();
  return text == nullptr ? none : *text;
}

uint64_t NumberOf(const Json& json, std::string_view key, uint64_t otherwise) {
  const Json& number = MemberOf(json, key);
  if (number.is_number_unsigned()) return *number.get_ptr<const Json::number_unsigned_t*>();
  if (number.is_number_integer()) {
    const Json::number_integer_t value = *number.get_ptr<const Json::number_integer_t*>();
    return value < 0 ? otherwise : static_cast<uint64_t>(value);
  }
  if (number.is_number_float()) {
    const Json::number_float_t value = *number.get_ptr<const Json::number_float_t*>();
    // Below 2^53, so that every value is a whole number that fits.
    constexpr double kMax = 9007199254740992.0;
    return value >= 0 && value < kMax ? static_cast<uint64_t>(value) : otherwise;
  }
  return otherwise;
}

bool FlagOf(const Json& json, std::string_view key) {
  const bool* const flag = MemberOf(json, key).get_ptr<const bool*>();
  return flag != nullptr && *flag;
}

const Json& ListOf(const Json& json, std::string_view key) {
  static const Json& none = *new Json(Json::array());
  const Json& list = MemberOf(json, key);
  return list.is_array() ? list : none;
}

}  // namespace skimwatch::script
