#ifndef SKIMWATCH_COLLECTOR_SINK_NAMES_H_
#define SKIMWATCH_COLLECTOR_SINK_NAMES_H_

#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "collector/sink/event.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/generated_enum_reflection.h"

namespace skimwatch::sink {

// A value as users write it: `prefix` is what its name has before that, FINDING_KIND_ of
// FINDING_KIND_CARD_NUMBER. `unspecified` for one that is newer than this program.
template <typename Enum>
std::string NameOf(Enum value, std::string_view prefix) {
  const google::protobuf::EnumValueDescriptor* const descriptor =
      google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(value);
  if (descriptor == nullptr || descriptor->name().size() <= prefix.size()) return "unspecified";
  return absl::AsciiStrToLower(descriptor->name().substr(prefix.size()));
}

inline std::string NameOf(v1::FindingKind kind) { return NameOf(kind, "FINDING_KIND_"); }
inline std::string NameOf(Content content) {
  return content == Content::kFinding ? "finding" : "exposure";
}

}  // namespace skimwatch::sink

#endif  // SKIMWATCH_COLLECTOR_SINK_NAMES_H_
