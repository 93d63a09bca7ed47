#include "agent/script/root_inventory.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "agent/script/change_judge.h"
#include "agent/script/judge/inline_match.h"
#include "agent/script/judge/script_references.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/judge/verdict.h"
#include "agent/script/script_name.h"
#include "agent/script/source/folder_watches.h"

namespace skimwatch::script {
namespace {

// Files that are gone and had an approved version. Builds that name files by their content leave
// one behind with every deployment.
constexpr uint64_t kGoneFilesMax = 4096;
// What is taken from a file: 1, scripts inside pages and their references.
constexpr uint32_t kReading = 1;
// Versions that the collector asked about; more than it asks about at a time.
constexpr size_t kToldApartMax = 4096;

// An inline script as it stands in a page now.
struct SeenInline {
  int number = 0;
  v1::ScriptVersion version;
  std::string text;
};

// Without repeats, in document order.
std::vector<SeenInline> Distinct(const std::vector<InlineScript>& scripts) {
  std::vector<SeenInline> seen;
  absl::flat_hash_set<std::string> hashes;
  for (const InlineScript& script : scripts) {
    v1::ScriptVersion version = VersionOf(script.text);
    if (!hashes.insert(version.sha256()).second) continue;
    seen.push_back({script.number, std::move(version), script.text});
  }
  return seen;
}

// May its hosts be relied on: it was there before anybody could add to it, or somebody approved it.
bool VouchesForHosts(const ScriptState& script) {
  return script.has_current() &&
         (script.proposed() || script.current().sha256() == script.approved().sha256());
}

}  // namespace

RootInventory::RootInventory(Options options)
    : options_(std::move(options)), approvals_(std::make_shared<Approvals>()) {}

void RootInventory::Restore(const FileState& file) {
  const FileState before = files_.Get(file.path());
  for (const ScriptState& script : before.scripts()) Release(script);
  if (!before.path().empty()) gone_.erase({before.gone_seconds(), file.path()});
  if (file.sha256().empty() && file.scripts().empty()) {
    files_.Forget(file.path());
    return;
  }
  files_.Restore(file, CountsOf(FileName(options_.name_prefix, file.path()), file));
  for (const ScriptState& script : file.scripts()) Hold(script);
  if (file.sha256().empty()) gone_.emplace(file.gone_seconds(), file.path());
}

void RootInventory::SetApprovals(std::shared_ptr<const Approvals> approvals) {
  approvals_ = std::move(approvals);
  std::vector<std::pair<std::string, FileState>> newly_approved;
  for (const auto& [path, known] : files_) {
    const std::string file_name = FileName(options_.name_prefix, path);
    FileState file = known;
    bool is_changed = false;
    for (ScriptState& script : *file.mutable_scripts()) {
      if (!script.has_current()) continue;
      if (script.current().sha256() == script.approved().sha256()) {
        is_changed = TellExpired(PlaceOf(file_name, script), script) || is_changed;
        continue;
      }
      if (!approvals_->Contains(options_.site, PlaceOf(file_name, script).name,
                                script.current().sha256())) {
        continue;
      }
      Release(script);
      *script.mutable_approved() = script.current();
      Hold(script);
      is_changed = true;
    }
    files_.SetCounts(path, CountsOf(file_name, file));
    if (is_changed) newly_approved.emplace_back(path, std::move(file));
  }
  for (const auto& [path, file] : newly_approved) {
    const uint64_t stamp = files_.Stamp(path);
    files_.Put(path, file, CountsOf(FileName(options_.name_prefix, path), file));
    // Its bytes are as they were.
    files_.SetStamp(path, stamp);
    changed_ = true;
  }
  TakeApartAsked();
}

bool RootInventory::TellExpired(const Place& place, ScriptState& script) {
  const std::string& sha256 = script.current().sha256();
  const Standing standing = approvals_->StandingOf(options_.site, place.name, sha256);
  if (!standing.expired_at.has_value() || approvals_->Contains(options_.site, place.name, sha256)) {
    return false;
  }
  options_.sink->OnChange(options_.site,
                          ExpiredChange(standing, place.name, place.page, script.current()),
                          v1::SEVERITY_MEDIUM);
  ++changes_;
  Release(script);
  script.clear_approved();
  Hold(script);
  return true;
}

void RootInventory::TakeApartAsked() {
  absl::flat_hash_map<std::string, std::string> asked;
  for (const v1::AskedBehaviour& one : approvals_->AskedOf(options_.site)) {
    if (!told_apart_.contains(absl::StrCat(one.script(), "\n", one.sha256()))) {
      asked[one.script()] = one.sha256();
    }
  }
  if (asked.empty()) return;
  for (const auto& [path, file] : files_) {
    const std::string file_name = FileName(options_.name_prefix, path);
    for (const ScriptState& script : file.scripts()) {
      const Place place = PlaceOf(file_name, script);
      const auto entry = asked.find(place.name);
      if (entry == asked.end() || !script.has_current() || !script.reference().empty() ||
          script.current().sha256() != entry->second) {
        continue;
      }
      v1::ScriptChange change;
      change.set_script(place.name);
      change.set_page(place.page);
      *change.mutable_current() = script.current();
      TakeApart(*options_.judge, *options_.versions, change);
      options_.sink->OnChange(options_.site, change, v1::SEVERITY_INFO);
      if (told_apart_.size() >= kToldApartMax) told_apart_.clear();
      told_apart_.insert(absl::StrCat(entry->first, "\n", entry->second));
    }
  }
}

std::string RootInventory::KnownSha256(const std::string& path) const {
  FileState file = files_.Get(path);
  return file.reading() == kReading ? std::move(*file.mutable_sha256()) : std::string();
}

void RootInventory::Apply(const std::string& path, const FileContent& content, bool is_proposal) {
  FileState file = files_.Get(path);
  // What an older program did not take from a file was there before.
  const bool is_reread = !file.sha256().empty() && file.reading() != kReading;
  if (file.sha256() == content.version.sha256() && !is_reread) return;
  file.set_path(path);
  gone_.erase({file.gone_seconds(), path});
  file.clear_gone_seconds();
  const std::string name = FileName(options_.name_prefix, path);
  const bool has_text = !content.too_large && !content.outside;
  if (has_text) options_.sink->OnText(options_.site, name, content.text);
  ApplyWhole({.name = name, .page = ""}, content, is_proposal, file);
  if (options_.selection->IsPage(path) && has_text) {
    const PageScripts scripts = ExtractPageScripts(content.text);
    ApplyInline(name, scripts.inline_scripts, is_proposal, file);
    ApplyReferences(name, scripts.references, is_proposal || is_reread, file);
  }
  // After everything was said: until then the file is as it was.
  file.set_sha256(content.version.sha256());
  file.set_reading(kReading);
  files_.Put(path, file, CountsOf(name, file));
  changed_ = true;
}

// The file as one script. A page that can't be analysed is one too, since its inline scripts can't
// be told apart; they stay as they were.
void RootInventory::ApplyWhole(const Place& place, const FileContent& content, bool is_proposal,
                               FileState& file) {
  const bool has_text = !content.too_large && !content.outside;
  const auto whole = std::find_if(
      file.mutable_scripts()->begin(), file.mutable_scripts()->end(),
      [](const ScriptState& script) { return script.number() == 0 && script.reference().empty(); });
  if (options_.selection->IsScript(file.path()) || !has_text) {
    ScriptState& script = whole == file.mutable_scripts()->end() ? *file.add_scripts() : *whole;
    See(place, content.version, has_text ? &content.text : nullptr, nullptr, is_proposal, script);
  } else if (whole != file.mutable_scripts()->end() && whole->has_current()) {
    SeeGone(place, *whole);
  }
}

void RootInventory::ApplyInline(const std::string& page, const std::vector<InlineScript>& scripts,
                                bool is_proposal, FileState& file) {
  std::vector<SeenInline> seen = Distinct(scripts);
  std::vector<ScriptState> live;
  std::vector<ScriptState> others;
  for (ScriptState& script : *file.mutable_scripts()) {
    const bool is_live = script.number() > 0 && script.has_current();
    (is_live ? live : others).push_back(std::move(script));
  }
  std::vector<std::string> before;
  std::vector<std::string> now;
  before.reserve(live.size());
  now.reserve(seen.size());
  for (const ScriptState& script : live) before.push_back(script.current().sha256());
  for (const SeenInline& script : seen) now.push_back(script.version.sha256());
  absl::flat_hash_map<int, std::string> kept;
  const InlineMatch match = MatchInlineScripts(before, now, [&](int p, int c) {
    auto [entry, is_new] = kept.try_emplace(p);
    if (is_new) {
      std::optional<KeptVersion> version = options_.versions->Get(before[p]);
      if (version && version->text) entry->second = *std::move(version->text);
    }
    return Likeness(entry->second, seen[c].text);
  });

  // Slots of scripts that are here now, in their order.
  std::vector<ScriptState> here(seen.size());
  std::vector<bool> found(live.size(), false);
  for (size_t c = 0; c < seen.size(); ++c) {
    if (const int p = match.previous_of[c]; p >= 0) {
      here[c] = std::move(live[p]);
      found[p] = true;
    }
  }
  for (size_t p = 0; p < live.size(); ++p) {
    if (found[p]) continue;
    SeeGone({.name = NameOfInline(page, static_cast<int>(live[p].number())), .page = page},
            live[p]);
    others.push_back(std::move(live[p]));
  }
  // One that was there before and comes back is itself.
  for (size_t c = 0; c < seen.size(); ++c) {
    if (match.previous_of[c] >= 0) continue;
    const auto returned = std::find_if(others.begin(), others.end(), [&](const ScriptState& other) {
      return other.number() > 0 && other.approved().sha256() == seen[c].version.sha256();
    });
    if (returned == others.end()) continue;
    here[c] = std::move(*returned);
    others.erase(returned);
  }
  // Numbers are given with every other slot in view.
  file.clear_scripts();
  for (const ScriptState& script : here) *file.add_scripts() = script;
  for (ScriptState& script : others) {
    if (script.number() == 0 || script.has_approved()) *file.add_scripts() = std::move(script);
  }
  for (size_t c = 0; c < seen.size(); ++c) {
    ScriptState& script = *file.mutable_scripts(static_cast<int>(c));
    if (script.number() == 0) {
      const int number = NewNumber(page, seen[c].version.sha256(), seen[c].number, file);
      script.set_number(static_cast<uint32_t>(number));
      file.set_number_max(std::max(file.number_max(), script.number()));
    }
    See({.name = NameOfInline(page, static_cast<int>(script.number())), .page = page},
        seen[c].version, &seen[c].text, nullptr, is_proposal, script);
  }
}

void RootInventory::ApplyReferences(const std::string& page,
                                    const std::vector<ScriptReference>& references,
                                    bool is_proposal, FileState& file) {
  absl::flat_hash_map<std::string, const ScriptReference*> seen;
  for (const ScriptReference& reference : references) {
    if (!IsWatched(file.path(), reference)) seen.try_emplace(ReferenceKey(reference), &reference);
  }
  google::protobuf::RepeatedPtrField<ScriptState> before;
  before.Swap(file.mutable_scripts());
  absl::flat_hash_map<std::string, ScriptState> known;
  for (ScriptState& script : before) {
    if (script.reference().empty()) {
      *file.add_scripts() = std::move(script);
      continue;
    }
    if (!seen.contains(script.reference())) {
      if (script.has_current()) {
        SeeGone({.name = NameOfReference(page, script.reference()), .page = page}, script);
      }
      if (script.has_approved()) *file.add_scripts() = std::move(script);
      continue;
    }
    const std::string key = script.reference();
    known[key] = std::move(script);
  }
  // In the order of the addresses, so that what is said of a page does not depend on a hash.
  for (const ScriptReference& reference : references) {
    const std::string key = ReferenceKey(reference);
    const auto entry = seen.find(key);
    if (entry == seen.end() || entry->second != &reference) continue;
    ScriptState& script = *file.add_scripts();
    if (const auto old = known.find(key); old != known.end()) script = std::move(old->second);
    script.set_reference(key);
    See({.name = NameOfReference(page, key), .page = page}, VersionOf(reference.text),
        &reference.text, &reference, is_proposal, script);
  }
}

// A relative address is taken from the page's own folder, as where the root is what the server has
// at `/`.
bool RootInventory::IsWatched(const std::string& page_path,
                              const ScriptReference& reference) const {
  if (!reference.is_same_origin) return false;
  const std::string& address = reference.address;
  const std::filesystem::path folder = address.starts_with('/')
                                           ? std::filesystem::path()
                                           : std::filesystem::path(page_path).parent_path();
  std::string path = (folder / address.substr(address.starts_with('/') ? 1 : 0)).lexically_normal();
  while (path.starts_with("../")) path.erase(0, 3);
  return options_.selection->IsScript(path);
}

int RootInventory::NewNumber(const std::string& page, const std::string& sha256, int number,
                             FileState& file) const {
  const int approved = approvals_->NumberOf(options_.site, page, sha256);
  const bool is_free =
      approved > 0 &&
      std::none_of(file.scripts().begin(), file.scripts().end(), [&](const ScriptState& script) {
        return script.number() == static_cast<uint32_t>(approved);
      });
  return is_free ? approved : std::max(number, static_cast<int>(file.number_max()) + 1);
}

void RootInventory::See(const Place& place, const v1::ScriptVersion& version,
                        const std::string* text, const ScriptReference* reference, bool is_proposal,
                        ScriptState& script) {
  if (script.current().sha256() == version.sha256()) return;
  const bool was_here = script.has_current();
  // What can't be read can't be judged anew.
  const bool is_approved =
      text == nullptr ? approvals_->Contains(options_.site, place.name, version.sha256())
                      : approvals_->ContainsByHash(options_.site, place.name, version.sha256());
  const Standing standing = approvals_->StandingOf(options_.site, place.name, version.sha256());
  v1::ScriptChange change;
  change.set_script(place.name);
  change.set_page(place.page);
  *change.mutable_current() = version;
  if (is_proposal && !was_here) {
    change.set_change(v1::ScriptChange::CHANGE_PROPOSED);
  } else if (is_approved) {
    change.set_change(v1::ScriptChange::CHANGE_RESTORED);
    if (was_here) *change.mutable_previous() = script.current();
  } else {
    change.set_change(was_here ? v1::ScriptChange::CHANGE_CHANGED : v1::ScriptChange::CHANGE_ADDED);
    if (script.has_approved() && script.approved().sha256() != version.sha256()) {
      *change.mutable_previous() = script.approved();
    } else if (was_here) {
      *change.mutable_previous() = script.current();
    }
  }
  JudgedChange judged;
  if (text != nullptr) {
    judged = JudgeChange(*options_.judge, *options_.versions, place.name, *text, reference,
                         standing, change,
                         [this](const std::string& host) { return known_hosts_.contains(host); });
  }
  const bool is_added = change.change() == v1::ScriptChange::CHANGE_ADDED;
  if (is_added && reference != nullptr && !reference->host.empty() &&
      !known_hosts_.contains(reference->host)) {
    v1::ScriptFact& fact = *change.add_facts();
    fact.set_name("unknown_host");
    fact.set_excerpt(reference->host);
  }
  if (reference != nullptr && reference->kind == ScriptReference::Kind::kScript) {
    const bool has_none =
        std::any_of(change.facts().begin(), change.facts().end(),
                    [](const v1::ScriptFact& fact) { return fact.name() == "no_integrity"; });
    change.add_integrity_methods(has_none ? "none" : "sri");
  }
  // Of what has no code, the facts decide.
  if (text == nullptr || reference != nullptr) judged.severity = Verdict(change);
  NoteExpiry(standing, change);
  options_.sink->OnChange(options_.site, change, judged.severity);
  ++changes_;

  Release(script);
  *script.mutable_current() = version;
  script.set_proposed(change.change() == v1::ScriptChange::CHANGE_PROPOSED);
  script.mutable_hosts()->Assign(judged.hosts.begin(), judged.hosts.end());
  if (is_approved || change.profile_id() != 0) *script.mutable_approved() = version;
  Hold(script);
  changed_ = true;
}

void RootInventory::SeeGone(const Place& place, ScriptState& script) {
  v1::ScriptChange change;
  change.set_change(v1::ScriptChange::CHANGE_REMOVED);
  change.set_script(place.name);
  change.set_page(place.page);
  *change.mutable_previous() = script.current();
  options_.sink->OnChange(options_.site, change, Verdict(change));
  ++changes_;
  Release(script);
  script.clear_current();
  script.clear_proposed();
  script.clear_hosts();
  Hold(script);
  changed_ = true;
}

void RootInventory::ApplyGone(const std::string& path, absl::Time now) {
  if (!files_.IsLive(path)) return;
  FileState file = files_.Get(path);
  const std::string name = FileName(options_.name_prefix, path);
  FileState left;
  for (ScriptState& script : *file.mutable_scripts()) {
    if (script.has_current()) SeeGone(PlaceOf(name, script), script);
    if (script.has_approved()) *left.add_scripts() = std::move(script);
  }
  changed_ = true;
  if (left.scripts_size() == 0) {
    files_.Erase(path);
    return;
  }
  left.set_number_max(file.number_max());
  left.set_reading(file.reading());
  left.set_gone_seconds(absl::ToUnixSeconds(now));
  files_.Put(path, left, CountsOf(name, left));
  gone_.emplace(left.gone_seconds(), path);
  if (gone_.size() > kGoneFilesMax) ForgetOldestGone();
}

void RootInventory::ForgetOldestGone() {
  const std::string path = gone_.begin()->second;
  gone_.erase(gone_.begin());
  const FileState oldest = files_.Get(path);
  for (const ScriptState& script : oldest.scripts()) Release(script);
  files_.Erase(path);
}

void RootInventory::Forget(const std::string& path) {
  if (!files_.Contains(path)) return;
  const FileState file = files_.Get(path);
  for (const ScriptState& script : file.scripts()) Release(script);
  gone_.erase({file.gone_seconds(), path});
  files_.Erase(path);
  changed_ = true;
}

FileTable::Counts RootInventory::CountsOf(const std::string& file_name,
                                          const FileState& file) const {
  FileTable::Counts counts;
  for (const ScriptState& script : file.scripts()) {
    if (!script.has_current()) continue;
    ++counts.scripts;
    const bool is_approved = approvals_->Contains(options_.site, PlaceOf(file_name, script).name,
                                                  script.current().sha256());
    counts.unapproved += is_approved ? 0 : 1;
  }
  return counts;
}

void RootInventory::MarkSaved() {
  for (const std::string& sha256 : to_release_) options_.versions->Release(sha256);
  to_release_.clear();
  files_.MarkSaved();
  changed_ = false;
}

void RootInventory::Hold(const ScriptState& script) {
  if (script.has_current()) options_.versions->Hold(script.current().sha256());
  if (script.has_approved()) options_.versions->Hold(script.approved().sha256());
  if (!VouchesForHosts(script)) return;
  for (const std::string& host : script.hosts()) ++known_hosts_[host];
}

void RootInventory::Release(const ScriptState& script) {
  // Not before the state that names them is replaced: a crash in between would lose them.
  if (script.has_current()) to_release_.push_back(script.current().sha256());
  if (script.has_approved()) to_release_.push_back(script.approved().sha256());
  if (!VouchesForHosts(script)) return;
  for (const std::string& host : script.hosts()) {
    const auto known = known_hosts_.find(host);
    if (known != known_hosts_.end() && --known->second == 0) known_hosts_.erase(known);
  }
}

RootInventory::Place RootInventory::PlaceOf(const std::string& file_name,
                                            const ScriptState& script) const {
  if (!script.reference().empty()) {
    return {.name = NameOfReference(file_name, script.reference()), .page = file_name};
  }
  if (script.number() == 0) return {.name = file_name, .page = ""};
  return {.name = NameOfInline(file_name, static_cast<int>(script.number())), .page = file_name};
}

}  // namespace skimwatch::script
