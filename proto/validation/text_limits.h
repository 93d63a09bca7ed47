#ifndef SKIMWATCH_PROTO_VALIDATION_TEXT_LIMITS_H_
#define SKIMWATCH_PROTO_VALIDATION_TEXT_LIMITS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "google/protobuf/descriptor.h"

namespace skimwatch::validation {

// What a string or bytes field of a finding may hold.
enum class Content : uint8_t {
  // One line of text, searched for card numbers.
  kText,
  // Several lines of text, searched for card numbers.
  kLines,
  // One line of letters, digits and marks that names something by a long number or digest; a run
  // of digits in it means nothing unless nothing but digits is there.
  kIdentifier,
  // A digest: empty or 32 bytes.
  kSha256,
  // A card's mask; the card's own check looks at it.
  kMask,
};

struct TextLimit {
  // For messages: nullptr there, and `nested` set.
  const google::protobuf::FieldDescriptor* field = nullptr;
  Content content = Content::kText;
  size_t bytes_max = 0;
  // Largest number of elements of a repeated field.
  int items_max = 1;
  // Limits of the message in this field; nullptr for strings and bytes.
  const std::vector<TextLimit>* nested = nullptr;
};

// The limits of every string, bytes and repeated field that a Finding has, at any depth. A field
// without an entry of its own (a new one) gets the strictest: one line of 256 bytes.
const std::vector<TextLimit>& FindingTextLimits();

}  // namespace skimwatch::validation

#endif  // SKIMWATCH_PROTO_VALIDATION_TEXT_LIMITS_H_
