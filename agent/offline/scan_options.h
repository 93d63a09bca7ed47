#ifndef SKIMWATCH_AGENT_OFFLINE_SCAN_OPTIONS_H_
#define SKIMWATCH_AGENT_OFFLINE_SCAN_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/card/brand_file.h"
#include "agent/card/card_match.h"
#include "agent/card/mask.h"

namespace skimwatch::offline {

enum class Format : uint8_t { kTable, kJson, kSarif };

// What one run of `skimwatch-agent scan` was asked for.
struct ScanOptions {
  // Files, folders, capture files, or `-` for standard input.
  std::vector<std::string> paths;

  Format format = Format::kTable;
  card::MaskStyle mask = card::MaskStyle::kFirst6Last4;

  card::Confidence min_confidence = card::Confidence::kLow;
  // A file of brands, or card::kBuiltInBrands.
  std::string brand_table = std::string(card::kBuiltInBrands);
  // Encodings undone one inside another, 0 to 4.
  int decode_depth = 3;
  // Whether published test numbers are findings.
  bool test_cards = true;

  // Patterns of gitignore(5) for paths below PATH, and for members of archives.
  std::vector<std::string> exclude;
  // Whether the files of these names in folders are obeyed.
  bool skimwatchignore = true;
  bool gitignore = false;
  // Larger files in folders are left out; 0 is no limit.
  uint64_t file_bytes_max = 0;
  // A compressed file whose content is more than this times its size (and more than 64 MiB) is cut
  // as a bomb.
  uint64_t expansion_max = 250;
  // Archives unpacked one inside another, 0 to 8; 0 scans all of them as they stand.
  size_t archive_depth = 3;
  bool follow_symlinks = false;
  bool one_file_system = false;

  // Files of these, each empty for none: accepted findings, known findings, where to write known
  // findings, and the key of fingerprints.
  std::string allow_list;
  std::string baseline;
  std::string write_baseline;
  std::string fingerprint_key;

  // Files scanned at once.
  uint32_t jobs = 1;
  // Whether findings are written in the order of the files, however they are scanned.
  bool sort = false;

  bool stats = false;
  // No findings and no notes: the exit code tells, and errors are still named.
  bool quiet = false;
  // A bar on standard error while it is a terminal.
  bool progress = true;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_SCAN_OPTIONS_H_
