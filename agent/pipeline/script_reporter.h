#ifndef SKIMWATCH_AGENT_PIPELINE_SCRIPT_REPORTER_H_
#define SKIMWATCH_AGENT_PIPELINE_SCRIPT_REPORTER_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/script/script_sink.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::pipeline {

// Turns what the script sensors saw into findings, and scans the text of scripts and pages for card
// numbers: a number in a file that a web server serves is leaving with every request for it.
//
// Thread-safe; texts are scanned one at a time. `brands` and `writer` must outlive it.
class ScriptReporter final : public script::ScriptSink {
 public:
  struct Stats {
    uint64_t changes = 0;
    uint64_t bytes = 0;
    uint64_t matches = 0;
    // As in MessageScanner::Stats.
    uint64_t bytes_not_decoded = 0;
  };

  // `source` is what sees them: a web root, or a page.
  ScriptReporter(const card::ScanOptions& options, const card::BrandTable& brands,
                 FindingWriter& writer, v1::SourceKind source = v1::SOURCE_KIND_WEB_ROOT);
  ~ScriptReporter() override;

  void OnChange(std::string_view site, const v1::ScriptChange& change,
                v1::Severity severity) override;
  void OnText(std::string_view site, std::string_view script, std::string_view text) override;

  Stats stats() const;

 private:
  FindingWriter& writer_;
  const v1::SourceKind source_;
  mutable absl::Mutex mutex_;
  card::ScanStream stream_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_SCRIPT_REPORTER_H_
