#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "agent/card/field_pass.cc"
#include "agent/card/field_pass.h"

#include <string.h>

#include <algorithm>
#include <bit>

#include "hwy/foreach_target.h"  // Compiles this file once for each target.
// After foreach_target.h.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace skimwatch::card::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

static_assert(std::endian::native == std::endian::little, "masks are written byte by byte");

// Masks of a batch by class, block after block, with those of the block before in front.
struct FieldMasks {
  using Masks = std::array<uint64_t, FieldPlaces::kBlocks + 2>;

  Masks digit;
  Masks hex;
  // Of base64, or a separator.
  Masks word;
  Masks tag;
  Masks length;
};

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE void ClassifyFields(const char* block, size_t index, FieldMasks& masks) {
  const BlockClasses classes = ClassifyBlock(block);
  masks.digit[index] = classes.digit;
  masks.hex[index] = classes.hex;
  masks.word[index] = classes.base64 | classes.separator;
  uint64_t tag = 0;
  uint64_t length = 0;
  for (size_t i = 0; i < kBlockBytes; ++i) {
    const auto c = static_cast<uint8_t>(block[i]);
    if (c == 0x57 || c == 0x5A || c == 0xCF) tag |= uint64_t{1} << i;
    if (c < 0x20 || c == 0x81) length |= uint64_t{1} << i;
  }
  masks.tag[index] = tag;
  masks.length[index] = length;
}

#else

using ByteTag = hn::CappedTag<uint8_t, kBlockBytes>;
using ByteVector = hn::Vec<ByteTag>;

// A set of bytes that is a product of a set of upper and a set of lower halves has a bit that is
// set in the entries of both.
struct FieldTables {
  std::array<uint8_t, 16> upper{};
  std::array<uint8_t, 16> lower{};

  constexpr void Add(uint8_t bit, std::initializer_list<uint8_t> uppers,
                     std::initializer_list<uint8_t> lowers) {
    for (const uint8_t half : uppers) upper[half] |= bit;
    for (const uint8_t half : lowers) lower[half] |= bit;
  }
};

constexpr uint8_t kFieldDigit = 1;
constexpr uint8_t kFieldHexLetter = 2;
constexpr uint8_t kFieldWord = 4 | 8 | 16;
constexpr FieldTables kWordSets = [] {
  FieldTables tables;
  tables.Add(kFieldDigit, {3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  tables.Add(kFieldHexLetter, {4, 6}, {1, 2, 3, 4, 5, 6});
  // Letters but for `p` to `z`; those and `_`; space + - . /
  tables.Add(4, {4, 6}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  tables.Add(8, {5, 7}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  tables.Add(16, {2}, {0, 11, 13, 14, 15});
  return tables;
}();

HWY_INLINE void StoreFieldMask(hn::Mask<ByteTag> mask, size_t at, uint64_t& bits) {
  hn::StoreMaskBits(ByteTag(), mask, reinterpret_cast<uint8_t*>(&bits) + at / 8);
}

HWY_INLINE void ClassifyFields(const char* block, size_t index, FieldMasks& masks) {
  const ByteTag d;
  for (size_t at = 0; at < kBlockBytes; at += hn::Lanes(d)) {
    const ByteVector bytes = hn::LoadU(d, reinterpret_cast<const uint8_t*>(block) + at);
    const ByteVector sets = hn::And(
        hn::TableLookupBytes(hn::LoadDup128(d, kWordSets.upper.data()), hn::ShiftRight<4>(bytes)),
        hn::TableLookupBytes(hn::LoadDup128(d, kWordSets.lower.data()),
                             hn::And(bytes, hn::Set(d, 0x0F))));
    const auto is_in = [&](uint8_t of)
                           HWY_ATTR { return hn::Ne(hn::And(sets, hn::Set(d, of)), hn::Zero(d)); };
    StoreFieldMask(is_in(kFieldDigit), at, masks.digit[index]);
    StoreFieldMask(is_in(kFieldDigit | kFieldHexLetter), at, masks.hex[index]);
    const auto underscore = hn::Eq(bytes, hn::Set(d, '_'));
    StoreFieldMask(hn::Or(is_in(kFieldDigit | kFieldWord), underscore), at, masks.word[index]);
    const auto tag =
        hn::Or(hn::Or(hn::Eq(bytes, hn::Set(d, 0x57)), hn::Eq(bytes, hn::Set(d, 0x5A))),
               hn::Eq(bytes, hn::Set(d, 0xCF)));
    StoreFieldMask(tag, at, masks.tag[index]);
    const auto length =
        hn::Or(hn::Eq(hn::Min(bytes, hn::Set(d, 0x1F)), bytes), hn::Eq(bytes, hn::Set(d, 0x81)));
    StoreFieldMask(length, at, masks.length[index]);
  }
}

#endif  // HWY_TARGET == HWY_SCALAR

using MaskTag = hn::CappedTag<uint64_t, FieldPlaces::kBlocks>;
using MaskVector = hn::Vec<MaskTag>;

// `high` shifted by kBits bytes of text; `low` is of the block before each.
template <int kBits>
HWY_INLINE MaskVector After(MaskVector low, MaskVector high) {
  return hn::Or(hn::ShiftLeft<kBits>(high), hn::ShiftRight<64 - kBits>(low));
}

// Makes the runs that the bits stand for kLength bytes long, from kFrom (RunFinder).
template <int kLength, int kFrom = 1>
HWY_INLINE void Lengthen(MaskVector& low, MaskVector& high) {
  if constexpr (kFrom < kLength) {
    constexpr int kStep = kFrom * 2 <= kLength ? kFrom : kLength - kFrom;
    high = hn::And(high, After<kStep>(low, high));
    low = hn::And(low, hn::ShiftLeft<kStep>(low));
    Lengthen<kLength, kFrom + kStep>(low, high);
  }
}

void FindFields(const char* text, size_t blocks, FieldPass::Carry& carry, FieldPlaces& places) {
  const MaskTag d;
  FieldMasks masks;
  FieldMasks::Masks first_after_letter;
  masks.digit[0] = carry.digit;
  masks.hex[0] = carry.hex;
  masks.tag[0] = carry.tag;
  first_after_letter[0] = carry.first_after_letter;
  for (size_t i = 0; i < blocks; ++i) ClassifyFields(text + i * kBlockBytes, i + 1, masks);

  // Lanes beyond the last block hold nothing of use.
  for (size_t i = 0; i < blocks; i += hn::Lanes(d)) {
    const MaskVector digit = hn::LoadU(d, &masks.digit[i + 1]);
    const MaskVector hex = hn::LoadU(d, &masks.hex[i + 1]);
    const MaskVector digit_before = hn::LoadU(d, &masks.digit[i]);
    const MaskVector letter = hn::AndNot(digit, hex);
    const MaskVector letter_before = hn::AndNot(digit_before, hn::LoadU(d, &masks.hex[i]));
    hn::StoreU(hn::And(digit, After<1>(letter_before, letter)), d, &first_after_letter[i + 1]);
  }
  uint64_t found = 0;
  for (size_t i = 0; i < blocks; i += hn::Lanes(d)) {
    const MaskVector digit = hn::LoadU(d, &masks.digit[i + 1]);
    MaskVector low = hn::LoadU(d, &masks.digit[i]);
    MaskVector high = digit;
    // What is after a run needs the runs of the block before in its last bit, which are whole there
    // as far as they are shorter than the block.
    Lengthen<4>(low, high);
    const MaskVector after_4 = After<1>(low, high);
    Lengthen<13, 4>(low, high);
    const MaskVector after_13 = After<1>(low, high);
    Lengthen<14, 13>(low, high);
    const MaskVector word = hn::LoadU(d, &masks.word[i + 1]);
    const MaskVector values = hn::AndNot(word, hn::AndNot(after_13, after_4));
    const MaskVector letter = hn::AndNot(digit, hn::LoadU(d, &masks.hex[i + 1]));
    const MaskVector tag_text =
        hn::Or(hn::And(high, After<13>(hn::LoadU(d, &first_after_letter[i]),
                                       hn::LoadU(d, &first_after_letter[i + 1]))),
               hn::And(letter, After<1>(low, high)));
    const MaskVector tags =
        hn::And(hn::LoadU(d, &masks.length[i + 1]),
                After<1>(hn::LoadU(d, &masks.tag[i]), hn::LoadU(d, &masks.tag[i + 1])));
    hn::Store(values, d, &places.values[i]);
    hn::Store(tag_text, d, &places.tag_text[i]);
    hn::Store(tags, d, &places.tags[i]);
    const MaskVector any = hn::Or(values, hn::Or(tag_text, tags));
    std::array<uint8_t, 8> bits{};
    hn::StoreMaskBits(d, hn::Ne(any, hn::Zero(d)), bits.data());
    found |= uint64_t{bits[0]} << i;
  }
  places.blocks = found & ((uint64_t{1} << blocks) - 1);
  carry.digit = masks.digit[blocks];
  carry.hex = masks.hex[blocks];
  carry.tag = masks.tag[blocks];
  carry.first_after_letter = first_after_letter[blocks];
}

}  // namespace skimwatch::card::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace skimwatch::card {

HWY_EXPORT(FindFields);

void FieldPass::Next(size_t blocks, FieldPlaces& places) {
  const size_t left = at_ < text_.size() ? text_.size() - at_ : 0;
  if (left >= blocks * kBlockBytes) {
    HWY_DYNAMIC_DISPATCH(FindFields)(text_.data() + at_, blocks, carry_, places);
  } else {
    std::array<char, FieldPlaces::kBytes> padded;
    memcpy(padded.data(), text_.data() + at_, left);
    memset(padded.data() + left, '\x7F', blocks * kBlockBytes - left);
    HWY_DYNAMIC_DISPATCH(FindFields)(padded.data(), blocks, carry_, places);
    explicit_bzero(padded.data(), left);
  }
  at_ += blocks * kBlockBytes;
}

}  // namespace skimwatch::card
#endif  // HWY_ONCE
