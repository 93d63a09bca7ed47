#include "agent/script/judge/shown_text.h"

#include "proto/text/utf8.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool IsControl(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1)
    return (first < 0x20 && first != '\n' && first != '\t') || first == 0x7F;
  // C1: U+0080 to U+009F.
  return character.size() == 2 && first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

}  // namespace

std::string ShownText(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t size = text::Utf8SequenceBytes(text.substr(at));
    if (size == 0) {
      shown.append(kReplacement);
      ++at;
      continue;
    }
    const std::string_view character = text.substr(at, size);
    shown.append(IsControl(character) ? kReplacement : character);
    at += size;
  }
  return shown;
}

void MaskAndCut(std::string& text, size_t bytes_max) {
  validation::MaskCardNumbers(text);
  validation::CutUtf8(text, bytes_max);
  validation::MaskCardNumbers(text);
}

}  // namespace skimwatch::script
