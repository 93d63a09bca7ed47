#ifndef SKIMWATCH_AGENT_SCRIPT_APPROVALS_H_
#define SKIMWATCH_AGENT_SCRIPT_APPROVALS_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::script {

// What the collector approves, as of one policy. Immutable and thread-safe.
class Approvals {
 public:
  Approvals() = default;
  explicit Approvals(const google::protobuf::RepeatedPtrField<v1::ApprovedScript>& approved);

  bool Contains(const std::string& site, const std::string& script,
                const std::string& sha256) const;
  // Whether the bytes are approved under any name of the site.
  bool ContainsBytes(const std::string& site, const std::string& sha256) const;
  // Whether any version of the script is approved.
  bool Knows(const std::string& site, const std::string& script) const;

  // Numbers under which bytes are approved as an inline script of a page, so that agents that saw a
  // page grow in different ways agree on the names. 0 when they are under none.
  int NumberOf(const std::string& site, const std::string& page, const std::string& sha256) const;

 private:
  using Script = std::pair<std::string, std::string>;
  absl::flat_hash_map<Script, absl::flat_hash_set<std::string>> by_script_;
  // By site.
  absl::flat_hash_map<std::string, absl::flat_hash_set<std::string>> bytes_;
  // By site, and page and hash together.
  absl::flat_hash_map<Script, int> inline_numbers_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_APPROVALS_H_
