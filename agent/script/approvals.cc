#include "agent/script/approvals.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/script/script_name.h"
#include "proto/approval/script_pattern.h"

namespace skimwatch::script {
namespace {

// A change has at most as many reasons.
constexpr int kReasonsMax = 32;

std::string InlineKey(const std::string& page, const std::string& sha256) {
  return absl::StrCat(page, "\n", sha256);
}

// Of a message with `expires_at`.
template <typename Message>
absl::Time EndOf(const Message& message) {
  if (!message.has_expires_at()) return absl::InfiniteFuture();
  return absl::FromUnixSeconds(message.expires_at().seconds()) +
         absl::Nanoseconds(message.expires_at().nanos());
}

}  // namespace

Approvals::Approvals(const v1::Policy& policy, absl::Time (*now)())
    : now_(now), asked_(policy.asked_behaviours().begin(), policy.asked_behaviours().end()) {
  for (const v1::ApprovedScript& script : policy.approved_scripts()) {
    const absl::Time end = EndOf(script);
    by_script_[Script(script.site(), script.script())][script.sha256()] = {
        .end = end, .by_profile = script.by_profile()};
    Ends& ends = bytes_[Script(script.site(), script.sha256())];
    ends.any = std::max(ends.any, end);
    if (!script.by_profile()) ends.by_hash = std::max(ends.by_hash, end);
    const std::optional<InlineName> name = ParseInlineName(script.script());
    if (!name) continue;
    int& number = inline_numbers_[Script(script.site(), InlineKey(name->page, script.sha256()))];
    // The lowest, so that every agent takes the same.
    number = number == 0 ? name->number : std::min(number, name->number);
  }
  for (const v1::PublishedScript& script : policy.published_scripts()) {
    published_[Script(script.site(), script.sha256())].push_back(
        {.pattern = script.script(), .end = EndOf(script)});
  }
  for (const v1::ApprovedProfile& profile : policy.script_profiles()) {
    profiles_[Script(profile.site(), profile.script())] = profile;
  }
  for (const v1::ApprovedScript& script : policy.expired_scripts()) {
    expired_[Script(script.site(), script.script())][script.sha256()] = EndOf(script);
  }
}

bool Approvals::IsPublished(const std::string& site, const std::string& script,
                            const std::string& sha256) const {
  for (const std::string& of : {site, std::string()}) {
    const auto entry = published_.find(Script(of, sha256));
    if (entry == published_.end()) continue;
    for (const Published& published : entry->second) {
      if (approval::PatternCovers(published.pattern, script) && now_() < published.end) return true;
    }
  }
  return false;
}

bool Approvals::Contains(const std::string& site, const std::string& script,
                         const std::string& sha256) const {
  if (const auto entry = by_script_.find(Script(site, script)); entry != by_script_.end()) {
    const auto approval = entry->second.find(sha256);
    if (approval != entry->second.end() && now_() < approval->second.end) return true;
  }
  return IsPublished(site, script, sha256);
}

bool Approvals::ContainsByHash(const std::string& site, const std::string& script,
                               const std::string& sha256) const {
  if (const auto entry = by_script_.find(Script(site, script)); entry != by_script_.end()) {
    const auto approval = entry->second.find(sha256);
    if (approval != entry->second.end() && !approval->second.by_profile &&
        now_() < approval->second.end) {
      return true;
    }
  }
  return IsPublished(site, script, sha256);
}

bool Approvals::ContainsBytes(const std::string& site, const std::string& sha256) const {
  const auto entry = bytes_.find(Script(site, sha256));
  return entry != bytes_.end() && now_() < entry->second.any;
}

bool Approvals::ContainsBytesByHash(const std::string& site, const std::string& sha256) const {
  const auto entry = bytes_.find(Script(site, sha256));
  return entry != bytes_.end() && now_() < entry->second.by_hash;
}

int Approvals::NumberOf(const std::string& site, const std::string& page,
                        const std::string& sha256) const {
  const auto entry = inline_numbers_.find(Script(site, InlineKey(page, sha256)));
  return entry == inline_numbers_.end() ? 0 : entry->second;
}

Standing Approvals::StandingOf(const std::string& site, const std::string& script,
                               const std::string& sha256) const {
  Standing standing;
  if (const auto entry = profiles_.find(Script(site, script)); entry != profiles_.end()) {
    if (now_() < EndOf(entry->second)) standing.profile = &entry->second;
  }
  absl::Time end = absl::InfiniteFuture();
  if (const auto entry = expired_.find(Script(site, script)); entry != expired_.end()) {
    if (const auto hash = entry->second.find(sha256); hash != entry->second.end()) {
      end = hash->second;
    }
  }
  // One that ended since the policy came.
  if (const auto entry = by_script_.find(Script(site, script)); entry != by_script_.end()) {
    if (const auto hash = entry->second.find(sha256); hash != entry->second.end()) {
      end = hash->second.end;
    }
  }
  if (end <= now_()) standing.expired_at = end;
  return standing;
}

std::vector<v1::AskedBehaviour> Approvals::AskedOf(const std::string& site) const {
  std::vector<v1::AskedBehaviour> asked;
  for (const v1::AskedBehaviour& one : asked_) {
    if (one.site() == site) asked.push_back(one);
  }
  return asked;
}

v1::ScriptChange ExpiredChange(const Standing& standing, const std::string& script,
                               const std::string& page, const v1::ScriptVersion& version) {
  v1::ScriptChange change;
  change.set_change(v1::ScriptChange::CHANGE_CHANGED);
  change.set_script(script);
  change.set_page(page);
  *change.mutable_current() = version;
  *change.mutable_previous() = version;
  NoteExpiry(standing, change);
  return change;
}

void NoteExpiry(const Standing& standing, v1::ScriptChange& change) {
  const bool is_unapproved = change.change() == v1::ScriptChange::CHANGE_ADDED ||
                             change.change() == v1::ScriptChange::CHANGE_CHANGED;
  if (!standing.expired_at.has_value() || !is_unapproved || change.profile_id() != 0) return;
  if (change.reasons_size() >= kReasonsMax) return;
  change.add_reasons(absl::StrCat(
      "approval expired on ",
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", *standing.expired_at, absl::UTCTimeZone())));
}

}  // namespace skimwatch::script
