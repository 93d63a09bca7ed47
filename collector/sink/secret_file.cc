#include "collector/sink/secret_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::sink {

absl::StatusOr<std::string> ReadSecretFile(const std::string& path) {
  constexpr size_t kBytesMax = 4096;
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("can't open ", path, ": ", strerror(errno)));
  std::string text(kBytesMax + 2, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  absl::StripAsciiWhitespace(&text);
  if (text.empty() || text.size() > kBytesMax ||
      std::any_of(text.begin(), text.end(),
                  [](unsigned char c) { return absl::ascii_iscntrl(c); })) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " does not hold one line of 1 to ", kBytesMax, " bytes"));
  }
  return text;
}

}  // namespace skimwatch::sink
