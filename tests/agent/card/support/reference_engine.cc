#include "tests/agent/card/support/reference_engine.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "agent/card/brand_table.h"
#include "agent/card/card_match.h"
#include "agent/card/decoders.h"
#include "agent/card/evidence.h"
#include "agent/card/loose_groups.h"
#include "agent/card/match_list.h"
#include "agent/card/number_finder.h"
#include "agent/card/symbols.h"

namespace skimwatch::testing {
namespace {

using card::CardMatch;
using card::Encoding;

constexpr size_t kBase64RunMin = 16;
constexpr size_t kHexRunMin = 24;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLineBreak(char c) { return c == '\n' || c == '\r'; }

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
bool IsHex(char c) { return HexValue(c) >= 0; }

int Base64Value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (IsDigit(c)) return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}
bool IsBase64(char c) { return Base64Value(c) >= 0; }

// A text, and for each byte of one that was decoded where in its parent it came from.
struct Text {
  // Null for the stream.
  const Text* parent = nullptr;
  // None for UTF-16, which is no encoding of its own in findings, and for escapes.
  std::optional<Encoding> encoding;
  bool is_base64 = false;
  // For each byte the escape that it was, where escapes were undone.
  std::vector<std::optional<Encoding>> escaped_by;
  std::string bytes;
  std::vector<size_t> from;
  std::vector<size_t> to;
  // A number that touches the begin, or the end, may be a slice of what goes on there.
  bool begin_is_cut = false;
  bool end_is_cut = false;
  // Only numbers of ASCII bytes are read.
  bool is_ascii_only = false;

  void Append(uint32_t byte, size_t unit_from, size_t unit_to) {
    bytes += static_cast<char>(byte);
    from.push_back(unit_from);
    to.push_back(unit_to);
  }
  void AppendUtf8(uint32_t code, size_t unit_from, size_t unit_to) {
    if (code < 0x80) {
      Append(code, unit_from, unit_to);
      return;
    }
    const int tails = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    constexpr uint32_t kLeads[] = {0, 0xC0, 0xE0, 0xF0};
    Append(kLeads[tails] | code >> (6 * tails), unit_from, unit_to);
    for (int i = tails - 1; i >= 0; --i) {
      Append(0x80 | (code >> (6 * i) & 0x3F), unit_from, unit_to);
    }
  }
};

// The number in base `base` at `at`, of at most `digits_max` digits; how many there are in `count`.
uint32_t NumberAt(std::string_view text, size_t at, int base, size_t digits_max, size_t& count) {
  uint32_t value = 0;
  count = 0;
  while (count < digits_max && at + count < text.size()) {
    const int digit = HexValue(text[at + count]);
    if (digit < 0 || digit >= base) break;
    value = value * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
    ++count;
  }
  return value;
}

struct Escape {
  size_t bytes = 0;
  uint32_t code = 0;
  Encoding encoding = Encoding::kPercent;
};

Escape PercentAt(std::string_view text, size_t at) {
  size_t count = 0;
  if (text[at] != '%') return {};
  const uint32_t code = NumberAt(text, at + 1, 16, 2, count);
  return count == 2 ? Escape{3, code} : Escape{};
}

Escape BackslashAt(std::string_view text, size_t at) {
  if (text[at] != '\\' || at + 1 >= text.size()) return {};
  const char kind = text[at + 1];
  size_t count = 0;
  if (kind == 'x') {
    const uint32_t code = NumberAt(text, at + 2, 16, 2, count);
    return count == 2 ? Escape{4, code, Encoding::kJsonEscape} : Escape{};
  }
  if (kind == 'u') {
    if (at + 2 < text.size() && text[at + 2] == '{') {
      const uint32_t code = NumberAt(text, at + 3, 16, 7, count);
      const size_t end = at + 3 + count;
      const bool closed = end < text.size() && text[end] == '}';
      if (count > 0 && closed && code <= 0x10FFFF) {
        return {end + 1 - at, code, Encoding::kJsonEscape};
      }
      return {};
    }
    const uint32_t code = NumberAt(text, at + 2, 16, 4, count);
    return count == 4 ? Escape{6, code, Encoding::kJsonEscape} : Escape{};
  }
  if (kind >= '0' && kind <= '3') {
    const uint32_t code = NumberAt(text, at + 1, 8, 3, count);
    return count == 3 ? Escape{4, code, Encoding::kJsonEscape} : Escape{};
  }
  constexpr std::string_view kNames = "nrtbfv\"'\\/";
  constexpr std::string_view kCodes = "\n\r\t\b\f\v\"'\\/";
  const size_t index = kNames.find(kind);
  if (index == std::string_view::npos) return {};
  return {2, static_cast<uint8_t>(kCodes[index]), Encoding::kJsonEscape};
}

Escape EntityAt(std::string_view text, size_t at) {
  if (text.substr(at, 2) != "&#" || text.size() - at < 4) return {};
  const bool hex = text[at + 2] == 'x' || text[at + 2] == 'X';
  size_t count = 0;
  const size_t number = at + (hex ? 3 : 2);
  const uint32_t code = NumberAt(text, number, hex ? 16 : 10, 7, count);
  if (count == 0 || code > 0x10FFFF) return {};
  const size_t end = number + count;
  const bool closed = end < text.size() && text[end] == ';';
  return {end - at + (closed ? 1 : 0), code, Encoding::kHtmlEntity};
}

// Undoes the escapes in all of a text, of every kind; nothing when there are none that tell of a
// number.
std::optional<Text> Unescaped(const Text& parent) {
  Text text = {
      .parent = &parent, .begin_is_cut = parent.begin_is_cut, .end_is_cut = parent.end_is_cut};
  bool tells = false;
  for (size_t at = 0; at < parent.bytes.size();) {
    Escape escape;
    for (auto* const escape_at : {PercentAt, BackslashAt, EntityAt}) {
      if (escape.bytes == 0) escape = escape_at(parent.bytes, at);
    }
    if (escape.bytes == 0) {
      text.Append(static_cast<uint8_t>(parent.bytes[at]), at, at + 1);
      text.escaped_by.resize(text.bytes.size());
      ++at;
      continue;
    }
    tells = tells || card::IsTellingEscape(parent.bytes, at);
    // Percent stands for bytes, the others for code points.
    if (escape.encoding == Encoding::kPercent) {
      text.Append(escape.code, at, at + escape.bytes);
    } else {
      text.AppendUtf8(escape.code, at, at + escape.bytes);
    }
    text.escaped_by.resize(text.bytes.size(), escape.encoding);
    at += escape.bytes;
  }
  if (!tells) return std::nullopt;
  return text;
}

Text FromBase64(const Text& parent, size_t begin, size_t end) {
  Text text = {.parent = &parent, .encoding = Encoding::kBase64, .is_base64 = true};
  uint32_t bits = 0;
  int count = 0;
  size_t group = begin;
  size_t group_end = begin;
  const auto flush = [&] {
    // Padding belongs to the group that it fills up.
    while (group_end < std::min(group + 4, parent.bytes.size()) && parent.bytes[group_end] == '=') {
      ++group_end;
    }
    if (count == 2) bits <<= 12;
    if (count == 3) bits <<= 6;
    for (int i = 0; i < count - 1; ++i) text.Append(bits >> (16 - 8 * i) & 0xFF, group, group_end);
    bits = 0;
    count = 0;
  };
  for (size_t at = begin; at < end; ++at) {
    const int value = Base64Value(parent.bytes[at]);
    if (value < 0) continue;
    if (count == 0) group = at;
    bits = bits << 6 | static_cast<uint32_t>(value);
    group_end = at + 1;
    if (++count == 4) flush();
  }
  flush();
  return text;
}

Text FromHex(const Text& parent, size_t begin, size_t end) {
  Text text = {.parent = &parent, .encoding = Encoding::kHex};
  for (size_t at = begin; at + 2 <= end; at += 2) {
    text.Append(
        static_cast<uint32_t>(HexValue(parent.bytes[at]) << 4 | HexValue(parent.bytes[at + 1])), at,
        at + 2);
  }
  return text;
}

Text FromUtf16(const Text& parent, size_t begin, size_t end, bool little_endian) {
  Text text = {.parent = &parent};
  for (size_t at = begin; at + 2 <= end; at += 2) {
    const auto first = static_cast<uint8_t>(parent.bytes[at]);
    const auto second = static_cast<uint8_t>(parent.bytes[at + 1]);
    text.AppendUtf8(
        static_cast<uint32_t>(little_endian ? second << 8 | first : first << 8 | second), at,
        at + 2);
  }
  return text;
}

class Engine {
 public:
  explicit Engine(const ScanSetup& setup)
      : finder_(card::BrandTable::Default()),
        loose_groups_(card::BrandTable::Default()),
        with_fields_(setup.options.decode_depth > 0),
        facts_(card::FactsOf(setup.context)) {}

  void Search(const Text& text, int depth, bool within_utf16) {
    FindNumbers(text);
    if (!within_utf16) SearchUtf16(text, depth);
    if (depth == 0) return;
    const std::optional<Text> plain = Unescaped(text);
    if (plain.has_value()) Search(*plain, depth - 1, within_utf16);
    SearchBase64(text, depth, within_utf16);
    SearchHex(text, depth, within_utf16);
  }

  std::vector<CardMatch> matches;

 private:
  void FindNumbers(const Text& text) {
    for (size_t at = 0; at < text.bytes.size();) {
      if (card::DigitAt(text.bytes, at).bytes == 0) {
        ++at;
        continue;
      }
      at = finder_.FindInChain(text.bytes, at,
                               [&](const card::Candidate& candidate) { Report(text, candidate); });
    }
    if (!with_fields_) return;
    // Numbers with more than one sign between their groups.
    for (size_t at = 4; at < text.bytes.size(); ++at) {
      const bool four_before = std::all_of(&text.bytes[at - 4], &text.bytes[at], IsDigit) &&
                               (at == 4 || !IsDigit(text.bytes[at - 5]));
      if (!four_before || IsDigit(text.bytes[at])) continue;
      loose_groups_.FindFrom(text.bytes, at,
                             [&](const card::Candidate& candidate) { Report(text, candidate); });
    }
  }

  // Whether what stands at `at` may go on beyond where the text was cut: an escape that the cut
  // divides may be one of another digit.
  static bool BeginsAtCut(const Text& text, size_t at) {
    return text.begin_is_cut && card::MayBeEndOfEscape(text.bytes, at);
  }
  static bool EndsAtCut(const Text& text, size_t at) {
    return text.end_is_cut && (at == text.bytes.size() || card::IsCutEscape(text.bytes, at));
  }

  void Report(const Text& text, const card::Candidate& candidate) {
    if (BeginsAtCut(text, candidate.begin) || EndsAtCut(text, candidate.end)) return;
    if (text.is_ascii_only &&
        std::any_of(text.bytes.begin() + static_cast<ptrdiff_t>(candidate.begin),
                    text.bytes.begin() + static_cast<ptrdiff_t>(candidate.end),
                    [](char c) { return static_cast<uint8_t>(c) >= 0x80; })) {
      return;
    }
    CardMatch match;
    if (!card::Weigh(text.bytes, candidate, facts_, match)) return;
    size_t begin = candidate.begin;
    size_t end = candidate.end;
    for (const Text* level = &text; level->parent != nullptr; level = level->parent) {
      const size_t source_begin = level->from[begin];
      const size_t source_end = level->to[end - 1];
      if (level->encoding.has_value()) {
        match.encodings.insert(match.encodings.begin(), *level->encoding);
      }
      // Escapes beside each other can be undone in any order.
      for (const Encoding kind :
           {Encoding::kHtmlEntity, Encoding::kJsonEscape, Encoding::kPercent}) {
        const bool is_in =
            !level->escaped_by.empty() &&
            std::find(level->escaped_by.begin() + static_cast<ptrdiff_t>(begin),
                      level->escaped_by.begin() + static_cast<ptrdiff_t>(end),
                      kind) != level->escaped_by.begin() + static_cast<ptrdiff_t>(end);
        if (is_in) match.encodings.insert(match.encodings.begin(), kind);
      }
      begin = source_begin;
      end = source_end;
    }
    match.offset = begin;
    match.length = static_cast<uint32_t>(end - begin);
    match.brand = candidate.brand.brand;
    match.digits = card::SecretDigits(candidate.span());
    matches.push_back(std::move(match));
  }

  // Calls `visit` with the begin and end of every longest run of bytes that are of a kind.
  template <typename Visit>
  static void ForEachRun(std::string_view text, bool (*is_of)(char), size_t bytes_min,
                         Visit visit) {
    for (size_t at = 0; at < text.size();) {
      size_t end = at;
      while (end < text.size() && is_of(text[end])) ++end;
      if (end - at >= bytes_min) visit(at, end);
      at = end + 1;
    }
  }

  void SearchBase64(const Text& text, int depth, bool within_utf16) {
    size_t lines_done = 0;
    ForEachRun(text.bytes, IsBase64, kBase64RunMin, [&](size_t begin, size_t end) {
      for (size_t phase = 0; phase < 4; ++phase) {
        Text decoded = FromBase64(text, begin + phase, end);
        // Where escapes break lines, a number at the break is whole once they are undone.
        decoded.begin_is_cut = BeginsAtCut(text, begin) ||
                               (depth > 1 && IsEscapedBreakBefore(text.bytes, begin + phase));
        decoded.end_is_cut =
            EndsAtCut(text, end) || (depth > 1 && IsEscapedBreakAt(text.bytes, end));
        decoded.is_ascii_only = phase > 0 || BeginsAtCut(text, begin);
        Search(decoded, depth - 1, within_utf16);
      }
      if (begin < lines_done) return;
      const size_t lines_end = EndOfLines(text.bytes, begin, end);
      if (lines_end == end) return;
      lines_done = lines_end;
      Text decoded = FromBase64(text, begin, lines_end);
      decoded.begin_is_cut = BeginsAtCut(text, begin);
      decoded.end_is_cut = EndsAtCut(text, lines_end);
      Search(decoded, depth - 1, within_utf16);
    });
  }

  static bool IsEscapedBreakBefore(std::string_view text, size_t at) {
    const card::Neighbour sign = card::NeighbourBefore(text, at);
    return sign.escaped() && (sign.code == '\n' || sign.code == '\r');
  }
  static bool IsEscapedBreakAt(std::string_view text, size_t at) {
    const card::Neighbour sign = card::NeighbourAfter(text, at);
    return sign.escaped() && (sign.code == '\n' || sign.code == '\r');
  }

  // Where lines of base64 end that are as long as the first, [begin, end), the last may be shorter.
  static size_t EndOfLines(std::string_view text, size_t begin, size_t end) {
    const size_t width = end - begin;
    size_t last = end;
    while (true) {
      size_t next = last;
      while (next < text.size() && next - last < 2 && IsLineBreak(text[next])) ++next;
      if (next == last) return last;
      while (next < text.size() && (text[next] == ' ' || text[next] == '\t')) ++next;
      size_t line_end = next;
      while (line_end < text.size() && IsBase64(text[line_end])) ++line_end;
      if (line_end == next || line_end - next > width) return last;
      last = line_end;
      if (line_end - next < width) return last;
    }
  }

  void SearchHex(const Text& text, int depth, bool within_utf16) {
    ForEachRun(text.bytes, IsHex, kHexRunMin, [&](size_t begin, size_t end) {
      for (const size_t from : {begin, begin + 1}) {
        Text decoded = FromHex(text, from, end);
        decoded.begin_is_cut = BeginsAtCut(text, begin);
        decoded.end_is_cut = EndsAtCut(text, end);
        Search(decoded, depth - 1, within_utf16);
      }
    });
  }

  void SearchUtf16(const Text& text, int depth) {
    const std::string_view bytes = text.bytes;
    const auto is_high = [](char c) { return c == 0 || c == '\xFF'; };
    const auto is_pair = [&](size_t at) {
      return bytes[at] != 0 && (is_high(bytes[at + 1]) || bytes[at + 1] == 0x20);
    };
    // Four digits that are full-width.
    const auto is_wide = [&](size_t at) {
      for (size_t i = at; i < at + 8; i += 2) {
        if (i + 1 >= bytes.size() || bytes[i + 1] != '\xFF') return false;
        if (static_cast<uint8_t>(bytes[i]) >= 0x20) return false;
      }
      return true;
    };
    size_t done = 0;
    for (size_t at = 0; at + 4 <= bytes.size(); ++at) {
      const bool sign_nul_twice = IsBase64(bytes[at]) && bytes[at + 1] == 0 &&
                                  IsBase64(bytes[at + 2]) && bytes[at + 3] == 0;
      if ((!sign_nul_twice && !is_wide(at)) || at < done) continue;
      size_t begin = at;
      while (begin >= 2 && is_pair(begin - 2)) begin -= 2;
      size_t end = at;
      while (end + 2 <= bytes.size() && is_pair(end)) end += 2;
      done = end;
      if (card::IsPatternOfWideDigits(bytes.substr(begin, end - begin))) continue;
      // Where a text is cut, half a code unit may be left of the one that is next, and the order
      // can't be told.
      const bool begin_is_cut =
          text.begin_is_cut && (begin < 2 || card::MayBeEndOfEscape(bytes, begin - 2));
      const bool end_is_cut = EndsAtCut(text, end) || EndsAtCut(text, end + 1) ||
                              EndsAtCut(text, std::min(end + 2, bytes.size()));
      if (begin_is_cut || end_is_cut) continue;
      const bool high_before = begin > 0 && is_high(bytes[begin - 1]);
      const bool sign_after = end < bytes.size() && bytes[end] != 0;
      // With NULs on both sides either order fits.
      const bool big_endian = high_before && sign_after;
      if (big_endian) {
        --begin;
        ++end;
      }
      const Text decoded = FromUtf16(text, begin, end, !big_endian);
      Search(decoded, depth, true);
    }
  }

  const card::NumberFinder finder_;
  const card::LooseGroups loose_groups_;
  const bool with_fields_;
  const card::StreamFacts facts_;
};

}  // namespace

std::vector<Found> ReferenceScan(std::string_view text, const ScanSetup& setup) {
  Engine engine(setup);
  Text stream;
  stream.bytes = text;
  engine.Search(stream, setup.options.decode_depth, /*within_utf16=*/false);
  card::MergeMatches(engine.matches);
  std::vector<Found> found;
  for (const CardMatch& match : engine.matches) {
    if (match.confidence >= setup.options.min_confidence) found.push_back(FoundOf(match));
  }
  return found;
}

bool IsOfReference(card::Encoding encoding) {
  switch (encoding) {
    case Encoding::kPercent:
    case Encoding::kJsonEscape:
    case Encoding::kBase64:
    case Encoding::kHex:
    case Encoding::kHtmlEntity:
      return true;
    default:
      return false;
  }
}

}  // namespace skimwatch::testing
