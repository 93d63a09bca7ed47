#include "collector/ctl/json.h"

#include <cmath>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/time_util.h"
#include "proto/text/printable.h"

namespace skimwatch::ctl {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::Timestamp;

void AppendMessage(const Message& message, std::string& out);

void AppendText(std::string_view text, std::string& out) {
  out.push_back('"');
  out.append(text::JsonEscaped(text));
  out.push_back('"');
}

void AppendDouble(double value, std::string& out) {
  if (std::isnan(value)) {
    out.append("\"NaN\"");
  } else if (std::isinf(value)) {
    out.append(value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  } else {
    // The shortest form that reads back as the same number.
    char text[32];
    for (int digits = 6; digits <= 17; ++digits) {
      std::snprintf(text, sizeof text, "%.*g", digits, value);
      if (std::strtod(text, nullptr) == value) break;
    }
    out.append(text);
  }
}

// Field `field` of `message`, or its element `index` where that is not negative.
void AppendValue(const Message& message, const FieldDescriptor& field, int index,
                 std::string& out) {
  const Reflection& r = *message.GetReflection();
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      absl::StrAppend(
          &out, one ? r.GetInt32(message, &field) : r.GetRepeatedInt32(message, &field, index));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      absl::StrAppend(
          &out, one ? r.GetUInt32(message, &field) : r.GetRepeatedUInt32(message, &field, index));
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      absl::StrAppend(
          &out, "\"",
          one ? r.GetInt64(message, &field) : r.GetRepeatedInt64(message, &field, index), "\"");
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      absl::StrAppend(
          &out, "\"",
          one ? r.GetUInt64(message, &field) : r.GetRepeatedUInt64(message, &field, index), "\"");
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return AppendDouble(
          one ? r.GetDouble(message, &field) : r.GetRepeatedDouble(message, &field, index), out);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return AppendDouble(
          one ? r.GetFloat(message, &field) : r.GetRepeatedFloat(message, &field, index), out);
    case FieldDescriptor::CPPTYPE_BOOL:
      out.append((one ? r.GetBool(message, &field) : r.GetRepeatedBool(message, &field, index))
                     ? "true"
                     : "false");
      return;
    case FieldDescriptor::CPPTYPE_ENUM: {
      // A number when a newer collector knows a value that this program does not.
      const int number =
          one ? r.GetEnumValue(message, &field) : r.GetRepeatedEnumValue(message, &field, index);
      const auto* const value = field.enum_type()->FindValueByNumber(number);
      if (value == nullptr) {
        absl::StrAppend(&out, number);
      } else {
        AppendText(value->name(), out);
      }
      return;
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text =
          one ? r.GetString(message, &field) : r.GetRepeatedString(message, &field, index);
      AppendText(field.type() == FieldDescriptor::TYPE_BYTES ? absl::BytesToHexString(text) : text,
                 out);
      return;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return AppendMessage(
          one ? r.GetMessage(message, &field) : r.GetRepeatedMessage(message, &field, index), out);
  }
}

void AppendMap(const Message& message, const FieldDescriptor& field, std::string& out) {
  const Reflection& r = *message.GetReflection();
  // By key, since the order in the message is none.
  std::map<std::string, std::string> entries;
  for (int i = 0; i < r.FieldSize(message, &field); ++i) {
    const Message& entry = r.GetRepeatedMessage(message, &field, i);
    std::string key;
    AppendValue(entry, *field.message_type()->map_key(), -1, key);
    if (key.empty() || key[0] != '"') key = absl::StrCat("\"", key, "\"");
    AppendValue(entry, *field.message_type()->map_value(), -1, entries[key]);
  }
  out.push_back('{');
  bool first = true;
  for (const auto& [key, value] : entries) {
    absl::StrAppend(&out, first ? "" : ",", key, ":", value);
    first = false;
  }
  out.push_back('}');
}

void AppendMessage(const Message& message, std::string& out) {
  if (message.GetDescriptor() == Timestamp::descriptor()) {
    const auto& time = static_cast<const Timestamp&>(message);
    using google::protobuf::util::TimeUtil;
    const bool valid = time.seconds() >= TimeUtil::kTimestampMinSeconds &&
                       time.seconds() <= TimeUtil::kTimestampMaxSeconds && time.nanos() >= 0 &&
                       time.nanos() < 1000000000;
    return AppendText(valid ? TimeUtil::ToString(time) : "invalid", out);
  }
  const auto& type = *message.GetDescriptor();
  const Reflection& r = *message.GetReflection();
  out.push_back('{');
  bool first = true;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (!field.is_repeated() && field.has_presence() && !r.HasField(message, &field)) continue;
    absl::StrAppend(&out, first ? "" : ",", "\"", field.name(), "\":");
    first = false;
    if (field.is_map()) {
      AppendMap(message, field, out);
    } else if (field.is_repeated()) {
      out.push_back('[');
      for (int j = 0; j < r.FieldSize(message, &field); ++j) {
        if (j > 0) out.push_back(',');
        AppendValue(message, field, j, out);
      }
      out.push_back(']');
    } else {
      AppendValue(message, field, -1, out);
    }
  }
  out.push_back('}');
}

}  // namespace

std::string ToJson(const Message& message) {
  std::string out;
  AppendMessage(message, out);
  return out;
}

}  // namespace skimwatch::ctl
