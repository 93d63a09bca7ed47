#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "proto/config/yaml_config.h"
#include "yaml-cpp/yaml.h"

namespace skimwatch::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The shortest decimal that reads back as the same number.
std::string Number(double value) {
  for (int digits = 6; digits <= 17; ++digits) {
    std::string text(32, '\0');
    text.resize(
        static_cast<size_t>(std::snprintf(text.data(), text.size(), "%.*g", digits, value)));
    if (std::strtod(text.c_str(), nullptr) == value) return text;
  }
  return absl::StrCat(value);
}

void WriteMessage(const Message& message, YAML::Emitter& out);

// Plain where a reader takes it for text again; in quotes where it would be something else.
void WriteText(const std::string& text, YAML::Emitter& out) {
  static constexpr std::string_view kPlainMarks = "_-./";
  bool plain = !text.empty();
  bool letter = false;
  for (const char c : text) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    letter = letter || is_letter;
    plain = plain &&
            (is_letter || (c >= '0' && c <= '9') || kPlainMarks.find(c) != std::string_view::npos);
  }
  static constexpr std::string_view kNotText[] = {"true", "false", "null", "yes", "no",
                                                  "on",   "off",   "y",    "n"};
  for (const std::string_view word : kNotText) plain = plain && text != word;
  plain = plain && letter && text[0] != '-' && text[0] != '.';
  if (plain) {
    out << text;
  } else {
    out << YAML::DoubleQuoted << text;
  }
}

// Field `field` of `message`, or its element `index` where that is not negative.
void WriteValue(const Message& message, const FieldDescriptor& field, int index,
                YAML::Emitter& out) {
  const Reflection& r = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      out << (one ? r.GetInt32(message, &field) : r.GetRepeatedInt32(message, &field, index));
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      out << absl::StrCat(one ? r.GetInt64(message, &field)
                              : r.GetRepeatedInt64(message, &field, index));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      out << (one ? r.GetUInt32(message, &field) : r.GetRepeatedUInt32(message, &field, index));
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      out << absl::StrCat(one ? r.GetUInt64(message, &field)
                              : r.GetRepeatedUInt64(message, &field, index));
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      out << Number(one ? r.GetDouble(message, &field)
                        : r.GetRepeatedDouble(message, &field, index));
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      out << Number(one ? r.GetFloat(message, &field) : r.GetRepeatedFloat(message, &field, index));
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      out << (one ? r.GetBool(message, &field) : r.GetRepeatedBool(message, &field, index));
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      out << (one ? r.GetEnum(message, &field) : r.GetRepeatedEnum(message, &field, index))->name();
      return;
    case FieldDescriptor::CPPTYPE_STRING:
      // Bytes in a configuration are keys.
      if (field.type() == FieldDescriptor::TYPE_BYTES) {
        out << YAML::DoubleQuoted << "<hidden>";
      } else {
        WriteText(one ? r.GetString(message, &field) : r.GetRepeatedString(message, &field, index),
                  out);
      }
      return;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      WriteMessage(
          one ? r.GetMessage(message, &field) : r.GetRepeatedMessage(message, &field, index), out);
      return;
  }
}

std::string MapKey(const Message& entry, const FieldDescriptor& field) {
  const Reflection& r = *entry.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(r.GetInt32(entry, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(r.GetInt64(entry, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(r.GetUInt32(entry, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(r.GetUInt64(entry, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return r.GetBool(entry, &field) ? "true" : "false";
    default:
      return r.GetString(entry, &field);
  }
}

void WriteMap(const Message& message, const FieldDescriptor& field, YAML::Emitter& out) {
  const FieldDescriptor& key = *field.message_type()->map_key();
  const FieldDescriptor& value = *field.message_type()->map_value();
  const Reflection& r = *message.GetReflection();
  // In order of the keys: the order in the message is none.
  std::map<std::string, const Message*> entries;
  for (int i = 0; i < r.FieldSize(message, &field); ++i) {
    const Message& entry = r.GetRepeatedMessage(message, &field, i);
    entries.emplace(MapKey(entry, key), &entry);
  }
  out << YAML::BeginMap;
  for (const auto& [name, entry] : entries) {
    out << YAML::Key;
    if (key.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      WriteText(name, out);
    } else {
      out << name;
    }
    out << YAML::Value;
    WriteValue(*entry, value, -1, out);
  }
  out << YAML::EndMap;
}

// Numbers and switches are shown when they are zero, too: left out they would mean the default.
bool IsShown(const Message& message, const FieldDescriptor& field) {
  const Reflection& r = *message.GetReflection();
  if (field.is_repeated()) return r.FieldSize(message, &field) > 0;
  if (r.HasField(message, &field)) return true;
  return !field.has_presence() && field.cpp_type() != FieldDescriptor::CPPTYPE_STRING &&
         field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM;
}

void WriteMessage(const Message& message, YAML::Emitter& out) {
  const auto& type = *message.GetDescriptor();
  const Reflection& r = *message.GetReflection();
  out << YAML::BeginMap;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (!IsShown(message, field)) continue;
    out << YAML::Key << field.name() << YAML::Value;
    if (field.is_map()) {
      WriteMap(message, field, out);
    } else if (field.is_repeated()) {
      out << YAML::BeginSeq;
      for (int j = 0; j < r.FieldSize(message, &field); ++j) WriteValue(message, field, j, out);
      out << YAML::EndSeq;
    } else {
      WriteValue(message, field, -1, out);
    }
  }
  out << YAML::EndMap;
}

}  // namespace

std::string ToYaml(const Message& message) {
  YAML::Emitter out;
  WriteMessage(message, out);
  return absl::StrCat(out.c_str(), "\n");
}

}  // namespace skimwatch::config
