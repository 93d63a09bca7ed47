#include "agent/script/script_monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/script/approvals.h"
#include "agent/script/judge/script_judge.h"
#include "agent/script/root_monitor.h"
#include "agent/script/root_state.h"
#include "agent/script/version_store.h"

namespace skimwatch::script {
namespace {

// Keeps two monitors out of one folder as long as it lives.
class StateLock {
 public:
  static absl::StatusOr<std::unique_ptr<StateLock>> Take(const std::string& directory) {
    const std::string path = absl::StrCat(directory, "/lock");
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd < 0) {
      return absl::InternalError(
          absl::StrCat(path, ": can't be opened: ", std::generic_category().message(errno)));
    }
    auto lock = std::unique_ptr<StateLock>(new StateLock(fd));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": another agent uses this folder; give each a folder of its own"));
    }
    return lock;
  }
  ~StateLock() { close(fd_); }
  StateLock(const StateLock&) = delete;
  StateLock& operator=(const StateLock&) = delete;

 private:
  explicit StateLock(int fd) : fd_(fd) {}
  const int fd_;
};

void AddTo(const ScriptMonitor::Stats& root, ScriptMonitor::Stats& sum) {
  sum.files += root.files;
  sum.scripts += root.scripts;
  sum.unapproved_scripts += root.unapproved_scripts;
  sum.files_too_large += root.files_too_large;
  sum.links_outside += root.links_outside;
  sum.folder_links += root.folder_links;
  sum.folders_unwatched += root.folders_unwatched;
  sum.errors += root.errors;
  if (!root.last_error.empty()) sum.last_error = root.last_error;
  sum.last_full_look = std::min(sum.last_full_look, root.last_full_look);
  sum.last_full_read = std::min(sum.last_full_read, root.last_full_read);
  sum.changes += root.changes;
  sum.bytes_read += root.bytes_read;
  sum.rescans += root.rescans;
  sum.full_reads += root.full_reads;
  sum.overflows += root.overflows;
  sum.watcher_restarts += root.watcher_restarts;
  sum.states_set_aside += root.states_set_aside;
  sum.write_errors += root.write_errors;
}

class Monitor : public ScriptMonitor {
 public:
  Monitor(std::unique_ptr<StateLock> lock, std::unique_ptr<VersionStore> versions,
          ScriptJudge::Options judge)
      : lock_(std::move(lock)),
        judge_(std::make_unique<ScriptJudge>(std::move(judge))),
        versions_(std::move(versions)) {}
  ~Monitor() override { Stop(); }

  absl::Status OpenRoots(Options options, ScriptSink& sink) {
    std::set<std::string> sites;
    for (config::v1::WebRoot& root : options.roots) {
      if (root.site().empty()) {
        return absl::InvalidArgumentError(absl::StrCat(root.path(), ": has no site"));
      }
      std::string* path = root.mutable_path();
      while (path->size() > 1 && path->back() == '/') path->pop_back();
      RootMonitor::Options root_options;
      // The first root of a site has plain names, so that adding another changes none.
      if (!sites.insert(root.site()).second) root_options.name_prefix = absl::StrCat(*path, "/");
      root_options.root = std::move(root);
      root_options.state_path = RootStatePath(options.state_directory, root_options.root);
      root_options.settle = options.settle;
      root_options.whole_state_files_max = options.whole_state_files_max;
      root_options.make_notifier = options.make_notifier;
      root_options.versions = versions_.get();
      root_options.judge = judge_.get();
      root_options.sink = &sink;
      absl::StatusOr<std::unique_ptr<RootMonitor>> opened =
          RootMonitor::Open(std::move(root_options));
      if (!opened.ok()) return opened.status();
      roots_.push_back(*std::move(opened));
    }
    versions_->DropUnheld();
    return absl::OkStatus();
  }

  void SetPolicy(const v1::Policy& policy) override {
    const auto approvals = std::make_shared<const Approvals>(policy);
    for (const auto& root : roots_) root->SetApprovals(approvals);
  }

  void Start() override {
    for (const auto& root : roots_) root->Start();
  }

  void Stop() override {
    for (const auto& root : roots_) root->Stop();
  }

  Stats GetStats() const override {
    Stats sum;
    sum.last_full_look = absl::InfiniteFuture();
    sum.last_full_read = absl::InfiniteFuture();
    for (const auto& root : roots_) AddTo(root->GetStats(), sum);
    const VersionStore::Stats versions = versions_->GetStats();
    sum.versions_bytes = versions.bytes;
    sum.versions_evicted = versions.evicted;
    sum.versions_damaged = versions.damaged;
    sum.write_errors += versions.write_errors;
    if (sum.last_error.empty()) sum.last_error = versions.last_error;
    const ScriptJudge::Stats judge = judge_->GetStats();
    sum.too_large_to_parse = judge.too_large;
    sum.too_slow_to_parse = judge.too_slow;
    sum.rules_too_slow = judge.rules_too_slow;
    sum.rule_errors = judge.rules.errors.size();
    if (sum.last_error.empty() && !judge.rules.errors.empty()) {
      sum.last_error = judge.rules.errors.front();
    }
    return sum;
  }

 private:
  const std::unique_ptr<StateLock> lock_;
  const std::unique_ptr<const ScriptJudge> judge_;
  const std::unique_ptr<VersionStore> versions_;
  std::vector<std::unique_ptr<RootMonitor>> roots_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ScriptMonitor>> ScriptMonitor::Open(Options options,
                                                                   ScriptSink& sink) {
  absl::StatusOr<std::unique_ptr<StateLock>> lock = StateLock::Take(options.state_directory);
  if (!lock.ok()) return lock.status();
  absl::StatusOr<std::unique_ptr<VersionStore>> versions =
      VersionStore::Open(absl::StrCat(options.state_directory, "/versions"),
                         options.versions_bytes_max, options.versions_burst);
  if (!versions.ok()) return versions.status();
  auto monitor = std::make_unique<Monitor>(*std::move(lock), *std::move(versions), options.judge);
  if (absl::Status status = monitor->OpenRoots(std::move(options), sink); !status.ok())
    return status;
  return monitor;
}

}  // namespace skimwatch::script
