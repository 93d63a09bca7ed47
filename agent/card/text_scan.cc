#include "agent/card/text_scan.h"

#include <string.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "agent/card/base64_alphabet.h"
#include "agent/card/field_pass.h"
#include "agent/card/first_pass.h"
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
struct Run {
  size_t begin;
  size_t end;
};
template <typename IsOf>
Run RunAround(std::string_view text, size_t at, size_t block, uint64_t members, size_t floor,
              size_t ceiling, IsOf is_of) {
  const size_t place = at - block;
  const auto before = static_cast<size_t>(std::countl_one(members << (kBlockBytes - 1 - place)));
  const auto after = static_cast<size_t>(std::countr_one(members >> place));
  Run run = {.begin = std::max(at + 1 - before, floor), .end = std::min(at + after, ceiling)};
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
  constexpr size_t kEscapeBytesMax = 10;
  if (at == text.size()) return true;
  const bool is_escape = text[at] == '\\' || text[at] == '%' || text[at] == '&';
  return is_escape && text.size() - at < kEscapeBytesMax && !NeighbourAfter(text, at).escaped();
}

std::optional<Encoding> EncodingOf(Form form) {
  switch (form) {
    case Form::kBase64:
      return Encoding::kBase64;
    case Form::kHex:
      return Encoding::kHex;
    case Form::kPercent:
      return Encoding::kPercent;
    case Form::kBackslash:
      return Encoding::kJsonEscape;
    case Form::kEntity:
      return Encoding::kHtmlEntity;
    case Form::kUtf16Le:
    case Form::kUtf16Be:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

TextScan::TextScan(int decode_depth, const BrandTable& brands)
    : decode_depth_(std::clamp(decode_depth, 0, static_cast<int>(kLevelsMax) - 2)),
      finder_(brands),
      emv_finder_(brands),
      split_fields_(brands) {
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
  FirstPass first_pass(text, from, level.depth_left > 0);
  Places places;
  for (size_t batch = from; batch < to; batch += Places::kBytes) {
    const size_t blocks = std::min(Places::kBlocks, (to - batch + kBlockBytes - 1) / kBlockBytes);
    first_pass.Next(blocks, places);
    for (uint64_t left = places.blocks; left != 0; left &= left - 1) {
      const auto index = static_cast<size_t>(std::countr_zero(left));
      const size_t block = batch + index * kBlockBytes;
      const auto look = [&](auto scan, const Places::Masks& masks) {
        if (masks[index] != 0) (this->*scan)(level, masks[index], block, progress);
      };
      const uint64_t signs = places.wide[index] | places.escapes[index];
      if ((places.digits[index] | signs) != 0) {
        ScanDigits(level, places.digits[index], signs, block, progress);
      }
      look(&TextScan::ScanEscapes, places.escapes);
      look(&TextScan::ScanUtf16, places.utf16);
      if (const uint64_t runs = places.base64[index]; runs != 0) {
        ScanBase64Runs(level, runs, places.base64_bytes[index], block, progress);
      }
      if (const uint64_t runs = places.hex[index]; runs != 0) {
        ScanHexRuns(level, runs, places.hex_bytes[index], block, progress);
      }
    }
  }
  if (decode_depth_ > 0) ScanFields(level, from, to);
}

void TextScan::ScanFields(const Level& level, size_t from, size_t to) {
  const std::string_view text = level.text;
  const auto report = [&](const Candidate& candidate) { Report(level, candidate); };
  constexpr size_t kNothingDone = 0;
  SplitFields::Previous previous;
  FieldPass pass(text, from);
  FieldPlaces places;
  for (size_t batch = from; batch < to; batch += FieldPlaces::kBytes) {
    const size_t blocks =
        std::min(FieldPlaces::kBlocks, (to - batch + kBlockBytes - 1) / kBlockBytes);
    pass.Next(blocks, places);
    for (uint64_t left = places.blocks; left != 0; left &= left - 1) {
      const auto index = static_cast<size_t>(std::countr_zero(left));
      const size_t block = batch + index * kBlockBytes;
      ForEachPlace(places.values[index], block, kNothingDone,
                   [&](size_t at) { split_fields_.TakeValue(text, at, previous, report); });
      ForEachPlace(places.tags[index], block, kNothingDone,
                   [&](size_t at) { emv_finder_.FindBinary(text, at, report); });
      ForEachPlace(places.tag_text[index], block, kNothingDone, [&](size_t at) {
        emv_finder_.FindInHex(text, IsAsciiDigit(text[at]) ? at : at - 1, report);
      });
    }
  }
}

void TextScan::ScanChain(const Level& level, size_t at, Progress& progress) {
  progress.digits = finder_.FindInChain(
      level.text, at, [&](const Candidate& candidate) { Report(level, candidate); });
}

void TextScan::ScanDigits(const Level& level, uint64_t runs, uint64_t signs, size_t block,
                          Progress& progress) {
  const std::string_view text = level.text;
  // `%20` and `&nbsp;` between digits separate groups of a plain number.
  const auto separates = [&](size_t at) {
    const char sign = text[at];
    if (sign == '\\' ||
        ((sign == '%' || sign == '&') && (at == 0 || !IsAsciiDigit(text[at - 1])))) {
      return false;
    }
    return SeparatesDigits(text, at);
  };
  // In the order of the text, since a chain that was read is not gone back before.
  ForEachPlace(runs | signs, block, progress.digits, [&](size_t at) {
    const bool in_run = (runs >> (at - block) & 1) != 0;
    if (in_run || separates(at) || WideDigitAt(text, at).bytes > 0) ScanChain(level, at, progress);
  });
}

void TextScan::ScanEscapes(const Level& level, uint64_t places, size_t block, Progress& progress) {
  const std::string_view text = level.text;
  constexpr size_t kNothingDone = 0;
  ForEachPlace(places, block, kNothingDone, [&](size_t at) {
    const char mark = text[at];
    if (level.depth_left == 0 || !MayTell(text, at)) return;
    const Form form = mark == '%'    ? Form::kPercent
                      : mark == '\\' ? Form::kBackslash
                                     : Form::kEntity;
    size_t& done =
        progress.escapes[static_cast<size_t>(form) - static_cast<size_t>(Form::kPercent)];
    if (at < done || !IsTellingEscape(form, text, at)) return;
    const size_t floor = level.begin > kRunContextBytes ? level.begin - kRunContextBytes : 0;
    const size_t ceiling = std::min(text.size(), level.end + kRunContextBytes);
    const Stretch stretch = EscapedStretch(form, text, at, floor, ceiling);
    done = stretch.end;
    ScanEncoded(level, form, stretch.begin, stretch.end, level.is_first && stretch.begin == 0,
                level.is_last && stretch.end == text.size());
  });
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
    const bool is_first = begin > floor || begin == 0;
    const bool is_last = end < ceiling || end == text.size();
    for (const size_t from : {begin, begin + 1}) {
      if (MayHoldNumberInHex(text, from, end)) {
        ScanEncoded(level, Form::kHex, from, end, is_first, is_last);
      }
    }
  });
}

void TextScan::ScanUtf16(const Level& level, uint64_t places, size_t block, Progress& progress) {
  if (level.within_utf16) return;
  const std::string_view text = level.text;
  const size_t floor = level.begin > kRunContextBytes ? level.begin - kRunContextBytes : 0;
  const size_t ceiling = std::min(text.size(), level.end + kRunContextBytes);
  // The high byte of a sign of Latin text, or of a wide space or hyphen.
  const auto is_pair = [&](size_t low) {
    return text[low] != 0 && (text[low + 1] == 0 || text[low + 1] == 0x20);
  };
  ForEachPlace(places, block, progress.utf16, [&](size_t at) {
    size_t begin = at;
    while (begin >= floor + 2 && is_pair(begin - 2)) begin -= 2;
    size_t end = at;
    while (end + 2 <= ceiling && is_pair(end)) end += 2;
    progress.utf16 = std::max(end, at + 1);
    const bool nul_before = begin > 0 && text[begin - 1] == 0;
    const bool sign_after = end < text.size() && text[end] != 0;
    // Between NULs both orders read the same; code units stand at even offsets then.
    const bool big_endian =
        nul_before && (sign_after || ((level.parent == nullptr ? offset_ : 0) + begin) % 2 != 0);
    if (big_endian) {
      ScanEncoded(level, Form::kUtf16Be, begin - 1, sign_after ? end + 1 : end, true, true);
    } else {
      ScanEncoded(level, Form::kUtf16Le, begin, end, true, true);
    }
  });
}

void TextScan::ScanBase64Runs(const Level& level, uint64_t places, uint64_t alphabet, size_t block,
                              Progress& progress) {
  const std::string_view text = level.text;
  ForEachPlace(places, block, progress.base64, [&](size_t at) {
    const size_t floor = std::max(
        progress.base64, level.begin > kRunContextBytes ? level.begin - kRunContextBytes : 0);
    const size_t ceiling = std::min(text.size(), level.end + kRunContextBytes);
    const auto [begin, end] = RunAround(text, at, block, alphabet, floor, ceiling, IsBase64);
    progress.base64 = std::max(end, at + 1);
    const bool begins_here = begin == 0 ? level.is_first : !IsBase64(text[begin - 1]);
    ScanBase64Run(level, begin, end, begins_here);
    if (begin < progress.lines) return;
    const size_t lines_end = EndOfLines(text.substr(0, ceiling), begin, end);
    if (lines_end == end) return;
    progress.lines = lines_end;
    ScanEncoded(level, Form::kBase64, begin, lines_end, begins_here, true);
  });
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

void TextScan::ScanBase64Run(const Level& level, size_t begin, size_t end, bool begins_here) {
  // The groups of what is encoded may begin at any of four places, the run being longer than it. At
  // each, three groups in a row that decode to ASCII are a sign of text; random characters show it
  // once in 512 times. Where the run begins with the encoded text, digits of other kinds, or
  // between other bytes, are looked for too.
  constexpr uint32_t kDigitGroupsMin = 4;
  constexpr uint32_t kWideGroupsMin = 6;
  const std::string_view text = level.text.substr(0, end);
  std::array<size_t, kBase64Group> done{};
  uint32_t digit_groups_before = 0;
  uint32_t wide_groups_before = 0;
  uint64_t ascii_before = 0;
  for (size_t block = begin; block + kBase64Group <= end; block += kBlockBytes) {
    SextetClasses classes;
    if (block + kBlockBytes <= level.text.size()) {
      classes = ClassifySextetsByVector(level.text.data() + block);
    } else {
      classes = ClassifyPadded(text, block, ClassifySextetsByVector);
    }
    uint64_t second = classes.ascii_second >> 1;
    uint64_t third = classes.ascii_third >> 2;
    if (block + kBlockBytes + 2 <= end) {
      const uint8_t next = SextetOf(text[block + kBlockBytes]);
      const uint8_t after = SextetOf(text[block + kBlockBytes + 1]);
      if ((next & 0x08) == 0) second |= uint64_t{1} << 63;
      if ((next & 0x02) == 0) third |= uint64_t{1} << 62;
      if ((after & 0x02) == 0) third |= uint64_t{1} << 63;
    }
    const uint64_t ascii = classes.ascii_first & second & third;
    const uint64_t three =
        ascii & (ascii << 4 | ascii_before >> 60) & (ascii << 8 | ascii_before >> 56);
    ascii_before = ascii;
    constexpr size_t kNothingDone = 0;
    ForEachPlace(three, block, kNothingDone, [&](size_t at) {
      const size_t phase = (at - begin) % kBase64Group;
      if (at < done[phase] || at + kBase64Group > end) return;
      done[phase] = ScanBase64Text(level, begin, at - 2 * kBase64Group, at + kBase64Group, end);
    });
    const uint32_t digit_groups = CountGroups(classes.digit_first);
    const uint32_t wide_groups = CountGroups(classes.wide_first);
    if (begins_here && done[0] <= block) {
      if (digit_groups + digit_groups_before >= kDigitGroupsMin ||
          wide_groups + wide_groups_before >= kWideGroupsMin) {
        const size_t from = block - begin > 2 * kBlockBytes ? block - 2 * kBlockBytes : begin;
        const size_t to = std::min(block + 3 * kBlockBytes, end);
        ScanEncoded(level, Form::kBase64, from, to, from == begin, to == end);
        done[0] = block + kBlockBytes;
      }
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
    const bool is_ascii = (SextetOf(text[at]) & 0x20) == 0 &&
                          (SextetOf(text[at + 1]) & 0x08) == 0 &&
                          (SextetOf(text[at + 2]) & 0x02) == 0;
    if (is_ascii) text_end = at + kBase64Group;
  }
  // The groups on both sides may hold a digit or two yet.
  const size_t from = std::max(begin + (first - begin) % kBase64Group,
                               first > kGapMax ? first - kGapMax : size_t{0});
  const size_t aligned = from + (first - from) % kBase64Group;
  const size_t to = std::min(text_end + kGapMax, end);
  // Where lines are broken by escapes, a number that touches the break is seen whole, or is none,
  // once these are undone.
  const bool escapes_follow = level.depth_left > 1;
  const bool is_first =
      (begin > 0 || level.is_first) && (!escapes_follow || !FollowsEscapedLineBreak(text, aligned));
  const bool is_last = (end < text.size() || level.is_last) &&
                       (!escapes_follow || to != end || !IsEscapedLineBreak(text, end));
  ScanEncoded(level, Form::kBase64, aligned, to, is_first, is_last);
  return text_end;
}

void TextScan::ScanEncoded(const Level& level, Form form, size_t begin, size_t end, bool is_first,
                           bool is_last) {
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
  size_t answered = 0;
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
    piece.begin = answered;
    piece.end = last ? decoded.size() : decoded.size() - kPieceContextBytes;
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

void TextScan::Report(const Level& level, const Candidate& candidate) {
  // What touches a cut may go on beyond it.
  if (candidate.begin == 0 && !level.is_first) return;
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
    if (at->form == Form::kBase64) {
      // The line break after a line is not part of its last group, but padding is.
      const std::string_view parent = at->parent->text;
      while (source_end > source_begin && !IsBase64(parent[source_end - 1])) --source_end;
      const size_t group_end = at->decoded->Source(end - 1) + kBase64Group;
      while (source_end < std::min(group_end, parent.size()) && parent[source_end] == '=') {
        ++source_end;
      }
    }
    // Escapes were undone around the number, not in it.
    const bool untouched = IsEscape(at->form) && source_end - source_begin == end - begin;
    if (const auto encoding = EncodingOf(at->form); encoding.has_value() && !untouched) {
      encodings.insert(encodings.begin(), *encoding);
    }
    begin = source_begin;
    end = source_end;
  }
  CardMatch match;
  if (!Weigh(level.text, candidate, *facts_, match)) return;
  match.offset = offset_ + begin;
  match.length = static_cast<uint32_t>(end - begin);
  match.brand = candidate.brand.brand;
  match.digits = SecretDigits(candidate.span());
  match.encodings = std::move(encodings);
  matches_->push_back(std::move(match));
}

}  // namespace skimwatch::card
