#include "agent/journals.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace skimwatch::agent {

Journals::Journals(const config::v1::AgentConfig& config,
                   const pipeline::MessageScanner::Options& scanner, const card::BrandTable& brands,
                   pipeline::FindingWriter& writer, traffic::Coverage& coverage) {
  int number = 0;
  for (const config::v1::Journal& wanted : config.sources().journals()) {
    Journal journal{.name = wanted.directory().empty() ? "local" : wanted.directory()};
    journal.scanner = std::make_unique<pipeline::MessageScanner>(scanner, brands, writer);
    traffic::JournalSource::Options options = traffic::JournalSource::Options::FromConfig(
        wanted, absl::StrCat(config.state_directory(), "/journal-position-", ++number));
    options.before_save = [&writer] { writer.Flush(); };
    absl::StatusOr<std::unique_ptr<traffic::JournalSource>> source =
        traffic::JournalSource::Open(std::move(options), coverage, *journal.scanner);
    if (source.ok()) {
      journal.source = *std::move(source);
      spdlog::info("journals: following {}", journal.name);
    } else {
      journal.error =
          absl::Status(source.status().code(),
                       absl::StrCat("sources.journals: ", std::string(source.status().message())));
    }
    journals_.push_back(std::move(journal));
  }
}

Journals::~Journals() { Stop(); }

absl::Status Journals::error() const {
  for (const Journal& journal : journals_) {
    if (!journal.error.ok()) return journal.error;
    const traffic::JournalSource::Stats stats = journal.source->GetStats();
    if (!stats.up && stats.errors > 0) return absl::UnavailableError(stats.last_error);
  }
  return absl::OkStatus();
}

bool Journals::any() const {
  return std::any_of(journals_.begin(), journals_.end(),
                     [](const Journal& journal) { return journal.source != nullptr; });
}

void Journals::Start() {
  for (Journal& journal : journals_) {
    if (journal.source != nullptr) journal.source->Start();
  }
}

void Journals::Stop() {
  for (Journal& journal : journals_) {
    if (journal.source != nullptr) journal.source->Stop();
  }
}

void Journals::AddTo(pipeline::AgentSnapshot& snapshot) const {
  pipeline::MessageScanner::Stats scan;
  for (const Journal& journal : journals_) {
    pipeline::AgentSnapshot::Journal shown{.directory = journal.name};
    if (journal.source != nullptr) shown.source = journal.source->GetStats();
    snapshot.journals.push_back(std::move(shown));
    scan += journal.scanner->stats();
  }
  snapshot.scans.push_back({.source = "journal", .scanner = scan});
}

}  // namespace skimwatch::agent
