#include "collector/ctl/command_line.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "collector/ctl/completion.h"
#include "collector/ctl/describe.h"
#include "proto/process/process.h"
#include "proto/text/nearest.h"
#include "proto/text/printable.h"
#include "skimwatch/v1/destination.pb.h"
#include "skimwatch/v1/exposure.pb.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/script.pb.h"

namespace skimwatch::ctl {
namespace {

constexpr char kProgram[] = "skimwatchctl";

constexpr char kFooter[] =
    "Settings that do not change go into ~/.config/skimwatch/ctl.yaml; SKIMWATCH_COLLECTOR names\n"
    "the collector, too, and SKIMWATCH_TOKEN may hold a token. Exit codes: 0 done, 1 `card check`\n"
    "says not seen or `audit verify` says altered, 2 an error.";

constexpr char kCardIsNoArgument[] =
    "card check takes no card number as an argument: every process of this machine can read "
    "arguments, and the shell keeps them in its history\n"
    "type it when asked, or give it on standard input; and remove the line from your shell's "
    "history";

// Somebody may have put a card number anywhere on the command line.
std::string WithoutDigits(std::string text) {
  constexpr auto kDigitsMin = 8;
  if (std::count_if(text.begin(), text.end(), ::isdigit) >= kDigitsMin) {
    std::replace_if(text.begin(), text.end(), ::isdigit, '*');
  }
  return text;
}

// The first of what is left over that is no option; empty when there is none.
std::string FirstWord(const std::vector<std::string>& left) {
  const auto word = std::find_if(left.begin(), left.end(), [](const std::string& argument) {
    return !argument.empty() && argument.front() != '-';
  });
  return word == left.end() ? "" : *word;
}

// A whole number, since the library takes `-1` for a very large one.
std::string CheckNumber(const std::string& text) {
  const bool is_number =
      !text.empty() && text.size() <= 18 && std::all_of(text.begin(), text.end(), ::isdigit);
  return is_number ? "" : absl::StrCat("found `", text, "`, expected a whole number");
}

class Parser {
 public:
  Parser();
  absl::StatusOr<Invocation> Parse(std::span<char*> arguments);

 private:
  CLI::App* Group(const std::string& name, const std::string& description);
  CLI::App* Leaf(CLI::App* group, const std::string& name, const std::string& description,
                 Command command);
  void AddFilters(CLI::App* command, bool with_kind);
  void AddLimit(CLI::App* command);
  // An option that takes one of `values`.
  void AddChoice(CLI::App* command, const std::string& name, std::string* target,
                 const std::vector<std::string>& values, const std::string& description);
  void AddExposures();
  void AddFindings();
  void AddScripts();
  void AddDestinations();
  void AddCsp();
  void AddCard();
  void AddAudit();
  void AddCompletion();
  // What is wrong with a command line, and where to look.
  absl::Status Explained(const CLI::ParseError& error) const;
  void AddNodes(const CLI::App& app, const std::vector<std::string>& path,
                std::vector<CompletionNode>& nodes) const;

  CLI::App app_;
  Options options_;
  std::vector<std::pair<CLI::App*, Command>> commands_;
  std::map<std::pair<const CLI::App*, std::string>, std::vector<std::string>> choices_;
  CLI::App* card_ = nullptr;
  CLI::App* completion_ = nullptr;
  std::string shell_;
};

Parser::Parser()
    : app_(
          "Asks a Skimwatch collector, and decides: exposures, findings, scripts, destinations, "
          "agents,\n"
          "cards.",
          kProgram) {
  app_.require_subcommand(1);
  app_.footer(kFooter);
  app_.set_version_flag("--version", absl::StrCat(kProgram, " ", std::string(process::Version()),
                                                  " (", std::string(process::Revision()), ")"));
  app_.add_option("--config", options_.config_file, "Configuration file")->type_name("FILE");
  app_.add_option("--collector", options_.collector, "The collector, host:port or unix:/path")
      ->type_name("ADDRESS");
  app_.add_option("--certificate", options_.certificate_file, "Own certificate (PEM)")
      ->type_name("FILE");
  app_.add_option("--key", options_.key_file, "Own private key (PEM)")->type_name("FILE");
  app_.add_option("--ca", options_.ca_file, "Authority that signed the collector's certificate")
      ->type_name("FILE");
  app_.add_option("--server-name", options_.server_name,
                  "Name in the collector's certificate, where it is not the address")
      ->type_name("NAME");
  app_.add_option("--token-file", options_.token_file,
                  "A token of an identity provider, in place of a certificate")
      ->type_name("FILE");
  app_.add_flag("--plaintext", options_.plaintext,
                "No TLS; only for a collector on this machine that is configured so");
  app_.add_option("--timeout", options_.timeout_seconds, "Seconds to wait for an answer")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 3600).description(""));
  AddChoice(&app_, "--output", &options_.output, {"table", "json"}, "Form of the answer");
  app_.add_flag("--no-headers", options_.no_headers, "Tables without a line of headers");
  AddExposures();
  AddFindings();
  AddScripts();
  AddDestinations();
  AddCsp();
  CLI::App* const agents = Group("agents", "Agents that the collector knows");
  CLI::App* const list = Leaf(agents, "list", "List the agents and how they are", ListAgents);
  AddLimit(list);
  CLI::App* const show =
      Leaf(agents, "show", "Show an agent, and when it looked at each payment page", ShowAgent);
  show->add_option("IDENTITY", options_.agent, "The identity, as `agents list` has it")
      ->required()
      ->type_name("");
  AddCard();
  AddAudit();
  AddCompletion();
}

CLI::App* Parser::Group(const std::string& name, const std::string& description) {
  CLI::App* const group = app_.add_subcommand(name, description);
  group->require_subcommand(1);
  group->fallthrough();
  return group;
}

CLI::App* Parser::Leaf(CLI::App* group, const std::string& name, const std::string& description,
                       Command command) {
  CLI::App* const leaf = group->add_subcommand(name, description);
  // The options of the program may stand behind the command.
  leaf->fallthrough();
  leaf->footer("The options of `skimwatchctl --help` may stand here, too.");
  commands_.emplace_back(leaf, command);
  return leaf;
}

void Parser::AddChoice(CLI::App* command, const std::string& name, std::string* target,
                       const std::vector<std::string>& values, const std::string& description) {
  command->add_option(name, *target, description)
      ->check(CLI::IsMember(values).description(""))
      ->type_name(absl::StrJoin(values, "|"));
  choices_[{command, name}] = values;
}

void Parser::AddFilters(CLI::App* command, bool with_kind) {
  command->add_option("--site", options_.site, "Of this site only")->type_name("SITE");
  if (!with_kind) return;
  AddChoice(command, "--kind", &options_.kind, Words(*v1::FindingKind_descriptor()),
            "Of this kind only");
}

void Parser::AddLimit(CLI::App* command) {
  command
      ->add_option("--limit", options_.limit,
                   absl::StrCat("Most rows to show, 0 for all (", options_.limit, " by default)"))
      ->type_name("N")
      ->check(CheckNumber);
}

void Parser::AddExposures() {
  CLI::App* const group = Group("exposures", "Card data that leaves, and what else needs a person");
  CLI::App* const list = Leaf(group, "list", "List exposures, newest first", ListExposures);
  AddFilters(list, /*with_kind=*/true);
  AddChoice(list, "--state", &options_.state, {"open", "closed", "all"},
            "In this state only (open by default)");
  AddLimit(list);

  CLI::App* const show =
      Leaf(group, "show", "Show an exposure with its newest findings", ShowExposure);
  show->add_option("ID", options_.exposure_id, "The exposure's number")
      ->required()
      ->check(CheckNumber)
      ->type_name("");

  CLI::App* const report = Leaf(
      group, "report", "Write down everything that is known about an exposure", ReportExposure);
  report->add_option("ID", options_.exposure_id, "The exposure's number")
      ->required()
      ->check(CheckNumber)
      ->type_name("");
  AddChoice(report, "--format", &options_.format, {"md", "html", "json"}, "Form of the report");

  CLI::App* const close =
      Leaf(group, "close", "Close an exposure that was dealt with", CloseExposure);
  close->add_option("ID", options_.exposure_id, "The exposure's number")
      ->required()
      ->check(CheckNumber)
      ->type_name("");
  close->add_option("--reason", options_.reason, "Why; asked for on a terminal")->type_name("TEXT");

  CLI::App* const timeline =
      Leaf(group, "timeline", "Show how an exposure went", TimelineOfExposure);
  timeline->add_option("ID", options_.exposure_id, "The exposure's number")
      ->required()
      ->check(CheckNumber)
      ->type_name("");

  CLI::App* const note =
      Leaf(group, "note", "Write down what is known about an exposure", AddExposureNote);
  note->add_option("ID", options_.exposure_id, "The exposure's number")
      ->required()
      ->check(CheckNumber)
      ->type_name("");
  note->add_option("--text", options_.text, "The note; asked for on a terminal")->type_name("TEXT");
}

void Parser::AddFindings() {
  CLI::App* const group = Group("findings", "What agents saw, one by one");
  CLI::App* const list = Leaf(group, "list", "List findings, newest first", ListFindings);
  CLI::App* const watch =
      Leaf(group, "watch", "Show findings as they are committed", WatchFindings);
  for (CLI::App* const command : {list, watch}) {
    AddFilters(command, /*with_kind=*/true);
    AddChoice(command, "--min-confidence", &options_.confidence_min,
              Words(*v1::Confidence_descriptor()), "At least this sure");
  }
  list->add_option("--since", options_.since,
                   "Stored since then: 2026-03-01T12:00:00Z, 2026-03-01, or an age: 90m, 24h, 7d")
      ->type_name("TIME");
  list->add_option("--until", options_.until, "Stored before then")->type_name("TIME");
  list->add_option("--exposure", options_.exposure_id, "Of this exposure only")
      ->type_name("ID")
      ->check(CheckNumber);
  list->add_option("--agent", options_.agent, "Of this agent only")->type_name("IDENTITY");
  AddLimit(list);
  watch->add_option("--count", options_.count, "End after this many")
      ->type_name("N")
      ->check(CheckNumber);
}

void Parser::AddScripts() {
  CLI::App* const group = Group("scripts", "Scripts of the sites, and their approvals");
  CLI::App* const list = Leaf(group, "list", "List the scripts and their state", ListScripts);
  AddFilters(list, /*with_kind=*/false);
  std::vector<std::string> states = Words(*v1::Script::State_descriptor());
  states.push_back("all");
  AddChoice(list, "--state", &options_.state, states, "In this state only");
  AddLimit(list);

  list->add_option("--page", options_.page, "Of this page only, as `scripts list` has it")
      ->type_name("PAGE");
  list->add_option("--warning-days", options_.warning_days,
                   "Mark approvals that end within this many days (14 by default)")
      ->type_name("DAYS")
      ->check(CLI::Range(1, 3650).description(""));

  CLI::App* const diff =
      Leaf(group, "diff", "Show a version of a script and how it differs from the one before",
           DiffScript);
  CLI::App* const approve =
      Leaf(group, "approve", "Approve a version of a script, after reading it", ApproveScript);
  CLI::App* const revoke = Leaf(group, "revoke", "Take an approval back", RevokeScript);
  CLI::App* const show =
      Leaf(group, "show", "Show a script: owner, versions, approvals, who serves it", ShowScript);
  CLI::App* const describe = Leaf(
      group, "describe", "Say who answers for a script, and why the page needs it", DescribeScript);
  for (CLI::App* const command : {show, diff, approve, revoke, describe}) {
    command->add_option("NAME", options_.script, "The script's name, as `scripts list` has it")
        ->required()
        ->type_name("");
    AddFilters(command, /*with_kind=*/false);
  }
  diff->add_option("HASH", options_.hash,
                   "SHA-256 of the version, 8 or more digits; the one that is served by default")
      ->type_name("");
  for (CLI::App* const command : {approve, revoke}) {
    command
        ->add_option("HASH", options_.hash,
                     "SHA-256 of the version as `scripts diff` shows it, 8 or more digits; needed "
                     "without --profile")
        ->type_name("");
  }
  approve->add_flag("--profile", options_.profile,
                    "Approve what it does: later versions that do nothing more are approved, too");
  revoke->add_flag("--profile", options_.profile,
                   "Take its behaviour profile back, and all that was accepted by it");
  approve
      ->add_option("--until", options_.expires,
                   "When it ends: 2026-12-31T12:00:00Z, 2026-12-31, or from now: 24h, 90d")
      ->type_name("TIME");
  for (CLI::App* const command : {approve, describe}) {
    command
        ->add_option("--justification", options_.reason,
                     command == approve ? "Why the page needs the script; asked for on a terminal"
                                        : "Why the page needs the script")
        ->type_name("TEXT");
  }
  describe
      ->add_option("--owner", options_.owner,
                   "Who answers for it: a person, a team; empty for none")
      ->type_name("TEXT");
  revoke->add_option("--reason", options_.reason, "Why; asked for on a terminal")
      ->type_name("TEXT");

  CLI::App* const inventory =
      Leaf(group, "inventory", "Write the whole inventory for an assessor (PCI DSS 6.4.3)",
           ExportScripts);
  AddFilters(inventory, /*with_kind=*/false);
  inventory->add_option("--page", options_.page, "Of this page only")->type_name("PAGE");
  AddChoice(inventory, "--format", &options_.format, {"csv", "json", "md"}, "Form of the export");

  CLI::App* const publisher =
      group->add_subcommand("publisher", "Publishers, whose signed lists approve scripts");
  publisher->require_subcommand(1);
  publisher->fallthrough();
  CLI::App* const import_list =
      Leaf(publisher, "import", "Take a publisher's list for the one before", ImportPublisherList);
  import_list->add_option("FILE", options_.file, "The list, JSON")->required()->type_name("");
  import_list
      ->add_option("--signature", options_.signature,
                   "Its signature; FILE with `.sig` behind it by default")
      ->type_name("FILE");
  import_list->add_flag("--dry-run", options_.dry_run, "Check it and say what it would do");
  Leaf(publisher, "list", "List the publishers and their lists in force", ListPublishers);
}

void Parser::AddDestinations() {
  CLI::App* const group = Group("destinations", "Where the sites send data, and what is approved");
  CLI::App* const list =
      Leaf(group, "list", "List the destinations and their state", ListDestinations);
  AddFilters(list, /*with_kind=*/false);
  std::vector<std::string> states = Words(*v1::Destination::State_descriptor());
  states.push_back("all");
  AddChoice(list, "--state", &options_.state, states, "In this state only");
  AddLimit(list);

  CLI::App* const show = Leaf(
      group, "show", "Show a destination: who sends there, and who approved it", ShowDestination);
  CLI::App* const approve =
      Leaf(group, "approve", "Approve that data goes somewhere", ApproveDestination);
  CLI::App* const revoke = Leaf(group, "revoke", "Take an approval back", RevokeDestination);
  show->add_option("NAME", options_.destination, "The name, as `destinations list` has it")
      ->required()
      ->type_name("");
  for (CLI::App* const command : {approve, revoke}) {
    command
        ->add_option(
            "PATTERN", options_.destination,
            "A name as `destinations list` has it, `*.example.com` for all names below, an "
            "address, or a prefix such as 192.0.2.0/24")
        ->required()
        ->type_name("");
    command->add_option("--process", options_.process, "For this executable only (all by default)")
        ->type_name("PATH");
  }
  for (CLI::App* const command : {show, approve, revoke}) AddFilters(command, /*with_kind=*/false);
  approve
      ->add_option("--until", options_.expires,
                   "When it ends: 2026-12-31T12:00:00Z, 2026-12-31, or from now: 24h, 90d")
      ->type_name("TIME");
  approve
      ->add_option("--justification", options_.reason,
                   "Why data goes there; asked for on a terminal")
      ->type_name("TEXT");
  revoke->add_option("--reason", options_.reason, "Why; asked for on a terminal")
      ->type_name("TEXT");
}

void Parser::AddCsp() {
  CLI::App* const group = Group("csp", "Headers that let a page run what is approved");
  CLI::App* const suggest = Leaf(
      group, "suggest", "Write the headers that fit a page's approved scripts", SuggestCspHeaders);
  suggest
      ->add_option(
          "PAGE", options_.pages,
          "The page's address, or its file in a web root, as `scripts list` has it; several "
          "names of one page")
      ->required()
      ->type_name("");
  suggest->add_option("--site", options_.site, "The page's site")->required()->type_name("SITE");
  suggest
      ->add_option("--endpoint", options_.endpoint,
                   "Where browsers send reports, an address or a path (/skimwatch-reports by "
                   "default)")
      ->type_name("URL");
  suggest->add_flag("--strict", options_.strict,
                    "External scripts by hash alone; each needs its integrity attribute");
}

void Parser::AddCard() {
  card_ = Group("card", "Was a card among those that left?");
  CLI::App* const check =
      Leaf(card_, "check", "Say whether, when and where a card was seen leaving", CheckCard);
  check
      ->add_option("--file", options_.file,
                   "Look for a list: one card number or fingerprint (64 hex digits) a line, `-` "
                   "for standard input")
      ->type_name("FILE");
  check->add_option("--exposure", options_.exposure_id, "On this way only")
      ->type_name("ID")
      ->check(CheckNumber);
  check->footer(
      "The number is asked for and not shown, or read from standard input; it is never an\n"
      "argument. It stays in this process: the collector sees a keyed fingerprint only.\n"
      "Exit codes: 0 seen, 1 not seen, 2 an error. Of a list: 0 any seen, 1 none, 2 a line that is "
      "neither.");
}

void Parser::AddAudit() {
  CLI::App* const group = Group("audit", "What was decided, by whom, and whether that was altered");
  CLI::App* const list = Leaf(group, "list", "List the decisions, oldest first", ListDecisions);
  list->add_option("--subject", options_.subject,
                   "About this only: an exposure's number, or site/script@sha256")
      ->type_name("TEXT");
  list->add_option("--since", options_.since,
                   "Decided since then: 2026-03-01T12:00:00Z, 2026-03-01, or an age: 90m, 24h, 7d")
      ->type_name("TIME");
  list->add_option("--who", options_.who, "Decided by this identity only")->type_name("IDENTITY");
  AddLimit(list);
  CLI::App* const verify =
      Leaf(group, "verify", "Check that each decision seals those before it", VerifyDecisions);
  verify
      ->add_option("--seal", options_.seal,
                   "A seal that was noted down earlier, or its first 8 or more digits; it must be "
                   "among those of now")
      ->type_name("HEX");
  verify->footer(
      "Note down the last seal somewhere else now and then: whoever can write to the store can "
      "make "
      "all seals anew, and only what was noted down shows it. Exit codes: 0 whole, 1 altered, 2 an "
      "error.");
}

void Parser::AddCompletion() {
  completion_ = app_.add_subcommand("completion", "Print a completion script for a shell");
  completion_->fallthrough();
  completion_->add_option("SHELL", shell_, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""))
      ->type_name("");
}

void Parser::AddNodes(const CLI::App& app, const std::vector<std::string>& path,
                      std::vector<CompletionNode>& nodes) const {
  CompletionNode node;
  node.path = path;
  // Every command takes the program's options as well.
  std::vector<const CLI::App*> apps = {&app};
  if (&app != &app_) apps.push_back(&app_);
  for (const CLI::App* const owner : apps) {
    for (const CLI::Option* const option : owner->get_options()) {
      if (option->get_lnames().empty()) continue;
      const std::string name = absl::StrCat("--", option->get_lnames().front());
      const bool is_there = std::any_of(node.options.begin(), node.options.end(),
                                        [&](const auto& known) { return known.first == name; });
      if (is_there) continue;
      node.options.emplace_back(name, option->get_description());
      if (const auto choice = choices_.find({owner, name}); choice != choices_.end()) {
        node.values.emplace_back(name, choice->second);
      }
      if (option->get_type_name() == "FILE") node.files.push_back(name);
    }
  }
  const auto children = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* const child : children) {
    node.commands.emplace_back(child->get_name(), child->get_description());
  }
  if (&app == completion_) {
    for (const char* const shell : {"bash", "zsh", "fish"}) node.commands.emplace_back(shell, "");
  }
  nodes.push_back(std::move(node));
  for (const CLI::App* const child : children) {
    std::vector<std::string> child_path = path;
    child_path.push_back(child->get_name());
    AddNodes(*child, child_path, nodes);
  }
}

absl::Status Parser::Explained(const CLI::ParseError& error) const {
  // The deepest command that was named.
  const CLI::App* command = &app_;
  std::string name = kProgram;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    absl::StrAppend(&name, " ", command->get_name());
  }
  std::string what = error.what();
  const auto children = command->get_subcommands([](const CLI::App*) { return true; });
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !children.empty()) {
    std::vector<std::string> names;
    for (const CLI::App* const child : children) names.push_back(child->get_name());
    const std::string word = FirstWord(app_.remaining(/*recurse=*/true));
    const std::string_view meant =
        text::Nearest(word, std::vector<std::string_view>(names.begin(), names.end()));
    what = absl::StrCat(word.empty() ? "" : absl::StrCat("found `", text::Printable(word), "`, "),
                        "expected a command after `", name, "`: ", absl::StrJoin(names, ", "),
                        meant.empty() ? "" : absl::StrCat("; `", std::string(meant), "` perhaps"));
  }
  return absl::InvalidArgumentError(absl::StrCat(WithoutDigits(what), "\nsee `", name, " --help`"));
}

absl::StatusOr<Invocation> Parser::Parse(std::span<char*> arguments) {
  Invocation invocation;
  try {
    app_.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const CLI::CallForHelp&) {
    invocation.text = app_.help();
    return invocation;
  } catch (const CLI::CallForVersion& version) {
    invocation.text = absl::StrCat(version.what(), "\n");
    return invocation;
  } catch (const CLI::ParseError& error) {
    if (card_->parsed() && dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
      // Out of /proc, for what that is still worth.
      for (char* const argument : arguments.subspan(1)) {
        if (WithoutDigits(argument) != argument) OPENSSL_cleanse(argument, std::strlen(argument));
      }
      return absl::InvalidArgumentError(kCardIsNoArgument);
    }
    return Explained(error);
  }
  if (completion_->parsed()) {
    std::vector<CompletionNode> nodes;
    AddNodes(app_, {}, nodes);
    invocation.text = shell_ == "bash"  ? BashCompletion(kProgram, nodes)
                      : shell_ == "zsh" ? ZshCompletion(kProgram, nodes)
                                        : FishCompletion(kProgram, nodes);
    return invocation;
  }
  for (const auto& [command_line, command] : commands_) {
    if (command_line->parsed()) invocation.command = command;
  }
  // Open exposures are what there is to do.
  if (invocation.command == &ListExposures && options_.state.empty()) options_.state = "open";
  invocation.options = std::move(options_);
  return invocation;
}

}  // namespace

absl::StatusOr<Invocation> ParseCommandLine(std::span<char*> arguments) {
  return Parser().Parse(arguments);
}

}  // namespace skimwatch::ctl
