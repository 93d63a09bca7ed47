#ifndef SKIMWATCH_AGENT_CARD_FIELD_STRUCTURE_H_
#define SKIMWATCH_AGENT_CARD_FIELD_STRUCTURE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skimwatch::card {

// Names that the structure of a body gives to a value, where they do not stand directly before it.
struct StructureNames {
  static constexpr size_t kMax = 6;

  struct Name {
    std::string_view text;
    // The name of an object or list that the value is in, not of the value itself.
    bool of_parent = false;
  };

  void Add(std::string_view text, bool of_parent = false) {
    if (size < kMax && !text.empty()) names[size++] = {text, of_parent};
  }

  std::array<Name, kMax> names;
  size_t size = 0;
  // The value's own name says no more than that it is a number: `number`, `no`.
  bool own_is_number = false;
};

// `before` ends where the value begins, `after` begins where it ends; escapes are undone in both.
//
//   HTML, XML      the other attributes of the element whose `value` it is, or whose content;
//                  `<name>cc</name><value>`, `<key>cc</key><string>`
//   multipart      `name` of the part's Content-Disposition, whatever headers follow it
//   JSON, PHP      the object or list around a value named `number` or `value`, or without a name,
//                  three levels up; `"name":"cc"` beside `"value":`
//   YAML, print_r  the line above with a smaller indent
//
// Nearest first. Nothing where the value has a name of its own that says more than `number` or
// `value`. Linear in the texts.
StructureNames NamesByStructure(std::string_view before, std::string_view after);

// Whether the value that begins after `before` is the `value` of an HTML or XML element, whose
// other attributes name it: what stands directly before is only one of them.
bool IsElementValue(std::string_view before);

// How far before a value TableColumnName looks for the names of columns.
inline constexpr size_t kTableBytesMax = 2048;

// The name of the column that the value at `begin` of `text` stands in, with the names of columns
// within kTableBytesMax before it; empty when there is none.
//
//   CSV   a line of names, then rows with as many fields; `,` `;` tab or `|` between, quotes
//   SQL   INSERT INTO t (name, name) VALUES (value, value), (value, value)
std::string_view TableColumnName(std::string_view text, size_t begin, size_t end);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_FIELD_STRUCTURE_H_
