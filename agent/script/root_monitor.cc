#include "agent/script/root_monitor.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/memory/wipe.h"
#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/shown_text.h"
#include "agent/script/root_state.h"
#include "spdlog/spdlog.h"

namespace skimwatch::script {
namespace {

// How often it is looked whether the root is still the folder that is watched. A deployment that
// switches a link (`current -> releases/42`) tells no watch.
constexpr absl::Duration kRootCheckInterval = absl::Milliseconds(500);
// Between two full looks that lost notifications ask for.
constexpr absl::Duration kLookGap = absl::Seconds(1);
// Between two saves during a long look.
constexpr absl::Duration kSaveInterval = absl::Seconds(2);
// Time without a save after one, in times that it took.
constexpr int kSaveShare = 10;
constexpr absl::Duration kCountInterval = absl::Milliseconds(200);
// Time from one look that reads every file to the next, in times that it took.
constexpr int kReadShare = 50;
// A log may grow to the size of the state, and to this in any case.
constexpr uint64_t kLogBytesMin = uint64_t{16} << 20;
constexpr const char* kLogSuffix = ".log";
// Waiting for the close of a file that is being written, and for anything at all, in settle times.
constexpr int kWritingSettles = 20;
constexpr int kPatienceSettles = 100;
constexpr int kUnstableReadsMax = 5;
// Files of a look between two reads of notifications, so that their queue stays short.
constexpr int kFilesPerDrain = 64;
constexpr size_t kSettlingMax = 100'000;
constexpr size_t kFailuresMax = 10'000;
constexpr uint64_t kFilesMax = 1 << 20;

// Keys of failures that belong to no path; no path begins with a slash.
const char* const kRootFailure = "/root";
const char* const kNotifierFailure = "/notifier";
const char* const kStateFailure = "/state";

std::string Reason(int error) { return std::generic_category().message(error); }

struct FolderCloser {
  void operator()(DIR* folder) const { closedir(folder); }
};

}  // namespace

RootMonitor::RootMonitor(Options options)
    : options_(std::move(options)),
      selection_(options_.root),
      settling_(options_.settle * kPatienceSettles),
      log_(absl::StrCat(options_.state_path, kLogSuffix)),
      approvals_(std::make_shared<Approvals>()) {}

absl::StatusOr<std::unique_ptr<RootMonitor>> RootMonitor::Open(Options options) {
  const std::string& path = options.root.path();
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return absl::NotFoundError(absl::StrCat(
        path, ": is no folder that can be watched; make it, or mend sources.web_roots"));
  }
  auto monitor = std::unique_ptr<RootMonitor>(new RootMonitor(std::move(options)));
  if (absl::Status status = monitor->Load(); !status.ok()) return status;
  return monitor;
}

absl::Status RootMonitor::Load() {
  inventory_ =
      std::make_unique<RootInventory>(RootInventory::Options{.site = options_.root.site(),
                                                             .name_prefix = options_.name_prefix,
                                                             .selection = &selection_,
                                                             .versions = options_.versions,
                                                             .judge = options_.judge,
                                                             .sink = options_.sink});
  std::vector<std::string> unselected;
  const auto restore = [&](const FileState& file) {
    inventory_->Restore(file);
    if (!selection_.IsSelected(file.path())) unselected.push_back(file.path());
  };
  absl::StatusOr<LoadedRootState> loaded = LoadRootState(options_.state_path, restore);
  if (!loaded.ok()) return loaded.status();
  if (loaded->set_aside) {
    set_aside_ = true;
    spdlog::error("scripts: {}; set aside, and what is in {} is proposed anew", loaded->why,
                  options_.root.path());
    Fail(kStateFailure, absl::DataLossError(loaded->why));
    failures_.erase(kStateFailure);
  }
  const RootState& state = loaded->state;
  generation_ = state.generation();
  if (generation_ > 0) {
    const absl::Status replayed = log_.Replay(generation_, [&](std::string_view record) {
      FileState file;
      if (file.ParseFromArray(record.data(), static_cast<int>(record.size()))) restore(file);
    });
    if (!replayed.ok()) return replayed;
    // So that it may grow a while before the state is written whole.
    struct stat info {};
    if (log_.is_open() && stat(options_.state_path.c_str(), &info) == 0) {
      whole_bytes_ = static_cast<uint64_t>(info.st_size);
    }
  }
  baseline_complete_ = state.baseline_complete();
  *proposed_.mutable_scripts() = state.scripts();
  *proposed_.mutable_pages() = state.pages();
  *proposed_.mutable_exclude() = state.exclude();
  proposed_selection_ = std::make_unique<Selection>(proposed_);
  for (const std::string& path : unselected) inventory_->Forget(path);
  absl::MutexLock lock(&mutex_);
  stats_.states_set_aside = set_aside_ ? 1 : 0;
  return absl::OkStatus();
}

RootMonitor::~RootMonitor() { Stop(); }

void RootMonitor::Start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void RootMonitor::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
    if (sleeper_ != nullptr) sleeper_->Wake();
  }
  if (thread_.joinable()) thread_.join();
}

bool RootMonitor::Stopping() const {
  absl::MutexLock lock(&mutex_);
  return stop_;
}

void RootMonitor::SetApprovals(std::shared_ptr<const Approvals> approvals) {
  absl::MutexLock lock(&mutex_);
  approvals_ = std::move(approvals);
  woken_ = true;
  if (sleeper_ != nullptr) sleeper_->Wake();
}

// Approvals come in between two changes, so that one change is judged by one policy.
void RootMonitor::TakeApprovals() {
  std::shared_ptr<const Approvals> approvals;
  {
    absl::MutexLock lock(&mutex_);
    approvals = std::move(approvals_);
    approvals_ = nullptr;
    woken_ = false;
  }
  if (approvals == nullptr) return;
  inventory_->SetApprovals(std::move(approvals));
  gauges_stale_ = true;
}

// A clock that nobody sets.
absl::Time RootMonitor::Now() const {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

void RootMonitor::Run() {
  while (!Stopping()) Turn();
  Save(true);
  Publish(true);
}

void RootMonitor::Turn() {
  TakeApprovals();
  CheckRoot();
  const absl::Time now = Now();
  const absl::Duration interval = absl::Seconds(options_.root.rescan_interval_seconds());
  if (reader_ != nullptr && now >= last_look_ + (look_requested_ ? kLookGap : interval)) FullLook();
  ProcessDue();
  FinishBaseline();
  Save(false);
  const bool count = gauges_stale_ && Now() - last_count_ >= kCountInterval;
  Publish(count);
  Wait();
}

void RootMonitor::Wait() {
  memory::WipeDeadStack();
  const absl::Time now = Now();
  absl::Time until = std::min(settling_.NextDue(), now + kRootCheckInterval);
  if (reader_ != nullptr && look_requested_) until = std::min(until, last_look_ + kLookGap);
  if (gauges_stale_) until = std::min(until, last_count_ + kCountInterval);
  const absl::Duration timeout = std::max(until - now, absl::ZeroDuration());
  if (notifier_ != nullptr) {
    DrainNotifications(timeout);
    return;
  }
  const auto is_called = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stop_ || woken_; };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&is_called), timeout);
}

void RootMonitor::CheckRoot() {
  const std::string& path = options_.root.path();
  struct stat info {};
  std::array<char, PATH_MAX> real;
  errno = 0;
  if (stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) ||
      realpath(path.c_str(), real.data()) == nullptr) {
    // Not the end of all scripts: a root is gone while its disk is away or a deployment replaces
    // it.
    Fail(kRootFailure, absl::NotFoundError(absl::StrCat(
                           path, ": is no folder now: ", Reason(errno == 0 ? ENOTDIR : errno))));
    watches_ = nullptr;
    reader_ = nullptr;
    real_root_.clear();
    return;
  }
  failures_.erase(kRootFailure);
  const std::pair<dev_t, ino_t> identity(info.st_dev, info.st_ino);
  if (reader_ != nullptr && identity == root_identity_ && real_root_ == real.data()) return;
  root_identity_ = identity;
  real_root_ = real.data();
  reader_ = std::make_unique<FileReader>(real_root_, options_.root.file_bytes_max());
  links_to_.clear();
  link_targets_.clear();
  // Every watch is of the old folder.
  watches_ = nullptr;
  OpenNotifier();
  look_requested_ = true;
  last_look_ = absl::InfinitePast();
}

void RootMonitor::OpenNotifier() {
  watches_ = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    sleeper_ = nullptr;
  }
  absl::StatusOr<std::unique_ptr<Notifier>> notifier = options_.make_notifier();
  if (!notifier.ok()) {
    notifier_ = nullptr;
    Fail(kNotifierFailure, notifier.status());
    return;
  }
  failures_.erase(kNotifierFailure);
  notifier_ = *std::move(notifier);
  watches_ = std::make_unique<FolderWatches>(*notifier_, real_root_);
  absl::MutexLock lock(&mutex_);
  sleeper_ = notifier_.get();
  // A call that came while there was nobody to wake.
  if (stop_ || woken_) sleeper_->Wake();
}

void RootMonitor::LoseNotifier(const absl::Status& why) {
  spdlog::warn(
      "scripts: notifications of {} broke ({}); full looks go on, and they are opened anew",
      options_.root.path(), std::string(why.message()));
  Fail(kNotifierFailure, why);
  {
    absl::MutexLock lock(&mutex_);
    sleeper_ = nullptr;
    ++stats_.watcher_restarts;
  }
  watches_ = nullptr;
  notifier_ = nullptr;
  // The next look opens another; what was missed meanwhile it finds.
  look_requested_ = true;
}

void RootMonitor::WatchFolder(const std::string& folder) {
  absl::Status status =
      watches_ == nullptr ? absl::UnavailableError("no notifications") : watches_->Add(folder);
  if (status.ok()) {
    unwatched_.erase(folder);
    return;
  }
  // Gone meanwhile; who deleted it is told by the folder above.
  if (absl::IsNotFound(status)) return;
  if (unwatched_.size() < kFailuresMax) unwatched_.insert(folder);
  if (watches_ != nullptr) Fail(folder, status);
}

bool RootMonitor::WalkFolder(const std::string& folder,
                             const std::function<void(const std::string&)>& look,
                             std::vector<std::string>& pending) {
  // Watched before it is listed: what is made in between is notified, what was made before listed.
  WatchFolder(folder);
  const std::string whole = JoinPath(real_root_, folder);
  const std::unique_ptr<DIR, FolderCloser> listing(opendir(whole.c_str()));
  if (listing == nullptr) {
    // A folder that went away holds nothing.
    if (errno == ENOENT || errno == ENOTDIR) return true;
    Fail(folder,
         absl::PermissionDeniedError(absl::StrCat(folder, ": can't be listed: ", Reason(errno))));
    return false;
  }
  while (true) {
    errno = 0;
    const dirent* entry = readdir(listing.get());
    if (entry == nullptr) {
      if (errno == 0) break;
      Fail(folder, absl::InternalError(
                       absl::StrCat(folder, ": can't be listed to its end: ", Reason(errno))));
      return false;
    }
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    const std::string path = JoinPath(folder, entry->d_name);
    unsigned char type = entry->d_type;
    if (type == DT_UNKNOWN) {
      struct stat info {};
      if (lstat(JoinPath(real_root_, path).c_str(), &info) != 0) continue;
      type = IFTODT(info.st_mode);
    }
    if (type == DT_DIR) {
      if (!selection_.IsExcluded(path)) pending.push_back(path);
      continue;
    }
    if (type == DT_LNK) {
      struct stat info {};
      if (stat(JoinPath(real_root_, path).c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
        if (!selection_.IsExcluded(path) && folder_links_.size() < kFailuresMax) {
          folder_links_.insert(path);
        }
        continue;
      }
    }
    if (selection_.IsSelected(path)) look(path);
  }
  const auto failure = failures_.find(folder);
  if (failure != failures_.end() && !unwatched_.contains(folder)) failures_.erase(failure);
  return true;
}

bool RootMonitor::Walk(const std::string& from, const std::function<void(const std::string&)>& look,
                       std::set<std::string>& folders, std::set<std::string>& unread) {
  std::vector<std::string> pending = {from};
  while (!pending.empty()) {
    if (Stopping()) return false;
    const std::string folder = std::move(pending.back());
    pending.pop_back();
    folders.insert(folder);
    if (!WalkFolder(folder, look, pending)) unread.insert(folder);
  }
  return true;
}

void RootMonitor::FullLook() {
  look_requested_ = false;
  if (notifier_ == nullptr) OpenNotifier();
  unwatched_.clear();
  folder_links_.clear();
  const uint32_t number = ++look_number_;
  const absl::Time begin = Now();
  const bool reads = begin >= last_read_ + ReadInterval();
  // Those of files that fail.
  std::set<std::string> failing;
  std::set<std::string> folders;
  std::set<std::string> unread;
  int since_drain = 0;
  const auto look = [&](const std::string& path) {
    if (Stopping()) return;
    LookAt(path, reads);
    inventory_->MarkSeen(path, number);
    if (!failures_.empty() && failures_.contains(path)) failing.insert(path);
    if (++since_drain < kFilesPerDrain) return;
    since_drain = 0;
    if (notifier_ != nullptr) DrainNotifications(absl::ZeroDuration());
    if (Now() - last_save_ > kSaveInterval) Save(false);
    Publish(false);
  };
  if (!Walk("", look, folders, unread)) return;

  const absl::Time now = Now();
  for (const std::string& path : inventory_->LiveNotSeen(number)) {
    const bool hidden = std::any_of(unread.begin(), unread.end(), [&](const std::string& folder) {
      return IsAtOrBelow(path, folder);
    });
    // Missing from the list, which may be the middle of a replacement.
    if (!hidden) settling_.Note(path, now, options_.settle);
  }
  // What failed and is no longer there.
  for (auto failure = failures_.begin(); failure != failures_.end();) {
    const std::string& path = failure->first;
    const bool is_here = failing.contains(path) || folders.contains(path) || path.starts_with('/');
    failure = is_here ? std::next(failure) : failures_.erase(failure);
  }
  looked_ = true;
  last_look_ = Now();
  if (reads) {
    last_read_ = begin;
    read_cost_ = last_look_ - begin;
  }
  gauges_stale_ = true;
  last_count_ = absl::InfinitePast();
  absl::MutexLock lock(&mutex_);
  ++stats_.rescans;
  stats_.last_full_look = absl::Now();
  if (!reads) return;
  ++stats_.full_reads;
  stats_.last_full_read = stats_.last_full_look;
}

absl::Duration RootMonitor::ReadInterval() const {
  const uint32_t configured = options_.root.read_interval_seconds();
  if (configured > 0) return absl::Seconds(configured);
  // Looks that come about as often read every time.
  const absl::Duration share = read_cost_ * kReadShare;
  return share <= absl::Seconds(options_.root.rescan_interval_seconds()) ? absl::ZeroDuration()
                                                                         : share;
}

void RootMonitor::LookAt(const std::string& path, bool reads) {
  if (!reads) {
    const uint64_t stamp = inventory_->Stamp(path);
    if (stamp != 0 && stamp == reader_->Stamp(path)) return;
  }
  const bool is_known = inventory_->IsLive(path);
  const bool is_proposal =
      !is_known && (!baseline_complete_ || !proposed_selection_->IsSelected(path));
  if (is_proposal && !looked_) proposing_.insert(path);
  std::optional<FileContent> content = Read(path);
  if (!content) return;
  if (content->version.sha256() == inventory_->KnownSha256(path)) {
    inventory_->SetStamp(path, content->stamp);
    return;
  }
  // A proposal is made at once, unless somebody is at work on the file.
  const absl::Duration age = absl::Now() - content->modified;
  const bool is_fresh = age < options_.settle && age > -options_.settle;
  if (proposing_.contains(path) && !is_fresh) {
    Apply(path, *content);
  } else {
    settling_.Note(path, Now(), options_.settle);
  }
}

void RootMonitor::DrainNotifications(absl::Duration timeout) {
  std::vector<Notification> notifications;
  if (absl::Status status = notifier_->Read(timeout, notifications); !status.ok()) {
    LoseNotifier(status);
    return;
  }
  for (const Notification& notification : notifications) {
    Handle(notification);
    if (notifier_ == nullptr) return;
  }
}

void RootMonitor::Handle(const Notification& notification) {
  if (notification.kind == Notification::Kind::kOverflow) {
    spdlog::warn("scripts: notifications of {} were lost; a full look follows",
                 options_.root.path());
    look_requested_ = true;
    absl::MutexLock lock(&mutex_);
    ++stats_.overflows;
    return;
  }
  if (watches_ == nullptr) return;
  if (notification.kind == Notification::Kind::kWatchEnded) {
    watches_->Ended(notification.watch);
    return;
  }
  const std::string* folder = watches_->FolderOf(notification.watch);
  if (folder == nullptr) return;
  if (notification.name.empty()) {
    // The folder itself; where it could not be read, it may be readable now.
    if (failures_.contains(*folder)) look_requested_ = true;
    return;
  }
  const std::string path = JoinPath(*folder, notification.name);
  if (notification.is_folder) {
    HandleFolder(path, notification);
    return;
  }
  NoteLinksTo(path);
  if (!selection_.IsSelected(path)) return;
  settling_.Note(path, Now(), QuietFor(path, notification.kind));
  if (settling_.size() > kSettlingMax) {
    // Somebody makes files by the hundred thousand; a full look sees what is left of them.
    settling_.Clear();
    look_requested_ = true;
  }
}

void RootMonitor::HandleFolder(const std::string& path, const Notification& notification) {
  NoteLinksTo(path);
  if (notification.kind == Notification::Kind::kGone) {
    watches_->RemoveBelow(path);
    settling_.Note(path, Now(), options_.settle);
  } else if (!selection_.IsExcluded(path)) {
    EnterFolder(path);
  }
}

void RootMonitor::EnterFolder(const std::string& path) {
  std::set<std::string> folders;
  std::set<std::string> unread;
  const absl::Time now = Now();
  const auto note = [&](const std::string& file) {
    settling_.Note(file, now, QuietFor(file, Notification::Kind::kSettled));
  };
  Walk(path, note, folders, unread);
  // What was known under this name and may have gone with the folder that had it before.
  for (const std::string& file : inventory_->LiveBelow(path)) {
    settling_.Note(file, now, options_.settle);
  }
}

void RootMonitor::NoteLinksTo(const std::string& path) {
  for (auto entry = links_to_.lower_bound(path);
       entry != links_to_.end() && entry->first.starts_with(path); ++entry) {
    if (!IsAtOrBelow(entry->first, path)) continue;
    for (const std::string& link : entry->second) {
      settling_.Note(link, Now(), options_.settle);
    }
  }
}

// How long a path must be quiet to be taken for whole. A writer says when it closes the file; a
// link has no writer.
absl::Duration RootMonitor::QuietFor(const std::string& path, Notification::Kind kind) const {
  if (kind == Notification::Kind::kWriting) return options_.settle * kWritingSettles;
  if (kind != Notification::Kind::kCreated) return options_.settle;
  struct stat info {};
  if (lstat(JoinPath(real_root_, path).c_str(), &info) != 0) return options_.settle;
  const bool has_writer = S_ISREG(info.st_mode) && info.st_nlink == 1;
  return options_.settle * (has_writer ? kWritingSettles : 1);
}

void RootMonitor::ProcessDue() {
  if (reader_ == nullptr) return;
  for (const std::string& path : settling_.TakeDue(Now())) {
    if (Stopping()) return;
    Process(path);
  }
}

void RootMonitor::Process(const std::string& path) {
  struct stat info {};
  const std::string whole = JoinPath(real_root_, path);
  if (lstat(whole.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      Gone(path);
    } else {
      Fail(path, absl::PermissionDeniedError(
                     absl::StrCat(path, ": can't be looked at: ", Reason(errno))));
    }
    return;
  }
  if (S_ISDIR(info.st_mode)) {
    // A folder under the name of what was a file.
    if (inventory_->IsLive(path)) inventory_->ApplyGone(path, absl::Now());
    return;
  }
  // And a file under the name of what was a folder.
  for (const std::string& file : inventory_->LiveBelow(path)) {
    if (file != path) Gone(file);
  }
  if (!selection_.IsSelected(path)) return;
  const std::optional<FileContent> content = Read(path);
  if (content) Apply(path, *content);
}

void RootMonitor::Gone(const std::string& path) {
  std::vector<std::string> files = inventory_->LiveBelow(path);
  for (const std::string& file : files) {
    // A folder that is gone and came back is looked at file by file.
    struct stat info {};
    if (file != path && lstat(JoinPath(real_root_, file).c_str(), &info) == 0) continue;
    inventory_->ApplyGone(file, absl::Now());
    too_large_.erase(file);
    outside_.erase(file);
    SetLink(file, "");
  }
  proposing_.erase(path);
  unstable_reads_.erase(path);
  failures_.erase(path);
  folder_links_.erase(path);
  gauges_stale_ = true;
}

std::optional<FileContent> RootMonitor::Read(const std::string& path) {
  absl::StatusOr<FileContent> content =
      reader_->Read(path, inventory_->KnownSha256(path), [this] { return Stopping(); });
  if (!content.ok()) {
    if (absl::IsCancelled(content.status())) return std::nullopt;
    if (absl::IsNotFound(content.status())) {
      Gone(path);
      SetLink(path, MissingTarget(path));
      return std::nullopt;
    }
    Fail(path, content.status());
    // A FIFO or a folder where a script was: the script is gone. What can't be read is still there.
    if (absl::IsFailedPrecondition(content.status())) {
      inventory_->ApplyGone(path, absl::Now());
    }
    proposing_.erase(path);
    return std::nullopt;
  }
  {
    absl::MutexLock lock(&mutex_);
    stats_.bytes_read += content->bytes_read;
  }
  if (content->unstable && ++unstable_reads_[path] < kUnstableReadsMax) {
    settling_.Note(path, Now(), options_.settle);
    return std::nullopt;
  }
  unstable_reads_.erase(path);
  if (!inventory_->IsLive(path) && inventory_->live_files() >= kFilesMax) {
    Fail(path, absl::ResourceExhaustedError(
                   absl::StrCat(path, ": not taken up, since ", kFilesMax, " files are watched")));
    return std::nullopt;
  }
  failures_.erase(path);
  content->too_large ? void(too_large_.insert(path)) : void(too_large_.erase(path));
  content->outside ? void(outside_.insert(path)) : void(outside_.erase(path));
  SetLink(path, content->target);
  return *std::move(content);
}

void RootMonitor::Apply(const std::string& path, const FileContent& content) {
  inventory_->Apply(path, content, proposing_.contains(path));
  inventory_->SetStamp(path, content.stamp);
  proposing_.erase(path);
  gauges_stale_ = true;
}

// The path below the root that a link names and that is not there yet; empty for anything else.
std::string RootMonitor::MissingTarget(const std::string& path) const {
  std::array<char, PATH_MAX> buffer;
  const std::filesystem::path link = JoinPath(real_root_, path);
  const ssize_t size = readlink(link.c_str(), buffer.data(), buffer.size());
  if (size <= 0) return "";
  const std::string_view named(buffer.data(), static_cast<size_t>(size));
  const std::string target = (link.parent_path() / named).lexically_normal();
  const std::string root = absl::StrCat(real_root_, "/");
  return target.starts_with(root) ? target.substr(root.size()) : "";
}

void RootMonitor::SetLink(const std::string& path, const std::string& target) {
  const auto old = link_targets_.find(path);
  if (old != link_targets_.end()) {
    if (old->second == target) return;
    const auto links = links_to_.find(old->second);
    links->second.erase(path);
    if (links->second.empty()) links_to_.erase(links);
    link_targets_.erase(old);
  }
  if (target.empty()) return;
  link_targets_[path] = target;
  links_to_[target].insert(path);
}

// The first look is over when the last file that it found was read whole.
void RootMonitor::FinishBaseline() {
  if (!looked_) return;
  // One that went before it could be read.
  for (auto path = proposing_.begin(); path != proposing_.end();) {
    struct stat info {};
    const bool is_here = lstat(JoinPath(real_root_, *path).c_str(), &info) == 0;
    path = is_here && !inventory_->IsLive(*path) ? std::next(path) : proposing_.erase(path);
  }
  if (!proposing_.empty()) return;
  const auto equal = [](const auto& a, const auto& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  };
  if (baseline_complete_ && equal(proposed_.scripts(), options_.root.scripts()) &&
      equal(proposed_.pages(), options_.root.pages()) &&
      equal(proposed_.exclude(), options_.root.exclude())) {
    return;
  }
  baseline_complete_ = true;
  proposed_ = options_.root;
  proposed_selection_ = std::make_unique<Selection>(proposed_);
  // The log has no place for it.
  whole_bytes_ = 0;
  Save(true);
}

void RootMonitor::Save(bool at_once) {
  const bool is_over = at_once && looked_;
  if (!inventory_->changed() && !is_over) return;
  const absl::Time begin = Now();
  // A state takes a while to write; what a crash makes it miss is found and told again.
  if (!at_once && begin - last_save_ < save_cost_ * kSaveShare) return;
  const bool uses_log = inventory_->files() > options_.whole_state_files_max && whole_bytes_ > 0 &&
                        log_.is_open() && log_.bytes() < std::max(whole_bytes_, kLogBytesMin);
  if (uses_log && !inventory_->changed()) return;
  const absl::Status status = uses_log ? log_.Append(inventory_->SerializedChanges()) : SaveWhole();
  if (!status.ok()) {
    Fail(kStateFailure, status);
    absl::MutexLock lock(&mutex_);
    ++stats_.write_errors;
    return;
  }
  failures_.erase(kStateFailure);
  last_save_ = Now();
  save_cost_ = last_save_ - begin;
  inventory_->MarkSaved();
}

absl::Status RootMonitor::SaveWhole() {
  RootState state;
  state.set_site(options_.root.site());
  state.set_root(options_.root.path());
  state.set_baseline_complete(baseline_complete_);
  *state.mutable_scripts() = proposed_.scripts();
  *state.mutable_pages() = proposed_.pages();
  *state.mutable_exclude() = proposed_.exclude();
  // By the time, so that a log that outlived its state is of no later one.
  const auto now = static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()));
  state.set_generation(std::max(generation_ + 1, now));
  {
    const std::string files = inventory_->SerializedFiles();
    if (absl::Status status = SaveRootState(options_.state_path, state, files); !status.ok()) {
      return status;
    }
    whole_bytes_ = files.size();
  }
  // The log of the state before is of no more use: its generation says so.
  generation_ = state.generation();
  if (inventory_->files() > options_.whole_state_files_max) return log_.Begin(generation_);
  log_.Close();
  return absl::OkStatus();
}

void RootMonitor::Fail(const std::string& what, const absl::Status& status) {
  // A file's name is anybody's text.
  const std::string text = ShownText(RedactCards(std::string(status.message())).text);
  if (failures_.size() < kFailuresMax) {
    std::string& known = failures_[what];
    // Once for as long as it lasts: each look finds it anew.
    if (known != text) spdlog::warn("web root {}: {}", options_.root.path(), text);
    known = text;
  }
  absl::MutexLock lock(&mutex_);
  stats_.last_error = text;
}

void RootMonitor::Publish(bool count) {
  if (count) {
    gauges_stale_ = false;
    last_count_ = Now();
  }
  const uint64_t scripts = count ? inventory_->live_scripts() : 0;
  const uint64_t unapproved = count ? inventory_->unapproved_scripts() : 0;
  absl::MutexLock lock(&mutex_);
  if (count) {
    stats_.files = inventory_->live_files();
    stats_.scripts = scripts;
    stats_.unapproved_scripts = unapproved;
  }
  stats_.changes = inventory_->changes();
  stats_.files_too_large = too_large_.size();
  stats_.links_outside = outside_.size();
  stats_.folder_links = folder_links_.size();
  stats_.folders_unwatched = unwatched_.size();
  stats_.errors = failures_.size();
}

ScriptMonitor::Stats RootMonitor::GetStats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace skimwatch::script
