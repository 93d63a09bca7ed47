#include "agent/traffic/source/tls_uprobe/tls_probes.h"

#include <bpf/libbpf.h>
#include <fnmatch.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/card/mask.h"
#include "agent/traffic/source/tls_uprobe/connection_reader.h"
#include "agent/traffic/source/tls_uprobe/mapped_files.h"
#include "agent/traffic/source/tls_uprobe/mapping_events.h"
#include "agent/traffic/source/tls_uprobe/probed_files.h"
#include "agent/traffic/source/tls_uprobe/process_table.h"
#include "agent/traffic/source/tls_uprobe/tls_programs.h"
#include "spdlog/spdlog.h"

namespace skimwatch::traffic {
namespace {

// How often the ring is looked at while it has little in it: after a while without records, while
// they come, and while some are held back.
constexpr absl::Duration kTickIdle = absl::Milliseconds(50);
constexpr absl::Duration kTickBusy = absl::Milliseconds(10);
constexpr absl::Duration kTickHolding = absl::Milliseconds(2);
constexpr absl::Duration kBusyFor = absl::Seconds(1);
// The counters of the kernel are read this often.
constexpr absl::Duration kCountInterval = absl::Seconds(1);
// Silence after which the ring is written over, and the least time between two times.
constexpr absl::Duration kWipeAfter = absl::Milliseconds(500);
constexpr absl::Duration kWipeInterval = absl::Seconds(5);
// Without new files, until one is searched for TLS that has no probes.
constexpr absl::Duration kQuietBeforeSearch = absl::Milliseconds(200);
// Between two looks at all processes because notices were lost.
constexpr absl::Duration kLostRescanInterval = absl::Seconds(5);

bool MatchesAny(const std::vector<std::string>& globs, const std::string& text) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
    return fnmatch(glob.c_str(), text.c_str(), 0) == 0;
  });
}

bool NamesProcess(const std::vector<std::string>& globs, const Process& process) {
  if (process.executable.empty()) return MatchesAny(globs, process.command);
  return MatchesAny(globs, process.executable) ||
         MatchesAny(globs, process.executable.substr(process.executable.rfind('/') + 1));
}

int Milliseconds(absl::Duration d) { return static_cast<int>(absl::ToInt64Milliseconds(d)); }

absl::Time TimeOf(uint64_t monotonic_ns) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t now_ns = int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
  return absl::Now() -
         absl::Nanoseconds(std::max<int64_t>(now_ns - static_cast<int64_t>(monotonic_ns), 0));
}

struct RingDeleter {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

class Probes final : public TlsProbes {
 public:
  Probes(const Options& options, Coverage& coverage, std::vector<ByteFlowHandler*> handlers)
      : options_(options),
        coverage_(coverage),
        reader_({.address_wait = options.address_wait,
                 .connections_max = options.connections_max,
                 .connection_idle = options.connection_idle},
                ReaderHost(), coverage, std::move(handlers)) {}
  ~Probes() override {
    Stop();
    if (stop_fd_ >= 0) close(stop_fd_);
  }

  absl::Status Open();
  void Start() override;
  void Stop() override;
  Stats GetStats() const override;

 private:
  ConnectionReader::Host ReaderHost();
  bool WantsFile(const std::string& path) const;
  // Whether the process is one to be watched, and so was told of.
  bool TellOfHidden(const FileMapping& mapping) const;
  std::optional<size_t> Select(const Process& process) const;

  // The thread that looks for files.
  void Watch();
  void OnMapping(const FileMapping& mapping);
  void LookAtAll();
  void ShareFileStats();
  // The thread that reads.
  void Read();
  static int OnRecord(void* self, void* data, size_t size);
  void TakeRecord(std::string_view bytes);
  void Count();
  void WipeWhenIdle(absl::Time now);
  void ShareReaderStats();

  const Options options_;
  Coverage& coverage_;
  ProcessTable processes_;
  std::unique_ptr<TlsPrograms> programs_;
  int stop_fd_ = -1;
  std::thread watch_thread_;
  std::thread read_thread_;
  bool started_ = false;
  bool stopped_ = false;

  // Of the thread that looks for files; before it, of Open, and after it, of Stop.
  std::unique_ptr<MappingEvents> events_;
  std::unique_ptr<ProbedFiles> files_;
  uint64_t rescans_ = 0;
  absl::Time rescanned_at_ = absl::InfinitePast();
  uint64_t lost_before_ = 0;

  // Of the thread that reads.
  std::unique_ptr<ring_buffer, RingDeleter> ring_;
  ConnectionReader reader_;
  skimwatch_probe_counters counters_{};
  absl::Time counted_at_ = absl::InfinitePast();
  absl::Time record_at_ = absl::InfinitePast();
  absl::Time wiped_at_ = absl::InfinitePast();
  bool dirty_ = false;
  uint64_t pieces_ = 0;
  uint64_t wipes_ = 0;

  mutable absl::Mutex mutex_;
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

ConnectionReader::Host Probes::ReaderHost() {
  return {.find = [this](const skimwatch_connection_key& key,
                         uint64_t id) { return programs_->Find(key, id); },
          .process =
              [this](pid_t pid, uint64_t start_ns, std::string_view command) {
                return processes_.Find(pid, start_ns, command);
              },
          .runs = [this](pid_t pid, uint64_t start_ns) { return processes_.Runs(pid, start_ns); },
          .select = [this](const Process& process) { return Select(process); },
          .ignore = [this](pid_t pid, uint64_t start_ns) { programs_->Ignore(pid, start_ns); }};
}

bool Probes::WantsFile(const std::string& path) const {
  return options_.libraries.empty() || MatchesAny(options_.libraries, path);
}

bool Probes::TellOfHidden(const FileMapping& mapping) const {
  const std::shared_ptr<const Process> process = processes_.Look(mapping.pid);
  if (process == nullptr || !Select(*process).has_value()) return false;
  spdlog::warn(
      "TLS probes: {} holds a TLS library without the functions that probes are set at; what it "
      "sends is not seen: process {} ({}) and whoever else runs it",
      // Named by whoever made the container that they are in.
      card::RedactCardNumbers(mapping.path), mapping.pid,
      card::RedactCardNumbers(process->executable));
  return true;
}

std::optional<size_t> Probes::Select(const Process& process) const {
  for (size_t i = 0; i < options_.selections.size(); ++i) {
    const Options::Selection& selection = options_.selections[i];
    if (!selection.processes.empty() && !NamesProcess(selection.processes, process)) continue;
    if (!NamesProcess(selection.exclude_processes, process)) return i;
  }
  return std::nullopt;
}

absl::Status Probes::Open() {
  const uint32_t ring_mib = std::bit_ceil(std::max(options_.ring_mib, 1u));
  absl::StatusOr<std::unique_ptr<TlsPrograms>> programs =
      TlsPrograms::Load({.ring_bytes = ring_mib << 20,
                         .call_bytes_max = options_.call_bytes_max,
                         .reads = options_.reads});
  if (!programs.ok()) return programs.status();
  programs_ = *std::move(programs);
  stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_fd_ < 0) return absl::ErrnoToStatus(errno, "TLS probes: eventfd");
  ring_.reset(ring_buffer__new(programs_->ring_fd(), &Probes::OnRecord, this, nullptr));
  if (ring_ == nullptr) return absl::ErrnoToStatus(errno, "TLS probes: mapping the ring");
  absl::StatusOr<std::unique_ptr<MappingEvents>> events = MappingEvents::Open();
  if (events.ok()) {
    events_ = *std::move(events);
  } else {
    spdlog::warn("TLS probes: new programs are seen only every {}: {}",
                 absl::FormatDuration(options_.rescan_interval), events.status().ToString());
  }
  files_ = std::make_unique<ProbedFiles>(
      *programs_, [this](const std::string& path) { return WantsFile(path); },
      [this](const FileMapping& mapping) { return TellOfHidden(mapping); });
  // What starts meanwhile is told of by the events.
  LookAtAll();
  return absl::OkStatus();
}

void Probes::Start() {
  started_ = true;
  watch_thread_ = std::thread([this] { Watch(); });
  read_thread_ = std::thread([this] { Read(); });
  pthread_setname_np(watch_thread_.native_handle(), "tls-files");
  pthread_setname_np(read_thread_.native_handle(), "tls-probes");
}

void Probes::Stop() {
  if (std::exchange(stopped_, true)) return;
  if (stop_fd_ >= 0) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(stop_fd_, &one, sizeof(one));
  }
  if (watch_thread_.joinable()) watch_thread_.join();
  // No new record comes after this.
  if (files_ != nullptr) ShareFileStats();
  files_.reset();
  if (read_thread_.joinable()) read_thread_.join();
  if (!started_) return;
  while (ring_buffer__consume(ring_.get()) > 0) {
  }
  Count();
  reader_.Flush(absl::Now());
  ShareReaderStats();
}

void Probes::LookAtAll() {
  rescanned_at_ = absl::Now();
  files_->LookAtAll(getpid(), [this](pid_t pid) { processes_.Note(pid); });
  ++rescans_;
  ShareFileStats();
}

void Probes::OnMapping(const FileMapping& mapping) {
  if (mapping.pid != getpid() && files_->Look(mapping)) processes_.Note(mapping.pid);
}

void Probes::Watch() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (const int fd : {stop_fd_, events_ == nullptr ? -1 : events_->fd(), files_->written_fd()}) {
    if (fd < 0) continue;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  bool stopping = false;
  while (!stopping) {
    std::array<epoll_event, 4> ready{};
    const absl::Duration to_rescan = rescanned_at_ + options_.rescan_interval - absl::Now();
    const absl::Duration wait =
        files_->has_to_search() ? kQuietBeforeSearch
                                : std::clamp(to_rescan, absl::Milliseconds(10), absl::Seconds(1));
    const int count =
        epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), Milliseconds(wait));
    for (int i = 0; i < count; ++i) {
      const int fd = ready[static_cast<size_t>(i)].data.fd;
      if (fd == stop_fd_) stopping = true;
      // Writes first: a file that was written to must not be taken for known.
      if (fd == files_->written_fd()) files_->TakeWritten();
    }
    if (stopping) break;
    if (events_ != nullptr) {
      events_->Read([this](const FileMapping& mapping) { OnMapping(mapping); });
    }
    const absl::Time now = absl::Now();
    const bool lost = events_ != nullptr && events_->lost() != lost_before_;
    if (now - rescanned_at_ >= options_.rescan_interval ||
        (lost && now - rescanned_at_ >= kLostRescanInterval) || now < rescanned_at_) {
      if (events_ != nullptr) lost_before_ = events_->lost();
      LookAtAll();
    }
    // One at a time and when nothing starts, so that a program does not wait for its probes.
    const bool searches = count == 0 && files_->has_to_search();
    if (searches) files_->SearchNext();
    if (count > 0 || searches) ShareFileStats();
  }
  close(epoll);
}

void Probes::ShareFileStats() {
  const ProbedFiles::Stats& files = files_->stats();
  absl::MutexLock lock(&mutex_);
  stats_.files = files.files;
  stats_.files_examined = files.examined;
  stats_.files_written = files.written;
  stats_.files_gone = files.gone;
  stats_.files_hidden = files.hidden;
  stats_.errors = files.errors;
  stats_.last_error = files.last_error;
  stats_.lost_notices = events_ == nullptr ? 0 : events_->lost();
  stats_.rescans = rescans_;
}

int Probes::OnRecord(void* self, void* data, size_t size) {
  static_cast<Probes*>(self)->TakeRecord({static_cast<const char*>(data), size});
  return 0;
}

void Probes::TakeRecord(std::string_view bytes) {
  skimwatch_record record{};
  if (bytes.size() < sizeof(record)) return;
  std::memcpy(&record, bytes.data(), sizeof(record));
  bytes.remove_prefix(sizeof(record));
  // Records have more room than data.
  bytes = bytes.substr(0, record.data_bytes);
  ++pieces_;
  if (!bytes.empty()) dirty_ = true;
  record_at_ = absl::Now();
  reader_.Take(record, bytes, TimeOf(record.time_ns));
}

void Probes::Read() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (const int fd : {stop_fd_, ring_buffer__epoll_fd(ring_.get())}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  while (true) {
    std::array<epoll_event, 2> ready{};
    const bool is_busy = absl::AbsDuration(absl::Now() - record_at_) < kBusyFor;
    const absl::Duration tick = reader_.holds() ? kTickHolding : is_busy ? kTickBusy : kTickIdle;
    const int count =
        epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), Milliseconds(tick));
    bool stopping = false;
    for (int i = 0; i < count; ++i) {
      if (ready[static_cast<size_t>(i)].data.fd == stop_fd_) stopping = true;
    }
    ring_buffer__consume(ring_.get());
    if (stopping) break;
    const absl::Time now = absl::Now();
    reader_.OnTime(now);
    if (absl::AbsDuration(now - counted_at_) >= kCountInterval) {
      counted_at_ = now;
      Count();
    }
    WipeWhenIdle(now);
    ShareReaderStats();
  }
  close(epoll);
}

void Probes::Count() {
  const skimwatch_probe_counters counters = programs_->Counters();
  const uint64_t dropped_bytes = counters.dropped_bytes - counters_.dropped_bytes;
  if (dropped_bytes > 0) {
    coverage_.Add(Reason::kShedProbeRing, dropped_bytes);
    spdlog::warn(
        "TLS probes: the ring had no room for {} bytes, {} in all: nobody looked at them; "
        "raise tls_probes.ring_mib or name fewer processes",
        dropped_bytes, counters.dropped_bytes);
  }
  counters_ = counters;
}

void Probes::WipeWhenIdle(absl::Time now) {
  if (!dirty_ || absl::AbsDuration(now - record_at_) < kWipeAfter ||
      absl::AbsDuration(now - wiped_at_) < kWipeInterval) {
    return;
  }
  wiped_at_ = now;
  dirty_ = false;
  const uint32_t pieces =
      (std::bit_ceil(std::max(options_.ring_mib, 1u)) << 20) / SKIMWATCH_PIECE_BYTES_MAX;
  // Half of the ring at a time, since what was written over counts as used until it is read.
  for (uint32_t i = 0; i <= pieces; ++i) {
    if (!programs_->WipePiece()) break;
    if (i % (pieces / 2) == 0) ring_buffer__consume(ring_.get());
  }
  ring_buffer__consume(ring_.get());
  ++wipes_;
}

void Probes::ShareReaderStats() {
  const ProcessTable::Stats processes = processes_.GetStats();
  absl::MutexLock lock(&mutex_);
  stats_.connections = reader_.connections();
  stats_.connections_opened = reader_.opened();
  stats_.connections_without_address = reader_.without_address();
  stats_.processes = processes.processes;
  stats_.processes_gone = processes.gone;
  stats_.pieces = pieces_;
  stats_.dropped_pieces = counters_.dropped_records;
  stats_.dropped_bytes = counters_.dropped_bytes;
  stats_.unmatched_returns = counters_.unmatched_returns;
  stats_.wipes = wipes_;
}

TlsProbes::Stats Probes::GetStats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace

TlsProbes::Options TlsProbes::Options::FromConfig(
    const google::protobuf::RepeatedPtrField<config::v1::TlsProbe>& probes,
    const config::v1::Limits& limits) {
  Options options;
  bool all_libraries = false;
  for (const config::v1::TlsProbe& probe : probes) {
    options.selections.push_back({.processes = {probe.processes().begin(), probe.processes().end()},
                                  .exclude_processes = {probe.exclude_processes().begin(),
                                                        probe.exclude_processes().end()}});
    options.libraries.insert(options.libraries.end(), probe.libraries().begin(),
                             probe.libraries().end());
    all_libraries = all_libraries || probe.libraries().empty();
    options.reads = options.reads || probe.scan_inbound();
  }
  if (all_libraries) options.libraries.clear();
  const auto largest = [&](auto field) {
    uint32_t value = 0;
    for (const config::v1::TlsProbe& probe : probes) value = std::max(value, (probe.*field)());
    return value;
  };
  if (const uint32_t mib = largest(&config::v1::TlsProbe::ring_mib); mib > 0) {
    options.ring_mib = mib;
  }
  if (const uint32_t kib = largest(&config::v1::TlsProbe::call_kib_max); kib > 0) {
    options.call_bytes_max =
        std::min<uint32_t>(kib << 10, SKIMWATCH_PIECES_MAX * SKIMWATCH_PIECE_BYTES_MAX);
  }
  absl::Duration rescan_interval = absl::InfiniteDuration();
  for (const config::v1::TlsProbe& probe : probes) {
    if (probe.rescan_interval_seconds() == 0) continue;
    rescan_interval = std::min(rescan_interval, absl::Seconds(probe.rescan_interval_seconds()));
  }
  if (rescan_interval < absl::InfiniteDuration()) options.rescan_interval = rescan_interval;
  if (limits.flows_max() > 0) options.connections_max = limits.flows_max();
  if (limits.flow_idle_seconds() > 0) {
    options.connection_idle = absl::Seconds(limits.flow_idle_seconds());
  }
  return options;
}

absl::StatusOr<std::unique_ptr<TlsProbes>> TlsProbes::Open(const Options& options,
                                                           Coverage& coverage,
                                                           std::vector<ByteFlowHandler*> handlers) {
  auto probes = std::make_unique<Probes>(options, coverage, std::move(handlers));
  if (absl::Status s = probes->Open(); !s.ok()) return s;
  return probes;
}

}  // namespace skimwatch::traffic
