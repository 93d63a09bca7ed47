#include "agent/traffic/source/journal_source.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/card/mask.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/source/journal_files.h"
#include "agent/traffic/source/log_state.h"
#include "spdlog/spdlog.h"

namespace skimwatch::traffic {
namespace {

constexpr uint32_t kFieldBytesMin = 1024;
constexpr uint32_t kFieldBytesMax = 16u << 20;
// Of all fields of an entry, in bytes of one.
constexpr size_t kEntryFields = 4;
constexpr size_t kFieldNameBytesMax = 64;
// Read before it is looked whether to stop.
constexpr int kTurnEntries = 256;
constexpr absl::Duration kStopReading = absl::Seconds(5);
// A buffer of a large entry is given back.
constexpr size_t kBufferKeptBytes = 64 << 10;
// A value that is shorter holds no number, in no encoding.
constexpr size_t kValueBytesMin = 12;

struct CloseJournal {
  void operator()(sd_journal* journal) const { sd_journal_close(journal); }
};
using Journal = std::unique_ptr<sd_journal, CloseJournal>;

absl::StatusOr<Journal> OpenJournal(const std::string& directory) {
  sd_journal* journal = nullptr;
  const int result = directory.empty() ? sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY)
                                       : sd_journal_open_directory(&journal, directory.c_str(), 0);
  if (result < 0) {
    return absl::ErrnoToStatus(
        -result, absl::StrCat("journal: can't open ",
                              directory.empty() ? "the journal of this machine" : directory));
  }
  return Journal(journal);
}

// The text of the entry that `journal` stands at; empty on failure.
std::string CursorOf(sd_journal* journal) {
  char* text = nullptr;
  if (sd_journal_get_cursor(journal, &text) < 0) return "";
  std::string cursor = text;
  free(text);
  return cursor;
}

// An entry's number in the run of the journald that wrote it, from its cursor
// (`s=<run>;i=<number in hex>;...`).
struct EntryNumber {
  std::string run;
  uint64_t number = 0;
};

std::optional<EntryNumber> NumberOf(const std::string& cursor) {
  constexpr std::string_view kRun = "s=";
  constexpr std::string_view kNumber = ";i=";
  const size_t number = cursor.find(kNumber);
  if (!std::string_view(cursor).starts_with(kRun) || number == std::string::npos) {
    return std::nullopt;
  }
  EntryNumber result{.run = cursor.substr(kRun.size(), number - kRun.size())};
  const size_t begin = number + kNumber.size();
  if (!absl::SimpleHexAtoi(cursor.substr(begin, cursor.find(';', begin) - begin), &result.number)) {
    return std::nullopt;
  }
  return result;
}

std::string_view NameOf(std::string_view field) {
  return field.substr(0, std::min(field.find('='), field.size()));
}

// Whether the field is to be scanned: what a program wrote, and its command line. All others that
// begin with `_` are journald's own.
bool IsFromProgram(std::string_view name) { return !name.starts_with('_') || name == "_CMDLINE"; }

class Source final : public JournalSource {
 public:
  Source(Options options, Coverage& coverage, MessageSink& sink)
      : options_(std::move(options)), coverage_(coverage), sink_(sink) {}
  ~Source() override;

  absl::Status Open();
  void Start() override;
  void Stop() override;
  void PollOnce(absl::Time now) override;
  Stats GetStats() const override;

 private:
  // One field of the entry at hand, in buffer_.
  struct Field {
    size_t begin = 0;
    size_t size = 0;
    size_t name_size = 0;
  };

  absl::Status LoadPosition();
  void Run();
  // The last round.
  void Finish();
  bool Stopping() const { return stopping_.load(std::memory_order_relaxed); }
  void Wait(absl::Time until);

  // Makes the journal ready to go on from the position; false while there is none.
  bool EnsureOpen(absl::Time now);
  absl::Status OpenAtPosition();
  // Counts entries that were deleted before they were read.
  void CheckDeletion();
  // Reads until `until`, or on the thread until a stop; true when nothing is left.
  bool ReadEntries(absl::Time until, bool until_stop);
  bool ReadTurn(bool& any);
  void TakeEntry();
  void CountGap(const std::string& cursor);
  // Keeps the field, or as much as there is room for.
  void Keep(std::string_view field);
  void NoteProvenance(std::string_view name, std::string_view value);
  void PassFields();
  // Looks at the files of the journal.
  void Look(absl::Time now);
  void NoteDamaged(const JournalFile& file, const std::string& what);
  void MaybeSave(absl::Time now);
  void Save(absl::Time now);
  void NoteTrouble(const std::string& about, const std::string& text);
  void Publish();

  const Options options_;
  Coverage& coverage_;
  MessageSink& sink_;

  // Used on the thread alone, once there is one, as sd-journal(3) asks for.
  Journal journal_;
  absl::Time next_open_ = absl::InfinitePast();
  absl::Time next_look_ = absl::InfinitePast();
  // Of the last entry that was passed, or that was there before the start.
  v1::JournalPosition position_;
  std::optional<EntryNumber> last_number_;
  // The entries before the next one were deleted, or are in files that can't be read.
  bool deletion_ = false;

  // Of the entry at hand.
  std::string buffer_;
  std::vector<Field> fields_;
  uint64_t entry_bytes_ = 0;
  Provenance provenance_;
  Process process_;
  std::string unit_;
  std::string identifier_;
  std::string container_;

  // As the last look found them: to be opened; not, for the first time; not to be read to the end.
  std::set<JournalFileKey> good_;
  std::set<JournalFileKey> suspects_;
  std::set<JournalFileKey> damaged_;
  // On the disk, in files that libsystemd does not hold.
  uint64_t missing_bytes_ = 0;
  std::map<std::string, std::string> troubles_;
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

Source::~Source() {
  Stop();
  if (stop_fd_ >= 0) close(stop_fd_);
}

absl::Status Source::Open() {
  const auto refuse = [](const std::string& text) {
    return absl::InvalidArgumentError(absl::StrCat("journal: ", text));
  };
  for (const std::string& match : options_.matches) {
    if (!IsJournalMatch(match)) return refuse(absl::StrCat("`", match, "` is not `FIELD=value`"));
  }
  if (options_.field_bytes_max < kFieldBytesMin || options_.field_bytes_max > kFieldBytesMax) {
    return refuse(absl::StrCat("`field_bytes_max` is ", options_.field_bytes_max, ", must be ",
                               kFieldBytesMin, " to ", kFieldBytesMax));
  }
  if (options_.state_file.empty()) return refuse("no state file");
  stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_fd_ < 0) return absl::ErrnoToStatus(errno, "journal: eventfd");
  if (absl::Status s = Check(options_.directory); !s.ok()) return s;
  if (absl::Status s = LoadPosition(); !s.ok()) return s;
  Publish();
  return absl::OkStatus();
}

absl::Status Source::LoadPosition() {
  absl::StatusOr<v1::LogState> state = LoadLogState(options_.state_file);
  if (state.ok() && state->has_journal()) {
    position_ = std::move(*state->mutable_journal());
    last_number_ = NumberOf(position_.cursor());
    return absl::OkStatus();
  }
  if (!state.ok() && !absl::IsNotFound(state.status())) {
    const std::string damaged = absl::StrCat(options_.state_file, ".damaged");
    const bool kept = rename(options_.state_file.c_str(), damaged.c_str()) == 0;
    NoteTrouble(options_.state_file,
                absl::StrCat(std::string(state.status().message()), "; ",
                             kept ? absl::StrCat("kept as ", damaged) : "it will be replaced",
                             ", and the journal is followed from its ",
                             options_.from_start ? "start" : "end"));
  }
  if (options_.from_start) return absl::OkStatus();
  // Here, so that what is written after Open is seen.
  absl::StatusOr<Journal> journal = OpenJournal(options_.directory);
  if (!journal.ok()) return journal.status();
  if (sd_journal_seek_tail(journal->get()) < 0 || sd_journal_previous(journal->get()) <= 0) {
    return absl::OkStatus();
  }
  uint64_t realtime = 0;
  (void)sd_journal_get_realtime_usec(journal->get(), &realtime);
  position_.set_cursor(CursorOf(journal->get()));
  position_.set_realtime_usec(realtime);
  last_number_ = NumberOf(position_.cursor());
  return absl::OkStatus();
}

void Source::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Source::Stop() {
  if (std::exchange(stopped_, true) || stop_fd_ < 0) return;
  stopping_ = true;
  const uint64_t one = 1;
  (void)!write(stop_fd_, &one, sizeof(one));
  if (thread_.joinable()) {
    thread_.join();
  } else {
    Finish();
  }
}

void Source::Finish() {
  const absl::Time now = absl::Now();
  if (EnsureOpen(now)) {
    (void)sd_journal_process(journal_.get());
    CheckDeletion();
    ReadEntries(now + kStopReading, /*until_stop=*/false);
  }
  Save(now);
  journal_.reset();
  Publish();
}

void Source::PollOnce(absl::Time now) {
  if (EnsureOpen(now)) {
    (void)sd_journal_process(journal_.get());
    CheckDeletion();
    ReadEntries(absl::InfiniteFuture(), /*until_stop=*/false);
    Look(now);
  }
  MaybeSave(now);
  Publish();
}

void Source::Run() {
  pthread_setname_np(pthread_self(), "journal");
  while (!Stopping()) {
    const absl::Time now = absl::Now();
    if (!EnsureOpen(now)) {
      Publish();
      Wait(next_open_);
      continue;
    }
    const bool all = ReadEntries(now + absl::Seconds(1), /*until_stop=*/true);
    // Also when the clock was set back.
    if (all && (now >= next_look_ || next_look_ - now > options_.look_interval)) Look(now);
    MaybeSave(absl::Now());
    Publish();
    memory::WipeDeadStack();
    if (!all) continue;
    Wait(absl::Now() + std::min(options_.look_interval, options_.save_interval));
    if (journal_ != nullptr && sd_journal_process(journal_.get()) == SD_JOURNAL_INVALIDATE) {
      CheckDeletion();
      next_look_ = absl::InfinitePast();
    }
  }
  Finish();
}

void Source::Wait(absl::Time until) {
  int64_t milliseconds = absl::ToInt64Milliseconds(until - absl::Now());
  pollfd fds[2] = {{stop_fd_, POLLIN, 0}, {-1, 0, 0}};
  if (journal_ != nullptr) {
    fds[1].fd = sd_journal_get_fd(journal_.get());
    const int events = sd_journal_get_events(journal_.get());
    fds[1].events = static_cast<short>(events < 0 ? 0 : events);
    uint64_t at_usec = 0;
    // By CLOCK_MONOTONIC, where inotify does not tell all (network file systems).
    if (sd_journal_get_timeout(journal_.get(), &at_usec) > 0) {
      timespec clock = {};
      clock_gettime(CLOCK_MONOTONIC, &clock);
      const int64_t now_usec = clock.tv_sec * 1'000'000 + clock.tv_nsec / 1000;
      milliseconds = std::min(milliseconds, (static_cast<int64_t>(at_usec) - now_usec) / 1000 + 1);
    }
  }
  poll(fds, fds[1].fd < 0 ? 1 : 2, static_cast<int>(std::clamp<int64_t>(milliseconds, 1, 60000)));
}

bool Source::EnsureOpen(absl::Time now) {
  if (journal_ != nullptr) return true;
  if (now < next_open_ && next_open_ - now <= options_.reopen_interval) return false;
  next_open_ = now + options_.reopen_interval;
  absl::Status status = Check(options_.directory);
  if (status.ok()) status = OpenAtPosition();
  stats_.up = status.ok();
  if (!status.ok()) {
    NoteTrouble("journal", std::string(status.message()));
    return false;
  }
  troubles_.erase("journal");
  next_look_ = absl::InfinitePast();
  return true;
}

absl::Status Source::OpenAtPosition() {
  absl::StatusOr<Journal> journal = OpenJournal(options_.directory);
  if (!journal.ok()) return journal.status();
  sd_journal* const opened = journal->get();
  const auto check = [](const char* doing, int result) {
    return result < 0 ? absl::ErrnoToStatus(-result, absl::StrCat("journal: can't ", doing))
                      : absl::OkStatus();
  };
  // Also the end of what is undone of a compressed field.
  absl::Status status = check(
      "limit fields", sd_journal_set_data_threshold(opened, size_t{options_.field_bytes_max} + 1));
  for (const std::string& match : options_.matches) {
    if (status.ok()) {
      status = check("match", sd_journal_add_match(opened, match.data(), match.size()));
    }
  }
  // Sets inotify up, before the first entry is read, so that none is missed.
  if (status.ok()) {
    const int fd = sd_journal_get_fd(opened);
    status = check("watch for entries", std::min(fd, 0));
  }
  if (!status.ok()) return status;
  if (position_.cursor().empty()) {
    status = check("seek", sd_journal_seek_head(opened));
  } else {
    status = check("go on at the saved place",
                   sd_journal_seek_cursor(opened, position_.cursor().c_str()));
    if (absl::IsInvalidArgument(status)) {
      NoteTrouble(options_.state_file,
                  "journal: the saved place can't be understood; going on at "
                  "its time");
      status = check("seek", sd_journal_seek_realtime_usec(opened, position_.realtime_usec()));
    }
  }
  if (!status.ok()) return status;
  journal_ = *std::move(journal);
  CheckDeletion();
  return absl::OkStatus();
}

void Source::CheckDeletion() {
  uint64_t oldest = 0;
  if (position_.cursor().empty() || deletion_ ||
      sd_journal_get_cutoff_realtime_usec(journal_.get(), &oldest, nullptr) <= 0 ||
      oldest <= position_.realtime_usec()) {
    return;
  }
  // Nothing of the time of the last entry is left. Whether there was more behind it, the number of
  // the next entry tells.
  deletion_ = true;
}

bool Source::ReadEntries(absl::Time until, bool until_stop) {
  while (true) {
    bool any = false;
    if (!ReadTurn(any)) return true;
    if (!any) return true;
    const absl::Time now = absl::Now();
    MaybeSave(now);
    Publish();
    if (now >= until || (until_stop && Stopping())) return false;
  }
}

bool Source::ReadTurn(bool& any) {
  for (int i = 0; i < kTurnEntries; ++i) {
    const int result = sd_journal_next(journal_.get());
    if (result == 0) return false;
    if (result < 0) {
      NoteTrouble("reading",
                  absl::StrCat("journal: can't go on: ", strerror(-result), "; opening it anew"));
      journal_.reset();
      return false;
    }
    // After a seek: the entry that was passed last.
    if (!position_.cursor().empty() &&
        sd_journal_test_cursor(journal_.get(), position_.cursor().c_str()) > 0) {
      continue;
    }
    any = true;
    TakeEntry();
  }
  return true;
}

void Source::CountGap(const std::string& cursor) {
  std::optional<EntryNumber> number = NumberOf(cursor);
  const bool is_known = options_.matches.empty() && number.has_value() &&
                        last_number_.has_value() && number->run == last_number_->run;
  uint64_t missing = 0;
  if (is_known && number->number > last_number_->number) {
    missing = number->number - last_number_->number - 1;
  }
  last_number_ = std::move(number);
  const bool deleted = std::exchange(deletion_, false);
  if (deleted && (missing > 0 || !is_known)) ++stats_.deletions;
  if (missing == 0) return;
  if (deleted) {
    stats_.entries_deleted += missing;
  } else if (stats_.files_not_permitted > 0) {
    stats_.entries_not_permitted += missing;
  } else {
    stats_.entries_unreadable += missing;
  }
  const char* why = deleted ? "were deleted before they were read; keep more of the journal "
                              "(SystemMaxUse=) or start the agent sooner"
                            : "could not be read: a file of the journal is damaged, or may not be "
                              "read by this user (`journalctl --verify`)";
  // Where files may not be read this goes on for ever.
  if (deleted || stats_.files_not_permitted == 0) {
    spdlog::warn("journal: {} entries {}", missing, why);
  }
}

void Source::TakeEntry() {
  sd_journal* const journal = journal_.get();
  const std::string cursor = CursorOf(journal);
  uint64_t realtime = 0;
  (void)sd_journal_get_realtime_usec(journal, &realtime);
  CountGap(cursor);
  fields_.clear();
  entry_bytes_ = 0;
  process_ = Process();
  unit_.clear();
  identifier_.clear();
  container_.clear();

  constexpr std::string_view kMessage = "MESSAGE=";
  const void* data = nullptr;
  size_t size = 0;
  // First, so that a limit does not cut it off.
  const bool has_message = sd_journal_get_data(journal, "MESSAGE", &data, &size) >= 0;
  if (has_message) Keep({static_cast<const char*>(data), size});
  bool skip_message = has_message;
  sd_journal_restart_data(journal);
  int result = 0;
  while ((result = sd_journal_enumerate_available_data(journal, &data, &size)) > 0) {
    const std::string_view field(static_cast<const char*>(data), size);
    if (skip_message && field.starts_with(kMessage)) {
      skip_message = false;
      continue;
    }
    const std::string_view name = NameOf(field);
    if (IsFromProgram(name)) Keep(field);
    NoteProvenance(name, field.substr(std::min(name.size() + 1, field.size())));
  }
  if (result < 0) {
    ++stats_.entries_damaged;
    NoteTrouble("entries",
                absl::StrCat("journal: a part of an entry can't be read: ", strerror(-result)));
  }
  ++stats_.entries;
  const absl::Time now = absl::Now();
  const absl::Time made =
      absl::FromUnixMicros(static_cast<int64_t>(std::min<uint64_t>(realtime, INT64_MAX)));
  provenance_.seen_at = std::min(made, now);
  PassFields();
  position_.set_cursor(cursor);
  position_.set_realtime_usec(realtime);
}

void Source::Keep(std::string_view field) {
  const size_t room = kEntryFields * options_.field_bytes_max - buffer_.size();
  const size_t kept = std::min({field.size(), size_t{options_.field_bytes_max}, room});
  stats_.bytes += field.size();
  if (kept < field.size()) {
    ++stats_.fields_cut;
    coverage_.Add(Reason::kTruncatedEntryLimit, field.size() - kept);
  }
  if (kept == 0) return;
  fields_.push_back({.begin = buffer_.size(), .size = kept, .name_size = NameOf(field).size()});
  buffer_.append(field.substr(0, kept));
}

void Source::NoteProvenance(std::string_view name, std::string_view value) {
  constexpr size_t kBytesMax = 4096;
  value = CutName(value, kBytesMax);
  if (name == "_PID") {
    (void)absl::SimpleAtoi(absl::string_view(value.data(), value.size()), &process_.pid);
  } else if (name == "_EXE") {
    process_.executable = value;
  } else if (name == "_COMM") {
    process_.command = value;
  } else if (name == "_SYSTEMD_CGROUP") {
    process_.cgroup = value;
  } else if (name == "CONTAINER_ID_FULL") {
    process_.container_id = value;
  } else if (name == "_SYSTEMD_UNIT") {
    unit_ = value;
  } else if (name == "SYSLOG_IDENTIFIER") {
    identifier_ = value;
  } else if (name == "CONTAINER_NAME") {
    container_ = value;
  }
}

void Source::PassFields() {
  // A container's entries are all of the unit that runs containers.
  const std::string& writer = !container_.empty()         ? container_
                              : !unit_.empty()            ? unit_
                              : !identifier_.empty()      ? identifier_
                              : !process_.command.empty() ? process_.command
                                                          : identifier_;
  provenance_.source = SourceKind::kJournal;
  provenance_.direction = Direction::kAtRest;
  provenance_.site = options_.site;
  provenance_.file = absl::StrCat("journal:", writer.empty() ? "unknown" : writer);
  provenance_.process = std::make_shared<const Process>(process_);
  for (const Field& field : fields_) {
    const std::string_view bytes = std::string_view(buffer_).substr(field.begin, field.size);
    ++stats_.fields;
    coverage_.Add(Reason::kScanned, bytes.size());
    if (bytes.size() - std::min(field.name_size, bytes.size()) < kValueBytesMin) continue;
    provenance_.path = bytes.substr(0, std::min(field.name_size, kFieldNameBytesMax));
    PartConsumer* const part = sink_.BeginPart(provenance_, Part::kField);
    part->Data(bytes);
    part->End();
  }
  memory::Wipe(buffer_);
  if (buffer_.capacity() > kBufferKeptBytes) std::string().swap(buffer_);
}

void Source::Look(absl::Time now) {
  next_look_ = now + options_.look_interval;
  const std::vector<JournalFile> files =
      ListJournalFiles(JournalFolders(options_.directory), good_);
  stats_.files = files.size();
  stats_.files_not_permitted = 0;
  good_.clear();
  const std::set<JournalFileKey> suspects = std::exchange(suspects_, {});
  const std::set<JournalFileKey> damaged = std::exchange(damaged_, {});
  uint64_t disk_bytes = 0;
  for (const JournalFile& file : files) {
    if (damaged.contains(file.key)) damaged_.insert(file.key);
    switch (file.state) {
      case JournalFile::State::kGood:
        good_.insert(file.key);
        disk_bytes += file.disk_bytes;
        break;
      case JournalFile::State::kNotPermitted:
        ++stats_.files_not_permitted;
        NoteTrouble("rights",
                    "journal: some files may not be read by this user; put it into the "
                    "group systemd-journal");
        break;
      case JournalFile::State::kDamaged:
        // One that is just being made looks so for a moment.
        suspects_.insert(file.key);
        if (suspects.contains(file.key)) NoteDamaged(file, "is damaged and can't be opened");
        break;
    }
  }
  if (stats_.files_not_permitted == 0) troubles_.erase("rights");
  // libsystemd lets go of a file that it can't go on in, and this is how it shows.
  uint64_t used_bytes = 0;
  if (journal_ == nullptr || sd_journal_get_usage(journal_.get(), &used_bytes) < 0) return;
  const uint64_t missing_bytes = disk_bytes - std::min(disk_bytes, used_bytes);
  if (std::exchange(missing_bytes_, missing_bytes) == missing_bytes) return;
  for (const JournalFile& file : files) {
    if (file.state == JournalFile::State::kGood && !damaged_.contains(file.key) &&
        IsDamagedAfter(file.path, position_.cursor())) {
      NoteDamaged(file, "is damaged; its last entries can't be read");
    }
  }
}

void Source::NoteDamaged(const JournalFile& file, const std::string& what) {
  if (!damaged_.insert(file.key).second) return;
  ++stats_.files_damaged;
  ++stats_.errors;
  // Of a journal from elsewhere, the name holds that of its host.
  stats_.last_error = absl::StrCat("journal: ", card::RedactCardNumbers(file.path), " ", what);
  spdlog::warn("{} (`journalctl --verify --file`)", stats_.last_error);
}

void Source::MaybeSave(absl::Time now) {
  if (now - saved_at_ >= options_.save_interval || now < saved_at_) Save(now);
}

void Source::Save(absl::Time now) {
  saved_at_ = now;
  v1::LogState state;
  *state.mutable_journal() = position_;
  const std::string text = EncodeLogState(state);
  if (text == saved_) return;
  if (options_.before_save) options_.before_save();
  if (absl::Status status = SaveLogState(options_.state_file, text); !status.ok()) {
    NoteTrouble(options_.state_file, std::string(status.message()));
    return;
  }
  troubles_.erase(options_.state_file);
  saved_ = text;
}

void Source::NoteTrouble(const std::string& about, const std::string& text) {
  std::string& trouble = troubles_[about];
  if (trouble == text) return;
  trouble = text;
  ++stats_.errors;
  stats_.last_error = text;
  spdlog::warn("{}", text);
}

void Source::Publish() {
  absl::MutexLock lock(&mutex_);
  published_ = stats_;
}

JournalSource::Stats Source::GetStats() const {
  absl::MutexLock lock(&mutex_);
  return published_;
}

}  // namespace

JournalSource::Options JournalSource::Options::FromConfig(const config::v1::Journal& config,
                                                          std::string state_file) {
  Options options;
  options.directory = config.directory();
  for (const std::string& unit : config.units()) {
    options.matches.push_back(absl::StrCat("_SYSTEMD_UNIT=", unit));
  }
  for (const std::string& identifier : config.identifiers()) {
    options.matches.push_back(absl::StrCat("SYSLOG_IDENTIFIER=", identifier));
  }
  options.matches.insert(options.matches.end(), config.matches().begin(), config.matches().end());
  options.site = config.site();
  options.from_start = config.from() == "start";
  if (config.field_bytes_max() != 0) options.field_bytes_max = config.field_bytes_max();
  options.state_file = std::move(state_file);
  return options;
}

absl::StatusOr<std::unique_ptr<JournalSource>> JournalSource::Open(Options options,
                                                                   Coverage& coverage,
                                                                   MessageSink& sink) {
  auto source = std::make_unique<Source>(std::move(options), coverage, sink);
  if (absl::Status status = source->Open(); !status.ok()) return status;
  return std::unique_ptr<JournalSource>(std::move(source));
}

absl::Status JournalSource::Check(const std::string& directory) {
  const std::vector<std::string> folders = JournalFolders(directory);
  return CheckJournalFiles(folders, ListJournalFiles(folders));
}

bool IsJournalMatch(std::string_view match) {
  const size_t equals = match.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals > kFieldNameBytesMax ||
      match.find('\0') != std::string_view::npos) {
    return false;
  }
  const std::string_view name = match.substr(0, equals);
  return (name[0] < '0' || name[0] > '9') && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

}  // namespace skimwatch::traffic
