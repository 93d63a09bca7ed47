#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_JUDGE_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_JUDGE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "agent/script/judge/cpu_time.h"
#include "agent/script/judge/fact_finder.h"
#include "agent/script/judge/script_shape.h"
#include "agent/script/judge/similarity.h"
#include "agent/script/judge/yara_rules.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// A script that was taken apart, to be compared with another version of it.
struct ScriptAnalysis {
  // Of behaviour (behaviour.h).
  std::vector<v1::ScriptFact> behaviour;
  ScriptShape shape;
  SimilarityDigests digests;
  // Bytes that are no JavaScript; code around them was read.
  uint64_t error_bytes = 0;
  bool is_parsed = false;
  // Reading took too long, or there were too many facts: some of its behaviour is not there.
  bool is_cut = false;
  // Its constants went beyond the evaluator's bounds for a whole script.
  bool is_spent = false;
  // Why it was not parsed, or not read to the end.
  std::string not_judged;
};

// Judges changes of scripts: what a version does that the one before did not, which functions
// differ, how alike the two are, and how grave that is (judgement.h). Thread-safe.
//
// In the order of cost: a script whose hash is known costs nothing here; FirstPass reads every new
// version once, by the rules and for cheap facts; Judge parses the two versions of one that
// changed.
//
//   ScriptJudge judge({});
//   change.set_change(v1::ScriptChange::CHANGE_CHANGED);
//   const v1::Severity severity =
//       judge.Judge({.text = old_text, .facts = judge.FirstPass(old_text, 1000)},
//                   {.text = new_text, .facts = judge.FirstPass(new_text, 1000)}, change);
class ScriptJudge {
 public:
  struct Options {
    // A larger script is judged by its cheap facts alone.
    size_t parse_bytes_max = size_t{4} << 20;
    absl::Duration parse_time_max = absl::Seconds(20);
    // One with more parts counts as one that can't be parsed.
    uint32_t parse_nodes_max = 20'000'000;
    // Of the processor, for what a script does once it is parsed; `now` is its clock.
    absl::Duration read_time_max = absl::Seconds(10);
    std::function<absl::Time()> now = ThreadCpuTime;
    // Empty for the bundled rules alone.
    std::string yara_folder;
    absl::Duration yara_time_max = absl::Seconds(10);
  };

  // A version of a script.
  struct Version {
    // Without card numbers (card_redaction.h); nullptr when it is not kept.
    const std::string* text = nullptr;
    // Of the first pass.
    const std::vector<v1::ScriptFact>* facts = nullptr;
  };

  struct Stats {
    // Versions that were not parsed or not read to the end: above a limit, or taking too long.
    uint64_t too_large = 0;
    uint64_t too_slow = 0;
    // Texts that the rules did not get through in time.
    uint64_t rules_too_slow = 0;
    YaraRules::Stats rules;
  };

  explicit ScriptJudge(Options options);

  const Options& options() const { return options_; }
  const FactFinder& finder() const { return finder_; }

  // Cheap facts and rules that match (`yara_rule`), at most `per_name_max` of a name.
  // `rules_in_time` is set to whether the rules got through the text.
  std::vector<v1::ScriptFact> FirstPass(std::string_view text, int per_name_max,
                                        bool* rules_in_time = nullptr) const;

  ScriptAnalysis Analyse(std::string_view text) const;

  // Whether a script that can be relied on names a host.
  using KnowsHost = std::function<bool(const std::string& host)>;

  // Sets in `change`, whose kind is set, what was found: facts and gained facts, functions,
  // likeness, reasons and what was not judged. `previous` has no text where there is none to
  // compare with. A change that is not judged by behaviour gets the verdict of its cheap facts
  // (verdict.h), as proposed, restored and removed scripts do; one that is read less far than the
  // version before gets at least that. Of a script without a version before, a host that
  // `knows_host` is not a new one. `analysis` is what became known of the current version, as it
  // was before where that was not looked at.
  v1::Severity Judge(const Version& previous, const Version& current, v1::ScriptChange& change,
                     const KnowsHost& knows_host = {}, ScriptAnalysis* analysis = nullptr) const;

  Stats GetStats() const;

 private:
  // Rules that match `current` and not `previous`, by the rules of now: those of the facts may have
  // been others.
  std::vector<RuleMatch> GainedRules(const Version& previous, const Version& current) const;

  const Options options_;
  const FactFinder finder_;
  const std::unique_ptr<YaraRules> rules_;
  mutable std::atomic<uint64_t> too_large_ = 0;
  mutable std::atomic<uint64_t> too_slow_ = 0;
  mutable std::atomic<uint64_t> rules_too_slow_ = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_JUDGE_H_
