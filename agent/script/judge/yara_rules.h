#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_YARA_RULES_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_YARA_RULES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace skimwatch::script {

struct RuleSource {
  // A file's path, for messages.
  std::string name;
  std::string text;
};

struct RuleMatch {
  std::string rule;
  // The rule's `description`, where it has one.
  std::string description;
  // The rule's `severity` is `critical`.
  bool is_critical = false;
  // Of the first string that matched.
  uint64_t offset = 0;
};

// YARA rules that compiled (libyara 4.2). Immutable, thread-safe.
class YaraRuleSet {
 public:
  // Compiles what can be: a source with an error is left out, and `errors` names its file, its line
  // and what is wrong. `include` is refused, so that a rule reads no other file.
  static std::shared_ptr<const YaraRuleSet> Compile(const std::vector<RuleSource>& sources,
                                                    std::vector<std::string>& errors);
  ~YaraRuleSet();
  YaraRuleSet(const YaraRuleSet&) = delete;
  YaraRuleSet& operator=(const YaraRuleSet&) = delete;

  // Rules that match, each once, in the rules' order, and whether all were tried:
  // DEADLINE_EXCEEDED where that took longer than `timeout` (whole seconds).
  absl::Status Scan(std::string_view text, absl::Duration timeout,
                    std::vector<RuleMatch>& matches) const;
  int rules() const { return rules_; }

 private:
  struct Compiled;
  YaraRuleSet();
  std::unique_ptr<Compiled> compiled_;
  int rules_ = 0;
};

// The rules that come with the program, and those of the users' folder: `*.yar` and `*.yara` in it.
// The folder is looked at again when `recheck` has passed, and compiled anew when a file of it
// came, went or changed; while the folder can't be read, the rules stay. What is wrong is logged
// when it changes. Thread-safe.
class YaraRules {
 public:
  struct Options {
    // Empty for the bundled rules alone.
    std::string folder;
    absl::Duration recheck = absl::Seconds(5);
    // Files beyond are named as an error and left out.
    int files_max = 1000;
    uint64_t file_bytes_max = uint64_t{4} << 20;
  };
  struct Stats {
    int rules = 0;
    // What is wrong now, a line each: files that do not compile, a folder that can't be read.
    std::vector<std::string> errors;
    uint64_t reloads = 0;
  };

  explicit YaraRules(Options options);

  // The rules as they are now.
  std::shared_ptr<const YaraRuleSet> Current();
  Stats GetStats() const;

 private:
  void SetErrors(std::vector<std::string> errors) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Reload() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What tells whether the folder is as it was.
  std::string Fingerprint(std::vector<std::string>& files, std::string& error) const;

  const Options options_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const YaraRuleSet> rules_ ABSL_GUARDED_BY(mutex_);
  std::string fingerprint_ ABSL_GUARDED_BY(mutex_);
  absl::Time checked_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

// The text of agent/script/judge/rules/skimmers.yar.
std::string_view BundledYaraRules();

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_YARA_RULES_H_
