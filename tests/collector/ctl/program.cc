#include "tests/collector/ctl/program.h"

namespace skimwatch::testing {

Ctl::Ctl(const TempFolder& folder)
    : environment({"HOME=" + folder.path(), "PATH=/usr/bin:/bin", "LANG=C.UTF-8"}) {
  for (std::string& setting : SanitizerEnvironment()) environment.push_back(std::move(setting));
}

Ctl::Ctl(OperatorServer& server, const std::string& name) : Ctl(server.folder()) {
  const config::v1::Tls tls = server.authority().Issue(name);
  options = {"--collector", server.address(), "--certificate", tls.certificate_file(),
             "--key",       tls.key_file(),   "--ca",          tls.ca_file()};
}

std::vector<std::string> Ctl::Command(const std::vector<std::string>& arguments) const {
  std::vector<std::string> command = {SKIMWATCH_BIN_DIR "/skimwatchctl"};
  command.insert(command.end(), options.begin(), options.end());
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

Result Ctl::Run(const std::vector<std::string>& arguments, const std::string& input) const {
  return RunProgram({.command = Command(arguments), .environment = environment}, input);
}

Result Ctl::RunOnTerminal(
    const std::vector<std::string>& arguments, int columns,
    const std::function<std::string(const std::string& screen, pid_t)>& type) const {
  ChildProcess child(
      {.command = Command(arguments), .environment = environment, .terminal_columns = columns});
  size_t seen = 0;
  child.ReadUntil([&](const std::string& screen) {
    if (screen.size() > seen) child.Write(type(screen, child.pid()));
    seen = screen.size();
    return false;
  });
  return child.Wait();
}

}  // namespace skimwatch::testing
