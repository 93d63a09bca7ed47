#include "agent/script/source/browser_report/browser_inventory.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/judge/verdict.h"
#include "agent/script/script_name.h"

namespace skimwatch::script {
namespace {

constexpr size_t kSha256Bytes = 32;
// `sha256-` and 44 characters of base64, with room for other alphabets and no padding.
constexpr size_t kHashBytesMax = 64;
constexpr std::string_view kSha256Mark = "sha256-";
// A longer address is data.
constexpr size_t kAddressBytesMax = 1024;
// Versions of one script that nobody but one network saw.
constexpr auto kVersionsOfNetworkMax = 2;

std::optional<std::string> ParseHash(std::string_view hash) {
  if (!hash.starts_with(kSha256Mark) || hash.size() > kHashBytesMax) return std::nullopt;
  hash.remove_prefix(kSha256Mark.size());
  std::string bytes;
  if (!absl::Base64Unescape(absl::string_view(hash.data(), hash.size()), &bytes) ||
      bytes.size() != kSha256Bytes) {
    return std::nullopt;
  }
  return bytes;
}

// Sorted so that the pages of a script, and the scripts of an origin, stand together.
std::string KeyOf(const std::string& site, const std::string& address, const std::string& page) {
  return absl::StrCat(site, "\n", address, "\n", page);
}

// Scheme, host and port.
std::string OriginOf(const std::string& address) {
  const size_t authority = address.find("://");
  if (authority == std::string::npos) return address;
  return address.substr(0, address.find('/', authority + 3));
}

std::string NameOf(const std::string& page, const std::string& address) {
  const ScriptReference reference{.kind = ScriptReference::Kind::kScript, .address = address};
  return NameOfReference(page, ReferenceKey(reference));
}

void AddFact(std::string_view name, std::string excerpt, v1::ScriptChange& change) {
  v1::ScriptFact& fact = *change.add_facts();
  fact.set_name(name.data(), name.size());
  fact.set_excerpt(std::move(excerpt));
}

}  // namespace

BrowserInventory::BrowserInventory(Options options, const BrowserState& state, ReportSink& sink)
    : options_(std::move(options)),
      sink_(sink),
      approvals_(std::make_shared<const Approvals>()),
      claims_(options_.pending_max, options_.pending_of_network_max) {
  if (state.first_report_seconds() != 0) {
    first_report_ = absl::FromUnixSeconds(state.first_report_seconds());
  }
  for (const BrowserScript& kept : state.scripts()) {
    if (scripts_.size() >= options_.scripts_max) break;
    Script script{.site = kept.site(),
                  .page = kept.page(),
                  .address = kept.address(),
                  .name = NameOf(kept.page(), kept.address()),
                  .address_sha256 = Sha256(kept.address()),
                  .served = kept.served_sha256(),
                  .varies = kept.varies()};
    for (const BrowserVersion& version : kept.versions()) {
      if (script.versions.size() >= kVersionsMax) break;
      const absl::Time last_seen = absl::FromUnixSeconds(version.last_seen_seconds());
      script.last_seen = std::max(script.last_seen, last_seen);
      script.versions.push_back(
          {.sha256 = version.sha256(), .last_seen = last_seen, .agreed = version.agreed()});
    }
    if (script.served.empty()) continue;
    if (scripts_.emplace(KeyOf(kept.site(), kept.address(), kept.page()), std::move(script))
            .second) {
      ++agreed_;
    }
  }
  for (const auto& [site, kept] : state.hearings()) {
    hearings_[site] = {.since = absl::FromUnixSeconds(kept.since_seconds()),
                       .last = absl::FromUnixSeconds(kept.last_seconds())};
  }
}

void BrowserInventory::SetApprovals(std::shared_ptr<const Approvals> approvals) {
  approvals_ = std::move(approvals);
}

bool BrowserInventory::is_learning(absl::Time now) const {
  return first_report_ == absl::InfiniteFuture() || now < first_report_ + options_.learning;
}

uint64_t BrowserInventory::unapproved() const {
  return static_cast<uint64_t>(
      std::count_if(scripts_.begin(), scripts_.end(), [&](const auto& entry) {
        const Script& script = entry.second;
        return !script.served.empty() && !IsApproved(script, script.served);
      }));
}

bool BrowserInventory::IsApproved(const Script& script, const std::string& sha256) const {
  return approvals_->Contains(script.site, script.name, sha256);
}

bool BrowserInventory::IsApprovedAnywhere(const Script& script, const std::string& sha256) const {
  return sha256 == script.address_sha256 ? IsApproved(script, sha256)
                                         : approvals_->ContainsBytes(script.site, sha256);
}

bool BrowserInventory::ServedElsewhere(const Script& script, const std::string& sha256) const {
  const std::string prefix = KeyOf(script.site, script.address, "");
  for (auto it = scripts_.lower_bound(prefix);
       it != scripts_.end() && absl::StartsWith(it->first, prefix); ++it) {
    if (it->second.page != script.page && it->second.served == sha256) return true;
  }
  return false;
}

bool BrowserInventory::IsKnownHost(const Script& script) const {
  const std::string origin = OriginOf(script.address);
  const std::optional<ReportedAddress> address = ParseReportedAddress(script.address);
  if (address.has_value() && options_.site_of_host(address->host) == script.site) return true;
  const std::string prefix = absl::StrCat(script.site, "\n", origin, "/");
  for (auto it = scripts_.lower_bound(prefix);
       it != scripts_.end() && absl::StartsWith(it->first, prefix); ++it) {
    if (&it->second != &script && !it->second.served.empty()) return true;
  }
  return false;
}

void BrowserInventory::Release(Script& script) {
  if (!script.served.empty()) {
    --agreed_;
    return;
  }
  claims_.Remove(script.first_network, *script.claim);
  script.claim.reset();
}

void BrowserInventory::ForgetFor(uint64_t network) {
  const auto it = scripts_.find(*claims_.YieldingTo(network));
  Release(it->second);
  scripts_.erase(it);
  ++forgotten_;
}

BrowserInventory::Script* BrowserInventory::FindOrAdd(const std::string& site,
                                                      const std::string& page, std::string address,
                                                      const Reporter& reporter, absl::Time now,
                                                      Outcome& outcome) {
  std::string key = KeyOf(site, address, page);
  if (const auto found = scripts_.find(key); found != scripts_.end()) return &found->second;
  // Before it is looked at any closer, which costs more than all else here.
  if (!claims_.MayAdd(reporter.network)) {
    outcome = Outcome::kContradicting;
    return nullptr;
  }
  const bool is_full = scripts_.size() >= options_.scripts_max || claims_.is_full();
  if (is_full && claims_.YieldingTo(reporter.network) == nullptr) {
    outcome = Outcome::kFull;
    return nullptr;
  }
  // What is known holds no number; what is not may.
  if (std::string redacted = RedactCards(address).text; redacted != address) {
    address = std::move(redacted);
    key = KeyOf(site, address, page);
    if (const auto found = scripts_.find(key); found != scripts_.end()) return &found->second;
  }
  if (is_full) ForgetFor(reporter.network);
  Script script{.site = site,
                .page = page,
                .address = std::move(address),
                .first_network = reporter.network,
                .claim = claims_.Add(reporter.network, key),
                .last_seen = now};
  script.name = NameOf(script.page, script.address);
  script.address_sha256 = Sha256(script.address);
  return &scripts_.emplace(std::move(key), std::move(script)).first->second;
}

bool BrowserInventory::DropOldVersion(Script& script, absl::Time before) {
  const auto oldest = std::min_element(
      script.versions.begin(), script.versions.end(), [&](const Version& a, const Version& b) {
        // What is served goes last.
        if ((a.sha256 == script.served) != (b.sha256 == script.served)) {
          return b.sha256 == script.served;
        }
        return a.last_seen < b.last_seen;
      });
  if (oldest == script.versions.end() || oldest->last_seen >= before) return false;
  script.versions.erase(oldest);
  return true;
}

BrowserInventory::Version* BrowserInventory::FindOrAddVersion(Script& script,
                                                              const std::string& sha256,
                                                              const Reporter& reporter,
                                                              absl::Time now, Outcome& outcome) {
  const auto found = std::find_if(script.versions.begin(), script.versions.end(),
                                  [&](const Version& version) { return version.sha256 == sha256; });
  if (found != script.versions.end()) {
    // What comes back after it was gone is agreed on anew, and told anew.
    const absl::Duration holds = found->agreed ? options_.restore_after : options_.agree_within;
    if (found->sha256 != script.served && now - found->last_seen > holds) {
      found->agreed = false;
      found->agreement.Clear();
      found->first_network = reporter.network;
    }
    return &*found;
  }
  const auto claimed =
      std::count_if(script.versions.begin(), script.versions.end(), [&](const Version& version) {
        return !version.agreed && version.first_network == reporter.network;
      });
  if (claimed >= kVersionsOfNetworkMax) {
    outcome = Outcome::kContradicting;
    return nullptr;
  }
  if (script.versions.size() >= kVersionsMax) {
    if (script.varies) {
      DropOldVersion(script, absl::InfiniteFuture());
    } else if (!DropOldVersion(script, now - options_.agree_within)) {
      MarkVarying(script, now);
      outcome = Outcome::kManyVersions;
      return nullptr;
    }
  }
  script.versions.push_back(
      {.sha256 = sha256, .last_seen = now, .first_network = reporter.network});
  return &script.versions.back();
}

void BrowserInventory::Hear(const std::string& site, absl::Time now) {
  Hearing& hearing = hearings_[site];
  if (now - hearing.last > options_.silence) {
    hearing.since = now;
    changed_ = true;
  }
  hearing.last = std::max(hearing.last, now);
}

bool BrowserInventory::IsGone(const Script& script, absl::Time now) const {
  const auto hearing = hearings_.find(script.site);
  if (hearing == hearings_.end()) return false;
  const auto& [since, last] = hearing->second;
  return now - last <= options_.silence && now - since >= options_.gone_after &&
         now - script.last_seen > options_.gone_after;
}

BrowserInventory::Outcome BrowserInventory::Add(const std::string& site, const std::string& page,
                                                const ReportedAddress& script_address,
                                                std::string_view hash, const Reporter& reporter,
                                                absl::Time now) {
  std::string address = absl::StrCat(ShownHost(script_address.origin), script_address.path);
  if (address.size() > kAddressBytesMax) return Outcome::kBadHash;
  Outcome outcome = hash.empty() ? Outcome::kNoHash : Outcome::kTaken;
  std::optional<std::string> sha256;
  if (!hash.empty()) {
    sha256 = ParseHash(hash);
    if (!sha256.has_value()) return Outcome::kBadHash;
  }
  if (first_report_ == absl::InfiniteFuture()) {
    first_report_ = now;
    changed_ = true;
  }
  Hear(site, now);
  Script* const script = FindOrAdd(site, page, std::move(address), reporter, now, outcome);
  if (script == nullptr) return outcome;
  script->last_seen = now;
  // A script whose bytes are known for some browsers stays what they are.
  if (hash.empty() && !script->served.empty() && script->served != script->address_sha256) {
    return outcome;
  }
  if (!sha256.has_value()) sha256 = script->address_sha256;
  Version* const version = FindOrAddVersion(*script, *sha256, reporter, now, outcome);
  if (version == nullptr) return outcome;
  changed_ = changed_ || version->agreed;
  const bool was_seen_lately = version->agreed;
  version->last_seen = now;
  if (script->varies) {
    if (!version->agreed) version->agreement.Add(reporter);
    version->agreed = version->agreed || version->agreement.networks() >= options_.browsers_min;
    return Outcome::kManyVersions;
  }
  if (was_seen_lately) {
    OnSeenAgain(*script, *version, now);
    return outcome;
  }
  version->agreement.Add(reporter);
  if (version->agreement.networks() >= options_.browsers_min) {
    version->agreed = true;
    OnAgreed(*script, *version, now);
    // Who they were is needed no more.
    version->agreement = Agreement();
  }
  return outcome;
}

void BrowserInventory::OnAgreed(Script& script, Version& version, absl::Time now) {
  using Change = v1::ScriptChange;
  const std::string sha256 = version.sha256;
  const size_t browsers = version.agreement.browsers();
  const bool is_first = script.served.empty();
  if (sha256 == script.served) return;
  if (is_first) {
    // It is no longer its first network's claim.
    Release(script);
    ++agreed_;
  }
  if (!is_first && IsApproved(script, sha256)) return OnSeenAgain(script, version, now);
  const bool is_known = is_learning(now) || IsApprovedAnywhere(script, sha256) ||
                        ServedElsewhere(script, sha256) ||
                        // There was nothing to compare with.
                        (!is_first && script.served == script.address_sha256);
  Tell(script,
       is_known   ? Change::CHANGE_PROPOSED
       : is_first ? Change::CHANGE_ADDED
                  : Change::CHANGE_CHANGED,
       sha256, browsers);
}

void BrowserInventory::OnSeenAgain(Script& script, Version& version, absl::Time now) {
  if (version.sha256 == script.served || !IsApproved(script, version.sha256)) return;
  if (!IsApproved(script, script.served)) {
    const auto served = std::find_if(script.versions.begin(), script.versions.end(),
                                     [&](const Version& v) { return v.sha256 == script.served; });
    if (served != script.versions.end() && now - served->last_seen < options_.restore_after) {
      return;
    }
  }
  Tell(script, v1::ScriptChange::CHANGE_RESTORED, std::string(version.sha256),
       version.agreement.browsers());
}

void BrowserInventory::MarkVarying(Script& script, absl::Time now) {
  script.varies = true;
  if (script.served.empty()) {
    Release(script);
    ++agreed_;
  }
  Tell(script,
       is_learning(now) || IsApproved(script, script.address_sha256)
           ? v1::ScriptChange::CHANGE_PROPOSED
           : v1::ScriptChange::CHANGE_CHANGED,
       script.address_sha256, 0);
}

const std::string& BrowserInventory::ApprovedOrServed(const Script& script,
                                                      const std::string& sha256) const {
  const Version* approved = nullptr;
  for (const Version& version : script.versions) {
    if (version.sha256 == sha256 || !IsApproved(script, version.sha256)) continue;
    if (approved == nullptr || version.last_seen > approved->last_seen) approved = &version;
  }
  return approved == nullptr ? script.served : approved->sha256;
}

void BrowserInventory::Tell(Script& script, v1::ScriptChange::Change what,
                            const std::string& sha256, size_t browsers) {
  v1::ScriptChange change;
  change.set_change(what);
  change.set_script(script.name);
  change.set_page(script.page);
  if (what != v1::ScriptChange::CHANGE_REMOVED) {
    change.mutable_current()->set_sha256(sha256);
    if (script.varies) {
      AddFact("many_versions", absl::StrCat("more than ", kVersionsMax, " in a day"), change);
    } else if (sha256 == script.address_sha256) {
      AddFact("no_hash", "the browser may not read it: no crossorigin attribute", change);
    }
    if (browsers > 0) AddFact("browsers", absl::StrCat(browsers), change);
    if (what == v1::ScriptChange::CHANGE_ADDED && !IsKnownHost(script)) {
      AddFact("unknown_host", ShownHost(OriginOf(script.address)), change);
      *change.add_gained_facts() = change.facts(change.facts_size() - 1);
    }
  }
  if (what == v1::ScriptChange::CHANGE_CHANGED || what == v1::ScriptChange::CHANGE_RESTORED ||
      what == v1::ScriptChange::CHANGE_REMOVED) {
    change.mutable_previous()->set_sha256(what == v1::ScriptChange::CHANGE_CHANGED
                                              ? ApprovedOrServed(script, sha256)
                                              : script.served);
  }
  NoteExpiry(approvals_->StandingOf(script.site, script.name, sha256), change);
  script.served = sha256;
  ++changes_;
  changed_ = told_ = true;
  sink_.OnChange(script.site, change, Verdict(change));
}

void BrowserInventory::Sweep(absl::Time now) {
  const absl::Time agreeing = now - options_.agree_within;
  for (auto it = scripts_.begin(); it != scripts_.end();) {
    Script& script = it->second;
    std::erase_if(script.versions, [&](const Version& version) {
      return version.sha256 != script.served && version.last_seen < agreeing &&
             (script.varies || !version.agreed) && !IsApproved(script, version.sha256);
    });
    if (script.varies && script.versions.size() == 1 && script.versions.front().agreed) {
      // All browsers agree again.
      script.varies = false;
      Tell(script, v1::ScriptChange::CHANGE_PROPOSED, script.versions.front().sha256,
           script.versions.front().agreement.browsers());
    }
    const bool is_pending = script.served.empty();
    if (is_pending ? script.last_seen < agreeing : IsGone(script, now)) {
      if (!is_pending) Tell(script, v1::ScriptChange::CHANGE_REMOVED, script.served, 0);
      Release(script);
      it = scripts_.erase(it);
    } else {
      ++it;
    }
  }
}

BrowserState BrowserInventory::State() const {
  BrowserState state;
  if (first_report_ != absl::InfiniteFuture()) {
    // 0 stands for never.
    state.set_first_report_seconds(std::max<int64_t>(1, absl::ToUnixSeconds(first_report_)));
  }
  for (const auto& [site, hearing] : hearings_) {
    BrowserHearing& kept = (*state.mutable_hearings())[site];
    kept.set_since_seconds(absl::ToUnixSeconds(hearing.since));
    kept.set_last_seconds(absl::ToUnixSeconds(hearing.last));
  }
  for (const auto& [key, script] : scripts_) {
    if (script.served.empty()) continue;
    BrowserScript& kept = *state.add_scripts();
    kept.set_site(script.site);
    kept.set_page(script.page);
    kept.set_address(script.address);
    kept.set_served_sha256(script.served);
    kept.set_varies(script.varies);
    for (const Version& version : script.versions) {
      BrowserVersion& one = *kept.add_versions();
      one.set_sha256(version.sha256);
      one.set_last_seen_seconds(absl::ToUnixSeconds(version.last_seen));
      one.set_agreed(version.agreed);
    }
  }
  return state;
}

}  // namespace skimwatch::script
