#include "agent/traffic/source/mirror/http_head.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace skimwatch::traffic {

std::string WithFraming(std::string_view head, std::string_view framing) {
  std::string out;
  out.reserve(head.size() + framing.size() + 4);
  bool keeps = true;
  for (absl::string_view line : absl::StrSplit(absl::string_view(head.data(), head.size()), '\n')) {
    absl::ConsumeSuffix(&line, "\r");
    if (line.empty()) break;
    const bool continues = line.front() == ' ' || line.front() == '\t';
    if (!continues) {
      keeps = !absl::StartsWithIgnoreCase(line, "content-length:") &&
              !absl::StartsWithIgnoreCase(line, "transfer-encoding:");
    }
    if (keeps) absl::StrAppend(&out, line, "\r\n");
  }
  if (!framing.empty()) absl::StrAppend(&out, std::string(framing), "\r\n");
  return absl::StrCat(out, "\r\n");
}

}  // namespace skimwatch::traffic
