#include "agent/traffic/source/sample_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/card/mask.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/source/file_notifier.h"
#include "agent/traffic/source/log_state.h"
#include "agent/traffic/source/sample_reader.h"
#include "spdlog/spdlog.h"

namespace skimwatch::traffic {
namespace {

constexpr std::string_view kSuffix = ".samples";
constexpr size_t kReadBytes = 256u << 10;
// Taken from the folder at a look; more wait for the next.
constexpr size_t kFilesALook = 4096;
// Files that are put away together, after one before_save.
constexpr size_t kFilesABatch = 64;
constexpr uint32_t kAttemptsMax = 3;
// Names that are tried in `failed` and `done`.
constexpr int kNamesMax = 10000;

// What tells a file and its content from others.
struct FileState {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t changed_ns = 0;

  auto operator<=>(const FileState&) const = default;
};

FileState StateOf(const struct stat& info) {
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .size = static_cast<uint64_t>(info.st_size),
          .changed_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

class Folder final : public SampleFolder {
 public:
  Folder(Options options, Coverage& coverage, SampleTarget& target)
      : options_(std::move(options)), coverage_(coverage), scan_(options_.scan, coverage, target) {
    buffer_.resize(kReadBytes);
  }
  ~Folder() override;

  absl::Status Open();
  void Start() override;
  void Stop() override;
  void PollOnce(absl::Time now) override;
  Stats GetStats() const override {
    absl::MutexLock lock(&mutex_);
    return published_;
  }

 private:
  struct Waiting {
    std::string name;
    FileState state;
  };
  enum class Outcome : uint8_t {
    // To its end.
    kRead,
    // More of it is still being written, or it is to stop.
    kLater,
    // To be put into `failed`.
    kFailed,
    // Can't be read; was noted.
    kLeft,
  };
  // Passes the samples of one file on.
  class FileSink final : public SampleReader::Sink {
   public:
    // `invalid`: what was wrong before, empty for nothing.
    FileSink(Folder& owner, uint64_t id, const std::string& invalid)
        : owner_(owner),
          id_(id),
          invalid_(invalid.empty() ? absl::OkStatus() : absl::InvalidArgumentError(invalid)) {}
    void OnSample(std::string_view encoded, uint64_t offset) override {
      const absl::Status status = owner_.scan_.Take(id_, encoded, absl::Now());
      if (!status.ok() && invalid_.ok()) {
        invalid_ = absl::InvalidArgumentError(
            absl::StrCat("the sample at offset ", offset, " ", std::string(status.message())));
      }
    }
    void OnTooLong(uint64_t length, uint64_t offset) override {
      owner_.scan_.CountTooLong();
      if (!invalid_.ok()) return;
      invalid_ = absl::InvalidArgumentError(absl::StrCat(
          "the sample at offset ", offset, " has ", length, " bytes, more than sample_kib_max"));
    }
    void OnSkipped(uint64_t bytes) override { owner_.scan_.Skipped(bytes); }

    // What was wrong with the first sample that was left out.
    const absl::Status& invalid() const { return invalid_; }

   private:
    Folder& owner_;
    const uint64_t id_;
    absl::Status invalid_;
  };

  void Run();
  // Keeps where to go on in a file.
  void Leave(const v1::SamplePosition& position) {
    left_at_[{position.device(), position.inode()}] = position;
  }
  // Where reading stands in this file; null at its start.
  const v1::SamplePosition* LeftIn(const FileState& state) const {
    const auto left = left_at_.find({state.device, state.inode});
    if (left == left_at_.end() || left->second.offset() > state.size) return nullptr;
    const int64_t changed_ns = left->second.changed_ns();
    return changed_ns == 0 || changed_ns == state.changed_ns ? &left->second : nullptr;
  }
  bool Stopping() const { return stopping_.load(std::memory_order_relaxed); }
  std::string PathOf(const std::string& name) const {
    return absl::StrCat(options_.path, "/", name);
  }
  // As it may be shown: whoever puts a file here names it.
  std::string ShownPathOf(const std::string& name) const {
    return card::RedactCardNumbers(PathOf(name));
  }
  // The files that are there and were not given up, the oldest first.
  std::vector<Waiting> Look();
  // Reads what is there until a stop; true when nothing is left.
  bool ReadFiles();
  void ReadOne(const Waiting& file);
  Outcome ReadFile(const Waiting& file, absl::Status& failure);
  Outcome ReadOpen(int fd, const Waiting& file, absl::Status& failure);
  void Fail(const Waiting& file, const absl::Status& failure);
  // Puts away what was read. `at_hand` is where reading stands in the file that is still open.
  void PutAway(const v1::SamplePosition* at_hand);
  // False, noted, when it can't be.
  bool MoveTo(const std::string& folder, const Waiting& file);
  void GiveUp(const Waiting& file, const std::string& text);
  void Save(const v1::SamplePosition* position, bool synced);
  void Note(const std::string& about, const std::string& text);
  void Publish();

  const Options options_;
  Coverage& coverage_;
  SampleScan scan_;
  std::vector<char> buffer_;
  uint64_t next_file_ = 1;
  // Where reading stands in files that were not read to their end, by device and inode: the one
  // that the last run ended in, and those that are still written to. Until a file is read on or
  // gone.
  std::map<std::pair<uint64_t, uint64_t>, v1::SamplePosition> left_at_;
  // Read, and not yet put away.
  std::vector<Waiting> read_;
  // Not to be looked at again as they are.
  std::set<FileState> given_up_;
  std::map<std::string, std::string> troubles_;
  // On the thread that works; published for others.
  Stats stats_;

  std::unique_ptr<FileNotifier> notifier_;
  int stop_fd_ = -1;
  std::atomic<bool> stopping_ = false;
  bool stopped_ = false;
  std::thread thread_;

  mutable absl::Mutex mutex_;
  Stats published_ ABSL_GUARDED_BY(mutex_);
};

Folder::~Folder() {
  Stop();
  if (stop_fd_ >= 0) close(stop_fd_);
  explicit_bzero(buffer_.data(), buffer_.size());
}

absl::Status Folder::Open() {
  if (options_.state_file.empty()) return absl::InvalidArgumentError("samples: no state file");
  if (absl::Status s = Check(options_.path); !s.ok()) return s;
  stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_fd_ < 0) return absl::ErrnoToStatus(errno, "samples: eventfd");
  absl::StatusOr<v1::LogState> state = LoadLogState(options_.state_file);
  if (state.ok()) {
    if (state->has_sample_file()) Leave(state->sample_file());
  } else if (!absl::IsNotFound(state.status())) {
    Note(options_.state_file,
         absl::StrCat(std::string(state.status().message()), "; files are read from their start"));
  }
  Publish();
  return absl::OkStatus();
}

void Folder::Start() {
  notifier_ = std::make_unique<FileNotifier>();
  thread_ = std::thread([this] { Run(); });
}

void Folder::Stop() {
  if (std::exchange(stopped_, true) || stop_fd_ < 0) return;
  stopping_ = true;
  const uint64_t one = 1;
  (void)!write(stop_fd_, &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
  scan_.Flush(absl::Now());
  Publish();
}

void Folder::PollOnce(absl::Time now) {
  ReadFiles();
  scan_.OnIdle(now);
  Publish();
}

void Folder::Run() {
  pthread_setname_np(pthread_self(), "sample-folder");
  while (!Stopping()) {
    // Before the look, so that nothing comes unseen between them.
    notifier_->WatchFolders({options_.path});
    (void)notifier_->Take();
    const bool all = ReadFiles();
    scan_.OnIdle(absl::Now());
    Publish();
    memory::WipeDeadStack();
    if (!all) continue;
    pollfd fds[2] = {{stop_fd_, POLLIN, 0}, {notifier_->fd(), POLLIN, 0}};
    poll(fds, 2, static_cast<int>(absl::ToInt64Milliseconds(options_.poll_interval)));
  }
}

std::vector<Folder::Waiting> Folder::Look() {
  std::vector<Waiting> files;
  DIR* const entries = opendir(options_.path.c_str());
  if (entries == nullptr) {
    Note(options_.path, absl::StrCat(options_.path, ": can't be read: ", strerror(errno)));
    return files;
  }
  troubles_.erase(options_.path);
  const auto close_folder = absl::MakeCleanup([entries] { closedir(entries); });
  std::set<FileState> seen;
  while (const dirent* entry = readdir(entries)) {
    const std::string_view name = entry->d_name;
    if (!name.ends_with(kSuffix) || name.starts_with('.')) continue;
    struct stat info = {};
    if (fstatat(dirfd(entries), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    Waiting file{.name = std::string(name), .state = StateOf(info)};
    seen.insert(file.state);
    if (given_up_.contains(file.state)) continue;
    if (!S_ISREG(info.st_mode)) {
      GiveUp(file, "is no file");
      continue;
    }
    files.push_back(std::move(file));
    if (files.size() >= kFilesALook) break;
  }
  if (files.size() < kFilesALook) {
    std::erase_if(given_up_, [&](const FileState& state) { return !seen.contains(state); });
    std::set<std::pair<uint64_t, uint64_t>> there;
    for (const FileState& state : seen) there.emplace(state.device, state.inode);
    std::erase_if(left_at_, [&](const auto& left) { return !there.contains(left.first); });
  }
  std::sort(files.begin(), files.end(), [&](const Waiting& a, const Waiting& b) {
    // The one that the last run ended in goes first: had it ended the process, its count must not
    // be forgotten over others.
    const auto was_left = [&](const Waiting& file) { return LeftIn(file.state) != nullptr; };
    return std::tuple(!was_left(a), a.state.changed_ns, std::string_view(a.name)) <
           std::tuple(!was_left(b), b.state.changed_ns, std::string_view(b.name));
  });
  return files;
}

bool Folder::ReadFiles() {
  const std::vector<Waiting> files = Look();
  stats_.files_waiting = files.size();
  absl::Time put_away_at = absl::Now();
  for (const Waiting& file : files) {
    if (Stopping()) break;
    ReadOne(file);
    --stats_.files_waiting;
    const absl::Time now = absl::Now();
    if (read_.size() >= kFilesABatch ||
        absl::AbsDuration(now - put_away_at) >= options_.save_interval) {
      PutAway(nullptr);
      put_away_at = now;
    }
    Publish();
  }
  PutAway(nullptr);
  return files.size() < kFilesALook;
}

void Folder::ReadOne(const Waiting& file) {
  absl::Status failure;
  switch (ReadFile(file, failure)) {
    case Outcome::kRead:
      ++stats_.files;
      read_.push_back(file);
      break;
    case Outcome::kFailed:
      Fail(file, failure);
      break;
    case Outcome::kLeft:
      // It did not end the process.
      Save(nullptr, /*synced=*/false);
      break;
    case Outcome::kLater:
      break;
  }
}

Folder::Outcome Folder::ReadFile(const Waiting& file, absl::Status& failure) {
  const int fd = open(PathOf(file.name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) {
    if (errno != ENOENT) GiveUp(file, absl::StrCat("can't be opened: ", strerror(errno)));
    return Outcome::kLeft;
  }
  const Outcome outcome = ReadOpen(fd, file, failure);
  close(fd);
  return outcome;
}

Folder::Outcome Folder::ReadOpen(int fd, const Waiting& file, absl::Status& failure) {
  v1::SamplePosition position;
  position.set_device(file.state.device);
  position.set_inode(file.state.inode);
  if (const v1::SamplePosition* const left = LeftIn(file.state)) position = *left;
  left_at_.erase({file.state.device, file.state.inode});
  if (position.attempts() >= kAttemptsMax) {
    failure = absl::DataLossError(absl::StrCat("the agent ended ", position.attempts(),
                                               " times while it read on from offset ",
                                               position.offset()));
    coverage_.Add(Reason::kUndecodableSample, file.state.size - position.offset());
    return Outcome::kFailed;
  }
  position.set_changed_ns(file.state.changed_ns);
  position.set_attempts(position.attempts() + 1);
  // Should reading end the process, this is what the next run finds.
  Save(&position, /*synced=*/false);

  const uint64_t id = next_file_++;
  FileSink sink(*this, id, position.invalid());
  SampleReader reader(options_.sample_bytes_max, sink, position.offset(), position.skip_bytes());
  const auto take_place = [&] {
    position.set_offset(reader.offset());
    position.set_skip_bytes(reader.skip_bytes());
    position.set_invalid(std::string(sink.invalid().message()));
  };
  absl::Time saved_at = absl::Now();
  Outcome outcome = Outcome::kRead;
  uint64_t at = position.offset();
  // As far as it went when it was found: a writer that goes on must not keep it here.
  while (at < file.state.size) {
    const size_t wanted = std::min<uint64_t>(buffer_.size(), file.state.size - at);
    const ssize_t got = pread(fd, buffer_.data(), wanted, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      GiveUp(file, absl::StrCat("can't be read: ", strerror(errno)));
      outcome = Outcome::kLeft;
      break;
    }
    if (got == 0) break;
    at += static_cast<uint64_t>(got);
    failure = reader.Take({buffer_.data(), static_cast<size_t>(got)});
    explicit_bzero(buffer_.data(), static_cast<size_t>(got));
    if (!failure.ok()) break;
    const absl::Time now = absl::Now();
    const bool due = absl::AbsDuration(now - saved_at) >= options_.save_interval;
    if (at >= file.state.size || (!due && !Stopping())) continue;
    saved_at = now;
    PutAway(&position);
    if (reader.offset() > position.offset()) position.set_attempts(0);
    take_place();
    if (Stopping()) {
      if (options_.before_save) options_.before_save();
      position.set_attempts(0);
      Save(&position, /*synced=*/true);
      scan_.EndWriter(id, now);
      return Outcome::kLater;
    }
    if (options_.before_save) options_.before_save();
    Save(&position, /*synced=*/true);
    Publish();
  }
  scan_.EndWriter(id, absl::Now());
  if (outcome == Outcome::kLeft) return outcome;
  struct stat info = {};
  const uint64_t size =
      fstat(fd, &info) == 0 ? static_cast<uint64_t>(info.st_size) : file.state.size;
  if (failure.ok() && size > file.state.size) {
    // It is still written to, against the rule.
    take_place();
    position.set_attempts(0);
    position.set_changed_ns(0);
    Leave(position);
    return Outcome::kLater;
  }
  if (failure.ok()) failure = reader.Finish();
  if (!failure.ok()) {
    coverage_.Add(Reason::kUndecodableSample, std::max(size, reader.taken()) - reader.offset());
    return Outcome::kFailed;
  }
  failure = sink.invalid();
  return failure.ok() ? Outcome::kRead : Outcome::kFailed;
}

void Folder::Fail(const Waiting& file, const absl::Status& failure) {
  ++stats_.files_failed;
  stats_.last_error = absl::StrCat(ShownPathOf(file.name), ": ", std::string(failure.message()));
  if (options_.before_save) options_.before_save();
  if (MoveTo("failed", file)) {
    spdlog::error("samples: {}; it is kept in {}/failed", stats_.last_error, options_.path);
  }
  Save(nullptr, /*synced=*/false);
}

void Folder::PutAway(const v1::SamplePosition* at_hand) {
  if (read_.empty()) return;
  if (options_.before_save) options_.before_save();
  for (const Waiting& file : read_) {
    struct stat info = {};
    const std::string path = PathOf(file.name);
    if (lstat(path.c_str(), &info) != 0) continue;
    // Another file has taken its name, or it was written to: read at the next look.
    if (StateOf(info) != file.state) continue;
    if (options_.keeps_files) {
      MoveTo("done", file);
    } else if (unlink(path.c_str()) != 0 && errno != ENOENT) {
      GiveUp(file, absl::StrCat("was read and can't be removed: ", strerror(errno)));
    }
  }
  read_.clear();
  // Where reading stood in files that are done with is of no use any more.
  Save(at_hand, /*synced=*/false);
}

bool Folder::MoveTo(const std::string& folder, const Waiting& file) {
  const std::string to = PathOf(folder);
  if (mkdir(to.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    GiveUp(file, absl::StrCat("can't be moved to ", to, ": ", strerror(errno)));
    return false;
  }
  for (int i = 0; i < kNamesMax; ++i) {
    const std::string name =
        absl::StrCat(to, "/", file.name, i == 0 ? std::string() : absl::StrCat(".", i));
    if (renameat2(AT_FDCWD, PathOf(file.name).c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) ==
        0) {
      return true;
    }
    if (errno == ENOENT) return false;
    if (errno != EEXIST) break;
  }
  GiveUp(file, absl::StrCat("can't be moved to ", to, ": ", strerror(errno)));
  return false;
}

void Folder::GiveUp(const Waiting& file, const std::string& text) {
  given_up_.insert(file.state);
  ++stats_.errors;
  stats_.last_error = absl::StrCat(ShownPathOf(file.name), ": ", text);
  spdlog::warn("samples: {}; it stays there", stats_.last_error);
}

void Folder::Save(const v1::SamplePosition* position, bool synced) {
  v1::LogState state;
  if (position != nullptr) *state.mutable_sample_file() = *position;
  const std::string text = EncodeLogState(state);
  if (absl::Status s = SaveLogState(options_.state_file, text, synced); !s.ok()) {
    Note(options_.state_file, std::string(s.message()));
  } else {
    troubles_.erase(options_.state_file);
  }
}

void Folder::Note(const std::string& about, const std::string& text) {
  std::string& trouble = troubles_[about];
  if (trouble == text) return;
  trouble = text;
  ++stats_.errors;
  stats_.last_error = text;
  spdlog::warn("samples: {}", text);
}

void Folder::Publish() {
  stats_.scan = scan_.stats();
  absl::MutexLock lock(&mutex_);
  published_ = stats_;
}

}  // namespace

SampleFolder::Options SampleFolder::Options::FromConfig(const config::v1::SampleFolder& config,
                                                        std::string state_file) {
  Options options;
  options.path = config.path();
  options.keeps_files = config.after() == "move";
  if (config.sample_kib_max() != 0) {
    options.sample_bytes_max = size_t{config.sample_kib_max()} << 10;
  }
  options.state_file = std::move(state_file);
  options.scan.name = absl::StrCat("samples:", config.path());
  options.scan.site = config.site();
  options.scan.scan_inbound = config.scan_inbound();
  return options;
}

absl::Status SampleFolder::Check(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return absl::NotFoundError(
        absl::StrCat(path, ": is no folder that this user can see; make it"));
  }
  if (faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        path,
        ": this user must be able to read it and to remove files from it: ", strerror(errno)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SampleFolder>> SampleFolder::Open(Options options,
                                                                 Coverage& coverage,
                                                                 SampleTarget& target) {
  auto folder = std::make_unique<Folder>(std::move(options), coverage, target);
  if (absl::Status status = folder->Open(); !status.ok()) return status;
  return std::unique_ptr<SampleFolder>(std::move(folder));
}

}  // namespace skimwatch::traffic
