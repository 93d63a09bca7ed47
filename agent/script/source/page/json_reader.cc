#include "agent/script/source/page/json_reader.h"

namespace skimwatch::script {
namespace {

const Json& Null() {
  static const Json& null = *new Json();
  return null;
}

}  // namespace

Json ParseJson(std::string_view text, int depth_max) {
  const Json::parser_callback_t within = [depth_max](int depth, Json::parse_event_t /*event*/,
                                                     Json& /*parsed*/) {
    return depth <= depth_max;
  };
  // What is nested deeper is left out, so that nothing that walks the tree can run out of stack.
  return Json::parse(text.begin(), text.end(), within, /*allow_exceptions=*/false);
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
