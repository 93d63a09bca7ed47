#include "collector/ctl/run.h"

#include <cstdlib>
#include <iostream>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "collector/ctl/command_line.h"
#include "collector/ctl/explain.h"
#include "collector/ctl/redact.h"
#include "collector/ctl/session.h"
#include "collector/ctl/terminal.h"
#include "proto/process/process.h"
#include "proto/text/printable.h"
#include "proto/validation/card_digits.h"

namespace skimwatch::ctl {
namespace {

constexpr int kError = 2;

int Fail(std::string_view message) {
  std::cout << std::flush;
  std::cerr << "skimwatchctl: " << Redacted(message) << "\n";
  return kError;
}

// Our own messages have line feeds of their own; what they quote is escaped line by line.
std::string Lines(std::string_view message) {
  std::string lines;
  while (true) {
    const size_t end = message.find('\n');
    absl::StrAppend(&lines, lines.empty() ? "" : "\n  ", text::Printable(message.substr(0, end)));
    if (end == std::string_view::npos) return lines;
    message.remove_prefix(end + 1);
  }
}

int Fail(const absl::Status& status) {
  return Fail(Lines(std::string_view(status.message().data(), status.message().size())));
}

}  // namespace

absl::StatusOr<std::string> Reason(const Options& options, std::string_view option,
                                   std::string_view question) {
  std::string reason = options.reason;
  if (reason.empty() && IsInteractive()) {
    absl::StatusOr<std::string> answer = Ask(question);
    if (!answer.ok()) return answer.status();
    reason = *std::move(answer);
  }
  if (reason.find_first_not_of(" \t") == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("a decision is kept with its reason; give it with ", std::string(option)));
  }
  if (!validation::FindCardNumber(reason).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(option),
                     " holds what could be a card number, and is kept for ever; leave the "
                     "number out"));
  }
  return reason;
}

absl::StatusOr<std::string> OnlySite(const std::set<std::string>& sites, std::string_view what,
                                     std::string_view list) {
  if (sites.empty()) {
    return absl::NotFoundError(absl::StrCat("no site has ", std::string(what),
                                            "\nsay which with --site; `skimwatchctl ",
                                            std::string(list), "` shows what there is"));
  }
  if (sites.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat("several sites have ", std::string(what), ": ",
                                                   absl::StrJoin(sites, ", "),
                                                   "\nsay which with --site"));
  }
  return *sites.begin();
}

int Run(std::span<char*> arguments) {
  // Card numbers pass through this process, and nothing of it may end on a disk.
  if (const absl::Status status = process::ForbidCoreDumps(); !status.ok()) return Fail(status);
  // gRPC's own log would repeat, in other words, what Explain says.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);

  const absl::StatusOr<Invocation> invocation = ParseCommandLine(arguments);
  if (!invocation.ok()) return Fail(invocation.status());
  if (invocation->command == nullptr) {
    std::cout << invocation->text;
    const absl::Status status = Output::Flush();
    return status.ok() ? 0 : Fail(status);
  }
  const Options& options = invocation->options;
  const absl::StatusOr<config::v1::CtlConfig> config = EffectiveConfig(options);
  if (!config.ok()) return Fail(config.status());
  absl::StatusOr<Connection> connection = Connection::Open(*config);
  if (!connection.ok()) return Fail(connection.status());
  Session session{.connection = *std::move(connection),
                  .output = Output(config->output() == "json", !options.no_headers)};
  const absl::StatusOr<int> code = invocation->command(options, session);
  if (!code.ok()) {
    return Fail(Lines(Explain(code.status(), config->collector())));
  }
  const absl::Status status = Output::Flush();
  return status.ok() ? *code : Fail(status);
}

}  // namespace skimwatch::ctl
