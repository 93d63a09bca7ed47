#include "proto/validation/text.h"

#include <cstdint>

namespace skimwatch::validation {
namespace {

uint8_t ByteAt(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

bool IsContinuation(std::string_view text, size_t at, uint8_t low = 0x80, uint8_t high = 0xBF) {
  return at < text.size() && ByteAt(text, at) >= low && ByteAt(text, at) <= high;
}

// Bytes of the character that begins at `at`, 0 when it is not well-formed (Unicode 15, table 3-7).
size_t CharacterSize(std::string_view text, size_t at) {
  const uint8_t first = ByteAt(text, at);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return IsContinuation(text, at + 1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const uint8_t low = first == 0xE0 ? 0xA0 : 0x80;
    const uint8_t high = first == 0xED ? 0x9F : 0xBF;
    return IsContinuation(text, at + 1, low, high) && IsContinuation(text, at + 2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const uint8_t low = first == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xF4 ? 0x8F : 0xBF;
    return IsContinuation(text, at + 1, low, high) && IsContinuation(text, at + 2) &&
                   IsContinuation(text, at + 3)
               ? 4
               : 0;
  }
  return 0;
}

bool IsControl(std::string_view text, size_t at, size_t size, bool lines) {
  const uint8_t first = ByteAt(text, at);
  if (size == 1) {
    if (lines && (first == '\n' || first == '\r' || first == '\t')) return false;
    return first < 0x20 || first == 0x7F;
  }
  return size == 2 && first == 0xC2 && ByteAt(text, at + 1) < 0xA0;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t size = CharacterSize(text, at);
    if (size == 0) return false;
    at += size;
  }
  return true;
}

bool HasControlCharacter(std::string_view text, bool lines) {
  for (size_t at = 0; at < text.size();) {
    const size_t size = CharacterSize(text, at);
    if (size > 0 && IsControl(text, at, size, lines)) return true;
    at += size == 0 ? 1 : size;
  }
  return false;
}

void ReplaceUnprintable(std::string& text, bool lines) {
  for (size_t at = 0; at < text.size();) {
    const size_t size = CharacterSize(text, at);
    if (size == 0) {
      text[at++] = '?';
    } else if (IsControl(text, at, size, lines)) {
      for (size_t i = 0; i < size; ++i) text[at + i] = '?';
      at += size;
    } else {
      at += size;
    }
  }
}

void CutUtf8(std::string& text, size_t bytes_max) {
  if (text.size() <= bytes_max) return;
  size_t end = bytes_max;
  while (end > 0 && (ByteAt(text, end) & 0xC0) == 0x80) --end;
  text.resize(end);
}

}  // namespace skimwatch::validation
