#ifndef SKIMWATCH_PROTO_CONFIG_SOURCE_MAP_H_
#define SKIMWATCH_PROTO_CONFIG_SOURCE_MAP_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace skimwatch::config {

// A place in a file, counted from 1.
struct Position {
  int line = 1;
  int column = 1;
};

// Where each field of a configuration stands in its file, by path (`sources.web_roots[0].path`), so
// that a check made long after the parsing can still name the line. It also tells a field that was
// written as 0 from one that was left out.
class SourceMap {
 public:
  void Set(std::string path, Position position);
  bool Has(std::string_view path) const;
  // The position of `path`, else of the nearest field that it is in, else of the file's start.
  Position Nearest(std::string_view path) const;

 private:
  absl::flat_hash_map<std::string, Position> positions_;
};

// The path of a field within the message at `path`, which is empty for the top.
std::string FieldPath(std::string_view path, std::string_view field);
std::string ElementPath(std::string_view path, int index);

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_SOURCE_MAP_H_
