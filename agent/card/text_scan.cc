#include "agent/card/text_scan.h"

#include <string.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "agent/card/base64_alphabet.h"
#include "agent/card/code_list.h"
#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

constexpr size_t kBase64Group = 4;
constexpr size_t kNumberBytesMin = 12;
// Encoded runs are followed this far out of the part of a level that is asked for.
constexpr size_t kRunContextBytes = 2048;
// Text around the part of a piece that it answers for.
constexpr size_t kPieceContextBytes = 1024;
// Places just outside that are looked at too, so that what begins just inside is recognised.
constexpr size_t kSlackBytes = 256;

// Calls `visit` with the position of every set bit of a block's mask from `done` on, lowest first.
// `done` may grow meanwhile.
template <typename Visit>
void ForEachPlace(uint64_t places, size_t block, const size_t& done, Visit visit) {
  while (places != 0) {
    if (done > block) {
      if (done - block >= kBlockBytes) return;
      places &= ~uint64_t{0} << (done - block);
      if (places == 0) return;
    }
    const size_t at = block + static_cast<size_t>(std::countr_zero(places));
    places &= places - 1;
    visit(at);
  }
}

// The run of bytes for which `is_of` holds around `at`, within [floor, ceiling); `members` are
// those of the block that `at` is in, which spares to look at each.
template <typename IsOf>
TextScan::Run RunAround(std::string_view text, size_t at, size_t block, uint64_t members,
                        size_t floor, size_t ceiling, IsOf is_of) {
  const size_t place = at - block;
  const auto before = static_cast<size_t>(std::countl_one(members << (kBlockBytes - 1 - place)));
  const auto after = static_cast<size_t>(std::countr_one(members >> place));
  TextScan::Run run = {.begin = std::max(at + 1 - before, floor),
                       .end = std::min(at + after, ceiling)};
  while (run.begin > floor && is_of(text[run.begin - 1])) --run.begin;
  while (run.end < ceiling && is_of(text[run.end])) ++run.end;
  return run;
}

// Whether some twelve pairs of hexadecimal digits in a row, or in all when they are digits between
// other things, could be the digits of a number or of text around it.
bool MayHoldNumberInHex(std::string_view text, size_t begin, size_t end) {
  // Twelve pairs of ASCII in a row; seen from their end, most of random pairs need no look.
  for (size_t at = begin; at + 2 * kNumberBytesMin <= end;) {
    size_t pair = at + 2 * kNumberBytesMin;
    while (pair > at && text[pair - 2] < '8') pair -= 2;
    if (pair == at) return true;
    at = pair;
  }
  uint32_t digits = 0;
  uint32_t wide = 0;
  for (size_t at = begin; at + 2 <= end; at += 2) {
    const auto high = static_cast<uint8_t>(text[at]);
    const auto low = static_cast<uint8_t>(text[at + 1]);
    // Both are hexadecimal digits, so that what is not above `9` is a digit.
    digits += static_cast<uint32_t>(high == '3') & static_cast<uint32_t>(low <= '9');
    wide +=
        static_cast<uint32_t>((high | 0x20) == 'e') & static_cast<uint32_t>((low | 0x20) == 'f');
  }
  return digits >= kNumberBytesMin || wide >= kNumberBytesMin;
}

// Whether a group of base64 at `at` stands for three bytes of ASCII.
bool IsAsciiGroup(std::string_view text, size_t at) {
  return (SextetOf(text[at]) & 0x20) == 0 && (SextetOf(text[at + 1]) & 0x08) == 0 &&
         (SextetOf(text[at + 2]) & 0x02) == 0;
}

// Whether groups of base64 in [begin, end) that stand for ASCII stand for text: signs that can be
// printed and white space, or these in UTF-16. Code and images have many other bytes below 0x80.
bool MayBeText(std::string_view text, size_t begin, size_t end) {
  constexpr size_t kBytesMax = 12;
  std::array<uint8_t, kBytesMax> bytes{};
  size_t size = 0;
  for (size_t at = begin; at < end; at += kBase64Group) {
    const uint32_t bits = uint32_t{SextetOf(text[at])} << 18 | SextetOf(text[at + 1]) << 12 |
                          SextetOf(text[at + 2]) << 6 | SextetOf(text[at + 3]);
    bytes[size++] = static_cast<uint8_t>(bits >> 16);
    bytes[size++] = static_cast<uint8_t>(bits >> 8);
    bytes[size++] = static_cast<uint8_t>(bits);
  }
  std::array<size_t, 2> nuls{};
  bool is_text = true;
  for (size_t i = 0; i < size; ++i) {
    const uint8_t byte = bytes[i];
    if (byte == 0) {
      ++nuls[i % 2];
    } else if (byte < ' ' && byte != '\t' && byte != '\n' && byte != '\r') {
      is_text = false;
    }
  }
  explicit_bzero(bytes.data(), size);
  // In UTF-16 every other byte is NUL, but for those of signs beyond Latin.
  const size_t least = std::min(nuls[0], nuls[1]);
  const size_t most = std::max(nuls[0], nuls[1]);
  return is_text && least == 0 && (most == 0 || most + 2 >= size / 2);
}

// How many groups from `begin` to `end` begin with a character of a class.
size_t CountGroups(std::string_view text, size_t begin, size_t end, uint8_t sextet_class_bit) {
  size_t count = 0;
  for (size_t at = begin; at < end; at += kBase64Group) {
    if ((ClassesOf(kSextetClassTable, text[at]) & sextet_class_bit) != 0) ++count;
  }
  return count;
}

// Whether a number in base64 may lie over the break after a line: groups of text, or some that
// begin as a number's digits beyond ASCII do, are near it. Lines that end within a group are not
// judged.
bool MayGoOnOverBreak(std::string_view text, const TextScan::Run& line, size_t lines_end) {
  constexpr size_t kAroundBytes = 24;
  constexpr size_t kTextGroupsMin = 3;
  constexpr size_t kDigitGroupsMin = 2;
  constexpr size_t kWideGroupsMin = 3;
  if ((line.end - line.begin) % kBase64Group != 0) return true;
  std::array<char, 2 * kAroundBytes> around{};
  size_t size = 0;
  for (size_t at = line.end - std::min(kAroundBytes, line.end - line.begin);
       at < lines_end && size < around.size(); ++at) {
    if (IsBase64(text[at])) around[size++] = text[at];
  }
  const std::string_view groups(around.data(), size / kBase64Group * kBase64Group);
  size_t in_a_row = 0;
  bool is_text = false;
  for (size_t at = 0; at < groups.size(); at += kBase64Group) {
    in_a_row = IsAsciiGroup(groups, at) ? in_a_row + 1 : 0;
    is_text = is_text || in_a_row >= kTextGroupsMin;
  }
  const bool result =
      is_text ||
      CountGroups(groups, 0, groups.size(), sextet_class::kDigitFirst) >= kDigitGroupsMin ||
      CountGroups(groups, 0, groups.size(), sextet_class::kWideFirst) >= kWideGroupsMin;
  explicit_bzero(around.data(), size);
  return result;
}

// How many groups of four begin with a byte of a mask, in a block whose first byte begins one.
uint32_t CountGroups(uint64_t mask) {
  uint64_t count = mask & 0x1111111111111111u;
  count = (count + (count >> 4)) & 0x0303030303030303u;
  return static_cast<uint32_t>(count * 0x0101010101010101u >> 56);
}

// Classifies the rest of a text that fills no block.
template <typename Classes>
Classes ClassifyPadded(std::string_view text, size_t at, Classes (*classify)(const char*)) {
  // A byte of no class fills up, so that the text seems to end as it does.
  std::array<char, kBlockBytes> block;
  block.fill('\x01');
  std::copy(text.begin() + static_cast<ptrdiff_t>(at), text.end(), block.begin());
  const Classes classes = classify(block.data());
  explicit_bzero(block.data(), block.size());
  return classes;
}

// Whether a separator stands at `at` with a digit after it.
bool SeparatesDigits(std::string_view text, size_t at) {
  const SeparatorSymbol separator = SeparatorAt(text, at);
  return separator.bytes > 0 && DigitAt(text, at + separator.bytes).bytes > 0;
}

bool IsLineBreak(char c) { return c == '\n' || c == '\r'; }

// Where the line after the one that ends at `at` begins, indents left out; `at` when the line does
// not end there.
size_t NextLine(std::string_view text, size_t at) {
  size_t next = at;
  while (next < text.size() && next - at < 2 && IsLineBreak(text[next])) ++next;
  if (next == at) return at;
  while (next < text.size() && (text[next] == ' ' || text[next] == '\t')) ++next;
  return next;
}

size_t Base64End(std::string_view text, size_t at) {
  while (at < text.size() && IsBase64(text[at])) ++at;
  return at;
}

// Whether an escape at `at` stands for a line break: `\n`, `%0A`.
bool IsEscapedLineBreak(std::string_view text, size_t at) {
  const Neighbour symbol = NeighbourAfter(text, at);
  return symbol.escaped() && (symbol.code == '\n' || symbol.code == '\r');
}

// Whether an escaped line break ends at `at`.
bool FollowsEscapedLineBreak(std::string_view text, size_t at) {
  const Neighbour symbol = NeighbourBefore(text, at);
  return symbol.escaped() && (symbol.code == '\n' || symbol.code == '\r');
}

// Whether a text ends at `at`, or with an escape that was cut in the middle.
bool EndsAtCut(std::string_view text, size_t at) {
  return at == text.size() || IsCutEscape(text, at);
}

// Whether the text before `at` is at most `left` bytes, or may be an escape that was cut.
bool BeginsAtCut(std::string_view text, size_t at, size_t left) {
  return at <= left || MayBeEndOfEscape(text, at);
}

std::optional<Encoding> EncodingOf(Form form) {
  switch (form) {
    case Form::kBase64:
      return Encoding::kBase64;
    case Form::kHex:
      return Encoding::kHex;
    case Form::kQuotedPairs:
      return Encoding::kQuotedPrintable;
    case Form::kHexPairs:
    case Form::kDecimalCodes:
      return Encoding::kCharCodes;
    case Form::kEscapes:
    case Form::kUtf16Le:
    case Form::kUtf16Be:
      return std::nullopt;
  }
  return std::nullopt;
}

// Adds the kinds of escapes in [begin, end) of `text`, which can be undone in any order.
void AddEscapes(std::string_view text, size_t begin, size_t end,
                absl::InlinedVector<Encoding, 4>& encodings) {
  constexpr std::array<Encoding, kEscapeKinds> kEncodings = {
      Encoding::kPercent, Encoding::kJsonEscape, Encoding::kHtmlEntity};
  const std::array<bool, kEscapeKinds> kinds = EscapesIn(text, begin, end);
  for (size_t i = kEscapeKinds; i > 0; --i) {
    if (kinds[i - 1]) encodings.insert(encodings.begin(), kEncodings[i - 1]);
  }
}

}  // namespace

TextScan::TextScan(int decode_depth, const BrandTable& brands)
    : decode_depth_(std::clamp(decode_depth, 0, static_cast<int>(kLevelsMax) - 2)),
      finder_(brands),
      emv_finder_(brands),
      split_fields_(brands),
      loose_groups_(brands),
      filter_(brands) {
  // One level for each encoding, and one for UTF-16.
  for (int level = 0; level <= decode_depth_; ++level) {
    decoded_[level] = std::make_unique<DecodedText>();
  }
}

void TextScan::Scan(const Window& window, const StreamFacts& facts,
                    std::vector<CardMatch>& matches) {
  facts_ = &facts;
  matches_ = &matches;
  offset_ = window.offset;
  decode_budget_ = kDecodedPerByteMax * window.bytes.size() + DecodedText::kCapacity;
  const Level level = {.text = window.bytes,
                       .begin = window.begin,
                       .end = window.end,
                       .is_first = window.is_first,
                       .is_last = window.is_last,
                       .depth_left = decode_depth_};
  ScanLevel(level);
}

void TextScan::Wipe() {
  for (const auto& decoded : decoded_) {
    if (decoded != nullptr) decoded->Wipe();
  }
}

void TextScan::ScanLevel(const Level& level) {
  const std::string_view text = level.text;
  const size_t from = level.begin > kSlackBytes ? level.begin - kSlackBytes : 0;
  const size_t to = std::min(text.size(), level.end + kSlackBytes);
  Progress progress;
  const FirstPass::Wanted wanted = {.encodings = level.depth_left > 0, .fields = decode_depth_ > 0};
  FirstPass first_pass(text, from, to, wanted, filter_);
  Places places;
  while (first_pass.Next(places)) {
    for (uint64_t left = places.blocks; left != 0; left &= left - 1) {
      const auto index = static_cast<size_t>(std::countr_zero(left));
      const size_t block = places.at + index * kBlockBytes;
      const auto look = [&](auto scan, const Places::Masks& masks) {
        if (masks[index] != 0) (this->*scan)(level, masks[index], block, progress);
      };
      if ((places.digits[index] | places.wide[index] | places.escapes[index]) != 0) {
        ScanDigitsAndEscapes(level, places, index, progress);
      }
      look(&TextScan::ScanBreaks, places.breaks);
      look(&TextScan::ScanUtf16, places.utf16);
      look(&TextScan::ScanPairs, places.pairs);
      if ((places.base64[index] | places.base64_runs[index]) != 0) {
        ScanBase64(level, places, index, progress);
      }
      if (const uint64_t runs = places.hex[index]; runs != 0) {
        ScanHexRuns(level, runs, places.hex_bytes[index], block, progress);
      }
      if ((places.values[index] | places.gaps[index] | places.tags[index] |
           places.tag_text[index]) != 0) {
        ScanFields(level, places, index, progress);
      }
    }
  }
}

void TextScan::ScanFields(const Level& level, const Places& places, size_t index,
                          Progress& progress) {
  const std::string_view text = level.text;
  const size_t block = places.at + index * kBlockBytes;
  const auto report = [&](const Candidate& candidate) { Report(level, candidate, progress.quiet); };
  constexpr size_t kNothingDone = 0;
  ForEachPlace(places.values[index], block, kNothingDone,
               [&](size_t at) { split_fields_.TakeValue(text, at, progress.value, report); });
  ForEachPlace(places.gaps[index], block, kNothingDone, [&](size_t at) {
    loose_groups_.FindFrom(text, IsAsciiDigit(text[at - 1]) ? at : at - 1, report);
  });
  ForEachPlace(places.tags[index], block, kNothingDone,
               [&](size_t at) { emv_finder_.FindBinary(text, at, report); });
  ForEachPlace(places.tag_text[index], block, kNothingDone, [&](size_t at) {
    emv_finder_.FindInHex(text, IsAsciiDigit(text[at]) ? at : at - 1, report);
  });
}

void TextScan::ScanChain(const Level& level, size_t at, Progress& progress) {
  progress.digits = finder_.FindInChain(level.text, at, [&](const Candidate& candidate) {
    Report(level, candidate, progress.quiet);
  });
}

void TextScan::ScanDigitsAndEscapes(const Level& level, const Places& places, size_t index,
                                    Progress& progress) {
  const uint64_t digits = places.digits[index];
  const uint64_t wide = places.wide[index];
  const uint64_t escapes = places.escapes[index];
  const size_t block = places.at + index * kBlockBytes;
  constexpr size_t kEscapeSeenAfter = 2;
  // In order, since a chain is done with once one behind it is.
  for (uint64_t left = digits | wide | escapes; left != 0; left &= left - 1) {
    const uint64_t bit = left & -left;
    const size_t at = block + static_cast<size_t>(std::countr_zero(left));
    if ((digits & bit) != 0 && at - 1 >= progress.digits) ScanChain(level, at - 1, progress);
    if ((wide & bit) != 0 && at >= progress.digits &&
        (WideDigitAt(level.text, at).bytes > 0 || SeparatesDigits(level.text, at))) {
      ScanChain(level, at, progress);
    }
    if ((escapes & bit) != 0) ScanEscape(level, at - kEscapeSeenAfter, progress);
  }
}

void TextScan::ScanBreaks(const Level& level, uint64_t places, size_t block, Progress& progress) {
  constexpr size_t kSeenAfter = 9;
  constexpr size_t kNothingDone = 0;
  ForEachPlace(places, block, kNothingDone,
               [&](size_t at) { ScanEscape(level, at - kSeenAfter, progress); });
}

void TextScan::ScanEscape(const Level& level, size_t at, Progress& progress) {
  const std::string_view text = level.text;
  const char mark = text[at];
  // `%20` and `&nbsp;` between digits separate groups of a plain number.
  const char next = at + 1 < text.size() ? text[at + 1] : '\0';
  const bool may_separate = (mark == '%' && next == '2') || (mark == '&' && next == 'n');
  if (may_separate && at >= progress.digits && at > 0 && IsAsciiDigit(text[at - 1]) &&
      SeparatesDigits(text, at)) {
    ScanChain(level, at, progress);
  }
  if (level.depth_left == 0 || at < progress.escapes || !MayTell(text, at)) return;
  if (!IsTellingEscape(text, at)) return;
  const size_t floor = level.begin > kRunContextBytes ? level.begin - kRunContextBytes : 0;
  const size_t ceiling = std::min(text.size(), level.end + kRunContextBytes);
  const Stretch stretch = EscapedStretch(text, at, floor, ceiling);
  progress.escapes = stretch.end;
  ScanEncoded(level, Form::kEscapes, {stretch.begin, stretch.end},
              level.is_first && stretch.begin == 0, level.is_last && stretch.end == text.size(),
              {stretch.core_begin, stretch.core_end});
}

void TextScan::ScanHexRuns(const Level& level, uint64_t places, uint64_t alphabet, size_t block,
                           Progress& progress) {
  const std::string_view text = level.text;
  ForEachPlace(places, block, progress.hex, [&](size_t at) {
    const size_t floor =
        std::max(progress.hex, level.begin > kRunContextBytes ? level.begin - kRunContextBytes : 0);
    const size_t ceiling = std::min(text.size(), level.end + kRunContextBytes);
    const auto [begin, end] = RunAround(text, at, block, alphabet, floor, ceiling,
                                        [](char c) { return HexValue(c) >= 0; });
    progress.hex = std::max(end, at + 1);
    const bool is_first = (floor == 0 && level.is_first) || !BeginsAtCut(text, begin, floor);
    const bool is_last =
        (ceiling == text.size() && level.is_last) || !(end == ceiling || EndsAtCut(text, end));
    if (WasSeenEscaped(level, {begin, end})) return;
    for (const size_t from : {begin, begin + 1}) {
      if (MayHoldNumberInHex(text, from, end)) {
        ScanEncoded(level, Form::kHex, {from, end}, is_first, is_last);
      }
    }
  });
}

void TextScan::ScanPairs(const Level& level, uint64_t places, size_t block, Progress& progress) {
  const std::string_view text = level.text;
  const size_t ceiling = std::min(text.size(), level.end + kRunContextBytes);
  // Of a number's twelve codes, eight in a row are seen when every fourth is looked at.
  constexpr size_t kStep = 12;
  ForEachPlace(places, block, progress.pairs, [&](size_t at) {
    if (at < progress.pairs_seen) return;
    progress.pairs_seen = at + kStep;
    const size_t floor = std::max(
        progress.pairs, level.begin > kRunContextBytes ? level.begin - kRunContextBytes : 0);
    size_t done = progress.pairs;
    for (const Form form : {Form::kHexPairs, Form::kQuotedPairs, Form::kDecimalCodes}) {
      if (!MayBeCodesOfNumber(form, text, at)) continue;
      const CodeList list = CodeListAround(form, text, at, floor, ceiling);
      done = std::max(done, list.end);
      if (list.digits < kNumberBytesMin || WasSeenEscaped(level, {list.begin, list.end})) continue;
      const bool is_first = (floor == 0 && level.is_first) || !BeginsAtCut(text, list.begin, floor);
      const bool is_last = (ceiling == text.size() && level.is_last) ||
                           !(list.end == ceiling || EndsAtCut(text, list.end));
      ScanEncoded(level, form, {list.begin, list.end}, is_first, is_last);
    }
    progress.pairs = done;
  });
}

void TextScan::ScanUtf16(const Level& level, uint64_t places, size_t block, Progress& progress) {
  if (level.within_utf16) return;
  const std::string_view text = level.text;
  const size_t floor = level.begin > kRunContextBytes ? level.begin - kRunContextBytes : 0;
  const size_t ceiling = std::min(text.size(), level.end + kRunContextBytes);
  // The high byte of a sign of Latin text or of a full-width digit, or of a wide space or hyphen.
  const auto is_high = [](char c) { return c == 0 || c == '\xFF'; };
  const auto is_pair = [&](size_t low) {
    return text[low] != 0 && (is_high(text[low + 1]) || text[low + 1] == 0x20);
  };
  ForEachPlace(places, block, progress.utf16, [&](size_t at) {
    size_t begin = at;
    while (begin >= floor + 2 && is_pair(begin - 2)) begin -= 2;
    size_t end = at;
    while (end + 2 <= ceiling && is_pair(end)) end += 2;
    progress.utf16 = std::max(end, at + 1);
    if (IsPatternOfWideDigits(text.substr(begin, end - begin))) return;
    const bool high_before = begin > floor && is_high(text[begin - 1]);
    const bool sign_after = end < ceiling && text[end] != 0;
    // Where a text is torn, half a unit may be left over, which looks like one in the other order;
    // what touches that place is found where it is whole.
    constexpr size_t kUnitBytes = 2;
    const bool is_first =
        (floor == 0 && level.is_first) ||
        !(begin < floor + kUnitBytes || MayBeEndOfEscape(text, begin - kUnitBytes));
    const bool is_last = (ceiling == text.size() && level.is_last) ||
                         !(end + kUnitBytes > ceiling || EndsAtCut(text, end) ||
                           EndsAtCut(text, end + 1) || EndsAtCut(text, end + kUnitBytes));
    if ((!is_first && level.is_torn_before) || (!is_last && level.is_torn_behind)) return;
    // Between NULs both orders read the same.
    if (high_before && sign_after) {
      ScanEncoded(level, Form::kUtf16Be, {begin - 1, end + 1}, is_first, is_last);
    } else {
      ScanEncoded(level, Form::kUtf16Le, {begin, end}, is_first, is_last);
    }
  });
}

void TextScan::ScanBase64(const Level& level, const Places& places, size_t index,
                          Progress& progress) {
  const uint64_t groups = places.base64[index];
  const size_t block = places.at + index * kBlockBytes;
  for (uint64_t left = groups | places.base64_runs[index]; left != 0; left &= left - 1) {
    const uint64_t bit = left & -left;
    const size_t at = block + static_cast<size_t>(std::countr_zero(left));
    if ((groups & bit) != 0) {
      const size_t group = at + 1 - kBase64Group;
      size_t& done = progress.base64_text[group % kBase64Group];
      if (group >= done) {
        const Run run = Base64RunAt(level, at, places, index, progress);
        done = WasSeenEscaped(level, run) ? run.end : ScanBase64Groups(level, run, group, done);
      }
    }
    if ((places.base64_runs[index] & bit) == 0) continue;
    if (!IsBase64(level.text[at])) {
      if (!IsLineBreak(level.text[at])) continue;
      const Run run = Base64RunAt(level, at - 1, places, at > block ? index : index - 1, progress);
      if (run.begin >= progress.lines) ScanBase64Lines(level, run, progress);
    } else if (at >= progress.base64_runs) {
      const Run run = Base64RunAt(level, at, places, index, progress);
      progress.base64_runs = run.end;
      if (!WasSeenEscaped(level, run))
        ScanBase64Run(level, run, progress.base64_text[run.begin % kBase64Group]);
    }
  }
}

TextScan::Run TextScan::Base64RunAt(const Level& level, size_t at, const Places& places,
                                    size_t index, Progress& progress) {
  Run& run = progress.base64_run;
  if (at >= run.begin && at < run.end) return run;
  const size_t floor = level.begin > kRunContextBytes ? level.begin - kRunContextBytes : 0;
  const size_t ceiling = std::min(level.text.size(), level.end + kRunContextBytes);
  run = {.begin = at, .end = at};
  // By masks within the batch; what is in another batch, byte by byte.
  if (index < Places::kBlocks) {
    const size_t bit = (at - places.at) % kBlockBytes;
    size_t before = std::countl_one(places.base64_bytes[index] << (kBlockBytes - 1 - bit));
    for (size_t i = index; i > 0 && before == bit + 1 + (index - i) * kBlockBytes; --i) {
      before += std::countl_one(places.base64_bytes[i - 1]);
    }
    size_t after = std::countr_one(places.base64_bytes[index] >> bit);
    for (size_t i = index + 1; i < Places::kBlocks && after == (i - index) * kBlockBytes - bit;
         ++i) {
      after += std::countr_one(places.base64_bytes[i]);
    }
    run = {.begin = std::max(at + 1 - std::min(before, at + 1), floor),
           .end = std::min(at + after, ceiling)};
  }
  while (run.begin > floor && IsBase64(level.text[run.begin - 1])) --run.begin;
  while (run.end < ceiling && IsBase64(level.text[run.end])) ++run.end;
  return run;
}

bool TextScan::WasSeenEscaped(const Level& level, const Run& run) {
  if (level.parent == nullptr || level.form != Form::kEscapes) return false;
  // What stands beside it ends it in the level above as it does here.
  if (run.begin == 0 || run.end >= level.text.size()) return false;
  const size_t begin = run.begin - 1;
  const size_t end = run.end + 1;
  return level.decoded->Source(end) - level.decoded->Source(begin) == end - begin;
}

bool TextScan::BeginsHere(const Level& level, const Run& run) {
  const bool is_cut = !level.is_first && BeginsAtCut(level.text, run.begin, 0);
  return !is_cut && (run.begin == 0 || !IsBase64(level.text[run.begin - 1]));
}

bool TextScan::EndsHere(const Level& level, size_t end) {
  return level.is_last || !EndsAtCut(level.text, end);
}

void TextScan::ScanBase64Lines(const Level& level, const Run& run, Progress& progress) {
  const size_t ceiling = std::min(level.text.size(), level.end + kRunContextBytes);
  const size_t lines_end = EndOfLines(level.text.substr(0, ceiling), run.begin, run.end);
  if (lines_end == run.end || !MayGoOnOverBreak(level.text, run, lines_end)) return;
  progress.lines = lines_end;
  if (WasSeenEscaped(level, {run.begin, lines_end})) return;
  ScanEncoded(level, Form::kBase64, {run.begin, lines_end}, BeginsHere(level, run),
              EndsHere(level, lines_end));
}

size_t TextScan::EndOfLines(std::string_view text, size_t begin, size_t end) {
  const size_t line_bytes = end - begin;
  size_t last = end;
  size_t next = NextLine(text, last);
  while (next > last) {
    const size_t line_end = Base64End(text, next);
    // Lines are equally long but for the last.
    if (line_end == next || line_end - next > line_bytes) break;
    const bool shorter = line_end - next < line_bytes;
    last = line_end;
    if (shorter) break;
    next = NextLine(text, last);
  }
  return last;
}

size_t TextScan::ScanBase64Groups(const Level& level, const Run& run, size_t group, size_t done) {
  constexpr size_t kGroupsMin = 3;
  constexpr size_t kMoreBytes = kGroupsMin * kBase64Group;
  constexpr size_t kTextBeforeMax = 512;
  const std::string_view text = level.text;
  const size_t end = group + kBase64Group;
  if (run.end < run.begin + kBase64RunMin || end > run.end || end < run.begin + kMoreBytes) {
    return done;
  }
  // Three groups are a sign where each begins with what a number has, four where they are of text.
  size_t first = end - kMoreBytes;
  if (CountGroups(text, first, end, sextet_class::kNumberFirst) < kGroupsMin) {
    if (first < run.begin + kBase64Group) return done;
    first -= kBase64Group;
    if (!MayBeText(text, first, end)) return done;
  }
  // What is before, though it was not taken for text, may be the name of a field.
  const size_t floor = std::max({run.begin + kBase64Group, done,
                                 first > kTextBeforeMax ? first - kTextBeforeMax : size_t{0}});
  while (first >= floor && IsAsciiGroup(text, first - kBase64Group)) first -= kBase64Group;
  return ScanBase64Text(level, run.begin, first, end, run.end);
}

void TextScan::ScanBase64Run(const Level& level, const Run& run, size_t text_done) {
  // Where the run begins with what is encoded, digits beyond ASCII, or between bytes beyond it, are
  // told by how many groups begin with their bytes.
  constexpr uint32_t kDigitGroupsMin = 4;
  constexpr uint32_t kWideGroupsMin = 6;
  const auto [begin, end] = run;
  if (end < begin + kBase64RunMin || !BeginsHere(level, run)) return;
  const std::string_view text = level.text.substr(0, end);
  size_t done = text_done;
  uint32_t digit_groups_before = 0;
  uint32_t wide_groups_before = 0;
  for (size_t block = begin; block + kBase64Group <= end; block += kBlockBytes) {
    SextetClasses classes;
    if (block + kBlockBytes <= level.text.size()) {
      classes = ClassifySextetsByVector(level.text.data() + block);
    } else {
      classes = ClassifyPadded(text, block, ClassifySextetsByVector);
    }
    const uint32_t digit_groups = CountGroups(classes.digit_first);
    const uint32_t wide_groups = CountGroups(classes.wide_first);
    if (done <= block && (digit_groups + digit_groups_before >= kDigitGroupsMin ||
                          wide_groups + wide_groups_before >= kWideGroupsMin)) {
      const size_t from = block - begin > 2 * kBlockBytes ? block - 2 * kBlockBytes : begin;
      const size_t to = std::min(block + 3 * kBlockBytes, end);
      // Those that begin in other blocks are answered for there.
      const Run core = {from == begin ? from : block - kBlockBytes,
                        to == end ? to : block + kBlockBytes};
      // UTF-16, whose order is not known beside a cut, shows as text.
      Level of_run = level;
      of_run.within_utf16 = level.within_utf16 || from > begin || to < end;
      ScanEncoded(of_run, Form::kBase64, {from, to}, from == begin,
                  to == end && EndsHere(level, end), core);
      done = block + kBlockBytes;
    }
    digit_groups_before = digit_groups;
    wide_groups_before = wide_groups;
  }
}

size_t TextScan::ScanBase64Text(const Level& level, size_t begin, size_t first, size_t last,
                                size_t end) {
  // Signs beyond ASCII here and there in a text do not end it.
  constexpr size_t kGapMax = 4 * kBase64Group;
  const std::string_view text = level.text;
  size_t text_end = last;
  for (size_t at = last; at + kBase64Group <= end && at <= text_end + kGapMax; at += kBase64Group) {
    if (IsAsciiGroup(text, at)) text_end = at + kBase64Group;
  }
  // The groups on both sides may hold a digit or two yet.
  const size_t from = std::max(begin + (first - begin) % kBase64Group,
                               first > kGapMax ? first - kGapMax : size_t{0});
  const size_t aligned = from + (first - from) % kBase64Group;
  const size_t to = std::min(text_end + kGapMax, end);
  // Where lines are broken by escapes, a number that touches the break is seen whole, or is none,
  // once these are undone.
  const bool escapes_follow = level.depth_left > 1;
  const bool is_first = (level.is_first || !BeginsAtCut(text, begin, 0)) &&
                        (!escapes_follow || !FollowsEscapedLineBreak(text, aligned));
  const bool is_last =
      EndsHere(level, end) && (!escapes_follow || to != end || !IsEscapedLineBreak(text, end));
  ScanEncoded(level, Form::kBase64, {aligned, to}, is_first, is_last);
  return text_end;
}

void TextScan::ScanEncoded(const Level& level, Form form, const Run& run, bool is_first,
                           bool is_last, const Run& core) {
  const auto [begin, end] = run;
  if (end < begin + kNumberBytesMin) return;
  const bool utf16 = form == Form::kUtf16Le || form == Form::kUtf16Be;
  DecodedText& decoded = *decoded_[level.index];
  Level piece = {.parent = &level,
                 .decoded = &decoded,
                 .form = form,
                 .index = level.index + 1,
                 .depth_left = utf16 ? level.depth_left : level.depth_left - 1,
                 .within_utf16 = level.within_utf16 || utf16};
  size_t at = begin;
  // Where in the piece the part begins that no piece before answered for.
  std::optional<size_t> answered;
  bool first = true;
  while (true) {
    decoded.Clear();
    const size_t stopped = Decode(form, level.text, at, end, decoded);
    const bool last = stopped >= end;
    if (decoded.size() > decode_budget_) {
      bytes_not_decoded_ += end - at;
      return;
    }
    decode_budget_ -= decoded.size();
    piece.text = decoded.view();
    piece.is_first = first && is_first;
    piece.is_last = last && is_last;
    piece.is_torn_before = first && !is_first;
    piece.is_torn_behind = last && !is_last;
    piece.begin = answered.value_or(decoded.IndexOf(core.begin));
    piece.end = last ? decoded.IndexOf(core.end) : decoded.size() - kPieceContextBytes;
    if (decoded.size() >= kNumberBytesMin) ScanLevel(piece);
    if (last) return;
    // The next piece begins with context for what this one leaves, where a unit begins.
    size_t keep = piece.end - kPieceContextBytes;
    while (keep > 0 && decoded.Source(keep - 1) == decoded.Source(keep)) --keep;
    answered = piece.end - keep;
    at = decoded.Source(keep);
    first = false;
  }
}

void TextScan::Report(const Level& level, const Candidate& candidate, QuietText& quiet) {
  // What touches a cut may go on beyond it.
  if (!level.is_first && BeginsAtCut(level.text, candidate.begin, 0)) return;
  if (EndsAtCut(level.text, candidate.end) && !level.is_last) return;
  size_t begin = candidate.begin;
  size_t end = candidate.end;
  absl::InlinedVector<Encoding, 4> encodings;
  for (const Level* at = &level;; at = at->parent) {
    if (at->parent == nullptr) {
      const bool asked_for = begin + kSlackBytes >= at->begin && begin < at->end + kSlackBytes;
      if (!asked_for) return;
      break;
    }
    if (begin < at->begin || begin >= at->end) return;
    const size_t source_begin = at->decoded->Source(begin);
    size_t source_end = at->decoded->SourceEnd(end - 1);
    if (IsCodeList(at->form)) {
      const std::string_view parent = at->parent->text;
      while (source_end > source_begin && HexValue(parent[source_end - 1]) < 0) --source_end;
    }
    if (at->form == Form::kBase64) {
      // The line break after a line is not part of its last group, but padding is.
      const std::string_view parent = at->parent->text;
      while (source_end > source_begin && !IsBase64(parent[source_end - 1])) --source_end;
      const size_t group_end = at->decoded->Source(end - 1) + kBase64Group;
      while (source_end < std::min(group_end, parent.size()) && parent[source_end] == '=') {
        ++source_end;
      }
    }
    if (const auto encoding = EncodingOf(at->form); encoding.has_value()) {
      encodings.insert(encodings.begin(), *encoding);
    } else if (at->form == Form::kEscapes) {
      // Those around the number do not count.
      AddEscapes(at->parent->text, source_begin, source_end, encodings);
    }
    begin = source_begin;
    end = source_end;
  }
  // A list of numbers fills the matches of a window in few steps.
  constexpr size_t kMatchesFirst = 64;
  constexpr size_t kMatchesGrowth = 4;
  if (matches_->size() == matches_->capacity()) {
    matches_->reserve(std::max(kMatchesFirst, kMatchesGrowth * matches_->size()));
  }
  CardMatch& match = matches_->emplace_back();
  if (!Weigh(level.text, candidate, *facts_, match, &quiet)) {
    matches_->pop_back();
    return;
  }
  match.offset = offset_ + begin;
  match.length = static_cast<uint32_t>(end - begin);
  match.brand = candidate.brand.brand;
  match.iin_digits = candidate.brand.iin_digits;
  match.digits = SecretDigits(candidate.span());
  match.encodings = std::move(encodings);
}

}  // namespace skimwatch::card
