#ifndef SKIMWATCH_COLLECTOR_TOKEN_JSON_H_
#define SKIMWATCH_COLLECTOR_TOKEN_JSON_H_

#include <jansson.h>

#include <memory>
#include <optional>
#include <string_view>

namespace skimwatch::token {

struct JsonDeleter {
  void operator()(json_t* value) const { json_decref(value); }
};
using Json = std::unique_ptr<json_t, JsonDeleter>;

// A JSON object of which no member is there twice (RFC 7519, 4: which of two claims holds is a
// matter of the parser, and another one may have judged the other); null for anything else.
inline Json ParseObject(std::string_view text) {
  Json value(json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, nullptr));
  if (value != nullptr && !json_is_object(value.get())) return nullptr;
  return value;
}

inline std::string_view TextOf(const json_t* value) {
  return {json_string_value(value), json_string_length(value)};
}

// A member that is a text; nothing for one that is not there or is something else.
inline std::optional<std::string_view> TextMember(const json_t* object, const char* name) {
  const json_t* const value = json_object_get(object, name);
  if (!json_is_string(value)) return std::nullopt;
  return TextOf(value);
}

}  // namespace skimwatch::token

#endif  // SKIMWATCH_COLLECTOR_TOKEN_JSON_H_
