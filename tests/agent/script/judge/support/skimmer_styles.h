#ifndef SKIMWATCH_TESTS_AGENT_SCRIPT_JUDGE_SUPPORT_SKIMMER_STYLES_H_
#define SKIMWATCH_TESTS_AGENT_SCRIPT_JUDGE_SUPPORT_SKIMMER_STYLES_H_

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::script {

// The styles of tests/data/skimmers/styles.
const std::vector<std::string>& SkimmerStyles();

// A skimmer of the style, with hosts, names, fields and events drawn from `random`.
std::string MakeSkimmer(std::string_view style, std::mt19937& random);

// `script` with a skimmer put in: at its beginning, its end, or between two statements.
std::string Inject(std::string_view script, std::string_view skimmer, std::mt19937& random);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_TESTS_AGENT_SCRIPT_JUDGE_SUPPORT_SKIMMER_STYLES_H_
