#include "collector/ctl/completion.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace skimwatch::ctl {
namespace {

std::string Words(const CompletionNode& node) {
  std::vector<std::string> words;
  for (const auto& [name, description] : node.commands) words.push_back(name);
  for (const auto& [name, description] : node.options) words.push_back(name);
  return absl::StrJoin(words, " ");
}

// A shell's single-quoted string.
std::string Quote(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// The part that bash and zsh share: the candidates behind the command that the words before the
// cursor name.
std::string Cases(const std::vector<CompletionNode>& nodes) {
  std::string cases = "  case \"$command_path\" in\n";
  for (const CompletionNode& node : nodes) {
    absl::StrAppend(&cases, "    ", Quote(absl::StrJoin(node.path, " ")),
                    ") candidates=", Quote(Words(node)), " ;;\n");
  }
  return absl::StrCat(cases, "  esac\n");
}

std::string Values(const std::vector<CompletionNode>& nodes, std::string_view reply) {
  std::string cases = "  case \"$command_path $previous\" in\n";
  for (const CompletionNode& node : nodes) {
    const std::string path = absl::StrJoin(node.path, " ");
    for (const auto& [option, values] : node.values) {
      absl::StrAppend(&cases, "    ", Quote(absl::StrCat(path, " ", option)), ") ",
                      std::string(reply), " ", Quote(absl::StrJoin(values, " ")), "; return ;;\n");
    }
  }
  return absl::StrCat(cases, "  esac\n");
}

std::string Paths(const std::vector<CompletionNode>& nodes) {
  std::vector<std::string> paths;
  for (const CompletionNode& node : nodes) {
    if (!node.path.empty()) paths.push_back(Quote(absl::StrJoin(node.path, " ")));
  }
  return absl::StrJoin(paths, "|");
}

// Of every command; an option that takes a file takes one wherever it stands.
std::string FileOptions(const std::vector<CompletionNode>& nodes) {
  std::set<std::string> options;
  for (const CompletionNode& node : nodes) options.insert(node.files.begin(), node.files.end());
  return absl::StrJoin(options, "|");
}

}  // namespace

std::string BashCompletion(std::string_view program, const std::vector<CompletionNode>& nodes) {
  const std::string name(program);
  return absl::StrCat(
      "# bash completion for ", name, "; load it with: source <(", name, " completion bash)\n_",
      name,
      "() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "  local command_path='' candidates='' i next\n"
      // Bash takes `--option=value` for three words.
      "  if [[ $current == = ]]; then\n"
      "    current=''\n"
      "  elif [[ $previous == = ]]; then\n"
      "    previous=\"${COMP_WORDS[COMP_CWORD-2]}\"\n"
      "  fi\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    next=\"${command_path:+$command_path }${COMP_WORDS[i]}\"\n"
      "    case \"$next\" in ",
      Paths(nodes),
      ") command_path=\"$next\" ;; esac\n  done\n  COMPREPLY=()\n  case \"$previous\" in ",
      FileOptions(nodes),
      ") mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); "
      // Of use only where Readline asks, which then marks folders and escapes blanks.
      "compopt -o filenames 2>/dev/null; return ;; esac\n",
      Values(nodes, "_" + name + "_reply"), Cases(nodes), "  _", name,
      "_reply \"$candidates\"\n}\n_", name,
      "_reply() { COMPREPLY=($(compgen -W \"$1\" -- \"$current\")); }\ncomplete -F _", name, " ",
      name, "\n");
}

std::string ZshCompletion(std::string_view program, const std::vector<CompletionNode>& nodes) {
  const std::string name(program);
  return absl::StrCat(
      "#compdef ", name, "\n# Load it with: source <(", name, " completion zsh)\n_", name,
      "() {\n"
      "  local previous=\"${words[CURRENT-1]}\" next\n"
      "  local -a line\n"
      "  line=(\"${words[@]}\")\n"
      "  local -i i\n"
      "  local command_path='' candidates=''\n"
      "  for ((i = 2; i < CURRENT; i++)); do\n"
      "    next=\"${command_path:+$command_path }${line[i]}\"\n"
      "    case \"$next\" in (",
      Paths(nodes), ") command_path=\"$next\" ;; esac\n  done\n  case \"$previous\" in (",
      FileOptions(nodes), ") _files; return ;; esac\n", Values(nodes, "_" + name + "_reply"),
      Cases(nodes), "  _", name, "_reply \"$candidates\"\n}\n_", name,
      "_reply() { compadd -- ${=1}; }\ncompdef _", name, " ", name, "\n");
}

std::string FishCompletion(std::string_view program, const std::vector<CompletionNode>& nodes) {
  const std::string name(program);
  std::string script = absl::StrCat("# fish completion for ", name, "; load it with: ", name,
                                    " completion fish | source\ncomplete -c ", name, " -f\n");
  for (const CompletionNode& node : nodes) {
    // True where the words so far name this command.
    std::vector<std::string> conditions;
    for (const std::string& word : node.path) {
      conditions.push_back(absl::StrCat("__fish_seen_subcommand_from ", word));
    }
    std::vector<std::string> children;
    for (const auto& [command, description] : node.commands) children.push_back(command);
    if (!children.empty()) {
      conditions.push_back(
          absl::StrCat("not __fish_seen_subcommand_from ", absl::StrJoin(children, " ")));
    }
    const std::string when = Quote(absl::StrJoin(conditions, "; and "));
    for (const auto& [command, description] : node.commands) {
      absl::StrAppend(&script, "complete -c ", name, " -n ", when, " -a ", command, " -d ",
                      Quote(description), "\n");
    }
    for (const auto& [option, description] : node.options) {
      absl::StrAppend(&script, "complete -c ", name, " -n ", when, " -l ", option.substr(2), " -d ",
                      Quote(description));
      for (const auto& [with_values, values] : node.values) {
        if (with_values == option) {
          absl::StrAppend(&script, " -x -a ", Quote(absl::StrJoin(values, " ")));
        }
      }
      for (const std::string& file : node.files) {
        if (file == option) absl::StrAppend(&script, " -r -F");
      }
      absl::StrAppend(&script, "\n");
    }
  }
  return script;
}

}  // namespace skimwatch::ctl
