#ifndef SKIMWATCH_AGENT_OFFLINE_CONTENT_TYPE_H_
#define SKIMWATCH_AGENT_OFFLINE_CONTENT_TYPE_H_

#include <string_view>

namespace skimwatch::offline {

// The media type that a file's name says by its ending, such as `application/json` for `a.json` and
// `a.json.1` (a rotated log); empty when it says none.
std::string_view ContentTypeOfName(std::string_view name);

// Whether content of that type is JavaScript.
bool IsScriptType(std::string_view content_type);

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_CONTENT_TYPE_H_
