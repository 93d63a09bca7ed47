#ifndef SKIMWATCH_AGENT_SCRIPT_ROOT_INVENTORY_H_
#define SKIMWATCH_AGENT_SCRIPT_ROOT_INVENTORY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "agent/script/approvals.h"
#include "agent/script/file_table.h"
#include "agent/script/judge/inline_scripts.h"
#include "agent/script/judge/script_judge.h"
#include "agent/script/script_sink.h"
#include "agent/script/script_state.pb.h"
#include "agent/script/source/file_content.h"
#include "agent/script/source/glob_list.h"
#include "agent/script/version_store.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// The scripts of one web root: what was seen last and what was approved last, and from both what a
// look at a file means. Differences go to the sink with their facts and their verdict.
//
// A page's inline scripts are recognised by their bytes wherever they moved (inline_match.h) and
// keep their number; a new one gets a number that the page never had, unless the collector approves
// its bytes under one that is free. Equal bytes in one page are one script. A page's references
// (script_references.h) are recognised by their address. Not taken up are those below the page's
// own origin whose path the root selects as a script, since such files are watched themselves.
//
// A reference that is added has the fact `unknown_host` when its host is named by no script of the
// root that was there at the first look or is approved.
//
// Thread-compatible.
class RootInventory {
 public:
  struct Options {
    std::string site;
    // Before every path, to tell apart the roots of one site.
    std::string name_prefix;
    const Selection* selection = nullptr;
    VersionStore* versions = nullptr;
    const ScriptJudge* judge = nullptr;
    ScriptSink* sink = nullptr;
  };

  // Begins with nothing. What `options` point to must outlive this.
  explicit RootInventory(Options options);

  // A file as it was saved; one that has nothing but a path is no longer there.
  void Restore(const FileState& file);

  void SetApprovals(std::shared_ptr<const Approvals> approvals);

  // SHA-256 of the file as it was read last; empty when there was none, or when it is to be read
  // again because less was taken from it than this program takes.
  std::string KnownSha256(const std::string& path) const;
  bool IsLive(const std::string& path) const { return files_.IsLive(path); }
  // Live files at or below a path.
  std::vector<std::string> LiveBelow(const std::string& path) const {
    return files_.LiveBelow(path);
  }
  // See FileTable: what a look needs to know of a file besides its state.
  uint64_t Stamp(const std::string& path) const { return files_.Stamp(path); }
  void SetStamp(const std::string& path, uint64_t stamp) { files_.SetStamp(path, stamp); }
  void MarkSeen(const std::string& path, uint32_t look) { files_.MarkSeen(path, look); }
  std::vector<std::string> LiveNotSeen(uint32_t look) const { return files_.LiveNotSeen(look); }

  // The file holds this. `is_proposal`: it belongs to the first look.
  void Apply(const std::string& path, const FileContent& content, bool is_proposal);
  // The file is gone.
  void ApplyGone(const std::string& path, absl::Time now);
  // The file is no longer selected: nothing is said about it.
  void Forget(const std::string& path);

  uint64_t live_files() const { return files_.live(); }
  // Gone ones whose approved version is kept, too.
  size_t files() const { return files_.size(); }
  // Changes that went to the sink.
  uint64_t changes() const { return changes_; }
  uint64_t live_scripts() const { return files_.scripts(); }
  // By the approvals that were in force when they came or the script was seen, whichever is later.
  uint64_t unapproved_scripts() const { return files_.unapproved(); }

  // Whether anything is to be saved since MarkSaved.
  bool changed() const { return changed_; }
  // All files, and those that changed since, as FileTable has them.
  std::string SerializedFiles() const { return files_.Serialized(); }
  std::vector<std::string> SerializedChanges() const { return files_.SerializedChanges(); }
  // The state is on disk: versions that it no longer names can go.
  void MarkSaved();

 private:
  // Where a script is, for what is said about it.
  struct Place {
    std::string name;
    // Empty for a file of its own.
    std::string page;
  };

  void ApplyWhole(const Place& place, const FileContent& content, bool is_proposal,
                  FileState& file);
  void ApplyInline(const std::string& page, const std::vector<InlineScript>& scripts,
                   bool is_proposal, FileState& file);
  void ApplyReferences(const std::string& page, const std::vector<ScriptReference>& references,
                       bool is_proposal, FileState& file);
  // Whether the root watches what a reference of the page leads to.
  bool IsWatched(const std::string& page_path, const ScriptReference& reference) const;
  int NewNumber(const std::string& page, const std::string& sha256, int number,
                FileState& file) const;
  // `text` is nullptr where it is not to be analysed, `reference` unless it is one.
  void See(const Place& place, const v1::ScriptVersion& version, const std::string* text,
           const ScriptReference* reference, bool is_proposal, ScriptState& script);
  void SeeGone(const Place& place, ScriptState& script);
  // Tells when the approval of what is served ended; false where it did not.
  bool TellExpired(const Place& place, ScriptState& script);
  // Tells the collector what the versions do that it asks about, each once.
  void TakeApartAsked();

  // Takes a script's versions and hosts into account, and out again.
  void Hold(const ScriptState& script);
  void Release(const ScriptState& script);
  Place PlaceOf(const std::string& file_name, const ScriptState& script) const;
  FileTable::Counts CountsOf(const std::string& file_name, const FileState& file) const;
  void ForgetOldestGone();

  const Options options_;
  std::shared_ptr<const Approvals> approvals_;
  FileTable files_;
  // Files that are gone, by when they went.
  std::set<std::pair<int64_t, std::string>> gone_;
  // Scripts that name a host and may be relied on.
  absl::flat_hash_map<std::string, int> known_hosts_;
  uint64_t changes_ = 0;
  bool changed_ = false;
  std::vector<std::string> to_release_;
  // Names and hashes that TakeApartAsked told of.
  absl::flat_hash_set<std::string> told_apart_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_ROOT_INVENTORY_H_
