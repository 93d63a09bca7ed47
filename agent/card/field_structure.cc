#include "agent/card/field_structure.h"

#include <string.h>

#include <algorithm>
#include <iterator>

#include "agent/card/field_words.h"
#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

constexpr size_t kNone = std::string_view::npos;
constexpr size_t kNameBytesMax = 64;

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
constexpr bool IsBlank(char c) { return c == ' ' || c == '\t'; }
constexpr bool IsSpace(char c) { return IsBlank(c) || c == '\r' || c == '\n'; }
constexpr bool IsQuote(char c) { return c == '"' || c == '\''; }
constexpr bool IsNameByte(char c) {
  return IsAsciiAlnum(c) || c == '_' || c == '-' || c == ':' || c == '.';
}

size_t LastOf(std::string_view text, char c) {
  if (text.empty()) return kNone;
  const void* found = memrchr(text.data(), c, text.size());
  return found == nullptr ? kNone
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && std::equal(text.begin(), text.end(), lower.begin(),
                                                   [](char a, char b) { return Lower(a) == b; });
}

template <size_t kCount>
bool IsAnyOf(std::string_view text, const std::string_view (&words)[kCount]) {
  return std::any_of(std::begin(words), std::end(words),
                     [&](std::string_view word) { return EqualsIgnoringCase(text, word); });
}

std::string_view TrimEnd(std::string_view text) {
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  return TrimEnd(text);
}

std::string_view Unquoted(std::string_view text) {
  text = Trim(text);
  if (!text.empty() && (IsQuote(text.front()) || text.front() == '`' || text.front() == '['))
    text.remove_prefix(1);
  if (!text.empty() && (IsQuote(text.back()) || text.back() == '`' || text.back() == ']'))
    text.remove_suffix(1);
  return text;
}

// What a name says by itself.
enum class OwnName : uint8_t { kGeneric, kNumber, kTelling };

OwnName Judge(std::string_view name) {
  OwnName result = OwnName::kGeneric;
  for (size_t at = 0; at < name.size();) {
    if (!IsAsciiLetter(name[at])) {
      ++at;
      continue;
    }
    std::array<char, 16> word;
    size_t size = 0;
    while (at < name.size() && IsAsciiLetter(name[at])) {
      if (size == word.size()) return OwnName::kTelling;
      word[size++] = Lower(name[at++]);
    }
    switch (SenseOf({word.data(), size})) {
      case WordSense::kFiller:
        break;
      case WordSense::kNumber:
        result = OwnName::kNumber;
        break;
      default:
        return OwnName::kTelling;
    }
  }
  return result;
}

// --- elements of HTML and XML ---

// The names of attributes whose values name the value of an element.
constexpr std::string_view kNamingAttributes[] = {
    "name",  "id",  "autocomplete", "placeholder", "aria-label", "title", "key",
    "label", "for", "property",     "itemprop",    "field",      "param", "formcontrolname"};
constexpr std::string_view kValueAttributes[] = {"value", "data-value", "content", "defaultvalue"};

bool IsNamingAttribute(std::string_view name) {
  constexpr std::string_view kData = "data-";
  return IsAnyOf(name, kNamingAttributes) ||
         EqualsIgnoringCase(name.substr(0, kData.size()), kData);
}

// Where the tag that `text` ends in begins; kNone when it ends outside of one.
size_t OpenTag(std::string_view text) {
  const size_t open = LastOf(text, '<');
  if (open == kNone || open + 1 >= text.size() || !IsAsciiLetter(text[open + 1])) return kNone;
  return text.find('>', open) == kNone ? open : kNone;
}

std::string_view AttributeBefore(std::string_view before) {
  std::string_view text = TrimEnd(before);
  if (!text.empty() && IsQuote(text.back())) text.remove_suffix(1);
  text = TrimEnd(text);
  if (text.empty() || text.back() != '=') return {};
  text = TrimEnd(text.substr(0, text.size() - 1));
  size_t begin = text.size();
  while (begin > 0 && IsNameByte(text[begin - 1])) --begin;
  return text.substr(begin);
}

// Adds the values of the naming attributes in `tag`, up to its end.
void AddAttributes(std::string_view tag, StructureNames& names) {
  for (size_t at = 0; at < tag.size() && tag[at] != '>';) {
    if (!IsNameByte(tag[at])) {
      ++at;
      continue;
    }
    const size_t name_begin = at;
    while (at < tag.size() && IsNameByte(tag[at])) ++at;
    const std::string_view name = tag.substr(name_begin, at - name_begin);
    if (at >= tag.size() || tag[at] != '=') continue;
    ++at;
    const char quote = at < tag.size() && IsQuote(tag[at]) ? tag[at] : 0;
    if (quote != 0) ++at;
    const size_t value_begin = at;
    while (at < tag.size() && (quote != 0 ? tag[at] != quote : !IsSpace(tag[at]) && tag[at] != '>'))
      ++at;
    const std::string_view value = tag.substr(value_begin, at - value_begin);
    if (quote != 0 && at < tag.size()) ++at;
    if (value.size() <= kNameBytesMax && IsNamingAttribute(name)) names.Add(value);
  }
}

std::string_view ElementName(std::string_view tag) {
  size_t end = 1;
  while (end < tag.size() && IsNameByte(tag[end])) ++end;
  const std::string_view name = tag.substr(1, end - 1);
  const size_t prefix = LastOf(name, ':');
  return prefix == kNone ? name : name.substr(prefix + 1);
}

// `before` ends with the tag that opens the element whose content the value is.
void AddElementNames(std::string_view before, StructureNames& names) {
  constexpr std::string_view kContainers[] = {"value",  "string", "val",    "text", "int",
                                              "i4",     "i8",     "double", "data", "v",
                                              "number", "long",   "td",     "dd",   "span"};
  constexpr int kLevelsMax = 3;
  for (int level = 0; level < kLevelsMax; ++level) {
    const size_t open = LastOf(before, '<');
    if (open == kNone || open + 1 >= before.size()) return;
    const std::string_view tag = before.substr(open);
    if (!IsAsciiLetter(tag[1])) return;
    AddAttributes(tag, names);
    if (!IsAnyOf(ElementName(tag), kContainers)) {
      names.Add(ElementName(tag), /*of_parent=*/level > 0);
      return;
    }
    names.own_is_number = names.own_is_number || EqualsIgnoringCase(ElementName(tag), "number");
    before = TrimEnd(before.substr(0, open));
    if (before.empty() || before.back() != '>') return;
    const size_t closing = LastOf(before, '<');
    if (closing == kNone || closing + 1 >= before.size() || before[closing + 1] != '/') continue;
    const size_t content = LastOf(before.substr(0, closing), '>');
    if (content == kNone) return;
    const std::string_view sibling = Trim(before.substr(content + 1, closing - content - 1));
    if (!sibling.empty() && sibling.size() <= kNameBytesMax) {
      names.Add(sibling);
      return;
    }
    // `<number>` within `<card>`, after other fields of it: step over those that are closed.
    int depth = 0;
    size_t at = before.size();
    while (at > 0) {
      const size_t tag_begin = LastOf(before.substr(0, at), '<');
      if (tag_begin == kNone || tag_begin + 1 >= before.size()) return;
      if (before[tag_begin + 1] == '/') {
        ++depth;
      } else if (depth == 0) {
        names.Add(ElementName(before.substr(tag_begin)), /*of_parent=*/true);
        return;
      } else {
        --depth;
      }
      at = tag_begin;
    }
    return;
  }
}

// --- multipart ---

void AddPartName(std::string_view before, StructureNames& names) {
  constexpr size_t kHeaderBytesMax = 512;
  constexpr std::string_view kName = "name=";
  const std::string_view headers =
      before.substr(before.size() > kHeaderBytesMax ? before.size() - kHeaderBytesMax : 0);
  const size_t disposition = headers.rfind("isposition:");
  if (disposition == kNone) return;
  const std::string_view line =
      headers.substr(disposition, headers.find('\n', disposition) - disposition);
  // The body begins after the first empty line.
  const std::string_view rest = TrimEnd(headers.substr(disposition));
  if (rest.find("\n\n") != kNone || rest.find("\n\r\n") != kNone) return;
  size_t at = line.find(kName);
  while (at != kNone && at > 0 && IsAsciiAlnum(line[at - 1])) at = line.find(kName, at + 1);
  if (at == kNone) return;
  std::string_view name = line.substr(at + kName.size());
  const char quote = !name.empty() && IsQuote(name[0]) ? name[0] : 0;
  if (quote != 0) name.remove_prefix(1);
  const size_t end = quote != 0 ? name.find(quote) : name.find_first_of("; \r\n");
  names.Add(name.substr(0, std::min(end, kNameBytesMax)));
}

// --- objects and lists ---

// The key that ends before the `:`, `=` or `=>` that `text` ends with; empty when it does not.
std::string_view KeyBefore(std::string_view text) {
  text = TrimEnd(text);
  // `["card"]=> array(2) {`, `[card] => Array (`
  constexpr std::string_view kArray = "array";
  std::string_view without = text;
  if (without.ends_with(')')) {
    const size_t open = LastOf(without, '(');
    if (open != kNone) without = without.substr(0, open);
  }
  if (without.size() >= kArray.size() &&
      EqualsIgnoringCase(without.substr(without.size() - kArray.size()), kArray)) {
    text = TrimEnd(without.substr(0, without.size() - kArray.size()));
  }
  if (text.empty()) return {};
  if (text.ends_with("=>")) {
    text.remove_suffix(2);
  } else if (text.back() == ':' || text.back() == '=') {
    text.remove_suffix(1);
  } else {
    // `Card{number=4111...`, `Card(number=`: a type's name.
    size_t begin = text.size();
    while (begin > 0 && IsAsciiAlnum(text[begin - 1])) --begin;
    return text.substr(begin);
  }
  text = TrimEnd(text);
  if (!text.empty() && text.back() == ']') text.remove_suffix(1);
  const char quote = !text.empty() && IsQuote(text.back()) ? text.back() : 0;
  if (quote != 0) text.remove_suffix(1);
  size_t begin = text.size();
  while (begin > 0 && text.size() - begin < kNameBytesMax &&
         (quote != 0 ? text[begin - 1] != quote && text[begin - 1] != '\n'
                     : IsNameByte(text[begin - 1]) && text[begin - 1] != ':')) {
    --begin;
  }
  return text.substr(begin);
}

// The bracket that opens what `text` ends in; kNone when there is none.
size_t EnclosingBracket(std::string_view text) {
  size_t depth = 0;
  char quote = 0;
  for (size_t at = text.size(); at > 0; --at) {
    const char c = text[at - 1];
    if (quote != 0) {
      if (c == quote || c == '\n') quote = 0;
      continue;
    }
    if (c == '"') {
      quote = c;
    } else if (c == '}' || c == ']' || c == ')') {
      ++depth;
    } else if (c == '{' || c == '[' || c == '(') {
      if (depth == 0) return at - 1;
      --depth;
    }
  }
  return kNone;
}

constexpr std::string_view kNamingKeys[] = {"name",  "key",       "field", "id",
                                            "label", "k",         "param", "parameter",
                                            "title", "attribute", "column"};

// Adds the values of naming keys among the members of an object, of which `members` is a part.
void AddSiblings(std::string_view members, StructureNames& names) {
  size_t depth = 0;
  for (size_t at = 0; at < members.size(); ++at) {
    const char c = members[at];
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') {
      if (depth == 0) return;
      --depth;
    }
    if (depth > 0 || c != ':') continue;
    const std::string_view key = KeyBefore(members.substr(0, at + 1));
    if (!IsAnyOf(key, kNamingKeys)) continue;
    size_t begin = at + 1;
    while (begin < members.size() && IsSpace(members[begin])) ++begin;
    if (begin >= members.size() || !IsQuote(members[begin])) continue;
    const size_t end = members.find(members[begin], begin + 1);
    if (end == kNone || end - begin > kNameBytesMax) continue;
    names.Add(members.substr(begin + 1, end - begin - 1));
    at = end;
  }
}

// `["pan"]=> string(16) "4111...` and `int(4111...` of PHP's var_dump, without the type.
std::string_view WithoutDumpedType(std::string_view text) {
  std::string_view type = text;
  if (type.ends_with(')')) {
    type.remove_suffix(1);
    while (!type.empty() && IsAsciiDigit(type.back())) type.remove_suffix(1);
  }
  for (const std::string_view name : {"string(", "int(", "float("}) {
    if (type.ends_with(name)) return type.substr(0, type.size() - name.size());
  }
  return text;
}

// `before` ends where the value, its quote included, begins.
void AddObjectNames(std::string_view before, std::string_view after, StructureNames& names) {
  constexpr int kLevelsMax = 3;
  const std::string_view lead = TrimEnd(WithoutDumpedType(TrimEnd(before)));
  if (lead.empty()) return;
  const bool has_name = lead.back() == ':' || lead.back() == '=' || lead.ends_with("=>");
  if (!has_name && lead.back() != ',' && lead.back() != '[' && lead.back() != '(') return;
  OwnName own = OwnName::kGeneric;
  if (has_name) {
    const std::string_view key = KeyBefore(lead);
    own = Judge(key);
    if (own == OwnName::kTelling) {
      names.Add(key);
      return;
    }
  }
  names.own_is_number = own == OwnName::kNumber;
  std::string_view text = lead;
  for (int level = 0; level < kLevelsMax; ++level) {
    const size_t open = EnclosingBracket(text);
    if (open == kNone) return;
    if (level == 0 && has_name && text[open] == '{') {
      AddSiblings(text.substr(open + 1), names);
      AddSiblings(after, names);
    }
    const std::string_view outside = TrimEnd(text.substr(0, open));
    const std::string_view key = KeyBefore(outside);
    if (!key.empty()) {
      names.Add(key, /*of_parent=*/true);
      if (Judge(key) == OwnName::kTelling) return;
    }
    text = outside;
  }
}

// --- indented lines ---

struct Line {
  std::string_view text;
  size_t indent = 0;
};

// The last line of `text`, which is taken off it.
Line TakeLastLine(std::string_view& text) {
  const size_t line_break = LastOf(text, '\n');
  Line line = {.text = line_break == kNone ? text : text.substr(line_break + 1)};
  text = line_break == kNone ? std::string_view() : text.substr(0, line_break);
  while (line.indent < line.text.size() && IsBlank(line.text[line.indent])) ++line.indent;
  line.text = TrimEnd(line.text.substr(line.indent));
  return line;
}

void AddIndentedNames(std::string_view before, StructureNames& names) {
  constexpr int kLinesMax = 24;
  std::string_view text = before;
  const Line own = TakeLastLine(text);
  std::string_view lead = own.text;
  size_t indent = own.indent;
  const bool is_item = lead.starts_with('-');
  if (is_item) {
    lead = Trim(lead.substr(1));
    // A list may stand right under its name.
    ++indent;
  }
  if (!lead.empty() && IsQuote(lead.back())) lead = TrimEnd(lead.substr(0, lead.size() - 1));
  if (lead.empty()) {
    // `pan: >-` and the value on a line of its own.
    Line line;
    if (!is_item) line = TakeLastLine(text);
    for (const std::string_view fold : {">", ">-", "|", "|-"}) {
      const size_t name_end = line.text.size() - std::min(line.text.size(), fold.size());
      const std::string_view name = TrimEnd(line.text.substr(0, name_end));
      if (line.text.ends_with(fold) && name.ends_with(':')) names.Add(KeyBefore(name));
    }
    if (!is_item) return;
  } else if (!lead.ends_with(':') && !lead.ends_with("=>")) {
    return;
  }
  const OwnName own_name = Judge(lead);
  if (own_name == OwnName::kTelling) return;
  names.own_is_number = own_name == OwnName::kNumber;
  for (int i = 0; i < kLinesMax && !text.empty(); ++i) {
    const Line line = TakeLastLine(text);
    if (line.text.empty() || line.indent >= indent || line.text == "(" || line.text == "{")
      continue;
    if (line.text.starts_with('-') && line.indent + 1 == indent && is_item) continue;
    std::string_view key = line.text;
    if (key.starts_with('-')) key = Trim(key.substr(1));
    if (!key.ends_with(':') && !key.ends_with("Array")) return;
    names.Add(KeyBefore(key), /*of_parent=*/true);
    return;
  }
}

// --- tables ---

bool IsDelimiter(char c) { return c == ',' || c == ';' || c == '\t' || c == '|'; }

// Calls `visit` with each field of a line, quotes included, until it says no.
template <typename Visit>
void ForEachField(std::string_view line, char delimiter, Visit visit) {
  size_t begin = 0;
  bool quoted = false;
  for (size_t at = 0; at <= line.size(); ++at) {
    if (at < line.size() && line[at] == '"') quoted = !quoted;
    if (at < line.size() && (quoted || line[at] != delimiter)) continue;
    if (!visit(line.substr(begin, at - begin))) return;
    begin = at + 1;
  }
}

size_t CountFields(std::string_view line, char delimiter) {
  size_t count = 0;
  ForEachField(line, delimiter, [&](std::string_view /*field*/) {
    ++count;
    return true;
  });
  return count;
}

// Whether every field of a line is a name: begins with a letter, and is no sentence.
bool IsHeader(std::string_view line, char delimiter) {
  bool all = true;
  ForEachField(line, delimiter, [&](std::string_view field) {
    const std::string_view name = Unquoted(field);
    size_t digits = 0;
    for (const char c : name) {
      if (IsAsciiDigit(c)) ++digits;
    }
    all = !name.empty() && name.size() <= kNameBytesMax && digits <= 2 &&
          (IsAsciiLetter(name[0]) || name[0] == '_' || name[0] == '#') &&
          name.find_first_of("=<>{}()@") == kNone;
    return all;
  });
  return all;
}

std::string_view FieldAt(std::string_view line, char delimiter, size_t column) {
  std::string_view found;
  size_t index = 0;
  ForEachField(line, delimiter, [&](std::string_view field) {
    if (index++ < column) return true;
    found = Unquoted(field);
    return false;
  });
  return found;
}

std::string_view WithoutReturn(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view CsvColumn(std::string_view before, std::string_view after) {
  constexpr size_t kColumnsMax = 64;
  const size_t line_break = LastOf(before, '\n');
  if (line_break == kNone) return {};
  const std::string_view row = before.substr(line_break + 1);
  std::string_view rest = after;
  if (!rest.empty() && IsQuote(rest[0])) rest.remove_prefix(1);
  std::string_view lead = row;
  if (!lead.empty() && IsQuote(lead.back())) lead.remove_suffix(1);
  char delimiter = 0;
  if (!lead.empty()) {
    if (!IsDelimiter(lead.back())) return {};
    delimiter = lead.back();
  }
  if (!rest.empty() && rest[0] != '\r' && rest[0] != '\n') {
    if (!IsDelimiter(rest[0]) || (delimiter != 0 && rest[0] != delimiter)) return {};
    delimiter = rest[0];
  }
  if (delimiter == 0) return {};
  // A quote that opens the value is no part of what is counted.
  const size_t column = lead.empty() ? 0 : CountFields(lead, delimiter) - 1;
  if (column >= kColumnsMax) return {};
  const std::string_view row_rest = rest.substr(0, rest.find('\n'));
  const size_t columns = column + CountFields(WithoutReturn(row_rest), delimiter);
  // Only a line that looks like a header is counted, and the row after it.
  std::string_view text = before.substr(0, line_break);
  std::string_view next_line = row;
  for (bool is_last = true;; is_last = false) {
    const size_t previous = LastOf(text, '\n');
    const std::string_view line =
        WithoutReturn(previous == kNone ? text : text.substr(previous + 1));
    if (line.size() < columns) return {};
    if (IsHeader(line, delimiter)) {
      const bool fits = is_last || CountFields(next_line, delimiter) == columns;
      if (!fits || CountFields(line, delimiter) != columns) return {};
      return FieldAt(line, delimiter, column);
    }
    if (previous == kNone) return {};
    next_line = line;
    text = text.substr(0, previous);
  }
}

// The last `values` in `text`, in any case; kNone when there is none.
size_t LastValues(std::string_view text) {
  constexpr std::string_view kValues = "values";
  for (size_t end = text.size(); end >= kValues.size(); --end) {
    if (Lower(text[end - 1]) == 's' &&
        EqualsIgnoringCase(text.substr(end - kValues.size(), kValues.size()), kValues)) {
      return end - kValues.size();
    }
  }
  return kNone;
}

std::string_view SqlColumn(std::string_view before) {
  if (before.find('(') == kNone) return {};
  const std::string_view lead = TrimEnd(
      !before.empty() && IsQuote(before.back()) ? before.substr(0, before.size() - 1) : before);
  if (lead.empty() || (lead.back() != ',' && lead.back() != '(')) return {};
  const size_t values = LastValues(before);
  if (values == kNone) return {};
  size_t column = 0;
  size_t depth = 0;
  char quote = 0;
  const std::string_view tuples = lead.substr(std::min(values, lead.size()));
  for (size_t at = 0; at < tuples.size(); ++at) {
    const char c = tuples[at];
    if (quote != 0) {
      if (c == '\\') {
        ++at;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (IsQuote(c)) {
      quote = c;
    } else if (c == '(') {
      if (++depth == 1) column = 0;
    } else if (c == ')') {
      if (depth == 0) return {};
      --depth;
    } else if (c == ',' && depth == 1) {
      ++column;
    } else if (c == ';' && depth == 0) {
      return {};
    }
  }
  if (depth != 1 || quote != 0) return {};
  const std::string_view head = TrimEnd(before.substr(0, values));
  if (!head.ends_with(')')) return {};
  const size_t open = LastOf(head, '(');
  if (open == kNone) return {};
  return FieldAt(head.substr(open + 1, head.size() - open - 2), ',', column);
}

}  // namespace

bool IsElementValue(std::string_view before) {
  return OpenTag(before) != kNone && IsAnyOf(AttributeBefore(before), kValueAttributes);
}

StructureNames NamesByStructure(std::string_view before, std::string_view after) {
  StructureNames names;
  if (const size_t tag = OpenTag(before); tag != kNone) {
    if (!IsAnyOf(AttributeBefore(before), kValueAttributes)) return names;
    AddAttributes(before.substr(tag), names);
    // The closing quote of the value would seem to open one.
    size_t rest = 0;
    while (rest < after.size() && IsQuote(after[rest])) ++rest;
    AddAttributes(after.substr(rest), names);
    return names;
  }
  std::string_view lead = before;
  if (!lead.empty() && IsQuote(lead.back())) lead.remove_suffix(1);
  if (const std::string_view trimmed = TrimEnd(before);
      trimmed.ends_with('>') && !trimmed.ends_with("=>")) {
    AddElementNames(trimmed, names);
  } else if (before.ends_with("\n\n") || before.ends_with("\n\r\n")) {
    AddPartName(before, names);
  } else {
    AddObjectNames(lead, after, names);
    if (names.size == 0) AddIndentedNames(before, names);
  }
  return names;
}

std::string_view TableColumnName(std::string_view text, size_t begin, size_t end) {
  const size_t from = begin > kTableBytesMax ? begin - kTableBytesMax : 0;
  const std::string_view before = text.substr(from, begin - from);
  const std::string_view after = text.substr(end, kTableBytesMax);
  if (const std::string_view name = SqlColumn(before); !name.empty()) return name;
  return CsvColumn(before, after);
}

}  // namespace skimwatch::card
