#include "collector/api/request_limits.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/timestamp.pb.h"
#include "proto/validation/card_digits.h"

namespace skimwatch::api {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::Timestamp;

constexpr uint32_t kPageSizeMax = 1000;
constexpr int kFingerprintsMax = 16;

// Limits of texts and bytes by the field's name, which means the same in every request.
struct TextLimit {
  absl::string_view field;
  size_t bytes_min;
  size_t bytes_max;
};
constexpr TextLimit kTextLimits[] = {
    {"site", 0, 63},
    {"page_token", 0, 1024},
    {"agent", 0, 1024},
    {"name", 1, 4096},
    {"sha256", 32, 32},
    {"fingerprints", 32, 32},
    {"justification", 1, 4096},
    {"reason", 1, 4096},
    {"pattern", 1, 255},
    {"process", 0, 4096},
    {"subject", 0, 8192},
    {"text", 1, 4096},
    {"owner", 0, 256},
    {"page", 0, 4096},
    {"list", 1, 1 << 20},
    {"signature", 0, 1024},
};
// Texts that only look something up, and hold digests, serial numbers or what the collector made;
// and notes (`text`), whose card numbers are masked before they are kept. Every other text is kept
// for ever, shown, or sent to agents: no card number may be in it.
constexpr absl::string_view kMayHoldDigits[] = {"page_token", "agent", "subject", "text"};
// Requests about one script or destination name its site.
constexpr absl::string_view kNeedSite[] = {"GetScriptRequest",          "ApproveScriptRequest",
                                           "RevokeScriptRequest",       "GetDestinationRequest",
                                           "ApproveDestinationRequest", "RevokeDestinationRequest",
                                           "DescribeScriptRequest"};

absl::Status Wrong(absl::string_view field, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": expected ", expected));
}

bool NeedsSite(absl::string_view request) {
  for (const absl::string_view name : kNeedSite) {
    if (name == request) return true;
  }
  return false;
}

bool MayHoldDigits(const FieldDescriptor& field) {
  if (field.type() != FieldDescriptor::TYPE_STRING) return true;
  for (const absl::string_view name : kMayHoldDigits) {
    if (name == field.name()) return true;
  }
  return false;
}

// Of a behaviour profile the version is known, and who asks what a version does has no reason yet.
bool MayBeEmpty(const Message& request, const FieldDescriptor& field) {
  const bool may = field.full_name() == "skimwatch.v1.ApproveScriptRequest.justification" ||
                   field.full_name() == "skimwatch.v1.RevokeScriptRequest.sha256";
  return may && request.GetReflection()->GetBool(
                    request, request.GetDescriptor()->FindFieldByName("profile"));
}

absl::Status CheckText(const Message& request, const FieldDescriptor& field,
                       const std::string& value) {
  if (value.empty() && MayBeEmpty(request, field)) return absl::OkStatus();
  for (const TextLimit& limit : kTextLimits) {
    if (limit.field != field.name()) continue;
    const bool needs_site = field.name() == "site" && NeedsSite(request.GetDescriptor()->name());
    const size_t bytes_min = needs_site ? 1 : limit.bytes_min;
    if (value.size() >= bytes_min && value.size() <= limit.bytes_max) {
      // Blanks are no reason.
      const bool blank = field.type() == FieldDescriptor::TYPE_STRING && bytes_min > 0 &&
                         value.find_first_not_of(" \t\r\n") == std::string::npos;
      if (blank) return Wrong(field.name(), "more than blanks");
      if (!MayHoldDigits(field) && !validation::FindCardNumber(value).empty()) {
        return Wrong(field.name(), "no card number in it");
      }
      return absl::OkStatus();
    }
    if (limit.bytes_min == limit.bytes_max) {
      return Wrong(field.name(), absl::StrCat(limit.bytes_max, " bytes"));
    }
    return Wrong(field.name(), absl::StrCat(bytes_min, " to ", limit.bytes_max, " bytes"));
  }
  return absl::InternalError(absl::StrCat(field.full_name(), " has no limit"));
}

absl::Status CheckTimestamp(const FieldDescriptor& field, const Timestamp& time) {
  // Year 1 to 9999, as google/protobuf/timestamp.proto says.
  constexpr int64_t kSecondsMin = -62135596800;
  constexpr int64_t kSecondsMax = 253402300799;
  if (time.seconds() >= kSecondsMin && time.seconds() <= kSecondsMax && time.nanos() >= 0 &&
      time.nanos() <= 999'999'999) {
    return absl::OkStatus();
  }
  return Wrong(field.name(), "a time from year 1 to 9999");
}

absl::Status CheckField(const Message& request, const FieldDescriptor& field) {
  const Reflection& reflection = *request.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      if (!field.is_repeated()) {
        return CheckText(request, field, reflection.GetString(request, &field));
      }
      const int size = reflection.FieldSize(request, &field);
      if (size < 1 || size > kFingerprintsMax) {
        return Wrong(field.name(), absl::StrCat("1 to ", kFingerprintsMax));
      }
      for (int i = 0; i < size; ++i) {
        absl::Status status =
            CheckText(request, field, reflection.GetRepeatedString(request, &field, i));
        if (!status.ok()) return status;
      }
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_ENUM:
      if (field.enum_type()->FindValueByNumber(reflection.GetEnumValue(request, &field)) ==
          nullptr) {
        return Wrong(field.name(), absl::StrCat("a known ", field.enum_type()->name()));
      }
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_UINT32:
      if (field.name() == "page_size" && reflection.GetUInt32(request, &field) > kPageSizeMax) {
        return Wrong(field.name(), absl::StrCat("at most ", kPageSizeMax));
      }
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_UINT64:
      if (field.name() == "id" && reflection.GetUInt64(request, &field) == 0) {
        return Wrong(field.name(), "the id of an exposure, from 1");
      }
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (field.message_type() == Timestamp::descriptor()) {
        return CheckTimestamp(
            field, static_cast<const Timestamp&>(reflection.GetMessage(request, &field)));
      }
      return absl::InternalError(absl::StrCat(field.full_name(), " has no limit"));
    default:
      return absl::InternalError(absl::StrCat(field.full_name(), " has no limit"));
  }
}

}  // namespace

absl::Status CheckRequest(const Message& request) {
  const auto& type = *request.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.has_optional_keyword() && !request.GetReflection()->HasField(request, &field)) {
      continue;
    }
    if (absl::Status status = CheckField(request, field); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace skimwatch::api
