// The targets below work on masks in variables of vector types, which scalable vectors are none of.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_RVV)
// AVX-512 as of Ice Lake and Zen 4: a look-up of 128 entries, shifts over two words.
#define HWY_WANT_AVX3_DL 1

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "agent/card/first_pass.cc"
#include "agent/card/first_pass.h"

#include <string.h>

#include <algorithm>
#include <bit>

#include "agent/card/luhn.h"
#include "agent/card/symbols.h"
#include "hwy/foreach_target.h"  // Compiles this file once for each target.
// After foreach_target.h.
#include "hwy/highway.h"

#ifndef SKIMWATCH_AGENT_CARD_FIRST_PASS_ONCE_
#define SKIMWATCH_AGENT_CARD_FIRST_PASS_ONCE_
namespace skimwatch::card {

// Which bit of a table each mask of ClassMasks is of, in the order that a table's bits have.
struct ClassOfTable {
  ClassMasks::Masks ClassMasks::*masks;
  uint8_t bit;
};
inline constexpr ClassOfTable kTextMasks[] = {
    {&ClassMasks::digit, text_class::kDigit},
    {&ClassMasks::separator, text_class::kSeparator},
    {&ClassMasks::hex, text_class::kHex},
    {&ClassMasks::percent, text_class::kPercent},
    {&ClassMasks::mark, text_class::kMark},
    {&ClassMasks::code_lead, text_class::kCodeLead},
    {&ClassMasks::control, text_class::kControl},
    {&ClassMasks::break_or_slash, text_class::kBreakOrSlash},
};
inline constexpr ClassOfTable kSextetMasks[] = {
    {&ClassMasks::ascii_first, sextet_class::kAsciiFirst},
    {&ClassMasks::ascii_second, sextet_class::kAsciiSecond},
    {&ClassMasks::ascii_third, sextet_class::kAsciiThird},
    {&ClassMasks::base64, sextet_class::kBase64},
    {&ClassMasks::tag, sextet_class::kTag},
    {&ClassMasks::number_first, sextet_class::kNumberFirst},
    {&ClassMasks::digit_first, sextet_class::kDigitFirst},
    {&ClassMasks::wide_first, sextet_class::kWideFirst},
};
inline constexpr ClassOfTable kPlainMasks[] = {
    {&ClassMasks::digit, plain_class::kDigit},
    {&ClassMasks::separator, plain_class::kSeparator},
    {&ClassMasks::base64, plain_class::kBase64},
    {&ClassMasks::percent, plain_class::kPercent},
    {&ClassMasks::mark, plain_class::kMark},
    {&ClassMasks::tag, plain_class::kTag},
    {&ClassMasks::control, plain_class::kControl},
    {&ClassMasks::break_or_slash, plain_class::kBreakOrSlash},
};

// Whether Lookup has 128 entries, and eight masks can be had from 64 bytes at once (GFNI).
inline bool HasGfni() {
#if HWY_ARCH_X86
  return __builtin_cpu_supports("gfni") != 0;
#else
  return false;
#endif
}

}  // namespace skimwatch::card
#endif  // SKIMWATCH_AGENT_CARD_FIRST_PASS_ONCE_

HWY_BEFORE_NAMESPACE();
namespace skimwatch::card::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

static_assert(std::endian::native == std::endian::little, "masks are written byte by byte");

// --- Bytes to masks

// What few batches have, and is looked for only there.
struct Rare {
  // Bytes beyond ASCII.
  bool wide = false;
  bool nul = false;
};

#if HWY_TARGET == HWY_SCALAR

template <size_t kCount>
HWY_INLINE void ClassifyBatch(const char* bytes, const ClassTable& table,
                              const ClassOfTable (&classes)[kCount], ClassMasks& masks) {
  for (const ClassOfTable& of : classes) (masks.*of.masks).fill(0);
  for (size_t i = 0; i < Places::kBytes; ++i) {
    const uint8_t bits = ClassesOf(table, bytes[i]);
    for (const ClassOfTable& of : classes) {
      (masks.*of.masks)[i / kBlockBytes] |= uint64_t{(bits & of.bit) != 0} << i % kBlockBytes;
    }
  }
}

HWY_INLINE Rare FindRare(const char* bytes) {
  Rare rare;
  for (size_t i = 0; i < Places::kBytes; ++i) {
    rare.wide = rare.wide || static_cast<uint8_t>(bytes[i]) >= 0x80;
    rare.nul = rare.nul || bytes[i] == 0;
  }
  return rare;
}

// A bit for each byte of a block that is `value`.
HWY_INLINE uint64_t EqualTo(const char* block, uint8_t value) {
  uint64_t equal = 0;
  for (size_t i = 0; i < kBlockBytes; ++i) {
    equal |= uint64_t{static_cast<uint8_t>(block[i]) == value} << i;
  }
  return equal;
}

HWY_INLINE void ClassifyWide(const char* bytes, size_t block, uint64_t& separators,
                             uint64_t& digits) {
  separators = 0;
  digits = 0;
  const std::string_view text(bytes + block * kBlockBytes, kBlockBytes);
  for (size_t i = 0; i < kBlockBytes; ++i) {
    if (kWideSeparatorLeads.find(text[i]) != std::string_view::npos) separators |= uint64_t{1} << i;
    if (kWideDigitLeads.find(text[i]) != std::string_view::npos) digits |= uint64_t{1} << i;
  }
}

SextetClasses Sextets(const char* block) { return ClassifySextets(block); }

bool LuhnOfRun(const char* end, size_t length) {
  std::array<uint8_t, 32> digits;
  for (size_t i = 0; i < length; ++i) digits[i] = static_cast<uint8_t>(end[i - length] - '0');
  const bool valid = LuhnValid({digits.data(), length});
  explicit_bzero(digits.data(), length);
  return valid;
}

#else

using ByteTag = hn::CappedTag<uint8_t, kBlockBytes>;
using ByteVector = hn::Vec<ByteTag>;

// Writes the part of a mask that is of the vector at `at` of the block.
HWY_INLINE void StoreMask(hn::Mask<ByteTag> mask, size_t at, uint64_t& bits) {
  hn::StoreMaskBits(ByteTag(), mask, reinterpret_cast<uint8_t*>(&bits) + at / 8);
}

// A class of ASCII: for each lower half of a byte, the upper halves with which it is of the class.
using UpperHalves = std::array<uint8_t, 16>;
constexpr UpperHalves HalvesOf(const ClassTable& table, uint8_t bit) {
  UpperHalves halves{};
  for (size_t c = 0; c < table.size(); ++c) {
    if ((table[c] & bit) != 0) halves[c & 15] |= static_cast<uint8_t>(1 << (c >> 4));
  }
  return halves;
}
template <size_t kCount>
constexpr std::array<UpperHalves, kCount> AllHalvesOf(const ClassTable& table,
                                                      const ClassOfTable (&classes)[kCount]) {
  std::array<UpperHalves, kCount> all{};
  for (size_t i = 0; i < kCount; ++i) all[i] = HalvesOf(table, classes[i].bit);
  return all;
}
alignas(16) constexpr auto kTextHalves = AllHalvesOf(kTextClasses, kTextMasks);
alignas(16) constexpr auto kSextetHalves = AllHalvesOf(kSextetClassTable, kSextetMasks);
alignas(16) constexpr auto kPlainHalves = AllHalvesOf(kPlainClasses, kPlainMasks);

// The bit of an upper half; none beyond ASCII.
alignas(16) constexpr UpperHalves kHalfBits = {1, 2, 4, 8, 16, 32, 64, 128};

template <size_t kCount>
HWY_INLINE void ClassifyByHalves(const char* bytes, const std::array<UpperHalves, kCount>& halves,
                                 const ClassOfTable (&classes)[kCount], ClassMasks& masks) {
  const ByteTag d;
  const ByteVector half_bits = hn::LoadDup128(d, kHalfBits.data());
  for (size_t block = 0; block < Places::kBlocks; ++block) {
    for (size_t at = 0; at < kBlockBytes; at += hn::Lanes(d)) {
      const ByteVector v =
          hn::LoadU(d, reinterpret_cast<const uint8_t*>(bytes) + block * kBlockBytes + at);
      const ByteVector lower = hn::And(v, hn::Set(d, 0x0F));
      const ByteVector bit = hn::TableLookupBytes(half_bits, hn::ShiftRight<4>(v));
      for (size_t i = 0; i < kCount; ++i) {
        const ByteVector uppers = hn::TableLookupBytes(hn::LoadDup128(d, halves[i].data()), lower);
        StoreMask(hn::Ne(hn::And(uppers, bit), hn::Zero(d)), at, (masks.*classes[i].masks)[block]);
      }
    }
  }
}

#if HWY_TARGET == HWY_AVX3_DL

// Writes eight masks of each of eight blocks, one mask for each bit of a table's entries. Bits of
// bytes beyond ASCII are those of the byte without its top bit unless `kWithWide`.
template <bool kWithWide>
__attribute__((target(HWY_TARGET_STR ",gfni"), always_inline)) inline void LookUpClasses(
    const __m512i (&text)[8], const ClassTable& table, __m512i (&masks)[8]) {
  const __m512i low = _mm512_loadu_si512(table.data());
  const __m512i high = _mm512_loadu_si512(table.data() + 64);
  // Byte j of an eight has bit j alone: the product with a matrix of bits is its transpose.
  const __m512i unit = _mm512_set1_epi64(static_cast<int64_t>(0x8040201008040201u));
  // Byte i of eight j goes to byte j of eight i.
  alignas(64) static constexpr auto kEights = [] {
    std::array<uint8_t, 64> index{};
    for (size_t i = 0; i < 64; ++i) index[i] = static_cast<uint8_t>(i % 8 * 8 + i / 8);
    return index;
  }();
  const __m512i eights = _mm512_load_si512(kEights.data());
  __m512i rows[8];
  for (int i = 0; i < 8; ++i) {
    __m512i classes = _mm512_permutex2var_epi8(low, text[i], high);
    if (kWithWide)
      classes = _mm512_maskz_mov_epi8(_knot_mask64(_mm512_movepi8_mask(text[i])), classes);
    rows[i] = _mm512_permutexvar_epi8(eights, _mm512_gf2p8affine_epi64_epi8(unit, classes, 0));
  }
  // Blocks by classes to classes by blocks.
  __m512i pairs[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm512_unpacklo_epi64(rows[i], rows[i + 1]);      // classes 0 2 4 6
    pairs[i + 1] = _mm512_unpackhi_epi64(rows[i], rows[i + 1]);  // 1 3 5 7
  }
  for (int odd = 0; odd < 2; ++odd) {
    const __m512i a = _mm512_shuffle_i64x2(pairs[odd], pairs[2 + odd], 0x44);
    const __m512i b = _mm512_shuffle_i64x2(pairs[odd], pairs[2 + odd], 0xEE);
    const __m512i c = _mm512_shuffle_i64x2(pairs[4 + odd], pairs[6 + odd], 0x44);
    const __m512i d = _mm512_shuffle_i64x2(pairs[4 + odd], pairs[6 + odd], 0xEE);
    masks[odd] = _mm512_shuffle_i64x2(a, c, 0x88);
    masks[2 + odd] = _mm512_shuffle_i64x2(a, c, 0xDD);
    masks[4 + odd] = _mm512_shuffle_i64x2(b, d, 0x88);
    masks[6 + odd] = _mm512_shuffle_i64x2(b, d, 0xDD);
  }
}

template <size_t kCount>
HWY_INLINE constexpr int BitOf(uint8_t bit) {
  return std::countr_zero(bit);
}

template <bool kWithWide, bool kWithEncodings>
__attribute__((target(HWY_TARGET_STR ",gfni"), always_inline)) inline void ClassifyByGfni(
    const __m512i (&text)[8], ClassMasks& masks) {
  __m512i found[8];
  const auto store = [&](const ClassOfTable& of) {
    _mm512_store_si512((masks.*of.masks).data(), found[std::countr_zero(of.bit)]);
  };
  if (kWithEncodings) {
    LookUpClasses<kWithWide>(text, kTextClasses, found);
    for (const ClassOfTable& of : kTextMasks) store(of);
    LookUpClasses<kWithWide>(text, kSextetClassTable, found);
    for (const ClassOfTable& of : kSextetMasks) store(of);
  } else {
    LookUpClasses<kWithWide>(text, kPlainClasses, found);
    for (const ClassOfTable& of : kPlainMasks) store(of);
  }
}

// Classifies a batch.
template <bool kWithEncodings>
__attribute__((target(HWY_TARGET_STR ",gfni"), noinline)) Rare ClassifyBatchByGfni(
    const char* bytes, ClassMasks& masks) {
  // Eights of bytes in reverse, which the transpose of their bits turns round.
  const __m512i reverse = _mm512_set4_epi32(0x08090A0B, 0x0C0D0E0F, 0x00010203, 0x04050607);
  __m512i text[8];
  __m512i any = _mm512_setzero_si512();
  __m512i least = _mm512_set1_epi8(-1);
  for (size_t i = 0; i < 8; ++i) {
    const __m512i block = _mm512_loadu_si512(bytes + i * kBlockBytes);
    any = _mm512_or_si512(any, block);
    least = _mm512_min_epu8(least, block);
    text[i] = _mm512_shuffle_epi8(block, reverse);
  }
  const Rare rare = {.wide = _mm512_movepi8_mask(any) != 0,
                     .nul = _mm512_testn_epi8_mask(least, least) != 0};
  if (rare.wide) {
    ClassifyByGfni<true, kWithEncodings>(text, masks);
  } else {
    ClassifyByGfni<false, kWithEncodings>(text, masks);
  }
  return rare;
}

#endif  // HWY_TARGET == HWY_AVX3_DL

HWY_INLINE Rare FindRare(const char* bytes) {
  const ByteTag d;
  ByteVector any = hn::Zero(d);
  ByteVector least = hn::Set(d, 0xFF);
  for (size_t at = 0; at < Places::kBytes; at += hn::Lanes(d)) {
    const ByteVector v = hn::LoadU(d, reinterpret_cast<const uint8_t*>(bytes) + at);
    any = hn::Or(any, v);
    least = hn::Min(least, v);
  }
  const hn::RebindToSigned<ByteTag> ds;
  return {.wide = !hn::AllFalse(ds, hn::Lt(hn::BitCast(ds, any), hn::Zero(ds))),
          .nul = !hn::AllFalse(d, hn::Eq(least, hn::Zero(d)))};
}

// A bit for each byte of a block that is `value`.
HWY_INLINE uint64_t EqualTo(const char* block, uint8_t value) {
  const ByteTag d;
  uint64_t equal = 0;
  for (size_t at = 0; at < kBlockBytes; at += hn::Lanes(d)) {
    const ByteVector v = hn::LoadU(d, reinterpret_cast<const uint8_t*>(block) + at);
    StoreMask(hn::Eq(v, hn::Set(d, value)), at, equal);
  }
  return equal;
}

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

constexpr HalfTables kWideSets = [] {
  HalfTables tables;
  tables.Add(1, {0xC, 0xE}, 2, 2);
  tables.Add(2, {0xE}, 3, 3);
  for (const uint8_t half : {0x9, 0xB, 0xF}) tables.Add(4, {0xD}, half, half);
  for (const uint8_t half : {0x0, 0x1, 0xA, 0xF}) tables.Add(8, {0xE}, half, half);
  tables.Add(16, {0xF}, 0, 0);
  tables.Add(32, {0xA}, 0, 0);
  return tables;
}();
constexpr uint8_t kWideSeparator = 1 | 2 | 32;
constexpr uint8_t kWideDigit = 4 | 8 | 16;

HWY_INLINE void StoreIn(ByteVector sets, uint8_t of, size_t at, uint64_t& bits) {
  const ByteTag d;
  const hn::RebindToSigned<ByteTag> ds;
  const auto members = hn::BitCast(ds, hn::And(sets, hn::Set(d, of)));
  StoreMask(hn::RebindMask(d, hn::Gt(members, hn::Zero(ds))), at, bits);
}

HWY_INLINE void ClassifyWide(const char* bytes, size_t block, uint64_t& separators,
                             uint64_t& digits) {
  const ByteTag d;
  for (size_t at = 0; at < kBlockBytes; at += hn::Lanes(d)) {
    const ByteVector v =
        hn::LoadU(d, reinterpret_cast<const uint8_t*>(bytes) + block * kBlockBytes + at);
    const ByteVector sets = hn::And(
        hn::TableLookupBytes(hn::LoadDup128(d, kWideSets.upper.data()), hn::ShiftRight<4>(v)),
        hn::TableLookupBytes(hn::LoadDup128(d, kWideSets.lower.data()),
                             hn::And(v, hn::Set(d, 0x0F))));
    StoreIn(sets, kWideSeparator, at, separators);
    StoreIn(sets, kWideDigit, at, digits);
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
    StoreMask(hn::Ne(hn::And(hn::TableLookupBytes(hn::LoadDup128(d, kPlainHalves[2].data()), lower),
                             hn::TableLookupBytes(hn::LoadDup128(d, kHalfBits.data()), upper)),
                     hn::Zero(d)),
              at, valid);
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

// Whether `length` digits, at most 32, that end before `end` pass the Luhn test. Reads the 32 bytes
// before `end`.
HWY_INLINE bool LuhnOfRun(const char* end, size_t length) {
  const hn::FixedTag<uint8_t, 16> d;
  // Where 16 bytes are loaded from here, those that are among the last `length` are kept.
  alignas(16) static constexpr std::array<uint8_t, 64> kKept = [] {
    std::array<uint8_t, 64> kept{};
    for (size_t i = 32; i < kept.size(); ++i) kept[i] = 0x0F;
    return kept;
  }();
  alignas(16) static constexpr std::array<uint8_t, 16> kDoubled = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9};
  alignas(16) static constexpr std::array<uint8_t, 16> kEven = {0xFF, 0, 0xFF, 0, 0xFF, 0, 0xFF, 0,
                                                                0xFF, 0, 0xFF, 0, 0xFF, 0, 0xFF, 0};
  const auto* bytes = reinterpret_cast<const uint8_t*>(end);
  const auto near = hn::And(hn::LoadU(d, bytes - 16), hn::LoadU(d, &kKept[length + 16]));
  const auto far = hn::And(hn::LoadU(d, bytes - 32), hn::LoadU(d, &kKept[length]));
  const auto doubled = hn::Load(d, kDoubled.data());
  const auto even = hn::Load(d, kEven.data());
  const auto weigh = [&](auto v) HWY_ATTR {
    return hn::Or(hn::And(even, hn::TableLookupBytes(doubled, v)), hn::AndNot(even, v));
  };
  const auto sums = hn::SumsOf8(hn::Add(weigh(near), weigh(far)));
  const hn::FixedTag<uint64_t, 2> d64;
  const uint64_t sum = hn::GetLane(hn::SumOfLanes(d64, sums));
  return sum % 10 == 0;
}

#endif  // HWY_TARGET == HWY_SCALAR

// --- Masks to places

#if HWY_TARGET == HWY_SCALAR
using MaskVector = uint64_t;
constexpr size_t kMaskLanes = 1;
HWY_INLINE MaskVector LoadMasks(const uint64_t* masks) { return *masks; }
HWY_INLINE void StoreMasks(MaskVector v, uint64_t* masks) { *masks = v; }
HWY_INLINE MaskVector AndOf(MaskVector a, MaskVector b) { return a & b; }
HWY_INLINE MaskVector OrOf(MaskVector a, MaskVector b) { return a | b; }
HWY_INLINE MaskVector AndNotOf(MaskVector a, MaskVector b) { return a & ~b; }
template <int kShift>
HWY_INLINE MaskVector ShiftLeftOf(MaskVector low, MaskVector high) {
  return high << kShift | low >> (64 - kShift);
}
template <int kShift>
HWY_INLINE MaskVector ShiftLeftOf(MaskVector v) {
  return v << kShift;
}
HWY_INLINE MaskVector BlockBefore(const Places::Masks& now, const Places::Masks& before, size_t i) {
  return i > 0 ? now[i - 1] : before[Places::kBlocks - 1];
}
// Bit n: lane n is not zero.
HWY_INLINE uint64_t NonZero(MaskVector v) { return v != 0; }
#else
// All blocks of a batch at once where a vector holds them; elsewhere two, whose neighbours can be
// had without crossing the halves of a vector.
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
constexpr size_t kMaskLanes = 8;
#else
constexpr size_t kMaskLanes = 2;
#endif
using MaskTag = hn::FixedTag<uint64_t, kMaskLanes>;
using MaskVector = hn::Vec<MaskTag>;
HWY_INLINE MaskVector LoadMasks(const uint64_t* masks) { return hn::Load(MaskTag(), masks); }
HWY_INLINE void StoreMasks(MaskVector v, uint64_t* masks) { hn::Store(v, MaskTag(), masks); }
HWY_INLINE MaskVector AndOf(MaskVector a, MaskVector b) { return hn::And(a, b); }
HWY_INLINE MaskVector OrOf(MaskVector a, MaskVector b) { return hn::Or(a, b); }
HWY_INLINE MaskVector AndNotOf(MaskVector a, MaskVector b) { return hn::AndNot(b, a); }
template <int kShift>
HWY_INLINE MaskVector ShiftLeftOf(MaskVector v) {
  return hn::ShiftLeft<kShift>(v);
}
template <int kShift>
HWY_INLINE MaskVector ShiftLeftOf(MaskVector low, MaskVector high) {
#if HWY_TARGET == HWY_AVX3_DL
  return MaskVector{_mm512_shldi_epi64(high.raw, low.raw, kShift)};
#else
  return hn::Or(hn::ShiftLeft<kShift>(high), hn::ShiftRight<64 - kShift>(low));
#endif
}
HWY_INLINE MaskVector BlockBefore(const Places::Masks& now, const Places::Masks& before, size_t i) {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  (void)i;
  return MaskVector{
      _mm512_alignr_epi64(LoadMasks(now.data()).raw, LoadMasks(before.data()).raw, 7)};
#else
  const MaskVector previous =
      LoadMasks(i > 0 ? &now[i - kMaskLanes] : &before[Places::kBlocks - kMaskLanes]);
  return hn::CombineShiftRightBytes<8>(MaskTag(), LoadMasks(&now[i]), previous);
#endif
}
HWY_INLINE uint64_t NonZero(MaskVector v) {
  const MaskTag d;
  std::array<uint8_t, 8> bits{};
  hn::StoreMaskBits(d, hn::Ne(v, hn::Zero(d)), bits.data());
  return bits[0];
}
#endif

// Masks of blocks, with those of the block before each. What is derived of both holds in the block,
// and in its predecessor from as many bytes on as were looked back at, which is enough to look back
// into it again.
struct MaskPair {
  MaskVector high;
  MaskVector low;

  friend HWY_INLINE MaskPair operator&(MaskPair a, MaskPair b) {
    return {AndOf(a.high, b.high), AndOf(a.low, b.low)};
  }
  friend HWY_INLINE MaskPair operator|(MaskPair a, MaskPair b) {
    return {OrOf(a.high, b.high), OrOf(a.low, b.low)};
  }
};
HWY_INLINE MaskPair AndNotPair(MaskPair a, MaskPair b) {
  return {AndNotOf(a.high, b.high), AndNotOf(a.low, b.low)};
}
// What was kShift bytes before.
template <int kShift>
HWY_INLINE MaskPair Before(MaskPair m) {
  return {ShiftLeftOf<kShift>(m.low, m.high), ShiftLeftOf<kShift>(m.low)};
}
// A run of kFrom + kMore bits ends here, `runs` being those of kFrom.
template <int kMore>
HWY_INLINE MaskPair Longer(MaskPair runs) {
  return runs & Before<kMore>(runs);
}

struct Batch {
  const ClassMasks& now;
  const ClassMasks& before;
};

HWY_INLINE MaskPair PairOf(const Batch& batch, ClassMasks::Masks ClassMasks::*of, size_t i) {
  return {LoadMasks(&(batch.now.*of)[i]), BlockBefore(batch.now.*of, batch.before.*of, i)};
}

// What the digits of a batch are judged by.
struct DigitMasks {
  // The byte after a run of 12 to 23 digits, or after the first 24 of a run: a number of at most
  // 19, or with the end of an escape before it, or one whose length stands before it.
  alignas(64) Places::Masks run_ends;
  // The byte after a place where a chain of at least 14 bytes with a separator has been seen.
  alignas(64) Places::Masks chains;
  // Digits and chains, a block before the batch and all moved by a byte as those above.
  alignas(64) std::array<uint64_t, Places::kBlocks + 1> digit;
  alignas(64) std::array<uint64_t, Places::kBlocks + 1> chained;
  uint64_t blocks = 0;
};

template <bool kWithFields>
HWY_INLINE void FindDigits(const Batch& batch, DigitMasks& found, Places& places) {
  found.blocks = 0;
  for (size_t i = 0; i < Places::kBlocks; i += kMaskLanes) {
    const MaskPair digit = PairOf(batch, &ClassMasks::digit, i);
    const MaskPair separator = PairOf(batch, &ClassMasks::separator, i);
    const MaskPair digit1 = Before<1>(digit);
    const MaskPair digit2 = Before<2>(digit);
    const MaskPair runs2 = digit & digit1;
    const MaskPair runs4 = Longer<2>(runs2);
    const MaskPair runs8 = Longer<4>(runs4);
    const MaskPair runs12 = Longer<4>(runs8);
    const MaskPair runs14 = Longer<2>(runs12);
    const MaskPair runs24 = Longer<12>(runs12);
    const MaskPair after24 = Before<1>(runs24);
    const MaskVector run_ends =
        OrOf(AndNotOf(AndNotOf(Before<1>(runs12).high, digit.high), after24.high),
             AndNotOf(after24.high, Before<1>(after24).high));
    // Digits that are not alone, and separators between digits, a byte late.
    const MaskPair chained = (digit1 & (digit2 | digit)) | (Before<1>(separator) & digit2 & digit);
    const MaskPair chains2 = Longer<1>(chained);
    const MaskPair chains4 = Longer<2>(chains2);
    const MaskPair chains8 = Longer<4>(chains4);
    const MaskPair chains14 = Longer<6>(chains8);
    const MaskVector chains = AndNotOf(chains14.high, Before<1>(runs14).high);
    StoreMasks(run_ends, &found.run_ends[i]);
    StoreMasks(chains, &found.chains[i]);
#if HWY_TARGET == HWY_SCALAR
    if (i == 0) {
      found.digit[0] = digit1.low;
      found.chained[0] = chained.low;
    }
    found.digit[i + 1] = digit1.high;
    found.chained[i + 1] = chained.high;
#else
    if (i == 0) {
      found.digit[0] = hn::GetLane(digit1.low);
      found.chained[0] = hn::GetLane(chained.low);
    }
    hn::StoreU(digit1.high, MaskTag(), &found.digit[i + 1]);
    hn::StoreU(chained.high, MaskTag(), &found.chained[i + 1]);
#endif
    found.blocks |= NonZero(OrOf(run_ends, chains)) << i;
    if (!kWithFields) continue;
    const MaskPair base64 = PairOf(batch, &ClassMasks::base64, i);
    const MaskVector values =
        AndNotOf(AndNotOf(Before<1>(runs4).high, OrOf(base64.high, separator.high)),
                 Before<1>(Longer<1>(runs12)).high);
    const MaskVector control = LoadMasks(&batch.now.control[i]);
    const MaskPair letter = AndNotPair(base64, digit);
    const MaskVector tag_text = OrOf(AndOf(runs14.high, Before<13>(digit & Before<1>(letter)).high),
                                     AndOf(letter.high, Before<1>(runs14).high));
    const MaskVector tags = AndOf(Before<1>(PairOf(batch, &ClassMasks::tag, i)).high, control);
    // The first blank after four digits alone where it is no space, or the second.
    const MaskPair four = AndNotPair(runs4, Before<4>(digit));
    const MaskVector gaps =
        OrOf(AndOf(Before<1>(four).high, control),
             AndOf((Before<2>(four) & Before<1>(separator)).high, OrOf(separator.high, control)));
    StoreMasks(gaps, &places.gaps[i]);
    StoreMasks(values, &places.values[i]);
    StoreMasks(tag_text, &places.tag_text[i]);
    StoreMasks(tags, &places.tags[i]);
    places.blocks |= NonZero(OrOf(OrOf(values, tag_text), OrOf(tags, gaps))) << i;
  }
}

// Bits [end - 63, end] of a sequence of masks whose first is at -64, the last of them on top.
HWY_INLINE uint64_t WindowBefore(const std::array<uint64_t, Places::kBlocks + 1>& masks,
                                 size_t end) {
  const size_t block = end / kBlockBytes;
  const size_t bit = end % kBlockBytes;
  // A shift by 64 would be none.
  return masks[block + 1] << (63 - bit) | masks[block] >> 1 >> bit;
}

// An escape whose last digits are a number's first begins among as many bytes before these.
constexpr size_t kEscapeHeadBytes = 8;
// Whether there is a percent sign or a backslash among so many bytes from `bytes` on.
HWY_INLINE bool MayLeadEscape(const char* bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kTops = 0x8080808080808080u;
  uint64_t word = 0;
  memcpy(&word, bytes, sizeof(word));
  const auto has_zero = [](uint64_t v) { return (v - kOnes) & ~v & kTops; };
  return (has_zero(word ^ kOnes * '%') | has_zero(word ^ kOnes * '\\')) != 0;
}

constexpr bool IsAsciiPrintable(char c) { return c >= 0x20 && c < 0x7F; }

// Whether the run of `length` digits, 12 to 24, before `end` of the text may be a number. Without
// branches on what the digits are, which no processor can predict.
HWY_INLINE bool MayBeNumber(const FirstPass::State& state, size_t end, size_t length) {
  const std::string_view text = state.text;
  const size_t first = end - length;
  constexpr size_t kLoaded = 32;
  if (end < kLoaded) return true;
  const char* digits = text.data() + first;
  const NumberFilter& filter = *state.filter;
  // Lengths beyond 19 are shifted out.
  const size_t which = length - NumberFilter::kDigitsMin;
  const uint32_t checked =
      filter.Lengths(digits) >> which & static_cast<uint32_t>(LuhnOfRun(text.data() + end, length));
  const uint32_t unchecked = filter.LengthsWithoutCheckDigit(digits) >> which;
  // 6-13, or digits that an escape goes on in: seldom.
  constexpr size_t kSecondGroup = 13;
  constexpr size_t kFirstGroupAndSeparator = 7;
  const auto grouped = static_cast<uint32_t>(length == kSecondGroup) &
                       static_cast<uint32_t>(IsAsciiDigit(text[first - 2])) &
                       static_cast<uint32_t>(IsAsciiDigit(text[first - kFirstGroupAndSeparator]));
  if (NumberFilter::MayDivideRun(text[first - 1]) &&
      (!IsAsciiPrintable(text[first - 1]) ||
       (MayLeadEscape(text.data() + first - kEscapeHeadBytes) &&
        SkipEscapeTail(text, first) > first))) {
    return true;
  }
  return ((checked | unchecked | grouped) & 1) != 0;
}

// Keeps of what FindDigits found what NumberFilter lets pass.
HWY_INLINE void FilterDigits(const FirstPass::State& state, const DigitMasks& found,
                             Places& places) {
  const std::string_view text = state.text;
  size_t chain_done = 0;
  for (uint64_t left = found.blocks; left != 0; left &= left - 1) {
    const auto block = static_cast<size_t>(std::countr_zero(left));
    uint64_t kept = 0;
    for (uint64_t ends = found.run_ends[block]; ends != 0; ends &= ends - 1) {
      const auto bit = static_cast<size_t>(std::countr_zero(ends));
      // The masks are a byte late.
      const size_t in_batch = block * kBlockBytes + bit;
      const uint64_t before = WindowBefore(found.digit, in_batch);
      const auto length = static_cast<size_t>(std::countl_one(before));
      kept |= uint64_t{MayBeNumber(state, places.at + in_batch, length)} << bit;
    }
    for (uint64_t chains = found.chains[block]; chains != 0;) {
      const auto bit = static_cast<size_t>(std::countr_zero(chains));
      const size_t in_batch = block * kBlockBytes + bit;
      const uint64_t rest = found.chained[block + 1] >> bit;
      const auto more = static_cast<size_t>(std::countr_one(rest));
      // Whatever of the chain is in this block is decided at once.
      chains = more + bit >= kBlockBytes ? 0 : chains & ~uint64_t{0} << (bit + more);
      if (in_batch < chain_done) continue;
      const auto before =
          static_cast<size_t>(std::countl_one(WindowBefore(found.chained, in_batch)));
      size_t end = in_batch + more;
      if (bit + more == kBlockBytes && block + 1 < Places::kBlocks) {
        end += static_cast<size_t>(std::countr_one(found.chained[block + 2]));
      }
      chain_done = end;
      // A byte late: the chain is [begin, end) of the text.
      const size_t begin = places.at + in_batch - before;
      const size_t length = end - 1 - (in_batch - before);
      const bool goes_on = end == Places::kBytes;
      const bool decided = !goes_on && length <= kBlockBytes && before < kBlockBytes;
      if (decided && (begin == 0 || !NumberFilter::MayDivideRun(text[begin - 1]))) {
        const uint64_t digits = WindowBefore(found.digit, end - 1) >> (kBlockBytes - length);
        if (!state.filter->MayHoldGroups(text.data() + begin, length, digits)) continue;
      }
      kept |= uint64_t{1} << bit;
    }
    places.digits[block] = kept;
    if (kept != 0) places.blocks |= uint64_t{1} << block;
  }
}

// Escapes that may tell of a number (MayTell), and those that separate digits.
HWY_INLINE MaskVector FindEscapes(const Batch& batch, size_t i) {
  const MaskPair percent2 = Before<2>(PairOf(batch, &ClassMasks::percent, i));
  const MaskPair hex = PairOf(batch, &ClassMasks::hex, i);
  const MaskPair mark2 = Before<2>(PairOf(batch, &ClassMasks::mark, i));
  const MaskPair lead1 = Before<1>(PairOf(batch, &ClassMasks::code_lead, i));
  const MaskPair named1 = Before<1>(PairOf(batch, &ClassMasks::break_or_slash, i));
  const MaskPair digit = PairOf(batch, &ClassMasks::digit, i);
  const MaskPair octal = digit & Before<1>(digit);
  return ((percent2 & hex & Before<1>(hex)) |
          (mark2 & (lead1 | octal | (named1 & Before<3>(digit)))))
      .high;
}

// Eight pairs of hexadecimal digits with one other sign before each, or with two.
HWY_INLINE MaskVector FindPairs(const Batch& batch, size_t i) {
  const MaskPair hex = PairOf(batch, &ClassMasks::hex, i);
  const MaskPair percent = PairOf(batch, &ClassMasks::percent, i);
  const MaskPair mark = PairOf(batch, &ClassMasks::mark, i);
  const MaskPair pair = AndNotPair(hex & Before<1>(hex), Before<2>(hex));
  // Those of escapes are told by these.
  const MaskPair third = AndNotPair(pair, Before<2>(percent | mark));
  const MaskPair fourth = AndNotPair(pair, Before<3>(hex | mark));
  const MaskPair third2 = Longer<3>(third);
  const MaskPair fourth2 = Longer<4>(fourth);
  return OrOf(Longer<12>(Longer<6>(third2)).high, Longer<16>(Longer<8>(fourth2)).high);
}

HWY_INLINE MaskVector FindSeparatingEscapes(const Batch& batch, size_t i) {
  const MaskPair digit = PairOf(batch, &ClassMasks::digit, i);
  const MaskPair percent2 = Before<2>(PairOf(batch, &ClassMasks::percent, i));
  const MaskPair mark2 = Before<2>(PairOf(batch, &ClassMasks::mark, i));
  const MaskPair named1 = Before<1>(PairOf(batch, &ClassMasks::break_or_slash, i));
  return (Before<3>(digit) & ((percent2 & digit & Before<1>(digit)) | (mark2 & named1))).high;
}

HWY_INLINE void FindUtf16(const char* bytes, const ClassMasks& masks, Places& places) {
  for (size_t i = 0; i < Places::kBlocks; ++i) {
    const uint64_t base64 = masks.base64[i];
    const uint64_t nul = EqualTo(bytes + i * kBlockBytes, 0);
    places.utf16[i] |= base64 & nul >> 1 & base64 >> 2 & nul >> 3;
    if (places.utf16[i] != 0) places.blocks |= uint64_t{1} << i;
  }
}

// The places that bytes beyond ASCII lead to.
HWY_INLINE void FindWide(const char* bytes, const ClassMasks& before, bool with_fields,
                         ClassMasks& now, Places& places) {
  constexpr uint8_t kInteger = 0xCF;
  constexpr uint8_t kLongLength = 0x81;
  uint64_t digit_before = before.digit[Places::kBlocks - 1] >> 63;
  uint64_t tag_before = before.tag[Places::kBlocks - 1] >> 63;
  for (size_t i = 0; i < Places::kBlocks; ++i) {
    uint64_t separators = 0;
    uint64_t digits = 0;
    ClassifyWide(bytes, i, separators, digits);
    places.wide[i] = digits | (separators & (now.digit[i] << 1 | digit_before));
    digit_before = now.digit[i] >> 63;
    // Full-width digits in UTF-16 are 0x10 to 0x19 and 0xFF: four of them.
    const uint64_t full = now.control[i] & EqualTo(bytes + i * kBlockBytes, 0xFF) >> 1;
    const uint64_t full2 = full & full >> 2;
    places.utf16[i] = full2 & full2 >> 4;
    if ((places.wide[i] | places.utf16[i]) != 0) places.blocks |= uint64_t{1} << i;
    if (!with_fields) continue;
    const char* block = bytes + i * kBlockBytes;
    // The next batch looks back at it.
    now.tag[i] |= EqualTo(block, kInteger);
    places.tags[i] =
        (now.tag[i] << 1 | tag_before) & (now.control[i] | EqualTo(block, kLongLength));
    tag_before = now.tag[i] >> 63;
    if (places.tags[i] != 0) places.blocks |= uint64_t{1} << i;
  }
}

// A bit for each byte of a block below `8`.
HWY_INLINE uint64_t BelowEight(const char* block) {
  uint64_t below = 0;
#if HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < kBlockBytes; ++i) below |= uint64_t{block[i] < '8'} << i;
#else
  const ByteTag d;
  for (size_t at = 0; at < kBlockBytes; at += hn::Lanes(d)) {
    const ByteVector v = hn::LoadU(d, reinterpret_cast<const uint8_t*>(block) + at);
    StoreMask(hn::Lt(v, hn::Set(d, '8')), at, below);
  }
#endif
  return below;
}

// Runs of hexadecimal digits that may hold a number: twelve pairs of ASCII in a row, or so many
// digits that others may be between (text_scan.cc decides).
HWY_INLINE void FindHex(const char* bytes, const Batch& batch, Places& places) {
  alignas(64) Places::Masks runs32;
  uint64_t blocks = 0;
  for (size_t i = 0; i < Places::kBlocks; i += kMaskLanes) {
    const MaskPair runs2 = Longer<1>(PairOf(batch, &ClassMasks::hex, i));
    const MaskPair runs4 = Longer<2>(runs2);
    const MaskPair runs8 = Longer<4>(runs4);
    const MaskPair runs16 = Longer<8>(runs8);
    const MaskPair runs24 = Longer<kHexRunMin - 16>(runs16);
    StoreMasks(runs24.high, &places.hex[i]);
    StoreMasks(Longer<8>(runs24).high, &runs32[i]);
    blocks |= NonZero(runs24.high) << i;
  }
  // Pairs in hexadecimal of a block: digits, and the first byte of full-width digits.
  struct Pairs {
    uint64_t digits = 0;
    uint64_t wide = 0;
  };
  const auto pairs_of = [&](size_t i) HWY_ATTR {
    const char* block = bytes + i * kBlockBytes;
    const uint64_t f = EqualTo(block, 'f') | EqualTo(block, 'F');
    const uint64_t e = EqualTo(block, 'e') | EqualTo(block, 'E');
    return Pairs{.digits = EqualTo(block, '3') & batch.now.digit[i] >> 1, .wide = e & f >> 1};
  };
  // Whether two blocks have so many pairs of one parity as the digits of a number, between others.
  const auto has_digits = [](const Pairs& before, const Pairs& now) {
    constexpr uint64_t kEven = 0x5555555555555555u;
    constexpr int kDigitPairsMin = 10;
    constexpr int kWidePairsMin = 4;
    const auto most = [](uint64_t a, uint64_t b) {
      return std::max(std::popcount(a & kEven) + std::popcount(b & kEven),
                      std::popcount(a & ~kEven) + std::popcount(b & ~kEven));
    };
    return most(before.digits, now.digits) >= kDigitPairsMin ||
           most(before.wide, now.wide) >= kWidePairsMin;
  };
  for (uint64_t left = blocks; left != 0; left &= left - 1) {
    const auto i = static_cast<size_t>(std::countr_zero(left));
    // Of the batch before nothing is known.
    if (runs32[i] != 0 && i > 0 && !has_digits(pairs_of(i - 1), pairs_of(i))) runs32[i] = 0;
    // The upper halves of twelve pairs, the last of which began a byte before. Of the block before
    // all may be.
    const uint64_t ascii = BelowEight(bytes + i * kBlockBytes);
    const uint64_t ascii_before = i == 0 ? ~uint64_t{0} : BelowEight(bytes + (i - 1) * kBlockBytes);
    uint64_t pairs = ascii << 1 | ascii_before >> 63;
    uint64_t pairs_before = ascii_before << 1 | 1;
    for (const int step : {2, 4, 8}) {
      pairs &= pairs << step | pairs_before >> (64 - step);
      pairs_before &= pairs_before << step;
    }
    pairs &= pairs << 8 | pairs_before >> 56;
    places.hex[i] &= pairs | runs32[i];
    if (places.hex[i] != 0) places.blocks |= uint64_t{1} << i;
  }
}

// What encodings are led to; returns whether a long run of hexadecimal digits is possible.
HWY_INLINE bool FindEncoded(const Batch& batch, Places& places) {
  uint64_t long_runs = 0;
  for (size_t i = 0; i < Places::kBlocks; i += kMaskLanes) {
    const MaskPair base64 = PairOf(batch, &ClassMasks::base64, i);
    const MaskPair runs2 = Longer<1>(base64);
    const MaskPair runs4 = Longer<2>(runs2);
    const MaskPair runs8 = Longer<4>(runs4);
    const MaskPair runs16 = Longer<8>(runs8);
    long_runs |= NonZero(Longer<kHexRunMin - 16>(runs16).high) << i;
    // Groups whose second and third byte are ASCII end here; whose first is too; whose first is of
    // a number.
    const MaskPair rest = Before<2>(PairOf(batch, &ClassMasks::ascii_second, i)) &
                          Before<1>(PairOf(batch, &ClassMasks::ascii_third, i)) & base64;
    const MaskPair ascii = rest & Before<3>(PairOf(batch, &ClassMasks::ascii_first, i));
    const MaskPair ascii2 = Longer<4>(ascii);
    const MaskPair number = rest & Before<3>(PairOf(batch, &ClassMasks::number_first, i));
    const MaskPair number2 = Longer<4>(number);
    const MaskVector text = OrOf(AndOf(ascii2.high, Before<8>(ascii2).high),
                                 AndOf(number2.high, Before<8>(number).high));
    StoreMasks(text, &places.base64[i]);
    // Three groups with a digit in front, no more than two others between; three with a byte of a
    // full-width digit.
    const MaskPair digit = PairOf(batch, &ClassMasks::digit_first, i);
    const MaskPair digit2 = digit & (Before<4>(digit) | Before<8>(digit) | Before<12>(digit));
    const MaskVector digit3 =
        AndOf(digit2.high,
              OrOf(OrOf(Before<4>(digit2).high, Before<8>(digit2).high), Before<12>(digit2).high));
    const MaskPair wide = PairOf(batch, &ClassMasks::wide_first, i);
    const MaskVector wide3 = AndOf(Longer<4>(wide).high, Before<8>(wide).high);
    const MaskVector lines = AndOf(Before<1>(runs16).high, LoadMasks(&batch.now.control[i]));
    const MaskVector runs = OrOf(AndOf(OrOf(digit3, wide3), runs16.high), lines);
    StoreMasks(runs, &places.base64_runs[i]);
    const MaskPair mark9 = Before<9>(PairOf(batch, &ClassMasks::mark, i));
    const MaskPair named8 = Before<8>(PairOf(batch, &ClassMasks::break_or_slash, i));
    const MaskVector breaks =
        AndOf((mark9 & named8).high, OrOf(runs8.high, Before<10>(runs8).high));
    const MaskVector escapes = FindEscapes(batch, i);
    const MaskVector pairs = FindPairs(batch, i);
    StoreMasks(breaks, &places.breaks[i]);
    StoreMasks(escapes, &places.escapes[i]);
    StoreMasks(pairs, &places.pairs[i]);
    places.blocks |= NonZero(OrOf(OrOf(OrOf(text, runs), OrOf(breaks, pairs)), escapes)) << i;
  }
  return long_runs != 0;
}

HWY_INLINE void FindPlainEscapes(const Batch& batch, Places& places) {
  for (size_t i = 0; i < Places::kBlocks; i += kMaskLanes) {
    const MaskVector escapes = FindSeparatingEscapes(batch, i);
    StoreMasks(escapes, &places.escapes[i]);
    places.blocks |= NonZero(escapes) << i;
  }
}

template <bool kWithEncodings>
HWY_INLINE Rare ClassifyAll(const char* bytes, bool has_gfni, ClassMasks& masks) {
#if HWY_TARGET == HWY_AVX3_DL
  if (has_gfni) return ClassifyBatchByGfni<kWithEncodings>(bytes, masks);
#else
  (void)has_gfni;
#endif
#if HWY_TARGET == HWY_SCALAR
  if (kWithEncodings) {
    ClassifyBatch(bytes, kTextClasses, kTextMasks, masks);
    ClassifyBatch(bytes, kSextetClassTable, kSextetMasks, masks);
  } else {
    ClassifyBatch(bytes, kPlainClasses, kPlainMasks, masks);
  }
#else
  if (kWithEncodings) {
    ClassifyByHalves(bytes, kTextHalves, kTextMasks, masks);
    ClassifyByHalves(bytes, kSextetHalves, kSextetMasks, masks);
  } else {
    ClassifyByHalves(bytes, kPlainHalves, kPlainMasks, masks);
  }
#endif
  return FindRare(bytes);
}

template <bool kWithEncodings>
HWY_INLINE void FindInBatch(FirstPass::State& state, const char* bytes, bool has_gfni,
                            Places& places) {
  ClassMasks& now = state.masks[state.turn];
  state.turn ^= 1;
  const Rare rare = ClassifyAll<kWithEncodings>(bytes, has_gfni, now);
  const Batch batch = {.now = now, .before = state.masks[state.turn]};
  places.blocks = 0;
  DigitMasks digits;
  if (state.wanted.fields) {
    FindDigits<true>(batch, digits, places);
  } else {
    FindDigits<false>(batch, digits, places);
  }
  if (kWithEncodings) {
    const bool long_runs = FindEncoded(batch, places);
    if (long_runs) {
      FindHex(bytes, batch, places);
    } else {
      places.hex.fill(0);
    }
  } else {
    FindPlainEscapes(batch, places);
  }
  places.digits.fill(0);
  if (digits.blocks != 0) FilterDigits(state, digits, places);
  places.utf16.fill(0);
  if (rare.wide) {
    FindWide(bytes, batch.before, state.wanted.fields, now, places);
  } else {
    places.wide.fill(0);
  }
  if (rare.nul) FindUtf16(bytes, now, places);
}

// Goes on to the next batch with any place.
template <bool kWithEncodings>
HWY_INLINE bool FindNextWith(FirstPass::State& state, Places& places) {
  const bool has_gfni = HasGfni();
  if (!state.wanted.fields) {
    places.values.fill(0);
    places.tags.fill(0);
    places.tag_text.fill(0);
    places.gaps.fill(0);
  }
  if (!kWithEncodings) {
    places.base64.fill(0);
    places.base64_runs.fill(0);
    places.breaks.fill(0);
    places.pairs.fill(0);
    places.hex.fill(0);
  }
  while (state.at < state.end) {
    places.at = state.at;
    const size_t rest = state.text.size() - std::min(state.at, state.text.size());
    if (rest >= Places::kBytes) {
      FindInBatch<kWithEncodings>(state, state.text.data() + state.at, has_gfni, places);
    } else {
      // A byte of no class fills up, so that the text seems to end as it does.
      std::array<char, Places::kBytes> padded;
      if (rest > 0) memcpy(padded.data(), state.text.data() + state.at, rest);
      memset(padded.data() + rest, '\x7F', padded.size() - rest);
      FindInBatch<kWithEncodings>(state, padded.data(), has_gfni, places);
      explicit_bzero(padded.data(), rest);
    }
    state.at += Places::kBytes;
    if (places.blocks != 0) {
      if (kWithEncodings) {
        const ClassMasks& masks = state.masks[state.turn ^ 1];
        places.base64_bytes = masks.base64;
        places.hex_bytes = masks.hex;
      }
      return true;
    }
  }
  return false;
}

bool FindNext(FirstPass::State& state, Places& places) {
  return state.wanted.encodings ? FindNextWith<true>(state, places)
                                : FindNextWith<false>(state, places);
}

}  // namespace skimwatch::card::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace skimwatch::card {

HWY_EXPORT(FindNext);
HWY_EXPORT(Sextets);

FirstPass::FirstPass(std::string_view text, size_t begin, size_t end, Wanted wanted,
                     const NumberFilter& filter) {
  state_.text = text;
  state_.at = begin;
  state_.end = end >= text.size() ? text.size() + kFirstPassReach : end;
  state_.wanted = wanted;
  state_.filter = &filter;
  // What is before the text is of no class. Of a text that goes on before `begin`, it matters to
  // the first byte only whether a digit is before it.
  state_.masks[1] = {};
  if (begin > 0 && IsAsciiDigit(text[begin - 1])) {
    state_.masks[1].digit[Places::kBlocks - 1] = uint64_t{1} << 63;
  }
}

bool FirstPass::Next(Places& places) { return HWY_DYNAMIC_DISPATCH(FindNext)(state_, places); }

SextetClasses ClassifySextetsByVector(const char* block) {
  return HWY_DYNAMIC_DISPATCH(Sextets)(block);
}

}  // namespace skimwatch::card
#endif  // HWY_ONCE
