#include "agent/offline/scan_report.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "agent/offline/shown_text.h"
#include "nlohmann/json.hpp"
#include "proto/text/units.h"

namespace skimwatch::offline {
namespace {

using traffic::Reason;

// Calls `each` for every reason for which bytes of captures were seen and not scanned.
void ForEachUnscanned(const traffic::Coverage& coverage,
                      const std::function<void(std::string_view, uint64_t)>& each) {
  for (size_t i = 0; i < static_cast<size_t>(Reason::kCount); ++i) {
    const auto reason = static_cast<Reason>(i);
    const uint64_t bytes = coverage.bytes(reason);
    if (reason != Reason::kScanned && bytes > 0) each(traffic::ReasonName(reason), bytes);
  }
}

// `too_large` -> `too large`.
std::string Words(std::string_view name) {
  std::string words(name);
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

}  // namespace

void ScanReport::OnSkip(std::string_view path, SkipReason reason, std::string_view detail) {
  skipped_[static_cast<size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  if (reason == SkipReason::kIgnoreFileNotApplied) {
    console_.Err(absl::StrCat("skimwatch-agent scan: ", ShownText(path),
                              ": is not applied: ", ShownText(detail)));
  }
  if (!IsError(reason)) return;
  has_errors_.store(true, std::memory_order_relaxed);
  console_.Err(absl::StrCat("skimwatch-agent scan: ", ShownText(path), ": ", ShownText(detail)));
}

void ScanReport::OnFinding(const Place& place, const card::CardMatch& match) {
  findings_.fetch_add(1, std::memory_order_relaxed);
  absl::MutexLock lock(&mutex_);
  ++by_brand_[{std::string(match.brand), match.confidence}];
  if (const auto found = by_file_.find(place.file()); found != by_file_.end()) {
    ++found->second;
  } else if (by_file_.size() < kFilesMax) {
    by_file_.emplace(place.file(), 1);
  } else {
    ++in_other_files_;
  }
}

std::vector<std::pair<std::string, uint64_t>> ScanReport::TopFiles(size_t files_max) const {
  std::vector<std::pair<std::string, uint64_t>> files(by_file_.begin(), by_file_.end());
  std::stable_sort(files.begin(), files.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (files.size() > files_max) files.resize(files_max);
  return files;
}

void ScanReport::OnOpaqueFile(std::string_view format) {
  absl::MutexLock lock(&mutex_);
  ++opaque_[std::string(format)];
}

void ScanReport::OnCapture(const traffic::Coverage& coverage) {
  for (size_t i = 0; i < static_cast<size_t>(Reason::kCount); ++i) {
    const auto reason = static_cast<Reason>(i);
    capture_.Add(reason, coverage.bytes(reason));
  }
}

std::string ScanReport::SkipNote() const {
  std::vector<std::string> parts;
  for (size_t i = 0; i < skipped_.size(); ++i) {
    const auto reason = static_cast<SkipReason>(i);
    // What the user excluded is no news, and errors were named.
    if (reason == SkipReason::kExcluded || IsError(reason) || skipped(reason) == 0) continue;
    parts.push_back(absl::StrCat(skipped(reason), " ", Words(SkipReasonName(reason))));
  }
  ForEachUnscanned(capture_, [&](std::string_view name, uint64_t bytes) {
    parts.push_back(absl::StrCat(text::Bytes(bytes), " of captures ", std::string(name)));
  });
  if (const uint64_t count = parts_cut_.load(std::memory_order_relaxed); count > 0) {
    parts.push_back(absl::StrCat(count, " cuts in messages of captures"));
  }
  if (const uint64_t bytes = not_decoded_.load(std::memory_order_relaxed); bytes > 0) {
    parts.push_back(absl::StrCat(text::Bytes(bytes), " in too many encodings"));
  }
  absl::MutexLock lock(&mutex_);
  for (const auto& [format, count] : opaque_) {
    parts.push_back(absl::StrCat(count, " ", format, " not unpacked"));
  }
  if (parts.empty()) return "";
  return absl::StrCat("not scanned: ", absl::StrJoin(parts, ", "));
}

std::string ScanReport::Stats(Format format, absl::Duration elapsed) const {
  if (format != Format::kTable) return JsonStats(elapsed);
  std::vector<std::pair<std::string, std::string>> lines;
  const double seconds = std::max(absl::ToDoubleSeconds(elapsed), 1e-9);
  const uint64_t read = bytes_read_.load(std::memory_order_relaxed);
  lines.emplace_back("files", absl::StrCat(files_.load(std::memory_order_relaxed)));
  lines.emplace_back("bytes read", absl::StrCat(read, " (", text::Bytes(read), ")"));
  const uint64_t scanned = bytes_scanned_.load(std::memory_order_relaxed);
  lines.emplace_back("bytes scanned", absl::StrCat(scanned, " (", text::Bytes(scanned), ")"));
  lines.emplace_back(
      "time",
      absl::StrFormat("%.3f s (%s/s)", seconds,
                      text::Bytes(static_cast<uint64_t>(static_cast<double>(scanned) / seconds))));
  lines.emplace_back("findings", absl::StrCat(findings()));
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, count] : by_brand_) {
      lines.emplace_back(
          absl::StrCat("  ", key.first, " ", std::string(card::ConfidenceName(key.second))),
          absl::StrCat(count));
    }
    constexpr size_t kFilesShown = 10;
    uint64_t rest = findings();
    for (const auto& [file, count] : TopFiles(kFilesShown)) {
      lines.emplace_back(absl::StrCat("  in ", file), absl::StrCat(count));
      rest -= count;
    }
    if (rest > 0) {
      const size_t files = by_file_.size() - std::min(by_file_.size(), kFilesShown);
      lines.emplace_back(
          absl::StrCat("  in ", files, in_other_files_ > 0 ? " or more" : "", " other files"),
          absl::StrCat(rest));
    }
  }
  if (const uint64_t count = allowed_.load(std::memory_order_relaxed); count > 0) {
    lines.emplace_back("allowed by the allow-list", absl::StrCat(count));
  }
  if (unused_allow_entries_ > 0) {
    lines.emplace_back("unused allow-list entries", absl::StrCat(unused_allow_entries_));
  }
  if (const uint64_t count = known_.load(std::memory_order_relaxed); count > 0) {
    lines.emplace_back("known from the baseline", absl::StrCat(count));
  }
  if (gone_ > 0) lines.emplace_back("gone from the baseline", absl::StrCat(gone_));
  if (const uint64_t count = test_cards_left_out_.load(std::memory_order_relaxed); count > 0) {
    lines.emplace_back("test cards left out", absl::StrCat(count));
  }
  for (size_t i = 0; i < skipped_.size(); ++i) {
    const auto reason = static_cast<SkipReason>(i);
    if (skipped(reason) == 0) continue;
    lines.emplace_back(
        absl::StrCat(IsError(reason) ? "error: " : "skipped: ", Words(SkipReasonName(reason))),
        absl::StrCat(skipped(reason)));
  }
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, count] : opaque_) {
      lines.emplace_back(absl::StrCat("not unpacked: ", name), absl::StrCat(count));
    }
  }
  if (const uint64_t bytes = not_decoded_.load(std::memory_order_relaxed); bytes > 0) {
    lines.emplace_back("not decoded", text::Bytes(bytes));
  }
  if (const uint64_t count = parts_cut_.load(std::memory_order_relaxed); count > 0) {
    lines.emplace_back("cuts in messages", absl::StrCat(count));
  }
  if (const uint64_t seen = capture_.seen_bytes(); seen > 0) {
    lines.emplace_back("capture payload", text::Bytes(seen));
    ForEachUnscanned(capture_, [&](std::string_view name, uint64_t bytes) {
      lines.emplace_back(absl::StrCat("  not scanned: ", std::string(name)), text::Bytes(bytes));
    });
  }
  // Paths may be long; they do not move all the others.
  constexpr size_t kWidthMax = 26;
  size_t width = 0;
  for (const auto& [name, value] : lines) {
    if (name.size() <= kWidthMax) width = std::max(width, name.size());
  }
  std::string out;
  for (const auto& [name, value] : lines) {
    absl::StrAppend(&out, out.empty() ? "" : "\n", name, ":",
                    std::string(width - std::min(width, name.size()) + 1, ' '), value);
  }
  return out;
}

std::string ScanReport::JsonStats(absl::Duration elapsed) const {
  using nlohmann::ordered_json;
  ordered_json stats;
  stats["files"] = files_.load(std::memory_order_relaxed);
  stats["bytes_read"] = bytes_read_.load(std::memory_order_relaxed);
  stats["bytes_scanned"] = bytes_scanned_.load(std::memory_order_relaxed);
  stats["seconds"] = absl::ToDoubleSeconds(elapsed);
  stats["bytes_per_second"] =
      static_cast<uint64_t>(static_cast<double>(bytes_scanned_.load(std::memory_order_relaxed)) /
                            std::max(absl::ToDoubleSeconds(elapsed), 1e-9));
  stats["findings"] = findings();
  stats["findings_by_brand"] = ordered_json::object();
  stats["findings_by_file"] = ordered_json::object();
  stats["not_unpacked"] = ordered_json::object();
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, count] : by_brand_) {
      stats["findings_by_brand"][key.first][std::string(card::ConfidenceName(key.second))] = count;
    }
    for (const auto& [file, count] : by_file_) stats["findings_by_file"][file] = count;
    if (in_other_files_ > 0) stats["findings_in_other_files"] = in_other_files_;
    for (const auto& [name, count] : opaque_) stats["not_unpacked"][name] = count;
  }
  stats["allowed"] = allowed_.load(std::memory_order_relaxed);
  stats["unused_allow_list_entries"] = unused_allow_entries_;
  stats["known"] = known_.load(std::memory_order_relaxed);
  stats["gone_from_baseline"] = gone_;
  stats["test_cards_left_out"] = test_cards_left_out_.load(std::memory_order_relaxed);
  stats["skipped"] = ordered_json::object();
  stats["errors"] = ordered_json::object();
  for (size_t i = 0; i < skipped_.size(); ++i) {
    const auto reason = static_cast<SkipReason>(i);
    if (skipped(reason) == 0) continue;
    stats[IsError(reason) ? "errors" : "skipped"][std::string(SkipReasonName(reason))] =
        skipped(reason);
  }
  stats["bytes_not_decoded"] = not_decoded_.load(std::memory_order_relaxed);
  stats["capture_message_cuts"] = parts_cut_.load(std::memory_order_relaxed);
  stats["capture_bytes"] = capture_.seen_bytes();
  stats["capture_bytes_not_scanned"] = ordered_json::object();
  ForEachUnscanned(capture_, [&](std::string_view name, uint64_t bytes) {
    stats["capture_bytes_not_scanned"][std::string(name)] = bytes;
  });
  return ordered_json{{"stats", stats}}.dump();
}

}  // namespace skimwatch::offline
