#ifndef SKIMWATCH_AGENT_SCRIPT_FILE_TABLE_H_
#define SKIMWATCH_AGENT_SCRIPT_FILE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "agent/script/script_state.pb.h"

namespace skimwatch::script {

// How many scripts of a file are there now, and how many of these nobody approves.
struct ScriptCounts {
  uint32_t scripts = 0;
  uint32_t unapproved = 0;
};

// What FileTable keeps of a file.
struct FileEntry {
  // FileState without its path.
  std::string bytes;
  uint64_t stamp = 0;
  uint32_t seen = 0;
  ScriptCounts counts;
  bool is_live = false;
};

// The files of a web root by their path, each as the bytes of its state, since a root may have a
// million of them: some 300 bytes a file with its path. Files that changed since the last save are
// known, so that a save can be of these alone.
//
// Thread-compatible.
class FileTable {
 public:
  using Counts = ScriptCounts;
  using Map = absl::btree_map<std::string, FileEntry>;

  // Goes over the files in the order of their paths; each is read from its bytes.
  class Iterator {
   public:
    std::pair<const std::string&, FileState> operator*() const;
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    friend class FileTable;
    explicit Iterator(Map::const_iterator at) : at_(at) {}
    Map::const_iterator at_;
  };

  Iterator begin() const { return Iterator(files_.begin()); }
  Iterator end() const { return Iterator(files_.end()); }

  bool Contains(const std::string& path) const { return files_.contains(path); }
  // Whether it is there and its bytes are known.
  bool IsLive(const std::string& path) const;
  // With its path; an empty one where there is none.
  FileState Get(const std::string& path) const;
  void Put(const std::string& path, const FileState& file, const Counts& counts);
  // As a Put, of what is as it was but for approvals.
  void SetCounts(const std::string& path, const Counts& counts);
  void Erase(const std::string& path);
  // As it was saved, or was no longer there then, and so no change.
  void Restore(const FileState& file, const Counts& counts);
  void Forget(const std::string& path);

  // Live files at or below a path.
  std::vector<std::string> LiveBelow(const std::string& path) const;

  // What tells that a file is as it was when it was read last; 0 for unknown. Forgotten when its
  // state is put.
  uint64_t Stamp(const std::string& path) const;
  void SetStamp(const std::string& path, uint64_t stamp);
  // The number of the look that came across a file last.
  void MarkSeen(const std::string& path, uint32_t look);
  std::vector<std::string> LiveNotSeen(uint32_t look) const;

  size_t size() const { return files_.size(); }
  uint64_t live() const { return live_; }
  uint64_t gone() const { return files_.size() - live_; }
  uint64_t scripts() const { return scripts_; }
  uint64_t unapproved() const { return unapproved_; }

  // The bytes of all files as RootState has them in its field `files`.
  std::string Serialized() const;
  // The same of those that changed since MarkSaved; of one that is no longer there, its path alone.
  std::vector<std::string> SerializedChanges() const;
  void MarkSaved() { changed_.clear(); }

 private:
  // Takes the entry's new counts into the sums.
  void Count(const Counts& counts, FileEntry& entry);
  void Insert(const std::string& path, const FileState& file, const Counts& counts);

  Map files_;
  absl::flat_hash_set<std::string> changed_;
  uint64_t live_ = 0;
  uint64_t scripts_ = 0;
  uint64_t unapproved_ = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_FILE_TABLE_H_
