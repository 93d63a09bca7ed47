#ifndef SKIMWATCH_AGENT_OFFLINE_SCAN_REPORT_H_
#define SKIMWATCH_AGENT_OFFLINE_SCAN_REPORT_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/card/card_match.h"
#include "agent/offline/console.h"
#include "agent/offline/finding.h"
#include "agent/offline/scan_options.h"
#include "agent/offline/skip_reason.h"
#include "agent/traffic/coverage.h"

namespace skimwatch::offline {

// Counts what a run scanned, found and skipped, and names errors on the console as they happen.
// Thread-safe.
class ScanReport final : public SkipSink {
 public:
  // `console` must outlive it.
  explicit ScanReport(Console& console) : console_(console) {}

  void OnSkip(std::string_view path, SkipReason reason, std::string_view detail) override;
  void OnFile() { files_.fetch_add(1, std::memory_order_relaxed); }
  void OnFinding(const Place& place, const card::CardMatch& match);
  // A finding that the allow-list or the baseline leaves out.
  void OnAllowed() { allowed_.fetch_add(1, std::memory_order_relaxed); }
  void OnKnown() { known_.fetch_add(1, std::memory_order_relaxed); }
  // A published test number that the options leave out.
  void OnTestCardLeftOut() { test_cards_left_out_.fetch_add(1, std::memory_order_relaxed); }
  // A file in a compressed format that is not undone, whose bytes were scanned as they stand.
  void OnOpaqueFile(std::string_view format);
  // A message of a capture that was scanned in two pieces because too many were open at once; a
  // number that lies over the cut is not found.
  void OnPartCut() { parts_cut_.fetch_add(1, std::memory_order_relaxed); }
  // Bytes whose encodings were not undone because they ask for too much work, card/scanner.h.
  void OnNotDecoded(uint64_t bytes) { not_decoded_.fetch_add(bytes, std::memory_order_relaxed); }
  // Bytes of TCP payload of a capture file, by what became of them.
  void OnCapture(const traffic::Coverage& coverage);

  // Bytes of content, after decompression.
  void OnScanned(uint64_t bytes) { bytes_scanned_.fetch_add(bytes, std::memory_order_relaxed); }

  // Entries of the allow-list that allowed nothing, and findings of the baseline that are gone.
  void OnLeftOver(uint64_t allow_entries, uint64_t baseline_findings) {
    unused_allow_entries_ = allow_entries;
    gone_ = baseline_findings;
  }

  // Bytes read of files, before decompression.
  std::atomic<uint64_t>& bytes_read() { return bytes_read_; }
  uint64_t findings() const { return findings_.load(std::memory_order_relaxed); }
  bool has_errors() const { return has_errors_.load(std::memory_order_relaxed); }

  // Lines for a person, or one JSON object, with everything.
  std::string Stats(Format format, absl::Duration elapsed) const;
  // What was skipped by rule or could not be looked into, in one line; empty when nothing was.
  // Without errors, which were named.
  std::string SkipNote() const;

 private:
  uint64_t skipped(SkipReason reason) const {
    return skipped_[static_cast<size_t>(reason)].load(std::memory_order_relaxed);
  }
  std::string JsonStats(absl::Duration elapsed) const;

  // Files with the most findings first, at most `files_max`.
  std::vector<std::pair<std::string, uint64_t>> TopFiles(size_t files_max) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Files whose findings are counted apart.
  static constexpr size_t kFilesMax = 10'000;

  Console& console_;
  std::atomic<uint64_t> files_{0};
  std::atomic<uint64_t> bytes_read_{0};
  std::atomic<uint64_t> bytes_scanned_{0};
  std::atomic<uint64_t> findings_{0};
  std::atomic<uint64_t> test_cards_left_out_{0};
  std::atomic<uint64_t> allowed_{0};
  std::atomic<uint64_t> known_{0};
  std::atomic<uint64_t> parts_cut_{0};
  std::atomic<uint64_t> not_decoded_{0};
  std::atomic<bool> has_errors_{false};
  std::array<std::atomic<uint64_t>, static_cast<size_t>(SkipReason::kCount)> skipped_{};
  traffic::Coverage capture_;
  mutable absl::Mutex mutex_;
  std::map<std::pair<std::string, card::Confidence>, uint64_t> by_brand_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, uint64_t, std::less<>> by_file_ ABSL_GUARDED_BY(mutex_);
  uint64_t in_other_files_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, uint64_t, std::less<>> opaque_ ABSL_GUARDED_BY(mutex_);
  // Set at the end, by one thread.
  uint64_t unused_allow_entries_ = 0;
  uint64_t gone_ = 0;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_SCAN_REPORT_H_
