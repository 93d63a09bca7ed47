#include "proto/config/yaml_reader.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "proto/config/error_list.h"
#include "proto/text/nearest.h"
#include "proto/text/utf8.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/yaml.h"

namespace skimwatch::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Nodes that are looked at. An alias stands for its whole subtree each time it is used, so a short
// text can stand for a tree that never ends.
constexpr size_t kNodesMax = 100'000;
constexpr int kDepthMax = 32;
constexpr size_t kKnownKeysShown = 12;

Position At(const YAML::Mark& mark) {
  if (mark.is_null()) return Position{};
  return Position{mark.line + 1, mark.column + 1};
}

std::string Alternatives(const std::vector<std::string_view>& known) {
  std::vector<std::string> shown(known.begin(),
                                 known.begin() + std::min(known.size(), kKnownKeysShown));
  return absl::StrCat(absl::StrJoin(shown, ", "), known.size() > shown.size() ? ", ..." : "");
}

// The yaml-cpp tag of a scalar in quotes, which is text whatever it looks like.
bool IsQuoted(const YAML::Node& node) { return node.Tag() == "!"; }

// What stands there, for an error.
std::string Found(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Scalar:
      return IsQuoted(node) ? absl::StrCat("the text ", Quoted(node.Scalar()))
                            : Quoted(node.Scalar());
    default:
      return "nothing";
  }
}

// Where the first two documents of a text begin. YAML::LoadAll would tell as well, but on some
// texts that are not YAML (`,`) it adds empty documents for ever.
class DocumentStarts : public YAML::EventHandler {
 public:
  explicit DocumentStarts(const std::string& text) {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(*this)) parser.HandleNextDocument(*this);
  }

  std::optional<YAML::Mark> first;
  std::optional<YAML::Mark> second;

  void OnDocumentStart(const YAML::Mark& mark) override { (first ? second : first) = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

class Reader {
 public:
  Reader(std::string_view file, SourceMap& positions) : errors_(file), positions_(positions) {}

  absl::Status Read(std::string_view text, Message& message);

 private:
  void ReadMessage(const YAML::Node& node, const std::string& path, int depth, Message& message);
  void ReadField(const YAML::Node& node, const std::string& path, int depth, Message& message,
                 const FieldDescriptor& field);
  void ReadMap(const YAML::Node& node, const std::string& path, int depth, Message& message,
               const FieldDescriptor& field);
  // Sets a field that holds one value, or adds one to a repeated field.
  bool ReadScalar(const YAML::Node& node, const std::string& path, Message& message,
                  const FieldDescriptor& field);
  template <typename T>
  bool ParseInteger(const YAML::Node& node, const std::string& path, T& value);
  const EnumValueDescriptor* ParseEnum(const YAML::Node& node, const std::string& path,
                                       const EnumDescriptor& type);
  // The text of a key; counts the node. False when it can't be a key.
  bool ReadKey(const YAML::Node& node, const std::string& path, std::string& key);
  // Counts a node; false, with an error the first time, when there are too many.
  bool Count(const YAML::Node& node);
  void Wrong(const YAML::Node& node, const std::string& path, std::string_view expected) {
    errors_.Add(At(node.Mark()), path,
                absl::StrCat("found ", Found(node), ", expected ",
                             absl::string_view(expected.data(), expected.size())));
  }

  ErrorList errors_;
  SourceMap& positions_;
  size_t nodes_ = 0;
};

absl::Status Reader::Read(std::string_view text, Message& message) {
  if (text.size() > kYamlBytesMax) {
    errors_.Add({}, "",
                absl::StrCat("found ", text.size(), " bytes, expected at most ", kYamlBytesMax));
    return errors_.status();
  }
  const size_t valid = text::Utf8ValidBytes(text);
  const size_t zero = text.find('\0');
  if (valid != text.size() || zero != std::string_view::npos) {
    const std::string_view before = text.substr(0, std::min(valid, zero));
    const auto line = static_cast<int>(std::count(before.begin(), before.end(), '\n'));
    const size_t start = before.rfind('\n');
    const size_t column = before.size() - (start == std::string_view::npos ? 0 : start + 1);
    errors_.Add({line + 1, static_cast<int>(column) + 1}, "",
                "found a byte that is not text, expected UTF-8");
    return errors_.status();
  }
  try {
    const std::string copy(text);
    const DocumentStarts documents(copy);
    if (documents.second) {
      errors_.Add(At(*documents.second), "", "found a second document, expected one");
    } else if (documents.first) {
      ReadMessage(YAML::Load(copy), "", 0, message);
    }
  } catch (const YAML::Exception& e) {
    errors_.Add(At(e.mark), "",
                absl::StrCat("found what is not YAML (", text::Printable(e.msg),
                             "), expected a mapping of keys to values"));
  }
  return errors_.status();
}

bool Reader::Count(const YAML::Node& node) {
  if (nodes_ > kNodesMax) return false;
  if (++nodes_ <= kNodesMax) return true;
  errors_.Add(At(node.Mark()), "",
              absl::StrCat("found more than ", kNodesMax,
                           " values with all aliases followed, expected fewer"));
  return false;
}

bool Reader::ReadKey(const YAML::Node& node, const std::string& path, std::string& key) {
  if (!Count(node)) return false;
  if (!node.IsScalar()) {
    errors_.Add(At(node.Mark()), path,
                absl::StrCat("found ", Found(node), " as a key, expected text"));
    return false;
  }
  key = node.Scalar();
  return true;
}

void Reader::ReadMessage(const YAML::Node& node, const std::string& path, int depth,
                         Message& message) {
  if (!Count(node)) return;
  // A key with nothing behind it, such as one whose lines are all commented out.
  if (node.IsNull()) return;
  if (!node.IsMap()) return Wrong(node, path, "a mapping of keys to values");
  if (depth > kDepthMax) return Wrong(node, path, absl::StrCat("at most ", kDepthMax, " levels"));
  const Descriptor& type = *message.GetDescriptor();
  std::map<std::string, Position> seen;
  for (const auto& entry : node) {
    std::string key;
    if (!ReadKey(entry.first, path, key)) continue;
    const Position position = At(entry.first.Mark());
    const std::string field_path = FieldPath(path, key);
    const FieldDescriptor* const field = type.FindFieldByName(key);
    if (field == nullptr) {
      std::vector<std::string_view> known;
      for (int i = 0; i < type.field_count(); ++i) known.push_back(type.field(i)->name());
      const std::string_view nearest = text::Nearest(key, known);
      errors_.Add(position, field_path,
                  nearest.empty()
                      ? absl::StrCat("found an unknown key, expected one of: ", Alternatives(known))
                      : absl::StrCat("found an unknown key, expected `", std::string(nearest),
                                     "` perhaps"));
      continue;
    }
    const auto [first, inserted] = seen.emplace(key, position);
    if (!inserted) {
      errors_.Add(position, field_path,
                  absl::StrCat("found the key again, expected it once (the first is in line ",
                               first->second.line, ")"));
      continue;
    }
    if (field->real_containing_oneof() != nullptr) {
      const FieldDescriptor* const other =
          message.GetReflection()->GetOneofFieldDescriptor(message, field->real_containing_oneof());
      if (other != nullptr) {
        errors_.Add(position, field_path,
                    absl::StrCat("found it beside `", other->name(), "`, expected one of the two"));
        continue;
      }
    }
    positions_.Set(field_path, position);
    ReadField(entry.second, field_path, depth, message, *field);
    if (errors_.full()) return;
  }
}

void Reader::ReadField(const YAML::Node& node, const std::string& path, int depth, Message& message,
                       const FieldDescriptor& field) {
  if (field.is_map()) return ReadMap(node, path, depth, message, field);
  const Reflection& reflection = *message.GetReflection();
  const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (!field.is_repeated()) {
    if (is_message) {
      ReadMessage(node, path, depth + 1, *reflection.MutableMessage(&message, &field));
    } else {
      ReadScalar(node, path, message, field);
    }
    return;
  }
  if (!Count(node) || node.IsNull()) return;
  if (!node.IsSequence()) return Wrong(node, path, "a list");
  int index = 0;
  for (const YAML::Node& element : node) {
    const std::string element_path = ElementPath(path, index++);
    positions_.Set(element_path, At(element.Mark()));
    if (is_message) {
      ReadMessage(element, element_path, depth + 1, *reflection.AddMessage(&message, &field));
    } else {
      ReadScalar(element, element_path, message, field);
    }
    if (errors_.full() || nodes_ > kNodesMax) return;
  }
}

void Reader::ReadMap(const YAML::Node& node, const std::string& path, int depth, Message& message,
                     const FieldDescriptor& field) {
  if (!Count(node) || node.IsNull()) return;
  if (!node.IsMap()) return Wrong(node, path, "a mapping of keys to values");
  const FieldDescriptor& key_field = *field.message_type()->map_key();
  const FieldDescriptor& value_field = *field.message_type()->map_value();
  std::map<std::string, Position> seen;
  for (const auto& entry : node) {
    std::string key;
    if (!ReadKey(entry.first, path, key)) continue;
    const Position position = At(entry.first.Mark());
    const std::string value_path = FieldPath(path, key);
    const auto [first, inserted] = seen.emplace(key, position);
    if (!inserted) {
      errors_.Add(position, value_path,
                  absl::StrCat("found the key again, expected it once (the first is in line ",
                               first->second.line, ")"));
      continue;
    }
    positions_.Set(value_path, position);
    const Reflection& reflection = *message.GetReflection();
    Message& element = *reflection.AddMessage(&message, &field);
    bool read = ReadScalar(entry.first, value_path, element, key_field);
    if (read && value_field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      ReadMessage(entry.second, value_path, depth + 1,
                  *element.GetReflection()->MutableMessage(&element, &value_field));
    } else if (read) {
      read = ReadScalar(entry.second, value_path, element, value_field);
    }
    if (!read) reflection.RemoveLast(&message, &field);
    if (errors_.full() || nodes_ > kNodesMax) return;
  }
}

template <typename T>
bool Reader::ParseInteger(const YAML::Node& node, const std::string& path, T& value) {
  const std::string expected = absl::StrCat("a whole number from ", std::numeric_limits<T>::min(),
                                            " to ", std::numeric_limits<T>::max());
  // SimpleAtoi would take a sign and blanks around it; a configuration says it plainly.
  const auto plain = [](char c) { return absl::ascii_isdigit(c) || c == '-'; };
  if (!node.IsScalar() || IsQuoted(node) ||
      !std::all_of(node.Scalar().begin(), node.Scalar().end(), plain) ||
      !absl::SimpleAtoi(node.Scalar(), &value)) {
    Wrong(node, path, expected);
    return false;
  }
  return true;
}

const EnumValueDescriptor* Reader::ParseEnum(const YAML::Node& node, const std::string& path,
                                             const EnumDescriptor& type) {
  const EnumValueDescriptor* const value =
      node.IsScalar() ? type.FindValueByName(node.Scalar()) : nullptr;
  if (value != nullptr) return value;
  std::vector<std::string_view> known;
  for (int i = 0; i < type.value_count(); ++i) known.push_back(type.value(i)->name());
  Wrong(node, path, absl::StrCat("one of: ", Alternatives(known)));
  return nullptr;
}

bool Reader::ReadScalar(const YAML::Node& node, const std::string& path, Message& message,
                        const FieldDescriptor& field) {
  if (!Count(node)) return false;
  const Reflection& reflection = *message.GetReflection();
  const bool add = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: {
      int32_t value = 0;
      if (!ParseInteger(node, path, value)) return false;
      add ? reflection.AddInt32(&message, &field, value)
          : reflection.SetInt32(&message, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t value = 0;
      if (!ParseInteger(node, path, value)) return false;
      add ? reflection.AddInt64(&message, &field, value)
          : reflection.SetInt64(&message, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      uint32_t value = 0;
      if (!ParseInteger(node, path, value)) return false;
      add ? reflection.AddUInt32(&message, &field, value)
          : reflection.SetUInt32(&message, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      uint64_t value = 0;
      if (!ParseInteger(node, path, value)) return false;
      add ? reflection.AddUInt64(&message, &field, value)
          : reflection.SetUInt64(&message, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT: {
      double value = 0;
      const bool is_float = field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT;
      if (!node.IsScalar() || IsQuoted(node) || !absl::SimpleAtod(node.Scalar(), &value) ||
          !std::isfinite(is_float ? static_cast<float>(value) : value)) {
        Wrong(node, path, "a number");
        return false;
      }
      if (is_float) {
        add ? reflection.AddFloat(&message, &field, static_cast<float>(value))
            : reflection.SetFloat(&message, &field, static_cast<float>(value));
      } else {
        add ? reflection.AddDouble(&message, &field, value)
            : reflection.SetDouble(&message, &field, value);
      }
      return true;
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      if (!node.IsScalar() || IsQuoted(node) ||
          (node.Scalar() != "true" && node.Scalar() != "false")) {
        Wrong(node, path, "true or false");
        return false;
      }
      const bool value = node.Scalar() == "true";
      add ? reflection.AddBool(&message, &field, value)
          : reflection.SetBool(&message, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const EnumValueDescriptor* const value = ParseEnum(node, path, *field.enum_type());
      if (value == nullptr) return false;
      add ? reflection.AddEnum(&message, &field, value)
          : reflection.SetEnum(&message, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      if (!node.IsScalar()) {
        Wrong(node, path, "text");
        return false;
      }
      std::string value = node.Scalar();
      if (field.type() == FieldDescriptor::TYPE_BYTES) {
        // What was found may be half a secret: it is not shown.
        if (!absl::Base64Unescape(node.Scalar(), &value)) {
          errors_.Add(At(node.Mark()), path, "found what is not base64, expected base64");
          return false;
        }
      }
      add ? reflection.AddString(&message, &field, value)
          : reflection.SetString(&message, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  Wrong(node, path, "a value");
  return false;
}

}  // namespace

absl::Status ReadYaml(std::string_view text, std::string_view file, Message& message,
                      SourceMap& positions) {
  return Reader(file, positions).Read(text, message);
}

}  // namespace skimwatch::config
