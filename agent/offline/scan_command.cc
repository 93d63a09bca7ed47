#include "agent/offline/scan_command.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_join.h"
#include "agent/offline/processors.h"

namespace skimwatch::offline {
namespace {

constexpr char kDescription[] =
    "Find card numbers in files, folders, capture files and standard input";

constexpr char kFooter[] =
    "PATH is a file, a folder with all below it, a capture file (pcap, pcapng), or - for standard\n"
    "input. Compressed files (gzip, zstd, brotli, xz, bzip2, ...) and archives (zip, tar, 7z, "
    "cpio,\n"
    "office documents, jars) are unpacked in memory and their content scanned, captures in them,\n"
    "too.\n"
    "\n"
    "Findings go to standard output as they are found, masked. JSON is one object a line, SARIF "
    "is\n"
    "one document, sorted.\n"
    "What was not scanned is named or counted on standard error.\n"
    "\n"
    "Exit codes: 0 nothing found, 1 something found, 2 an error: something was not scanned,\n"
    "whether or not there were findings elsewhere. 130 and 143 after SIGINT and SIGTERM.";

// More do not help where one walks.
constexpr uint32_t kJobsMax = 16;

// An option that takes one of the names of `values`.
template <typename T>
void AddChoice(CLI::App* command, const std::string& name, T* target,
               const std::vector<std::pair<std::string, T>>& values,
               const std::string& description) {
  std::vector<std::string> names;
  names.reserve(values.size());
  for (const auto& value : values) names.push_back(value.first);
  const auto set = [target, values](const std::string& chosen) {
    for (const auto& [known, value] : values) {
      if (known == chosen) *target = value;
    }
  };
  command->add_option_function<std::string>(name, set, description)
      ->check(CLI::IsMember(names).description(""))
      ->type_name(absl::StrJoin(names, "|"));
}

}  // namespace

const CLI::App* AddScanCommand(CLI::App& app, ScanOptions& options) {
  CLI::App* const scan = app.add_subcommand("scan", kDescription);
  scan->footer(kFooter);
  options.jobs = std::min(AvailableProcessors(), kJobsMax);
  scan->add_option("PATH", options.paths, "What to scan")->required()->type_name("");
  AddChoice<Format>(scan, "--format", &options.format,
                    {{"table", Format::kTable}, {"json", Format::kJson}, {"sarif", Format::kSarif}},
                    "Form of the findings (table)");
  AddChoice<card::Confidence>(scan, "--min-confidence", &options.min_confidence,
                              {{"low", card::Confidence::kLow},
                               {"medium", card::Confidence::kMedium},
                               {"high", card::Confidence::kHigh}},
                              "Least confidence of a finding (low)");
  scan->add_option("--decode-depth", options.decode_depth,
                   "Encodings (base64, hex, ...) undone one inside another, 0 to 4 (3)")
      ->type_name("N")
      ->check(CLI::Range(0, 4).description(""));
  AddChoice<card::MaskStyle>(scan, "--mask", &options.mask,
                             {{"first6last4", card::MaskStyle::kFirst6Last4},
                              {"first8last4", card::MaskStyle::kFirst8Last4},
                              {"last4", card::MaskStyle::kLast4},
                              {"none", card::MaskStyle::kNone}},
                             "Digits that are shown; none shows none (first6last4)");
  scan->add_option("--brand-table", options.brand_table,
                   "Brands and their ranges in place of the built-in ones (YAML; see "
                   "docs/detection.md)")
      ->type_name("FILE");
  scan->add_flag(
      "--no-test-cards", [&options](int64_t) { options.test_cards = false; },
      "Leave out numbers that payment companies publish for tests");
  scan->add_option("--exclude", options.exclude,
                   "Leave out files and folders below PATH, and members of archives, that match a "
                   "pattern of gitignore(5); may be repeated")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  scan->add_flag("--respect-gitignore", options.gitignore,
                 "Leave out what .gitignore files in folders say");
  scan->add_flag(
      "--no-skimwatchignore", [&options](int64_t) { options.skimwatchignore = false; },
      "Do not obey .skimwatchignore files in folders");
  scan->add_option("--max-file-size", options.file_bytes_max,
                   "Leave out larger files in folders; with a unit: 500K, 10M, 2G (no limit)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false).description(""))
      ->type_name("SIZE");
  scan->add_option("--max-expansion", options.expansion_max,
                   "Cut a compressed file that grows by more than this (and beyond 64 MiB) as a "
                   "bomb (250)")
      ->type_name("RATIO")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40).description(""));
  scan->add_option("--archive-depth", options.archive_depth,
                   "Archives unpacked one inside another, 0 to 8; 0 unpacks none (3)")
      ->type_name("N")
      ->check(CLI::Range(0, 8).description(""));
  scan->add_flag("--follow-symlinks", options.follow_symlinks,
                 "Follow symbolic links in folders; one that is named as PATH always is");
  scan->add_flag("--one-file-system", options.one_file_system,
                 "Stay on the file system of each PATH");
  scan->add_option("--allow-list", options.allow_list,
                   "Findings that are accepted, each with a reason and an end (YAML)")
      ->type_name("FILE");
  scan->add_option("--baseline", options.baseline,
                   "Findings that are known; only others are shown and counted")
      ->type_name("FILE");
  scan->add_option("--write-baseline", options.write_baseline,
                   "Write the findings of this run there as known; found ones are no failure then")
      ->type_name("FILE");
  scan->add_option("--fingerprint-key", options.fingerprint_key,
                   "Key of the fingerprints in findings, allow-lists and baselines, as the agent's")
      ->type_name("FILE");
  scan->add_option("--jobs", options.jobs, "Files scanned at once (a processor each)")
      ->type_name("N")
      ->check(CLI::Range(1, 256).description(""));
  scan->add_flag("--sort", options.sort,
                 "Write findings in the order of the files, however they are scanned");
  scan->add_flag("--stats", options.stats,
                 "Say on standard error what was scanned, found and skipped");
  scan->add_flag("--quiet", options.quiet,
                 "No findings, notes or progress: the exit code tells, and errors are named");
  scan->add_flag(
      "--no-progress", [&options](int64_t) { options.progress = false; },
      "No progress bar on a terminal");
  // One document, the same each time.
  scan->callback([&options] { options.sort |= options.format == Format::kSarif; });
  return scan;
}

}  // namespace skimwatch::offline
