#ifndef SKIMWATCH_AGENT_SCRIPT_APPROVALS_H_
#define SKIMWATCH_AGENT_SCRIPT_APPROVALS_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::script {

// What a policy says of a version beside whether it is approved.
struct Standing {
  // The script's behaviour profile in force; nullptr for none. Lives as long as the Approvals.
  const v1::ApprovedProfile* profile = nullptr;
  // When the version's approval ended.
  std::optional<absl::Time> expired_at;
};

// What the collector approves, as of one policy: versions by their hash, versions that publishers
// vouch for, and behaviour (docs/approvals.md). What ended is not approved, whether a newer policy
// says so or not. Immutable and thread-safe.
class Approvals {
 public:
  Approvals() = default;
  // `now` is the clock that approvals end by.
  explicit Approvals(const v1::Policy& policy, absl::Time (*now)() = absl::Now);

  // Approved, by whatever way.
  bool Contains(const std::string& site, const std::string& script,
                const std::string& sha256) const;
  // Approved by its hash, so that nobody needs to read it. What was accepted by a profile is not:
  // each agent that can read the text judges it for itself.
  bool ContainsByHash(const std::string& site, const std::string& script,
                      const std::string& sha256) const;
  // Likewise, whether the bytes are approved under any name of the site.
  bool ContainsBytes(const std::string& site, const std::string& sha256) const;
  bool ContainsBytesByHash(const std::string& site, const std::string& sha256) const;

  // Numbers under which bytes are approved as an inline script of a page, so that agents that saw a
  // page grow in different ways agree on the names. 0 when they are under none.
  int NumberOf(const std::string& site, const std::string& page, const std::string& sha256) const;

  Standing StandingOf(const std::string& site, const std::string& script,
                      const std::string& sha256) const;

  // Versions of a site that the collector wants to know the behaviour of.
  std::vector<v1::AskedBehaviour> AskedOf(const std::string& site) const;

 private:
  struct Approval {
    absl::Time end = absl::InfiniteFuture();
    bool by_profile = false;
  };
  // When the last approval of some bytes ends, and the last that is by their hash.
  struct Ends {
    absl::Time any = absl::InfinitePast();
    absl::Time by_hash = absl::InfinitePast();
  };
  struct Published {
    std::string pattern;
    absl::Time end = absl::InfiniteFuture();
  };
  using Script = std::pair<std::string, std::string>;

  bool IsPublished(const std::string& site, const std::string& script,
                   const std::string& sha256) const;

  absl::Time (*now_)() = absl::Now;
  // By script, then by hash.
  absl::flat_hash_map<Script, absl::flat_hash_map<std::string, Approval>> by_script_;
  // By site and hash.
  absl::flat_hash_map<Script, Ends> bytes_;
  // By site, empty for all, and hash.
  absl::flat_hash_map<Script, std::vector<Published>> published_;
  // By site, and page and hash together.
  absl::flat_hash_map<Script, int> inline_numbers_;
  absl::flat_hash_map<Script, v1::ApprovedProfile> profiles_;
  // By script, then by hash.
  absl::flat_hash_map<Script, absl::flat_hash_map<std::string, absl::Time>> expired_;
  std::vector<v1::AskedBehaviour> asked_;
};

// The change of a script that stayed as it is while its approval ended: its own version is the one
// before. The standing says when that was.
v1::ScriptChange ExpiredChange(const Standing& standing, const std::string& script,
                               const std::string& page, const v1::ScriptVersion& version);

// Says in a change that is not approved when the version's approval ended, where it had one.
void NoteExpiry(const Standing& standing, v1::ScriptChange& change);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_APPROVALS_H_
