#include "agent/offline/shown_text.h"

#include "agent/card/mask.h"
#include "proto/text/printable.h"

namespace skimwatch::offline {

std::string ShownText(std::string_view text) {
  return text::Printable(card::RedactCardNumbers(text));
}

}  // namespace skimwatch::offline
