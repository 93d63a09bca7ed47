#ifndef SKIMWATCH_AGENT_SCRIPT_ROOT_MONITOR_H_
#define SKIMWATCH_AGENT_SCRIPT_ROOT_MONITOR_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/script/approvals.h"
#include "agent/script/judge/script_judge.h"
#include "agent/script/root_inventory.h"
#include "agent/script/script_monitor.h"
#include "agent/script/script_sink.h"
#include "agent/script/source/file_content.h"
#include "agent/script/source/folder_watches.h"
#include "agent/script/source/glob_list.h"
#include "agent/script/source/notifier.h"
#include "agent/script/source/settling.h"
#include "agent/script/state_log.h"
#include "agent/script/version_store.h"

namespace skimwatch::script {

// The watcher of one web root: turns notifications and full looks into reads of files, and what was
// read into changes (RootInventory), on a thread of its own.
//
// Every path that something happened to waits until it is quiet; then what is on the disk decides,
// not what the notification said. So their order, their number and their loss do not matter, as
// long as a full look follows a loss.
class RootMonitor {
 public:
  struct Options {
    config::v1::WebRoot root;
    // See RootInventory.
    std::string name_prefix;
    std::string state_path;
    absl::Duration settle;
    // Up to that many files the state is written whole; of more, what changed is added to a log.
    size_t whole_state_files_max = 4096;
    std::function<absl::StatusOr<std::unique_ptr<Notifier>>()> make_notifier;
    // These outlive the monitor.
    VersionStore* versions = nullptr;
    const ScriptJudge* judge = nullptr;
    ScriptSink* sink = nullptr;
  };

  // Reads the state. Errors name the root or the state file.
  static absl::StatusOr<std::unique_ptr<RootMonitor>> Open(Options options);
  ~RootMonitor();
  RootMonitor(const RootMonitor&) = delete;
  RootMonitor& operator=(const RootMonitor&) = delete;

  void SetApprovals(std::shared_ptr<const Approvals> approvals);
  void Start();
  void Stop();
  // Of this root; what belongs to the version store is left at zero.
  ScriptMonitor::Stats GetStats() const;

 private:
  explicit RootMonitor(Options options);

  absl::Status Load();
  void Run();
  // One turn of the thread: what is due, then a wait.
  void Turn();
  bool Stopping() const;
  void Wait();

  // Whether the path of the root leads to another folder than before, and to which.
  void CheckRoot();
  void OpenNotifier();
  void LoseNotifier(const absl::Status& why);
  void TakeApprovals();

  void FullLook();
  // Watches a folder and everything below it and calls `look` for each selected file or link; false
  // when it was stopped. Adds the folders it was in and those it could not list.
  bool Walk(const std::string& from, const std::function<void(const std::string&)>& look,
            std::set<std::string>& folders, std::set<std::string>& unread);
  bool WalkFolder(const std::string& folder, const std::function<void(const std::string&)>& look,
                  std::vector<std::string>& pending);
  void WatchFolder(const std::string& folder);
  // With `reads`, whatever the file's size and times say.
  void LookAt(const std::string& path, bool reads);
  // From one look that reads every file to the next.
  absl::Duration ReadInterval() const;

  void DrainNotifications(absl::Duration timeout);
  void Handle(const Notification& notification);
  void HandleFolder(const std::string& path, const Notification& notification);
  void EnterFolder(const std::string& path);
  void NoteLinksTo(const std::string& path);
  absl::Duration QuietFor(const std::string& path, Notification::Kind kind) const;

  void ProcessDue();
  void Process(const std::string& path);
  void Gone(const std::string& path);
  // Reads the file; nullopt when there is nothing to apply.
  std::optional<FileContent> Read(const std::string& path);
  void Apply(const std::string& path, const FileContent& content);
  std::string MissingTarget(const std::string& path) const;
  void SetLink(const std::string& path, const std::string& target);

  void FinishBaseline();
  // Saves what changed, when saving does not take too much of the time or `at_once`.
  void Save(bool at_once);
  absl::Status SaveWhole();
  void Fail(const std::string& what, const absl::Status& status);
  // With `count`, numbers of scripts as well, which are counted one by one.
  void Publish(bool count);
  absl::Time Now() const;

  const Options options_;
  const Selection selection_;
  // All below belongs to the thread once it runs, but for what the mutex guards.
  std::string real_root_;
  std::pair<dev_t, ino_t> root_identity_{};
  std::unique_ptr<RootInventory> inventory_;
  // The globs whose files had their first look, as the state names them.
  config::v1::WebRoot proposed_;
  std::unique_ptr<Selection> proposed_selection_;
  bool baseline_complete_ = false;
  bool looked_ = false;
  std::unique_ptr<Notifier> notifier_;
  std::unique_ptr<FolderWatches> watches_;
  std::unique_ptr<FileReader> reader_;
  Settling settling_;
  bool look_requested_ = true;
  absl::Time last_look_ = absl::InfinitePast();
  uint32_t look_number_ = 0;
  // The last look that read every file, and how long it took.
  absl::Time last_read_ = absl::InfinitePast();
  absl::Duration read_cost_ = absl::ZeroDuration();
  absl::Time last_save_ = absl::InfinitePast();
  // How long it took.
  absl::Duration save_cost_ = absl::ZeroDuration();
  StateLog log_;
  uint64_t generation_ = 0;
  // Of the state as it was written whole; 0 when it is to be.
  uint64_t whole_bytes_ = 0;
  absl::Time last_count_ = absl::InfinitePast();
  // Files of the first look that are still to be read whole.
  std::set<std::string> proposing_;
  // Reads of a file in a row that it changed under.
  std::map<std::string, int> unstable_reads_;
  // Links by the file that they lead to, and back.
  std::map<std::string, std::set<std::string>> links_to_;
  std::map<std::string, std::string> link_targets_;
  std::set<std::string> too_large_;
  std::set<std::string> outside_;
  std::set<std::string> folder_links_;
  std::set<std::string> unwatched_;
  std::map<std::string, std::string> failures_;
  bool gauges_stale_ = true;
  bool set_aside_ = false;

  mutable absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  // The notifier that a wake-up goes to.
  Notifier* sleeper_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::shared_ptr<const Approvals> approvals_ ABSL_GUARDED_BY(mutex_);
  ScriptMonitor::Stats stats_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_ROOT_MONITOR_H_
