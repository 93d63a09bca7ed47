#ifndef SKIMWATCH_AGENT_OFFLINE_IGNORE_FILES_H_
#define SKIMWATCH_AGENT_OFFLINE_IGNORE_FILES_H_

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "agent/offline/ignore_rules.h"
#include "agent/offline/skip_reason.h"

namespace skimwatch::offline {

// The files that say what a walk leaves out, in the order in which they are asked: a file of the
// first kind decides before any of the second, and among those of one kind the innermost folder's.
//
// Thread-compatible; follows one walk.
class IgnoreFiles {
 public:
  struct Kind {
    std::string_view name;
    // Of what it leaves out.
    SkipReason reason;
  };
  static constexpr std::array<Kind, 2> kKinds = {
      {{".skimwatchignore", SkipReason::kSkimwatchIgnored},
       {".gitignore", SkipReason::kGitIgnored}}};

  // `skips` must outlive it, and takes files that can't be applied.
  IgnoreFiles(bool skimwatch, bool git, SkipSink& skips)
      : enabled_{skimwatch, git}, skips_(skips) {}

  // Begins at a folder, with the files of the folders above it up to the root of the repository
  // that it is in, if it is in one.
  void Begin(const std::string& path);
  // The walk enters a folder; `below` is its path below the first, `has` tells the names in it.
  void Enter(int folder, const std::string& path, const std::string& below,
             absl::FunctionRef<bool(std::string_view)> has);
  void Leave() { folders_.pop_back(); }

  // Why `below`, a path below the first folder and within the innermost, is left out; kCount when
  // it is not.
  SkipReason Check(std::string_view below, bool is_folder) const;

 private:
  using RulesOfKinds = std::array<IgnoreRules, kKinds.size()>;

  struct Folder {
    // What is before a path below the first folder in one below this folder, or how much of the
    // former is not in the latter.
    std::string prefix;
    size_t cut = 0;
    RulesOfKinds rules;
  };

  IgnoreRules Read(int folder, const std::string& path, std::string_view name);
  bool any_enabled() const { return enabled_[0] || enabled_[1]; }

  const std::array<bool, kKinds.size()> enabled_;
  SkipSink& skips_;
  // Outermost first.
  std::vector<Folder> folders_;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_IGNORE_FILES_H_
