#ifndef SKIMWATCH_AGENT_OFFLINE_TEXT_LINES_H_
#define SKIMWATCH_AGENT_OFFLINE_TEXT_LINES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "agent/offline/finding.h"

namespace skimwatch::offline {

// Tells lines and columns of offsets in a stream whose matches come a little after their bytes. The
// last bytes are kept for that, and wiped at the end. Thread-compatible.
//
//   TextLines lines;
//   lines.Begin();
//   while (...) {
//     lines.SetChunk(bytes);  // valid until Keep
//     ... lines.At(offset) ...
//     lines.Keep();
//   }
//   lines.End();
class TextLines {
 public:
  // Offsets further back than this have no line. More than a scan looks at at once.
  static constexpr size_t kKeptBytes = size_t{96} << 10;

  TextLines();
  ~TextLines();
  TextLines(const TextLines&) = delete;
  TextLines& operator=(const TextLines&) = delete;

  void Begin();
  // `chunk` follows what came before, and must stay until Keep; after the last chunk none is needed
  // where it stays until the last question.
  void SetChunk(std::string_view chunk) { chunk_ = chunk; }
  void Keep();

  // Wipes what was kept.
  void End();

  // Cheap where offsets rise.
  std::optional<TextPosition> At(uint64_t offset);

 private:
  const std::unique_ptr<char[]> kept_;
  size_t kept_bytes_ = 0;
  size_t used_ = 0;
  // Of the first byte that is kept.
  uint64_t offset_ = 0;
  TextPosition position_;
  std::string_view chunk_;
  // Where the last question was answered.
  uint64_t asked_offset_ = 0;
  TextPosition asked_position_;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_TEXT_LINES_H_
