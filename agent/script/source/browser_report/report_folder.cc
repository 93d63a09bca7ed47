#include "agent/script/source/browser_report/report_folder.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

// A directive's name; a longer one is nobody's.
constexpr size_t kDirectiveBytesMax = 40;

// Through these a page runs code or sends data.
constexpr std::array<std::string_view, 13> kRunsOrSends = {
    "script-src",  "script-src-elem", "script-src-attr", "default-src", "connect-src",
    "form-action", "frame-src",       "child-src",       "worker-src",  "object-src",
    "base-uri",    "navigate-to",     "prefetch-src"};

bool RunsOrSends(std::string_view directive) {
  return std::find(kRunsOrSends.begin(), kRunsOrSends.end(), directive) != kRunsOrSends.end();
}

// `script-src-elem`, whatever a stranger wrote.
std::string ShownDirective(std::string_view directive) {
  std::string shown(directive.substr(0, kDirectiveBytesMax));
  for (char& c : shown) {
    c = absl::ascii_tolower(static_cast<unsigned char>(c));
    if (c != '-' && !absl::ascii_islower(static_cast<unsigned char>(c))) return "unknown";
  }
  return shown;
}

// A word that stands for something without an address.
std::string ShownWord(std::string_view blocked) {
  const std::string scheme = SchemeOf(blocked);
  if (!scheme.empty()) return absl::StrCat(ShownHost(scheme), ":");
  for (const std::string_view word : {"inline", "eval", "wasm-eval", "trusted-types-policy",
                                      "trusted-types-sink", "data", "blob", "self"}) {
    if (blocked == word) return std::string(word);
  }
  return "unknown";
}

std::string_view TypeName(Report::Type type) {
  return type == Report::Type::kIntegrityViolation ? "integrity-violation" : "csp-violation";
}

}  // namespace

v1::Severity SeverityOfViolation(const Report& report) {
  const bool is_address = ParseReportedAddress(report.blocked_url).has_value();
  if (report.type == Report::Type::kIntegrityViolation) {
    return is_address ? v1::SEVERITY_MEDIUM : v1::SEVERITY_LOW;
  }
  // Inline scripts that a policy does not know are often the page's own.
  return is_address && RunsOrSends(report.directive) ? v1::SEVERITY_MEDIUM : v1::SEVERITY_LOW;
}

ReportFolder::ReportFolder(Options options, ReportSink& sink)
    : options_(std::move(options)),
      sink_(sink),
      claims_(options_.entries_max, options_.entries_of_network_max) {}

bool ReportFolder::MakeRoom(uint64_t network) {
  if (entries_.size() < options_.entries_max) return true;
  const std::string* const yielding = claims_.YieldingTo(network);
  if (yielding == nullptr) return false;
  End(by_key_.find(*yielding)->second);
  return true;
}

void ReportFolder::Release(Entry& entry) {
  claims_.Remove(entry.first_network, *entry.claim);
  entry.claim.reset();
}

ReportFolder::Outcome ReportFolder::Add(std::string_view site, const std::string& page,
                                        const Report& report, const Reporter& reporter,
                                        absl::Time now) {
  const std::optional<ReportedAddress> address = ParseReportedAddress(report.blocked_url);
  const std::string blocked = address.has_value() ? ShownAddress(*address, options_.path_template)
                                                  : ShownWord(report.blocked_url);
  const std::string directive = ShownDirective(report.directive);
  const std::string_view type = TypeName(report.type);
  // None of them holds a line feed.
  std::string key = absl::StrCat(std::string(site), "\n", std::string(type), "\n", page, "\n",
                                 blocked, "\n", directive);
  auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    if (!claims_.MayAdd(reporter.network)) return Outcome::kContradicting;
    if (!MakeRoom(reporter.network)) return Outcome::kFull;
    Entry entry;
    entry.key = key;
    entry.ends = now + options_.window;
    entry.first_network = reporter.network;
    entry.claim = claims_.Add(reporter.network, key);
    entry.folded.site = site;
    entry.folded.destination = address.has_value() ? ShownHost(address->origin) : blocked;
    entry.folded.first_seen = now;
    entry.folded.report.set_type(type.data(), type.size());
    entry.folded.report.set_page(page);
    entry.folded.report.set_blocked_url(blocked);
    entry.folded.report.set_effective_directive(directive);
    entry.agreed_severity = SeverityOfViolation(report);
    entries_.push_back(std::move(entry));
    found = by_key_.emplace(std::move(key), std::prev(entries_.end())).first;
  }
  Entry& entry = *found->second;
  if (entry.folded.count++ == 0) entry.folded.first_seen = now;
  entry.folded.last_seen = now;
  entry.agreement.Add(reporter);
  if (!entry.agreed() && entry.agreement.networks() >= options_.browsers_min) {
    Release(entry);
    Tell(entry);
  }
  return Outcome::kTaken;
}

void ReportFolder::Tell(Entry& entry) {
  FoldedReport& folded = entry.folded;
  folded.severity = entry.agreed() ? entry.agreed_severity : v1::SEVERITY_INFO;
  folded.confidence = entry.agreed() ? v1::CONFIDENCE_MEDIUM : v1::CONFIDENCE_LOW;
  folded.report.set_browsers(entry.agreement.browsers());
  sink_.OnReport(folded);
  folded.count = 0;
}

void ReportFolder::End(Entries::iterator entry) {
  if (entry->folded.count > 0) Tell(*entry);
  if (!entry->agreed()) Release(*entry);
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

void ReportFolder::Expire(absl::Time now) {
  // A clock that was set back must not keep a window open for long.
  while (!entries_.empty() &&
         (entries_.front().ends <= now || entries_.front().ends > now + options_.window)) {
    End(entries_.begin());
  }
}

void ReportFolder::Flush() {
  while (!entries_.empty()) End(entries_.begin());
}

}  // namespace skimwatch::script
