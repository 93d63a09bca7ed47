#ifndef SKIMWATCH_AGENT_PIPELINE_PAGE_REPORTER_H_
#define SKIMWATCH_AGENT_PIPELINE_PAGE_REPORTER_H_

#include <cstdint>
#include <string_view>

#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "agent/pipeline/canary_list.h"
#include "agent/pipeline/finding_writer.h"
#include "agent/pipeline/script_reporter.h"
#include "agent/script/source/page/page_sink.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::pipeline {

// Turns what looks at payment pages saw into findings: scripts and headers that changed, card
// numbers in them and in what pages send, and where canaries went.
//
// Thread-safe. `brands`, `writer` and `canaries` must outlive it.
class PageReporter final : public script::PageSink {
 public:
  PageReporter(const card::ScanOptions& options, const card::BrandTable& brands,
               FindingWriter& writer, CanaryList& canaries)
      : scripts_(options, brands, writer, v1::SOURCE_KIND_PAGE),
        writer_(writer),
        canaries_(canaries) {}

  void OnChange(std::string_view site, const v1::ScriptChange& change,
                v1::Severity severity) override {
    scripts_.OnChange(site, change, severity);
  }
  void OnText(std::string_view site, std::string_view script, std::string_view text) override {
    scripts_.OnText(site, script, text);
  }
  void OnCanaryTyped(std::string_view site, std::string_view page, std::string_view run_id,
                     std::string_view number) override;
  void OnDeparture(const script::PageDeparture& departure) override;
  void OnCard(const script::PageDeparture& place, const card::CardMatch& match) override;

  ScriptReporter::Stats stats() const { return scripts_.stats(); }

 private:
  ScriptReporter scripts_;
  FindingWriter& writer_;
  CanaryList& canaries_;
};

}  // namespace skimwatch::pipeline

#endif  // SKIMWATCH_AGENT_PIPELINE_PAGE_REPORTER_H_
