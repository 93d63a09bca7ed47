#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "proto/process/process.h"

namespace skimwatch::process {

absl::Status WritePortFile(const std::string& path,
                           std::initializer_list<std::pair<std::string_view, int>> ports) {
  const std::string temporary = path + ".new";
  {
    std::ofstream file(temporary, std::ios::trunc);
    for (const auto& [name, port] : ports) file << name << "=" << port << "\n";
    file.close();
    if (!file) return absl::UnavailableError(absl::StrCat("--port-file: can't write ", temporary));
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat("--port-file: can't write ", path));
  }
  return absl::OkStatus();
}

}  // namespace skimwatch::process
