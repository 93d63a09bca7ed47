// Bytes of any kind through what walks structures beside numbers: BER-TLV, MessagePack and protobuf
// fields, parts in several fields, and the names that forms, JSON, XML and tables give. Never a
// crash or a hang; nothing read from outside of the text; candidates that are numbers within it.
//
// The first two bytes say where the number would be in the rest.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/card/brand_table.h"
#include "agent/card/emv_field.h"
#include "agent/card/field_structure.h"
#include "agent/card/luhn.h"
#include "agent/card/record_tail.h"
#include "agent/card/split_fields.h"
#include "agent/card/surroundings.h"
#include "agent/card/symbols.h"

namespace {

using namespace skimwatch::card;  // NOLINT(google-build-using-namespace)

void Require(bool holds) {
  if (!holds) std::abort();
}

void RequireWithin(std::string_view part, std::string_view whole) {
  if (part.empty()) return;
  Require(part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kHeader = 2;
  if (size < kHeader) return 0;
  // A copy of its own size, so that a byte beyond is seen.
  const std::string copy(reinterpret_cast<const char*>(data) + kHeader, size - kHeader);
  const std::string_view text = copy;
  const size_t begin = data[0] * text.size() / 256;
  const size_t end = begin + data[1] * (text.size() - begin) / 256;

  const StructureNames names = NamesByStructure(text.substr(0, begin), text.substr(end));
  Require(names.size <= StructureNames::kMax);
  for (size_t i = 0; i < names.size; ++i) RequireWithin(names.names[i].text, text);
  RequireWithin(TableColumnName(text, begin, end), text);
  IsElementValue(text.substr(0, begin));
  const Surroundings around = ReadSurroundings(text, begin, end);
  Require(around.name_size <= Surroundings::kNameBytesMax);
  const RecordTail tail = ReadRecordTail(text, end);
  Require(tail.end >= end && tail.end <= text.size());
  FollowedByEmvField(text, end);

  const BrandTable& brands = BrandTable::Default();
  const EmvFieldFinder emv(brands);
  const SplitFields split(brands);
  const auto check = [&](const Candidate& candidate) {
    Require(candidate.begin < candidate.end && candidate.end <= text.size());
    Require(candidate.size >= 12 && candidate.size <= 19 && LuhnValid(candidate.span()));
    Require(candidate.emv == EmvField::kNone || candidate.end - candidate.begin <= 19);
    Require(candidate.end - candidate.begin <= SplitFields::kSpanMax);
  };
  SplitFields::Previous previous;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool ends_value = at > 0 && IsAsciiDigit(text[at - 1]) && !IsAsciiDigit(text[at]);
    if (ends_value) split.TakeValue(text, at, previous, check);
    emv.FindBinary(text, at, check);
    emv.FindInHex(text, at, check);
  }
  return 0;
}
