#ifndef SKIMWATCH_AGENT_PAGE_CHECK_COMMAND_H_
#define SKIMWATCH_AGENT_PAGE_CHECK_COMMAND_H_

#include <cstdint>
#include <iosfwd>
#include <string>

#include "CLI/CLI.hpp"

namespace skimwatch::agent {

// What `skimwatch-agent check-page` was asked for.
struct PageCheckFlags {
  std::string url;
  // Instead of a URL: a configuration, and the name of one of its `pages.checks`.
  std::string config;
  std::string name;
  std::string browser;
  std::string user;
  bool no_sandbox = false;
  uint32_t seconds_max = 60;
  // `text` or `json`.
  std::string output = "text";
};

// Adds the command line to `app`, to be parsed into `flags`, which must outlive the parsing.
const CLI::App* AddPageCheckCommand(CLI::App& app, PageCheckFlags& flags);

// Looks at the page once and prints what a look sees: for whoever sets up `pages`. Nothing is kept
// and nobody told. 0 when all went well, 1 when the canary was on its way to where it may not go, 2
// when the page could not be looked at. Card numbers are masked in what it prints.
int RunPageCheck(const PageCheckFlags& flags, std::ostream& out, std::ostream& errors);

}  // namespace skimwatch::agent

#endif  // SKIMWATCH_AGENT_PAGE_CHECK_COMMAND_H_
