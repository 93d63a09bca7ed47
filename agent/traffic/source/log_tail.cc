#include "agent/traffic/source/log_tail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/card/mask.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/source/file_notifier.h"
#include "agent/traffic/source/log_file.h"
#include "agent/traffic/source/log_state.h"
#include "spdlog/spdlog.h"

namespace skimwatch::traffic {
namespace {

constexpr uint32_t kLineBytesMin = 1024;
constexpr uint32_t kLineBytesMax = 64 << 20;
constexpr size_t kBufferBytes = 256 << 10;
// Read from one file before the next has its turn.
constexpr size_t kTurnBytes = 4 << 20;
// Lines without an end yet, in all files.
constexpr size_t kPendingBytesMax = 64 << 20;
// How long a file that no glob matches any more is watched for a writer that has it open still. A
// deleted one takes up room on the disk meanwhile.
constexpr absl::Duration kRenamedLinger = absl::Minutes(10);
constexpr absl::Duration kDeletedLinger = absl::Seconds(10);
// How long a position outlives its file: over a file system that is not mounted for a while.
constexpr absl::Duration kPositionKept = absl::Hours(7 * 24);
// Entries of a folder that are searched for a file that was renamed.
constexpr int kFolderEntriesMax = 100000;
// Writes that come close together are read together.
constexpr absl::Duration kGather = absl::Milliseconds(20);
// A backlog that takes longer than this is left for the next start.
constexpr absl::Duration kStopReading = absl::Seconds(5);

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

bool HasPattern(const std::string& glob) { return glob.find_first_of("*?[") != std::string::npos; }

// The folder of a glob down to which nothing is a pattern.
std::string FixedFolderOf(const std::string& glob) {
  return FolderOf(glob.substr(0, glob.find_first_of("*?[\\")));
}

void Amiss(const std::string& pattern, std::vector<std::string>& lines) {
  struct stat info {};
  const std::string fixed = FixedFolderOf(pattern);
  if (stat(fixed.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    lines.push_back(
        absl::StrCat(pattern, ": there is no folder ", fixed, " that this user can see"));
    return;
  }
  glob_t matches{};
  const auto free_matches = absl::MakeCleanup([&matches] { globfree(&matches); });
  if (glob(pattern.c_str(), 0, nullptr, &matches) != 0 || matches.gl_pathc == 0) {
    lines.push_back(absl::StrCat(pattern, ": there is no such file that this user can see"));
    return;
  }
  for (size_t i = 0; i < matches.gl_pathc; ++i) {
    const char* const path = matches.gl_pathv[i];
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) continue;
    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0) continue;
    lines.push_back(absl::StrCat(path, ": ", std::generic_category().message(errno)));
  }
}

class Tail final : public LogTail {
 public:
  Tail(Options options, Coverage& coverage, MessageSink& sink);
  ~Tail() override;

  absl::Status Open();
  void Start() override;
  void Stop() override;
  void PollOnce(absl::Time now) override;
  Stats GetStats() const override;

 private:
  // A file that is followed.
  struct Followed {
    std::unique_ptr<LogFile> file;
    // Where it was last found.
    std::string path;
    int watch = -1;
    // No glob leads to it any more.
    bool rotated = false;
    // There may be something to read.
    bool dirty = true;
  };
  using Files = std::map<FileKey, Followed>;

  void Run();
  bool Stopping() const { return stopping_.load(std::memory_order_relaxed); }
  // Waits for changes, until there is something to do or to stop.
  void Wait(absl::Time next_look);

  // Finds what the globs match, and lets go of files that are over.
  void Look(absl::Time now);
  void LookAt(absl::Time now, const std::string& path, std::set<FileKey>& matched);
  // Finds files of saved positions that were renamed while nobody followed them.
  void FindRenamed(absl::Time now);
  void Follow(absl::Time now, std::unique_ptr<LogFile> file, const std::string& path, bool rotated);
  bool MakeRoom(absl::Time now);
  // Its position is kept.
  Files::iterator LetGo(absl::Time now, Files::iterator it);
  Files::iterator Close(Files::iterator it);
  void WatchFolders(const std::set<std::string>& matched_folders);
  // The saved position of a file, taken out of those that wait for theirs.
  std::optional<v1::LogPosition> TakePosition(const FileKey& key, const std::string& path);

  // Reads files that may have something, in turns, until `until` or, on the thread, a stop. True
  // when nothing is left.
  bool ReadFiles(absl::Time now, absl::Time until, bool until_stop);
  // One turn; false when the file is of no use.
  bool ReadTurn(absl::Time now, Followed& followed);
  void MaybeSave(absl::Time now);
  void Save(absl::Time now);
  v1::LogState State(absl::Time now) const;

  // Counts a trouble once for as long as it lasts.
  void NoteTrouble(const std::string& path, const std::string& why);
  void Publish();

  const Options options_;
  LogFile::Shared shared_;
  bool from_end_ = false;
  bool first_look_ = true;

  std::unique_ptr<FileNotifier> notifier_;
  Files files_;
  absl::flat_hash_map<int, FileKey> watches_;
  // Compressed files, for as long as they are there.
  std::set<FileKey> compressed_;
  // By path: what is wrong, and whether it still was at the last look.
  struct Trouble {
    std::string text;
    bool current = true;
  };
  std::map<std::string, Trouble> troubles_;
  // Of files that are not followed.
  std::map<FileKey, v1::LogPosition> positions_;
  std::string saved_;
  absl::Time saved_at_ = absl::InfinitePast();
  // On the thread that works; published for others.
  Stats stats_;

  int stop_fd_ = -1;
  std::atomic<bool> stopping_ = false;
  bool stopped_ = false;
  std::thread thread_;

  mutable absl::Mutex mutex_;
  Stats published_ ABSL_GUARDED_BY(mutex_);
};

Tail::Tail(Options options, Coverage& coverage, MessageSink& sink)
    : options_(std::move(options)), shared_{.sink = sink, .coverage = coverage} {
  shared_.site = options_.site;
  shared_.line_bytes_max = options_.line_bytes_max;
  shared_.partial_line_wait = options_.partial_line_wait;
  shared_.pending_bytes_max = std::max<size_t>(kPendingBytesMax, options_.line_bytes_max);
  shared_.buffer.resize(kBufferBytes);
}

Tail::~Tail() {
  Stop();
  if (stop_fd_ >= 0) close(stop_fd_);
}

absl::Status Tail::Open() {
  const auto refuse = [](const std::string& text) {
    return absl::InvalidArgumentError(absl::StrCat("log files: ", text));
  };
  if (options_.paths.empty()) return refuse("no `paths` to follow");
  for (const std::string& path : options_.paths) {
    if (path.empty() || path.find('\0') != std::string::npos) return refuse("a path is empty");
  }
  if (options_.line_bytes_max < kLineBytesMin || options_.line_bytes_max > kLineBytesMax) {
    return refuse(absl::StrCat("`line_bytes_max` is ", options_.line_bytes_max, ", must be ",
                               kLineBytesMin, " to ", kLineBytesMax));
  }
  if (options_.files_max == 0) return refuse("`files_max` is 0");
  if (options_.poll_interval <= absl::ZeroDuration())
    return refuse("`poll_interval` is not positive");
  if (options_.state_file.empty()) return refuse("no state file");
  struct stat info {};
  const std::string folder = FolderOf(options_.state_file);
  if (stat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return refuse(
        absl::StrCat("the folder of the state file ", options_.state_file, " does not exist"));
  }

  stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_fd_ < 0) return absl::ErrnoToStatus(errno, "log files: eventfd");

  absl::StatusOr<v1::LogState> state = LoadLogState(options_.state_file);
  if (state.ok()) {
    for (const v1::LogPosition& position : state->positions()) {
      positions_[{position.device(), position.inode()}] = position;
    }
  } else {
    from_end_ = !options_.from_start;
    if (!absl::IsNotFound(state.status())) {
      const std::string damaged = absl::StrCat(options_.state_file, ".damaged");
      const bool kept = rename(options_.state_file.c_str(), damaged.c_str()) == 0;
      NoteTrouble(
          options_.state_file,
          absl::StrCat(std::string(state.status().message()), "; ",
                       kept ? absl::StrCat("kept as ", damaged) : "it will be replaced",
                       ", and files are followed from their ", from_end_ ? "end" : "start"));
    }
  }
  Publish();
  return absl::OkStatus();
}

void Tail::Start() {
  // What can't be read is a trouble, and told as such.
  for (const std::string& pattern : options_.paths) {
    struct stat info {};
    const std::string fixed = FixedFolderOf(pattern);
    if (stat(fixed.c_str(), &info) == 0 || (errno != ENOENT && errno != ENOTDIR)) continue;
    spdlog::warn("log files: {}: there is no folder {}; nothing is followed until there is",
                 card::RedactCardNumbers(pattern), card::RedactCardNumbers(fixed));
  }
  notifier_ = std::make_unique<FileNotifier>();
  // Here, so that a file that is made after Start is a later one.
  Look(absl::Now());
  thread_ = std::thread([this] { Run(); });
}

void Tail::Stop() {
  if (std::exchange(stopped_, true) || stop_fd_ < 0) return;
  stopping_ = true;
  const uint64_t one = 1;
  (void)!write(stop_fd_, &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
  const absl::Time now = absl::Now();
  Look(now);
  ReadFiles(now, now + kStopReading, /*until_stop=*/false);
  Save(now);
  files_.clear();
  Publish();
}

void Tail::PollOnce(absl::Time now) {
  Look(now);
  ReadFiles(now, absl::InfiniteFuture(), /*until_stop=*/false);
  MaybeSave(now);
  Publish();
}

void Tail::Run() {
  pthread_setname_np(pthread_self(), "log-tail");
  absl::Time next_look = absl::InfinitePast();
  while (!Stopping()) {
    const absl::Time now = absl::Now();
    // Also when the clock was set back.
    if (now >= next_look || next_look - now > options_.poll_interval) {
      Look(now);
      next_look = now + options_.poll_interval;
    }
    const bool all = ReadFiles(now, next_look, /*until_stop=*/true);
    MaybeSave(absl::Now());
    Publish();
    memory::WipeDeadStack();
    if (!all) continue;
    Wait(next_look);
    const FileNotifier::Changes changes = notifier_->Take();
    if (changes.folders || changes.all) next_look = absl::InfinitePast();
    for (const int watch : changes.files) {
      const auto key = watches_.find(watch);
      if (key == watches_.end()) continue;
      if (const auto it = files_.find(key->second); it != files_.end()) it->second.dirty = true;
    }
  }
}

void Tail::Wait(absl::Time next_look) {
  const auto milliseconds = [](absl::Duration d) {
    return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(d) + 1, 1, 60000));
  };
  pollfd fds[2] = {{stop_fd_, POLLIN, 0}, {notifier_->fd(), POLLIN, 0}};
  const absl::Duration until_look = std::min(next_look - absl::Now(), options_.poll_interval);
  if (poll(fds, 2, milliseconds(until_look)) > 0 && fds[0].revents == 0) {
    poll(fds, 1, milliseconds(kGather));
  }
}

void Tail::Look(absl::Time now) {
  // What was not noted again since the last look is over.
  std::erase_if(troubles_, [](const auto& entry) { return !entry.second.current; });
  for (auto& [path, trouble] : troubles_) trouble.current = false;
  std::set<FileKey> matched;
  std::set<std::string> folders;
  for (const std::string& pattern : options_.paths) {
    const std::string fixed = FixedFolderOf(pattern);
    folders.insert(fixed);
    const int wanted = FolderOf(pattern) == fixed && !HasPattern(pattern) ? X_OK : R_OK | X_OK;
    if (faccessat(AT_FDCWD, fixed.c_str(), wanted, AT_EACCESS) != 0 && errno != ENOENT &&
        errno != ENOTDIR) {
      NoteTrouble(fixed, absl::StrCat(fixed, ": ", std::generic_category().message(errno)));
    }
    glob_t matches{};
    const auto free_matches = absl::MakeCleanup([&matches] { globfree(&matches); });
    const int result = glob(pattern.c_str(), 0, nullptr, &matches);
    if (result != 0 && result != GLOB_NOMATCH) {
      NoteTrouble(pattern, absl::StrCat(pattern, ": can't be looked for"));
      continue;
    }
    for (size_t i = 0; i < matches.gl_pathc; ++i) {
      const std::string path = matches.gl_pathv[i];
      folders.insert(FolderOf(path));
      LookAt(now, path, matched);
    }
  }
  if (std::exchange(first_look_, false)) FindRenamed(now);
  from_end_ = false;

  for (auto it = files_.begin(); it != files_.end();) {
    Followed& followed = it->second;
    followed.dirty = true;
    if (matched.contains(it->first)) {
      followed.rotated = false;
    } else if (!followed.rotated) {
      followed.rotated = true;
      ++stats_.rotations;
    }
    const absl::Duration idle = now - followed.file->grown_at();
    const absl::Duration linger = followed.file->deleted() ? kDeletedLinger : kRenamedLinger;
    const bool read = followed.file->Size() == followed.file->offset();
    if (followed.rotated && read && idle >= linger) {
      it = LetGo(now, it);
    } else {
      ++it;
    }
  }
  std::erase_if(compressed_, [&](const FileKey& key) { return !matched.contains(key); });
  std::erase_if(positions_, [&](const auto& entry) {
    return now - absl::FromUnixSeconds(entry.second.seen_at()) > kPositionKept;
  });
  WatchFolders(folders);
}

void Tail::LookAt(absl::Time now, const std::string& path, std::set<FileKey>& matched) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    // Gone since the folder was read, or a link to nowhere.
    if (errno != ENOENT) {
      NoteTrouble(path, absl::StrCat(path, ": ", std::generic_category().message(errno)));
    }
    return;
  }
  if (!S_ISREG(info.st_mode)) return;
  const FileKey key{info.st_dev, info.st_ino};
  const bool first_name = matched.insert(key).second;
  if (const auto it = files_.find(key); it != files_.end()) {
    Followed& followed = it->second;
    struct stat before {};
    if (first_name && followed.path != path &&
        (stat(followed.path.c_str(), &before) != 0 ||
         FileKey{before.st_dev, before.st_ino} != key)) {
      if (!followed.rotated) ++stats_.rotations;
      followed.path = path;
    }
    return;
  }
  if (compressed_.contains(key)) return;
  if (files_.size() >= options_.files_max && !MakeRoom(now)) {
    NoteTrouble(path,
                absl::StrCat(path, ": not followed, ", options_.files_max, " files are already"));
    return;
  }
  absl::StatusOr<std::unique_ptr<LogFile>> file = LogFile::Open(path, shared_);
  if (!file.ok()) {
    if (!absl::IsNotFound(file.status())) NoteTrouble(path, std::string(file.status().message()));
    return;
  }
  // Another may have taken its name since.
  matched.insert((*file)->key());
  if (files_.contains((*file)->key())) return;
  const std::optional<v1::LogPosition> position = TakePosition((*file)->key(), path);
  if (position.has_value()) {
    if ((*file)->Resume(*position)) {
      (*file)->set_name(position->path());
    } else if (position->path() == path) {
      ++shared_.truncations;
    }
  } else if (from_end_) {
    (*file)->SkipToEnd();
  }
  Follow(now, *std::move(file), path, /*rotated=*/false);
}

void Tail::FindRenamed(absl::Time now) {
  std::map<std::string, std::map<ino_t, FileKey>> wanted;
  for (const auto& [key, position] : positions_) {
    wanted[FolderOf(position.path())][key.inode] = key;
  }
  for (const auto& [folder, inodes] : wanted) {
    DIR* entries = opendir(folder.c_str());
    if (entries == nullptr) continue;
    const auto close_folder = absl::MakeCleanup([entries] { closedir(entries); });
    int seen = 0;
    while (const dirent* entry = readdir(entries)) {
      if (++seen > kFolderEntriesMax) {
        NoteTrouble(folder, absl::StrCat(folder, ": has more than ", kFolderEntriesMax,
                                         " files; one that was renamed may not have been found"));
        break;
      }
      const auto inode = inodes.find(entry->d_ino);
      if (inode == inodes.end()) continue;
      const std::string path = absl::StrCat(folder, "/", entry->d_name);
      const auto position = positions_.find(inode->second);
      if (position == positions_.end()) continue;
      if (files_.size() >= options_.files_max) {
        NoteTrouble(
            path, absl::StrCat(path, ": not followed, ", options_.files_max, " files are already"));
        continue;
      }
      absl::StatusOr<std::unique_ptr<LogFile>> file = LogFile::Open(path, shared_);
      if (!file.ok() || (*file)->key() != inode->second || files_.contains((*file)->key()) ||
          !(*file)->Resume(position->second)) {
        continue;
      }
      (*file)->set_name(position->second.path());
      positions_.erase(position);
      ++stats_.rotations;
      Follow(now, *std::move(file), path, /*rotated=*/true);
    }
  }
}

std::optional<v1::LogPosition> Tail::TakePosition(const FileKey& key, const std::string& path) {
  auto it = positions_.find(key);
  if (it == positions_.end()) {
    // The number of a device may be another after a reboot.
    it = std::find_if(positions_.begin(), positions_.end(), [&](const auto& entry) {
      return entry.first.inode == key.inode && entry.second.path() == path;
    });
  }
  if (it == positions_.end()) return std::nullopt;
  v1::LogPosition position = std::move(it->second);
  positions_.erase(it);
  return position;
}

void Tail::Follow(absl::Time now, std::unique_ptr<LogFile> file, const std::string& path,
                  bool rotated) {
  const FileKey key = file->key();
  Followed& followed = files_[key];
  followed.path = path;
  followed.rotated = rotated;
  followed.file = std::move(file);
  followed.file->Opened(now);
  if (notifier_ != nullptr) {
    followed.watch = notifier_->WatchFile(followed.file->fd());
    if (followed.watch >= 0) watches_[followed.watch] = key;
  }
}

bool Tail::MakeRoom(absl::Time now) {
  auto oldest = files_.end();
  for (auto it = files_.begin(); it != files_.end(); ++it) {
    const LogFile& file = *it->second.file;
    if (!it->second.rotated || file.Size() != file.offset()) continue;
    if (oldest == files_.end() || file.grown_at() < oldest->second.file->grown_at()) oldest = it;
  }
  if (oldest == files_.end()) return false;
  LetGo(now, oldest);
  return true;
}

Tail::Files::iterator Tail::LetGo(absl::Time now, Files::iterator it) {
  Followed& followed = it->second;
  followed.file->Finish(now);
  if (!followed.file->deleted()) {
    v1::LogPosition position = followed.file->Position();
    position.set_seen_at(absl::ToUnixSeconds(now));
    positions_[it->first] = std::move(position);
  }
  return Close(it);
}

Tail::Files::iterator Tail::Close(Files::iterator it) {
  const Followed& followed = it->second;
  if (notifier_ != nullptr && followed.watch >= 0) {
    notifier_->Unwatch(followed.watch);
    watches_.erase(followed.watch);
  }
  return files_.erase(it);
}

void Tail::WatchFolders(const std::set<std::string>& folders) {
  if (notifier_ != nullptr) notifier_->WatchFolders(folders);
}

bool Tail::ReadFiles(absl::Time now, absl::Time until, bool until_stop) {
  const bool timed = until != absl::InfiniteFuture();
  // Up to where files reach now: a writer that is faster than this must not keep it here.
  std::map<FileKey, uint64_t> limits;
  for (const auto& [key, followed] : files_) {
    if (followed.dirty) limits[key] = followed.file->Size();
  }
  bool any = true;
  while (any) {
    any = false;
    for (auto it = files_.begin(); it != files_.end();) {
      Followed& followed = it->second;
      const auto limit = limits.find(it->first);
      if (!followed.dirty || limit == limits.end()) {
        ++it;
        continue;
      }
      const uint64_t truncations = shared_.truncations;
      if (!ReadTurn(now, followed)) {
        it = Close(it);
        continue;
      }
      if (shared_.truncations != truncations) limit->second = followed.file->Size();
      if (followed.dirty) {
        if (followed.file->offset() >= limit->second) {
          limits.erase(limit);
        } else {
          any = true;
        }
      }
      ++it;
    }
    if (any && timed) {
      const absl::Time at = absl::Now();
      MaybeSave(at);
      Publish();
      if (at >= until || (until_stop && Stopping())) return false;
    }
  }
  return std::none_of(files_.begin(), files_.end(),
                      [](const auto& entry) { return entry.second.dirty; });
}

bool Tail::ReadTurn(absl::Time now, Followed& followed) {
  LogFile& file = *followed.file;
  const absl::StatusOr<LogFile::Outcome> outcome = file.Read(now, kTurnBytes);
  if (!outcome.ok()) {
    followed.dirty = false;
    NoteTrouble(followed.path, std::string(outcome.status().message()));
    return true;
  }
  switch (*outcome) {
    case LogFile::Outcome::kMore:
      return true;
    case LogFile::Outcome::kEnd:
      followed.dirty = false;
      return true;
    case LogFile::Outcome::kCompressed:
      break;
  }
  ++stats_.compressed_files;
  shared_.coverage.Add(Reason::kUndecodableContentCoding, file.Size());
  compressed_.insert(file.key());
  return false;
}

void Tail::MaybeSave(absl::Time now) {
  if (now - saved_at_ >= options_.save_interval || now < saved_at_) Save(now);
}

v1::LogState Tail::State(absl::Time now) const {
  v1::LogState state;
  for (const auto& [key, followed] : files_) {
    v1::LogPosition& position = *state.add_positions();
    position = followed.file->Position();
    // Rounded, so that a state without news stays the same.
    position.set_seen_at(absl::ToUnixSeconds(now) / 3600 * 3600);
  }
  // The youngest, when there are too many.
  std::vector<const v1::LogPosition*> others;
  for (const auto& [key, position] : positions_) others.push_back(&position);
  std::sort(others.begin(), others.end(), [](const auto* a, const auto* b) {
    return std::pair(-a->seen_at(), a->inode()) < std::pair(-b->seen_at(), b->inode());
  });
  if (others.size() > options_.files_max) others.resize(options_.files_max);
  for (const v1::LogPosition* position : others) *state.add_positions() = *position;
  return state;
}

void Tail::Save(absl::Time now) {
  saved_at_ = now;
  const std::string text = EncodeLogState(State(now));
  if (text == saved_) return;
  if (options_.before_save) options_.before_save();
  if (absl::Status status = SaveLogState(options_.state_file, text); !status.ok()) {
    NoteTrouble(options_.state_file, std::string(status.message()));
    return;
  }
  saved_ = text;
}

void Tail::NoteTrouble(const std::string& path, const std::string& why) {
  Trouble& trouble = troubles_[path];
  trouble.current = true;
  // A file that a pattern finds may have any name.
  const std::string text = card::RedactCardNumbers(why);
  if (trouble.text == text) return;
  trouble.text = text;
  ++stats_.errors;
  stats_.last_error = text;
  spdlog::warn("log files: {}", text);
}

void Tail::Publish() {
  stats_.files = files_.size();
  stats_.lines = shared_.lines;
  stats_.bytes = shared_.bytes;
  stats_.truncations = shared_.truncations;
  absl::MutexLock lock(&mutex_);
  published_ = stats_;
}

LogTail::Stats Tail::GetStats() const {
  absl::MutexLock lock(&mutex_);
  return published_;
}

}  // namespace

LogTail::Options LogTail::Options::FromConfig(const config::v1::LogFiles& config,
                                              std::string state_file) {
  Options options;
  options.paths.assign(config.paths().begin(), config.paths().end());
  options.site = config.site();
  options.from_start = config.from() == "start";
  if (config.line_bytes_max() != 0) options.line_bytes_max = config.line_bytes_max();
  options.state_file = std::move(state_file);
  return options;
}

std::vector<std::string> LogTail::Amiss(const std::vector<std::string>& paths) {
  std::vector<std::string> lines;
  for (const std::string& path : paths) traffic::Amiss(path, lines);
  return lines;
}

absl::StatusOr<std::unique_ptr<LogTail>> LogTail::Open(Options options, Coverage& coverage,
                                                       MessageSink& sink) {
  auto tail = std::make_unique<Tail>(std::move(options), coverage, sink);
  if (absl::Status status = tail->Open(); !status.ok()) return status;
  return std::unique_ptr<LogTail>(std::move(tail));
}

}  // namespace skimwatch::traffic
