#include "proto/config/checker.h"

#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/stubs/logging.h"

namespace skimwatch::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Reflection;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

const FieldDescriptor& Checker::Field(std::string_view name) const {
  const FieldDescriptor* const field =
      message_->GetDescriptor()->FindFieldByName(std::string(name));
  GOOGLE_CHECK(field != nullptr) << message_->GetDescriptor()->full_name() << " has no field "
                                 << std::string(name);
  return *field;
}

Checker Checker::Message(std::string_view field) const {
  return Checker(*message_->GetReflection()->MutableMessage(message_, &Field(field)),
                 FieldPath(path_, field), *positions_, *errors_);
}

void Checker::Each(std::string_view field, const std::function<void(Checker)>& check) const {
  const FieldDescriptor& descriptor = Field(field);
  const Reflection& reflection = *message_->GetReflection();
  for (int i = 0; i < reflection.FieldSize(*message_, &descriptor); ++i) {
    check(Checker(*reflection.MutableRepeatedMessage(message_, &descriptor, i),
                  ElementPath(FieldPath(path_, field), i), *positions_, *errors_));
  }
}

void Checker::Number(std::string_view field, uint64_t otherwise, uint64_t min, uint64_t max) const {
  const FieldDescriptor& descriptor = Field(field);
  const Reflection& reflection = *message_->GetReflection();
  const bool wide = descriptor.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
  if (!Given(field)) {
    wide ? reflection.SetUInt64(message_, &descriptor, otherwise)
         : reflection.SetUInt32(message_, &descriptor, static_cast<uint32_t>(otherwise));
    return;
  }
  const uint64_t value = wide ? reflection.GetUInt64(*message_, &descriptor)
                              : reflection.GetUInt32(*message_, &descriptor);
  if (value < min || value > max) {
    Error(field, absl::StrCat(value), absl::StrCat(min, " to ", max));
  }
}

void Checker::Text(std::string_view field, std::string_view otherwise) const {
  if (!Get(field).empty()) return;
  if (Given(field)) return Error(field, "an empty text", "some, or the key left out");
  message_->GetReflection()->SetString(message_, &Field(field), std::string(otherwise));
}

void Checker::OneOf(std::string_view field, std::string_view otherwise,
                    std::initializer_list<std::string_view> values) const {
  std::vector<absl::string_view> known;
  for (const std::string_view value : values) known.push_back(View(value));
  const std::string found = Get(field);
  if (found.empty() && !Given(field)) return Text(field, otherwise);
  for (const std::string_view value : values) {
    if (found == value) return;
  }
  Error(field, Quoted(found), absl::StrCat("one of: ", absl::StrJoin(known, ", ")));
}

void Checker::Switch(std::string_view field, bool otherwise) const {
  if (!Given(field)) message_->GetReflection()->SetBool(message_, &Field(field), otherwise);
}

bool Checker::Required(std::string_view field, std::string_view expected) const {
  if (!Get(field).empty()) return true;
  Error(field, "nothing", expected);
  return false;
}

void Checker::Valid(std::string_view field, const std::function<bool(std::string_view)>& is_valid,
                    std::string_view expected) const {
  const std::string value = Get(field);
  if (!value.empty() && !is_valid(value)) Error(field, Quoted(value), expected);
}

void Checker::EachValid(std::string_view field,
                        const std::function<bool(std::string_view)>& is_valid,
                        std::string_view expected) const {
  const FieldDescriptor& descriptor = Field(field);
  const Reflection& reflection = *message_->GetReflection();
  std::map<std::string, int> seen;
  for (int i = 0; i < reflection.FieldSize(*message_, &descriptor); ++i) {
    const std::string value = reflection.GetRepeatedString(*message_, &descriptor, i);
    if (!is_valid(value)) {
      Error(ElementPath(field, i), Quoted(value), expected);
    } else if (const auto [first, inserted] = seen.emplace(value, i); !inserted) {
      Error(ElementPath(field, i), absl::StrCat(Quoted(value), " again"),
            absl::StrCat("each once (the first is ", ElementPath(field, first->second), ")"));
    }
  }
}

void Checker::Texts(std::string_view field,
                    std::initializer_list<std::string_view> otherwise) const {
  const FieldDescriptor& descriptor = Field(field);
  const Reflection& reflection = *message_->GetReflection();
  if (reflection.FieldSize(*message_, &descriptor) > 0) return;
  for (const std::string_view text : otherwise) {
    reflection.AddString(message_, &descriptor, std::string(text));
  }
}

void Checker::NotEmpty(std::string_view field, std::string_view expected) const {
  if (message_->GetReflection()->FieldSize(*message_, &Field(field)) == 0) {
    Error(field, "none", expected);
  }
}

void Checker::Unique(std::string_view field, std::map<std::string, std::string>& seen) const {
  const FieldDescriptor& descriptor = Field(field);
  const Reflection& reflection = *message_->GetReflection();
  const int size = descriptor.is_repeated() ? reflection.FieldSize(*message_, &descriptor) : 1;
  for (int i = 0; i < size; ++i) {
    const std::string value = descriptor.is_repeated()
                                  ? reflection.GetRepeatedString(*message_, &descriptor, i)
                                  : reflection.GetString(*message_, &descriptor);
    if (value.empty()) continue;
    const std::string place = descriptor.is_repeated() ? ElementPath(field, i) : std::string(field);
    const auto [first, inserted] = seen.emplace(value, FieldPath(path_, place));
    if (!inserted && first->second.rfind(path_ + ".", 0) != 0) {
      Error(place, absl::StrCat(Quoted(value), " again"),
            absl::StrCat("each once (the first is ", first->second, ")"));
    }
  }
}

void Checker::LowerCase(std::string_view field) const {
  const FieldDescriptor& descriptor = Field(field);
  const Reflection& reflection = *message_->GetReflection();
  if (!descriptor.is_repeated()) {
    return reflection.SetString(message_, &descriptor, absl::AsciiStrToLower(Get(field)));
  }
  for (int i = 0; i < reflection.FieldSize(*message_, &descriptor); ++i) {
    reflection.SetRepeatedString(
        message_, &descriptor, i,
        absl::AsciiStrToLower(reflection.GetRepeatedString(*message_, &descriptor, i)));
  }
}

bool Checker::GetSwitch(std::string_view field) const {
  return message_->GetReflection()->GetBool(*message_, &Field(field));
}

std::string Checker::Get(std::string_view field) const {
  return message_->GetReflection()->GetString(*message_, &Field(field));
}

void Checker::Error(std::string_view field, std::string_view found,
                    std::string_view expected) const {
  const std::string path = field.empty() ? path_ : FieldPath(path_, field);
  errors_->Add(positions_->Nearest(path), path,
               absl::StrCat("found ", View(found), ", expected ", View(expected)));
}

}  // namespace skimwatch::config
