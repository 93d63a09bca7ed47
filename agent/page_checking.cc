#include "agent/page_checking.h"

#include <pwd.h>
#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/script/source/page/browser_process.h"
#include "agent/script/source/page/canary.h"
#include "agent/traffic/message.h"
#include "spdlog/spdlog.h"

namespace skimwatch::agent {
namespace {

// Outcomes stand in the same order in both, and in `looks`.
v1::PageLook::Outcome OutcomeOf(script::PageOutcome outcome) {
  return static_cast<v1::PageLook::Outcome>(static_cast<int>(outcome) + v1::PageLook::OUTCOME_OK);
}
static_assert(static_cast<int>(script::PageOutcome::kCount) == v1::PageLook::Outcome_MAX);
static_assert(static_cast<int>(script::PageOutcome::kStepFailed) + v1::PageLook::OUTCOME_OK ==
              v1::PageLook::OUTCOME_STEP_FAILED);
static_assert(static_cast<int>(script::PageOutcome::kIncomplete) + v1::PageLook::OUTCOME_OK ==
              v1::PageLook::OUTCOME_INCOMPLETE);

void SetTime(absl::Time time, google::protobuf::Timestamp& timestamp) {
  timestamp.set_seconds(absl::ToUnixSeconds(time));
}

}  // namespace

PageChecking::~PageChecking() { Stop(); }

absl::StatusOr<std::unique_ptr<PageChecking>> PageChecking::Open(
    const config::v1::AgentConfig& config, const Options& options, const card::BrandTable& brands,
    pipeline::FindingWriter& writer, pipeline::CanaryList& canaries) {
  std::unique_ptr<PageChecking> checking(new PageChecking);
  checking->reporter_ =
      std::make_unique<pipeline::PageReporter>(options.scan, brands, writer, canaries);
  PageChecking* const self = checking.get();
  absl::StatusOr<std::unique_ptr<script::PageMonitor>> monitor = script::PageMonitor::Open(
      {.pages = config.pages(),
       .state_directory = options.state_directory,
       .judge = options.judge,
       .scan = options.scan,
       .brands = &brands,
       .path_template = traffic::PathTemplate,
       .is_site_host =
           [sites = options.sites](std::string_view site, std::string_view host) {
             const std::string* const found = sites->SiteOfHost(host);
             return found != nullptr && *found == site;
           },
       .is_approved = [self](std::string_view site,
                             std::string_view host) { return self->IsApproved(site, host); },
       .before_save = [&writer] { writer.Flush(); }},
      *checking->reporter_);
  if (!monitor.ok()) {
    return absl::Status(monitor.status().code(),
                        absl::StrCat("pages: ", monitor.status().message()));
  }
  checking->monitor_ = *std::move(monitor);
  if (config.pages().checks_size() > kHeartbeatPagesMax) {
    spdlog::warn("pages: of {} pages the collector is told when the first {} were looked at",
                 config.pages().checks_size(), kHeartbeatPagesMax);
  }
  return checking;
}

void PageChecking::SetPolicy(const v1::Policy& policy) {
  destination::ApprovedDestinations approved;
  for (const v1::ApprovedDestination& approval : policy.approved_destinations()) {
    const absl::Time end = approval.has_expires_at()
                               ? absl::FromUnixSeconds(approval.expires_at().seconds())
                               : absl::InfiniteFuture();
    // One that can't be read is the destination monitor's to tell of.
    (void)approved.Add(approval.site(), approval.pattern(), approval.process(), end);
  }
  {
    absl::MutexLock lock(&mutex_);
    approved_ = std::move(approved);
  }
  monitor_->SetPolicy(policy);
}

bool PageChecking::IsApproved(std::string_view site, std::string_view host) const {
  absl::MutexLock lock(&mutex_);
  // Approvals name registered domains, or hosts below them.
  for (std::string_view name = host; name.find('.') != std::string_view::npos;
       name.remove_prefix(name.find('.') + 1)) {
    if (approved_.Find(site, name, "", absl::Now()).has_value()) return true;
  }
  return false;
}

void PageChecking::Start() { monitor_->Start(); }

void PageChecking::Stop() {
  if (monitor_ != nullptr) monitor_->Stop();
}

void PageChecking::AddTo(pipeline::AgentSnapshot& snapshot) const {
  snapshot.pages = monitor_->GetStats();
  const pipeline::ScriptReporter::Stats stats = reporter_->stats();
  pipeline::MessageScanner::Stats scan;
  scan.parts = stats.changes;
  scan.bytes = stats.bytes;
  scan.matches = stats.matches;
  scan.bytes_not_decoded = stats.bytes_not_decoded;
  snapshot.scans.push_back({.source = "page", .scanner = scan});
}

void PageChecking::AddTo(v1::Heartbeat& heartbeat) const {
  for (const script::PageMonitor::CheckStats& check : monitor_->GetStats().checks) {
    if (heartbeat.pages_size() >= kHeartbeatPagesMax) return;
    v1::PageLook& look = *heartbeat.add_pages();
    look.set_name(check.name);
    look.set_site(check.site);
    if (check.last_run != absl::InfinitePast()) {
      SetTime(check.last_run, *look.mutable_last_look());
      look.set_outcome(OutcomeOf(check.outcome));
      look.set_without_browser(check.is_static);
    }
    if (check.last_success != absl::InfinitePast()) {
      SetTime(check.last_success, *look.mutable_last_whole_look());
    }
    SetTime(check.next_due, *look.mutable_next_due());
    look.set_interval_seconds(static_cast<uint32_t>(absl::ToInt64Seconds(check.interval)));
    look.mutable_looks()->Assign(check.looks.begin(), check.looks.end());
    look.set_looks_without_browser(check.looks_without_browser);
  }
}

absl::Status CheckPageSettings(const config::v1::AgentConfig& config) {
  const config::v1::PageBrowser& browser = config.pages().browser();
  if (config.pages().checks().empty()) return absl::OkStatus();
  const std::string path = script::BrowserProcess::Find(browser.path());
  if (!path.empty() && access(path.c_str(), X_OK) != 0) {
    return absl::NotFoundError(
        absl::StrCat("pages.browser.path: ", path, " is no program that this user may run"));
  }
  if (!path.empty()) {
    const bool is_root = geteuid() == 0;
    if (!browser.user().empty() && getpwnam(browser.user().c_str()) == nullptr) {
      return absl::NotFoundError(
          absl::StrCat("pages.browser.user: there is no user ", browser.user()));
    }
    if (is_root && browser.user().empty() && !browser.no_sandbox()) {
      return absl::PermissionDeniedError(
          "pages.browser.user: Chromium's sandbox does not start as root; name a user for the "
          "browser");
    }
  }
  for (const config::v1::PageCheck& check : config.pages().checks()) {
    if (absl::StatusOr<script::CanaryCard> canary = script::MakeCanary(check.canary());
        !canary.ok()) {
      return canary.status();
    }
  }
  return absl::OkStatus();
}

}  // namespace skimwatch::agent
