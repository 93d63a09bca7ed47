#ifndef SKIMWATCH_COLLECTOR_CTL_DESCRIBE_H_
#define SKIMWATCH_COLLECTOR_CTL_DESCRIBE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/timestamp.pb.h"
#include "skimwatch/v1/agent.pb.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::ctl {

// A value of an enum as operators write it: FINDING_KIND_CARD_NUMBER is `card_number`. Empty for
// the unspecified value, the number for one that this program does not know.
std::string Word(const google::protobuf::EnumDescriptor& type, int value);
// All words of an enum, in order.
std::vector<std::string> Words(const google::protobuf::EnumDescriptor& type);
// The value of a word that Words() has; 0 for an empty one.
int FromWord(const google::protobuf::EnumDescriptor& type, std::string_view word);

// RFC 3339 in UTC, to the second; empty when there is none.
std::string Describe(const google::protobuf::Timestamp& time);

// `2026-03-01T12:00:00Z`, `2026-03-01`, or an age before `now` such as `90m`, `24h`, `7d`.
absl::StatusOr<google::protobuf::Timestamp> ParseTime(std::string_view text, absl::Time now);

// An end that `--until` gives: a time, or `24h`, `90d` from now. INVALID_ARGUMENT: not in the
// future.
absl::StatusOr<google::protobuf::Timestamp> ParseEnd(std::string_view text, absl::Time now);

// The hash in hex, its first 12 digits only where `is_short`.
std::string Hex(std::string_view bytes, bool is_short);

// What a finding is about, in one cell: `visa 411111******1111`, `changed /js/chat.js`.
std::string What(const v1::Finding& finding);
// What it left through: `POST /collect`, a file.
std::string Channel(const v1::Finding& finding);

// What an approval's end adds to its line, of a message with `revoked_at`, `revoked_by` and
// `revocation_reason`; empty for one in force.
template <typename Approval>
std::string Revocation(const Approval& approval) {
  if (!approval.has_revoked_at()) return "";
  return absl::StrCat("; revoked ", Describe(approval.revoked_at()), " by ", approval.revoked_by(),
                      ": ", approval.revocation_reason());
}

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_DESCRIBE_H_
