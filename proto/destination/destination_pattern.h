#ifndef SKIMWATCH_PROTO_DESTINATION_DESTINATION_PATTERN_H_
#define SKIMWATCH_PROTO_DESTINATION_DESTINATION_PATTERN_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace skimwatch::destination {

// Destinations that one approval covers. Agent and collector read it alike:
//
//   example.com       the destination of that name, a registered domain
//   *.example.com     every destination whose name ends in .example.com
//   192.0.2.7         the destination that has that address and no name
//   192.0.2.0/24      every destination without a name in that prefix; 2001:db8::/32 likewise
//
// Immutable and thread-safe.
class DestinationPattern {
 public:
  enum class Kind : uint8_t { kName, kNamesBelow, kAddresses };

  // INVALID_ARGUMENT says what is wrong, also of a pattern that would cover a whole top-level
  // domain or every address.
  static absl::StatusOr<DestinationPattern> Parse(std::string_view text);

  Kind kind() const { return kind_; }
  // In lower case and without blanks around it.
  const std::string& text() const { return text_; }
  // `name` is a destination's, in lower case.
  bool Matches(std::string_view name) const;

 private:
  DestinationPattern() = default;

  Kind kind_ = Kind::kName;
  std::string text_;
  // An IPv4 address in its mapped form.
  std::array<uint8_t, 16> address_{};
  int bits_ = 128;
};

}  // namespace skimwatch::destination

#endif  // SKIMWATCH_PROTO_DESTINATION_DESTINATION_PATTERN_H_
