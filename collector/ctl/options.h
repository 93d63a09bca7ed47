#ifndef SKIMWATCH_COLLECTOR_CTL_OPTIONS_H_
#define SKIMWATCH_COLLECTOR_CTL_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace skimwatch::ctl {

// What the command line says. Texts are empty and numbers 0 where it says nothing.
struct Options {
  // How to reach the collector, and how to show what it says.
  std::string config_file;
  std::string collector;
  std::string certificate_file;
  std::string key_file;
  std::string ca_file;
  std::string server_name;
  std::string token_file;
  bool plaintext = false;
  uint32_t timeout_seconds = 0;
  std::string output;
  bool no_headers = false;

  // What to show.
  std::string site;
  std::string kind;
  std::string state;
  std::string since;
  std::string until;
  std::string agent;
  std::string confidence_min;
  uint64_t exposure_id = 0;
  // Most rows to show.
  uint64_t limit = 1000;
  // Form of a report.
  std::string format = "md";
  // Decisions about this only, and of this person only.
  std::string subject;
  std::string who;
  // Cards to look for, one a line; `-` for standard input.
  std::string file;
  // Findings to watch for before the watch ends; 0 for no end.
  uint64_t count = 0;

  // A page to write headers for, where browsers are to report, and whether by hashes alone.
  std::vector<std::string> pages;
  std::string endpoint = "/skimwatch-reports";
  bool strict = false;

  // What to decide.
  std::string script;
  // Hex digits that a version's SHA-256 begins with.
  std::string hash;
  // A destination's name, or the pattern of an approval; and the process that it is for.
  std::string destination;
  std::string process;
  // When an approval ends.
  std::string expires;
  // What a script does, rather than its bytes.
  bool profile = false;
  // Who answers for a script; set where it was given, as empty, too.
  std::optional<std::string> owner;
  // Scripts of this page only.
  std::string page;
  // Approvals that end within this many days are marked.
  uint32_t warning_days = 14;
  // Of a publisher's list: the file with its signature, and whether it is only looked at.
  std::string signature;
  bool dry_run = false;
  // Justification or reason.
  std::string reason;
  // A note.
  std::string text;
  // Hex digits of the seal that the last decision had when it was noted down.
  std::string seal;
};

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_OPTIONS_H_
