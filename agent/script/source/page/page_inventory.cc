#include "agent/script/source/page/page_inventory.h"

#include <algorithm>
#include <deque>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/script/change_judge.h"
#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/inline_match.h"
#include "agent/script/judge/script_references.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/judge/text_diff.h"
#include "agent/script/judge/verdict.h"
#include "agent/script/judge/web_address.h"
#include "agent/script/script_name.h"
#include "agent/script/source/page/page_headers.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

constexpr std::string_view kHeaders = "headers";
constexpr std::string_view kSource = "src=";
constexpr std::string_view kFrame = "frame=";
constexpr size_t kDiffBytesMax = size_t{64} << 10;
// Listeners of a script that are facts of it.
constexpr size_t kListenersMax = 16;
constexpr size_t kExcerptBytesMax = 120;
constexpr size_t kPageBytesMax = 2048;
constexpr std::string_view kContentSecurityPolicy = "content-security-policy";
// Lines of a page's headers that are facts of them.
constexpr int kHeaderFactsMax = 100;
// Versions that the collector asked about; more than it asks about at a time.
constexpr size_t kToldApartMax = 4096;

// A script's or frame's address as it stands in its name, as of reports of shoppers' browsers.
std::string AddressKey(std::string_view address, ScriptReference::Kind kind) {
  std::string shown;
  if (const std::optional<ReportedAddress> parsed = ParseReportedAddress(address)) {
    shown = absl::StrCat(ShownHost(parsed->origin), parsed->path);
  } else {
    shown = std::string(address.substr(0, address.find('?')));
  }
  validation::MaskCardNumbers(shown);
  return ReferenceKey({.kind = kind, .address = shown});
}

std::string FamilyOf(const SeenScript& script) {
  if (!script.address.empty()) {
    return AddressKey(script.address, ScriptReference::Kind::kScript);
  }
  if (script.seen_as == "eval" || script.seen_as == "blob" || script.seen_as == "data") {
    return script.seen_as;
  }
  return script.seen_as == "worker" ? "blob" : "inline";
}

bool HasAddress(std::string_view family) {
  return family.starts_with(kSource) || family.starts_with(kFrame);
}

void AddFact(std::string_view name, std::string excerpt, v1::ScriptChange& change) {
  validation::ReplaceUnprintable(excerpt, /*lines=*/false);
  excerpt = RedactCards(excerpt).text;
  validation::MaskCardNumbers(excerpt);
  validation::CutUtf8(excerpt, kExcerptBytesMax);
  v1::ScriptFact& fact = *change.add_facts();
  fact.set_name(name.data(), name.size());
  fact.set_excerpt(std::move(excerpt));
}

}  // namespace

PageInventory::PageInventory(Options options, const PageState& state)
    : options_(std::move(options)),
      approvals_(std::make_shared<const Approvals>()),
      baseline_pages_(state.baseline_pages().begin(), state.baseline_pages().end()),
      is_static_(state.is_static()) {
  for (const PageScript& script : state.scripts()) {
    if (count_ >= options_.scripts_max) break;
    ++count_;
    Hold(script);
    scripts_[{script.page(), script.family()}].push_back(script);
  }
}

void PageInventory::SetApprovals(std::shared_ptr<const Approvals> approvals) {
  approvals_ = std::move(approvals);
  for (auto& [key, slots] : scripts_) {
    for (PageScript& script : slots) {
      if (!script.has_current()) continue;
      if (script.current().sha256() == script.approved().sha256()) {
        TellExpired(key, script);
        continue;
      }
      if (!approvals_->Contains(options_.site, ScriptName(key, script.number()),
                                script.current().sha256())) {
        continue;
      }
      Release(script);
      *script.mutable_approved() = script.current();
      Hold(script);
      changed_ = true;
    }
  }
  TakeApartAsked();
}

void PageInventory::TellExpired(const Key& key, PageScript& script) {
  const std::string name = ScriptName(key, script.number());
  const std::string& sha256 = script.current().sha256();
  const Standing standing = approvals_->StandingOf(options_.site, name, sha256);
  if (!standing.expired_at.has_value() || approvals_->Contains(options_.site, name, sha256)) return;
  options_.sink->OnChange(options_.site, ExpiredChange(standing, name, key.first, script.current()),
                          v1::SEVERITY_MEDIUM);
  ++changes_;
  Release(script);
  script.clear_approved();
  Hold(script);
  changed_ = true;
}

void PageInventory::TakeApartAsked() {
  absl::flat_hash_map<std::string, std::string> asked;
  for (const v1::AskedBehaviour& one : approvals_->AskedOf(options_.site)) {
    if (!told_apart_.contains(absl::StrCat(one.script(), "\n", one.sha256()))) {
      asked[one.script()] = one.sha256();
    }
  }
  if (asked.empty()) return;
  for (const auto& [key, slots] : scripts_) {
    if (key.second == kHeaders) continue;
    for (const PageScript& script : slots) {
      const auto entry = asked.find(ScriptName(key, script.number()));
      if (entry == asked.end() || script.varies() || script.current().sha256() != entry->second) {
        continue;
      }
      v1::ScriptChange change;
      change.set_script(entry->first);
      change.set_page(key.first);
      *change.mutable_current() = script.current();
      TakeApart(*options_.judge, *options_.versions, change);
      options_.sink->OnChange(options_.site, change, v1::SEVERITY_INFO);
      if (told_apart_.size() >= kToldApartMax) told_apart_.clear();
      told_apart_.insert(absl::StrCat(entry->first, "\n", entry->second));
    }
  }
}

std::string PageInventory::ShownPage(std::string_view address) const {
  const std::optional<ReportedAddress> parsed = ParseReportedAddress(address);
  std::string shown = parsed.has_value() ? ShownAddress(*parsed, options_.path_template) : "page";
  validation::CutUtf8(shown, kPageBytesMax);
  return shown;
}

std::string PageInventory::NameOf(std::string_view page, std::string_view address) const {
  if (address.empty()) return "";
  const std::string shown_page = ShownPage(page);
  if (ShownPage(address) == shown_page && !page.empty()) return shown_page;
  const std::string key = AddressKey(address, ScriptReference::Kind::kScript);
  if (scripts_.contains({shown_page, key})) return NameOfReference(shown_page, key);
  std::string shown = key.substr(std::min(key.size(), kSource.size()));
  validation::CutUtf8(shown, kPageBytesMax);
  return shown;
}

std::string PageInventory::ScriptName(const Key& key, uint32_t number) const {
  const auto& [page, family] = key;
  if (family == kHeaders) return NameOfReference(page, family);
  if (!HasAddress(family)) return absl::StrCat(page, "#", family, "-", number);
  std::string name = NameOfReference(page, family);
  // Other bytes from the same address in one look.
  return number <= 1 ? name : absl::StrCat(name, "~", number);
}

absl::flat_hash_set<std::string> PageInventory::KnownTexts() const {
  absl::flat_hash_set<std::string> known;
  for (const auto& [key, slots] : scripts_) {
    for (const PageScript& script : slots) {
      if (script.has_current() && !script.text_sha256().empty()) known.insert(script.text_sha256());
    }
  }
  return known;
}

std::map<PageInventory::Key, std::vector<PageInventory::Seen>> PageInventory::Gather(
    const PageRun& run, std::vector<std::string>& texts) const {
  std::map<Key, std::vector<Seen>> gathered;
  // They are pointed at.
  texts.reserve(run.pages.size() + run.frames.size());
  const auto add = [&](Key key, Seen seen) {
    std::vector<Seen>& list = gathered[std::move(key)];
    const bool is_known = std::any_of(list.begin(), list.end(), [&](const Seen& known) {
      return known.version.sha256() == seen.version.sha256();
    });
    if (!is_known) list.push_back(std::move(seen));
  };
  for (const SeenScript& script : run.scripts) {
    if (script.third_party_frame && !options_.third_party_frames) continue;
    if (script.text_sha256.empty() && script.raw_sha256.empty()) continue;
    const std::string page = ShownPage(script.page);
    Seen seen{.text_sha256 = script.text_sha256,
              .text = script.text.has_value() ? &*script.text : nullptr,
              .seen_as = script.seen_as,
              .initiator = NameOf(script.page, script.initiator),
              .host = ParseWebAddress(script.address).host,
              .listeners = script.listeners};
    if (!script.raw_sha256.empty()) {
      seen.version.set_sha256(script.raw_sha256);
      seen.version.set_integrity(script.raw_integrity);
    } else {
      if (seen.text != nullptr) seen.version = VersionOf(*seen.text);
      seen.version.set_sha256(script.text_sha256);
    }
    seen.version.set_size_bytes(script.size_bytes);
    add({page, FamilyOf(script)}, std::move(seen));
  }
  for (const SeenFrame& frame : run.frames) {
    texts.push_back(frame.address);
    Seen seen{.version = VersionOf(frame.address),
              .text_sha256 = Sha256(frame.address),
              .seen_as = "frame",
              .host = ParseWebAddress(frame.address).host};
    add({ShownPage(frame.page), AddressKey(frame.address, ScriptReference::Kind::kFrame)},
        std::move(seen));
  }
  for (const SeenPage& page : run.pages) {
    // The browser did not tell of the answer: that is no answer without headers.
    if (page.status == 0) continue;
    texts.push_back(SecurityHeaders(page));
    Seen seen{.version = VersionOf(texts.back()),
              .text_sha256 = Sha256(texts.back()),
              .text = &texts.back(),
              .seen_as = "headers"};
    add({ShownPage(page.address), std::string(kHeaders)}, std::move(seen));
  }
  return gathered;
}

std::map<std::string, std::string> PageInventory::PoliciesOf(const PageRun& run) const {
  std::map<std::string, std::string> policies;
  for (const SeenPage& page : run.pages) {
    std::string& of_page = policies[ShownPage(page.address)];
    for (const auto* named : {&page.headers, &page.meta_policies}) {
      for (const auto& [name, value] : *named) {
        if (name == kContentSecurityPolicy) absl::StrAppend(&of_page, " ", value);
      }
    }
  }
  return policies;
}

void PageInventory::Apply(const PageRun& run) {
  if (run.outcome == PageOutcome::kNotStarted || run.outcome == PageOutcome::kNotLoaded) return;
  std::vector<std::string> texts;
  std::map<Key, std::vector<Seen>> gathered = Gather(run, texts);
  absl::flat_hash_set<std::string> pages;
  for (const SeenPage& page : run.pages) pages.insert(ShownPage(page.address));
  const std::map<std::string, std::string> policies = PoliciesOf(run);
  for (auto& [key, seen] : gathered) {
    // Files with a mark of their order have another text without a browser than with one.
    if (run.is_static == is_static_) TellBytesFromText(key, seen);
    for (Seen& one : seen) {
      const auto policy = policies.find(key.first);
      const std::string source =
          absl::StrCat("'sha256-", absl::Base64Escape(one.version.sha256()), "'");
      one.in_policy = policy != policies.end() && absl::StrContains(policy->second, source);
    }
    ApplyFamily(key, seen, baseline_pages_.empty());
  }
  if (run.outcome != PageOutcome::kOk) return;
  // Without a browser less is seen, which is no removal.
  const bool counts_absence = run.is_static == is_static_;
  is_static_ = run.is_static;
  for (auto entry = scripts_.begin(); entry != scripts_.end();) {
    auto& [key, slots] = *entry;
    if (counts_absence && pages.contains(key.first) && !gathered.contains(key)) {
      std::vector<Seen> none;
      ApplyFamily(key, none, false);
    }
    entry = slots.empty() ? scripts_.erase(entry) : std::next(entry);
  }
  for (const std::string& page : pages) changed_ = baseline_pages_.insert(page).second || changed_;
}

void PageInventory::TellBytesFromText(const Key& key, std::vector<Seen>& seen) const {
  const auto slots = scripts_.find(key);
  if (slots == scripts_.end()) return;
  for (Seen& one : seen) {
    const bool is_other =
        std::any_of(slots->second.begin(), slots->second.end(), [&](const PageScript& slot) {
          return slot.has_current() && slot.current().sha256() == one.version.sha256() &&
                 !slot.text_sha256().empty() && !one.text_sha256.empty() &&
                 slot.text_sha256() != one.text_sha256;
        });
    if (!is_other) continue;
    one.version.set_sha256(one.text_sha256);
    one.version.clear_integrity();
  }
}

void PageInventory::ApplyFamily(const Key& key, std::vector<Seen>& seen, bool is_proposal) {
  std::vector<PageScript>& slots = scripts_[key];
  std::vector<size_t> live;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].has_current()) live.push_back(i);
  }
  // The bytes that came may be known in one look and not in another; the text is the same then.
  for (Seen& one : seen) {
    for (const size_t i : live) {
      if (!one.text_sha256.empty() && slots[i].text_sha256() == one.text_sha256 &&
          !slots[i].varies()) {
        one.version = slots[i].current();
      }
    }
  }
  std::vector<std::string> before;
  std::vector<std::string> now;
  for (const size_t i : live) before.push_back(slots[i].current().sha256());
  for (const Seen& one : seen) now.push_back(one.version.sha256());
  const InlineMatch match = MatchInlineScripts(before, now, [&](int p, int c) {
    if (seen[c].text == nullptr) return 0.0;
    const PageScript& slot = slots[live[p]];
    const std::optional<KeptVersion> kept =
        options_.versions->Get(slot.varies() ? slot.profile().sha256() : slot.current().sha256());
    return kept && kept->text ? Likeness(*kept->text, *seen[c].text) : 0.0;
  });
  std::vector<bool> found(live.size(), false);
  std::vector<PageScript> added;
  for (size_t c = 0; c < seen.size(); ++c) {
    if (const int p = match.previous_of[c]; p >= 0) {
      found[p] = true;
      See(key, seen[c], is_proposal, slots[live[p]]);
      continue;
    }
    // One that comes back is itself.
    const auto returned = std::find_if(slots.begin(), slots.end(), [&](const PageScript& slot) {
      return !slot.has_current() && slot.approved().sha256() == seen[c].version.sha256();
    });
    if (returned != slots.end()) {
      See(key, seen[c], is_proposal, *returned);
      continue;
    }
    if (count_ >= options_.scripts_max) {
      ++left_out_;
      continue;
    }
    ++count_;
    PageScript script;
    script.set_page(key.first);
    script.set_family(key.second);
    std::vector<PageScript> all = slots;
    all.insert(all.end(), added.begin(), added.end());
    script.set_number(NewNumber(key, seen[c], all));
    See(key, seen[c], is_proposal, script);
    added.push_back(std::move(script));
  }
  for (size_t p = 0; p < live.size(); ++p) {
    PageScript& slot = slots[live[p]];
    if (found[p]) {
      changed_ = changed_ || slot.missed() != 0;
      slot.set_missed(0);
      continue;
    }
    slot.set_missed(slot.missed() + 1);
    changed_ = true;
    if (slot.missed() >= options_.gone_after) SeeGone(key, slot);
  }
  slots.insert(slots.end(), added.begin(), added.end());
  std::erase_if(slots, [&](const PageScript& slot) {
    const bool is_over = !slot.has_current() && !slot.has_approved();
    if (is_over) --count_;
    return is_over;
  });
}

uint32_t PageInventory::NewNumber(const Key& key, const Seen& seen,
                                  const std::vector<PageScript>& slots) const {
  uint32_t most = 0;
  for (const PageScript& slot : slots) most = std::max(most, slot.number());
  const int approved = approvals_->NumberOf(options_.site, key.first, seen.version.sha256());
  const bool is_free = key.second == "inline" && approved > 0 &&
                       std::none_of(slots.begin(), slots.end(), [&](const PageScript& slot) {
                         return slot.number() == static_cast<uint32_t>(approved);
                       });
  return is_free ? static_cast<uint32_t>(approved) : most + 1;
}

bool PageInventory::IsKnownHost(const std::string& host) const {
  if (host.empty() || options_.is_site_host(host)) return true;
  for (const auto& [key, slots] : scripts_) {
    for (const PageScript& script : slots) {
      const bool vouches = script.has_current() && (script.proposed() || script.has_approved());
      if (!vouches) continue;
      if (script.host() == host ||
          std::find(script.hosts().begin(), script.hosts().end(), host) != script.hosts().end()) {
        return true;
      }
    }
  }
  return false;
}

void PageInventory::See(const Key& key, const Seen& seen, bool is_proposal, PageScript& script) {
  if (script.has_current() && script.current().sha256() == seen.version.sha256()) {
    if (script.quiet_changes() != 0 && !script.varies()) {
      script.set_quiet_changes(0);
      changed_ = true;
    }
    return;
  }
  if (script.varies() && script.text_sha256() == seen.text_sha256) return;
  const std::string name = ScriptName(key, script.number());
  const std::string& sha256 = seen.version.sha256();
  const bool was_here = script.has_current();
  const bool is_headers = key.second == kHeaders;
  // What can't be read can't be judged anew.
  const bool is_approved = is_headers || seen.text == nullptr
                               ? approvals_->Contains(options_.site, name, sha256)
                               : approvals_->ContainsByHash(options_.site, name, sha256);
  const Standing standing = approvals_->StandingOf(options_.site, name, sha256);
  v1::ScriptChange change;
  change.set_script(name);
  change.set_page(key.first);
  change.set_initiator(seen.initiator);
  change.set_seen_as(seen.seen_as);
  *change.mutable_current() = seen.version;
  if (is_proposal && !was_here) {
    change.set_change(v1::ScriptChange::CHANGE_PROPOSED);
  } else if (is_approved) {
    change.set_change(v1::ScriptChange::CHANGE_RESTORED);
    if (was_here) *change.mutable_previous() = script.current();
  } else if (!is_headers && approvals_->ContainsBytesByHash(options_.site, sha256)) {
    // As a file of a web root, on another page, or as shoppers' browsers have it.
    change.set_change(v1::ScriptChange::CHANGE_PROPOSED);
  } else {
    change.set_change(was_here ? v1::ScriptChange::CHANGE_CHANGED : v1::ScriptChange::CHANGE_ADDED);
    if (script.varies()) {
      *change.mutable_previous() = script.profile();
    } else if (script.has_approved() && script.approved().sha256() != sha256) {
      *change.mutable_previous() = script.approved();
    } else if (was_here) {
      *change.mutable_previous() = script.current();
    }
  }
  v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
  std::vector<std::string> hosts;
  if (is_headers) {
    SeeHeaders(seen, change, severity);
  } else if (seen.text != nullptr) {
    JudgedChange judged =
        JudgeChange(*options_.judge, *options_.versions, name, *seen.text, nullptr, standing,
                    change, [this](const std::string& host) { return IsKnownHost(host); });
    severity = judged.severity;
    hosts = std::move(judged.hosts);
    options_.sink->OnText(options_.site, name, *seen.text);
  } else if (seen.seen_as != "frame") {
    change.set_not_judged("not judged: its text was not read");
  }
  const bool is_new = change.change() == v1::ScriptChange::CHANGE_ADDED ||
                      change.change() == v1::ScriptChange::CHANGE_CHANGED;
  if (HasAddress(key.second) && !options_.is_site_host(seen.host)) {
    AddFact("external_host", seen.host, change);
    if (change.change() == v1::ScriptChange::CHANGE_ADDED && !IsKnownHost(seen.host)) {
      AddFact("unknown_host", seen.host, change);
      severity = std::max(severity, v1::SEVERITY_HIGH);
    }
  }
  for (size_t i = 0; i < std::min(seen.listeners.size(), kListenersMax); ++i) {
    AddFact("card_field_listener", seen.listeners[i], change);
  }
  // Of what has no code, the facts decide.
  if (severity == v1::SEVERITY_UNSPECIFIED || !is_new) severity = Verdict(change);
  NoteExpiry(standing, change);
  if (!is_headers && seen.seen_as != "frame") {
    change.add_integrity_methods(seen.in_policy ? "csp-hash" : "none");
  }
  if (!SettleVarying(name, seen, change, severity, script)) return;
  options_.sink->OnChange(options_.site, change, severity);
  ++changes_;
  changed_ = true;
  Release(script);
  *script.mutable_current() = change.current();
  script.set_text_sha256(seen.text_sha256);
  script.set_proposed(change.change() == v1::ScriptChange::CHANGE_PROPOSED);
  script.mutable_hosts()->Assign(hosts.begin(), hosts.end());
  script.set_host(seen.host);
  script.set_missed(0);
  if (is_approved || change.profile_id() != 0) *script.mutable_approved() = seen.version;
  Hold(script);
}

bool PageInventory::SettleVarying(const std::string& name, const Seen& seen,
                                  v1::ScriptChange& change, v1::Severity severity,
                                  PageScript& script) {
  const bool is_quiet = change.change() == v1::ScriptChange::CHANGE_CHANGED &&
                        severity <= v1::SEVERITY_LOW && seen.text != nullptr &&
                        seen.seen_as != "headers" &&
                        // Under a profile each version has a record of its own.
                        change.profile_id() == 0;
  if (script.varies()) {
    if (is_quiet) {
      // Only what it is now, so that it is not read again as long as it stays so.
      script.set_text_sha256(seen.text_sha256);
      changed_ = true;
      return false;
    }
    Release(script);
    script.set_varies(false);
    script.clear_profile();
    script.set_quiet_changes(0);
    Hold(script);
    return true;
  }
  if (!is_quiet) {
    script.set_quiet_changes(0);
    return true;
  }
  script.set_quiet_changes(script.quiet_changes() + 1);
  if (script.quiet_changes() < kQuietChangesMax) return true;
  Release(script);
  script.set_varies(true);
  *script.mutable_profile() = seen.version;
  Hold(script);
  // One approval holds for all that it is as long as it does nothing new.
  v1::ScriptVersion& version = *change.mutable_current();
  version.set_sha256(Sha256(absl::StrCat("many versions of ", name)));
  version.clear_integrity();
  AddFact("many_versions", "differs from look to look and does nothing new", change);
  if (approvals_->Contains(options_.site, name, version.sha256())) {
    change.set_change(v1::ScriptChange::CHANGE_RESTORED);
  }
  return true;
}

void PageInventory::SeeHeaders(const Seen& seen, v1::ScriptChange& change,
                               v1::Severity& severity) const {
  options_.versions->Put(change.current().sha256(), {.facts = {}, .text = *seen.text});
  // Who approves them is to see what they are, also where there is nothing to compare with.
  int lines = 0;
  for (const auto line : absl::StrSplit(*seen.text, '\n', absl::SkipEmpty())) {
    if (++lines > kHeaderFactsMax) break;
    AddFact("header", std::string(line.data(), line.size()), change);
  }
  if (!change.has_previous()) return;
  const std::optional<KeptVersion> previous = options_.versions->Get(change.previous().sha256());
  if (!previous || !previous->text) {
    change.set_diff("not compared: the version before is not kept\n");
    return;
  }
  HeaderComparison comparison = CompareHeaders(*previous->text, *seen.text);
  severity = comparison.severity;
  for (std::string& reason : comparison.reasons) change.add_reasons(std::move(reason));
  absl::StatusOr<TextDiff> diff =
      DiffTexts(change.script(), *previous->text, *seen.text, kDiffBytesMax);
  if (!diff.ok()) return;
  change.set_diff(std::move(diff->text));
  change.set_diff_truncated_bytes(diff->truncated_bytes);
}

void PageInventory::SeeGone(const Key& key, PageScript& script) {
  v1::ScriptChange change;
  change.set_change(v1::ScriptChange::CHANGE_REMOVED);
  change.set_script(ScriptName(key, script.number()));
  change.set_page(key.first);
  *change.mutable_previous() = script.current();
  options_.sink->OnChange(options_.site, change, Verdict(change));
  ++changes_;
  Release(script);
  script.clear_current();
  script.clear_text_sha256();
  script.clear_proposed();
  script.clear_hosts();
  script.clear_varies();
  script.clear_profile();
  script.set_missed(0);
  Hold(script);
  changed_ = true;
}

uint64_t PageInventory::scripts() const {
  uint64_t live = 0;
  for (const auto& [key, slots] : scripts_) {
    for (const PageScript& script : slots) live += script.has_current() ? 1 : 0;
  }
  return live;
}

uint64_t PageInventory::unapproved() const {
  uint64_t unapproved = 0;
  for (const auto& [key, slots] : scripts_) {
    for (const PageScript& script : slots) {
      if (!script.has_current()) continue;
      unapproved += approvals_->Contains(options_.site, ScriptName(key, script.number()),
                                         script.current().sha256())
                        ? 0
                        : 1;
    }
  }
  return unapproved;
}

PageState PageInventory::State() const {
  PageState state;
  state.set_site(options_.site);
  state.set_is_static(is_static_);
  for (const std::string& page : baseline_pages_) state.add_baseline_pages(page);
  for (const auto& [key, slots] : scripts_) {
    for (const PageScript& script : slots) *state.add_scripts() = script;
  }
  return state;
}

void PageInventory::MarkSaved() {
  for (const std::string& sha256 : to_release_) options_.versions->Release(sha256);
  to_release_.clear();
  changed_ = false;
}

void PageInventory::Hold(const PageScript& script) {
  if (script.has_current()) options_.versions->Hold(script.current().sha256());
  if (script.has_approved()) options_.versions->Hold(script.approved().sha256());
  if (script.has_profile()) options_.versions->Hold(script.profile().sha256());
}

void PageInventory::Release(const PageScript& script) {
  // Not before the state that names them is replaced: a crash in between would lose them.
  if (script.has_current()) to_release_.push_back(script.current().sha256());
  if (script.has_approved()) to_release_.push_back(script.approved().sha256());
  if (script.has_profile()) to_release_.push_back(script.profile().sha256());
}

}  // namespace skimwatch::script
