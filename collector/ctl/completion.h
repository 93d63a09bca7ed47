#ifndef SKIMWATCH_COLLECTOR_CTL_COMPLETION_H_
#define SKIMWATCH_COLLECTOR_CTL_COMPLETION_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skimwatch::ctl {

// A command with what can stand behind it.
struct CompletionNode {
  // Names from the program down, without it: empty for the program itself, {"scripts", "diff"}.
  std::vector<std::string> path;
  // Names and descriptions.
  std::vector<std::pair<std::string, std::string>> commands;
  std::vector<std::pair<std::string, std::string>> options;
  // Options with the values that they take, where those are a fixed set.
  std::vector<std::pair<std::string, std::vector<std::string>>> values;
  // Options that take a value of any kind, files among them.
  std::vector<std::string> files;
};

// The completion script of a shell: `bash`, `zsh` or `fish`. Each node has a path of its own.
std::string BashCompletion(std::string_view program, const std::vector<CompletionNode>& nodes);
std::string ZshCompletion(std::string_view program, const std::vector<CompletionNode>& nodes);
std::string FishCompletion(std::string_view program, const std::vector<CompletionNode>& nodes);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_COMPLETION_H_
