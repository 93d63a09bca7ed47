#include "proto/config/source_map.h"

#include <cstddef>
#include <utility>

namespace skimwatch::config {

void SourceMap::Set(std::string path, Position position) {
  positions_.insert_or_assign(std::move(path), position);
}

bool SourceMap::Has(std::string_view path) const { return positions_.contains(std::string(path)); }

Position SourceMap::Nearest(std::string_view path) const {
  while (!path.empty()) {
    const auto found = positions_.find(std::string(path));
    if (found != positions_.end()) return found->second;
    const size_t cut = path.find_last_of(".[");
    path = cut == std::string_view::npos ? std::string_view() : path.substr(0, cut);
  }
  return Position{};
}

std::string FieldPath(std::string_view path, std::string_view field) {
  std::string result(path);
  if (!result.empty()) result.push_back('.');
  return result.append(field);
}

std::string ElementPath(std::string_view path, int index) {
  return std::string(path).append("[").append(std::to_string(index)).append("]");
}

}  // namespace skimwatch::config
