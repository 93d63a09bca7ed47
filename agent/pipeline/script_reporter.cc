#include "agent/pipeline/script_reporter.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "agent/card/mask.h"
#include "agent/pipeline/card_sighting.h"
#include "agent/pipeline/script_finding.h"

namespace skimwatch::pipeline {
namespace {

v1::Provenance ProvenanceOf(v1::SourceKind source, const std::string& file) {
  v1::Provenance provenance;
  provenance.set_source(source);
  provenance.set_direction(v1::DIRECTION_AT_REST);
  provenance.set_file(file);
  provenance.set_part("file");
  return provenance;
}

class SightingSink final : public card::MatchSink {
 public:
  SightingSink(std::shared_ptr<const SightingOrigin> origin, FindingWriter& writer)
      : origin_(std::move(origin)), seen_at_(absl::Now()), writer_(writer) {}

  void OnMatch(const card::CardMatch& match) override {
    ++matches_;
    writer_.Add(MakeSighting(match, origin_, /*base=*/0, seen_at_));
  }

  uint64_t matches() const { return matches_; }

 private:
  const std::shared_ptr<const SightingOrigin> origin_;
  const absl::Time seen_at_;
  FindingWriter& writer_;
  uint64_t matches_ = 0;
};

}  // namespace

ScriptReporter::ScriptReporter(const card::ScanOptions& options, const card::BrandTable& brands,
                               FindingWriter& writer, v1::SourceKind source)
    : writer_(writer), source_(source), stream_(options, brands) {}

ScriptReporter::~ScriptReporter() = default;

void ScriptReporter::OnChange(std::string_view site, const v1::ScriptChange& change,
                              v1::Severity severity) {
  v1::Finding finding = MakeScriptFinding(site, change, severity, v1::CONFIDENCE_HIGH);
  *finding.mutable_provenance() = ProvenanceOf(source_, change.script());
  {
    absl::MutexLock lock(&mutex_);
    ++stats_.changes;
  }
  writer_.Add(std::move(finding));
}

void ScriptReporter::OnText(std::string_view site, std::string_view script, std::string_view text) {
  auto origin = std::make_shared<SightingOrigin>();
  origin->site.assign(site);
  origin->path.assign(script);
  // A file's name may hold a number as well as its text.
  origin->destination = card::RedactCardNumbers(script);
  origin->provenance = ProvenanceOf(source_, origin->destination);
  SightingSink sink(std::move(origin), writer_);
  absl::MutexLock lock(&mutex_);
  stream_.Begin({.location = script, .content_type = "text/javascript", .is_script = true});
  stream_.Feed(text, sink);
  stream_.Finish(sink);
  stats_.bytes += text.size();
  stats_.matches += sink.matches();
  stats_.bytes_not_decoded = stream_.bytes_not_decoded();
}

ScriptReporter::Stats ScriptReporter::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace skimwatch::pipeline
