#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "agent/card/first_pass.cc"
#include "agent/card/first_pass.h"

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
struct ClassMasks {
  static constexpr size_t kSize = Places::kBlocks + 1;
  using Masks = std::array<uint64_t, kSize + 1>;

  Masks digit;
  Masks separator;
  Masks base64;
  Masks hex;
  Masks escape;
  Masks nul;
  Masks wide_separator;
  Masks wide_digit;
};

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE void Classify(const char* block, size_t index, ClassMasks& masks) {
  const BlockClasses classes = ClassifyBlock(block);
  masks.digit[index] = classes.digit;
  masks.separator[index] = classes.separator;
  masks.base64[index] = classes.base64;
  masks.hex[index] = classes.hex;
  masks.escape[index] = classes.escape;
  masks.nul[index] = classes.nul;
  masks.wide_separator[index] = classes.wide_separator;
  masks.wide_digit[index] = classes.wide_digit;
}

SextetClasses Sextets(const char* block) { return ClassifySextets(block); }

#else

using ByteTag = hn::CappedTag<uint8_t, kBlockBytes>;
using ByteVector = hn::Vec<ByteTag>;

// A set of bytes that is a product of a set of upper and a set of lower halves has a bit that is
// set in the entries of both. Sets that are no such product are made of several. No set has the top
// bit, so that a byte is in a set of sets when its bits of them are greater than zero.
struct HalfTables {
  std::array<uint8_t, 16> upper{};
  std::array<uint8_t, 16> lower{};

  constexpr void Add(uint8_t bit, std::initializer_list<uint8_t> uppers, uint8_t first,
                     uint8_t last) {
    for (const uint8_t half : uppers) upper[half] |= bit;
    for (uint8_t half = first; half <= last; ++half) lower[half] |= bit;
  }
};

constexpr uint8_t kDigit = 1;
constexpr uint8_t kLetterOfHex = 2;
constexpr uint8_t kLowLetter = 4;
constexpr uint8_t kHighLetter = 8;
constexpr uint8_t kSpaceOrDot = 16;
constexpr uint8_t kPlusMinusSlash = 32;
constexpr uint8_t kUnderscore = 64;
constexpr uint8_t kBase64 =
    kDigit | kLetterOfHex | kLowLetter | kHighLetter | kPlusMinusSlash | kUnderscore;
constexpr HalfTables kTextSets = [] {
  HalfTables tables;
  tables.Add(kDigit, {3}, 0, 9);
  tables.Add(kLetterOfHex, {4, 6}, 1, 6);
  tables.Add(kLowLetter, {4, 6}, 7, 15);
  tables.Add(kHighLetter, {5, 7}, 0, 10);
  tables.Add(kSpaceOrDot, {2}, 0, 0);
  tables.Add(kSpaceOrDot, {2}, 14, 14);
  for (const uint8_t half : {0xB, 0xD, 0xF}) tables.Add(kPlusMinusSlash, {2}, half, half);
  tables.Add(kUnderscore, {5}, 15, 15);
  return tables;
}();

constexpr uint8_t kWideSeparator = 1 | 2;
constexpr uint8_t kWideDigit = 4 | 8 | 16;
constexpr uint8_t kEscape = 32 | 64;
constexpr HalfTables kOtherSets = [] {
  HalfTables tables;
  tables.Add(1, {0xC, 0xE}, 2, 2);
  tables.Add(2, {0xE}, 3, 3);
  for (const uint8_t half : {0x9, 0xB, 0xF}) tables.Add(4, {0xD}, half, half);
  for (const uint8_t half : {0x0, 0x1, 0xA, 0xF}) tables.Add(8, {0xE}, half, half);
  tables.Add(16, {0xF}, 0, 0);
  tables.Add(32, {2}, 5, 6);
  tables.Add(64, {5}, 12, 12);
  return tables;
}();

HWY_INLINE ByteVector SetsOf(const HalfTables& tables, ByteVector upper, ByteVector lower) {
  const ByteTag d;
  return hn::And(hn::TableLookupBytes(hn::LoadDup128(d, tables.upper.data()), upper),
                 hn::TableLookupBytes(hn::LoadDup128(d, tables.lower.data()), lower));
}

// Writes the part of a mask that is of the vector at `at` of the block.
HWY_INLINE void StoreMask(hn::Mask<ByteTag> mask, size_t at, uint64_t& bits) {
  hn::StoreMaskBits(ByteTag(), mask, reinterpret_cast<uint8_t*>(&bits) + at / 8);
}
HWY_INLINE void StoreIn(ByteVector sets, uint8_t of, size_t at, uint64_t& bits) {
  const ByteTag d;
  const hn::RebindToSigned<ByteTag> ds;
  const auto members = hn::BitCast(ds, hn::And(sets, hn::Set(d, of)));
  StoreMask(hn::RebindMask(d, hn::Gt(members, hn::Zero(ds))), at, bits);
}

HWY_INLINE void Classify(const char* block, size_t index, ClassMasks& masks) {
  const ByteTag d;
  for (size_t at = 0; at < kBlockBytes; at += hn::Lanes(d)) {
    const ByteVector bytes = hn::LoadU(d, reinterpret_cast<const uint8_t*>(block) + at);
    const ByteVector upper = hn::ShiftRight<4>(bytes);
    const ByteVector lower = hn::And(bytes, hn::Set(d, 0x0F));
    const ByteVector text = SetsOf(kTextSets, upper, lower);
    StoreIn(text, kDigit, at, masks.digit[index]);
    StoreIn(text, kSpaceOrDot | kPlusMinusSlash | kUnderscore, at, masks.separator[index]);
    StoreIn(text, kBase64, at, masks.base64[index]);
    StoreIn(text, kDigit | kLetterOfHex, at, masks.hex[index]);
    const ByteVector other = SetsOf(kOtherSets, upper, lower);
    StoreIn(other, kEscape, at, masks.escape[index]);
    StoreIn(other, kWideSeparator, at, masks.wide_separator[index]);
    StoreIn(other, kWideDigit, at, masks.wide_digit[index]);
    StoreMask(hn::Eq(bytes, hn::Zero(d)), at, masks.nul[index]);
  }
}

// What to add to a character of base64 for its sextet, by its upper half; right but for `-`, `/`
// and `_`.
constexpr std::array<uint8_t, 16> kSextetOffsets = {0,
                                                    0,
                                                    62 - '+',
                                                    52 - '0',
                                                    uint8_t(0 - 'A'),
                                                    uint8_t(0 - 'A'),
                                                    uint8_t(26 - 'a'),
                                                    uint8_t(26 - 'a')};

SextetClasses Sextets(const char* block) {
  const ByteTag d;
  SextetClasses classes;
  uint64_t valid = 0;
  for (size_t at = 0; at < kBlockBytes; at += hn::Lanes(d)) {
    const ByteVector bytes = hn::LoadU(d, reinterpret_cast<const uint8_t*>(block) + at);
    const ByteVector upper = hn::ShiftRight<4>(bytes);
    const ByteVector lower = hn::And(bytes, hn::Set(d, 0x0F));
    StoreIn(SetsOf(kTextSets, upper, lower), kBase64, at, valid);
    ByteVector sextets =
        hn::Add(bytes, hn::TableLookupBytes(hn::LoadDup128(d, kSextetOffsets.data()), upper));
    sextets = hn::IfThenElse(hn::Eq(bytes, hn::Set(d, '-')), hn::Set(d, 62), sextets);
    sextets = hn::IfThenElse(hn::Or(hn::Eq(bytes, hn::Set(d, '/')), hn::Eq(bytes, hn::Set(d, '_'))),
                             hn::Set(d, 63), sextets);
    const auto is_clear = [&](uint8_t bit) HWY_ATTR {
      return hn::Eq(hn::And(sextets, hn::Set(d, bit)), hn::Zero(d));
    };
    StoreMask(is_clear(0x20), at, classes.ascii_first);
    StoreMask(is_clear(0x08), at, classes.ascii_second);
    StoreMask(is_clear(0x02), at, classes.ascii_third);
    const auto is_in = [&](uint8_t first, uint8_t last) HWY_ATTR {
      const ByteVector above = hn::Sub(sextets, hn::Set(d, first));
      return hn::Eq(hn::Min(above, hn::Set(d, last - first)), above);
    };
    // The upper six bits of 0x30 to 0x3B, and of 0xEF, 0xBC, 0x90 to 0x99.
    StoreMask(is_in(0x30 >> 2, 0x3B >> 2), at, classes.digit_first);
    StoreMask(hn::Or(is_in(0x90 >> 2, 0x99 >> 2), hn::Or(hn::Eq(sextets, hn::Set(d, 0xEF >> 2)),
                                                         hn::Eq(sextets, hn::Set(d, 0xBC >> 2)))),
              at, classes.wide_first);
  }
  classes.ascii_first &= valid;
  classes.ascii_second &= valid;
  classes.ascii_third &= valid;
  classes.digit_first &= valid;
  classes.wide_first &= valid;
  return classes;
}

#endif  // HWY_TARGET == HWY_SCALAR

using MaskTag = hn::CappedTag<uint64_t, Places::kBlocks>;
using MaskVector = hn::Vec<MaskTag>;

// Doubles the length of the runs that the bits of `high` stand for, or makes it kLength; `low` are
// those of the block before each (RunFinder).
template <int kLength, int kFrom = 1>
HWY_INLINE MaskVector Runs(MaskVector low, MaskVector high) {
  if constexpr (kFrom == kLength) {
    return high;
  } else {
    constexpr int kStep = kFrom * 2 <= kLength ? kFrom : kLength - kFrom;
    const MaskVector longer =
        hn::And(high, hn::Or(hn::ShiftLeft<kStep>(high), hn::ShiftRight<64 - kStep>(low)));
    return Runs<kLength, kFrom + kStep>(hn::And(low, hn::ShiftLeft<kStep>(low)), longer);
  }
}

void Find(const char* text, size_t blocks, FirstPass::Carry& carry, Places& places) {
  const MaskTag d;
  ClassMasks masks;
  ClassMasks::Masks chained;
  masks.digit[0] = carry.digit;
  masks.base64[0] = carry.base64;
  masks.hex[0] = carry.hex;
  chained[0] = carry.chained;
  for (size_t i = 0; i < blocks; ++i) Classify(text + i * kBlockBytes, i + 1, masks);
  masks.digit[blocks + 1] = carry.digit_after ? 1 : 0;

  // Lanes beyond the last block hold nothing of use.
  for (size_t i = 0; i < blocks; i += hn::Lanes(d)) {
    const MaskVector digit = hn::LoadU(d, &masks.digit[i + 1]);
    const MaskVector after_digit =
        hn::Or(hn::ShiftLeft<1>(digit), hn::ShiftRight<63>(hn::LoadU(d, &masks.digit[i])));
    const MaskVector before_digit =
        hn::Or(hn::ShiftRight<1>(digit), hn::ShiftLeft<63>(hn::LoadU(d, &masks.digit[i + 2])));
    const MaskVector separator = hn::LoadU(d, &masks.separator[i + 1]);
    hn::StoreU(hn::Or(digit, hn::And(separator, hn::And(after_digit, before_digit))), d,
               &chained[i + 1]);
    hn::Store(hn::Or(hn::LoadU(d, &masks.wide_digit[i + 1]),
                     hn::And(hn::LoadU(d, &masks.wide_separator[i + 1]), after_digit)),
              d, &places.wide[i]);
  }
  uint64_t found = 0;
  for (size_t i = 0; i < blocks; i += hn::Lanes(d)) {
    const MaskVector base64 = hn::LoadU(d, &masks.base64[i + 1]);
    const MaskVector nul = hn::LoadU(d, &masks.nul[i + 1]);
    const MaskVector escape = hn::LoadU(d, &masks.escape[i + 1]);
    const MaskVector utf16 = hn::And(hn::And(base64, hn::ShiftRight<1>(nul)),
                                     hn::And(hn::ShiftRight<2>(base64), hn::ShiftRight<3>(nul)));
    const MaskVector digits =
        Runs<kDigitRunMin>(hn::LoadU(d, &chained[i]), hn::LoadU(d, &chained[i + 1]));
    MaskVector any = hn::Or(hn::Or(digits, hn::Load(d, &places.wide[i])), hn::Or(escape, utf16));
    hn::Store(digits, d, &places.digits[i]);
    hn::Store(escape, d, &places.escapes[i]);
    hn::Store(utf16, d, &places.utf16[i]);
    MaskVector base64_runs = hn::Zero(d);
    MaskVector hex_runs = hn::Zero(d);
    if (carry.with_encodings) {
      base64_runs = Runs<kBase64RunMin>(hn::LoadU(d, &masks.base64[i]), base64);
      const MaskVector hex = hn::LoadU(d, &masks.hex[i + 1]);
      hex_runs = Runs<kHexRunMin>(hn::LoadU(d, &masks.hex[i]), hex);
      hn::Store(base64, d, &places.base64_bytes[i]);
      hn::Store(hex, d, &places.hex_bytes[i]);
      any = hn::Or(any, hn::Or(base64_runs, hex_runs));
    }
    hn::Store(base64_runs, d, &places.base64[i]);
    hn::Store(hex_runs, d, &places.hex[i]);
    std::array<uint8_t, 8> bits{};
    hn::StoreMaskBits(d, hn::Ne(any, hn::Zero(d)), bits.data());
    found |= uint64_t{bits[0]} << i;
  }
  places.blocks = found & ((uint64_t{1} << blocks) - 1);
  carry.digit = masks.digit[blocks];
  carry.base64 = masks.base64[blocks];
  carry.hex = masks.hex[blocks];
  carry.chained = chained[blocks];
}

}  // namespace skimwatch::card::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace skimwatch::card {

HWY_EXPORT(Find);
HWY_EXPORT(Sextets);

FirstPass::FirstPass(std::string_view text, size_t begin, bool with_encodings)
    : text_(text), at_(begin) {
  carry_.with_encodings = with_encodings;
  const bool digit_before = begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9';
  carry_.digit = digit_before ? uint64_t{1} << 63 : 0;
}

void FirstPass::Next(size_t blocks, Places& places) {
  const size_t full = std::min(blocks, (text_.size() - at_) / kBlockBytes);
  places.blocks = 0;
  const auto is_digit_at = [&](size_t at) {
    return at < text_.size() && text_[at] >= '0' && text_[at] <= '9';
  };
  if (full == blocks) {
    carry_.digit_after = is_digit_at(at_ + blocks * kBlockBytes);
    HWY_DYNAMIC_DISPATCH(Find)(text_.data() + at_, blocks, carry_, places);
    at_ += blocks * kBlockBytes;
    return;
  }
  // A byte of no class fills up, so that the text seems to end as it does.
  std::array<char, Places::kBytes> padded;
  const size_t count = text_.size() - at_;
  memcpy(padded.data(), text_.data() + at_, count);
  memset(padded.data() + count, '\x01', blocks * kBlockBytes - count);
  carry_.digit_after = false;
  HWY_DYNAMIC_DISPATCH(Find)(padded.data(), blocks, carry_, places);
  explicit_bzero(padded.data(), count);
  at_ += blocks * kBlockBytes;
}

SextetClasses ClassifySextetsByVector(const char* block) {
  return HWY_DYNAMIC_DISPATCH(Sextets)(block);
}

}  // namespace skimwatch::card
#endif  // HWY_ONCE
